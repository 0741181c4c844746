"""Whose a file is: rules first, then the table of owners, then its own name."""

from __future__ import annotations

import pytest

from firmware_checks.component_rules import decode_rule
from firmware_checks.file_owners import owner_of_library, owner_of_plugin, owner_of_program, owners_of_program
from firmware_checks.identity import Identities, normalised

PUMP = decode_rule(
    "pump-os.toml",
    rb"""
name = "pump-os"
title = "Pump OS"
category = "library"
description = "Runs a pump."
source = "made up for this test"
purl = "pkg:generic/pump-os@{version}"
aliases = ["pumplib"]
sonames = ["libpump", "libpump-ext*"]
files = ["pumpctl", "pump-tool*", "sendmail"]
example = [{ file = "pumpctl" }]
not_example = []
""",
)
IDENTITIES = Identities([PUMP])


@pytest.mark.parametrize(
    "path",
    [
        "usr/lib/libpump.so.1",
        "lib/libpump-1.2.so",
        "usr/lib/libpump-extra.so",
        "usr/bin/pumpctl",
        "sbin/pump-tool-x",
        "usr/bin/pump-os",
        "usr/sbin/sendmail",
        "pumplib",
    ],
)
def test_files_that_a_rule_names_are_its_own(path: str) -> None:
    identity = IDENTITIES.of_file(path)
    assert identity is not None
    assert (identity.name, identity.rule) == ("pump-os", PUMP)


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("usr/lib/arm-linux-gnueabihf/libgcrypt.so.20.4.1", "libgcrypt"),
        ("usr/lib/libpython3.11.so.1.0", "python"),
        ("lib/libjson-c.so.5", "json-c"),
        ("bin/tar", "tar"),
        ("usr/lib/pulse-16.1/modules/module-x.so", "pulseaudio"),
        ("lib/systemd/systemd", "systemd"),
        ("usr/sbin/acme-daemon", "acme-daemon"),
        ("opt/acme/lib/libacme.so.3", "acme"),
    ],
)
def test_other_files_belong_to_who_makes_files_of_that_name(path: str, name: str) -> None:
    identity = IDENTITIES.of_file(path)
    assert identity is not None
    assert (identity.name, identity.rule) == (name, None)
    assert identity.is_known is (not name.startswith("acme"))


@pytest.mark.parametrize(
    "path", ["usr/sbin/init", "usr/lib/perl5/auto/Cwd/Cwd.so", "usr/lib/acme/helper", "usr/share/x/y", "usr/bin/12"]
)
def test_a_name_that_several_use_or_nobody_tells_nothing(path: str) -> None:
    assert IDENTITIES.of_file(path) is None


def test_who_may_have_made_a_program_is_told_where_several_do() -> None:
    assert {identity.name for identity in IDENTITIES.alternatives("usr/sbin/in.tftpd")} >= {"tftp-hpa"}
    assert IDENTITIES.alternatives("usr/sbin/no-such-program") == ()


def test_names_are_compared_by_letters_and_digits() -> None:
    assert normalised("Net-SNMP") == normalised("net_snmp") == "netsnmp"
    assert IDENTITIES.of_name("PumpLib").rule == PUMP
    assert IDENTITIES.of_name("pumplib2.0").rule == PUMP
    assert IDENTITIES.of_name("other").rule is None
    assert "gnuawk" in IDENTITIES.of_name("gawk").keys


def test_the_table_of_owners_knows_programs_libraries_and_folders() -> None:
    assert owner_of_program("strace") == "strace"
    assert owner_of_program("in.tftpd") is None
    assert len(owners_of_program("in.tftpd")) > 1
    assert owner_of_library("libssl") == "openssl"
    assert owner_of_library("libpython3.99") == "python"
    assert owner_of_library("libnobody") is None
    assert owner_of_plugin("usr/lib/gstreamer-1.0/libgstalsa.so", "libgstalsa") == "gst-plugins-base"
    assert owner_of_plugin("etc/passwd", "passwd") is None
