"""Digests of the memory of a microcontroller, region by region, for whoever reads it out and compares."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import msgspec

from firmware_checks.controls import NOT_APPLICABLE, Controls
from toolkit.hardening.integrity.memory_pages import ERASED, BaselineMemory, memory_baseline
from toolkit.hardening.part import Group, HardeningPart, PackFile
from toolkit.hardening.subject import HardeningSubject, MemoryStretch, System

__all__ = ["PART", "region_digest"]

CHUNK_BYTES = 1 << 20


class _Region(msgspec.Struct, frozen=True, kw_only=True):
    space: str
    region: str
    use: str
    start: str
    size: int
    may_change: bool
    used_bytes: int
    """In pages that hold something else than erased flash."""
    sha256: str
    """Of the whole region, with 0xFF where the image says nothing."""


class _Manifest(msgspec.Struct, frozen=True, kw_only=True):
    format: str
    image: str
    image_sha256: str
    profile: str
    profile_sha256: str
    day: str
    erased: str
    regions: tuple[_Region, ...]


def region_digest(memory: tuple[MemoryStretch, ...], space: str, start: int, end: int) -> str:
    """Return the SHA-256 of ``[start, end)``, with 0xFF where no stretch says anything."""
    digest = hashlib.sha256()
    at = start
    for part in memory:
        first, last = max(at, part.address), min(end, part.address + len(part.data))
        if part.space == space and first < last:
            _erased(digest, first - at)
            digest.update(part.data[first - part.address : last - part.address])
            at = last
    _erased(digest, end - at)
    return digest.hexdigest()


def _erased(digest: hashlib._Hash, size: int) -> None:
    for done in range(0, size, CHUNK_BYTES):
        digest.update(bytes([ERASED]) * min(CHUNK_BYTES, size - done))


def _applies(subject: HardeningSubject) -> str:
    if subject.system is not System.MICROCONTROLLER:
        return "the image has a file system; its files are listed one by one"
    return "" if subject.memory else "the image puts nothing into the memory of the device"


def _build(subject: HardeningSubject) -> Iterator[PackFile]:
    mutable = subject.profile.policy.integrity.mutable_regions or ()
    document = _Manifest(
        format="medharden-memory-digests-1",
        image=subject.image_name,
        image_sha256=subject.image_sha256,
        profile=subject.profile.id,
        profile_sha256=subject.profile.digest,
        day=subject.day.isoformat(),
        erased=f"{ERASED:#04x}",
        regions=tuple(_region(subject, row, mutable) for row in memory_baseline(subject)),
    )
    data = msgspec.json.format(msgspec.json.encode(document), indent=2) + b"\n"
    yield PackFile(path="memory-digests.json", data=data, consumer="any program: JSON")


def _region(subject: HardeningSubject, row: BaselineMemory, mutable: tuple[str, ...]) -> _Region:
    return _Region(
        space=row.space,
        region=row.region,
        use=row.use,
        start=f"{row.start:#010x}",
        size=row.end - row.start,
        may_change=row.region in mutable,
        used_bytes=sum(page.end - page.start for page in row.pages),
        sha256=region_digest(tuple(subject.memory), row.space, row.start, row.end),
    )


PART = HardeningPart(
    name="memory-digests",
    title="Digests of a microcontroller's memory",
    group=Group.APPLICATION_CONTROL,
    what=(
        "One SHA-256 for each region of the memory, erased bytes counted as 0xFF. A microcontroller cannot refuse a "
        "foreign program by a list; this tells whether the program in it is the released one."
    ),
    source="RFC 8259 (JSON); memory map of the device profile",
    applies=_applies,
    build=_build,
    apply=("Keep the file where the people who maintain the device find it, together with the released image.",),
    bench_test=(
        "Read the memory of a bench device through its debug port or loader and compare region by region.",
        "Better still, let medharden drift compare the whole dump with a signed baseline.",
    ),
    take_back=("Delete the file; nothing on the device knows of it.",),
    controls=Controls(
        fda=("D",), iec_62443=("CR 3.4", "EDR 3.11"), iec_81001=("6.3",), cra=("I.2f",), mds2=("MLDP",),
        cwe=NOT_APPLICABLE,
    ),
)  # fmt: skip
