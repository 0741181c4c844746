"""What an image puts into the memory of a microcontroller: records with addresses, or a plain dump of its flash."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from device_profiles.schema import DeviceProfile, MemoryRegion
from device_profiles.vocabulary import RegionUse
from firmware_checks.format import EntryKind, Opened
from firmware_checks.format_index import load_formats
from firmware_checks.recognise import Found, Recogniser
from firmware_checks.span import Span
from firmware_checks.unread import UnreadList
from toolkit.core.errors import FormatError, LimitExceeded
from toolkit.core.limits import Budget, Limits
from toolkit.core.window import Window
from toolkit.hardening.subject import MAIN_SPACE, MemoryStretch
from toolkit.report.model import Unread

__all__ = ["DeviceMemory", "mapped_regions", "memory_of"]

MOST_NESTED = 3
"""Archives within archives that a firmware file is looked for in."""
MOST_PACKED_BYTES = 64 << 20
"""No microcontroller has more memory than this."""


@dataclass(frozen=True, slots=True)
class DeviceMemory:
    """The stretches by address, and what could not be read."""

    stretches: tuple[MemoryStretch, ...] = ()
    unread: tuple[Unread, ...] = ()


def memory_of(span: Span, profile: DeviceProfile, limits: Limits) -> DeviceMemory:
    """Return what the image ``span`` puts into the memory of the device of ``profile``.

    A file without addresses is taken as a dump from the lowest address that is no RAM in the profile, or from 0.
    """
    unread = UnreadList(limits.unread)
    recogniser = Recogniser(load_formats(), Budget(limits, span.size), unread)
    stretches = tuple(_stretches(span, recogniser, unread, limits, MOST_NESTED))
    if not stretches:
        stretches = (MemoryStretch(space=MAIN_SPACE, address=_dump_address(profile), data=span.window.view),)
    return DeviceMemory(tuple(sorted(stretches, key=lambda s: (s.space, s.address))), unread.rows())


def mapped_regions(profile: DeviceProfile) -> tuple[MemoryRegion, ...]:
    """Return the regions of the memory map whose content stays when the power goes, by space and address."""
    kept = (region for region in profile.platform.memory_map if region.use is not RegionUse.RAM)
    return tuple(sorted(kept, key=lambda region: (region.space, region.start)))


def _dump_address(profile: DeviceProfile) -> int:
    starts = [region.start for region in mapped_regions(profile) if region.space == MAIN_SPACE]
    return min(starts, default=0)


def _stretches(
    span: Span, recogniser: Recogniser, unread: UnreadList, limits: Limits, nested: int
) -> Iterator[MemoryStretch]:
    found = recogniser.at_start(span)
    if found is None:
        return
    if found.opened.memories:
        yield from _mapped(found.opened)
    elif nested:
        yield from _packed(found, recogniser, unread, limits, nested)


def _mapped(opened: Opened) -> Iterator[MemoryStretch]:
    for memory in opened.memories:
        space = memory.title or MAIN_SPACE
        for segment in memory.map.segments:
            yield MemoryStretch(space=space, address=segment.address, data=segment.data)


def _packed(
    found: Found, recogniser: Recogniser, unread: UnreadList, limits: Limits, nested: int
) -> Iterator[MemoryStretch]:
    """Yield what files inside an archive put into memory."""
    try:
        for entry in found.opened.entries:
            if entry.kind is EntryKind.FILE:
                content = entry.read(min(limits.entry_bytes, MOST_PACKED_BYTES))
                inner = Span(f"{found.path}!{entry.name}", Window.of(content))
                if content:
                    yield from _stretches(inner, recogniser, unread, limits, nested - 1)
    except (FormatError, LimitExceeded) as error:
        unread.add(found.path, str(error), found.span.size)
