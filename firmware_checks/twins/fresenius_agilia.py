"""Rack of infusion pumps with an old web server, weak encryption and a shared secret."""

from __future__ import annotations

from firmware_checks.twin import Expected, Twin, expected_at
from firmware_checks.twin_containers.file_systems import ubifs
from firmware_checks.twin_containers.programs import hosted_program, protected_program

_WEAK = {
    "usr/sbin/lighttpd": hosted_program(b"lighttpd/1.4.28 - a light and fast webserver"),
    "etc/lighttpd/lighttpd.conf": (
        b'ssl.engine = "enable"\nssl.use-sslv3 = "enable"\nssl.cipher-list = "RC4-SHA:DES-CBC3-SHA"\n'
    ),
    "opt/link/appsettings.json": b'{"Jwt": {"SigningKey": "LinkPlusSharedSecret1"}}\n',
    "opt/link/service.conf": b"service_user=linksvc\nservice_password=Ag1liaLnk\n",
}
_HARDENED = {
    "usr/sbin/lighttpd": protected_program(b"lighttpd/1.4.76 - a light and fast webserver"),
    "etc/lighttpd/lighttpd.conf": (
        b'ssl.engine = "enable"\n# ssl.use-sslv3 = "enable"\nssl.openssl.ssl-conf-cmd = ("MinProtocol" => "TLSv1.2")\n'
        b'ssl.cipher-list = "HIGH:!RC4:!DES"\n'
    ),
    "opt/link/appsettings.json": b'{"Jwt": {"SigningKeyFile": "/run/secrets/jwt", "SigningKey": ""}}\n',
    "opt/link/service.conf": b"service_user=linksvc\nservice_password=\n",
}

TWIN = Twin(
    name="fresenius-agilia",
    device="Rack that connects infusion pumps",
    advisory="ICSMA-21-355-01",
    cves=("CVE-2020-35340", "CVE-2021-31562", "CVE-2021-44464", "CVE-2021-33846"),
    container="UBIFS in flash memory",
    image="link-root.ubifs",
    mechanism=(
        "The web server is old, its encryption allows what is broken, and the secret that signs logins and the service "
        "password are the same everywhere."
    ),
    for_patient="Whoever can make a login sees and changes what the rack tells about running infusions.",
    difference="A current web server and encryption; secrets are made at the site.",
    weak=lambda: ubifs(_WEAK),
    hardened=lambda: ubifs(_HARDENED),
    expected=(
        Expected(check="vulnerable-component", path="usr/sbin/lighttpd", vulnerability="CVE-2014-2323"),
        expected_at("weak-tls-setting", "etc/lighttpd/lighttpd.conf", _WEAK["etc/lighttpd/lighttpd.conf"], b"ssl.use"),
        expected_at("hard-coded-token", "opt/link/appsettings.json", _WEAK["opt/link/appsettings.json"], b"Jwt"),
        expected_at(
            "hard-coded-password", ("opt/link/service.conf"), _WEAK["opt/link/service.conf"], b"service_password"
        ),
    ),
)
