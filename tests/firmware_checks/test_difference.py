"""What differs between two images, and the reasons a review draws from it."""

from __future__ import annotations

import io
import tarfile
import tempfile
from collections.abc import Mapping
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from device_profiles.schema import DeviceProfile, MemoryRegion, Platform, Processor
from device_profiles.vocabulary import RegionUse
from firmware_checks.check import profile_with
from firmware_checks.difference.alignment import Alignment
from firmware_checks.difference.compare import difference_of
from firmware_checks.difference.examination import Examination, examine
from firmware_checks.review import review
from firmware_checks.reviewing.authenticity import Authenticity, Signature
from firmware_checks.scan import Scanner
from firmware_checks.vulnerabilities.assessment import VulnerabilityData
from toolkit.core.findings import Evidence, Finding, Severity
from toolkit.report.model import (
    Component,
    Confidence,
    Fact,
    ImageSummary,
    Integrity,
    RegionKind,
    RegionRecord,
    Report,
    Unread,
)
from toolkit.report.review import Change, Difference, FactChange, Fate, Presence, Review, Verdict
from toolkit.report.vulnerability import DataAge, MatchStatus, Provenance, UnusedDecision, Vulnerability

UNKNOWN = Authenticity(signature=Signature.UNKNOWN, because="nobody was named")


@cache
def scanner() -> Scanner:
    return Scanner(vulnerability_data=VulnerabilityData(day=date(2026, 11, 24)))


def member(name: str, data: bytes = b"", **facts: Any) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.size = len(data)
    for key, value in facts.items():
        setattr(info, key, value)
    return info, data


def archive(*members: tuple[tarfile.TarInfo, bytes]) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        for info, data in members:
            tar.addfile(info, io.BytesIO(data))
    return packed.getvalue()


def looked_at(name: str, data: bytes) -> Examination:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_bytes(data)
        return examine(scanner(), path, jobs=1)


def between(old: bytes, new: bytes) -> Difference:
    return difference_of(looked_at("old-1.bin", old), looked_at("new-2.bin", new))


def codes(page: Review) -> set[str]:
    return {reason.code for reason in page.reasons}


@settings(max_examples=15)
@given(st.dictionaries(st.text("abc/.-1", min_size=1, max_size=8), st.binary(max_size=200), max_size=4))
def test_an_image_does_not_differ_from_itself_and_its_bytes_stay_the_same(files: Mapping[str, bytes]) -> None:
    image = looked_at("same.tar", archive(*(member(name, data) for name, data in files.items())))
    difference = difference_of(image, image)
    assert difference.is_empty
    page = review(image.report, difference, None, UNKNOWN)
    assert page.verdict is Verdict.ASK
    assert "same-file" in codes(page)
    assert msgspec.json.encode(page) == msgspec.json.encode(review(image.report, difference, None, UNKNOWN))


def test_every_way_in_which_an_entry_changes_is_told() -> None:
    old = archive(
        member("content", b"1"), member("mode", mode=0o644), member("owner", uid=0), member("same", b"x"),
        member("target", type=tarfile.SYMTYPE, linkname="a"), member("kind", b"1"), member("gone", b"1"),
    )  # fmt: skip
    new = archive(
        member("content", b"2"), member("mode", mode=0o4755), member("owner", uid=7), member("same", b"x"),
        member("target", type=tarfile.SYMTYPE, linkname="b"), member("kind", type=tarfile.DIRTYPE), member("come"),
    )  # fmt: skip
    rows = {row.path: row for row in between(old, new).files}
    assert {name: row.what for name, row in rows.items() if row.change is Change.CHANGED} == {
        "content": ("content",), "kind": ("kind", "content"), "mode": ("mode",), "owner": ("owner",),
        "target": ("target",),
    }  # fmt: skip
    assert {name: row.change.value for name, row in rows.items() if row.change is not Change.CHANGED} == {
        "gone": "removed", "come": "added",
    }  # fmt: skip


def test_files_are_compared_under_a_container_that_has_another_version_in_its_name() -> None:
    inner = archive(member("etc/motd", b"hello"), member("etc/issue", b"one"))
    other = archive(member("etc/motd", b"hello"), member("etc/issue", b"two"))
    difference = between(archive(member("rootfs-1.2.tar", inner)), archive(member("rootfs-1.3.tar", other)))
    assert [(row.path, row.change.value) for row in difference.files] == [
        ("rootfs-1.3.tar", "changed"),
        ("rootfs-1.3.tar!etc/issue", "changed"),
    ]


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (["squashfs@0x20/a"], ["squashfs@0x40/a"], "squashfs@0x20/a"),
        (["p2/a", "p10/a"], ["p3/a", "p11/a"], "p2/a"),
        (["p1/a", "p2/a"], ["p3/a"], "p3/a"),
        (["p3/a", "p1/a"], ["p3/a", "p2/a"], "p3/a"),
        ([], ["x/y"], "x/y"),
    ],
)
def test_names_that_differ_in_numbers_stand_for_each_other_when_as_many_are_on_both_sides(
    old: list[str], new: list[str], expected: str
) -> None:
    paths = ([tuple(path.split("/")) for path in side] for side in (old, new))
    assert Alignment.of(*paths).old_path(tuple(new[0].split("/"))) == tuple(expected.split("/"))


def test_the_memory_that_an_image_defines_is_compared() -> None:
    def hex_file(*rows: bytes) -> bytes:
        records = (bytes([len(r) - 3]) + r for r in (*rows, b"\0\0\1"))
        return b"".join(b":" + (r + bytes([-sum(r) & 0xFF])).hex().upper().encode() + b"\r\n" for r in records)

    old = hex_file(b"\x00\x00\x00abcdefgh", b"\x01\x00\x00abcdefgh")
    new = hex_file(b"\x00\x00\x00abcd", b"\x02\x00\x00abcdefgh")
    rows = {row.address: (row.change.value, row.old_end, row.new_end) for row in between(old, new).memory}
    assert rows == {0: ("changed", 8, 4), 0x100: ("removed", 0x108, None), 0x200: ("added", None, 0x208)}


@pytest.fixture(scope="module")
def plain() -> Examination:
    return looked_at("note.txt", b"Release note: nothing is hidden in this file.\n" * 20)


def component(name: str, version: str | None, *candidates: str) -> Component:
    return Component(
        name=name, title=name.title(), category="library", version=version, version_candidates=candidates,
        confidence=Confidence.HIGH,
    )  # fmt: skip


def fault(name: str, part: str, status: MatchStatus = MatchStatus.AFFECTED) -> Vulnerability:
    said = Provenance(source="nvd", record=name, product=part, range="*")
    return Vulnerability(
        id=name, status=status, confidence=Confidence.HIGH, reason="", range="*", provenance=(said,), component=part
    )


def having(side: Examination, **changes: Any) -> Examination:
    return Examination(
        report=msgspec.structs.replace(side.report, **changes), inventory=side.inventory, digests=side.digests
    )


def test_components_come_go_and_change_in_the_order_of_their_makers(plain: Examination) -> None:
    before = (
        component("a", "1.9"), component("b", "1.0.2"), component("c", None), component("d", "1"), component("e", "1"),
        component("e", "2"), component("f", None, "1", "2"), component("h", "1.0"),
    )  # fmt: skip
    now = (
        component("a", "1.10"), component("b", "1.0.1"), component("c", "1"), component("e", "1"), component("f", "1"),
        component("g", "1"), component("h", "1.0.0"),
    )  # fmt: skip
    old, new = having(plain, components=before), having(plain, components=now)
    rows = [(row.name, row.change.value, row.old, row.new) for row in difference_of(old, new).components]
    assert rows == [
        ("a", "upgraded", "1.9", "1.10"), ("b", "downgraded", "1.0.2", "1.0.1"), ("c", "changed", None, "1"),
        ("d", "removed", "1", None), ("e", "removed", "2", None), ("f", "changed", "1 | 2", "1"),
        ("g", "added", None, "1"), ("h", "changed", "1.0", "1.0.0"),
    ]  # fmt: skip
    back = [(row.name, row.change.value) for row in difference_of(new, old).components]
    assert ("e", "added") in back


def test_every_fate_of_a_vulnerability_is_told_apart(plain: Examination) -> None:
    out = MatchStatus.NOT_AFFECTED
    old = having(
        plain,
        components=(component("a", "2"), component("gone", "1")),
        vulnerabilities=(
            fault("CVE-1", "a"), fault("CVE-2", "a"), fault("CVE-3", "gone"), fault("CVE-4", "a", out),
            fault("CVE-5", "a", out),
        ),
    )  # fmt: skip
    new = having(
        plain,
        components=(component("a", "1"), component("come", "1")),
        vulnerabilities=(
            fault("CVE-1", "a"), fault("CVE-4", "a"), fault("CVE-5", "a", out), fault("CVE-6", "a"),
            fault("CVE-7", "come"),
        ),
    )  # fmt: skip
    difference = difference_of(old, new)
    assert {row.id: row.fate for row in difference.vulnerabilities} == {
        "CVE-1": Fate.LEFT, "CVE-2": Fate.FIXED, "CVE-3": Fate.NOT_SEEN, "CVE-4": Fate.REOPENED,
        "CVE-6": Fate.REOPENED, "CVE-7": Fate.NEW,
    }  # fmt: skip
    assert not difference.is_empty
    page = review(new.report, difference, None, UNKNOWN)
    assert {"left-count", "fixed-count", "not-seen-count", "reopened-count", "new-count"} <= codes(page)


def test_findings_are_new_gone_or_the_same_by_check_and_place(plain: Examination) -> None:
    def finding(check: str, severity: Severity, path: str = "x!etc/passwd") -> Finding:
        return Finding(check=check, title=check, severity=severity, evidence=(Evidence(path=path),))

    old = having(
        plain, findings=(finding("a", Severity.LOW), finding("b", Severity.CRITICAL), finding("c", Severity.LOW))
    )
    new = having(
        plain, findings=(finding("a", Severity.HIGH), finding("b", Severity.CRITICAL), finding("d", Severity.LOW))
    )
    difference = difference_of(old, new)
    assert [(row.check, row.presence, row.path) for row in difference.findings] == [
        ("a", Presence.SAME, "etc/passwd"), ("b", Presence.SAME, "etc/passwd"), ("c", Presence.GONE, "etc/passwd"),
        ("d", Presence.NEW, "etc/passwd"),
    ]  # fmt: skip
    assert {"new-weakness", "old-weakness"} <= codes(review(new.report, difference, None, UNKNOWN))


def report_with(plain: Examination, **changes: Any) -> Report:
    return msgspec.structs.replace(plain.report, **changes)


def test_what_was_not_read_or_not_looked_up_is_a_reason_to_ask_and_is_listed(plain: Examination) -> None:
    coverage = msgspec.structs.replace(
        plain.report.coverage,
        unread=(Unread(path="x!y", reason="encrypted", size=9),),
        limits_hit=("too deep",),
        recognised_ratio=0.1,
        encrypted_bytes=plain.report.coverage.total_bytes,
    )
    data = msgspec.structs.replace(plain.report.data, day=None)
    page = review(report_with(plain, coverage=coverage, data=data), None, None, UNKNOWN)
    assert {"not-all-read", "limit-reached", "too-little", "encrypted-part", "not-looked-up"} <= codes(page)
    assert "seen" not in codes(page)
    assert page.not_read == coverage.unread
    assert "too deep" in page.not_examined


def test_what_could_not_be_compared_is_listed() -> None:
    image = looked_at("a.tar", archive(member("x", b"1")))
    coverage = msgspec.structs.replace(image.report.coverage, unread=(Unread(path="x", reason="why", size=1),))
    blind = Examination(report=report_with(image, coverage=coverage), inventory=image.inventory)
    difference = difference_of(blind, image)
    assert difference.not_compared == (
        "Some files of the installed version could not be read whole: only their sizes were compared.",
        "Parts of the installed version were not read: what they hold was not compared.",
    )
    assert set(difference.not_compared) <= set(review(image.report, difference, None, UNKNOWN).not_examined)


def test_serious_findings_of_a_first_release_are_named(plain: Examination) -> None:
    bad = Finding(check="a", title="Bad", severity=Severity.CRITICAL)
    poor = Finding(check="b", title="Poor", severity=Severity.HIGH, evidence=(Evidence(path="x!y"),))
    page = review(report_with(plain, findings=(bad, poor)), None, None, UNKNOWN)
    assert page.verdict is Verdict.NO_GO
    assert {"critical-weakness", "high-weakness"} <= codes(page)


def test_a_stale_package_and_lapsed_decisions_are_told(plain: Examination) -> None:
    trust = Authenticity(signature=Signature.VERIFIED, signers=("Ada",), age="it has expired", is_stale=True)
    unused = UnusedDecision(id="CVE-1", component="a", status="fixed", reason="expired")
    data = msgspec.structs.replace(plain.report.data, vulnerabilities=(DataAge(name="a", date=None),) * 2)
    report = report_with(plain, unused_decisions=(unused,), data=data, components=(component("a", "1"),))
    page = review(report, None, None, trust)
    assert {"freshness-open", "decisions-lapsed", "nothing-known"} <= codes(page)
    assert {"no-database", "no-components"}.isdisjoint(codes(page))
    assert page.triage.unused == ("CVE-1 (a): expired",)


def told(plain: Examination, *facts: FactChange) -> Difference:
    """Return the difference between two files that only say these things differently."""
    other = msgspec.structs.replace(plain.report.subject, sha256="0" * 64)
    return Difference(tool=plain.report.tool, old=other, new=plain.report.subject, facts=facts)


def fact(name: str, old: Fact | None, new: Fact | None, path: str = "") -> FactChange:
    return FactChange(path=path, title="Bundle", name=name, old=old, new=new)


@pytest.mark.parametrize(
    ("change", "code", "verdict"),
    [
        (fact("arch", "arm", "x86"), "other-than-current", Verdict.NO_GO),
        (fact("hardware_compatibility", ("1.0",), ("2.0", "3.0")), "other-than-current", Verdict.NO_GO),
        (fact("mcu_family", "STM32F4", "STM32F1"), "maybe-other", Verdict.ASK),
        (fact("security_counter", 7, None), "counter-gone", Verdict.NO_GO),
        (fact("security_counter", 7, 6), "counter-lower", Verdict.NO_GO),
        (fact("version", "2.0", "1.9"), "older", Verdict.NO_GO),
        (fact("version", "1.9", "2.0"), "not-older", Verdict.ASK),
        (fact("version", "2.0", "1.9", "rootfs!usr/lib/x.dll"), "component-older", Verdict.ASK),
        (fact("version", "1.9", "2.0", "rootfs!usr/lib/x.dll"), "order-unknown", Verdict.ASK),
        (fact("security_counter", 6, 7), "order-unknown", Verdict.ASK),
        (fact("signed", True, None), "signature-lost", Verdict.NO_GO),
    ],
)
def test_what_an_image_says_of_itself_decides(
    plain: Examination, change: FactChange, code: str, verdict: Verdict
) -> None:
    page = review(plain.report, told(plain, change), None, UNKNOWN)
    assert (code in codes(page), page.verdict) == (True, verdict)


def test_hardware_that_is_added_makes_it_no_update_for_something_else(plain: Examination) -> None:
    page = review(plain.report, told(plain, fact("hardware_compatibility", ("1.0",), ("1.0", "2.0"))), None, UNKNOWN)
    assert "other-than-current" not in codes(page)


def test_a_newer_part_tells_the_order_where_the_image_says_no_version(plain: Examination) -> None:
    old = having(plain, components=(component("a", "1"), component("b", "1")))
    new = having(plain, components=(component("a", "2"), component("c", "1")))
    difference = msgspec.structs.replace(difference_of(old, new), old=told(plain).old)
    assert "not-older" in codes(review(new.report, difference, None, UNKNOWN))


def profile(**platform: Any) -> DeviceProfile:
    return profile_with(Platform(**platform))


@pytest.mark.parametrize(
    ("address", "outside", "code"),
    [
        (0x0800_0000, False, "memory-fits"),
        (0x0800_0000, True, "some-other-memory"),
        (0x0900_0000, True, "other-memory"),
    ],
)
def test_addresses_are_held_against_the_memory_of_the_profile(
    plain: Examination, address: int, outside: bool, code: str
) -> None:
    flash = MemoryRegion(id="flash", start=0x0800_0000, size=0x1000, use=RegionUse.APPLICATION)
    row = RegionRecord(
        path="x", format="bin", kind=RegionKind.PROGRAM, title="Program", start=0, end=4, size=4, depth=0,
        address=address,
    )  # fmt: skip
    finding = Finding(check="outside-memory-map", title="Outside", severity=Severity.MEDIUM, detail="there")
    image = ImageSummary(format="bin", arch="arm-cortex-m")
    report = report_with(plain, image=image, regions=(row,), findings=(finding,) if outside else ())
    device = profile(mcu=(Processor(id="main", core="Cortex-M3"),), memory_map=(flash,))
    assert code in codes(review(report, None, device, UNKNOWN))


def test_a_file_that_says_nothing_of_its_model_is_a_reason_to_ask(plain: Examination) -> None:
    assert "model-unknown" in codes(review(plain.report, None, profile(), UNKNOWN))


def test_a_wrong_check_value_and_a_habit_of_damage_are_told_apart(plain: Examination) -> None:
    value = Integrity(algorithm="crc32", covers="all", stored="1", computed="2", valid=False)
    row = RegionRecord(
        path="x", format="bin", kind=RegionKind.METADATA, title="Header", start=0, end=4, size=4, depth=0,
        integrity=(value,),
    )  # fmt: skip
    damage = Finding(check="container-damaged", title="Damaged", severity=Severity.LOW, detail="Archive: short")
    side = having(plain, regions=(row,), findings=(damage,))
    alone, same = (review(side.report, d, None, UNKNOWN) for d in (None, difference_of(side, side)))
    assert {"checksum-wrong", "damaged"} <= codes(alone)
    assert {"checksum-wrong", "damaged-too"} <= codes(same)


def test_a_part_inside_that_is_signed_does_not_vouch_for_the_file(plain: Examination) -> None:
    layers: tuple[tuple[str, int, dict[str, Fact]], ...] = (
        ("zip", 0, {}),
        ("mcuboot", 1, {"signed": True}),
        ("elf", 2, {"signed": False}),
    )
    rows = tuple(
        RegionRecord(
            path="x",
            format=name,
            kind=RegionKind.CONTAINER,
            title=name,
            start=0,
            end=4,
            size=4,
            depth=depth,
            facts=facts,
        )
        for name, depth, facts in layers
    )
    page = review(report_with(plain, regions=rows), None, None, UNKNOWN)
    assert "signed-inside-only" in codes(page)
    assert "signature-empty" not in codes(page)
