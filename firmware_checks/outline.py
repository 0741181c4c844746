"""What a copy of this process tells of the entries it read: enough for a listing, and no more than must be sent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

import msgspec

from firmware_checks.format import Entry, EntryKind

__all__ = ["Batch", "Member", "Members", "Outline", "pack_batch", "pack_outlines", "unpack_batch", "unpack_outlines"]


class Member(NamedTuple):
    """An entry inside the content of another one; fields as in ``Entry``, with the digest of what it holds."""

    size: int | None
    sha256: str
    note: str
    name: str
    packed_bytes: int
    unpacked_bytes: int | None
    kind: EntryKind
    mode: int | None
    uid: int | None
    gid: int | None
    modified_s: int | None
    target: str
    device: tuple[int, int] | None
    offset: int | None
    extended: Mapping[str, bytes]

    @classmethod
    def of(cls, entry: Entry, size: int | None, sha256: str, note: str) -> Member:
        """Return what there is to tell of ``entry``."""
        return cls(size, sha256, note, *(getattr(entry, name) for name in cls._fields[3:]))

    @property
    def entry(self) -> Entry:
        """The entry without its content."""
        fields: dict[str, Any] = dict(zip(self._fields[3:], self[3:], strict=True))
        return Entry(**fields)


class Members(NamedTuple):
    """All that is inside a content, when nothing in it was closed, damaged or past a limit."""

    sha256: str
    """Digest of the content itself."""
    attempts: int
    """Places in it where a format was tried."""
    rows: Sequence[Member]

    @property
    def unpacked_bytes(self) -> int:
        """How much was unpacked from it."""
        return sum(member.size or 0 for member in self.rows if member.kind is EntryKind.FILE)


class Outline(NamedTuple):
    """What is known of an entry that a copy read."""

    size: int
    sha256: str
    """Empty when it was not asked for."""
    note: str
    """What was noted of the content, where that was asked for."""
    members: Members | None
    """What is inside the content, when that could be told there."""
    content: bytes | None
    """The content, when what is inside must be seen by who asked."""


class Batch(NamedTuple):
    """Entries to read, one after the other from number ``first`` on."""

    first: int
    most_bytes: Sequence[int | None]
    """How much each may unpack to; None for one that is not to be read."""


_PACKED: Final = msgspec.msgpack.Encoder()
_BATCH: Final = msgspec.msgpack.Decoder(Batch)
_OUTLINES: Final = msgspec.msgpack.Decoder(list[Outline | None])


def pack_batch(batch: Batch) -> bytes:
    """Return ``batch`` as bytes."""
    return _PACKED.encode(batch)


def unpack_batch(packed: bytes) -> Batch:
    """Return the batch that ``pack_batch`` packed."""
    return _BATCH.decode(packed)


def pack_outlines(outlines: Sequence[Outline | None]) -> bytes:
    """Return ``outlines`` as bytes; None stands for an entry that who asked must read itself."""
    return _PACKED.encode(outlines)


def unpack_outlines(packed: bytes) -> list[Outline | None]:
    """Return the outlines that ``pack_outlines`` packed."""
    return _OUTLINES.decode(packed)
