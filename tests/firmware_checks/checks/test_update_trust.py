"""How updates come in: addresses, scripts, archives and settings of updaters."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import pytest
from msgspec import structs

from device_profiles.schema import DeviceProfile, Interface, Platform, Sockets
from device_profiles.vocabulary import InterfaceType
from firmware_checks.check import archive_of, profile_with
from firmware_checks.observers.hardening import example_program
from firmware_checks.scan import Scanner
from toolkit.core.findings import Finding, Severity


def _findings(folder: Path, data: bytes, check: str, profile: DeviceProfile | None = None) -> list[Finding]:
    path = folder / "image.tar"
    path.write_bytes(data)
    return [f for f in Scanner(profile=profile).scan(path).findings if f.check == check]


def _profile(*peers: str) -> DeviceProfile:
    interface = Interface(id="network", type=InterfaceType.ETHERNET, sockets=Sockets(peers=peers))
    return structs.replace(profile_with(Platform()), interfaces=(interface,))


def test_a_folder_mounted_from_outside_is_found_in_a_program(tmp_path: Path) -> None:
    program = example_program(names="system\0mount -t nfs -o nolock 202.114.4.119:/pm /mnt\0")
    (finding,) = _findings(tmp_path, archive_of({"opt/bin/monitor": program}), "hard-coded-address")
    assert finding.severity is Severity.HIGH
    (place,) = finding.evidence
    assert place.path == "image.tar!opt/bin/monitor"
    assert place.offset == program.index(b"mount -t nfs")


def test_computers_the_profile_knows_are_no_finding(tmp_path: Path) -> None:
    data = archive_of(
        {"etc/hl7.conf": b"host=202.114.4.120\n", "a.sh": b"#!/bin/sh\nwget https://a.maker.com/fw.bin\n"}
    )
    known = _profile("202.114.4.120", "a.maker.com")
    assert _findings(tmp_path, data, "hard-coded-address", known) == []
    found = _findings(tmp_path, data, "hard-coded-address", _profile())
    assert [f.severity for f in found] == [Severity.MEDIUM, Severity.MEDIUM]
    assert len(_findings(tmp_path, data, "hard-coded-address", profile_with(Platform()))) == 1


@pytest.mark.parametrize(
    ("script", "severity"),
    [
        (b"mount -t nfs -o nolock 10.0.0.9:/pm /mnt\ncp -rf /mnt/app /opt/\n", Severity.CRITICAL),
        (b"tftp -g -r fw.bin 10.0.0.9\nflashcp fw.bin /dev/mtd2\n", Severity.CRITICAL),
        (b"scp u@10.0.0.9:/fw.tar /tmp\ndd if=/tmp/fw.bin of=/dev/mmcblk0p2\n", Severity.HIGH),
        (b"mount /dev/sda1 /mnt/usb\nsh /mnt/usb/run.sh\n", Severity.HIGH),
        (b"mount /dev/sda1 /mnt/usb\nmd5sum -c /mnt/usb/x.md5\ntar xf /mnt/usb/x.tar -C /\n", Severity.MEDIUM),
        (b"nandwrite -p /dev/mtd3 $1 # wget\n", Severity.HIGH),
    ],
)
def test_a_script_that_installs_what_it_does_not_verify(script: bytes, severity: Severity, tmp_path: Path) -> None:
    (finding,) = _findings(
        tmp_path, archive_of({"usr/bin/fwupdate.sh": b"#!/bin/sh\n" + script}), "update-not-verified"
    )
    assert finding.severity is severity


@pytest.mark.parametrize(
    "script",
    [
        b"mount /dev/sda1 /mnt/usb\nopenssl dgst -sha256 -verify k -signature s f || exit\ntar xf /mnt/usb/f -C /\n",
        b"wget http://10.0.0.9/x -O /tmp/list\ncat /tmp/list\n",
        b"# tar xf /mnt/usb/x.tar\nls /mnt\n",
    ],
)
def test_a_script_that_verifies_or_installs_nothing(script: bytes, tmp_path: Path) -> None:
    data = archive_of({"usr/bin/fwupdate.sh": b"#!/bin/sh\n" + script})
    assert _findings(tmp_path, data, "update-not-verified") == []


def test_a_program_that_mounts_and_copies_is_an_installer(tmp_path: Path) -> None:
    program = example_program(names="system\0mount -t nfs 10.0.0.9:/pm /mnt\0cp -rf /mnt/app /opt/bin\0")
    (finding,) = _findings(tmp_path, archive_of({"opt/bin/update": program}), "update-not-verified")
    assert finding.severity is Severity.CRITICAL


def test_a_file_behind_a_link_that_leaves_the_archive_is_told(tmp_path: Path) -> None:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        link = tarfile.TarInfo("data/etc")
        link.type, link.linkname = tarfile.SYMTYPE, "../../../etc"
        archive.addfile(link)
        member = tarfile.TarInfo("data/etc/passwd")
        member.size = 1
        archive.addfile(member, io.BytesIO(b"x"))
    (finding,) = _findings(tmp_path, out.getvalue(), "archive-leaves-folder")
    assert finding.evidence[0].path == "image.tar!data/etc/passwd"


def test_settings_of_updaters_are_judged(tmp_path: Path) -> None:
    files = {"sw-description": b'software =\n{\n version = "1";\n};\n', "etc/opkg.conf": b"dest root /\n"}
    found = _findings(tmp_path, archive_of(files), "updater-accepts-unsigned")
    assert [f.severity for f in found] == [Severity.HIGH, Severity.HIGH, Severity.MEDIUM]
    good = {"sw-description": b'software =\n{\n hardware-compatibility: ["1"];\n sha256 = "0";\n};\n'}
    assert _findings(tmp_path, archive_of(good), "updater-accepts-unsigned") == []


def test_an_image_that_is_no_archive_is_not_asked_for_a_signature_beside_it(tmp_path: Path) -> None:
    assert _findings(tmp_path, b"update.sh" * 9, "archive-not-signed") == []
