"""The USB side of the demo pump: its console as a serial port (CDC-ACM), and firmware updates (DFU 1.1).

At run time the DFU interface does one thing: who has logged in on the console may send DETACH, and after the next bus
reset the pump is its own boot loader (``hil/usb_models/dfu_loader.py``) until the plug is pulled. Sources: USB Class
Definitions for Communications Devices 1.2; PSTN Subclass 1.2, 6.3; DFU 1.1, 4.1 and 5.1.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import Final

from hil.models.console import ConsoleModel
from hil.protocols.dfu import FunctionalDescriptor, Request, encode
from hil.usb_model import Setup, Stall, UsbModel, UsbModelKind
from hil.usb_models.dfu_loader import DfuLoader

__all__ = ["PRODUCT_ID", "USB_MODEL", "VENDOR_ID", "DemoPumpUsb"]

VENDOR_ID, PRODUCT_ID = 0x1209, 0x0003
"""pid.codes, reserved for tests."""
NOTIFY, BULK_OUT, BULK_IN = 0x83, 0x02, 0x82
PACKET_BYTES: Final = 64
MOST_WAITING_BYTES: Final = 4096
STARTED_S: Final = 1.0
WILL_DETACH: Final = 8
DETACH_TIMEOUT_MS: Final = 1000
CLASS_OUT, CLASS_IN = 0x21, 0xA1
CONTROL_INTERFACE, DFU_INTERFACE = 0, 2
SET_LINE_CODING, GET_LINE_CODING, SET_CONTROL_LINE_STATE = 0x20, 0x21, 0x22
VENDOR_IN: Final = 0xC0
PEEK: Final = 0x51
LARGEST_SIGNED: Final = 0x7F
LINE_CODING: Final = struct.pack("<IBBB", 115_200, 0, 0, 8)
"""Bits a second, one stop bit, no parity, 8 data bits."""
CONTROL: Final = bytes([9, 4, CONTROL_INTERFACE, 0, 1, 2, 2, 1, 0])
FUNCTIONS: Final = bytes([5, 0x24, 0, 0x10, 1, 5, 0x24, 1, 0, 1, 4, 0x24, 2, 2, 5, 0x24, 6, 0, 1])
"""Header, call management, abstract control, union of interfaces 0 and 1."""
NOTIFICATION: Final = bytes([7, 5, NOTIFY, 3, 8, 0, 16])
DATA: Final = bytes([9, 4, 1, 0, 2, 0x0A, 0, 0, 0])
BULK: Final = bytes([7, 5, BULK_OUT, 2, PACKET_BYTES, 0, 0, 7, 5, BULK_IN, 2, PACKET_BYTES, 0, 0])
RUN_TIME: Final = bytes([9, 4, DFU_INTERFACE, 0, 0, 0xFE, 1, 1, 0])
"""Class FE, subclass 1, protocol 1: DFU at run time. Source: DFU 1.1, 4.1.2."""
KEYBOARD: Final = bytes([9, 4, 3, 0, 1, 3, 1, 1, 0, 9, 0x21, 0x11, 1, 0, 1, 0x22, 63, 0, 7, 5, 0x84, 3, 8, 0, 10])
STORAGE: Final = bytes([9, 4, 3, 0, 2, 8, 6, 0x50, 0, 7, 5, 0x04, 2, 64, 0, 0, 7, 5, 0x84, 2, 64, 0, 0])
DEBUG: Final = bytes([9, 4, 3, 0, 2, 0xFF, 0xFF, 0, 0, 7, 5, 0x04, 2, 64, 0, 0, 7, 5, 0x84, 2, 64, 0, 0])
HIDDEN: Final = {"hidden-keyboard": KEYBOARD, "hidden-storage": STORAGE, "hidden-debug-port": DEBUG}
MEMORY: Final = b"\x76F7-q2Lx".ljust(PACKET_BYTES, b"\xff")
WEAKNESSES: Final[Mapping[str, str]] = {
    "zero-length-descriptor": "has a descriptor of length 0",
    "overlong-descriptor": "has a descriptor that claims more bytes than there are",
    "hidden-keyboard": "has an interface of a keyboard that is in no manual",
    "hidden-storage": "has an interface of a mass storage that is in no manual",
    "hidden-debug-port": "has an interface for its makers that is in no manual",
    "memory-request": "gives its memory to who knows the number of a request",
    "detach-open": "goes into its boot loader for who has not logged in",
    "upload-open": "gives its firmware to anybody",
    "crashes-on-request": "stops after a request for a text with a number above 127",
    "refuses-silently": "says that it has taken an update, and has not",
    "accepts-unsigned": "takes firmware that nobody has signed",
}


class DemoPumpUsb(UsbModel):
    """The pump at its USB plug."""

    strings: Mapping[int, str] = {1: "medharden", 2: "demo pump", 3: "00000001"}  # a constant

    def __init__(self, weak: frozenset[str]) -> None:
        self._weak = weak
        self._loader = DfuLoader(weak & {"upload-open", "refuses-silently", "accepts-unsigned"})
        self._console = ConsoleModel()
        self.plug_in()

    def plug_in(self) -> None:
        """Start; the console is ready when the host first looks."""
        self.is_hung = False
        self._line_coding = LINE_CODING
        self._detach_asked = self._is_loader = False
        self._waiting = bytearray()
        self._console.power_off()
        self._console.power_on(self.now_s - STARTED_S)
        self._console.tick(self.now_s)
        self._loader.reset()

    def reset(self) -> None:
        """Go into the boot loader when DETACH was allowed; once there, a broken transfer is forgotten."""
        self._is_loader = self._is_loader or self._detach_asked
        self._detach_asked = False
        self._waiting.clear()
        self._loader.reset()

    @property
    def device_descriptor(self) -> bytes:  # type: ignore[override]  # it changes with what the pump is
        """Return 18 bytes; a composite device says its classes in its interfaces."""
        return struct.pack("<BBHBBBBHHHBBBB", 18, 1, 0x200, 0, 0, 0, 64, VENDOR_ID, PRODUCT_ID, 0x210, 1, 2, 3, 1)

    @property
    def configurations(self) -> tuple[bytes, ...]:  # type: ignore[override]  # as above
        """Return the one configuration."""
        if self._is_loader:
            return self._loader.configurations
        can_upload = 2 if "upload-open" in self._weak else 0
        function = encode(
            FunctionalDescriptor(
                attributes=1 | can_upload, transfer_bytes=PACKET_BYTES, detach_timeout_ms=DETACH_TIMEOUT_MS
            )
        )
        if "zero-length-descriptor" in self._weak:
            function = b"\0" + function[1:]
        if "overlong-descriptor" in self._weak:
            function = b"\xff" + function[1:]
        hidden = b"".join(part for name, part in HIDDEN.items() if name in self._weak)
        body = CONTROL + FUNCTIONS + NOTIFICATION + DATA + BULK + hidden + RUN_TIME + function
        return (struct.pack("<BBHBBBBB", 9, 2, 9 + len(body), 4 if hidden else 3, 1, 0, 0x80, 50) + body,)

    def control(self, setup: Setup, data: bytes) -> bytes:
        """Do a request of the serial port or of DFU."""
        if "memory-request" in self._weak and (setup.request_type, setup.request) == (VENDOR_IN, PEEK):
            return MEMORY
        if self._is_loader:
            return self._loader.control(setup, data)
        if setup.request_type not in (CLASS_OUT, CLASS_IN):
            raise Stall
        if setup.index & 0xFF == DFU_INTERFACE:
            return self._at_run_time(setup)
        return self._line(setup, data)

    def string(self, index: int) -> str:
        """Return a text; the weak one never comes back from a number that it takes for a negative one."""
        self.is_hung = "crashes-on-request" in self._weak and index > LARGEST_SIGNED
        return super().string(index)

    def bulk_out(self, endpoint: int, data: bytes) -> None:
        """Take what is typed."""
        if endpoint != BULK_OUT or self._is_loader:
            raise Stall
        self._waiting += self._console.receive(data, self.now_s)
        del self._waiting[:-MOST_WAITING_BYTES]

    def bulk_in(self, endpoint: int, most_bytes: int) -> bytes | None:
        """Give what the console says; there are no notifications."""
        if endpoint == NOTIFY and not self._is_loader:
            return None
        if endpoint != BULK_IN or self._is_loader:
            raise Stall
        due_s = self._console.next_event_s()
        if due_s is not None and due_s <= self.now_s:
            self._waiting += self._console.tick(self.now_s)
        data = bytes(self._waiting[:most_bytes])
        del self._waiting[:most_bytes]
        return data or None

    def _at_run_time(self, setup: Setup) -> bytes:
        """Do what DFU allows at run time (DFU 1.1, table 3.2): DETACH, and saying the state."""
        if setup.request == Request.DETACH and setup.request_type == CLASS_OUT:
            if not self._console.is_logged_in and "detach-open" not in self._weak:
                raise Stall
            self._detach_asked = True
            return b""
        if setup.request in (Request.GETSTATUS, Request.GETSTATE) and setup.request_type == CLASS_IN:
            return bytes(6) if setup.request == Request.GETSTATUS else bytes(1)
        if setup.request == Request.UPLOAD and setup.request_type == CLASS_IN and "upload-open" in self._weak:
            return self._loader.firmware[setup.value * PACKET_BYTES :][: min(setup.length, PACKET_BYTES)]
        raise Stall

    def _line(self, setup: Setup, data: bytes) -> bytes:
        if setup.request == GET_LINE_CODING:
            return self._line_coding
        if setup.request == SET_LINE_CODING and len(data) == len(LINE_CODING):
            self._line_coding = data
            return b""
        if setup.request == SET_CONTROL_LINE_STATE:
            return b""
        raise Stall


USB_MODEL = UsbModelKind(
    name="demo-pump",
    title="demo pump at its USB plug (CDC-ACM, DFU)",
    profile="demo-pump",
    interface="usb",
    make=DemoPumpUsb,
    weaknesses=WEAKNESSES,
)
