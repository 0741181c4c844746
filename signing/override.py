"""The written decision of several people to install an update whose age cannot be vouched for.

It names one update by its digest, gives a reason and a last day, and is signed by at least two people whose keys the
hospital's targets role has named for this. It is kept with the log, so that it is never silent.
The form is a DSSE envelope. Source: DSSE protocol 1.0.2, in-toto attestation framework.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

import msgspec
from securesystemslib.dsse import Envelope
from securesystemslib.signer import Key

from signing.freshness import Freshness
from signing.key import share_a_half
from signing.package.release import Line, Sha256, TimeText
from signing.refusal import Refusal, fail_closed
from signing.trust.spelling import parse_object, pretty_bytes
from signing.trust.tuf_keys import TufSigner, check_signature, public_of
from signing.unit import TIME_FORMAT, time_of

__all__ = ["OVERRIDE_ROLE", "Decision", "Override", "add_signature", "check_override", "new_override", "statement_of"]

OVERRIDE_ROLE: Final = "override"
"""Name of the delegation in the hospital's targets that lists who may decide this."""
PAYLOAD_TYPE: Final = "application/vnd.medharden.override+json"
MOST_BYTES: Final = 256 << 10


class Override(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the people have signed."""

    format: Literal["medharden-override-1"] = "medharden-override-1"
    release_sha256: Sha256
    freshness: Freshness
    reason: Line
    until: TimeText
    """After this moment it counts no more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """An override that counts, and the ids of the keys that signed it."""

    override: Override
    signers: frozenset[str]


def new_override(release_sha256: str, freshness: Freshness, reason: str, until: datetime) -> bytes:
    """Return a decision that nobody has signed yet."""
    override = msgspec.convert(
        {
            "format": "medharden-override-1",
            "release_sha256": release_sha256,
            "freshness": freshness.value,
            "reason": reason,
            "until": f"{until:{TIME_FORMAT}}",
        },
        Override,
    )
    payload = msgspec.json.encode(override, order="sorted")
    return _bytes(Envelope(payload, PAYLOAD_TYPE, {}))


def add_signature(data: bytes, signer: TufSigner) -> bytes:
    """Return the decision ``data`` with one more signature."""
    envelope, _ = _parse(data)
    envelope.sign(signer)
    return _bytes(envelope)


def statement_of(data: bytes) -> Override:
    """Return what the decision says, without a word on who has signed it."""
    return _parse(data)[1]


def check_override(
    data: bytes, keys: Iterable[Key], fewest: int, *, release_sha256: str, freshness: Freshness, floor: datetime
) -> Decision:
    """Return the decision in ``data`` if ``fewest`` different ``keys`` have signed it for exactly this update."""
    envelope, override = _parse(data)
    signers = _signers(envelope, keys)
    if len(signers) < fewest:
        message = f"{fewest} people must sign to install what is not fresh; {len(signers)} of those named have"
        raise Refusal("override.threshold", message)
    if override.release_sha256 != release_sha256:
        raise Refusal("override.other", "the override was signed for another update")
    if freshness is Freshness.STALE and override.freshness is not Freshness.STALE:
        raise Refusal("override.other", "the override was signed for an unknown age, but the update has expired")
    if time_of(override.until) <= floor:
        raise Refusal("override.expired", f"the override counted until {override.until}")
    return Decision(override=override, signers=frozenset(signers))


def _signers(envelope: Envelope, keys: Iterable[Key]) -> dict[str, Key]:
    by_id = {key.keyid: key for key in keys}
    if set(envelope.signatures) - set(by_id):
        raise Refusal("override.threshold", "somebody has signed the override who is not named for it")
    pae = envelope.pae()
    for key_id, signature in envelope.signatures.items():
        check_signature(by_id[key_id], signature, pae)
    if share_a_half(public_of(by_id[key_id]) for key_id in envelope.signatures) is not None:
        raise Refusal("override.threshold", "two signatures of the override are of one key: that is one person")
    return {key_id: by_id[key_id] for key_id in envelope.signatures}


def _parse(data: bytes) -> tuple[Envelope, Override]:
    if len(data) > MOST_BYTES:
        raise Refusal("override.malformed", "no override is this long")
    with fail_closed("override.malformed", "override"):
        envelope = Envelope.from_dict(dict(parse_object(data)))
        if envelope.payload_type != PAYLOAD_TYPE:
            raise Refusal("override.malformed", "this is a signed statement of another kind")
        return envelope, msgspec.convert(parse_object(envelope.payload), Override)


def _bytes(envelope: Envelope) -> bytes:
    envelope.signatures = dict(sorted(envelope.signatures.items()))
    return pretty_bytes(envelope.to_dict())
