"""Our devices as pyserial ports, so that any program that opens a port by address can use them unmodified.

``serial.serial_for_url`` looks for a module ``protocol_SCHEME`` in the packages that are registered with it;
``register`` adds ours, with one such module for each kind of connection. So pytest-embedded reaches ``medemu://``.
"""

from __future__ import annotations

import sys
import threading
from types import ModuleType
from typing import Any, Final

import serial

from device_profiles.loader import load
from hil.clock import RealClock
from hil.device import Device, interface_of
from hil.errors import LinkLost, WriteRefused
from hil.transport import Transport, make_transport, schemes
from hil.transport_url import TransportUrl
from toolkit.core.errors import MedhardenError

__all__ = ["TransportPort", "register"]

PACKAGE: Final = "hil.pyserial_protocols"
LEFT_TO_PYSERIAL: Final = frozenset({"serial", "rfc2217"})
"""It has these itself."""
REAL: Final = RealClock()
PATIENCE_S: Final = 1.0
"""Longest wait in one go, so that another thread can close the port."""
POLL_S: Final = 0.001


def register() -> None:
    """Let pyserial know our kinds of connections; a second call does nothing."""
    if PACKAGE in serial.protocol_handler_packages:
        return
    package = ModuleType(PACKAGE)
    package.__path__ = []
    sys.modules[PACKAGE] = package
    names = set(schemes())
    for name in sorted((names - LEFT_TO_PYSERIAL) | {f"fault+{other}" for other in names}):
        module = ModuleType(f"{PACKAGE}.protocol_{name}")
        module.Serial = TransportPort  # type: ignore[attr-defined]  # pyserial looks for this name
        sys.modules[module.__name__] = module
    serial.protocol_handler_packages.append(PACKAGE)


class TransportPort(serial.SerialBase):
    """One of our transports with the face of a pyserial port. It is guarded and recorded like everywhere.

    ``?profile=ID`` and ``&interface=ID`` in the address say what it is; without, a real device is only listened to.
    One thread may read while another one writes.
    """

    def __init__(self, *arguments: Any, **settings: Any) -> None:
        self._transport: Transport | None = None
        self._waiting = bytearray()
        self._lock = threading.RLock()
        self._seen_s = 0.0
        super().__init__(*arguments, **settings)

    def open(self) -> None:
        """Connect; the port is an address of ours."""
        if self.is_open:
            raise serial.SerialException("the port is open already")
        try:
            self._transport = _connected(TransportUrl.parse(str(self.portstr)))
        except MedhardenError as error:
            raise serial.SerialException(str(error)) from error
        self._seen_s = REAL.now_s()
        self.is_open = True

    def close(self) -> None:
        """Let go."""
        with self._lock:
            self.is_open = False
            if self._transport is not None:
                self._transport.close()

    @property
    def in_waiting(self) -> int:
        """Bytes that can be read at once."""
        self._take_in(0.0)
        return len(self._waiting)

    def read(self, size: int = 1, /) -> bytes:
        """Return up to ``size`` bytes; fewer only when the time-out of the port has passed."""
        end_s = None if self.timeout is None else REAL.now_s() + self.timeout
        while len(self._waiting) < size:
            left_s = PATIENCE_S if end_s is None else end_s - REAL.now_s()
            self._take_in(min(max(left_s, 0.0), PATIENCE_S))
            if left_s <= 0:
                break
        with self._lock:
            data = bytes(self._waiting[:size])
            del self._waiting[:size]
        return data

    def write(self, b: Any, /) -> int:
        """Send ``b``."""
        data = bytes(b)
        with self._lock:
            try:
                self._open_transport().write(data)
            except (LinkLost, WriteRefused) as error:
                raise serial.SerialException(str(error)) from error
        return len(data)

    def flush(self) -> None:
        """Do nothing: what was written is on its way."""

    def reset_input_buffer(self) -> None:
        """Drop what has arrived."""
        self._take_in(0.0)
        self._waiting.clear()

    def reset_output_buffer(self) -> None:
        """Do nothing: nothing waits to be sent."""

    def _take_in(self, timeout_s: float) -> None:
        """Take what arrives within ``timeout_s``; the clock of an emulated device is made to follow the real one."""
        with self._lock:
            transport = self._open_transport()
            if transport.clock.is_virtual:
                REAL.sleep(min(timeout_s, POLL_S))
                timeout_s = REAL.now_s() - self._seen_s
                self._seen_s = REAL.now_s()
            try:
                self._waiting += transport.read(timeout_s)
            except LinkLost as error:
                raise serial.SerialException(str(error)) from error

    def _open_transport(self) -> Transport:
        if self._transport is None or not self.is_open:
            raise serial.PortNotOpenError
        return self._transport

    # pyserial calls these when a setting of the port changes; ours come from the address

    def _reconfigure_port(self) -> None:
        return

    def _update_break_state(self) -> None:
        return

    def _update_dtr_state(self) -> None:
        return

    def _update_rts_state(self) -> None:
        return


def _connected(url: TransportUrl) -> Transport:
    """Return the open transport; with a profile in the address, after the device has proven who it is."""
    options = dict(url.options)
    profile, interface = options.pop("profile", None), options.pop("interface", None)
    transport = make_transport(TransportUrl(url.scheme, url.place, options))
    if profile is None:
        transport.open()
        return transport
    known = load(profile)
    device = Device(known, transport, interface_of(known, interface))
    try:
        device.connect()
    except BaseException:
        device.close()
        raise
    return transport
