"""Two keys as one, each by its own URI: ``hybrid:pkcs11:object=root-1|file:root-1-pq.pem``."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from signing.hybrid_signer import HybridSigner
from signing.key import KeyScheme, PublicKey, Secrets, Signer
from signing.keyring import open_signer, public_key
from toolkit.core.errors import InputError

__all__ = ["SCHEME"]


def _halves(rest: str) -> tuple[str, str]:
    classical, bar, post_quantum = rest.partition("|")
    if not bar or "hybrid:" in rest:
        raise InputError(f"'hybrid:{rest}' does not name a classical and a post-quantum key with a | between them")
    return classical, post_quantum


@contextmanager
def _open(rest: str, secrets: Secrets) -> Iterator[Signer]:
    first, second = _halves(rest)
    with open_signer(first, secrets) as classical, open_signer(second, secrets) as post_quantum:
        yield HybridSigner(classical, post_quantum)


def _public(rest: str, secrets: Secrets) -> PublicKey:
    return PublicKey.from_encoded(b"".join(public_key(half, secrets).encoded for half in _halves(rest)))


def _facts(rest: str) -> dict[str, int | str]:
    classical, post_quantum = _halves(rest)
    return {"classical_key": classical, "post_quantum_key": post_quantum}


SCHEME = KeyScheme(
    name="hybrid",
    title="A classical and a post-quantum key, both needed",
    example="hybrid:file:root-1.pem|file:root-1-pq.pem",
    open=_open,
    public=_public,
    facts=_facts,
)
