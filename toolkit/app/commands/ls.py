"""``medharden ls``: list what is inside an image, at any depth, without unpacking anything to disk."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from firmware_checks.listing import Listing, Row

EPILOG = """\b
Examples:
  medharden ls dump.bin
  medharden ls update.zip --hash --json > files.json

\b
Exit codes:
  0  everything was listed
  1  something could not be read, or a limit was reached; it is named
  2  the image could not be used; the reason is on the error stream"""

BLOCK_BYTES = 1 << 16
LETTERS = {
    "file": "-",
    "folder": "d",
    "symbolic-link": "l",
    "hard-link": "h",
    "character-device": "c",
    "block-device": "b",
    "pipe": "p",
    "socket": "s",
    "container": "*",
}


@click.command(name="ls", epilog=EPILOG)
@click.argument("image", type=click.Path(path_type=Path))
@click.option("--hash", "with_digests", is_flag=True, help="Read every file and tell its SHA-256.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON document.")
@click.option("--jobs", type=click.IntRange(1, 64), default=2, show_default=True, help="Files read at a time.")
def COMMAND(image: Path, *, with_digests: bool, as_json: bool, jobs: int) -> int:  # noqa: N802  # found by this name
    """List the files in every container of IMAGE, also in containers inside containers.

    A path reads image!container!file; a container found inside other bytes is called format@offset.
    """
    from toolkit.app.image_listing import listed

    lines = _json_lines if as_json else _text_lines
    with listed(image, jobs=jobs, with_digests=with_digests, is_wanted=None, is_entered=lambda _path: True) as (
        listing,
        rows,
    ):
        for block in _in_blocks(lines(listing, rows, with_digests=with_digests)):
            click.echo(block, nl=False)
        return 1 if listing.unread.named or listing.budget.hits.sentences() else 0


def _in_blocks(lines: Iterator[bytes]) -> Iterator[bytes]:
    """Yield the lines some at a time: writing each by itself would take longer than making it."""
    block = bytearray()
    for line in lines:
        block += line
        if len(block) >= BLOCK_BYTES:
            yield bytes(block)
            block.clear()
    yield bytes(block)


def _json_lines(listing: Listing, rows: Iterator[Row], *, with_digests: bool) -> Iterator[bytes]:  # noqa: ARG001  # as text
    """Yield the document piece by piece: a row a line, so that a long listing needs no memory."""
    import msgspec

    encoder = msgspec.json.Encoder()
    yield b'{"entries":['
    for number, row in enumerate(rows):
        yield (b",\n" if number else b"\n") + encoder.encode(_record(row))
    yield b'\n],\n"unread":' + encoder.encode(listing.unread.rows())
    yield b',\n"limits_hit":' + encoder.encode(listing.budget.hits.sentences()) + b"}\n"


def _record(row: Row) -> dict[str, Any]:
    entry = row.entry
    return {
        "path": row.path,
        "type": row.kind,
        "size": row.size,
        "mode": entry.mode if entry else None,
        "uid": entry.uid if entry else None,
        "gid": entry.gid if entry else None,
        "modified_s": entry.modified_s if entry else None,
        "target": entry.target or None if entry else None,
        "device": entry.device if entry else None,
        "offset": entry.offset if entry else None,
        "sha256": row.sha256 or None,
        "same_as": row.same_as or None,
    }


def _text_lines(listing: Listing, rows: Iterator[Row], *, with_digests: bool) -> Iterator[bytes]:
    from toolkit.report.printable import printable

    counts: Counter[str] = Counter()
    size = 0
    for row in rows:
        counts[row.kind] += 1
        size += (row.size or 0) if row.kind == "file" else 0
        yield f"{_line(row, with_digests=with_digests)}\n".encode("utf-8", "replace")
    for unread in listing.unread.rows():
        yield f"not read: {printable(unread.path)}: {printable(unread.reason)}\n".encode("utf-8", "replace")
    for hit in listing.budget.hits.sentences():
        yield f"limit reached: {printable(hit)}\n".encode("utf-8", "replace")
    kinds = ", ".join(f"{count} {kind}{'' if count == 1 else 's'}" for kind, count in sorted(counts.items()))
    yield f"{kinds or 'no entries'}; {size} bytes in files\n".encode()


def _line(row: Row, *, with_digests: bool) -> str:
    from datetime import UTC, datetime, timedelta

    from toolkit.report.printable import printable

    entry = row.entry
    mode = uid = gid = when = ""
    if entry is not None:
        mode = "?" * 9 if entry.mode is None else _rights(entry.mode)
        uid, gid = ("?" if number is None else str(number) for number in (entry.uid, entry.gid))
        if entry.modified_s is not None and 0 <= entry.modified_s < 1 << 36:
            when = (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=entry.modified_s)).strftime("%Y-%m-%d %H:%M")
    size = "?" if row.size is None else str(row.size)
    if entry is not None and entry.device is not None:
        size = f"{entry.device[0]}, {entry.device[1]}"
    digest = f"{row.sha256:64} " if with_digests else ""
    target = f" -> {printable(entry.target)}" if entry is not None and entry.target else ""
    same = f" (same content as {printable(row.same_as)})" if row.same_as else ""
    start = f"{LETTERS[row.kind]}{mode:9} {uid:>5} {gid:>5} {size:>11} {when:16}"
    return f"{start} {digest}{printable(row.path)}{target}{same}"


def _rights(mode: int) -> str:
    """Return permission bits as ``rwxr-sr-t``."""
    import stat

    return stat.filemode(stat.S_IFREG | mode)[1:]
