"""``medharden trust``: the ceremony that makes, renews and revokes a root of trust."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from toolkit.app.moment import now_option
from toolkit.app.secrets import CommandLineSecrets, passphrase_option

if TYPE_CHECKING:
    from signing.trust.ceremony import Outcome

EPILOG = """\b
Examples:
  medharden trust init vendor --plan vendor-plan.toml
  medharden trust sign vendor --key file:ada.pem
  medharden trust merge vendor stick-of-ben/vendor
  medharden trust show vendor
  medharden trust rotate vendor --plan new-plan.toml
  medharden trust revoke vendor ben

\b
Nothing counts before enough people have signed and it was merged. Each step
is added to log.jsonl, and transcript.txt is written anew: print it."""

INIT_EPILOG = """\b
Examples:
  medharden trust init vendor --plan vendor.toml
  medharden trust init hospital --plan hospital.toml --now 2026-12-01T09:00:00Z

\b
The plan is a TOML file with people, roles and thresholds: docs/updates.md, 2."""

SIGN_EPILOG = """\b
Examples:
  medharden trust sign vendor --key file:ada.pem
  medharden trust sign ben-stick/vendor --key "pkcs11:token=clinic;object=ben"

\b
Compare the SHA-256 on the screen with those of the others before you sign."""

MERGE_EPILOG = """\b
Examples:
  medharden trust merge vendor
  medharden trust merge vendor ben-stick/vendor cyd-stick/vendor"""

ROTATE_EPILOG = """\b
Examples:
  medharden trust rotate vendor --plan vendor-2.toml"""

REVOKE_EPILOG = """\b
Examples:
  medharden trust revoke vendor ben
  medharden trust revoke vendor ben cyd"""

SHOW_EPILOG = """\b
Examples:
  medharden trust show vendor
  medharden trust show vendor --json"""

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON for other programs.")
folder_argument = click.argument("folder", type=click.Path(path_type=Path))


@click.group(name="trust", short_help="Make, sign, renew and revoke a root of trust.", epilog=EPILOG)
def COMMAND() -> None:  # noqa: N802  # the registry finds it by this name
    """Key ceremonies: who may approve updates, and how many of them it takes."""


@COMMAND.command(name="init", short_help="Start a trust folder for a plan.", epilog=INIT_EPILOG)
@folder_argument
@click.option("--plan", required=True, type=click.Path(path_type=Path), help="TOML file: people, roles, thresholds.")
@now_option
@json_option
def init(folder: Path, plan: Path, now: datetime, *, as_json: bool) -> None:
    """Start a trust folder in a new FOLDER for a plan; it counts once it is signed and merged."""
    from signing.trust import ceremony

    _tell(ceremony.init(folder, plan, now), as_json=as_json)


@COMMAND.command(name="sign", short_help="Sign what waits for signatures, with one key.", epilog=SIGN_EPILOG)
@folder_argument
@click.option("--key", required=True, metavar="URI", help="Your private key, for example file:ada.pem or pkcs11:...")
@passphrase_option
@now_option
@json_option
def sign(folder: Path, key: str, passphrase_file: Path | None, now: datetime, *, as_json: bool) -> None:
    """Add your signature to all that waits in FOLDER and that your key may sign."""
    from signing.keyring import open_signer
    from signing.trust import ceremony

    with open_signer(key, CommandLineSecrets(passphrase_file)) as signer:
        _tell(ceremony.sign(folder, signer, now), as_json=as_json)


@COMMAND.command(
    name="merge", short_help="Collect signatures from copies; let it count once complete.", epilog=MERGE_EPILOG
)
@folder_argument
@click.argument("copies", nargs=-1, type=click.Path(path_type=Path))
@now_option
@json_option
def merge(folder: Path, copies: tuple[Path, ...], now: datetime, *, as_json: bool) -> int:
    """Collect the signatures from COPIES of FOLDER; once there are enough, what they signed counts.

    Exit code 1 says that signatures are still missing.
    """
    from signing.trust import ceremony

    outcome = ceremony.merge(folder, copies, now)
    _tell(outcome, as_json=as_json)
    return 0 if outcome.complete else 1


@COMMAND.command(name="rotate", short_help="Put a new plan in force.", epilog=ROTATE_EPILOG)
@folder_argument
@click.option("--plan", required=True, type=click.Path(path_type=Path), help="The new plan.")
@now_option
@json_option
def rotate(folder: Path, plan: Path, now: datetime, *, as_json: bool) -> None:
    """Prepare the files that put a new plan in force; enough of the old root keys must sign them too."""
    from signing.trust import ceremony

    _tell(ceremony.rotate(folder, plan, now), as_json=as_json)


@COMMAND.command(name="revoke", short_help="Take away all roles from people.", epilog=REVOKE_EPILOG)
@folder_argument
@click.argument("people", nargs=-1, required=True)
@now_option
@json_option
def revoke(folder: Path, people: tuple[str, ...], now: datetime, *, as_json: bool) -> None:
    """Prepare the files in which the keys of PEOPLE (ids of the plan) count no more."""
    from signing.trust import ceremony

    _tell(ceremony.revoke(folder, people, now), as_json=as_json)


@COMMAND.command(name="show", short_help="Show who may do what, and check log and signatures.", epilog=SHOW_EPILOG)
@folder_argument
@json_option
def show(folder: Path, *, as_json: bool) -> None:
    """Show the people, keys and roles of FOLDER after checking the chain of roots and the log."""
    from signing.chain_log import ChainLog
    from signing.trust.folder import TrustFolder
    from signing.trust.transcript import describe, summary

    trust = TrustFolder(folder)
    head = ChainLog(folder / "log.jsonl").head()
    if as_json:
        _print_json({**summary(trust), "log": {"entries": head.entries, "sha256": head.sha256}})
        return
    for line in describe(trust):
        click.echo(line)
    click.echo(f"\n  log: {head.entries} lines, none of them changed; the last one has SHA-256 {head.sha256}")


def _tell(outcome: Outcome, *, as_json: bool) -> None:
    if as_json:
        _print_json({"complete": outcome.complete, "lines": outcome.lines})
        return
    for line in outcome.lines:
        click.echo(line)


def _print_json(document: object) -> None:
    import msgspec

    click.echo(msgspec.json.format(msgspec.json.encode(document), indent=2).decode())
