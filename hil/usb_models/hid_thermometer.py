"""A thermometer that is a HID device: it says its reading in input reports, and has one setting in a feature report.

Sources: Device Class Definition for Human Interface Devices 1.11, chapters 6.2 and 7.2.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import Final

from hil.usb_model import Setup, Stall, UsbModel, UsbModelKind

__all__ = ["REPORT_DESCRIPTOR", "USB_MODEL", "HidThermometer"]

VENDOR_ID, PRODUCT_ID = 0x1209, 0x0004
"""pid.codes, reserved for tests."""
REPORTS_IN: Final = 0x81
GET_REPORT, SET_REPORT, SET_IDLE = 0x01, 0x09, 0x0A
GET_DESCRIPTOR: Final = 0x06
HID, REPORT = 0x21, 0x22
INPUT, FEATURE = 1, 3
INTERFACE_IN, CLASS_IN, CLASS_OUT = 0x81, 0xA1, 0x21
PERIOD_S: Final = 1.0
CENTIDEGREES: Final = 3690
UNITS: Final = (0, 1)
"""Celsius and Fahrenheit: what its display shows; reports are always in hundredths of a degree Celsius."""
REPORT_DESCRIPTOR: Final = bytes.fromhex(
    "06 00 ff 09 01 a1 01"  # usage page of the maker, usage 1, collection
    "09 02 15 00 26 10 27 75 10 95 01 81 02"  # one number of 16 bits, 0 to 10,000: input
    "09 03 15 00 25 01 75 08 95 01 b1 02"  # one number of 8 bits, 0 or 1: feature
    "c0"
)
FUNCTION: Final = bytes([9, HID, 0x11, 0x01, 0, 1, REPORT]) + len(REPORT_DESCRIPTOR).to_bytes(2, "little")
BODY: Final = bytes([9, 4, 0, 0, 1, 3, 0, 0, 0]) + FUNCTION + bytes([7, 5, REPORTS_IN, 3, 8, 0, 10])
WEAKNESSES: Final[Mapping[str, str]] = {
    "long-report": "takes a feature report that is longer than it is described",
}


class HidThermometer(UsbModel):
    """The thermometer."""

    device_descriptor = struct.pack(
        "<BBHBBBBHHHBBBB", 18, 1, 0x200, 0, 0, 0, 64, VENDOR_ID, PRODUCT_ID, 0x100, 1, 2, 3, 1
    )
    configurations = (struct.pack("<BBHBBBBB", 9, 2, 9 + len(BODY), 1, 1, 0, 0x80, 50) + BODY,)
    strings: Mapping[int, str] = {1: "medharden", 2: "HID thermometer", 3: "00000001"}  # a constant

    def __init__(self, weak: frozenset[str]) -> None:
        self._weak = weak
        self.plug_in()

    def plug_in(self) -> None:
        """Begin with degrees Celsius."""
        self.is_hung = False
        self.unit = UNITS[0]
        self._said_s: float | None = None

    def control(self, setup: Setup, data: bytes) -> bytes:
        """Give descriptors and reports, and take the one setting."""
        if (setup.request_type, setup.request) == (INTERFACE_IN, GET_DESCRIPTOR):
            found = {HID: FUNCTION, REPORT: REPORT_DESCRIPTOR}.get(setup.value >> 8)
            if found is not None:
                return found
        if (setup.request_type, setup.request) == (CLASS_IN, GET_REPORT):
            reports = {INPUT: self._reading(), FEATURE: bytes([self.unit])}
            if setup.value >> 8 in reports:
                return reports[setup.value >> 8]
        if setup.request_type == CLASS_OUT and self._is_taken(setup, data):
            return b""
        raise Stall

    def bulk_in(self, endpoint: int, most_bytes: int) -> bytes | None:
        """Give a reading once a second."""
        if endpoint != REPORTS_IN:
            raise Stall
        if self._said_s is not None and self.now_s < self._said_s + PERIOD_S:
            return None
        self._said_s = self.now_s
        return self._reading()[:most_bytes]

    def _reading(self) -> bytes:
        return CENTIDEGREES.to_bytes(2, "little")

    def _is_taken(self, setup: Setup, data: bytes) -> bool:
        if setup.request == SET_IDLE:
            return True
        is_feature = setup.request == SET_REPORT and setup.value >> 8 == FEATURE
        right_size = len(data) == 1 or (len(data) > 1 and "long-report" in self._weak)
        if is_feature and right_size and data[0] in UNITS:
            self.unit = data[0]
            return True
        return False


USB_MODEL = UsbModelKind(
    name="hid-thermometer",
    title="thermometer as a HID device",
    profile="pulse-oximeter-usb",
    interface="usb",
    make=HidThermometer,
    weaknesses=WEAKNESSES,
)
