"""The host's side of USB Device Firmware Upgrade 1.1.

It believes the device and nothing else: after every block it asks for the status, waits as long as the device says,
goes on only in the states the standard allows, and calls a download done when the device says so. Source: DFU 1.1,
chapters 5 to 7 and appendix A.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from hil.clock import Clock
from hil.errors import BenchError
from hil.protocols.dfu import (
    DESCRIPTOR_BYTES,
    DESCRIPTOR_TYPE,
    STATUS_BYTES,
    Attributes,
    DfuState,
    DfuStatus,
    FunctionalDescriptor,
    Request,
    StatusCode,
    decode,
    decode_descriptor,
)
from hil.usb_host import descriptors_in
from toolkit.core.errors import FormatError, InputError

__all__ = ["DfuClient", "DfuError", "functional_descriptor"]

CLASS_OUT, CLASS_IN = 0x21, 0xA1
TIMEOUT_MS: Final = 5000
MOST_ASKED: Final = 1000
MOST_WAIT_S: Final = 300.0
"""A device may ask for 4.6 hours; nobody waits that long on a bench."""
MOST_IMAGE_BYTES: Final = 1 << 26
MOST_BLOCKS: Final = 0x1_0000
"""Block numbers wrap around after this many (DFU 1.1, 6.1.1)."""
LEAST_TRANSFER_BYTES: Final = 8
BUSY: Final = (DfuState.DOWNLOAD_SYNC, DfuState.DOWNLOAD_BUSY)
MANIFESTING: Final = (DfuState.MANIFEST_SYNC, DfuState.MANIFEST)
DONE: Final = (DfuState.IDLE, DfuState.MANIFEST_WAIT_RESET)


class DfuError(BenchError):
    """The device refused, or did what the standard does not allow; ``status`` is what it said last."""

    def __init__(self, message: str, status: DfuStatus | None = None) -> None:
        self.status = status
        super().__init__(message)


def functional_descriptor(configuration: bytes) -> FunctionalDescriptor:
    """Return the DFU descriptor that stands in the bytes of a configuration; ``DfuError`` when none does."""
    for descriptor in descriptors_in(configuration):
        if descriptor.kind == DESCRIPTOR_TYPE and len(descriptor.data) == DESCRIPTOR_BYTES:
            return decode_descriptor(descriptor.data)
    raise DfuError("the device has no DFU functional descriptor")


class DfuClient:
    """Talks to the DFU interface of a pyusb ``device``, for example ``transport.usb_device``."""

    def __init__(self, device: Any, descriptor: FunctionalDescriptor, clock: Clock, interface: int = 0) -> None:
        if descriptor.transfer_bytes < LEAST_TRANSFER_BYTES:
            raise DfuError(f"the device claims to take blocks of {descriptor.transfer_bytes} bytes")
        self._device = device
        self._descriptor = descriptor
        self._clock = clock
        self._interface = interface

    def status(self) -> DfuStatus:
        """Return what the device says about itself."""
        answer = bytes(self._in(Request.GETSTATUS, 0, STATUS_BYTES))
        try:
            found = decode(answer)
        except FormatError as error:
            raise DfuError(f"the device gives no status: {error}") from error
        if not isinstance(found, DfuStatus):
            raise DfuError("the device gives a descriptor where its status belongs")
        return found

    def make_idle(self) -> None:
        """Bring the device to ``IDLE``: end an error, or a transfer that was broken off."""
        status = self.status()
        if status.state is DfuState.ERROR:
            self._out(Request.CLRSTATUS, 0)
        elif status.state is not DfuState.IDLE:
            self._out(Request.ABORT, 0)
        status = self.status()
        if status.state is not DfuState.IDLE:
            raise DfuError(f"the device stays in {status.state.name}", status)

    def download(self, image: bytes) -> DfuStatus:
        """Write ``image`` to the device and return its last status; ``DfuError`` when it does not take all of it."""
        if not self._descriptor.can(Attributes.CAN_DOWNLOAD):
            raise DfuError("the device says that it takes no downloads")
        if not 0 < len(image) <= MOST_IMAGE_BYTES:
            raise InputError(f"an image for DFU has 1 to {MOST_IMAGE_BYTES} bytes, not {len(image)}")
        self.make_idle()
        block = 0
        for block, data in enumerate(self._blocks(image)):
            self._out(Request.DNLOAD, block % MOST_BLOCKS, data)
            self._until((DfuState.DOWNLOAD_IDLE,), BUSY)
        self._out(Request.DNLOAD, (block + 1) % MOST_BLOCKS)
        return self._until(DONE, MANIFESTING)

    def upload(self, most_bytes: int) -> bytes:
        """Read the firmware of the device, at most ``most_bytes``; a short block ends it."""
        if not self._descriptor.can(Attributes.CAN_UPLOAD):
            raise DfuError("the device says that it gives no uploads")
        self.make_idle()
        size = self._descriptor.transfer_bytes
        image = b""
        block = 0
        while len(image) < most_bytes:
            data = bytes(self._in(Request.UPLOAD, block % MOST_BLOCKS, size))
            image += data
            block += 1
            if len(data) < size:
                return image[:most_bytes]
        self._out(Request.ABORT, 0)
        return image[:most_bytes]

    def _blocks(self, image: bytes) -> Iterator[bytes]:
        size = self._descriptor.transfer_bytes
        for at in range(0, len(image), size):
            yield image[at : at + size]

    def _until(self, wanted: tuple[DfuState, ...], meanwhile: tuple[DfuState, ...]) -> DfuStatus:
        """Ask for the status until it is ``wanted``, waiting as long as the device says in the states before."""
        waited_s = 0.0
        for _ in range(MOST_ASKED):
            status = self.status()
            if status.status is not StatusCode.OK or status.state is DfuState.ERROR:
                raise DfuError(f"the device refuses: {status.status.name} in {status.state.name}", status)
            if status.state in wanted:
                return status
            if status.state not in meanwhile:
                raise DfuError(f"the device went to {status.state.name}, which is not allowed here", status)
            waited_s += status.poll_timeout_ms / 1000
            if waited_s > MOST_WAIT_S:
                raise DfuError(f"the device wants more than {MOST_WAIT_S:.0f} s for one step", status)
            self._clock.sleep(status.poll_timeout_ms / 1000)
        raise DfuError(f"the device is not done after {MOST_ASKED} questions")

    def _in(self, request: Request, value: int, size: int) -> Any:
        return self._try(request, CLASS_IN, value, size)

    def _out(self, request: Request, value: int, data: bytes = b"") -> None:
        self._try(request, CLASS_OUT, value, data)

    def _try(self, request: Request, kind: int, value: int, data_or_size: bytes | int) -> Any:
        import usb.core  # type: ignore[import-untyped]

        try:
            return self._device.ctrl_transfer(kind, request, value, self._interface, data_or_size, TIMEOUT_MS)
        except usb.core.USBError as error:
            raise DfuError(f"the device does not take {request.name}: {error}") from error
