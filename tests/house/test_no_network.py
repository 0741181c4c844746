"""No test can leave this machine."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable

import pytest

OUTSIDE = "192.0.2.1"  # RFC 5737: an address for documentation, that nobody has
TRY_TO_LEAVE: dict[str, Callable[[socket.socket], object]] = {
    "connect": lambda s: s.connect((OUTSIDE, 80)),
    "connect_ex": lambda s: s.connect_ex((OUTSIDE, 80)),
    "sendto": lambda s: s.sendto(b"x", (OUTSIDE, 53)),
    "listen on every interface": lambda s: s.bind(("0.0.0.0", 0)),  # noqa: S104  # that it fails is the test
    "connect by name": lambda _: socket.create_connection(("example.invalid", 80)),
    "getaddrinfo": lambda _: socket.getaddrinfo("example.invalid", 80),
    "gethostbyname": lambda _: socket.gethostbyname("example.invalid"),
}


@pytest.mark.parametrize("way", TRY_TO_LEAVE)
def test_every_way_to_the_network_is_closed(way: str) -> None:
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out,
        pytest.raises(RuntimeError, match="leave this machine"),
    ):
        TRY_TO_LEAVE[way](out)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_loopback_stays_open_for_emulated_devices(host: str) -> None:
    with socket.create_server((host, 0)) as server, socket.create_connection(server.getsockname()) as client:
        accepted, _ = server.accept()
        with accepted:
            client.sendall(b"ping")
            assert accepted.recv(4) == b"ping"


def test_an_event_loop_can_be_made() -> None:
    assert asyncio.run(asyncio.sleep(0, "done")) == "done"
