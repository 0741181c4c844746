"""What a twin is: a documented weakness of a medical device, built small once as it was and once as it should be.

The weak twin shows the mechanism of an advisory in the container such a device comes in; the hardened twin has the same
shape and is full of what only looks weak. Both are made up byte by byte: nothing of a manufacturer's software is in
them. A case that no file can show is a ``BenchCase``: what shows it is a bench check on the device.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.resources import files

import msgspec

from toolkit.core.registry import discover
from toolkit.core.toml_rows import TomlFile

__all__ = ["BenchCase", "Expected", "Twin", "bench_cases", "expected_at", "twins"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """A finding that a scan of the weak twin must report, and at which place."""

    check: str
    path: str
    """Inside the image, with ``!`` between containers; empty for the image itself."""
    offset: int | None = None
    """Where in that file the weakness stands, in bytes; None where the whole file or entry is meant."""
    address: int | None = None
    """Where it stands in the memory of the device, for an image that says where it goes."""
    vulnerability: str = ""
    """Which known vulnerability must be named, for a case of an outdated component."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Twin:
    """One documented case and the two images that teach it."""

    name: str
    """Id of the case, such as ``contec-2025``."""
    device: str
    """The kind of device, in words."""
    advisory: str
    cves: tuple[str, ...]
    container: str
    """What the images come in, in words."""
    image: str
    """File name of both images."""
    mechanism: str
    """What was wrong, in our words."""
    for_patient: str
    """What it means for a patient."""
    difference: str
    """What the hardened twin does instead."""
    weak: Callable[[], bytes]
    hardened: Callable[[], bytes]
    expected: tuple[Expected, ...]
    remains: tuple[str, ...] = ()
    """Checks that rightly report on the hardened twin, too, because its container alone is a weakness."""


class BenchCase(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A documented case that only the behaviour of a device shows."""

    device: str
    advisory: str
    reason: str
    """Why no file shows it, and what the device did."""
    checks: tuple[str, ...]
    """Bench checks that show it."""


def expected_at(check: str, path: str, content: bytes, needle: bytes) -> Expected:
    """Return that ``check`` must point to where ``needle`` begins in ``content``, the file at ``path``."""
    return Expected(check=check, path=path, offset=content.index(needle))


def twins() -> Mapping[str, Twin]:
    """Return all twins by the id of their case."""
    return discover("firmware_checks.twins", attribute="TWIN", kind=Twin, group=None)


def bench_cases() -> Mapping[str, BenchCase]:
    """Return the documented cases that have no twin, by id."""
    file = files("firmware_checks.twins").joinpath("bench_only.toml")
    return TomlFile(file.name, file.read_bytes()).decode(dict[str, BenchCase])
