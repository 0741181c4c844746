"""The file of accepted risks is read strictly, and every error says where."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolkit.core.errors import InputError
from toolkit.report.acceptance import Acceptance
from toolkit.report.policy_file import MOST_ACCEPTANCES, decode_policy, read_policy, with_acceptance

TODAY = date(2026, 11, 24)
GOOD = """
schema_version = "1.0"

[[acceptances]]
id = "port"
check = "telnet-service"
paths = ["*etc/inetd.conf"]
reason = "Closed at the switch."
owner = "An owner"
created_by = "A writer"
created = 2026-11-24
until = "2027-03-31"
"""
LINE = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=20).filter(str.strip)


def decoded(text: str) -> tuple[Acceptance, ...]:
    return decode_policy(text.encode(), "policy.toml", TODAY).acceptances


def test_days_stand_with_quotes_or_without() -> None:
    (found,) = decoded(GOOD)
    assert (found.created, found.until) == (date(2026, 11, 24), date(2027, 3, 31))


@pytest.mark.parametrize(
    ("old", "new", "error"),
    [
        ('owner = "An owner"\n', "", "acceptances[0]: Object missing required field `owner`"),
        ('"2027-03-31"', '"soon"', "acceptances[0].until: Invalid RFC3339"),
        ('"2027-03-31"', '"2029-03-31"', "acceptances[0].until: 2029-03-31 is more than two years after 2026-11-24"),
        ("until", "untill", "acceptances[0]: Object contains unknown field `untill`"),
        ('created_by = "A writer"\n', "", "acceptances[0].created_by: is missing"),
        ("created = 2026-11-24\n", "", "acceptances[0].created: is missing"),
        ('"Closed at the switch."', '" "', "acceptances[0].reason: Expected `str` matching regex"),
        ('"An owner"', "7", "acceptances[0].owner: Expected `str`, got `int`"),
        ('"1.0"', '"2.0"', "schema_version: Invalid enum value"),
        ('"telnet-service"', '"known-exploited"', "acceptances[0].check: known-exploited is accepted one"),
        ("[[acceptances]]", "[[acceptance]]", "Object contains unknown field `acceptance`"),
        ('id = "port"', "id = ", "is not valid TOML"),
        ('id = "port"', 'id = "Port!"', "acceptances[0].id: Expected `str` matching regex"),
    ],
)
def test_what_is_wrong_is_named_with_its_path(old: str, new: str, error: str) -> None:
    assert old in GOOD
    with pytest.raises(InputError) as raised:
        decoded(GOOD.replace(old, new))
    assert f"policy.toml: {error}" in str(raised.value)


def test_everything_wrong_is_named_at_once_and_an_id_names_one_entry() -> None:
    entry = GOOD.partition("\n\n")[2].replace("2027", "2040")
    with pytest.raises(InputError, match=r"\[0\]\.until.*\[1\]\.until.*the id port stands here 2 times"):
        decoded(f'schema_version = "1.0"\n{entry}\n{entry}')


def test_files_that_are_none_are_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        read_policy(tmp_path / "none.toml", TODAY)
    large = tmp_path / "large.toml"
    large.write_bytes(b"#" * ((1 << 20) + 1))
    with pytest.raises(InputError, match="larger than 1 MiB"):
        read_policy(large, TODAY)
    with pytest.raises(InputError, match="is not UTF-8 text: byte 0"):
        decode_policy(b"\xff", "policy.toml", TODAY)
    with pytest.raises(InputError, match="more than 8192 bytes"):
        decode_policy(b"a." * 5_000, "policy.toml", TODAY)
    with pytest.raises(InputError, match=r"nested|TOML"):
        decode_policy(b"a = " + b"[" * 4_000, "policy.toml", TODAY)


def test_more_entries_than_anybody_answers_for_are_refused() -> None:
    entry = GOOD.partition("\n\n")[2]
    many = "\n".join(entry.replace('"port"', f'"port-{n}"') for n in range(MOST_ACCEPTANCES + 1))
    with pytest.raises(InputError, match="more than 1000 entries"):
        decoded(f'schema_version = "1.0"\n{many}')


def test_an_entry_is_added_behind_what_stands_there_comments_and_all(tmp_path: Path) -> None:
    (first,) = decoded(GOOD)
    second = Acceptance(
        id="cve", vulnerability="CVE-2022-1", component="busybox", reason="r", owner="o", created_by="b",
        created=TODAY, until=TODAY,
    )  # fmt: skip
    kept = GOOD.rstrip("\n") + "  # ours"
    added = with_acceptance(kept.encode(), second, "policy.toml", TODAY)
    assert added.startswith(kept.encode())
    path = tmp_path / "policy.toml"
    path.write_bytes(added)
    assert read_policy(path, TODAY).acceptances == (first, second)


@given(LINE, LINE, st.lists(LINE.filter(lambda text: text.count("*") < 5), max_size=3))
def test_whatever_is_written_is_read_back(reason: str, owner: str, paths: list[str]) -> None:
    written = Acceptance(
        id="x", check="c", paths=tuple(paths), reason=reason, owner=owner, created_by="b", created=TODAY, until=TODAY
    )
    data = with_acceptance(b"", written, "policy.toml", TODAY)
    assert decode_policy(data, "policy.toml", TODAY).acceptances == (written,)


def test_nothing_is_added_that_could_not_be_read_again() -> None:
    (first,) = decoded(GOOD)
    with pytest.raises(InputError, match="stands here 2 times"):
        with_acceptance(GOOD.encode(), first, "policy.toml", TODAY)
