"""Files kept as runs of blocks."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_checks.readers.block_map import Tables, gathered, mapped_runs
from toolkit.core.errors import LimitExceeded, Truncated
from toolkit.core.window import Window

BLOCKS = [bytes([number]) * 8 for number in range(10)]
IMAGE = Window.of(b"".join(BLOCKS))


def _alone(number: int) -> bytes:
    return BLOCKS[number] if number else bytes(8)


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 3))), st.integers(0, 100))
def test_runs_are_put_together_block_by_block(runs: list[tuple[int, int]], size: int) -> None:
    inside = [(block, count) for block, count in runs if block + count <= 10]
    numbers = [block + step if block else 0 for block, count in inside for step in range(count)]
    expected = b"".join(map(_alone, numbers))[:size].ljust(size, b"\0")
    assert gathered(IMAGE, inside, 8, size, 1000) == expected


def test_blocks_outside_of_the_image_and_files_beyond_the_limit_are_refused() -> None:
    with pytest.raises(Truncated):
        gathered(IMAGE, [(9, 2)], 8, 16, 1000)
    with pytest.raises(LimitExceeded):
        gathered(IMAGE, [], 8, 1001, 1000)


def test_a_map_names_blocks_directly_then_through_tables() -> None:
    tables = Tables(lambda block: (block + 1, 0), 2)
    assert list(mapped_runs((5, 0, 7, 8), 2, tables)) == [(5, 1), (0, 1), (8, 1), (0, 1), (10, 1), (0, 1), (0, 2)]
