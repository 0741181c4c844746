"""``medharden extract``: write files of an image to a folder, safely."""

from __future__ import annotations

from pathlib import Path

import click

EPILOG = """\b
Examples:
  medharden extract update.zip --to update/
  medharden extract dump.bin --to etc/ "squashfs@0x120000!etc"

\b
Exit codes:
  0  everything was written
  1  something was refused, could not be read, or a limit was reached; medharden-extract.json names it
  2  the image or the folder could not be used; the reason is on the error stream"""


@click.command(name="extract", epilog=EPILOG)
@click.argument("image", type=click.Path(path_type=Path))
@click.argument("paths", nargs=-1, metavar="[PATH]...")
@click.option("--to", "folder", required=True, type=click.Path(path_type=Path), help="New or empty folder to write to.")
@click.option("--json", "as_json", is_flag=True, help="Print the account of what was written as JSON.")
@click.option("--jobs", type=click.IntRange(1, 64), default=2, show_default=True, help="Files read at a time.")
def COMMAND(  # noqa: N802  # the registry finds it by this name
    image: Path, paths: tuple[str, ...], *, folder: Path, as_json: bool, jobs: int
) -> int:
    """Write the files of IMAGE to a folder: all, or those that a PATH names as `medharden ls` lists them.

    What is inside a container a.zip goes to a folder a.zip!. Links and devices become short text files; nothing is
    overwritten, and no name leads out of the folder. What went where stands in medharden-extract.json.
    """
    from firmware_checks.image import shown_name
    from toolkit.app.extraction import Extraction
    from toolkit.app.image_listing import Choice, full_path, listed, unknown_path

    choice = Choice([full_path(image, path) for path in paths or (shown_name(image),)])
    seen: list[str] = []
    missing = set(choice.paths if paths else ())
    with listed(image, jobs=jobs, with_digests=not paths, is_wanted=choice.takes, is_entered=choice.leads_through) as (
        listing,
        rows,
    ):
        extraction = Extraction(folder)
        for row in rows:
            path = row.path.rstrip("/")
            seen.append(path)
            if choice.takes(path):
                missing = {chosen for chosen in missing if not Choice([chosen]).takes(path)}
                if row.kind != "container" or path in choice.paths:
                    extraction.write(row)
        unread, limits_hit = listing.unread.rows(), listing.budget.hits.sentences()
    manifest = extraction.finish(shown_name(image), unread, limits_hit)
    if missing:
        raise unknown_path(min(missing), seen)
    if as_json:
        click.echo(manifest, nl=False)
    else:
        click.echo(
            f"{len(extraction.extracted)} files and {extraction.folders} folders written to {folder}, "
            f"{len(extraction.refused)} refused, {len(unread)} not read"
        )
    return 1 if extraction.refused or unread or limits_hit else 0
