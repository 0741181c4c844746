"""USB firmware download believes what the device says; a USB oximeter associates, describes itself and reports."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from hil.apdu import AssociateAnswer, ConfigurationReport, End, Event, FixedReport, Information, Presentation
from hil.clock import VirtualClock
from hil.dfu_client import DfuClient, DfuError, functional_descriptor
from hil.errors import BenchError
from hil.protocols import dfu, ieee11073
from hil.protocols.dfu import DfuState, DfuStatus, FunctionalDescriptor, Request, StatusCode
from hil.transport import Transport, make_transport
from hil.usb_model import Setup, Stall, usb_model_named
from hil.usb_models.dfu_loader import DfuLoader, sealed
from hil.usb_models.phdc_oximeter import BULK_IN, BULK_OUT, SYSTEM_ID, PhdcOximeter
from toolkit.core.errors import FormatError, InputError

usb = pytest.importorskip("usb.core", reason="needs pyusb")

IMAGE = bytes(range(256)) * 2
ABLE = FunctionalDescriptor(attributes=3, transfer_bytes=64)


class Recorded:
    """Answers GETSTATUS from a list, and takes everything else; stands where a pyusb device does."""

    def __init__(self, *statuses: DfuStatus | bytes) -> None:
        self.statuses = [one if isinstance(one, bytes) else dfu.encode(one) for one in statuses]
        self.blocks: list[bytes] = []

    def ctrl_transfer(self, kind: int, request: int, _value: int, _index: int, data: Any, _timeout: int) -> Any:
        if kind == 0x21:
            self.blocks.append(data)
            return len(data)
        assert request == Request.GETSTATUS
        return self.statuses.pop(0) if len(self.statuses) > 1 else self.statuses[0]


@pytest.fixture
def loader() -> Iterator[Transport]:
    with make_transport("medusb://dfu-loader") as transport:
        yield transport


def client(transport: Transport, model: DfuLoader) -> DfuClient:
    return DfuClient(transport.usb_device, functional_descriptor(model.configurations[0]), transport.clock)


def model_behind(weak: str = "") -> tuple[DfuLoader, Transport]:
    from hil.level import EvidenceLevel
    from hil.transport_url import TransportUrl
    from hil.usb_backend import LinkBackend
    from hil.usb_host import ModelLink
    from hil.usb_link import UsbTransport

    model = usb_model_named("dfu-loader").device(weak)
    assert isinstance(model, DfuLoader)
    url = TransportUrl.parse("medusb://dfu-loader")
    link = ModelLink(model)
    return model, UsbTransport(url, EvidenceLevel.MODEL, lambda: LinkBackend(link), None, VirtualClock())


def test_a_sealed_image_is_taken_and_takes_the_time_the_device_says() -> None:
    model, transport = model_behind()
    with transport:
        status = client(transport, model).download(sealed(IMAGE))
    assert status.state is DfuState.IDLE
    assert model.firmware == sealed(IMAGE)
    blocks = -(-len(sealed(IMAGE)) // 64)
    assert transport.clock.now_s() == pytest.approx(blocks * 0.010 + 0.100)


def test_an_unsigned_image_is_refused_by_a_good_loader_and_taken_by_a_weak_one() -> None:
    model, transport = model_behind()
    with transport:
        dfu_client = client(transport, model)
        with pytest.raises(DfuError, match="the device refuses: FIRMWARE in ERROR") as refused:
            dfu_client.download(IMAGE)
        assert refused.value.status == DfuStatus(state=DfuState.ERROR, status=StatusCode.FIRMWARE)
        assert model.firmware != IMAGE
        dfu_client.download(sealed(IMAGE))  # an error before does not stay in the way
    weak, transport = model_behind("accepts-unsigned")
    with transport:
        client(transport, weak).download(IMAGE)
    assert weak.firmware == IMAGE


def test_firmware_is_given_back_by_a_weak_loader_only() -> None:
    model, transport = model_behind()
    with transport, pytest.raises(DfuError, match="gives no uploads"):
        client(transport, model).upload(1000)
    weak, transport = model_behind("upload-open")
    with transport:
        dfu_client = client(transport, weak)
        assert dfu_client.upload(10_000) == weak.firmware
        assert dfu_client.upload(64) == weak.firmware[:64]


def test_a_good_loader_refuses_an_upload_that_is_asked_for_all_the_same() -> None:
    _, transport = model_behind()
    with transport:
        asking = DfuClient(transport.usb_device, ABLE, transport.clock)
        with pytest.raises(DfuError, match="does not take UPLOAD"):
            asking.upload(64)
        assert asking.status().state is DfuState.ERROR
        asking.make_idle()
        assert asking.status() == DfuStatus(state=DfuState.IDLE)


def test_a_transfer_that_was_broken_off_is_ended_first(loader: Transport) -> None:
    asking = DfuClient(loader.usb_device, ABLE, loader.clock)
    loader.usb_device.ctrl_transfer(0x21, Request.DNLOAD, 0, 0, b"half")
    assert asking.status().state is DfuState.DOWNLOAD_BUSY
    asking.make_idle()
    assert asking.status().state is DfuState.IDLE


def test_a_broken_descriptor_is_named() -> None:
    model, _ = model_behind("zero-length-descriptor")
    with pytest.raises(DfuError, match="no DFU functional descriptor"):
        functional_descriptor(model.configurations[0])
    with pytest.raises(DfuError, match="blocks of 0 bytes"):
        DfuClient(Recorded(), FunctionalDescriptor(attributes=1, transfer_bytes=0), VirtualClock())


@pytest.mark.parametrize(
    ("statuses", "words"),
    [
        ([b"\0"], "gives no status"),
        ([b"\0\0\0\0\x63\0"], "gives no status"),
        ([dfu.encode(ABLE)], "a descriptor where its status belongs"),
        ([DfuStatus(state=DfuState.MANIFEST)], "stays in MANIFEST"),
        ([DfuStatus(state=DfuState.IDLE)] * 2 + [DfuStatus(state=DfuState.APP_IDLE)], "went to APP_IDLE"),
        (
            [DfuStatus(state=DfuState.IDLE)] * 2 + [DfuStatus(state=DfuState.DOWNLOAD_BUSY, poll_timeout_ms=0xFF_FFFF)],
            "more than 300 s",
        ),
        ([DfuStatus(state=DfuState.IDLE)] * 2 + [DfuStatus(state=DfuState.DOWNLOAD_BUSY)], "after 1000 questions"),
        (
            [DfuStatus(state=DfuState.IDLE)] * 2 + [DfuStatus(state=DfuState.DOWNLOAD_IDLE, status=StatusCode.WRITE)],
            "refuses: WRITE",
        ),
    ],
)
def test_a_device_that_lies_or_never_gets_ready_is_an_error(statuses: list[Any], words: str) -> None:
    with pytest.raises(DfuError, match=words):
        DfuClient(Recorded(*statuses), ABLE, VirtualClock()).download(IMAGE)


def test_what_cannot_be_downloaded_is_refused_before_anything_is_sent() -> None:
    with pytest.raises(InputError, match="1 to"):
        DfuClient(Recorded(), ABLE, VirtualClock()).download(b"")
    with pytest.raises(DfuError, match="takes no downloads"):
        DfuClient(Recorded(), FunctionalDescriptor(attributes=2, transfer_bytes=64), VirtualClock()).download(b"x")
    assert issubclass(DfuError, BenchError)


@pytest.mark.parametrize(
    "setup",
    [
        Setup(0xC0, 3, 0, 0, 6),
        Setup(0x21, Request.DETACH, 0, 0, 0),
        Setup(0x21, Request.DNLOAD, 0, 0, 0),
    ],
)
def test_a_loader_refuses_what_its_state_does_not_allow(setup: Setup) -> None:
    model, _ = model_behind()
    with pytest.raises(Stall):
        model.control(setup, b"")


def test_a_loader_says_its_state_and_takes_no_block_that_is_too_long() -> None:
    model, _ = model_behind()
    assert model.control(Setup(0xA1, Request.GETSTATE, 0, 0, 1), b"") == b"\x02"
    with pytest.raises(Stall):
        model.control(Setup(0x21, Request.DNLOAD, 0, 0, 65), bytes(65))
    model.reset()
    assert model.control(Setup(0xA1, Request.GETSTATE, 0, 0, 1), b"") == b"\x02"


# PHDC


def phdc(weak: str = "") -> PhdcOximeter:
    model = usb_model_named("phdc-oximeter").device(weak)
    assert isinstance(model, PhdcOximeter)
    return model


def hear(model: PhdcOximeter, packet_bytes: int = 64) -> ieee11073.Message:
    decoder = ieee11073.PROTOCOL.decoder()
    while True:
        data = model.bulk_in(BULK_IN, packet_bytes)
        assert data is not None
        for message in decoder.feed(data):
            return message


def say(model: PhdcOximeter, message: ieee11073.Message) -> None:
    model.bulk_out(BULK_OUT, ieee11073.encode(message))


def confirm(model: PhdcOximeter, report: ieee11073.Message, info: bytes = b"") -> None:
    assert isinstance(report, Presentation)
    assert isinstance(report.body, Event)
    answer = Event(handle=0, event=report.body.event, info=info)
    say(model, Presentation(invoke_id=report.invoke_id, operation=0x0201, body=answer))


MANAGER = Information(system_id=b"MANAGER!", configuration=0, system_type=0x8000_0000)


def test_an_oximeter_asks_describes_itself_and_reports() -> None:
    model = phdc()
    asked = hear(model)
    assert asked == ieee11073.Associate(information=Information(system_id=SYSTEM_ID, configuration=0x4000))
    say(model, AssociateAnswer(result=3, information=MANAGER))
    described = hear(model, 16)
    assert isinstance(described, Presentation)
    assert isinstance(described.body, Event)
    assert isinstance(described.body.info, ConfigurationReport)
    assert [one.handle for one in described.body.info.objects] == [1, 10]
    confirm(model, described, b"\x40\x00\x00\x00")
    for _ in range(3):
        report = hear(model)
        assert isinstance(report, Presentation)
        assert isinstance(report.body, Event)
        assert isinstance(report.body.info, FixedReport)
        values = [ieee11073.float_of_sfloat(int.from_bytes(one.data, "big")) for one in report.body.info.observations]
        assert values == [98, 72]
        confirm(model, report)
    hear(model)
    say(model, End(choice=0xE400, reason=0))
    assert hear(model) == End(choice=0xE500, reason=0)
    assert model.bulk_in(BULK_IN, 64) is None


def test_an_oximeter_says_nothing_to_who_refuses_it_or_confirms_what_it_did_not_say() -> None:
    model = phdc()
    hear(model)
    say(model, AssociateAnswer(result=1, information=MANAGER))
    assert model.bulk_in(BULK_IN, 64) is None
    say(model, AssociateAnswer(result=3, information=MANAGER))
    described = hear(model)
    confirm(model, described, b"\x40\x00\x00\x01")
    assert model.bulk_in(BULK_IN, 64) is None
    say(model, Presentation(invoke_id=77, operation=0x0201, body=Event(handle=0, event=0x0D1D, info=b"")))
    say(model, Presentation(invoke_id=1, operation=0x0103, body=b""))
    say(model, End(choice=0xE600, reason=0))
    assert model.bulk_in(BULK_IN, 64) is None


def test_a_weak_oximeter_reports_to_anybody() -> None:
    assert isinstance(hear(phdc("reports-unassociated")), Presentation)
    assert b"\x00\x30" in phdc("zero-length-descriptor").configurations[0]


def test_what_an_oximeter_has_to_say_is_bounded_and_its_endpoints_are_two() -> None:
    model = phdc()
    for _ in range(100):
        say(model, AssociateAnswer(result=0, information=MANAGER))
    heard = 0
    while model.bulk_in(BULK_IN, 4096) is not None:
        heard += 1
    assert heard == 16
    with pytest.raises(Stall):
        model.bulk_out(2, b"")
    with pytest.raises(Stall):
        model.bulk_in(0x82, 64)
    with pytest.raises(Stall):
        model.control(Setup(0xA1, 0, 0, 0, 1), b"")


def test_an_oximeter_is_reached_over_pyusb() -> None:
    with make_transport("medusb://phdc-oximeter") as transport:
        (asked,) = ieee11073.PROTOCOL.decoder().feed(transport.read(1.0))
        assert isinstance(asked, ieee11073.Associate)
        transport.write(ieee11073.encode(AssociateAnswer(result=0, information=MANAGER)))
        (report,) = ieee11073.PROTOCOL.decoder().feed(transport.read(1.0))
        assert isinstance(report, Presentation)


@pytest.mark.parametrize(
    ("bits", "number"),
    [(0x0062, 98.0), (0xF3CF, 97.5), (0x1005, 50.0), (0x0FFF, -1.0), (0x07FF, None), (0x0800, None)],
)
def test_a_short_float_means_what_the_standard_says(bits: int, number: float | None) -> None:
    assert ieee11073.float_of_sfloat(bits) == number


def test_a_short_float_has_16_bits() -> None:
    with pytest.raises(FormatError):
        ieee11073.float_of_sfloat(0x1_0000)
