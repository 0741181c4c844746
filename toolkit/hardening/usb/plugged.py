"""What may be plugged into the device: from the USB ports of its profile, everything else is refused."""

from __future__ import annotations

from dataclasses import dataclass

from device_profiles.schema import DeviceProfile, Interface
from device_profiles.vocabulary import InterfaceType, UpdateChannel, UsbClass
from toolkit.hardening.subject import HardeningSubject
from toolkit.report.printable import printable

__all__ = ["CLASS_CODES", "Allowed", "allowed_devices", "no_usb_port"]

CLASS_CODES: dict[UsbClass, tuple[str, ...]] = {
    UsbClass.SERIAL_BRIDGE: ("ff:*:*",),
    UsbClass.CDC_ACM: ("02:02:*", "0a:*:*"),
    UsbClass.HID: ("03:*:*",),
    UsbClass.MASS_STORAGE: ("08:06:50",),
    UsbClass.PERSONAL_HEALTHCARE: ("0f:*:*",),
    UsbClass.DFU: ("fe:01:*",),
    UsbClass.VENDOR: ("ff:*:*",),
}
"""Class, subclass and protocol of the interfaces; source: USB-IF, Defined Class Codes."""


@dataclass(frozen=True, slots=True)
class Allowed:
    """Devices that may be plugged in."""

    reason: str
    """Where the profile says so, in words."""
    classes: tuple[UsbClass, ...]
    vendor_id: int | None = None
    product_id: int | None = None

    @property
    def codes(self) -> tuple[str, ...]:
        """Codes of the interfaces such a device may have, each once."""
        return tuple(dict.fromkeys(code for kind in self.classes for code in CLASS_CODES[kind]))


def allowed_devices(profile: DeviceProfile) -> tuple[Allowed, ...]:
    """Return what may be plugged in, by the profile; nothing where it says nothing."""
    found = [_stated(interface) for interface in _ports(profile)]
    channels = profile.update.channels or ()
    if _ports(profile) and UpdateChannel.USB_STICK in channels and not any(found):
        found.append(Allowed("updates come on a USB stick", (UsbClass.MASS_STORAGE,)))
    return tuple(allowed for allowed in found if allowed is not None)


def no_usb_port(subject: HardeningSubject) -> str:
    """Return why rules for USB make no sense; empty when they do."""
    return "" if _ports(subject.profile) else "the profile knows no USB port into which something is plugged"


def _ports(profile: DeviceProfile) -> list[Interface]:
    return [interface for interface in profile.interfaces if interface.type is InterfaceType.USB_HOST]


def _stated(interface: Interface) -> Allowed | None:
    usb = interface.usb
    if not usb.classes:
        return None
    place = f" ({interface.connector})" if interface.connector else ""
    return Allowed(f"port {interface.id}{printable(place)}", usb.classes, usb.vendor_id, usb.product_id)
