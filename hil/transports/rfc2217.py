"""``rfc2217://HOST:PORT``: a serial port of another computer, whose line settings are made over the network.

Source: RFC 2217, Telnet Com Port Control Option; spoken by ser2net, by labgrid exporters and by device servers.
"""

from __future__ import annotations

from hil.level import EvidenceLevel
from hil.serial_line import OPTIONS, SerialTransport
from hil.transport import TransportScheme
from hil.transport_url import TransportUrl

__all__ = ["SCHEME"]

NO_CONTROL = "ign_set_control"
"""For servers that do not answer to changes of DTR and RTS, pseudo terminals for example."""


def make(url: TransportUrl) -> SerialTransport:
    """Return the transport to the port at host and port."""
    url.only(*OPTIONS, NO_CONTROL)
    host, port = url.host_and_port
    shown = f"[{host}]" if ":" in host else host
    query = f"?{NO_CONTROL}" if NO_CONTROL in url.options else ""
    return SerialTransport(url, f"rfc2217://{shown}:{port}{query}", EvidenceLevel.REMOTE)


SCHEME = TransportScheme(
    name="rfc2217",
    title="a serial port of another computer",
    example="rfc2217://192.0.2.7:4000?baud=19200",
    level=EvidenceLevel.REMOTE,
    make=make,
    is_serial=True,
)
