"""Services are told from look-alikes, with who starts them and the place where that stands."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import pytest

from firmware_checks.check import archive_of
from firmware_checks.scan import Scanner
from toolkit.core.findings import Finding, Severity


def _findings(folder: Path, data: bytes, check: str) -> list[Finding]:
    path = folder / "image.tar"
    path.write_bytes(data)
    return [f for f in Scanner().scan(path).findings if f.check == check]


def _with_links(files: dict[str, bytes], links: dict[str, str]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for path, content in files.items():
            member = tarfile.TarInfo(path)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
        for path, target in links.items():
            member = tarfile.TarInfo(path)
            member.type, member.linkname = tarfile.SYMTYPE, target
            archive.addfile(member)
    return out.getvalue()


@pytest.mark.parametrize(
    ("path", "text", "severity"),
    [
        ("etc/inetd.conf", b"telnet stream tcp nowait root /usr/sbin/tcpd in.telnetd\n", Severity.HIGH),
        ("etc/inetd.conf", b"telnet stream tcp nowait root /bin/busybox telnetd -l /bin/sh\n", Severity.CRITICAL),
        (
            "etc/xinetd.d/telnet",
            b"service telnet\n{\n disable = no\n server = /usr/sbin/in.telnetd\n}\n",
            Severity.HIGH,
        ),
        ("etc/inittab", b"::respawn:/usr/sbin/telnetd -F\n", Severity.HIGH),
        ("opt/start.sh", b"#!/bin/sh\n[ -e /dbg ] && /usr/sbin/telnetd &\n", Severity.HIGH),
        ("etc/init.d/net", b"#!/bin/sh\nstart-stop-daemon -S -x /usr/sbin/telnetd -- -p 23\n", Severity.HIGH),
        ("etc/init.d/net", b"#!/bin/sh\nDAEMON=/usr/sbin/telnetd\nstart-stop-daemon -S -x $DAEMON\n", Severity.HIGH),
        ("etc/crontabs/root", b"@reboot busybox telnetd\n", Severity.HIGH),
        ("lib/systemd/system/t.service", b"[Service]\nExecStart=/usr/sbin/telnetd -F\n", Severity.LOW),
    ],
)
def test_a_started_service_is_found_where_it_stands(path: str, text: bytes, severity: Severity, tmp_path: Path) -> None:
    (finding,) = _findings(tmp_path, archive_of({path: text}), "telnet-service")
    assert finding.severity is severity
    (place,) = finding.evidence
    assert place.path == f"image.tar!{path}"
    assert place.offset is not None
    line = text[place.offset :].split(b"\n")[0]
    assert b"telnetd" in line


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("etc/xinetd.d/telnet", b"service telnet\n{\n disable = yes\n server = /usr/sbin/in.telnetd\n}\n"),
        ("etc/init.d/S50x", b"#!/bin/sh\nstart-stop-daemon -K -x /usr/sbin/telnetd\nkillall telnetd\n"),
        ("usr/share/doc/x/start.sh", b"#!/bin/sh\ntelnetd\n"),
        ("etc/inittab", b"::off:/usr/sbin/telnetd\nbroken line telnetd\n"),
        ("etc/inetd.conf", b"short telnetd\n"),
        ("opt/run.sh", b"#!/bin/sh\nDAEMON=/usr/sbin/telnetd\nwhich telnetd\n"),
    ],
)  # fmt: skip
def test_what_only_names_a_service_starts_none(path: str, text: bytes, tmp_path: Path) -> None:
    assert _findings(tmp_path, archive_of({path: text}), "telnet-service") == []


def test_an_init_script_without_a_link_is_only_installed_where_others_have_links(tmp_path: Path) -> None:
    files = {"etc/init.d/telnetd": b"#!/bin/sh\ntelnetd\n", "etc/init.d/ftp": b"#!/bin/sh\nvsftpd\n"}
    data = _with_links(files, {"etc/rc3.d/S20ftp": "../init.d/ftp"})
    (telnet,) = _findings(tmp_path, data, "telnet-service")
    (ftp,) = _findings(tmp_path, data, "file-transfer-service")
    assert (telnet.severity, ftp.severity) == (Severity.LOW, Severity.HIGH)


def test_a_unit_that_a_target_wants_is_started(tmp_path: Path) -> None:
    files = {"lib/systemd/system/t@.service": b"[Service]\nExecStart=-/usr/sbin/telnetd -i\n"}
    links = {"etc/systemd/system/sockets.target.wants/t.socket": "/lib/systemd/system/t.socket"}
    (finding,) = _findings(tmp_path, _with_links(files, links), "telnet-service")
    assert finding.severity is Severity.HIGH


def test_a_screen_with_a_password_is_less_than_one_without(tmp_path: Path) -> None:
    lines = b"#!/bin/sh\nx11vnc -rfbauth /etc/p &\nXvnc -SecurityTypes None &\n"
    found = _findings(
        tmp_path,
        archive_of({"opt/s.sh": lines, "lib/systemd/system/v.service": b"ExecStart=x11vnc\n"}),
        "screen-shared",
    )
    assert [f.severity for f in found] == [Severity.HIGH, Severity.MEDIUM, Severity.LOW]


def test_consoles_that_log_in_by_themselves_are_told(tmp_path: Path) -> None:
    files = {
        "etc/inittab": b"T0:23:respawn:/sbin/getty -n -l /bin/sh ttyS0\n::wait:/bin/sh\n::respawn:\n",
        "etc/systemd/system/getty@.service": b"ExecStart=-/sbin/agetty --autologin root tty1\n",
    }
    found = _findings(tmp_path, archive_of(files), "console-without-login")
    assert sorted(f.evidence[0].path for f in found) == [
        "image.tar!etc/inittab",
        "image.tar!etc/systemd/system/getty@.service",
    ]


@pytest.mark.parametrize(
    ("path", "text", "check", "severities"),
    [
        ("snmpd.conf", b"com2sec x default public\ncom2sec l localhost public\n", "snmp-community", ["medium"]),
        ("snmpd.conf", b"rwcommunity s3cr\n", "snmp-community", ["medium"]),
        ("etc/ssh/sshd_config.d/a.conf", b"Protocol 2,1\nPermitRootLogin no\n", "ssh-settings", ["medium"]),
        ("etc/proftpd.conf", b"<Anonymous ~ftp>\n", "file-transfer-service", ["high"]),
        ("etc/samba/smb.conf", b"[global]\nserver min protocol = NT1\nnonsense\n", "open-share", ["medium"]),
        ("etc/exports", b"/srv *(ro)\n/home host(rw)\n", "open-share", ["medium"]),
        ("etc/hosts.equiv", b"+\nhost\n", "remote-shell-service", ["critical"]),
        ("etc/app.ini", b"// bind=0.0.0.0\nbind=0.0.0.0:80\n", "listens-everywhere", ["medium"]),
    ],
)  # fmt: skip
def test_settings_are_judged(path: str, text: bytes, check: str, severities: list[str], tmp_path: Path) -> None:
    found = _findings(tmp_path, archive_of({path: text}), check)
    assert [f.severity.value for f in found] == severities
    assert "s3cr" not in str(found)


def test_what_is_no_text_is_not_read(tmp_path: Path) -> None:
    files = {"etc/rc.local": b"telnetd\n\0", "etc/exports": b"/ *(rw)\n\0"}
    assert _findings(tmp_path, archive_of(files), "telnet-service") == []
    assert _findings(tmp_path, archive_of(files), "open-share") == []
