"""The evidence file: the result of a run, which may be signed so that a later change shows.

The form is a DSSE envelope. Source: DSSE protocol 1.0.2, in-toto attestation framework. The record of the session is
named in it by its SHA-256, so that one signature covers both.
"""

from __future__ import annotations

import base64
from typing import Annotated, Final

import msgspec

from hil.result import BenchResult
from signing.key import PublicKey, Signer
from signing.refusal import Refusal, fail_closed

__all__ = ["PAYLOAD_TYPE", "pack_evidence", "read_evidence", "verified_evidence"]

PAYLOAD_TYPE: Final = "application/vnd.medharden.bench-result+json"
MOST_BYTES: Final = 64 << 20
MOST_SIGNATURES: Final = 16


class _Signature(msgspec.Struct, frozen=True):
    keyid: str
    sig: str


class _Envelope(msgspec.Struct, frozen=True, rename={"payload_type": "payloadType"}):
    payload: str
    payload_type: Annotated[str, msgspec.Meta(pattern="^" + PAYLOAD_TYPE.replace("+", r"\+").replace(".", r"\.") + "$")]
    signatures: Annotated[tuple[_Signature, ...], msgspec.Meta(max_length=MOST_SIGNATURES)]


def pack_evidence(result: BenchResult, signer: Signer | None = None) -> bytes:
    """Return the evidence file of ``result``, signed where there is a ``signer``."""
    payload = msgspec.json.encode(result, order="deterministic")
    signatures: tuple[_Signature, ...] = ()
    if signer is not None:
        signature = base64.b64encode(signer.sign(_signed_bytes(payload))).decode()
        signatures = (_Signature(keyid=signer.public.key_id, sig=signature),)
    envelope = _Envelope(payload=base64.b64encode(payload).decode(), payload_type=PAYLOAD_TYPE, signatures=signatures)
    return msgspec.json.format(msgspec.json.encode(envelope), indent=2) + b"\n"


def read_evidence(data: bytes) -> BenchResult:
    """Return what an evidence file says, without a word on whether anybody signed it; ``Refusal`` when it is none."""
    return _result(_payload(_envelope(data)))


def verified_evidence(data: bytes, key: PublicKey) -> BenchResult:
    """Return what an evidence file says if ``key`` has signed it; ``Refusal`` if not, for whatever reason."""
    envelope = _envelope(data)
    with fail_closed("evidence.malformed", "evidence file"):
        payload = _payload(envelope)
        mine = [entry for entry in envelope.signatures if entry.keyid == key.key_id]
        if not mine:
            raise Refusal("evidence.unsigned", "this key has not signed the evidence file")
        key.verify(_signed_bytes(payload), base64.b64decode(mine[0].sig, validate=True))
        return _result(payload)


def _envelope(data: bytes) -> _Envelope:
    with fail_closed("evidence.malformed", "evidence file"):
        if len(data) > MOST_BYTES:
            raise Refusal("evidence.malformed", f"no evidence file is longer than {MOST_BYTES >> 20} MiB")
        return msgspec.json.decode(data, type=_Envelope)


def _payload(envelope: _Envelope) -> bytes:
    with fail_closed("evidence.malformed", "evidence file"):
        return base64.b64decode(envelope.payload, validate=True)


def _result(payload: bytes) -> BenchResult:
    with fail_closed("evidence.malformed", "evidence file"):
        return msgspec.json.decode(payload, type=BenchResult)


def _signed_bytes(payload: bytes) -> bytes:
    """Return the pre-authentication encoding: type and body with their lengths, so that none can pass for another."""
    kind = PAYLOAD_TYPE.encode()
    return b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(payload), payload)
