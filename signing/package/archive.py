"""The file form of an update package: a plain tar archive of which exactly one spelling is accepted.

POSIX.1-1988 ``ustar``, stored, regular files only, every header field fixed by name and size, two zero blocks at the
end and nothing behind them. A reader builds the header that must stand there and compares, so there is no field in
which an archive could say one thing to us and another to somebody else. Any tar program can list and unpack it.

Source: IEEE Std 1003.1, pax, "ustar Interchange Format".
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import BinaryIO, Final, Self, cast

from signing.refusal import Refusal

__all__ = ["BLOCK_BYTES", "MARKER", "MARKER_NAME", "Archive", "Member", "Source", "safe_path", "write_archive"]

BLOCK_BYTES: Final = 512
CHUNK_BYTES: Final = 1 << 20
MOST_MEMBERS: Final = 4096
LARGEST_MEMBER_BYTES: Final = (8 << 30) - 1
"""Eleven octal digits hold no more."""
MOST_NAME_BYTES: Final = 100
MARKER_NAME: Final = "mdpkg"
MARKER: Final = b"medharden update package, format 1\n"
"""First member: says what the file is, to people and to programs that look at the first bytes."""

_PART: Final = re.compile(r"[a-z0-9][a-z0-9._+-]*")
_DEVICES: Final = re.compile(r"(con|prn|aux|nul|com[0-9]|lpt[0-9])(\..*)?")
"""Names Windows gives to devices, whatever follows the dot."""


@dataclass(frozen=True, slots=True)
class Member:
    """One file in an archive: where its content lies, in bytes from the start of the archive."""

    name: str
    offset: int
    size: int


@dataclass(frozen=True, slots=True)
class Source:
    """Content to be written: a name, a size in bytes, and how to open it."""

    name: str
    size: int
    open: Callable[[], BinaryIO]


def safe_path(name: str) -> str:
    """Return ``name`` if every system can hold it as a file and no two of them fall together on FAT32; else refuse."""
    parts = name.split("/")
    if len(name.encode("utf-8", "replace")) > MOST_NAME_BYTES:
        raise Refusal("package.name", f"the name {name[:40]!r}... is longer than {MOST_NAME_BYTES} bytes")
    for part in parts:
        if not _PART.fullmatch(part) or part.endswith(".") or _DEVICES.fullmatch(part):
            raise Refusal("package.name", f"the name {_shown(name)} cannot be held safely by every system")
    return name


def write_archive(output: BinaryIO, sources: Iterable[Source]) -> None:
    """Write ``sources`` in the order given, with the marker in front."""
    from io import BytesIO

    seen = {MARKER_NAME}
    _write_member(output, Source(MARKER_NAME, len(MARKER), lambda: BytesIO(MARKER)))
    for source in sources:
        if safe_path(source.name) in seen:
            raise Refusal("package.name", f"the name {source.name} occurs twice")
        seen.add(source.name)
        _write_member(output, source)
    output.write(bytes(2 * BLOCK_BYTES))


def _write_member(output: BinaryIO, source: Source) -> None:
    output.write(_header(source.name, source.size))
    written = 0
    with source.open() as stream:
        while chunk := stream.read(min(CHUNK_BYTES, source.size - written + 1)):
            written += len(chunk)
            output.write(chunk)
            if written > source.size:
                break
    if written != source.size:
        raise Refusal("package.changed", f"{source.name} changed while it was being packed")
    output.write(bytes(-source.size % BLOCK_BYTES))


class Archive:
    """The members of an archive, found by walking from header to header; content is read only on demand."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self.members: dict[str, Member] = {}
        for member in _walk(stream):
            if member.name in self.members:
                raise Refusal("package.name", f"the name {member.name} occurs twice")
            self.members[member.name] = member
        first = next(iter(self.members.values()), None)
        if first is None or first.name != MARKER_NAME or self.read(MARKER_NAME, len(MARKER)) != MARKER:
            raise Refusal("package.form", "this is no update package of a format that is known")

    def leave_out(self, prefix: str) -> None:
        """Forget all members whose names start with ``prefix``."""
        self.members = {name: member for name, member in self.members.items() if not name.startswith(prefix)}

    def read(self, name: str, most_bytes: int) -> bytes:
        """Return the whole content of the member ``name``; refuse if it is absent or longer than ``most_bytes``."""
        member = self.members.get(name)
        if member is None:
            raise Refusal("package.missing", f"{_shown(name)} is not in the package")
        if member.size > most_bytes:
            raise Refusal("package.size", f"{name} has {member.size} bytes; at most {most_bytes} are read")
        return b"".join(bytes(chunk) for chunk in self.chunks(member))

    def chunks(self, member: Member) -> Iterator[memoryview]:
        """Yield the content of ``member`` piece by piece; a piece is valid until the next one is asked for."""
        yield from read_range(self._stream, member.offset, member.size)

    def source(self, name: str) -> Source:
        """Return the member ``name`` as something to be written into another archive."""
        member = self.members[name]
        return Source(name, member.size, lambda: cast("BinaryIO", _Range(self._stream, member.offset, member.size)))


def read_range(stream: BinaryIO, offset: int, size: int) -> Iterator[memoryview]:
    """Yield the bytes ``[offset, offset + size)``; refuse if the medium ends or fails before that."""
    buffer = bytearray(min(CHUNK_BYTES, max(size, 1)))
    view = memoryview(buffer)
    left = size
    while left:
        wanted = view[: min(len(buffer), left)]
        try:
            stream.seek(offset + size - left)
            count = _read_into(stream, wanted)
        except OSError as error:
            message = f"the package cannot be read: {error.strerror or error}; try another copy of it"
            raise Refusal("package.unreadable", message) from error
        if not count:
            raise Refusal("package.truncated", f"the package ends {left} bytes early")
        yield wanted[:count]
        left -= count


def _read_into(stream: BinaryIO, wanted: memoryview) -> int:
    read_into: Callable[[memoryview], int | None] | None = getattr(stream, "readinto", None)
    if read_into is not None:
        return read_into(wanted) or 0
    data = stream.read(len(wanted))
    wanted[: len(data)] = data
    return len(data)


class _Range:
    """A stretch of a stream as a stream of its own, for reading once from front to back."""

    def __init__(self, stream: BinaryIO, offset: int, size: int) -> None:
        self._stream, self._at, self._end = stream, offset, offset + size

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Leave the stream open: it belongs to somebody else."""

    def read(self, size: int) -> bytes:
        self._stream.seek(self._at)
        data = self._stream.read(max(0, min(size, self._end - self._at)))
        self._at += len(data)
        return data


def _walk(stream: BinaryIO) -> Iterator[Member]:
    end = stream.seek(0, 2)
    position = 0
    for _ in range(MOST_MEMBERS):
        header = _exactly(stream, position, BLOCK_BYTES)
        if header == bytes(BLOCK_BYTES):
            _check_end(stream, position, end)
            return
        name, size = _parse(header)
        member = Member(name, position + BLOCK_BYTES, size)
        position = member.offset + size + (-size % BLOCK_BYTES)
        if position > end:
            raise Refusal("package.truncated", f"{name} reaches past the end of the package")
        if any(_exactly(stream, member.offset + size, position - member.offset - size)):
            raise Refusal("package.form", f"the padding behind {name} is not empty")
        yield member
    raise Refusal("package.size", f"a package has no more than {MOST_MEMBERS} files")


def _check_end(stream: BinaryIO, position: int, end: int) -> None:
    if end - position != 2 * BLOCK_BYTES:
        at_fault = "something follows" if end - position > 2 * BLOCK_BYTES else "it is cut short at"
        raise Refusal("package.trailing", f"the package is not as long as it says: {at_fault} its end")
    if any(_exactly(stream, position, 2 * BLOCK_BYTES)):
        raise Refusal("package.trailing", "the end mark of the package is not empty")


def _parse(header: bytes) -> tuple[str, int]:
    raw_name, _, _ = header[:MOST_NAME_BYTES].partition(b"\0")
    name = raw_name.decode("latin-1")
    safe_path(name)
    digits = header[124:135]
    if not re.fullmatch(rb"[0-7]{11}", digits):
        raise Refusal("package.form", f"the size of {name} is not written as it must be")
    size = int(digits, 8)
    if header != _header(name, size):
        raise Refusal("package.form", f"the header of {name} is not written as it must be")
    return name, size


def _header(name: str, size: int) -> bytes:
    """Return the only header that a file of this name and size may have."""
    if size > LARGEST_MEMBER_BYTES:
        raise Refusal("package.size", f"{name} is larger than {LARGEST_MEMBER_BYTES} bytes")
    front = name.encode("ascii").ljust(MOST_NAME_BYTES, b"\0") + b"0000644\0" + b"0000000\0" * 2
    front += b"%011o\0" % size + b"00000000000\0"
    back = b"0" + bytes(100) + b"ustar\x0000" + bytes(64) + b"0000000\0" * 2 + bytes(167)
    total = sum(front) + sum(back) + 8 * ord(" ")
    return front + b"%06o\0 " % total + back


def _exactly(stream: BinaryIO, offset: int, size: int) -> bytes:
    return b"".join(bytes(chunk) for chunk in read_range(stream, offset, size))


def _shown(name: str) -> str:
    return repr(name[:60].encode("utf-8", "backslashreplace").decode())
