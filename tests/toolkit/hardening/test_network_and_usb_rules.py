"""Rules for firewall, sensor and USB are read by the programs they are for, whatever names a profile holds."""

from __future__ import annotations

import csv
import io
import re
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from msgspec import structs

from device_profiles.schema import DeviceProfile, Interface, NeverSend, Sockets, Usb
from device_profiles.vocabulary import InterfaceType, UsbClass
from toolkit.hardening.network.traffic import traffic_of
from toolkit.hardening.part import load_parts
from toolkit.hardening.subject import HardeningSubject
from toolkit.hardening.usb.plugged import allowed_devices

PARTS = load_parts()
HOSTILE = 'archive "x"; } drop\n`reboot` %PATH% & ^'
PEERS = ("10.1.2.0/24", "10.1.2.7", "fd00::1", "central station", HOSTILE)


def _network(profile: DeviceProfile, **sockets: object) -> DeviceProfile:
    network = Interface(
        id="network",
        type=InterfaceType.ETHERNET,
        protocol="hl7v2-mllp",
        sockets=Sockets(**({"listen_tcp": (2575, 104), "listen_udp": (161,), "peers": PEERS} | sockets)),  # type: ignore[arg-type]
    )
    others = tuple(i for i in profile.interfaces if i.type is not InterfaceType.ETHERNET)
    never = (
        NeverSend(id="gap", interface="rs232", pattern="73 74 .. 61 72 .. .. 74", command=HOSTILE, reason="harm"),
        NeverSend(id="plain", pattern="50 20", command="start", reason="harm"),
    )
    hil = structs.replace(profile.hil, never_send=never)
    return structs.replace(profile, interfaces=(network, *others), hil=hil)


def _usb(profile: DeviceProfile, *ports: Usb) -> DeviceProfile:
    rest = tuple(i for i in profile.interfaces if i.type is not InterfaceType.USB_HOST)
    hosts = tuple(Interface(id=f"usb{n}", type=InterfaceType.USB_HOST, usb=usb) for n, usb in enumerate(ports))
    return structs.replace(profile, interfaces=(*rest, *hosts))


def _files(subject: HardeningSubject, part: str) -> Mapping[str, bytes]:
    assert PARTS[part].applies(subject) == ""
    return {file.path: file.data for file in PARTS[part].build(subject)}


def _accepts(program: str, *arguments: str | Path, stdin: bytes = b"") -> str:
    path = shutil.which(program) or shutil.which(program, path="/usr/sbin:/sbin")
    if path is None:
        pytest.skip(f"{program} is not installed")
    done = subprocess.run([path, *arguments], input=stdin, capture_output=True, check=False, timeout=60)
    text = (done.stdout + done.stderr).decode(errors="replace")
    if "Operation not permitted" in text or "must be root" in text or "not supported" in text:
        pytest.skip(f"{program} may not look at the rules of the kernel here")
    assert done.returncode == 0, text
    return text


@pytest.fixture
def monitor(linux_subject: HardeningSubject) -> HardeningSubject:
    return replace(linux_subject, profile=_network(linux_subject.profile))


def test_nft_accepts_the_rules(monitor: HardeningSubject, tmp_path: Path) -> None:
    path = tmp_path / "nftables.conf"
    path.write_bytes(_files(monitor, "nftables")["nftables.conf"])
    _accepts("nft", "-c", "-f", path)


@pytest.mark.parametrize("program", ["iptables-restore", "ip6tables-restore", "iptables-legacy-restore"])
def test_iptables_accepts_the_rules(monitor: HardeningSubject, program: str) -> None:
    file = "ip6tables.rules" if program.startswith("ip6") else "iptables.rules"
    _accepts(program, "--test", stdin=_files(monitor, "iptables")[file])


@pytest.mark.parametrize("peers", [PEERS, ("0.0.0.0/0", "::/0")], ids=["some", "everybody"])
def test_suricata_accepts_the_rules_and_has_all_of_them(
    linux_subject: HardeningSubject, tmp_path: Path, peers: tuple[str, ...]
) -> None:
    files = _files(replace(linux_subject, profile=_network(linux_subject.profile, peers=peers)), "suricata")
    rules = tmp_path / "medharden.rules"
    rules.write_bytes(files["medharden.rules"])
    groups = [line for line in files["addresses.yaml"].decode().splitlines() if not line.startswith("#")]
    known = ['HOME_NET: "any"', 'EXTERNAL_NET: "any"', *groups]
    lines = ["%YAML 1.1", "---", "vars:", "  address-groups:", *(f"    {line}" for line in known), "  port-groups:"]
    lines += ['    HTTP_PORTS: "80"', "outputs: []", "app-layer:", "  protocols:"]
    lines += ["    http: {enabled: yes}", "    ftp: {enabled: yes}", ""]
    settings = tmp_path / "suricata.yaml"
    settings.write_text("\n".join(lines))
    text = _accepts("suricata", "-T", "-c", settings, "-S", rules, "-l", tmp_path)
    count = sum(line.startswith("alert ") for line in files["medharden.rules"].decode().splitlines())
    assert f"{count} rules successfully loaded, 0 rules failed" in text


def test_every_rule_of_the_sensor_has_a_number_of_its_own(monitor: HardeningSubject) -> None:
    text = _files(monitor, "suricata")["medharden.rules"].decode()
    numbers = re.findall(r"sid:(\d+);", text)
    assert len(numbers) == len(set(numbers)) > 20
    assert 'content:"|73 74|"; content:"|61 72|"; distance:1; within:2; content:"|74|"; distance:2; within:1;' in text


def test_a_role_without_an_address_lets_nobody_through(monitor: HardeningSubject) -> None:
    rules = _files(monitor, "nftables")["nftables.conf"].decode()
    block = rules.partition("set peer_central_station_v4 {")[2].partition("}\n    }")[0]
    assert "# elements" in block
    assert "\n        elements" not in block
    old = _files(monitor, "iptables")["iptables.rules"].decode()
    assert all(line.startswith("#") for line in old.splitlines() if "ADDRESS" in line)
    assert [str(peer.network) for peer in traffic_of(monitor.profile).peers if peer.network] == [
        "10.1.2.0/24", "10.1.2.7/32", "fd00::1/128",
    ]  # fmt: skip


def test_a_closed_device_gets_rules_without_a_single_opening(linux_subject: HardeningSubject) -> None:
    profile = _network(linux_subject.profile, listen_tcp=(), listen_udp=(), peers=())
    rules = _files(replace(linux_subject, profile=profile), "nftables")["nftables.conf"].decode()
    assert "dport" not in "".join(line for line in rules.splitlines() if "#" not in line)
    assert rules.count("policy drop") == 3


def test_no_rule_is_made_of_what_a_profile_does_not_say(linux_subject: HardeningSubject) -> None:
    silent = _network(linux_subject.profile, listen_tcp=None, listen_udp=None, peers=None)
    cut_off = structs.replace(silent, interfaces=())
    for name in ("nftables", "iptables", "switch-acl", "suricata"):
        assert "says neither" in PARTS[name].applies(replace(linux_subject, profile=silent))
        assert "no network connection" in PARTS[name].applies(replace(linux_subject, profile=cut_off))
    assert "no USB port" in PARTS["usbguard"].applies(replace(linux_subject, profile=cut_off))


def test_the_windows_script_keeps_hostile_names_inside_their_quotes(windows_subject: HardeningSubject) -> None:
    files = _files(replace(windows_subject, profile=_network(windows_subject.profile)), "windows-firewall")
    for line in files["apply.cmd"].decode("ascii").split("\r\n"):
        assert line.count('"') % 2 == 0, line
        outside = re.sub(r'"[^"]*"|%~dp0|%peer_\w+%|\|\| exit /b 1', "", line)
        assert not set("&|<>^%") & set(outside), line
    assert b"blockinbound,blockoutbound" in files["apply.cmd"]
    assert b"import" in files["take-back.cmd"]


def test_the_table_for_the_network_team_has_a_line_for_every_connection(monitor: HardeningSubject) -> None:
    files = _files(monitor, "switch-acl")
    rows = list(csv.DictReader(io.StringIO(files["connections.csv"].decode())))
    assert len(rows) == len(PEERS) * 4 + 1
    assert {row["port of the device"] for row in rows} == {"104", "2575", "161", "any"}
    assert all(re.match(r"[ !a-z-]", line) for line in files["switch-acl.txt"].decode().splitlines() if line)


def test_usbguard_reads_every_rule_back(linux_subject: HardeningSubject, tmp_path: Path) -> None:
    ports = (
        Usb(classes=(UsbClass.MASS_STORAGE,)),
        Usb(vendor_id=0x10C4, product_id=0xEA60, classes=(UsbClass.SERIAL_BRIDGE,)),
        Usb(vendor_id=0x10C4, classes=(UsbClass.CDC_ACM, UsbClass.HID)),
        Usb(),
    )
    subject = replace(linux_subject, profile=_usb(linux_subject.profile, *ports))
    path = tmp_path / "rules.conf"
    path.write_bytes(_files(subject, "usbguard")["rules.conf"])
    read = re.findall(r"OUTPUT: ((?:allow|block).*)", _accepts("usbguard-rule-parser", "-f", path))
    rules = [line for line in path.read_text().splitlines() if not line.startswith("#")]
    assert len(read) == len(rules)
    assert rules[-1] == "block"
    assert "allow with-interface equals { 08:06:50 }" in rules
    assert "allow 10c4:ea60 with-interface one-of { ff:*:* }" in rules
    assert "block 10c4:ea60 with-interface one-of { 03:*:* }" in rules


def test_only_what_the_profile_names_may_be_plugged_in(linux_subject: HardeningSubject) -> None:
    by_stick = allowed_devices(_usb(linux_subject.profile, Usb()))
    assert [allowed.classes for allowed in by_stick] == [(UsbClass.MASS_STORAGE,)]
    update = structs.replace(linux_subject.profile.update, channels=())
    closed = structs.replace(_usb(linux_subject.profile, Usb()), update=update)
    assert allowed_devices(closed) == ()
    rules = _files(replace(linux_subject, profile=closed), "udev")["99-medharden-usb.rules"].decode()
    assert rules.count('ATTR{authorized}="1"') == 1  # hubs
    profile = _usb(linux_subject.profile, Usb(vendor_id=1, product_id=2, classes=(UsbClass.HID,)))
    text = _files(replace(linux_subject, profile=profile), "udev")["99-medharden-usb.rules"].decode()
    wanted = ('ATTR{bInterfaceClass}=="03"', 'ATTRS{idVendor}=="0001"', 'ATTRS{idProduct}=="0002"')
    assert ", ".join((*wanted, 'ATTR{authorized}="1"')) in text


def test_the_windows_policy_is_a_registry_file(windows_subject: HardeningSubject) -> None:
    ports = (Usb(vendor_id=0x10C4, product_id=0xEA60, classes=(UsbClass.SERIAL_BRIDGE,)), Usb(classes=(UsbClass.HID,)))
    subject = replace(windows_subject, profile=_usb(windows_subject.profile, *ports))
    files = _files(subject, "windows-devices")
    text = files["apply.reg"].decode("utf-16")
    assert text.startswith("Windows Registry Editor Version 5.00\r\n")
    assert '"1"="USB\\\\Class_03"' in text
    assert '"2"="USB\\\\VID_10C4&PID_EA60"' in text
    assert '"Start"=dword:00000004' in text
    assert '"Start"=dword:00000003' in files["take-back.reg"].decode("utf-16")
    entry = re.compile(r'"\w+"=(?:dword:[0-9a-f]{8}|"(?:[^"\\]|\\.)*")|\[-?HKEY_LOCAL_MACHINE\\[^\]]+\]|;.*|')
    for line in text.split("\r\n")[1:]:
        assert entry.fullmatch(line), line


def test_peers_in_the_image_become_findings_and_not_rules(monitor: HardeningSubject) -> None:
    findings = list(PARTS["nftables"].findings(monitor))
    assert all(finding.check in ("hard-coded-address", "interface-unknown") for finding in findings)
