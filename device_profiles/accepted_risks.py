"""The exceptions of a profile as accepted risks, judged like those of a policy file."""

from __future__ import annotations

from datetime import date

import msgspec

from device_profiles.schema import DeviceProfile, Exemption
from toolkit.core.errors import ProfileError
from toolkit.report.acceptance import Acceptance
from toolkit.report.policy_file import located, problems_of

__all__ = ["acceptances_of"]

TABLE = "policy.exceptions"


def acceptances_of(profile: DeviceProfile, today: date) -> tuple[Acceptance, ...]:
    """Return what the owner accepts; raise ``ProfileError`` where a day is no whole day or lies too far ahead."""
    found: list[Acceptance] = []
    problems: list[str] = []
    for number, exemption in enumerate(profile.policy.exceptions):
        try:
            found.append(msgspec.convert(_fields(exemption), Acceptance))
        except msgspec.ValidationError as error:
            problems.append(f"{TABLE}[{number}].{located(str(error))}")
    problems.extend(problems_of(tuple(found), today, TABLE))
    if problems:
        raise ProfileError(profile.id, tuple(problem.replace(".until", ".expires") for problem in problems))
    return tuple(found)


def _fields(exemption: Exemption) -> dict[str, object]:
    fields: dict[str, object] = msgspec.to_builtins(exemption)
    fields["until"] = fields.pop("expires")
    return fields
