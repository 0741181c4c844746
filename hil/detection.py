"""The detection table: every check on every weak variant of the emulated pump.

On the model it is run whenever it is asked for. On the emulators it takes an hour: ``benchmarks/bench_detection.py``
measures it and writes it into ``detection_measured.txt``, one line each: emulator, weakness (``-`` for the good pump),
how often its own check failed (for the good pump: repeats in which any check failed), and how many repeats there were.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from device_profiles.loader import load
from hil.bench_check import BenchCheck, checks
from hil.bench_image import weak_pumps
from hil.device import Device, interface_of
from hil.model import ModelKind, model_named
from hil.run import CheckRun, RunOptions
from hil.transport import make_transport
from hil.verdict import Result, Verdict
from toolkit.core.files import write_whole

__all__ = [
    "EMULATORS",
    "Measured",
    "address",
    "detected",
    "detection_rows",
    "intended",
    "judged",
    "measured",
    "write_measured",
]

PUMP: Final = "demo-pump"
USB: Final = "medusb://demo-pump"
EMULATORS: Final = ("qemu", "unicorn")
FILE: Final = Path(__file__).with_name("detection_measured.txt")
GOOD: Final = "-"


@dataclass(frozen=True, slots=True, order=True)
class Measured:
    """What a pump came to on an emulator."""

    emulator: str
    weakness: str
    """Empty for the good pump."""
    count: int
    repeats: int


def address(weakness: str) -> str:
    """Return where the pump with this weakness is reached; the good one for an empty text."""
    return f"medemu://{PUMP}?weak={weakness}" if weakness else f"medemu://{PUMP}"


def intended(weakness: str) -> set[str]:
    """Return the names of the checks that are meant to find ``weakness``."""
    return {check.name for check in checks().values() if address(weakness) in check.weak_devices}


def detected(weakness: str, seed: int = 0) -> list[Verdict]:
    """Return the verdicts of every check that makes sense for the pump with this weakness."""
    return judged(address(weakness), (), seed)


def judged(url: str, own: Sequence[BenchCheck], seed: int, interface: str = "") -> list[Verdict]:
    """Return the verdicts of the checks ``own``, or of every one that makes sense there, on the pump at ``url``."""
    kind = model_named(PUMP)
    profile = load(kind.profile)
    device = Device(profile, make_transport(url), interface_of(profile, interface or kind.interface))
    device.connect()
    run = CheckRun(device, RunOptions(seed=seed))
    run.run(own or [check for check in checks().values() if not run.why_not_applicable(check)])
    return run.verdicts


def measured() -> list[Measured]:
    """Return what was measured on the emulators."""
    lines = (line.split(" ") for line in FILE.read_text(encoding="ascii").splitlines())
    return [Measured(emulator, "" if name == GOOD else name, int(n), int(of)) for emulator, name, n, of in lines]


def write_measured(results: Iterable[Measured]) -> None:
    """Write down what was measured."""
    lines = (f"{one.emulator} {one.weakness or GOOD} {one.count} {one.repeats}\n" for one in sorted(results))
    write_whole(FILE, "".join(lines).encode("ascii"))


def detection_rows() -> Iterator[tuple[str, ...]]:
    """Yield each pump, what is wrong with it, the checks that it failed, and what was measured on each emulator.

    The good one is the first.
    """
    kind: ModelKind = model_named(PUMP)
    devices: Mapping[str, str] = {"": "nothing", **kind.weaknesses}
    found = {(one.emulator, one.weakness): f"{one.count} of {one.repeats}" for one in measured()}
    compiled = weak_pumps()
    for weakness, words in devices.items():
        names = _failed(detected(weakness))
        there = weakness in ("", *compiled)
        on_emulators = (found.get((name, weakness), "not measured") if there else "model only" for name in EMULATORS)
        yield f"`{address(weakness)}`", words, names, *on_emulators
    yield from _usb_rows()


def _usb_rows() -> Iterator[tuple[str, ...]]:
    """Yield the same of the pump at its USB plug, which the emulators do not have."""
    from hil.usb_models.demo_pump import USB_MODEL  # needs pyusb

    usb_checks = [check for check in checks().values() if check.good_devices[0].startswith(USB)]
    for weakness, words in {"": "nothing", **USB_MODEL.weaknesses}.items():
        url = f"{USB}?weak={weakness}" if weakness else USB
        yield (
            f"`{url}`",
            words,
            _failed(judged(url, usb_checks, 0, interface="usb")),
            *("model only" for _ in EMULATORS),
        )


def _failed(verdicts: Iterable[Verdict]) -> str:
    return ", ".join(f"{v.id} `{v.check}`" for v in verdicts if v.result is Result.FAIL) or "none"
