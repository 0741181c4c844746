"""How fast all patterns are searched for: each engine that is installed, ``re`` one by one, and reading alone.

The bytes are every distinct program and library of a Debian root file system for 32-bit Arm, which
``filesystems.py`` fetches by package name, or of the folder that is named. All engines search the same patterns in one
run, in turn: those that are shipped, and the same again with the letters of their words moved round until there are a
thousand. Processor time, medians of three; ``re`` one by one gets one file in forty, for it takes minutes.
"""

from __future__ import annotations

import hashlib
import re
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from importlib.util import find_spec
from pathlib import Path

from firmware_checks.component_rules import load_rules
from firmware_checks.format_index import load_formats
from firmware_checks.patterns import AnchorEngine, Engine, Hit, Pattern, PatternSet
from firmware_checks.patterns.native import NATIVE, NativeEngine
from toolkit.core.cache import Cache

ROOT = Path(__file__).parent / ".cache" / "root-armhf"
RUNS = 3
MANY = 1_000
ONE_BY_ONE_EVERY = 40
NATIVE_MB_S = 600
PYTHON_MB_S = 15
WORD = re.compile(rb"\\x..|\\.|\(\?P<\w+>|\(\?\w|\[[^]]*\]|(?P<word>[A-Za-z]{4,})", re.DOTALL)
"""A word of a regular expression, or a part of it that is none."""


def programs(folder: Path) -> list[Path]:
    """Return every distinct ELF file in ``folder``."""
    distinct: dict[bytes, Path] = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not path.is_symlink():
            data = path.read_bytes()
            if data.startswith(b"\x7fELF"):
                distinct.setdefault(hashlib.sha256(data).digest(), path)
    return list(distinct.values())


def shipped() -> list[Pattern]:
    """Return what a scan searches for: the magics of formats and the texts of components."""
    magics = [magic.pattern(n) for n, f in load_formats().items() for magic in f.magics if magic.anywhere]
    return [*magics, *(pattern for rule in load_rules() for pattern in rule.patterns)]


def multiplied(patterns: Sequence[Pattern], count: int) -> list[Pattern]:
    """Return ``patterns`` and, up to ``count``, what becomes of them when the letters of their words move round."""
    found = {(p.source, p.anchor): p for p in patterns}
    for shift in range(1, 26):
        for pattern in patterns:
            if len(found) >= count:
                return list(found.values())
            source = WORD.sub(partial(moved, shift), pattern.source)
            if source != pattern.source:
                other = Pattern.of(f"{pattern.owner}+{shift}", source, enough=pattern.enough)
                found.setdefault((other.source, other.anchor), other)
    return list(found.values())


def moved(shift: int, part: re.Match[bytes]) -> bytes:
    """Return a word with its letters moved round, and anything else as it is."""
    word = part["word"] or b""
    return word[shift % len(word) :] + word[: shift % len(word)] if word else part[0]


def seconds(work: Callable[[], int]) -> tuple[float, int]:
    """Return the median processor time of ``work`` and what it returns."""
    times: list[float] = []
    result = 0
    for _ in range(RUNS):
        begin = time.process_time()
        result = work()
        times.append(time.process_time() - begin)
    return statistics.median(times), result


def read(paths: Sequence[Path]) -> int:
    """Read every file into one piece of memory."""
    buffer = bytearray(max(path.stat().st_size for path in paths))
    done = 0
    for path in paths:
        with path.open("rb", buffering=0) as file:
            done += file.readinto(buffer) or 0
    return done


def hits(patterns: PatternSet, contents: Sequence[bytes]) -> Iterator[Hit]:
    for content in contents:
        yield from patterns.search(memoryview(content))


def one_by_one(patterns: Sequence[Pattern], contents: Sequence[bytes]) -> int:
    """Search for each expression in each file, as scanners without an engine do."""
    return sum(1 for content in contents for p in patterns for _ in p.expression.finditer(content))


def measured(name: str, engine: Engine, patterns: Sequence[Pattern], contents: Sequence[bytes], least: int) -> bool:
    """Print one row; return whether the engine is fast enough."""
    begin = time.process_time()
    search = PatternSet(patterns, engine)
    start_s = time.process_time() - begin
    took_s, found = seconds(lambda: sum(1 for _ in hits(search, contents)))
    speed = sum(map(len, contents)) / 1e6 / took_s
    wanted = f"{least}" if least else "-"
    met = {True: "yes", False: "**no**"}[speed >= least] if least else ""
    print(
        f"| {name} | {len(patterns)} | {start_s * 1000:.1f} | {speed:,.0f} | {found} | {wanted} | {met} |", flush=True
    )
    return speed >= least


def compare(patterns: Sequence[Pattern], contents: Sequence[bytes], folder: Path) -> bool:
    """Print a row for each engine; the native ones load what a first search has compiled and kept."""
    good = True
    for native in NATIVE:
        if find_spec(native.package) is None:
            print(f"| {native.name} | - | - | not installed | | | |")
            continue
        first = PatternSet(patterns, NativeEngine(replace(native, worth_bytes=0), Cache(folder)))
        begin = time.process_time()
        list(first.search(memoryview(b"\0")))
        print(
            f"{native.name} compiles {len(patterns)} patterns in {time.process_time() - begin:.2f} s", file=sys.stderr
        )
        least = NATIVE_MB_S if native is NATIVE[0] else 0
        engine = NativeEngine(replace(native, worth_bytes=0), Cache(folder))
        good &= measured(native.name, engine, patterns, contents, least)
    good &= measured("Python", AnchorEngine(), patterns, contents, PYTHON_MB_S)
    begin = time.process_time()
    some = contents[::ONE_BY_ONE_EVERY]
    found = one_by_one(patterns, some)
    speed = sum(map(len, some)) / 1e6 / (time.process_time() - begin)
    print(f"| `re` one by one, part | {len(patterns)} | 0 | {speed:,.1f} | {found} | - | |", flush=True)
    return good


def main() -> int:
    paths = programs(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT)
    if not paths:
        print("there are no programs to search: run filesystems.py first, it fetches some", file=sys.stderr)
        return 2
    took_s, size = seconds(lambda: read(paths))
    print(f"{len(paths)} files, {size / 1e6:.0f} MB; reading them: {size / 1e6 / took_s:,.0f} MB/s\n")
    print("| engine | patterns | start ms | MB/s | hits | target | met |\n|---|---|---|---|---|---|---|")
    contents = [path.read_bytes() for path in paths]
    patterns = shipped()
    with tempfile.TemporaryDirectory() as folder:
        good = compare(patterns, contents, Path(folder))
        good &= compare(multiplied(patterns, MANY), contents, Path(folder))
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
