"""What the verbs of ``medharden package`` say about a package: for people in lines, for other programs as JSON."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from signing.package.archive import Archive
    from signing.package.release import Release
    from signing.verified import VerifiedUpdate
    from signing.verify import Examined

__all__ = ["examined_facts", "lines_of", "measured", "neutral", "print_facts", "print_json", "say", "verified_facts"]


def measured(archive: Archive) -> Iterator[dict[str, Any]]:
    """Yield name, size and digest of every member, as they were measured here."""
    for member in archive.members.values():
        digest = hashlib.sha256()
        for chunk in archive.chunks(member):
            digest.update(chunk)
        yield {"name": member.name, "size": member.size, "sha256": digest.hexdigest()}


def neutral(name: str) -> str:
    """Return the name of a member without the model and version that its path claims."""
    folder, slash, rest = name.partition("/")
    last = rest.rpartition("/")[2]
    known = last.endswith(".root.json") or last in ("timestamp.json", "snapshot.json", "targets.json")
    if not slash:
        return folder
    return f"{folder}/.../{last}" if folder == "files" else f"{folder}/{last if known else '....json'}"


def examined_facts(found: Examined) -> dict[str, Any]:
    """Return what was found true of a package whatever the device."""
    return {
        "release": _release(found.release),
        "release_sha256": found.release_sha256,
        "approvals": {a.repository: dict(a.signers) for a in found.approvals},
        "freshness": found.judgement.freshness.value,
        "reason": found.judgement.reason,
    }


def verified_facts(update: VerifiedUpdate) -> dict[str, Any]:
    """Return what is true of an update that may be installed."""
    decision = update.override
    return {
        "verified": True,
        "release": _release(update.release),
        "release_sha256": update.release_sha256,
        "approvals": {a.repository: dict(a.signers) for a in update.approvals},
        "freshness": update.judgement.freshness.value,
        "reason": update.judgement.reason,
        "override": decision.override.reason if decision is not None else None,
    }


def _release(release: Release) -> dict[str, Any]:
    import msgspec

    facts: dict[str, Any] = msgspec.to_builtins(release)
    return facts


def print_facts(facts: dict[str, Any], *, as_json: bool) -> None:
    """Print ``facts`` as JSON or as lines."""
    if as_json:
        print_json(facts)
        return
    for line in lines_of(facts):
        click.echo(line)


def print_json(facts: dict[str, Any]) -> None:
    """Print ``facts`` for other programs."""
    import msgspec

    click.echo(msgspec.json.format(msgspec.json.encode(facts), indent=2).decode())


def lines_of(facts: dict[str, Any]) -> Iterator[str]:
    """Yield ``facts`` in words."""
    release = facts.get("release")
    if release is not None:
        yield f"{release['vendor']} {release['model']} {release['version']}, released {release['released']}"
        yield f"  for hardware {', '.join(release['hardware_revisions'])}; region {', '.join(release['regions'])}"
        for file in release["files"]:
            place = f" -> {file['component']} {file['version']}" if file.get("component") else ""
            yield f"  {file['purpose']:14} {file['name']}, {file['size']} bytes{place}"
        for repository, signers in facts["approvals"].items():
            yield f"  approved by the {repository}: {', '.join(name or key[:16] for key, name in signers.items())}"
        yield f"  {facts['freshness']}: {facts['reason']}"
        if facts.get("override"):
            yield f"  two or more people decided to install it all the same: {facts['override']}"
        yield f"  SHA-256 of the statement: {facts['release_sha256']}"
    for member in facts.get("members", []):
        yield f"{member['sha256']}  {member['size']:>12}  {member['name']}"


def say(text: str) -> None:
    """Tell the person at the terminal; results for programs go elsewhere."""
    click.echo(text, err=True)
