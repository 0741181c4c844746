"""A program that only mentions other software does not hold it."""

import pytest

from firmware_checks.patterns import Hit, Pattern
from firmware_checks.quoting import is_quoted

PATTERN = Pattern.of("rompager", rb"RomPager/\d\.\d\d", anchor=b"RomPager/")


def _is_quoted(text: bytes) -> bool:
    start = text.index(b"RomPager/")
    return is_quoted(memoryview(text), Hit(start, start + len(b"RomPager/4.07"), PATTERN))


@pytest.mark.parametrize(
    "text",
    [
        b"incompatible with RomPager/4.07",
        b"requires RomPager/4.07 or later",
        b"RomPager/4.07 is not supported",
        b"not affected: RomPager/4.07",
        b"replaces RomPager/4.07\0",
        b"RomPager/4.07 release notes",
        b"RomPager/4.07 was removed",
    ],
)
def test_a_sentence_about_other_software_is_a_quotation(text: bytes) -> None:
    assert _is_quoted(text)


@pytest.mark.parametrize(
    "text",
    [
        b"Server: RomPager/4.07\r\n",
        b"built with RomPager/4.07",
        b"based on RomPager/4.07 of 2010",
        b"incompatible with\0RomPager/4.07",
        b"RomPager/4.07\0is not supported",
        b"RomPager/4.07 UPnP/1.0",
    ],
)
def test_what_a_program_says_of_itself_is_none(text: bytes) -> None:
    assert not _is_quoted(text)
