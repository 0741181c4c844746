from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from signing.attacks.lab import LabKey
from signing.chain_log import ChainLog, Head
from signing.refusal import Refusal
from toolkit.core.errors import InputError

NOW = datetime(2026, 12, 1, tzinfo=UTC)
BENCH = LabKey("bench")


@pytest.fixture
def log(tmp_path: Path) -> ChainLog:
    log = ChainLog(tmp_path / "log.jsonl", BENCH)
    for number in range(4):
        log.add("step", NOW, number=number)
    return log


def refused(log: ChainLog, known: Head | None = None, keys: frozenset[str] | None = None) -> str:
    with pytest.raises(Refusal) as caught:
        log.entries(known, keys)
    assert caught.value.rule == "log.tampered"
    return str(caught.value)


def test_what_was_added_is_read_back(log: ChainLog) -> None:
    head = log.head()
    entries = log.entries(head, frozenset({BENCH.public.key_id}))
    assert [entry.details["number"] for entry in entries] == [0, 1, 2, 3]
    assert head.entries == 4
    assert entries[0].time == "2026-12-01T00:00:00Z"


def test_an_empty_log_is_no_error(tmp_path: Path) -> None:
    assert ChainLog(tmp_path / "none").head() == Head(0, "0" * 64)


def test_every_changed_byte_is_found(log: ChainLog) -> None:
    good = log.path.read_bytes()
    head = log.head()
    for at in range(0, len(good), 7):
        log.path.write_bytes(good[:at] + bytes([good[at] ^ 1]) + good[at + 1 :])
        refused(log, head)
    log.path.write_bytes(good)
    assert log.head() == head


def test_lines_cannot_be_removed_reordered_or_repeated(log: ChainLog) -> None:
    lines = log.path.read_bytes().splitlines(keepends=True)
    for changed in (lines[1:], lines[:1] + lines[2:], [lines[1], lines[0], *lines[2:]], [*lines, lines[-1]]):
        log.path.write_bytes(b"".join(changed))
        refused(log)


def test_a_log_that_was_cut_or_replaced_is_found_by_what_is_known_of_it(log: ChainLog, tmp_path: Path) -> None:
    head = log.head()
    lines = log.path.read_bytes().splitlines(keepends=True)
    log.path.write_bytes(b"".join(lines[:-1]))
    assert "4 lines were there before" in refused(log, head)
    other = ChainLog(tmp_path / "other.jsonl")
    for number in range(5):
        other.add("step", NOW, number=number)
    assert "not what it was" in refused(other, head)
    assert "not signed by a key that counts" in refused(other, None, frozenset({BENCH.public.key_id}))


def test_a_line_cut_short_by_a_power_cut_was_never_there_and_the_log_goes_on(log: ChainLog) -> None:
    whole, known = log.path.read_bytes(), log.head()
    last = whole.rstrip(b"\n").rfind(b"\n") + 1
    for end in range(last, len(whole)):
        log.path.write_bytes(whole[:end])
        assert log.head().entries == known.entries - 1
        assert "there before" in refused(log, known)  # where somebody was told of the line, it is missed
        log.add("next", NOW)
        assert [entry.event for entry in log.entries()][-1] == "next"
        assert log.head().entries == known.entries
        assert log.path.read_bytes()[:last] == whole[:last]


def test_a_line_longer_than_any_is_no_line(log: ChainLog) -> None:
    log.path.write_bytes(log.path.read_bytes() + b"x" * (1 << 20))
    assert "longer than any" in refused(log)


def test_a_log_that_cannot_be_read_or_written_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        ChainLog(tmp_path).head()
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(InputError, match="cannot be"):
        ChainLog(tmp_path / "file" / "log").add("x", NOW)
