"""A USB device that is a program in this process: reached by ``medusb://NAME``, or exported over USB/IP.

The host side (``hil/usb_backend.py``) is a pyusb back end, so that what is written with pyusb works on it unmodified.
Sources: Universal Serial Bus Specification 2.0, chapters 8 and 9.
"""

from __future__ import annotations

import abc
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from hil.weaknesses import chosen_weaknesses
from toolkit.core.errors import InputError
from toolkit.core.registry import discover

__all__ = ["Setup", "Stall", "UsbModel", "UsbModelKind", "usb_model_named", "usb_models"]

GROUP: Final = "medharden.usb_models"
SETUP: Final = struct.Struct("<BBHHH")


class Stall(Exception):
    """The device refuses a transfer, as a STALL handshake does. Not an error of ours: models raise it."""


@dataclass(frozen=True, slots=True)
class Setup:
    """The setup packet of a control transfer."""

    request_type: int
    request: int
    value: int
    index: int
    length: int

    @classmethod
    def parse(cls, data: bytes) -> Setup:
        """Return the 8 bytes ``data`` taken apart."""
        return cls(*SETUP.unpack(data))

    def build(self) -> bytes:
        """Return the 8 bytes."""
        return SETUP.pack(self.request_type, self.request, self.value, self.index, self.length)

    @property
    def is_in(self) -> bool:
        """Whether data goes from the device to the host."""
        return bool(self.request_type & 0x80)


class UsbModel(abc.ABC):
    """One emulated USB device. Descriptors are bytes, so that broken ones can be had."""

    device_descriptor: bytes
    """18 bytes."""
    configurations: tuple[bytes, ...]
    """Each with its interfaces and endpoints, ``wTotalLength`` bytes."""
    strings: Mapping[int, str] = {}
    """Texts by index, from 1."""
    is_hung: bool = False
    """Whether its program has stopped, so that nothing is answered until the plug is pulled."""
    now_s: float = 0.0
    """The time, told before each transfer; a model never looks at a clock."""

    def string(self, index: int) -> str:
        """Return text number ``index``; ``Stall`` when there is none."""
        if index not in self.strings:
            raise Stall
        return self.strings[index]

    @abc.abstractmethod
    def control(self, setup: Setup, data: bytes) -> bytes:
        """Do a class or vendor request, or a standard one to an interface, and return the data for an IN request.

        ``Stall`` to refuse. Descriptors, configuration and address are dealt with before.
        """

    def bulk_out(self, endpoint: int, data: bytes) -> None:  # noqa: ARG002  # for a device that has none
        """Take data of a bulk or interrupt transfer; ``Stall`` to refuse."""
        raise Stall

    def bulk_in(self, endpoint: int, most_bytes: int) -> bytes | None:  # noqa: ARG002
        """Return data for a bulk or interrupt transfer; None when there is none yet (NAK); ``Stall`` to refuse."""
        raise Stall

    def reset(self) -> None:  # noqa: B027  # most models have nothing to do
        """Do what a bus reset does."""

    def plug_in(self) -> None:
        """Start as after the plug was pulled and put back: what was in RAM is gone."""
        self.is_hung = False
        self.reset()


@dataclass(frozen=True, slots=True, kw_only=True)
class UsbModelKind:
    """One USB device that can be emulated; defined as ``USB_MODEL`` in a file of ``hil/usb_models``."""

    name: str
    title: str
    profile: str
    interface: str
    make: Callable[[frozenset[str]], UsbModel]
    """Return a device with these of the ``weaknesses``."""
    weaknesses: Mapping[str, str]

    def device(self, weak: str) -> UsbModel:
        """Return a device with the weaknesses named in ``weak``, joined by commas; none for an empty text."""
        return self.make(chosen_weaknesses(self.name, weak, self.weaknesses))


def usb_models() -> dict[str, UsbModelKind]:
    """Return every USB device that can be emulated, by its name."""
    return discover("hil.usb_models", attribute="USB_MODEL", kind=UsbModelKind, group=GROUP)


def usb_model_named(name: str) -> UsbModelKind:
    """Return one of them; ``InputError`` when there is none of this name."""
    found = usb_models()
    if name not in found:
        raise InputError(f"medusb://{name}: no such device; there are {', '.join(sorted(found)) or 'none'}")
    return found[name]
