"""``usbip://HOST[:PORT]/BUSID``: a USB device of another computer, which exports it over USB/IP."""

from __future__ import annotations

import re
from typing import Any, Final

from hil.level import EvidenceLevel
from hil.transport import TransportScheme
from hil.transport_url import TransportUrl
from hil.usb_link import UsbTransport, pyusb
from hil.usbip import EMULATED_PATH, PORT, UsbipLink
from toolkit.core.errors import InputError

__all__ = ["SCHEME"]

PLACE: Final = re.compile(r"(?P<host>\[[0-9a-f:]+\]|[^/:]+)(?::(?P<port>\d{1,5}))?/(?P<busid>[0-9.-]{1,31})")


class UsbipTransport(UsbTransport):
    """Attaches the device for as long as it is open."""

    def __init__(self, url: TransportUrl, host: str, port: int, busid: str) -> None:
        super().__init__(url, EvidenceLevel.REMOTE, self._attach, None)
        self._where = (host, port, busid)
        self._link: UsbipLink | None = None

    def _attach(self) -> Any:
        from hil.usb_backend import LinkBackend

        self._link = UsbipLink(*self._where)
        if self._link.path.startswith(EMULATED_PATH):
            self.level = self.level.at_most(EvidenceLevel.MODEL)
        return LinkBackend(self._link)

    def _close(self) -> None:
        link, self._link = self._link, None
        try:
            super()._close()
        finally:
            if link is not None:
                link.close()


def make(url: TransportUrl) -> UsbipTransport:
    """Return the transport to the exported device."""
    url.only("interface")
    match = PLACE.fullmatch(url.place)
    if match is None or not 0 < int(match["port"] or PORT) < 1 << 16:
        raise InputError(f"{url}: write host and bus id, such as usbip://192.0.2.7/1-1")
    pyusb()
    return UsbipTransport(url, match["host"].strip("[]"), int(match["port"] or PORT), match["busid"])


SCHEME = TransportScheme(
    name="usbip",
    title="a USB device of another computer",
    example="usbip://192.0.2.7/1-1",
    level=EvidenceLevel.REMOTE,
    make=make,
)
