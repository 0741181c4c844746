"""Signature packs: what identifies the functions of libraries, in a file that is mapped and not parsed.

A pack is a header, a table of sections and the sections; all numbers little-endian, every section starts at a multiple
of 8 and ends on zeros. The same content gives the same bytes: everything is sorted, there is no time stamp.

======== ========= ===========================================================================================
section  row       content
======== ========= ===========================================================================================
META     JSON      ``PackMeta``: components, their versions and how each was built
TEXTS    bytes     names of functions, each ended by a zero byte
NAMES    24 bytes  one per function of a component, sorted: component (u16), number of variants (u16), first
                   variant (u32), its text (u32), first callee (u32), features of all variants (u32, offset in
                   UNIONS), how many (u16), two bytes unused
VARIANTS 16 bytes  one per different form of a function: features (u32, offset in BITS), build set (u32),
                   instructions (u16), level (u8), one byte unused, name (u32)
HASHES   u64       exact hashes of all variants, ascending
OWNERS   u32       the variant of each hash
UNIONS   bytes     ascending numbers of features, each as difference to the one before, 7 bits a byte
BITS     bytes     one bit for each feature in the name's union: 1 where the variant has it, lowest bit first
FEATURES u32       hashes of all features, ascending: the position is the feature's number
POSTS    u32       where the names with this feature begin in NAMED; one more at the end
NAMED    u16       numbers of names
CALLEES  u32       names that a function calls
SETSOF   u32       where each build set begins in BUILDS; one more at the end
BUILDS   u32       numbers of builds
TABLES   24 bytes  constant tables by head: hash of the first 16 bytes (u64), of all (u64), size (u32), name (u32)
======== ========= ===========================================================================================
"""

from __future__ import annotations

import struct
import sys
from array import array
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import compress
from typing import Annotated, Final, NamedTuple

import msgspec
import xxhash
from msgspec import Meta

from toolkit.core.errors import FormatError
from toolkit.core.layout import U32LE, U64LE, Layout, const, wire
from toolkit.core.window import Window

__all__ = [
    "HEADER",
    "HEAD_BYTES",
    "MAGIC",
    "SECTIONS",
    "Build",
    "Component",
    "Fix",
    "Pack",
    "PackHeader",
    "PackMeta",
    "read_pack",
]

MAGIC: Final = b"MDSIG\r\n\x1a"
"""A text-mode copy breaks the line end, a text viewer stops at the end mark."""
FORMAT_VERSION: Final = 1
SECTIONS: Final = [
    "meta",
    "texts",
    "names",
    "variants",
    "hashes",
    "owners",
    "unions",
    "bits",
    "features",
    "posts",
    "named",
    "callees",
    "setsof",
    "builds",
    "tables",
]
ALIGNMENT: Final = 8
NAME = struct.Struct("<HHIIIIHxx")
VARIANT = struct.Struct("<IIHBxI")
TABLE = struct.Struct("<QQII")
HEAD_BYTES: Final = 16
"""Of a constant table, hashed on their own so that a table is found before its size is known."""
NAME_TEXT_BYTES = 256
MOST_SHIFT = 28
_AS_NUMBERS = bytes(value - 0x30 if value in b"01" else 0 for value in range(256))
_WIDTHS = {"hashes": 8, "owners": 4, "features": 4, "posts": 4, "named": 2, "callees": 4, "setsof": 4, "builds": 4}


@dataclass(frozen=True, slots=True, kw_only=True)
class PackHeader:
    """First bytes of a pack; the checksum is xxHash64 over all that follows."""

    magic: bytes = wire(const(MAGIC))
    version: int = wire(U32LE)
    sections: int = wire(U32LE)
    size_bytes: int = wire(U64LE)
    checksum: int = wire(U64LE)


HEADER = Layout(PackHeader, size=32)


class Component(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A library whose functions are in a pack."""

    name: Annotated[str, Meta(min_length=1, max_length=100)]
    """Name of a component rule, or its own."""
    versions: tuple[str, ...]
    licence: str = ""
    minimum_functions: int = 4
    """Different functions that must be found before it is named."""
    toolchain: bool = False
    """Part of a compiler, found in everything it makes: known so that nothing else is taken for it, not reported."""
    ready_made: bool = False
    """Each version was compiled by its packager in one way: what differs between versions may be the compiler."""


class Fix(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, order=True):
    """A vulnerability that is fixed, and the functions by which it shows."""

    vulnerability: str
    functions: tuple[str, ...]


class Build(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One way in which one version of a library was compiled."""

    component: int
    version: str
    """Empty where nobody knows it: then it serves to recognise functions only."""
    toolchain: str
    """For example ``gcc-Os-m4``."""
    configuration: str = ""
    fixes: tuple[Fix, ...] = ()
    """What is fixed in this build though its version does not say so."""


class PackMeta(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a pack says about itself."""

    generator: str
    arch: str = "arm-cortex-m"
    """Processor of all that is in it, as our formats name it."""
    components: tuple[Component, ...]
    builds: tuple[Build, ...]


class Variant(NamedTuple):
    """A row of VARIANTS."""

    bits: int
    build_set: int
    instructions: int
    level: int
    """Only features that ``at_level`` keeps are stored."""
    name: int


class Name(NamedTuple):
    """A row of NAMES."""

    component: int
    variants: int
    first_variant: int
    text: int
    first_callee: int
    union: int
    features: int


@dataclass(slots=True)
class Pack:
    """A pack in memory; a reference in it that leads nowhere raises ``FormatError`` when it is followed."""

    source: str
    header: bytes
    """Its first bytes: they hold the checksum of all that follows."""
    meta: PackMeta
    parts: dict[str, memoryview]
    hashes: Sequence[int]
    features: Sequence[int]
    numbers: dict[str, Sequence[int]]
    names: int
    variants: int
    _sets: dict[int, frozenset[int]] = field(default_factory=dict)
    _callers: dict[int, list[int]] | None = None
    _unions: dict[int, frozenset[int]] = field(default_factory=dict)
    _orders: dict[int, tuple[int, ...]] = field(default_factory=dict)

    def feature_number(self, feature: int) -> int:
        """Return the number of a feature hash, -1 when no function has it."""
        position = bisect_left(self.features, feature)
        return position if position < len(self.features) and self.features[position] == feature else -1

    def with_feature(self, number: int) -> Sequence[int]:
        """Return the numbers of the names that have feature ``number``."""
        return self._run("posts", "named", number)

    def spread(self, number: int) -> int:
        """Return how many names have feature ``number``."""
        posts = self.numbers["posts"]
        return posts[number + 1] - posts[number]

    def exactly(self, digest: int) -> Iterator[int]:
        """Yield the variants with exact hash ``digest``."""
        position = bisect_left(self.hashes, digest)
        while position < len(self.hashes) and self.hashes[position] == digest:
            yield self._at("owners", position)
            position += 1

    def variant(self, number: int) -> Variant:
        """Return variant ``number``."""
        if number >= self.variants:
            raise self._broken("a variant")
        return Variant(*VARIANT.unpack_from(self.parts["variants"], number * VARIANT.size))

    def variants_of(self, name: int) -> range:
        """Return the numbers of the variants of a name."""
        row = self._name(name)
        return range(row.first_variant, row.first_variant + row.variants)

    def component_of(self, name: int) -> int:
        """Return the number of the component that a name belongs to."""
        number = self._name(name).component
        if number >= len(self.meta.components):
            raise self._broken("a component")
        return number

    def text(self, name: int) -> str:
        """Return the name of a function as its source has it."""
        start = self._name(name).text
        text = bytes(self.parts["texts"][start : start + NAME_TEXT_BYTES])
        return text.partition(b"\0")[0].decode("utf-8", "replace")

    def has_name(self, component: str, text: str) -> bool:
        """Tell whether ``component`` has a function called ``text``."""
        number = next((n for n, known in enumerate(self.meta.components) if known.name == component), None)
        if number is None:
            return False
        position = bisect_left(range(self.names), (number, text), key=self._sorted_by)
        return position < self.names and self._sorted_by(position) == (number, text)

    def _sorted_by(self, name: int) -> tuple[int, str]:
        return self.component_of(name), self.text(name)

    def callees(self, name: int) -> Sequence[int]:
        """Return the names that a function calls."""
        first = self._name(name).first_callee
        last = self._name(name + 1).first_callee if name + 1 < self.names else len(self.numbers["callees"])
        return self.numbers["callees"][first:last]

    def callers(self, name: int) -> Sequence[int]:
        """Return the names that call a function."""
        if self._callers is None:
            self._callers = {}
            for caller in range(self.names):
                for called in self.callees(caller):
                    self._callers.setdefault(called, []).append(caller)
        return self._callers.get(name, ())

    def feature_set(self, variant: int) -> frozenset[int]:
        """Return the numbers of the features of a variant."""
        known = self._sets.get(variant)
        if known is None:
            row = self.variant(variant)
            union = self._ordered(row.name)
            size = (len(union) + 7) // 8
            bits = self.parts["bits"][row.bits : row.bits + size]
            if len(bits) != size:
                raise self._broken("a feature set")
            mask = f"{int.from_bytes(bits, 'little'):0{8 * size}b}"[::-1].encode().translate(_AS_NUMBERS)
            known = self._sets[variant] = frozenset(compress(union, mask))
        return known

    def builds_of(self, variant: int) -> Sequence[int]:
        """Return the numbers of the builds in which a variant occurs."""
        return self._run("setsof", "builds", self.variant(variant).build_set)

    def build(self, number: int) -> Build:
        """Return build ``number``."""
        if number >= len(self.meta.builds):
            raise self._broken("a build")
        return self.meta.builds[number]

    def tables(self) -> Iterator[tuple[int, int, int, int]]:
        """Yield of each constant table: hash of its head, hash of the whole, size in bytes, name."""
        return TABLE.iter_unpack(self.parts["tables"])

    def union(self, name: int) -> frozenset[int]:
        """Return the numbers of the features that any variant of a name has."""
        known = self._unions.get(name)
        if known is None:
            known = self._unions[name] = frozenset(self._ordered(name))
        return known

    def _ordered(self, name: int) -> tuple[int, ...]:
        """Return the same, ascending: in the order of the bits."""
        known = self._orders.get(name)
        if known is None:
            row = self._name(name)
            known = self._orders[name] = tuple(self._decoded(row.union, row.features))
        return known

    def _decoded(self, offset: int, count: int) -> Iterator[int]:
        data = self.parts["unions"]
        number = shift = 0
        while count:
            if offset >= len(data) or shift > MOST_SHIFT:
                raise self._broken("a feature set")
            byte = data[offset]
            offset += 1
            number += (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                yield number
                count -= 1
                shift = 0

    def _name(self, number: int) -> Name:
        if not 0 <= number < self.names:
            raise self._broken("a name")
        return Name(*NAME.unpack_from(self.parts["names"], number * NAME.size))

    def _at(self, section: str, position: int) -> int:
        row = self.numbers[section]
        if position >= len(row):
            raise self._broken(section)
        return row[position]

    def _run(self, starts: str, values: str, number: int) -> Sequence[int]:
        first, last = self._at(starts, number), self._at(starts, number + 1)
        return self.numbers[values][first:last]

    def _broken(self, what: str) -> FormatError:
        return FormatError(f"signature pack {self.source}: {what} is referred to that is not there")


def read_pack(window: Window, source: str) -> Pack:
    """Return the pack in ``window``; raise ``FormatError`` when it is none or is damaged."""
    _check_header(window, source)
    parts: dict[str, memoryview] = {}
    table = struct.iter_unpack("<II", window.take(HEADER.size, 8 * len(SECTIONS)))
    for name, (offset, size) in zip(SECTIONS, table, strict=True):
        if offset % ALIGNMENT or size % _WIDTHS.get(name, 1):
            raise FormatError(f"signature pack {source}: section {name} is not aligned")
        parts[name] = window.take(offset, size)
    try:
        meta = msgspec.json.decode(parts["meta"], type=PackMeta)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise FormatError(f"signature pack {source}: {error}") from error
    numbers = {name: _numbers(parts[name], width) for name, width in _WIDTHS.items()}
    if len(numbers["owners"]) != len(numbers["hashes"]) or len(numbers["posts"]) != len(numbers["features"]) + 1:
        raise FormatError(f"signature pack {source}: its sections do not fit each other")
    return Pack(
        source=source,
        header=bytes(window.take(0, HEADER.size)),
        meta=meta,
        parts=parts,
        hashes=numbers["hashes"],
        features=numbers["features"],
        numbers=numbers,
        names=len(parts["names"]) // NAME.size,
        variants=len(parts["variants"]) // VARIANT.size,
    )


def _check_header(window: Window, source: str) -> None:
    if not window.starts_with(MAGIC):
        raise FormatError(f"{source}: is no signature pack")
    header = HEADER.read(window)
    if header.version != FORMAT_VERSION or header.sections != len(SECTIONS):
        raise FormatError(f"signature pack {source}: version {header.version} is not known, {FORMAT_VERSION} is")
    if header.size_bytes != window.size:
        raise FormatError(f"signature pack {source}: is {window.size} bytes long and should be {header.size_bytes}")
    if xxhash.xxh64_intdigest(window.view[HEADER.size :]) != header.checksum:
        raise FormatError(f"signature pack {source}: is damaged, its checksum is wrong")


def _numbers(view: memoryview, width: int) -> Sequence[int]:
    """Return a section as unsigned numbers, without a copy where the machine is little-endian too."""
    code = {2: "H", 4: "I", 8: "Q"}[width]
    if sys.byteorder == "little":
        return view.cast(code)  # type: ignore[call-overload,no-any-return]  # the code is one of three letters
    row = array(code, view.tobytes())  # pragma: no cover - big-endian machines
    row.byteswap()  # pragma: no cover
    return row  # pragma: no cover
