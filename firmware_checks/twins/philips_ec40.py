"""Hub for bedside devices with fixed passwords and keys."""

from __future__ import annotations

from firmware_checks.credentials.key_examples import certificate, key_pem
from firmware_checks.twin import Expected, Twin, expected_at
from firmware_checks.twin_containers.file_systems import jffs2

_WEAK = {
    "etc/ssh/ssh_host_ed25519_key": key_pem(),
    "etc/ssl/hub.key": key_pem(b"another made up key of 32 bytes!"),
    "opt/hub/hub.properties": b"admin.user=ibec\nadmin.password=Br1dge40\n",
}
_HARDENED = {
    "etc/ssh/ssh_host_ed25519_key.pub": (
        b"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJdbGd7/1aYLqESvSS7CzERJxZezJpGXA7rDHK5/YOJ6 hub\n"
    ),
    "etc/ssl/ca.pem": certificate(issuer="authority", bits=256, name="hub.example"),
    "opt/hub/hub.properties": b"admin.user=ibec\nadmin.password=${ADMIN_PASSWORD}\n#admin.password=changeit\n",
}

TWIN = Twin(
    name="philips-ec40",
    device="Hub that connects bedside devices",
    advisory="ICSMA-21-322-01",
    cves=("CVE-2021-32993", "CVE-2021-33017"),
    container="JFFS2 in flash memory",
    image="hub-flash.jffs2",
    mechanism="Keys and the administrator's password are the same in every hub.",
    for_patient="Values of ventilators and pumps can be changed on their way to the record.",
    difference="Only public halves are in the file; each hub makes its own keys and gets its own password.",
    weak=lambda: jffs2(_WEAK),
    hardened=lambda: jffs2(_HARDENED),
    expected=(
        Expected(check="ssh-host-key", path="etc/ssh/ssh_host_ed25519_key", offset=0),
        Expected(check="private-key", path="etc/ssl/hub.key", offset=0),
        expected_at(
            "hard-coded-password", ("opt/hub/hub.properties"), _WEAK["opt/hub/hub.properties"], b"admin.password"
        ),
    ),
)
