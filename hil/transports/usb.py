"""``usb://VID:PID``: a USB device of this computer, through pyusb and libusb."""

from __future__ import annotations

from collections.abc import Iterator

from hil.level import EvidenceLevel
from hil.transport import Attached, TransportScheme
from hil.transport_url import TransportUrl
from hil.usb_link import UsbTransport, numbers_of, pyusb, system_backend
from toolkit.core.errors import InputError, MissingExtra

__all__ = ["SCHEME"]


def make(url: TransportUrl) -> UsbTransport:
    """Return the transport to the device with these numbers."""
    url.only("serial_number", "interface")
    return UsbTransport(url, EvidenceLevel.HARDWARE, system_backend, numbers_of(url))


def attached() -> Iterator[Attached]:
    """Yield the USB devices of this computer; none where pyusb or libusb is not installed."""
    try:
        usb = pyusb()
        found = list(usb.core.find(find_all=True, backend=system_backend()))
    except (MissingExtra, InputError, OSError):
        return
    for device in sorted(found, key=lambda d: (d.idVendor, d.idProduct)):
        yield Attached(url=f"usb://{device.idVendor:04x}:{device.idProduct:04x}", title="USB device")


SCHEME = TransportScheme(
    name="usb",
    title="a USB device of this computer",
    example="usb://10c4:ea60",
    level=EvidenceLevel.HARDWARE,
    make=make,
    attached=attached,
)
