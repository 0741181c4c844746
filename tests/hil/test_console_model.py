"""The demo pump as a program does what its description says, and each weakness shows."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hil.demo_console import PASSWORD, line_with_checksum, set_command
from hil.models.console import WEAKNESSES, ConsoleModel

LOGIN = b"login " + PASSWORD + b"\r"


def started(*weak: str) -> ConsoleModel:
    model = ConsoleModel(frozenset(weak))
    assert model.power_on(0.0).startswith(b"demo-pump boot\r\n")
    assert model.next_event_s() == pytest.approx(0.2)
    assert model.tick(0.1) == b""
    assert model.tick(0.2) == b"demo-pump ready\r\n"
    return model


@pytest.mark.parametrize(
    ("line", "answer"),
    [
        (b"id", b"=demo-pump medharden 00000001"),
        (b"version", b"=2.1.0 7"),
        (b"status", b"=idle rate=0 delivered=0 alarm=off turns=8"),
        (b"stop", b"=ok"),
        (b"logout", b"=ok"),
        (b"nonce", b"!login"),
        (b"set backlight 1", b"!login"),
        (b"start", b"!login"),
        (b"erase", b"!login"),
        (b"dance", b"!unknown"),
        (b"id*0D", b"=demo-pump medharden 00000001"),
        (b"id*0E", b"!checksum"),
        (b"x" * 65, b"!long"),
        (b"login wrong", b"!denied"),
        (b"log 10", b"=battery ok"),
        (b"log 26", b"!range"),
        (b"log x", b"!range"),
        (b"silence", b"!login"),
        (b"hang", b"!login"),
    ],
)
def test_each_line_has_its_answer(line: bytes, answer: bytes) -> None:
    assert started().receive(line + b"\r", 1.0) == answer + b"\r\n"
    assert started().receive(line + b"\r\n", 1.0) == answer + b"\r\n"


def test_it_hears_nothing_while_it_starts_or_is_off() -> None:
    model = ConsoleModel()
    assert model.receive(b"id\r", 0.0) == b""
    model.power_on(0.0)
    assert model.receive(b"id\r", 0.1) == b""
    model.tick(0.2)
    assert model.receive(b"id\r", 0.3)
    model.power_off()
    assert model.receive(b"id\r", 0.4) == b""
    assert model.next_event_s() is None


def test_a_started_line_is_forgotten_after_two_seconds() -> None:
    model = started()
    model.receive(b"sta", 1.0)
    assert model.receive(b"id\r", 3.5) == b"=demo-pump medharden 00000001\r\n"
    model.receive(b"x" * 70, 4.0)
    assert model.receive(b"id\r", 7.0) == b"=demo-pump medharden 00000001\r\n"


def test_a_set_command_needs_login_nonce_and_proof_and_works_once() -> None:
    model = started()
    assert model.receive(LOGIN, 1.0) == b"=ok\r\n"
    nonce = model.receive(b"nonce\r", 1.0)[1:9]
    line = set_command(b"backlight", 20, nonce=nonce, password=PASSWORD)
    assert model.receive(b"set backlight 20 00000000\r", 1.0) == b"!denied\r\n"  # and the nonce is used up
    assert model.receive(line, 1.0) == b"!denied\r\n"
    nonce = model.receive(b"nonce\r", 1.0)[1:9]
    line = set_command(b"backlight", 20, nonce=nonce, password=PASSWORD)
    assert model.receive(line, 1.0) == b"=ok\r\n"
    assert model.settings[b"backlight"] == 20
    assert model.receive(line, 1.0) == b"!denied\r\n"


@pytest.mark.parametrize("rest", [b"volume 1 x", b"backlight", b"backlight 1 2 3"])
def test_what_cannot_be_set_is_refused(rest: bytes) -> None:
    model = started()
    model.receive(LOGIN, 1.0)
    assert model.receive(b"set " + rest + b"\r", 1.0) == b"!range\r\n"


@pytest.mark.parametrize("value", [101, 4711])
def test_a_value_out_of_range_is_refused_even_when_proven(value: int) -> None:
    model = started()
    model.receive(LOGIN, 1.0)
    nonce = model.receive(b"nonce\r", 1.0)[1:9]
    line = set_command(b"backlight", value, nonce=nonce, password=PASSWORD)
    assert model.receive(line, 1.0) == b"!range\r\n"


def test_three_wrong_passwords_lock_the_log_in_for_a_minute() -> None:
    model = started()
    for _ in range(3):
        assert model.receive(b"login guess\r", 1.0) == b"!denied\r\n"
    assert model.receive(LOGIN, 60.9) == b"!locked\r\n"
    assert model.receive(LOGIN, 61.1) == b"=ok\r\n"


def test_a_log_in_ends_after_a_minute_of_silence_and_not_before() -> None:
    model = started()
    model.receive(LOGIN, 1.0)
    model.receive(b"id\r", 50.0)
    assert model.receive(b"nonce\r", 100.0)[:1] == b"="
    assert model.receive(b"nonce\r", 161.0) == b"!login\r\n"


def test_stop_ends_a_delivery() -> None:
    model = started()
    model.receive(LOGIN, 1.0)
    assert model.receive(b"start\r", 1.0) == b"=ok\r\n"
    assert model.receive(b"status\r", 1.0).startswith(b"=running")
    model.receive(b"stop\r", 1.0)
    assert model.receive(b"status\r", 1.0).startswith(b"=idle")
    assert model.receive(b"erase\r", 1.0) == b"=ok\r\n"


def test_the_watchdog_starts_it_anew_and_not_the_weak_one() -> None:
    for weak, is_restarted in (([], True), (["no-watchdog"], False)):
        model = started(*weak)
        model.receive(LOGIN, 1.0)
        assert model.receive(b"hang\r", 1.0) == b"=ok\r\n"
        assert model.receive(b"id\r", 1.5) == b""
        assert (model.next_event_s() == pytest.approx(2.0)) is is_restarted
        assert (model.tick(2.0) == b"demo-pump boot\r\n") is is_restarted


SHOWS = (
    ("no-login", b"nonce\r", b"="),
    ("default-password", b"login 4711\r", b"=ok"),
    ("unauthenticated-set", b"set backlight 1\r", b"=ok"),
    ("bad-checksum", b"id*00\r", b"=demo-pump"),
)
"""Each weakness with what is said to a pump and what only a weak one answers."""


@pytest.mark.parametrize(("weakness", "said", "answer"), SHOWS)
def test_a_weakness_shows_on_the_weak_one_only(weakness: str, said: bytes, answer: bytes) -> None:
    assert started(weakness).receive(said, 1.0).startswith(answer)
    assert not started().receive(said, 1.0).startswith(answer)


def test_a_line_that_is_too_long_silences_the_weak_one_only() -> None:
    lines = b"x" * 70 + b"\rid\r"
    assert started("hangs-on-long-line").receive(lines, 1.0) == b"!long\r\n"
    assert started().receive(lines, 1.0) == b"!long\r\n=demo-pump medharden 00000001\r\n"


def test_a_replayed_set_command_works_on_the_weak_one() -> None:
    model = started("replayable-set")
    model.receive(LOGIN, 1.0)
    nonce = model.receive(b"nonce\r", 1.0)[1:9]
    line = set_command(b"backlight", 20, nonce=nonce, password=PASSWORD)
    assert [model.receive(line, 1.0) for _ in range(2)] == [b"=ok\r\n"] * 2


def test_the_boot_log_of_the_weak_one_leaks() -> None:
    assert b"key=" in ConsoleModel(frozenset({"boot-log"})).power_on(0.0)
    assert b"key=" not in ConsoleModel().power_on(0.0)


@given(st.lists(st.binary(max_size=100), max_size=20), st.sampled_from(["", *WEAKNESSES]))
def test_no_bytes_stop_it(pieces: list[bytes], weak: str) -> None:
    model = started(*filter(None, [weak]))
    for number, piece in enumerate(pieces):
        model.receive(piece, 1.0 + number)
    if not weak.startswith("hangs") and weak not in ("keeps-half-line", "slow-answer", "boot-interrupt"):
        assert model.receive(b"\rid\r", 100.0).endswith(b"=demo-pump medharden 00000001\r\n")


@given(st.binary(max_size=60).filter(lambda text: not {0x0D, 0x0A} & set(text)))
def test_a_line_with_its_check_value_is_never_refused_for_it(text: bytes) -> None:
    assert started().receive(line_with_checksum(text), 1.0) != b"!checksum\r\n"


def test_without_a_program_it_is_in_recovery_and_knows_little() -> None:
    model = ConsoleModel()
    assert model.flash is not None
    model.flash.write(40, b"!")
    assert model.power_on(0.0) == b"demo-pump recovery\r\n"
    assert model.next_event_s() is None
    assert model.receive(b"status\rid\rlogin x\rupdate 9\r", 0.1) == (
        b"=recovery\r\n=demo-pump medharden 00000001\r\n!unknown\r\n=ok\r\n"
    )


def test_the_therapy_loop_delivers_and_gives_an_alarm_when_it_cannot() -> None:
    model = started("unauthenticated-set", "no-login", "open-silence")
    model.receive(b"start\r", 1.2)
    assert b"=running rate=0 delivered=0 alarm=no-flow turns=10" in model.receive(b"status\r", 1.2)
    model.receive(b"silence\r", 1.3)
    assert b"alarm=silenced" in model.receive(b"status\r", 121.2)
    assert b"alarm=no-flow" in model.receive(b"status\r", 121.4)
    model.receive(b"set rate 360\r", 200.2)
    assert b"=running rate=360 delivered=10 alarm=off turns=3000" in model.receive(b"status\r", 300.2)
    model.receive(b"stop\r", 300.2)
    assert b"=idle rate=360 delivered=10 alarm=off turns=4000" in model.receive(b"status\r", 400.2)
