"""The detection table: every check on every weak variant of the emulated pump, run now."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from device_profiles.loader import load
from hil.bench_check import checks
from hil.device import Device, interface_of
from hil.model import ModelKind, model_named
from hil.run import CheckRun, RunOptions
from hil.transport import make_transport
from hil.verdict import Result, Verdict

__all__ = ["detected", "detection_rows", "intended"]

PUMP: Final = "demo-pump"


def address(weakness: str) -> str:
    """Return where the pump with this weakness is reached; the good one for an empty text."""
    return f"medemu://{PUMP}?weak={weakness}" if weakness else f"medemu://{PUMP}"


def intended(weakness: str) -> set[str]:
    """Return the names of the checks that are meant to find ``weakness``."""
    return {check.name for check in checks().values() if address(weakness) in check.weak_devices}


def detected(weakness: str, seed: int = 0) -> list[Verdict]:
    """Return the verdicts of every check that makes sense for the pump with this weakness."""
    kind = model_named(PUMP)
    profile = load(kind.profile)
    device = Device(profile, make_transport(address(weakness)), interface_of(profile, kind.interface))
    device.connect()
    run = CheckRun(device, RunOptions(seed=seed))
    run.run([check for check in checks().values() if not run.why_not_applicable(check)])
    return run.verdicts


def detection_rows() -> Iterator[tuple[str, str, str]]:
    """Yield each pump, what is wrong with it, and the checks that it failed; the good one first."""
    kind: ModelKind = model_named(PUMP)
    devices: Mapping[str, str] = {"": "nothing", **kind.weaknesses}
    for weakness, words in devices.items():
        failed = (verdict for verdict in detected(weakness) if verdict.result is Result.FAIL)
        yield f"`{address(weakness)}`", words, ", ".join(f"{v.id} `{v.check}`" for v in failed) or "none"
