"""What we ask of our pump: it knows its version, keeps strangers out, and survives nonsense."""

import re

import pytest

NONSENSE = [b"\x00" * 200, b"\xff" * 64, b"%n%n%n%n", b"set backlight 99999999999999999999"]


def test_it_runs_the_version_we_released(device):
    assert device.ask(b"version\r", re.compile(rb"=(\S+) \d+"))[1] == b"2.1.0"


def test_a_stranger_cannot_log_in(device):
    for password in device.profile.hil.default_credentials:
        answer = device.ask(f"login {password}\r".encode(), re.compile(rb"[=!]\w+"), secret=password.encode())
        assert answer[0] in (b"!denied", b"!locked")


@pytest.mark.changes_device
@pytest.mark.parametrize("line", NONSENSE)
def test_it_still_answers_after_nonsense(device, line):
    device.send(line + b"\r")
    device.wait(0.5)
    device.ask(b"id\r", b"=demo-pump medharden")
