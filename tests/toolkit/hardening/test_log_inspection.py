"""Exported logs are read whatever wrote them, and what should not have happened is told without telling secrets."""

# ruff: noqa: E501  # lines of logs are read more easily in one piece
from __future__ import annotations

import importlib.util
import json
import re
import struct
from dataclasses import replace
from datetime import date, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware_checks.controls import COLUMNS
from toolkit.app.cli import medharden
from toolkit.core.errors import FormatError, InputError
from toolkit.core.findings import Severity
from toolkit.hardening.logs.ability import log_ability
from toolkit.hardening.logs.inspection import LogInspection, inspect_logs
from toolkit.hardening.logs.journal import journal_events, journal_json_events
from toolkit.hardening.logs.text_logs import text_events
from toolkit.hardening.logs.watcher import Watcher, load_watchers, shown_name
from toolkit.hardening.logs.windows_events import windows_events
from toolkit.hardening.reading import Reading, read_subject
from toolkit.hardening.subject import HardeningSubject
from toolkit.report.languages import languages, missing_translations

_here = Path(__file__).parent
_spec = importlib.util.spec_from_file_location("evtx_example", _here / "evtx_example.py")
assert _spec is not None
assert _spec.loader is not None
evtx_example = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(evtx_example)

DAY = date(2026, 3, 1)
WATCHERS = load_watchers()
every_watcher = pytest.mark.parametrize("watcher", WATCHERS.values(), ids=list(WATCHERS))


def _inspect(folder: Path, **files: bytes) -> LogInspection:
    paths = []
    for name, data in files.items():
        path = folder / name.replace("_", ".")
        path.write_bytes(data)
        paths.append(path)
    return inspect_logs(paths, DAY)


def _syslog(*messages: str, month: str = "Feb") -> bytes:
    return "".join(f"{month}  3 04:0{n // 60}:{n % 60:02} pump {text}\n" for n, text in enumerate(messages)).encode()


def _found(inspection: LogInspection) -> dict[str, Severity]:
    return {finding.check: finding.severity for finding in reversed(inspection.findings)}


FAILED = "sshd[211]: Failed password for invalid user hunter2 from 10.0.0.66 port 4022 ssh2"


@every_watcher
def test_a_watcher_says_everything_in_three_languages(watcher: Watcher) -> None:
    assert re.fullmatch(r"log-[a-z-]+", watcher.name)
    assert watcher.question.endswith("?")
    assert watcher.source
    assert all(getattr(watcher.controls, column) for column in COLUMNS)
    for language in languages():
        assert missing_translations([watcher.title, watcher.remedy], language) == ()


@pytest.mark.parametrize(
    ("check", "severity", "messages"),
    [
        ("log-brute-force", "high", [FAILED] * 8),
        ("log-brute-force", "critical", [*[FAILED] * 8, "sshd[1]: Accepted password for root from 10.0.0.66 port 1 ssh2"]),
        ("log-brute-force", "high", ["dropbear[9]: Bad password attempt for 'root' from 10.0.0.66:4022"] * 8),
        ("log-brute-force", "high", ["dropbear[9]: Login attempt for nonexistent user from 10.0.0.66:4022"] * 8),
        ("log-brute-force", "high", ["login[4]: invalid password for 'root' on 'ttyS0'"] * 9),
        ("log-brute-force", "high", ['vsftpd[2]: [x] FAIL LOGIN: Client "::ffff:10.0.0.66"'] * 8),
        ("log-cleared", "high", ["sudo: bob : TTY=pts/0 ; PWD=/ ; USER=root ; COMMAND=/bin/rm -rf /var/log/auth.log"]),
        ("log-cleared", "low", ["systemd[1]: Stopping rsyslog.service - System Logging Service..."]),
        ("log-cleared", "low", ["cron[2]: x" + "\0" * 40]),
        ("log-new-account", "medium", ["useradd[8]: new user: name=bob, UID=1002, GID=1002, home=/home/bob, shell=/bin/sh"]),
        ("log-new-account", "critical", ["useradd[8]: new user: name=toor, UID=0, GID=0, home=/, shell=/bin/sh, from=none"]),
        ("log-new-account", "high", ["usermod[8]: add 'bob' to group 'sudo'"]),
        ("log-new-account", "low", ["passwd[8]: password for 'root' changed by 'root'"]),
        ("log-new-service", "medium", ["crontab[77]: (root) REPLACE (root)"]),
        ("log-new-service", "medium", ["sudo: bob : TTY=pts/0 ; PWD=/ ; USER=root ; COMMAND=/bin/systemctl enable implant"]),
        ("log-time-jump", "low", ["systemd[1]: Time has been changed"]),
        ("log-debug-login", "high", ["login[300]: root login on 'ttyS0'"]),
        ("log-debug-login", "high", ["login[300]: ROOT LOGIN  on '/dev/ttyAMA0'"]),
        ("log-debug-login", "high", ["telnetd[31]: connection from 10.0.0.66"]),
        ("log-debug-login", "medium", ["sshd[1]: Accepted publickey for root from 10.0.0.66 port 1 ssh2: RSA SHA256:x"]),
        ("log-debug-login", "medium", ["dropbear[1]: Password auth succeeded for 'root' from 10.0.0.66:4022"]),
    ],
)  # fmt: skip
def test_what_should_not_have_happened_is_told(tmp_path: Path, check: str, severity: str, messages: list[str]) -> None:
    found = _found(_inspect(tmp_path, auth_log=_syslog(*messages)))
    assert found.get(check) == Severity(severity), found


@pytest.mark.parametrize(
    ("check", "severity", "event"),
    [
        ("log-cleared", "high", (1102, "Microsoft-Windows-Eventlog", "Security", {"SubjectUserName": "bob"})),
        ("log-cleared", "high", (104, "Microsoft-Windows-Eventlog", "System", {})),
        ("log-cleared", "medium", (4719, "A", "Security", {})),
        ("log-new-service", "medium", (7045, "Service Control Manager", "System", {"ServiceName": "X", "ImagePath": "C:\\a.exe"})),
        ("log-new-service", "high", (7045, "S", "System", {"ServiceName": "X", "ImagePath": "powershell -enc AAAA"})),
        ("log-new-account", "medium", (4720, "A", "Security", {"TargetUserName": "bob"})),
        ("log-new-account", "high", (4732, "A", "Security", {"TargetSid": "S-1-5-32-544", "TargetUserName": "Admins"})),
        ("log-new-account", "low", (4724, "A", "Security", {"TargetUserName": "bob"})),
        ("log-time-jump", "medium", (4616, "A", "Security", {"PreviousTime": "2026-01-02T03:00:00Z", "NewTime": "2024-01-02T03:00:00Z"})),
        ("log-time-jump", "medium", (1, "Microsoft-Windows-Kernel-General", "System", {})),
        ("log-debug-login", "medium", (4624, "A", "Security", {"LogonType": "10", "TargetUserName": "b", "IpAddress": "10.0.0.9"})),
    ],
)  # fmt: skip
def test_events_of_windows_are_told(tmp_path: Path, check: str, severity: str, event: tuple[object, ...]) -> None:
    assert _found(_inspect(tmp_path, x_evtx=evtx_example.event_log([event])))[check] == Severity(severity)


def test_many_failures_of_windows_and_one_that_worked(tmp_path: Path) -> None:
    values = {"TargetUserName": "Administrator", "IpAddress": "10.0.0.66"}
    events = [(4625, "A", "Security", values)] * 8 + [(4624, "A", "Security", values)]
    inspection = _inspect(tmp_path, Security_evtx=evtx_example.event_log(events))
    assert _found(inspection) == {"log-brute-force": Severity.CRITICAL}
    assert inspection.logs[0].kind == "evtx"
    assert inspection.logs[0].events == 9


def test_a_quiet_log_gives_nothing(tmp_path: Path) -> None:
    quiet = _syslog(
        *[FAILED] * 3,
        "sshd[1]: Accepted publickey for service from 10.0.0.5 port 1 ssh2",
        "sudo: bob : TTY=pts/0 ; PWD=/ ; USER=root ; COMMAND=/bin/ls /etc",
        "CRON[12]: (root) CMD (run-parts /etc/cron.hourly)",
        "kernel: [    1.2345] usb 1-1: new full-speed USB device",
        "pumpd[3]: rate set to 20 ml/h",
        "usermod[8]: add 'bob' to group 'audio'",
        "login[3]: LOGIN ON tty1 BY bob",
    )
    small = (4616, "A", "Security", {"PreviousTime": "2026-01-02T03:00:00Z", "NewTime": "2026-01-02T03:00:05Z"})
    quiet_windows = evtx_example.event_log(
        [small, (104, "A", "Application", {}), (4624, "A", "Security", {"LogonType": "2"})]
    )
    assert _inspect(tmp_path, auth_log=quiet, b_evtx=quiet_windows).findings == ()


def test_failures_over_days_are_no_attack(tmp_path: Path) -> None:
    lines = b"".join(b"2026-02-%02dT10:00:00+01:00 pump %s\n" % (day, FAILED.encode()) for day in range(1, 20))
    assert _inspect(tmp_path, a_log=lines).findings == ()


@pytest.mark.parametrize(
    ("lines", "detail", "severity"),
    [
        (b"2026-02-03 10:00:00 p a: x\n2026-02-03 08:00:00 p a: y\n", "2.0 hours", Severity.MEDIUM),
        (
            b"2026-02-03 10:00:00 p a: x\n2026-01-03 08:00:00 p syslogd: syslogd started\n",
            "31 days at a start",
            Severity.LOW,
        ),
        (b"2026-02-03 10:00:00 p a: x\n1970-01-01 00:00:10 p a: y\n", "battery", Severity.LOW),
    ],
)
def test_a_clock_that_goes_back_is_told(tmp_path: Path, lines: bytes, detail: str, severity: Severity) -> None:
    (finding,) = _inspect(tmp_path, a_log=lines).findings
    assert (finding.check, finding.severity) == ("log-time-jump", severity)
    assert detail in finding.detail


def test_the_turn_of_the_year_is_no_jump(tmp_path: Path) -> None:
    lines = b"Dec 31 23:59:59 p a: x\nJan  1 00:00:01 p a: y\nFeb  1 00:00:01 p a: z\n"
    inspection = _inspect(tmp_path, a_log=lines)
    assert inspection.findings == ()
    assert (inspection.logs[0].first, inspection.logs[0].last) == ("2025-12-31T23:59:59", "2026-02-01T00:00:01")
    later = list(text_events(memoryview(b"Dec 31 23:59:59 p a: x\n"), "a", DAY))
    assert later[0].time == datetime(2025, 12, 31, 23, 59, 59)  # noqa: DTZ001  # the log has no zone


def test_what_people_typed_is_not_shown(tmp_path: Path) -> None:
    lines = _syslog(*[FAILED] * 9, "useradd[8]: new user: name=pass word!, UID=1002, GID=1")
    text = json.dumps(
        [finding.detail + str(finding.evidence) for finding in _inspect(tmp_path, auth_log=lines).findings]
    )
    assert "hunter2" not in text
    assert "pass word" not in text
    assert shown_name("bob") == "bob"
    assert shown_name("Müller, Hans *1961") == "********"


@pytest.mark.parametrize(
    "line",
    [
        "<34>1 2026-02-03T04:00:00.003Z pump.example login 300 ID47 [a@1 b=\"c\"] root login on 'ttyS0'",
        "<34>Feb  3 04:00:00 pump login[300]: root login on 'ttyS0'",
        "Feb  3 04:00:00 2026 pump login[300]: root login on 'ttyS0'",
        "Feb  3 04:00:00 pump auth.info login[300]: root login on 'ttyS0'",
        "2026-02-03T04:00:00,123456+0100 pump login[300]: root login on 'ttyS0'",
        "2026-02-03T04:00:00+01:00 pump login[300]: root login on 'ttyS0'",
    ],
)
def test_every_form_of_a_line_is_read(tmp_path: Path, line: str) -> None:
    inspection = _inspect(tmp_path, a_log=f"{line}\r\n".encode())
    assert _found(inspection) == {"log-debug-login": Severity.HIGH}
    assert inspection.logs[0].without_time == 0
    assert inspection.findings[0].evidence[0].offset == 0


def test_the_journal_is_read_as_export_and_as_json(tmp_path: Path) -> None:
    message = b"root login on 'ttyS0'\nsecond line"
    export = (
        b"__CURSOR=s=1\n__REALTIME_TIMESTAMP=1770000000000000\nSYSLOG_IDENTIFIER=login\nMESSAGE\n"
        + struct.pack("<Q", len(message)) + message + b"\n\n__CURSOR=s=2\n_COMM=x\nMESSAGE=fine\n"
    )  # fmt: skip
    entry = {
        "__REALTIME_TIMESTAMP": "1770000000000000",
        "SYSLOG_IDENTIFIER": "login",
        "MESSAGE": "root login on 'ttyS0'",
    }
    lines = json.dumps(entry).encode() + b"\n\n{broken\n"
    inspection = _inspect(tmp_path, a_export=export, b_json=lines)
    assert [(log.kind, log.events, log.without_time) for log in inspection.logs] == [
        ("journal", 2, 1),
        ("journal", 2, 1),
    ]
    (finding,) = inspection.findings
    assert finding.detail.endswith("(2 times)")
    assert [evidence.offset for evidence in finding.evidence] == [0, 0]


@pytest.mark.parametrize(
    ("data", "reason"), [(b"", "is empty"), (b"\x00\x01\x02 nothing", "not a log"), (b"just text\n", "not a log")]
)
def test_what_is_no_log_is_said_in_one_line(tmp_path: Path, data: bytes, reason: str) -> None:
    with pytest.raises(InputError, match=reason):
        _inspect(tmp_path, x_log=data)
    with pytest.raises(InputError, match="cannot be read"):
        inspect_logs([tmp_path / "missing.log"], DAY)


def test_a_damaged_windows_log_is_not_taken_for_a_clean_one(tmp_path: Path) -> None:
    data = bytearray(evtx_example.event_log([(1, "A", "System", {})] * 3))
    data[4096 + 512 + 40 : 4096 + 512 + 200] = bytes(160)
    inspection = _inspect(tmp_path, x_evtx=bytes(data))
    assert not inspection.is_complete
    assert "cannot be read" in inspection.logs[0].damage


def test_a_device_under_attack_does_not_fill_the_memory(tmp_path: Path) -> None:
    lines = b"".join(
        b"Feb  3 04:00:00 pump useradd[8]: new user: name=u%d, UID=1002, GID=1\n" % number for number in range(700)
    )
    found = _inspect(tmp_path, a_log=lines).findings
    assert len(found) == 501
    assert any(finding.detail == "and 200 more of the same kind, in other words" for finding in found)


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=400))
def test_any_bytes_are_read_without_a_defect(data: bytes) -> None:
    view = memoryview(data)
    for events in (text_events(view, "a", DAY), journal_events(view, "a"), journal_json_events(view, "a")):
        for event in events:
            for watcher in WATCHERS.values():
                list(watcher.watch()(event))
    try:
        list(windows_events(memoryview(b"ElfFile\0" + data), "a"))
    except FormatError as error:
        assert "\n" not in str(error)


def test_the_story_of_an_incident(tmp_path: Path) -> None:
    log = tmp_path / "auth.log"
    log.write_bytes(_syslog(*[FAILED] * 8, "sshd[1]: Accepted password for root from 10.0.0.66 port 1 ssh2"))
    run = CliRunner()
    shown = run.invoke(medharden, ["logs", "inspect", str(log), "--language", "fr"], standalone_mode=False)
    assert shown.return_value == 1
    assert "critical" in shown.stdout
    assert "10.0.0.66" in shown.stdout
    out = tmp_path / "logs.json"
    line = ["logs", "inspect", str(log), "--json", "--output", str(out), "--now", "2026-03-01"]
    written = run.invoke(medharden, line, standalone_mode=False)
    assert json.loads(written.stdout) == json.loads(out.read_text())
    quiet = tmp_path / "quiet.log"
    quiet.write_bytes(_syslog("pumpd[3]: fine"))
    assert run.invoke(medharden, ["logs", "inspect", str(quiet)], standalone_mode=False).return_value == 0


@pytest.mark.parametrize(
    ("files", "answer", "stays", "hosts"),
    [
        ({}, "no", "unknown", ()),
        ({"sbin/syslogd": b"\x7fELF"}, "no", "on disk", ()),
        ({"sbin/syslogd": b"\x7fELF", "etc/init.d/S01log": b"#!/bin/sh\nsyslogd -C64 -R 10.0.0.3:514\n"}, "yes", "until restart", ("10.0.0.3:514",)),
        ({"usr/sbin/rsyslogd": b"\x7fELF", "etc/inittab": b"::respawn:/usr/sbin/rsyslogd\n", "etc/rsyslog.conf": b"#*.* @no.example\n*.* @@siem.hospital:6514\n"}, "yes", "on disk", ("siem.hospital:6514",)),
        ({"lib/systemd/systemd-journald": b"\x7fELF", "etc/systemd/journald.conf": b"[Journal]\nStorage=volatile\n"}, "yes", "until restart", ()),
    ],
)  # fmt: skip
def test_whether_a_device_logs_is_seen_in_its_image(
    tmp_path: Path, files: dict[str, bytes], answer: str, stays: str, hosts: tuple[str, ...]
) -> None:
    image = tmp_path / "image.tar"
    image.write_bytes(_root(files))
    line = ["logs", "device", str(image), "--profile", "patient-monitor-lowend", "--json"]
    result = CliRunner().invoke(medharden, line, standalone_mode=False)
    told = json.loads(result.stdout)
    assert (told["answer"], told["stays"], tuple(told["sent_to"])) == (answer, stays, hosts)
    assert result.return_value == (0 if answer == "yes" else 1)
    shown = CliRunner().invoke(medharden, line[:-1], standalone_mode=False)
    assert shown.stdout.startswith(f"{answer}: ")


def _root(files: dict[str, bytes]) -> bytes:
    spec = importlib.util.spec_from_file_location("hardening_conftest", _here / "conftest.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.linux_tar(files)  # type: ignore[no-any-return]


def test_an_image_that_was_not_read_to_its_end_is_no_proof_that_nothing_starts_the_log(
    tmp_path: Path, linux_subject: HardeningSubject
) -> None:
    image = tmp_path / "image.tar"
    image.write_bytes(_root({"sbin/syslogd": b"\x7fELF"}))
    with read_subject(image, Reading(profile=linux_subject.profile, day=DAY, jobs=1)) as subject:
        cut = replace(subject, unread=("something",))  # type: ignore[arg-type]
        assert log_ability(cut).answer == "unknown"
        assert log_ability(replace(subject, unread=())).answer == "no"


def test_other_images_do_not_show_whether_the_device_logs(
    mcu_subject: HardeningSubject, windows_subject: HardeningSubject, linux_subject: HardeningSubject
) -> None:
    assert log_ability(mcu_subject).answer == "unknown"
    assert log_ability(windows_subject).answer == "unknown"
    assert log_ability(linux_subject).answer == "no"
    unread = replace(linux_subject, unread=("something",))  # type: ignore[arg-type]
    assert log_ability(unread).answer == "unknown"
