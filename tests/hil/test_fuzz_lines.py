"""Made-up lines follow their grammar, and what does harm is made as short as it can be."""

from __future__ import annotations

import random

from hil.fuzz import LineGrammar, minimised

GRAMMAR = LineGrammar(commands=(b"set", b"get"), arguments=(b"1", b"x" * 9), most_arguments=5, most_bytes=30)


def test_a_line_starts_with_a_command_and_is_never_too_long() -> None:
    chance = random.Random(1)  # noqa: S311  # chance to be repeated, no secret
    lines = [GRAMMAR.line(chance) for _ in range(300)]
    assert {line[:3] for line in lines} == {b"set", b"get"}
    assert max(map(len, lines)) == 30
    assert lines[:20] == [GRAMMAR.line(random.Random(1)) for _ in range(1)] + lines[1:20]  # noqa: S311


def test_words_and_then_bytes_that_do_no_harm_are_left_out() -> None:
    assert minimised(b"set a b %n c", lambda line: b"%n" in line) == b"%n"
    assert minimised(b"set verylong b", lambda line: b"o" in line and line.startswith(b"s")) == b"so"
    assert minimised(b"a b c d", lambda line: len(line.split()) > 2) in (b"a b c", b"b c d")


def test_it_gives_up_after_a_while_and_keeps_what_it_has() -> None:
    tried: list[bytes] = []

    def never(line: bytes) -> bool:
        tried.append(line)
        return False

    assert minimised(b"x" * 500, never) == b"x" * 500
    assert len(tried) < 301
