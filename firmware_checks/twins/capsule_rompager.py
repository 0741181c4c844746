"""Bedside gateway with a web server whose hole was known for four years (Misfortune Cookie)."""

from __future__ import annotations

from firmware_checks.twin import Expected, Twin
from firmware_checks.twin_containers.programs import microcontroller_program

_OLD, _NEW = b"Allegro-Software-RomPager/4.07", b"Allegro-Software-RomPager/5.40b1"
_WEAK = microcontroller_program(b"Server: " + _OLD + b"\r\n")
_HARDENED = microcontroller_program(b"Server: " + _NEW + b"\r\n", b"RomPager 4.07 is history")

TWIN = Twin(
    name="capsule-rompager",
    device="Gateway between bedside devices and the record",
    advisory="ICSMA-18-240-01",
    cves=("CVE-2014-9222",),
    container="Program of a microcontroller",
    image="terminal-server.bin",
    mechanism="A prepared cookie writes into the memory of the web server, so anybody becomes its administrator.",
    for_patient="Values on their way from the bed to the record can be changed.",
    difference="A release of the web server in which this is corrected.",
    weak=lambda: _WEAK,
    hardened=lambda: _HARDENED,
    expected=(
        Expected(check="vulnerable-component", path="", offset=_WEAK.index(_OLD), vulnerability="CVE-2014-9222"),
    ),
)
