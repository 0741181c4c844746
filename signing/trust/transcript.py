"""The transcript of a ceremony: a page of text to print, compare, sign with a pen and put into the safe."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from signing.chain_log import ChainLog
from toolkit.core.files import write_whole

if TYPE_CHECKING:
    from signing.key import PublicKey
    from signing.trust.folder import TrustFolder
    from signing.trust.plan import Plan

__all__ = ["Line", "describe", "summary", "write_transcript"]

WIDTH = 100


@dataclass(frozen=True, slots=True)
class Line:
    """One step of the ceremony."""

    time: str
    event: str
    details: Mapping[str, Any]


def write_transcript(folder: TrustFolder, log: ChainLog, steps: list[Line]) -> None:
    """Write ``transcript.txt`` of a trust folder anew."""
    write_whole(folder.path / "transcript.txt", "\n".join(_page(folder, log, steps)).encode() + b"\n")


def describe(folder: TrustFolder) -> Iterator[str]:
    """Yield who holds which key and which role, and what still waits for signatures."""
    from signing.trust.plan import public_keys

    plan = folder.plan()
    keys = public_keys(plan, folder.path)
    root = folder.root()
    state = f"root version {root.version}, expires {root.expires:%Y-%m-%d}" if root else "no root yet"
    yield f"{plan.title} ({plan.repository}): {state}"
    waiting = folder.waiting_plan()
    if root is not None or waiting is None:
        yield from _plan_lines(plan, keys)
    if waiting is not None:
        yield ""
        yield "  WAITS FOR SIGNATURES"
        yield from _plan_lines(waiting, public_keys(waiting, folder.draft_path))
    for draft in folder.drafts():
        told = draft.missing()
        yield f"  draft {draft.name}: {'needs ' + '; '.join(told) if told else 'complete, ready to merge'}"


def _plan_lines(plan: Plan, keys: Mapping[str, PublicKey]) -> Iterator[str]:
    from signing.trust.ceremony import fingerprint

    yield ""
    for person in plan.people:
        yield f"  {person.name} ({person.id}), {keys[person.id].name}"
        yield f"    {fingerprint(keys[person.id].key_id)}"
    yield ""
    for name, role in plan.all_roles.items():
        yield f"  {name}: {role.threshold} of {', '.join(role.people)}, for {role.days} days"


def summary(folder: TrustFolder) -> dict[str, Any]:
    """Return what ``describe`` says, for other programs."""
    from signing.trust.plan import public_keys

    plan = folder.plan()
    keys = public_keys(plan, folder.path)
    root = folder.root()
    return {
        "repository": plan.repository.value,
        "title": plan.title,
        "root": {"version": root.version, "expires": f"{root.expires:%Y-%m-%dT%H:%M:%SZ}"} if root else None,
        "people": [
            {"id": p.id, "name": p.name, "key_id": keys[p.id].key_id, "algorithm": keys[p.id].name} for p in plan.people
        ],
        "roles": {
            name: {"people": list(role.people), "threshold": role.threshold, "days": role.days}
            for name, role in plan.all_roles.items()
        },
        "drafts": [{"name": draft.name, "missing": draft.missing()} for draft in folder.drafts()],
    }


def _page(folder: TrustFolder, log: ChainLog, steps: list[Line]) -> Iterator[str]:
    head = log.head()
    yield "RECORD OF A KEY CEREMONY"
    yield "=" * WIDTH
    yield from describe(folder)
    yield ""
    yield "WHAT WAS DONE"
    yield "-" * WIDTH
    for number, step in enumerate(steps, 1):
        yield f"{number:3}. {step.time}  {step.event}"
        for line in step.details.get("lines", []):
            yield f"     {line}"
    yield ""
    yield f"Log: {head.entries} lines, the last one has SHA-256"
    yield f"     {head.sha256}"
    yield ""
    yield "I was present, I compared the SHA-256 values above with my own screen, and my key is back in its place."
    for person in folder.plan().people:
        yield ""
        yield f"  {person.name:40} date ____________  signature ______________________________"
