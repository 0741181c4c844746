"""Nordic SoftDevices: the ready-made radio software of nRF51 and nRF52 devices, a program of its own in flash."""

from __future__ import annotations

import functools
import struct
import tomllib
from dataclasses import dataclass
from importlib import resources
from typing import Final

from firmware_checks.format import ImageFormat, Magic, Opened
from firmware_checks.region import Program
from firmware_checks.span import Span
from toolkit.core.errors import FormatError
from toolkit.core.layout import U8, U16LE, U32LE, Layout, const, raw, wire
from toolkit.core.limits import Limits
from toolkit.core.window import Window
from toolkit.report.model import Confidence, Fact, RegionKind

__all__ = ["FORMAT", "SOFTDEVICE_ADDRESS", "softdevice_name"]

MAGIC = 0x51B1_E5DB
SOFTDEVICE_ADDRESS = 0x1000
"""Behind the master boot record, in every device."""
INFO_AT = 0x2000
OLD_INFO_BYTES, ID_INFO_BYTES, FULL_INFO_BYTES = 16, 24, 44
"""Sizes of the information structure: up to the FWID (S110, S120, S130), with id and version, with the build."""
MOST_INFO_BYTES = 64
PAGE_BYTES = 0x400
"""The flash page of an nRF51; an nRF52 has pages of 4096 bytes."""
FEWEST_BYTES, MOST_BYTES = INFO_AT + OLD_INFO_BYTES, 0x8_0000
SHORTFALL_BYTES = 0x1000
"""A SoftDevice file ends where its last byte is, up to one page before the end it reserves."""
RAM: Final = range(0x2000_0000, 0x2004_0001)
NRF52_NUMBERS: Final = frozenset({112, 113, 122, 132, 140, 212, 312, 332, 340})
OTHER_FWIDS: Final = {0: "no SoftDevice", 0xFFFE: "any (development number)"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Information:
    """First part of the information structure, in all SoftDevices. Source: Nordic nrf_sdm.h, SD_..._OFFSET."""

    info_bytes: int = wire(U8)
    reserved: bytes = wire(const(b"\xff\xff\xff"))
    magic: int = wire(const(MAGIC, U32LE))
    end_address: int = wire(U32LE)
    """Where the application may start: the size of SoftDevice and master boot record."""
    fwid: int = wire(U16LE)
    reserved_2: bytes = wire(raw(2))


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Second part, since S132 3.0.0. Source: Nordic nrf_sdm.h, SD_ID_OFFSET and SD_VERSION_OFFSET."""

    number: int = wire(U32LE)
    """132 for S132."""
    version: int = wire(U32LE)
    """7002000 for 7.2.0."""


INFORMATION = Layout(Information, size=OLD_INFO_BYTES)
IDENTITY = Layout(Identity, size=8)


@functools.cache
def _known() -> dict[int, tuple[str, str, str]]:
    """Return name, version and chip family by FWID."""
    text = resources.files("firmware_checks.formats").joinpath("softdevice.toml").read_text(encoding="utf-8")
    table = tomllib.loads(text)
    families = (("nrf51", "nRF51"), ("nrf52", "nRF52"))
    return {row["fwid"]: (row["name"], row["version"], family) for key, family in families for row in table[key]}


def softdevice_name(fwid: int) -> str:
    """Return what a firmware identifier stands for: ``S132 7.2.0``, or its number when it is not a public one."""
    if fwid in _known():
        name, version, _ = _known()[fwid]
        return f"{name} {version}"
    return OTHER_FWIDS.get(fwid, f"unknown {fwid:#06x}")


def _open(span: Span, limits: Limits) -> Opened:  # noqa: ARG001  # the contract of every format
    window = span.window
    information = INFORMATION.read(window, INFO_AT)
    stack, reset = struct.unpack("<2I", window.take(0, 8))
    _check(information, stack, reset, window)
    identity = _identity(window, information)
    name, version, family = _names(information, identity)
    reserved = information.end_address - SOFTDEVICE_ADDRESS
    size = min(reserved, span.size)
    problems: list[str] = []
    if reserved - size >= SHORTFALL_BYTES:
        problems.append(f"the SoftDevice is cut short: {reserved - size} of {reserved} bytes are missing")
    if span.address not in (None, SOFTDEVICE_ADDRESS):
        problems.append(f"it stands at {span.address:#x}; a SoftDevice runs only at {SOFTDEVICE_ADDRESS:#x}")
    program = Program(
        arch="arm-cortex-m",
        load_address=SOFTDEVICE_ADDRESS,
        entry_address=reset & ~1,
        stack_address=stack,
        mcu_family=family,
        mcu_family_confidence=None if family is None else Confidence.CERTAIN,
        role="softdevice",
        why=(f"SoftDevice information structure at {SOFTDEVICE_ADDRESS + INFO_AT:#x}",),
    )
    return Opened(
        size=size,
        kind=RegionKind.PROGRAM,
        title=f"Nordic SoftDevice {name} {version}".rstrip(),
        facts=_facts(window, information, name, version),
        program=program,
        problems=tuple(problems),
    )


def _check(information: Information, stack: int, reset: int, window: Window) -> None:
    """Refuse the magic where it is a constant in the code of a boot loader."""
    info_bytes = information.info_bytes
    fits = (
        (OLD_INFO_BYTES <= info_bytes <= MOST_INFO_BYTES or info_bytes == 0xFF)
        and FEWEST_BYTES <= information.end_address - SOFTDEVICE_ADDRESS <= MOST_BYTES
        and information.end_address % PAGE_BYTES == 0
        and stack in RAM
        and SOFTDEVICE_ADDRESS < reset < information.end_address
        and reset & 1
    )
    if not fits:
        raise FormatError(f"what stands around the SoftDevice magic at {window.origin + INFO_AT + 4:#x} does not fit")


def _identity(window: Window, information: Information) -> Identity | None:
    if not ID_INFO_BYTES <= information.info_bytes <= MOST_INFO_BYTES:
        return None
    return IDENTITY.read(window, INFO_AT + INFORMATION.size)


def _names(information: Information, identity: Identity | None) -> tuple[str, str, str | None]:
    """Return name, version and chip family: from the structure where it says so, else by the FWID."""
    name, version, family = _known().get(information.fwid, ("", "", None))
    if identity is not None and 100 <= identity.number <= 999:
        name = f"S{identity.number}"
        major, rest = divmod(identity.version, 1_000_000)
        version = f"{major}.{rest // 1000}.{rest % 1000}"
        family = family or ("nRF52" if identity.number in NRF52_NUMBERS else None)
    return name, version, family


def _facts(window: Window, information: Information, name: str, version: str) -> dict[str, Fact]:
    facts: dict[str, Fact] = {"fwid": information.fwid, "application_address": information.end_address}
    if name:
        facts["softdevice"] = name
        facts["version"] = version
    if FULL_INFO_BYTES <= information.info_bytes <= MOST_INFO_BYTES:
        build = window.take(INFO_AT + ID_INFO_BYTES, FULL_INFO_BYTES - ID_INFO_BYTES)
        facts["build"] = bytes(build).hex()
    return facts


def _example() -> bytes:
    """Build the frame of an S132 7.2.0: vectors, the information structure and no code."""
    information = Information(
        info_bytes=FULL_INFO_BYTES, reserved=b"\xff\xff\xff", magic=MAGIC,
        end_address=SOFTDEVICE_ADDRESS + 0x2400, fwid=0x101, reserved_2=b"\xff\xff",
    )  # fmt: skip
    info = INFORMATION.build(information) + IDENTITY.build(Identity(number=132, version=7_002_000)) + bytes(range(20))
    vectors = struct.pack("<2I", 0x2000_2000, SOFTDEVICE_ADDRESS + 0x101)
    return (vectors.ljust(INFO_AT, b"\xff") + info).ljust(0x2400, b"\xff")


FORMAT = ImageFormat(
    name="nordic-softdevice",
    title="Nordic SoftDevice",
    source="Nordic Semiconductor nrf_sdm.h (S130 2.0.1, S132 3.1.0, S140 7.3.0), SoftDevice Specification",
    limits="S110 before 7.0.0 has no such structure. The version of an nRF51 SoftDevice is known only by its FWID.",
    open=_open,
    stands_alone=True,
    magics=(Magic(rb"\xdb\xe5\xb1\x51", offset=INFO_AT + 4),),
    example=_example,
)
