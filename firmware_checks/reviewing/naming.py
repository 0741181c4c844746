"""For which device an update says that it is, held against the names the profile knows the device by."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from device_profiles.schema import DeviceProfile
from firmware_checks.reviewing.authenticity import reason, wrapping
from toolkit.report.model import Fact, Report
from toolkit.report.review import Question, Reason, Weight
from toolkit.report.review_wording import ReviewLabel as Says

__all__ = ["said_for"]

MODEL_FACTS = ("compatible", "device_types", "hardware_compatibility", "pre_device")
"""Facts in which updaters name models: RAUC, Mender, SWUpdate, Android."""
PART_FACTS = ("chip", "mcus")
"""Facts that name a processor: ESP images, UF2."""
MOST_SHOWN = 4
_IGNORED = re.compile(r"[^0-9a-z]+")


def said_for(new: Report, profile: DeviceProfile) -> Iterator[Reason]:
    """Yield what the names in the update say: a name of the device, another one, or another USB device."""
    yield from _models(new, profile)
    yield from _parts(new, profile)
    yield from _usb(new, profile)


def _models(new: Report, profile: DeviceProfile) -> Iterator[Reason]:
    known = {_plain(name): name for name in _names(profile)}
    said = list(dict.fromkeys(name for row in wrapping(new) for name in _values(row.facts, MODEL_FACTS)))
    found = next((name for name in said if _plain(name) in known), None)
    if found is not None:
        yield reason(Question.MODEL, Weight.FINE, Says.NAMED_IN_PROFILE, model=found, name=known[_plain(found)])
    elif said:
        yield reason(Question.MODEL, Weight.ASK, Says.OTHER_NAME, said=", ".join(said[:MOST_SHOWN]))


def _names(profile: DeviceProfile) -> Iterator[str]:
    identity = profile.identity
    yield profile.id
    for name in (identity.model, profile.policy.update.model, *(identity.aliases or ())):
        if name:
            yield name


def _parts(new: Report, profile: DeviceProfile) -> Iterator[Reason]:
    parts = [processor.part for processor in profile.platform.mcu if processor.part]
    for said in dict.fromkeys(name for row in wrapping(new) for name in _values(row.facts, PART_FACTS)):
        part = next((part for part in parts if _plain(said) in _plain(part) or _plain(part) in _plain(said)), None)
        if part is not None:
            yield reason(Question.MODEL, Weight.FINE, Says.NAMED_IN_PROFILE, model=said, name=part)
            return


def _usb(new: Report, profile: DeviceProfile) -> Iterator[Reason]:
    known = [
        f"{interface.usb.vendor_id:#06x}:{interface.usb.product_id:#06x}"
        for interface in profile.interfaces
        if interface.usb.vendor_id is not None and interface.usb.product_id is not None
    ]
    for row in wrapping(new):
        vendor, product = (row.facts.get(name) for name in ("usb_vendor_id", "usb_product_id"))
        if vendor and product and known:
            said = f"{vendor}:{product}"
            if said in known:
                yield reason(Question.MODEL, Weight.FINE, Says.NAMED_IN_PROFILE, model=said, name=said)
            else:
                yield reason(Question.MODEL, Weight.ASK, Says.OTHER_USB_DEVICE, new=said, old=", ".join(known))
            return


def _values(facts: Mapping[str, Fact], names: tuple[str, ...]) -> Iterator[str]:
    for name in names:
        value = facts.get(name)
        for text in value if isinstance(value, tuple) else (value,):
            yield from (part.strip() for part in str(text).split("|") if text and part.strip())


def _plain(name: str) -> str:
    return _IGNORED.sub("", name.casefold())
