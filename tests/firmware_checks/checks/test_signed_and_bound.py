"""Signatures, certificates, models and protections: the finer points of what is told and what is not."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from importlib.resources import files
from pathlib import Path

import pytest

from firmware_checks.check import archive_of
from firmware_checks.credentials.key_examples import certificate, key_pem
from firmware_checks.credentials.well_known import Guesser
from firmware_checks.fact_reader import Content
from firmware_checks.formats.android_update import FORMAT, built_update, signed_update
from firmware_checks.observers.downgrade_switches import OBSERVER as SWITCHES
from firmware_checks.observers.hardening import OBSERVER as HARDENING
from firmware_checks.observers.hardening import example_program
from firmware_checks.observers.publisher_signatures import OBSERVER as SIGNATURES
from firmware_checks.observers.publisher_signatures import PublisherSignature, signed_name
from firmware_checks.observers.windows_protections import OBSERVER as PROTECTIONS
from firmware_checks.readers.dfu_trailer import with_suffix
from firmware_checks.scan import Scanner
from firmware_checks.span import Span
from firmware_checks.vulnerabilities.assessment import VulnerabilityData
from signing.openpgp.building import armoured, built_certificate, built_signature
from toolkit.core.findings import Finding, Severity
from toolkit.core.limits import Limits
from toolkit.core.window import Window

SEED = b"made up for an example, 32 bytes"
Scan = Callable[[bytes], dict[str, list[Finding]]]


def _scanned(scanner: Scanner, path: Path, image: bytes) -> dict[str, list[Finding]]:
    path.write_bytes(image)
    found: dict[str, list[Finding]] = {}
    for finding in scanner.scan(path).findings:
        found.setdefault(finding.check, []).append(finding)
    return found


@pytest.fixture
def scan(tmp_path: Path) -> Scan:
    return lambda image: _scanned(Scanner(), tmp_path / "image.bin", image)


def _content(name: str, data: bytes) -> Content:
    return Content(Span(f"image!{name}", Window.of(data)))


def test_nothing_is_said_about_expiry_on_a_day_that_nobody_knows(tmp_path: Path, scan: Scan) -> None:
    pem = certificate(issuer="CA", seed=SEED, until_year=2025)
    image = archive_of({"etc/a.pem": key_pem(SEED) + pem, "etc/b.pem": certificate(issuer="CA", until_year=2025)})
    assert "certificate-expired" not in scan(image)
    for day, severities in ((date(2024, 6, 1), []), (date(2026, 11, 24), [Severity.MEDIUM, Severity.LOW])):
        known = Scanner(vulnerability_data=VulnerabilityData(day=day))
        found = _scanned(known, tmp_path / "image.bin", image).get("certificate-expired", [])
        assert [finding.severity for finding in found] == severities


@pytest.mark.parametrize(
    ("image", "is_named"),
    [
        (with_suffix(b"program" * 90, vendor_id=0xFFFF, product_id=0xFFFF, dfu_version=0x0100), False),
        (with_suffix(b"program" * 90, vendor_id=0x0483, product_id=0x5740, dfu_version=0x0100), True),
        (built_update("post-timestamp=1\n", script='getprop("ro.product.device") == "monitor"'), True),
    ],
)
def test_a_format_with_a_place_for_the_model_is_asked_for_it(image: bytes, is_named: bool, scan: Scan) -> None:
    assert ("model-not-named" in scan(image)) is not is_named


def test_an_android_update_without_a_time_can_be_put_back_later(scan: Scan) -> None:
    signed = signed_update(built_update("pre-device=m\n"), certificate(issuer="Maker", bits=256), 256)
    found = scan(signed)
    assert [f.detail for f in found["no-rollback-counter"]] == [
        "Android update: no time of making, and its script asks for none"
    ]
    assert [f.detail for f in found["signer-unknown"]] == ["Android update: signed by CN=pump.example"]
    assert "downgrade-wanted" in scan(built_update("pre-device=m\nota-downgrade=yes\n"))


def test_a_footer_that_holds_no_signature_is_told_as_a_problem() -> None:
    signed = signed_update(built_update("pre-device=m\n"), certificate(issuer="Maker", bits=256), 256)
    comment = int.from_bytes(signed[-2:], "little")
    broken = signed[:-comment] + bytes(comment - 6) + signed[-6:]
    facts = FORMAT.open(Span("a.zip", Window.of(broken)), Limits()).facts
    assert facts["signed"] is True
    assert facts["signature_problem"]
    assert "signer_subject" not in facts


def test_a_signature_names_its_signer_and_a_key_its_owner(scan: Scan) -> None:
    signature = armoured("SIGNATURE", built_signature(SEED, b"x"))
    (seen,) = SIGNATURES.read(_content("pump.bin.asc", signature))
    assert isinstance(seen, PublisherSignature)
    assert len(seen.signer) == 40
    assert (signed_name("a!pump.bin.asc"), signed_name("a!pump.bin")) == ("a!pump.bin", "")
    deep = archive_of({"usr/share/doc/pump.asc": signature, "usr/share/doc/pump": b"x"})
    assert "signer-unknown" not in scan(deep)
    keyring = archive_of({"maker.gpg": built_certificate(SEED, "Maker"), "pump.bin": b"x"})
    assert "signing-key-beside" not in scan(keyring)


def test_switches_for_older_versions_count_where_they_are_run() -> None:
    script = b"#!/bin/sh\necho rpm --oldpackage\nrpm -U --oldpackage a.rpm\n# apt-get --allow-downgrades\n"
    assert [seen.excerpt for seen in SWITCHES.read(_content("a.sh", script))] == ["rpm --oldpackage"]


@pytest.mark.parametrize(("name", "has_safe_handlers"), [("t32.exe", True), ("w64.exe", True), ("t64-arm.exe", True)])
def test_real_programs_for_windows_say_how_they_were_built(name: str, has_safe_handlers: bool) -> None:
    program = files("distlib").joinpath(name).read_bytes()
    (seen,) = PROTECTIONS.read(_content(name, program))
    assert (seen.has_safe_handlers, seen.is_managed) == (has_safe_handlers, False)  # type: ignore[attr-defined]


def test_a_32_bit_program_for_windows_without_a_list_of_handlers_is_told(scan: Scan) -> None:
    from firmware_checks.observers.windows_protections import example_program as windows_program

    details = {f.detail for f in scan(archive_of({"a.exe": windows_program(0x0140)}))["windows-protections-missing"]}
    assert details == {
        "handlers of errors can be replaced in memory (no SafeSEH)",
        "calls can be led to any place in memory (no Control Flow Guard)",
    }


def test_the_note_of_properties_says_whether_jumps_are_guarded() -> None:
    for properties, guards in ((0, False), (1, True), (2, False)):
        (seen,) = HARDENING.read(_content("a", example_program(properties=properties)))
        assert seen.guards_flow is guards  # type: ignore[attr-defined]
    (seen,) = HARDENING.read(_content("a", example_program(names="__cfi_check\0recv\0")))
    assert seen.guards_flow is True  # type: ignore[attr-defined]


def test_ssh_is_judged_once_for_whom_it_lets_in_and_how(scan: Scan) -> None:
    image = archive_of(
        {
            "etc/ssh/sshd_config": b"Protocol 2,1\nPermitRootLogin yes\nMACs hmac-md5\n",
            "etc/ssh/ssh_config": b"Protocol 1\n",
        }
    )
    assert {f.detail for f in scan(image)["ssh-settings"]} == {
        "SSH protocol 1, which is broken, is allowed",
        "the superuser may log in over SSH with a password",
        "SSH allows hmac-md5",
        "SSH allows SSH 1",
    }


def test_the_password_of_an_automatic_logon_is_told_by_one_check(scan: Scan) -> None:
    text = (
        b"REGEDIT4\r\n[HKEY_LOCAL_MACHINE\\SOFTWARE\\Microsoft\\Windows NT\\CurrentVersion\\Winlogon]\r\n"
        b'"AutoAdminLogon"="1"\r\n"DefaultPassword"="a9!kite"\r\n'
    )
    found = scan(archive_of({"Windows/default.reg": text}))
    assert "windows-automatic-logon" in found
    assert "hard-coded-password" not in found


SCRYPT_ADMIN = "$7$86..../....NaClNaCl$Vq8Rb/YAk.YO213DQ2zk46LTmt0BEtBpXojxBMlIO.0"
"""``admin`` with 2^10 rounds; made with hashlib.scrypt."""


def test_a_default_password_kept_with_scrypt_is_recognised() -> None:
    guess = Guesser().guess("service", SCRYPT_ADMIN)
    assert guess is not None
    assert guess.reason == "a default of embedded devices"


@pytest.mark.parametrize(
    "stored", ["$y$j9T$salt$hash", "$gy$j9T$salt$hash", "$7$broken", "$7$z6..../....s$" + "a" * 43]
)
def test_a_strong_password_that_nothing_can_compare_is_counted_and_told(stored: str, scan: Scan) -> None:
    guesser = Guesser()
    assert guesser.guess("a", stored) is None
    assert guesser.uncompared == 1
    found = scan(archive_of({"etc/shadow": f"root:{stored}:18000:0:99999:7:::\n".encode()}))
    assert [(f.severity, "not looked at" in f.detail) for f in found["weak-password"]] == [(Severity.INFO, True)]
    assert "obsolete-password-hash" not in found
