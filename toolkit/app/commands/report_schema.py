"""``medharden report-schema``: the JSON Schema of the report, for programs that read it."""

from __future__ import annotations

import click

EPILOG = """\b
Examples:
  medharden report-schema > medharden-report.schema.json"""


@click.command(name="report-schema", short_help="Print the JSON Schema of reports.", epilog=EPILOG)
def COMMAND() -> None:  # noqa: N802  # the registry finds it by this name
    """Print the JSON Schema of the JSON report."""
    import json

    from toolkit.report.json_report import schema

    click.echo(json.dumps(schema(), indent=2, sort_keys=True))
