"""Which question of the form is about which fact of a profile and which check of a scan: one table, read strictly."""

from __future__ import annotations

import functools
import importlib.resources
from typing import Annotated

import msgspec
from msgspec import Meta

from toolkit.core.toml_rows import TomlFile

__all__ = ["IDENTIFIER", "FactRule", "Question", "Questions", "questions"]

IDENTIFIER = r"(?:[A-Z]{4}|DOC)-[0-9]{1,2}(?:\.[0-9]{1,2}){0,3}"
"""What a question is called in the form, for example ``SAHD-3.2``."""
ANY = "*"


class _Row(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the tables share: every name must be known."""


class FactRule(_Row, frozen=True, kw_only=True):
    """What values of a profile's fact answer the question."""

    path: Annotated[str, Meta(description="Path of the fact; * stands for any name.")]
    yes: Annotated[tuple[str, ...], Meta(description="Values that say Yes; * for any that does not say No.")] = ()
    no: Annotated[tuple[str, ...], Meta(description="Values that say No; * for any that does not say Yes.")] = ()

    def answer(self, values: tuple[str, ...]) -> str:
        """Return ``Yes``, ``No``, or nothing when the values do not say; one that says Yes is enough."""
        stated = set(values)
        if not stated:
            return ""
        if stated & set(self.yes) or (ANY in self.yes and not stated & set(self.no)):
            return "Yes"
        return "No" if stated & set(self.no) or ANY in self.no else ""


class Question(_Row, frozen=True, kw_only=True):
    """One question of the form."""

    id: Annotated[str, Meta(pattern=f"^{IDENTIFIER}$", description="As in the form.")]
    short: Annotated[str, Meta(min_length=1, description="What Yes would mean, in our words.")]
    verified: Annotated[bool, Meta(description="Whether the identifier was seen so in published forms.")] = True
    text: Annotated[str, Meta(description="Path of the fact that is the answer, where it is no Yes or No.")] = ""
    facts: tuple[FactRule, ...] = ()
    yes_against: Annotated[tuple[str, ...], Meta(description="Checks whose finding speaks against Yes.")] = ()
    no_against: Annotated[tuple[str, ...], Meta(description="Checks whose finding speaks against No.")] = ()
    components: Annotated[tuple[str, ...], Meta(description="Categories of parts that speak against No.")] = ()
    any_component: Annotated[bool, Meta(description="Whether any part at all speaks against No.")] = False

    @property
    def section(self) -> str:
        """Label of the section, for example ``SAHD``."""
        return self.id.partition("-")[0]


class Questions(_Row, frozen=True, kw_only=True):
    """The table."""

    source: Annotated[str, Meta(min_length=1)]
    question: tuple[Question, ...]


@functools.cache
def questions() -> Questions:
    """Return the table; ``RuleError`` with the field that is wrong."""
    file = importlib.resources.files("toolkit.hardening.mds2") / "questions.toml"
    return TomlFile("questions.toml", file.read_bytes()).decode(Questions)
