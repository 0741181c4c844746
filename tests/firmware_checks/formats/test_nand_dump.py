import random
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware_checks.format import Opened
from firmware_checks.formats import nand_dump, ubi, yaffs2
from firmware_checks.formats.nand_dump import FORMAT
from firmware_checks.formats.yaffs2 import _header, _page
from firmware_checks.opener import Opener
from firmware_checks.readers.nand import LAYOUTS, PageLayout
from firmware_checks.readers.yaffs2_pages import FILE, ROOT, Geometry, Tags
from firmware_checks.region import Region
from firmware_checks.span import Linear, Span
from toolkit.core.errors import FormatError
from toolkit.core.limits import Budget, Limits
from toolkit.core.window import Window

USUAL = PageLayout(2048, 64)


def _noise(size: int, seed: int = 1) -> bytes:
    return random.Random(seed).randbytes(size)  # noqa: S311  # filler, not a secret


def _dump(content: bytes, layout: PageLayout = USUAL, *, blocks: int = 1, mark: bytes = b"\xff") -> bytes:
    """Return ``content`` in pages with marks and codes beside them, filled up with erased pages."""
    pages = []
    for page in range(max(blocks, 1) * (32 if layout.page_bytes == 512 else 64)):
        data = content[page * layout.page_bytes :][: layout.page_bytes].ljust(layout.page_bytes, b"\xff")
        spare = bytearray(
            b"\xff" * layout.spare_bytes if data.count(0xFF) == len(data) else _noise(layout.spare_bytes, page)
        )
        at = layout.mark_at - layout.page_bytes
        spare[at : at + 1] = mark
        pages.append(data + bytes(spare))
    return b"".join(pages)


def _open(data: bytes, limits: Limits = Limits(), base: int = 0) -> Opened:  # noqa: B008  # frozen
    return FORMAT.open(Span("dump", Window.of(data), Linear(base)), limits)


def _spans(opened: Opened) -> list[Span]:
    return [span for memory in opened.memories for span in memory.map.spans()]


@pytest.mark.parametrize("layout", LAYOUTS, ids=str)
def test_every_layout_is_found_out_and_its_spare_bytes_left_out(layout: PageLayout) -> None:
    content = _noise(layout.page_bytes * 40)
    dump = _dump(content, layout, blocks=2)
    opened = _open(dump, base=1000)
    assert (opened.facts["page_bytes"], opened.facts["spare_bytes"]) == (layout.page_bytes, layout.spare_bytes)
    (span,) = _spans(opened)
    assert bytes(span.window.view[: len(content)]) == content
    assert span.address is None
    assert opened.size == len(dump)
    place = 3 * layout.page_bytes + 7
    assert span.provenance.offset_at(place) == 1000 + 3 * layout.stride + 7
    assert span.extent == (1000, 1000 + len(dump) - layout.spare_bytes)


def _explore(data: bytes) -> list[Region]:
    formats = {f.name: f for f in (nand_dump.FORMAT, ubi.FORMAT, yaffs2.FORMAT)}
    opener = Opener(formats, [], Budget(Limits()), lambda _size: None)
    (region,) = opener.explore(Span("dump", Window.of(data)))
    assert region.format == "nand-dump"
    return list(region.walk())


def test_what_stands_across_pages_is_found_where_it_is_in_the_dump() -> None:
    content = _noise(2048 * 30) + ubi.FORMAT.example()
    (found,) = (region for region in _explore(_dump(content)) if region.format == "ubi")
    assert found.span.provenance.offset_at(0) == 30 * USUAL.stride
    assert found.integrity[0].valid


@pytest.mark.parametrize("order", ["<", ">"], ids=["little", "big"])
def test_pages_with_yaffs2_tags_keep_their_spare_bytes(order: str) -> None:
    geometry = Geometry(2048, 64, 2, order)
    text = _noise(2048 * 40, 5)
    pages = [
        _page(geometry, Tags(0x1000, 300, 9, 2048), _noise(2048, 6)),
        _page(
            geometry, Tags(0x1000, 257, 0, 0xFFFF), _header(order, FILE, ROOT, b"a", mode=0o100644, size_low=len(text))
        ),
        *(_page(geometry, Tags(0x1000, 257, n + 1, 2048), text[n * 2048 :][:2048]) for n in range(40)),
    ]
    broken = (bytes(2048) + b"\xff" * 64) * 300
    first = _dump(_noise(2048 * 64))
    data = first + b"".join(pages) + broken + _dump(_noise(2048 * 300, 3), blocks=5)
    data += b"\xff" * (-len(data) % (64 * USUAL.stride))
    opened = _open(data)
    (part,) = opened.parts
    assert (part.start, part.end) == (len(first), len(first) + 42 * USUAL.stride)
    assert opened.facts["pages_with_yaffs2_tags"] == 42
    assert len(_spans(opened)) == 2
    assert [span.extent[0] for span in _spans(opened)] == [0, part.end]
    (region,) = (region for region in _explore(data) if region.format == "yaffs2")
    assert region.facts["byte_order"] == {"<": "little", ">": "big"}[order]


def test_a_dump_of_tagged_pages_alone_has_no_other_content() -> None:
    geometry = Geometry(512, 16, 0, "<")
    header = _header("<", FILE, ROOT, b"a", mode=0o100644, size_low=64 * 512)
    pages = [_page(geometry, Tags(0xFF00, 257 | 0xFF << 8, 0, 0xFFFF), header)]
    pages += [_page(geometry, Tags(0xFF00, 257 | 0xFF << 8, n, 512), _noise(512, n)) for n in range(1, 64)]
    opened = _open(b"".join(pages))
    assert (len(opened.parts), opened.memories) == (1, ())


def test_pages_that_only_look_like_yaffs2_are_content() -> None:
    lookalike = struct.pack("<IIH", FILE, ROOT, 0xFFFF) + _noise(2048 - 10)
    opened = _open(_dump(lookalike * 40))
    assert opened.parts == ()
    assert len(_spans(opened)) == 1


def test_of_a_dump_larger_than_allowed_the_first_pages_are_looked_into() -> None:
    opened = _open(_dump(_noise(2048 * 64)), Limits(entry_bytes=2048 * 10))
    (span,) = _spans(opened)
    assert span.size == 2048 * 10
    assert opened.limits_hit == ("more than 20480 bytes of pages, the rest was not looked into",)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        _dump(_noise(2048 * 64), mark=b"\x55"),  # no marks
        _dump(_noise(2048 * 10)),  # too few pages with content
        _dump(_noise(2048 * 64))[:-1],  # no whole blocks
        _noise(64 * 2112),
        b"\xff" * 64 * 2112,
        (b"\xff" + _noise(63)) * 33 * 64,  # a table with a column of 0xFF
    ],
    ids=["empty", "no marks", "few", "cut", "noise", "erased", "table"],
)
def test_other_bytes_are_no_dump(data: bytes) -> None:
    with pytest.raises(FormatError):
        _open(data)


@settings(max_examples=50)
@given(seed=st.integers(0, 1 << 32))
def test_a_damaged_dump_is_read_or_refused(seed: int) -> None:
    noise = random.Random(seed)  # noqa: S311  # filler, not a secret
    data = bytearray(_dump(_noise(2048 * 64)))
    for _ in range(noise.randrange(1, 30)):
        at = noise.randrange(64) * USUAL.stride
        data[at : at + 10] = struct.pack("<IIH", noise.randrange(7), noise.choice([0, 1, 257]), 0xFFFF)
        struct.pack_into("<4I", data, at + 2050, 0x1000, noise.randrange(3), noise.randrange(2), 0xFFFF)
    try:
        opened = _open(bytes(data))
    except FormatError:
        return
    assert sum(span.size for span in _spans(opened)) + sum(p.end - p.start for p in opened.parts) <= len(data)
