"""Analyser of the laboratory with passwords in an SQL script."""

from __future__ import annotations

from firmware_checks.twin import Twin, expected_at
from firmware_checks.twin_containers.archives import zip_archive

_WEAK = {
    "viper/install.cmd": b"@echo off\r\nnet user viper Lt4assay /add\r\nnet localgroup Administrators viper /add\r\n",
    "viper/setup.sql": b"CREATE LOGIN viper_app WITH PASSWORD = 'Pcr2run!', CHECK_POLICY = OFF;\r\n",
}
_HARDENED = {
    "viper/install.cmd": b"@echo off\r\nrem net user viper Example1 /add\r\nnet user viper * /add\r\nnet user\r\n",
    "viper/install.cmd.p7s": b"\x30\x82signature of the maker",
    "viper/setup.sql": (
        b"-- CREATE LOGIN viper_app WITH PASSWORD = 'example';\r\nCREATE LOGIN [LAB\\viper] FROM WINDOWS;\r\n"
    ),
}

TWIN = Twin(
    name="bd-viper",
    device="Analyser of a laboratory",
    advisory="ICSMA-22-062-02",
    cves=("CVE-2022-22765",),
    container="ZIP archive of an installer",
    image="viper-setup.zip",
    mechanism="The installer makes accounts with passwords that stand in its scripts.",
    for_patient="Results of infections can be read, changed or deleted with a password anybody can look up.",
    difference="Passwords are typed in at the site, or accounts of the laboratory are used.",
    weak=lambda: zip_archive(_WEAK),
    hardened=lambda: zip_archive(_HARDENED),
    expected=(
        expected_at("hard-coded-password", "viper/install.cmd", _WEAK["viper/install.cmd"], b"net user"),
        expected_at("hard-coded-password", "viper/setup.sql", _WEAK["viper/setup.sql"], b"PASSWORD"),
    ),
)
