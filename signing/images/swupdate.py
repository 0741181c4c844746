"""SWUpdate images: the description is signed with CMS, and names every file of the archive by its hash."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterator
from typing import Any, Final

from signing.cms import read_signed_data
from signing.image import Fact, ImageTrust, SignedImageFormat, VerifiedImage
from signing.refusal import Refusal
from signing.strict.json_text import strict_json
from signing.strict.libconfig import strict_libconfig
from signing.strict.names import check_names

__all__ = ["IMAGE", "entries"]

MAGICS: Final = (b"070701", b"070702")
HEADER_BYTES: Final = 110
TRAILER: Final = "TRAILER!!!"
REGULAR, KIND_MASK = 0o100000, 0o170000
DESCRIPTION, SIGNATURE = "sw-description", "sw-description.sig"
MOST_ENTRIES: Final = 4096


def entries(archive: bytes) -> Iterator[tuple[str, bytes]]:
    """Yield name and content of each file. Source: Linux Documentation, initramfs buffer format; RPM cpio "newc"."""
    place = 0
    for _count in range(MOST_ENTRIES):
        name, content, place = _entry(archive, place)
        if name == TRAILER:
            if archive[place:].strip(b"\0"):
                raise Refusal("cpio.trailing", "something follows the end of the archive")
            return
        yield name, content
    raise Refusal("cpio.count", f"the archive has more than {MOST_ENTRIES} files")


def _entry(archive: bytes, place: int) -> tuple[str, bytes, int]:
    header = archive[place : place + HEADER_BYTES]
    if len(header) < HEADER_BYTES or header[:6] not in MAGICS or not _is_hexadecimal(header[6:]):
        raise Refusal("cpio.header", f"no archive header at byte {place}")
    fields = [int(header[at : at + 8], 16) for at in range(6, HEADER_BYTES, 8)]
    mode, size, name_bytes = fields[1], fields[6], fields[11]
    name_end = place + HEADER_BYTES + name_bytes
    start = name_end + -name_end % 4
    end = start + size
    name = archive[place + HEADER_BYTES : name_end]
    if not 2 <= name_bytes <= 256 or end > len(archive) or name[-1:] != b"\0" or b"\0" in name[:-1]:
        raise Refusal("cpio.header", f"the archive header at byte {place} does not fit")
    text = name[:-1].decode("ascii")
    if text != TRAILER and mode & KIND_MASK != REGULAR:
        raise Refusal("cpio.kind", f"{text[:40]!r} in the archive is no plain file")
    if header[:6] == MAGICS[1] and text != TRAILER and sum(archive[start:end]) & 0xFFFF_FFFF != fields[12]:
        raise Refusal("cpio.checksum", f"the checksum of {text[:40]!r} in the archive is wrong")
    return text, archive[start:end], end + -end % 4


def _is_hexadecimal(data: bytes) -> bool:
    return all(byte in b"0123456789abcdefABCDEF" for byte in data)


def _verify(image: bytes, signature: bytes, trust: ImageTrust) -> VerifiedImage:  # noqa: ARG001  # it is inside
    files = list(entries(image))
    names = [name for name, _content in files]
    check_names(names)
    if names[:2] != [DESCRIPTION, SIGNATURE]:
        raise Refusal("signature.missing", "the archive does not start with a description and its signature")
    description = files[0][1]
    signed = read_signed_data(files[1][1])
    if signed.content is not None:
        raise Refusal("cms.structure", "the signature carries a content of its own")
    key = signed.verify(description, trust)
    settings = _settings(description)
    _check_files(settings, dict(files[2:]))
    return VerifiedImage(
        format="swupdate", key_ids=(key.key_id,), algorithms=(key.name,), facts=_facts(settings, names[2:])
    )


def _settings(description: bytes) -> dict[str, Any]:
    found = strict_json(description) if description.lstrip()[:1] == b"{" else strict_libconfig(description)
    settings = found.get("software") if isinstance(found, dict) else None
    if not isinstance(settings, dict):
        raise Refusal("swupdate.description", "the description has no software in it")
    return settings


def _groups(value: Any) -> Iterator[dict[str, Any]]:
    """Yield every group of settings that names a file."""
    if isinstance(value, dict):
        if "filename" in value:
            yield value
        for item in value.values():
            yield from _groups(item)
    elif isinstance(value, list):
        for item in value:
            yield from _groups(item)


def _check_files(settings: dict[str, Any], files: dict[str, bytes]) -> None:
    """Refuse a file that is not named by its hash, and a name without its file."""
    named = set()
    for group in _groups(settings):
        name, stated = group["filename"], group.get("sha256")
        if not isinstance(name, str) or not isinstance(stated, str):
            raise Refusal("swupdate.hash", "the description names a file without its SHA-256")
        if name not in files:
            raise Refusal("swupdate.files", f"{name[:40]!r} is named in the description and is not there")
        if not hmac.compare_digest(hashlib.sha256(files[name]).hexdigest().encode(), stated.encode()):
            raise Refusal("swupdate.hash", f"{name[:40]!r} is not what the description says")
        named.add(name)
    extra = sorted(files.keys() - named)
    if extra:
        raise Refusal("swupdate.files", f"{extra[0][:40]!r} is in the archive and not in the signed description")


def _facts(settings: dict[str, Any], names: list[str]) -> dict[str, Fact]:
    facts: dict[str, Fact] = {"files": tuple(names)}
    if isinstance(settings.get("version"), str):
        facts["version"] = settings["version"]
    hardware = settings.get("hardware-compatibility")
    if isinstance(hardware, list):
        facts["hardware"] = tuple(str(revision) for revision in hardware)
    return facts


IMAGE = SignedImageFormat(
    name="swupdate",
    title="SWUpdate image",
    source="SWUpdate documentation, Update images from verified source; RFC 5652",
    is_detached=False,
    recognise=lambda image, _signature: image[:6] in MAGICS and image[HEADER_BYTES:].startswith(DESCRIPTION.encode()),
    verify=_verify,
)
