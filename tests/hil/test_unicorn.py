"""The compiled demo pump in unicorn: weak ones are found, the good one passes, each run is the same."""

from __future__ import annotations

from dataclasses import replace

import pytest

from device_profiles.loader import load
from hil.bench_check import BenchCheck, checks
from hil.bench_image import bench_image
from hil.detection import address
from hil.device import Device, interface_of
from hil.errors import LinkLost
from hil.run import CheckRun, RunOptions
from hil.transport import make_transport
from hil.transport_url import TransportUrl
from hil.transports.unicorn import SCHEME, UnicornTransport
from hil.verdict import Result

pytest.importorskip("unicorn", reason="the extra unicorn is not installed")

CHOSEN = ("no-login", "hangs-on-noise", "no-watchdog", "accepts-unsigned", "accepts-altered", "no-rollback-check")
"""Two of each kind; benchmarks/bench_detection.py measures all of them."""
CASES = [(check, weak) for check in checks().values() for weak in CHOSEN if address(weak) in check.weak_devices]
RUNS_AWAY = b"\x00\x10\x00\x20\x09\x00\x00\x00\xfe\xe7".ljust(64, b"\0")
"""Stack, start at 8, and there an instruction that jumps to itself."""


def judged(check: BenchCheck, url: str) -> tuple[Result, str]:
    profile = load("demo-pump")
    device = Device(profile, make_transport(url), interface_of(profile, None))
    device.connect()
    run = CheckRun(device, RunOptions(seed=1))
    run.run([check])
    device.close()
    return run.verdicts[0].result, run.verdicts[0].detail


@pytest.mark.parametrize(("check", "weak"), CASES, ids=[weak for _, weak in CASES])
def test_a_check_finds_its_weakness(check: BenchCheck, weak: str) -> None:
    result, detail = judged(check, f"unicorn://demo-pump?weak={weak}")
    assert result is Result.FAIL, detail


@pytest.mark.parametrize("name", ["update-accepted", "watchdog", "session-end"])
def test_a_check_passes_the_good_pump(name: str) -> None:
    result, detail = judged(checks()[name], "unicorn://demo-pump")
    assert result is Result.PASS, detail


def test_two_runs_say_the_same_at_the_same_moments() -> None:
    def run() -> list[tuple[float, bytes]]:
        said = []
        with make_transport("unicorn://demo-pump") as pump:
            for line in (b"", b"id\r", b"login vF7-q2Lx\r", b"nonce\r"):
                pump.write(line)
                said += [(pump.clock.now_s(), pump.read(0.3)) for _ in range(2)]
        return said

    assert run() == run()


def test_without_power_it_is_silent_and_what_it_retains_stays() -> None:
    with make_transport("unicorn://demo-pump?weak=no-login") as pump:
        pump.read(1.0)
        pump.read(1.0)
        pump.write(b"nonce\r")
        first = pump.read(1.0)
        pump.power.off()
        pump.power.off()
        pump.write(b"id\r")
        assert pump.read(1.0) == b""
        pump.power.on()
        pump.power.on()
        assert pump.read(1.0) == b"demo-pump boot\r\n"
        assert pump.read(1.0) == b"demo-pump ready\r\n"
        pump.write(b"nonce\r")
        assert pump.read(1.0) not in (first, b"")
        pump.power.off()


def test_a_program_that_runs_away_or_into_nothing_is_reported_and_ends() -> None:
    url = TransportUrl("unicorn", "demo-pump")
    for content in (RUNS_AWAY, RUNS_AWAY.replace(b"\xfe\xe7", b"\xff\xde")):
        with pytest.raises(LinkLost, match="run away"):
            UnicornTransport(url, replace(bench_image(url), loader=content)).open()


def test_it_is_listed_and_tells_which_image_ran() -> None:
    assert [one.url for one in SCHEME.attached()] == ["unicorn://demo-pump"]
    assert len(make_transport("unicorn://demo-pump").settings()["image_sha256"]) == 64
