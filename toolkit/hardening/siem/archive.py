"""The evidence archive: reports with their events in every form, and a manifest of digests that may be signed."""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Sequence
from typing import Final

from signing.envelope import SignedKind
from signing.key import PublicKey, Signer
from signing.refusal import Refusal, fail_closed
from toolkit.hardening.manifest import MANIFEST, Manifest, packed_manifest, verified_manifest
from toolkit.hardening.zip_packing import packed_zip
from toolkit.report.cef import to_cef
from toolkit.report.json_report import to_json
from toolkit.report.model import Report
from toolkit.report.ocsf import to_ocsf
from toolkit.report.syslog import to_syslog

__all__ = ["ARCHIVE", "evidence_archive", "verified_archive"]

ARCHIVE: Final = SignedKind(
    payload_type="application/vnd.medharden.archive+json", title="evidence archive", rules="archive"
)
MOST_MEMBERS: Final = 2_000
MOST_UNPACKED: Final = 1 << 30


def evidence_archive(reports: Sequence[Report], signer: Signer | None = None) -> bytes:
    """Return a ZIP file with ``reports``, the same bytes each time; signed where there is a ``signer``."""
    files: dict[str, bytes] = {}
    for number, report in enumerate(reports, 1):
        files |= {
            f"{number:03}/report.json": to_json(report),
            f"{number:03}/events.ocsf.jsonl": to_ocsf(report),
            f"{number:03}/events.cef": to_cef(report),
            f"{number:03}/events.syslog": to_syslog(report),
        }
    manifest = packed_manifest(files, [report.subject.sha256 for report in reports], ARCHIVE, signer)
    return packed_zip({MANIFEST: manifest, **dict(sorted(files.items()))})


def verified_archive(data: bytes, keys: Sequence[PublicKey]) -> tuple[Manifest, PublicKey]:
    """Return the manifest of an archive that one of ``keys`` has signed, and the key; ``Refusal`` for anything else.

    Every file must be there as the manifest says, and no other.
    """
    with fail_closed("archive.malformed", ARCHIVE.title):
        return verified_manifest(_members(data), ARCHIVE, keys)


def _members(data: bytes) -> dict[str, bytes]:
    """Return the files of the archive by name, none twice, within bounds."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            rows = archive.infolist()
            if len(rows) > MOST_MEMBERS or sum(row.file_size for row in rows) > MOST_UNPACKED:
                raise Refusal("archive.malformed", f"the {ARCHIVE.title} holds too many or too large files")
            if len({row.filename for row in rows}) != len(rows):
                raise Refusal("archive.malformed", f"a name stands twice in the {ARCHIVE.title}")
            return {row.filename: archive.read(row) for row in rows}
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError) as error:
        raise Refusal("archive.malformed", f"this is no {ARCHIVE.title}: {error}") from error
