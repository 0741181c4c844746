"""Reports to render: one that is empty, and one like a real update, with names an attacker could have chosen."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import strategies as st

from toolkit.core.findings import Evidence, Finding, Severity
from toolkit.report.model import (
    SCHEMA_VERSION,
    Component,
    Confidence,
    Coverage,
    DataVersions,
    ImageSummary,
    Integrity,
    RegionKind,
    RegionRecord,
    Report,
    Subject,
    Tool,
    Unread,
)

HOSTILE = (
    "<script>alert(1)</script>\x1b[31m\u202egnp.exe\"'>"
    "<img src=x onerror=alert(2)>&amp;{0}[bold red]:smile:\r\n\x9b\x00"
)
"""A file name that tries HTML, terminal escapes, a reversed reading direction, templates and console markup."""

NOT_LOOKED_UP = (
    "Known vulnerabilities (CVE) of the components were not looked up: no vulnerability data is part of this version."
)
ZIP = "pump-update-4.2.zip"
HEX = f"{ZIP}!main/pump-main.hex"
DFU = f"{ZIP}!radio.dfu"
BAD = f"{ZIP}!{HOSTILE}"
K = RegionKind


@pytest.fixture(scope="session")
def empty_report() -> Report:
    """A file of which nothing could be told, scanned without any rule."""
    return Report(
        tool=Tool(name="medharden", version="0.1.0"),
        data=DataVersions(component_rules=0, component_rules_sha256="0" * 64, formats=0, checks=0),
        subject=Subject(name="empty.bin", size=1, sha256="a" * 64),
        image=ImageSummary(format="unknown"),
        coverage=Coverage(
            total_bytes=0,
            recognised_bytes=0,
            padding_bytes=0,
            encrypted_bytes=0,
            unknown_bytes=0,
            unread_bytes=0,
            recognised_ratio=0.0,
        ),
        regions=(),
        components=(),
        findings=(),
        not_examined=("Nothing was run: behaviour, radio links and network services of the device were not examined.",),
    )


@pytest.fixture(scope="session")
def sample_report(empty_report: Report) -> Report:
    """An update package with a main program, a radio firmware, a locked file and a hostile name."""
    return msgspec.structs.replace(
        empty_report,
        data=DataVersions(
            component_rules=41,
            component_rules_sha256="5b" * 32,
            formats=24,
            checks=11,
            profile="infusion-pump-lvp",
            profile_sha256="c4" * 32,
        ),
        subject=Subject(
            name=ZIP, size=412_903, sha256="9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
        ),
        image=ImageSummary(
            format="zip",
            arch="arm-cortex-m",
            load_address=0x0800_4000,
            entry_address=0x0800_4189,
            mcu_family="STM32F4",
            mcu_family_confidence=Confidence.HIGH,
        ),
        coverage=Coverage(
            total_bytes=655_360,
            recognised_bytes=402_112,
            padding_bytes=131_072,
            encrypted_bytes=49_152,
            unknown_bytes=40_960,
            unread_bytes=32_064,
            recognised_ratio=0.767,
            unread=(
                Unread(path=f"{ZIP}!drug-library.enc", reason="the entry is protected with a password", size=32_000),
                Unread(path=BAD, reason="compression method 99 is not supported", size=64),
            ),
            limits_hit=("ratio: pump-update-4.2.zip!zeros: unpacks to more than 1000 times its size",),
        ),
        regions=_regions(),
        components=_components(),
        findings=_findings(),
        not_examined=(
            NOT_LOOKED_UP,
            "Whether the device verifies an update before installing it can only be proven on the device.",
            *empty_report.not_examined,
        ),
    )


def _row(
    depth: int,
    path: str,
    kind: RegionKind,
    title: str,
    start: int,
    size: int,
    address: int | None = None,
    **more: object,
) -> RegionRecord:
    fields = {
        "format": "raw",
        "end": start + size,
        "address_end": None if address is None else address + size,
        **more,
    }
    return RegionRecord(
        path=path, kind=kind, title=title, start=start, size=size, depth=depth, address=address, **fields
    )  # type: ignore[arg-type]


def _regions() -> tuple[RegionRecord, ...]:
    flash = 0x0800_0000
    crc = Integrity(algorithm="crc32", covers="main program", stored="1c291ca3", computed="1c291ca3", valid=True)
    bad_crc = Integrity(algorithm="crc32", covers="whole file", stored="deadbeef", computed="78901234", valid=False)
    return (
        _row(0, ZIP, K.CONTAINER, "ZIP archive", 0, 412_903, format="zip", facts={"entries": 5}),
        _row(
            1, HEX, K.CONTAINER, "Intel HEX", 0, 524_288, format="intel-hex", end=1_474_560, facts={"records": 32_768}
        ),
        _row(2, HEX, K.PROGRAM, "Vector table and start-up code", 15, 392, flash, facts={"role": "bootloader"}),
        _row(2, HEX, K.PROGRAM, "Boot loader code", 1_100, 15_608, flash + 0x188, facts={"arch": "arm-cortex-m"}),
        _row(2, HEX, K.PADDING, "Padding 0xFF", 45_000, 384, flash + 0x3E80),
        _row(
            2,
            HEX,
            K.PROGRAM,
            "Main program",
            46_080,
            262_144,
            flash + 0x4000,
            facts={
                "arch": "arm-cortex-m",
                "mcu_family": "STM32F4",
                "stack_address": 0x2002_0000,
                "why": ("a", "b"),
                "image_bytes": 262_144,
                "signed": False,
                "family_id": 0x57755A57,
                "ratio": 0.5,
                "sizes": (1, 2),
            },
            integrity=(crc,),
        ),
        _row(3, HEX, K.DATA, f"Strings of {HOSTILE}", 600_000, 20_480, flash + 0x3_0000),
        _row(3, HEX, K.ENCRYPTED, "Random-looking data", 700_000, 49_152, flash + 0x3_6000),
        _row(2, HEX, K.UNKNOWN, "Not recognised", 800_000, 40_960, flash + 0x4_4000),
        _row(2, HEX, K.CONFIGURATION, "Option bytes", 1_474_000, 16, 0x1FFF_C000, facts={"readout_protection": "off"}),
        _row(
            1,
            DFU,
            K.CONTAINER,
            "DfuSe file",
            0,
            98_304,
            format="dfu",
            integrity=(bad_crc,),
            problems=("suffix is wrong",),
        ),
        _row(2, DFU, K.METADATA, "DfuSe prefix", 0, 285, format="dfu"),
        _row(2, DFU, K.PROGRAM, "Radio firmware", 285, 98_003, 0x0000_4000, facts={"version": "1.4"}),
        _row(1, BAD, K.DATA, f"Text named {HOSTILE}", 0, 4_096, facts={HOSTILE: HOSTILE}, problems=(HOSTILE,)),
    )


def _components() -> tuple[Component, ...]:
    return (
        Component(
            name="freertos",
            title="FreeRTOS kernel",
            category="operating system",
            version=None,
            version_candidates=("10.2.1", "10.3.0"),
            purl="pkg:github/freertos/freertos-kernel",
            cpe="cpe:2.3:o:amazon:freertos:*:*:*:*:*:*:*:*",
            confidence=Confidence.MEDIUM,
            evidence=(Evidence(path=HEX, offset=301_004, address=0x0801_1C20, excerpt="Tmr Svc"),),
        ),
        Component(
            name="mbedtls",
            title="Mbed TLS",
            category="cryptography",
            version="2.16.1",
            purl="pkg:github/mbed-tls/mbedtls@2.16.1",
            cpe="cpe:2.3:a:arm:mbed_tls:2.16.1:*:*:*:*:*:*:*",
            confidence=Confidence.CERTAIN,
            evidence=(
                Evidence(path=HEX, offset=640_112, address=0x0803_2200, excerpt="mbed TLS 2.16.1"),
                Evidence(path=DFU, offset=70_001, address=0x0001_5000, excerpt="mbed TLS 2.16.1"),
            ),
        ),
        Component(
            name="odd",
            title=f"Odd {HOSTILE}",
            category="other",
            version=HOSTILE,
            purl="not a purl",
            cpe="not a cpe",
            confidence=Confidence.LOW,
        ),
    )


def _findings() -> tuple[Finding, ...]:
    where = Evidence(path=DFU, offset=0, address=0x4000, excerpt=HOSTILE)
    return (
        Finding(
            check="update-not-signed",
            title="The update is not signed",
            severity=Severity.HIGH,
            detail="radio.dfu carries a CRC-32 and no signature: anybody can build a file that passes.",
            remedy="Ask the maker for a signed update, and how the device verifies it.",
            controls=("IEC 62443-4-2 CR 3.4", "FDA 2023 cybersecurity guidance V.B.1"),
            evidence=(where, *(Evidence(path=HEX, offset=n) for n in range(4))),
        ),
        Finding(
            check="published-test-key",
            title="The image trusts a key that everybody has",
            severity=Severity.CRITICAL,
            detail="The MCUboot key hash is that of root-rsa-2048.pem, published with its private half.",
            remedy="Do not install; ask the maker for an image signed with a key of their own.",
            controls=("IEC 62443-4-2 CR 1.9",),
            evidence=(Evidence(path=HEX, offset=46_080, address=0x0800_4000),),
        ),
        Finding(
            check="readout-protection",
            title="Readout protection is off",
            severity=Severity.MEDIUM,
            detail="Option byte RDP is 0xAA.",
            remedy="Have the maker set readout protection level 1 or higher.",
        ),
        Finding(
            check="hostile", title=HOSTILE, severity=Severity.INFO, detail=HOSTILE, remedy=HOSTILE, controls=(HOSTILE,)
        ),
    )


@pytest.fixture(scope="session")
def reports() -> st.SearchStrategy[Report]:
    """Any report: small, but with anything in it that the model allows."""
    words = st.text(max_size=12)
    sizes = st.integers(0, 2**40)
    places = st.none() | st.integers(0, 2**64 - 1)
    severities, confidences = st.sampled_from(Severity), st.sampled_from(Confidence)
    facts = st.one_of(
        words,
        st.integers(-(2**63), 2**64 - 1),
        st.booleans(),
        st.floats(allow_nan=False, allow_infinity=False),
        st.lists(words | st.integers(0, 99), max_size=2).map(tuple),
    )
    evidence = st.builds(Evidence, path=words, offset=places, address=places, excerpt=words)
    places_of = st.lists(evidence, max_size=2).map(tuple)
    names = st.lists(words, max_size=2).map(tuple)
    integrity = st.builds(Integrity, algorithm=words, covers=words, stored=words, computed=words, valid=st.booleans())
    region = st.builds(
        RegionRecord,
        path=words,
        format=words,
        kind=st.sampled_from(RegionKind),
        title=words,
        start=sizes,
        end=sizes,
        size=sizes,
        depth=st.integers(0, 5),
        address=places,
        address_end=places,
        facts=st.dictionaries(words, facts, max_size=3),
        integrity=st.lists(integrity, max_size=2).map(tuple),
        problems=names,
    )
    component = st.builds(
        Component,
        name=words,
        title=words,
        category=words,
        version=st.none() | words,
        version_candidates=names,
        purl=st.none() | words,
        cpe=st.none() | words,
        confidence=confidences,
        evidence=places_of,
    )
    finding = st.builds(
        Finding,
        check=words,
        title=words,
        severity=severities,
        detail=words,
        remedy=words,
        controls=names,
        evidence=places_of,
    )
    unread = st.builds(Unread, path=words, reason=words, size=sizes)
    coverage = st.builds(
        Coverage,
        total_bytes=sizes,
        recognised_bytes=sizes,
        padding_bytes=sizes,
        encrypted_bytes=sizes,
        unknown_bytes=sizes,
        unread_bytes=sizes,
        recognised_ratio=st.floats(0, 1),
        unread=st.lists(unread, max_size=2).map(tuple),
        limits_hit=names,
    )
    image = st.builds(
        ImageSummary,
        format=words,
        arch=st.none() | words,
        load_address=places,
        entry_address=places,
        mcu_family=st.none() | words,
        mcu_family_confidence=st.none() | confidences,
    )
    data = st.builds(
        DataVersions,
        component_rules=sizes,
        component_rules_sha256=words,
        formats=sizes,
        checks=sizes,
        profile=st.none() | words,
        profile_sha256=st.none() | words,
        vulnerabilities=st.none() | words,
    )
    return st.builds(
        Report,
        schema_version=st.just(SCHEMA_VERSION),
        tool=st.builds(Tool, name=words, version=words),
        data=data,
        subject=st.builds(Subject, name=words, size=sizes, sha256=words),
        image=image,
        coverage=coverage,
        regions=st.lists(region, max_size=4).map(tuple),
        components=st.lists(component, max_size=2).map(tuple),
        findings=st.lists(finding, max_size=2).map(tuple),
        not_examined=st.lists(words, min_size=1, max_size=2).map(tuple),
    )


@pytest.fixture(scope="session")
def large_report(sample_report: Report) -> Report:
    """The sample with more of everything than anybody reads."""
    hex_file = sample_report.regions[1]
    areas = tuple(
        _row(2, HEX, K.PROGRAM if n % 2 else K.DATA, f"Area {n}", 64 * n, 64 * (1 + n % 7), 0x1000 * n)
        for n in range(3_000)
    )
    return msgspec.structs.replace(
        sample_report,
        regions=(sample_report.regions[0], hex_file, *areas),
        findings=sample_report.findings * 200,
        components=sample_report.components * 200,
        coverage=msgspec.structs.replace(
            sample_report.coverage,
            unread=sample_report.coverage.unread * 300,
            limits_hit=sample_report.coverage.limits_hit * 300,
        ),
    )
