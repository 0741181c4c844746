"""ZIP archives, the usual envelope of vendor updates."""

from __future__ import annotations

import io
import zipfile
from functools import partial

from firmware_checks.format import Entry, EntryKind, ImageFormat, Magic, Opened
from firmware_checks.readers.entry_names import visible
from firmware_checks.readers.inode_tree import PATH_CHARACTERS, kind_of_mode
from firmware_checks.readers.stored import Stored
from firmware_checks.readers.zip_archive import Archive, read_archive
from firmware_checks.readers.zip_member import METHODS, Member, read_member
from firmware_checks.span import Span
from toolkit.core.errors import FormatError, LimitExceeded
from toolkit.core.limits import Limits
from toolkit.core.window import Window
from toolkit.report.model import Fact, RegionKind

__all__ = ["FORMAT", "MAGICS", "archive_facts", "archive_problems", "entry_of"]

MAGICS = (Magic(rb"PK\x03\x04"), Magic(rb"PK\x05\x06\x00{16}"))

FLAVOURS = (
    ("AndroidManifest.xml", "Android application"),
    ("META-INF/MANIFEST.MF", "Java archive"),
    ("[Content_Types].xml", "Microsoft Office document"),
    ("mimetype", "OpenDocument or e-book"),
)
"""File names that tell what a zip is used for; the first that is inside decides."""
COMMENT_CHARACTERS = 200


def _open(span: Span, limits: Limits) -> Opened:
    archive = read_archive(span.window, limits)
    return Opened(
        size=archive.size,
        kind=RegionKind.CONTAINER,
        title=_title(archive),
        facts=archive_facts(archive),
        entries=tuple(entry_of(span.window, member) for member in archive.members),
        problems=archive_problems(archive),
    )


def entry_of(window: Window, member: Member) -> Entry:
    """Return the entry of ``member``; its content is unpacked and checked when it is read."""
    target = _target(window, member)
    kind = EntryKind.SYMBOLIC_LINK if target else EntryKind.FOLDER if member.is_folder else EntryKind.FILE
    is_file = kind is EntryKind.FILE
    uid, gid = member.owner or (None, None)
    return Entry(
        name=visible(member.name.rstrip("/") if member.is_folder else member.name, most_characters=PATH_CHARACTERS),
        packed_bytes=member.packed_bytes if is_file else 0,
        unpacked_bytes=member.unpacked_bytes if is_file else 0,
        read=partial(read_member, window, member) if is_file else Stored(window, 0, 0).read,
        kind=kind,
        mode=None if member.unix_mode is None else member.unix_mode & 0o7777,
        uid=uid,
        gid=gid,
        modified_s=member.modified_s,
        target=visible(target, most_characters=PATH_CHARACTERS),
        offset=member.start,
    )


def _target(window: Window, member: Member) -> str:
    """Return where a symbolic link points to; empty for all else, also for what only claims to be a link."""
    if member.unix_mode is None or kind_of_mode(member.unix_mode) is not EntryKind.SYMBOLIC_LINK:
        return ""
    try:
        return read_member(window, member, PATH_CHARACTERS).decode("utf-8", "surrogateescape")
    except (FormatError, LimitExceeded):
        return ""


def archive_facts(archive: Archive) -> dict[str, Fact]:
    """Return what is worth knowing about an archive before it is unpacked."""
    folders = sum(member.is_folder for member in archive.members)
    methods = {METHODS.get(member.method, f"method {member.method}") for member in archive.members}
    facts: dict[str, Fact] = {"files": len(archive.members) - folders, "folders": folders}
    if methods:
        facts["methods"] = tuple(sorted(methods))
    if archive.stub_bytes:
        facts["stub_bytes"] = archive.stub_bytes
    if archive.comment:
        facts["comment"] = visible(archive.comment.decode("cp437"), most_characters=COMMENT_CHARACTERS)
    return facts


def archive_problems(archive: Archive) -> tuple[str, ...]:
    """Return what is wrong with the archive, and how much of it needs a password."""
    encrypted = sum(member.encrypted for member in archive.members)
    return (
        (*archive.problems, f"{encrypted} files are password protected and were not read")
        if encrypted
        else archive.problems
    )


def _title(archive: Archive) -> str:
    names = {member.name for member in archive.members}
    flavour = next((title for name, title in FLAVOURS if name in names), "")
    return f"ZIP archive ({flavour})" if flavour else "ZIP archive"


def _example() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(zipfile.ZipInfo("read-me.txt"), b"Copy the file to the pump.\n")
        archive.writestr(zipfile.ZipInfo("pump.bin"), bytes(64) + b"pump 1.2", compress_type=zipfile.ZIP_DEFLATED)
        archive.comment = b"work order 4711"
    return file.getvalue()


FORMAT = ImageFormat(
    name="zip",
    title="ZIP archive",
    source="PKWARE APPNOTE.TXT 6.3.10; Info-ZIP extra fields (Unicode path 0x7075)",
    limits=(
        "Opens stored, deflate, bzip2, LZMA and xz entries; tries no password; does not join parts of split archives. "
        "Inside other bytes an archive whose entries do not say their size is found only up to 8 MiB."
    ),
    open=_open,
    magics=MAGICS,
    example=_example,
)
