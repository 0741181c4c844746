import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_checks.formats.text import CHUNK_BYTES, FORMAT
from firmware_checks.span import Span
from toolkit.core.errors import FormatError
from toolkit.core.limits import Limits
from toolkit.core.window import Window
from toolkit.report.model import Fact, RegionKind

NOISE = random.Random(6)  # noqa: S311  # filler, not a secret
WORDS = "The infusion pump must not be connected to a patient.\nÜbertragung läuft.\n"


def _facts(data: bytes) -> dict[str, Fact]:
    opened = FORMAT.open(Span("read-me.txt", Window.of(data)), Limits())
    assert opened.size == len(data)
    assert opened.kind is RegionKind.DATA
    return dict(opened.facts)


def _refused(data: bytes) -> bool:
    try:
        _facts(data)
    except FormatError:
        return True
    return False


@pytest.mark.parametrize(
    ("data", "encoding"),
    [
        (b"rate_ml_per_h = 5\n", "ascii"),
        (WORDS.encode(), "utf-8"),
        (b"\xef\xbb\xbf" + WORDS.encode(), "utf-8"),
        (b"\xff\xfe" + WORDS.encode("utf-16-le"), "utf-16-le"),
        (b"\xfe\xff" + WORDS.encode("utf-16-be"), "utf-16-be"),
        (WORDS.encode("latin-1"), "windows-1252"),
    ],
)
def test_text_is_recognised_in_each_character_set(data: bytes, encoding: str) -> None:
    assert _facts(data)["encoding"] == encoding


@given(st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs", "Cn"]), min_size=40, max_size=300))
def test_text_of_any_language_is_text(text: str) -> None:
    data = ("note: " + text + "\n").encode()
    assert _facts(data)["encoding"] in ("ascii", "utf-8")
    assert _facts(b"\xff\xfe" + text.encode("utf-16-le"))["encoding"] == "utf-16-le"


@given(st.binary(min_size=1, max_size=400))
def test_what_is_accepted_holds_no_byte_that_text_does_not_hold(data: bytes) -> None:
    if not _refused(data) and not data.startswith((b"\xff\xfe", b"\xfe\xff")):
        assert not set(data[:-1]) & {*range(9), 0x0B, *range(0x0E, 0x1A), 0x1C, 0x7F}


@pytest.mark.parametrize("size", [8, 12, 16, 20, 32, 64, 256])
def test_random_bytes_are_hardly_ever_text(size: int) -> None:
    assert sum(_refused(NOISE.randbytes(size)) for _ in range(1000)) >= 995


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"PUMP",
        b"U" * 400,
        b"\x20\x21" * 200,
        b"{}[]()<>;:,.!?",
        b"text with a NUL\0 in it, as in a program",
        b"text with \x07 a bell, then more words",
        bytes(range(0xA0, 0x100)) * 3,
        b"\xe4" * 3 + b"word " * 20 + b"\x81",
        (b"abcdefghij\xe4klmn" * 40),
        b"caf\xe9 au lait, short",
        b"\xff\xfe" + "a\0b".encode("utf-16-le") * 9,
        b"\xff\xfe" + b"\x00\xd8" * 9,
        b"\xff\xfe" + "word ".encode("utf-16-le") * 9 + b"x",
        b"\xef\xbb\xbf" + b"\xff" * 20,
    ],
)
def test_what_is_no_text_is_refused(data: bytes) -> None:
    assert _refused(data)


def test_a_dos_end_mark_is_allowed_at_the_end_only() -> None:
    line = b"COPY PUMP.BIN A:\r\n"
    assert not _refused(line + b"\x1a")
    assert _refused(line + b"\x1a" + line)


def test_text_larger_than_one_piece_is_read_to_its_end() -> None:
    data = ("ä" + "rate = 5\n" * CHUNK_BYTES).encode()
    assert _facts(data) == {"encoding": "utf-8", "lines": CHUNK_BYTES, "media_type": "text/plain"}
    assert _facts(data + b"\x1a")["lines"] == CHUNK_BYTES + 1
    assert _refused(data + b"\0")


@pytest.mark.parametrize(
    ("data", "media_type"),
    [
        (b'{"pump": {"rate": 5}}', "application/json"),
        (b'<?xml version="1.0"?><pump/>', "application/xml"),
        (b"\n<!DOCTYPE html><html></html>", "text/html"),
        (b"<!-- saved -->\n<HTML></HTML>", "text/html"),
        (b"#!/bin/sh\nrm -rf /mnt\n", "text/x-script"),
        (b"; pump settings\n[rate]\nml_per_h=5\n", "text/x-ini"),
        (b"-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n", "application/x-pem-file"),
        (b"just words, nothing more\n", "text/plain"),
        (b"[see page 5] and so on and on", "text/plain"),
    ],
)
def test_the_kind_of_text_is_told(data: bytes, media_type: str) -> None:
    assert _facts(data)["media_type"] == media_type


def test_blocks_of_keys_and_certificates_are_told() -> None:
    block = "-----BEGIN {0}-----\nMIIB\n-----END {0}-----\n"
    text = "key of the pump\n" + block.format("EC PRIVATE KEY") + block.format("CERTIFICATE") * 2
    assert _facts(text.encode())["pem_blocks"] == ("CERTIFICATE", "EC PRIVATE KEY")


@pytest.mark.parametrize(("text", "lines"), [("one line", 1), ("one line\n", 1), ("one\ntwo lines", 2)])
def test_lines_are_counted_with_a_last_one_that_does_not_end(text: str, lines: int) -> None:
    assert _facts(text.encode())["lines"] == lines
    assert _facts(b"\xff\xfe" + text.encode("utf-16-le"))["lines"] == lines
