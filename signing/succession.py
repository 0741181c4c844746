"""What was seen of a repository before must not come back older: the memory of a device that has no network."""

from __future__ import annotations

from collections.abc import Mapping

from tuf.api.metadata import Root

from signing.refusal import Refusal
from signing.unit import Seen

__all__ = ["check_succession", "still_counts"]


def still_counts(seen: Seen | None, root: Root) -> Seen | None:
    """Return ``seen`` unless timestamp or snapshot keys were replaced since: then their versions start anew (5.3.11).

    Otherwise somebody who once stole such a key could block all updates for good with a huge version number.
    """
    if seen is None:
        return None
    if root.version < seen.root:
        raise Refusal("trust.rollback", f"root version {root.version} is older than {seen.root}, which was seen before")
    for role, signers in seen.signers.items():
        now = root.roles[role]
        if len(set(signers) & set(now.keyids)) < min(now.threshold, len(signers)):
            return None
    return seen


def check_succession(
    name: str, seen: Seen | None, timestamp: int, timestamp_sha256: str, snapshot: int, roles: Mapping[str, int]
) -> None:
    """Refuse metadata of the repository ``name`` that is older than what was ``seen``; None: nothing was."""
    if seen is None:
        return
    offered = {"timestamp": timestamp, "snapshot": snapshot, **{file: roles.get(file, 0) for file in seen.roles}}
    known = {"timestamp": seen.timestamp, "snapshot": seen.snapshot, **seen.roles}
    for role, version in known.items():
        if offered[role] < version:
            message = f"{role} of the {name} has version {offered[role]}, older than {version}, which was seen before"
            raise Refusal("trust.rollback", message)
    if timestamp == seen.timestamp and timestamp_sha256 != seen.timestamp_sha256:
        message = f"timestamp {timestamp} of the {name} was seen before with another content"
        raise Refusal("trust.same-version", message)
