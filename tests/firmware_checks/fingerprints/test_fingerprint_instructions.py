"""Expected values are hand-assembled after DDI 0403, A7.7."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_checks.fingerprints.instructions import FIRST_WIDE, KINDS, Flow, constant_feature, decode

NARROW = [
    (0x4770, "bx", Flow.END, 0),
    (0xBD10, "pop", Flow.END, 0),
    (0xB510, "push", Flow.NEXT, 0),
    (0xBC10, "pop", Flow.NEXT, 0),
    (0x4798, "blx", Flow.NEXT, 0),
    (0x4687, "bx", Flow.END, 0),  # mov pc, r0
    (0x4604, "mov", Flow.NEXT, 0),
    (0x0000, "mov", Flow.NEXT, 0),  # lsls r0, r0, #0
    (0x0040, "lsl", Flow.NEXT, 0),
    (0x2A07, "cmp-imm", Flow.COMPARE, 7),
    (0xD1FE, "b-cond", Flow.BRANCH, 0),  # bne to itself
    (0xE7FE, "b", Flow.JUMP, 0),
    (0xE001, "b", Flow.JUMP, 6),
    (0xB108, "cbz", Flow.BRANCH, 6),
    (0x4B02, "ldr-literal", Flow.LITERAL, 12),
    (0xBF18, "it", Flow.IF_THEN, 1),
    (0xBF06, "it", Flow.IF_THEN, 3),
    (0xBF00, "other", Flow.NEXT, 0),
    (0xDE00, "trap", Flow.END, 0),
    (0xDF01, "trap", Flow.NEXT, 0),
    (0xA001, "adr", Flow.NEXT, 0),
    (0xA801, "add-sp", Flow.NEXT, 0),
    (0xB082, "add-sp", Flow.NEXT, 0),
    (0x9801, "ldr-sp", Flow.NEXT, 0),
    (0x9001, "str-sp", Flow.NEXT, 0),
    (0xC103, "stm", Flow.NEXT, 0),
    (0xC903, "ldm", Flow.NEXT, 0),
    (0xB2C0, "extend", Flow.NEXT, 0),
    (0xBA00, "rev", Flow.NEXT, 0),
    (0x5C88, "ldrb", Flow.NEXT, 0),
    (0x1840, "add", Flow.NEXT, 0),
    (0x1E40, "sub-imm", Flow.NEXT, 0),
    (0x4348, "mul", Flow.NEXT, 0),
]
WIDE = [
    (0xF7FF_FFFE, "bl", Flow.CALL, 0),
    (0xF000_F802, "bl", Flow.CALL, 8),
    (0xF000_B802, "b", Flow.JUMP, 8),
    (0xF47F_AFFE, "b-cond", Flow.BRANCH, 0),  # bne.w to itself
    (0xE92D_41F0, "push", Flow.NEXT, 0),
    (0xE8BD_81F0, "pop", Flow.END, 0),
    (0xE8BD_41F0, "pop", Flow.NEXT, 0),
    (0xE8DF_F003, "table", Flow.TABLE, 1),
    (0xE8DF_F013, "table", Flow.TABLE, 2),
    (0xE850_1F00, "exclusive", Flow.NEXT, 0),
    (0xE9D0_2302, "ldrd", Flow.NEXT, 0),
    (0xE9C0_2302, "strd", Flow.NEXT, 0),
    (0xF240_1034, "movw", Flow.MOVW, 0x134),
    (0xF2C2_0000, "movt", Flow.MOVT, 0x2000),
    (0xF5B0_7F80, "cmp-imm", Flow.COMPARE, 0x100),
    (0xF04F_30FF, "mov-imm", Flow.NEXT, 0xFFFF_FFFF),
    (0xF100_0008, "add-imm", Flow.NEXT, 8),
    (0xF20F_0004, "adr", Flow.NEXT, 0),
    (0xF3C0_1007, "bitfield", Flow.NEXT, 0),
    (0xF3BF_8F4F, "system", Flow.NEXT, 0),
    (0xF8DF_3008, "ldr-literal", Flow.LITERAL, 12),
    (0xF85F_3008, "ldr-literal", Flow.LITERAL, -4),
    (0xF8D0_1010, "ldr", Flow.NEXT, 0),
    (0xF810_1B01, "ldrb", Flow.NEXT, 0),
    (0xF850_1C04, "ldr", Flow.NEXT, 0),
    (0xF8DD_1010, "ldr-sp", Flow.NEXT, 0),
    (0xF85D_FB04, "ldr-sp", Flow.END, 0),  # pop {pc}
    (0xF9B0_1010, "ldr-signed", Flow.NEXT, 0),
    (0xEB00_0001, "add", Flow.NEXT, 0),
    (0xEA4F_0001, "mov", Flow.NEXT, 0),
    (0xEA4F_0041, "lsl", Flow.NEXT, 0),
    (0xEA10_0F01, "tst", Flow.NEXT, 0),
    (0xEBB0_0F01, "cmp", Flow.NEXT, 0),
    (0xFA00_F001, "shift-reg", Flow.NEXT, 0),
    (0xFA1F_F080, "extend", Flow.NEXT, 0),
    (0xFAB0_F080, "clz", Flow.NEXT, 0),
    (0xFB00_F001, "mul", Flow.NEXT, 0),
    (0xFB00_2001, "mla", Flow.NEXT, 0),
    (0xFBB0_F0F1, "div", Flow.NEXT, 0),
    (0xFBA0_0102, "mul-long", Flow.NEXT, 0),
    (0xED90_0A01, "fp-memory", Flow.NEXT, 0),
    (0xED9F_0A01, "fp-memory", Flow.NEXT, 0),
    (0xEE30_0A01, "fp-arith", Flow.NEXT, 0),
    (0xEE10_0A10, "fp-move", Flow.NEXT, 0),
]


@pytest.mark.parametrize(("word", "kind", "flow", "value"), NARROW + WIDE)
def test_an_instruction_says_what_the_manual_says_of_it(word: int, kind: str, flow: Flow, value: int) -> None:
    instruction = decode(word)
    assert (KINDS[instruction.kind], instruction.flow) == (kind, flow)
    if flow not in (Flow.NEXT, Flow.END):
        assert instruction.value == value
    assert instruction.size == (1 if word < 0x1_0000 else 2)


@pytest.mark.parametrize(
    ("narrow", "wide"),
    [
        (0x6908, 0xF8D1_0010),  # ldr r0, [r1, #16]
        (0x7408, 0xF881_0010),  # strb r0, [r1, #16]
        (0x2A07, 0xF1B2_0F07),  # cmp r2, #7
        (0x2007, 0xF04F_0007),  # movs r0, #7
    ],
)
def test_both_lengths_of_one_operation_leave_the_same_trace(narrow: int, wide: int) -> None:
    assert decode(narrow).feature == decode(wide).feature != 0


def test_the_place_of_a_call_does_not_show_in_the_masked_bits() -> None:
    assert decode(0xF7FF_FFFE).masked == decode(0xF012_F802).masked
    assert decode(0xF240_1034).masked == decode(0xF64A_30CD).masked
    assert decode(0x4B02).masked == decode(0x4B17).masked != decode(0x4A02).masked


def test_large_constants_stay_apart() -> None:
    assert len({constant_feature(value) for value in (1, 0x100_0001, 0x6745_2301, 0xEFCD_AB89)}) == 4


@given(st.one_of(st.integers(0, FIRST_WIDE - 1), st.integers(FIRST_WIDE << 16, 0xFFFF_FFFF)))
def test_every_pattern_of_bits_is_some_instruction(word: int) -> None:
    instruction = decode(word)
    assert instruction.size == (1 if word < FIRST_WIDE else 2)
    assert 0 <= instruction.kind < len(KINDS)
    assert 0 <= instruction.masked <= 0xFFFF_FFFF
    assert 0 <= instruction.feature <= 0x3FFF_FFFF
