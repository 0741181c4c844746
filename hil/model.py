"""A device that is a program in this process: what it must do, so that ``medemu://NAME`` can reach it.

A model never looks at a clock: it is told the time. It never waits: what it would say later it says when it is asked at
that time. So a run against it takes no time, and gives the same bytes each time.
"""

from __future__ import annotations

import abc
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from hil.debug_probe import DebugProbe, NoProbe
from hil.transport import FlashPort
from hil.weaknesses import chosen_weaknesses
from toolkit.core.errors import InputError
from toolkit.core.registry import discover

__all__ = ["DeviceModel", "ModelKind", "model_named", "models"]

GROUP: Final = "medharden.models"


class DeviceModel(abc.ABC):
    """One emulated device with one byte stream in and one out. Power is off until ``power_on``."""

    flash: FlashPort | None = None
    """Its program memory, where it has one."""
    debug_port: DebugProbe = NoProbe()
    """Its debug port with a probe at it, where it has one."""

    @abc.abstractmethod
    def power_on(self, now_s: float) -> bytes:
        """Start; return what it says at once, for example a boot message. What was in RAM is gone."""

    @abc.abstractmethod
    def power_off(self) -> None:
        """Lose power; only what stands in flash stays."""

    @abc.abstractmethod
    def receive(self, data: bytes, now_s: float) -> bytes:
        """Take ``data`` and return what it says in answer at once. Any bytes, in any pieces; never raises."""

    def receive_break(self, now_s: float) -> bytes:  # noqa: ARG002  # most devices pass it over
        """Take a BREAK: the line held low for longer than a byte lasts."""
        return b""

    def next_event_s(self) -> float | None:
        """Return when it will say or do something by itself; None while nothing is due."""
        return None

    def tick(self, now_s: float) -> bytes:  # noqa: ARG002  # a model without own events needs no time
        """Do what is due by ``now_s`` and return what it says."""
        return b""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelKind:
    """One device that can be emulated in this process; defined as ``MODEL`` in a file of ``hil/models``."""

    name: str
    """What stands behind ``medemu://``."""
    title: str
    profile: str
    """Id of the device profile it is an example of."""
    interface: str
    """Id of the interface in that profile at which one is connected."""
    make: Callable[[frozenset[str]], DeviceModel]
    """Return a device with these of the ``weaknesses``, power off."""
    weaknesses: Mapping[str, str]
    """What it can be made to do wrong: name, and what it does in words."""

    def device(self, weak: str) -> DeviceModel:
        """Return a device with the weaknesses named in ``weak``, joined by commas; none for an empty text."""
        return self.make(chosen_weaknesses(self.name, weak, self.weaknesses))


def models() -> dict[str, ModelKind]:
    """Return every device that can be emulated in this process, by its name."""
    return discover("hil.models", attribute="MODEL", kind=ModelKind, group=GROUP)


def model_named(name: str) -> ModelKind:
    """Return one of them; ``InputError`` when there is none of this name."""
    found = models()
    if name not in found:
        raise InputError(f"medemu://{name}: no such device; there are {', '.join(sorted(found))}")
    return found[name]
