"""Memory card of a pump controller with the keys of the hospital's wireless network."""

from __future__ import annotations

from firmware_checks.twin import Twin, expected_at
from firmware_checks.twin_containers.stick import stick

_WEAK = {
    "WLAN/NETWORK.CFG": b"ssid=ICU-PUMPS\r\nauth=WPA2\r\nwpa_psk=Wd7!north-icu\r\n",
    "WLAN/IP.CFG": b"dhcp=1\r\n",
}
_HARDENED = {
    "WLAN/NETWORK.CFG": b"; wpa_psk=example only\r\nssid=ICU-PUMPS\r\nauth=EAP-TLS\r\nwpa_psk=\r\nwpa_psk=%PSK%\r\n",
    "WLAN/HELP.TXT": b"Set wpa_psk=<your passphrase> in the settings of the pump.\r\n",
    "WLAN/IP.CFG": b"dhcp=1\r\n",
}

TWIN = Twin(
    name="bd-alaris-8015-cf",
    device="Controller of infusion pumps",
    advisory="ICSMA-17-017-02",
    cves=("CVE-2016-8375", "CVE-2016-9355"),
    container="Memory card (FAT)",
    image="compact-flash.img",
    mechanism="The card in the device holds the name and key of the wireless network as they are typed.",
    for_patient="A stolen or sold pump opens the network that all other pumps and their server are on.",
    difference="The device proves itself with a certificate of its own, and no key stands on the card.",
    weak=lambda: stick(_WEAK, label=b"PCU CARD   "),
    hardened=lambda: stick(_HARDENED, label=b"PCU CARD   "),
    expected=(expected_at("wireless-key", "WLAN/NETWORK.CFG", _WEAK["WLAN/NETWORK.CFG"], b"wpa_psk"),),
)
