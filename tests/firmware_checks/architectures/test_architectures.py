from __future__ import annotations

import random
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware_checks.architecture import Architecture, Code, Recognition
from firmware_checks.structure import riscv, thumb
from firmware_checks.structure.examples import ring_of_calls
from firmware_checks.structure.programs import architectures, recognise
from toolkit.report.model import Confidence

NAMES = sorted(architectures())
TEXT = b"The pump must be off before the cassette is removed. Alarm limits are set in the service menu. " * 200


def code(data: bytes, address: int | None = None) -> Code:
    return Code(memoryview(data), address)


def found(data: bytes, address: int | None = None) -> tuple[str, Recognition] | None:
    result = recognise(code(data, address))
    return None if result is None else (result.architecture.name, result.recognition)


def swapped(data: bytes) -> bytes:
    return b"".join(data[i : i + 4][::-1] for i in range(0, len(data), 4))


def test_every_architecture_of_the_vocabulary_is_there() -> None:
    expected = (
        "8051 aarch64 arm arm-cortex-m avr mips mips64 msp430 powerpc riscv32 riscv64 rl78 rx stm8 x86 x86_64 xtensa"
    )
    assert sorted(expected.split()) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_the_example_of_an_architecture_is_recognised_as_that_and_nothing_else(name: str) -> None:
    result = found(architectures()[name].example())
    assert result is not None
    assert result[0] == name
    assert result[1].confidence in (Confidence.MEDIUM, Confidence.HIGH)
    assert result[1].why


@pytest.mark.parametrize("name", NAMES)
def test_an_architecture_says_where_its_facts_come_from(name: str) -> None:
    architecture = architectures()[name]
    assert isinstance(architecture, Architecture)
    assert architecture.source
    assert architecture.title


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("seed", range(3))
def test_random_bytes_are_no_program(name: str, seed: int) -> None:
    data = random.Random(seed).randbytes(60_000)  # noqa: S311  # the same bytes every time
    assert architectures()[name].recognise(code(data)) is None


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\0",
        bytes(8192),
        b"\xff" * 8192,
        TEXT,
        TEXT.decode().encode("utf-16-le"),
        b"".join(struct.pack("<I", n) for n in range(4000)),
        b"".join(struct.pack(">H", n * n & 0xFFFF) for n in range(8000)),
    ],
    ids=["empty", "one byte", "zeros", "erased", "text", "utf-16", "counter", "squares"],
)
def test_data_is_no_program(name: str, data: bytes) -> None:
    assert architectures()[name].recognise(code(data)) is None


@given(
    st.binary(max_size=400),
    st.one_of(st.none(), st.integers(0, 2**32 - 1), st.sampled_from([0, 0x8000, 0xFFE0, 0xFFFF_FF80, 2**64 - 16])),
)
def test_no_recogniser_fails_on_any_bytes(data: bytes, address: int | None) -> None:
    for architecture in architectures().values():
        architecture.recognise(code(data, address))


@settings(max_examples=40, deadline=None)
@given(st.sampled_from(NAMES), st.data())
def test_no_recogniser_fails_on_damaged_programs(name: str, data: st.DataObject) -> None:
    damaged = bytearray(architectures()[name].example())
    for _ in range(data.draw(st.integers(0, 8))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    cut = bytes(damaged[: data.draw(st.integers(0, len(damaged)))])
    for architecture in architectures().values():
        architecture.recognise(code(cut))


@pytest.mark.parametrize(
    "name", ["aarch64", "powerpc", "riscv32", "riscv64", "x86", "x86_64", "xtensa", "arm-cortex-m"]
)
def test_a_program_placed_by_the_file_keeps_its_address(name: str) -> None:
    data = architectures()[name].example()
    address = 0x0800_0000 if name == "arm-cortex-m" else 0x4000_0000
    result = architectures()[name].recognise(code(data, address))
    assert result is not None
    assert result.load_address == address


def test_the_samples_of_a_large_image_stay_few() -> None:
    large = Code(memoryview(bytes(1 << 22)))
    assert len(large.windows) <= 8
    assert sum(len(data) for _, data in large.windows) <= 8 * 0x4000


def test_two_architectures_with_equal_evidence_are_not_guessed_between() -> None:
    both = architectures()["arm"].example() + architectures()["aarch64"].example()
    names = {name for name, one in architectures().items() if one.recognise(code(both[0x40:]))}
    assert {"arm", "aarch64"} <= names
    assert found(both[0x40:]) is None


# --- ARM ---


def test_big_endian_arm_is_recognised_by_swapping_words() -> None:
    result = found(swapped(architectures()["arm"].example()))
    assert result is not None
    assert (result[0], result[1].byte_order) == ("arm", "big")


def test_the_addresses_loaded_by_arm_vectors_tell_where_the_program_runs() -> None:
    data = bytearray(architectures()["arm"].example())
    data[0:4] = struct.pack("<I", 0xE59F_F018)
    data[0x20:0x40] = struct.pack("<8I", *[0x0010_0040] * 8)
    result = found(bytes(data))
    assert result is not None
    assert result[1].load_address == 0x0010_0000


def test_arm_handlers_in_different_memories_tell_nothing_about_the_place() -> None:
    data = bytearray(architectures()["arm"].example())
    data[0x20:0x40] = struct.pack("<8I", 0x40, *[0x8000_0000] * 7)
    result = found(bytes(data))
    assert result is not None
    assert result[1].load_address is None


def test_arm_vectors_followed_by_nops_are_vectors_too() -> None:
    vectors = struct.pack("<8I", 0xE59F_F018, *[0xE1A0_0000] * 7) + struct.pack("<8I", *[0x40] * 8)
    result = found(vectors + architectures()["arm"].example()[0x40:])
    assert result is not None
    assert "exception vectors" in result[1].why[0]


def test_thumb_code_behind_arm_vectors_is_not_taken_for_cortex_m() -> None:
    def function(here: int, target: int) -> bytes:
        return struct.pack("<H", 0xB510) + thumb_call(here + 2, target) + struct.pack("<HHH", 0x2000, 0x46C0, 0xBD10)

    vectors = architectures()["arm"].example()[:0x40]
    result = found(vectors + ring_of_calls(function, start=0x40))
    assert result is not None
    assert result[0] == "arm"


def test_a_word_that_is_no_jump_is_no_arm_vector() -> None:
    data = bytearray(architectures()["arm"].example())
    data[8:12] = struct.pack("<I", 0x1234_5678)
    result = architectures()["arm"].recognise(code(bytes(data)))
    assert result is not None
    assert "vectors" not in result.why[0]


def test_a_jump_out_of_the_image_is_no_arm_vector() -> None:
    data = bytearray(architectures()["arm"].example())
    data[4:8] = struct.pack("<I", 0xEA7F_0000)
    data[8:12] = struct.pack("<I", 0xE59F_FFFF)
    data[12:16] = struct.pack("<I", 0xE51F_FF20)
    result = architectures()["arm"].recognise(code(bytes(data)))
    assert result is not None
    assert "vectors" not in result.why[0]


# --- Cortex-M ---


def thumb_call(here: int, target: int) -> bytes:
    distance = target - here - 4
    sign = distance < 0
    first = 0xF000 | sign << 10 | distance >> 12 & 0x3FF
    j1, j2 = 1 - (distance >> 23 & 1 ^ sign), 1 - (distance >> 22 & 1 ^ sign)
    return struct.pack("<HH", first, 0xD000 | j1 << 13 | j2 << 11 | distance >> 1 & 0x7FF)


@given(st.integers(0, 0x40_0000), st.integers(-0x3F_0000, 0x3F_0000))
def test_a_thumb_call_goes_where_it_was_built_to_go(here: int, distance: int) -> None:
    here &= ~1
    target = here + (distance & ~1)
    assert list(thumb.calls(thumb_call(here, target), here)) == [target]


def cortex(base: int, *, size: int = 0, stack: int = 0x2000_5000) -> bytes:
    """The example, moved to ``base``."""
    data = bytearray(architectures()["arm-cortex-m"].example())
    data[0:4] = struct.pack("<I", stack)
    words = list(struct.unpack(f"<{len(data) // 4}I", data))
    moved = [word - 0x0800_0000 + base if word >> 16 == 0x0800 and word & 1 else word for word in words]
    return struct.pack(f"<{len(moved)}I", *moved).ljust(size, b"\0")


@pytest.mark.parametrize("base", [0, 0x4000, 0x1_8000, 0x0800_8000, 0x0010_0200, 0x6000_2000])
def test_the_pointers_of_a_cortex_m_program_tell_where_it_runs(base: int) -> None:
    result = found(cortex(base))
    assert result is not None
    assert result[0] == "arm-cortex-m"
    assert result[1].load_address == base
    assert result[1].stack_address == 0x2000_5000


def test_a_program_that_the_file_stores_elsewhere_is_said_to_run_where_its_pointers_say() -> None:
    result = architectures()["arm-cortex-m"].recognise(code(cortex(0x0800_0000, size=0x3000), 0x0800_0000 - 0x2000))
    assert result is not None
    assert result.load_address == 0x0800_0000
    assert any("stored at" in why for why in result.why)


@pytest.mark.parametrize("address", [0x0800_0080, 0x0900_0000])
def test_a_file_that_puts_a_program_where_it_cannot_run_is_corrected_only_for_good_reasons(address: int) -> None:
    data = cortex(0x0800_0000)
    result = architectures()["arm-cortex-m"].recognise(code(data, address))
    assert result is not None
    assert result.load_address == 0x0800_0000
    few = data[: 0x48 + 12 * 12]  # without the table of pointers
    alone = architectures()["arm-cortex-m"].recognise(code(few, address))
    assert alone is not None
    assert alone.stack_address is None
    assert alone.load_address == address


def test_a_program_placed_by_the_file_needs_few_pointers() -> None:
    few = cortex(0x0800_0000)[: 0x48 + 12 * 12]
    result = architectures()["arm-cortex-m"].recognise(code(few, 0x0800_0000))
    assert result is not None
    assert result.load_address == 0x0800_0000
    elsewhere = architectures()["arm-cortex-m"].recognise(code(few.ljust(0x400, b"\0"), 0x0800_0000 - 0x100))
    assert elsewhere is not None
    assert "placed at" in elsewhere.why[1]


def test_a_table_that_no_aligned_address_suits_is_none() -> None:
    assert architectures()["arm-cortex-m"].recognise(code(cortex(0x0800_0038)[:0x80])) is None


def test_thumb_code_without_vectors_is_recognised_with_less_certainty_about_its_place() -> None:
    result = found(architectures()["arm-cortex-m"].example()[0x48:])
    assert result is not None
    assert result[0] == "arm-cortex-m"
    assert result[1].load_address is None


def test_a_table_without_code_is_no_program() -> None:
    table = struct.pack("<16I", 0x2000_5000, *[0x0800_0041] * 15)
    assert found(table + bytes(512)) is None


# --- MIPS, RISC-V, PowerPC, x86, Xtensa ---


@pytest.mark.parametrize("name", ["mips", "mips64"])
def test_big_endian_mips_is_recognised(name: str) -> None:
    result = found(swapped(architectures()[name].example()))
    assert result is not None
    assert (result[0], result[1].byte_order) == (name, "big")


def mips_with_upper_halves() -> bytes:
    loads = struct.pack("<4I", 0x3C02_BFC0, 0x2442_0000, 0x3C03_BFC0, 0x3C04_8000)
    return architectures()["mips"].example() + loads


def test_upper_halves_complete_the_address_that_mips_calls_leave_open() -> None:
    result = found(mips_with_upper_halves())
    assert result is not None
    assert result[1].load_address == 0xBFC0_0000


def test_relative_mips_calls_count() -> None:
    def function(here: int, target: int) -> bytes:
        distance = (target - here - 12 >> 2) & 0xFFFF
        return struct.pack("<6I", 0x27BD_FFE8, 0xAFBF_0014, 0x0411_0000 | distance, 0, 0x03E0_0008, 0)

    result = found(ring_of_calls(function))
    assert result is not None
    assert result[0] == "mips"
    assert result[1].load_address is None


def test_mips_calls_that_lead_nowhere_do_not_count() -> None:
    data = bytearray(architectures()["mips"].example())
    for index in range(8, len(data), 32):
        data[index : index + 4] = struct.pack("<I", 0x0C00_0000 | index * 0x1357)
    assert architectures()["mips"].recognise(code(bytes(data))) is None


def test_texts_complete_the_address_of_a_mips_program() -> None:
    data = bytearray(architectures()["mips"].example()) + bytes(8)
    places = []
    for number in range(20):
        places.append(len(data))
        data += b"message number %02d\0\0\0\0" % number
    data += bytes(-len(data) % 4) + struct.pack("<20I", *[0xBFC0_0000 + place for place in places])
    result = found(bytes(data))
    assert result is not None
    assert result[1].load_address == 0xBFC0_0000


def test_mips_upper_halves_elsewhere_leave_the_top_of_the_address_open() -> None:
    result = found(architectures()["mips"].example())
    assert result is not None
    assert result[1].load_address is None
    assert "within 256 MiB" in result[1].why[0]


def test_risc_v_instructions_start_at_even_places() -> None:
    long = struct.pack("<II", 0x0000_0097, 0x0000_80E7)
    assert list(riscv._calls(b"\0" + long, 0)) == []
    assert list(riscv._calls(b"\0" + struct.pack("<I", riscv.jal(0, 8)), 0)) == []
    assert list(riscv._calls(long, 16)) == [16]


def test_first_instructions_of_xtensa_functions_alone_are_no_code() -> None:
    assert architectures()["xtensa"].recognise(code(b"\x36\x41\x00\x00" * 40)) is None


@given(st.integers(0, 0xF_FFFE), st.integers(-0x7_0000, 0x7_0000))
def test_a_risc_v_call_goes_where_it_was_built_to_go(here: int, distance: int) -> None:
    here &= ~1
    target = here + (distance & ~1)
    assert list(riscv._calls(struct.pack("<I", riscv.jal(here, target)), here)) == [target]


def test_long_risc_v_calls_count_too() -> None:
    def function(here: int, target: int) -> bytes:
        distance = target - here - 4
        high = distance + 0x800 & ~0xFFF
        low = distance - high & 0xFFF
        return struct.pack("<HHIIHH", 0x1141, 0xE406, high & 0xFFFF_F000 | 0x97, low << 20 | 0x80E7, 0x60A2, 0x8082)

    result = found(ring_of_calls(function))
    assert result is not None
    assert result[0] == "riscv64"


def rom(size: int) -> bytes:
    return architectures()["x86"].example().ljust(size - 16, b"\xff") + b"\xfa\xfc\xe9\x0b\xf8" + b"\xff" * 11


def test_a_rom_with_a_reset_vector_ends_at_4_gib() -> None:
    result = found(rom(0x1_0000))
    assert result is not None
    assert result[1].load_address == 0xFFFF_0000
    assert result[1].entry_address == 0xFFFF_FFF0


def test_a_rom_placed_by_the_file_is_left_where_it_is() -> None:
    result = architectures()["x86"].recognise(code(rom(0x1_0000), 0x000F_0000))
    assert result is not None
    assert result.load_address == 0x000F_0000


def test_big_endian_xtensa_is_recognised() -> None:
    def function(here: int, target: int) -> bytes:
        distance = (target - (here + 3 & ~3) - 4 >> 2) & 0x3_FFFF
        return b"\x6c\x10\x04" + (0x58_0000 | distance).to_bytes(3, "big") + b"\0" * 6

    result = found(ring_of_calls(function))
    assert result is not None
    assert (result[0], result[1].byte_order) == ("xtensa", "big")


def test_xtensa_code_without_register_windows_is_recognised() -> None:
    def function(here: int, target: int) -> bytes:
        distance = (target - (here + 3 & ~3) - 4 >> 2) & 0x3_FFFF
        return b"\x12\xc1\xf0" + (distance << 6 | 0x05).to_bytes(3, "little") + b"\x0d\xf0" + b"\0" * 4

    result = found(ring_of_calls(function))
    assert result is not None
    assert result[0] == "xtensa"


# --- 8 and 16 bits ---


def avr(base: int) -> bytes:
    def function(_: int, target: int) -> bytes:
        return struct.pack("<5H", 0x93CF, 0x940E, (base + target) // 2, 0x91CF, 0x9508)

    vectors = struct.pack("<HH", 0x940C, (base + 0x68) // 2) * 26
    return vectors + ring_of_calls(function, start=0x68)


@pytest.mark.parametrize("base", [0, 0x7000, 0x3800])
def test_jumps_of_an_avr_program_tell_where_it_runs(base: int) -> None:
    result = found(avr(base))
    assert result is not None
    assert result[0] == "avr"
    assert result[1].load_address == base


def test_an_avr_program_behind_128_kib_uses_the_high_bit_of_jumps() -> None:
    base = 0x3_E000

    def function(_: int, target: int) -> bytes:
        return struct.pack("<5H", 0x93CF, 0x940F, (base + target) // 2 & 0xFFFF, 0x91CF, 0x9508)

    vectors = struct.pack("<HH", 0x940D, (base + 0x68) // 2 & 0xFFFF) * 26
    result = found(vectors + ring_of_calls(function, start=0x68))
    assert result is not None
    assert result[1].load_address == base


@pytest.mark.parametrize("gap", [b"", b"\0\0"])
def test_short_avr_jumps_are_a_vector_table_too(gap: bytes) -> None:
    def function(here: int, target: int) -> bytes:
        call = 0xD000 | (target - here - 4 >> 1) & 0xFFF
        return struct.pack("<4H", 0x93CF, call, 0x91CF, 0x9508)

    step = 2 + len(gap)
    vectors = b"".join(struct.pack("<H", 0xC000 | 20 * step - step * n - 2 >> 1) + gap for n in range(20))
    result = found(vectors + b"\x11\x24\x1f\xbe" + ring_of_calls(function, start=20 * step + 4))
    assert result is not None
    assert result[0] == "avr"
    assert "20 jumps" in result[1].why[0]
    assert "start-up code" in result[1].why[1]


def test_jumps_without_end_are_no_avr_program_by_themselves() -> None:
    assert architectures()["avr"].recognise(code(b"\x0c\x94\x34\x00" * 200 + b"\x08\x95")) is None


def test_an_8051_program_without_interrupts_is_told_by_its_calls() -> None:
    data = bytearray(architectures()["8051"].example())
    data[3:0x50] = b"\x55" * (0x50 - 3)
    result = found(bytes(data))
    assert result is not None
    assert result[0] == "8051"
    assert "jump at reset" not in result[1].why[0]


@pytest.mark.parametrize(("size", "address"), [(0x2_0001, None), (64, 0x1_0000)])
def test_an_8051_has_64_kib_of_code(size: int, address: int | None) -> None:
    assert architectures()["8051"].recognise(code(bytes(size), address)) is None


def test_msp430_vectors_must_lead_into_the_image() -> None:
    data = bytearray(architectures()["msp430"].example())
    data[-2:] = b"\x00\x20"
    result = architectures()["msp430"].recognise(code(bytes(data)))
    assert result is not None
    assert not any("vectors" in why for why in result.why)


def test_an_msp430_image_larger_than_its_memory_is_none() -> None:
    assert architectures()["msp430"].recognise(code(bytes(0x1_0002))) is None


def test_an_msp430_program_placed_by_the_file_has_its_vectors_found() -> None:
    data = architectures()["msp430"].example()
    result = architectures()["msp430"].recognise(code(data, 0x1_0000 - len(data)))
    assert result is not None
    assert result.entry_address == 0x1_0000 - len(data)


def stm8_with(vectors: bytes) -> Recognition | None:
    data = architectures()["stm8"].example()
    return architectures()["stm8"].recognise(code(vectors.ljust(128, b"\x9d") + data[128:]))


def test_an_stm8_program_without_interrupts_has_one_vector_only() -> None:
    result = stm8_with(b"\x82\x00\x80\x80")
    assert result is not None
    assert "reset vector" in result.why[0]


def test_unused_stm8_vectors_are_erased_or_zero() -> None:
    result = stm8_with(b"\x82\x00\x80\x80" * 2 + b"\xff\xff\xff\xff" + bytes(4) + b"\x82\x00\x80\x80" * 2)
    assert result is not None
    assert result.why[0].startswith("4 interrupt vectors")


@pytest.mark.parametrize("first", [b"\x82\x77\x00\x00", b"\x82\x00\xf0\x00", b"\x55\x00\x80\x80"])
def test_an_stm8_program_starts_with_a_vector_into_itself(first: bytes) -> None:
    assert stm8_with(first + b"\x82\x00\x80\x80" * 31) is None


def test_an_rl78_program_starts_at_address_zero() -> None:
    data = architectures()["rl78"].example()
    assert architectures()["rl78"].recognise(code(data, 0x1000)) is None
    assert architectures()["rl78"].recognise(code(b"\0\0" + data[2:])) is None


def test_rx_vectors_must_lead_into_the_image() -> None:
    data = architectures()["rx"].example()
    assert architectures()["rx"].recognise(code(data[:-4] + b"\0\0\0\x10")) is None
    assert architectures()["rx"].recognise(code(data, 0x1000)) is None
