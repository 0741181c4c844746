"""Devices to test the bench with: the demo pump, and one that passes for a real device."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator

import pytest

from device_profiles.loader import load
from device_profiles.schema import DeviceProfile
from hil.device import Device, interface_of
from hil.level import EvidenceLevel
from hil.model import model_named
from hil.transport_url import TransportUrl
from hil.transports.medemu import ModelTransport


@pytest.fixture(scope="session")
def pump_profile() -> DeviceProfile:
    return load("demo-pump")


@pytest.fixture
def pump(pump_profile: DeviceProfile) -> Callable[..., Device]:
    """Return a maker of demo pumps, not yet connected."""

    def make(weak: str = "", level: EvidenceLevel = EvidenceLevel.MODEL) -> Device:
        transport = ModelTransport(TransportUrl("medemu", "demo-pump"), model_named("demo-pump").device(weak))
        transport.level = level
        return Device(pump_profile, transport, interface_of(pump_profile, None))

    return make


class Served:
    """A demo pump that has started up, behind a socket on loopback; serves one client after the other."""

    def __init__(self, weak: str = "") -> None:
        self.transport = ModelTransport(TransportUrl("medemu", "demo-pump"), model_named("demo-pump").device(weak))
        self.transport.open()
        while self.transport.read(1.0):
            pass
        self._server = socket.create_server(("127.0.0.1", 0))
        self.url = f"tcp://127.0.0.1:{self._server.getsockname()[1]}"
        self._links: list[socket.socket] = []
        self._accepted = threading.Event()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def hang_up(self) -> None:
        """Close the connection that was made, as pulling the cable does."""
        self._accepted.wait(5)
        for link in self._links:
            link.shutdown(socket.SHUT_RDWR)

    def end(self) -> None:
        self._server.close()
        with socket.socket() as knock:
            knock.settimeout(0.1)
            knock.connect_ex(("127.0.0.1", int(self.url.rpartition(":")[2])))
        self._thread.join(5)

    def _serve(self) -> None:
        while True:
            try:
                link, _ = self._server.accept()
            except OSError:
                return
            self._links = [link]
            self._accepted.set()
            with link:
                self._answer(link)

    def _answer(self, link: socket.socket) -> None:
        try:
            while data := link.recv(4096):
                self.transport.write(data)
                link.sendall(self.transport.read(0.0))
        except OSError:
            return


@pytest.fixture
def served() -> Iterator[Callable[..., Served]]:
    """Return a maker of demo pumps behind sockets."""
    made: list[Served] = []

    def make(weak: str = "") -> Served:
        made.append(Served(weak))
        return made[-1]

    yield make
    for one in made:
        one.end()
