import lzma
import random
import shutil
import struct
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_checks.format import Opened
from firmware_checks.formats.lzma_alone import FORMAT
from firmware_checks.span import Span
from toolkit.core.errors import FormatError, LimitExceeded
from toolkit.core.limits import Limits
from toolkit.core.window import Window

NOISE = random.Random(3).randbytes(60_000)  # noqa: S311  # filler, not a secret
TEXT = " ".join(str(number) for number in range(60_000)).encode()
XZ = shutil.which("xz") or ""


def _open(data: bytes, *, limits: Limits = Limits(), path: str = "pump.tlz") -> Opened:  # noqa: B008  # frozen
    return FORMAT.open(Span(path, Window.of(data)), limits)


def _content(opened: Opened) -> bytes:
    (entry,) = opened.entries
    return entry.read(1 << 28)


def _packed(data: bytes, *, dictionary: int = 1 << 20, known_size: bool = False, lc: int = 3, lp: int = 0) -> bytes:
    filters = [{"id": lzma.FILTER_LZMA1, "dict_size": dictionary, "lc": lc, "lp": lp, "pb": 2}]
    packed = lzma.compress(data, format=lzma.FORMAT_ALONE, filters=filters)
    return packed[:5] + len(data).to_bytes(8, "little") + packed[13:] if known_size else packed


@given(st.binary(min_size=1, max_size=500), st.binary(max_size=20))
def test_what_is_packed_is_read_back_and_what_follows_is_left_outside(content: bytes, after: bytes) -> None:
    data = _packed(content)
    opened = _open(data + after)
    assert (opened.size, _content(opened)) == (len(data), content)
    assert opened.problems == ()
    (entry,) = opened.entries
    assert entry.name == "pump.tar"


@pytest.mark.parametrize("dictionary", [4096, 6144, 1 << 16, 3 << 19, 8 << 20])
def test_dictionaries_that_writers_use_are_read(dictionary: int) -> None:
    opened = _open(_packed(TEXT, dictionary=dictionary))
    assert _content(opened) == TEXT
    assert opened.facts["dictionary_bytes"] == dictionary


def test_a_known_size_ends_the_stream() -> None:
    opened = _open(_packed(TEXT, known_size=True) + NOISE)
    assert _content(opened) == TEXT
    assert opened.size < len(_packed(TEXT)) + 6


def test_properties_are_told() -> None:
    facts = _open(_packed(TEXT, lc=1, lp=2)).facts
    assert (facts["literal_context_bits"], facts["literal_position_bits"], facts["position_bits"]) == (1, 2, 2)


def test_a_cut_file_gives_what_is_there_and_says_so() -> None:
    data = _packed(NOISE)
    opened = _open(data[:40_000])
    assert opened.size == 40_000
    assert NOISE.startswith(_content(opened))
    assert any("cut short" in problem for problem in opened.problems)


def test_a_damaged_file_gives_what_stands_before_the_damage() -> None:
    packed = _packed(TEXT)
    at = len(packed) - 2000
    data = packed[:at] + NOISE[:2000]
    opened = _open(data)
    assert TEXT.startswith(_content(opened)[:10_000])
    assert any("could be unpacked" in problem for problem in opened.problems)


def _header(properties: int = 0x5D, dictionary: int = 1 << 20, size: int = (1 << 64) - 1, first: int = 0) -> bytes:
    return struct.pack("<BIQB", properties, dictionary, size, first)


@pytest.mark.parametrize(
    "data",
    [
        _header(225) + NOISE,
        _header(8 + 9) + NOISE,
        _header(dictionary=5 << 18) + NOISE,
        _header(dictionary=0) + NOISE,
        _header(size=0) + NOISE,
        _header(size=1 << 40) + NOISE,
        _header(first=1) + NOISE,
        _header() + NOISE,
        _header() + NOISE[5:],
        _header() + b"\xff" * 5000,
        _packed(TEXT)[:600] + NOISE,
        _header()[:13],
        bytes(100),
    ],
)
def test_what_is_no_lzma_is_refused(data: bytes) -> None:
    with pytest.raises(FormatError):
        _open(data)


def test_a_bomb_is_stopped() -> None:
    data = _packed(bytes(10 << 20))
    opened = _open(data, limits=Limits(entry_bytes=1 << 20))
    (entry,) = opened.entries
    with pytest.raises(LimitExceeded):
        entry.read(1 << 20)
    with pytest.raises(LimitExceeded, match="more than 2097152 bytes"):
        _open(data, limits=Limits(entry_bytes=1 << 20, unpacked_bytes=2 << 20))


def test_what_needs_too_much_memory_is_refused() -> None:
    with pytest.raises(FormatError):
        _open(_header(dictionary=1 << 30) + NOISE)


@pytest.mark.skipif(not XZ, reason="xz is not installed (Debian package xz-utils)")
@pytest.mark.parametrize("options", [["-1"], ["-9"], ["--lzma1=lc=0,lp=2,pb=0,dict=64KiB"]])
def test_what_the_xz_program_packs_is_read_back(options: list[str], tmp_path: Path) -> None:
    (tmp_path / "pump.bin").write_bytes(NOISE + TEXT)
    subprocess.run([XZ, "-q", "--format=lzma", *options, "pump.bin"], cwd=tmp_path, check=True)
    data = (tmp_path / "pump.bin.lzma").read_bytes()
    opened = _open(data)
    assert (opened.size, _content(opened)) == (len(data), NOISE + TEXT)
    assert opened.problems == ()
