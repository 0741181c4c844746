"""A trust folder: all that one repository consists of, as files that fit on a stick and go from safe to safe.

::

    vendor/
      plan.toml                 who may do what; public keys lie beside it in keys/
      1.root.json 2.root.json   the chain of roots; the newest counts
      targets.json              who may release updates for which model
      draft/                    what waits for signatures, and the signatures collected so far
      issued.json               number of the last release of each model
      log.jsonl transcript.txt  what was done, by whom
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final, cast

import msgspec
from securesystemslib.signer import Key, Signature
from tuf.api.metadata import DelegatedRole, Delegations, Metadata, Role, Root, Targets

from signing.key import PublicKey
from signing.override import OVERRIDE_ROLE
from signing.refusal import Refusal, fail_closed
from signing.trust.metadata_set import MOST_BYTES, TrustedMetadata
from signing.trust.plan import Plan, RolePlan, plan_text, public_keys, read_plan
from signing.trust.spelling import STRICT, metadata_bytes, parse_object, pretty_bytes
from signing.trust.tuf_keys import check_signature, tuf_key
from signing.verify import NOTE, people_of
from toolkit.core.errors import InputError
from toolkit.core.files import write_whole

__all__ = ["Draft", "TrustFolder", "drafts_for", "planned", "same_words"]

MOST_ROOTS: Final = 256


@dataclass(frozen=True, slots=True)
class Draft:
    """A file that waits for signatures; ``delegators`` are the roots whose keys must sign it, all of them."""

    name: str
    """``2.root.json`` or ``targets.json``."""
    metadata: Metadata[Any]
    delegators: tuple[Root, ...]

    @property
    def role(self) -> str:
        """Role that signs it."""
        return str(self.metadata.signed.type)

    @property
    def keys(self) -> dict[str, Key]:
        """Keys that may sign it, by id."""
        return {key_id: root.get_key(key_id) for root in self.delegators for key_id in root.roles[self.role].keyids}

    def missing(self) -> list[str]:
        """Return in words which signatures are still missing; nothing when there are enough."""
        have = set(self.metadata.signatures)
        told: list[str] = []
        for root in self.delegators:
            role = root.roles[self.role]
            left = role.threshold - len(have & set(role.keyids))
            if left > 0:
                people = people_of(root)
                names = ", ".join(people.get(k, k[:16]) for k in role.keyids if k not in have)
                told.append(f"{left} more of {names} (named in root {root.version})")
        return told


class TrustFolder:
    """The files of one repository in the folder ``path``."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def draft_path(self) -> Path:
        """Folder of what waits for signatures."""
        return self.path / "draft"

    def read(self, name: str) -> bytes:
        """Return the content of one of the files."""
        try:
            with (self.path / name).open("rb") as file:
                return file.read(MOST_BYTES["targets"] + 1)
        except OSError as error:
            raise InputError(f"{self.path / name}: cannot be read: {error.strerror or error}") from error

    def plan(self) -> Plan:
        """Return the plan in force."""
        return read_plan(self.path / "plan.toml")

    def waiting_plan(self) -> Plan | None:
        """Return the plan that waits for signatures; None when nothing does."""
        path = self.draft_path / "plan.toml"
        return read_plan(path) if path.is_file() else None

    def roots(self) -> list[bytes]:
        """Return the chain of published roots, the first one first."""
        found: list[bytes] = []
        for version in range(1, MOST_ROOTS + 1):
            if not (self.path / f"{version}.root.json").is_file():
                break
            found.append(self.read(f"{version}.root.json"))
        return found

    def root(self) -> Root | None:
        """Return the newest published root after checking the whole chain; None before the first ceremony."""
        chain = self.roots()
        if not chain:
            return None
        trusted = TrustedMetadata.from_root(chain[0], STRICT)
        for data in chain[1:]:
            trusted.update_root(data)
        return trusted.root

    def published_root(self) -> Root:
        """Return the newest root; ``InputError`` when the first ceremony is not finished."""
        root = self.root()
        if root is None:
            raise InputError(f"{self.path}: there is no root yet; finish the ceremony with: medharden trust merge")
        return root

    def targets(self) -> Metadata[Targets] | None:
        """Return the published targets file; None before the first ceremony."""
        if not (self.path / "targets.json").is_file():
            return None
        return cast("Metadata[Targets]", self._metadata(self.read("targets.json")))

    def drafts(self) -> list[Draft]:
        """Return what waits for signatures, with the valid signatures that were collected so far."""
        names = sorted(p.name for p in self.draft_path.glob("*.json")) if self.draft_path.is_dir() else []
        names = [name for name in names if name == "targets.json" or not (self.path / name).is_file()]
        files = {name: self._metadata(self.read(f"draft/{name}")) for name in names}
        new_root = next((file.signed for file in files.values() if isinstance(file.signed, Root)), None)
        found = [Draft(name, file, self._delegators(file, new_root)) for name, file in files.items()]
        for draft in found:
            self._collect(draft)
        return found

    def _delegators(self, file: Metadata[Any], new_root: Root | None) -> tuple[Root, ...]:
        """Return whose keys sign ``file``: for a root the old and the new keys, for targets the newest ones."""
        old = self.root()
        newest = new_root if new_root is not None else old
        if newest is None:
            raise InputError(f"{self.path}: the draft of a first root is missing")
        if isinstance(file.signed, Root) and old is not None:
            return (old, newest)
        return (newest,)

    def _collect(self, draft: Draft) -> None:
        """Add the valid signatures that lie in the folder to ``draft``."""
        keys = draft.keys
        payload = draft.metadata.signed_bytes
        for signature in self.signatures(draft.name):
            key = keys.get(signature.keyid)
            if key is not None:
                check_signature(key, signature, payload)
                draft.metadata.signatures[signature.keyid] = signature

    def signatures(self, name: str) -> Iterator[Signature]:
        """Yield the signatures collected for the draft ``name``, not yet checked."""
        folder = self.draft_path / "signatures"
        for path in sorted(folder.glob(f"{name.removesuffix('.json')}.*.json")) if folder.is_dir() else ():
            content = dict(parse_object(self.read(f"draft/signatures/{path.name}")))
            with fail_closed("signature.malformed", str(path)):
                yield Signature.from_dict(content)

    def add_signature(self, draft: Draft, signature: Signature) -> Path:
        """Keep one signature beside the draft it belongs to, and return its file."""
        stem = draft.name.removesuffix(".json")
        path = self.draft_path / "signatures" / f"{stem}.{signature.keyid[:16]}.json"
        write_whole(path, pretty_bytes(signature.to_dict()))
        return path

    def write_plan(self, plan: Plan, keys: Mapping[str, PublicKey], *, into_draft: bool) -> Plan:
        """Keep ``plan`` with its public keys, and return it with their new places."""
        where = self.draft_path if into_draft else self.path
        people = tuple(msgspec.structs.replace(person, key=f"keys/{person.id}.pub") for person in plan.people)
        kept = msgspec.structs.replace(plan, people=people)
        for person in kept.people:
            write_whole(where / person.key, keys[person.id].pem())
        write_whole(where / "plan.toml", plan_text(kept))
        return kept

    def write_draft(self, name: str, metadata: Metadata[Any]) -> None:
        """Put a file without signatures where people sign it."""
        write_whole(self.draft_path / name, metadata_bytes(metadata))

    def publish(self, drafts: list[Draft]) -> None:
        """Let complete drafts count: the root first, since the others lean on it; then the draft folder is emptied."""
        for draft in sorted(drafts, key=lambda draft: not isinstance(draft.metadata.signed, Root)):
            if draft.missing():
                raise Refusal("trust.threshold", f"{draft.name}: {'; '.join(draft.missing())}")
            write_whole(self.path / draft.name, metadata_bytes(draft.metadata))
        self._take_over_plan()
        self.discard_draft()

    def _take_over_plan(self) -> None:
        plan = read_plan(self.draft_path / "plan.toml")
        self.write_plan(plan, public_keys(plan, self.draft_path), into_draft=False)

    def discard_draft(self) -> None:
        """Remove what waits for signatures."""
        import shutil

        if self.draft_path.is_dir():
            shutil.rmtree(self.draft_path)

    def issued(self) -> dict[str, int]:
        """Return the number of the last release of each model."""
        if not (self.path / "issued.json").is_file():
            return {}
        with fail_closed("trust.malformed", "issued.json"):
            return msgspec.convert(dict(parse_object(self.read("issued.json"))), dict[str, int])

    def note_issued(self, model: str, number: int) -> None:
        """Remember that release ``number`` of ``model`` was made."""
        issued = self.issued()
        issued[model] = max(number, issued.get(model, 0))
        write_whole(self.path / "issued.json", pretty_bytes(issued))

    def _metadata(self, data: bytes) -> Metadata[Any]:
        with fail_closed("trust.malformed", str(self.path)):
            return Metadata.from_dict(dict(parse_object(data)))


def drafts_for(
    plan: Plan, keys: Mapping[str, PublicKey], moment: datetime, old_root: Root | None, old_targets: Targets | None
) -> dict[str, Metadata[Any]]:
    """Return the root and targets files that put ``plan`` in force, by name: those that differ from the old ones."""
    found: dict[str, Metadata[Any]] = {}
    root_version = 1 if old_root is None else old_root.version + 1
    root, targets = planned(plan, keys, moment, root_version, 1 if old_targets is None else old_targets.version + 1)
    if old_root is None or not same_words(root, old_root):
        found[f"{root.version}.root.json"] = Metadata(root)
    if old_targets is None or not same_words(targets, old_targets) or _signers_change(root, old_root):
        found["targets.json"] = Metadata(targets)
    return found


def planned(
    plan: Plan, keys: Mapping[str, PublicKey], moment: datetime, root_version: int, targets_version: int
) -> tuple[Root, Targets]:
    """Return root and targets as ``plan`` wants them."""
    return _root(plan, keys, moment, root_version), _targets(plan, keys, moment, targets_version)


def _root(plan: Plan, keys: Mapping[str, PublicKey], moment: datetime, version: int) -> Root:
    tuf_keys = _keys_of(plan.roles.values(), keys)
    roles = {name: Role(_key_ids(role, keys), role.threshold) for name, role in plan.roles.items()}
    note = {
        "repository": plan.repository.value,
        "title": plan.title,
        "people": {keys[person.id].key_id: person.name for person in plan.people},
        "days": {name: role.days for name, role in plan.roles.items()},
    }
    root = Root(version, None, _expiry(moment, plan.roles["root"]), tuf_keys, roles, consistent_snapshot=False)
    root.unrecognized_fields[NOTE] = note
    return root


def _targets(plan: Plan, keys: Mapping[str, PublicKey], moment: datetime, version: int) -> Targets:
    roles: dict[str, DelegatedRole] = {}
    for model, role in plan.models.items():
        paths = [f"{model}/*/*"]
        roles[model] = DelegatedRole(model, _key_ids(role, keys), role.threshold, terminating=True, paths=paths)
    delegated = [*plan.models.values()]
    if plan.override is not None:
        ids = _key_ids(plan.override, keys)
        roles[OVERRIDE_ROLE] = DelegatedRole(
            OVERRIDE_ROLE, ids, plan.override.threshold, terminating=True, paths=[f"{OVERRIDE_ROLE}/*"]
        )
        delegated.append(plan.override)
    targets = Targets(version, None, _expiry(moment, plan.roles["targets"]), {})
    if roles:
        targets.delegations = Delegations(_keys_of(delegated, keys), roles)
    targets.unrecognized_fields[NOTE] = {"days": {name: role.days for name, role in plan.models.items()}}
    return targets


def _key_ids(role: RolePlan, keys: Mapping[str, PublicKey]) -> list[str]:
    return sorted(keys[person].key_id for person in role.people)


def _keys_of(roles: Any, keys: Mapping[str, PublicKey]) -> dict[str, Key]:
    people = sorted({person for role in roles for person in role.people})
    return {keys[person].key_id: tuf_key(keys[person]) for person in people}


def _expiry(moment: datetime, role: RolePlan) -> datetime:
    return moment.astimezone(UTC).replace(microsecond=0) + timedelta(days=role.days)


def same_words(new: Root | Targets, old: Root | Targets) -> bool:
    """Tell whether two files say the same, version and day of expiry left aside."""
    a, b = new.to_dict(), old.to_dict()
    return all(a.get(key) == b.get(key) for key in (set(a) | set(b)) - {"version", "expires"})


def _signers_change(root: Root, old: Root | None) -> bool:
    """Tell whether other keys sign the targets file from now on."""
    return old is None or root.roles["targets"].to_dict() != old.roles["targets"].to_dict()
