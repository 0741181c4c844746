"""The versions that components' own files tell, for all components of an image."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping

import msgspec

from firmware_checks.component_naming import bounded_evidence, component_of_identity
from firmware_checks.component_rules import Category
from firmware_checks.fact_collection import FileFacts
from firmware_checks.fusion_libraries import Libraries
from firmware_checks.fusion_quotations import is_document, number_of
from firmware_checks.identity import Identity
from firmware_checks.own_versions import (
    Ballot,
    settled_by_rule,
    votes_of,
    votes_of_file_name,
    votes_of_release_in_name,
    votes_of_soname,
    votes_of_symbol_versions,
    with_votes_of_rule,
)
from firmware_checks.version_election import STRONG_POINTS, Linked, Verdict, decide, without_doubtful
from toolkit.report.model import Component, Confidence

__all__ = ["Elections"]


class Elections:
    """Asks the files of one image what version the component has that they belong to."""

    def __init__(self, files: Mapping[str, FileFacts], libraries: Libraries) -> None:
        self._files = files
        self._libraries = libraries

    def results(self, known: dict[str, set[str]]) -> list[Component]:
        """Return the components whose own files agree on a version.

        What is plain is decided first, then the libraries: they tell which numbers in other programs are theirs.
        """
        ballots, owners = self._ballots()
        told = frozenset(known)
        for name, of_one in ballots.items():
            verdict = decide(of_one, {})
            if verdict is not None and verdict.version and verdict.points >= STRONG_POINTS and name not in told:
                known.setdefault(name, set()).add(number_of(verdict.version))
        for name, of_one in ballots.items():
            is_library = any(".so" in self._files[ballot.path].name for ballot in of_one)
            verdict = decide(of_one, self._all_linked(of_one, known)) if is_library and name not in known else None
            if verdict is not None and verdict.version and owners[name].is_known:
                known[name] = {number_of(verdict.version)}
        verdicts = ((name, decide(of_one, self._all_linked(of_one, known))) for name, of_one in ballots.items())
        plain = [
            (owners[name], verdict if owners[name].rule is not None else without_doubtful(verdict))
            for name, verdict in verdicts
            if verdict is not None
        ]
        return [self._of_verdict(one, verdict) for one, verdict in plain if one.is_known or verdict.is_named]

    def _all_linked(self, ballots: Iterable[Ballot], known: Mapping[str, set[str]]) -> dict[str, Linked]:
        """Return by path what is known about the libraries of the files that vote."""
        return {ballot.path: self._libraries.known_of(self._files[ballot.path], known) for ballot in ballots}

    def _ballots(self) -> tuple[dict[str, list[Ballot]], dict[str, Identity]]:
        """Return what every component's own files say about its version, and whose they are."""
        ballots: dict[str, list[Ballot]] = defaultdict(list)
        owners: dict[str, Identity] = {}
        told: dict[str, set[str]] = defaultdict(set)
        for facts in self._files.values():
            identity = facts.identity
            if identity is None or facts.is_object or is_document(facts.path):
                continue
            votes = with_votes_of_rule(votes_of(facts.texts, identity, facts.name), facts.own)
            votes += votes_of_release_in_name(facts.name) if identity.is_known else ()
            if facts.linkage is not None and identity.is_known:
                votes += votes_of_symbol_versions(facts.name, facts.linkage.symbol_versions, identity.keys)
                votes += votes_of_soname(facts.linkage.soname, facts.name) if identity.rule is None else ()
            if identity.rule is not None and identity.rule.file_version:
                votes += votes_of_file_name(facts.name)
            if votes:
                ballots[identity.name].append(Ballot(facts.path, votes))
                owners.setdefault(identity.name, identity)
                told[identity.name].update(facts.own)
        telling = {name: self._telling(of_one) for name, of_one in ballots.items()}
        return {name: settled_by_rule(of_one, told[name]) for name, of_one in telling.items()}, owners

    def _telling(self, ballots: list[Ballot]) -> list[Ballot]:
        """Return ``ballots`` of programs where those agree on a version; scripts are kept up less well."""
        programs = [ballot for ballot in ballots if self._files[ballot.path].is_elf]
        verdict = decide(programs, {}) if programs and len(programs) < len(ballots) else None
        return programs if verdict is not None and verdict.version is not None else ballots

    def _of_verdict(self, identity: Identity, verdict: Verdict) -> Component:
        files = self._files
        evidence = [files[path].evidence(text.offset, text.text) for path, text in verdict.votes]
        confidence = Confidence.MEDIUM if verdict.points < STRONG_POINTS else Confidence.HIGH
        if verdict.version is None or not identity.is_known:
            confidence = Confidence.LOW if verdict.version is None else Confidence.MEDIUM
        is_library = all(".so" in files[path].name for path, _ in verdict.votes)
        category = Category.LIBRARY if is_library else Category.APPLICATION
        made = component_of_identity(identity, verdict.version, confidence, bounded_evidence(evidence), category)
        return msgspec.structs.replace(made, version_candidates=verdict.candidates or made.version_candidates)
