"""What Windows knows the programs of an image by: Authenticode digests of programs, plain ones of scripts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from firmware_checks.readers.binaries import AuthenticodeDigests, authenticode_digests
from toolkit.core.errors import FormatError, LimitExceeded
from toolkit.core.findings import Evidence, Finding, Severity
from toolkit.hardening.application_control.allowed import code_of, nothing_to_allow
from toolkit.hardening.subject import FileKind, HardeningSubject, SubjectFile, System

__all__ = ["WindowsCode", "not_for_windows", "undigested_findings", "windows_code"]

MOST_TOLD = 50
PROGRAMS = (FileKind.WINDOWS_PROGRAM, FileKind.WINDOWS_LIBRARY, FileKind.WINDOWS_DRIVER)


@dataclass(frozen=True, slots=True, order=True)
class WindowsCode:
    """One content at one path."""

    path: str
    sha256: str
    """As Windows computes it: Authenticode for programs, of all bytes for scripts."""
    sha1: str
    """Authenticode; empty for scripts."""
    size: int
    kind: FileKind
    image: str


def not_for_windows(subject: HardeningSubject) -> str:
    """Return why no rules for Windows can be made, in words; empty when they can."""
    if subject.system is not System.WINDOWS:
        return "the image holds no Windows system"
    return nothing_to_allow(subject)


def windows_code(subject: HardeningSubject) -> tuple[WindowsCode, ...]:
    """Return what may be executed, by path and digest."""
    found = {
        WindowsCode(_path(file), digests.sha256, digests.sha1, file.size or 0, file.file_kind, name)
        for name, file, digests in _digested(subject)
        if digests is not None
    }
    seen: dict[tuple[str, str], WindowsCode] = {}
    for row in sorted(found):
        seen.setdefault((row.path, row.sha256), row)
    return tuple(seen.values())


def undigested_findings(subject: HardeningSubject) -> Iterator[Finding]:
    """Yield the programs Windows itself could not take for such: they will not be allowed."""
    bad = [f"{name}!{file.path}" for name, file, digests in _digested(subject) if digests is None]
    if bad:
        yield Finding(
            check="allow-list-damaged",
            title="Programs that are damaged or of an old kind are not allowed by these rules",
            severity=Severity.LOW,
            detail=f"{len(bad)} files have no Authenticode digest",
            remedy="Find out what they are; programs for DOS and 16-bit Windows cannot be allowed one by one.",
            evidence=tuple(Evidence(path=path) for path in bad[:MOST_TOLD]),
        )


def _digested(
    subject: HardeningSubject,
) -> Iterator[tuple[str, SubjectFile, AuthenticodeDigests | None]]:
    known: dict[str, AuthenticodeDigests | None] = {}
    for name, one, file in code_of(subject):
        if file.file_kind in PROGRAMS:
            if file.sha256 not in known:
                known[file.sha256] = _of_program(one, file)
            yield name, file, known[file.sha256]
        elif file.file_kind is FileKind.SCRIPT:
            yield name, file, AuthenticodeDigests("", file.sha256)


def _of_program(subject: HardeningSubject, file: SubjectFile) -> AuthenticodeDigests | None:
    try:
        return authenticode_digests(subject.read(file))
    except (FormatError, LimitExceeded):
        return None


def _path(file: SubjectFile) -> str:
    return file.name.replace("/", "\\")
