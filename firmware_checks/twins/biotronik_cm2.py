"""Home monitor of implants that keeps passwords and patients' data readable."""

from __future__ import annotations

from firmware_checks.twin import Twin, expected_at
from firmware_checks.twin_containers.file_systems import jffs2

_WEAK = {
    "cfg/modem.cfg": b"apn=cm.example\nusername=cm2relay\npassword=Tr4nsmit22\n",
    "data/last_message.txt": b"PatientID=77120934 battery ok lead impedance 510\n",
}
_HARDENED = {
    "cfg/modem.cfg": b"apn=cm.example\nusername=\npassword=\n# password=<from the SIM card>\n",
    "data/format.txt": b"PatientID=<number> battery <state>\n",
}

TWIN = Twin(
    name="biotronik-cm2",
    device="Home monitor of pacemakers",
    advisory="ICSMA-20-170-05",
    cves=("CVE-2019-18248", "CVE-2019-18254", "CVE-2019-18256"),
    container="JFFS2 in flash memory",
    image="cardio-flash.jffs2",
    mechanism="The password of the mobile connection and the number of the patient are stored unencrypted.",
    for_patient="Whoever finds a monitor learns whose it was, and can send messages in its name.",
    difference="Secrets stay in the SIM card, and nothing about a patient is stored.",
    weak=lambda: jffs2(_WEAK),
    hardened=lambda: jffs2(_HARDENED),
    expected=(
        expected_at("hard-coded-password", "cfg/modem.cfg", _WEAK["cfg/modem.cfg"], b"password"),
        expected_at("patient-log", "data/last_message.txt", _WEAK["data/last_message.txt"], b"PatientID"),
    ),
)
