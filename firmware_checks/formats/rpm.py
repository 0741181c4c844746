"""RPM packages: signatures, a header that describes the package, and a compressed cpio archive of its files."""

from __future__ import annotations

import gzip
import hashlib
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from firmware_checks.format import ImageFormat, Magic, Opened, Part
from firmware_checks.readers.entry_names import visible
from firmware_checks.span import Span
from toolkit.core.errors import FormatError
from toolkit.core.layout import U8, U16BE, U32BE, Layout, const, raw, text, wire
from toolkit.core.limits import Limits
from toolkit.core.window import Window
from toolkit.report.model import Fact, Integrity, RegionKind

__all__ = ["FORMAT"]

LEAD_MAGIC, HEADER_MAGIC = b"\xed\xab\xee\xdb", b"\x8e\xad\xe8\x01"
HEADER_SIGNATURE = 5
"""The only type of signature since RPM 3."""
MOST_TAGS, MOST_DATA_BYTES = 0xFFFF, 0x0FFF_FFFF
"""Source: rpm 4.18, lib/header.c, hdrchkTags and hdrchkData."""
ALIGNMENT = 8
VALUE_BYTES = 1024
INT32, INT64, STRING, BINARY, STRING_ARRAY, TRANSLATED_STRING = 4, 5, 6, 7, 8, 9

SIGNATURE_TAGS: Final = {267: "DSA", 268: "RSA", 278: "OpenPGP", 1002: "PGP", 1005: "GPG"}
"""Source: rpm 4.18 and 4.20, include/rpm/rpmtag.h, RPMSIGTAG_*."""
SIG_SHA1, SIG_LONG_SIZE, SIG_SHA256, SIG_SIZE, SIG_MD5 = 269, 270, 273, 1000, 1004
FACT_TAGS: Final = {
    1000: "package", 1022: "architecture", 1011: "vendor", 1014: "license", 1044: "source_package",
    1124: "payload_format", 1125: "payload_compressor",
}  # fmt: skip
VERSION, RELEASE, EPOCH, PAYLOAD_DIGEST, PAYLOAD_DIGEST_ALGORITHM = 1001, 1002, 1003, 5092, 5093
HASHES: Final = {1: "md5", 2: "sha1", 8: "sha256", 9: "sha384", 10: "sha512"}
"""Hash algorithms by number. Source: RFC 4880, 9.4."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RpmLead:
    """First bytes, from the time before headers. Source: rpm 4.18, docs/manual/format_lead.md."""

    magic: bytes = wire(const(LEAD_MAGIC))
    major: int = wire(U8)
    minor: int = wire(U8)
    kind: int = wire(U16BE)
    """0 of a package to install, 1 of its source."""
    architecture: int = wire(U16BE)
    name: str = wire(text(66))
    system: int = wire(U16BE)
    signature_kind: int = wire(U16BE)
    reserved: bytes = wire(raw(16))


@dataclass(frozen=True, slots=True, kw_only=True)
class RpmHeader:
    """Start of a header: an index of tags and a store of their values. Source: docs/manual/format_header.md."""

    magic: bytes = wire(const(HEADER_MAGIC))
    reserved: bytes = wire(raw(4))
    tags: int = wire(U32BE)
    data_bytes: int = wire(U32BE)


LEAD = Layout(RpmLead, size=96)
HEADER = Layout(RpmHeader, size=16)
INDEX = struct.Struct(">4I")
"""Tag, type, place in the store, number of values."""


@dataclass(frozen=True, slots=True)
class _Header:
    window: Window
    start: int
    end: int
    store: int
    index: dict[int, tuple[int, int, int]]
    """Type, place and number of values by tag; the first of each."""

    def text(self, tag: int) -> str:
        """Return a text, of several the first; empty when it is not there."""
        kind, place, _count = self.index.get(tag, (0, 0, 0))
        if kind not in (STRING, STRING_ARRAY, TRANSLATED_STRING):
            return ""
        start = self.store + place
        value = bytes(self.window.view[start : min(start + VALUE_BYTES, self.end)])
        return visible(value.partition(b"\0")[0].decode("utf-8", "backslashreplace"))

    def number(self, tag: int) -> int | None:
        """Return a number, of several the first; None when it is not there."""
        kind, place, _count = self.index.get(tag, (0, 0, 0))
        size = {INT32: 4, INT64: 8}.get(kind)
        return None if size is None else int.from_bytes(self._take(place, size), "big")

    def binary(self, tag: int) -> bytes:
        """Return bytes; empty when they are not there."""
        kind, place, count = self.index.get(tag, (0, 0, 0))
        return self._take(place, min(count, VALUE_BYTES)) if kind == BINARY else b""

    def _take(self, place: int, size: int) -> bytes:
        return bytes(self.window.view[self.store + place : self.end][:size])


def _header(window: Window, start: int) -> _Header:
    fixed = HEADER.read(window, start)
    if fixed.tags > MOST_TAGS or fixed.data_bytes > MOST_DATA_BYTES:
        raise FormatError(f"the rpm header at {window.origin + start:#x} is impossibly large")
    index = window.take(start + HEADER.size, fixed.tags * INDEX.size)
    store = start + HEADER.size + len(index)
    window.take(store, fixed.data_bytes)
    rows: dict[int, tuple[int, int, int]] = {}
    for tag, kind, place, count in INDEX.iter_unpack(index):
        rows.setdefault(tag, (kind, place, count))
    return _Header(window, start, store + fixed.data_bytes, store, rows)


@dataclass(frozen=True, slots=True)
class _Package:
    window: Window
    signatures: _Header
    header: _Header
    end: int
    cut: bool

    def verdicts(self) -> Iterator[Integrity]:
        """Yield the digests that stand in the package, each computed again."""
        start, payload = self.header.start, self.header.end
        for tag, algorithm in ((SIG_SHA1, "sha1"), (SIG_SHA256, "sha256")):
            stored = self.signatures.text(tag)
            if stored:
                yield self._verdict(algorithm, "header", stored, start, payload)
        md5 = self.signatures.binary(SIG_MD5)
        if md5:
            yield self._verdict("md5", "header and payload", md5.hex(), start, self.end)
        stored = self.header.text(PAYLOAD_DIGEST)
        algorithm = HASHES.get(self.header.number(PAYLOAD_DIGEST_ALGORITHM) or 0, "")
        if stored and algorithm:
            yield self._verdict(algorithm, "payload", stored, payload, self.end)

    def _verdict(self, algorithm: str, covers: str, stored: str, start: int, end: int) -> Integrity:
        digest = hashlib.new(algorithm, self.window.view[start:end], usedforsecurity=False)
        computed = digest.hexdigest()
        return Integrity(
            algorithm=algorithm, covers=covers, stored=stored, computed=computed, valid=stored.lower() == computed
        )

    def facts(self) -> dict[str, Fact]:
        """Return what the header says, and which signatures there are."""
        facts: dict[str, Fact] = {name: value for tag, name in FACT_TAGS.items() if (value := self.header.text(tag))}
        version = f"{self.header.text(VERSION)}-{self.header.text(RELEASE)}"
        epoch = self.header.number(EPOCH)
        facts["version"] = version if epoch is None else f"{epoch}:{version}"
        kinds = tuple(name for tag, name in SIGNATURE_TAGS.items() if tag in self.signatures.index)
        if kinds:
            facts["signatures"] = kinds
        return {**facts, "signed": bool(kinds)}

    def parts(self) -> tuple[Part, ...]:
        """Return header and payload; the payload is looked into."""
        payload = self.header.end
        return (
            Part(start=LEAD.size, end=self.signatures.end, title="Signature header", kind=RegionKind.METADATA),
            Part(start=self.header.start, end=payload, title="Package header", kind=RegionKind.METADATA),
            Part(start=payload, end=self.end, title="Payload", kind=RegionKind.CONTAINER, look_inside=True),
        )


def _open(span: Span, limits: Limits) -> Opened:  # noqa: ARG001  # nothing is unpacked here
    window = span.window
    lead = LEAD.read(window)
    if lead.signature_kind != HEADER_SIGNATURE or lead.major < 3:
        raise FormatError(f"no rpm package at {window.origin:#x}")
    package = _package(window)
    problems = ("the package is cut short: its header says that more follows",) if package.cut else ()
    return Opened(
        size=package.end,
        kind=RegionKind.CONTAINER,
        title="RPM source package" if lead.kind else "RPM package",
        facts=package.facts(),
        integrity=tuple(package.verdicts()),
        parts=package.parts(),
        problems=problems,
    )


def _package(window: Window) -> _Package:
    signatures = _header(window, LEAD.size)
    header = _header(window, signatures.end + -signatures.end % ALIGNMENT)
    size = signatures.number(SIG_LONG_SIZE) or signatures.number(SIG_SIZE)
    end = window.size if size is None else header.start + size
    if end < header.end:
        raise FormatError(f"the rpm package at {window.origin:#x} is shorter than its own header")
    return _Package(window, signatures, header, min(end, window.size), end > window.size)


def _built(rows: dict[int, tuple[int, bytes]]) -> bytes:
    """Build a header of ``rows``: type and value, whose number is its size for binary and one otherwise."""
    index, store = b"", b""
    for tag, (kind, value) in sorted(rows.items()):
        store += bytes(-len(store) % 4)
        index += INDEX.pack(tag, kind, len(store), len(value) if kind == BINARY else 1)
        store += value
    fixed = RpmHeader(magic=HEADER_MAGIC, reserved=bytes(4), tags=len(rows), data_bytes=len(store))
    return HEADER.build(fixed) + index + store


def _example() -> bytes:
    payload = gzip.compress(b"pump settings\n" * 30, mtime=0)
    header = _built(
        {
            1000: (STRING, b"pump\0"),
            VERSION: (STRING, b"1.2\0"),
            RELEASE: (STRING, b"3\0"),
            1022: (STRING, b"armv7hl\0"),
            1125: (STRING, b"gzip\0"),
            PAYLOAD_DIGEST: (STRING_ARRAY, hashlib.sha256(payload).hexdigest().encode() + b"\0"),
            PAYLOAD_DIGEST_ALGORITHM: (INT32, (8).to_bytes(4, "big")),
        }
    )
    signatures = _built(
        {
            268: (BINARY, bytes(range(64))),
            SIG_SHA256: (STRING, hashlib.sha256(header).hexdigest().encode() + b"\0"),
            SIG_SIZE: (INT32, (len(header) + len(payload)).to_bytes(4, "big")),
            SIG_MD5: (BINARY, hashlib.md5(header + payload, usedforsecurity=False).digest()),
        }
    )
    lead = RpmLead(
        magic=LEAD_MAGIC, major=3, minor=0, kind=0, architecture=12, name="pump-1.2-3", system=1,
        signature_kind=HEADER_SIGNATURE, reserved=bytes(16),
    )  # fmt: skip
    return LEAD.build(lead) + signatures + bytes(-len(signatures) % ALIGNMENT) + header + payload


FORMAT = ImageFormat(
    name="rpm",
    title="RPM package",
    source="rpm 4.18, docs/manual/format_*.md (package, lead, header, signature) and include/rpm/rpmtag.h",
    limits="Digests are computed again; signatures are seen but not verified. Packages before RPM 3 are not read.",
    open=_open,
    magics=(Magic(rb"\xed\xab\xee\xdb[\x03-\x05][\x00-\x02]\x00[\x00\x01]", anchor=LEAD_MAGIC),),
    example=_example,
)
