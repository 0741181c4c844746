from __future__ import annotations

import random
import struct
import zlib
from collections.abc import Callable, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware_checks.region import Region
from firmware_checks.span import Span
from firmware_checks.structure import analyse, riscv
from firmware_checks.structure.examples import ring_of_calls
from firmware_checks.structure.programs import architectures
from toolkit.core.limits import Limits
from toolkit.core.window import Window
from toolkit.report.model import Confidence, RegionKind

Look = Callable[..., list[Region]]
NOISE = random.Random(7).randbytes(20_000)  # noqa: S311  # the same bytes every time
NAMES = sorted(architectures())

pieces = st.one_of(
    st.binary(max_size=200),
    st.sampled_from(NAMES).map(lambda name: architectures()[name].example()),
    st.integers(0, 6000).map(lambda n: b"\xff" * n),
    st.integers(0, 6000).map(bytes),
    st.integers(0, 3000).map(lambda n: NOISE[:n]),
    st.just(b"Serial number 1234, manufactured for the ward.\n"),
)
addresses = st.one_of(
    st.none(), st.integers(0, 2**64 - 1), st.sampled_from([0, 0x0800_0000, 0x1000_1000, 0x1FFF_F800, 0xFF80, 0x83_0000])
)


def tiles(regions: Sequence[Region]) -> list[tuple[int, int]]:
    return [(r.span.provenance.offset_at(0), r.span.provenance.offset_at(0) + r.span.size) for r in regions]


@settings(max_examples=60, deadline=None)
@given(st.lists(pieces, max_size=6), addresses, st.data())
def test_regions_tile_any_bytes(parts: list[bytes], address: int | None, data: st.DataObject) -> None:
    content = bytearray(b"".join(parts))
    holes: list[tuple[int, int]] = []
    position = 0
    for _ in range(data.draw(st.integers(0, 3))):
        start = data.draw(st.integers(position, max(position, len(content))))
        end = data.draw(st.integers(start, max(start, len(content))))
        if start < end:
            holes.append((start, end))
            content[start:end] = b"\xff" * (end - start)
            position = end + 1
    span = Span("x", Window.of(bytes(content)), address=address, holes=tuple(holes))
    undefined = {index for start, end in holes for index in range(start, end)}
    position = 0
    for start, end in tiles(analyse(span, Limits())):
        assert start >= position
        assert all(index in undefined for index in range(position, start))
        assert end > start
        position = end
    assert all(index in undefined for index in range(position, len(content)))


@settings(max_examples=30, deadline=None)
@given(st.lists(pieces, max_size=5), addresses)
def test_children_lie_inside_their_program_in_order(parts: list[bytes], address: int | None) -> None:
    span = Span("x", Window.of(b"".join(parts)), address=address)
    for region in analyse(span, Limits()):
        first, last = tiles([region])[0]
        position = first
        for start, end in tiles(region.children):
            assert position <= start < end <= last
            position = end


@settings(max_examples=30, deadline=None)
@given(st.lists(pieces, max_size=5), addresses)
def test_every_program_says_why(parts: list[bytes], address: int | None) -> None:
    for region in analyse(Span("x", Window.of(b"".join(parts)), address=address), Limits()):
        assert (region.kind is RegionKind.PROGRAM) == (region.program is not None)
        if region.program is not None:
            assert region.program.why
            assert region.program.arch in architectures()


def test_nothing_is_made_of_nothing(look: Look) -> None:
    assert look(b"") == []
    assert look(b"\xff" * 8, holes=((0, 8),)) == []


@pytest.mark.parametrize(
    ("data", "kind", "name"),
    [
        (b"\xff" * 5000, RegionKind.PADDING, "padding"),
        (bytes(64), RegionKind.PADDING, "padding"),
        (NOISE, RegionKind.ENCRYPTED, "noise"),
        (b"Alarm volume is set in the service menu.\n" * 9, RegionKind.DATA, "text"),
        (b"\x01\x02\x03\x04\x05\x06", RegionKind.UNKNOWN, "raw"),
    ],
    ids=["erased", "zeros", "noise", "text", "unknown"],
)
def test_bytes_of_one_kind_are_one_region(look: Look, data: bytes, kind: RegionKind, name: str) -> None:
    regions = look(data)
    assert [(r.kind, r.format) for r in regions] == [(kind, name)]


@pytest.mark.parametrize("name", sorted({*NAMES} - {"msp430", "rx"}))  # the vectors of these come last
def test_a_program_followed_by_erased_flash_ends_where_the_flash_is_erased(look: Look, name: str) -> None:
    data = architectures()[name].example()
    regions = look(data + b"\xff" * 8192)
    assert [r.kind for r in regions] == [RegionKind.PROGRAM, RegionKind.PADDING]
    assert regions[0].span.size >= len(data) - 8
    assert regions[0].program is not None
    assert regions[0].program.arch == name


def test_a_bootloader_and_its_application_are_told_apart(look: Look, build_cortex: Callable[..., bytes]) -> None:
    boot = build_cortex(0x0800_0000, size=0x4000)
    application = build_cortex(0x0800_4000)
    regions = look(boot + application + b"\xff" * 5000)
    programs = [r.program for r in regions if r.program]
    assert [p.role for p in programs] == ["bootloader", "application"]
    assert [p.load_address for p in programs] == [0x0800_0000, 0x0800_4000]
    assert [r.kind for r in regions] == [
        RegionKind.PROGRAM,
        RegionKind.PADDING,
        RegionKind.PROGRAM,
        RegionKind.PADDING,
    ]
    assert regions[0].title.startswith("Bootloader for ARM Cortex-M")


def test_a_second_copy_linked_for_the_first_place_says_where_it_runs(
    look: Look, build_cortex: Callable[..., bytes]
) -> None:
    slot = build_cortex(0x0800_4000, size=0x4000)
    regions = look(slot + slot, 0x0800_4000)
    programs = [r.program for r in regions if r.program]
    assert [p.load_address for p in programs] == [0x0800_4000, 0x0800_4000]
    assert [r.span.address for r in regions if r.program] == [0x0800_4000, 0x0800_8000]


def test_a_lone_program_behind_the_start_of_the_flash_is_an_application(
    look: Look, build_cortex: Callable[..., bytes]
) -> None:
    loads = (0x4001_0800, 0x4002_1000, 0x4001_3800, 0x4002_2000, 0x4000_5400, 0x4001_2C00)
    (region,) = look(build_cortex(0x0800_8000, loads=loads))
    assert region.program is not None
    assert region.program.role == "application"
    assert region.program.mcu_family is not None
    assert region.program.mcu_family.startswith("STM32F1")


def test_a_header_in_front_of_the_vectors_is_not_part_of_the_program(
    look: Look, build_cortex: Callable[..., bytes]
) -> None:
    header = b"VENDOR01" + bytes(range(1, 25))
    regions = look(header + build_cortex(0x0800_4000))
    assert [r.kind for r in regions] == [RegionKind.UNKNOWN, RegionKind.PROGRAM]
    assert regions[1].program is not None
    assert regions[1].program.load_address == 0x0800_4000


def test_a_program_behind_zeros_starts_with_its_stack_pointer(look: Look, build_cortex: Callable[..., bytes]) -> None:
    regions = look(bytes(0x2000) + build_cortex(0x0800_2000, stack=0x2000_4000))
    assert (regions[0].kind, regions[0].span.size) == (RegionKind.PADDING, 0x2000)
    assert regions[1].program is not None
    assert regions[1].program.stack_address == 0x2000_4000


def test_data_far_behind_belongs_to_the_program_that_points_to_it(
    look: Look, build_cortex: Callable[..., bytes]
) -> None:
    base = 0x0800_0000
    far = 0x4000
    table = b"\x01\x02\x03\x04\x05\x06\x07\x08" * 40
    pointing = look(build_cortex(base, size=far, loads=(base + far, base + far + 8, base + far + 16)) + table)
    assert [r.kind for r in pointing] == [RegionKind.PROGRAM]
    assert [c.kind for c in pointing[0].children] == [RegionKind.METADATA, RegionKind.PADDING]
    alone = look(build_cortex(base, size=far) + table)
    assert [r.kind for r in alone] == [RegionKind.PROGRAM, RegionKind.PADDING, RegionKind.UNKNOWN]


def test_noise_behind_a_program_is_a_region_of_its_own(look: Look, build_cortex: Callable[..., bytes]) -> None:
    regions = look(build_cortex(0x0800_0000, size=0x2000, fill=0x5A) + NOISE)
    assert [r.kind for r in regions] == [RegionKind.PROGRAM, RegionKind.ENCRYPTED]


def test_noise_between_parts_of_a_program_is_a_child(look: Look, build_cortex: Callable[..., bytes]) -> None:
    program = build_cortex(0x0800_0000)
    code = program[0x48:]
    data = program.ljust(0x1000, b"\x5a") + NOISE[:0x2000] + code.ljust(0x1000, b"\x5a")
    (region,) = look(data)
    assert [c.kind for c in region.children] == [RegionKind.METADATA, RegionKind.ENCRYPTED]


def test_programs_of_two_processors_in_one_image_are_both_found(look: Look, build_cortex: Callable[..., bytes]) -> None:
    def ring(count: int) -> bytes:
        places = [24 * n for n in range(count)]
        return b"".join(
            struct.pack("<HHI", 0x1141, 0xC606, riscv.jal(here + 4, places[(n + 7) % count]))
            + struct.pack("<HHHH", 0x40B2, 0x0141, 0x8082, 0x0001) * 2
            for n, here in enumerate(places)
        )

    regions = look(build_cortex(0x0800_0000, size=0x4000) + ring(60))
    assert [r.program.arch for r in regions if r.program] == ["arm-cortex-m", "riscv32"]


def test_the_second_program_of_an_avr_flash_is_the_bootloader(look: Look) -> None:
    def avr(base: int) -> bytes:
        def function(_: int, target: int) -> bytes:
            return struct.pack("<5H", 0x93CF, 0x940E, (base + target) // 2, 0x91CF, 0x9508)

        vectors = struct.pack("<HH", 0x940C, (base + 0x68) // 2) * 26
        return vectors + ring_of_calls(function, start=0x68)

    regions = look(avr(0).ljust(0x7000, b"\xff") + avr(0x7000), 0)
    assert [r.program.role for r in regions if r.program] == ["application", "bootloader"]


def test_settings_at_their_own_address_are_configuration(look: Look, build_cortex: Callable[..., bytes]) -> None:
    program = build_cortex(0x1000_0000)
    gap = 0x1000 - len(program)
    data = program + b"\xff" * gap + b"\xff\xff\xff\xff" + b"\xff\x00\xff\xff"
    regions = look(data, 0x1000_0000, holes=((len(program), 0x1000),))
    assert [r.kind for r in regions] == [RegionKind.PROGRAM, RegionKind.CONFIGURATION]
    assert regions[1].format == "uicr"
    assert regions[1].facts["readout_protection"] == "locked"


def test_a_check_value_behind_erased_flash_is_found(look: Look, build_cortex: Callable[..., bytes]) -> None:
    data = build_cortex(0x0800_0000, size=0x3FFC)
    regions = look(data + zlib.crc32(data).to_bytes(4, "little"))
    assert [r.kind for r in regions] == [RegionKind.PROGRAM, RegionKind.PADDING, RegionKind.METADATA]
    assert regions[2].integrity[0].algorithm == "crc32"


def test_a_check_value_at_the_end_of_a_program_is_a_child(look: Look, build_cortex: Callable[..., bytes]) -> None:
    data = build_cortex(0x0800_0000)
    (region,) = look(data + zlib.crc32(data).to_bytes(4, "big"))
    assert region.children[-1].format == "check-value"
    assert region.children[-1].integrity[0].valid


def test_the_check_over_the_vectors_of_lpc_parts_is_reported(look: Look, build_cortex: Callable[..., bytes]) -> None:
    data = bytearray(build_cortex(0, stack=0x1000_2000, size=0x400, fill=0x5A))
    words = struct.unpack("<7I", data[:28])
    data[28:32] = struct.pack("<I", -sum(words) & 0xFFFF_FFFF)
    (program,) = look(bytes(data))
    assert program.integrity[0].algorithm == "sum32"
    crp = [c for c in program.children if c.format == "lpc-crp"]
    assert [c.facts["readout_protection"] for c in crp] == ["open"]


def test_facts_carry_confidence_and_byte_order(look: Look, build_cortex: Callable[..., bytes]) -> None:
    (region,) = look(build_cortex(0x0800_0000))
    assert region.facts["confidence"] == Confidence.HIGH.value
    assert region.facts["byte_order"] == "little"
    assert region.span.address == 0x0800_0000


def test_an_image_of_very_many_pieces_keeps_its_rows_few(look: Look) -> None:
    piece = b"\x01\x02\x03" * 20 + b"\xff" * 300
    regions = look(piece * 900)
    assert len(regions) <= 512


def test_tables_that_are_only_pointers_in_a_program_do_not_cut_it(
    look: Look, build_cortex: Callable[..., bytes]
) -> None:
    data = bytearray(build_cortex(0x0800_0000, size=0x1000, fill=0x5A))
    fake = struct.pack("<16I", 0x2000_0100, *[0x0800_0041] * 6, 0, 0, 0, 0, *[0x0800_0041] * 5)
    data[0x400:0x440] = fake
    (region,) = look(bytes(data))
    assert region.span.size == 0x1000


def test_the_island_that_holds_the_entry_belongs_to_the_program(look: Look) -> None:
    rom = architectures()["x86"].example().ljust(0x1_0000 - 16, b"\xff") + b"\xfa\xfc\xe9\x0b\xf8" + b"\xff" * 11
    (region,) = look(rom)
    assert region.program is not None
    assert region.program.entry_address == 0xFFFF_FFF0
    assert [c.title for c in region.children] == ["Padding (all bytes 0xff)", "Reset vector"]


def test_without_an_address_nothing_far_behind_belongs_to_a_program(look: Look) -> None:
    table = b"\x01\x02\x03\x04\x05\x06\x07\x08" * 40
    regions = look(architectures()["aarch64"].example().ljust(0x4000, b"\xff") + table)
    assert [r.kind for r in regions] == [RegionKind.PROGRAM, RegionKind.PADDING, RegionKind.UNKNOWN]


def test_a_family_with_flash_elsewhere_makes_no_application(look: Look, build_cortex: Callable[..., bytes]) -> None:
    loads = (0x4002_1000, 0x4001_0800, 0x4000_5400, 0x4001_2C00, 0x4001_3800)
    (region,) = look(build_cortex(0x2000_1000, stack=0x2000_5000, loads=loads))
    assert region.program is not None
    assert region.program.role == ""
    assert region.program.load_address == 0x2000_1000


def test_what_looks_like_a_second_table_but_leads_nowhere_is_part_of_the_program(
    look: Look, build_cortex: Callable[..., bytes]
) -> None:
    data = bytearray(build_cortex(0x0800_0000, size=0x2000, fill=0x5A))
    data[0x1000:0x1040] = struct.pack(
        "<16I", 0x2000_0100, *[0x0900_0041, 0x0900_0081] * 3, 0, 0, 0, 0, *[0x0900_0041] * 5
    )
    (region,) = look(bytes(data))
    assert region.span.size == 0x2000


def test_a_table_in_front_of_nothing_is_no_program(look: Look) -> None:
    table = struct.pack(
        "<16I", 0x2000_0100, *[0x0800_0041, 0x0800_0081, 0x0800_0061] * 2, 0, 0, 0, 0, *[0x0800_0041] * 5
    )
    assert [r.kind for r in look(table + b"\x5a" * 400)] == [RegionKind.UNKNOWN]


def test_a_table_inside_noise_is_no_program(look: Look) -> None:
    table = struct.pack(
        "<16I", 0x2000_0100, *[0x0800_0041, 0x0800_0081, 0x0800_0061] * 2, 0, 0, 0, 0, *[0x0800_0041] * 5
    )
    assert [r.kind for r in look(NOISE[:8192] + table + NOISE[8256:])] == [RegionKind.ENCRYPTED]


@settings(max_examples=30, deadline=None)
@given(st.data())
def test_vector_tables_anywhere_do_not_break_the_tiling(data: st.DataObject) -> None:
    content = bytearray(NOISE[:9000] + b"\x5a" * 3000 + b"\xff" * 5000 + architectures()["arm-cortex-m"].example())
    for _ in range(data.draw(st.integers(1, 6))):
        at = data.draw(st.integers(0, len(content) // 256 - 2)) * 256
        base = data.draw(st.sampled_from([0, 0x0800_0000]))
        words = [0x2000_1000, *[base + at + 0x81 + 16 * n for n in range(6)], 0, 0, 0, 0, *[base + at + 0x41] * 5]
        content[at : at + 64] = struct.pack("<16I", *words)
    position = 0
    for start, end in tiles(analyse(Span("x", Window.of(bytes(content))), Limits())):
        assert start == position
        position = end
    assert position == len(content)


def test_a_program_that_looks_like_noise_is_called_noise(look: Look, build_cortex: Callable[..., bytes]) -> None:
    noise = NOISE[:8192] + build_cortex(0x0800_4000) + NOISE[9000:]
    assert [r.kind for r in look(noise)] == [RegionKind.ENCRYPTED]
    regions = look((b"\x5a\xa5" * 40).ljust(0x2000, b"\xff") + noise)
    assert [r.kind for r in regions] == [RegionKind.UNKNOWN, RegionKind.PADDING, RegionKind.ENCRYPTED]


def test_of_many_tables_only_some_are_tried(look: Look, build_cortex: Callable[..., bytes]) -> None:
    fake = struct.pack("<16I", 0x2000_0100, *[0x0900_0041, 0x0900_0081] * 3, 0, 0, 0, 0, *[0x0900_0041] * 5)
    data = build_cortex(0x0800_0000, size=0x1000, fill=0x5A) + fake.ljust(0x100, b"\x5a") * 12
    (region,) = look(data)
    assert region.span.size == len(data)


def test_settings_inside_padding_win_over_the_padding(look: Look) -> None:
    data = architectures()["msp430"].example()
    size = 0x3000
    code = bytearray(data[:-32].ljust(size - 32, b"\xff") + data[-32:])
    base = 0x1_0000 - size
    shift = base - (0x1_0000 - len(data))
    for index in range(0, 120, 10):
        target = struct.unpack_from("<H", code, index + 4)[0]
        struct.pack_into("<H", code, index + 4, target + shift)
    struct.pack_into("<16H", code, size - 32, *[base + 10] * 15, base)
    (region,) = look(bytes(code))
    assert region.program is not None
    assert region.program.arch == "msp430"
    settings_found = [c for c in region.children if c.kind is RegionKind.CONFIGURATION]
    assert [c.facts["bootloader_protection"] for c in settings_found] == ["open"]
    assert not any(c.kind is RegionKind.PADDING for c in region.children)
    assert region.children[-1].title == "Interrupt vector table"


def test_an_entry_far_behind_belongs_to_the_program(look: Look, build_cortex: Callable[..., bytes]) -> None:
    data = bytearray(build_cortex(0x0800_0000, size=0x3000))
    data[4:8] = struct.pack("<I", 0x0800_3001)
    (region,) = look(bytes(data) + b"\x5a\xa5" * 30)
    assert region.program is not None
    assert region.program.entry_address == 0x0800_3000
    assert region.span.size == 0x3000 + 60
