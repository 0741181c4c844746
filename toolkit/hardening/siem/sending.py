"""Sends messages to a collector over TCP or TLS, each with its length before it, and says in one line what failed.

Source: RFC 6587, section 3.4.1 (octet counting) and RFC 5425 (TLS, port 6514, the name in the certificate is verified).
A collector gives no receipt: that the connection was closed in order is all a sender can know.
"""

from __future__ import annotations

import re
import socket
import ssl
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from toolkit.core.errors import InputError

__all__ = ["Collector", "collector_at", "framed", "send"]

_ADDRESS: Final = re.compile(
    r"(?P<scheme>tls|tcp)://(?P<host>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9_-]{1,63}(?:\.[A-Za-z0-9_-]{1,63})*):(?P<port>[0-9]{1,5})"
)
LINGER_S: Final = 2.0
"""Longest wait for the other side to close as well."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Collector:
    """Where messages go."""

    host: str
    port: int
    is_encrypted: bool

    def __str__(self) -> str:
        return f"{'tls' if self.is_encrypted else 'tcp'}://{self.host}:{self.port}"


def collector_at(address: str) -> Collector:
    """Return the collector that ``tls://host:port`` or ``tcp://host:port`` names; ``InputError`` if it names none."""
    found = _ADDRESS.fullmatch(address)
    if found is None or not 0 < int(found["port"]) < 1 << 16:
        raise InputError(f"{address!a} is no collector; write tls://host:6514 or tcp://host:601")
    return Collector(host=found["host"].strip("[]"), port=int(found["port"]), is_encrypted=found["scheme"] == "tls")


def framed(messages: Sequence[bytes]) -> Iterator[bytes]:
    """Yield each message with its length in bytes and a space before it."""
    for message in messages:
        yield b"%d %s" % (len(message), message)


def send(messages: Sequence[bytes], collector: Collector, *, authority: Path | None, timeout_s: float) -> None:
    """Send ``messages``; the certificate of a TLS collector must be good under ``authority``, or the system's own ones.

    ``InputError`` says in one line why nothing, or not everything, arrived.
    """
    context = _context(authority) if collector.is_encrypted else None
    address = (collector.host, collector.port)
    with (
        _explained(collector, timeout_s),
        socket.create_connection(address, timeout=timeout_s) as plain,
        plain if context is None else context.wrap_socket(plain, server_hostname=collector.host) as line,
    ):
        for frame in framed(messages):
            line.sendall(frame)
        _finish(line, timeout_s)


def _context(authority: Path | None) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=None if authority is None else str(authority))
    except OSError as error:  # ssl.SSLError is one
        raise InputError(f"{authority}: is no file with certificates: {error}") from error
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def _finish(line: socket.socket, timeout_s: float) -> None:
    """Say that this was all, and wait a moment for the other side to say so too; a reset means that something is lost.

    Many collectors keep the connection open, so silence is no error.
    """
    line.settimeout(min(timeout_s, LINGER_S))
    with suppress(TimeoutError, ssl.SSLError):
        if isinstance(line, ssl.SSLSocket):
            line.unwrap().close()
        else:
            line.shutdown(socket.SHUT_WR)
            while line.recv(4096):  # some collectors greet or answer
                continue


@contextmanager
def _explained(collector: Collector, timeout_s: float) -> Iterator[None]:
    """Turn what the network says into one sentence."""
    try:
        yield
    except ssl.SSLCertVerificationError as error:
        raise InputError(
            f"{collector}: its certificate is refused: {error.verify_message}; nothing was sent"
        ) from error
    except ssl.SSLError as error:
        raise InputError(f"{collector}: no TLS connection: {error.reason or error}; is it a TLS port?") from error
    except TimeoutError as error:
        raise InputError(f"{collector}: no answer within {timeout_s:g} s") from error
    except OSError as error:
        raise InputError(f"{collector}: {error.strerror or error}; not everything was sent") from error
