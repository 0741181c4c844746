"""ZIP files that are the same bytes for the same content: no clock, no order of chance."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping

__all__ = ["packed_zip"]

FIRST_DAY = (1980, 1, 1, 0, 0, 0)
"""The earliest time a ZIP file can state."""
UNIX = 3


def packed_zip(files: Mapping[str, bytes]) -> bytes:
    """Return a ZIP file with ``files`` by name, in the order given."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, data in files.items():
            member = zipfile.ZipInfo(name, FIRST_DAY)
            member.compress_type, member.create_system, member.external_attr = zipfile.ZIP_DEFLATED, UNIX, 0o644 << 16
            archive.writestr(member, data)
    return out.getvalue()
