"""``tcp://HOST:PORT``: a byte stream over a network, as device servers and emulators offer it."""

from __future__ import annotations

import socket
from typing import Final

from hil.errors import LinkLost
from hil.level import EvidenceLevel
from hil.transport import Transport, TransportScheme
from hil.transport_url import TransportUrl

__all__ = ["SCHEME", "TcpTransport"]

CONNECT_TIMEOUT_S: Final = 5.0
WRITE_TIMEOUT_S: Final = 10.0
"""A device that takes nothing for so long is gone."""


class TcpTransport(Transport):
    """Reads what is there in one piece, and sends small messages at once (``TCP_NODELAY``)."""

    def __init__(self, url: TransportUrl, write_timeout_s: float = WRITE_TIMEOUT_S) -> None:
        super().__init__(url, EvidenceLevel.REMOTE)
        self._write_timeout_s = write_timeout_s
        self._address = url.host_and_port
        self._socket: socket.socket | None = None

    def _open(self) -> None:
        try:
            link = socket.create_connection(self._address, timeout=CONNECT_TIMEOUT_S)
        except OSError as error:
            raise LinkLost(f"{self.url}: cannot be reached: {error.strerror or error}") from error
        self._socket = link
        link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        link.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)

    def _close(self) -> None:
        link, self._socket = self._socket, None
        if link is not None:
            link.close()

    def _read(self, most_bytes: int, timeout_s: float) -> bytes:
        link = self._link()
        try:
            link.settimeout(timeout_s)
            data = link.recv(most_bytes)
        except (BlockingIOError, TimeoutError):
            return b""
        except OSError as error:
            raise LinkLost(f"{self.url}: {error.strerror or error}") from error
        if not data:
            raise LinkLost(f"{self.url}: the other end has hung up")
        return data

    def _write(self, data: bytes) -> None:
        link = self._link()
        try:
            link.settimeout(self._write_timeout_s)
            link.sendall(data)
        except TimeoutError as error:
            raise LinkLost(f"{self.url}: nothing was taken for {self._write_timeout_s:g} s") from error
        except OSError as error:
            raise LinkLost(f"{self.url}: {error.strerror or error}") from error

    def _link(self) -> socket.socket:
        if self._socket is None:
            raise LinkLost(f"{self.url}: not connected")
        return self._socket


def make(url: TransportUrl) -> TcpTransport:
    """Return the transport to host and port."""
    url.only()
    return TcpTransport(url)


SCHEME = TransportScheme(
    name="tcp",
    title="a byte stream over a network",
    example="tcp://192.0.2.7:4000",
    level=EvidenceLevel.REMOTE,
    make=make,
)
