"""pyusb back ends: one over any ``UsbLink``, and one around any other that guards and records every transfer."""

from __future__ import annotations

import array
import errno
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final

import usb.backend  # type: ignore[import-untyped]
import usb.core  # type: ignore[import-untyped]

from hil.guard import WriteGuard
from hil.record import Recorder
from hil.usb_host import (
    CLEAR_FEATURE,
    CONFIGURATION,
    DEVICE,
    ENDPOINT,
    GET_CONFIGURATION,
    GET_DESCRIPTOR,
    IN,
    INTERFACE,
    SET_CONFIGURATION,
    SET_INTERFACE,
    Descriptor,
    TransferFailed,
    UsbLink,
    descriptors_in,
    named_fields,
)
from hil.usb_model import Setup

__all__ = ["GuardedBackend", "LinkBackend"]

TIMEOUT_MS: Final = 1000
MOST_CONFIGURATION_BYTES: Final = 0xFFFF


class LinkBackend(usb.backend.IBackend):  # type: ignore[misc]  # pyusb has no types
    """Lets pyusb talk over ``link``. There is one device; what it says about itself is read once, and may be wrong."""

    def __init__(self, link: UsbLink) -> None:
        super().__init__()
        self._link = link
        self._device = named_fields(DEVICE, self._get(DEVICE, 0, 18))
        self._configurations: dict[int, bytes] = {}

    def _get(self, kind: int, index: int, size: int) -> bytes:
        setup = Setup(IN, GET_DESCRIPTOR, kind << 8 | index, 0, size)
        return self._standard(setup)

    def _try(self, transfer: Callable[[], Any]) -> Any:
        try:
            return transfer()
        except TransferFailed as error:
            kind = usb.core.USBTimeoutError if error.error == errno.ETIMEDOUT else usb.core.USBError
            raise kind(str(error), -error.error, error.error) from error

    # What the device is

    def enumerate_devices(self) -> Iterator[Any]:
        """Yield the one device."""
        yield self

    def get_parent(self, _dev: Any) -> None:
        """Return no hub: none is known."""

    def get_device_descriptor(self, _dev: Any) -> Any:
        """Return the device descriptor, with what pyusb wants to know beside it."""
        for name in ("address", "bus", "port_number"):
            setattr(self._device, name, 1)
        self._device.port_numbers = (1,)
        self._device.speed = None
        return self._device

    def _configuration(self, index: int) -> bytes:
        if index not in self._configurations:
            head = self._get(CONFIGURATION, index, 9)
            size = named_fields(CONFIGURATION, head).wTotalLength
            self._configurations[index] = self._get(CONFIGURATION, index, max(size, len(head)))
        return self._configurations[index]

    def get_configuration_descriptor(self, _dev: Any, config: int) -> Any:
        """Return a configuration descriptor."""
        data = self._configuration(config)
        found = named_fields(CONFIGURATION, data)
        interfaces = _first_settings(descriptors_in(data))
        found.bNumInterfaces = min(found.bNumInterfaces, len(interfaces))
        found.extra_descriptors = []
        return found

    def get_interface_descriptor(self, _dev: Any, intf: int, alt: int, config: int) -> Any:
        """Return an interface descriptor; ``IndexError`` when there is none, as pyusb expects."""
        part = self._interface(intf, alt, config)
        found = named_fields(INTERFACE, part[0].data)
        endpoints = [d for d in part if d.kind == ENDPOINT]
        found.bNumEndpoints = min(found.bNumEndpoints, len(endpoints))
        found.extra_descriptors = [byte for d in part[1:] if d.kind != ENDPOINT for byte in d.data]
        return found

    def get_endpoint_descriptor(self, _dev: Any, ep: int, intf: int, alt: int, config: int) -> Any:
        """Return an endpoint descriptor."""
        endpoints = [d for d in self._interface(intf, alt, config) if d.kind == ENDPOINT]
        found = named_fields(ENDPOINT, endpoints[ep].data)
        found.bRefresh = found.bSynchAddress = 0
        found.extra_descriptors = []
        return found

    def _interface(self, index: int, alternate: int, config: int) -> list[Descriptor]:
        """Return the descriptors of one interface: its own first, then those that belong to it."""
        groups = _interfaces(descriptors_in(self._configuration(config)))
        numbers = list(dict.fromkeys(named_fields(INTERFACE, group[0].data).bInterfaceNumber for group in groups))
        same = [g for g in groups if named_fields(INTERFACE, g[0].data).bInterfaceNumber == numbers[index]]
        return same[alternate]

    # Talking

    def open_device(self, dev: Any) -> Any:
        """Return what the calls below are given; nothing has to be opened."""
        return dev

    def close_device(self, _handle: Any) -> None:
        """Do nothing; the link is closed by who made it."""

    def set_configuration(self, _handle: Any, config_value: int) -> None:
        """Choose a configuration."""
        self._standard(Setup(0, SET_CONFIGURATION, config_value, 0, 0))

    def get_configuration(self, _handle: Any) -> int:
        """Return the number of the configuration that is chosen, 0 for none."""
        answer = self._standard(Setup(IN, GET_CONFIGURATION, 0, 0, 1))
        return answer[0] if answer else 0

    def set_interface_altsetting(self, _handle: Any, intf: int, altsetting: int) -> None:
        """Choose a setting of an interface."""
        self._standard(Setup(1, SET_INTERFACE, altsetting, intf, 0))

    def clear_halt(self, _handle: Any, ep: int) -> None:
        """End the halt of an endpoint."""
        self._standard(Setup(2, CLEAR_FEATURE, 0, ep, 0))

    def claim_interface(self, _handle: Any, _intf: int) -> None:
        """Do nothing: the device is ours alone."""

    def release_interface(self, _handle: Any, _intf: int) -> None:
        """Do nothing."""

    def reset_device(self, _handle: Any) -> None:
        """Reset the device over the bus."""
        self._try(self._link.reset)

    def is_kernel_driver_active(self, _handle: Any, _intf: int) -> bool:
        """Say no: no system has the device."""
        return False

    def _standard(self, setup: Setup) -> bytes:
        answer: bytes = self._try(lambda: self._link.control(setup, b"", TIMEOUT_MS))
        return answer

    def ctrl_transfer(
        self,
        _handle: Any,
        request_type: int,
        request: int,
        value: int,
        index: int,
        data: Any,
        timeout: int,
    ) -> int:
        """Do a control transfer."""
        setup = Setup(request_type, request, value, index, len(data) * data.itemsize)
        answer = self._try(lambda: self._link.control(setup, b"" if setup.is_in else data.tobytes(), timeout))
        return _fill(data, answer) if setup.is_in else len(data)

    def bulk_write(self, _handle: Any, ep: int, _intf: int, data: Any, timeout: int) -> int:
        """Do an OUT transfer."""
        size: int = self._try(lambda: self._link.send(ep, data.tobytes(), timeout))
        return size

    def bulk_read(self, _handle: Any, ep: int, _intf: int, buff: Any, timeout: int) -> int:
        """Do an IN transfer."""
        return _fill(buff, self._try(lambda: self._link.receive(ep, len(buff) * buff.itemsize, timeout)))

    intr_write = bulk_write
    intr_read = bulk_read


class GuardedBackend:
    """A back end that hands everything on to ``inner``; refuses what the guard refuses, and writes down every transfer.

    ``guard`` and ``recorder`` are asked for at each transfer, because a device is given its profile after it was found.
    """

    def __init__(self, inner: Any, guard: Callable[[], WriteGuard], recorder: Callable[[], Recorder]) -> None:
        self._inner = inner
        self._guard = guard
        self._recorder = recorder
        self.stream_was_checked = False
        """Set while ``Transport.write`` sends, which has asked the guard itself."""

    def __getattr__(self, name: str) -> Any:
        """Hand on what is not a transfer."""
        return getattr(self._inner, name)

    def ctrl_transfer(
        self,
        handle: Any,
        request_type: int,
        request: int,
        value: int,
        index: int,
        data: Any,
        timeout: int,
    ) -> Any:
        """Do a control transfer; only descriptors may be asked for before the device has proven who it is."""
        setup = Setup(request_type, request, value, index, len(data) * data.itemsize)
        if (request_type, request) not in ((IN, GET_DESCRIPTOR), (IN | 1, GET_DESCRIPTOR)):
            self._guard().check_message(setup.build() + (b"" if setup.is_in else data.tobytes()))

        def transfer() -> Any:
            return self._inner.ctrl_transfer(handle, request_type, request, value, index, data, timeout)

        return self._recorded(IN if setup.is_in else 0, data, transfer, setup.build())

    def bulk_write(self, handle: Any, ep: int, intf: int, data: Any, timeout: int) -> Any:
        """Do a bulk OUT transfer."""
        return self._out(self._inner.bulk_write, handle, ep, intf, data, timeout)

    def intr_write(self, handle: Any, ep: int, intf: int, data: Any, timeout: int) -> Any:
        """Do an interrupt OUT transfer."""
        return self._out(self._inner.intr_write, handle, ep, intf, data, timeout)

    def bulk_read(self, handle: Any, ep: int, intf: int, buff: Any, timeout: int) -> Any:
        """Do a bulk IN transfer."""
        return self._recorded(ep, buff, lambda: self._inner.bulk_read(handle, ep, intf, buff, timeout))

    def intr_read(self, handle: Any, ep: int, intf: int, size: Any, timeout: int) -> Any:
        """Do an interrupt IN transfer."""
        return self._recorded(ep, size, lambda: self._inner.intr_read(handle, ep, intf, size, timeout))

    def _out(self, write: Callable[..., Any], handle: Any, ep: int, intf: int, data: Any, timeout: int) -> Any:
        if not self.stream_was_checked:
            self._guard().check(data.tobytes())
        return self._recorded(ep, data, lambda: write(handle, ep, intf, data, timeout))

    def _recorded(self, endpoint: int, data: Any, transfer: Callable[[], Any], setup: bytes = b"") -> Any:
        try:
            size = transfer()
        except usb.core.USBError as error:
            self._recorder().usb(endpoint, b"", setup=setup, status=error.errno or errno.EIO)
            raise
        shown = data.tobytes()[:size] if endpoint & IN else data.tobytes()
        self._recorder().usb(endpoint, shown, setup=setup)
        return size


def _interfaces(descriptors: Iterable[Descriptor]) -> list[list[Descriptor]]:
    """Return each interface descriptor that is whole, with the descriptors that follow it."""
    groups: list[list[Descriptor]] = []
    for descriptor in descriptors:
        if not descriptor.is_whole:
            continue
        if descriptor.kind == INTERFACE:
            groups.append([descriptor])
        elif groups:
            groups[-1].append(descriptor)
    return groups


def _first_settings(descriptors: Iterable[Descriptor]) -> set[int]:
    return {named_fields(INTERFACE, group[0].data).bInterfaceNumber for group in _interfaces(descriptors)}


def _fill(buffer: array.array[int], answer: bytes) -> int:
    """Put ``answer`` at the start of ``buffer`` and return its size; what does not fit is lost, as on the bus."""
    room = len(buffer) * buffer.itemsize
    memoryview(buffer).cast("B")[: min(room, len(answer))] = answer[:room]
    return min(room, len(answer))
