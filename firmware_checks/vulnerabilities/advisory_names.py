"""Whether a device of the hospital is the product that an advisory names: tolerant, and always with how sure that is.

Names are compared as sets of words and numbers, so that case, punctuation, accents, legal forms, the order of words
and ``CMS 8000`` for ``CMS8000`` do not matter. What decides is which words one name has and the other has not.
"""

from __future__ import annotations

import re
from difflib import SequenceMatcher
from functools import lru_cache
from itertools import pairwise
from typing import NamedTuple

from firmware_checks.vulnerabilities.assets import folded
from toolkit.report.model import Confidence

__all__ = ["NameMatch", "compare_names", "weaker"]

_ORDER = (Confidence.LOW, Confidence.MEDIUM, Confidence.HIGH, Confidence.CERTAIN)


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


_LEGAL = _set(
    "inc incorporated corp corporation co company ltd limited llc lp plc gmbh ag kg kgaa se sa sas sarl sl srl spa bv "
    "nv ab oy as aps pty pte kk the and und et y of de e cie"
)  # fmt: skip
_COMMON_IN_MAKERS = _set(
    "medical medicals healthcare health systems system technologies technology international group america americas "
    "usa us uk north europe deutschland germany france espana iberia devices device instruments electronics care "
    "melsungen healthineers solutions global holdings products division"
)
_COMMON_IN_MODELS = _set(
    "pump pumps infusion syringe volumetric patient monitor monitors monitoring system systems medical device "
    "devices software unit units station server workstation module modules platform solution family series model "
    "models type version all product products central ventilator defibrillator analyzer analyser scanner imaging "
    "electrocardiograph wireless portable bedside reader programmer controller resting diagnostic holter viewer "
    "console bomba de pompe perfusion a moniteur paciente pousse seringue ultrasound blood gas drug smart pc "
    "dispensing cabinet mobile application remote insulin large volume multi parameter vital signs for the and "
    "with of using icu ccu capability handheld worn"
)  # fmt: skip
_SUCCESSORS = (
    ("hospira", "icu"), ("smiths", "icu"), ("carefusion", "becton dickinson bd"), ("alaris", "becton dickinson bd"),
    ("bd", "becton dickinson"), ("st jude", "abbott"), ("hillrom", "baxter"), ("hill rom", "baxter"),
    ("welch allyn", "hillrom"), ("welch allyn", "baxter"), ("mortara", "hillrom"), ("covidien", "medtronic"),
    ("datex ohmeda", "ge"), ("cme", "becton dickinson bd"), ("general electric", "ge"),
    ("respironics", "philips"), ("draeger", "dragerwerk"), ("draeger", "drager"), ("drager", "dragerwerk"),
    ("braun", "b braun"),
)  # fmt: skip
"""Makers that belong to another one, or go by two names. Source: the makers' announcements of the take-overs."""
_RANGE = re.compile(r"\b([a-z]+) ?(\d+) ?(?:-|to) ?(?:\1 ?)?(\d+)\b")
_ALTERNATIVES = re.compile(r"\b\w*\d\w*(?:/\w*\d\w*)+")
_RESTRICTION = re.compile(r"\(([^)]*)\)|\b(?:not including|excluding|except)\b(.*)", re.IGNORECASE)
_WORD = re.compile(r"[a-z]+|\d+")
_SHORT, _SHORT_BRAND = 2, 3
_LIKE = 0.86
"""So alike must two names be for a slip of the pen."""


class NameMatch(NamedTuple):
    """How sure it is that two names mean the same product, and why."""

    confidence: Confidence
    reason: str


def weaker(*values: Confidence) -> Confidence:
    """Return the least sure of ``values``."""
    return min(values, key=_ORDER.index)


def compare_names(maker: str, model: str, vendor: str, product: str) -> NameMatch | None:
    """Compare maker and model of a device with vendor and product of an advisory; None: another product."""
    makers = _compare_makers(maker, vendor)
    if makers is None and maker.strip():
        makers = _maker_elsewhere(maker, model, vendor, product)
        if makers is None:
            return None
    makers = makers or NameMatch(Confidence.MEDIUM, "the list does not say who made it")
    models = _compare_models(model, product, _maker_words(maker) | (_maker_words(vendor) - _words(model)))
    if models is None:
        return None
    return NameMatch(weaker(makers.confidence, models.confidence), f"{makers.reason}; {models.reason}")


def _maker_elsewhere(maker: str, model: str, vendor: str, product: str) -> NameMatch | None:
    """Return why it may be the same device although the makers differ."""
    theirs = _words(product)
    if _maker_words(maker) <= theirs:
        return NameMatch(Confidence.MEDIUM, "the maker stands in the name of the product")
    distinctive = _words(model) - _COMMON_IN_MODELS
    is_rare = len(distinctive) > 1 and any(len(word) > _SHORT for word in distinctive)
    if is_rare and _words(model) == theirs - _maker_words(vendor):
        return NameMatch(Confidence.LOW, "another maker's name, perhaps the same device sold under it")
    return None


@lru_cache(maxsize=8192)
def _maker_words(name: str) -> frozenset[str]:
    words = frozenset(folded(name).split()) - _LEGAL
    return words - _COMMON_IN_MAKERS or words


@lru_cache(maxsize=65_536)
def _compare_makers(maker: str, vendor: str) -> NameMatch | None:
    ours, theirs = _maker_words(maker), _maker_words(vendor)
    if not ours:
        return None
    if ours == theirs or "".join(sorted(ours)) == "".join(sorted(theirs)):
        return NameMatch(Confidence.CERTAIN, "same maker")
    if ours <= theirs or (theirs and theirs <= ours):
        return NameMatch(Confidence.HIGH, "the maker's name is a part of the other")
    for one, other in _SUCCESSORS:
        first, second = set(one.split()), set(other.split())
        if (first <= ours and second & theirs) or (first <= theirs and second & ours):
            return NameMatch(Confidence.HIGH, f"{one!r} and {other!r} belong together")
    if min(len("".join(ours)), len("".join(theirs))) >= 5 and _are_alike(ours, theirs):
        return NameMatch(Confidence.MEDIUM, "the makers' names are nearly the same")
    return None


def _are_alike(ours: frozenset[str], theirs: frozenset[str]) -> bool:
    return SequenceMatcher(None, " ".join(sorted(ours)), " ".join(sorted(theirs)), autojunk=False).ratio() >= _LIKE


def _compare_models(model: str, product: str, own: frozenset[str]) -> NameMatch | None:
    open_name, restriction = _without_restriction(product)
    is_range = False
    if _words(open_name) != _words(model):
        open_name, is_range = _within_range(_own_alternative(open_name.casefold(), model), model)
    ours, theirs = _words(model), _words(open_name)
    if ours - own - _COMMON_IN_MODELS and theirs - own - _COMMON_IN_MODELS:
        ours, theirs = ours - own, theirs - own
    found = _compare_words(ours, theirs)
    if found is None or _is_outside(restriction, model):
        return None
    if is_range:
        found = NameMatch(weaker(found.confidence, Confidence.HIGH), "inside the range of models that is named")
    if restriction and not _words(restriction) <= _words(model) | own:
        reason = f"{found.reason}; the advisory restricts it: {restriction!r}"
        found = NameMatch(weaker(found.confidence, Confidence.MEDIUM), reason)
    return found


def _compare_words(ours: frozenset[str], theirs: frozenset[str]) -> NameMatch | None:
    if ours == theirs or _joined(ours) == _joined(theirs):
        return NameMatch(Confidence.CERTAIN, "same model")
    shared = (ours & theirs) - _COMMON_IN_MODELS
    more, fewer = ours - theirs, theirs - ours
    if not shared:
        return _slip_of_the_pen(ours, theirs)
    numbers = {word for word in more if word.isdigit()}, {word for word in fewer if word.isdigit()}
    if all(numbers) or not any(len(word) > 1 for word in shared):
        return None
    named = (more | fewer) - _COMMON_IN_MODELS
    if not named:
        return NameMatch(Confidence.HIGH, "same model but for common words")
    listed = ", ".join(sorted(named))
    if not fewer - _COMMON_IN_MODELS:
        confidence = Confidence.MEDIUM
        return NameMatch(confidence, f"the advisory names the model without {listed}: perhaps another variant")
    if not more - _COMMON_IN_MODELS:
        is_numbered = any(word.isdigit() for word in shared) and len(shared) > 1 and not numbers[1]
        confidence = Confidence.MEDIUM if is_numbered else Confidence.LOW
        return NameMatch(confidence, f"the advisory names the model with {listed}, the list without")
    if len(shared) * 2 >= len(named) and not any(numbers) and max(map(len, shared)) > _SHORT_BRAND:
        return NameMatch(Confidence.LOW, f"the names have in common: {', '.join(sorted(shared))}")
    return _slip_of_the_pen(ours, theirs)


def _slip_of_the_pen(ours: frozenset[str], theirs: frozenset[str]) -> NameMatch | None:
    first, second = ours - _COMMON_IN_MODELS, theirs - _COMMON_IN_MODELS
    same_numbers = {word for word in first if word.isdigit()} == {word for word in second if word.isdigit()}
    if same_numbers and min(len(_joined(first)), len(_joined(second))) >= 6 and _are_alike(first, second):
        return NameMatch(Confidence.LOW, "nearly the same name, perhaps misspelled")
    return None


@lru_cache(maxsize=65_536)
def _words(name: str) -> frozenset[str]:
    return frozenset(_WORD.findall(folded(name)))


def _joined(words: frozenset[str]) -> str:
    return "".join(sorted(words))


def _without_restriction(product: str) -> tuple[str, str]:
    found = _RESTRICTION.search(product)
    if found is None:
        return product, ""
    return product[: found.start()] + " " + product[found.end() :], (found[1] or found[2] or "").strip()


def _own_alternative(product: str, model: str) -> str:
    """Leave of ``522/722`` the one that the device's own name has."""
    ours = _words(model)
    for found in _ALTERNATIVES.finditer(product):
        for name in found[0].split("/"):
            if _words(name) <= ours:
                return product.replace(found[0], f" {name} ")
    return product


def _within_range(product: str, model: str) -> tuple[str, bool]:
    """Put the device's own model in the place of ``MP2-MP90`` where it lies between."""
    for found in _RANGE.finditer(product):
        if number := _number_between(found, model):
            return product[: found.start()] + f" {found[1]} {number} " + product[found.end() :], True
    return product, False


def _number_between(found: re.Match[str], model: str) -> str | None:
    """Return the model's number where it is between those of a range; empty when outside, None when of another row."""
    for word, number in pairwise(_WORD.findall(folded(model))):
        if word == found[1] and number.isdigit():
            return number if int(found[2][:9]) <= int(number[:9]) <= int(found[3][:9]) else ""
    return None


def _is_outside(restriction: str, model: str) -> bool:
    """Tell whether a restriction such as ``MX400-550`` leaves out the device's own model."""
    numbers = [_number_between(found, model) for found in _RANGE.finditer(restriction.casefold())]
    return "" in numbers and not any(numbers)
