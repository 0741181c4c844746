"""Does an update that is a plain archive or a stick come with a signature?"""

from __future__ import annotations

import re
from collections.abc import Iterator

from device_profiles.schema import DeviceProfile
from firmware_checks.check import Check, archive_of
from firmware_checks.controls import Controls
from firmware_checks.exposure.grouping import Row, grouped
from firmware_checks.inventory import Inventory
from toolkit.core.findings import Evidence, Finding, Severity


def _run(check: Check, inventory: Inventory, profile: DeviceProfile | None) -> Iterator[Finding]:
    yield from grouped(check, _rows(inventory, profile))


_CONTAINERS = frozenset({"tar", "zip", "fat", "exfat", "cpio", "seven-zip", "iso9660", "cab", "gzip", "xz", "bzip2"})
_PAYLOAD = re.compile(
    r"(?i)(?:^|/)(?:(?:auto)?(?:update|upgrade|install|flash)\w*\.(?:sh|exe|bat|cmd)|autorun\.inf|setup\.exe|\S*(?:firmware|update|upgrade)\S*"
    r"\.(?:bin|tar|tgz|gz|img|cab|zip)|[uz]Image\S*|\S+\.(?:cramfs|squashfs|jffs2|ubifs|ubi|hex|s19|mot|dfu))$"
)
_SIGNATURE = re.compile(
    r"(?i)\.(?:sig|sign|asc|gpg|p7s|p7m|minisig|cms|pem\.sig|sigstore)$|META-INF/\S+\.(?:RSA|EC|DSA)$|signature"
)
_CHECKSUM = re.compile(r"(?i)(?:^|[/.])(?:md5|sha\d{1,3}|crc\d{0,2}|checksum)s?(?:ums?)?(?:\.txt)?$")
_SYSTEM = re.compile(r"^(?:\./)?(?:usr|etc|bin|sbin|lib|var|boot|dev|proc)/")
DEEPEST = 3


def _rows(inventory: Inventory, _profile: DeviceProfile | None) -> Iterator[Row]:
    if not any(root.format in _CONTAINERS for root in inventory.roots):
        return
    outer = [entry for entry in inventory.entries if entry.path.count("!") == 1 or entry.path.count("!content!") == 1]
    names = [entry for entry in outer if entry.name.count("/") < DEEPEST]
    payload = [entry for entry in names if _PAYLOAD.search(entry.name) and not _SYSTEM.match(entry.name)]
    if not payload or any(_SIGNATURE.search(entry.name) for entry in names):
        return
    has_sum = any(_CHECKSUM.search(entry.name) for entry in names)
    what = "only checksums are with it, which anybody can compute" if has_sum else "nothing with it proves who made it"
    for entry in payload:
        yield Severity.MEDIUM, what, Evidence(path=entry.path)


_WEAK = {
    "update.sh": b"#!/bin/sh\necho hello\n",
    "pump.hex": b":00000001FF\n",
    "pump.hex.md5": b"00000000000000000000000000000000  pump.hex\n",
}
_HARDENED = {
    "update.sh": b"#!/bin/sh\necho hello\n",
    "pump.hex": b":00000001FF\n",
    "pump.hex.sig": b"signature",
    "manual/update.txt": b"hello\n",
}


CHECK = Check(
    name="archive-not-signed",
    question="Does an update that is a plain archive or a stick come with a signature?",
    title="The update is a plain archive without a signature",
    remedy=(
        "Whoever handles the file on its way can change what is in it, and a checksum beside it is changed "
        "with it. Take the file only from the manufacturer's own channel, compare its SHA-256 with one "
        "obtained another way, and ask for signed updates."
    ),
    severity_rule="Medium: whether the device asks for a proof elsewhere cannot be seen in the file.",
    controls=Controls(
        fda=("H",),
        iec_62443=("EDR 3.10",),
        iec_81001=("6.3",),
        cra=("I.2f",),
        mds2=("CSUP",),
        cwe=(
            "345",
            "353",
        ),
    ),
    run=_run,
    weak_example=lambda: archive_of(_WEAK),
    hardened_example=lambda: archive_of(_HARDENED),
)
