"""What the device may execute: every program, library, script and kernel module of one image, or of two dumps.

Two dumps are joined: what only one of them has is allowed as well, and is told, because it is either a second version
or something that does not belong there.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from toolkit.core.findings import Evidence, Finding, Severity
from toolkit.hardening.subject import HardeningSubject, SubjectFile

__all__ = [
    "AllowedFile",
    "allowed_files",
    "code_of",
    "learning_findings",
    "nothing_to_allow",
    "unlisted",
    "unwritable_findings",
]

MOST_TOLD = 50


@dataclass(frozen=True, slots=True, order=True)
class AllowedFile:
    """One content that may be executed at one path."""

    path: str
    sha256: str
    size: int
    kind: str
    build_id: str
    mode: int | None
    has_exact_name: bool
    seen_in: tuple[str, ...]
    """Names of the images it is in: both where two dumps agree."""


def code_of(subject: HardeningSubject) -> Iterator[tuple[str, HardeningSubject, SubjectFile]]:
    """Yield the files that may be executed and could be read, each with the image it is in and what to call that."""
    for name, one in _subjects(subject):
        for file in one.code():
            if file.sha256:
                yield name, one, file


def allowed_files(subject: HardeningSubject) -> tuple[AllowedFile, ...]:
    """Return what may be executed, by path and digest; a path has a row for each content it has in two dumps."""
    found: dict[tuple[str, str], tuple[SubjectFile, list[str]]] = {}
    for name, _one, file in code_of(subject):
        names = found.setdefault((file.path, file.sha256), (file, []))[1]
        if name not in names:
            names.append(name)
    return tuple(sorted(_allowed(file, names) for file, names in found.values()))


def unlisted(subject: HardeningSubject) -> tuple[SubjectFile, ...]:
    """Return the files that the device may execute but that could not be read: they will be refused."""
    return tuple(file for _name, one in _subjects(subject) for file in one.code() if not file.sha256)


def nothing_to_allow(subject: HardeningSubject) -> str:
    """Return why no list can be made, in words; empty when there is something to list."""
    return "" if any(file.sha256 for file in subject.code()) else "the image holds no program, library or script"


def learning_findings(subject: HardeningSubject) -> Iterator[Finding]:
    """Yield what of two dumps is not the same: an allow-list learned from a dump allows what does not belong there."""
    if subject.also is None:
        return
    first, second = (name for name, _one in _subjects(subject))
    rows = [file for file in allowed_files(subject) if len(file.seen_in) == 1]
    if not rows:
        return
    counts = {name: sum(file.seen_in == (name,) for file in rows) for name in (first, second)}
    yield Finding(
        check="allow-list-differs",
        title="The two dumps do not hold the same programs",
        severity=Severity.MEDIUM,
        detail=f"{counts[first]} files are only in {first}, {counts[second]} only in {second}; all are allowed",
        remedy="Find out for each why it differs before the list is used; take out what does not belong on the device.",
        evidence=tuple(Evidence(path=f"{file.seen_in[0]}!{file.path}") for file in rows[:MOST_TOLD]),
    )


def unwritable_findings(subject: HardeningSubject, why: str) -> Iterator[Finding]:
    """Yield what has a name that no rule by path can be written for: it will be refused on the device."""
    left_out = [file for file in allowed_files(subject) if not file.has_exact_name]
    if left_out:
        yield Finding(
            check="allow-list-name",
            title="Programs with hidden characters in their names are not allowed by these rules",
            severity=Severity.MEDIUM,
            detail=f"{len(left_out)} files: {why}",
            remedy="Look at each: something may hide behind such a name. What belongs there must get another.",
            evidence=tuple(Evidence(path=f"{file.seen_in[0]}!{file.path}") for file in left_out[:MOST_TOLD]),
        )


def _subjects(subject: HardeningSubject) -> Iterator[tuple[str, HardeningSubject]]:
    """Yield the image and the second dump, each with a name of its own, though two files may be called the same."""
    yield subject.image_name, subject
    if subject.also is not None:
        name = subject.also.image_name
        yield (f"{name} (second dump)" if name == subject.image_name else name), subject.also


def _allowed(file: SubjectFile, names: list[str]) -> AllowedFile:
    return AllowedFile(
        path=file.path,
        sha256=file.sha256,
        size=file.size or 0,
        kind=file.file_kind.value,
        build_id=file.build_id,
        mode=file.mode,
        has_exact_name=file.has_exact_name,
        seen_in=tuple(names),
    )
