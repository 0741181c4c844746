"""Scanner with the Axeda agent for remote service (Access:7)."""

from __future__ import annotations

from firmware_checks.twin import Expected, Twin, expected_at
from firmware_checks.twin_containers.archives import zip_archive
from firmware_checks.twin_containers.windows import program

_SIGN = b"Axeda AgentEmbedded v6.6-502"
_WEAK = {
    "Axeda/AGateway.exe": program(_SIGN),
    "Axeda/AxedaDesktopServer.exe": program(b"AxedaDesktopServer"),
    "Axeda/AxedaDesktop.ini": b"[UltraVNC]\r\nPassword=Desk2srv\r\n",
}
_HARDENED = {
    "Service/Agent.exe": program(b"ThingWorx agent 9.3"),
    "Service/readme.txt": b"The Axeda agent was taken off with release 8.\r\n",
    "Service/Agent.ini": b"[Remote]\r\nEnabled=0\r\nPassword=\r\n",
}

TWIN = Twin(
    name="access7",
    device="Imaging or laboratory device with remote service",
    advisory="ICSA-22-067-01",
    cves=("CVE-2022-25246", "CVE-2022-25247", "CVE-2022-25251"),
    container="ZIP archive of programs",
    image="service-agent.zip",
    mechanism=(
        "The agent for remote service takes commands without a login, and its screen server has a fixed password."
    ),
    for_patient=(
        "Whoever reaches the device reads its files, sees its screen and switches it off during an examination."
    ),
    difference="The agent is gone; remote service is off until the hospital switches it on.",
    weak=lambda: zip_archive(_WEAK),
    hardened=lambda: zip_archive(_HARDENED),
    expected=(
        Expected(
            check="vulnerable-component",
            path="Axeda/AGateway.exe",
            offset=_WEAK["Axeda/AGateway.exe"].index(_SIGN),
            vulnerability="CVE-2022-25247",
        ),
        expected_at("hard-coded-password", "Axeda/AxedaDesktop.ini", _WEAK["Axeda/AxedaDesktop.ini"], b"Password"),
    ),
)
