"""What the bench checks do with a USB device beside its byte stream: control transfers, descriptors, resets."""

from __future__ import annotations

from typing import Any, Final

from device_profiles.vocabulary import UsbClass
from hil.bench_check import Session
from hil.dfu_client import DfuError, functional_descriptor
from hil.errors import LinkLost, NotTested
from hil.protocols.dfu import FunctionalDescriptor
from hil.usb_descriptors import UsbInterface, interfaces_in
from hil.usb_host import CONFIGURATION, DEVICE, GET_DESCRIPTOR, IN, named_fields
from hil.usb_model import Setup

__all__ = [
    "applies",
    "ask",
    "configurations",
    "descriptor",
    "dfu_applies",
    "dfu_interface",
    "is_alive",
    "needs_power",
    "reconnected",
    "replug",
]

TIMEOUT_MS: Final = 250
HEAD_BYTES: Final = 9
MOST_CONFIGURATIONS: Final = 8
SLACK_BYTES: Final = 64
"""So many more bytes are asked for than there should be, to see whether more come."""
RECONNECT_S: Final = 10.0
OFF_S: Final = 0.5
DEVICE_BYTES: Final = 18


def applies(session: Session) -> str:
    """Return why a check of USB makes no sense here, or nothing."""
    return "" if session.device.transport.usb_device is not None else "the device is not connected over USB"


def dfu_applies(session: Session) -> str:
    """Return why a check of firmware updates over USB makes no sense here, or nothing."""
    why = applies(session)
    if why:
        return why
    has_dfu = UsbClass.DFU in (session.interface.usb.classes or ())
    return "" if has_dfu else "the profile names no DFU interface (usb.classes)"


def needs_power(session: Session) -> str:
    """Return what is missing where a hung device has to be switched off and on, or nothing."""
    return "" if session.device.power.is_automatic else "nothing here can switch the device off and on (--power)"


def ask(session: Session, setup: Setup, data: bytes = b"") -> bytes | None:
    """Do one control transfer; return what came, or None when the device refused it or did not answer."""
    import usb.core  # type: ignore[import-untyped]

    device: Any = session.device.transport.usb_device
    if device is None:
        raise LinkLost(f"{session.device.transport.url}: not connected")
    wanted: Any = setup.length if setup.is_in else data
    try:
        answer = device.ctrl_transfer(
            setup.request_type, setup.request, setup.value, setup.index, wanted, timeout=TIMEOUT_MS
        )
    except usb.core.USBError:
        return None
    return bytes(answer) if setup.is_in else b""


def descriptor(session: Session, kind: int, index: int, most_bytes: int) -> bytes | None:
    """Return a descriptor as it comes, at most ``most_bytes``; None when there is none."""
    return ask(session, Setup(IN, GET_DESCRIPTOR, kind << 8 | index, 0, most_bytes))


def configurations(session: Session) -> list[bytes]:
    """Return each configuration with all that stands behind it, and with what more came than it says."""
    device = descriptor(session, DEVICE, 0, DEVICE_BYTES) or b""
    count = min(named_fields(DEVICE, device).bNumConfigurations, MOST_CONFIGURATIONS)
    found = []
    for index in range(count):
        head = descriptor(session, CONFIGURATION, index, HEAD_BYTES) or b""
        size = min(named_fields(CONFIGURATION, head).wTotalLength + SLACK_BYTES, 0xFFFF)
        found.append(descriptor(session, CONFIGURATION, index, size) or head)
    return found


def dfu_interface(session: Session) -> tuple[UsbInterface, FunctionalDescriptor]:
    """Return the DFU interface of the device and what it says about itself; ``NotTested`` when it has none."""
    for configuration in configurations(session):
        for interface in interfaces_in(configuration):
            if interface.kind is UsbClass.DFU:
                return interface, _functional(configuration)
    raise NotTested("the device shows no DFU interface")


def _functional(configuration: bytes) -> FunctionalDescriptor:
    try:
        return functional_descriptor(configuration)
    except DfuError as error:
        raise NotTested(f"the descriptors of the device cannot be read: {error}") from error


def is_alive(session: Session) -> bool:
    """Tell whether it still says what it is."""
    return bool(descriptor(session, DEVICE, 0, DEVICE_BYTES))


def reconnected(session: Session) -> None:
    """Reset the device over the bus, and make sure that it is the same one."""
    import usb.core

    device: Any = session.device.transport.usb_device
    try:
        device.reset()
    except usb.core.USBError as error:
        raise LinkLost(f"{session.device.transport.url}: it cannot be reset: {error}") from error
    session.device.reconnect(RECONNECT_S)


def replug(session: Session) -> None:
    """Pull the plug and put it back, where that can be done; else reset the device over the bus."""
    if not session.device.power.is_automatic:
        reconnected(session)
        return
    session.device.power_cycle(OFF_S)
    session.device.reconnect(RECONNECT_S)
