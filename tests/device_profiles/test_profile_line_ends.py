"""A text of a profile ends where it seems to end: a line feed behind it is refused, in Python and in an editor."""

from __future__ import annotations

import re

import msgspec
import pytest

from device_profiles.fields import (
    AdvisoryId,
    Cpe,
    Date,
    Digits,
    HexBytes,
    Name,
    Path,
    PathPattern,
    ProfileId,
    Purl,
    Url,
)

SOUND = [
    (ProfileId, "contec-cms8000"),
    (Name, "usb-serial"),
    (Path, "update.authenticity"),
    (PathPattern, "/var/log/**"),
    (Url, "https://example.org/a"),
    (Date, "2019-07-31"),
    (HexBytes, "F5 F5"),
    (Digits, "12345"),
    (AdvisoryId, "ICSMA-25-030-01"),
    (Purl, "pkg:generic/zlib"),
    (Cpe, "cpe:2.3:a:zlib:zlib:1.2.11:*:*:*:*:*:*:*"),
]


@pytest.mark.parametrize(("kind", "text"), SOUND, ids=[text for _, text in SOUND])
def test_a_line_feed_behind_a_text_is_refused(kind: object, text: str) -> None:
    assert msgspec.convert(text, kind) == text
    for end in ("\n", "\r\n", "\n\n"):
        with pytest.raises(msgspec.ValidationError):
            msgspec.convert(text + end, kind)


def test_the_rule_is_one_that_json_schema_knows() -> None:
    pattern = msgspec.json.schema(Name)["pattern"]
    assert not re.search(r"\\[AZz]", pattern)
    assert re.search(pattern, "usb-serial")
