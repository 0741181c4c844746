"""Memory of a used pump module with the wireless key and data of patients."""

from __future__ import annotations

from firmware_checks.twin import Twin, expected_at
from firmware_checks.twin_containers.file_systems import jffs2

_WEAK = {
    "etc/wpa_supplicant.conf": b'network={\n ssid="BAXTER-ICU"\n psk="ward four 2021"\n}\n',
    "spool/out/0001.hl7": (
        b"MSH|^~\\&|WBM|ICU|PDMS|HOSP|20220301||ORU^R01|1|P|2.5\rPID|1||8810377^^^HOSP||Okonjo^Adaeze||19610214|F\r"
    ),
}
_HARDENED = {
    "etc/wpa_supplicant.conf": (
        b'network={\n ssid="BAXTER-ICU"\n key_mgmt=WPA-EAP\n eap=TLS\n'
        b' client_cert="/etc/keys/own.pem"\n #psk="example only"\n}\n'
    ),
    "spool/out/0001.hl7.enc": bytes(n * 37 % 251 for n in range(256)),
    "usr/share/doc/hl7.txt": b"A message begins so: PID|1||<number>||<last name>^<first name>|\n",
}

TWIN = Twin(
    name="baxter-spectrum-2022",
    device="Wireless module of an infusion pump",
    advisory="ICSMA-22-251-01",
    cves=("CVE-2022-26390", "CVE-2022-26392", "CVE-2022-26393", "CVE-2022-26394"),
    container="JFFS2 in flash memory",
    image="wbm-flash.jffs2",
    mechanism=(
        "The module keeps the key of the network and messages about patients unencrypted, also after it was sold."
    ),
    for_patient="Who buys a used module on the internet learns who was treated with what, and gets into the network.",
    difference="Messages are stored encrypted, and the device proves itself with a certificate.",
    weak=lambda: jffs2(_WEAK),
    hardened=lambda: jffs2(_HARDENED),
    expected=(
        expected_at("wireless-key", "etc/wpa_supplicant.conf", _WEAK["etc/wpa_supplicant.conf"], b"psk"),
        expected_at("patient-message", "spool/out/0001.hl7", _WEAK["spool/out/0001.hl7"], b"PID"),
    ),
)
