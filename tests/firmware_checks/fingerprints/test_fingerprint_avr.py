import random
import struct
from collections.abc import Sequence
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware_checks.fingerprints.avr import CALL_MASKED, JUMP_MASKED, AvrCode, decode
from firmware_checks.fingerprints.collector import FingerprintCollector
from firmware_checks.fingerprints.functions import Flow, find_functions, functions_by_trust
from firmware_checks.fingerprints.identify import components_in
from firmware_checks.fingerprints.matching import Index
from firmware_checks.fingerprints.objects import functions_of, processor_of
from firmware_checks.fingerprints.pack import Build, Pack, read_pack
from firmware_checks.fingerprints.pack_writer import PackBuilder
from firmware_checks.region import Program, Region
from firmware_checks.span import Span
from toolkit.core.errors import MedhardenError
from toolkit.core.limits import Budget, Limits
from toolkit.core.window import Window
from toolkit.report.model import RegionKind

RET, NOP = 0x9508, 0x0000
GLOBAL, GLOBAL_FUNCTION = 0x10, 0x12
BRANCH, NEAR, FAR = 2, 3, 18


def body(seed: object, count: int = 40) -> list[int]:
    """Return drawn instructions that compute: two registers, a value, a load or a store."""
    chance = random.Random(str(seed))  # noqa: S311  # a repeatable example
    bases = (0x0C00, 0x1C00, 0x2400, 0x2C00, 0x3000, 0x7000, 0x8000, 0x8200, 0xB000)
    return [chance.choice(bases) | chance.randrange(0x200) for _ in range(count)]


def code_of(words: Sequence[int], base: int = 0) -> AvrCode:
    return AvrCode(view=memoryview(struct.pack(f"<{len(words)}H", *words)), base=base)


def object_file(
    functions: Sequence[tuple[str, list[int]]], relocations: Sequence[tuple[int, int, str, int]] = (), info: int = 0x12
) -> bytes:
    """Return an ELF object file for AVR; a relocation has offset, type, symbol (an unknown one is outside), addend."""
    text, symbols, strings = b"", [bytes(16)], b"\0"
    names = [name for name, _ in functions]
    names += sorted({symbol for _, _, symbol, _ in relocations} - set(names))
    words = dict(functions)
    for name in names:
        data = struct.pack(f"<{len(words[name])}H", *words[name]) if name in words else b""
        place = (len(text), len(data), info, 0, 1) if name in words else (0, 0, GLOBAL, 0, 0)
        symbols.append(struct.pack("<IIIBBH", len(strings), *place))
        strings += name.encode() + b"\0"
        text += data
    rows = b"".join(
        struct.pack("<IIi", offset, (names.index(symbol) + 1) << 8 | kind, addend)
        for offset, kind, symbol, addend in relocations
    )
    titles = b"\0.text\0.rela\0.symtab\0.strtab\0"
    parts = [text, rows, b"".join(symbols), strings, titles]
    starts = [52 + sum(map(len, parts[:n])) for n in range(len(parts))]
    sections = [
        bytes(40),
        struct.pack("<10I", 1, 1, 6, 0, starts[0], len(text), 0, 0, 2, 0),
        struct.pack("<10I", 7, 4, 0, 0, starts[1], len(rows), 3, 1, 4, 12),
        struct.pack("<10I", 13, 2, 0, 0, starts[2], len(parts[2]), 4, 1, 4, 16),
        struct.pack("<10I", 21, 3, 0, 0, starts[3], len(strings), 0, 0, 1, 0),
        struct.pack("<10I", 0, 3, 0, 0, starts[4], len(titles), 0, 0, 1, 0),
    ]
    head = b"\x7fELF" + bytes([1, 1, 1]) + bytes(9)
    head += struct.pack("<HHIIIIIHHHHHH", 1, 83, 1, 0, 0, 52 + sum(map(len, parts)), 0, 52, 0, 0, 40, len(sections), 5)
    return head + b"".join(parts) + b"".join(sections)


@pytest.mark.parametrize(
    ("word", "size", "flow", "value"),
    [
        (0x940E, 2, Flow.CALL, 0),  # call
        (0xDFFF, 1, Flow.CALL, 0),  # rcall to itself
        (0x940C, 2, Flow.JUMP, 0),  # jmp
        (0xC001, 1, Flow.JUMP, 4),  # rjmp over one word
        (0xF409, 1, Flow.BRANCH, 4),  # brne over one word
        (0xF3F1, 1, Flow.BRANCH, -2),  # breq to the word before
        (0xFD80, 1, Flow.IF_THEN, 1),  # sbrc
        (0x9508, 1, Flow.END, 1),  # ret
        (0x9409, 1, Flow.END, 1),  # ijmp
        (0x9000, 2, Flow.NEXT, 1),  # lds
        (0x920F, 1, Flow.NEXT, 1),  # push
        (0x0000, 1, Flow.NEXT, 1),  # nop
    ],
)
def test_instructions_are_read_as_the_manual_says(word: int, size: int, flow: Flow, value: int) -> None:
    made = decode(word)
    assert (made.size, made.flow, made.value) == (size, flow, value)


def test_values_that_may_be_parts_of_addresses_do_not_count() -> None:
    assert decode(0xE51A).masked == decode(0xE010).masked  # ldi r17
    assert decode(0xE51A).masked != decode(0xE50A).masked  # another register
    assert decode(0x351A).masked != decode(0x3010).masked  # cpi
    assert decode(0x351A).feature == decode(0x352A).feature != 0  # the value counts, the register does not
    assert decode(0x8C0F).feature != decode(0x8E0F).feature != 0  # ldd and std


def test_a_function_ends_where_nothing_leads_further() -> None:
    words = [*body("a", 4), 0xFD80, RET, *body("b", 2), 0xF009, RET, NOP, RET, *body("c", 9)]
    function = code_of(words).walk(0)
    assert function is not None
    assert function.end == 2 * words.index(NOP) + 4


def test_a_call_is_the_same_however_it_is_encoded() -> None:
    long = code_of([*body("x", 6), 0x940E, 0x1234, RET]).walk(0)
    short = code_of([*body("x", 6), 0xD123, RET]).walk(0)
    elsewhere = code_of([*body("x", 6), 0x940C, 0x1234]).walk(0)
    assert long is not None
    assert short is not None
    assert elsewhere is not None
    assert long.exact == short.exact != elsewhere.exact
    assert long.calls == (2 * 0x1234,)
    assert short.calls == (2 * (7 + 0x123),)
    assert (CALL_MASKED, JUMP_MASKED) == (0x940E, 0x940C)


def test_jumps_inside_a_function_count_by_how_far_they_go() -> None:
    words = [*body("x", 6), 0xC002, NOP, RET, *body("y", 2), 0xCFF8, RET]
    near = code_of(words).walk(0)
    far = code_of([*words[:6], 0xC003, *words[7:9], NOP, *words[9:]]).walk(0)
    assert near is not None
    assert far is not None
    assert near.exact != far.exact
    assert near.calls == ()


def test_what_is_too_short_to_tell_is_no_function() -> None:
    assert code_of([NOP, RET]).walk(0) is None
    assert code_of(body("cut", 8)).walk(0, 4) is None


def test_functions_are_found_where_they_are_called_jumped_to_or_follow_another() -> None:
    parts = [body(n, 12) for n in range(4)]
    start = [NOP, NOP, 0xD000 | 15, 0x940C, 5 + 13 + 13]  # rcall the second part; jmp to the third
    words = [*start, *parts[0], RET, *parts[1], RET, *parts[2], RET, *parts[3], RET]
    groups = [[f.start for f in group] for group in functions_by_trust(code_of(words), [0])]
    assert groups == [[0, 36], [62], [88]]
    assert next(f.start for f in find_functions(code_of(words, base=0x100), [0x100])) == 0
    assert list(code_of([0x940E]).starts([])) == [{0}, set(), []]  # cut short


def test_functions_of_an_object_file_look_as_they_will_when_linked() -> None:
    one = [*body("one", 10), 0x940E, 0, 0xD000, 0xF401, 0xC000, RET]
    two = [*body("two", 10), 0xC000]
    relocations = [(20, FAR, "two", 0), (24, NEAR, "two", 0), (26, BRANCH, "one", 30), (28, NEAR, "one", 30)]
    relocations += [(32 + 20, NEAR, "outside", 0), (0, 99, "one", 0)]
    found = {f.name: f for f in functions_of(Window.of(object_file([("one", one), ("two", two)], relocations)))}
    assert found["one"].calls == ("two", "two")
    linked = [*one[:10], 0x940E, 16, 0xD000 | 3, 0xF409, 0xC000, RET, *two[:10], 0xCF00]
    for name, start in (("one", 0), ("two", 32)):
        function = code_of(linked).walk(start)
        assert function is not None
        assert function.exact == found[name].function.exact


def test_functions_in_assembly_language_need_no_type() -> None:
    untyped = object_file([("one", [*body("one"), RET])], info=GLOBAL)
    assert [f.name for f in functions_of(Window.of(untyped))] == ["one"]
    assert processor_of(Window.of(untyped)) == "avr"


LIBRARY = [(f"lib_{n}", [*body(f"lib {n}"), RET]) for n in range(8)]


def pack() -> Pack:
    made = PackBuilder(arch="avr")
    made.component("lib", ready_made=True)
    build = Build(component=0, version="1.0", toolchain="avr5")
    made.add("lib", build, functions_of(Window.of(object_file(LIBRARY))))
    return read_pack(Window.of(made.pack()), "test")


def image(functions: Sequence[list[int]]) -> list[int]:
    """Return a program that calls the functions."""
    start: list[int] = []
    place = 2 * len(functions) + 1
    for words in functions:
        start += [0x940E, place]
        place += len(words)
    return [*start, RET, *(word for words in functions for word in words)]


OWN = [[*body(f"own {n}"), RET] for n in range(12)]


def test_a_library_is_named_in_a_program_for_avr() -> None:
    words = image([*OWN, *(words for _, words in LIBRARY)])
    code = code_of(words)
    (found,) = components_in(code, Index([pack()]), functions_by_trust(code))
    assert (found.name, found.versions, len(found.functions)) == ("lib", ("1.0",), 8)
    bare = code_of(image(OWN))
    assert components_in(bare, Index([pack()]), functions_by_trust(bare)) == []


def test_packs_for_another_processor_are_left_alone() -> None:
    words = image([*OWN, *(words for _, words in LIBRARY)])
    span = Span("image.bin", Window.of(struct.pack(f"<{len(words)}H", *words)))
    for arch, names in (("avr", ["lib"]), ("arm-cortex-m", [])):
        made = Program(arch=arch, load_address=None, entry_address=None)
        collector = FingerprintCollector(Budget(Limits()), lambda *_: None, [pack()])
        collector.collect([Region(span=span, format="raw", kind=RegionKind.PROGRAM, title="", program=made)])
        assert [one.name for one in collector.version_sets] == names


@settings(max_examples=200)
@given(st.binary(max_size=400), st.integers(0, 40))
def test_any_bytes_are_walked_to_an_end(data: bytes, start: int) -> None:
    code = AvrCode(view=memoryview(data), base=0)
    for function in find_functions(code, [start]):
        assert 0 <= function.start < function.end <= len(data)


@settings(max_examples=200)
@given(st.data())
def test_damaged_object_files_for_avr_do_no_harm(data: st.DataObject) -> None:
    damaged = bytearray(object_file(LIBRARY[:2], [(0, FAR, "lib_1", 0), (4, NEAR, "other", 2)]))
    for _ in range(data.draw(st.integers(1, 8))):
        damaged[data.draw(st.integers(20, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    with suppress(MedhardenError):
        list(functions_of(Window.of(bytes(damaged))))
