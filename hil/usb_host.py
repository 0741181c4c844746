"""The host's side of USB where we are the host: what a device says about itself, read with care, and its transfers."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Final, Protocol

from hil.clock import Clock, RealClock
from hil.usb_model import Setup, Stall, UsbModel

__all__ = ["Descriptor", "ModelLink", "TransferFailed", "UsbLink", "descriptors_in", "named_fields"]

DEVICE, CONFIGURATION, STRING, INTERFACE, ENDPOINT = 1, 2, 3, 4, 5
GET_STATUS, CLEAR_FEATURE, SET_FEATURE, GET_DESCRIPTOR = 0x00, 0x01, 0x03, 0x06
GET_CONFIGURATION, SET_CONFIGURATION, GET_INTERFACE, SET_INTERFACE = 0x08, 0x09, 0x0A, 0x0B
IN: Final = 0x80
"""Bit of a request type, and of an endpoint: to the host."""
US_ENGLISH: Final = 0x0409
MOST_DESCRIPTORS: Final = 4096
HEAD_BYTES: Final = 2
FIELDS: Final = {
    DEVICE: "bLength:1 bDescriptorType:1 bcdUSB:2 bDeviceClass:1 bDeviceSubClass:1 bDeviceProtocol:1 bMaxPacketSize0:1 "
    "idVendor:2 idProduct:2 bcdDevice:2 iManufacturer:1 iProduct:1 iSerialNumber:1 bNumConfigurations:1",
    CONFIGURATION: "bLength:1 bDescriptorType:1 wTotalLength:2 bNumInterfaces:1 bConfigurationValue:1 iConfiguration:1 "
    "bmAttributes:1 bMaxPower:1",
    INTERFACE: "bLength:1 bDescriptorType:1 bInterfaceNumber:1 bAlternateSetting:1 bNumEndpoints:1 bInterfaceClass:1 "
    "bInterfaceSubClass:1 bInterfaceProtocol:1 iInterface:1",
    ENDPOINT: "bLength:1 bDescriptorType:1 bEndpointAddress:1 bmAttributes:1 wMaxPacketSize:2 bInterval:1",
}
"""Names and sizes in bytes, as in USB 2.0, 9.6."""


class TransferFailed(Exception):
    """A transfer did not succeed; ``error`` is its number as in Linux: EPIPE for a stall, ETIMEDOUT for no answer."""

    def __init__(self, error: int) -> None:
        self.error = error
        super().__init__(errno.errorcode.get(error, str(error)))


class UsbLink(Protocol):
    """A device we can do transfers with, wherever it is; all raise ``TransferFailed``."""

    def control(self, setup: Setup, data: bytes, timeout_ms: int) -> bytes:
        """Do a control transfer; return the data of an IN request."""

    def send(self, endpoint: int, data: bytes, timeout_ms: int) -> int:
        """Do a bulk or interrupt OUT transfer; return the bytes taken."""

    def receive(self, endpoint: int, most_bytes: int, timeout_ms: int) -> bytes:
        """Do a bulk or interrupt IN transfer."""

    def reset(self) -> None:
        """Reset the device over the bus, where the link can do that."""

    def close(self) -> None:
        """Let go of the device."""


@dataclass(frozen=True, slots=True)
class Descriptor:
    """One descriptor, as it stands in the bytes of a device."""

    kind: int
    data: bytes

    @property
    def is_whole(self) -> bool:
        """Whether it has all the bytes its kind must have."""
        return len(self.data) >= sum(int(part[-1]) for part in FIELDS.get(self.kind, "").split())


def descriptors_in(data: bytes) -> Iterator[Descriptor]:
    """Yield the descriptors that stand one after the other in ``data``, up to the first that cannot be right."""
    at = 0
    for _ in range(MOST_DESCRIPTORS):
        size = data[at] if at < len(data) else 0
        if size < HEAD_BYTES or at + size > len(data):
            return
        yield Descriptor(data[at + 1], data[at : at + size])
        at += size


def named_fields(kind: int, data: bytes) -> SimpleNamespace:
    """Return the fields of a descriptor by their names in the specification; missing bytes count as zero."""
    found = SimpleNamespace()
    at = 0
    for part in FIELDS[kind].split():
        name, _, size = part.partition(":")
        setattr(found, name, int.from_bytes(data[at : at + int(size)].ljust(int(size), b"\0"), "little"))
        at += int(size)
    return found


class ModelLink:
    """A USB device that is a program in this process: deals with the standard requests, and hands on the rest."""

    def __init__(self, model: UsbModel, clock: Clock | None = None) -> None:
        self._model = model
        self._clock: Clock = clock or RealClock()
        self._configuration = 0
        self._is_plugged_in = True

    def control(self, setup: Setup, data: bytes, timeout_ms: int) -> bytes:
        """Do a control transfer."""
        self._begin(timeout_ms)
        try:
            answer = self._standard(setup) if setup.request_type in (0x00, 0x80) else self._model.control(setup, data)
        except Stall as error:
            raise TransferFailed(errno.EPIPE) from error
        return answer[: setup.length] if setup.is_in else b""

    def send(self, endpoint: int, data: bytes, timeout_ms: int) -> int:
        """Do an OUT transfer."""
        self._begin(timeout_ms)
        try:
            self._model.bulk_out(endpoint, data)
        except Stall as error:
            raise TransferFailed(errno.EPIPE) from error
        return len(data)

    def receive(self, endpoint: int, most_bytes: int, timeout_ms: int) -> bytes:
        """Do an IN transfer; a device that has nothing to say is not waited for."""
        self._begin(timeout_ms)
        try:
            data = self._model.bulk_in(endpoint, most_bytes)
        except Stall as error:
            raise TransferFailed(errno.EPIPE) from error
        if data is None:
            raise TransferFailed(errno.ETIMEDOUT)
        return data[:most_bytes]

    def reset(self) -> None:
        """Reset the device over the bus; a program that hangs goes on hanging."""
        self._configuration = 0
        self._model.reset()

    def unplug(self) -> None:
        """Take the plug out, and the power with it."""
        self._is_plugged_in = False

    def plug_in(self) -> None:
        """Put the plug in."""
        if not self._is_plugged_in:
            self._is_plugged_in = True
            self._configuration = 0
            self._model.plug_in()

    def close(self) -> None:
        """Start the device anew, as pulling its plug does."""
        self.unplug()
        self.plug_in()

    def _begin(self, timeout_ms: int) -> None:
        """Tell the model the time; ``TransferFailed`` when it is not there, or hangs."""
        if not self._is_plugged_in:
            raise TransferFailed(errno.ENODEV)
        if self._model.is_hung:
            if self._clock.is_virtual:
                self._clock.sleep(timeout_ms / 1000)
            raise TransferFailed(errno.ETIMEDOUT)
        self._model.now_s = self._clock.now_s()

    def _standard(self, setup: Setup) -> bytes:
        """Answer a standard request to the device itself (USB 2.0, 9.4)."""
        if setup.request == GET_DESCRIPTOR:
            return self._descriptor(setup.value >> 8, setup.value & 0xFF)
        if setup.request == SET_CONFIGURATION:
            self._configuration = setup.value & 0xFF
            return b""
        if setup.request == GET_CONFIGURATION:
            return bytes([self._configuration])
        if setup.request == GET_STATUS:
            return bytes(2)
        raise Stall

    def _descriptor(self, kind: int, index: int) -> bytes:
        if kind == DEVICE:
            return self._model.device_descriptor
        if kind == CONFIGURATION and index < len(self._model.configurations):
            return self._model.configurations[index]
        if kind == STRING and index == 0:
            return bytes([4, STRING]) + US_ENGLISH.to_bytes(2, "little")
        if kind == STRING:
            text = self._model.string(index).encode("utf-16-le")
            return bytes([2 + len(text), STRING]) + text
        raise Stall
