"""``medharden cat``: write one file of an image to the standard output."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from toolkit.core.errors import InputError

if TYPE_CHECKING:
    from firmware_checks.listing import Row

EPILOG = """\b
Examples:
  medharden cat update.zip read-me.txt
  medharden cat dump.bin "squashfs@0x120000!etc/passwd"
  medharden cat update.swu kernel.gz!content > kernel"""

MOST_LINKS = 8
"""Hard links that lead to hard links."""


@click.command(name="cat", epilog=EPILOG)
@click.argument("image", type=click.Path(path_type=Path))
@click.argument("path")
def COMMAND(image: Path, path: str) -> None:  # noqa: N802  # the registry finds it by this name
    """Write the content of PATH inside IMAGE, as `medharden ls` lists it; the image's own name may be left out.

    A hard link gives the content of the file it stands for. Other links are not followed.
    """
    from toolkit.app.image_listing import full_path

    wanted = full_path(image, path)
    for _ in range(MOST_LINKS):
        row, reason = _find(image, wanted)
        if row.content is not None:
            _write(row.content, wanted)
            return
        if row.kind != "hard-link" or row.entry is None:
            raise InputError(_refusal(row, reason))
        wanted = f"{row.container}!{row.entry.target}"
    raise InputError(f"{wanted}: hard links lead to each other")


def _find(image: Path, wanted: str) -> tuple[Row, str]:
    """Return the row of ``wanted`` and why it could not be read, if it could not; raise when there is none."""
    from toolkit.app.image_listing import Choice, listed, unknown_path

    choice = Choice([wanted])
    seen: list[str] = []
    with listed(
        image,
        jobs=1,
        with_digests=False,
        is_wanted=lambda path: path == wanted,
        is_entered=lambda path: path != wanted and choice.leads_through(path),
    ) as (listing, rows):
        for row in rows:
            if row.path.rstrip("/") == wanted:
                reasons = [unread.reason for unread in listing.unread.rows() if unread.path == row.path]
                return row, "; ".join(reasons)
            seen.append(row.path)
    raise unknown_path(wanted, seen)


def _refusal(row: Row, reason: str) -> str:
    from toolkit.report.printable import printable

    target = f" to '{row.entry.target}'" if row.entry is not None and row.entry.target else ""
    what = reason or f"is a {row.kind}{target} and has no content of its own"
    return printable(f"{row.path}: {what}")


def _write(content: bytes | memoryview, path: str) -> None:
    import sys

    from toolkit.report.printable import printable

    if sys.stdout.isatty() and not _is_harmless(bytes(content)):
        raise InputError(f"{printable(path)} is no plain text; send it to a file with > FILE")
    click.echo(bytes(content), nl=False)


def _is_harmless(content: bytes) -> bool:
    """Tell whether a terminal may be shown ``content``: text without control characters."""
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return all(line.isprintable() for line in text.replace("\t", " ").replace("\r\n", "\n").split("\n"))
