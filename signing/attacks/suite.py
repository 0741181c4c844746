"""What an attack is: its number in the list of cases, what is done, and the rule that must stop it."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, Generic, TypeVar

from signing.refusal import Refusal

__all__ = ["CASES", "Attack", "Outcome", "Suite", "outcome", "suites"]

Bench = TypeVar("Bench")

CASES: Final = MappingProxyType(
    {
        1: "unsigned",
        2: "empty signature list",
        3: "wrong key",
        4: "bit flip in a signature",
        5: "signature cut short or too long",
        6: "signature over another message",
        7: "algorithm confusion: key declared as another kind",
        8: "hash algorithm confused or downgraded",
        9: "scheme `none` or unknown",
        10: "Ed25519 malleability, small-order key",
        11: "ECDSA r or s zero, r = n, not DER, high s",
        12: "RSA with e = 1 or 3, forged padding, 1024 bits",
        13: "ML-DSA with wrong context, malformed hint",
        14: "pure and pre-hash signatures confused",
        15: "LMS index used again, out of range, type swapped",
        16: "post-quantum half of a hybrid stripped",
        17: "classical half of a hybrid stripped",
        18: "published test key",
        19: "threshold met by one key twice",
        20: "one key under two key ids",
        21: "threshold zero or negative",
        22: "revoked key",
        23: "root version skipped, or signed by new keys only",
        24: "bad root kept and then trusted",
        25: "role confusion",
        26: "delegation outside its paths",
        27: "diamond delegation",
        28: "delegation cycle, depth bomb",
        29: "another repository signs",
        30: "terminating delegation ignored",
        31: "metadata version rollback, per role",
        32: "fast-forward, and recovery from it",
        33: "freeze: expired timestamp",
        34: "clock set back or forward, no clock, 1970",
        35: "mix-and-match of snapshot and targets",
        36: "signed old image, security counter lower",
        37: "equal version, other content",
        38: "counter wraps, build number only",
        39: "rollback after a failed update",
        40: "stale USB stick replayed",
        41: "wrong model, revision or region",
        42: "wrong vendor",
        43: "wrong component",
        44: "unmet dependency, minimum boot loader",
        45: "wrong load address or slot size",
        46: "unprotected TLV injected",
        47: "TLV order, duplicates",
        48: "trailing data",
        49: "cut short at every offset",
        50: "length zero, huge, overlapping",
        51: "duplicate keys, NaN, deep nesting, not canonical",
        52: "names that lead elsewhere, links, doubles on FAT32",
        53: "decompression bomb, oversize, endless stream",
        54: "FIT duplicate configuration, unit address, default swapped",
        55: "CMS expired, wrong usage, self-signed, two signers",
        56: "other bytes between verifying and writing",
        57: "short reads, read errors",
        58: "power cut at every write",
        59: "skipped comparison",
        60: "crash of the verifier",
        61: "two updaters at once",
        62: "integer truncation of a huge payload",
        63: "list of what is hashed taken from the attacker",
        64: "drug library, configuration or calibration with a checksum only",
        65: "log changed or cut",
        66: "papers about another image",
        67: "verification without a key",
        68: "unverified fields printed as if they were true",
    }
)
"""The list of cases, by number."""


@dataclass(frozen=True, slots=True)
class Attack(Generic[Bench]):
    """One attempt to get past a verifier."""

    case: int
    what: str
    rules: frozenset[str]
    """Rules of which one must stop it."""
    run: Callable[[Bench], object]
    """Hands the bad offer to the verifier."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of an attack; ``rule`` is empty where nothing stopped it."""

    rule: str
    message: str


@dataclass(frozen=True, slots=True)
class Suite(Generic[Bench]):
    """All attacks on one format."""

    name: str
    title: str
    bench: Callable[[Path], Bench]
    """Makes what attacks start from, in an empty folder."""
    attacks: tuple[Attack[Bench], ...]
    elsewhere: Mapping[int, str]
    """Cases that have no attack here, with the reason or the test that covers them."""


def outcome(attack: Attack[Bench], bench: Bench) -> Outcome:
    """Try ``attack``; an exception that is no refusal is a defect of the verifier and goes on its way."""
    try:
        attack.run(bench)
    except Refusal as refusal:
        return Outcome(refusal.rule, str(refusal))
    return Outcome("", "")


def suites() -> tuple[Suite[Any], ...]:
    """Return the attacks on every format: each file of this folder that has a ``SUITE``."""
    folder = importlib.import_module("signing.attacks")
    names = sorted(module.name for module in pkgutil.iter_modules(folder.__path__))
    modules = [importlib.import_module(f"signing.attacks.{name}") for name in names]
    found = [getattr(module, "SUITE", None) for module in modules]
    return tuple(suite for suite in found if isinstance(suite, Suite))
