"""Nordic DFU packages: a zip with firmware for nRF51 and nRF52 devices and what the boot loader must know about it."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Final

import msgspec

from firmware_checks.format import Entry, ImageFormat, Opened
from firmware_checks.formats.nordic_init_packet import MOST_BYTES, InitPacket, build_init_packet, read_init_packet
from firmware_checks.formats.softdevice import SOFTDEVICE_ADDRESS
from firmware_checks.formats.zip import MAGICS, archive_problems, entry_of
from firmware_checks.readers.entry_names import visible
from firmware_checks.readers.unpack import Held
from firmware_checks.readers.zip_archive import LOCAL_MAGIC, Archive, read_archive
from firmware_checks.readers.zip_member import Member, read_member
from firmware_checks.span import Span
from toolkit.core.errors import FormatError, LimitExceeded
from toolkit.core.limits import Limits
from toolkit.core.window import Window
from toolkit.report.model import Fact, Integrity, RegionKind

__all__ = ["FORMAT"]

MANIFEST_NAME = "manifest.json"
MANIFEST_BYTES = 1 << 16
FIRMWARE_BYTES = 16 << 20
"""No nRF5 device has more flash; a larger file is not held against its hash."""
KINDS: Final = ("softdevice_bootloader", "softdevice", "bootloader", "application")
"""In the order in which a boot loader installs them."""


class _Firmware(msgspec.Struct):
    bin_file: str
    dat_file: str = ""


class _Contents(msgspec.Struct):
    application: _Firmware | None = None
    bootloader: _Firmware | None = None
    softdevice: _Firmware | None = None
    softdevice_bootloader: _Firmware | None = None


class _Manifest(msgspec.Struct):
    """Source: nrfutil, manifest.py; other keys repeat what the init packets say."""

    manifest: _Contents


@dataclass(slots=True)
class _Reader:
    window: Window
    archive: Archive
    limits: Limits
    facts: dict[str, Fact] = field(default_factory=dict)
    verdicts: list[Integrity] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    held: dict[str, bytes] = field(default_factory=dict)
    """Content of files already unpacked, by name."""
    softdevices: set[str] = field(default_factory=set)
    """Files that start with a SoftDevice."""

    def member(self, name: str) -> Member | None:
        """Return the file ``name``; of several with this name the last, as most programs do."""
        return next((member for member in reversed(self.archive.members) if member.name == name), None)

    def content(self, name: str, most_bytes: int) -> bytes | None:
        """Return the content of the file ``name``, None (and a problem) when it cannot be had."""
        member = self.member(name)
        if member is None:
            self.problems.append(f"the manifest names '{visible(name)}', which is not in the package")
            return None
        try:
            data = read_member(self.window, member, min(most_bytes, self.limits.entry_bytes))
        except (FormatError, LimitExceeded) as error:
            self.problems.append(f"'{visible(name)}' {error}")
            return None
        self.held[name] = data
        return data

    def read(self, kind: str, firmware: _Firmware) -> InitPacket | None:
        """Read one firmware with its init packet and hold the two against each other."""
        self.facts[f"{kind}_file"] = visible(firmware.bin_file)
        if "softdevice" in kind:
            self.softdevices.add(firmware.bin_file)
        content = self.content(firmware.bin_file, FIRMWARE_BYTES)
        if not firmware.dat_file:
            self.problems.append(f"{kind} has no init packet: nothing says whom it fits, and nothing protects it")
            return None
        data = self.content(firmware.dat_file, MOST_BYTES)
        if data is None:
            return None
        try:
            packet = read_init_packet(data)
        except FormatError as error:
            self.problems.append(f"the init packet '{visible(firmware.dat_file)}' cannot be read: {error}")
            return None
        self.facts |= {f"{kind}_{name}": value for name, value in packet.facts().items()}
        if content is not None:
            self.verdicts += packet.verdicts(visible(firmware.bin_file), content)
            self.problems += _size_problems(kind, packet, content)
        return packet

    def entries(self) -> Iterator[Entry]:
        """Yield all files; those unpacked for their hash are not unpacked again."""
        for member in self.archive.members:
            if member.is_folder:
                continue
            entry = entry_of(self.window, member)
            if member.name in self.softdevices:
                entry = replace(entry, address=SOFTDEVICE_ADDRESS)
            data = self.held.get(member.name) if member is self.member(member.name) else None
            yield entry if data is None else replace(entry, read=Held(data).read)


def _open(span: Span, limits: Limits) -> Opened:
    if not span.window.starts_with(LOCAL_MAGIC):
        raise FormatError(f"no zip archive at {span.window.origin:#x}")
    reader = _Reader(span.window, read_archive(span.window, limits), limits)
    contents = _contents(reader)
    found = {kind: firmware for kind in KINDS if (firmware := getattr(contents, kind)) is not None}
    if not found:
        raise FormatError("the manifest names no firmware")
    packets = [reader.read(kind, firmware) for kind, firmware in found.items()]
    facts: dict[str, Fact] = {"contains": tuple(found), **reader.facts}
    facts["signed"] = all(packet is not None and packet.signature_algorithm != "" for packet in packets)
    return Opened(
        size=reader.archive.size,
        kind=RegionKind.CONTAINER,
        title="Nordic DFU package",
        facts=facts,
        integrity=tuple(reader.verdicts),
        entries=tuple(reader.entries()),
        problems=(*archive_problems(reader.archive), *reader.problems),
    )


def _contents(reader: _Reader) -> _Contents:
    member = reader.member(MANIFEST_NAME)
    if member is None:
        raise FormatError(f"the zip archive has no {MANIFEST_NAME}")
    try:
        data = read_member(reader.window, member, MANIFEST_BYTES)
        return msgspec.json.decode(data, type=_Manifest).manifest
    except (LimitExceeded, msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
        raise FormatError(f"{MANIFEST_NAME} describes no Nordic DFU package: {error}") from error


def _size_problems(kind: str, packet: InitPacket, content: bytes) -> Iterator[str]:
    said = sum(packet.sizes.values())
    if said and said != len(content):
        yield f"the {kind} file has {len(content)} bytes, its init packet says {said}"


def _example() -> bytes:
    firmware = b"\x00\x20\x00\x20\x01\x60\x02\x00" + bytes(56)
    contents = {"application": {"bin_file": "pump.bin", "dat_file": "pump.dat"}}
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(zipfile.ZipInfo(MANIFEST_NAME), json.dumps({"manifest": contents}))
        archive.writestr(zipfile.ZipInfo("pump.bin"), firmware)
        archive.writestr(zipfile.ZipInfo("pump.dat"), build_init_packet(firmware, signature=bytes(range(64))))
    return file.getvalue()


FORMAT = ImageFormat(
    name="nordic-dfu-package",
    title="Nordic DFU package",
    source="Nordic nrfutil 6.1.7 and 0.5.3, package.py and manifest.py; nRF5 SDK 17, DFU packages",
    limits="Hashes are computed again; signatures are seen but not verified: the key is in the boot loader.",
    open=_open,
    try_order=-10,
    magics=MAGICS[:1],
    example=_example,
)
