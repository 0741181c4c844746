"""Passwords that everybody tries first, and whether one of them is behind a stored password.

A password is compared with a short list of what is public, and with names that are close to the account's. The work is
counted and bounded, in steps of about half a millisecond, so the same image gives the same answer on every computer.
"""

from __future__ import annotations

import base64
import hashlib
import re
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import Any

__all__ = ["Guess", "Guesser", "known_as"]

MOST_STEPS = 16_000
"""Work for one image: some eight seconds of an old laptop, spent only where passwords are stored."""
_BCRYPT = re.compile(r"\$2[abxy]\$(\d\d)\$[./A-Za-z0-9]{53}")
_SCRYPT = re.compile(r"\$7\$([./0-9A-Za-z])([./0-9A-Za-z]{5})[./0-9A-Za-z]{5}[^$]{0,64}\$[./0-9A-Za-z]{43}")
"""Work as a power of two, size of a block, how often, salt, hash. Source: crypt(5) of libxcrypt."""
_DIGITS = "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_MOST_SCRYPT_WORK = 1 << 22
"""Work times block of what is compared: more of it takes more than half a gibibyte of memory."""
_SCRYPT_WORK_OF_ONE_STEP = 650
_NOBODY_CAN = ("$y$", "$gy$")
"""yescrypt and its variant of GOST: no library that is kept up compares them on every system."""
_ROUNDS = re.compile(r"\$[56]\$rounds=(\d{1,9})\$")
_HEXADECIMAL = re.compile(r"[0-9a-fA-F]{32}|[0-9a-fA-F]{40}")
_DESCRYPT = re.compile(r"[./0-9A-Za-z]{13}")
_STEPS_OF_5000_ROUNDS = 6
_ROUNDS_OF_ONE_STEP = 800
_BCRYPT_COST_OF_ONE_STEP = 3
_MOST_STEPS_OF_ONE = 200
"""A password kept with more work than this a try is compared with the account's own names only."""
_FIRST_WORDS = 6


@cache
def _words() -> Mapping[str, str]:
    text = files("firmware_checks.credentials").joinpath("well_known.toml").read_text(encoding="utf-8")
    return {word: group for group, words in tomllib.loads(text)["groups"].items() for word in words.split()}


def known_as(password: str) -> str | None:
    """Return why ``password`` is no secret; None when it is not on the list."""
    return _words().get(password)


@dataclass(frozen=True, slots=True)
class Guess:
    """What a comparison came to; the password itself is not told."""

    reason: str


@dataclass(slots=True)
class Guesser:
    """Compares the stored passwords of one image; the same one is compared once for each user."""

    steps_left: int = MOST_STEPS
    unfinished: int = 0
    """How many stored passwords were not compared with the whole list, because the work would be too much."""
    uncompared: int = 0
    """How many were not compared at all, because of how they are kept."""
    _known: dict[tuple[str, str], Guess | None] = field(default_factory=dict)

    def guess(self, user: str, stored: str) -> Guess | None:
        """Return why the password of ``user`` is no secret; None when it is not on the list or cannot be compared."""
        key = (user, stored)
        if key not in self._known:
            self._known[key] = self._compared(user, stored)
        return self._known[key]

    def _compared(self, user: str, stored: str) -> Guess | None:
        way = _way_of(stored)
        if way is None:
            self.uncompared += stored.startswith((*_NOBODY_CAN, "$7$"))
            return None
        steps, is_it = way
        words = list(_candidates(user))
        most = _FIRST_WORDS if steps > _MOST_STEPS_OF_ONE else len(words)
        tried = min(most, self.steps_left // steps)
        for count, (word, reason) in enumerate(words[:tried], 1):
            if is_it(word):
                self.steps_left -= count * steps
                return Guess(reason)
        self.steps_left -= tried * steps
        self.unfinished += tried < len(words)
        return None


def _candidates(user: str) -> Iterator[tuple[str, str]]:
    yield "", "it is empty"
    if user:
        for word in (user, user.lower(), user.capitalize(), user + "1", user + "123"):
            yield word, "it is made from the account's name"
    yield from _words().items()


def _way_of(stored: str) -> tuple[int, Callable[[str], bool]] | None:
    """Return what one comparison with ``stored`` costs in steps, and how it is made; None for what nobody can."""
    bcrypt_cost = _BCRYPT.fullmatch(stored)
    if bcrypt_cost is not None:
        return 1 << max(0, int(bcrypt_cost[1]) - _BCRYPT_COST_OF_ONE_STEP), lambda word: _is_bcrypt(word, stored)
    if stored.startswith("$7$"):
        work = _scrypt_work(stored)
        steps = max(1, work // _SCRYPT_WORK_OF_ONE_STEP)
        return (steps, lambda word: _is_crypt(word, stored)) if 0 < work <= _MOST_SCRYPT_WORK else None
    if stored.startswith("{SHA}"):
        return 1, lambda word: base64.b64encode(hashlib.sha1(word.encode()).digest()).decode() == stored[5:]  # noqa: S324  # it is theirs
    if _HEXADECIMAL.fullmatch(stored):
        name = "md5" if len(stored) == 32 else "sha1"
        return 1, lambda word: hashlib.new(name, word.encode()).hexdigest() == stored.lower()
    if stored.startswith(("$1$", "$apr1$", "$5$", "$6$")) or _DESCRYPT.fullmatch(stored):
        rounds = _ROUNDS.match(stored)
        steps = _STEPS_OF_5000_ROUNDS if rounds is None else max(1, int(rounds[1]) // _ROUNDS_OF_ONE_STEP)
        steps = steps if stored.startswith(("$5$", "$6$")) else 1
        return steps, lambda word: _is_crypt(word, stored)
    return None if not stored or stored.startswith(("$", "{")) else (1, lambda word: word == stored)


def _scrypt_work(stored: str) -> int:
    """Return work times block of a password kept with scrypt; 0 when it only looks like one."""
    found = _SCRYPT.fullmatch(stored)
    if found is None:
        return 0
    block = sum(_DIGITS.index(digit) << 6 * place for place, digit in enumerate(found[2]))
    return (1 << _DIGITS.index(found[1])) * block


def _is_bcrypt(word: str, stored: str) -> bool:
    import bcrypt  # compiled code that only this needs

    try:
        return bcrypt.checkpw(word.encode()[:72], stored.encode())
    except ValueError:
        return False  # it only looked like one


def _is_crypt(word: str, stored: str) -> bool:
    try:
        return bool(_crypts().verify(word, stored))
    except ValueError:
        return False  # it only looked like one


@cache
def _crypts() -> Any:
    from passlib.context import CryptContext  # type: ignore[import-untyped]  # 30 ms that only a password costs

    return CryptContext(schemes=["sha512_crypt", "sha256_crypt", "md5_crypt", "apr_md5_crypt", "des_crypt", "scrypt"])
