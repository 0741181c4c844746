"""Sequencer whose copy service listens everywhere, with all rights."""

from __future__ import annotations

from firmware_checks.twin import Twin, expected_at
from firmware_checks.twin_containers.archives import zip_archive
from firmware_checks.twin_containers.windows import registry_text

_SERVICE = "HKEY_LOCAL_MACHINE\\SYSTEM\\CurrentControlSet\\Services\\UniversalCopyService"
_WEAK = {
    "UCS/UniversalCopyService.config": b'<service>\r\n<endpoint address="http://0.0.0.0:5050/ucs"/>\r\n</service>\r\n',
    "UCS/install.reg": registry_text(
        {_SERVICE: {"ImagePath": "C:\\Program Files\\Illumina\\UCS\\ucs.exe -s", "ObjectName": "LocalSystem"}}
    ),
}
_HARDENED = {
    "UCS/UniversalCopyService.config": (
        b'<service>\r\n<!-- <endpoint address="http://0.0.0.0:5050/ucs"/> -->\r\n'
        b'<endpoint address="http://127.0.0.1:5050/ucs"/>\r\n<mask value="0.0.0.0/0"/>\r\n</service>\r\n'
    ),
    "UCS/install.reg": registry_text(
        {
            _SERVICE: {
                "ImagePath": '"C:\\Program Files\\Illumina\\UCS\\ucs.exe" -s',
                "ObjectName": "NT AUTHORITY\\LocalService",
            }
        }
    ),
}

TWIN = Twin(
    name="illumina-ucs",
    device="Sequencer of genes",
    advisory="ICSMA-23-117-01",
    cves=("CVE-2023-1966", "CVE-2023-1968"),
    container="ZIP archive of programs",
    image="copy-service.zip",
    mechanism="The service listens at every network address of the computer and runs with all rights.",
    for_patient="A genetic result can be changed or lost, and a therapy is chosen by it.",
    difference="The service listens inside the computer only and runs with few rights.",
    weak=lambda: zip_archive(_WEAK),
    hardened=lambda: zip_archive(_HARDENED),
    expected=(
        expected_at(
            "listens-everywhere",
            "UCS/UniversalCopyService.config",
            _WEAK["UCS/UniversalCopyService.config"],
            b"<endpoint",
        ),
        expected_at("windows-service-rights", "UCS/install.reg", _WEAK["UCS/install.reg"], b'"ObjectName"'),
    ),
)
