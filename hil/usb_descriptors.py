"""What the descriptors of a USB device say, and what is wrong with them. Sources: USB 2.0, 9.6; USB-IF class codes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from device_profiles.vocabulary import UsbClass
from hil.usb_host import CONFIGURATION, DEVICE, ENDPOINT, INTERFACE, descriptors_in, named_fields

__all__ = ["UsbInterface", "configuration_problems", "device_problems", "interfaces_in", "unexpected"]

DEVICE_BYTES: Final = 18
CDC, CDC_DATA = 0x02, 0x0A
ABSTRACT_CONTROL: Final = 2
APPLICATION, DFU_SUBCLASS = 0xFE, 1
BY_CLASS: Final = {
    0x03: UsbClass.HID,
    0x08: UsbClass.MASS_STORAGE,
    0x0F: UsbClass.PERSONAL_HEALTHCARE,
    0xFF: UsbClass.VENDOR,
    CDC_DATA: UsbClass.CDC_ACM,
}
"""The data interface of CDC belongs to the one that controls it."""


@dataclass(frozen=True, slots=True)
class UsbInterface:
    """One interface as its descriptor says."""

    number: int
    base_class: int
    subclass: int
    protocol: int

    @property
    def kind(self) -> UsbClass | None:
        """What it is in the words of a profile; None for what a profile has no word for."""
        if (self.base_class, self.subclass) == (CDC, ABSTRACT_CONTROL):
            return UsbClass.CDC_ACM
        if (self.base_class, self.subclass) == (APPLICATION, DFU_SUBCLASS):
            return UsbClass.DFU
        return BY_CLASS.get(self.base_class)

    def __str__(self) -> str:
        """Return it in words, with the numbers."""
        numbers = f"{self.base_class:02x}/{self.subclass:02x}/{self.protocol:02x}"
        return f"interface {self.number}: {self.kind or 'of another class'} ({numbers})"


def interfaces_in(configuration: bytes) -> list[UsbInterface]:
    """Return every interface in the bytes of a configuration, each alternate setting too."""
    fields = (named_fields(INTERFACE, d.data) for d in descriptors_in(configuration) if d.kind == INTERFACE)
    return [
        UsbInterface(f.bInterfaceNumber, f.bInterfaceClass, f.bInterfaceSubClass, f.bInterfaceProtocol) for f in fields
    ]


def unexpected(interfaces: list[UsbInterface], expected: tuple[UsbClass, ...]) -> list[UsbInterface]:
    """Return the interfaces that the profile does not expect. A converter chip calls its own class vendor."""
    allowed = {*expected, UsbClass.VENDOR} if UsbClass.SERIAL_BRIDGE in expected else set(expected)
    return [interface for interface in interfaces if interface.kind not in allowed]


def device_problems(data: bytes) -> Iterator[str]:
    """Yield what is wrong with a device descriptor."""
    found = named_fields(DEVICE, data)
    if len(data) != DEVICE_BYTES or found.bLength != DEVICE_BYTES:
        yield f"the device descriptor has {len(data)} bytes and says {found.bLength}; {DEVICE_BYTES} are right"
    if found.bDescriptorType != DEVICE:
        yield f"the device descriptor says that it is of type {found.bDescriptorType}"


def configuration_problems(data: bytes) -> Iterator[str]:
    """Yield what is wrong with a configuration and all that stands behind it."""
    head = named_fields(CONFIGURATION, data)
    if head.wTotalLength != len(data):
        yield f"a configuration says that it has {head.wTotalLength} bytes, and {len(data)} came"
    whole = list(descriptors_in(data))
    end = sum(len(descriptor.data) for descriptor in whole)
    if end < len(data):
        yield f"the descriptor at byte {end} of a configuration says that it has {data[end]} bytes"
    if any(not descriptor.is_whole for descriptor in whole):
        yield "a descriptor is shorter than its type must be"
    yield from _count_problems(data, head.bNumInterfaces)


def _count_problems(data: bytes, claimed: int) -> Iterator[str]:
    numbers = {interface.number for interface in interfaces_in(data)}
    if len(numbers) != claimed:
        yield f"a configuration says that it has {claimed} interfaces, and has {len(numbers)}"
    endpoints_left = 0
    for descriptor in descriptors_in(data):
        if descriptor.kind == INTERFACE:
            if endpoints_left:
                yield f"an interface says that it has {endpoints_left} more endpoints than it has"
            endpoints_left = named_fields(INTERFACE, descriptor.data).bNumEndpoints
        elif descriptor.kind == ENDPOINT:
            endpoints_left -= 1
    if endpoints_left:
        yield f"an interface says that it has {endpoints_left} more endpoints than it has"
