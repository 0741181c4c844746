"""Files written by programs of other people are read back as they meant them; skipped where they are not installed.

``python3 tasks.py test`` installs them where it may: see system-packages.txt.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from firmware_checks.format import ImageFormat
from firmware_checks.formats.dfu_suffix import FORMAT as DFU
from firmware_checks.formats.intel_hex import FORMAT as INTEL_HEX
from firmware_checks.formats.srec import FORMAT as SREC
from firmware_checks.formats.ti_txt import FORMAT as TI_TXT
from firmware_checks.span import Span
from toolkit.core.limits import Limits
from toolkit.core.window import Window

SREC_CAT = shutil.which("srec_cat") or ""
DFU_SUFFIX, DFU_PREFIX = shutil.which("dfu-suffix") or "", shutil.which("dfu-prefix") or ""
needs_srecord = pytest.mark.skipif(not SREC_CAT, reason="srec_cat is not installed (Debian package srecord)")
needs_dfu_util = pytest.mark.skipif(not DFU_PREFIX, reason="dfu-suffix is not installed (Debian package dfu-util)")

S_RECORDS = ("-motorola", "-execution-start-address=0x100")  # without a start address it writes no last record

Block = tuple[int, bytes]


def _blocks(highest_address: int) -> st.SearchStrategy[list[Block]]:
    """Make up to five blocks of data that do not touch each other, below ``highest_address``."""
    gaps = st.integers(min_value=1, max_value=highest_address // 8)
    contents = st.binary(min_size=1, max_size=70)
    return st.lists(st.tuples(gaps, contents), min_size=1, max_size=5).map(_placed)


def _placed(rows: list[Block]) -> list[Block]:
    blocks: list[Block] = []
    address = 0
    for gap, data in rows:
        address += gap
        blocks.append((address, data))
        address += len(data)
    return blocks


def _written_by_srec_cat(blocks: list[Block], folder: Path, form: list[str]) -> bytes:
    command = [SREC_CAT]
    for number, (address, data) in enumerate(blocks):
        (folder / str(number)).write_bytes(data)
        command += [str(folder / str(number)), "-binary", "-offset", hex(address)]
    subprocess.run([*command, "-o", str(folder / "out"), *form], check=True)
    return (folder / "out").read_bytes()


def _read_by_us(image_format: ImageFormat, written: bytes) -> list[Block]:
    opened = image_format.open(Span("out", Window.of(written)), Limits())
    assert opened.problems == ()
    assert opened.size == len(written)
    (memory,) = opened.memories
    return [(segment.address, bytes(segment.data)) for segment in memory.map.segments]


@needs_srecord
@pytest.mark.parametrize(
    ("image_format", "form", "highest_address"),
    [
        (INTEL_HEX, ["-intel"], 0xFFFF_0000),
        (INTEL_HEX, ["-intel", "-address-length=3"], 0xF_0000),
        (INTEL_HEX, ["-intel", "-address-length=2"], 0xF000),
        (SREC, [*S_RECORDS, "-address-length=2"], 0xF000),
        (SREC, [*S_RECORDS, "-address-length=3"], 0xFF_0000),
        (SREC, [*S_RECORDS, "-address-length=4"], 0xFFFF_0000),
        (TI_TXT, ["-ti-txt"], 0xF_0000),
    ],
    ids=lambda value: value[-1] if isinstance(value, list) else getattr(value, "name", ""),
)
@settings(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_what_srec_cat_writes_is_read_back(
    tmp_path: Path, image_format: ImageFormat, form: list[str], highest_address: int, data: st.DataObject
) -> None:
    blocks = data.draw(_blocks(highest_address))
    assert _read_by_us(image_format, _written_by_srec_cat(blocks, tmp_path, form)) == blocks


@needs_dfu_util
@settings(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.binary(min_size=1, max_size=400), vendor=st.integers(0, 0xFFFE), product=st.integers(0, 0xFFFE))
def test_what_dfu_suffix_adds_is_read_back(tmp_path: Path, content: bytes, vendor: int, product: int) -> None:
    path = tmp_path / "image.dfu"
    path.write_bytes(content)
    command = [DFU_SUFFIX, "--add", str(path), "--vid", hex(vendor), "--pid", hex(product)]
    subprocess.run(command, check=True, capture_output=True)
    opened = DFU.open(Span("image.dfu", Window.of(path.read_bytes())), Limits())
    assert [verdict.valid for verdict in opened.integrity] == [True]
    assert (opened.facts["usb_vendor_id"], opened.facts["usb_product_id"]) == (f"{vendor:#06x}", f"{product:#06x}")
    payload = next(part for part in opened.parts if part.look_inside)
    assert (payload.start, payload.end) == (0, len(content))


@needs_dfu_util
def test_the_prefix_that_dfu_prefix_adds_for_stellaris_gives_the_address(tmp_path: Path) -> None:
    path = tmp_path / "image.dfu"
    path.write_bytes(bytes(range(200)))
    subprocess.run([DFU_PREFIX, "--stellaris-address", "0x2800", "--add", str(path)], check=True, capture_output=True)
    subprocess.run([DFU_SUFFIX, "--add", str(path)], check=True, capture_output=True)
    opened = DFU.open(Span("image.dfu", Window.of(path.read_bytes())), Limits())
    payload = next(part for part in opened.parts if part.look_inside)
    assert (payload.address, payload.end - payload.start) == (0x2800, 200)
