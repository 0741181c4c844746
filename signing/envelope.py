"""A document with its signatures in one file: the DSSE envelope, for whatever medharden writes and later believes.

Source: DSSE protocol 1.0.2, in-toto attestation framework. The type is part of what is signed, so that a document of
one kind never passes for one of another.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated, Final

import msgspec

from signing.key import PublicKey, Signer
from signing.refusal import Refusal, fail_closed

__all__ = ["Opened", "SignedKind", "opened_envelope", "pack_envelope", "read_envelope"]

MOST_SIGNATURES: Final = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedKind:
    """One kind of document that is signed."""

    payload_type: str
    """Media type; part of what is signed."""
    title: str
    """What it is called in messages, for example ``evidence file``."""
    rules: str
    """What the names of its refusals start with, for example ``evidence``."""
    most_bytes: int = 64 << 20
    """No file of the kind is longer."""


class _Signature(msgspec.Struct, frozen=True):
    keyid: str
    sig: str


class _Envelope(msgspec.Struct, frozen=True, rename={"payload_type": "payloadType"}):
    payload: str
    payload_type: str
    signatures: Annotated[tuple[_Signature, ...], msgspec.Meta(max_length=MOST_SIGNATURES)]


@dataclass(frozen=True, slots=True)
class Opened:
    """A document somebody who is trusted has signed."""

    payload: bytes
    key: PublicKey
    """Whose signature it was."""


def pack_envelope(payload: bytes, kind: SignedKind, signer: Signer | None = None) -> bytes:
    """Return the file that holds ``payload``, signed where there is a ``signer``."""
    signatures: tuple[_Signature, ...] = ()
    if signer is not None:
        signature = base64.b64encode(signer.sign(_signed_bytes(payload, kind))).decode()
        signatures = (_Signature(keyid=signer.public.key_id, sig=signature),)
    encoded = base64.b64encode(payload).decode()
    envelope = _Envelope(payload=encoded, payload_type=kind.payload_type, signatures=signatures)
    return msgspec.json.format(msgspec.json.encode(envelope), indent=2) + b"\n"


def read_envelope(data: bytes, kind: SignedKind) -> bytes:
    """Return the payload, without a word on whether anybody signed it; ``Refusal`` when it is no such file."""
    return _payload(_envelope(data, kind), kind)


def opened_envelope(data: bytes, kind: SignedKind, keys: Iterable[PublicKey]) -> Opened:
    """Return the payload if one of ``keys`` has signed it; ``Refusal`` if not, for whatever reason."""
    envelope = _envelope(data, kind)
    with fail_closed(f"{kind.rules}.malformed", kind.title):
        payload = _payload(envelope, kind)
        if not envelope.signatures:
            raise Refusal(f"{kind.rules}.unsigned", f"nobody has signed the {kind.title}")
        trusted = {key.key_id: key for key in keys}
        mine = [entry for entry in envelope.signatures if entry.keyid in trusted]
        if not mine:
            raise Refusal(f"{kind.rules}.unsigned", f"no trusted key has signed the {kind.title}")
        key = trusted[mine[0].keyid]
        key.verify(_signed_bytes(payload, kind), base64.b64decode(mine[0].sig, validate=True))
        return Opened(payload, key)


def _envelope(data: bytes, kind: SignedKind) -> _Envelope:
    with fail_closed(f"{kind.rules}.malformed", kind.title):
        if len(data) > kind.most_bytes:
            raise Refusal(f"{kind.rules}.malformed", f"no {kind.title} is longer than {kind.most_bytes >> 20} MiB")
        envelope = msgspec.json.decode(data, type=_Envelope)
        if envelope.payload_type != kind.payload_type:
            raise Refusal(f"{kind.rules}.malformed", f"this is no {kind.title} but {envelope.payload_type[:80]!r}")
        return envelope


def _payload(envelope: _Envelope, kind: SignedKind) -> bytes:
    with fail_closed(f"{kind.rules}.malformed", kind.title):
        return base64.b64decode(envelope.payload, validate=True)


def _signed_bytes(payload: bytes, kind: SignedKind) -> bytes:
    """Return the pre-authentication encoding: type and body with their lengths, so that none can pass for another."""
    name = kind.payload_type.encode()
    return b"DSSEv1 %d %s %d %s" % (len(name), name, len(payload), payload)
