"""Rules for a network sensor: what should never be seen to or from the device, and abuses of its protocols."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from device_profiles.schema import Interface
from device_profiles.vocabulary import InterfaceType
from firmware_checks.controls import Controls
from toolkit.hardening.network.traffic import NETWORKS, Traffic, nothing_known, traffic_of
from toolkit.hardening.part import Group, HardeningPart, PackFile
from toolkit.hardening.subject import HardeningSubject
from toolkit.hardening.words import heading

__all__ = ["PART"]

DEVICE, PEERS = "$MEDHARDEN_DEVICES", "$MEDHARDEN_PEERS"
OPEN_SERVICES = (
    ("tcp", 21, "ftp"), ("tcp", 23, "telnet"), ("udp", 69, "tftp"), ("tcp", 111, "nfs portmapper"), ("tcp", 445, "smb"),
    ("tcp", 512, "rexec"), ("tcp", 514, "rsh"), ("tcp", 2049, "nfs"), ("tcp", 3389, "remote desktop"),
    ("tcp", 5555, "adb"), ("tcp", 5900, "vnc"), ("udp", 161, "snmp"),
)  # fmt: skip
FIRST_ID, IDS = 1_000_000, 900_000
"""Numbers for rules of one's own, as the manual has them; a rule keeps its number as long as it says the same."""


@dataclass(frozen=True, slots=True)
class _Rule:
    """One rule: who talks to whom, and what about it is wrong."""

    action: str
    transport: str
    source: str
    source_port: str
    target: str
    target_port: str
    message: str
    options: str = ""

    @property
    def where(self) -> str:
        """Who talks to whom."""
        return f"{self.transport} {self.source} {self.source_port} -> {self.target} {self.target_port}"

    def text(self, number: int) -> str:
        """Return the line of the rule file."""
        message = _quoted(f"medharden: {self.message}")
        options = f" {self.options}" if self.options else ""
        return f'{self.action} {self.where} (msg:"{message}";{options} sid:{number}; rev:1;)'


def _numbered(rules: Iterable[_Rule], profile: str) -> Iterator[str]:
    taken: set[int] = set()
    for rule in dict.fromkeys(rules):
        number = zlib.crc32(f"{profile}|{rule.where}|{rule.message}".encode()) % IDS
        while number in taken:
            number = (number + 1) % IDS
        taken.add(number)
        yield rule.text(FIRST_ID + number)


def _build(subject: HardeningSubject) -> Iterator[PackFile]:
    traffic = traffic_of(subject.profile)
    lines = [f"# {line}" for line in heading(subject, "Alerts for a network sensor in front of the device")]
    wanted = (*_strangers(traffic), *_services(traffic), *_protocols(subject))
    if traffic.is_open:  # there are no strangers then, and an address range that is empty is refused
        wanted = tuple(rule for rule in wanted if f"!{PEERS}" not in rule.where)
    rules = _numbered(wanted, subject.profile.id)
    yield PackFile(
        path="medharden.rules",
        data="\n".join([*lines, *rules, ""]).encode("ascii", "replace"),
        consumer="Suricata 6 or newer: /etc/suricata/rules/medharden.rules",
    )
    yield PackFile(
        path="addresses.yaml",
        data="\n".join([*lines, *_addresses(traffic), ""]).encode("ascii", "replace"),
        consumer="Suricata 6 or newer: below vars, address-groups of suricata.yaml",
    )


def _addresses(traffic: Traffic) -> Iterator[str]:
    known = [str(network) for version in (4, 6) for network in traffic.networks(version)]
    yield "# Replace 192.0.2.1 by the addresses of the devices; add the addresses of peers that only you know:"
    for role in traffic.roles:
        yield f"#   {_plain(role.name)}"
    yield 'MEDHARDEN_DEVICES: "[192.0.2.1]"'
    yield f'MEDHARDEN_PEERS: "[{",".join(known) or "192.0.2.2"}]"'


def _strangers(traffic: Traffic) -> Iterator[_Rule]:
    yield _Rule("alert", "tcp", f"!{PEERS}", "any", DEVICE, "any", "somebody who is no peer connects", "flags:S,12;")
    yield _Rule("alert", "udp", f"!{PEERS}", "any", DEVICE, "any", "somebody who is no peer sends", _seldom("by_src"))
    yield _Rule("alert", "tcp", DEVICE, "any", f"!{PEERS}", "any", "device connects to no peer", "flags:S,12;")
    yield _Rule("alert", "udp", DEVICE, "any", f"!{PEERS}", "any", "device sends to no peer", _seldom("by_src"))
    ports = sorted(service.port for service in traffic.services if service.transport == "tcp")
    closed = f"![{','.join(map(str, ports))}]" if ports else "any"
    yield _Rule("alert", "tcp", "any", "any", DEVICE, closed, "port the device should not offer", "flags:S,12;")


def _services(traffic: Traffic) -> Iterator[_Rule]:
    """Yield rules for services that open a device to everybody, where the profile does not name them."""
    known = {(service.transport, service.port) for service in traffic.services}
    for transport, port, name in OPEN_SERVICES:
        if (transport, port) not in known:
            flow = "flow:established,from_server;" if transport == "tcp" else _seldom("by_src")
            yield _Rule("alert", transport, DEVICE, str(port), "any", "any", f"device answers as {name} server", flow)
    for protocol, options in (
        ("http", 'http.method; content:"GET"; http.uri; pcre:"/\\.(?:bin|img|swu|tar|tgz|zip|ipk|hex|cab|raucb)$/i";'),
        ("ftp", 'content:"RETR "; nocase;'),
    ):
        yield _Rule("alert", protocol, DEVICE, "any", "any", "any", f"device fetches software over {protocol}", options)


def _protocols(subject: HardeningSubject) -> Iterator[_Rule]:
    """Yield rules for what the profile says must never be sent, and for the medical protocols on the network."""
    interfaces = {i.id: i for i in subject.profile.interfaces}
    for never in subject.profile.hil.never_send:
        interface = interfaces.get(never.interface or "")
        if never.pattern is not None and _may_be_networked(interface):
            content = _content(never.pattern)
            message = f"message that must never be sent: {_plain(never.command)}"
            yield _Rule("alert", "tcp", "any", "any", DEVICE, "any", message, f"flow:established,to_server; {content}")
    spoken = {i.protocol for i in subject.profile.interfaces if i.type in NETWORKS and i.protocol}
    if "hl7v2-mllp" in spoken:
        segment = 'content:"|0d|PID|7c|"; distance:0;'
        yield _Rule(
            "alert", "tcp", DEVICE, "any", f"!{PEERS}", "any", "HL7 message with a patient leaves to no peer",
            f'flow:established; content:"MSH|7c|"; {segment}',
        )  # fmt: skip
    if "dicom" in spoken:
        yield _Rule(
            "alert", "tcp", f"!{PEERS}", "any", DEVICE, "any", "DICOM association from no peer",
            'flow:established,to_server; content:"|01 00|"; depth:2; content:"|00 01|"; offset:6; depth:2;',
        )  # fmt: skip


def _may_be_networked(interface: Interface | None) -> bool:
    """Tell whether messages of an interface can pass a network: serial lines do so through terminal servers."""
    serial = (InterfaceType.RS232, InterfaceType.RS485, InterfaceType.UART)
    return interface is None or interface.type in (*NETWORKS, *serial)


def _content(pattern: str) -> str:
    """Return the contents of a pattern of bytes; ``..``, any byte, ends one and the next stands behind the gap."""
    options: list[str] = []
    run: list[str] = []
    gap = 0
    for byte in [*pattern.split(), None]:
        if byte is not None and byte != "..":
            run.append(byte)
            continue
        if run:
            place = f" distance:{gap}; within:{len(run)};" if options else ""
            options.append(f'content:"|{" ".join(run)}|";{place}')
            run, gap = [], 0
        gap += 1
    return " ".join(options)


def _seldom(track: str) -> str:
    return f"threshold:type limit, track {track}, count 1, seconds 600;"


def _plain(text: str) -> str:
    return "".join(c if " " <= c <= "~" else "_" for c in text)


def _quoted(text: str) -> str:
    return _plain(text).replace("\\", "\\\\").replace('"', '\\"').replace(";", "\\;")


PART = HardeningPart(
    name="suricata",
    title="Alerts for a network sensor",
    group=Group.FIREWALL,
    what=(
        "Rules for a sensor that sees the traffic of the device: strangers, ports it should not offer, software "
        "fetched without protection, and messages the profile says must never be sent. They give alerts and stop "
        "nothing."
    ),
    source="Suricata user guide, chapters on rules",
    applies=nothing_known,
    build=_build,
    apply=(
        "Write the addresses of your devices and peers into addresses.yaml and copy its lines into suricata.yaml.",
        "Copy medharden.rules into the folder of rules and name it below rule-files.",
    ),
    bench_test=(
        "Check both with: suricata -T -c suricata.yaml -S medharden.rules.",
        "Let the sensor watch a bench device for a day of normal use: every alert is a peer or port to be looked at.",
        "Connect to the device with telnet from another address: an alert must come.",
    ),
    take_back=("Remove medharden.rules from the list of rule files and reload Suricata.",),
    controls=Controls(
        fda=("F",), iec_62443=("CR 6.2",), iec_81001=("6.2",), cra=("I.2l",), mds2=("AUDT", "CONN"), cwe=("778",)
    ),
)  # fmt: skip
