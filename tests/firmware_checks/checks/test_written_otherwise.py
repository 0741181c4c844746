"""The same mistakes are made in many kinds of files; each is found there, and what only looks like one is not."""

import sqlite3
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from firmware_checks.check import archive_of
from firmware_checks.scan import Scanner
from firmware_checks.twin_containers.archives import zip_archive
from firmware_checks.twin_containers.programs import (
    hosted_program,
    intel_hex,
    microcontroller_program,
    protected_program,
)
from firmware_checks.twin_containers.version_resource import versioned_library
from firmware_checks.twin_containers.windows import hive, program, registry_text, rom
from toolkit.core.findings import Finding, Severity

DATA = tomllib.loads((Path(__file__).parent / "written_otherwise.toml").read_text(encoding="utf-8"))
AT_A_TIME = 12
"""Files in one image: more of one kind would not all be listed as evidence."""
Scan = Callable[[bytes], list[Finding]]


@pytest.fixture(scope="module")
def scan(tmp_path_factory: pytest.TempPathFactory) -> Scan:
    folder, scanner = tmp_path_factory.mktemp("shapes"), Scanner()

    def scanned(image: bytes) -> list[Finding]:
        path = folder / "image.bin"
        path.write_bytes(image)
        return list(scanner.scan(path).findings)

    return scanned


def _groups(rows: list[dict[str, str]]) -> list[list[dict[str, str]]]:
    return [rows[at : at + AT_A_TIME] for at in range(0, len(rows), AT_A_TIME)]


def _image(rows: list[dict[str, str]]) -> tuple[bytes, dict[str, dict[str, str]]]:
    """Return an image with each text in a folder of its own, so that equal names do not meet."""
    placed = {f"d{number}/{row['path']}": row for number, row in enumerate(rows)}
    return archive_of({path: row["text"].encode() for path, row in placed.items()}), placed


@pytest.mark.parametrize("rows", _groups(DATA["weak"]), ids=lambda rows: rows[0]["path"])
def test_a_mistake_is_found_however_it_is_written(rows: list[dict[str, str]], scan: Scan) -> None:
    image, placed = _image(rows)
    findings = scan(image)
    missed = [
        row["text"]
        for path, row in placed.items()
        if not any(
            finding.check in row["checks"] and place.path == f"image.bin!{path}"
            for finding in findings
            for place in finding.evidence
        )
    ]
    assert missed == []


@pytest.mark.parametrize("rows", _groups(DATA["innocent"]), ids=lambda rows: rows[0]["path"])
def test_what_only_looks_like_a_mistake_is_left_alone(rows: list[dict[str, str]], scan: Scan) -> None:
    image, placed = _image(rows)
    loud = [
        (finding.check, placed[place.path.partition("!")[2]]["text"][place.offset or 0 :][:60])
        for finding in scan(image)
        if finding.severity.rank >= Severity.MEDIUM.rank
        for place in finding.evidence
        if place.path.partition("!")[2] in placed
    ]
    assert loud == []


def _wide(text: str) -> bytes:
    return text.encode("utf-16-le")


def _database(*commands: str) -> bytes:
    with sqlite3.connect(":memory:") as base:
        for command in commands:
            base.execute(command)
        base.commit()
        return bytes(base.serialize())


_WINDOWS = "Microsoft/Windows NT/CurrentVersion"
_DISK = "HKEY_LOCAL_MACHINE\\SYSTEM\\CurrentControlSet\\Services\\LanmanServer\\Parameters"
FILES: Mapping[str, tuple[str, bytes]] = {
    "config/SOFTWARE": ("hard-coded-password", hive("SOFTWARE", {"Maker/App": {"Password": "Zebra99x"}})),
    "old/software": ("windows-unsupported", hive("SOFTWARE", {_WINDOWS: {"ProductName": "Microsoft Windows XP"}})),
    "system32/ntoskrnl.exe": ("windows-unsupported", versioned_library("Windows Operating System", "5.1.2600.0")),
    "smb.reg": ("windows-remote-access", registry_text({_DISK: {"SMB1": 1}}, wide=True)),
    "app.exe": ("hard-coded-password", program(_wide("User=svc;Password=zebra99x;\0"))),
    "net.exe": ("hard-coded-address", program(_wide("202.114.4.120\0"))),
    "wide.cfg": ("hard-coded-password", _wide("Password=zebra99x\r\n")),
    "users.db": (
        "hard-coded-password",
        _database("create table cfg(name text, value text)", "insert into cfg values('ServicePassword','zebra99x')"),
    ),
    "wifi.db": (
        "wireless-key",
        _database("create table cfg(name text, value text)", "insert into cfg values('wifi_psk','wardseven99')"),
    ),
    "root/.vnc/passwd": ("hard-coded-password", bytes.fromhex("17526b06234e5807")),
    "cgi-bin/ping.cgi": (
        "request-runs-commands",
        hosted_program(b"QUERY_STRING", b"ping -c 1 %s", calls=("getenv", "system")),
    ),
    "bin/ftp": ("hard-coded-password", hosted_program(b"x", b"root:zebra99x")),
}


def test_what_is_not_text_is_read_too(scan: Scan) -> None:
    findings = scan(archive_of({path: content for path, (_, content) in FILES.items()}))
    places = {(finding.check, place.path) for finding in findings for place in finding.evidence}
    assert [path for path, (check, _) in FILES.items() if (check, f"image.bin!{path}") not in places] == []


@pytest.mark.parametrize(
    ("check", "image"),
    [
        ("windows-unsupported", rom({"readme.txt": b"hello\n"})),
        ("file-transfer-service", microcontroller_program(b"220 pump FTP server ready")),
        ("hard-coded-password", intel_hex(microcontroller_program(b"admin", b"admin123", b"login: "))),
        ("wireless-key", b"\xff" * 512 + b"SSID=PUMPNET\0WPAKEY=wardseven99\0" + b"\xff" * 512),
    ],
)
def test_an_image_without_files_is_read_too(check: str, image: bytes, scan: Scan) -> None:
    assert check in {finding.check for finding in scan(image)}


def test_texts_of_a_careful_program_are_left_alone(scan: Scan) -> None:
    texts = (
        b"Password: ", b"password=%s", b"PASS %s\r\n", b"root:root", b"admin", b"user", b"password", b"ssid=%s",
        b"SSID", b"AES_KEY=", b"http://%s/update", b"192.0.2.4", b"10.11.12.13", b"BEGIN RSA PRIVATE KEY",
        b"PIN:", b"telnetd",
    )  # fmt: skip
    image = archive_of({"bin/a": protected_program(*texts), "a.exe": program(_wide("Password=%s\0SSID:\0Key:\0"))})
    loud = {finding.check for finding in scan(image) if finding.severity.rank >= Severity.MEDIUM.rank}
    assert loud <= {"update-not-signed"}


def test_programs_of_known_projects_may_name_their_servers(scan: Scan) -> None:
    place = b"http://www.busybox-mirror.com/fw.bin"
    known = archive_of({"bin/busybox": protected_program(b"BusyBox v1.36.1 (2024-01-01 00:00:00 UTC)", place)})
    (finding,) = [finding for finding in scan(known) if finding.check == "cleartext-transfer"]
    assert finding.severity is Severity.LOW
    own = archive_of({"opt/bin/monitor": protected_program(place)})
    (finding,) = [finding for finding in scan(own) if finding.check == "cleartext-transfer"]
    assert finding.severity is Severity.HIGH


def test_absolute_names_and_those_of_drives_are_told(scan: Scan) -> None:
    findings = scan(zip_archive({"/etc/init.d/S99": b"x", "C:\\Windows\\a.dll": b"x", "a/..b/c": b"x"}))
    (finding,) = [finding for finding in findings if finding.check == "archive-leaves-folder"]
    assert finding.severity is Severity.MEDIUM
    assert len(finding.evidence) == 2


def test_a_program_of_windows_among_others_needs_a_signature_in_it_or_beside_it(scan: Scan) -> None:
    alone = {f.check: f.severity for f in scan(archive_of({"tools/a.exe": program(b"a")}))}
    assert alone["update-not-signed"] is Severity.MEDIUM
    signed = scan(archive_of({"tools/a.exe": program(b"a"), "tools/a.exe.p7s": b"0"}))
    assert "update-not-signed" not in {finding.check for finding in signed}


def test_a_system_of_programs_is_asked_for_its_signature_in_a_low_voice(scan: Scan) -> None:
    (finding,) = [f for f in scan(archive_of({"bin/a": protected_program(b"a")})) if f.check == "update-not-signed"]
    assert finding.severity is Severity.LOW
    assert [place.path for place in finding.evidence] == ["image.bin"]
