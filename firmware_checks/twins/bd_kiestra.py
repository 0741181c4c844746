"""Laboratory automation whose client knows the password of the database."""

from __future__ import annotations

from firmware_checks.formats.cab import MSZIP, build_cabinet
from firmware_checks.twin import Twin, expected_at
from firmware_checks.twin_containers.windows import program

_WEAK = {
    "PerformA.exe": program("Data Source=LIS;Initial Catalog=kla;User ID=sa;Password=Pl4tes!x;\0".encode("utf-16-le"))
}
_HARDENED = {
    "PerformA.exe": program(
        "Data Source=LIS;Initial Catalog=kla;Integrated Security=SSPI;\0User ID=%s;Password=%s;\0".encode("utf-16-le")
    ),
    "PerformA.exe.p7s": b"\x30\x82signature of the maker",
    "PerformA.chm.txt": b"Connection strings look like User ID=<name>;Password=<password>;\r\n",
}

TWIN = Twin(
    name="bd-kiestra",
    device="Automation of a bacteriology laboratory",
    advisory="ICSMA-17-082-01",
    cves=("CVE-2017-6022",),
    container="Microsoft cabinet",
    image="perform-client.cab",
    mechanism="Each client program holds the password of the database as text.",
    for_patient="Whoever has the program can change which germ was found, and which antibiotic helps.",
    difference="The client logs in with the account of the person who uses it.",
    weak=lambda: build_cabinet(_WEAK, compression=MSZIP),
    hardened=lambda: build_cabinet(_HARDENED, compression=MSZIP),
    expected=(
        expected_at("hard-coded-password", "PerformA.exe", _WEAK["PerformA.exe"], "User ID=sa".encode("utf-16-le")),
    ),
)
