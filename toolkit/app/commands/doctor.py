"""``medharden doctor``: whether this installation is whole, and what an optional part would add."""

from __future__ import annotations

import click

EPILOG = """\b
Examples:
  medharden doctor
  medharden doctor --json

\b
Exit codes:
  0  nothing is wrong
  1  something is wrong; the line says what to do"""


@click.command(name="doctor", short_help="Say whether the installation is whole.", epilog=EPILOG)
@click.option("--json", "as_json", is_flag=True, help="Print the findings as JSON.")
def COMMAND(*, as_json: bool) -> int:  # noqa: N802  # the registry finds it by this name
    """Say whether this installation is whole, and what optional parts would add."""
    import json
    from dataclasses import asdict

    from toolkit.app.installation import diagnose, lines

    found = diagnose()
    click.echo(json.dumps(asdict(found), indent=2) if as_json else "\n".join(lines(found)))
    return 1 if found.problems else 0
