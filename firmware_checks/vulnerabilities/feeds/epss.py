"""EPSS of FIRST: how probable it is that a vulnerability is exploited within 30 days.

Source: https://www.first.org/epss/data_stats (free to use; name FIRST as the source)
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from firmware_checks.vulnerabilities.feed import Epss, Feed, FeedHead, Item, Member
from toolkit.core.errors import FormatError

__all__ = ["FEED"]

_COLUMNS = b"cve,epss,percentile"
_COMMENT = re.compile(rb"#model_version:(?P<version>[^,]*),score_date:(?P<date>\d{4}-\d\d-\d\d)")


def _read(member: Member) -> Iterator[FeedHead | Item]:
    lines = member.lines()
    first = next(lines, b"").strip()
    if (said := _COMMENT.match(first)) is not None:
        yield FeedHead(kind="epss", date=said["date"].decode(), version=said["version"].decode("ascii", "replace"))
        first = next(lines, b"").strip()
    else:
        yield FeedHead(kind="epss")
    if first != _COLUMNS:
        raise FormatError(f"the columns must be {_COLUMNS.decode()}")
    for number, line in enumerate(lines, 3):
        if line.strip():
            yield _score(line, number)


def _score(line: bytes, number: int) -> Epss:
    try:
        name, probability, percentile = line.decode("ascii").split(",")
        score = Epss(name, float(probability), float(percentile))
    except ValueError as error:
        raise FormatError(f"line {number} is broken: {error}") from error
    if not (0 <= score.probability <= 1 and 0 <= score.percentile <= 1):
        raise FormatError(f"line {number}: probabilities are between 0 and 1")
    return score


FEED = Feed(
    name="epss",
    title="EPSS scores",
    recognises=lambda member: member.head.startswith(b"#model_version") or member.head.startswith(_COLUMNS),
    read=_read,
)
