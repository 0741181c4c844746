"""Home transmitter of implants that does not make sure whom it talks to."""

from __future__ import annotations

from firmware_checks.twin import Twin, expected_at
from firmware_checks.twin_containers.file_systems import jffs2

_WEAK = {
    "usr/bin/connect.sh": (
        b"#!/bin/sh\nwget --no-check-certificate https://relay.implant-maker.com/commands -O /tmp/commands\n"
        b"curl -k -T /tmp/readings https://relay.implant-maker.com/readings\n"
    ),
}
_HARDENED = {
    "usr/bin/connect.sh": (
        b"#!/bin/sh\n# never: wget --no-check-certificate\n"
        b"wget --ca-certificate=/etc/keys/ca.pem https://relay.implant-maker.com/commands -O /tmp/commands\n"
        b"curl --cacert /etc/keys/ca.pem -T /tmp/readings https://relay.implant-maker.com/readings\n"
    ),
}

TWIN = Twin(
    name="merlin-home",
    device="Home transmitter of pacemakers",
    advisory="ICSMA-17-009-01A",
    cves=("CVE-2017-5149",),
    container="JFFS2 in flash memory",
    image="transmitter-flash.jffs2",
    mechanism="The transmitter encrypts, but does not ask whether the other side is the maker's server.",
    for_patient="Whoever is on the way poses as the server and can send commands toward the implant.",
    difference="The certificate of the server is verified with an authority that the maker gave along.",
    weak=lambda: jffs2(_WEAK),
    hardened=lambda: jffs2(_HARDENED),
    expected=(
        expected_at("server-not-verified", "usr/bin/connect.sh", _WEAK["usr/bin/connect.sh"], b"wget"),
        expected_at("server-not-verified", "usr/bin/connect.sh", _WEAK["usr/bin/connect.sh"], b"curl"),
    ),
)
