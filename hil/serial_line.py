"""Serial ports through pyserial: the one place that imports it."""

from __future__ import annotations

import errno
import os
import select
import sys
from collections.abc import Iterator, Mapping
from typing import Any, Final

from device_profiles.vocabulary import FlowControl, Parity
from hil.errors import BenchError, LinkLost
from hil.level import EvidenceLevel
from hil.transport import Attached, Transport
from hil.transport_url import TransportUrl
from toolkit.core.errors import InputError, MissingExtra

__all__ = ["OPTIONS", "SerialTransport", "attached_ports", "pyserial"]

OPTIONS: Final = ("baud", "data_bits", "parity", "stop_bits", "flow")
DEFAULT_BAUD: Final = 115200
HIGHEST_BAUD: Final = 20_000_000
WRITE_TIMEOUT_S: Final = 10.0
PARITIES: Final[Mapping[str, str]] = {Parity.NONE: "N", Parity.ODD: "O", Parity.EVEN: "E"}
FLOWS: Final[Mapping[str, dict[str, bool]]] = {
    FlowControl.NONE: {},
    FlowControl.RTS_CTS: {"rtscts": True},
    FlowControl.XON_XOFF: {"xonxoff": True},
}
PSEUDO: Final = ("/dev/pts/", "/dev/ttys")
"""Where Linux and macOS put pseudo terminals: the other end is a program, so it cannot be a device on a cable."""
NOT_ALLOWED: Final = frozenset({errno.EACCES, errno.EPERM})


def pyserial() -> Any:
    """Return the module ``serial``; ``MissingExtra`` when it is not installed."""
    try:
        import serial
        import serial.tools.list_ports
    except ImportError as error:
        raise MissingExtra(feature="a serial port", extra="hil") from error
    return serial


class SerialTransport(Transport):
    """One serial port; ``port`` is its name, or an address that pyserial knows, such as ``rfc2217://``."""

    def __init__(self, url: TransportUrl, port: str, level: EvidenceLevel) -> None:
        real = os.path.realpath(port) if port.startswith("/") else port
        super().__init__(url, level.at_most(EvidenceLevel.MODEL) if real.startswith(PSEUDO) else level)
        self._port_name = port
        self._options = _port_options(url)
        self._port: Any = None
        self._facts: dict[str, str] = {}

    def settings(self) -> dict[str, str]:
        """Return the line settings, and what USB says about the converter."""
        shown = {name: str(value) for name, value in self._options.items()}
        return {**shown, **self._facts}

    def _open(self) -> None:
        serial = pyserial()
        name = self._present_name(serial)
        try:
            patience_s = None if self._is_remote else WRITE_TIMEOUT_S  # pyserial's RFC 2217 knows no such limit
            self._port = serial.serial_for_url(name, **self._options, timeout=0, write_timeout=patience_s)
        except (OSError, ValueError) as error:
            raise self._not_opened(error) from error
        self.line = _SerialLines(self, self._port)
        self._facts = _usb_facts(serial, name) or self._facts

    def _present_name(self, serial: Any) -> str:
        """Return the port; after a replug the system may have given the same converter another name."""
        number = self._facts.get("serial_number")
        if number is None or os.path.exists(self._port_name):  # noqa: PTH110  # a port of Windows is no path
            return self._port_name
        same = [p.device for p in serial.tools.list_ports.comports() if p.serial_number == number]
        return same[0] if len(same) == 1 else self._port_name

    def _not_opened(self, error: Exception) -> Exception:
        if isinstance(error, ValueError):
            return InputError(f"{self.url}: {error}")
        if getattr(error, "errno", None) in NOT_ALLOWED:
            return InputError(f"{self.url}: you may not use this port; on Linux, join the group `dialout`")
        return LinkLost(f"{self.url}: cannot be opened: {error}")

    def _close(self) -> None:
        port, self._port, self.line = self._port, None, None
        if port is None:
            return
        try:
            port.close()
        except OSError as error:  # the port is gone already, so there is nothing left to close
            self.recorder.event("close-failed", str(error))

    def _read(self, most_bytes: int, timeout_s: float) -> bytes:
        try:
            return self._receive(most_bytes, timeout_s)
        except (OSError, TypeError) as error:  # pyserial trips over its own closed port with a TypeError
            raise LinkLost(f"{self.url}: {error}") from error

    def _receive(self, most_bytes: int, timeout_s: float) -> bytes:
        port = self._port
        waiting: int = port.in_waiting
        if not waiting and timeout_s > 0:
            first = self._first_bytes(timeout_s)
            if first is not None:
                waiting = port.in_waiting
                return first + bytes(port.read(min(waiting, most_bytes - len(first))))
            waiting = port.in_waiting
        return bytes(port.read(min(waiting, most_bytes))) if waiting else b""

    def _first_bytes(self, timeout_s: float) -> bytes | None:
        """Wait until something is there; return it where that could only be learnt by reading it."""
        port = self._port
        if sys.platform != "win32" and isinstance(getattr(port, "fd", None), int):
            ready, _, _ = select.select([port.fd], [], [], timeout_s)
            if ready and not port.in_waiting:
                raise LinkLost(f"{self.url}: the port has hung up")
            return None
        if self._is_remote:
            port._timeout = timeout_s  # noqa: SLF001  # the setter would negotiate all line settings anew
        else:
            port.timeout = timeout_s
        return bytes(port.read(1))

    @property
    def _is_remote(self) -> bool:
        return "://" in self._port_name

    def _write(self, data: bytes) -> None:
        try:
            self._port.write(data)
        except (OSError, TypeError) as error:
            raise LinkLost(f"{self.url}: {error}") from error


class _SerialLines:
    """What a serial port has beside its data."""

    def __init__(self, transport: SerialTransport, port: Any) -> None:
        self._transport = transport
        self._port = port

    @property
    def baud(self) -> int:
        """Bits per second."""
        return int(self._port.baudrate)

    def set_baud(self, baud: int) -> None:
        """Change the bits per second."""
        self._do("baud", baud, lambda: setattr(self._port, "baudrate", baud))

    def set_lines(self, *, dtr: bool | None = None, rts: bool | None = None) -> None:
        """Set DTR and RTS."""
        if dtr is not None:
            self._do("dtr", dtr, lambda: setattr(self._port, "dtr", dtr))
        if rts is not None:
            self._do("rts", rts, lambda: setattr(self._port, "rts", rts))

    def lines(self) -> dict[str, bool]:
        """Return CTS, DSR, CD and RI."""
        try:
            return {name: bool(getattr(self._port, name)) for name in ("cts", "dsr", "cd", "ri")}
        except (OSError, ValueError) as error:
            raise BenchError(f"{self._transport.url}: the port tells no control lines: {error}") from error

    def send_break(self, seconds: float) -> None:
        """Hold the data line low."""
        self._do("break", seconds, lambda: self._port.send_break(seconds))

    def _do(self, name: str, value: object, action: Any) -> None:
        try:
            action()
        except (OSError, ValueError) as error:
            raise BenchError(f"{self._transport.url}: {name}={value} is not possible: {error}") from error
        self._transport.recorder.event("line", f"{name}={value}")


def attached_ports() -> Iterator[Attached]:
    """Yield the serial ports of this computer; none where pyserial is not installed."""
    try:
        serial = pyserial()
    except MissingExtra:
        return
    for port in sorted(serial.tools.list_ports.comports(), key=lambda port: port.device):
        number = f", serial number {port.serial_number}" if port.serial_number else ""
        usb = f" (USB {port.vid:04x}:{port.pid:04x}{number})" if port.vid is not None else ""
        yield Attached(url=f"serial://{port.device}", title=f"{port.description}{usb}")


def _port_options(url: TransportUrl) -> dict[str, Any]:
    """Return the settings of the line for pyserial."""
    baud = url.number("baud", DEFAULT_BAUD)
    parity, flow = url.options.get("parity", Parity.NONE), url.options.get("flow", FlowControl.NONE)
    bits, stop = url.number("data_bits", 8), url.number("stop_bits", 1)
    if not (1 <= baud <= HIGHEST_BAUD and bits in (5, 6, 7, 8) and stop in (1, 2)):
        raise InputError(f"{url}: a serial line has 5 to 8 data bits, 1 or 2 stop bits and 1 to {HIGHEST_BAUD} baud")
    if parity not in PARITIES or flow not in FLOWS:
        raise InputError(f"{url}: parity is one of {', '.join(PARITIES)}, flow one of {', '.join(FLOWS)}")
    return {
        "baudrate": int(baud),
        "bytesize": int(bits),
        "parity": PARITIES[parity],
        "stopbits": int(stop),
        **FLOWS[flow],
    }


def _usb_facts(serial: Any, name: str) -> dict[str, str]:
    """Return what USB says about the converter behind the port ``name``; nothing where it is none."""
    real = os.path.realpath(name) if name.startswith("/") else name
    for port in serial.tools.list_ports.comports():
        if port.device.lower() == real.lower() and port.vid is not None:
            facts = {"vendor_id": f"{port.vid:04x}", "product_id": f"{port.pid:04x}"}
            return {**facts, "serial_number": port.serial_number} if port.serial_number else facts
    return {}
