"""A run from end to end: which device, what the person says, and a result whatever happens."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from device_profiles.loader import load
from device_profiles.schema import DeviceProfile
from device_profiles.vocabulary import UsbClass
from hil.bench import one_run_at_a_time, read_bench
from hil.bench_check import checks
from hil.bench_run import BenchRun, Operator, Target
from hil.device import interface_of, provable_interfaces
from hil.fallback import emulated_devices, serial_defaults
from hil.level import EvidenceLevel
from hil.record import read_record
from hil.result import BenchResult
from hil.run import NO_PATIENT, RunOptions
from hil.verdict import Outcome, Reason, Result, passed
from toolkit.core.errors import InputError

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
PUMP = "medemu://demo-pump"
ALL = tuple(checks().values())


def bench_run(
    *urls: str, armed: bool = False, confirm: Callable[[str], bool] = lambda _sentence: False, **more: Any
) -> BenchResult:
    profile = load("demo-pump")
    values: dict[str, Any] = {"checks": ALL, "options": RunOptions(armed=armed), **more}
    target = Target(interface=interface_of(profile, "console"), urls=urls)
    operator = Operator(confirm=confirm, now=lambda: NOW)
    return BenchRun(profile=profile, targets=(target,), operator=operator, **values).run()


def test_the_first_device_that_is_there_is_used_and_every_attempt_is_told() -> None:
    result = bench_run("tcp://127.0.0.1:9", "replay://no-such.jsonl", PUMP, "medemu://never-tried")
    assert [a.device for a in result.attempts] == ["tcp://127.0.0.1:9", "replay://no-such.jsonl", PUMP]
    assert "cannot be reached" in result.attempts[0].problem
    assert result.attempts[2].problem == ""
    assert (result.device, result.level) == (PUMP, EvidenceLevel.MODEL)
    assert result.exit_code(EvidenceLevel.HARDWARE) == 0


def test_a_fallback_never_passes_a_device() -> None:
    only_real = replace(checks()["login-prompt"], name="only-real", lowest_level=EvidenceLevel.HARDWARE)
    result = bench_run("tcp://127.0.0.1:9", PUMP, checks=(only_real, *ALL))
    (verdict,) = [v for v in result.verdicts if v.check == "only-real"]
    assert (verdict.result, verdict.reason) == (Result.NOT_TESTED, Reason.LEVEL)
    assert all(v.level is EvidenceLevel.MODEL for v in result.verdicts)
    assert result.exit_code(EvidenceLevel.HARDWARE) == 1
    assert result.exit_code(EvidenceLevel.MODEL) == 0


def test_without_any_device_nothing_is_tested() -> None:
    result = bench_run("tcp://127.0.0.1:9")
    assert {v.result for v in result.verdicts} == {Result.NOT_TESTED}
    assert {v.level for v in result.verdicts} == {None}
    assert result.stopped == "no device could be reached"
    assert result.exit_code(EvidenceLevel.REPLAY) == 2


def test_a_wrong_device_ends_the_search_and_no_emulated_one_stands_in_for_it(tmp_path: Path) -> None:
    other = tmp_path / "other.jsonl"
    other.write_bytes(
        b'{"format":"medharden-bench-record-1","device":"x"}\n{"n":1,"t":0.1,"what":"out","hex":"69640d"}\n'
        b'{"n":2,"t":0.2,"what":"in","hex":"68690d0a"}\n{"n":3,"t":2.0,"what":"out","hex":"69640d"}\n'
        b'{"n":4,"t":4.0,"what":"out","hex":"69640d"}\n'
    )
    result = bench_run(f"replay://{other}", PUMP)
    assert len(result.attempts) == 1
    assert "this is not demo-pump" in result.attempts[0].problem
    assert result.stopped.startswith("the wrong device is connected")
    assert result.exit_code(EvidenceLevel.REPLAY) == 2
    assert result.device == ""


def test_ctrl_c_while_looking_for_the_device_is_a_result_too() -> None:
    profile = load("demo-pump")
    run = BenchRun(
        profile=profile,
        targets=(Target(interface=interface_of(profile, "console"), urls=InterruptedUrls((PUMP,))),),
        checks=ALL,
        options=RunOptions(),
        operator=Operator(confirm=lambda _s: False, now=lambda: NOW),
    )
    result = run.run()
    assert result.stopped == "stopped by the operator"
    assert {v.reason for v in result.verdicts} == {Reason.STOPPED}


class InterruptedUrls(tuple[str, ...]):
    """Addresses at which somebody presses Ctrl-C as soon as they are tried, after they were looked at for the lock."""

    __slots__ = ()
    looks = 0

    def __iter__(self) -> Any:
        type(self).looks += 1
        if type(self).looks > 1:
            raise KeyboardInterrupt
        return super().__iter__()


def test_an_armed_run_on_a_real_device_needs_a_persons_word(served: Callable[..., Any]) -> None:
    asked: list[str] = []

    def ask(sentence: str) -> bool:
        asked.append(sentence)
        return len(asked) > 1

    for said in (False, True):
        asked_for = (checks()["login-prompt"], checks()["set-without-authentication"])
        result = bench_run(served().url, armed=True, confirm=ask, checks=asked_for)
        assert result.level is EvidenceLevel.REMOTE
        assert bool(result.confirmation) is said
        assert result.exit_code(EvidenceLevel.REMOTE) == (0 if said else 1)
        if not said:
            assert {v.reason for v in result.verdicts} == {Reason.STOPPED}
    assert asked == [NO_PATIENT, NO_PATIENT]


def test_ctrl_c_instead_of_an_answer_is_no(served: Callable[..., Any]) -> None:
    def ask(_sentence: str) -> bool:
        raise KeyboardInterrupt

    result = bench_run(served().url, armed=True, confirm=ask)
    assert (result.confirmation, result.left_safe) == ("", True)
    assert {v.reason for v in result.verdicts} == {Reason.STOPPED}


def test_an_emulated_device_is_changed_without_asking() -> None:
    def ask(_sentence: str) -> bool:
        raise AssertionError("nobody is to be asked")

    result = bench_run(PUMP, confirm=ask)
    assert {v.reason for v in result.verdicts if v.result is not Result.PASS} == {Reason.NOT_APPLICABLE}


def test_the_record_belongs_to_the_result_and_plays_back_to_the_same_verdicts(tmp_path: Path) -> None:
    record = tmp_path / "record.jsonl"
    only = [check for check in ALL if check.lowest_level is EvidenceLevel.REPLAY]
    result = bench_run("medemu://demo-pump?weak=no-login", record=record, checks=only)
    assert result.record is not None
    assert result.record.sha256 == hashlib.sha256(record.read_bytes()).hexdigest()
    header, entries = read_record(record)
    assert (header.profile, header.started) == ("demo-pump", "2026-11-24T12:00:00Z")
    numbers = [e.n for e in entries]
    assert numbers == list(range(1, len(numbers) + 1))
    assert max(v.last_entry for v in result.verdicts) < len(numbers)
    again = bench_run(f"replay://{record}", checks=only)
    assert again.level is EvidenceLevel.REPLAY
    assert [v.result for v in again.verdicts] == [v.result for v in result.verdicts] == [Result.FAIL]
    with pytest.raises(InputError, match="exists already; a record is never overwritten"):
        bench_run(PUMP, record=record)


def test_two_runs_are_the_same_byte_for_byte(tmp_path: Path) -> None:
    records = [tmp_path / "a.jsonl", tmp_path / "b.jsonl"]
    for record in records:
        bench_run(PUMP, record=record)
    assert records[0].read_bytes() == records[1].read_bytes()


def test_a_record_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(InputError, match="cannot be written"):
        bench_run(PUMP, record=tmp_path / "file" / "record.jsonl")


def test_forbidden_commands_whose_bytes_are_not_known_are_told(pump_profile: DeviceProfile) -> None:
    unknown = msgspec.structs.replace(pump_profile.hil.never_send[0], id="x", pattern=None, command="open the clamp")
    hil = msgspec.structs.replace(pump_profile.hil, never_send=(*pump_profile.hil.never_send, unknown))
    profile = msgspec.structs.replace(pump_profile, hil=hil)
    run = BenchRun(
        profile=profile,
        targets=(Target(interface=interface_of(profile, None), urls=(PUMP,)),),
        checks=(),
        options=RunOptions(),
        operator=Operator(confirm=lambda _s: False, now=lambda: NOW),
    )
    assert run.run().not_enforced == ("open the clamp",)


def test_a_check_runs_at_the_first_connection_where_it_makes_sense(pump_profile: DeviceProfile) -> None:
    def at(place: str) -> Callable[[Any], str]:
        return lambda session: "" if session.interface.id == place else f"not at {session.interface.id}"

    def where(session: Any) -> Outcome:
        return passed(session.interface.id)

    template = replace(checks()["login-prompt"], run=where, lowest_level=EvidenceLevel.MODEL)
    some = [replace(template, name=name, applies=at(name)) for name in ("second", "console", "nowhere")]
    second = msgspec.structs.replace(interface_of(pump_profile, "console"), id="second")
    questions = tuple(msgspec.structs.replace(q, id="q2", interface="second") for q in pump_profile.hil.identify)
    hil = msgspec.structs.replace(pump_profile.hil, identify=(*pump_profile.hil.identify, *questions))
    profile = msgspec.structs.replace(pump_profile, interfaces=(*pump_profile.interfaces, second), hil=hil)
    targets = tuple(Target(interface=i, urls=(PUMP,)) for i in provable_interfaces(profile) if i.id != "usb")
    operator = Operator(confirm=lambda _s: False, now=lambda: NOW)
    result = BenchRun(profile=profile, targets=targets, checks=some, options=RunOptions(), operator=operator).run()
    assert [(v.check, v.result, v.detail) for v in result.verdicts] == [
        ("second", Result.PASS, "second"),
        ("console", Result.PASS, "console"),
        ("nowhere", Result.NOT_TESTED, "not at second"),
    ]
    assert result.interface == "console, second"


def test_emulated_devices_are_those_of_the_kind_of_interface(pump_profile: DeviceProfile) -> None:
    console = interface_of(pump_profile, "console")
    assert emulated_devices(pump_profile, console)[-1] == PUMP
    usb = msgspec.structs.replace(console.usb, vendor_id=1, product_id=2, classes=(UsbClass.DFU,))
    assert emulated_devices(pump_profile, msgspec.structs.replace(console, usb=usb)) == ("medusb://demo-pump",)
    cpap = load("cpap")
    assert emulated_devices(cpap, cpap.interfaces[0]) == ()


def test_the_line_settings_of_the_profile_are_used_where_the_address_has_none() -> None:
    line = interface_of(load("contec-cms50dplus"), None).serial
    assert serial_defaults(line) == {
        "baud": "19200", "data_bits": "8", "parity": "odd", "stop_bits": "1", "flow": "xon_xoff",
    }  # fmt: skip


BENCH = """
schema_version = "1.0"
[[places]]
id = "ward-pump"
profile = "demo-pump"
devices = ["tcp://127.0.0.1:9", "medemu://demo-pump"]
power = "none"
"""


def test_a_bench_file_says_what_stands_on_the_bench(tmp_path: Path) -> None:
    path = tmp_path / "bench.toml"
    path.write_text(BENCH, encoding="utf-8")
    place = read_bench(path).place("ward-pump")
    assert (place.profile, place.devices[1], place.interface) == ("demo-pump", PUMP, None)
    with pytest.raises(InputError, match="no device on this bench is called x; there are ward-pump"):
        read_bench(path).place("x")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("schema_version = '2.0'", "schema_version"),
        ("places = 3", "places"),
        ("schema_version = '1.0'\nplace = []", "unknown field"),
        ("x = ", "Invalid value"),
        ("a = " + "[" * 3000, "recursion"),
        ("schema_version = '1.0'\n" + BENCH.partition('1.0"\n')[2] * 2, "two devices are called ward-pump"),
        ("# " + "x" * 300_000, "longer than 256 KiB"),
    ],
)  # fmt: skip
def test_a_bench_file_that_is_wrong_is_told(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "bench.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=message):
        read_bench(path)


def test_a_bench_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        read_bench(tmp_path / "bench.toml")


def test_one_run_at_a_time_holds_a_bench(tmp_path: Path) -> None:
    bench_file = tmp_path / "bench.toml"
    with one_run_at_a_time(["COM3"], bench_file):
        with (
            pytest.raises(InputError, match="in use by another program"),
            one_run_at_a_time(["tcp://127.0.0.1:9"], bench_file),
        ):
            pytest.fail("two runs at once")
        with one_run_at_a_time([PUMP], bench_file):
            pass  # every run has an emulated device of its own
    with one_run_at_a_time(["serial://COM3?baud=9600"]):
        with pytest.raises(InputError, match="in use by another program"), one_run_at_a_time(["serial://COM3"]):
            pytest.fail("two runs at once")
        with one_run_at_a_time(["serial://COM4"]):
            pass
