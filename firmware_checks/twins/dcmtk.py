"""Imaging system with an old DICOM library."""

from __future__ import annotations

from firmware_checks.twin import Expected, Twin
from firmware_checks.twin_containers.archives import compressed_tar
from firmware_checks.twin_containers.programs import hosted_program, protected_program

_OLD, _NEW = b"OFFIS_DCMTK_366", b"OFFIS_DCMTK_371"
_WEAK = {"usr/bin/storescp": hosted_program(_OLD)}
_HARDENED = {"usr/bin/storescp": protected_program(_NEW), "usr/share/notes.txt": b"DCMTK 3.6.6 was replaced.\n"}

TWIN = Twin(
    name="dcmtk",
    device="Imaging system or archive of images",
    advisory="ICSMA-22-174-01",
    cves=("CVE-2022-2119", "CVE-2022-2120", "CVE-2022-2121"),
    container="Compressed tar archive",
    image="archive-programs.tgz",
    mechanism="The service that receives images lets a sender choose where a file is written.",
    for_patient="Images of patients are overwritten, or programs of the archive are.",
    difference="The release of the library in which this is corrected.",
    weak=lambda: compressed_tar(_WEAK),
    hardened=lambda: compressed_tar(_HARDENED),
    expected=(
        Expected(
            check="vulnerable-component",
            path="archive-programs.tar!usr/bin/storescp",
            offset=_WEAK["usr/bin/storescp"].index(_OLD),
            vulnerability="CVE-2022-2119",
        ),
    ),
)
