"""Damage the example of every image format many times and see that its reader, and a whole scan, stay calm.

A reader may open what it is given, or raise ``FormatError`` or ``LimitExceeded``; a scan must make a report. Anything
else is a crash. A case that takes longer than a second is a hang. Both are written to ``benchmarks/.cache/fuzz``.
Case n of a format is the same in every run; case 0 is the example itself.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path

import msgspec

from firmware_checks.format import ImageFormat
from firmware_checks.scan import Scanner
from firmware_checks.span import Span
from toolkit.core.errors import FormatError, LimitExceeded
from toolkit.core.limits import Limits
from toolkit.core.registry import discover
from toolkit.core.window import Window

FOUND = Path(__file__).parent / ".cache" / "fuzz"
CASE_S = 1.0
MEMORY_BYTES = 1 << 30
ENTRY_BYTES = 1 << 20
HEAD_BYTES = 64
EXTREMES = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x7FFF_FFFF, 0x8000_0000, 0xFFFF_FFFE, 0xFFFF_FFFF)


class Hang(BaseException):
    """A case took too long; not an ``Exception``, so that no reader can catch it."""


@dataclass(slots=True)
class Tally:
    """What became of the cases of one format."""

    name: str
    cases: int = 0
    opened: int = 0
    refused: int = 0
    seconds: float = 0.0
    slowest_s: float = 0.0
    wrong: list[str] = field(default_factory=list)


def flip(data: bytearray, chance: random.Random, where: int) -> None:
    data[where] ^= 1 << chance.randrange(8)


def set_byte(data: bytearray, chance: random.Random, where: int) -> None:
    data[where] = chance.choice((0, 1, 0x20, 0x3A, 0x53, 0x7F, 0x80, 0xFE, 0xFF))


def set_field(data: bytearray, chance: random.Random, where: int) -> None:
    size = chance.choice((2, 4, 8))
    value = chance.choice(EXTREMES) & ((1 << 8 * size) - 1)
    data[where : where + size] = value.to_bytes(size, chance.choice(("little", "big")))


def cut(data: bytearray, _chance: random.Random, where: int) -> None:
    del data[where:]


def remove(data: bytearray, chance: random.Random, where: int) -> None:
    del data[where : where + chance.randrange(1, 17)]


def repeat(data: bytearray, chance: random.Random, where: int) -> None:
    data[where:where] = data[where : where + chance.randrange(1, 65)]


def insert(data: bytearray, chance: random.Random, where: int) -> None:
    data[where:where] = chance.randbytes(chance.randrange(1, 17))


WAYS: tuple[Callable[[bytearray, random.Random, int], None], ...] = (
    flip, flip, set_byte, set_byte, set_field, set_field, set_field, cut, remove, repeat, insert,
)  # fmt: skip


def mutated(example: bytes, chance: random.Random) -> bytes:
    """Return ``example`` with one to four damages, most of them near its start, where headers are, or its end."""
    data = bytearray(example)
    for _ in range(chance.choice((1, 1, 1, 2, 2, 3, 4))):
        if not data:
            break
        near = min(len(data), HEAD_BYTES)
        near_start, near_end = chance.randrange(near), len(data) - 1 - chance.randrange(near)
        where = chance.choice((near_start, near_start, near_end, chance.randrange(len(data))))
        chance.choice(WAYS)(data, chance, where)
    return bytes(data)


def consume(image_format: ImageFormat, data: bytes) -> None:
    """Open ``data`` and fetch all that the reader promises."""
    opened = image_format.open(Span("case", Window.of(data)), Limits())
    if not 0 <= opened.size <= len(data):
        raise AssertionError(f"{opened.size} bytes claimed of {len(data)}")
    for part in opened.parts:
        if not 0 <= part.start <= part.end <= opened.size:
            raise AssertionError(f"part {part.start}..{part.end} of {opened.size}")
    for memory in opened.memories:
        sum(1 for _ in memory.map.spans())
    for number, entry in enumerate(opened.entries):
        if number >= Limits().entries:
            raise AssertionError("more entries than the limit")
        try:
            entry.read(ENTRY_BYTES)
        except (FormatError, LimitExceeded):
            continue


@contextmanager
def guard() -> Iterator[None]:
    """Let a case that hangs raise ``Hang``, by processor time; not on Windows, which has no timer signal."""
    if sys.platform == "win32":
        yield
    else:
        signal.setitimer(signal.ITIMER_PROF, CASE_S)
        try:
            yield
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)


def limit_process() -> None:
    """Bound the memory of this process and arm the timer; where the system cannot, the case runs unbounded."""
    if sys.platform != "win32":
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))

        def stop(_signal: int, _frame: object) -> None:
            raise Hang

        signal.signal(signal.SIGPROF, stop)


@dataclass(frozen=True, slots=True)
class Target:
    """What the cases are given to, and how it may refuse one."""

    title: str
    run: Callable[[bytes], None]
    may_raise: tuple[type[Exception], ...] = ()


def reader(image_format: ImageFormat) -> Target:
    """Return the reader of one format as a target."""
    return Target(image_format.name, lambda data: consume(image_format, data), (FormatError, LimitExceeded))


def whole_scan(image_format: ImageFormat, path: Path) -> Target:
    """Return a scan of a file, up to the JSON report, as a target; it has no excuse."""
    scanner = Scanner()

    def scan(data: bytes) -> None:
        path.write_bytes(data)
        if data:  # an empty file is refused before any reader sees it
            msgspec.json.encode(scanner.scan(path))

    return Target(f"scan of {image_format.name}", scan)


def fuzz(name: str, count: int, *, whole: bool) -> Tally:
    """Run ``count`` cases of one format: through its reader, or through a whole scan."""
    image_format = formats()[name]
    with tempfile.TemporaryDirectory() as folder:
        target = whole_scan(image_format, Path(folder) / "case") if whole else reader(image_format)
        tally = Tally(target.title)
        example = image_format.example()
        one_case(target, 0, example, tally)
        for number in range(1, count):
            data = mutated(example, random.Random(f"{name} {number}"))  # noqa: S311  # case n is the same in every run
            one_case(target, number, data, tally)
    return tally


def one_case(target: Target, number: int, data: bytes, tally: Tally) -> None:
    """Give one case to ``target`` and count what became of it."""
    start = time.process_time()
    try:
        with guard():
            target.run(data)
        tally.opened += 1
    except target.may_raise:
        tally.refused += 1
    except (Exception, Hang) as error:  # noqa: BLE001  # whatever else it raises is what we look for
        tally.wrong.append(keep(target.title, number, data, error))
    took = time.process_time() - start
    tally.cases += 1
    tally.seconds += took
    tally.slowest_s = max(tally.slowest_s, took)


def keep(title: str, number: int, data: bytes, error: BaseException) -> str:
    """Write a case that went wrong to a file and return one line about it."""
    FOUND.mkdir(parents=True, exist_ok=True)
    path = FOUND / f"{title.replace(' ', '-')}-{number}.bin"
    path.write_bytes(data)
    return f"{path.name}: {type(error).__name__}: {error}"


def formats() -> dict[str, ImageFormat]:
    """Return every image format."""
    return discover("firmware_checks.formats", attribute="FORMAT", kind=ImageFormat, group=None)


def main() -> int:
    """Fuzz all formats, or those named; 1 when a case went wrong."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("names", nargs="*", metavar="FORMAT", help="formats to fuzz; all without")
    parser.add_argument("--count", type=int, default=100_000, help="cases for each reader (default: %(default)s)")
    parser.add_argument("--scans", type=int, default=1_000, help="whole scans a format (default: %(default)s)")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="formats at a time")
    chosen = parser.parse_args()
    names = chosen.names or list(formats())
    wrong: list[str] = []
    shutil.rmtree(FOUND, ignore_errors=True)
    print("| what | cases | opened | refused | wrong | cases/s | slowest ms |\n|---|---|---|---|---|---|---|")
    with ProcessPoolExecutor(chosen.jobs, get_context("spawn"), limit_process) as pool:
        readers = [pool.submit(fuzz, name, chosen.count, whole=False) for name in names]
        scans = [pool.submit(fuzz, name, chosen.scans, whole=True) for name in names]
        for t in (future.result() for future in [*readers, *scans]):
            rate = t.cases / t.seconds if t.seconds else 0
            counts = f"{t.cases} | {t.opened} | {t.refused} | {len(t.wrong)}"
            print(f"| {t.name} | {counts} | {rate:.0f} | {t.slowest_s * 1000:.1f} |", flush=True)
            wrong += t.wrong
    print("\n".join(wrong[:100]), file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
