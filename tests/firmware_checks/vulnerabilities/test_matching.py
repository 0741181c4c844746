"""A component is matched by version, edition and what it runs on; what is not known stays open and is never dropped."""

from __future__ import annotations

from typing import Any

import pytest

from toolkit.report.model import Confidence

CVE = "CVE-2024-12345"
BUSYBOX = """name = "busybox"
title = "BusyBox"
scheme = "generic"
reviewed = 2026-11-24
cpes = ["a:busybox:busybox", "a:busybox_project:busybox"]
purls = ["pkg:generic/busybox"]
aliases = ["busy box"]

[[vulnerability]]
id = "CVE-2021-42386"
affected = [">=1.16.0 <1.34.0"]
severity = "high"
summary = "A crafted awk program makes awk use memory after it was freed."
source = "the makers"
families = ["badalloc"]
kev = 2022-01-10

[[vulnerability]]
id = "CVE-2099-10001"
affected = ["*"]
severity = "low"
summary = "Nobody knows which versions are affected by this one."
source = "hearsay"

[[vulnerability]]
id = "CVE-2099-10002"
affected = ["<2.0"]
severity = "low"
summary = "Only matters when the telnet server is built in."
source = "the makers"
condition = "Only with the telnet server."

[[vulnerability]]
id = "CVE-2099-10003"
affected = ["<2.0"]
severity = "low"
summary = "The sources do not agree about the range of this one."
source = "the makers"
doubt = "Another source says before 1.5."
"""


@pytest.mark.parametrize(
    ("bounds", "inside", "outside"),
    [
        ({"versionEndExcluding": "1.5"}, ["0.1", "1.4.9", "1.5-rc1"], ["1.5", "1.5.0", "1.5a"]),
        ({"versionEndIncluding": "1.5"}, ["1.5", "1.5.0"], ["1.5.1", "1.5a", "1.5p1"]),
        ({"versionStartIncluding": "1.0", "versionEndExcluding": "1.5"}, ["1.0", "1.4"], ["0.9", "1.0-rc1", "1.5"]),
        ({"versionStartExcluding": "1.0", "versionEndIncluding": "1.5"}, ["1.0.1", "1.5"], ["1.0", "1.5.1"]),
        ({"versionStartIncluding": "1.0"}, ["1.0", "99"], ["0.9"]),
    ],
)
def test_first_and_last_version_of_a_range(
    lab: Any, bounds: dict[str, str], inside: list[str], outside: list[str]
) -> None:
    lab.take_records(lab.record(CVE, lab.plain(lab.row("a:acme:pump", **bounds))))
    asked = {
        version: lab.ask(lab.component("pump", version, cpe="cpe:2.3:a:acme:pump")) for version in inside + outside
    }
    assert [version for version, found in asked.items() if found] == inside


@pytest.mark.parametrize(
    ("update", "inside", "outside"),
    [
        ("p10", ["4.2.8p10", "4.2.8-P10"], ["4.2.8", "4.2.8p9"]),
        ("-", ["4.2.8"], ["4.2.8p10", "4.2.8-rc1"]),
        ("*", ["4.2.8", "4.2.8p10", "4.2.8-rc1"], ["4.2.8.1", "4.2.8a", "4.2.7"]),
        ("rc1", ["4.2.8-rc1"], ["4.2.8", "4.2.8-rc2"]),
    ],
)
def test_the_update_field_counts(lab: Any, update: str, inside: list[str], outside: list[str]) -> None:
    lab.take_records(lab.record(CVE, lab.plain(lab.row(f"a:ntp:ntp:4.2.8:{update}"))))
    asked = {version: lab.ask(lab.component("ntp", version, cpe="cpe:2.3:a:ntp:ntp")) for version in inside + outside}
    assert [version for version, found in asked.items() if found] == inside


def test_any_update_is_less_sure_than_the_version_itself(lab: Any) -> None:
    lab.take_records(lab.record(CVE, lab.plain(lab.row("a:ntp:ntp:4.2.8"))))
    assert lab.ask(lab.component("ntp", "4.2.8", cpe="cpe:2.3:a:ntp:ntp"))[CVE].confidence == "high"
    match = lab.ask(lab.component("ntp", "4.2.8p3", cpe="cpe:2.3:a:ntp:ntp"))[CVE]
    assert (match.status, match.confidence) == ("affected", "medium")
    assert "with any update" in match.reason


@pytest.mark.parametrize("version", ["*", "-"])
def test_a_record_without_versions_is_shown_with_low_confidence(lab: Any, version: str) -> None:
    lab.take_records(lab.record(CVE, lab.plain(lab.row(f"a:acme:pump:{version}"))))
    match = lab.ask(lab.component("pump", "1.2.3", cpe="cpe:2.3:a:acme:pump"))[CVE]
    assert (match.status, match.confidence, match.range) == ("affected", "low", version)


def test_an_unknown_version_is_not_unaffected(lab: Any) -> None:
    lab.take_records(lab.record(CVE, lab.plain(lab.row("a:acme:pump", versionEndExcluding="1.5"))))
    match = lab.ask(lab.component("pump", cpe="cpe:2.3:a:acme:pump"))[CVE]
    assert (match.status, match.confidence, match.versions) == ("under_investigation", "low", ())
    assert "version is not known" in match.reason


@pytest.mark.parametrize(
    ("candidates", "status", "versions"),
    [
        (("1.3", "1.4"), "affected", ("1.3", "1.4")),
        (("1.4", "1.5"), "under_investigation", ("1.4",)),
        (("1.5", "1.6"), None, None),
    ],
)
def test_a_set_of_versions_is_affected_in_all_some_or_none(
    lab: Any, candidates: tuple[str, ...], status: str | None, versions: tuple[str, ...] | None
) -> None:
    lab.take_records(lab.record(CVE, lab.plain(lab.row("a:acme:pump", versionEndExcluding="1.5"))))
    found = lab.ask(lab.component("pump", version_candidates=candidates, cpe="cpe:2.3:a:acme:pump"))
    assert (found[CVE].status, found[CVE].versions) == (status, versions) if status else not found


@pytest.mark.parametrize("is_platform_first", [True, False])
def test_what_it_runs_on_is_a_condition_and_no_match_of_its_own(lab: Any, is_platform_first: bool) -> None:
    nodes = [
        lab.node(lab.row("a:espressif:esp-idf", versionEndIncluding="4.4")),
        lab.node(lab.row("h:espressif:esp32:-", vulnerable=False)),
    ]
    lab.take_records(lab.record(CVE, lab.both(*(reversed(nodes) if is_platform_first else nodes))))
    idf = lab.component("esp-idf", "4.3", cpe="cpe:2.3:a:espressif:esp-idf")
    match = lab.ask(idf)[CVE]
    assert (match.status, match.confidence) == ("under_investigation", "medium")
    assert "hardware espressif esp32" in match.reason
    chip = lab.component("esp32", cpe="cpe:2.3:h:espressif:esp32")
    assert lab.ask(idf, chip)[CVE].status == "affected"
    assert not lab.ask(chip)


def test_a_platform_that_contradicts_what_was_found_gives_a_reason_why_not(lab: Any) -> None:
    windows = lab.node(lab.row("o:microsoft:windows:-", vulnerable=False))
    lab.take_records(lab.record(CVE, lab.both(lab.node(lab.row("a:acme:pump", versionEndExcluding="2")), windows)))
    pump = lab.component("pump", "1", cpe="cpe:2.3:a:acme:pump")
    assert lab.ask(pump)[CVE].status == "under_investigation"
    linux = lab.component("linux", "5.10", cpe="cpe:2.3:o:linux:linux_kernel", category="operating-system")
    match = lab.ask(pump, linux)[CVE]
    assert (match.status, match.justification) == ("not_affected", "vulnerable_code_not_present")


def test_an_edition_for_another_system_does_not_apply(lab: Any) -> None:
    lab.take_records(lab.record(CVE, lab.plain(lab.row("a:acme:pump:*:*:*:*:*:windows", versionEndExcluding="2"))))
    pump = lab.component("pump", "1", cpe="cpe:2.3:a:acme:pump")
    match = lab.ask(pump)[CVE]
    assert (match.status, "edition for windows" in match.reason) == ("under_investigation", True)
    rtos = lab.component("freertos", "10.0", cpe="cpe:2.3:o:amazon:freertos", category="rtos")
    assert lab.ask(pump, rtos)[CVE].status == "not_affected"


def test_a_software_edition_is_a_condition(lab: Any) -> None:
    lab.take_records(lab.record(CVE, lab.plain(lab.row("a:acme:pump:*:*:*:*:lts", versionEndExcluding="2"))))
    match = lab.ask(lab.component("pump", "1", cpe="cpe:2.3:a:acme:pump"))[CVE]
    assert (match.status, "its software edition is lts" in match.reason) == ("under_investigation", True)


def test_two_vulnerable_parts_of_one_condition_both_count(lab: Any) -> None:
    lab.take_records(
        lab.record(
            CVE, lab.both(lab.node(lab.row("a:acme:pump", versionEndExcluding="2")), lab.node(lab.row("a:acme:app:1")))
        )
    )
    pump = lab.component("pump", "1", cpe="cpe:2.3:a:acme:pump")
    assert lab.ask(pump)[CVE].status == "under_investigation"
    assert lab.ask(pump, lab.component("app", "1", cpe="cpe:2.3:a:acme:app"))[CVE].status == "affected"
    assert lab.ask(pump, lab.component("app", "2", cpe="cpe:2.3:a:acme:app"))[CVE].status == "not_affected"
    assert lab.ask(pump, lab.component("app", cpe="cpe:2.3:a:acme:app"))[CVE].status == "under_investigation"


def test_not_is_evaluated(lab: Any) -> None:
    without = lab.node(lab.row("a:acme:patch", vulnerable=False), negate=True)
    lab.take_records(lab.record(CVE, lab.both(lab.node(lab.row("a:acme:pump", versionEndExcluding="2")), without)))
    pump = lab.component("pump", "1", cpe="cpe:2.3:a:acme:pump")
    assert lab.ask(pump)[CVE].status == "under_investigation"
    assert lab.ask(pump, lab.component("patch", "1", cpe="cpe:2.3:a:acme:patch"))[CVE].status == "not_affected"


def test_many_platforms_are_summed_up(lab: Any) -> None:
    chips = lab.node(*(lab.row(f"h:acme:chip{number}:-", vulnerable=False) for number in range(9)))
    lab.take_records(lab.record(CVE, lab.both(lab.node(lab.row("a:acme:pump", versionEndExcluding="2")), chips)))
    assert "or one of 5 more" in lab.ask(lab.component("pump", "1", cpe="cpe:2.3:a:acme:pump"))[CVE].reason


def test_the_kernel_is_mended_in_each_branch_by_itself(lab: Any) -> None:
    ends = ("6.6.17", "6.7.5", "6.8")
    rows = [lab.row("o:linux:linux_kernel", versionStartIncluding="6.5", versionEndExcluding=end) for end in ends]
    lab.take_records(lab.record(CVE, lab.plain(*rows)))
    versions = ["6.4.16", "6.5", "6.5.9", "6.6.16", "6.6.17", "6.6.99", "6.7", "6.7.4", "6.7.5", "6.7.12", "6.8", "6.9"]
    held = [v for v in versions if lab.ask(lab.component("linux", v, cpe="cpe:2.3:o:linux:linux_kernel"))]
    assert held == ["6.5", "6.5.9", "6.6.16", "6.7", "6.7.4"]


def test_every_match_keeps_where_it_comes_from(lab: Any) -> None:
    other = lab.plain(lab.row("a:acme:other", versionEndExcluding="9"))
    own = {"nodes": [lab.node(lab.row("a:acme:x:1")), lab.node(lab.row("a:acme:pump", versionEndExcluding="1.5"))]}
    lab.take_records(lab.record(CVE, other, own))
    (statement,) = lab.ask(lab.component("pump", "1.4", cpe="cpe:2.3:a:acme:pump"))[CVE].provenance
    said = (statement.source, statement.record, statement.product, statement.node, statement.range)
    assert said == ("nvd", CVE, "a:acme:pump", "1/1", "<1.5")


def test_a_name_alone_finds_products_of_all_vendors_and_says_that_it_is_a_guess(lab: Any) -> None:
    rows = [lab.row("a:acme:infusion_pump", versionEndExcluding="2"), lab.row("a:other:infusion_pump:1.0")]
    lab.take_records(lab.record(CVE, lab.plain(*rows)))
    match = lab.ask(lab.component("Infusion Pump", "1.0"))[CVE]
    assert (match.confidence, len(match.provenance)) == ("low", 2)


def test_hardware_with_the_name_of_a_component_is_no_software(lab: Any) -> None:
    lab.take_records(lab.record(CVE, lab.plain(lab.row("h:acme:pump", versionEndExcluding="2"))))
    assert not lab.ask(lab.component("pump", "1", cpe="cpe:2.3:a:acme:pump"))


def test_a_match_is_no_surer_than_the_component(lab: Any) -> None:
    lab.take_records(lab.record(CVE, lab.plain(lab.row("a:acme:pump", versionEndExcluding="2"))))
    pump = lab.component("pump", "1", cpe="cpe:2.3:a:acme:pump", confidence=Confidence.LOW)
    assert lab.ask(pump)[CVE].confidence == "low"


def test_rejected_records_match_nothing(lab: Any) -> None:
    lab.take_records(lab.record(CVE, lab.plain(lab.row("a:acme:pump")), vulnStatus="Rejected"))
    assert not lab.ask(lab.component("pump", "1", cpe="cpe:2.3:a:acme:pump"))


def test_the_revision_of_a_distribution_does_not_count(lab: Any) -> None:
    lab.take_records(lab.record(CVE, lab.plain(lab.row("a:acme:pump", versionEndIncluding="1.2"))))
    cpe = "cpe:2.3:a:acme:pump"
    assert not lab.ask(lab.component("pump", "1.2-3", cpe=cpe))
    assert lab.ask(lab.component("pump", "1.2-3", cpe=cpe, purl="pkg:deb/debian/pump@1.2-3"))


@pytest.mark.parametrize(
    "asked",
    [
        {"name": "busybox"},
        {"name": "BusyBox"},
        {"name": "busy-box"},
        {"name": "x", "cpe": "cpe:2.3:a:busybox_project:busybox:1.33.1"},
        {"name": "x", "purl": "pkg:generic/busybox@1.33.1?arch=arm"},
    ],
)
def test_a_known_product_is_found_under_each_of_its_names(lab: Any, asked: dict[str, str]) -> None:
    match = lab.ask(lab.component(version="1.33.1", **asked), knowledge=lab.knowledge(BUSYBOX))["CVE-2021-42386"]
    assert (match.status, match.confidence, match.range) == ("affected", "high", ">=1.16.0 <1.34.0")
    assert (match.exploited_since, match.families, match.severity) == ("2022-01-10", ("badalloc",), "high")


def test_the_shipped_facts_know_what_they_are_not_sure_of(lab: Any) -> None:
    found = lab.ask(lab.component("busybox", "1.33.1"), knowledge=lab.knowledge(BUSYBOX))
    assert {name: match.confidence for name, match in found.items()} == {
        "CVE-2021-42386": "high",
        "CVE-2099-10001": "low",
        "CVE-2099-10002": "medium",
        "CVE-2099-10003": "low",
    }
    assert "telnet" in found["CVE-2099-10002"].reason
    assert "Another source" in found["CVE-2099-10003"].reason


def test_without_a_version_all_facts_are_open_questions(lab: Any) -> None:
    found = lab.ask(lab.component("busybox"), knowledge=lab.knowledge(BUSYBOX))
    assert {match.status for match in found.values()} == {"under_investigation"}
    assert len(found) == 4


def test_where_sources_disagree_both_are_shown(lab: Any) -> None:
    lab.take_records(
        lab.record("CVE-2021-42386", lab.plain(lab.row("a:busybox:busybox", versionEndIncluding="1.35.0")))
    )
    match = lab.ask(lab.component("busybox", "1.34.0"), knowledge=lab.knowledge(BUSYBOX))["CVE-2021-42386"]
    assert (match.status, match.confidence) == ("under_investigation", "low")
    assert "<=1.35.0" in match.reason
    assert ">=1.16.0 <1.34.0" in match.reason


def test_sources_that_agree_make_one_match(lab: Any) -> None:
    lab.take_records(
        lab.record("CVE-2021-42386", lab.plain(lab.row("a:busybox:busybox", versionEndIncluding="1.33.1")))
    )
    match = lab.ask(lab.component("busybox", "1.33.1"), knowledge=lab.knowledge(BUSYBOX))["CVE-2021-42386"]
    assert (match.status, match.confidence, match.score) == ("affected", "high", 9.8)
    assert {statement.source for statement in match.provenance} == {"medharden", "nvd"}


def test_matches_are_in_order_of_year_and_number(lab: Any) -> None:
    names = ["CVE-2021-9999", "CVE-2021-10000", "CVE-2021-123456", "CVE-2022-0001"]
    lab.take_records(*(lab.record(name, lab.plain(lab.row("a:acme:pump"))) for name in reversed(names)))
    assert list(lab.ask(lab.component("pump", "1", cpe="cpe:2.3:a:acme:pump"))) == names
