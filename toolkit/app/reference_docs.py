"""Reference pages written from the registries, so that they cannot drift from the code.

``python -m toolkit.app.reference_docs DIR`` writes them; ``tasks.py lint`` fails when a page on disk differs.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path

import click

from toolkit.core.files import write_whole

__all__ = ["pages"]

NOTE = "<!-- Written by `python tasks.py docs`; edit the source it names instead. -->"


def pages() -> dict[str, str]:
    """Return file name -> Markdown text of every reference page."""
    return {
        "architectures.md": _architectures(),
        "attack-cases.md": _attack_cases(),
        "bench-detection.md": _bench_detection(),
        "checks.md": _checks(),
        "command-line.md": _command_line(),
        "components.md": _components(),
        "formats.md": _formats(),
    }


def _formats() -> str:
    from firmware_checks.format import ImageFormat
    from toolkit.core.registry import discover

    formats = discover("firmware_checks.formats", attribute="FORMAT", kind=ImageFormat, group=None)
    rows = ((f"`{f.name}`", f.title, f.limits, f.source) for f in formats.values())
    return _page(
        "Image formats",
        "One file each in `firmware_checks/formats/`.",
        _table(("name", "what it is", "limits of the reader", "written from"), rows),
    )


def _architectures() -> str:
    from firmware_checks.architecture import Architecture
    from toolkit.core.registry import discover

    known = discover("firmware_checks.architectures", attribute="ARCHITECTURE", kind=Architecture, group=None)
    return _page(
        "Processor architectures told from raw bytes",
        "One file each in `firmware_checks/architectures/`.",
        _table(("name", "what it is"), ((f"`{a.name}`", a.title) for a in known.values())),
    )


def _attack_cases() -> str:
    from signing.attacks.suite import suites
    from toolkit.app.attack_page import attack_rows

    heads = ("case", "attack", "what is done", "stopped by")
    body = "\n\n".join(f"## {suite.title}\n\n{_table(heads, attack_rows(suite))}" for suite in suites())
    return _page(
        "Attacks on updates, and what stops them",
        "One file each in `signing/attacks/`. Every attack was carried out while this page was written.",
        body,
    )


def _checks() -> str:
    from firmware_checks.check import Check
    from toolkit.core.registry import discover

    checks = discover("firmware_checks.checks", attribute="CHECK", kind=Check, group=None)
    rows = ((f"`{c.name}`", c.question, c.remedy, ", ".join(c.controls.rows())) for c in checks.values())
    return _page(
        "Checks",
        "One file each in `firmware_checks/checks/`.",
        _table(("name", "question", "what to do about a finding", "controls"), rows),
    )


def _bench_detection() -> str:
    from hil.bench_check import checks
    from hil.detection import EMULATORS, detection_rows

    known = checks().values()
    asked = ((c.id, f"`{c.name}`", c.question, "yes" if c.changes_device else "no", c.lowest_level) for c in known)
    table = _table(("no.", "check", "question", "changes the device", "counts from"), asked)
    head = ("device", "what is wrong with it", "fails", *(f"in {emulator}" for emulator in EMULATORS))
    found = _table(head, detection_rows())
    return _page(
        "Bench checks, and what each of them finds",
        "One file each in `hil/checks/`. Every check was run on every emulated pump while this page was written: "
        "a weak one must fail the check that is meant for it and no other, the good one none. The last columns say how "
        "often that came out on the compiled pump, as `benchmarks/bench_detection.py` measured it; for the good pump, "
        "in how many runs any check failed.",
        f"{table}\n\n## Detection table\n\n{found}",
    )


def _components() -> str:
    from firmware_checks.component_rules import load_rules

    rows = ((f"`{r.name}`", r.title, r.category, f"`{r.purl}`") for r in load_rules())
    return _page(
        "Components that can be named",
        "One file each in `firmware_checks/components/`.",
        _table(("name", "what it is", "category", "package URL"), rows),
    )


def _command_line() -> str:
    from toolkit.app.cli import medharden

    body = "\n".join(_help(medharden, ("medharden",)))
    return _page("Command line", "The text that `--help` prints.", body)


def _help(command: click.Command, path: tuple[str, ...]) -> Iterable[str]:
    context = click.Context(command, info_name=" ".join(path), terminal_width=100, color=False)
    yield f"## `{' '.join(path)}`\n\n```text\n{command.get_help(context)}\n```\n"
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            inner = command.get_command(context, name)
            if inner is not None:
                yield from _help(inner, (*path, name))


def _page(title: str, introduction: str, body: str) -> str:
    return f"{NOTE}\n# {title}\n\n{introduction}\n\n{body.rstrip()}\n"


def _table(heads: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [heads, tuple("---" for _ in heads), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    for name, text in pages().items():
        write_whole(folder / name, text.encode())
