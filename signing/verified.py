"""An update that may be installed, as a type: nothing that writes to a device takes anything else.

``VerifiedUpdate`` is made by ``signing.verify.verify`` alone. It cannot be made by hand, copied, changed, subclassed or
read from a file, and ``require_verified`` asks at run time too, so that a cast or a wrong annotation gains nothing.
"""

from __future__ import annotations

import hashlib
import hmac
import tempfile
import weakref
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import BinaryIO, Final, NoReturn, cast, final

from signing.freshness import Judgement
from signing.override import Decision
from signing.package.archive import Archive
from signing.package.release import FILES, File, Release
from signing.refusal import Refusal
from signing.unit import Unit

__all__ = ["Approval", "VerifiedUpdate", "require_verified"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Approval:
    """Who has approved: the repository, the role that signed, and the keys, with names where the root gives them."""

    repository: str
    role: str
    signers: Mapping[str, str]
    """Key id -> name of the person or an empty text."""


@final
class VerifiedUpdate:
    """One update that was found authentic, meant for this device, not older, fresh or overridden, and approved."""

    __slots__ = (
        "__weakref__",
        "_archive",
        "_frozen",
        "approvals",
        "judgement",
        "override",
        "profile",
        "release",
        "release_sha256",
        "unit",
        "unit_after",
    )

    release: Release
    release_sha256: str
    approvals: tuple[Approval, ...]
    judgement: Judgement
    override: Decision | None
    profile: str
    unit: Unit
    """The device it was verified for."""
    unit_after: Unit
    """What is to be remembered of the metadata from now on; what is installed stays as it was until it is."""

    def __new__(cls, *_: object, **__: object) -> NoReturn:
        """Refuse: only ``verify`` makes one."""
        raise Refusal("install.unverified", "only the verifier makes a verified update")

    def __init_subclass__(cls) -> NoReturn:
        raise Refusal("install.unverified", "nothing else can be a verified update")

    def __setattr__(self, name: str, value: object) -> None:
        if getattr(self, "_frozen", False):
            raise Refusal("install.unverified", f"{name} of a verified update cannot be changed")
        object.__setattr__(self, name, value)

    def __delattr__(self, name: str) -> NoReturn:
        raise Refusal("install.unverified", f"{name} of a verified update cannot be removed")

    def __copy__(self) -> NoReturn:
        raise Refusal("install.unverified", "a verified update cannot be copied")

    def __deepcopy__(self, _: object) -> NoReturn:
        raise Refusal("install.unverified", "a verified update cannot be copied")

    def __reduce__(self) -> NoReturn:
        raise Refusal("install.unverified", "a verified update cannot be stored")

    @contextmanager
    def private_copy(self, file: File) -> Iterator[BinaryIO]:
        """Give a copy of ``file`` that nobody else can reach, verified again while it was made.

        The package may lie on a stick that returns other bytes the second time; what counts is what will be written.
        """
        require_verified(self)
        if file not in self.release.files:
            raise Refusal("install.unverified", f"{file.name} is not part of the verified update")
        member = self._archive.members[f"{FILES}{self.release.folder}{file.name}"]
        digest = hashlib.sha256()
        with tempfile.TemporaryFile() as opened:
            copy = cast("BinaryIO", opened)  # Windows wraps it in a class of its own
            for chunk in self._archive.chunks(member):
                digest.update(chunk)
                copy.write(chunk)
            require_digest(file, digest.hexdigest(), copy.tell())
            copy.seek(0)
            yield copy

    _archive: Archive


_GENUINE: Final[weakref.WeakSet[VerifiedUpdate]] = weakref.WeakSet()
"""Every update that the verifier has made and somebody still holds."""


def mint(
    *,
    archive: Archive,
    release: Release,
    release_sha256: str,
    approvals: tuple[Approval, ...],
    judgement: Judgement,
    override: Decision | None,
    profile: str,
    unit: Unit,
    unit_after: Unit,
) -> VerifiedUpdate:
    """Make a verified update. For ``signing.verify`` only: a test checks that nothing else calls it."""
    update: VerifiedUpdate = _make(VerifiedUpdate)
    update._archive = archive  # noqa: SLF001  # the one place where it is made
    update.release = release
    update.release_sha256 = release_sha256
    update.approvals = approvals
    update.judgement = judgement
    update.override = override
    update.profile = profile
    update.unit = unit
    update.unit_after = unit_after
    object.__setattr__(update, "_frozen", True)
    _GENUINE.add(update)
    return update


_make: Final[Callable[[object], VerifiedUpdate]] = object.__new__  # type: ignore[assignment]  # past its own refusal


def require_verified(update: object) -> VerifiedUpdate:
    """Return ``update`` if the verifier made it; refuse anything else, whatever type it claims to have."""
    if type(update) is not VerifiedUpdate or not any(update is genuine for genuine in _GENUINE):
        raise Refusal("install.unverified", "this was not verified, so it is not installed")
    return cast("VerifiedUpdate", update)


def require_digest(file: File, sha256: str, size: int) -> None:
    """Return if ``sha256`` and ``size`` are those of ``file``, compared twice in different ways; refuse if not.

    One skipped instruction (a glitch) must not turn a no into a yes.
    """
    alike = hmac.compare_digest(sha256, file.sha256) and size == file.size
    differs = int(sha256, 16) ^ int(file.sha256, 16) or size - file.size
    if not alike or differs:
        raise Refusal("package.digest", f"{file.name} is not what was signed")
