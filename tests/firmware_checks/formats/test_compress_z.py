import random
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware_checks.format import Opened
from firmware_checks.formats.compress_z import FORMAT
from firmware_checks.span import Span
from toolkit.core.errors import FormatError, LimitExceeded
from toolkit.core.limits import Limits
from toolkit.core.window import Window

NOISE = random.Random(3).randbytes(60_000)  # noqa: S311  # filler, not a secret
TEXT = " ".join(str(number) for number in range(60_000)).encode()
COMPRESS = shutil.which("compress") or ""


def _open(data: bytes, *, limits: Limits = Limits(), path: str = "pump.taz") -> Opened:  # noqa: B008  # frozen
    return FORMAT.open(Span(path, Window.of(data)), limits)


def _content(opened: Opened) -> bytes:
    (entry,) = opened.entries
    return entry.read(1 << 28)


class _Codes:
    """Writes codes the lowest bit first, eight at a time; a change of width leaves out the rest of the eight."""

    def __init__(self) -> None:
        self.bits, self.data, self._group = 9, b"", [0] * 0

    def put(self, code: int) -> None:
        self._group.append(code)
        if len(self._group) == 8:
            self.restart(self.bits)

    def restart(self, bits: int) -> None:
        value = sum(code << self.bits * place for place, code in enumerate(self._group))
        self.data += value.to_bytes(self.bits, "little") if self._group else b""
        self._group, self.bits = [], bits

    def end(self) -> bytes:
        used = -(-len(self._group) * self.bits // 8)
        unused = self.bits - used if used else 0
        self.restart(self.bits)
        return self.data[: len(self.data) - unused]


def _packed(data: bytes, *, clear_after: int = 1 << 30, block_mode: bool = True, most_bits: int = 16) -> bytes:
    """Pack as the program does: the longest string known, then one byte more becomes known."""
    single = {bytes([value]): value for value in range(256)}
    first_free = 257 if block_mode else 256
    codes, table, known, current = _Codes(), dict(single), first_free, b""
    for count, byte in enumerate(data):
        longer = current + bytes([byte])
        if longer in table:
            current = longer
            continue
        codes.put(table[current])
        if known < 1 << most_bits:
            table[longer] = known
            known += 1
            if known > 1 << codes.bits and codes.bits < most_bits:
                codes.restart(codes.bits + 1)
        if count % clear_after == clear_after - 1:
            codes.put(256)
            codes.restart(9)
            table, known = dict(single), first_free
        current = bytes([byte])
    codes.put(table[current])
    return b"\x1f\x9d" + bytes([block_mode << 7 | most_bits]) + codes.end()


@settings(max_examples=30)
@given(st.binary(min_size=256, max_size=2000), st.booleans())
def test_what_is_packed_is_read_back(content: bytes, block_mode: bool) -> None:
    data = _packed(content, block_mode=block_mode)
    opened = _open(data)
    assert (opened.size, _content(opened)) == (len(data), content)
    assert opened.problems == ()


@pytest.mark.parametrize("most_bits", [10, 12, 16])
def test_a_full_table_and_a_cleared_one_are_read_back(most_bits: int) -> None:
    content = TEXT[:80_000] + bytes(5000)
    assert _content(_open(_packed(content, most_bits=most_bits))) == content
    assert _content(_open(_packed(content, most_bits=most_bits, clear_after=3001))) == content


def test_a_damaged_file_gives_what_stands_before_the_damage() -> None:
    data = _packed(TEXT[:8000])
    opened = _open(data[:2000] + b"\xff" * 30)
    assert TEXT.startswith(_content(opened)[:3000])
    assert "stands for nothing yet" in opened.problems[0]


@pytest.mark.parametrize(
    "data",
    [
        b"\x1f\x9d",
        b"\x1f\x9d\x89" + bytes(300),
        b"\x1f\x9d\x91" + bytes(300),
        b"\x1f\x9d\xf0" + bytes(300),
        b"\x1f\x9d\x90" + b"\xff" * 300,
        b"\x1f\x9d\x90\x02\x03" + b"\xff" * 300,
        b"PK" + bytes(30),
    ],
)
def test_what_is_no_compress_file_is_refused(data: bytes) -> None:
    with pytest.raises(FormatError):
        _open(data)


def test_a_bomb_is_stopped() -> None:
    data = _packed(bytes(200_000))
    with pytest.raises(LimitExceeded, match="more than 100000 bytes"):
        _open(data, limits=Limits(entry_bytes=100_000))
    with pytest.raises(LimitExceeded, match="more than 50000 bytes"):
        _open(data, limits=Limits(entry_bytes=100_000, unpacked_bytes=50_000))


@pytest.mark.skipif(not COMPRESS, reason="compress is not installed (Debian package ncompress)")
@pytest.mark.parametrize("bits", ["10", "12", "16"])
def test_what_the_compress_program_packs_is_read_back(bits: str, tmp_path: Path) -> None:
    content = TEXT + NOISE + bytes(100_000)
    (tmp_path / "pump.bin").write_bytes(content)
    subprocess.run([COMPRESS, "-f", "-b", bits, "pump.bin"], cwd=tmp_path, check=True)
    opened = _open((tmp_path / "pump.bin.Z").read_bytes())
    assert _content(opened) == content
    assert opened.problems == ()
