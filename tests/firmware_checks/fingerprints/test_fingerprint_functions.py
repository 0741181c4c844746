import struct

from hypothesis import given
from hypothesis import strategies as st

from firmware_checks.fingerprints.examples import made_function, program
from firmware_checks.fingerprints.functions import (
    TAG_TEXT,
    Code,
    Function,
    find_functions,
    functions_by_trust,
    text_at,
    walk,
)
from firmware_checks.fingerprints.instructions import constant_feature

BASE = 0x0800_4000


def code_of(*halves: int, base: int = BASE) -> Code:
    return Code(view=memoryview(struct.pack(f"<{len(halves)}H", *halves)), base=base)


def walked(*halves: int) -> Function:
    function = walk(code_of(*halves), 0)
    assert function is not None
    return function


def test_a_function_ends_where_it_returns_and_no_branch_leads_on() -> None:
    # push; cmp; beq over the return; movs; pop (returns); movs; pop (returns); what follows is another
    function = walked(0xB510, 0x2801, 0xD001, 0x2000, 0xBD10, 0x2001, 0xBD10, 0xB510)
    assert (function.start, function.end, function.count) == (0, 14, 7)


def test_a_return_that_is_conditional_does_not_end_a_function() -> None:
    assert walked(0xB510, 0x2801, 0xBF08, 0xBD10, 0x2001, 0xBD10, 0xB510).count == 6


def test_a_jump_out_of_the_function_is_a_call_at_its_end() -> None:
    function = walked(0x2801, 0x2002, 0x2103, 0xF7FF, 0xBF00, 0xB510)  # b.w far back
    assert function.count == 4
    assert function.calls == (0x6 + 4 - 0x200,)


def test_a_jump_forward_inside_is_followed() -> None:
    assert walked(0x2801, 0x2002, 0xE000, 0x2003, 0x2004, 0x4770).count == 6


def test_data_between_instructions_is_left_out() -> None:
    # ldr r0, [pc, #0] loads the word behind the jump; then the code goes on
    function = walked(0x4801, 0x2101, 0xE002, 0x46C0, 0x5678, 0x1234, 0x2102, 0x4770)
    assert constant_feature(0x1234_5678) in function.features
    assert function.count == 6


def test_a_table_of_jumps_is_skipped() -> None:
    # cmp r0, #3; tbb [pc, r0]; four entries; then code
    assert walked(0x2803, 0xE8DF, 0xF000, 0x0302, 0x0504, 0x2001, 0x2002, 0x4770).count == 5


def test_halves_of_a_constant_are_joined() -> None:
    function = walked(0xF245, 0x6078, 0xF2C1, 0x2034, 0x2001, 0x4770)  # movw r0, #0x5678; movt r0, #0x1234
    assert constant_feature(0x1234_5678) in function.features


def test_a_lone_half_constant_counts() -> None:
    assert constant_feature(0x5678) in walked(0xF245, 0x6078, 0x2001, 0x2002, 0x4770).features


def test_addresses_are_followed_to_texts_and_do_not_count_themselves() -> None:
    text = b"value out of range\0"
    body = struct.pack("<6H", 0x4801, 0x2101, 0x2102, 0x4770, 0, 0)
    body = body[:8] + struct.pack("<I", BASE + 12) + text
    function = walk(Code(view=memoryview(body), base=BASE), 0)
    assert function is not None
    assert function.pointers == (BASE + 12,)
    assert any(feature >= TAG_TEXT for feature in function.features)
    elsewhere = b"\0" * 4 + body[:8] + struct.pack("<I", 0x1_0010) + text
    moved = walk(Code(view=memoryview(elsewhere), base=0x1_0000), 4)
    assert moved is not None
    assert (moved.exact, moved.features) == (function.exact, function.features)


def test_ram_addresses_do_not_count() -> None:
    def features(word: int) -> frozenset[int]:
        body = struct.pack("<4HI", 0x4801, 0x2101, 0x2102, 0x4770, word)
        function = walk(Code(view=memoryview(body), base=BASE), 0)
        assert function is not None
        return function.features

    assert features(0x2000_0010) == features(0x2000_0FF0)
    assert features(0x4001_0010) != features(0x4001_0FF0)


def test_what_is_too_short_to_tell_is_none() -> None:
    assert walk(code_of(0x2001, 0x4770), 0) is None
    assert walk(code_of(), 0) is None


def test_texts_are_printable_and_ended() -> None:
    data = memoryview(b"hello there\0no end")
    assert text_at(data, 0) == b"hello there"
    assert text_at(data, 12) == b""
    assert text_at(data, 99) == b""
    assert text_at(data, -1) == b""


def test_functions_are_found_by_calls_pointers_and_what_they_begin_with() -> None:
    made = {
        "handler": made_function("handler", 20, ["called"]),
        "called": made_function("called", 20),
        "alone": made_function("alone", 20),
    }
    image = program({**made, "last": made_function("last", 12)}, stack=0x2000_1000, base=BASE)
    image = image.replace(struct.pack("<I", BASE + 64 + 2 * 47), struct.pack("<I", BASE + 65))
    starts = {function.start for function in find_functions(Code(view=memoryview(image), base=BASE))}
    position = 64
    for one in made.values():
        assert position in starts
        position += 2 * len(one.halves)


def test_no_more_functions_are_looked_at_than_allowed() -> None:
    image = program({f"f{n}": made_function(n, 12) for n in range(9)}, stack=0x2000_1000, base=BASE)
    code = Code(view=memoryview(image), base=BASE)
    assert len(list(find_functions(code, most=3))) == 3
    assert len(list(find_functions(code, [BASE + 65], most=99))) == 9


def test_the_surest_functions_come_first() -> None:
    made = {"caller": made_function("caller", 20, ["called"]), "called": made_function("called", 20)}
    image = program(made, stack=0x2000_1000, base=BASE) + struct.pack("<6H", 0xB510, 1, 2, 3, 4, 0xBD10)
    called, pointed, rest = functions_by_trust(Code(view=memoryview(image), base=BASE))
    assert [len(called), len(pointed), len(rest)] == [1, 1, 1]
    assert rest[0].start == len(image) - 12
    few = functions_by_trust(Code(view=memoryview(image), base=BASE), most=1)
    assert [len(group) for group in few] == [1, 0, 0]


def test_pointers_are_found_up_to_the_end_of_memory() -> None:
    body = struct.pack("<6HI", 0x2001, 0x2002, 0x2003, 0x2004, 0x2005, 0x4770, 0xFFFF_FFF1)
    for base, count in ((0xFFFF_FFF0, 1), (0xFFFF_FFF1, 0), (0x0, 0)):
        _, pointed, _ = functions_by_trust(Code(view=memoryview(body), base=base))
        assert len(pointed) == count


def test_a_sample_keeps_values_and_texts_and_thins_out_the_rest() -> None:
    function = walk(code_of(*made_function("long", 900).halves), 0)
    assert function is not None
    kept = function.sample(function.level)
    assert function.level > 2
    assert len(kept) < len(function.features) / 3
    assert set(function.values) <= kept <= function.features
    assert walked(0xB510, 0x2801, 0x2001, 0x2002, 0xBD10).level == 0


@given(st.binary(max_size=400), st.integers(0, 60))
def test_any_bytes_are_walked_without_harm(data: bytes, start: int) -> None:
    code = Code(view=memoryview(data), base=BASE)
    walk(code, start * 2)
    for function in find_functions(code):
        assert 0 <= function.start < function.end <= len(data) + 2
