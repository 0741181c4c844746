"""Every sentence of the plan for a legacy device, in English: the catalogues are keyed by them."""

from __future__ import annotations

import enum
from types import MappingProxyType
from typing import Final

from device_profiles.vocabulary import SupportStage

__all__ = ["STAGE_NAMES", "LegacyLabel"]


class LegacyLabel(enum.StrEnum):
    """The sentences and words of the plan."""

    TITLE = "Plan for a device that cannot be kept up to date: {device}"
    NOTE = (
        "A page for the risk file, made from the device profile and the image. Whoever answers for the device checks "
        "it, fills in what is open, and signs."
    )
    STAGE = "Stage of support (IMDRF N70)"
    STAGE_UNKNOWN = "not known: ask the maker when support ends"
    STAGE_DEVELOPMENT = "in development"
    STAGE_SUPPORT = "supported"
    STAGE_LIMITED = "limited support"
    STAGE_ENDED = "end of support"
    STAGE_BECAUSE = "Why: {what} on {date}."
    STATED = "The profile states this stage."
    END_OF_SUPPORT = "the maker's support ended"
    END_OF_LIFE = "the day after which it should not be used passed"
    SYSTEM_ENDED = "support of the operating system ended"
    PART_ENDED = "support of {part} ended"
    DATES = "Dates"
    REPLACE_BY = "Replace by"
    REPLACE_NOT_KNOWN = "no date can be told: neither end of life nor end of support stands in the profile"
    FROM_END_OF_LIFE = "{date}: the end of life that the profile states"
    FROM_END_OF_SUPPORT = (
        "{date}: two years after the end of support, the longest time for which a risk may be accepted"
    )
    OVERDUE = "This date has passed: decide now."
    FIRST_SOLD = "First sold"
    LAST_SOLD = "Last sold"
    SUPPORT_ENDS = "Support ends"
    LIFE_ENDS = "End of life"
    SYSTEM_SUPPORT_ENDS = "Support of the operating system ends"
    PART_SUPPORT_ENDS = "Support of {part} ends"
    NOT_STATED = "not stated"
    STEPS = "What to do, what costs nothing first"
    STEP = "Step"
    COST = "Cost"
    WHO = "Who, until when"
    FREE = "none"
    WORK = "working hours"
    MONEY = "to be budgeted"
    STEP_STATED = "From the profile: {what}"
    STEP_USB = "Close unused ports and lock the device away from passers-by"
    STEP_PART = "{title} (folder {name} of this pack)"
    STEP_ON_DEVICE = "{title} (folder {name} of this pack; only with the maker's consent)"
    STEP_REPLACE = "Put the replacement into the budget and write the date above into the equipment list"
    EXCEPTIONS = "Accepted for a while"
    NO_EXCEPTION = (
        "No exception stands in the profile. Each risk that is accepted needs a reason, an owner and a last day."
    )
    WHAT = "What"
    REASON = "Reason"
    OWNER = "Owner"
    LAST_DAY = "Last day"
    RAN_OUT = "{date}: has run out"
    DAYS_LEFT = "{date}: {days} days left"
    CONTROLS = "Compensating controls in this pack"
    NO_CONTROL = "No part of the pack can be made for this device; see README.md for the reasons."
    SIGN_OFF = "Decision"
    DECISION = "We keep the device in use with these controls until the date above: yes / no"
    SIGNATURE = "Name, role, date, signature"


STAGE_NAMES: Final = MappingProxyType(
    {
        SupportStage.DEVELOPMENT: LegacyLabel.STAGE_DEVELOPMENT,
        SupportStage.SUPPORT: LegacyLabel.STAGE_SUPPORT,
        SupportStage.LIMITED_SUPPORT: LegacyLabel.STAGE_LIMITED,
        SupportStage.END_OF_SUPPORT: LegacyLabel.STAGE_ENDED,
    }
)
"""How the stages are called."""
