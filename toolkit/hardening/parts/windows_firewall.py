"""Firewall of a Windows device: a script for Windows Defender Firewall with Advanced Security."""

from __future__ import annotations

from collections.abc import Iterator

from firmware_checks.controls import Controls
from toolkit.hardening.network.traffic import Peer, Service, Traffic, nothing_known, traffic_findings, traffic_of
from toolkit.hardening.part import Group, HardeningPart, PackFile
from toolkit.hardening.subject import HardeningSubject, System
from toolkit.hardening.words import heading

__all__ = ["PART"]

BACKUP = "%~dp0firewall-before.wfw"
GROUP = "medharden"
_PLAIN = str.maketrans(dict.fromkeys('%"&|<>^!', "_"))
"""What the command interpreter would not leave alone inside a comment or a name."""


def _applies(subject: HardeningSubject) -> str:
    if subject.system is not System.WINDOWS:
        return "the image is not that of a Windows device"
    return nothing_known(subject)


def _build(subject: HardeningSubject) -> Iterator[PackFile]:
    traffic = traffic_of(subject.profile)
    for name, title, commands in (
        ("apply.cmd", "Firewall: what is not allowed here is blocked", _apply(traffic)),
        ("take-back.cmd", "Restores the firewall as it was before apply.cmd", _take_back()),
    ):
        lines = ["@echo off", *(f"rem {_plain(line)}" for line in heading(subject, title)), *commands]
        data = "".join(f"{line}\r\n" for line in lines).encode("ascii", "replace")
        yield PackFile(path=name, data=data, consumer="netsh advfirewall, Windows Vista or newer, as administrator")


def _apply(traffic: Traffic) -> Iterator[str]:
    yield f'if not exist "{BACKUP}" netsh advfirewall export "{BACKUP}" || exit /b 1'
    for role in traffic.roles:
        yield f"rem Write the address of {_plain(role.name)} behind the = :"
        yield f"set {role.set_name}="
    yield from _rules(traffic)
    yield "netsh advfirewall set allprofiles firewallpolicy blockinbound,blockoutbound || exit /b 1"
    yield "netsh advfirewall set allprofiles logging droppedconnections enable"
    yield "netsh advfirewall set allprofiles state on || exit /b 1"


def _rules(traffic: Traffic) -> Iterator[str]:
    for peer in traffic.peers:
        address = f"%{peer.set_name}%" if peer.network is None else str(peer.network)
        condition = f"if defined {peer.set_name} " if peer.network is None else ""
        for service in traffic.services:
            yield condition + _rule(_name(peer, service), "in", service, address)
        yield condition + _rule(_name(peer, None), "out", None, address)


def _rule(name: str, direction: str, service: Service | None, address: str) -> str:
    what = f"protocol={service.transport.upper()} localport={service.port}" if service else "protocol=any"
    return (
        f'netsh advfirewall firewall add rule name="{name}" dir={direction} action=allow {what} remoteip={address}'
        " || exit /b 1"
    )


def _name(peer: Peer, service: Service | None) -> str:
    what = f"{service.transport} {service.port} from" if service else "to"
    return f"{GROUP} {what} {_plain(peer.name)}"


def _take_back() -> Iterator[str]:
    yield f'if not exist "{BACKUP}" echo firewall-before.wfw is not beside this script & exit /b 1'
    yield f'netsh advfirewall import "{BACKUP}" || exit /b 1'


def _plain(text: str) -> str:
    """Return ``text`` in ASCII without characters that mean something to the command interpreter."""
    return "".join(c if " " <= c <= "~" else "_" for c in text).translate(_PLAIN)


PART = HardeningPart(
    name="windows-firewall",
    title="Firewall on the device (Windows)",
    group=Group.FIREWALL,
    what=(
        "Turns the firewall of Windows on, lets in what the profile says the device listens for, lets it talk to the "
        "peers of the profile, and blocks everything else. Windows XP and 2000 do not have this firewall: use the part "
        "for the switch."
    ),
    source="Microsoft, Netsh AdvFirewall commands",
    applies=_applies,
    build=_build,
    findings=traffic_findings,
    apply=(
        "Write the addresses of the peers behind the = signs at the start of apply.cmd.",
        "Ask the maker whether the device may be changed; where not, use the part for the switch instead.",
        "Run apply.cmd on the device as administrator; it keeps the former settings in firewall-before.wfw.",
    ),
    bench_test=(
        "Run apply.cmd on a bench device of the same software version.",
        "See that every peer still gets its data and alarms for an hour.",
        "Connect from another address: nothing may answer, and the refusal stands in pfirewall.log of Windows.",
    ),
    take_back=("Run take-back.cmd on the device as administrator.",),
    controls=Controls(
        fda=("B",), iec_62443=("CR 5.1", "CR 7.7"), iec_81001=("5.3",), cra=("I.2j",), mds2=("SAHD", "CONN"),
        cwe=("1125",),
    ),
)  # fmt: skip
