"""SWUpdate images (.swu): a cpio archive whose first file says what the update installs, and how it is protected."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from firmware_checks.format import Entry, ImageFormat, Magic, Opened
from firmware_checks.formats.cpio import FORMAT as CPIO
from firmware_checks.readers.entry_names import visible
from firmware_checks.readers.sw_description import Artifact, Description, read_description
from firmware_checks.span import Span
from toolkit.core.errors import FormatError, LimitExceeded
from toolkit.core.limits import Limits
from toolkit.core.problems import Problems
from toolkit.core.window import Window
from toolkit.report.model import Fact, Integrity, RegionKind

__all__ = ["FORMAT"]

DESCRIPTION, SIGNATURE = "sw-description", "sw-description.sig"
DESCRIPTION_BYTES = 4 << 20
LISTED = 20
"""Names that are told in one fact."""
VERDICTS = 200
CPIO_NEW: Final = b"070702"


@dataclass(slots=True)
class _Reader:
    window: Window
    entries: dict[str, Entry]
    problems: Problems = field(default_factory=Problems)

    def description(self) -> Description:
        """Return the description; empty, and a problem, when it cannot be read."""
        try:
            return read_description(self.entries[DESCRIPTION].read(DESCRIPTION_BYTES).decode("utf-8"))
        except (FormatError, LimitExceeded) as error:
            self.problems.add(f"the description cannot be read: {error}")
        except UnicodeDecodeError:
            self.problems.add("the description is no text: it may be encrypted")
        return Description()

    def verdicts(self, artifacts: list[Artifact]) -> Iterator[Integrity]:
        """Hold each file against the hash in the description; a file is hashed as it stands in the archive."""
        judged: set[tuple[str, str]] = set()
        for artifact in artifacts:
            name = artifact.filename
            if name not in self.entries:
                self.problems.add("the description names a file that is not in the archive", visible(name))
            elif not artifact.sha256:
                self.problems.add("the description has no sha256 of a file: nothing protects it", visible(name))
            elif (name, artifact.sha256) not in judged and len(judged) < VERDICTS:
                judged.add((name, artifact.sha256))
                yield self._verdict(self.entries[name], artifact.sha256)

    def _verdict(self, entry: Entry, stored: str) -> Integrity:
        packed = self.window.take(entry.offset or 0, entry.packed_bytes)
        computed = hashlib.sha256(packed).hexdigest()
        return Integrity(
            algorithm="sha256",
            covers=f"content of '{visible(entry.name, most_characters=80)}'",
            stored=visible(stored, most_characters=80),
            computed=computed,
            valid=stored == computed,
        )


def _open(span: Span, limits: Limits) -> Opened:
    opened = CPIO.open(span, limits)
    entries = tuple(opened.entries)
    if not entries or entries[0].name != DESCRIPTION:
        raise FormatError(f"no SWUpdate image at {span.window.origin:#x}")
    by_name: dict[str, Entry] = {}
    for entry in entries:
        by_name.setdefault(entry.name, entry)
    reader = _Reader(span.window, by_name)
    description = reader.description()
    verdicts = tuple(reader.verdicts(description.artifacts))
    return Opened(
        size=opened.size,
        kind=RegionKind.CONTAINER,
        title="SWUpdate image",
        facts={**_facts(description), "files": len(entries), "signed": SIGNATURE in by_name},
        integrity=(*verdicts, *opened.integrity),
        entries=entries,
        problems=(*reader.problems.sentences(), *opened.problems),
        limits_hit=opened.limits_hit,
    )


def _facts(description: Description) -> dict[str, Fact]:
    facts: dict[str, Fact] = {}
    if description.version:
        facts["version"] = visible(description.version)
    if description.text:
        facts["description"] = visible(description.text)
    if description.hardware:
        facts["hardware_compatibility"] = _told(description.hardware)
    if description.artifacts:
        facts["installs"] = _told([artifact.filename for artifact in description.artifacts])
    encrypted = sum(artifact.encrypted for artifact in description.artifacts)
    return facts | ({"encrypted_files": encrypted} if encrypted else {})


def _told(names: list[str]) -> tuple[str, ...]:
    told = tuple(visible(name, most_characters=80) for name in dict.fromkeys(names))
    return (*told[:LISTED], f"and {len(told) - LISTED} more") if len(told) > LISTED else told


def _record(name: str, data: bytes) -> bytes:
    fields = (1, 0o100644, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(name) + 1, sum(data))
    head = CPIO_NEW + b"".join(b"%08X" % field for field in fields) + name.encode() + b"\0"
    return head + bytes(-len(head) % 4) + data + bytes(-len(data) % 4)


def _example() -> bytes:
    image = b"pump settings\n" * 10
    text = (
        'software = {\n version = "1.2";\n hardware-compatibility = [ "1.0", "1.1" ];\n'
        f' images: ( {{ filename = "rootfs.ext4"; sha256 = "{hashlib.sha256(image).hexdigest()}"; }} );\n}}\n'
    )
    files = {DESCRIPTION: text.encode(), SIGNATURE: bytes(range(64)), "rootfs.ext4": image}
    whole = b"".join(_record(name, data) for name, data in files.items())
    trailer = CPIO_NEW + b"0" * 88 + b"0000000B" + b"0" * 8 + b"TRAILER!!!\0"
    return (whole + trailer).ljust(-(-len(whole + trailer) // 512) * 512, b"\0")


FORMAT = ImageFormat(
    name="swupdate",
    title="SWUpdate image",
    source="SWUpdate documentation 2023.12: SWU image format, syntax and tags, update images from verified source",
    limits="The signature is seen but not verified; encrypted files stay closed. Descriptions in Lua are not read.",
    open=_open,
    magics=(Magic(rb"07070[12][0-9A-Fa-f]{104}sw-description\x00"),),
    try_order=-10,
    example=_example,
)
