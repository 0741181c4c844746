"""Syringe pump with passwords and an old network stack in its program."""

from __future__ import annotations

from firmware_checks.twin import Expected, Twin
from firmware_checks.twin_containers.programs import FLASH, intel_hex, microcontroller_program

_WEAK = microcontroller_program(
    b"Freescale MQX RTOS 4.0.2",
    b"_mqx_exit RTCS stack",
    b"ftp_password=Pmp4set!77",
    b"telnet login: operator password: ",
    b'wifi_passphrase="medfusion ward seven"',
)
_HARDENED = microcontroller_program(
    b"login: %s password: %s",
    b"ftp_password=%s",
    b"FTP is off. Set the password at the server.",
    b'wifi_passphrase="%s"',
    b"Password must have 12 characters",
)

TWIN = Twin(
    name="smiths-medfusion",
    device="Syringe pump with a wireless module",
    advisory="ICSMA-17-250-02A",
    cves=(
        "CVE-2017-12718",
        "CVE-2017-12724",
        "CVE-2017-12725",
        "CVE-2017-12726",
        "CVE-2017-12721",
        "CVE-2017-12720",
    ),
    container="Intel HEX",
    image="pump-comm.hex",
    mechanism=(
        "The program of the wireless module holds the password of its FTP server and the key of "
        "a network as texts, and "
        "was built on a network stack with known weaknesses."
    ),
    for_patient="Whoever knows the one password reaches every pump of the model and can disturb an infusion.",
    difference="Passwords are asked for and not built in.",
    weak=lambda: intel_hex(_WEAK),
    hardened=lambda: intel_hex(_HARDENED),
    expected=(
        Expected(check="hard-coded-password", path="", address=FLASH + _WEAK.index(b"ftp_password")),
        Expected(check="wireless-key", path="", address=FLASH + _WEAK.index(b"wifi_passphrase")),
    ),
)
