"""Real transports on loopback and pseudo terminals: quick, whole, and gone when the other end is."""

from __future__ import annotations

import os
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from device_profiles.schema import DeviceProfile
from hil.device import Device, interface_of
from hil.errors import BenchError, LinkLost
from hil.guard import WriteGuard
from hil.level import EvidenceLevel
from hil.transport import Transport, make_transport
from hil.transport_url import TransportUrl
from hil.transports.tcp import TcpTransport
from toolkit.core.errors import InputError

serial = pytest.importorskip("serial", reason="needs pyserial")
needs_pty = pytest.mark.skipif(sys.platform == "win32", reason="needs pseudo terminals")


def unguarded(url: str) -> Transport:
    transport = make_transport(url)
    transport.guard = WriteGuard()
    return transport


@contextmanager
def listening(serve: Callable[[socket.socket], None]) -> Iterator[str]:
    """Serve one connection on loopback, and give its address."""

    def accept() -> None:
        link, _ = server.accept()
        with link:
            serve(link)

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        yield f"tcp://127.0.0.1:{server.getsockname()[1]}"
        thread.join(10)


def test_a_device_behind_a_network_is_asked_and_left_safe(
    served: Callable[..., Any], pump_profile: DeviceProfile
) -> None:
    transport = make_transport(served().url)
    with Device(pump_profile, transport, interface_of(pump_profile, None)) as device:
        assert device.ask(b"version\r", b"=2.1.0 7")
        assert device.level is EvidenceLevel.REMOTE
    assert not transport.is_open


def test_bytes_come_over_a_network_at_more_than_a_megabyte_a_second() -> None:
    amount = 8 << 20

    def pour(link: socket.socket) -> None:
        link.sendall(bytes(amount))

    with listening(pour) as url, unguarded(url) as transport:
        start_s = time.perf_counter()
        left = amount
        while left:
            left -= len(transport.read(5.0))
        assert amount / (time.perf_counter() - start_s) > 1e6


def test_a_network_that_hangs_up_is_told_and_the_device_is_found_again(
    served: Callable[..., Any], pump_profile: DeviceProfile
) -> None:
    server = served()
    device = Device(pump_profile, make_transport(server.url), interface_of(pump_profile, None))
    device.connect()
    server.hang_up()
    with pytest.raises(LinkLost, match="hung up"):
        device.wait(5.0)
    assert not device.transport.is_open
    assert device.transport.guard.is_locked
    device.reconnect(wait_s=5.0)
    assert device.ask(b"version\r", b"=2.1.0 7")
    device.close()


def test_reading_waits_no_longer_than_it_is_told_and_returns_at_once_when_something_is_there() -> None:
    def say_later(link: socket.socket) -> None:
        time.sleep(0.2)
        link.sendall(b"late")
        link.recv(1)

    with listening(say_later) as url, unguarded(url) as transport:
        assert transport.read(0.0) == b""
        assert transport.read(0.01) == b""
        start_s = time.perf_counter()
        assert transport.read(10.0) == b"late"
        assert time.perf_counter() - start_s < 5.0
        transport.write(b"x")


def test_a_device_that_is_not_there_is_told_after_trying_for_as_long_as_asked() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    transport = unguarded(f"tcp://127.0.0.1:{port}")
    start_s = time.perf_counter()
    with pytest.raises(LinkLost, match="cannot be reached"):
        transport.reopen(wait_s=0.2)
    assert time.perf_counter() - start_s >= 0.2
    with pytest.raises(LinkLost, match="not connected"):
        transport.read(0.0)
    transport.close()


def test_a_device_that_takes_nothing_is_gone() -> None:
    done = threading.Event()

    def take_nothing(_link: socket.socket) -> None:
        done.wait(10)

    with listening(take_nothing) as url:
        transport = TcpTransport(TransportUrl.parse(url), write_timeout_s=0.1)
        transport.guard = WriteGuard()
        with transport, pytest.raises(LinkLost, match=r"nothing was taken for 0\.1 s"):
            for _ in range(1000):
                transport.write(bytes(1 << 20))
        done.set()


def test_a_write_after_the_other_end_has_reset_is_told() -> None:
    def reset(link: socket.socket) -> None:
        link.recv(1)
        link.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")

    with listening(reset) as url, unguarded(url) as transport, pytest.raises(LinkLost):
        for _ in range(100):
            transport.write(b"x")
            time.sleep(0.01)


# Serial ports


@pytest.fixture
def terminal() -> Iterator[tuple[int, str]]:
    """Return the far end of a pseudo terminal, and the name of its near end."""
    if sys.platform == "win32":
        pytest.skip("needs pseudo terminals")
    far, near = os.openpty()
    import tty

    tty.setraw(near)
    yield far, os.ttyname(near)
    for end in (far, near):
        try:
            os.close(end)
        except OSError:
            continue  # a test has closed it


def test_a_serial_port_passes_bytes_on_as_they_come(terminal: tuple[int, str]) -> None:
    far, name = terminal
    with unguarded(f"serial://{name}?baud=19200&parity=odd&stop_bits=2") as transport:
        transport.write(b"\x00\xff\r\n")
        assert os.read(far, 100) == b"\x00\xff\r\n"
        os.write(far, b"\x11\x13\x00")
        assert transport.read(5.0) == b"\x11\x13\x00"
        os.write(far, b"abcdef")
        assert transport.read(5.0, most_bytes=4) == b"abcd"
        assert transport.read(5.0) == b"ef"
        start_s = time.perf_counter()
        assert transport.read(0.05) == b""
        assert 0.04 <= time.perf_counter() - start_s < 2.0
        assert transport.settings()["baudrate"] == "19200"


def test_a_pseudo_terminal_is_no_device_on_a_cable(terminal: tuple[int, str]) -> None:
    assert make_transport(terminal[1]).level is EvidenceLevel.MODEL


def test_a_real_port_counts_as_hardware_and_a_port_elsewhere_as_remote() -> None:
    assert make_transport("COM3").level is EvidenceLevel.HARDWARE
    assert make_transport("rfc2217://127.0.0.1:4000").level is EvidenceLevel.REMOTE


def test_a_port_that_vanishes_is_told_and_can_be_waited_for(terminal: tuple[int, str]) -> None:
    far, name = terminal
    transport = unguarded(name)
    transport.open()
    os.close(far)
    with pytest.raises(LinkLost):
        for _ in range(50):
            transport.read(0.02)
            transport.write(b"x")
    assert not transport.is_open
    with pytest.raises(LinkLost):
        transport.reopen(wait_s=0.1)


@needs_pty
def test_a_port_that_is_not_there_is_told() -> None:
    with pytest.raises(LinkLost, match="cannot be opened"):
        unguarded("/dev/ttyUSB99").open()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("data_bits=9", "5 to 8 data bits"),
        ("stop_bits=3", "1 or 2 stop bits"),
        ("baud=0", "baud"),
        ("parity=even-ish", "parity is one of none, odd, even"),
        ("flow=tidal", "flow one of none, rts_cts, xon_xoff"),
    ],
)
def test_line_settings_that_cannot_be_are_told(options: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        make_transport(f"serial://COM3?{options}")


def test_the_lines_beside_the_data_are_set_and_recorded(terminal: tuple[int, str]) -> None:
    with unguarded(terminal[1]) as transport:
        assert transport.line is not None
        assert transport.line.baud == 115200
        transport.line.set_baud(9600)
        assert transport.line.baud == 9600
        transport.line.send_break(0.0)
        with pytest.raises(BenchError, match="baud=-1 is not possible"):
            transport.line.set_baud(-1)
        assert [e.detail for e in transport.recorder.last if e.name == "line"] == ["baud=9600", "break=0.0"]
    assert transport.line is None


def test_a_pseudo_terminal_has_no_control_lines_and_says_so(terminal: tuple[int, str]) -> None:
    with unguarded(terminal[1]) as transport:
        assert transport.line is not None
        with pytest.raises(BenchError, match="tells no control lines"):
            transport.line.lines()
        with pytest.raises(BenchError, match="rts=True is not possible"):
            transport.line.set_lines(rts=True)
        with pytest.raises(BenchError, match="dtr=False is not possible"):
            transport.line.set_lines(dtr=False)


def test_a_port_nobody_may_use_is_told_with_what_to_do(terminal: tuple[int, str]) -> None:
    transport: Any = make_transport(terminal[1])
    error = transport._not_opened(serial.SerialException(13, "Permission denied"))
    assert isinstance(error, InputError)
    assert "join the group `dialout`" in str(error)
    assert isinstance(transport._not_opened(ValueError("Not a valid baudrate")), InputError)


class LoopServer:
    """A serial port behind RFC 2217: pyserial's own server, in front of its loop."""

    def __init__(self) -> None:
        import serial.rfc2217

        self.port = serial.serial_for_url("loop://", timeout=0.05)
        self._server = socket.create_server(("127.0.0.1", 0))
        self.url = f"rfc2217://127.0.0.1:{self._server.getsockname()[1]}"
        self._manager = serial.rfc2217.PortManager
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        link, _ = self._server.accept()
        with link:
            link.settimeout(0.02)

            class Connection:
                def write(self, data: bytes) -> None:
                    link.sendall(data)

            manager = self._manager(self.port, Connection())
            while True:
                try:
                    data = link.recv(1024)
                    if not data:
                        return
                    self.port.write(b"".join(manager.filter(data)))
                except TimeoutError:
                    pass
                except OSError:
                    return
                waiting = self.port.read(self.port.in_waiting)
                if waiting:
                    link.sendall(b"".join(manager.escape(waiting)))

    def end(self) -> None:
        self._server.close()
        self._thread.join(5)
        self.port.close()


@pytest.mark.filterwarnings("ignore:set(Daemon|Name)\\(\\):DeprecationWarning")  # pyserial 3.5 names its thread so
def test_a_serial_port_of_another_computer_is_used_like_one_here() -> None:
    server = LoopServer()
    with unguarded(f"{server.url}?baud=19200") as transport:
        transport.write(b"\xff\x00there and back")
        heard = b""
        while len(heard) < 16:
            piece = transport.read(5.0)
            assert piece
            heard += piece
        assert heard == b"\xff\x00there and back"
        assert transport.read(0.02) == b""
        assert transport.level is EvidenceLevel.REMOTE
    server.end()
    assert server.port.baudrate == 19200


def test_a_computer_that_is_not_there_is_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with pytest.raises(LinkLost, match="cannot be opened"):
        unguarded(f"rfc2217://127.0.0.1:{port}?ign_set_control").open()


def test_the_ports_of_this_computer_are_listed_with_what_usb_says(terminal: tuple[int, str]) -> None:
    from hil.serial_line import attached_ports

    for port in attached_ports():
        assert port.url.startswith("serial://")
    assert terminal
