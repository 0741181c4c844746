"""A USB device behind the ``Transport`` seam: found by its numbers, its bulk endpoints as a byte stream."""

from __future__ import annotations

import errno
import re
from collections.abc import Callable
from typing import Any, Final

from hil.clock import Clock
from hil.errors import BenchError, LinkLost
from hil.level import EvidenceLevel
from hil.transport import Transport
from hil.transport_url import TransportUrl
from hil.usb_host import DEVICE, GET_DESCRIPTOR, IN, named_fields
from toolkit.core.errors import InputError, MissingExtra

__all__ = ["UsbTransport", "numbers_of", "pyusb", "system_backend"]

PLACE: Final = re.compile(r"([0-9a-f]{4}):([0-9a-f]{4})", re.IGNORECASE)
WRITE_TIMEOUT_MS: Final = 10_000
LEAST_TIMEOUT_MS: Final = 1
GONE: Final = frozenset({errno.ENODEV, errno.ENOENT, errno.ESHUTDOWN, errno.ECONNRESET})
MOST_PACKETS: Final = 64


def pyusb() -> Any:
    """Return the module ``usb``; ``MissingExtra`` when it is not installed."""
    try:
        import usb.core  # type: ignore[import-untyped]
        import usb.util  # type: ignore[import-untyped]
    except ImportError as error:
        raise MissingExtra(feature="a USB device", extra="hil") from error
    return usb


def system_backend() -> Any:
    """Return pyusb's way to the USB devices of this computer; ``InputError`` where libusb is not installed."""
    pyusb()
    import usb.backend.libusb1  # type: ignore[import-untyped]

    backend = usb.backend.libusb1.get_backend()
    if backend is None:
        raise InputError("libusb is not installed on this computer, so no USB device can be reached")
    return backend


class UsbTransport(Transport):
    """``connect`` gives the pyusb back end, ``numbers`` are vendor and product id; None takes the only device."""

    def __init__(
        self,
        url: TransportUrl,
        level: EvidenceLevel,
        connect: Callable[[], Any],
        numbers: tuple[int, int] | None,
        clock: Clock | None = None,
    ) -> None:
        super().__init__(url, level, clock)
        self._connect = connect
        self._numbers = numbers
        self._guarded: Any = None
        self._endpoints: tuple[Any, Any] = (None, None)
        self._facts: dict[str, str] = {}

    def settings(self) -> dict[str, str]:
        """Return the numbers of the device."""
        return dict(self._facts)

    def look_again(self) -> None:
        """Ask for the device descriptor: every device that is alive gives it."""
        usb = pyusb()
        if self.usb_device is None:
            raise LinkLost(f"{self.url}: not connected")
        try:
            data = bytes(self.usb_device.ctrl_transfer(IN, GET_DESCRIPTOR, DEVICE << 8, 0, 18, WRITE_TIMEOUT_MS // 10))
        except usb.core.USBError as error:
            raise LinkLost(f"{self.url}: the device does not say any more what it is: {error}") from error
        found = named_fields(DEVICE, data)
        self._facts |= {"vendor_id": f"{found.idVendor:04x}", "product_id": f"{found.idProduct:04x}"}

    def _open(self) -> None:
        usb = pyusb()
        from hil.usb_backend import GuardedBackend

        try:
            inner = self._connect()
            self._guarded = GuardedBackend(inner, lambda: self.guard, lambda: self.recorder)
            self.usb_device = self._found(usb)
            self._facts = _facts(self.usb_device)
            self._endpoints = self._stream(usb)
        except usb.core.USBError as error:
            raise LinkLost(f"{self.url}: {error}") from error

    def _found(self, usb: Any) -> Any:
        wanted = {} if self._numbers is None else {"idVendor": self._numbers[0], "idProduct": self._numbers[1]}
        number = self.url.options.get("serial_number")
        found = [d for d in usb.core.find(find_all=True, backend=self._guarded, **wanted) if _has_number(d, number)]
        if not found:
            raise LinkLost(f"{self.url}: no such USB device is connected")
        if len(found) > 1:
            raise InputError(f"{self.url}: {len(found)} of them are connected; name one with ?serial_number=")
        return found[0]

    def _stream(self, usb: Any) -> tuple[Any, Any]:
        """Return the endpoints of the first interface that can carry a byte stream: out and in, None without one."""
        wanted = self.url.options.get("interface")
        for configuration in self.usb_device:
            for interface in configuration:
                if wanted is not None and interface.bInterfaceNumber != self.url.number("interface", 0):
                    continue
                pair = _pair(usb, interface)
                if pair is not None:
                    self._take(configuration)
                    return pair
        return (None, None)

    def _take(self, configuration: Any) -> None:
        if self._guarded.get_configuration(self.usb_device._ctx.handle or self._handle()) == 0:  # noqa: SLF001
            self.usb_device.set_configuration(configuration.bConfigurationValue)

    def _handle(self) -> Any:
        self.usb_device._ctx.managed_open()  # noqa: SLF001  # pyusb opens a device at its first transfer otherwise
        return self.usb_device._ctx.handle  # noqa: SLF001

    def _close(self) -> None:
        device, self.usb_device, self._guarded = self.usb_device, None, None
        self._endpoints = (None, None)
        if device is not None:
            pyusb().util.dispose_resources(device)

    def _write(self, data: bytes) -> None:
        out, _ = self._endpoints
        if out is None:
            raise BenchError(f"{self.url}: no interface of the device carries a byte stream")
        self._guarded.stream_was_checked = True
        try:
            out.write(data, WRITE_TIMEOUT_MS)
        except pyusb().core.USBError as error:
            raise LinkLost(f"{self.url}: {error}") from error
        finally:
            self._guarded.stream_was_checked = False

    def _read(self, most_bytes: int, timeout_s: float) -> bytes:
        _, source = self._endpoints
        if source is None:
            self.clock.sleep(timeout_s)
            return b""
        usb = pyusb()
        size = min(max(most_bytes, source.wMaxPacketSize), source.wMaxPacketSize * MOST_PACKETS)
        try:
            return bytes(source.read(size, max(LEAST_TIMEOUT_MS, int(timeout_s * 1000))))
        except usb.core.USBTimeoutError:
            if self.clock.is_virtual:
                self.clock.sleep(timeout_s)
            return b""
        except usb.core.USBError as error:
            if error.errno in GONE or error.errno is None:
                raise LinkLost(f"{self.url}: {error}") from error
            raise BenchError(f"{self.url}: {error}") from error


def numbers_of(url: TransportUrl) -> tuple[int, int]:
    """Return vendor and product id of a place such as ``10c4:ea60``; ``InputError`` when it is not written so."""
    match = PLACE.fullmatch(url.place)
    if match is None:
        raise InputError(f"{url}: write vendor and product id, such as usb://10c4:ea60")
    return int(match[1], 16), int(match[2], 16)


def _facts(device: Any) -> dict[str, str]:
    facts = {"vendor_id": f"{device.idVendor:04x}", "product_id": f"{device.idProduct:04x}"}
    number = _text(device, "serial_number")
    return {**facts, "serial_number": number} if number else facts


def _has_number(device: Any, wanted: str | None) -> bool:
    return wanted is None or _text(device, "serial_number") == wanted


def _text(device: Any, name: str) -> str:
    """Return a text the device has about itself; empty where it has none or will not tell."""
    try:
        return str(getattr(device, name) or "")
    except (ValueError, OSError, NotImplementedError):  # pyusb's USBError is an OSError
        return ""


def _pair(usb: Any, interface: Any) -> tuple[Any, Any] | None:
    """Return the first OUT and IN endpoint that are bulk or interrupt; None when one is missing."""
    ends: dict[int, Any] = {}
    for endpoint in interface:
        if usb.util.endpoint_type(endpoint.bmAttributes) in (usb.util.ENDPOINT_TYPE_BULK, usb.util.ENDPOINT_TYPE_INTR):
            ends.setdefault(usb.util.endpoint_direction(endpoint.bEndpointAddress), endpoint)
    if usb.util.ENDPOINT_OUT in ends and usb.util.ENDPOINT_IN in ends:
        return ends[usb.util.ENDPOINT_OUT], ends[usb.util.ENDPOINT_IN]
    return None
