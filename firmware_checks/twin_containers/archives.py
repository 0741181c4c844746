"""Archives in which updates travel: ZIP, compressed tar, cpio and SWUpdate; plain tar is ``check.archive_of``."""

from __future__ import annotations

import gzip
import io
import zipfile
from collections.abc import Mapping

from firmware_checks.check import archive_of
from firmware_checks.formats.cpio import BLOCK_BYTES, TRAILER, build_record
from firmware_checks.twin_containers.file_systems import NO_MODES, Modes

__all__ = ["compressed_tar", "cpio", "swu", "zip_archive"]

SUMMED, UNSUMMED = b"070702", b"070701"


def zip_archive(files: Mapping[str, bytes]) -> bytes:
    """Return a ZIP archive, packed, with the same time in every entry."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, content in files.items():
            archive.writestr(zipfile.ZipInfo(name), content, compress_type=zipfile.ZIP_DEFLATED)
    return out.getvalue()


def compressed_tar(files: Mapping[str, bytes], *, modes: Modes = NO_MODES) -> bytes:
    """Return a tar archive packed with gzip."""
    return gzip.compress(archive_of(files, modes=modes), mtime=0)


def cpio(files: Mapping[str, bytes]) -> bytes:
    """Return a cpio archive, as the first root file system of Linux comes in."""
    return _cpio(files).replace(SUMMED, UNSUMMED)


def swu(files: Mapping[str, bytes]) -> bytes:
    """Return an update for SWUpdate; its description must be the first of ``files``."""
    return _cpio(files)


def _cpio(files: Mapping[str, bytes]) -> bytes:
    records = [build_record(name.encode(), 0o100644, data, number) for number, (name, data) in enumerate(files.items())]
    whole = b"".join([*records, build_record(TRAILER, 0, b"", 0)])
    return whole + bytes(-len(whole) % BLOCK_BYTES)
