"""Whether a program only mentions other software in a sentence: what it needs, replaces, refuses or talks to."""

from __future__ import annotations

import re

from firmware_checks.patterns import Hit

__all__ = ["is_quoted"]

REACH_BYTES = 48
_BEFORE = re.compile(
    rb"(?i)(?:^|[^A-Za-z])(?:(?:in)?compatible with|works? with|talks? to|tested (?:with|against)|interoperates? with"
    rb"|requires?|needs?|replac(?:es|ed|ing)|migrated from|upgraded? (?:from|to)|see|unlike|instead of|not affected:?"
    rb"|(?:is|are|was) not|not|peer is|detects?|removed|no longer|no more|obsolete|superseded|before|prior to"
    rb"|newer than|older than)[: ]{1,2}$"
)
_AFTER = re.compile(
    rb"(?i)^[\w.)-]{0,12}[ ,]{1,2}(?:(?:or|and) (?:later|newer|higher|above)"
    rb"|is (?:not|no longer|obsolete|required|needed|history)|was (?:removed|replaced|dropped)"
    rb"|has been (?:removed|replaced)|not (?:used|supported|installed)|release notes|notes(?![A-Za-z])|advisory"
    rb"|vulnerabilit|gateway(?![A-Za-z]))"
)


def is_quoted(view: memoryview, hit: Hit) -> bool:
    """Tell whether the sentence around ``hit`` speaks about software that is elsewhere, or is no more."""
    before = re.split(rb"[\0\r\n]", bytes(view[max(0, hit.start - REACH_BYTES) : hit.start]))[-1]
    if _BEFORE.search(before) is not None:
        return True
    after = re.split(rb"[\0\r\n]", bytes(view[hit.end : hit.end + REACH_BYTES]), maxsplit=1)[0]
    return _AFTER.match(after) is not None
