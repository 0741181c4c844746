"""A boot loader that takes firmware over USB DFU 1.1.

The good one takes only an image that ends in the right HMAC-SHA-256 of what is before it, gives nothing back, and says
how long it needs. A symmetric key stands in for a signature here: what is tried out is the transfer, not the crypto.
"""

from __future__ import annotations

import hashlib
import hmac
import struct
from collections.abc import Mapping
from typing import Final

from hil.protocols.dfu import DfuState, DfuStatus, FunctionalDescriptor, Request, StatusCode, encode
from hil.usb_model import Setup, Stall, UsbModel, UsbModelKind

__all__ = ["USB_MODEL", "DfuLoader", "sealed"]

KEY: Final = b"dfu-loader made-up key"
SEAL_BYTES: Final = 32
TRANSFER_BYTES: Final = 64
FLASH_BYTES: Final = 1 << 16
WRITE_MS: Final = 10
MANIFEST_MS: Final = 100
VENDOR_ID, PRODUCT_ID = 0x1209, 0x0001
"""pid.codes, reserved for tests."""
CAN_DOWNLOAD, CAN_UPLOAD, TOLERANT = 1, 2, 4
DFU_INTERFACE: Final = bytes([9, 4, 0, 0, 0, 0xFE, 1, 2, 0])
"""Class FE, subclass 1, protocol 2: DFU mode. Source: DFU 1.1, 4.2.3."""
WEAKNESSES: Final[Mapping[str, str]] = {
    "accepts-unsigned": "takes firmware that nobody has signed",
    "upload-open": "gives its firmware to anybody",
    "refuses-silently": "says that it has taken an update, and has not",
    "zero-length-descriptor": "has a descriptor of length 0",
}


def sealed(image: bytes) -> bytes:
    """Return ``image`` with what the good loader wants to see behind it."""
    return image + hmac.new(KEY, image, hashlib.sha256).digest()


def _configuration(functional: bytes) -> bytes:
    body = DFU_INTERFACE + functional
    return struct.pack("<BBHBBBBB", 9, 2, 9 + len(body), 1, 1, 0, 0x80, 50) + body


class DfuLoader(UsbModel):
    """The loader."""

    device_descriptor = struct.pack(
        "<BBHBBBBHHHBBBB", 18, 1, 0x200, 0, 0, 0, 64, VENDOR_ID, PRODUCT_ID, 0x100, 1, 2, 3, 1
    )
    strings: Mapping[int, str] = {1: "medharden", 2: "DFU loader", 3: "00000001"}  # a constant

    def __init__(self, weak: frozenset[str]) -> None:
        self._weak = weak
        attributes = CAN_DOWNLOAD | TOLERANT | (CAN_UPLOAD if "upload-open" in weak else 0)
        functional = encode(FunctionalDescriptor(attributes=attributes, transfer_bytes=TRANSFER_BYTES))
        if "zero-length-descriptor" in weak:
            functional = b"\0" + functional[1:]
        self.configurations = (_configuration(functional),)
        self.firmware = sealed(b"factory firmware " * 20)
        self.reset()

    def reset(self) -> None:
        """Begin idle; a transfer that was broken off is forgotten."""
        self._state = DfuState.IDLE
        self._status = StatusCode.OK
        self._image = bytearray()

    def control(self, setup: Setup, data: bytes) -> bytes:
        """Do a DFU request; what is not allowed in this state is refused, and leads to ``ERROR``."""
        if setup.request_type & 0x7F != 0x21:
            raise Stall
        if setup.request == Request.GETSTATUS:
            return self._get_status()
        if setup.request == Request.GETSTATE:
            return bytes([self._state])
        if setup.request in (Request.CLRSTATUS, Request.ABORT):
            self.reset()
            return b""
        if setup.request == Request.DNLOAD and self._state in (DfuState.IDLE, DfuState.DOWNLOAD_IDLE):
            return self._download(data)
        if setup.request == Request.UPLOAD and "upload-open" in self._weak:
            return self.firmware[setup.value * TRANSFER_BYTES :][: min(setup.length, TRANSFER_BYTES)]
        self._fail(StatusCode.STALLEDPKT)
        raise Stall

    def _fail(self, status: StatusCode) -> None:
        self._state, self._status = DfuState.ERROR, status

    def _download(self, data: bytes) -> bytes:
        if not data and self._state is DfuState.IDLE:
            self._fail(StatusCode.NOTDONE)
            raise Stall
        self._state = DfuState.DOWNLOAD_SYNC if data else DfuState.MANIFEST_SYNC
        if len(data) > TRANSFER_BYTES or len(self._image) + len(data) > FLASH_BYTES:
            self._fail(StatusCode.ADDRESS)
            raise Stall
        self._image += data
        return b""

    def _get_status(self) -> bytes:
        """Say the state and go on to the next, as DFU 1.1, appendix A draws it."""
        said, wait_ms = self._state, 0
        if self._state is DfuState.DOWNLOAD_SYNC:
            said, wait_ms, self._state = DfuState.DOWNLOAD_BUSY, WRITE_MS, DfuState.DOWNLOAD_IDLE
        elif self._state is DfuState.MANIFEST_SYNC:
            if self._is_sealed() or "accepts-unsigned" in self._weak:
                self.firmware = bytes(self._image)
                said, wait_ms, self._state = DfuState.MANIFEST, MANIFEST_MS, DfuState.IDLE
                self._image.clear()
            elif "refuses-silently" in self._weak:
                self.reset()
                said = self._state
            else:
                self._fail(StatusCode.FIRMWARE)
                said = DfuState.ERROR
        return encode(DfuStatus(state=said, status=self._status, poll_timeout_ms=wait_ms))

    def _is_sealed(self) -> bool:
        return hmac.compare_digest(sealed(bytes(self._image[:-SEAL_BYTES])), bytes(self._image))


USB_MODEL = UsbModelKind(
    name="dfu-loader",
    title="boot loader that takes firmware over USB DFU",
    profile="pulse-oximeter-usb",
    interface="usb",
    make=DfuLoader,
    weaknesses=WEAKNESSES,
)
