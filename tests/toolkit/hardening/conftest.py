"""Small images with hostile names, opened the real way, that every part of the pack is tried on."""

from __future__ import annotations

import importlib.resources
import io
import tarfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from datetime import date
from types import MappingProxyType

import pytest

from device_profiles.loader import load
from firmware_checks.formats import elf
from firmware_checks.readers.squashfs.building import build
from signing.keyring import create_key, open_signer
from toolkit.hardening.reading import Reading, read_subject
from toolkit.hardening.subject import HardeningSubject

DAY = date(2026, 11, 24)
PROGRAM = elf.FORMAT.example()
HOSTILE = (
    "opt/with space",
    "opt/with\ttab",
    "opt/two\nlines",
    "opt/\"quoted\" and 'single'",
    "opt/back\\slash",
    "opt/$(reboot) `reboot` %s {x} #no",
    "opt/<b>&amp;",
    "opt/\u202egpj.sh",
    "opt/-rf *",
    "opt/\u00fcml\u00e4ut",
    "opt/=1+1",
    "opt/%20;|",
)
"""Names that a careless writer of rules would not survive."""


def linux_tar(extra: Mapping[str, bytes] = MappingProxyType({}), *, program: bytes = PROGRAM) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for folder in ("bin", "etc", "lib", "usr", "usr/bin", "var", "opt"):
            member = tarfile.TarInfo(folder)
            member.type, member.mode = tarfile.DIRTYPE, 0o755
            archive.addfile(member)
        files = {
            "bin/pumpd": program,
            "etc/passwd": b"root:x:0:0::/:/bin/sh\n",
            "etc/init.d/S50pump": b"#!/bin/sh\nexec /bin/pumpd\n",
            "usr/bin/collect.py": b"print(1)\n",
            **{name: program + name.encode() for name in HOSTILE},
            **extra,
        }
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            member.mode = 0o644 if name.startswith("etc/passwd") else 0o755
            if name == "bin/pumpd":
                member.pax_headers = {"SCHILY.xattr.security.capability": "\x01\x00\x00\x02\x00\x04" + "\x00" * 14}
            archive.addfile(member, io.BytesIO(content))
        link = tarfile.TarInfo("bin/sh")
        link.type, link.linkname = tarfile.SYMTYPE, "pumpd"
        archive.addfile(link)
    return out.getvalue()


def linux_flash() -> bytes:
    """Return a boot loader and a root file system behind it."""
    tree = {
        "bin": {"pumpd": PROGRAM},
        "etc": {"passwd": b"root:x:0:0::/:/bin/sh\n"},
        "lib": {"libx.so": PROGRAM + b"x"},
    }
    return b"boot loader".ljust(0x1_0000, b"\xff") + build(tree)


class Words:
    """Knows the passphrase of the keys made here."""

    def existing(self, _purpose: str) -> str:
        return "a long enough passphrase"

    new = existing


def windows_tar() -> bytes:
    out = io.BytesIO()
    program = windows_program()
    names = ("Windows/System32/pump.exe", "Windows/System32/drivers/usb.sys", 'Program Files/Pump & Co/it\'s "x".exe')
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name in names:
            member = tarfile.TarInfo(name)
            content = program + name.encode()
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return out.getvalue()


def windows_program() -> bytes:
    """Return a real program for Windows."""
    return (importlib.resources.files("distlib") / "w64.exe").read_bytes()


def mcu_dump() -> bytes:
    """Return the 1 MiB of flash of the device with profile ``resmed-airsense10``, made up and mostly erased."""
    image = bytearray(b"\xff" * (1 << 20))
    for start in (0, 0x4_0000):
        image[start : start + 0x400] = (b"\x00\x00\x02\x20" + b"\x01\x01\x00\x08" * 63) * 4
    image[0x4000:0x4020] = b"serial number 0001, hours 12345 "
    return bytes(image)


@pytest.fixture(scope="session")
def subjects(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, HardeningSubject]]:
    folder = tmp_path_factory.mktemp("hardening")
    images = {
        "patient-monitor-lowend": linux_tar(),
        "ultrasound-xray-detector": windows_tar(),
        "resmed-airsense10": mcu_dump(),
        "patient-monitor-lowend flash": linux_flash(),
    }
    key = f"file:{folder / 'ada.pem'}"
    create_key(key, "ed25519", Words())
    with ExitStack() as stack:
        signer = stack.enter_context(open_signer(key, Words()))
        opened = {}
        for name, content in images.items():
            path = folder / f"{name}.img"
            path.write_bytes(content)
            profile = name.removesuffix(" flash")
            reading = Reading(profile=load(profile), day=DAY, jobs=1, signer=signer if name != profile else None)
            opened[name] = stack.enter_context(read_subject(path, reading))
        yield opened


@pytest.fixture(scope="session")
def linux_subject(subjects: dict[str, HardeningSubject]) -> HardeningSubject:
    return subjects["patient-monitor-lowend"]


@pytest.fixture(scope="session")
def windows_subject(subjects: dict[str, HardeningSubject]) -> HardeningSubject:
    return subjects["ultrasound-xray-detector"]


@pytest.fixture(scope="session")
def mcu_subject(subjects: dict[str, HardeningSubject]) -> HardeningSubject:
    return subjects["resmed-airsense10"]
