"""Mender artifacts: a tar archive with a signed list of hashes, a description and the compressed images."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import re
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any, Final, TypeVar

import msgspec

from firmware_checks.format import Entry, EntryKind, ImageFormat, Magic, Opened
from firmware_checks.formats.tar import FORMAT as TAR
from firmware_checks.readers.entry_names import visible
from firmware_checks.readers.packed_tar import files_of, open_packed_tar
from firmware_checks.span import Span
from toolkit.core.errors import FormatError, LimitExceeded
from toolkit.core.limits import Limits
from toolkit.core.problems import Problems
from toolkit.core.window import Window
from toolkit.report.model import Fact, Integrity, RegionKind

__all__ = ["FORMAT"]

Decoded = TypeVar("Decoded")

VERSION, MANIFEST, SIGNATURE = "version", "manifest", "manifest.sig"
MANIFESTS: Final = (MANIFEST, "manifest-augment")
"""The second lists what was added later; no signature covers it."""
HEADER, HEADER_INFO = re.compile(r"header\.tar(\.[a-z0-9]+)?$"), "header-info"
DATA = re.compile(r"(data/\d{4})\.tar(\.[a-z0-9]+)?$")
MANIFEST_ROW = re.compile(r"([0-9a-fA-F]{64}) [ *](.+)$")
UNPROTECTED: Final = (*MANIFESTS, SIGNATURE)
"""Files that no list of hashes names."""
TEXT_BYTES = 1 << 20
LISTED = 20
VERDICTS = 200


class _Version(msgspec.Struct):
    format: str
    version: int


class _Payload(msgspec.Struct):
    type: str | None = None


class _HeaderInfo(msgspec.Struct):
    """Source: artifact-format.md, header-info: of version 3, and of the versions before it."""

    payloads: list[_Payload] = []
    updates: list[_Payload] = []
    artifact_name: str = ""
    device_types_compatible: list[str] = []
    artifact_provides: dict[str, Any] = {}
    artifact_depends: dict[str, Any] = {}

    def facts(self) -> dict[str, Fact]:
        """Return name, devices and kinds of update."""
        name = self.artifact_provides.get("artifact_name", self.artifact_name)
        devices = self.artifact_depends.get("device_type", self.device_types_compatible)
        kinds = [payload.type or "none" for payload in [*self.payloads, *self.updates]]
        return {
            "artifact_name": visible(str(name)),
            "device_types": _told(devices if isinstance(devices, list) else [devices]),
            "payload_types": _told(kinds),
        }


@dataclass(slots=True)
class _Reader:
    limits: Limits
    files: dict[str, Entry]
    problems: Problems = field(default_factory=Problems)
    unpacked: dict[str, list[Entry]] = field(default_factory=dict)
    """Files in the data archives, by the name of the archive."""
    held_bytes: int = 0

    def facts(self) -> dict[str, Fact]:
        """Return what version and header say."""
        version = _decoded(self._text(VERSION).encode(), _Version)
        if version is None or version.format != "mender":
            raise FormatError("the file 'version' does not say that this is a Mender artifact")
        facts: dict[str, Fact] = {"format_version": version.version}
        header = next((name for name in self.files if HEADER.match(name)), None)
        info = None if header is None else self._header_info(self.files[header])
        if info is None:
            self.problems.add("the header cannot be read: it is not told what the update is for")
        else:
            facts |= info.facts()
        return {**facts, "signed": SIGNATURE in self.files}

    def _header_info(self, header: Entry) -> _HeaderInfo | None:
        small = replace(self.limits, entry_bytes=min(self.limits.entry_bytes, TEXT_BYTES), unpacked_bytes=TEXT_BYTES)
        try:
            archive = open_packed_tar(header.name, Window.of(header.read(TEXT_BYTES)), small)
            info = next((entry.read(TEXT_BYTES) for name, entry in files_of(archive) if name == HEADER_INFO), b"")
        except (FormatError, LimitExceeded):
            return None
        return _decoded(info, _HeaderInfo)

    def unpack(self) -> None:
        """Unpack the data archives, so far as they may be held: their files are what the manifest has hashes of."""
        for name, entry in self.files.items():
            match = DATA.match(name)
            if match is None:
                continue
            try:
                self.unpacked[name] = self._inner(match[1], entry)
            except (FormatError, LimitExceeded) as error:
                self.problems.add(f"its files were not held against their hashes: {error}", name)

    def _inner(self, folder: str, entry: Entry) -> list[Entry]:
        most = self.limits.entry_bytes - self.held_bytes
        bounded = replace(self.limits, entry_bytes=most, unpacked_bytes=most)
        archive = open_packed_tar(entry.name, Window.of(entry.read(most)), bounded)
        inner = [replace(one, name=f"{folder}/{name}", offset=None) for name, one in files_of(archive)]
        self.held_bytes += sum(one.packed_bytes for one in inner)
        return inner

    def entries(self) -> Iterator[Entry]:
        """Yield all files, those of the data archives in place of the archives."""
        for name, entry in self.files.items():
            yield from self.unpacked.get(name, [entry])

    def verdicts(self) -> Iterator[Integrity]:
        """Hold all files against the hashes in the manifests."""
        listed = dict(self._rows())
        protected = {entry.name: entry for entry in self.entries() if entry.name not in UNPROTECTED}
        for number, (name, stored) in enumerate(listed.items()):
            if name in protected and number < VERDICTS:
                yield from self._verdict(protected[name], stored)
            elif name not in protected and not any(name.startswith(folder) for folder in self._closed()):
                self.problems.add("the manifest names a file that is not in the artifact", visible(name))
        for name in protected:
            if name not in listed and not DATA.match(name):
                self.problems.add("no manifest has a hash of a file: nothing protects it", visible(name))

    def _closed(self) -> Iterator[str]:
        """Yield the folders of data archives that were not unpacked."""
        for name in self.files:
            match = DATA.match(name)
            if match is not None and name not in self.unpacked:
                yield f"{match[1]}/"

    def _rows(self) -> Iterator[tuple[str, str]]:
        for manifest in MANIFESTS:
            for line in self._text(manifest).splitlines():
                row = MANIFEST_ROW.match(line)
                if row is not None:
                    yield row[2], row[1].lower()

    def _verdict(self, entry: Entry, stored: str) -> Iterator[Integrity]:
        try:
            computed = hashlib.sha256(entry.read(self.limits.entry_bytes)).hexdigest()
        except (FormatError, LimitExceeded) as error:
            self.problems.add(f"a file was not held against its hash: {error}", entry.name)
            return
        covers = f"content of '{visible(entry.name, most_characters=80)}'"
        yield Integrity(algorithm="sha256", covers=covers, stored=stored, computed=computed, valid=stored == computed)

    def _text(self, name: str) -> str:
        try:
            return self.files[name].read(TEXT_BYTES).decode("utf-8", "replace") if name in self.files else ""
        except (FormatError, LimitExceeded):
            return ""


def _open(span: Span, limits: Limits) -> Opened:
    opened = TAR.open(span, limits)
    files: dict[str, Entry] = {}
    for name, entry in files_of(opened):
        files.setdefault(name, entry)
    reader = _Reader(limits, files)
    facts = reader.facts()
    reader.unpack()
    verdicts = tuple(reader.verdicts())
    others = [entry for entry in opened.entries if entry.kind is not EntryKind.FILE]
    return Opened(
        size=opened.size,
        kind=RegionKind.CONTAINER,
        title="Mender artifact",
        facts=facts,
        integrity=(*verdicts, *opened.integrity),
        entries=(*reader.entries(), *others),
        problems=(*reader.problems.sentences(), *opened.problems),
        limits_hit=opened.limits_hit,
    )


def _decoded(data: bytes, kind: type[Decoded]) -> Decoded | None:
    try:
        return msgspec.json.decode(data, type=kind)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        return None


def _told(names: list[Any]) -> tuple[str, ...]:
    told = tuple(visible(str(name), most_characters=80) for name in names[:LISTED])
    return (*told, f"and {len(names) - LISTED} more") if len(names) > LISTED else told


def _tar(files: dict[str, bytes]) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return file.getvalue()


def _example() -> bytes:
    image = b"pump settings\n" * 10
    version = json.dumps({"format": "mender", "version": 3}).encode()
    about = {
        "payloads": [{"type": "rootfs-image"}],
        "artifact_provides": {"artifact_name": "pump-1.2"},
        "artifact_depends": {"device_type": ["pump"]},
    }
    header = gzip.compress(_tar({HEADER_INFO: json.dumps(about).encode()}), mtime=0)
    listed = {VERSION: version, "header.tar.gz": header, "data/0000/rootfs.ext4": image}
    manifest = "".join(f"{hashlib.sha256(data).hexdigest()}  {name}\n" for name, data in listed.items())
    data = gzip.compress(_tar({"rootfs.ext4": image}), mtime=0)
    files = {VERSION: version, MANIFEST: manifest.encode(), SIGNATURE: b"c2lnbmF0dXJl"}
    return _tar({**files, "header.tar.gz": header, "data/0000.tar.gz": data})


FORMAT = ImageFormat(
    name="mender-artifact",
    title="Mender artifact",
    source="mender-artifact 3.10, Documentation/artifact-format.md (versions 1 to 3)",
    limits="The signature is seen but not verified; data archives of more than 256 MiB together stay packed.",
    open=_open,
    magics=(Magic(rb"version\x00\x00\x00\x00\x00{89}[\x00-\xff]{157}ustar"),),
    try_order=-10,
    example=_example,
)
