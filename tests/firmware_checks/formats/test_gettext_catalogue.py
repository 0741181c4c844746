import shutil
import struct
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_checks.format import Opened
from firmware_checks.formats.gettext_catalogue import FORMAT, MOST_PIECES, MOST_TEXTS, MOST_VARYING
from firmware_checks.span import Span
from toolkit.core.errors import FormatError
from toolkit.core.limits import Limits
from toolkit.core.window import Window

EXAMPLE = FORMAT.example()
MSGFMT = shutil.which("msgfmt")


def _open(data: bytes) -> Opened:
    return FORMAT.open(Span("pump.mo", Window.of(data)), Limits())


def _is_closed(data: bytes) -> bool:
    assert FORMAT.closed is not None
    return FORMAT.closed(Window.of(data))


@given(st.binary(max_size=40))
def test_a_catalogue_ends_where_its_last_text_does(after: bytes) -> None:
    opened = _open(EXAMPLE + after)
    assert opened.size == len(EXAMPLE)
    assert opened.facts == {"texts": 3, "project": "pump 1.2", "language": "de"}
    assert _is_closed(EXAMPLE + after) is (not after)


def test_the_other_byte_order_is_read() -> None:
    head = 28 + 6 * 8
    words = struct.unpack(f"<{head // 4}I", EXAMPLE[:head])
    data = struct.pack(f">{head // 4}I", *words) + EXAMPLE[head:]
    assert _open(data).facts == _open(EXAMPLE).facts
    assert _is_closed(data)


def test_a_catalogue_without_a_header_text_tells_its_size_alone() -> None:
    rows = struct.pack("<4I", 1, 44, 1, 46)
    data = struct.pack("<7I", 0x950412DE, 0, 1, 28, 36, 0, 0) + rows + b"a\0b\0"
    assert _open(data).facts == {"texts": 1}


def test_an_empty_catalogue_is_its_header() -> None:
    data = struct.pack("<7I", 0x950412DE, 0, 0, 28, 28, 0, 28)
    assert (_open(data).size, _open(data).facts) == (28, {"texts": 0})
    assert _is_closed(data)


@pytest.mark.parametrize(
    ("place", "value"),
    [(0, 0), (4, 0x20000), (4, 2), (8, MOST_TEXTS + 1), (12, 27), (16, 1 << 20)],
)
def test_what_is_no_catalogue_is_refused(place: int, value: int) -> None:
    data = EXAMPLE[:place] + struct.pack("<I", value) + EXAMPLE[place + 4 :]
    with pytest.raises(FormatError):
        _open(data)
    assert not _is_closed(data)


@pytest.mark.parametrize("row", [28, 52])
def test_a_text_outside_the_bytes_is_refused(row: int) -> None:
    with pytest.raises(FormatError):
        _open(EXAMPLE[:row] + struct.pack("<I", 1 << 30) + EXAMPLE[row + 4 :])


def _in_pieces(pieces: int, *, varying: int = 1) -> bytes:
    """Build a catalogue of one text with a number in it whose length differs between processors, after gmo.h."""
    tables = 48
    record = tables + 8
    rows = b"".join(struct.pack("<2I", 1, 0xFFFF_FFFF if n == pieces - 1 else 0) for n in range(pieces))
    text_at = record + 4 + len(rows)
    head = struct.pack("<7I", 0x950412DE, 1, 0, 28, 28, 0, 0)
    more = struct.pack("<5I", 0, 0, varying, tables, tables + 4)
    return head + more + struct.pack("<3I", record, record, text_at) + rows + b"x" * (pieces - 1) + b"\0"


@pytest.mark.parametrize("pieces", [1, 2, MOST_PIECES])
def test_texts_in_pieces_belong_to_it(pieces: int) -> None:
    data = _in_pieces(pieces)
    assert _open(data + b"after").size == len(data)
    assert _is_closed(data)


@pytest.mark.parametrize("data", [_in_pieces(MOST_PIECES + 1), _in_pieces(2, varying=MOST_VARYING + 1)])
def test_pieces_without_end_are_refused(data: bytes) -> None:
    with pytest.raises(FormatError):
        _open(data)


@pytest.mark.skipif(MSGFMT is None, reason="msgfmt of GNU gettext is not installed")
@pytest.mark.parametrize("endianness", ["little", "big"])
def test_what_the_reference_tool_writes_is_closed_and_whole(tmp_path: Path, endianness: str) -> None:
    lines = ['msgid ""', 'msgstr "Language: fi\\n"', ""]
    for number in range(200):
        lines += [f'msgid "alarm {number}"', f'msgstr "hälytys {number}"', ""]
    lines += ["#, c-format", 'msgid "%<PRIu64> bytes"', 'msgstr "%<PRIu64> tavua"', ""]
    source, target = tmp_path / "fi.po", tmp_path / "fi.mo"
    source.write_text("\n".join(lines).replace("Language: fi", "Content-Type: text/plain; charset=UTF-8"), "utf-8")
    subprocess.run([str(MSGFMT), f"--endianness={endianness}", "-o", target, source], check=True)
    data = target.read_bytes()
    assert _open(data).size == len(data)
    assert _is_closed(data)
