"""The playbooks: one for each kind of finding, read strictly from one table."""

from __future__ import annotations

import functools
import importlib.resources
from collections import Counter
from collections.abc import Iterable
from typing import Annotated

import msgspec
from msgspec import Meta

from toolkit.core.errors import InputError, RuleError
from toolkit.core.toml_rows import TomlFile

__all__ = ["Playbook", "Playbooks", "decoded_playbooks", "playbook_of", "playbooks", "playbooks_for"]

Sentences = Annotated[tuple[str, ...], Meta(min_length=1)]


class Playbook(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What to do about one kind of finding; every sentence is a key of the translations."""

    id: Annotated[str, Meta(pattern="^[a-z][a-z-]+$")]
    title: str
    checks: Annotated[tuple[str, ...], Meta(min_length=1, description="Checks whose findings are of this kind.")]
    contain: Annotated[Sentences, Meta(description="What stops the harm, first things first.")]
    notify: Annotated[Sentences, Meta(description="Who in the house has to know.")]
    vendor: Annotated[Sentences, Meta(description="What to ask the maker.")]
    regulator: Annotated[Sentences, Meta(description="Who outside has to be told, and until when.")]
    indicators: Annotated[bool, Meta(description="Whether details start with a computer others can look for.")] = False

    def sentences(self) -> tuple[str, ...]:
        """Return everything that is said in the reader's language."""
        return (self.title, *self.contain, *self.notify, *self.vendor, *self.regulator)


class Playbooks(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The table."""

    source: Annotated[str, Meta(min_length=1)]
    playbook: tuple[Playbook, ...]


def decoded_playbooks(data: bytes) -> Playbooks:
    """Return the table in ``data``; ``RuleError`` with the field that is wrong, or the check that stands twice."""
    table = TomlFile("playbooks.toml", data).decode(Playbooks)
    twice = [check for check, count in Counter(c for row in table.playbook for c in row.checks).items() if count > 1]
    if twice:
        raise RuleError(f"playbooks.toml: in more than one playbook: {', '.join(twice)}")
    return table


@functools.cache
def playbooks() -> tuple[Playbook, ...]:
    """Return all playbooks."""
    file = importlib.resources.files("toolkit.hardening.playbooks") / "playbooks.toml"
    return decoded_playbooks(file.read_bytes()).playbook


def playbook_of(check: str) -> Playbook:
    """Return the playbook for findings of ``check``, or with this id; ``InputError`` when there is none."""
    for playbook in playbooks():
        if check in playbook.checks or check == playbook.id:
            return playbook
    known = ", ".join(playbook.id for playbook in playbooks())
    raise InputError(f"no playbook for {check!a}; `medharden checks` lists checks, and kinds are: {known}")


def playbooks_for(checks: Iterable[str]) -> tuple[tuple[Playbook, ...], tuple[str, ...]]:
    """Return the playbooks that findings of ``checks`` ask for, and the checks for which there is none."""
    wanted = set(checks)
    found = tuple(playbook for playbook in playbooks() if wanted & set(playbook.checks))
    covered = {check for playbook in found for check in playbook.checks}
    return found, tuple(sorted(wanted - covered))
