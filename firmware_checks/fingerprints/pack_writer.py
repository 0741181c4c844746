"""From functions of compiled libraries to a signature pack."""

from __future__ import annotations

import struct
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field

import msgspec
import xxhash

from firmware_checks.fingerprints.objects import NamedFunction, Table
from firmware_checks.fingerprints.pack import (
    ALIGNMENT,
    FORMAT_VERSION,
    HEAD_BYTES,
    HEADER,
    MAGIC,
    NAME,
    SECTIONS,
    TABLE,
    VARIANT,
    Build,
    Component,
    PackHeader,
    PackMeta,
)

__all__ = ["PackBuilder"]

GENERATOR = "medharden signatures 1"
COMMON_BUILDS = 4
"""A function seen in so many builds keeps only features that at least two of its variants share."""

_Key = tuple[int, str]
_Body = tuple[int, frozenset[int]]


@dataclass(slots=True)
class _Name:
    """All forms of one function of one component."""

    variants: dict[_Body, set[int]] = field(default_factory=lambda: defaultdict(set))
    """Builds of each form."""
    counts: dict[_Body, tuple[int, int]] = field(default_factory=dict)
    """Instructions and level of each form."""
    callees: set[str] = field(default_factory=set)


@dataclass(slots=True)
class PackBuilder:
    """Collects builds for one processor and writes them as one pack; the order in which they come does not matter."""

    arch: str = "arm-cortex-m"
    _builds: list[tuple[str, Build]] = field(default_factory=list)
    _names: dict[tuple[str, str], _Name] = field(default_factory=lambda: defaultdict(_Name))
    _tables: dict[tuple[str, str, bytes], None] = field(default_factory=dict)
    _components: dict[str, Component] = field(default_factory=dict)

    def component(
        self,
        name: str,
        *,
        licence: str = "",
        minimum_functions: int = 4,
        toolchain: bool = False,
        ready_made: bool = False,
    ) -> None:
        """Declare a component; its versions come with its builds."""
        self._components[name] = Component(
            name=name,
            versions=(),
            licence=licence,
            minimum_functions=minimum_functions,
            toolchain=toolchain,
            ready_made=ready_made,
        )

    def add(
        self,
        component: str,
        build: Build,
        functions: Iterable[NamedFunction],
        tables: Iterable[Table] = (),
    ) -> int:
        """Add one build of ``component`` and return how many functions it has."""
        if component not in self._components:
            self.component(component)
        number = len(self._builds)
        self._builds.append((component, build))
        count = 0
        for named in functions:
            name = self._names[component, named.name]
            function = named.function
            level = function.level
            body = (function.exact, function.sample(level))
            name.variants[body].add(number)
            name.counts[body] = (function.count, level)
            name.callees.update(named.calls)
            count += 1
        for table in tables:
            self._tables[component, table.name, table.content] = None
        return count

    def pack(self) -> bytes:
        """Return the pack."""
        order = {name: index for index, name in enumerate(sorted(self._components))}
        builds, renumbered = self._sorted_builds(order)
        names = sorted((order[component], text) for component, text in self._names)
        bodies = {key: self._reduced(key, renumbered, sorted(order)) for key in names}
        sections = _Sections(names, bodies)
        sections.write_names(self._callees(names, sorted(order)))
        sections.write_tables(self._table_rows(order, names))
        components = self._with_versions(builds, order)
        meta = PackMeta(generator=GENERATOR, arch=self.arch, components=components, builds=tuple(builds))
        return _file({"meta": msgspec.json.encode(meta), **sections.parts()})

    def _sorted_builds(self, order: Mapping[str, int]) -> tuple[list[Build], list[int]]:
        rows = [
            (msgspec.structs.replace(build, component=order[component]), index)
            for index, (component, build) in enumerate(self._builds)
        ]
        rows.sort(
            key=lambda row: (row[0].component, row[0].version, row[0].toolchain, row[0].configuration, row[0].fixes)
        )
        renumbered = [0] * len(rows)
        for new, (_, old) in enumerate(rows):
            renumbered[old] = new
        return [build for build, _ in rows], renumbered

    def _with_versions(self, builds: Sequence[Build], order: Mapping[str, int]) -> tuple[Component, ...]:
        versions: dict[int, set[str]] = defaultdict(set)
        for build in builds:
            if build.version:
                versions[build.component].add(build.version)
        return tuple(
            msgspec.structs.replace(self._components[name], versions=tuple(sorted(versions[order[name]])))
            for name in sorted(order)
        )

    def _reduced(self, key: _Key, renumbered: Sequence[int], components: Sequence[str]) -> dict[_Body, _Row]:
        """Return the variants of a name without the features that only one of many builds has."""
        name = self._names[components[key[0]], key[1]]
        spread = Counter(feature for _, features in name.variants for feature in features)
        shared = len(name.variants) >= COMMON_BUILDS
        rows: dict[_Body, _Row] = {}
        for body, numbers in name.variants.items():
            exact, features = body
            kept = frozenset(f for f in features if not shared or spread[f] > 1)
            row = rows.setdefault((exact, kept), _Row(*name.counts[body]))
            row.builds.update(renumbered[number] for number in numbers)
        return rows

    def _callees(self, names: Sequence[_Key], components: Sequence[str]) -> list[list[int]]:
        numbers = {key: index for index, key in enumerate(names)}
        rows: list[list[int]] = []
        for component, text in names:
            called = self._names[components[component], text].callees
            rows.append(sorted(numbers[component, c] for c in called if (component, c) in numbers and c != text))
        return rows

    def _table_rows(self, order: Mapping[str, int], names: Sequence[_Key]) -> list[bytes]:
        first = {component: index for index, (component, _) in reversed(list(enumerate(names)))}
        rows: set[bytes] = set()
        for component, _, content in self._tables:
            head, whole = xxhash.xxh64_intdigest(content[:HEAD_BYTES]), xxhash.xxh64_intdigest(content)
            if order[component] in first:
                rows.add(TABLE.pack(head, whole, len(content), first[order[component]]))
        return sorted(rows)


@dataclass(slots=True)
class _Row:
    count: int
    level: int
    builds: set[int] = field(default_factory=set)


@dataclass(slots=True)
class _Sections:
    """The sections of a pack while they grow."""

    names: Sequence[_Key]
    bodies: Mapping[_Key, Mapping[_Body, _Row]]
    data: dict[str, bytearray] = field(default_factory=lambda: defaultdict(bytearray))
    features: list[int] = field(default_factory=list)
    build_sets: dict[tuple[int, ...], int] = field(default_factory=dict)

    def write_names(self, callees: Sequence[Sequence[int]]) -> None:
        """Write everything that belongs to functions."""
        self.features = sorted({f for rows in self.bodies.values() for _, features in rows for f in features})
        numbers = {feature: index for index, feature in enumerate(self.features)}
        self.build_sets = self._build_sets()
        hashes: list[tuple[int, int]] = []
        texts: dict[str, int] = {}
        variant = 0
        for index, key in enumerate(self.names):
            if key[1] not in texts:
                texts[key[1]] = len(self.data["texts"])
                self.data["texts"] += key[1].encode("utf-8")[:200] + b"\0"
            rows = sorted(self.bodies[key].items(), key=lambda row: (row[0][0], sorted(row[0][1])))[:0xFFFF]
            callee = len(self.data["callees"]) // 4
            union = sorted({numbers[f] for (_, features), _ in rows for f in features})[:0xFFFF]
            where = len(self.data["unions"])
            self.data["names"] += NAME.pack(key[0], len(rows), variant, texts[key[1]], callee, where, len(union))
            self._write_union(union)
            positions = {number: index for index, number in enumerate(union)}
            self.data["callees"] += struct.pack(f"<{len(callees[index])}I", *callees[index])
            for (exact, features), row in rows:
                hashes.append((exact, variant))
                self._write_variant(index, {positions[numbers[f]] for f in features}, len(union), row)
                variant += 1
        hashes.sort()
        self.data["hashes"] += struct.pack(f"<{len(hashes)}Q", *(h for h, _ in hashes))
        self.data["owners"] += struct.pack(f"<{len(hashes)}I", *(v for _, v in hashes))
        self._write_index()

    def _build_sets(self) -> dict[tuple[int, ...], int]:
        found = sorted({tuple(sorted(row.builds)) for rows in self.bodies.values() for row in rows.values()})
        position = 0
        for builds in found:
            self.data["setsof"] += struct.pack("<I", position)
            self.data["builds"] += struct.pack(f"<{len(builds)}I", *builds)
            position += len(builds)
        self.data["setsof"] += struct.pack("<I", position)
        return {builds: index for index, builds in enumerate(found)}

    def _write_union(self, numbers: Sequence[int]) -> None:
        data = self.data["unions"]
        before = 0
        for number in numbers:
            step = number - before
            before = number
            while step >= 0x80:
                data.append(step & 0x7F | 0x80)
                step >>= 7
            data.append(step)

    def _write_variant(self, name: int, positions: AbstractSet[int], width: int, row: _Row) -> None:
        build_set = self.build_sets[tuple(sorted(row.builds))]
        bits = self.data["bits"]
        self.data["variants"] += VARIANT.pack(len(bits), build_set, min(row.count, 0xFFFF), row.level, name)
        bits += sum(1 << position for position in positions).to_bytes((width + 7) // 8, "little")

    def _write_index(self) -> None:
        """Write which names have which feature."""
        having: dict[int, set[int]] = defaultdict(set)
        for index, key in enumerate(self.names):
            for _, features in self.bodies[key]:
                for feature in features:
                    having[feature].add(index)
        self.data["features"] += struct.pack(f"<{len(self.features)}I", *self.features)
        position = 0
        for feature in self.features:
            self.data["posts"] += struct.pack("<I", position)
            names = sorted(having[feature])
            self.data["named"] += struct.pack(f"<{len(names)}H", *names)
            position += len(names)
        self.data["posts"] += struct.pack("<I", position)

    def write_tables(self, rows: Sequence[bytes]) -> None:
        """Write the constant tables."""
        self.data["tables"] += b"".join(rows)

    def parts(self) -> dict[str, bytes]:
        """Return all sections by name."""
        return {name: bytes(self.data[name]) for name in SECTIONS if name != "meta"}


def _file(parts: Mapping[str, bytes]) -> bytes:
    start = HEADER.size + 8 * len(SECTIONS)
    table, body = bytearray(), bytearray()
    for name in SECTIONS:
        body += bytes(-(start + len(body)) % ALIGNMENT)
        table += struct.pack("<II", start + len(body), len(parts[name]))
        body += parts[name]
    rest = bytes(table + body)
    header = PackHeader(
        magic=MAGIC,
        version=FORMAT_VERSION,
        sections=len(SECTIONS),
        size_bytes=HEADER.size + len(rest),
        checksum=xxhash.xxh64_intdigest(rest),
    )
    return HEADER.build(header) + rest
