"""Rules around the device, for the people who run the network: where the device itself may not be changed."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from ipaddress import IPv4Network

from firmware_checks.controls import Controls
from toolkit.hardening.network.traffic import Peer, Traffic, nothing_known, traffic_findings, traffic_of
from toolkit.hardening.part import Group, HardeningPart, PackFile
from toolkit.hardening.subject import HardeningSubject
from toolkit.hardening.words import heading
from toolkit.report.printable import printable

__all__ = ["PART"]

LONGEST_REMARK = 100
"""Characters; what Cisco IOS takes behind ``remark``."""
COLUMNS = ("direction", "transport", "port of the device", "peer", "address of the peer", "purpose")
_FORMULA = ("=", "+", "-", "@")


def _build(subject: HardeningSubject) -> Iterator[PackFile]:
    traffic = traffic_of(subject.profile)
    name = re.sub(r"[^A-Z0-9]+", "-", subject.profile.id.upper())
    lines = [*(f"! {line}" for line in heading(subject, "Access lists and VLAN for the switch port of the device"))]
    yield PackFile(
        path="switch-acl.txt",
        data="\n".join([*lines, *_access_lists(name, traffic), *_vlan(name), "end", ""]).encode("ascii", "replace"),
        consumer="Cisco IOS 12.2 or newer and switches with the same language, by the network team",
    )
    yield PackFile(
        path="connections.csv",
        data=_table(traffic).encode("utf-8"),
        consumer="any firewall, by the network team: CSV, UTF-8",
    )


def _access_lists(name: str, traffic: Traffic) -> Iterator[str]:
    yield "! DEVICE stands for the address of the device, PEER_... for addresses only you know: replace them all"
    yield f"ip access-list extended {name}-TO-DEVICE"
    for peer in _peers(traffic):
        yield f" remark {_remark(peer.name)}"
        for service in traffic.services:
            yield f" permit {service.transport} {_address(peer)} host DEVICE eq {service.port}"
        yield f" permit tcp {_address(peer)} host DEVICE established"
    yield " permit icmp any host DEVICE echo"
    yield " deny ip any any log"
    yield f"ip access-list extended {name}-FROM-DEVICE"
    for peer in _peers(traffic):
        yield f" remark {_remark(peer.name)}"
        yield f" permit ip host DEVICE {_address(peer)}"
    yield " permit icmp host DEVICE any echo-reply"
    yield " deny ip any any log"


def _vlan(name: str) -> Iterator[str]:
    yield "! VLAN of its own: NUMBER is a VLAN that no other kind of device uses"
    yield "vlan NUMBER"
    yield f" name {name[:32]}"
    yield "interface PORT"
    yield " switchport mode access"
    yield " switchport access vlan NUMBER"
    yield " switchport port-security"
    yield " switchport port-security maximum 1"
    yield " spanning-tree bpduguard enable"
    yield "interface Vlan NUMBER"
    yield f" ip access-group {name}-FROM-DEVICE in"
    yield f" ip access-group {name}-TO-DEVICE out"


def _peers(traffic: Traffic) -> list[Peer]:
    return [peer for peer in traffic.peers if peer.network is None or isinstance(peer.network, IPv4Network)]


def _address(peer: Peer) -> str:
    if not isinstance(peer.network, IPv4Network):
        return f"host {peer.set_name.upper()}"
    if peer.network.prefixlen == 32:
        return f"host {peer.network.network_address}"
    return f"{peer.network.network_address} {peer.network.hostmask}"


def _remark(text: str) -> str:
    return "".join(c if " " <= c <= "~" and c != "?" else "_" for c in text)[:LONGEST_REMARK]


def _table(traffic: Traffic) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    for peer in traffic.peers:
        name, address = _cell(printable(peer.name)), str(peer.network or "to be filled in")
        for service in traffic.services:
            writer.writerow(("to the device", service.transport, service.port, name, address, _cell(service.purpose)))
        writer.writerow(("from the device", "any", "any", name, address, ""))
    writer.writerow(("both", "any", "any", "everybody else", "any", "refuse and note"))
    return out.getvalue()


def _cell(text: str) -> str:
    return f"'{text}" if text.startswith(_FORMULA) else text


PART = HardeningPart(
    name="switch-acl",
    title="Rules around the device (switch and VLAN)",
    group=Group.FIREWALL,
    what=(
        "What the network team needs to let only the traffic of the profile reach and leave the device, on the switch, "
        "without any change to the device. It covers IP version 4; the table names version 6 as well."
    ),
    source="Cisco IOS, extended named access lists; RFC 4180 (CSV)",
    applies=nothing_known,
    build=_build,
    findings=traffic_findings,
    apply=(
        "Give both files to the network team, with the addresses of the device and of its peers.",
        "Let them replace DEVICE, PORT, NUMBER and the names that start with PEER.",
    ),
    bench_test=(
        "Connect a bench device to a port that is set up so.",
        "See that every peer still gets its data and alarms for an hour, and read what the access lists note.",
    ),
    take_back=("Let the network team remove both access lists from the interface of the VLAN.",),
    controls=Controls(
        fda=("B",), iec_62443=("CR 5.1",), iec_81001=("5.3",), cra=("I.2j",), mds2=("SAHD", "CONN"), cwe=("1125",)
    ),
)  # fmt: skip
