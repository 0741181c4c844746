"""Faults are those that were asked for, and never make a forbidden message; a recording answers as it did."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from device_profiles.schema import DeviceProfile
from hil.device import Device, interface_of
from hil.errors import LinkLost, NoAnswer, ReplayDiffers
from hil.faults import FaultPlan, LineFaults, as_heard_at
from hil.guard import WriteGuard
from hil.model import DeviceModel
from hil.transport import Transport, make_transport
from hil.transport_url import TransportUrl
from hil.transports.fault import FaultTransport
from hil.transports.medemu import ModelTransport
from toolkit.core.errors import FormatError, InputError


class Echo(DeviceModel):
    """Says what it hears."""

    def __init__(self) -> None:
        self.heard = b""
        self.flash = None

    def power_on(self, _now_s: float) -> bytes:
        return b""

    def power_off(self) -> None:
        self.heard += b"(off)"

    def receive(self, data: bytes, _now_s: float) -> bytes:
        self.heard += data
        return data


def faulty(faults: str, model: Any = None) -> tuple[FaultTransport, Any]:
    echo = model or Echo()
    url = TransportUrl.parse(f"fault+medemu://echo?{faults}")
    transport = FaultTransport(url, FaultPlan.of(url), ModelTransport(TransportUrl("medemu", "echo"), echo))
    transport.guard = WriteGuard()
    transport.open()
    return transport, echo


def events(transport: Transport) -> list[str]:
    return [entry.detail for entry in transport.recorder.last if entry.name == "fault"]


def test_without_faults_everything_gets_through() -> None:
    transport, _ = faulty("fault.seed=3")
    transport.write(b"hello")
    assert transport.read(1.0) == b"hello"
    assert events(transport) == []
    transport.close()
    assert not transport.inner.is_open


@given(st.integers(0, 1000), st.binary(min_size=1, max_size=50))
def test_the_same_start_value_gives_the_same_faults(seed: int, data: bytes) -> None:
    faults = f"fault.seed={seed}&fault.noise=0.3&fault.drop=0.2&fault.duplicate=0.2&fault.reorder=0.2"
    heard = []
    for _ in range(2):
        transport, echo = faulty(faults)
        for byte in data:
            transport.write(bytes([byte]) * 3)
        heard.append((echo.heard, transport.read(1.0)))
    assert heard[0] == heard[1]


def test_noise_turns_over_one_bit_of_a_byte() -> None:
    transport, echo = faulty("fault.noise=1&fault.on=out")
    transport.write(bytes(100))
    assert all(byte.bit_count() == 1 for byte in echo.heard)
    assert len(echo.heard) == 100
    assert events(transport)[0].startswith("out: ")


def test_dropped_bytes_are_lost_and_doubled_pieces_come_twice() -> None:
    transport, echo = faulty("fault.drop=1")
    transport.write(b"gone")
    assert (echo.heard, transport.read(1.0)) == (b"", b"")
    assert events(transport) == ["out: nothing got through"]
    transport, echo = faulty("fault.duplicate=1&fault.on=in")
    transport.write(b"ab")
    assert (echo.heard, transport.read(1.0)) == (b"ab", b"abab")


def test_reordered_pieces_come_after_the_next() -> None:
    transport, echo = faulty("fault.reorder=1&fault.on=out")
    transport.write(b"one ")
    assert echo.heard == b""
    transport.write(b"two ")
    assert echo.heard == b"two one "


def test_a_delay_takes_time() -> None:
    transport, _ = faulty("fault.delay=0.25&fault.on=in")
    transport.write(b"x")
    assert transport.read(1.0) == b"x"
    assert transport.clock.now_s() == pytest.approx(0.25)


def test_a_half_open_line_is_silent_without_an_error() -> None:
    transport, echo = faulty("fault.half_open=6")
    transport.write(b"1234")
    assert transport.read(1.0) == b"1234"
    transport.write(b"5678")
    assert transport.read(1.0) == b""
    transport.write(b"9")
    assert echo.heard == b"123456"
    assert events(transport)[-1] == "out: nothing got through"


def test_an_unplugged_line_comes_back_after_its_time() -> None:
    transport, _ = faulty("fault.unplug=3&fault.replug=2.5")
    with pytest.raises(LinkLost, match="unplugged"):
        transport.write(b"1234")
    assert not transport.is_open
    with pytest.raises(LinkLost, match="unplugged"):
        transport.reopen(wait_s=1.0)
    transport.reopen(wait_s=5.0)
    assert transport.clock.now_s() == pytest.approx(2.5, abs=0.1)
    transport.write(b"again and again")
    assert transport.read(1.0) == b"again and again"


def test_a_torn_message_is_cut_in_the_middle_once() -> None:
    transport, echo = faulty("fault.torn=2")
    for _ in range(3):
        transport.write(b"abcd")
    assert echo.heard == b"abcd" + b"ab" + b"abcd"


@pytest.mark.parametrize(
    ("cut", "heard"), [("byte:6", b"abcdab(off)"), ("frame:2", b"abcdabcd(off)"), ("byte:4", b"abcd(off)")]
)
def test_a_power_cut_comes_where_it_was_asked_for(cut: str, heard: bytes) -> None:
    transport, echo = faulty(f"fault.cut={cut}")
    for _ in range(3):
        transport.write(b"abcd")
    assert echo.heard == heard
    assert events(transport)[-1] == "power cut"
    transport.power.on()
    transport.write(b"e")
    assert echo.heard == heard + b"e"


class Flash:
    writes = 0

    def __init__(self) -> None:
        self.asked: list[tuple[int, int | None]] = []

    def cut_power_at(self, write: int, torn_bytes: int | None = None) -> None:
        self.asked.append((write, torn_bytes))

    def read(self, _address: int, size: int) -> bytes:
        return bytes(size)

    def write(self, _address: int, _data: bytes) -> None:
        return


def test_a_cut_at_a_flash_write_is_left_to_the_emulator() -> None:
    for text, wanted in (("flash:17", (17, None)), ("flash:17:3", (17, 3))):
        model: Any = Echo()
        model.flash = Flash()
        faulty(f"fault.cut={text}", model)
        assert model.flash.asked == [wanted]


def test_a_power_cut_that_is_not_possible_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be cut so"):
        faulty("fault.cut=flash:1")
    assert tmp_path
    with pytest.raises(InputError, match="cannot be cut so"):
        make_transport("fault+tcp://127.0.0.1:9?fault.cut=byte:1")


def test_a_fault_never_makes_a_forbidden_message(pump: Callable[..., Device]) -> None:
    device = pump()
    url = TransportUrl.parse("fault+medemu://demo-pump?fault.torn=1000")
    transport = FaultTransport(url, FaultPlan.of(url), device.transport)
    guarded = Device(device.profile, transport, device.interface)
    guarded.connect()
    spoilt = transport._faults["out"]
    spoilt.pass_on = lambda piece: piece.replace(b"smart", b"start")  # type: ignore[method-assign]  # one bit of noise
    transport.write(b"smart\r")
    assert events(transport)[-1].startswith("not sent, a fault had made it a forbidden message")
    guarded.close()


@pytest.mark.parametrize(
    ("faults", "message"),
    [
        ("fault.noise=2", "a chance from 0 to 1"),
        ("fault.on=up", "out, in or both"),
        ("fault.cut=byte", "fault.cut is"),
        ("fault.cut=hour:1", "fault.cut is"),
        ("fault.cut=byte:0", "fault.cut is"),
        ("fault.cut=flash:1:x", "fault.cut is"),
        ("fault.nose=1", "no option is called fault.nose"),
    ],
)
def test_faults_that_do_not_exist_are_told(faults: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        make_transport(f"fault+medemu://demo-pump?{faults}")
    with pytest.raises(InputError, match="faults of what"):
        make_transport("fault://demo-pump")


def test_a_check_behind_a_noisy_line_gives_no_false_alarm(pump_profile: DeviceProfile) -> None:
    transport = make_transport("fault+medemu://demo-pump?fault.drop=1&fault.on=in")
    device = Device(pump_profile, transport, interface_of(pump_profile, None))
    with pytest.raises(Exception, match="this is not demo-pump, or it is off"):
        device.connect()
    device.close()


@given(st.binary(max_size=100))
def test_a_line_at_the_right_rate_is_heard_as_it_was_sent(data: bytes) -> None:
    assert as_heard_at(data, 9600, 9600) == data
    assert as_heard_at(data, 9600, 9700) == data  # within what a UART tolerates


@given(st.binary(max_size=100), st.sampled_from([300, 4800, 9600, 115200, 1_000_000]))
def test_a_line_at_the_wrong_rate_is_heard_as_something_else_without_end(data: bytes, baud: int) -> None:
    heard = as_heard_at(data, 19200, baud)
    assert len(heard) <= 10 * (len(data) + 1)


def test_a_wrong_rate_spoils_what_is_sent_and_what_is_heard() -> None:
    plan = FaultPlan(baud=9600, line_baud=115200)
    assert LineFaults(plan, "out").pass_on(b"hello") != b"hello"
    assert LineFaults(plan, "in").pass_on(b"hello") != b"hello"
    transport = make_transport("fault+serial://COM3?baud=19200&fault.baud=9600")
    assert isinstance(transport, FaultTransport)
    assert transport._plan.line_baud == 19200
    assert transport.settings()["baudrate"] == "19200"


# Replay

START = b'{"format":"medharden-bench-record-1","device":"x"}\n'


def recording(path: Path, *entries: tuple[float, str, bytes], masked: bool = False) -> str:
    lines = []
    for number, (moment_s, what, data) in enumerate(entries, 1):
        row: dict[str, Any] = {"n": number, "t": moment_s, "what": what}
        row |= {"name": data.decode()} if what == "event" else {"hex": data.hex()}
        lines.append(row | ({"masked": True} if masked and what == "out" else {}))
    path.write_bytes(START + b"".join(json.dumps(row).encode() + b"\n" for row in lines))
    return f"replay://{path}"


def opened(url: str) -> Transport:
    transport = make_transport(url)
    transport.guard = WriteGuard()
    transport.open()
    return transport


def test_a_recording_answers_at_the_time_it_did(tmp_path: Path) -> None:
    url = recording(
        tmp_path / "r", (1.0, "in", b"boot"), (2.0, "out", b"id\r"), (2.5, "in", b"pump"), (9.0, "in", b"x")
    )
    transport = opened(url)
    assert transport.read(0.5) == b""
    assert transport.read(5.0) == b"boot"
    assert transport.clock.now_s() == pytest.approx(1.0)
    assert transport.read(0.5) == b""
    transport.write(b"i")
    transport.write(b"d\r")
    assert transport.read(0.0) == b""
    assert transport.read(1.0, most_bytes=2) == b"pu"
    assert transport.read(0.0) == b"mp"
    assert transport.clock.now_s() == pytest.approx(2.5)
    assert transport.read(1.0) == b""
    transport.power.off()
    transport.power.on()
    transport.reopen(1.0)


def test_a_recording_that_goes_another_way_is_told(tmp_path: Path) -> None:
    url = recording(tmp_path / "r", (1.0, "out", b"id\r"), (1.5, "in", b"late"), (2.0, "out", b"x"))
    with pytest.raises(ReplayDiffers, match="is sent where b'id"):
        opened(url).write(b"version\r")
    transport = opened(url)
    transport.write(b"id\r")
    transport.write(b"x")  # sooner than it was: what was said in between is there
    assert transport.read(0.0) == b"late"
    with pytest.raises(ReplayDiffers, match="after the end of the record"):
        transport.write(b"y")


def test_a_lost_connection_is_lost_again(tmp_path: Path) -> None:
    rows = ((1.0, "out", b"id\r"), (1.5, "event", b"lost"), (2.0, "out", b"id\r"), (3.0, "event", b"lost"))
    transport = opened(recording(tmp_path / "r", *rows))
    transport.write(b"id\r")
    with pytest.raises(LinkLost):
        transport.read(5.0)
    transport.open()
    transport.write(b"id\r")
    with pytest.raises(LinkLost):
        transport.write(b"more")


def test_a_secret_that_the_record_does_not_hold_is_taken_for_right(tmp_path: Path) -> None:
    url = recording(tmp_path / "r", (1.0, "out", b"login ****\r"), (1.0, "in", b"=ok"), masked=True)
    transport = opened(url)
    transport.write(b"login 4711\r")
    assert transport.read(0.0) == b"=ok"
    with pytest.raises(ReplayDiffers):
        opened(url).write(b"logon 4711\r")


def test_what_holds_no_conversation_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no byte stream is recorded"):
        opened(recording(tmp_path / "r", (1.0, "usb", b"x")))
    (tmp_path / "s").write_bytes(b"hello")
    with pytest.raises(FormatError, match="no record"):
        opened(f"replay://{tmp_path / 's'}")


def test_a_model_that_is_off_neither_hears_nor_speaks(pump: Callable[..., Device]) -> None:
    device = pump()
    device.connect()
    device.switch_off()
    device.send(b"id\r")
    with pytest.raises(NoAnswer):
        device.expect(b"pump", 0.1)
    device.power.on()
    device.power.on()
    device.expect(b"ready")
    device.close()
