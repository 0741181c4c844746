"""Does an update that is a plain archive or a stick come with a signature?"""

from __future__ import annotations

import re
from collections.abc import Iterator

from device_profiles.schema import DeviceProfile
from firmware_checks.check import Check, archive_of
from firmware_checks.controls import Controls
from firmware_checks.format import EntryKind
from firmware_checks.grouping import Row, grouped
from firmware_checks.inventory import FileEntry, Inventory
from toolkit.core.findings import Evidence, Finding, Severity


def _run(check: Check, inventory: Inventory, profile: DeviceProfile | None) -> Iterator[Finding]:
    yield from grouped(check, _rows(inventory, profile))


_PACKED = frozenset({"gzip", "xz", "bzip2", "zstd", "lzma-alone", "lz4", "compress-z"})
"""What holds one file that was packed: the archive is inside."""
_CONTAINERS = _PACKED | {"tar", "zip", "fat", "exfat", "cpio", "seven-zip", "iso9660", "cab", "mbr", "gpt"}
_FIRMWARE = frozenset(
    {
        "intel-hex",
        "srec",
        "ti-txt",
        "uf2",
        "cramfs",
        "squashfs",
        "jffs2",
        "ubifs",
        "ubi",
        "ext",
        "romfs",
        "uimage",
        "trx",
    }
)
"""Formats of what is written into the memory of a device."""
_MEDIA = frozenset({"fat", "exfat", "mbr", "cab", "iso9660"})
"""What is carried to a device to be run there: each program on it counts."""
_PAYLOAD = re.compile(
    r"(?i)(?:^|/)(?:(?:auto)?(?:update|upgrade|install|flash|run|setup)[\w -]*\.(?:sh|exe|bat|cmd|msi|ps1)|autorun\.inf"
    r"|[^/]*(?:firmware|update|upgrade)[^/]*\.(?:bin|tar|tgz|gz|img|cab|zip|rom|upd|pkg|dat|fw|msi|exe)|fw[^/]*\.(?:bin|img|tar|zip)"
    r"|[uz]Image[^/]*|[^/]+\.(?:cramfs|squashfs|jffs2|ubifs|ubi|hex|s19|mot|dfu|fw|rom|upd))$"
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
    names = [entry for entry in _outermost(inventory) if entry.name.count("/") < DEEPEST]
    is_medium = any(root.format in _MEDIA for root in inventory.roots)
    firmware = {
        region.span.path
        for region in inventory.regions()
        if region.format in _FIRMWARE or (is_medium and (region.program is not None or region.format == "pe"))
    }
    firmware |= _with_checksum(names)
    payload = [
        entry
        for entry in names
        if (_PAYLOAD.search(entry.name) or entry.path in firmware) and not _SYSTEM.match(entry.name)
    ]
    if not payload or any(_SIGNATURE.search(entry.name) for entry in names):
        return
    has_sum = any(_CHECKSUM.search(entry.name) for entry in names)
    what = "only checksums are with it, which anybody can compute" if has_sum else "nothing with it proves who made it"
    for entry in payload:
        yield Severity.MEDIUM, what, Evidence(path=entry.path)


def _with_checksum(names: list[FileEntry]) -> set[str]:
    """Return the paths of what a checksum stands beside, as ``dataset.tar`` beside ``dataset.md5``."""
    sums = {entry.name.rpartition(".")[0] for entry in names if _CHECKSUM.search(entry.name)} - {""}
    others = [entry for entry in names if entry.kind is EntryKind.FILE and not _CHECKSUM.search(entry.name)]
    return {entry.path for entry in others if entry.name in sums or entry.name.rpartition(".")[0] in sums}


def _outermost(inventory: Inventory) -> list[FileEntry]:
    """Return what has a name in the outermost archive; a file that is only packed is not counted as one."""
    depth = 1 + all(root.format in _PACKED for root in inventory.roots)
    outer = [entry for entry in inventory.entries if entry.path.count("!") == depth]
    return outer or [entry for entry in inventory.entries if entry.path.count("!") == 1]


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
