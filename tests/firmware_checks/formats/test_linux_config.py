import gzip

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_checks.format import Opened
from firmware_checks.formats.linux_config import CONFIG_BYTES, FORMAT
from firmware_checks.span import Span
from toolkit.core.errors import FormatError
from toolkit.core.limits import Limits
from toolkit.core.window import Window


def _open(data: bytes) -> Opened:
    return FORMAT.open(Span("kernel", Window.of(data)), Limits())


@given(st.binary(max_size=500), st.binary(max_size=50))
def test_the_configuration_is_read_back_and_what_follows_is_left_outside(config: bytes, after: bytes) -> None:
    data = b"IKCFG_ST" + gzip.compress(config) + b"IKCFG_ED"
    opened = _open(data + after)
    (entry,) = opened.entries
    assert (opened.size, entry.name, entry.read(1000)) == (len(data), "config", config)
    assert opened.problems == ()


def test_version_and_processor_are_told() -> None:
    assert _open(FORMAT.example()).facts == {"version": "5.10.1", "processor": "arm"}


def test_a_missing_end_mark_is_told() -> None:
    data = b"IKCFG_ST" + gzip.compress(b"CONFIG_ARM=y\n")
    opened = _open(data + bytes(100))
    assert (opened.size, opened.problems, opened.facts) == (len(data), ("the end mark is missing",), {})


@pytest.mark.parametrize(
    "data",
    [
        b"IKCFG_XX" + gzip.compress(b"x"),
        b"IKCFG_ST\x1f\x8b\x08" + b"\xff" * 100,
        b"IKCFG_ST" + gzip.compress(bytes(range(256)))[:-9],
        b"IKCFG_ST" + gzip.compress(bytes(CONFIG_BYTES + 1)) + b"IKCFG_ED",
    ],
    ids=["other start", "damaged", "cut short", "bomb"],
)
def test_what_is_no_configuration_is_refused(data: bytes) -> None:
    with pytest.raises(FormatError):
        _open(data)
