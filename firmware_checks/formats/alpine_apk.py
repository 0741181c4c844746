"""apk packages of Alpine Linux: compressed tar archives one after the other: signature, description, content."""

from __future__ import annotations

import hashlib
import zlib
from typing import Final

from firmware_checks.format import ImageFormat, Opened
from firmware_checks.formats.gzip import FORMAT as GZIP
from firmware_checks.formats.ipk import first_bytes
from firmware_checks.readers.entry_names import visible
from firmware_checks.span import Span
from toolkit.core.errors import FormatError
from toolkit.core.limits import Limits
from toolkit.core.window import Window
from toolkit.report.model import Fact, Integrity, RegionKind

__all__ = ["FORMAT"]

SIGNATURE_PREFIX, DESCRIPTION = ".SIGN.", ".PKGINFO"
SEGMENT_BYTES = 1 << 20
"""Most packed and unpacked bytes of signature or description that are read."""
VALUE_CHARACTERS = 200
FIELDS: Final = {"pkgname": "package", "pkgver": "version", "arch": "architecture", "pkgdesc": "description"}
DATA_HASH = "datahash"
"""SHA-256 of the compressed content. Source: Alpine Linux wiki, Apk spec, PKGINFO."""


def _open(span: Span, limits: Limits) -> Opened:
    name = first_bytes(span.window).partition(b"\0")[0].decode("utf-8", "backslashreplace")
    signed = name.startswith(SIGNATURE_PREFIX)
    if not signed and name != DESCRIPTION:
        raise FormatError(f"no apk package at {span.window.origin:#x}")
    segment, place = _segment(span.window, 0)
    if signed:
        segment, place = _segment(span.window, place)
    fields = _fields(segment, limits)
    opened = GZIP.open(span, limits)
    facts: dict[str, Fact] = {FIELDS[key]: value for key, value in fields.items() if key in FIELDS}
    if signed:
        facts["signature"] = visible(name.removeprefix(SIGNATURE_PREFIX))
    data_hash = fields.get(DATA_HASH, "").lower()
    return Opened(
        size=opened.size,
        kind=RegionKind.CONTAINER,
        title="Alpine package",
        facts={**facts, "signed": signed},
        integrity=(*_verdicts(span.window, place, opened.size, data_hash), *opened.integrity),
        entries=opened.entries,
        problems=opened.problems,
    )


def _segment(window: Window, start: int) -> tuple[bytes, int]:
    """Return what the small gzip member at ``start`` unpacks to, and where it ends."""
    packed = bytes(window.view[start : start + SEGMENT_BYTES])
    stream = zlib.decompressobj(zlib.MAX_WBITS | 16)
    try:
        data = stream.decompress(packed, SEGMENT_BYTES)
    except zlib.error as error:
        raise FormatError(f"no gzip member at {window.origin + start:#x}: {error}") from error
    if not stream.eof:
        raise FormatError(f"the gzip member at {window.origin + start:#x} is too long or cut short")
    return data, start + len(packed) - len(stream.unused_data)


def _fields(segment: bytes, limits: Limits) -> dict[str, str]:
    """Return the ``key = value`` lines of the package's description; of a key that is there twice the last."""
    from firmware_checks.formats.tar import FORMAT as TAR
    from firmware_checks.readers.packed_tar import files_of  # here alone: every gzip file is held against this format

    archive = TAR.open(Span(DESCRIPTION, Window.of(segment)), limits)
    text = next((entry.read(SEGMENT_BYTES) for name, entry in files_of(archive) if name == DESCRIPTION), None)
    if text is None:
        raise FormatError("the package has no description")
    rows = (line.partition("=") for line in text.decode("utf-8", "replace").splitlines() if not line.startswith("#"))
    return {key.strip(): visible(value.strip(), most_characters=VALUE_CHARACTERS) for key, _, value in rows}


def _verdicts(window: Window, start: int, end: int, stored: str) -> tuple[Integrity, ...]:
    if not stored:
        return ()
    computed = hashlib.sha256(window.view[start:end]).hexdigest()
    return (
        Integrity(
            algorithm="sha256", covers="packed content", stored=stored, computed=computed, valid=stored == computed
        ),
    )


def _packed(name: str, data: bytes, *, last: bool) -> bytes:
    """Build a compressed tar archive of one file; only the last has the blocks that end an archive."""
    import gzip
    import io
    import tarfile  # here alone: they take a while

    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        info = tarfile.TarInfo(name)
        info.size = len(data)
        archive.addfile(info, io.BytesIO(data))
    size = len(file.getvalue()) if last else 512 + -(-len(data) // 512) * 512
    return gzip.compress(file.getvalue()[:size], mtime=0)


def _example() -> bytes:
    content = _packed("etc/pump.ini", b"rate = 5\n", last=True)
    about = f"pkgname = pump\npkgver = 1.2-r0\narch = armv7\n{DATA_HASH} = {hashlib.sha256(content).hexdigest()}\n"
    signature = _packed(".SIGN.RSA.builder.rsa.pub", bytes(range(256)), last=False)
    return signature + _packed(DESCRIPTION, about.encode(), last=False) + content


FORMAT = ImageFormat(
    name="alpine-apk",
    title="Alpine package",
    source="Alpine Linux wiki, Apk spec (package format version 2)",
    limits="The signature is seen and not verified. Packages of apk-tools 3 (ADB) are not read.",
    open=_open,
    magics=GZIP.magics,
    try_order=-10,
    example=_example,
)
