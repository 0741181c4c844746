"""``serial://PORT``: a serial port of this computer; ``COM3`` and ``/dev/ttyUSB0`` are short for it."""

from __future__ import annotations

from hil.level import EvidenceLevel
from hil.serial_line import OPTIONS, SerialTransport, attached_ports
from hil.transport import TransportScheme
from hil.transport_url import TransportUrl

__all__ = ["SCHEME"]


def make(url: TransportUrl) -> SerialTransport:
    """Return the transport to the port that ``url`` names."""
    url.only(*OPTIONS)
    return SerialTransport(url, url.place, EvidenceLevel.HARDWARE)


SCHEME = TransportScheme(
    name="serial",
    title="a serial port of this computer",
    example="serial://COM3?baud=19200&parity=odd",
    level=EvidenceLevel.HARDWARE,
    make=make,
    is_serial=True,
    attached=attached_ports,
)
