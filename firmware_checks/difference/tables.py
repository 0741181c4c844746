"""The rows of a difference that come from what the image itself shows: files, memory, facts, observations."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import fields
from typing import TypeVar

from firmware_checks.difference.alignment import Parts
from firmware_checks.difference.examination import Examination
from firmware_checks.inventory import FileEntry, Inventory
from firmware_checks.observer import Observation
from firmware_checks.region import Region
from toolkit.report.model import Fact, RegionKind
from toolkit.report.review import Change, FactChange, FileChange, FileState, MemoryChange, ObservationChange

__all__ = ["IMAGE_FACTS", "Place", "fact_changes", "file_changes", "memory_changes", "observation_changes"]

Place = Callable[[str], Parts]
"""Gives the path in the old image that a path stands for."""
Key = TypeVar("Key")
Value = TypeVar("Value")

TOLD = frozenset(
    {
        "architecture", "artifact_name", "board", "bootargs", "build", "chip", "compatible", "created", "created_s",
        "device_types", "downgrade_allowed", "encrypted", "hardware", "hardware_compatibility", "mcu", "mcus",
        "min_chip_revision", "name", "package", "post_build", "post_timestamp", "pre_device", "project",
        "published_test_key", "readout_protection", "secure_version", "security_counter", "setup_version",
        "signature_algorithm", "signature_algorithms", "signed", "signed_with", "signer_key_sha256", "signer_subject",
        "usb_product_id", "usb_vendor_id", "version",
    }
)  # fmt: skip
"""Facts of regions that say what an image is, for whom, and who vouches for it."""
IMAGE_FACTS = ("format", "arch", "load_address", "entry_address", "mcu_family")
"""Facts of the main program."""


def file_changes(old: Examination, new: Examination, place: Place, shown: Place) -> Iterator[FileChange]:
    """Yield the entries that came, went or changed."""
    before, now = _entries(old, shown), _entries(new, place)
    paths = {place(entry.path): "!".join(shown(entry.path)) for entry in new.inventory.entries}
    for key, was, is_ in _both(before, now):
        path = paths.get(key, "!".join(key))
        what = tuple(_what(was, is_)) if was and is_ else ()
        if was is None or is_ is None or what:
            yield FileChange(path=path, change=_change(was, is_), what=what, old=was, new=is_)


def _entries(side: Examination, place: Place) -> dict[Parts, FileState]:
    return {place(entry.path): _state(entry, side.digests.get(entry.path)) for entry in side.inventory.entries}


def _state(entry: FileEntry, sha256: str | None) -> FileState:
    return FileState(
        kind=entry.kind.value,
        size=entry.size,
        mode=entry.mode,
        uid=entry.uid,
        gid=entry.gid,
        target=entry.target,
        sha256=sha256,
    )


def _what(old: FileState, new: FileState) -> Iterator[str]:
    if old.kind != new.kind:
        yield "kind"
    known = old.sha256 is not None and new.sha256 is not None
    if (old.sha256 != new.sha256) if known else (old.size != new.size):
        yield "content"
    if old.mode != new.mode:
        yield "mode"
    if (old.uid, old.gid) != (new.uid, new.gid):
        yield "owner"
    if old.target != new.target:
        yield "target"


def _change(old: object, new: object) -> Change:
    if old is None:
        return Change.ADDED
    return Change.REMOVED if new is None else Change.CHANGED


def _both(old: Mapping[Key, Value], new: Mapping[Key, Value]) -> Iterator[tuple[Key, Value | None, Value | None]]:
    """Yield every key with what stands for it on either side, in order."""
    for key in sorted({*old, *new}):  # type: ignore[type-var]  # paths, or rows that begin with one
        yield key, old.get(key), new.get(key)


def memory_changes(old: Inventory, new: Inventory, place: Place, shown: Place) -> Iterator[MemoryChange]:
    """Yield the stretches of the device's memory that one image defines and the other does not, or not so far."""
    for (path, address), was, is_ in _both(_memory(old, shown), _memory(new, place)):
        if was != is_:
            yield MemoryChange(path="!".join(path), change=_change(was, is_), address=address, old_end=was, new_end=is_)


def _memory(inventory: Inventory, place: Place) -> dict[tuple[Parts, int], int]:
    """Return the end of every stretch by its path and first address."""
    found: dict[tuple[Parts, int], int] = {}
    for region in inventory.regions():
        path = place(region.span.path)
        for segment in region.memory.segments if region.memory is not None else ():
            found[path, segment.address] = segment.end
        if region.memory is None and region.program is not None:
            address = region.span.address if region.program.load_address is None else region.program.load_address
            if address is not None:
                found.setdefault((path, address), address + region.span.size)
    return found


def fact_changes(old: Inventory, new: Inventory, place: Place, shown: Place) -> Iterator[FactChange]:
    """Yield what the images say differently of themselves."""
    for name in IMAGE_FACTS:
        was, is_ = getattr(old.image, name), getattr(new.image, name)
        if was != is_:
            yield FactChange(path="", title="", name=name, old=was, new=is_)
    before, now = _facts(old, shown), _facts(new, place)
    for key, known, told in _both(before, now):
        title, was_told, is_told = (told or known or ("", {}))[0], (known or ("", {}))[1], (told or ("", {}))[1]
        for name in sorted({*was_told, *is_told}):
            if was_told.get(name) != is_told.get(name):
                yield FactChange(
                    path="!".join(key[0]), title=title, name=name, old=was_told.get(name), new=is_told.get(name)
                )


def _facts(inventory: Inventory, place: Place) -> dict[tuple[Parts, str, int], tuple[str, dict[str, Fact]]]:
    """Return title and facts of regions by path, format, and number among those alike."""
    found: dict[tuple[Parts, str, int], tuple[str, dict[str, Fact]]] = {}
    count: Counter[tuple[Parts, str]] = Counter()
    for region in inventory.regions():
        told = {name: value for name, value in region.facts.items() if name in TOLD and _is_of_image(region)}
        if told:
            key = place(region.span.path), region.format
            found[*key, count[key]] = region.title, told
            count[key] += 1
    return found


def _is_of_image(region: Region) -> bool:
    """Tell whether it says something of the image; documents and pictures speak of themselves."""
    return region.kind not in (RegionKind.DATA, RegionKind.PADDING)


def observation_changes(old: Inventory, new: Inventory, place: Place, shown: Place) -> Iterator[ObservationChange]:
    """Yield keys, accounts, services and settings that are in one image only."""
    before, now = _observations(old, shown), _observations(new, place)
    counts_before, counts_now = Counter(before.elements()), Counter(now.elements())
    rows = [(key, Change.REMOVED) for key in (counts_before - counts_now).elements()]
    rows += [(key, Change.ADDED) for key in (counts_now - counts_before).elements()]
    for (topic, path, excerpt, _told), change in sorted(rows):
        yield ObservationChange(topic=topic, change=change, path="!".join(path), excerpt=excerpt)


def _observations(inventory: Inventory, place: Place) -> Counter[tuple[str, Parts, str, str]]:
    found: Counter[tuple[str, Parts, str, str]] = Counter()
    for sort, rows in inventory.observations.items():
        topic = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", sort.__name__).lower()
        for seen in rows:
            found[topic, place(seen.path), seen.what.excerpt, _told(seen.what)] += 1
    return found


def _told(what: Observation) -> str:
    """Return all that an observation says except where it stands; only compared, never shown."""
    return repr([getattr(what, each.name) for each in fields(what) if each.name != "offset"])


def grouped(rows: Iterable[Value], key: Callable[[Value], Key]) -> dict[Key, list[Value]]:
    """Return the rows by their key, in their order."""
    groups: dict[Key, list[Value]] = defaultdict(list)
    for row in rows:
        groups[key(row)].append(row)
    return groups
