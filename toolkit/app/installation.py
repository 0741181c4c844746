"""What is installed, whether it is whole, and what an optional part would add."""

from __future__ import annotations

import base64
import csv
import hashlib
import importlib.util
import platform
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from toolkit import __version__

DISTRIBUTION = "medharden"
ROOMS = ("toolkit", "device_profiles", "firmware_checks", "signing", "hil")
UNLOCKS = {
    "cvss": "scores of vulnerabilities for this device's own ways in",
    "hil": "bench tests on real devices over serial and USB",
    "hsm": "keys in tokens and security modules (PKCS#11)",
    "kms": "keys in a cloud",
    "lab": "a lab of many benches (labgrid)",
    "signing": "building MCUboot images",
    "unicorn": "the compiled demo pump, run instruction by instruction",
}
"""What each optional part is for, by the name of the extra."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A package that medharden uses; ``extra`` names the optional part it belongs to."""

    name: str
    version: str | None
    """None when it is not installed."""
    extra: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Extra:
    """An optional part: what it is for, and which of its packages are missing."""

    name: str
    unlocks: str
    missing: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnosis:
    """What ``medharden doctor`` found; sound when ``problems`` is empty."""

    medharden: str
    python: str
    platform: str
    location: str
    parts: tuple[Part, ...]
    extras: tuple[Extra, ...]
    search_engine: str
    """What searches images for components, in words."""
    problems: tuple[str, ...]


def diagnose() -> Diagnosis:
    """Look at the Python that runs this and at what is installed in it."""
    from firmware_checks.patterns.native import engine_in_words

    location = Path(__file__).resolve().parents[2]
    ours = next(iter(metadata.distributions(name=DISTRIBUTION)), None)
    parts = tuple(parts_of(ours.requires or [])) if ours else ()
    problems = [
        *installation_problems(ours, __version__),
        *(f"{p.name} is not installed: install medharden again" for p in parts if not p.extra and not p.version),
        *shadowed(location, {room: origin(room) for room in ROOMS}),
        *claimed(metadata.packages_distributions()),
    ]
    return Diagnosis(
        medharden=__version__,
        python=platform.python_version(),
        platform=platform.platform(),
        location=str(location),
        parts=parts,
        extras=extras_of(parts),
        search_engine=engine_in_words(),
        problems=tuple(problems),
    )


def lines(found: Diagnosis) -> Iterator[str]:
    """Yield the diagnosis as lines for a person."""
    yield f"medharden {found.medharden} in {found.location}"
    yield f"Python {found.python} on {found.platform}"
    yield "uses " + ", ".join(f"{p.name} {p.version}" for p in found.parts if p.version)
    yield f"searches images with {found.search_engine}"
    for extra in found.extras:
        state = f"missing {', '.join(extra.missing)}: install medharden[{extra.name}]" if extra.missing else "installed"
        yield f"optional part {extra.name} ({extra.unlocks}): {state}"
    for problem in found.problems:
        yield f"wrong: {problem}"
    if not found.problems:
        yield "nothing is wrong"


def parts_of(requirements: Sequence[str]) -> Iterator[Part]:
    """Yield the packages named by the requirement lines of a distribution, for example ``click>=8.1``."""
    for line in requirements:
        name = re.match(r"[A-Za-z0-9._-]+", line)
        extra = re.search(r"""extra\s*==\s*['"]([^'"]+)['"]""", line)
        if name:
            yield Part(name=name[0], version=installed_version(name[0]), extra=extra[1] if extra else None)


def installed_version(name: str) -> str | None:
    """Return the installed version of a package, None when it is not installed."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def extras_of(parts: Sequence[Part]) -> tuple[Extra, ...]:
    """Group the optional packages by the extra that installs them."""
    names = sorted({p.extra for p in parts if p.extra})
    return tuple(
        Extra(
            name=name,
            unlocks=UNLOCKS.get(name, "an optional part"),
            missing=tuple(p.name for p in parts if p.extra == name and p.version is None),
        )
        for name in names
    )


def installation_problems(ours: metadata.Distribution | None, running: str) -> Iterator[str]:
    """Yield what is wrong with the installed files: none, another version, or overwritten by another package."""
    if ours is None:
        yield "medharden runs from a folder and is not installed: optional parts and plug-ins are not found"
        return
    if ours.version != running:
        yield f"version {running} runs, but {ours.version} is installed: install medharden again"
    changed = list(changed_files(ours))
    if changed:
        more = f" and {len(changed) - 1} more" if len(changed) > 1 else ""
        yield (
            f"{changed[0]}{more} is not as medharden installed it: another package has overwritten it; "
            "install medharden alone (uv tool install, pipx, or a virtual environment of its own)"
        )


def changed_files(ours: metadata.Distribution) -> Iterator[str]:
    """Yield the installed files of ours that are missing or differ from their recorded hash.

    The record is read here because ``Distribution.files`` leaves missing files out since Python 3.12.
    """
    for name, recorded, *_ in csv.reader((ours.read_text("RECORD") or "").splitlines()):
        if recorded and Path(name).parts[0] in ROOMS:
            path = Path(str(ours.locate_file(name)))
            if not path.is_file() or not has_hash(path.read_bytes(), recorded):
                yield name


def has_hash(data: bytes, recorded: str) -> bool:
    """Tell whether ``data`` has the hash that is written as ``sha256=...`` in an installation record."""
    algorithm, _, value = recorded.partition("=")
    digest = hashlib.new(algorithm, data).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode("ascii") == value


def origin(room: str) -> Path | None:
    """Return the folder from which Python would import one of our packages."""
    spec = importlib.util.find_spec(room)
    return Path(spec.origin).resolve().parent if spec and spec.origin else None


def shadowed(location: Path, origins: Mapping[str, Path | None]) -> Iterator[str]:
    """Yield a line for each of our packages that Python takes from elsewhere than where this one stands."""
    for room, folder in origins.items():
        if folder != location / room:
            where = f"comes from {folder}" if folder else "is not found"
            yield f"the package {room} {where}, not from {location}: give medharden an environment of its own"


def claimed(owners: Mapping[str, Sequence[str]]) -> Iterator[str]:
    """Yield a line for each other distribution that installs a package under one of our names."""
    for room in ROOMS:
        for other in sorted({o for o in owners.get(room, ()) if o.lower() != DISTRIBUTION}):
            yield f"{other} also installs a package named {room}: give medharden an environment of its own"
