"""What a hardening part is derived from: the listed image, the device's profile, and the day."""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING

from device_profiles.schema import DeviceProfile
from firmware_checks.format import EntryKind
from firmware_checks.readers.entry_names import was_spelled_out
from toolkit.hardening.raw_areas import RawArea
from toolkit.report.model import Unread

if TYPE_CHECKING:
    from firmware_checks.inventory import Inventory
    from signing.key import Signer

__all__ = ["MAIN_SPACE", "FileKind", "HardeningSubject", "MemoryStretch", "SubjectFile", "System", "Volume"]


MAIN_SPACE = "main"
"""Address space of the main processor, as in profiles."""


class System(enum.StrEnum):
    """What the image runs; decides which parts of the pack can be applied on the device itself."""

    LINUX = "linux"
    WINDOWS = "windows"
    MICROCONTROLLER = "microcontroller"
    """A program without a file system."""
    OTHER = "other"
    """Files, but of a system we make no rules for, such as QNX, VxWorks or Windows CE."""


class FileKind(enum.StrEnum):
    """What a file is to application control."""

    PROGRAM = "program"
    LIBRARY = "library"
    KERNEL_MODULE = "kernel-module"
    SCRIPT = "script"
    """Starts with ``#!``, or has the suffix of a script that an interpreter runs."""
    WINDOWS_PROGRAM = "windows-program"
    WINDOWS_LIBRARY = "windows-library"
    WINDOWS_DRIVER = "windows-driver"
    OTHER = "other"

    @property
    def is_code(self) -> bool:
        """Whether the device may execute it."""
        return self is not FileKind.OTHER


@dataclass(frozen=True, slots=True, kw_only=True)
class SubjectFile:
    """Something with a name in a volume: a file, folder, link or device."""

    volume: str
    """``Volume.path`` of what it is in."""
    name: str
    """Path in the volume, with ``/`` between folders and none at its start; hidden characters are spelled out."""
    kind: EntryKind
    size: int | None
    mode: int | None
    """``mode & 0o7777`` of Unix; None where the container does not say."""
    uid: int | None
    gid: int | None
    target: str = ""
    """Where a link points to."""
    device: tuple[int, int] | None = None
    extended: Mapping[str, bytes] = field(default_factory=dict)
    """Extended attributes; file capabilities are ``security.capability``."""
    sha256: str = ""
    """Of the content of a file; empty where it could not be read."""
    file_kind: FileKind = FileKind.OTHER
    arch: str = ""
    """Processor of a compiled file as the rest of medharden writes it, such as ``arm``; empty where it is none."""
    build_id: str = ""
    """Identifier the linker gave this build, in hexadecimal."""

    @property
    def path(self) -> str:
        """Absolute path as the device has it, if the volume is its root file system."""
        return f"/{self.name}"

    @property
    def has_exact_name(self) -> bool:
        r"""Whether ``name`` is the name on the device: not when it may stand for hidden characters, such as ``\\x0a``.

        A rule by path cannot be written for the others; say so, and leave them out.
        """
        return not was_spelled_out(self.name)

    @property
    def is_code(self) -> bool:
        """Whether it is a file that the device may execute."""
        return self.kind in (EntryKind.FILE, EntryKind.HARD_LINK) and self.file_kind.is_code


@dataclass(frozen=True, slots=True, kw_only=True)
class Volume:
    """One file system or archive of the image."""

    path: str
    """Containers around it without the image's name, such as ``ext@0x100000``; empty for the image itself."""
    files: Sequence[SubjectFile]
    system: System | None
    """The system whose root file system it looks like; None when it is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryStretch:
    """Bytes at an address of the device, ``[address, address + len(data))``."""

    space: str
    """Address space: ``main`` unless the container tells several apart."""
    address: int
    data: memoryview


@dataclass(frozen=True, slots=True, kw_only=True)
class HardeningSubject:
    """One image of one device, as every part of the pack sees it; deterministic: the day is given."""

    image_name: str
    """File name without folders; safe to show."""
    digest: Callable[[], str]
    """Compute ``image_sha256``, once."""
    image_bytes: int
    profile: DeviceProfile
    day: date
    system: System
    volumes: Sequence[Volume] = ()
    areas: Sequence[RawArea] = ()
    """What lies outside of all volumes: boot loader, kernel; none for microcontrollers."""
    memory: Sequence[MemoryStretch] = ()
    """What the image puts into memory, for microcontrollers."""
    unread: Sequence[Unread] = ()
    """Parts of the image that could not be read: say so wherever completeness matters."""
    limits_hit: Sequence[str] = ()
    problems: Sequence[Unread] = ()
    """What is wrong with containers of the image, such as that one is cut short, though all in it was read."""
    read: Callable[[SubjectFile], bytes]
    """Return the content of a file once more, at most ``reading.MOST_READ_BYTES``; ``FormatError`` if it is damaged."""
    raw: Callable[[Volume], memoryview | None]
    """Return the bytes of a volume as they stand in the image; None where it is packed inside something else."""
    examine: Callable[[], Inventory]
    """Return what a scan finds (services, peers, components ...): takes seconds to minutes, done once."""
    also: HardeningSubject | None = None
    """A second dump of the same device: application control learns from both."""
    signer: Signer | None = None
    """Signs what is only believed when signed; None when no key was given."""

    @property
    def image_sha256(self) -> str:
        """Of the whole file, read when it is first asked for; of a folder, of its list of paths and digests."""
        return self.digest()

    @property
    def roots(self) -> Iterator[Volume]:
        """The volumes that look like a root file system of ``system``; two for an image with an A and a B side."""
        return (volume for volume in self.volumes if volume.system is self.system)

    def files(self) -> Iterator[SubjectFile]:
        """Yield every entry of the root file systems, or of all volumes where none looks like one."""
        for volume in list(self.roots) or self.volumes:
            yield from volume.files

    def code(self) -> Iterator[SubjectFile]:
        """Yield the files the device may execute."""
        return (file for file in self.files() if file.is_code)

    def file(self, path: str) -> SubjectFile | None:
        """Return the entry with this absolute path in a root file system; links are not followed."""
        name = path.lstrip("/")
        return next((file for file in self.files() if file.name == name), None)
