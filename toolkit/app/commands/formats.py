"""``medharden formats``: what can be opened, and what the readers do not do."""

from __future__ import annotations

import click

EPILOG = """\b
Examples:
  medharden formats
  medharden formats --json"""


@click.command(name="formats", short_help="List what can be opened, with limits.", epilog=EPILOG)
@click.option("--json", "as_json", is_flag=True, help="Print a JSON list.")
def COMMAND(*, as_json: bool) -> None:  # noqa: N802  # the registry finds it by this name
    """List the image formats that can be opened, with their limits and sources."""
    import json

    from firmware_checks.format_index import load_formats

    formats = load_formats()
    if as_json:
        rows = [{"name": f.name, "title": f.title, "limits": f.limits, "source": f.source} for f in formats.values()]
        click.echo(json.dumps(rows, indent=2))
        return
    for image_format in formats.values():
        click.echo(f"{image_format.name:24}{image_format.title}")
        click.echo(f"{'':24}limits: {image_format.limits}")
