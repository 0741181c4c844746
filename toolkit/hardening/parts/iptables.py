"""Firewall of a Linux device whose kernel is too old for nftables."""

from __future__ import annotations

from collections.abc import Iterator

from firmware_checks.controls import Controls
from toolkit.hardening.network.traffic import Traffic, nothing_known, traffic_findings, traffic_of
from toolkit.hardening.part import Group, HardeningPart, PackFile
from toolkit.hardening.subject import HardeningSubject, System
from toolkit.hardening.words import heading
from toolkit.report.printable import printable

__all__ = ["PART"]


def _applies(subject: HardeningSubject) -> str:
    if subject.system is not System.LINUX:
        return "the image is not that of a Linux device"
    return nothing_known(subject)


def _build(subject: HardeningSubject) -> Iterator[PackFile]:
    traffic = traffic_of(subject.profile)
    for version, program, file in (
        (4, "iptables-restore", "iptables.rules"),
        (6, "ip6tables-restore", "ip6tables.rules"),
    ):
        title = f"Firewall for IP version {version}: what is not allowed here is dropped"
        lines = [f"# {line}" for line in heading(subject, title)]
        text = "\n".join([*lines, *_rules(traffic, version), ""])
        yield PackFile(
            path=file, data=text.encode(), consumer=f"{program} 1.4 or newer, kernel 2.6.20 or newer: /etc/{file}"
        )


def _rules(traffic: Traffic, version: int) -> Iterator[str]:
    yield "*filter"
    yield from (":INPUT DROP [0:0]", ":FORWARD DROP [0:0]", ":OUTPUT DROP [0:0]")
    for chain, loop in (("INPUT", "-i"), ("OUTPUT", "-o")):
        yield f"-A {chain} {loop} lo -j ACCEPT"
        yield f"-A {chain} -m state --state ESTABLISHED,RELATED -j ACCEPT"
        yield from _control_messages(chain, version)
    networks = [str(network) for network in traffic.networks(version)]
    for role in traffic.roles:
        yield f"# {printable(role.name)}: nobody gets through until its address replaces ADDRESS and the # is removed"
        yield from (f"# {line}" for line in _peer(traffic, "ADDRESS"))
    for network in networks:
        yield from _peer(traffic, network)
    for chain in ("INPUT", "OUTPUT"):
        yield f'-A {chain} -m limit --limit 10/minute -j LOG --log-prefix "medharden refused: "'
    yield "COMMIT"


def _control_messages(chain: str, version: int) -> Iterator[str]:
    is_input = chain == "INPUT"
    if version == 4:
        if is_input:
            yield "-A INPUT -p icmp --icmp-type echo-request -m limit --limit 5/second -j ACCEPT"
        source, target = (67, 68) if is_input else (68, 67)
        yield "# remove the # if the device gets its address by DHCP:"
        yield f"# -A {chain} -p udp --sport {source} --dport {target} -j ACCEPT"
        return
    for number in (133, 134, 135, 136):  # without neighbour discovery there is no IPv6
        yield f"-A {chain} -p ipv6-icmp --icmpv6-type {number} -j ACCEPT"


def _peer(traffic: Traffic, network: str) -> Iterator[str]:
    for service in traffic.services:
        yield f"-A INPUT -s {network} -p {service.transport} --dport {service.port} -j ACCEPT"
    yield f"-A OUTPUT -d {network} -j ACCEPT"


PART = HardeningPart(
    name="iptables",
    title="Firewall on the device (iptables, for old kernels)",
    group=Group.FIREWALL,
    what=(
        "The same rules as the part nftables, for devices whose kernel is older than 4.10: it lets in what the profile "
        "says, lets the device talk to its peers, and drops and notes everything else."
    ),
    source="iptables-restore(8), iptables 1.4 to 1.8",
    applies=_applies,
    build=_build,
    findings=traffic_findings,
    apply=(
        "Write the addresses of the peers in place of ADDRESS and remove the # in front of these lines.",
        "Ask the maker whether the device may be changed; where not, use the part for the switch instead.",
        "Copy both files to /etc of the device.",
        "Load them with: iptables-restore < /etc/iptables.rules; ip6tables-restore < /etc/ip6tables.rules.",
        "Let the start-up of the device load them before the network is brought up.",
    ),
    bench_test=(
        "Check them on any Linux computer, as root, with: iptables-restore --test iptables.rules.",
        "Load them on a bench device, and keep a serial console at hand.",
        "See that every peer still gets its data and alarms for an hour.",
        "Connect from another address: nothing may answer, and the refusal stands in the log.",
    ),
    take_back=(
        "Run on the device: iptables -P INPUT ACCEPT, iptables -P OUTPUT ACCEPT and iptables -F.",
        "Do the same with ip6tables, and remove the files from its start-up.",
    ),
    controls=Controls(
        fda=("B",), iec_62443=("CR 5.1", "CR 7.7"), iec_81001=("5.3",), cra=("I.2j",), mds2=("SAHD", "CONN"),
        cwe=("1125",),
    ),
)  # fmt: skip
