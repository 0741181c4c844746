"""The sentences of a certificate; English ones are the keys of translations."""

from __future__ import annotations

import enum

from toolkit.hardening.decommission.certificate import Place, Verdict

__all__ = ["PLACES", "VERDICTS", "CertificateLabel"]


class CertificateLabel(enum.StrEnum):
    """What page and text say by themselves."""

    TITLE = "Storage of a device before it leaves the house"
    NOTHING_FOUND = "Nothing was found that must not leave the house."
    REMAINS = "The storage still holds what must not leave the house. Wipe it again, and look again."
    NOT_CERTIFIED = "Nothing was found, but not everything could be looked at: this is no certificate."
    DEVICE = "Device"
    ASSET_TAG = "Asset tag"
    SERIAL_NUMBER = "Serial number"
    DUMP = "Copy of the storage"
    SIZE = "Size"
    DAY = "Looked at on"
    BLANK = "Blank blocks"
    FOUND = "What was found"
    IN_FILE = "in a file"
    IN_RAW = "in the bytes of the copy: a deleted file, free space, or a file as well"
    OBSTACLES = "What could not be looked at"
    LOOKED_FOR = "What was looked for"
    LIMITS = (
        "What was looked for is found by its form. Records in a form that is not known here, and what is encrypted, "
        "are not found. Only this copy was looked at: other memories of the device were not."
    )
    SIGN = "Wiped and looked at by"
    RELEASED = "Released by"


VERDICTS = {
    Verdict.NOTHING_FOUND: CertificateLabel.NOTHING_FOUND,
    Verdict.REMAINS: CertificateLabel.REMAINS,
    Verdict.NOT_CERTIFIED: CertificateLabel.NOT_CERTIFIED,
}
PLACES = {Place.FILE: CertificateLabel.IN_FILE, Place.RAW: CertificateLabel.IN_RAW}
