"""A device is asked only after it has proven who it is, answers in time, and is left safe."""

from __future__ import annotations

import re
import statistics
import time
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from device_profiles.loader import load
from device_profiles.schema import DeviceProfile, Interface, Usb
from device_profiles.vocabulary import InterfaceType, UsbClass
from hil.clock import RealClock, VirtualClock
from hil.device import Device, interface_of, why_never_written
from hil.errors import BenchError, LinkLost, NoAnswer, WriteRefused, WrongDevice
from hil.level import EvidenceLevel
from hil.model import DeviceModel
from hil.power import ManualPower, NoPower
from hil.transport_url import TransportUrl
from hil.transports.medemu import ModelTransport
from toolkit.core.errors import InputError


class Stranger(DeviceModel):
    """Answers everything with the same words."""

    def __init__(self, words: bytes = b"hello\r\n") -> None:
        self.words = words
        self.heard = b""

    def power_on(self, _now_s: float) -> bytes:
        return b""

    def power_off(self) -> None:
        self.heard += b"(off)"

    def receive(self, data: bytes, _now_s: float) -> bytes:
        self.heard += data
        return self.words


def device_with(profile: DeviceProfile, model: DeviceModel, **more: Any) -> Device:
    transport = ModelTransport(TransportUrl("medemu", "stranger"), model)
    return Device(profile, transport, interface_of(profile, "console"), **more)


@pytest.mark.parametrize("words", [b"", b"hello\r\n", b"=demo-pump medharden 1\r\n"])
def test_a_wrong_device_hears_the_questions_of_the_profile_and_nothing_else(
    pump_profile: DeviceProfile, words: bytes
) -> None:
    stranger = Stranger(words)
    device = device_with(pump_profile, stranger)
    with pytest.raises(WrongDevice, match="this is not demo-pump, or it is off: no answer to who-are-you"), device:
        pytest.fail("it must not get here")
    assert stranger.heard == b"id\r" * 3
    assert not device.transport.is_open


def test_a_write_before_the_proof_is_refused(pump: Callable[..., Device]) -> None:
    device = pump()
    device.transport.open()
    with pytest.raises(WriteRefused, match="has not proven who it is"):
        device.send(b"version\r")
    device.identify()
    device.ask(b"version\r", b"=2.1.0 7")
    device.close()


def test_after_an_unplug_it_must_prove_itself_again_and_be_the_same(pump: Callable[..., Device]) -> None:
    device = pump()
    device.connect()
    device.transport.close()
    with pytest.raises(LinkLost, match="not connected"):
        device.send(b"version\r")
    device.transport.open()
    with pytest.raises(WriteRefused):
        device.send(b"version\r")
    device.reconnect(wait_s=1.0)
    device.ask(b"version\r", b"=2.1.0")
    device.close()


def test_another_device_of_the_same_kind_is_refused(pump_profile: DeviceProfile) -> None:
    twin = Stranger(b"=demo-pump medharden 00000001\r\n")
    device = device_with(pump_profile, twin)
    device.connect()
    twin.words = b"=demo-pump medharden 00000002\r\n"
    with pytest.raises(WrongDevice, match="another device of the same kind"):
        device.reconnect(wait_s=1.0)
    with pytest.raises(WriteRefused):
        device.send(b"version\r")
    device.close()


class NumberedTransport(ModelTransport):
    """Says what a USB converter would."""

    numbers: dict[str, str] = {}  # noqa: RUF012  # set by each test

    def settings(self) -> dict[str, str]:
        return self.numbers


@pytest.mark.parametrize(
    ("seen", "wanted", "message"),
    [
        ({"vendor_id": "1234", "product_id": "ea60"}, None, "vendor_id is 1234, expected 10c4; nothing was sent"),
        ({"vendor_id": "10c4", "product_id": "0000"}, None, "product_id is 0000, expected ea60; nothing was sent"),
        ({"vendor_id": "10c4", "product_id": "ea60", "serial_number": "8"}, "7", "serial_number is 8, expected 7"),
        ({}, "7", "reports no serial number, expected 7"),
    ],
)
def test_the_wrong_usb_numbers_are_refused_before_anything_is_sent(
    seen: dict[str, str], wanted: str | None, message: str
) -> None:
    profile = load("contec-cms50dplus")
    stranger = Stranger(bytes.fromhex("F28000F28000F28000"))
    transport = NumberedTransport(TransportUrl("medemu", "stranger"), stranger)
    transport.numbers = seen
    device = Device(profile, transport, interface_of(profile, None), serial_number=wanted)
    with pytest.raises(WrongDevice, match=message):
        device.connect()
    assert stranger.heard == b""
    device.close()


def test_the_right_usb_numbers_are_part_of_the_proof() -> None:
    profile = load("contec-cms50dplus")
    transport = NumberedTransport(TransportUrl("medemu", "oximeter"), Stranger(bytes.fromhex("F28000F28000F28000")))
    transport.numbers = {"vendor_id": "10c4", "product_id": "ea60", "serial_number": "7"}
    device = Device(profile, transport, interface_of(profile, None), serial_number="7")
    assert device.connect().serial_number == "7"
    device.close()


def test_numbers_of_a_converter_say_nothing_about_the_device_and_those_of_the_device_do(
    pump_profile: DeviceProfile,
) -> None:
    def why(*classes: UsbClass) -> str:
        usb = Usb(vendor_id=1, product_id=2, classes=classes)
        return why_never_written(pump_profile, Interface(id="usb", type=InterfaceType.USB_DEVICE, usb=usb))

    assert "has no question" in why(UsbClass.SERIAL_BRIDGE)
    assert why(UsbClass.DFU) == ""


def test_a_device_known_by_usb_must_report_its_numbers(pump_profile: DeviceProfile) -> None:
    usb = Interface(
        id="dfu", type=InterfaceType.USB_DEVICE, usb=Usb(vendor_id=1, product_id=2, classes=(UsbClass.DFU,))
    )
    device = Device(pump_profile, ModelTransport(TransportUrl("medemu", "x"), Stranger()), usb)
    with pytest.raises(WrongDevice, match="reports no USB numbers"):
        device.connect()
    device.close()


def test_the_interface_is_the_only_one_to_ask_at_or_is_named(pump_profile: DeviceProfile) -> None:
    assert interface_of(pump_profile, None).id == "console"
    with pytest.raises(InputError, match="has no interface telepathy; there are debug, console"):
        interface_of(pump_profile, "telepathy")
    with pytest.raises(InputError, match=r"has no hil\.identify"):
        interface_of(load("cpap"), None)
    question = pump_profile.hil.identify[0]
    two = msgspec.structs.replace(
        pump_profile,
        hil=msgspec.structs.replace(
            pump_profile.hil, identify=(question, msgspec.structs.replace(question, id="b", interface="debug"))
        ),
    )
    with pytest.raises(InputError, match="can be asked at console, debug"):
        interface_of(two, None)


def test_what_comes_after_the_answer_is_kept_and_what_came_before_is_dropped(pump: Callable[..., Device]) -> None:
    with pump() as device:
        device.send(b"version\rstatus\r")
        assert device.expect(re.compile(rb"=(\S+) (\d+)"))[2] == b"7"
        assert device.expect(b"=idle")[0] == b"=idle"
        assert device.receive(0.0).startswith(b" rate=0")
        assert device.receive(0.5) == b""


def test_silence_is_told_with_what_was_heard(pump: Callable[..., Device]) -> None:
    with pump() as device:
        device.send(b"version\r")
        with pytest.raises(NoAnswer, match=r"no b'never' within 0.25 s; the device said '=2.1.0 7") as error:
            device.expect(b"never", 0.25)
        assert error.value.received == b"=2.1.0 7\r\n"
        device.drain()
        with pytest.raises(NoAnswer, match="said nothing"):
            device.expect(b"never", 0.25)


def test_a_check_that_has_used_up_its_time_can_neither_send_nor_wait(pump: Callable[..., Device]) -> None:
    with pump() as device:
        start_s = device.transport.clock.now_s()
        with device.within(5.0):
            with device.within(1.0), pytest.raises(NoAnswer, match="used up"):
                device.wait(60.0)
            with pytest.raises(NoAnswer, match="used up"):
                device.expect(b"never", 60.0)
            with pytest.raises(NoAnswer, match="used up"):
                device.send(b"id\r")
        assert device.transport.clock.now_s() - start_s == pytest.approx(5.0)
        device.ask(b"id\r", b"=demo-pump")


def test_a_secret_is_nowhere_in_the_record(pump: Callable[..., Device]) -> None:
    with pump() as device:
        device.ask(b"login vF7-q2Lx\r", b"=ok", secret=b"vF7-q2Lx")
        said = b"".join(entry.data for entry in device.transport.recorder.last)
        assert b"login ********\r" in said
        assert b"vF7" not in said
        assert [entry.masked for entry in device.transport.recorder.last if b"login" in entry.data] == [True]


def test_the_device_is_left_in_its_safe_state(pump: Callable[..., Device]) -> None:
    device = pump()
    device.connect()
    assert device.make_safe().how == "in its safe state, by stop"
    device.transport.close()
    assert device.make_safe().reached  # it connects again for that
    device.close()


def test_one_that_does_not_answer_any_more_is_switched_off(pump: Callable[..., Device]) -> None:
    device = pump("hangs-on-long-line")
    device.connect()
    device.ask(b"x" * 80 + b"\r", b"!long")
    state = device.make_safe()
    assert state.reached
    assert state.how.startswith("switched off (no ")
    device.close()


def test_one_that_nobody_can_switch_off_is_said_not_to_be_safe(pump_profile: DeviceProfile) -> None:
    answers = Stranger(b"=demo-pump medharden 00000001\r\n")
    device = device_with(pump_profile, answers)
    device.power = NoPower()
    device.connect()
    state = device.make_safe()
    assert not state.reached
    assert "bring the device to: Not infusing" in state.how
    device.close()


def test_one_to_which_nothing_was_sent_needs_no_safe_state(pump: Callable[..., Device]) -> None:
    assert pump().make_safe().how == "nothing but questions was sent"


class BrokenSwitch:
    name = "relay"
    is_automatic = True

    def off(self) -> None:
        raise BenchError("the relay is stuck")

    def on(self) -> None:
        raise BenchError("the relay is stuck")


def test_a_switch_that_fails_is_told(pump_profile: DeviceProfile) -> None:
    answers = Stranger(b"=demo-pump medharden 00000001\r\n")
    with device_with(pump_profile, answers, power=BrokenSwitch()) as device:
        state = device.make_safe()
    assert not state.reached
    assert state.how.endswith("the relay is stuck")


def test_a_power_cycle_forgets_what_was_in_ram(pump: Callable[..., Device]) -> None:
    with pump() as device:
        device.ask(b"login vF7-q2Lx\r", b"=ok", secret=b"vF7-q2Lx")
        device.ask(b"nonce\r", re.compile(rb"=[0-9a-f]{8}\r"))
        device.power_cycle()
        device.expect(b"ready")
        device.ask(b"nonce\r", b"!login")


def test_the_power_of_the_bench_file_comes_before_that_of_the_transport(pump_profile: DeviceProfile) -> None:
    manual = ManualPower(lambda _sentence: True)
    assert device_with(pump_profile, Stranger(), power=manual).power is manual
    assert device_with(pump_profile, Stranger(), power=NoPower()).power.name == "model"


def test_waiting_on_a_virtual_clock_takes_no_time_and_on_the_real_one_it_does() -> None:
    virtual, real = VirtualClock(), RealClock()
    before_s = real.now_s()
    virtual.sleep(3600.0)
    virtual.sleep(-1.0)
    virtual.advance_to(1.0)
    assert virtual.now_s() == 3600.0
    real.sleep(0.01)
    real.sleep(-1.0)
    assert 0.01 <= real.now_s() - before_s < 5.0


def test_a_round_trip_to_a_device_in_process_takes_less_than_a_tenth_of_a_millisecond(
    pump: Callable[..., Device],
) -> None:
    with pump() as device:
        seconds = []
        for _ in range(500):
            start_s = time.perf_counter()
            device.ask(b"id\r", b"\r\n")
            seconds.append(time.perf_counter() - start_s)
        assert statistics.median(seconds) < 100e-6


def test_a_device_stands_for_its_level(pump: Callable[..., Device]) -> None:
    assert pump(level=EvidenceLevel.HARDWARE).level is EvidenceLevel.HARDWARE
