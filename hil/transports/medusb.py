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

__all__ = ["SCHEME", "UsbModelPower"]


class UsbModelPower:
    """Pulls the plug of a model, which takes its power from the bus."""

    name = "model"
    is_automatic = True

    def __init__(self, link: ModelLink) -> None:
        self._link = link

    def off(self) -> None:
        """Pull it."""
        self._link.unplug()

    def on(self) -> None:
        """Put it back."""
        self._link.plug_in()


def make(url: TransportUrl) -> UsbTransport:
    """Return the transport to the model that ``url`` names."""
    url.only("weak", "interface")
    model = usb_model_named(url.place).device(url.options.get("weak", ""))
    pyusb()
    from hil.usb_backend import LinkBackend

    clock = VirtualClock()
    link = ModelLink(model, clock)
    transport = UsbTransport(url, EvidenceLevel.MODEL, lambda: LinkBackend(link), None, clock)
    transport.power = UsbModelPower(link)
    return transport


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
