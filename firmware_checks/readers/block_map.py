"""Files kept as runs of blocks: put together from the image without copying more than the file itself."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from toolkit.core.errors import FormatError, LimitExceeded
from toolkit.core.window import Window

__all__ = ["FolderBlocks", "Run", "Tables", "gathered", "mapped_runs"]

Run = tuple[int, int]
"""First block in the image and how many; block 0 stands for a hole, which reads as zeros."""

_ZEROS = memoryview(bytes(1 << 20))


@dataclass(frozen=True, slots=True)
class Tables:
    """Blocks full of block numbers: ``read(block)`` returns the ``per_block`` numbers in one."""

    read: Callable[[int], Sequence[int]]
    per_block: int


def mapped_runs(pointers: Sequence[int], direct: int, tables: Tables) -> Iterator[Run]:
    """Yield the runs of a classic block map: ``direct`` block numbers, then one table, a table of tables, and so on.

    Raises ``FormatError`` where a table is within itself. The
    caller stops asking when the file is complete: damaged maps may go on for long.
    Source: Linux, fs/ext2/inode.c and fs/minix/itree_common.c.
    """
    for pointer in pointers[:direct]:
        yield pointer, 1
    for level, pointer in enumerate(pointers[direct:], start=1):
        yield from _below(pointer, level, tables, ())


def _below(block: int, level: int, tables: Tables, above: tuple[int, ...]) -> Iterator[Run]:
    if level == 0:
        yield block, 1
    elif block == 0:
        yield 0, tables.per_block**level
    elif block in above:
        raise FormatError(f"block {block} of a block map is a table within itself")
    else:
        for pointer in tables.read(block):
            yield from _below(pointer, level - 1, tables, (*above, block))


@dataclass(slots=True)
class FolderBlocks:
    """Gives out the blocks of folders: all together no more than the image has, whatever the folders claim."""

    image_bytes: int
    block_bytes: int
    _spent_bytes: int = 0

    def of(self, size: int, runs: Iterable[Run]) -> Iterator[int]:
        """Yield the blocks of a folder of ``size`` bytes but not its holes; raise ``FormatError`` for too many."""
        left = -(-min(size, self.image_bytes) // self.block_bytes)
        for block, count in runs:
            fits = min(left, count)
            if fits <= 0:
                return
            self._spent_bytes += self.block_bytes * (fits if block else 1)
            if self._spent_bytes > self.image_bytes:
                raise FormatError("folders take more bytes than the image has")
            yield from range(block, block + fits if block else 0)
            left -= fits


def gathered(window: Window, runs: Iterable[Run], block_bytes: int, size: int, max_bytes: int) -> bytes:
    """Return the first ``size`` bytes of the runs; what they do not reach is zeros, as in a file with a hole there.

    Raises ``LimitExceeded`` for more than ``max_bytes`` and ``Truncated`` for blocks outside of the image.
    """
    if size > max_bytes:
        raise LimitExceeded("entry_bytes", f"holds more than {max_bytes} bytes")
    pieces: list[memoryview] = []
    left = size
    for block, count in _merged(runs, -(-size // block_bytes)):
        wanted = min(left, count * block_bytes)
        pieces += _zeros(wanted) if block == 0 else [window.take(block * block_bytes, wanted)]
        left -= wanted
    pieces += _zeros(left)
    return b"".join(pieces)


def _merged(runs: Iterable[Run], most_blocks: int) -> Iterator[Run]:
    """Yield the runs joined where one continues the other, up to ``most_blocks``."""
    start = length = 0
    left = most_blocks
    for block, count in runs:
        if left <= 0:
            break
        fits = min(count, left)
        left -= fits
        if length and (block == start + length if start else block == 0):
            length += fits
            continue
        if length:
            yield start, length
        start, length = block, fits
    if length:
        yield start, length


def _zeros(size: int) -> list[memoryview]:
    whole, rest = divmod(size, len(_ZEROS))
    return [_ZEROS] * whole + ([_ZEROS[:rest]] if rest else [])
