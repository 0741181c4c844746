"""The region of one program: what it is, what runs it, and what stands inside it besides code."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from firmware_checks.region import Program, Region
from firmware_checks.span import Span
from firmware_checks.structure.check_value import CheckValue, find_check_value
from firmware_checks.structure.islands import Placed
from firmware_checks.structure.mcu_family import Clues, FamilyMatch, match_family
from firmware_checks.structure.protection import areas_inside, configuration_region
from firmware_checks.structure.vector_table import VectorTable, in_ram
from firmware_checks.texture import Stretch, Texture
from toolkit.report.model import Fact, Integrity, RegionKind

__all__ = ["program_regions"]

CHILD_PADDING_BYTES = 1024
"""Padding inside a program is worth a row of its own from here on."""
MAXIMUM_CHILDREN = 64
RESET_VECTOR_BYTES = 16
CORTEX_M = "arm-cortex-m"


def program_regions(span: Span, stretches: Sequence[Stretch], programs: Sequence[Placed]) -> Iterator[Region]:
    """Yield the region of each program, with its role among the others."""
    for index, placed in enumerate(programs):
        role, reason = _role(programs, index)
        yield _region(span.part(placed.start, placed.end), stretches, placed, role, reason)


def _role(programs: Sequence[Placed], index: int) -> tuple[str, str]:
    """Return what part a program plays where one starts the other."""
    here = programs[index]
    others = [p for p in programs if p.found.architecture is here.found.architecture]
    if len(others) < 2:
        return "", ""
    first = others[-1] if here.found.architecture.name == "avr" else others[0]
    if here is first:
        return "bootloader", "another program with a start of its own stands in the same image"
    return "application", "a bootloader stands in the same image"


def _region(span: Span, stretches: Sequence[Stretch], placed: Placed, role: str, reason: str) -> Region:
    recognition, architecture = placed.recognition, placed.found.architecture
    cortex = architecture.name == CORTEX_M
    family = match_family(_clues(span, placed)) if cortex else None
    role, reason = _role_by_address(placed, family, role, reason)
    why = [*recognition.why, *(family.why if family else ()), *([f"{role}: {reason}"] if role else [])]
    program = Program(
        arch=architecture.name,
        load_address=recognition.load_address,
        entry_address=recognition.entry_address,
        stack_address=recognition.stack_address,
        mcu_family=family.name if family else None,
        mcu_family_confidence=family.confidence if family else None,
        role=role,
        why=tuple(why),
    )
    check = find_check_value(span.window.view)
    named = f" ({family.title})" if family else ""
    return Region(
        span=span if span.address is not None else span.at(recognition.load_address),
        format="cortex-m-image" if cortex else "raw",
        kind=RegionKind.PROGRAM,
        title=f"{role.capitalize() or 'Program'} for {architecture.title}{named}",
        facts=_facts(placed),
        integrity=_vector_check(placed.table),
        program=program,
        children=_children(span, stretches, placed, program, check),
    )


def _clues(span: Span, placed: Placed) -> Clues:
    recognition, table = placed.recognition, placed.table
    return Clues(
        view=span.window.view,
        load_address=recognition.load_address,
        stack_address=recognition.stack_address if table and in_ram(table.stack) else None,
        interrupts=table.interrupts if table else None,
        vector_checksum=bool(table and table.checksum_valid),
    )


def _role_by_address(placed: Placed, family: FamilyMatch | None, role: str, reason: str) -> tuple[str, str]:
    """Call a lone program application when it leaves room for a bootloader at the start of the flash."""
    base = placed.recognition.load_address
    if role or family is None or base is None or placed.table is None:
        return role, reason
    for start in family.flash_starts:
        if start < base < start + family.largest_flash_bytes and base - start >= placed.table.size:
            return "application", f"it starts {base - start:#x} bytes behind the beginning of the flash"
    return role, reason


def _facts(placed: Placed) -> dict[str, Fact]:
    facts: dict[str, Fact] = {
        "confidence": placed.recognition.confidence.value,
        "byte_order": placed.recognition.byte_order,
    }
    if placed.table is not None:
        facts["interrupts"] = placed.table.interrupts
    return facts


def _vector_check(table: VectorTable | None) -> tuple[Integrity, ...]:
    """Return the check over the first vectors that LPC boot ROMs make; NXP UM10360, 32.3.1.1."""
    if table is None or not table.checksum_valid:
        return ()
    value = f"{table.checksum:08x}"
    covers = "the first seven vectors (LPC boot ROM)"
    return (Integrity(algorithm="sum32", covers=covers, stored=value, computed=value, valid=True),)


def _children(
    span: Span, stretches: Sequence[Stretch], placed: Placed, program: Program, check: CheckValue | None
) -> list[Region]:
    """Return what stands inside the program, in order; where two overlap, settings win and padding gives way."""
    located = span if span.address is not None else span.at(program.load_address)
    found: list[tuple[int, int, Region]] = []
    for start, end, area in areas_inside(located, program, lpc=bool(placed.table and placed.table.checksum_valid)):
        found.append((start, end, configuration_region(located.part(start, end), area)))
    start, end = (0, placed.table.size) if placed.table is not None else placed.recognition.vectors or (0, 0)
    if start < end <= span.size:
        found.append((start, end, _vectors_region(located.part(start, end), placed.table)))
    if check is not None:
        found.append((check.start, check.end, check.region(located.part(check.start, check.end))))
    found += _texture_children(located, stretches, placed)
    kept: list[tuple[int, int, Region]] = []
    for start, end, region in found[:MAXIMUM_CHILDREN]:
        if not any(start < other_end and other_start < end for other_start, other_end, _ in kept):
            kept.append((start, end, region))
    return [region for _, _, region in sorted(kept, key=lambda child: child[0])]


def _vectors_region(span: Span, table: VectorTable | None) -> Region:
    return Region(
        span=span,
        format="vector-table",
        kind=RegionKind.METADATA,
        title="Interrupt vector table" if span.size > RESET_VECTOR_BYTES else "Reset vector",
        facts={} if table is None else {"entries": table.size // 4},
    )


def _texture_children(span: Span, stretches: Sequence[Stretch], placed: Placed) -> Iterator[tuple[int, int, Region]]:
    for stretch in stretches:
        start, end = max(stretch.start, placed.start) - placed.start, min(stretch.end, placed.end) - placed.start
        if end - start < CHILD_PADDING_BYTES or stretch.texture is Texture.PLAIN:
            continue
        part = span.part(start, end)
        if stretch.texture is Texture.NOISE:
            region = Region(
                span=part, format="noise", kind=RegionKind.ENCRYPTED, title="Encrypted or compressed content"
            )
        else:
            title = f"Padding (all bytes {stretch.value or 0:#04x})"
            region = Region(span=part, format="padding", kind=RegionKind.PADDING, title=title)
        if sum(b - a for a, b in part.holes) < part.size:
            yield start, end, region
