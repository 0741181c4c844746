"""The ceremony: several people make, sign, renew and revoke the root of trust, offline, and leave a trail.

Each may have a copy of the trust folder on an own stick: ``sign`` adds a signature to the copy at hand, ``merge``
collects them from all copies, checks each, and once every threshold is met lets the new files count.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

from tuf.api.metadata import Metadata, Root, Targets

from signing.chain_log import ChainLog
from signing.key import PublicKey, Signer
from signing.refusal import Refusal
from signing.trust.folder import Draft, TrustFolder, drafts_for, planned, same_words
from signing.trust.plan import Plan, public_keys, read_plan, without_people
from signing.trust.transcript import Line, write_transcript
from signing.trust.tuf_keys import TufSigner, check_signature
from signing.verify import people_of
from toolkit.core.errors import InputError

__all__ = ["Outcome", "init", "merge", "revoke", "rotate", "sign"]

LOG: Final = "log.jsonl"
LONGEST_WAIT: Final = timedelta(days=1)
"""How far the clocks of two computers at one ceremony may differ."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a step has done: lines for the people at the table, and whether the new files count now."""

    lines: tuple[str, ...]
    complete: bool = False


def init(path: Path, plan_path: Path, moment: datetime) -> Outcome:
    """Start a trust folder at ``path`` for the plan in ``plan_path``; nothing counts until it is signed and merged."""
    folder = TrustFolder(path)
    if path.exists() and any(path.iterdir()):
        raise InputError(f"{path} is not empty; a trust folder starts in a new one")
    plan = read_plan(plan_path)
    return _draft(folder, plan, public_keys(plan, plan_path.parent), moment, "init")


def rotate(path: Path, plan_path: Path, moment: datetime) -> Outcome:
    """Draft the files that put a new plan in force; the old root keys must sign it too."""
    folder = TrustFolder(path)
    plan = read_plan(plan_path)
    if plan.repository is not folder.plan().repository:
        raise InputError(f"{plan_path} is a plan for the {plan.repository}, {path} belongs to the other one")
    return _draft(folder, plan, public_keys(plan, plan_path.parent), moment, "rotate")


def revoke(path: Path, people: Sequence[str], moment: datetime) -> Outcome:
    """Draft the files without the keys of ``people``; what only they signed counts no more once it is merged."""
    folder = TrustFolder(path)
    old = folder.plan()
    keys = public_keys(old, path)
    return _draft(folder, without_people(old, frozenset(people)), keys, moment, "revoke")


def sign(path: Path, signer: Signer, moment: datetime) -> Outcome:
    """Add the signature of one key to every draft that it may sign; the drafts are shown as lines."""
    folder = TrustFolder(path)
    drafts = _drafts(folder, moment)
    mine = [draft for draft in drafts if signer.public.key_id in draft.keys]
    if not mine:
        raise Refusal("trust.key", f"the key {fingerprint(signer.public.key_id)} has nothing to sign here")
    for draft in mine:
        signature = TufSigner(signer).sign(draft.metadata.signed_bytes)
        check_signature(draft.keys[signature.keyid], signature, draft.metadata.signed_bytes)
        folder.add_signature(draft, signature)
        draft.metadata.signatures[signature.keyid] = signature
    name = _name(mine[0], signer.public.key_id)
    details = {draft.name: draft_digest(draft) for draft in mine}
    lines = [f"{name} has signed {draft.name}, SHA-256 {fingerprint(draft_digest(draft))}" for draft in mine]
    lines += list(_still_missing(drafts))
    return _finish(folder, "sign", moment, lines, key=signer.public.key_id, person=name, files=details)


def merge(path: Path, copies: Sequence[Path], moment: datetime) -> Outcome:
    """Collect signatures from ``copies`` of the folder; once all are there, let the new files count."""
    folder = TrustFolder(path)
    drafts = _drafts(folder, moment)
    heads: dict[str, Any] = {}
    lines: list[str] = []
    for copy in copies:
        taken = _take_from(TrustFolder(copy), folder, drafts)
        lines.append(f"{taken} new signatures from {copy.name}")
        head = ChainLog(copy / LOG).head()
        heads[copy.name] = {"entries": head.entries, "sha256": head.sha256}
    missing = list(_still_missing(drafts))
    if missing:
        return _finish(folder, "merge", moment, [*lines, *missing], copies=heads)
    files = {draft.name: draft_digest(draft) for draft in drafts}
    folder.publish(drafts)
    lines += [f"{name} counts from now on, SHA-256 {fingerprint(digest)}" for name, digest in files.items()]
    done = _finish(folder, "publish", moment, lines, copies=heads, files=files)
    return Outcome(done.lines, complete=True)


def fingerprint(digest: str) -> str:
    """Return a digest in groups of four, so that two people can read it to each other."""
    return " ".join(digest[at : at + 4] for at in range(0, len(digest), 4))


def draft_digest(draft: Draft) -> str:
    """Return the SHA-256 of what people sign."""
    return hashlib.sha256(draft.metadata.signed_bytes).hexdigest()


def _draft(folder: TrustFolder, plan: Plan, keys: dict[str, PublicKey], moment: datetime, event: str) -> Outcome:
    if folder.draft_path.is_dir():
        raise InputError(
            f"{folder.path}: something waits for signatures already; finish it, or delete {folder.draft_path}"
        )
    root = folder.root()
    targets: Metadata[Targets] | None = folder.targets()
    files = drafts_for(plan, keys, moment, root, targets.signed if targets is not None else None)
    if not files:
        raise InputError(f"{folder.path}: this plan is in force already")
    folder.write_plan(plan, keys, into_draft=True)
    if root is None:
        folder.write_plan(plan, keys, into_draft=False)
    for name, metadata in files.items():
        folder.write_draft(name, metadata)
    drafts = folder.drafts()
    lines = [f"{draft.name} waits for signatures, SHA-256 {fingerprint(draft_digest(draft))}" for draft in drafts]
    lines += list(_still_missing(drafts))
    return _finish(folder, event, moment, lines, files={draft.name: draft_digest(draft) for draft in drafts})


def _drafts(folder: TrustFolder, moment: datetime) -> list[Draft]:
    """Return what waits for signatures, if it is what the plan beside it says: nobody signs what nobody has read."""
    drafts = folder.drafts()
    plan = folder.waiting_plan()
    if not drafts or plan is None:
        raise InputError(f"{folder.path}: nothing waits for signatures")
    keys = public_keys(plan, folder.draft_path)
    root, targets = folder.root(), folder.targets()
    known = {"root": root.version if root else 0, "targets": targets.signed.version if targets else 0}
    new_root, new_targets = planned(plan, keys, moment, known["root"] + 1, known["targets"] + 1)
    wanted: dict[str, Root | Targets] = {"root": new_root, "targets": new_targets}
    for draft in drafts:
        signed, want = draft.metadata.signed, wanted[draft.role]
        in_turn = signed.version - known[draft.role] in ((1,) if draft.role == "root" else (0, 1))
        if not in_turn or not same_words(signed, want) or signed.expires > want.expires + LONGEST_WAIT:
            raise Refusal("trust.draft", f"{draft.name} says something else than the plan that lies beside it")
    return drafts


def _take_from(copy: TrustFolder, folder: TrustFolder, drafts: list[Draft]) -> int:
    """Take over the valid signatures that ``copy`` has for the very same drafts, and return how many are new."""
    taken = 0
    theirs = {draft.name: draft for draft in copy.drafts()}
    for draft in drafts:
        other = theirs.get(draft.name)
        if other is None or draft_digest(other) != draft_digest(draft):
            raise Refusal("trust.draft", f"{copy.path} holds another {draft.name} than {folder.path}")
        for key_id, signature in other.metadata.signatures.items():
            if key_id not in draft.metadata.signatures:
                check_signature(draft.keys[key_id], signature, draft.metadata.signed_bytes)
                folder.add_signature(draft, signature)
                draft.metadata.signatures[key_id] = signature
                taken += 1
    return taken


def _still_missing(drafts: list[Draft]) -> Iterator[str]:
    for draft in drafts:
        for told in draft.missing():
            yield f"{draft.name} still needs {told}"


def _name(draft: Draft, key_id: str) -> str:
    for root in draft.delegators:
        if key_id in people_of(root):
            return people_of(root)[key_id]
    return key_id[:16]


def _finish(folder: TrustFolder, event: str, moment: datetime, lines: list[str], **details: Any) -> Outcome:
    """Log the step, write the transcript anew, and return what to tell."""
    log = ChainLog(folder.path / LOG)
    log.add(event, moment, lines=lines, **details)
    write_transcript(folder, log, [Line(entry.time, entry.event, entry.details) for entry in log.entries()])
    return Outcome(tuple(lines))
