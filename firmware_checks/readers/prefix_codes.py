"""Prefix (Huffman) codes that are written as a list of code lengths, ready to be looked up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from toolkit.core.errors import FormatError

__all__ = ["NO_SYMBOL", "PrefixCode"]

LENGTH_BITS = 5
"""An entry of a table is the symbol above this many bits of code length."""
NO_SYMBOL = -1
"""Entry for bits that no symbol has: read as a symbol it is -1."""


@dataclass(frozen=True, slots=True)
class PrefixCode:
    """``table[next bits of the stream]`` is ``symbol << 5 | length``; ``bits`` is how many bits index it."""

    table: list[int]
    bits: int

    @classmethod
    def of(cls, lengths: Sequence[int]) -> PrefixCode:
        """Return the canonical code in which symbol k has a code of ``lengths[k]`` bits, none when that is 0.

        Shorter codes come first, and among equal lengths the smaller symbol. Raise ``FormatError`` when the lengths ask
        for more codes than there are; bits that are left over stand for no symbol.
        """
        bits = max(lengths, default=0) or 1
        by_length: list[list[int]] = [[] for _ in range(bits + 1)]
        for symbol, length in enumerate(lengths):
            by_length[length].append(symbol)
        table: list[int] = []
        for length in range(1, bits + 1):
            repeats = 1 << (bits - length)
            for symbol in by_length[length]:
                table += [symbol << LENGTH_BITS | length] * repeats
        missing = (1 << bits) - len(table)
        if missing < 0:
            raise FormatError("a table of code lengths asks for more codes than there are")
        return cls(table + [NO_SYMBOL] * missing, bits)
