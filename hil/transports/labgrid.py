"""``labgrid://PLACE``: a device of a lab with many benches, of which a labgrid coordinator says who has which.

The place is acquired while the device is open, so that nobody else can use it. labgrid has no authentication: its
coordinator must be on this computer, or be reached through ssh (``ssh -L 20408:127.0.0.1:20408 lab``).
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import ipaddress
import sys
from typing import Any, Final

from hil.errors import LinkLost
from hil.level import EvidenceLevel
from hil.serial_line import OPTIONS
from hil.transport import Transport, TransportScheme, make_transport
from hil.transport_url import TransportUrl
from toolkit.core.errors import InputError, MissingExtra

__all__ = ["SCHEME", "LabgridTransport"]

COORDINATOR: Final = "127.0.0.1:20408"
SERIAL_PORT: Final = "NetworkSerialPort"
SCHEMES: Final = {"rfc2217": "rfc2217", "raw": "tcp"}


class LabgridTransport(Transport):
    """Acquires the place, and passes everything on to the serial port that its exporter offers."""

    def __init__(self, url: TransportUrl, coordinator: str) -> None:
        super().__init__(url, EvidenceLevel.REMOTE)
        self._coordinator = coordinator
        self._session: Any = None
        self._inner: Transport | None = None

    def settings(self) -> dict[str, str]:
        """Return the place and the port behind it."""
        inner = self._inner
        return {"place": self.url.place, **({} if inner is None else {"port": str(inner.url), **inner.settings()})}

    def _open(self) -> None:
        with contextlib.redirect_stdout(sys.stderr):  # labgrid tells there what it does; results of ours go there
            self._session = _session(self._coordinator, self.url.place)
            resource = self._acquired()
        self._inner = make_transport(self._address(resource))
        self._inner.guard = self.guard.without_lock()
        self._inner.open()
        self.line = self._inner.line

    def _acquired(self) -> Any:
        """Acquire the place and return the description of its serial port."""
        session = self._session
        try:
            session.loop.run_until_complete(session.acquire())
            place = session.get_acquired_place(self.url.place)
            found = [entry for (_, kind), entry in session.get_target_resources(place).items() if kind == SERIAL_PORT]
        except Exception as error:  # labgrid raises many kinds, its own and those of its network library
            raise LinkLost(f"{self.url}: the place cannot be had: {error}") from error
        if len(found) != 1:
            raise InputError(f"{self.url}: the place has {len(found)} serial ports, one is needed")
        return found[0]

    def _address(self, resource: Any) -> TransportUrl:
        parameters = resource.args
        scheme = SCHEMES.get(parameters.get("protocol", "rfc2217"))
        host, port = parameters.get("host"), parameters.get("port")
        if scheme is None or not host or not port:
            raise LinkLost(f"{self.url}: its exporter does not offer the port now")
        options = {name: value for name, value in self.url.options.items() if name in OPTIONS}
        return TransportUrl(scheme, f"{host}:{port}", options if scheme == "rfc2217" else {})

    def _close(self) -> None:
        inner, self._inner, self.line = self._inner, None, None
        session, self._session = self._session, None
        try:
            if inner is not None:
                inner.close()
        finally:
            if session is not None:
                self._let_go(session)

    def _let_go(self, session: Any) -> None:
        run = session.loop.run_until_complete
        with contextlib.redirect_stdout(sys.stderr):
            for step in (session.release, session.stop, session.close):
                try:
                    run(step())
                except Exception as error:  # noqa: BLE001  # the rest must be let go all the same
                    self.recorder.event("close-failed", f"{type(error).__name__}: {error}")

    def _read(self, most_bytes: int, timeout_s: float) -> bytes:
        return self._port().read(timeout_s, most_bytes)

    def _write(self, data: bytes) -> None:
        self._port().write(data)

    def _port(self) -> Transport:
        if self._inner is None:
            raise LinkLost(f"{self.url}: not connected")
        return self._inner


def _session(coordinator: str, place: str) -> Any:
    """Return a session with the coordinator; ``LinkLost`` when there is none."""
    from labgrid.remote.client import start_session  # type: ignore[import-not-found,unused-ignore]

    arguments = argparse.Namespace(place=place, allow_unmatched=False, kick=False)
    try:
        return start_session(coordinator, extra={"args": arguments})
    except Exception as error:  # as above
        raise LinkLost(f"labgrid://{place}: the coordinator at {coordinator} cannot be reached: {error}") from error


def make(url: TransportUrl) -> LabgridTransport:
    """Return the transport to the place."""
    url.only("coordinator", *OPTIONS)
    coordinator = url.options.get("coordinator", COORDINATOR)
    host = coordinator.rpartition(":")[0].strip("[]")
    if not _is_loopback(host):
        raise InputError(
            f"{url}: labgrid has no authentication: reach its coordinator through ssh, "
            "with ssh -L 20408:127.0.0.1:20408 HOST"
        )
    if importlib.util.find_spec("labgrid") is None:
        raise MissingExtra(feature="labgrid", extra="lab")
    return LabgridTransport(url, coordinator)


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


SCHEME = TransportScheme(
    name="labgrid",
    title="a device of a lab with many benches",
    example="labgrid://ward-pump",
    level=EvidenceLevel.REMOTE,
    make=make,
    is_serial=True,
)
