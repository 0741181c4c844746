"""``medusb://NAME``: a USB device that is a program in this process; ``?weak=A,B`` gives it weaknesses."""

from __future__ import annotations

from collections.abc import Iterator

from hil.clock import VirtualClock
from hil.level import EvidenceLevel
from hil.transport import Attached, TransportScheme
from hil.transport_url import TransportUrl
from hil.usb_host import ModelLink
from hil.usb_link import UsbTransport, pyusb
from hil.usb_model import usb_model_named, usb_models

__all__ = ["SCHEME"]


def make(url: TransportUrl) -> UsbTransport:
    """Return the transport to the model that ``url`` names."""
    url.only("weak", "interface")
    model = usb_model_named(url.place).device(url.options.get("weak", ""))
    pyusb()
    from hil.usb_backend import LinkBackend

    return UsbTransport(url, EvidenceLevel.MODEL, lambda: LinkBackend(ModelLink(model)), None, VirtualClock())


def attached() -> Iterator[Attached]:
    """Yield every model."""
    for kind in usb_models().values():
        yield Attached(url=f"medusb://{kind.name}", title=kind.title)


SCHEME = TransportScheme(
    name="medusb",
    title="a USB device emulated in this process",
    example="medusb://demo-pump",
    level=EvidenceLevel.MODEL,
    make=make,
    attached=attached,
)
