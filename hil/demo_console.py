"""The words of the demo pump's console, for both ends; what each means stands in ``hil/models/console.py``."""

from __future__ import annotations

import hashlib
import hmac
import re
from typing import Final

__all__ = [
    "ANSWER",
    "LONGEST_LINE_BYTES",
    "MAC_DIGITS",
    "PASSWORD",
    "PROTOCOL",
    "line_with_checksum",
    "set_command",
    "set_proof",
]

PROTOCOL: Final = "demo-console"
PASSWORD: Final = b"vF7-q2Lx"
"""Of the one demo pump there is; it treats nobody."""
LONGEST_LINE_BYTES: Final = 64
MAC_DIGITS: Final = 8
ANSWER: Final = re.compile(rb"([=!])([^\r\n]*)\r\n")


def line_with_checksum(text: bytes) -> bytes:
    """Return the line ``text`` with its check value and line end."""
    value = 0
    for byte in text:
        value ^= byte
    return b"%s*%02X\r" % (text, value)


def set_command(name: bytes, value: int, *, nonce: bytes, password: bytes) -> bytes:
    """Return the line that sets ``name`` to ``value``, proven with ``password``."""
    return b"set %s %d %s\r" % (name, value, set_proof(password, nonce, name, b"%d" % value))


def set_proof(password: bytes, nonce: bytes, name: bytes, value: bytes) -> bytes:
    """Return what proves that the sender of a set-command knows the password."""
    message = b"%s set %s %s" % (nonce, name, value)
    return hmac.new(password, message, hashlib.sha256).hexdigest()[:MAC_DIGITS].encode()
