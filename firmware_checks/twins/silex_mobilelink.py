"""Wireless bridge of ECG carts whose web page runs commands."""

from __future__ import annotations

from firmware_checks.twin import Twin, expected_at
from firmware_checks.twin_containers.file_systems import squashfs

_WEAK = {
    "www/cgi-bin/ping.php": b"<?php\n$host = $_POST['host'];\nsystem(\"ping -c 1 \" . $host);\n?>\n",
    "www/index.html": b"<form action='cgi-bin/ping.php' method='post'><input name='host'></form>\n",
}
_HARDENED = {
    "www/cgi-bin/ping.php": (
        b"<?php\n// system(\"ping \" . $_POST['host']);\n$known = array('1' => '10.0.0.1');\n"
        b"$host = $known['1'];\nproc_nice(5);\necho htmlspecialchars($_POST['host']);\n?>\n"
    ),
    "www/index.html": b"<p>Please change the password. system($_POST) is never used.</p>\n",
}

TWIN = Twin(
    name="silex-mobilelink",
    device="Wireless bridge of ECG carts",
    advisory="ICSMA-18-128-01",
    cves=("CVE-2018-6020", "CVE-2018-6021"),
    container="Squashfs root file system",
    image="bridge-root.squashfs",
    mechanism="A request to the web page ends up in the shell, and no login is asked for.",
    for_patient="Recordings of the heart can be held back or changed on their way to the physician.",
    difference="Only known values are used, and nothing of a request reaches the shell.",
    weak=lambda: squashfs(_WEAK),
    hardened=lambda: squashfs(_HARDENED),
    expected=(expected_at("request-runs-commands", "www/cgi-bin/ping.php", _WEAK["www/cgi-bin/ping.php"], b"system("),),
)
