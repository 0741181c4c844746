"""Signs with two keys at once, wherever each of them lives."""

from __future__ import annotations

from signing.algorithms.hybrid import bound_message, join
from signing.key import PublicKey, Signer
from signing.private import CheckedSigner

__all__ = ["HybridSigner"]


class HybridSigner(CheckedSigner):
    """A classical and a post-quantum signer as one."""

    def __init__(self, classical: Signer, post_quantum: Signer) -> None:
        super().__init__(PublicKey.from_encoded(classical.public.encoded + post_quantum.public.encoded))
        self._halves = (classical, post_quantum)

    def made(self, message: bytes) -> bytes:
        """Return both signatures over ``message``, not checked yet."""
        bound = bound_message(self.public.encoded, message)
        classical, post_quantum = (half.sign(bound) for half in self._halves)
        return join(classical, post_quantum)
