"""Which accepted risks a verb goes by: those of the policy file, and those of the device profile."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from device_profiles.schema import DeviceProfile
    from toolkit.report.accepting import AcceptedRisks

__all__ = ["accepted_risks", "policy_option"]

policy_option = click.option(
    "--policy",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Accepted risks (TOML, see `medharden policy`); they are told, and do not count until they run out.",
)


def accepted_risks(policy: Path | None, device: DeviceProfile | None, today: date) -> AcceptedRisks:
    """Return what both accept on the day ``today``; raise ``InputError`` where something in them cannot count."""
    from toolkit.core.errors import InputError
    from toolkit.report.accepting import AcceptedRisks
    from toolkit.report.policy_file import read_policy

    own = AcceptedRisks(acceptances=(), day=today) if policy is None else read_policy(policy, today)
    if device is None or not device.policy.exceptions:
        return own
    from device_profiles.accepted_risks import acceptances_of

    stated = acceptances_of(device, today)
    taken = {each.id for each in own.acceptances} & {each.id for each in stated}
    if taken:
        raise InputError(f"{policy}: {min(taken)} is the id of an exception in the device profile {device.id} too")
    return AcceptedRisks(acceptances=(*own.acceptances, *stated), day=today, sha256=own.sha256)
