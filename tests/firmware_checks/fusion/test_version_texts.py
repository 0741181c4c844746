"""Versions are read from constants with the words around them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_checks.version_texts import MOST_TEXTS, VersionText, version_texts


def _texts(data: bytes) -> tuple[VersionText, ...]:
    return version_texts(memoryview(data), [(0, len(data))])


@pytest.mark.parametrize(
    ("text", "before", "version", "after"),
    [
        (b"1.2.13", "", "1.2.13", ""),
        (b"pumpd version 4.7.1\n", "pumpd version ", "4.7.1", "\n"),
        (b"OpenSSL 1.1.1k  25 Mar 2021", "OpenSSL ", "1.1.1k", "  25 Mar 2021"),
        (b"OpenSSH_9.2p1 Debian", "OpenSSH_", "9.2p1", " Debian"),
        (b"v2.0-rc1", "v", "2.0-rc1", ""),
        (b"SSH-2.0-libssh_0.10.6", "SSH-2.0-libssh_", "0.10.6", ""),
        (b"kmod version 30", "kmod version ", "30", ""),
        (b"20221126", "", "20221126", ""),
        (b"dialog 1.3-20230209", "dialog ", "1.3-20230209", ""),
    ],
)
def test_a_version_is_read_with_what_stands_around_it(text: bytes, before: str, version: str, after: str) -> None:
    found = _texts(b"\0" + text + b"\0next\0")[-1]
    assert (found.before, found.version, found.after) == (before, version, after)
    assert found.offset == 1 + len(before)
    assert found.near[1] == "next"
    assert found.text == (before + version + after).strip()


@pytest.mark.parametrize(
    "data", [b"", b"no number", b"\x01\x021.2\xff\xfe", b"1.2_x", b"a 1.2.3\x01b", b"20221126x", b"12"]
)
def test_numbers_in_code_or_in_words_are_left_alone(data: bytes) -> None:
    assert _texts(data) == ()


def test_a_long_text_is_cut_and_not_lost() -> None:
    text = b"x" * 400 + b"\nmbimcli 1.28.2\n" + b"y" * 900
    (found,) = _texts(text + b"\0")
    assert (found.before, found.version) == ("mbimcli ", "1.28.2")
    assert len(found.after) <= 200


def test_the_same_words_are_told_once_and_a_table_of_versions_is_bounded() -> None:
    assert len(_texts(b"\x001.2.3\0" * 50)) == 1
    many = b"".join(b"x 1.%d.0\0" % number for number in range(2 * MOST_TEXTS))
    assert len(_texts(many)) == MOST_TEXTS


def test_only_the_ranges_are_looked_at() -> None:
    data = b"\x001.2.3\x00\x004.5.6\x00"
    assert [text.version for text in version_texts(memoryview(data), [(7, len(data))])] == ["4.5.6"]


@given(st.binary(max_size=400))
def test_any_bytes_can_be_searched(data: bytes) -> None:
    for text in _texts(data):
        assert data[text.offset : text.offset + len(text.version)] == text.version.encode()


@pytest.mark.parametrize(("text", "is_bare"), [(b"1.2.3", True), (b"v1.2.3\n", True), (b"x 1.2.3", False)])
def test_a_text_that_is_a_version_and_nothing_else_is_bare(text: bytes, is_bare: bool) -> None:
    (found,) = _texts(b"\0" + text + b"\0")
    assert found.is_bare is is_bare
