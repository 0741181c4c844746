"""Nothing forbidden and nothing unproven reaches a device, however it is cut into pieces."""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import pairwise

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from device_profiles.schema import DeviceProfile, NeverSend
from hil.device import Device
from hil.errors import WriteRefused
from hil.guard import Forbidden, WriteGuard, byte_pattern, guard_for, guard_without_profile
from hil.level import EvidenceLevel

START = Forbidden(re.compile(b"start"), 5, "start", "delivers")


def pieces_of(data: bytes, cuts: list[int]) -> list[bytes]:
    edges = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
    return [data[a:b] for a, b in pairwise(edges)]


@given(st.binary(max_size=20), st.binary(max_size=20), st.lists(st.integers(0, 50), max_size=6))
def test_a_forbidden_message_is_refused_in_whatever_pieces_it_comes(
    before: bytes, after: bytes, cuts: list[int]
) -> None:
    guard = WriteGuard(forbidden=[START])
    sent = b""
    with pytest.raises(WriteRefused, match=r"forbids it: start \(delivers\)"):
        for piece in pieces_of(before + b"start" + after, cuts):
            guard.check(piece)
            sent += piece
    assert b"start" not in sent


@given(st.lists(st.binary(max_size=8).filter(lambda piece: b"s" not in piece), max_size=20))
def test_what_is_not_forbidden_gets_through(pieces: list[bytes]) -> None:
    guard = WriteGuard(forbidden=[START])
    for piece in pieces:
        guard.check(piece)
        guard.check_message(piece)


def test_a_message_that_stands_alone_is_judged_alone() -> None:
    guard = WriteGuard(forbidden=[START])
    guard.check_message(b"sta")
    guard.check_message(b"rt")
    with pytest.raises(WriteRefused):
        guard.check_message(b"restart")


def test_while_locked_only_whole_questions_are_sent() -> None:
    guard = WriteGuard(questions=[b"id\r"], locked="who is it?")
    guard.check(b"id\r")
    for data in (b"id", b"id\rx", b"version\r"):
        with pytest.raises(WriteRefused, match="not sent: who is it"):
            guard.check(data)
    with pytest.raises(WriteRefused):
        guard.check_message(b"id\r")
    guard.unlock()
    guard.check(b"version\r")
    guard.lock()
    assert guard.is_locked
    with pytest.raises(WriteRefused):
        guard.check(b"version\r")


def test_a_pattern_of_a_profile_has_any_byte_at_two_dots() -> None:
    pattern = byte_pattern("F2 .. 2E")
    assert pattern.search(b"\x00\xf2\n.")
    assert not pattern.search(b"\xf2\x00\x00")


def test_without_a_profile_real_devices_are_only_listened_to() -> None:
    for level in EvidenceLevel:
        assert guard_without_profile(level).is_locked == level.is_real


def test_a_guard_behind_another_refuses_the_same_messages_and_nothing_else() -> None:
    inner = WriteGuard(forbidden=[START], locked="who?").without_lock()
    inner.check(b"anything")
    with pytest.raises(WriteRefused):
        inner.check(b"start")


def test_a_rule_of_another_interface_is_not_applied_and_one_without_bytes_cannot_be(
    pump_profile: DeviceProfile,
) -> None:
    rules = (
        NeverSend(id="a", interface="debug", pattern="01", command="a", reason="r"),
        NeverSend(id="b", pattern="02", command="b", reason="r"),
        NeverSend(id="c", command="c", reason="r"),
    )
    profile = msgspec.structs.replace(pump_profile, hil=msgspec.structs.replace(pump_profile.hil, never_send=rules))
    assert [f.command for f in guard_for(profile, "console").forbidden] == ["b"]
    assert [f.command for f in guard_for(profile, None).forbidden] == ["a", "b"]


def test_the_transport_itself_refuses_and_the_record_tells(pump: Callable[..., Device]) -> None:
    with pump() as device:
        for line in (b"start\r", b"set rate 100\r", b"erase\r"):
            with pytest.raises(WriteRefused):
                device.transport.write(line)
        with pytest.raises(WriteRefused):
            for byte in b"start\r":
                device.transport.write(bytes([byte]))
        events = [entry.name for entry in device.transport.recorder.last]
        assert events.count("write-refused") == 4


def test_a_profile_without_safe_state_or_question_is_never_written_to(
    pump: Callable[..., Device], pump_profile: DeviceProfile
) -> None:
    nothing_safe = msgspec.structs.replace(
        pump_profile, safety=msgspec.structs.replace(pump_profile.safety, safe_state=None)
    )
    nothing_asked = msgspec.structs.replace(pump_profile, hil=msgspec.structs.replace(pump_profile.hil, identify=()))
    for profile, why in ((nothing_safe, "names no safe state"), (nothing_asked, "has no question")):
        device = pump()
        device.profile = profile
        with pytest.raises(WriteRefused, match=why):
            device.connect()
        assert not [e for e in device.transport.recorder.last if e.what == "out"]
        device.close()
