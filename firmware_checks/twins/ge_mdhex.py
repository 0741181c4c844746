"""Telemetry server whose programs share one SSH key with all others of the model."""

from __future__ import annotations

from firmware_checks.credentials.key_examples import key_pem
from firmware_checks.twin import Expected, Twin, expected_at
from firmware_checks.twin_containers.archives import cpio
from firmware_checks.twin_containers.programs import hosted_program, protected_program

_PUBLIC = b"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJdbGd7/1aYLqESvSS7CzERJxZezJpGXA7rDHK5/YOJ6 service@maker.example\n"
_WEAK = {
    "home/telemetry/.ssh/id_ed25519": key_pem(),
    "etc/fstab": b"//10.1.1.4/fulldisc /mnt/disc cifs username=mux,password=Mnt2disc 0 0\n",
    "etc/init.d/S80kavoom": b"#!/bin/sh\nx11vnc -forever -display :0 &\n",
    "opt/update/receive.sh": b"#!/bin/sh\ntftp -g -r upd.tar 10.1.1.4\ntar xf upd.tar -C /\n",
    "opt/update/manager": hosted_program(b"update manager 4.2", calls=("recv", "fopen")),
}
_HARDENED = {
    "home/telemetry/.ssh/known_hosts": b"10.1.1.4 " + _PUBLIC,
    "etc/keys/maker.pem": (
        b"-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\n"
        b"-----END PUBLIC KEY-----\n"
    ),
    "etc/fstab": (
        b"#//10.1.1.4/disc /mnt cifs username=me,password=example 0 0\n//10.1.1.4/d /mnt cifs credentials=/run/c 0 0\n"
    ),
    "etc/init.d/S80screen": b"#!/bin/sh\n# x11vnc -forever is no longer installed\n/opt/telemetry/screen &\n",
    "opt/update/receive.sh": (
        b"#!/bin/sh\ngpgv --keyring /etc/keys/maker.gpg upd.sig upd.tar || exit 1\ntar xf upd.tar -C /\n"
    ),
    "opt/update/manager": protected_program(b"update manager 5.0", b"BEGIN PRIVATE KEY is refused", calls=("recv",)),
}

TWIN = Twin(
    name="ge-mdhex",
    device="Central station and telemetry server of patient monitors",
    advisory="ICSMA-20-023-01",
    cves=("CVE-2020-6961", "CVE-2020-6963", "CVE-2020-6964", "CVE-2020-6965", "CVE-2020-6966"),
    container="cpio archive of the root file system",
    image="telemetry-root.cpio",
    mechanism=(
        "One private key is on every server of the model, a share is mounted with a password in the file, the screen "
        "is shared without a password, and the update manager takes what it is sent."
    ),
    for_patient="Whoever has one server, or its file, can silence alarms at the station that watches a whole ward.",
    difference=(
        "Only public keys are in the file, secrets are given at the site, nothing is shared, updates are verified."
    ),
    weak=lambda: cpio(_WEAK),
    hardened=lambda: cpio(_HARDENED),
    expected=(
        Expected(check="private-key", path="home/telemetry/.ssh/id_ed25519", offset=0),
        expected_at("directory-secret", "etc/fstab", _WEAK["etc/fstab"], b"username"),
        expected_at("screen-shared", "etc/init.d/S80kavoom", _WEAK["etc/init.d/S80kavoom"], b"x11vnc"),
        expected_at("update-not-verified", "opt/update/receive.sh", _WEAK["opt/update/receive.sh"], b"tar xf"),
    ),
)
