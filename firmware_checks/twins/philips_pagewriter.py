"""ECG cart on Windows CE with a superuser's password."""

from __future__ import annotations

from firmware_checks.twin import Expected, Twin, expected_at
from firmware_checks.twin_containers.windows import registry_text, rom

_KERNEL = "Windows CE Kernel for ARM (Thumb Enabled) Built on Apr 11 2006 at 15:23:09".encode("utf-16-le")
_WEAK = {
    "nk.exe": b"MZ" + bytes(62) + _KERNEL + bytes(2),
    "default.reg": registry_text({"HKEY_LOCAL_MACHINE\\Comm\\TELNETD": {"IsEnabled": 1, "UseAuthentication": 0}}),
    "users.ini": b"[superuser]\r\nname=PWTC\r\nPassword=Ecg1cart\r\n",
}
_INSIDE = "windows-ce-image@0x1b!"
_HARDENED = {
    "cart.exe": b"MZ" + bytes(62) + "Password of the superuser".encode("utf-16-le") + bytes(2),
    "default.reg": registry_text({"HKEY_LOCAL_MACHINE\\Comm\\TELNETD": {"IsEnabled": 0, "UseAuthentication": 1}}),
    "users.ini": b"[superuser]\r\nname=PWTC\r\n;Password=example1\r\nPassword=\r\n",
}

TWIN = Twin(
    name="philips-pagewriter",
    device="ECG cart (Windows CE)",
    advisory="ICSMA-18-228-01",
    cves=("CVE-2018-14799", "CVE-2018-14801"),
    container="Image of Windows CE (B000FF)",
    image="nk.bin",
    mechanism="The password of the superuser is in a file, Telnet asks for none, and the system is mended no more.",
    for_patient="Settings of the cart can be changed so that a recording of the heart misleads.",
    difference="No password is in the file and Telnet is off; what stays is that no Windows CE is mended any more.",
    weak=lambda: rom(_WEAK),
    hardened=lambda: rom(_HARDENED),
    remains=("windows-unsupported",),
    expected=(
        expected_at("hard-coded-password", f"{_INSIDE}users.ini", _WEAK["users.ini"], b"Password"),
        expected_at("windows-remote-access", f"{_INSIDE}default.reg", _WEAK["default.reg"], b'"UseAuthentication"'),
        Expected(check="vulnerable-component", path=f"{_INSIDE}nk.exe", offset=64),
    ),
)
