"""The evidence file: the result of a run, which may be signed so that a later change shows.

The record of the session is named in it by its SHA-256, so that one signature covers both.
"""

from __future__ import annotations

from typing import Final

import msgspec

from hil.result import BenchResult
from signing.envelope import SignedKind, opened_envelope, pack_envelope, read_envelope
from signing.key import PublicKey, Signer
from signing.refusal import fail_closed

__all__ = ["EVIDENCE", "pack_evidence", "read_evidence", "verified_evidence"]

EVIDENCE: Final = SignedKind(
    payload_type="application/vnd.medharden.bench-result+json", title="evidence file", rules="evidence"
)


def pack_evidence(result: BenchResult, signer: Signer | None = None) -> bytes:
    """Return the evidence file of ``result``, signed where there is a ``signer``."""
    return pack_envelope(msgspec.json.encode(result, order="deterministic"), EVIDENCE, signer)


def read_evidence(data: bytes) -> BenchResult:
    """Return what an evidence file says, without a word on whether anybody signed it; ``Refusal`` when it is none."""
    return _result(read_envelope(data, EVIDENCE))


def verified_evidence(data: bytes, key: PublicKey) -> BenchResult:
    """Return what an evidence file says if ``key`` has signed it; ``Refusal`` if not, for whatever reason."""
    return _result(opened_envelope(data, EVIDENCE, [key]).payload)


def _result(payload: bytes) -> BenchResult:
    with fail_closed(EVIDENCE.rules + ".malformed", EVIDENCE.title):
        return msgspec.json.decode(payload, type=BenchResult)
