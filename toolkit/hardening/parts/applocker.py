"""A policy for AppLocker: what users of a Windows device may start."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from typing import Final
from xml.etree import ElementTree as ET

from firmware_checks.controls import NOT_APPLICABLE, Controls
from toolkit.core.findings import Finding
from toolkit.hardening.application_control.allowed import learning_findings
from toolkit.hardening.application_control.windows_digests import (
    WindowsCode,
    not_for_windows,
    undigested_findings,
    windows_code,
)
from toolkit.hardening.application_control.xml_text import shown, xml_bytes
from toolkit.hardening.part import Group, HardeningPart, PackFile
from toolkit.hardening.subject import FileKind, HardeningSubject
from toolkit.hardening.words import heading

__all__ = ["PART"]

EVERYONE: Final = "S-1-1-0"
NAMESPACE: Final = uuid.UUID("3f1f9a0e-4b0f-5a0c-9d6b-6d6564686172")
INSTALLERS: Final = (".msi", ".msp", ".mst")
SCRIPTS: Final = (".ps1", ".bat", ".cmd", ".vbs", ".js")
"""What AppLocker takes for scripts; others are run by a program that is a rule of its own."""


def _collection(row: WindowsCode) -> str | None:
    """Return the kind of rule a file needs; None for drivers and for scripts AppLocker knows nothing of."""
    path = row.path.lower()
    if row.kind is FileKind.WINDOWS_PROGRAM:
        return "Exe"
    if row.kind is FileKind.WINDOWS_LIBRARY:
        return "Dll"
    if path.endswith(INSTALLERS):
        return "Msi"
    return "Script" if path.endswith(SCRIPTS) else None


def _build(subject: HardeningSubject) -> Iterator[PackFile]:
    code = windows_code(subject)
    for name, mode in (("applocker-audit", "AuditOnly"), ("applocker-enforce", "Enabled")):
        yield PackFile(
            path=f"{name}.xml",
            data=_policy(subject, code, mode),
            consumer="Windows 7 Ultimate or Enterprise and newer: Set-AppLockerPolicy -XmlPolicy",
        )


def _policy(subject: HardeningSubject, code: Sequence[WindowsCode], mode: str) -> bytes:
    root = ET.Element("AppLockerPolicy", {"Version": "1"})
    for name in ("Exe", "Dll", "Script", "Msi"):
        collection = ET.SubElement(root, "RuleCollection", {"Type": name, "EnforcementMode": mode})
        for row in code:
            if _collection(row) == name:
                _rule(collection, row)
    return xml_bytes(root, heading(subject, "What this device may execute, for AppLocker"))


def _rule(parent: ET.Element, row: WindowsCode) -> None:
    attributes = {
        "Id": str(uuid.uuid5(NAMESPACE, f"{row.path}\0{row.sha256}")),
        "Name": shown(row.path),
        "Description": "",
        "UserOrGroupSid": EVERYONE,
        "Action": "Allow",
    }
    rule = ET.SubElement(parent, "FileHashRule", attributes)
    condition = ET.SubElement(ET.SubElement(rule, "Conditions"), "FileHashCondition")
    digest = {
        "Type": "SHA256",
        "Data": f"0x{row.sha256.upper()}",
        "SourceFileName": shown(row.path.rpartition("\\")[2]),
        "SourceFileLength": str(row.size),
    }
    ET.SubElement(condition, "FileHash", digest)


def _findings(subject: HardeningSubject) -> Iterator[Finding]:
    yield from learning_findings(subject)
    yield from undigested_findings(subject)


PART = HardeningPart(
    name="applocker",
    title="Only known programs run: AppLocker",
    group=Group.APPLICATION_CONTROL,
    what=(
        "Users of the Windows device start the programs, libraries, scripts and installers of this image and no "
        "others. It does not stop drivers, nor whoever is administrator; Windows Defender Application Control does."
    ),
    source="Microsoft Learn, AppLocker policy XML schema",
    applies=not_for_windows,
    build=_build,
    findings=_findings,
    apply=(
        "Ask the maker whether the device may be changed.",
        "Set the service Application Identity to start by itself.",
        "Run as administrator: Set-AppLockerPolicy -XmlPolicy applocker-audit.xml.",
        "After a week without events 8003 and 8006 do the same with applocker-enforce.xml.",
    ),
    bench_test=(
        "On a bench device run: Get-AppLockerPolicy -Xml -Effective; it must show the rules.",
        "Use every function with the audit policy; the log AppLocker must hold no event 8003 or 8006.",
        "With the enforcing policy start a foreign program as the user of the device: it must be refused.",
    ),
    take_back=("Run as administrator: Set-AppLockerPolicy with an empty policy, and stop Application Identity.",),
    controls=Controls(
        fda=("D",), iec_62443=("EDR 3.2", "CR 3.4"), iec_81001=("5.3",), cra=("I.2f",), mds2=("MLDP", "SAHD"),
        cwe=NOT_APPLICABLE,
    ),
)  # fmt: skip
