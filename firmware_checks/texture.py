"""What bytes look like before anyone knows what they are: padding, noise, or something with structure.

Erased flash reads 0xFF, unused memory is often 0x00; encrypted and compressed bytes use all 256 values equally often.
Everything else is called plain here and is looked at further.
"""

from __future__ import annotations

import enum
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

__all__ = ["MINIMUM_PADDING_BYTES", "Stretch", "Texture", "chi_square", "is_noise", "is_text", "padding_runs", "survey"]

MINIMUM_PADDING_BYTES = 32
"""Shorter runs of one value occur inside code and tables."""
PADDING_VALUES = (0x00, 0xFF)
CHUNK_BYTES = 1 << 20
BLOCK_BYTES = 4096
"""Noise is told by blocks of this size; large images use larger steps, so that the work stays bounded."""
MINIMUM_NOISE_BYTES = 1024
"""Below this the distribution of byte values says nothing reliable."""
MAXIMUM_BLOCKS = 1024
MAXIMUM_RUNS = 20_000
EDGE_STEP_BYTES = 256
MINIMUM_TEXT_BYTES = 16

_CONTROL = re.compile("[\0-\x08\x0b\x0e-\x1a\x1c-\x1f\x7f]")


class Texture(enum.Enum):
    """The three looks a stretch of bytes can have."""

    PADDING = "padding"
    NOISE = "noise"
    PLAIN = "plain"


@dataclass(frozen=True, slots=True)
class Stretch:
    """Bytes ``[start, end)`` of one texture; ``value`` is the repeated byte of padding."""

    start: int
    end: int
    texture: Texture
    value: int | None = None

    @property
    def size(self) -> int:
        """Number of bytes."""
        return self.end - self.start


def survey(view: memoryview, *, inner_padding_bytes: int = MINIMUM_PADDING_BYTES) -> list[Stretch]:
    """Return stretches that tile ``view``; padding between two others counts from ``inner_padding_bytes`` on."""
    size = len(view)
    padding = [
        run for run in padding_runs(view) if run.size >= inner_padding_bytes or run.start == 0 or run.end == size
    ]
    stretches: list[Stretch] = []
    position = 0
    for run in padding:
        stretches += _split_by_noise(view, position, run.start)
        stretches.append(run)
        position = run.end
    stretches += _split_by_noise(view, position, size)
    return stretches


def padding_runs(view: memoryview, minimum_bytes: int = MINIMUM_PADDING_BYTES) -> list[Stretch]:
    """Return every run of at least ``minimum_bytes`` bytes 0x00 or 0xFF, in order, with its exact extent.

    Bytes made to have very many short runs are searched for long ones only: nobody reads a hundred thousand rows.
    """
    runs: list[Stretch] = []
    for value in PADDING_VALUES:
        for run in _runs_of(view, value, minimum_bytes):
            runs.append(run)
            if len(runs) > MAXIMUM_RUNS:
                return padding_runs(view, minimum_bytes * 8)
    return sorted(runs, key=lambda run: run.start)


def _runs_of(view: memoryview, value: int, minimum_bytes: int) -> Iterator[Stretch]:
    needle = bytes([value]) * minimum_bytes
    position = 0
    for base in range(0, len(view), CHUNK_BYTES):
        if position >= base + CHUNK_BYTES:
            continue
        chunk = bytes(view[base : base + CHUNK_BYTES + minimum_bytes - 1])
        found = chunk.find(needle, max(0, position - base))
        while found >= 0:
            position = _run_end(view, base + found + minimum_bytes, value)
            yield Stretch(base + found, position, Texture.PADDING, value)
            found = chunk.find(needle, position - base)


def _run_end(view: memoryview, position: int, value: int) -> int:
    """Return where the run of ``value`` that reaches ``position`` ends; blocks grow, so long runs go fast."""
    step = 64
    while position < len(view):
        block = bytes(view[position : position + step])
        equal = len(block) - len(block.lstrip(bytes([value])))
        position += equal
        if equal < len(block):
            break
        step = min(step * 2, CHUNK_BYTES)
    return position


def chi_square(block: bytes) -> float:
    """Return how unevenly byte values are used: about 255 for random bytes, thousands for code, more for text."""
    size = len(block)
    return 256 * sum(count * count for count in Counter(block).values()) / size - size if size else 0.0


def is_noise(block: bytes) -> bool:
    """Tell whether ``block`` looks encrypted or compressed.

    The bounds were measured: over blocks of 4 KiB random bytes stay below 330, deflate and LZMA output below 1,400 in
    nearly all blocks, and no block of 120 real programs is below 6,000.
    """
    size = len(block)
    if size < MINIMUM_NOISE_BYTES or len(set(block)) < min(225, 150 + size // 16):
        return False
    return chi_square(block) < 350 + size / 4


def _split_by_noise(view: memoryview, start: int, end: int) -> Iterator[Stretch]:
    """Yield plain and noisy stretches that tile ``[start, end)``."""
    position = start
    for first, last in _noisy_ranges(view, start, end):
        if first > position:
            yield Stretch(position, first, Texture.PLAIN)
        yield Stretch(first, last, Texture.NOISE)
        position = last
    if end > position:
        yield Stretch(position, end, Texture.PLAIN)


def _noisy_ranges(view: memoryview, start: int, end: int) -> Iterator[tuple[int, int]]:
    step = max(BLOCK_BYTES, -(-(end - start) // MAXIMUM_BLOCKS))
    first: int | None = None
    for position in range(start, end, step):
        noisy = is_noise(bytes(view[position : min(position + BLOCK_BYTES, end)]))
        if noisy and first is None:
            first = _first_noisy(view, max(start, position - step), position)
        elif not noisy and first is not None:
            yield first, _last_noisy(view, position - step, min(position + BLOCK_BYTES, end))
            first = None
    if first is not None:
        yield first, end


def _first_noisy(view: memoryview, low: int, high: int) -> int:
    """Return where the noise that covers the block at ``high`` begins, looking back to ``low``."""
    position = high
    while position - EDGE_STEP_BYTES >= low and is_noise(
        bytes(view[position - EDGE_STEP_BYTES : position - EDGE_STEP_BYTES + MINIMUM_NOISE_BYTES])
    ):
        position -= EDGE_STEP_BYTES
    return position


def _last_noisy(view: memoryview, low: int, high: int) -> int:
    """Return where the noise that covers the block at ``low`` ends, looking ahead to ``high``."""
    position = min(low + BLOCK_BYTES, high)
    while position + EDGE_STEP_BYTES <= high and is_noise(
        bytes(view[position + EDGE_STEP_BYTES - MINIMUM_NOISE_BYTES : position + EDGE_STEP_BYTES])
    ):
        position += EDGE_STEP_BYTES
    return position


def is_text(view: memoryview) -> bool:
    """Tell whether ``view`` is text in ASCII or UTF-8 from its first to its last byte; NULs may end it."""
    if len(view) < MINIMUM_TEXT_BYTES or 0 in view[:MINIMUM_TEXT_BYTES]:
        return False
    try:
        text = bytes(view).rstrip(b"\0").decode("utf-8")
    except UnicodeDecodeError:
        return False
    return len(text) >= MINIMUM_TEXT_BYTES and not text.isspace() and _CONTROL.search(text) is None
