"""The command line: finds the verbs, and turns every error we can explain into one line."""

from __future__ import annotations

import gc
import os
import sys
import traceback
from collections.abc import Sequence

import click

from toolkit import __version__
from toolkit.core.errors import MedhardenError
from toolkit.core.registry import discover

__all__ = ["main", "medharden"]

OBJECTS_BEFORE_COLLECTION = 50_000
"""Imports and rules make many objects and no rubbish: looking for some every 700 took a tenth of a short scan."""

EXIT_REFUSED = 1
EXIT_ERROR = 2
EXIT_INTERRUPTED = 130

EPILOG = """\b
Examples:
  medharden scan pump-update.hex
  medharden scan vendor.zip --format html --output report.html
  medharden scan vendor.zip --profile infusion-pump-lvp --fail-on medium
  medharden profile list

medharden is not a medical device. It helps a qualified person to judge; it does not replace that judgement."""


class _Verbs(click.Group):
    """The verbs in ``toolkit/app/commands``; they are light to import and fetch their rooms when they run."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  # click calls it with one
        return sorted(self._verbs())

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        return self._verbs().get(cmd_name)

    def _verbs(self) -> dict[str, click.Command]:
        if not self.commands:
            found = discover("toolkit.app.commands", attribute="COMMAND", kind=click.Command, group=None)
            self.commands.update(found)
        return dict(self.commands)


@click.group(cls=_Verbs, epilog=EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="medharden")
def medharden() -> None:
    """Open medical-device firmware, say what is inside, and say what is weak about it."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and leave with its exit code: 0 fine, 1 findings, 2 an error explained in one line."""
    gc.set_threshold(OBJECTS_BEFORE_COLLECTION)
    sys.exit(run(arguments))


def run(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")  # names in an image may hold what a console cannot show
    try:
        result = medharden.main(args=arguments, prog_name="medharden", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        return EXIT_ERROR
    except (click.Abort, KeyboardInterrupt):
        click.echo("medharden: stopped", err=True)
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # the reader went away; stay quiet at exit
        return 0
    except Exception as error:  # noqa: BLE001  # whatever happens, the user gets one line
        click.echo(f"medharden: {_one_line(_explain(error))}", err=True)
        return EXIT_REFUSED if _is_refusal(error) else EXIT_ERROR
    return result if isinstance(result, int) else 0


def _explain(error: Exception) -> str:
    """Return what to tell about ``error``; one that is not ours is a defect, whose details are for who mends it."""
    if isinstance(error, MedhardenError):
        return f"refused [{rule}] {error}" if (rule := getattr(error, "rule", "")) else str(error)
    if os.environ.get("MEDHARDEN_DEBUG"):
        traceback.print_exception(error)
    return f"a defect, please report it ({type(error).__name__}: {error}); MEDHARDEN_DEBUG=1 shows where"


def _is_refusal(error: Exception) -> bool:
    """Tell whether a verifier said no, which is a result and no error."""
    from signing.refusal import Refusal

    return isinstance(error, Refusal)


def _one_line(message: str) -> str:
    return "".join(c if c.isprintable() else "?" for c in message.replace("\n", "; "))
