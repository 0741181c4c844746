"""The network traffic that a profile allows: ports the device listens on, and the peers it may talk to.

A peer is an address or network, which becomes a rule, or a role such as "picture archive", whose address only the
hospital knows: a set with no address in it stays in its place, so that nothing gets through until somebody fills it in.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network

from device_profiles.schema import DeviceProfile, Interface
from device_profiles.vocabulary import InterfaceType
from firmware_checks.checks import hard_coded_address, interface_unknown
from toolkit.core.findings import Finding
from toolkit.hardening.subject import HardeningSubject
from toolkit.report.printable import printable

__all__ = ["Peer", "Service", "Traffic", "nothing_known", "traffic_findings", "traffic_of"]

NETWORKS = (InterfaceType.ETHERNET, InterfaceType.WIFI, InterfaceType.CELLULAR, InterfaceType.MODEM)
LONGEST_SET_NAME = 28
"""nftables takes names of 31 characters in old versions; ``_v4`` is put behind."""


@dataclass(frozen=True, slots=True, order=True)
class Service:
    """A port the device listens on."""

    transport: str
    """``tcp`` or ``udp``."""
    port: int
    purpose: str
    """What it is for, in words of the profile."""


@dataclass(frozen=True, slots=True)
class Peer:
    """Somebody the device may talk to."""

    name: str
    """As the profile calls it."""
    network: IPv4Network | IPv6Network | None
    """None for a role whose address the profile does not say."""

    @property
    def set_name(self) -> str:
        """Name for rules: small letters, digits and low lines."""
        words = re.sub(r"[^a-z0-9]+", "_", self.name.lower()).strip("_")
        return f"peer_{words}"[:LONGEST_SET_NAME].rstrip("_")


@dataclass(frozen=True, slots=True)
class Traffic:
    """All traffic of a device."""

    services: tuple[Service, ...]
    peers: tuple[Peer, ...]

    @property
    def roles(self) -> tuple[Peer, ...]:
        """Peers whose address has to be filled in."""
        return tuple(peer for peer in self.peers if peer.network is None)

    @property
    def is_open(self) -> bool:
        """Whether everybody is a peer."""
        return any(peer.network is not None and peer.network.prefixlen == 0 for peer in self.peers)

    def networks(self, version: int) -> tuple[IPv4Network | IPv6Network, ...]:
        """Return the addresses that are known, of one version of IP, each once."""
        known = [peer.network for peer in self.peers]
        if version == 4:
            return tuple(ipaddress.collapse_addresses(n for n in known if isinstance(n, IPv4Network)))
        return tuple(ipaddress.collapse_addresses(n for n in known if isinstance(n, IPv6Network)))


def traffic_of(profile: DeviceProfile) -> Traffic:
    """Return what the network interfaces of ``profile`` allow; no service and no peer where it says nothing."""
    services: dict[tuple[str, int], Service] = {}
    peers: dict[str, Peer] = {}
    for interface in _networks(profile):
        sockets = interface.sockets
        for transport, ports in (("tcp", sockets.listen_tcp), ("udp", sockets.listen_udp)):
            for port in ports or ():
                services.setdefault((transport, port), Service(transport, port, _purpose(interface)))
        for name in sockets.peers or ():
            peers.setdefault(name, _peer(name))
    return Traffic(tuple(sorted(services.values())), tuple(_with_own_set_names(peers.values())))


def nothing_known(subject: HardeningSubject) -> str:
    """Return why no rule for the network can be made from the profile; empty when one can."""
    networks = _networks(subject.profile)
    if not networks:
        return "the profile knows no network connection"
    known = (
        ports is not None for i in networks for ports in (i.sockets.listen_tcp, i.sockets.listen_udp, i.sockets.peers)
    )
    if not any(known):
        return "the profile says neither on which ports the device listens nor with whom it talks"
    return ""


def traffic_findings(subject: HardeningSubject) -> Iterator[Finding]:
    """Tell of peers and services in the image that the profile does not allow: a person looks at them first."""
    inventory = subject.examine()
    for module in (hard_coded_address, interface_unknown):
        yield from module.CHECK.run(module.CHECK, inventory, subject.profile)


def _networks(profile: DeviceProfile) -> list[Interface]:
    return [interface for interface in profile.interfaces if interface.type in NETWORKS]


def _purpose(interface: Interface) -> str:
    words = [interface.protocol or "", *(purpose.value.replace("_", " ") for purpose in interface.purposes or ())]
    return printable(", ".join(filter(None, words)) or interface.id)


def _peer(name: str) -> Peer:
    try:
        return Peer(name, ipaddress.ip_network(name.strip(), strict=False))
    except ValueError:
        return Peer(name, None)


def _with_own_set_names(peers: Iterable[Peer]) -> Iterator[Peer]:
    """Leave out a role whose name in rules is taken already: it is filled in together with the other one."""
    taken: set[str] = set()
    for peer in peers:
        if peer.network is not None or peer.set_name not in taken:
            taken.add(peer.set_name)
            yield peer
