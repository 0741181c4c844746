"""Which finding an acceptance is about, and whether it counts."""

from __future__ import annotations

from datetime import date

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolkit.core.findings import Evidence, Finding, Severity
from toolkit.report.acceptance import (
    Acceptance,
    AcceptanceState,
    _fits,
    finding_key,
    matches,
    path_patterns,
    state_on,
    wrong_with,
)

TODAY = date(2026, 11, 24)


def finding(*paths: str, check: str = "telnet-service", excerpt: str = "telnet stream tcp", offset: int = 4) -> Finding:
    evidence = tuple(Evidence(path=path, offset=offset, excerpt=excerpt) for path in paths)
    return Finding(check=check, title="Telnet is started", severity=Severity.HIGH, evidence=evidence)


def acceptance(**fields: object) -> Acceptance:
    stated: dict[str, object] = {
        "id": "one", "check": "telnet-service", "reason": "Closed.", "owner": "An owner", "until": date(2027, 3, 31),
    }  # fmt: skip
    return msgspec.convert(stated | fields, Acceptance)


OLD = finding("pump-1.2.zip!rootfs-1.2.squashfs!etc/inetd.conf")
NEW = finding("pump-1.10.zip!rootfs-1.10.squashfs!etc/inetd.conf", offset=9_000)


def test_a_finding_has_the_same_key_in_the_next_version() -> None:
    assert finding_key(OLD) == finding_key(NEW)
    assert path_patterns(OLD) == ("rootfs-*.squashfs!etc/inetd.conf",)


@pytest.mark.parametrize(
    "other",
    [
        finding("pump-1.2.zip!rootfs-1.2.squashfs!etc/xinetd.conf"),
        finding("pump-1.2.zip!rootfs-1.2.squashfs!etc/inetd.conf", check="debug-service"),
        finding("pump-1.2.zip!rootfs-1.2.squashfs!etc/inetd.conf", excerpt="telnet stream tcp6"),
        finding("pump-1.2.zip!rootfs-1.2.squashfs!etc/inetd.conf", "pump-1.2.zip!rootfs-1.2.squashfs!etc/rc"),
    ],
)
def test_another_check_place_or_text_is_another_finding(other: Finding) -> None:
    assert finding_key(other) != finding_key(OLD)


def test_a_file_in_the_image_may_be_renumbered_and_one_deeper_inside_may_not() -> None:
    assert path_patterns(finding("a.zip!pump-2.1.0.hex")) == ("pump-*.hex",)
    assert path_patterns(finding("a.zip!squashfs@0x2000!lib/libz.so.1")) == ("squashfs@*!lib/libz.so.1",)
    assert path_patterns(finding("pump.bin")) == (".",)
    assert path_patterns(finding()) == (".",)


def test_what_is_accepted_in_one_version_is_accepted_in_the_next() -> None:
    accepted = acceptance(paths=list(path_patterns(OLD)))
    assert matches(accepted, OLD, ())
    assert matches(accepted, NEW, ())


def test_one_place_more_than_was_accepted_counts() -> None:
    accepted = acceptance(paths=["*etc/inetd.conf"])
    assert matches(accepted, OLD, ())
    assert not matches(accepted, finding("a!etc/inetd.conf", "a!etc/rc.local"), ())
    assert matches(acceptance(paths=["*etc/inetd.conf", "etc/rc*"]), finding("a!etc/inetd.conf", "a!etc/rc.local"), ())


def test_the_image_itself_is_a_place() -> None:
    assert matches(acceptance(paths=["."]), finding("pump.bin"), ())
    assert not matches(acceptance(paths=["."]), finding("pump.zip!pump.bin"), ())


def test_another_text_than_was_accepted_counts() -> None:
    from toolkit.report.acceptance import excerpts_digest

    accepted = acceptance(excerpt_sha256=excerpts_digest(OLD))
    assert matches(accepted, finding("other!place", excerpt=" telnet  stream tcp"), ())
    assert not matches(accepted, finding("other!place", excerpt="telnet stream udp"), ())


def test_a_component_is_accepted_where_it_shows() -> None:
    accepted = acceptance(component="busybox")
    assert matches(accepted, OLD, (OLD.evidence[0],))
    assert not matches(accepted, OLD, (Evidence(path="elsewhere", offset=4),))
    assert not matches(accepted, OLD, ())


@given(st.text("ab!", max_size=12), st.text("ab!*", max_size=8))
def test_stars_stand_for_any_text(text: str, pattern: str) -> None:
    import re

    expected = re.fullmatch(".*".join(map(re.escape, pattern.split("*"))), text, re.DOTALL) is not None
    assert _fits(text, pattern) == expected


@pytest.mark.parametrize(
    ("fields", "field", "words"),
    [
        ({"until": date(2028, 11, 25)}, "until", "more than two years after 2026-11-24"),
        ({"until": date(2026, 11, 1)}, "until", "is before 2026-11-24"),
        ({"created": date(2026, 11, 25)}, "created", "lies ahead"),
        ({"created": date(2025, 1, 1)}, "until", "more than two years after 2025-01-01"),
        ({"check": None}, "check", "is missing"),
        ({"check": "vulnerable-component"}, "check", "one vulnerability at a time"),
        ({"check": None, "vulnerability": "CVE-2020-1"}, "component", "for one component"),
        ({"vulnerability": "CVE-2020-1", "component": "zlib"}, "vulnerability", "component alone"),
        ({"paths": ["*" * 33]}, "paths", "more than 32"),
    ],
)
def test_what_cannot_count_is_named(fields: dict[str, object], field: str, words: str) -> None:
    ((found, reason),) = wrong_with(acceptance(**fields), TODAY)
    assert found == field
    assert words in reason


def test_two_years_are_allowed() -> None:
    assert list(wrong_with(acceptance(until=date(2028, 11, 24)), TODAY)) == []


@pytest.mark.parametrize(
    ("until", "matched", "state"),
    [
        (date(2027, 3, 31), 1, AcceptanceState.ACTIVE),
        (date(2026, 12, 25), 1, AcceptanceState.ACTIVE),
        (date(2026, 12, 24), 1, AcceptanceState.EXPIRING),
        (date(2026, 11, 24), 1, AcceptanceState.EXPIRING),
        (date(2026, 11, 23), 1, AcceptanceState.EXPIRED),
        (date(2026, 11, 23), 0, AcceptanceState.EXPIRED),
        (date(2027, 3, 31), 0, AcceptanceState.UNUSED),
    ],
)
def test_the_day_and_the_image_decide_the_state(until: date, matched: int, state: AcceptanceState) -> None:
    assert state_on(acceptance(until=until), matched, TODAY) is state
