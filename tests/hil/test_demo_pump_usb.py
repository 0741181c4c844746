"""The demo pump at its USB plug: each weakness found by its own check alone, and what the models do beside that."""

from __future__ import annotations

from typing import Any

import pytest

from device_profiles.loader import load
from device_profiles.vocabulary import UsbClass
from hil.bench_check import BenchCheck, checks
from hil.device import Device, interface_of
from hil.dfu_client import DfuClient, functional_descriptor
from hil.errors import LinkLost, WrongDevice
from hil.level import EvidenceLevel
from hil.run import CheckRun, RunOptions
from hil.transport import make_transport
from hil.usb_client import ask, reconnected, replug
from hil.usb_descriptors import UsbInterface, configuration_problems, device_problems, interfaces_in, unexpected
from hil.usb_host import ModelLink, TransferFailed
from hil.usb_model import Setup, Stall
from hil.usb_models.demo_pump import WEAKNESSES, DemoPumpUsb
from hil.usb_models.dfu_loader import DfuLoader, sealed
from hil.usb_models.hid_thermometer import REPORT_DESCRIPTOR, HidThermometer
from hil.verdict import Result, Verdict

pytest.importorskip("usb.core", reason="needs pyusb")

USB_CHECKS = [check for check in checks().values() if check.good_devices[0].startswith("medusb://")]


def connected(weak: str = "", level: EvidenceLevel = EvidenceLevel.MODEL) -> Device:
    profile = load("demo-pump")
    transport = make_transport(f"medusb://demo-pump?weak={weak}" if weak else "medusb://demo-pump")
    device = Device(profile, transport, interface_of(profile, "usb"))
    device.connect()
    transport.level = level
    return device


def judged(device: Device, wanted: list[BenchCheck], options: RunOptions | None = None) -> list[Verdict]:
    run = CheckRun(device, options or RunOptions())
    run.run(wanted)
    return run.verdicts


@pytest.mark.parametrize("weak", ["", *WEAKNESSES])
def test_a_weak_pump_fails_its_own_check_and_no_other(weak: str) -> None:
    found = judged(connected(weak), USB_CHECKS)
    meant = {check.name for check in USB_CHECKS if f"medusb://demo-pump?weak={weak}" in check.weak_devices}
    assert len(meant) == bool(weak)
    assert {v.check for v in found if v.result is Result.FAIL} == meant
    assert not [v for v in found if v.result is Result.ERROR]
    assert weak.endswith("descriptor") or not [v for v in found if v.result is Result.NOT_TESTED]
    assert not [v.clean_up for v in found if v.clean_up]


def test_a_crash_is_made_as_small_as_it_can_be() -> None:
    (found,) = judged(connected("crashes-on-request"), [checks()["usb-control-fuzzing"]])
    assert found.detail.endswith("80 06 80 03 00 00 00 00")


def test_the_console_speaks_over_usb_and_the_pump_is_left_safe() -> None:
    with connected() as device:
        assert device.ask(b"id\r", b"=demo-pump medharden 00000001")
        assert device.ask(b"stop\r", b"=ok")
        device.send(b"nonsense\r")
        assert device.wait(0.5).endswith(b"!unknown\r\n")
    assert device.make_safe().reached


def test_only_who_has_logged_in_comes_into_the_loader_and_a_new_plug_leads_out() -> None:
    device = connected()
    session: Any = type("Session", (), {"device": device, "interface": device.interface})()
    detach = Setup(0x21, 0, 1000, 2, 0)
    assert ask(session, detach) is None
    device.ask(b"login vF7-q2Lx\r", b"=ok", secret=b"vF7-q2Lx")
    assert ask(session, detach) == b""
    reconnected(session)
    transport = device.transport
    configuration = bytes(transport.usb_device.ctrl_transfer(0x80, 6, 0x200, 0, 512))
    client = DfuClient(transport.usb_device, functional_descriptor(configuration), transport.clock)
    assert client.download(sealed(b"new program " * 30)).status == 0
    replug(session)
    assert device.ask(b"version\r", b"=2.1.0 7")


def test_a_host_that_does_not_ask_believes_a_refused_update() -> None:
    loader = DfuLoader(frozenset())
    image = sealed(b"x" * 100)[:-1] + b"!"
    for block in range(0, len(image), 64):  # as dfu-util 0.11 does after its last block: it takes the end for good
        loader.control(Setup(0x21, 1, block // 64, 0, 64), image[block : block + 64])
        loader.control(Setup(0xA1, 3, 0, 0, 6), b"")
        loader.control(Setup(0xA1, 3, 0, 0, 6), b"")
    loader.control(Setup(0x21, 1, 9, 0, 0), b"")
    status = loader.control(Setup(0xA1, 3, 0, 0, 6), b"")
    assert status[0] == 10, "errFIRMWARE: who asks is told"


def test_a_hung_device_is_noticed_and_switched_off_and_on() -> None:
    device = connected()
    device.power.off()
    device.power.off()
    with pytest.raises(LinkLost):
        device.identify()
    device.transport.close()
    with pytest.raises(LinkLost, match="not connected"):
        device.transport.look_again()
    device.power.on()
    device.power.on()
    device.reconnect(1.0)


def test_another_device_at_the_same_plug_is_not_taken_for_the_first() -> None:
    profile = load("demo-pump")
    device = Device(profile, make_transport("medusb://dfu-loader"), interface_of(profile, "usb"))
    with pytest.raises(WrongDevice, match="product_id is 0001"):
        device.connect()
    device.close()


def test_a_real_device_is_changed_only_when_armed_and_with_an_image_to_spoil() -> None:
    found = judged(connected(level=EvidenceLevel.HARDWARE), USB_CHECKS)
    assert {v.check for v in found if v.result is Result.PASS} == {"usb-descriptors", "usb-interfaces"}
    armed = judged(connected(level=EvidenceLevel.HARDWARE), [checks()["update-refusal-told"]], RunOptions(armed=True))
    assert [v.detail for v in armed] == ["no good image to spoil: name one with --file image=PATH"]


def test_a_serial_device_has_no_usb_questions(pump: Any) -> None:
    device = pump()
    device.connect()
    run = CheckRun(device, RunOptions())
    assert all(run.why_not_applicable(check) for check in USB_CHECKS)


def test_the_models_refuse_what_they_do_not_know() -> None:
    pump = DemoPumpUsb(frozenset())
    for kind, request, interface in ((0xC0, 1, 0), (0xA1, 0x99, 0), (0x21, 0x20, 0), (0xA1, 9, 2)):
        with pytest.raises(Stall):
            pump.control(Setup(kind, request, 0, interface, 3), b"abc")
    assert pump.control(Setup(0x21, 0x20, 0, 0, 7), b"1234567") == b""
    assert pump.control(Setup(0xA1, 0x21, 0, 0, 7), b"") == b"1234567"
    assert pump.control(Setup(0x21, 0x22, 3, 0, 0), b"") == b""
    assert pump.control(Setup(0xA1, 5, 0, 2, 1), b"") == b"\0"
    assert pump.control(Setup(0xA1, 3, 0, 2, 6), b"") == bytes(6)
    assert pump.bulk_in(0x83, 8) is None
    with pytest.raises(Stall):
        pump.bulk_out(9, b"x")
    with pytest.raises(Stall):
        pump.bulk_in(0x8F, 8)


def test_a_thermometer_gives_reports_and_takes_its_one_setting() -> None:
    link = ModelLink(HidThermometer(frozenset()))
    assert link.control(Setup(0x81, 6, 0x2200, 0, 255), b"", 10) == REPORT_DESCRIPTOR
    assert link.receive(0x81, 8, 10) == (3690).to_bytes(2, "little")
    with pytest.raises(TransferFailed, match="ETIMEDOUT"):
        link.receive(0x81, 8, 10)
    assert link.control(Setup(0xA1, 1, 0x0100, 0, 8), b"", 10) == (3690).to_bytes(2, "little")
    link.control(Setup(0x21, 10, 0, 0, 0), b"", 10)
    link.control(Setup(0x21, 9, 0x0300, 0, 1), b"\x01", 10)
    assert link.control(Setup(0xA1, 1, 0x0300, 0, 8), b"", 10) == b"\x01"
    for setup, data in (
        (Setup(0x21, 9, 0x0300, 0, 2), b"\x01\x01"),
        (Setup(0x21, 9, 0x0300, 0, 1), b"\x09"),
        (Setup(0xA1, 1, 0x0900, 0, 8), b""),
        (Setup(0x81, 6, 0x2900, 0, 8), b""),
    ):
        with pytest.raises(TransferFailed, match="EPIPE"):
            link.control(setup, data, 10)
    with pytest.raises(TransferFailed, match="EPIPE"):
        link.receive(0x82, 8, 10)
    weak = HidThermometer(frozenset({"long-report"}))
    assert weak.control(Setup(0x21, 9, 0x0300, 0, 2), b"\x01\x01") == b""


# What descriptors say


def test_interfaces_are_told_by_class_and_strangers_are_named() -> None:
    found = [UsbInterface(0, 2, 2, 1), UsbInterface(1, 10, 0, 0), UsbInterface(2, 0xFE, 1, 2), UsbInterface(3, 9, 0, 0)]
    assert [i.kind for i in found] == [UsbClass.CDC_ACM, UsbClass.CDC_ACM, UsbClass.DFU, None]
    assert unexpected(found, (UsbClass.CDC_ACM, UsbClass.DFU)) == [found[3]]
    assert str(found[3]) == "interface 3: of another class (09/00/00)"
    assert unexpected([UsbInterface(0, 0xFF, 0, 0)], (UsbClass.SERIAL_BRIDGE,)) == []
    assert interfaces_in(b"\x02\x01") == []


@pytest.mark.parametrize(
    ("configuration", "problem"),
    [
        ("09 02 0a 00 00 01 00 80 32", "says that it has 10 bytes, and 9 came"),
        ("09 02 0b 00 00 01 00 80 32 00 04", "at byte 9 of a configuration says that it has 0 bytes"),
        ("09 02 0b 00 00 01 00 80 32 02 04", "shorter than its type"),
        ("09 02 12 00 02 01 00 80 32 09 04 00 00 00 ff 00 00 00", "has 2 interfaces, and has 1"),
        ("09 02 12 00 01 01 00 80 32 09 04 00 00 01 ff 00 00 00", "1 more endpoints"),
        ("09 02 1b 00 02 01 00 80 32 09 04 00 00 01 ff 00 00 00 09 04 01 00 00 ff 00 00 00", "1 more endpoints"),
    ],
)
def test_what_is_wrong_with_a_configuration_is_told(configuration: str, problem: str) -> None:
    assert any(problem in words for words in configuration_problems(bytes.fromhex(configuration)))


def test_what_is_wrong_with_a_device_descriptor_is_told() -> None:
    good = DemoPumpUsb(frozenset()).device_descriptor
    assert list(device_problems(good)) == []
    assert len(list(device_problems(good[:-1]))) == 1
    assert len(list(device_problems(b"\x12\x02" + good[2:]))) == 1
