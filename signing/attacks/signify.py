"""Attacks on signify signatures."""

from __future__ import annotations

from typing import Final

from signing.attacks.image_attacks import image_suite
from signing.attacks.image_lab import LAB
from signing.attacks.minisign import COMMENTED

__all__ = ["SUITE"]

SUITE: Final = image_suite("signify", "signify signatures", LAB.signify, *COMMENTED, signature_at=60)
