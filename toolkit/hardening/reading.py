"""From an image or a folder to what the parts of a pack are derived from."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from device_profiles.schema import DeviceProfile
from firmware_checks.format_index import load_formats
from firmware_checks.image import Image, open_image
from firmware_checks.listing import Listing
from firmware_checks.unread import UnreadList
from signing.key import Signer
from toolkit.core.cache import NO_CACHE, Cache
from toolkit.core.errors import FormatError, InputError
from toolkit.core.limits import MIB, Budget, Limits
from toolkit.hardening.device_memory import DeviceMemory, memory_of
from toolkit.hardening.file_notes import note_of
from toolkit.hardening.folder_listing import folder_rows
from toolkit.hardening.raw_areas import raw_areas
from toolkit.hardening.subject import HardeningSubject, SubjectFile, System, Volume
from toolkit.hardening.volumes import ImageVolumes, is_root_file_system, volumes_of

if TYPE_CHECKING:
    from firmware_checks.inventory import Inventory

__all__ = ["MOST_READ_BYTES", "Reading", "read_subject"]

MOST_READ_BYTES = 64 * MIB
"""Of one content that is read again."""
MOST_FILES_OF_A_PROGRAM = 50
"""An update for a microcontroller may be an archive with some files of firmware and papers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """How subjects are read: for which device, on which day, with how many readers, signed by whom."""

    profile: DeviceProfile
    day: date
    jobs: int = 2
    limits: Limits = field(default_factory=Limits)
    signer: Signer | None = None
    kept: Cache = NO_CACHE
    on_progress: Callable[[int, int], None] = field(default=lambda _done, _total: None)


@contextmanager
def read_subject(path: Path, reading: Reading, also: HardeningSubject | None = None) -> Iterator[HardeningSubject]:
    """Give what is known of the image or folder at ``path``; contents can be read again while it is given.

    Raises ``InputError`` when it cannot be read at all; what could not be read of it is in ``unread``.
    """
    if path.is_dir():
        yield _folder_subject(path, reading, also)
        return
    with open_image(path, reading.limits) as image:
        yield _image_subject(path, image, reading, also)


def _image_subject(path: Path, image: Image, reading: Reading, also: HardeningSubject | None) -> HardeningSubject:
    done = 0

    def advance(size: int) -> None:
        nonlocal done
        done += size
        reading.on_progress(min(done, image.size), image.size)

    budget = Budget(reading.limits, image.size)
    listing = Listing(
        load_formats(),
        budget,
        jobs=reading.jobs,
        with_digests=True,
        is_plain=is_root_file_system,
        note_of=note_of,
        on_bytes=advance,
        release_pages=image.release_pages,
    )
    with closing(listing.rows(image.span)) as rows:
        found = volumes_of(rows)
    system = _system(found, reading.profile)
    is_one_program = system is System.MICROCONTROLLER
    memory = memory_of(image.span, reading.profile, reading.limits) if is_one_program else DeviceMemory()
    extents = [(0, image.size)] if is_one_program else list(listing.extents.values())
    return HardeningSubject(
        image_name=image.name,
        digest=functools.cache(functools.partial(image.sha256, lambda _size: None)),
        image_bytes=image.size,
        profile=reading.profile,
        day=reading.day,
        system=system,
        volumes=found.volumes,
        areas=raw_areas(image.span.window.view, extents),
        memory=memory.stretches,
        unread=(*listing.unread.rows(), *memory.unread),
        limits_hit=budget.hits.sentences(),
        problems=tuple(listing.problems),
        read=_Contents(found, path, reading).read,
        raw=functools.partial(_raw, image, listing.extents),
        examine=functools.cache(functools.partial(_scanned, image, reading)),
        also=also,
        signer=reading.signer,
    )


def _raw(image: Image, extents: Mapping[str, tuple[int, int]], volume: Volume) -> memoryview | None:
    path = f"{image.name}!{volume.path}" if volume.path else image.name
    start, end = extents.get(path, (0, 0))
    return image.span.window.view[start:end] if end > start else None


def _packed(_volume: Volume) -> None:
    """Say that there are no bytes of a file system: a folder has none."""


def _scanned(image: Image, reading: Reading) -> Inventory:
    from firmware_checks.scan import Scanner  # many rules and checks, that a baseline does not ask

    return Scanner(profile=reading.profile, kept=reading.kept).take_inventory(image)


def _folder_subject(path: Path, reading: Reading, also: HardeningSubject | None) -> HardeningSubject:
    budget = Budget(reading.limits)
    unread = UnreadList(reading.limits.unread)
    found = volumes_of(folder_rows(path, budget, unread, note_of))
    if not found.volumes:
        raise InputError(f"{path}: the folder holds no file")
    files = found.volumes[0].files
    return HardeningSubject(
        image_name=path.resolve().name,
        digest=functools.cache(functools.partial(_folder_digest, files)),
        image_bytes=sum(file.size or 0 for file in files),
        profile=reading.profile,
        day=reading.day,
        system=_system(found, reading.profile),
        volumes=found.volumes,
        unread=unread.rows(),
        limits_hit=budget.hits.sentences(),
        read=_Contents(found, path, reading).read,
        raw=_packed,
        examine=functools.partial(_no_scan, path),
        also=also,
        signer=reading.signer,
    )


def _folder_digest(files: Sequence[SubjectFile]) -> str:
    """Return one digest for all names, kinds and contents, in whatever order the folder gives them."""
    digest = hashlib.sha256()
    for file in sorted(files, key=lambda file: file.name):
        digest.update(f"{file.name}\0{file.kind.value}\0{file.target}\0{file.sha256}\0".encode("utf-8", "replace"))
    return digest.hexdigest()


def _no_scan(path: Path) -> Inventory:
    raise InputError(f"{path}: a folder cannot be scanned; pack it into one file first, for example with tar")


def _system(found: ImageVolumes, profile: DeviceProfile) -> System:
    """Return the system of the largest root file system; without one, what the profile and the volumes say."""
    roots = [volume for volume in found.volumes if volume.system is not None]
    if roots:
        largest = max(roots, key=lambda volume: len(volume.files))
        return largest.system or System.OTHER
    has_map = bool(profile.platform.memory_map)
    few = sum(len(volume.files) for volume in found.volumes) <= MOST_FILES_OF_A_PROGRAM
    return System.MICROCONTROLLER if not found.volumes or (few and has_map) else System.OTHER


@dataclass(frozen=True, slots=True)
class _Contents:
    """Reads contents again."""

    found: ImageVolumes
    path: Path
    reading: Reading

    def read(self, file: SubjectFile) -> bytes:
        """See ``HardeningSubject.read``."""
        entry, listed = self.found.entries[file.volume, file.name]
        content = entry.read(MOST_READ_BYTES)
        if content or not file.size:
            return content
        return self._listed_again(listed)  # its container was opened in a copy of this process

    def _listed_again(self, path: str) -> bytes:
        limits = self.reading.limits
        with open_image(self.path, limits) as image:
            listing = Listing(load_formats(), Budget(limits, image.size), jobs=1, is_wanted=lambda at: at == path)
            with closing(listing.rows(image.span)) as rows:
                for row in rows:
                    if row.path == path and row.content is not None:
                        return bytes(row.content)
        raise FormatError(f"{path}: cannot be read again")
