"""Everything medharden raises on purpose.

::

    MedhardenError            one line that says what, where and what to do; the command line prints it, exit code 2
    ├── InputError            the file or option that was given cannot be used
    ├── FormatError           bytes claim to be a format and are not
    │   └── Truncated         the bytes end before the structure does
    ├── LimitExceeded         a budget in ``Limits`` is spent; carries the name of the limit
    ├── ProfileError          a device profile is wrong; carries every problem with its path
    ├── RuleError             a shipped or third-party rule file is wrong
    └── MissingExtra          a feature needs an optional install; names the extra
"""

from __future__ import annotations

__all__ = [
    "FormatError",
    "InputError",
    "LimitExceeded",
    "MedhardenError",
    "MissingExtra",
    "ProfileError",
    "RuleError",
    "Truncated",
]


class MedhardenError(Exception):
    """An error we can explain in one line."""


class InputError(MedhardenError):
    """What the user handed over cannot be used: missing, a directory, unreadable, too large."""


class FormatError(MedhardenError):
    """The bytes are not the format they claim to be."""


class Truncated(FormatError):
    """A structure reaches past the end of the bytes that are there."""

    def __init__(self, *, offset: int, wanted_bytes: int, available_bytes: int) -> None:
        self.offset = offset
        self.wanted_bytes = wanted_bytes
        self.available_bytes = available_bytes
        super().__init__(f"{wanted_bytes} bytes wanted at {offset:#x}, only {available_bytes} are there")


class LimitExceeded(MedhardenError):
    """A budget is spent; what was read so far stays valid."""

    def __init__(self, limit: str, message: str) -> None:
        self.limit = limit
        super().__init__(message)


class ProfileError(MedhardenError):
    """A device profile does not decode; ``problems`` names each one with its path."""

    def __init__(self, source: str, problems: tuple[str, ...]) -> None:
        self.source = source
        self.problems = problems
        super().__init__(f"{source}: " + "; ".join(problems))


class RuleError(MedhardenError):
    """A rule file is wrong."""


class MissingExtra(MedhardenError):
    """An optional part is not installed."""

    def __init__(self, *, feature: str, extra: str) -> None:
        self.extra = extra
        super().__init__(f"{feature} needs an optional part: install medharden[{extra}]")
