"""What the verbs of ``medharden package`` hand to the verifier, from options of the command line."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from toolkit.app.moment import clock_option
from toolkit.core.errors import InputError

if TYPE_CHECKING:
    from signing.freshness import Moment
    from signing.unit import Unit
    from signing.update_policy import UpdateRules
    from signing.verify import TrustStore

__all__ = ["Judging", "judging_options"]

MOST_ROOT_BYTES = 512_000
MOST_OVERRIDE_BYTES = 1 << 20
CLOCKS = ("trusted", "untrusted", "none")
Verb = TypeVar("Verb", bound=Callable[..., Any])

_OPTIONS = (
    click.option("--profile", required=True, metavar="ID", help="Device profile with policy.update: an id, or a file."),
    click.option(
        "--vendor-root", type=click.Path(path_type=Path), help="Root file of the vendor, handed over in person."
    ),
    click.option(
        "--hospital-root", type=click.Path(path_type=Path), help="Root file of your hospital, from its trust folder."
    ),
    click.option(
        "--clock",
        type=click.Choice(CLOCKS),
        default="untrusted",
        show_default=True,
        help="How far the clock of this computer can be believed; say trusted only after looking at another one.",
    ),
    clock_option,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Judging:
    """The options that say by what a package is judged."""

    profile: str
    vendor_root: Path | None
    hospital_root: Path | None
    clock: str
    now: datetime

    def rules(self) -> UpdateRules:
        """Return the update policy of the profile."""
        from device_profiles.loader import load
        from signing.update_policy import rules_of

        return rules_of(load(self.profile))

    def trust(self, rules: UpdateRules) -> TrustStore:
        """Return the roots that the policy asks for; ``InputError`` when one is missing."""
        from signing.verify import TrustStore

        given = {"vendor": self.vendor_root, "hospital": self.hospital_root}
        roots: dict[str, bytes] = {}
        for approver in rules.approvals:
            path = given[approver.value]
            if path is None:
                message = f"{rules.profile} asks for the approval of the {approver}: give --{approver}-root"
                raise InputError(message)
            roots[approver.value] = read_bytes(path, MOST_ROOT_BYTES)
        return TrustStore(roots)

    def moment(self, unit: Unit | None) -> Moment:
        """Return what is known about the time."""
        from signing.freshness import Clock, Moment
        from signing.unit import time_of

        last = unit.last_signed if unit is not None else None
        return Moment(now=self.now, clock=Clock(self.clock), last_signed=time_of(last) if last is not None else None)


def judging_options(verb: Verb) -> Verb:
    """Give ``verb`` the options of ``Judging``, and hand them over as its first parameter."""

    @functools.wraps(verb)
    def wrapped(**options: Any) -> Any:
        names = ("profile", "vendor_root", "hospital_root", "clock", "now")
        return verb(Judging(**{name: options.pop(name) for name in names}), **options)

    for option in reversed(_OPTIONS):
        wrapped = option(wrapped)
    return wrapped  # type: ignore[return-value]  # click calls it by name, whatever its parameters


def read_bytes(path: Path, most_bytes: int) -> bytes:
    """Return the content of a small file."""
    try:
        with path.open("rb") as file:
            data = file.read(most_bytes + 1)
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror or error}") from error
    if len(data) > most_bytes:
        raise InputError(f"{path} is longer than {most_bytes} bytes")
    return data
