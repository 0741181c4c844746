"""The story of W6: a device leaves the house, and what it still holds is found, in files and where files were."""

from __future__ import annotations

import io
import json
import shutil
import subprocess
import tarfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from firmware_checks.fact_reader import Content
from firmware_checks.image import open_image
from firmware_checks.observer import Observation
from firmware_checks.scan import Scanner
from toolkit.app.cli import medharden
from toolkit.hardening.decommission.looking import LOOKED_FOR, look_at_bytes
from toolkit.hardening.decommission.words import CertificateLabel
from toolkit.report.languages import languages, missing_translations

PATIENT = (
    b"MSH|^~\\&|MONITOR|ICU|HIS|HOSP|20240301||ORU^R01|1|P|2.3\rPID|1||4471902^^^HOSP||Okonjo^Adaeze||19610214|F\r"
)
WIRELESS = b'network={\n  ssid="ward7"\n  psk="ward seven wireless"\n}\n'
CLEAN = {"etc/motd": b"pump 4.2\n" * 40, "opt/readme": b"nothing in here\n" * 200}


def _tar(files: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return out.getvalue()


def _ask(folder: Path, data: bytes, *options: str) -> tuple[Result, dict[str, object]]:
    path = folder / "dump.img"
    path.write_bytes(data)
    line = ["decommission", str(path), "--json", "--now", "2026-11-24", *options]
    result = CliRunner().invoke(medharden, line, standalone_mode=False, catch_exceptions=False)
    return result, json.loads(result.stdout)


def test_a_wiped_device_gets_its_certificate(tmp_path: Path) -> None:
    result, told = _ask(tmp_path, _tar(CLEAN) + b"\xff" * 65_536, "--asset-tag", "4711", "--serial-number", "SN-9")
    assert (result.return_value, told["verdict"], told["remains"], told["obstacles"]) == (0, "nothing-found", [], [])
    assert told["device"] == {"profile": "", "title": "", "asset_tag": "4711", "serial_number": "SN-9"}
    assert isinstance(told["blank_bytes"], int)
    assert told["blank_bytes"] >= 61_440
    assert len(told["looked_for"]) == len(LOOKED_FOR)  # type: ignore[arg-type]


def test_what_remains_is_told_by_place_and_never_by_name(tmp_path: Path) -> None:
    files = {**CLEAN, "var/spool/out.hl7": PATIENT, "etc/wpa_supplicant.conf": WIRELESS}
    result, told = _ask(tmp_path, _tar(files))
    assert (result.return_value, told["verdict"]) == (1, "remains")
    found = {(r["place"], r["finding"]["check"]) for r in told["remains"]}  # type: ignore[attr-defined]
    assert {("file", "patient-message"), ("file", "wireless-key"), ("raw", "patient-message")} <= found
    for secret in ("Okonjo", "4471902", "ward seven"):
        assert secret not in result.stdout


def test_a_deleted_file_is_found_in_the_bytes_of_the_copy(tmp_path: Path) -> None:
    mke2fs, debugfs = (shutil.which(name, path="/usr/sbin:/sbin:/usr/bin:/bin") for name in ("mke2fs", "debugfs"))
    if mke2fs is None or debugfs is None:
        pytest.skip("e2fsprogs is not installed")
    tree, image, note = tmp_path / "tree", tmp_path / "fs.img", tmp_path / "note.hl7"
    tree.mkdir()
    (tree / "readme").write_bytes(b"nothing in here\n")
    note.write_bytes(PATIENT * 3)
    subprocess.run([mke2fs, "-q", "-t", "ext2", "-d", tree, image, "512k"], check=True, capture_output=True)
    for request in (f"write {note} out.hl7", "rm out.hl7"):
        subprocess.run([debugfs, "-w", "-R", request, image], check=True, capture_output=True)
    result, told = _ask(tmp_path, image.read_bytes())
    assert result.return_value == 1
    assert {r["place"] for r in told["remains"]} == {"raw"}  # type: ignore[attr-defined]


def test_what_the_maker_put_into_every_device_is_no_remain(tmp_path: Path) -> None:
    vendor = tmp_path / "vendor.img"
    vendor.write_bytes(_tar({"etc/wpa_supplicant.conf": WIRELESS}))
    _, told = _ask(tmp_path, _tar({**CLEAN, "etc/wpa_supplicant.conf": WIRELESS}), "--vendor", str(vendor))
    assert told["verdict"] == "nothing-found"
    _, told = _ask(tmp_path, _tar({**CLEAN, "out.hl7": PATIENT}), "--vendor", str(vendor))
    assert told["verdict"] == "remains"


def test_what_cannot_be_looked_at_gets_no_certificate(tmp_path: Path) -> None:
    cut = _tar({"a.txt": b"x" * 5000})[:2000]
    result, told = _ask(tmp_path, cut)
    assert (result.return_value, told["verdict"]) == (1, "not-certified")
    assert told["obstacles"]
    result, told = _ask(tmp_path, _tar(CLEAN), "--profile", "contec-cms50f")
    assert told["verdict"] == "not-certified"
    assert "it is not whole" in str(told["obstacles"])


def test_what_failed_to_look_is_never_taken_for_a_clean_look(tmp_path: Path) -> None:
    def fail(_content: Content) -> Iterator[Observation]:
        raise ZeroDivisionError

    path = tmp_path / "dump.img"
    path.write_bytes(_tar(CLEAN))
    scanner = Scanner()
    scanner.observers = {name: replace(observer, read=fail) for name, observer in scanner.observers.items()}
    with open_image(path, scanner.limits) as image:
        _, failed = look_at_bytes(image, scanner.take_inventory(image), scanner)
    assert "not looked for in all bytes: patient-records observer: ZeroDivisionError" in failed


@pytest.mark.parametrize("language", languages())
def test_page_and_text_are_in_the_language_of_the_house(tmp_path: Path, language: str) -> None:
    assert missing_translations(list(CertificateLabel), language) == ()
    dump, page = tmp_path / "dump.img", tmp_path / "page.html"
    dump.write_bytes(_tar({**CLEAN, "<b>/out.hl7": PATIENT, "cut.zip": b"PK\x03\x04" + b"\x00" * 40}))
    line = ["decommission", str(dump), "--language", language, "--now", "2026-11-24"]
    run = CliRunner()
    html = run.invoke(medharden, [*line, "--format", "html", "--output", str(page)], standalone_mode=False)
    assert html.return_value == 1
    text = page.read_text(encoding="utf-8")
    assert f'<html lang="{language}">' in text
    assert "<b>/out" not in text
    assert "Okonjo" not in text
    shown = run.invoke(medharden, line, standalone_mode=False)
    assert "out.hl7" in shown.stdout
    again = tmp_path / "again.html"
    run.invoke(medharden, [*line, "--format", "html", "--output", str(again)], standalone_mode=False)
    assert again.read_bytes() == page.read_bytes()
