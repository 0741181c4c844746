"""What may be sent at all: no forbidden message ever, and nothing before the device has proven who it is."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from device_profiles.schema import DeviceProfile
from hil.errors import WriteRefused
from hil.level import EvidenceLevel

__all__ = ["Forbidden", "WriteGuard", "byte_pattern", "guard_for", "guard_without_profile"]

ANY_BYTE: Final = ".."


def byte_pattern(pattern: str) -> re.Pattern[bytes]:
    """Return the search for a pattern of a profile, such as ``F2 80 ..``, where ``..`` is any byte."""
    parts = (b"." if part == ANY_BYTE else re.escape(bytes.fromhex(part)) for part in pattern.split())
    return re.compile(b"".join(parts), re.DOTALL)


@dataclass(frozen=True, slots=True)
class Forbidden:
    """One message that must never reach a device."""

    pattern: re.Pattern[bytes]
    size_bytes: int
    command: str
    reason: str


class WriteGuard:
    """Stands in every transport and sees every write.

    It knows what was sent before, so that a forbidden message does not get through in pieces. While it is locked, only
    the ``questions`` that find out who the device is may be sent, each as a whole.
    """

    def __init__(
        self, *, forbidden: Iterable[Forbidden] = (), questions: Iterable[bytes] = (), locked: str = ""
    ) -> None:
        self.forbidden = tuple(forbidden)
        self._questions = frozenset(questions)
        self._locked = locked
        self._reason = locked
        self._tail = b""
        self._kept_bytes = max((f.size_bytes for f in self.forbidden), default=1) - 1

    @property
    def is_locked(self) -> bool:
        """Whether only questions may be sent."""
        return bool(self._locked)

    def check(self, data: bytes) -> None:
        """Return if ``data`` may be sent next; raise ``WriteRefused`` with the reason."""
        if self._locked and data not in self._questions:
            raise WriteRefused(f"not sent: {self._locked}")
        stream = self._tail + data
        self._refuse_forbidden(stream)
        self._tail = stream[-self._kept_bytes :] if self._kept_bytes else b""

    def check_message(self, data: bytes) -> None:
        """Like ``check`` for a message that stands alone, such as a USB control transfer."""
        if self._locked:
            raise WriteRefused(f"not sent: {self._locked}")
        self._refuse_forbidden(data)

    def _refuse_forbidden(self, data: bytes) -> None:
        for forbidden in self.forbidden:
            if forbidden.pattern.search(data):
                raise WriteRefused(f"not sent, the profile forbids it: {forbidden.command} ({forbidden.reason})")

    def unlock(self) -> None:
        """Allow what is not forbidden; called when the device has proven who it is."""
        self._locked = ""

    def lock(self) -> None:
        """Ask for the proof again; called when the connection was lost, after which anything may be plugged in."""
        self._locked = self._reason

    def without_lock(self) -> WriteGuard:
        """Return a guard that refuses the same messages and asks for no proof, to stand behind this one."""
        return WriteGuard(forbidden=self.forbidden)


def guard_for(profile: DeviceProfile, interface: str | None) -> WriteGuard:
    """Return the guard for ``interface`` of the device in ``profile``; for all interfaces when that is not known.

    It starts locked. A profile that has no safe state or no question for this interface never unlocks: see
    ``why_never_written``.
    """
    rules = profile.hil
    forbidden = [
        Forbidden(byte_pattern(entry.pattern), len(entry.pattern.split()), entry.command, entry.reason)
        for entry in rules.never_send
        if entry.pattern is not None and (None in (interface, entry.interface) or entry.interface == interface)
    ]
    questions = [
        bytes.fromhex(entry.send)
        for entry in rules.identify
        if entry.send is not None and interface in (None, entry.interface)
    ]
    return WriteGuard(forbidden=forbidden, questions=questions, locked="the device has not proven who it is")


def guard_without_profile(level: EvidenceLevel) -> WriteGuard:
    """Return the guard where no profile says what the device is: an emulated one may be written to, a real one not."""
    return WriteGuard(locked="there is no device profile, so it is only listened to" if level.is_real else "")
