"""The plan of a trust folder: which people hold keys, which roles they have, and how many of them must agree.

It is a TOML file that people write, print and discuss before anything is signed.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Final, TypeAlias

import msgspec

from device_profiles.vocabulary import Approver
from signing.key import PublicKey, read_public_key, share_a_half
from signing.package.release import Line, Slug
from toolkit.core.errors import InputError

__all__ = ["TOP_ROLES", "Person", "Plan", "RolePlan", "plan_text", "public_keys", "read_plan", "without_people"]

TOP_ROLES: Final = ("root", "targets", "snapshot", "timestamp")
MOST_BYTES: Final = 256 << 10
Days: TypeAlias = Annotated[int, msgspec.Meta(ge=1, le=36_500)]
Count: TypeAlias = Annotated[int, msgspec.Meta(ge=1, le=32)]


class _Table(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Immutable; every name must be known."""


class Person(_Table, frozen=True, kw_only=True):
    """Somebody who holds a key."""

    id: Slug
    name: Line
    key: str
    """File with the public key, as seen from the plan."""


class RolePlan(_Table, frozen=True, kw_only=True):
    """Who may sign something, how many of them it takes, and for how many days a signature counts."""

    people: tuple[Slug, ...]
    threshold: Count
    days: Days = 365


class Plan(_Table, frozen=True, kw_only=True):
    """All roles of one repository."""

    repository: Approver
    title: Line
    people: tuple[Person, ...]
    roles: dict[str, RolePlan]
    models: dict[Slug, RolePlan] = {}
    """Who may release updates for which device model."""
    override: RolePlan | None = None
    """Who may decide to install what is not fresh; for a hospital."""

    @property
    def all_roles(self) -> Mapping[str, RolePlan]:
        """Every role with its name for people."""
        extra = {"override": self.override} if self.override is not None else {}
        return {**self.roles, **{f"model {name}": role for name, role in self.models.items()}, **extra}


def read_plan(path: Path) -> Plan:
    """Return the plan in the file ``path``; ``InputError`` with what is wrong and where."""
    try:
        with path.open("rb") as file:
            text = file.read(MOST_BYTES + 1)[:MOST_BYTES].decode("utf-8-sig")
        plan = msgspec.convert(tomllib.loads(text), Plan)
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror or error}") from error
    except (ValueError, RecursionError) as error:  # msgspec's and tomllib's errors are values
        raise InputError(f"{path}: {error}") from error
    problems = list(_problems(plan))
    if problems:
        raise InputError(f"{path}: {'; '.join(problems)}")
    return plan


def public_keys(plan: Plan, folder: Path) -> dict[str, PublicKey]:
    """Return person id -> public key; refuse two people with one key, also where it is half of a hybrid."""
    keys = {person.id: read_public_key(folder / person.key) for person in plan.people}
    shared = share_a_half(keys.values())
    if shared is not None:
        one, other = [person for person, key in keys.items() if key in shared][:2]
        raise InputError(f"{one} and {other} have the same key, or a half of it: then one person can sign for both")
    return keys


def without_people(plan: Plan, gone: frozenset[str]) -> Plan:
    """Return ``plan`` without these people; ``InputError`` where too few would be left."""
    unknown = gone - {person.id for person in plan.people}
    if unknown:
        raise InputError(f"nobody in the plan is called {min(unknown)}")
    shorter = msgspec.structs.replace(
        plan,
        people=tuple(person for person in plan.people if person.id not in gone),
        roles={name: _without(role, gone) for name, role in plan.roles.items()},
        models={name: _without(role, gone) for name, role in plan.models.items()},
        override=_without(plan.override, gone) if plan.override is not None else None,
    )
    problems = list(_problems(shorter))
    if problems:
        raise InputError(f"{'; '.join(problems)}: write a new plan and use `trust rotate`")
    return shorter


def plan_text(plan: Plan) -> bytes:
    """Return ``plan`` as TOML, the way it is kept in a trust folder."""
    lines = [f'repository = "{plan.repository}"', f"title = {_quoted(plan.title)}", ""]
    for person in plan.people:
        lines += ["[[people]]", f'id = "{person.id}"', f"name = {_quoted(person.name)}", f"key = {_quoted(person.key)}"]
        lines.append("")
    tables = {f"roles.{name}": role for name, role in plan.roles.items()}
    tables |= {f"models.{name}": role for name, role in plan.models.items()}
    tables |= {"override": plan.override} if plan.override is not None else {}
    for name, role in tables.items():
        people = ", ".join(f'"{person}"' for person in role.people)
        lines += [f"[{name}]", f"people = [{people}]", f"threshold = {role.threshold}", f"days = {role.days}", ""]
    return "\n".join(lines).encode()


def _without(role: RolePlan, gone: frozenset[str]) -> RolePlan:
    return msgspec.structs.replace(role, people=tuple(person for person in role.people if person not in gone))


def _problems(plan: Plan) -> list[str]:
    known = [person.id for person in plan.people]
    found = [f"the id {name} stands twice" for name in sorted(set(known)) if known.count(name) > 1]
    found += [f"roles.{name} is missing" for name in TOP_ROLES if name not in plan.roles]
    found += [
        f"roles.{name} is no role; there are {', '.join(TOP_ROLES)}" for name in plan.roles if name not in TOP_ROLES
    ]
    for name, role in plan.all_roles.items():
        strangers = sorted(set(role.people) - set(known))
        found += [f"{name}: {person} is not among the people" for person in strangers]
        if len(set(role.people)) != len(role.people):
            found.append(f"{name}: somebody stands twice")
        if len(role.people) < role.threshold:
            found.append(f"{name}: {role.threshold} must sign, but only {len(role.people)} may")
    if plan.override is not None and plan.override.threshold < 2:
        found.append("override: at least two people must sign")
    return found


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
