"""Distributions: a fault of the version that a package names may be mended in it all the same.

Debian, Ubuntu, Red Hat and others keep the version of a program and mend it there; the end of a package's release
counts their corrections. Where the change log of the very same release is in the image and names the vulnerability, it
is mended. Where it is not, nobody can tell from the image.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import msgspec

from firmware_checks.identity import normalised
from firmware_checks.vulnerabilities.judgement import lower
from toolkit.report.model import Component, Confidence
from toolkit.report.vulnerability import Justification, Match, MatchStatus

__all__ = ["ChangeLog", "Package", "mended_by_distribution"]

MOST_EXCERPT_CHARACTERS = 80
_CORRECTED = re.compile(r"deb\d+u\d+|ubuntu\d*\.\d+|\.(?:el|fc|amzn)\d+")
"""How releases of packages count corrections. Source: Debian Developers' Reference 5.8.5.4; Ubuntu Packaging Guide,
security updates; Fedora Packaging Guidelines, versioning."""
_REBUILD = re.compile(r"\+b\d+$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Package:
    """An installed package as a register in the image names it, under the name of its source."""

    path: str
    name: str
    version: str | None
    release: str
    excerpt: str

    @property
    def is_corrected(self) -> bool:
        """Whether its release counts corrections by the distribution."""
        return _CORRECTED.search(self.release) is not None

    def is_of(self, component: Component) -> bool:
        """Return whether the register speaks of ``component``."""
        if self.version != component.version:
            return False
        is_named = normalised(self.name) == normalised(component.name)
        return is_named or any(
            seen.path == self.path and seen.excerpt == self.excerpt[:MOST_EXCERPT_CHARACTERS]
            for seen in component.evidence
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeLog:
    """What the change log of a package names as mended."""

    path: str
    package: str
    release: str
    mended: frozenset[str]

    def is_of(self, package: Package) -> bool:
        """Return whether it is the log of the very release that is installed; rebuilds change nothing."""
        return self.package == package.name and self.release == _REBUILD.sub("", package.release)


def mended_by_distribution(match: Match, packages: Sequence[Package], logs: Iterable[ChangeLog]) -> Match:
    """Return ``match`` as mended, as an open question, or as it was when no package says anything."""
    if not packages or match.status is MatchStatus.NOT_AFFECTED:
        return match
    found = [next((log for log in logs if log.is_of(package)), None) for package in packages]
    naming = [log for log in found if log is not None and match.id in log.mended]
    if len(naming) == len(packages):
        log = naming[0]
        return msgspec.structs.replace(
            match,
            status=MatchStatus.NOT_AFFECTED,
            justification=Justification.CODE_NOT_PRESENT,
            confidence=lower(match.confidence, Confidence.HIGH),
            reason=f"the distribution has mended it in {log.package} {log.release}",
            evidence=tuple(f"{each.path}: names {match.id}" for each in naming),
        )
    corrected = [package for package in packages if package.is_corrected]
    if not corrected or match.status is not MatchStatus.AFFECTED:
        return match
    package = corrected[0]
    silent = any(log is not None for log in found)
    said = "its change log does not name it" if silent else "its change log is not in the image"
    return msgspec.structs.replace(
        match,
        status=MatchStatus.UNDER_INVESTIGATION,
        reason=f"{match.reason}; the distribution may have back-ported the correction to {package.name} "
        f"{package.release} ({said}): look it up in the distribution's security tracker",
        evidence=(*match.evidence, f"{package.path}: {package.excerpt}"),
    )
