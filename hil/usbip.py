"""USB/IP: USB transfers over TCP. Both ends: a link to a device that is exported, and an exporter for emulated devices.

Source: Linux kernel, Documentation/usb/usbip_protocol.rst (version 1.1.1). All numbers are big endian.
"""

from __future__ import annotations

import errno
import socket
import struct
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Final, Self

from hil.errors import LinkLost
from hil.usb_host import CONFIGURATION, DEVICE, INTERFACE, ModelLink, TransferFailed, descriptors_in, named_fields
from hil.usb_model import Setup, UsbModel

__all__ = ["EMULATED_PATH", "PORT", "Exporter", "UsbipLink"]

PORT: Final = 3240
"""Registered for USB/IP."""
VERSION: Final = 0x0111
REQUEST_LIST, REPLY_LIST, REQUEST_IMPORT, REPLY_IMPORT = 0x8005, 0x0005, 0x8003, 0x0003
SUBMIT, UNLINK, SUBMITTED, UNLINKED = 1, 2, 3, 4
OPERATION: Final = struct.Struct(">HHI")
DEVICE_RECORD: Final = struct.Struct(">256s32sIIIHHHBBBBBB")
INTERFACE_RECORD: Final = struct.Struct(">BBBx")
COMMAND: Final = struct.Struct(">IIIII")
SUBMIT_REST: Final = struct.Struct(">IiIII8s")
RESULT_REST: Final = struct.Struct(">iIIII8x")
UNLINK_REST: Final = struct.Struct(">I24x")
NOT_ISOCHRONOUS: Final = 0xFFFF_FFFF
HIGH_SPEED: Final = 3
CONNECT_TIMEOUT_S: Final = 5.0
SLACK_S: Final = 5.0
"""How long the other end may take beyond the time of a transfer to answer that it took too long."""
MOST_TRANSFER_BYTES: Final = 1 << 20
MOST_PASSED_OVER: Final = 64
BUS_ID_BYTES: Final = 32
EMULATED_PATH: Final = "/medharden/emulated/"
"""Start of the path our exporter gives, so that nobody takes its devices for real ones."""


class UsbipLink:
    """One exported device, attached as long as this link is open."""

    def __init__(self, host: str, port: int, busid: str) -> None:
        self._where = f"usbip://{host}:{port}/{busid}"
        try:
            self._socket = socket.create_connection((host, port), timeout=CONNECT_TIMEOUT_S)
        except OSError as error:
            raise LinkLost(f"{self._where}: cannot be reached: {error.strerror or error}") from error
        try:
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.path, self._device_id = self._import(busid)
        except BaseException:
            self._socket.close()
            raise
        self._number = 0

    def _import(self, busid: str) -> tuple[str, int]:
        """Attach the device; return its path on the other computer, and its number there."""
        self._put(OPERATION.pack(VERSION, REQUEST_IMPORT, 0) + busid.encode().ljust(BUS_ID_BYTES, b"\0"))
        version, code, status = OPERATION.unpack(self._get(OPERATION.size))
        if code != REPLY_IMPORT or version >> 8 != VERSION >> 8:
            raise LinkLost(f"{self._where}: what answers there does not speak USB/IP {VERSION >> 8}")
        if status != 0:
            raise LinkLost(f"{self._where}: the device is not exported, or in use")
        record = DEVICE_RECORD.unpack(self._get(DEVICE_RECORD.size))
        return record[0].partition(b"\0")[0].decode("latin-1"), record[2] << 16 | record[3]

    def control(self, setup: Setup, data: bytes, timeout_ms: int) -> bytes:
        """Do a control transfer."""
        size = setup.length if setup.is_in else len(data)
        return self._transfer(0, data, size, timeout_ms, is_in=setup.is_in, setup=setup.build())[1]

    def send(self, endpoint: int, data: bytes, timeout_ms: int) -> int:
        """Do an OUT transfer."""
        return self._transfer(endpoint & 0x0F, data, len(data), timeout_ms, is_in=False)[0]

    def receive(self, endpoint: int, most_bytes: int, timeout_ms: int) -> bytes:
        """Do an IN transfer."""
        return self._transfer(endpoint & 0x0F, b"", most_bytes, timeout_ms, is_in=True)[1]

    def reset(self) -> None:
        """Do nothing: the protocol has no reset; closing and opening anew does the same."""

    def close(self) -> None:
        """Detach the device."""
        self._socket.close()

    def _transfer(
        self, endpoint: int, data: bytes, size: int, timeout_ms: int, *, is_in: bool, setup: bytes = bytes(8)
    ) -> tuple[int, bytes]:
        """Do one transfer; return the bytes moved, and what came in."""
        self._number += 1
        head = COMMAND.pack(SUBMIT, self._number, self._device_id, int(is_in), endpoint)
        rest = SUBMIT_REST.pack(0, size, 0, NOT_ISOCHRONOUS, 0, setup)
        self._put(head + rest + (b"" if is_in else data))
        found = self._result(self._number, is_in=is_in, most_bytes=size, wait_s=timeout_ms / 1000)
        return found if found is not None else self._taken_back(is_in=is_in, most_bytes=size)

    def _taken_back(self, *, is_in: bool, most_bytes: int) -> tuple[int, bytes]:
        """Take back a transfer that takes too long; it may just have been done."""
        pending = self._number
        self._number += 1
        self._put(COMMAND.pack(UNLINK, self._number, self._device_id, 0, 0) + UNLINK_REST.pack(pending))
        found = self._result(pending, is_in=is_in, most_bytes=most_bytes, wait_s=SLACK_S, unlink=self._number)
        if found is None:
            raise TransferFailed(errno.ETIMEDOUT)
        return found

    def _result(
        self, number: int, *, is_in: bool, most_bytes: int, wait_s: float, unlink: int | None = None
    ) -> tuple[int, bytes] | None:
        """Return what became of transfer ``number``; None when it was taken back, or not done within ``wait_s``."""
        end_s = time.monotonic() + wait_s
        for _ in range(MOST_PASSED_OVER):
            first = self._get_within(end_s - time.monotonic())
            if first is None:
                return None
            command, seen, *_ = COMMAND.unpack(first + self._get(COMMAND.size - len(first)))
            status, size, *_ = RESULT_REST.unpack(self._get(RESULT_REST.size))
            if command == UNLINKED and seen == unlink:
                return None
            if command == SUBMITTED and seen == number:
                return self._finished(status, size, is_in=is_in, most_bytes=most_bytes)
        raise self._lost("it answers what was not asked")

    def _finished(self, status: int, size: int, *, is_in: bool, most_bytes: int) -> tuple[int, bytes]:
        if size > min(most_bytes, MOST_TRANSFER_BYTES):
            raise self._lost("it claims more bytes than were asked for")
        data = self._get(size) if is_in else b""
        if status != 0:
            raise TransferFailed(-status)
        return size, data

    def _get_within(self, wait_s: float) -> bytes | None:
        """Return the first byte of what comes next; None when nothing does within ``wait_s``."""
        try:
            self._socket.settimeout(max(wait_s, 0.001))
            data = self._socket.recv(1)
        except TimeoutError:
            return None
        except OSError as error:
            raise self._lost(error.strerror or str(error)) from error
        if not data:
            raise self._lost("the other end has hung up")
        return data

    def _get(self, size: int) -> bytes:
        try:
            self._socket.settimeout(SLACK_S)
            return _exactly(self._socket, size)
        except OSError as error:
            raise self._lost(error.strerror or str(error)) from error

    def _put(self, data: bytes) -> None:
        try:
            self._socket.settimeout(SLACK_S)
            self._socket.sendall(data)
        except OSError as error:
            raise self._lost(error.strerror or str(error)) from error

    def _lost(self, why: str) -> LinkLost:
        return LinkLost(f"{self._where}: {why}")


@dataclass(slots=True)
class _Pending:
    """An IN transfer the device has not answered yet."""

    number: int
    endpoint: int
    size: int


class Exporter:
    """Exports emulated devices by bus id, on loopback, so that a Linux kernel or ``UsbipLink`` can attach them.

    A context manager: one thread accepts, one serves each connection; all end with it.
    """

    def __init__(self, devices: Mapping[str, UsbModel], port: int = 0) -> None:
        self._devices = dict(devices)
        self._server = socket.create_server(("127.0.0.1", port))
        self.port: int = self._server.getsockname()[1]
        self._threads: list[threading.Thread] = []
        self._links: list[socket.socket] = []

    def __enter__(self) -> Self:
        """Begin to serve."""
        self._start(self._accept)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Detach all devices and stop."""
        self._server.close()
        with socket.socket() as knock:  # accept() may hold on to a closed socket until somebody knocks
            knock.settimeout(0.1)
            knock.connect_ex(("127.0.0.1", self.port))
        for link in list(self._links):
            _shut(link)
        for thread in self._threads:
            thread.join(CONNECT_TIMEOUT_S)

    def _start(self, work: Callable[..., None], *arguments: object) -> None:
        thread = threading.Thread(target=work, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                link, _ = self._server.accept()
            except OSError:
                return
            link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._links.append(link)
            self._start(self._serve, link)

    def _serve(self, link: socket.socket) -> None:
        try:
            with link:
                self._operation(link)
        except (OSError, struct.error):
            return  # the client has gone, or speaks nonsense: it is let go, the others stay

    def _operation(self, link: socket.socket) -> None:
        _, code, _ = OPERATION.unpack(_exactly(link, OPERATION.size))
        if code == REQUEST_LIST:
            records = [_record(busid, model) + _interface_records(model) for busid, model in self._devices.items()]
            head = OPERATION.pack(VERSION, REPLY_LIST, 0) + struct.pack(">I", len(records))
            link.sendall(head + b"".join(records))
        elif code == REQUEST_IMPORT:
            busid = _exactly(link, BUS_ID_BYTES).partition(b"\0")[0].decode("latin-1")
            model = self._devices.get(busid)
            if model is None:
                link.sendall(OPERATION.pack(VERSION, REPLY_IMPORT, 1))
                return
            link.sendall(OPERATION.pack(VERSION, REPLY_IMPORT, 0) + _record(busid, model))
            _Attached(link, ModelLink(model)).serve()


class _Attached:
    """Serves one device to one client until that hangs up."""

    def __init__(self, link: socket.socket, device: ModelLink) -> None:
        self._link = link
        self._device = device
        self._pending: list[_Pending] = []

    def serve(self) -> None:
        """Do what the client asks."""
        try:
            while True:
                command, number, _, direction, endpoint = COMMAND.unpack(_exactly(self._link, COMMAND.size))
                if command == UNLINK:
                    self._unlink(number, UNLINK_REST.unpack(_exactly(self._link, UNLINK_REST.size))[0])
                elif command == SUBMIT:
                    self._submit(number, endpoint, is_in=bool(direction))
                else:
                    return
        finally:
            self._device.close()

    def _submit(self, number: int, endpoint: int, *, is_in: bool) -> None:
        _, size, _, _, _, packet = SUBMIT_REST.unpack(_exactly(self._link, SUBMIT_REST.size))
        if not 0 <= size <= MOST_TRANSFER_BYTES:
            raise OSError("a transfer of this size is not served")
        data = b"" if is_in else _exactly(self._link, size)
        if endpoint == 0:
            setup = Setup.parse(packet)
            self._answer(number, size, lambda: self._device.control(setup, data, 0), is_in=is_in)
        elif is_in:
            self._pending.append(_Pending(number, endpoint, size))
        else:
            self._answer(number, size, lambda: self._sent(endpoint, data), is_in=False)
        self._answer_pending()

    def _answer_pending(self) -> None:
        """Answer the IN transfers for which the device has something by now; the others wait (NAK)."""
        for transfer in list(self._pending):
            try:
                data = self._device.receive(transfer.endpoint | 0x80, transfer.size, 0)
            except TransferFailed as error:
                if error.error == errno.ETIMEDOUT:
                    continue
                self._put_result(transfer.number, -error.error, 0, b"")
            else:
                self._put_result(transfer.number, 0, len(data), data)
            self._pending.remove(transfer)

    def _sent(self, endpoint: int, data: bytes) -> bytes:
        self._device.send(endpoint, data, 0)
        return b""

    def _answer(self, number: int, size: int, transfer: Callable[[], bytes], *, is_in: bool) -> None:
        try:
            data = transfer()
        except TransferFailed as error:
            self._put_result(number, -error.error, 0, b"")
        else:
            self._put_result(number, 0, len(data) if is_in else size, data)

    def _put_result(self, number: int, status: int, size: int, data: bytes) -> None:
        head = COMMAND.pack(SUBMITTED, number, 0, 0, 0)
        self._link.sendall(head + RESULT_REST.pack(status, size, 0, NOT_ISOCHRONOUS, 0) + data)

    def _unlink(self, number: int, pending: int) -> None:
        waiting = [transfer for transfer in self._pending if transfer.number == pending]
        for transfer in waiting:
            self._pending.remove(transfer)
        status = -errno.ECONNRESET if waiting else 0
        head = COMMAND.pack(UNLINKED, number, 0, 0, 0)
        self._link.sendall(head + RESULT_REST.pack(status, 0, 0, 0, 0))


def _record(busid: str, model: UsbModel) -> bytes:
    """Return how a device is told to a client; its device number is the last digits of its bus id."""
    device = named_fields(DEVICE, model.device_descriptor)
    configuration = named_fields(CONFIGURATION, model.configurations[0] if model.configurations else b"")
    number = int(busid.rpartition("-")[2].partition(".")[0] or 1)
    return DEVICE_RECORD.pack(
        f"{EMULATED_PATH}{busid}".encode(),
        busid.encode(),
        1,
        number + 1,
        HIGH_SPEED,
        device.idVendor,
        device.idProduct,
        device.bcdDevice,
        device.bDeviceClass,
        device.bDeviceSubClass,
        device.bDeviceProtocol,
        configuration.bConfigurationValue,
        len(model.configurations),
        len(_interfaces_of(model)),
    )


def _interfaces_of(model: UsbModel) -> list[bytes]:
    found = descriptors_in(model.configurations[0] if model.configurations else b"")
    return [d.data for d in found if d.kind == INTERFACE and d.is_whole and d.data[3] == 0]


def _interface_records(model: UsbModel) -> bytes:
    return b"".join(INTERFACE_RECORD.pack(*data[5:8]) for data in _interfaces_of(model))


def _exactly(link: socket.socket, size: int) -> bytes:
    """Return ``size`` bytes; ``OSError`` when the other end hangs up before."""
    parts = bytearray()
    while len(parts) < size:
        data = link.recv(min(size - len(parts), 1 << 16))
        if not data:
            raise ConnectionResetError(errno.ECONNRESET, "the other end has hung up")
        parts += data
    return bytes(parts)


def _shut(link: socket.socket) -> None:
    try:
        link.shutdown(socket.SHUT_RDWR)
    except OSError:
        return  # it was closed already
