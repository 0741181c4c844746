"""Cuts the power of the compiled demo pump in the writes of an update, and counts the pumps that do not start again.

``python benchmarks/bench_power_cuts.py [--weak NAME] [--every N | --moments N] {unicorn,qemu}``. The power goes in
every N-th write to flash, with nothing, a part and all of it done; or the emulator is killed at moments that are spread
over the whole update, wherever the program then is. In QEMU each cut is a SIGKILL. A pump that does not start its
program by itself counts as a brick, also where its recovery console still answers.
"""

from __future__ import annotations

import argparse
import random
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))  # run as a script, it is not part of the package

from hil.bench_image import compiled_program
from hil.errors import BenchError
from hil.power_cuts import Pump, all_cuts
from hil.transports.qemu import QemuTransport


@dataclass(frozen=True)
class Matrix:
    """What came of some cuts."""

    cuts: int
    bricks: int
    first: str
    """The first cut that left a brick, in words."""


def at_writes(pump: Pump, every: int) -> Matrix:
    """Cut in every ``every``-th write."""
    cuts = [cut for cut in all_cuts(pump.writes_of_an_update()) if cut.write % every == 0]
    return _counted((str(cut), pump.survives(cut)) for cut in cuts)


def at_moments(pump: Pump, moments: int) -> Matrix:
    """Kill the emulator at so many moments."""
    return _counted(_kills(pump, moments))


def _kills(pump: Pump, cuts: int) -> Iterator[tuple[str, bool]]:
    """Yield each kill in words, and whether the pump started again."""
    chance = random.Random(7)  # noqa: S311  # chance to be repeated, no secret
    pump.as_from_the_factory()
    start_s = time.perf_counter()
    pump.update()
    took_s = time.perf_counter() - start_s
    for number in range(cuts):
        after_s = (number + chance.random()) / cuts * took_s
        yield f"killed after {after_s * 1000:.0f} ms of {took_s * 1000:.0f}", _survives_kill(pump, after_s)


def _survives_kill(pump: Pump, after_s: float) -> bool:
    """Kill the emulator after so much real time, wherever the update then is; tell whether the pump starts."""
    pump.as_from_the_factory()
    killer = threading.Timer(after_s, _kill, [pump])
    killer.start()
    with suppress(BenchError):
        pump.update()
    killer.join()
    return pump.starts()


def _kill(pump: Pump) -> None:
    transport = pump.transport
    if isinstance(transport, QemuTransport) and transport.process is not None:
        transport.process.kill()


def _counted(results: Iterator[tuple[str, bool]]) -> Matrix:
    cuts = bricks = 0
    first = ""
    for words, survived in results:
        cuts += 1
        bricks += not survived
        first = first or ("" if survived else words)
    return Matrix(cuts, bricks, first)


def main() -> int:
    """Run one matrix and print what came of it; 1 when there are bricks."""
    parser = argparse.ArgumentParser(description="Power cuts in an update of the demo pump.")
    parser.add_argument("emulator", choices=["unicorn", "qemu"])
    parser.add_argument("--weak", default="", help="weakness of the pump, such as in-place-update")
    parser.add_argument("--every", type=int, default=1, help="cut in every so-many-th write")
    parser.add_argument("--moments", type=int, default=0, help="kill so often, at any moment (QEMU only)")
    options = parser.parse_args()
    start_s = time.perf_counter()
    with Pump(f"{options.emulator}://demo-pump?weak={options.weak}", compiled_program()) as pump:
        found = at_moments(pump, options.moments) if options.moments else at_writes(pump, options.every)
    took_s = time.perf_counter() - start_s
    where = f"{options.moments} moments" if options.moments else f"every {options.every}. write"
    name = f"{options.emulator} {options.weak or 'good'}"
    print(f"{name}, {where}: {found.cuts} cuts, {found.bricks} bricks, {took_s:.0f} s. {found.first}")
    return 1 if found.bricks else 0


if __name__ == "__main__":
    sys.exit(main())
