"""Measures the detection table on an emulator: each weak pump by the check that is for it, the good one by all.

``python benchmarks/bench_detection.py [--repeats N] [--only good|weak] {qemu,unicorn}`` writes what came of it into
``hil/detection_measured.txt``, from which the documents take it. Every repeat has a start value of its own for what is
random. The files and their digests are those of the committed pumps.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))  # run as a script, it is not part of the package

from hil.bench_check import BenchCheck, checks
from hil.bench_image import weak_pumps
from hil.detection import Measured, intended, judged, measured, write_measured
from hil.verdict import Result, Verdict


def weak_pump(emulator: str, weakness: str, repeats: int) -> Measured:
    """Judge a weak pump by its own check; each repeat has to fail."""
    own = [checks()[name] for name in intended(weakness)]
    failed = sum(
        any(verdict.result is Result.FAIL for verdict in _verdicts(emulator, weakness, own, seed))
        for seed in range(repeats)
    )
    return Measured(emulator, weakness, failed, repeats)


def good_pump(emulator: str, repeats: int) -> Measured:
    """Judge the good pump by every check; what counts are the repeats with a fail or an error."""
    alarms = 0
    for seed in range(repeats):
        wrong = [v for v in _verdicts(emulator, "", [], seed) if v.result in (Result.FAIL, Result.ERROR)]
        alarms += bool(wrong)
        print(f"{emulator} good pump, repeat {seed + 1}: {[(v.id, v.detail) for v in wrong] or 'no alarm'}", flush=True)
    return Measured(emulator, "", alarms, repeats)


def _verdicts(emulator: str, weakness: str, own: Sequence[BenchCheck], seed: int) -> list[Verdict]:
    return judged(f"{emulator}://demo-pump?weak={weakness}", own, seed)


def main() -> None:
    """Measure, and write it down after each pump."""
    parser = argparse.ArgumentParser(description="The detection table, measured on an emulator.")
    parser.add_argument("emulator", choices=["qemu", "unicorn"])
    parser.add_argument("--repeats", type=int, default=20)
    parser.add_argument("--only", choices=["good", "weak"])
    options = parser.parse_args()
    pumps = [name for name in weak_pumps() if options.only != "good"] + ([""] if options.only != "weak" else [])
    for weakness in pumps:
        if weakness:
            result = weak_pump(options.emulator, weakness, options.repeats)
        else:
            result = good_pump(options.emulator, options.repeats)
        print(f"{result.emulator} {result.weakness or 'good'}: {result.count} of {result.repeats}", flush=True)
        kept = [one for one in measured() if (one.emulator, one.weakness) != (result.emulator, result.weakness)]
        write_measured([*kept, result])


if __name__ == "__main__":
    main()
