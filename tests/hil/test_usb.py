"""Emulated USB devices are used through pyusb, in process and over USB/IP; each transfer is guarded and recorded."""

from __future__ import annotations

import contextlib
import errno
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hil.clock import VirtualClock
from hil.errors import BenchError, LinkLost, WriteRefused
from hil.guard import Forbidden, WriteGuard, byte_pattern
from hil.level import EvidenceLevel
from hil.transport import Transport, make_transport
from hil.transport_url import TransportUrl
from hil.usb_host import ModelLink, TransferFailed, descriptors_in
from hil.usb_link import UsbTransport, numbers_of
from hil.usb_model import Setup, Stall, UsbModel, UsbModelKind, usb_models
from hil.usbip import EMULATED_PATH, Exporter, UsbipLink
from toolkit.core.errors import InputError

usb = pytest.importorskip("usb.core", reason="needs pyusb")

DEVICE = struct.pack("<BBHBBBBHHHBBBB", 18, 1, 0x200, 0, 0, 0, 64, 0x1234, 0x5678, 0x100, 1, 2, 3, 1)
INTERFACE = bytes([9, 4, 0, 0, 2, 0xFF, 0, 0, 0])
EXTRA = bytes([5, 0x24, 1, 2, 3])
BULK = bytes([7, 5, 0x01, 2, 64, 0, 0, 7, 5, 0x81, 2, 64, 0, 0])


def configuration(*parts: bytes, claimed: int | None = None) -> bytes:
    body = b"".join(parts)
    return struct.pack("<BBHBBBBB", 9, 2, 9 + len(body) if claimed is None else claimed, 1, 1, 0, 0x80, 50) + body


class EchoUsb(UsbModel):
    """Sends back what it is sent; stalls a vendor request 7."""

    device_descriptor = DEVICE
    configurations = (configuration(INTERFACE, EXTRA, BULK),)
    strings = {1: "medharden", 2: "echo", 3: "0042"}  # noqa: RUF012  # a constant

    def __init__(self) -> None:
        self.waiting = b""
        self.seen: list[tuple[Setup, bytes]] = []
        self.resets = 0

    def control(self, setup: Setup, data: bytes) -> bytes:
        self.seen.append((setup, data))
        if setup.request == 7:
            raise Stall
        return b"answer"

    def bulk_out(self, endpoint: int, data: bytes) -> None:
        if data == b"stall":
            raise Stall
        assert endpoint == 1
        self.waiting += data

    def bulk_in(self, endpoint: int, most_bytes: int) -> bytes | None:
        if self.waiting.startswith(b"no"):
            raise Stall
        assert endpoint == 0x81
        data, self.waiting = self.waiting[:most_bytes], self.waiting[most_bytes:]
        return data or None

    def reset(self) -> None:
        self.resets += 1


def in_process(model: UsbModel, options: str = "") -> Transport:
    from hil.usb_backend import LinkBackend

    url = TransportUrl.parse(f"medusb://echo{options}")
    transport = UsbTransport(url, EvidenceLevel.MODEL, lambda: LinkBackend(ModelLink(model)), None, VirtualClock())
    transport.guard = WriteGuard()
    return transport


@contextmanager
def exported(model: UsbModel) -> Iterator[Transport]:
    with Exporter({"1-1": model}) as exporter:
        transport = make_transport(f"usbip://127.0.0.1:{exporter.port}/1-1")
        transport.guard = WriteGuard()
        yield transport


@contextmanager
def here(model: UsbModel) -> Iterator[Transport]:
    yield in_process(model)


EITHER = pytest.mark.parametrize("reached", [here, exported])
Reached = Callable[[UsbModel], Any]


@EITHER
def test_the_bulk_endpoints_are_a_byte_stream(reached: Reached) -> None:
    model = EchoUsb()
    with reached(model) as transport, transport:
        assert transport.settings() == {"vendor_id": "1234", "product_id": "5678", "serial_number": "0042"}
        for text in (b"hello", b"again", bytes(300)):
            transport.write(text)
            heard = b""
            while len(heard) < len(text):
                heard += transport.read(1.0)
            assert heard == text
        assert transport.read(0.01) == b""
        assert transport.read(0.01) == b""
    assert model.resets <= 1
    assert transport.usb_device is None


@EITHER
def test_control_transfers_go_through_pyusb(reached: Reached) -> None:
    model = EchoUsb()
    with reached(model) as transport, transport:
        device = transport.usb_device
        assert bytes(device.ctrl_transfer(0xC0, 3, 4, 5, 64)) == b"answer"
        assert device.ctrl_transfer(0x40, 1, 2, 3, b"data") == 4
        assert model.seen[-1] == (Setup(0x40, 1, 2, 3, 4), b"data")
        with pytest.raises(usb.USBError) as error:
            device.ctrl_transfer(0xC0, 7, 0, 0, 8)
        assert error.value.errno == errno.EPIPE
        with pytest.raises(usb.USBError):
            device.write(0x01, b"stall", 100)
        assert device.manufacturer == "medharden"
        rows = [e for e in transport.recorder.last if e.what == "usb"]
        assert rows[-1].endpoint == 0x80
        assert any(row.status == errno.EPIPE for row in rows)


def test_the_descriptors_are_read_as_they_stand() -> None:
    with in_process(EchoUsb()) as transport:
        (interface,) = transport.usb_device[0].interfaces()
        assert interface.bInterfaceClass == 0xFF
        assert bytes(interface.extra_descriptors) == EXTRA
        assert [e.bEndpointAddress for e in interface] == [0x01, 0x81]


def test_before_the_proof_only_descriptors_may_be_asked_for() -> None:
    transport = in_process(EchoUsb())
    transport.guard = WriteGuard(locked="who is it?")
    with transport:
        assert transport.settings()["serial_number"] == "0042"
        device = transport.usb_device
        for attempt in (
            lambda: device.ctrl_transfer(0xC0, 3, 0, 0, 8),
            lambda: device.ctrl_transfer(0x40, 3, 0, 0, b"x"),
            lambda: device.write(0x01, b"x"),
            lambda: transport.write(b"x"),
        ):
            with pytest.raises(WriteRefused, match="who is it"):
                attempt()


def test_forbidden_bytes_are_refused_on_every_endpoint() -> None:
    transport = in_process(EchoUsb())
    transport.guard = WriteGuard(forbidden=[Forbidden(byte_pattern("AA BB"), 2, "deliver", "harms")])
    with transport:
        device = transport.usb_device
        for attempt in (
            lambda: device.ctrl_transfer(0x40, 3, 0, 0, b"\x00\xaa\xbb"),
            lambda: device.write(0x01, b"\xaa\xbb"),
            lambda: transport.write(b"\xaa\xbb"),
        ):
            with pytest.raises(WriteRefused, match="deliver"):
                attempt()
        transport.write(b"\xaa")
        with pytest.raises(WriteRefused):
            transport.write(b"\xbb")


def test_a_device_without_a_byte_stream_has_control_transfers_only() -> None:
    class ControlOnly(EchoUsb):
        configurations = (configuration(bytes([9, 4, 0, 0, 0, 0xFE, 1, 1, 0])),)

    with in_process(ControlOnly()) as transport:
        assert transport.read(0.5) == b""
        assert transport.clock.now_s() == pytest.approx(0.5)
        with pytest.raises(BenchError, match="no interface of the device carries a byte stream"):
            transport.write(b"x")
    with in_process(EchoUsb(), "?interface=3") as transport, pytest.raises(BenchError, match="carries a byte stream"):
        transport.write(b"x")


@given(st.binary(max_size=64), st.integers(0, 0xFFFF))
def test_broken_descriptors_neither_hang_nor_crash(body: bytes, claimed: int) -> None:
    class Broken(EchoUsb):
        configurations = (configuration(body, claimed=claimed),)

    transport = in_process(Broken())
    try:
        transport.open()
        transport.read(0.0)
    except LinkLost:
        return
    finally:
        transport.close()


@given(st.binary(max_size=300))
def test_descriptors_end_at_the_first_that_cannot_be_right(data: bytes) -> None:
    found = list(descriptors_in(data))
    assert b"".join(d.data for d in found) == data[: sum(len(d.data) for d in found)]
    assert all(len(d.data) == d.data[0] >= 2 for d in found)
    assert list(descriptors_in(b"\0" + data)) == []


def test_a_stall_while_reading_is_told() -> None:
    model = EchoUsb()
    with in_process(model) as transport:
        transport.write(b"no")
        with pytest.raises(BenchError, match="EPIPE"):
            transport.read(0.1)


def test_standard_requests_are_answered_for_every_model() -> None:
    link = ModelLink(EchoUsb())
    assert link.control(Setup(0x80, 0, 0, 0, 2), b"", 0) == b"\0\0"
    link.control(Setup(0, 9, 1, 0, 0), b"", 0)
    assert link.control(Setup(0x80, 8, 0, 0, 1), b"", 0) == b"\x01"
    assert link.control(Setup(0x80, 6, 0x0300, 0, 255), b"", 0) == b"\x04\x03\x09\x04"
    for setup in (Setup(0x80, 6, 0x0309, 0, 9), Setup(0x80, 6, 0x0207, 0, 9), Setup(0x80, 99, 0, 0, 9)):
        with pytest.raises(TransferFailed, match="EPIPE"):
            link.control(setup, b"", 0)


def test_a_model_without_endpoints_stalls_them() -> None:
    class Bare(UsbModel):
        device_descriptor = DEVICE
        configurations = ()

        def control(self, _setup: Setup, _data: bytes) -> bytes:
            raise Stall

    link = ModelLink(Bare())
    for transfer in (lambda: link.send(1, b"", 0), lambda: link.receive(0x81, 1, 0)):
        with pytest.raises(TransferFailed):
            transfer()
    link.close()


# USB/IP


def test_an_emulated_device_that_is_exported_does_not_pass_for_a_real_one() -> None:
    with exported(EchoUsb()) as transport:
        assert transport.level is EvidenceLevel.REMOTE
        with transport:
            assert transport.level is EvidenceLevel.MODEL


def test_a_device_that_is_not_exported_is_told() -> None:
    with Exporter({}) as exporter, pytest.raises(LinkLost, match="not exported, or in use"):
        UsbipLink("127.0.0.1", exporter.port, "1-1")


def test_a_list_of_the_exported_devices_is_given() -> None:
    with Exporter({"1-1": EchoUsb()}) as exporter, socket.create_connection(("127.0.0.1", exporter.port)) as client:
        client.sendall(struct.pack(">HHI", 0x0111, 0x8005, 0))
        answer = client.makefile("rb").read()
    assert struct.unpack_from(">HHII", answer) == (0x0111, 5, 0, 1)
    assert answer[12:].startswith(f"{EMULATED_PATH}1-1".encode())
    assert answer[12 + 256 :].startswith(b"1-1\0")
    assert struct.unpack_from(">IIIHHH", answer, 12 + 288) == (1, 2, 3, 0x1234, 0x5678, 0x100)
    assert answer[-4:] == b"\xff\0\0\0"


@pytest.mark.parametrize("nonsense", [b"x", b"GET / HTTP/1.0\r\n\r\n", struct.pack(">HHI", 0x111, 0x8003, 0)])
def test_a_client_that_speaks_nonsense_does_not_disturb_the_others(nonsense: bytes) -> None:
    with exported(EchoUsb()) as transport:
        port = TransportUrl.parse(str(transport.url)).place.partition("/")[0].rpartition(":")[2]
        with socket.create_connection(("127.0.0.1", int(port))) as client:
            client.sendall(nonsense)
        with transport:
            transport.write(b"hello")
            assert transport.read(1.0) == b"hello"


def test_nobody_there_is_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with pytest.raises(LinkLost, match="cannot be reached"):
        UsbipLink("127.0.0.1", port, "1-1")


def record_of_device() -> bytes:
    return struct.pack(">HHI", 0x111, 3, 0) + b"/sys/x".ljust(256, b"\0") + b"1-1".ljust(32, b"\0") + bytes(24)


@contextmanager
def answering(*answers: bytes) -> Iterator[int]:
    """Serve one client that gets these answers, one to each message, whatever it asks."""

    def serve() -> None:
        link, _ = server.accept()
        with link:
            for answer in answers:
                link.recv(4096)
                link.sendall(answer)
            with contextlib.suppress(ConnectionResetError):  # the client may leave with bytes it has not read
                link.recv(4096)

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield server.getsockname()[1]
        thread.join(5)


@pytest.mark.parametrize("answer", [struct.pack(">HHI", 0x0111, 5, 0), struct.pack(">HHI", 0x0200, 3, 0)])
def test_what_does_not_speak_usbip_is_told(answer: bytes) -> None:
    with answering(answer) as port, pytest.raises(LinkLost, match="does not speak USB/IP"):
        UsbipLink("127.0.0.1", port, "1-1")


def submitted(number: int, status: int, size: int, data: bytes = b"") -> bytes:
    return struct.pack(">IIIII", 3, number, 0, 0, 0) + struct.pack(">iIIII8x", status, size, 0, 0, 0) + data


def test_more_bytes_than_were_asked_for_are_not_believed() -> None:
    with answering(record_of_device(), submitted(1, 0, 1 << 30)) as port:
        link = UsbipLink("127.0.0.1", port, "1-1")
        with pytest.raises(LinkLost, match="more bytes than were asked for"):
            link.receive(0x81, 64, 1000)
        link.close()


def test_answers_to_what_was_not_asked_are_passed_over_but_not_for_ever() -> None:
    with answering(record_of_device(), submitted(9, 0, 0) + submitted(1, 0, 2, b"ok")) as port:
        link = UsbipLink("127.0.0.1", port, "1-1")
        assert link.receive(0x81, 64, 1000) == b"ok"
        link.close()
    with answering(record_of_device(), submitted(9, 0, 0) * 100) as port:
        link = UsbipLink("127.0.0.1", port, "1-1")
        with pytest.raises(LinkLost, match="answers what was not asked"):
            link.receive(0x81, 64, 1000)
        link.close()


def test_a_transfer_done_while_it_is_taken_back_counts() -> None:
    with answering(record_of_device(), b"", submitted(1, 0, 2, b"ok")) as port:
        link = UsbipLink("127.0.0.1", port, "1-1")
        assert link.receive(0x81, 64, 50) == b"ok"
        link.close()


def test_the_other_end_that_hangs_up_is_told() -> None:
    with answering(record_of_device()) as port:
        link = UsbipLink("127.0.0.1", port, "1-1")
        with pytest.raises(LinkLost, match="hung up"):
            link.receive(0x81, 64, 1000)
        link.close()
        with pytest.raises(LinkLost):
            link.send(1, b"x", 10)


# Addresses


@pytest.mark.parametrize("place", ["10c4", "10c4:xyz", "10c4:ea60:1"])
def test_a_usb_address_has_vendor_and_product_id(place: str) -> None:
    with pytest.raises(InputError, match="write vendor and product id"):
        make_transport(f"usb://{place}")
    assert numbers_of(TransportUrl.parse("usb://10C4:EA60")) == (0x10C4, 0xEA60)


@pytest.mark.parametrize("place", ["host", "host/", "host:99999/1-1", "host/../1"])
def test_a_usbip_address_has_host_and_bus_id(place: str) -> None:
    with pytest.raises(InputError, match="write host and bus id"):
        make_transport(f"usbip://{place}")


def test_several_of_a_kind_are_told_apart_by_serial_number() -> None:
    class Several:
        """A back end with two equal devices but for their numbers."""

        def __init__(self) -> None:
            from hil.usb_backend import LinkBackend

            self.ends = []
            for number in ("1", "2"):
                model = EchoUsb()
                model.strings = {**EchoUsb.strings, 3: number}  # type: ignore[misc]  # of this one alone
                self.ends.append(LinkBackend(ModelLink(model)))

        def enumerate_devices(self) -> list[Any]:
            return self.ends

        def __getattr__(self, name: str) -> Any:
            return lambda end, *rest: getattr(end, name)(end, *rest)

    def reach(options: str) -> UsbTransport:
        url = TransportUrl.parse(f"usb://1234:5678{options}")
        return UsbTransport(url, EvidenceLevel.HARDWARE, Several, numbers_of(url))

    with pytest.raises(InputError, match="2 of them are connected"):
        reach("").open()
    with reach("?serial_number=2") as transport:
        assert transport.settings()["serial_number"] == "2"
    with pytest.raises(LinkLost, match="no such USB device"):
        reach("?serial_number=3").open()


def test_every_emulated_usb_device_names_its_profile_and_weaknesses() -> None:
    for name, kind in usb_models().items():
        assert isinstance(kind, UsbModelKind)
        transport = make_transport(f"medusb://{name}")
        assert transport.level is EvidenceLevel.MODEL
        for weakness in kind.weaknesses:
            assert kind.device(weakness).device_descriptor
