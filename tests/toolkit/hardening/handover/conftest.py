"""One small report with a password, a patient's log and a foreign address, for everything that hands reports on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from firmware_checks.scan import Scanner
from signing.key import Signer
from signing.keyring import create_key, open_signer
from toolkit.core.findings import Evidence, Finding, Severity
from toolkit.report.model import (
    Component,
    Confidence,
    Coverage,
    DataVersions,
    ImageSummary,
    Report,
    Subject,
    Tool,
)


def found(*checks: str) -> tuple[Finding, ...]:
    """Return a finding of each of the checks."""
    known, place = Scanner().checks, Evidence(path="pump.bin!etc/<b>pump.conf", offset=64, excerpt="server=203.0.113.9")
    return tuple(known[name].finding(Severity.HIGH, f"seen by {name}", place) for name in checks)


@pytest.fixture(scope="session")
def report() -> Report:
    part = Component(
        name="busybox", title="BusyBox", category="application", version="1.31.1", confidence=Confidence.HIGH
    )
    return Report(
        tool=Tool(name="medharden", version="1"),
        data=DataVersions(component_rules=0, component_rules_sha256="", formats=0, checks=96),
        subject=Subject(name="<b>pump.bin", size=1, sha256="ab" * 32),
        image=ImageSummary(format="raw", arch=None),
        coverage=Coverage(
            total_bytes=1, recognised_bytes=1, padding_bytes=0, encrypted_bytes=0, unknown_bytes=0, unread_bytes=0,
            recognised_ratio=1.0,
        ),
        regions=(),
        components=(part,),
        findings=found("hard-coded-password", "stored-checksum-wrong", "patient-log"),
        not_examined=("the rest",),
    )  # fmt: skip


@pytest.fixture(scope="session")
def weak_report(report: Report) -> Report:
    """Return the same with an unsigned update and an address outside."""
    import msgspec

    more = (*report.findings, *found("update-not-signed", "hard-coded-address"))
    return msgspec.structs.replace(report, findings=more)


class Words:
    """Knows one passphrase."""

    def existing(self, purpose: str) -> str:
        return f"four words for {purpose[:4]}"

    new = existing


@dataclass(frozen=True)
class Key:
    """A key, as the command line names it, and opened."""

    options: tuple[str, ...]
    trust: Path
    signer: Signer


@pytest.fixture(scope="session")
def key(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Key]:
    folder = tmp_path_factory.mktemp("keys")
    uri, words, trust = f"file:{folder / 'ada.pem'}", folder / "words", folder / "ada.pub"
    public = create_key(uri, "ed25519", Words())
    words.write_text(Words().existing("file:"), encoding="utf-8")
    trust.write_bytes(public.pem())
    with open_signer(uri, Words()) as signer:
        yield Key(("--key", uri, "--passphrase-file", str(words)), trust, signer)
