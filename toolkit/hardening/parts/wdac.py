"""A policy for Windows Defender Application Control: the Windows kernel runs what is listed, drivers included."""

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

SPACE: Final = "urn:schemas-microsoft-com:sipolicy"
PLATFORM: Final = "{2E07F7E4-194C-4D20-B7C9-6F44A6C5A234}"
"""Windows desktop and server, as every such policy says."""
NAMESPACE: Final = uuid.UUID("0c52c4f5-7d4e-5c4e-8f0a-6d6564686172")
OPTIONS: Final = (
    "Enabled:Unsigned System Integrity Policy",
    "Enabled:UMCI",
    "Enabled:Advanced Boot Options Menu",
    "Enabled:Update Policy No Reboot",
)
AUDIT: Final = "Enabled:Audit Mode"
KERNEL, USER = "131", "12"
"""Values of the two scenarios: drivers, and everything else."""


def _build(subject: HardeningSubject) -> Iterator[PackFile]:
    code = windows_code(subject)
    for name, options in (("wdac-audit", (*OPTIONS, AUDIT)), ("wdac-enforce", OPTIONS)):
        yield PackFile(
            path=f"{name}.xml",
            data=_policy(subject, code, options, name),
            consumer="Windows 10 1709 or newer: ConvertFrom-CIPolicy, then C:\\Windows\\System32\\CodeIntegrity",
        )


def _policy(subject: HardeningSubject, code: Sequence[WindowsCode], options: Sequence[str], name: str) -> bytes:
    root = ET.Element("SiPolicy", {"xmlns": SPACE, "PolicyType": "Base Policy"})
    identifier = (
        "{" + str(uuid.uuid5(NAMESPACE, f"{name} {subject.image_sha256} {subject.profile.digest}")).upper() + "}"
    )
    for tag, text in (
        ("VersionEx", "1.0.0.0"), ("PlatformID", PLATFORM), ("PolicyID", identifier), ("BasePolicyID", identifier),
    ):  # fmt: skip
        ET.SubElement(root, tag).text = text
    rules = ET.SubElement(root, "Rules")
    for option in options:
        ET.SubElement(ET.SubElement(rules, "Rule"), "Option").text = option
    ET.SubElement(root, "EKUs")
    kernel, user = _file_rules(ET.SubElement(root, "FileRules"), code)
    ET.SubElement(root, "Signers")
    scenarios = ET.SubElement(root, "SigningScenarios")
    _scenario(scenarios, KERNEL, "ID_SIGNINGSCENARIO_DRIVERS", kernel)
    _scenario(scenarios, USER, "ID_SIGNINGSCENARIO_WINDOWS", user)
    ET.SubElement(root, "UpdatePolicySigners")
    ET.SubElement(root, "CiSigners")
    ET.SubElement(root, "HvciOptions").text = "0"
    return xml_bytes(root, heading(subject, "What this device may execute, for Windows Defender Application Control"))


def _file_rules(parent: ET.Element, code: Sequence[WindowsCode]) -> tuple[list[str], list[str]]:
    """Add a rule for each digest; return the ids of those for drivers and of those for everything else."""
    kernel: list[str] = []
    user: list[str] = []
    for number, row in enumerate(code):
        for kind, digest in (("SHA256", row.sha256), ("SHA1", row.sha1)):
            if digest:
                identifier = f"ID_ALLOW_M_{number:X}_{kind}"
                name = shown(f"{row.path} Hash {kind}")
                ET.SubElement(parent, "Allow", {"ID": identifier, "FriendlyName": name, "Hash": digest.upper()})
                (kernel if row.kind is FileKind.WINDOWS_DRIVER else user).append(identifier)
    return kernel, user


def _scenario(parent: ET.Element, value: str, identifier: str, rules: Sequence[str]) -> None:
    scenario = ET.SubElement(parent, "SigningScenario", {"Value": value, "ID": identifier, "FriendlyName": identifier})
    signers = ET.SubElement(scenario, "ProductSigners")
    if rules:
        references = ET.SubElement(signers, "FileRulesRef")
        for rule in rules:
            ET.SubElement(references, "FileRuleRef", {"RuleID": rule})


def _findings(subject: HardeningSubject) -> Iterator[Finding]:
    yield from learning_findings(subject)
    yield from undigested_findings(subject)


PART = HardeningPart(
    name="wdac",
    title="Only known programs run: Windows Defender Application Control",
    group=Group.APPLICATION_CONTROL,
    what=(
        "Windows 10 and newer executes the programs, libraries, drivers and scripts of this image, by their "
        "Authenticode digest, and refuses every other. Windows 7 and XP have no such control: use AppLocker, or the "
        "network parts."
    ),
    source="Microsoft Learn, Understand App Control for Business policy rules and file rules; namespace of SiPolicy",
    applies=not_for_windows,
    build=_build,
    findings=_findings,
    apply=(
        "Ask the maker whether the device may be changed.",
        "Convert the audit policy with ConvertFrom-CIPolicy and copy it to C:\\Windows\\System32\\CodeIntegrity.",
        "After a week without events 3076 in the log CodeIntegrity do the same with the enforcing policy.",
    ),
    bench_test=(
        "On a bench device run the audit policy and use every function of the device.",
        "Look into the log Microsoft, Windows, CodeIntegrity: event 3076 names what would be refused.",
        "With the enforcing policy start a foreign program: it must be refused.",
    ),
    take_back=(
        "Start from the recovery menu, delete the policy file and start again.",
        "Where that is not possible, install the device's image again.",
    ),
    controls=Controls(
        fda=("D",), iec_62443=("EDR 3.2", "CR 3.4"), iec_81001=("5.3",), cra=("I.2f",), mds2=("MLDP", "SAHD"),
        cwe=NOT_APPLICABLE,
    ),
)  # fmt: skip
