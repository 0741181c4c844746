"""Reports to render: one that is empty, and one like a real update, with names an attacker could have chosen."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable
from typing import TypeVar

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
    Fact,
    ImageSummary,
    Integrity,
    RegionKind,
    RegionRecord,
    Report,
    Subject,
    Tool,
    Unread,
)
from toolkit.report.vulnerability import (
    Answer,
    ComponentSupport,
    DataAge,
    Decision,
    Exploitation,
    Exposure,
    HumanImpact,
    Justification,
    MatchStatus,
    Provenance,
    Step,
    Triage,
    UnusedDecision,
    Urgency,
    Vulnerability,
)

T = TypeVar("T")

HOSTILE = (
    "<script>alert(1)</script>\x1b[31m\u202egnp.exe\"'>"
    "<img src=x onerror=alert(2)>&amp;{0}[bold red]:smile:\r\n\x9b\x00"
)
"""A file name that tries HTML, terminal escapes, a reversed reading direction, templates and console markup."""

NOT_LOOKED_UP = "Known vulnerabilities (CVE) of the components were not looked up, as it was asked for."
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
    """Any report: small, but with anything in it that the model allows.

    A few words and numbers are drawn and stand all over the report; drawing each field by itself takes a hundred times
    as long, which the search for a failing report needs more than it needs different words in every field.
    """
    return st.builds(
        lambda words, numbers, seed: _Maker(words, numbers, seed).report(),
        st.lists(st.text(max_size=12), min_size=1, max_size=5),
        st.lists(st.integers(0, 2**64 - 1), min_size=1, max_size=4),
        st.integers(0, 2**32 - 1),
    )


class _Maker:
    """Makes a report of some words and numbers; ``seed`` decides which parts it has."""

    def __init__(self, words: list[str], numbers: list[int], seed: int) -> None:
        self.word = itertools.cycle(words).__next__
        self.number = itertools.cycle(numbers).__next__
        self.random = random.Random(seed)  # noqa: S311  # which parts a made-up report has

    def maybe(self, make: Callable[[], T]) -> T | None:
        return make() if self.random.random() < 0.7 else None

    def some(self, make: Callable[[], T], most: int = 2, least: int = 0) -> tuple[T, ...]:
        return tuple(make() for _ in range(self.random.randint(least, most)))

    def one_of(self, *values: T) -> T:
        return self.random.choice(values)

    def size(self) -> int:
        return self.number() >> 24

    def fact(self) -> Fact:
        number = self.number()
        return self.one_of(self.word(), number - 2**63, number % 2 == 0, number / 7, (self.word(), number % 100))

    def evidence(self) -> Evidence:
        return Evidence(
            path=self.word(), offset=self.maybe(self.number), address=self.maybe(self.number), excerpt=self.word()
        )

    def integrity(self) -> Integrity:
        word = self.word
        return Integrity(
            algorithm=word(), covers=word(), stored=word(), computed=word(), valid=self.one_of(True, False)
        )

    def region(self) -> RegionRecord:
        return RegionRecord(
            path=self.word(),
            format=self.word(),
            kind=self.one_of(*RegionKind),
            title=self.word(),
            start=self.size(),
            end=self.size(),
            size=self.size(),
            depth=self.random.randint(0, 5),
            address=self.maybe(self.number),
            address_end=self.maybe(self.number),
            facts={self.word(): self.fact() for _ in range(self.random.randint(0, 3))},
            integrity=self.some(self.integrity),
            problems=self.some(self.word),
        )

    def component(self) -> Component:
        return Component(
            name=self.word(),
            title=self.word(),
            category=self.word(),
            version=self.maybe(self.word),
            version_candidates=self.some(self.word),
            purl=self.maybe(self.word),
            cpe=self.maybe(self.word),
            confidence=self.one_of(*Confidence),
            evidence=self.some(self.evidence),
        )

    def finding(self) -> Finding:
        return Finding(
            check=self.word(),
            title=self.word(),
            severity=self.one_of(*Severity),
            detail=self.word(),
            remedy=self.word(),
            controls=self.some(self.word),
            evidence=self.some(self.evidence),
        )

    def score(self) -> float:
        return self.random.randint(0, 100) / 10

    def urgency(self) -> Urgency:
        return Urgency(
            decision=self.one_of(*Decision),
            exploitation=self.one_of(*Exploitation),
            exposure=self.one_of(*Exposure),
            automatable=self.one_of(True, False),
            human_impact=self.one_of(*HumanImpact),
            reachable=self.one_of(True, False, None),
            score=self.maybe(self.score),
            vector=self.maybe(self.word),
            sentence=self.word(),
            action=self.word(),
        )

    def vulnerability(self) -> Vulnerability:
        word = self.word
        return Vulnerability(
            id=word(),
            status=self.one_of(*MatchStatus),
            confidence=self.one_of(*Confidence),
            justification=self.one_of(None, *Justification),
            reason=word(),
            evidence=self.some(word),
            range=word(),
            versions=self.some(word),
            score=self.maybe(self.score),
            severity=word(),
            vector=self.maybe(word),
            exploited_since=self.maybe(word),
            epss=self.maybe(self.random.random),
            summary=word(),
            families=self.some(word),
            provenance=(Provenance(source=word(), record=word(), product=word(), node=word(), range=word()),),
            component=word(),
            component_version=self.maybe(word),
            urgency=self.maybe(self.urgency),
            triage=self.maybe(self.triage),
        )

    def triage(self) -> Triage:
        word = self.word
        return Triage(source=word(), statement=word(), decided=self.maybe(word), expires=self.maybe(word))

    def step(self) -> Step:
        return Step(
            component=self.word(),
            title=self.word(),
            component_version=self.maybe(self.word),
            decision=self.one_of(*Decision),
            urgent=1 + self.size(),
            affected=self.size(),
            open=self.size(),
            exploited=self.one_of(0, self.size()),
            first=self.some(self.word, least=1),
            score=self.maybe(self.score),
            exploitation=self.one_of(*Exploitation),
            exposure=self.one_of(*Exposure),
            human_impact=self.one_of(*HumanImpact),
            update_to=self.maybe(self.word),
            isolate=self.some(self.word),
            supported_until=self.maybe(self.word),
            replace_by=self.maybe(self.word),
            unsupported=self.one_of(True, False),
            sentence=self.word(),
            action=self.word(),
        )

    def support(self) -> ComponentSupport:
        word = self.word
        return ComponentSupport(
            state=self.one_of("ended", "paid", "supported", word()),
            until=self.maybe(word),
            paid_until=self.maybe(word),
            line=word(),
            basis=word(),
            source=word(),
            component=word(),
            component_version=self.maybe(word),
        )

    def answer(self) -> Answer:
        word = self.word
        return Answer(metric=word(), question=word(), value=word(), because=word(), assumed=self.one_of(True, False))

    def unused(self) -> UnusedDecision:
        return UnusedDecision(id=self.word(), component=self.word(), status=self.word(), reason=self.word())

    def coverage(self) -> Coverage:
        size = self.size
        return Coverage(
            total_bytes=size(),
            recognised_bytes=size(),
            padding_bytes=size(),
            encrypted_bytes=size(),
            unknown_bytes=size(),
            unread_bytes=size(),
            recognised_ratio=self.one_of(0.0, 1.0, self.random.random()),
            unread=self.some(lambda: Unread(path=self.word(), reason=self.word(), size=size())),
            limits_hit=self.some(self.word),
        )

    def data(self) -> DataVersions:
        return DataVersions(
            component_rules=self.size(),
            component_rules_sha256=self.word(),
            formats=self.size(),
            checks=self.size(),
            profile=self.maybe(self.word),
            profile_sha256=self.maybe(self.word),
            vulnerabilities=self.some(lambda: DataAge(name=self.word(), date=self.maybe(self.word))),
            day=self.maybe(self.word),
            triage_sha256=self.maybe(self.word),
        )

    def report(self) -> Report:
        word, number = self.word, self.number
        return Report(
            schema_version=SCHEMA_VERSION,
            tool=Tool(name=word(), version=word()),
            data=self.data(),
            subject=Subject(name=word(), size=self.size(), sha256=word()),
            image=ImageSummary(
                format=word(),
                arch=self.maybe(word),
                load_address=self.maybe(number),
                entry_address=self.maybe(number),
                mcu_family=self.maybe(word),
                mcu_family_confidence=self.one_of(None, *Confidence),
            ),
            coverage=self.coverage(),
            regions=self.some(self.region, most=4),
            components=self.some(self.component),
            vulnerabilities=self.some(self.vulnerability, most=3),
            support=self.some(self.support),
            steps=self.some(self.step),
            answers=self.some(self.answer),
            unused_decisions=self.some(self.unused),
            findings=self.some(self.finding),
            not_examined=self.some(word, least=1),
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


@pytest.fixture(scope="session")
def vulnerable_report(sample_report: Report) -> Report:
    """The sample with vulnerabilities of two components, their support, a decision of the user, and what came of it."""
    data = msgspec.structs.replace(
        sample_report.data,
        profile=None,
        profile_sha256=None,
        vulnerabilities=(
            DataAge(name="facts shipped with medharden", date="2026-11-24"),
            DataAge(name="epss", date=None),
        ),
        day="2026-11-25",
        triage_sha256="d1" * 32,
    )
    exploited = _known("CVE-2014-0160", Decision.IMMEDIATE, exploited_since="2022-05-04", score=7.5)
    asked = _known("CVE-2021-44732", Decision.OUT_OF_CYCLE, component="freertos", component_version=None)
    decided = Triage(source="OpenVEX, Clinical engineering", statement="Port is closed.", decided="2026-01-31")
    return msgspec.structs.replace(
        sample_report,
        data=data,
        vulnerabilities=(
            exploited,
            msgspec.structs.replace(asked, status=MatchStatus.UNDER_INVESTIGATION, triage=decided),
            msgspec.structs.replace(
                _known("CVE-2020-0001", None),
                status=MatchStatus.NOT_AFFECTED,
                justification=Justification.CODE_NOT_PRESENT,
                reason=f"this {HOSTILE} has no httpd",
                evidence=("300 applets are listed", HOSTILE),
            ),
        ),
        support=(
            _support("supported", component="freertos"),
            _support("ended", until="2024-03-31"),
        ),
        steps=(
            _step("mbedtls", "Mbed TLS", "2.16.1", Decision.IMMEDIATE, exploited=1, update_to="2.16.12"),
            _step("freertos", f"FreeRTOS {HOSTILE}", None, Decision.OUT_OF_CYCLE, affected=0, open=1),
        ),
        answers=(
            Answer(
                metric="AV",
                question="Which connections reach it over a network?",
                value="wifi",
                because="The device profile states it.",
                assumed=False,
            ),
            Answer(
                metric="I",
                question="What is the worst harm if it misbehaves?",
                value="life_sustaining",
                because="Assumed, because no device profile was given.",
                assumed=True,
            ),
        ),
        unused_decisions=(
            UnusedDecision(
                id="CVE-2019-1",
                component="pkg:generic/zlib",
                status="fixed",
                reason="the image has no such component",
            ),
        ),
    )


def _known(name: str, decision: Decision | None, **more: object) -> Vulnerability:
    urgency = None if decision is None else _urgency(decision)
    fields = {"component": "mbedtls", "component_version": "2.16.1", "score": None, **more}
    return Vulnerability(
        id=name,
        status=MatchStatus.AFFECTED,
        confidence=Confidence.HIGH,
        reason="2.16.1 is in <2.16.12",
        range="<2.16.12",
        summary=f"Something breaks in {name}.",
        provenance=(Provenance(source="nvd", record=name, product="a:arm:mbed_tls", range="<2.16.12"),),
        urgency=urgency,
        **fields,
    )  # type: ignore[arg-type]


def _urgency(decision: Decision) -> Urgency:
    return Urgency(
        decision=decision,
        exploitation=Exploitation.ACTIVE,
        exposure=Exposure.OPEN,
        automatable=True,
        human_impact=HumanImpact.VERY_HIGH,
        score=9.8,
        sentence="It applies.",
        action="Now.",
    )


def _support(state: str, **more: object) -> ComponentSupport:
    fields = {"component": "mbedtls", "component_version": "2.16.1", "until": None, **more}
    return ComponentSupport(
        state=state, line=">=2.16 <2.17", basis="announced", source="https://example.org/eol", **fields
    )  # type: ignore[arg-type]


def _step(name: str, title: str, version: str | None, decision: Decision, **more: object) -> Step:
    fields = {"affected": 1, "open": 0, "exploited": 0, **more}
    return Step(
        component=name,
        title=title,
        component_version=version,
        decision=decision,
        urgent=1,
        first=("CVE-2014-0160",),
        exploitation=Exploitation.ACTIVE,
        exposure=Exposure.CONTROLLED,
        human_impact=HumanImpact.HIGH,
        isolate=("wifi (wifi, TCP 80)",),
        replace_by="2027-12-31",
        unsupported=True,
        sentence="1 apply.",
        action="Now.",
        **fields,
    )  # type: ignore[arg-type]
