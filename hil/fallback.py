"""Which device is used: the first of a list that is there, down to an emulated one; each attempt is told."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass, field
from typing import Final

from device_profiles.schema import DeviceProfile, Interface, SerialLine
from hil.debug_probe import DebugProbe
from hil.device import Device, is_known_by_usb
from hil.errors import BenchError, WrongDevice
from hil.power import PowerPort
from hil.record import Recorder
from hil.result import Attempt
from hil.transport import make_transport, scheme_named
from hil.transport_url import TransportUrl
from toolkit.core.errors import InputError, MissingExtra

__all__ = ["Candidates", "emulated_devices", "first_that_answers", "serial_defaults"]

EMULATORS: Final = ("qemu", "unicorn", "medemu")
"""From the most to the least real; the first that this computer has is used, and each attempt is told. What cannot be
judged there, as it has no BREAK or no debug port, is judged on the next, and says so."""
USB_EMULATORS: Final = ("medusb",)


@dataclass(slots=True, kw_only=True)
class Candidates:
    """The devices to try, and what is the same for all of them."""

    profile: DeviceProfile
    interface: Interface
    urls: tuple[str, ...]
    recorder: Recorder
    power: PowerPort | None = None
    probe: DebugProbe | None = None
    serial_number: str | None = None
    attempts: list[Attempt] = field(default_factory=list)


def emulated_devices(profile: DeviceProfile, interface: Interface) -> tuple[str, ...]:
    """Return the addresses of the emulated device that the profile names at ``interface``, the most real one first."""
    name = profile.hil.emulator
    if name is None:
        return ()
    kinds = USB_EMULATORS if is_known_by_usb(interface) else EMULATORS
    return tuple(f"{scheme}://{name}" for scheme in kinds if _has(scheme))


def first_that_answers(candidates: Candidates) -> Device | None:
    """Return the first device that is there, connected and identified; None when none is.

    ``candidates.attempts`` then tells about each. ``WrongDevice`` ends the search: what is connected must be looked at
    by a person, not passed over.
    """
    for url in candidates.urls:
        try:
            device = _connected(candidates, url)
        except WrongDevice as error:
            candidates.attempts.append(Attempt(device=url, problem=str(error)))
            raise
        except (BenchError, InputError, MissingExtra) as error:
            candidates.attempts.append(Attempt(device=url, problem=str(error)))
        else:
            candidates.attempts.append(Attempt(device=url))
            return device
    return None


def serial_defaults(line: SerialLine) -> dict[str, str]:
    """Return the line settings of a profile as options of an address."""
    values = {
        "baud": line.baud,
        "data_bits": line.data_bits,
        "parity": line.parity,
        "stop_bits": line.stop_bits,
        "flow": line.flow,
    }
    return {name: str(value) for name, value in values.items() if value is not None}


def _connected(candidates: Candidates, text: str) -> Device:
    url = TransportUrl.parse(text)
    if scheme_named(url.scheme.rpartition("+")[2]).is_serial:
        url = url.with_defaults(serial_defaults(candidates.interface.serial))
    transport = make_transport(url)
    transport.record_to(candidates.recorder)
    device = Device(
        candidates.profile,
        transport,
        candidates.interface,
        power=candidates.power,
        probe=candidates.probe,
        serial_number=candidates.serial_number if transport.level.is_real else None,
    )
    try:
        device.connect()
    except BaseException:
        device.close()
        raise
    return device


def _has(scheme: str) -> bool:
    return importlib.util.find_spec(f"hil.transports.{scheme}") is not None
