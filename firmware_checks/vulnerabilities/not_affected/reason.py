"""What every reason is asked and what it answers."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import msgspec

from toolkit.report.model import Confidence
from toolkit.report.vulnerability import Justification

__all__ = ["AbsentFeature", "Excuse", "Fault", "Known", "Reason"]


class AbsentFeature(NamedTuple):
    """A part of a product that it was built without."""

    name: str
    title: str
    evidence: tuple[str, ...]
    confidence: Confidence


class Fault(msgspec.Struct, frozen=True, kw_only=True):
    """Where a vulnerability sits in its component, as the records say; empty where they do not say."""

    source_files: tuple[str, ...] = ()
    """Files of the source that were changed to mend it, from the root of the project."""
    is_told_in_text: bool = False
    """Whether the files were read from a description, which may name fewer than were changed."""
    applets: tuple[str, ...] = ()
    """Sub-programs that hold it."""
    symbols: tuple[str, ...] = ()
    """Functions that hold it."""
    options: tuple[str, ...] = ()
    """Build options without which it is not compiled in."""
    features: tuple[str, ...] = ()
    """Parts of the product that hold it: without any one of them it is not there."""


class Known(msgspec.Struct, frozen=True, kw_only=True):
    """What an image shows of one component; None where it shows nothing, which is never the same as nothing there."""

    component: str
    """Name of the component, such as ``linux`` or ``busybox``."""
    version: str | None = None
    config: str | None = None
    """The text of the configuration it was built with (Linux ikconfig, U-Boot or Zephyr ``.config``)."""
    modules: frozenset[str] | None = None
    """Paths or names of kernel modules: ``.ko`` files together with the lines of ``modules.builtin``."""
    has_builtin_list: bool = False
    """Whether ``modules`` holds the lines of ``modules.builtin``: only then is a missing name an absent module."""
    architecture: str | None = None
    """Processor as the folder under ``arch/`` of the kernel is named: arm, arm64, mips, x86 ..."""
    applets: frozenset[str] | None = None
    """All sub-programs that it holds."""
    functions: frozenset[str] | None = None
    """All functions that it holds, from a symbol table that was not stripped; exported names alone are not all."""
    absent_features: tuple[AbsentFeature, ...] = ()
    """Parts that it was built without."""
    seen_in: tuple[str, ...] = ()
    """Files of the image that show all this."""


class Excuse(NamedTuple):
    """Why a vulnerability does not apply."""

    justification: Justification
    reason: str
    evidence: tuple[str, ...]
    confidence: Confidence


Reason = Callable[[Fault, Known], Excuse | None]
"""Returns None whenever there is any doubt."""
