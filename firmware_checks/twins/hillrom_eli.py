"""ECG machine with a password in its program."""

from __future__ import annotations

from firmware_checks.twin import Twin, expected_at
from firmware_checks.twin_containers.archives import zip_archive
from firmware_checks.twin_containers.windows import program

_WEAK = {"ELI/eli380.exe": program("ServicePassword=Cardio380x\0".encode("utf-16-le"))}
_HARDENED = {
    "ELI/eli380.exe": program("ServicePassword=%s\0Enter the password\0Password incorrect\0".encode("utf-16-le")),
    "ELI/texts.ini": b"[texts]\r\n12=Please enter your password:\r\n13=Password: too short\r\n",
}

TWIN = Twin(
    name="hillrom-eli",
    device="Electrocardiograph",
    advisory="ICSMA-22-167-01",
    cves=("CVE-2022-26388", "CVE-2022-26389"),
    container="ZIP archive of programs",
    image="eli-programs.zip",
    mechanism="A password is written into the program, with two bytes a character as Windows does.",
    for_patient="Settings of the electrocardiograph can be changed, and recordings of patients read.",
    difference="The program asks for a password and holds none.",
    weak=lambda: zip_archive(_WEAK),
    hardened=lambda: zip_archive(_HARDENED),
    expected=(
        expected_at(
            "hard-coded-password",
            "ELI/eli380.exe",
            _WEAK["ELI/eli380.exe"],
            ("ServicePassword=Cardio").encode("utf-16-le"),
        ),
    ),
)
