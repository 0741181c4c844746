"""Workstation of infusion pumps that unpacks an update wherever the update says."""

from __future__ import annotations

from firmware_checks.formats.cab import MSZIP, build_cabinet
from firmware_checks.twin import Expected, Twin
from firmware_checks.twin_containers.windows import program

_WEAK = {
    "update.exe": program(b"Gateway update"),
    "..\\..\\Windows\\Startup\\helper.exe": program(b"starts with the device"),
}
_HARDENED = {
    "update.exe": program(b"Gateway update"),
    "update.exe.p7s": b"\x30\x82signature of the maker",
    "Windows\\Startup\\gateway..exe": program(b"starts with the device"),
    "Windows\\readme..txt": b"Paths such as ..\\..\\Windows are refused.\r\n",
}

TWIN = Twin(
    name="bd-alaris-gw",
    device="Workstation that connects infusion pumps (Windows CE)",
    advisory="ICSMA-19-164-01",
    cves=("CVE-2019-10959", "CVE-2019-10962"),
    container="Microsoft cabinet",
    image="gateway-update.cab",
    mechanism=(
        "The update may put files anywhere in the device, so a prepared cabinet replaces the workstation's own "
        "programs; nothing in it proves who made it."
    ),
    for_patient=(
        "A prepared update can change commands to the pumps that the workstation carries, infusion rates included."
    ),
    difference="All names stay inside the folder of the update, and a signature is with it.",
    weak=lambda: build_cabinet(_WEAK, compression=MSZIP),
    hardened=lambda: build_cabinet(_HARDENED, compression=MSZIP),
    expected=(
        Expected(check="archive-leaves-folder", path="../../Windows/Startup/helper.exe"),
        Expected(check="archive-not-signed", path="update.exe"),
    ),
)
