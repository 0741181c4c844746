"""Battery pack with a web page that runs what it is sent."""

from __future__ import annotations

from firmware_checks.twin import Twin, expected_at
from firmware_checks.twin_containers.file_systems import squashfs

_WEAK = {
    "www/cgi-bin/network.cgi": (
        b'#!/bin/sh\necho "Content-type: text/html"\necho\neval "$QUERY_STRING"\nifconfig wlan0 "$ip"\n'
    )
}
_HARDENED = {
    "www/cgi-bin/network.cgi": (
        b'#!/bin/sh\n# never: eval "$QUERY_STRING"\necho "Content-type: text/html"\necho\n'
        b'case "$QUERY_STRING" in ip=dhcp) udhcpc -i wlan0 ;; *) echo "unknown request" ;; esac\n'
    ),
    "usr/bin/calibrate": b'#!/bin/sh\neval "set -- $CALIBRATION_STEPS"\n',
}

TWIN = Twin(
    name="bbraun-battery-2023",
    device="Battery pack with Wi-Fi for infusion pumps",
    advisory="ICSMA-23-103-01",
    cves=("CVE-2023-0888",),
    container="Squashfs root file system",
    image="battery-wifi.squashfs",
    mechanism="The web page hands what a browser sends to the shell.",
    for_patient="Through the battery an attacker gets a foothold beside every pump and into its network.",
    difference="What is sent is compared with the few values that are allowed, and never run.",
    weak=lambda: squashfs(_WEAK),
    hardened=lambda: squashfs(_HARDENED),
    expected=(
        expected_at("request-runs-commands", "www/cgi-bin/network.cgi", _WEAK["www/cgi-bin/network.cgi"], b"eval"),
    ),
)
