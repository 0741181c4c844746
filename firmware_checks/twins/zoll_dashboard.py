"""Dashboard of defibrillators with passwords and a key in its settings."""

from __future__ import annotations

from firmware_checks.twin import Twin, expected_at
from firmware_checks.twin_containers.archives import zip_archive

_WEAK = {
    "wwwroot/web.config": (
        b'<configuration>\r\n<add key="EncryptionKey" value="D3fibDashKey0001"/>\r\n'
        b'<add name="db" connectionString="Server=sql1;Database=zoll;User '
        b'ID=dash;Password=Sh0ck4me;"/>\r\n</configuration>\r\n'
    ),
    "wwwroot/upload.php": (
        b"<?php\nmove_uploaded_file($_FILES['f']['tmp_name'], 'files/' . $_FILES['f']['name']);\n?>\n"
    ),
}
_HARDENED = {
    "wwwroot/web.config": (
        b'<configuration>\r\n<!-- <add key="EncryptionKey" value="D3fibDashKey0001"/> -->\r\n'
        b'<add key="EncryptionKey" value=""/>\r\n'
        b'<add name="db" connectionString="Server=sql1;Database=zoll;Integrated '
        b'Security=True;"/>\r\n</configuration>\r\n'
    ),
    "wwwroot/upload.php": b"<?php\n$name = bin2hex(random_bytes(16)) . '.pdf';\n?>\n",
}

TWIN = Twin(
    name="zoll-dashboard",
    device="Dashboard that watches defibrillators",
    advisory="ICSMA-21-161-01",
    cves=("CVE-2021-27481", "CVE-2021-27487", "CVE-2021-27489"),
    container="ZIP archive of a web application",
    image="dashboard.zip",
    mechanism="The key that encrypts data, and the password of the database, stand in the settings.",
    for_patient="Whether a defibrillator is ready can be shown wrongly for a whole house.",
    difference="The key is made at the site, and the database is reached with the account of the service.",
    weak=lambda: zip_archive(_WEAK),
    hardened=lambda: zip_archive(_HARDENED),
    expected=(
        expected_at("upload-stored-as-sent", "wwwroot/upload.php", _WEAK["wwwroot/upload.php"], b"move_uploaded"),
        expected_at("fixed-cipher-key", "wwwroot/web.config", _WEAK["wwwroot/web.config"], b'key="EncryptionKey"'),
        expected_at("hard-coded-password", "wwwroot/web.config", _WEAK["wwwroot/web.config"], b"User ID"),
    ),
)
