"""Firewall of a Linux device with a kernel that has nftables."""

from __future__ import annotations

from collections.abc import Iterator

from firmware_checks.controls import Controls
from toolkit.hardening.network.traffic import Traffic, nothing_known, traffic_findings, traffic_of
from toolkit.hardening.part import Group, HardeningPart, PackFile
from toolkit.hardening.subject import HardeningSubject, System
from toolkit.hardening.words import heading
from toolkit.report.printable import printable

__all__ = ["PART"]

CONSUMER = "nft 0.9.3 or newer, kernel 4.10 or newer: /etc/nftables.conf"


def _applies(subject: HardeningSubject) -> str:
    if subject.system is not System.LINUX:
        return "the image is not that of a Linux device"
    return nothing_known(subject)


def _build(subject: HardeningSubject) -> Iterator[PackFile]:
    traffic = traffic_of(subject.profile)
    lines = [f"# {line}" for line in heading(subject, "Firewall: what is not allowed here is dropped")]
    yield PackFile(path="nftables.conf", data="\n".join([*lines, *_rules(traffic), ""]).encode(), consumer=CONSUMER)


def _rules(traffic: Traffic) -> Iterator[str]:
    yield "table inet medharden"  # so that the next line also works the first time
    yield "delete table inet medharden"
    yield "table inet medharden {"
    for name, version in (("peers", 4), ("peers", 6)):
        yield from _set(
            f"{name}_v{version}", version, [str(n) for n in traffic.networks(version)], "addresses of the profile"
        )
    for role in traffic.roles:
        for version in (4, 6):
            yield from _set(f"{role.set_name}_v{version}", version, [], printable(role.name))
    yield from _chain("input", traffic)
    yield "    chain forward {"
    yield "        type filter hook forward priority 0; policy drop;"
    yield "    }"
    yield from _chain("output", traffic)
    yield "}"


def _set(name: str, version: int, elements: list[str], meaning: str) -> Iterator[str]:
    yield f"    # {meaning}" + ("" if elements else ": nobody gets through until an address is filled in here")
    yield f"    set {name} {{"
    yield f"        type ipv{version}_addr; flags interval;"
    example = "10.0.0.5, 10.0.1.0/24" if version == 4 else "fd00::5"
    listed = ", ".join(elements) or example
    yield f"        {'' if elements else '# '}elements = {{ {listed} }}"
    yield "    }"


def _chain(direction: str, traffic: Traffic) -> Iterator[str]:
    is_input = direction == "input"
    side, device = ("saddr", "iif") if is_input else ("daddr", "oif")
    yield f"    chain {direction} {{"
    yield f"        type filter hook {direction} priority 0; policy drop;"
    yield f"        {device} lo accept"
    yield "        ct state established,related accept"
    yield "        ct state invalid drop"
    yield "        icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert, nd-router-advert, nd-router-solicit } accept"
    if is_input:
        yield "        icmp type echo-request limit rate 5/second accept"
        yield "        icmpv6 type echo-request limit rate 5/second accept"
    yield "        # remove the # in the next line if the device gets its address by DHCP"
    yield f"        # udp sport {67 if is_input else 68} udp dport {68 if is_input else 67} accept"
    sets = ["peers", *(role.set_name for role in traffic.roles)]
    for name in sets:
        for version, family in ((4, "ip"), (6, "ip6")):
            if not is_input:
                yield f"        {family} {side} @{name}_v{version} accept"
                continue
            for service in traffic.services:
                words = f"{family} {side} @{name}_v{version} {service.transport} dport {service.port} accept"
                yield f"        {words}  # {service.purpose}"
    yield f'        limit rate 10/minute log prefix "medharden {direction} refused: "'
    yield "        counter drop"
    yield "    }"


PART = HardeningPart(
    name="nftables",
    title="Firewall on the device (nftables)",
    group=Group.FIREWALL,
    what=(
        "Lets in what the profile says the device listens for, lets it talk to the peers of the profile, and drops and "
        "notes everything else. It does not look into what is allowed."
    ),
    source="nft(8), nftables 0.9.3 to 1.0.6",
    applies=_applies,
    build=_build,
    findings=traffic_findings,
    apply=(
        "Fill in the addresses of the sets that are empty: they are named in the comments.",
        "Ask the maker whether the device may be changed; where not, use the part for the switch instead.",
        "Copy nftables.conf to /etc/nftables.conf of the device and load it with: nft -f /etc/nftables.conf.",
        "Let the start-up of the device load it before the network is brought up.",
    ),
    bench_test=(
        "Check the file on any Linux computer, as root, with: nft -c -f nftables.conf.",
        "Load it on a bench device, and keep a serial console at hand.",
        "See that every peer still gets its data and alarms for an hour.",
        "Connect from an address that is not in the sets: nothing may answer, and the refusal stands in the log.",
    ),
    take_back=("Run on the device: nft delete table inet medharden.", "Restore the former /etc/nftables.conf."),
    controls=Controls(
        fda=("B",), iec_62443=("CR 5.1", "CR 7.7"), iec_81001=("5.3",), cra=("I.2j",), mds2=("SAHD", "CONN"),
        cwe=("1125",),
    ),
)  # fmt: skip
