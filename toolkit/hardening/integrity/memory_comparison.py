"""Two memories of a microcontroller compared, region by region."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from toolkit.hardening.integrity.drift import Change
from toolkit.hardening.integrity.file_comparison import Comparison
from toolkit.hardening.integrity.memory_pages import BaselineMemory, Page

__all__ = ["compare_memory"]

Pair = tuple[Page | None, Page | None]
"""A page before and after; None where it is erased."""
RUNNING_USES = frozenset({"bootloader", "application", "update_slot", "radio_stack", "vectors", "rom", ""})
"""Regions that hold what the device runs."""


def compare_memory(
    old: Sequence[BaselineMemory], new: Sequence[BaselineMemory], mutable_regions: Sequence[str], comparison: Comparison
) -> None:
    """Compare what the regions of ``old`` hold with ``new``; ranges that the dump has no bytes for are told."""
    after = {(memory.space, memory.region, memory.start): memory for memory in new}
    for memory in old:
        other = after.pop((memory.space, memory.region, memory.start), None)
        if memory.region in mutable_regions:
            comparison.notes.append(f"region {memory.region}: may change, was not compared")
            continue
        _compare_region(memory, other, comparison)
    for memory in after.values():
        if memory.pages and memory.region not in mutable_regions:
            comparison.not_compared.append(f"{_place(memory)}: the baseline says nothing about it")


def _compare_region(old: BaselineMemory, new: BaselineMemory | None, comparison: Comparison) -> None:
    if not old.pages and not old.defined:
        if new is not None and new.pages:
            comparison.not_compared.append(f"{_place(old)}: the baseline has no bytes for it, the dump does")
        return
    comparison.compared += len(old.pages)
    before = {page.start: page for page in old.pages}
    after = {page.start: page for page in new.pages} if new is not None else {}
    held = new.defined if new is not None else ()
    changed: list[Pair] = []
    missing: list[Pair] = []
    for start in sorted(before.keys() | after):
        one, two = before.get(start), after.get(start)
        page = one or two
        if page is None or (one is not None and two is not None and one.sha256 == two.sha256):
            continue
        (changed if _is_held(page, held) else missing).append((one, two))
    for place, kind in _joined(changed):
        detail = f"{place[1] - place[0]} bytes {kind}"
        may_run = old.use in RUNNING_USES
        comparison.add(Change.CHANGED, f"{_place(old)} {place[0]:#x} to {place[1]:#x}", detail, may_run=may_run)
    for place, _kind in _joined(missing):
        comparison.not_compared.append(f"{_place(old)}: the dump does not hold all of {place[0]:#x} to {place[1]:#x}")


def _is_held(page: Page, held: Iterable[tuple[int, int]]) -> bool:
    """Tell whether the dump has bytes for the whole page: records may leave out what is erased, a cut dump may not."""
    at = page.start
    for start, end in sorted(held):
        if start <= at < end:
            at = end
    return at >= page.end


def _joined(
    pairs: Sequence[Pair],
) -> Iterator[tuple[tuple[int, int], str]]:
    """Yield stretches of neighbouring pages with what happened to them."""
    start = end = None
    kinds: list[str] = []
    for old, new in pairs:
        page = old or new
        if page is None:
            continue
        kind = "written where nothing was" if old is None else "erased" if new is None else "changed"
        if end != page.start and start is not None and end is not None:
            yield (start, end), " and ".join(sorted(set(kinds)))
            start, kinds = None, []
        start, end = page.start if start is None else start, page.end
        kinds.append(kind)
    if start is not None and end is not None:
        yield (start, end), " and ".join(sorted(set(kinds)))


def _place(memory: BaselineMemory) -> str:
    name = f"region {memory.region}" if memory.region else f"memory {memory.start:#x} to {memory.end:#x}"
    return name if memory.space == "main" else f"{memory.space}: {name}"
