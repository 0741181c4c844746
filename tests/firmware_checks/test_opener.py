"""What opening an image promises, whatever is in it."""

import gzip
import io
import random
import zipfile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware_checks.coverage import coverage_of
from firmware_checks.format import Entry, ImageFormat, Opened
from firmware_checks.opener import Opener
from firmware_checks.patterns import Pattern
from firmware_checks.region import Region
from firmware_checks.span import Span
from firmware_checks.structure.programs import architectures
from toolkit.core.errors import FormatError
from toolkit.core.limits import Budget, Limits
from toolkit.core.registry import discover
from toolkit.core.window import Window
from toolkit.report.model import Coverage, RegionKind

FORMATS = discover("firmware_checks.formats", attribute="FORMAT", kind=ImageFormat, group=None)
DEFAULTS = Limits()
BANNER = Pattern.of("demo", rb"DemoStack v\d+\.\d+")


def _open(
    data: bytes,
    limits: Limits = DEFAULTS,
    formats: dict[str, ImageFormat] = FORMATS,
) -> tuple[list[Region], Opener, Coverage]:
    opener = Opener(formats, [BANNER], Budget(limits, len(data)), lambda _size: None)
    roots = opener.explore(Span("dump", Window.of(data)))
    return roots, opener, coverage_of(roots, opener.unread.rows(), opener.budget.hits.sentences())


def _zip(**files: bytes) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(zipfile.ZipInfo(name.replace("_", ".")), data, zipfile.ZIP_DEFLATED)
    return packed.getvalue()


@given(st.binary(min_size=1, max_size=4000))
def test_every_byte_of_a_raw_file_is_accounted_for_once(data: bytes) -> None:
    roots, _, coverage = _open(data)
    if all(r.span.path == "dump" for root in roots for r in root.walk()) and not any(r.decoded for r in roots):
        assert coverage.total_bytes == len(data)
    position = 0
    for root in roots:
        start, end = root.span.extent
        assert start == position
        position = end
    assert position == len(data)


@settings(max_examples=30)
@given(st.integers(0, 3000), st.integers(0, 3000))
def test_a_banner_is_found_at_its_offset_in_raw_bytes_and_inside_containers(before: int, after: int) -> None:
    noise = random.Random(before)  # noqa: S311  # filler
    content = noise.randbytes(before) + b"DemoStack v1.2" + noise.randbytes(after)
    for data, path in ((content, "dump"), (gzip.compress(content, mtime=0), "dump!content")):
        _, opener, _ = _open(data)
        places = {(span.path, span.evidence(hit.start).offset) for span, hit in opener.hits}
        assert (path, before) in places


def test_a_banner_in_opened_content_counts_once_and_where_it_really_is() -> None:
    _, opener, _ = _open(b"\x7f" * 100 + _zip(a_txt=b"DemoStack v1.2 is in here\n" * 3))
    assert {span.path for span, _ in opener.hits} == {"dump!a.txt"}
    assert len(opener.hits) == 3


def test_content_nested_too_deep_is_said_to_be_unread() -> None:
    data = b"text at the bottom, long enough to be text\n"
    for _ in range(6):
        data = gzip.compress(data, mtime=0)
    _, _, coverage = _open(data, Limits(depth=3))
    assert [row.reason for row in coverage.unread] == ["nested deeper than 3 levels"]
    assert coverage.unread_bytes > 0
    assert coverage.recognised_ratio == 0


def test_a_bomb_is_stopped_and_reported_and_the_rest_is_read() -> None:
    data = _zip(bomb_bin=bytes(50 << 20), note_txt=b"a note that is long enough to be text\n")
    roots, opener, coverage = _open(data, Limits(ratio=100))
    assert [row.path for row in coverage.unread] == ["dump!bomb.bin"]
    assert coverage.limits_hit
    assert opener.budget.unpacked_bytes < 20 << 20
    assert "dump!note.txt" in {r.span.path for root in roots for r in root.walk()}


def test_bombs_within_bombs_end_with_the_total_budget() -> None:
    inner = _zip(**{f"f{i}_bin": bytes(1 << 20) for i in range(30)})
    data = _zip(**{f"z{i}_zip": inner for i in range(30)})
    _, opener, coverage = _open(data)
    assert opener.budget.unpacked_bytes <= 66 << 20
    assert any("bytes unpacked" in hit for hit in coverage.limits_hit)
    assert coverage.unread_bytes > 0


def test_thousands_of_unread_entries_are_a_few_lines_and_their_sum() -> None:
    data = _zip(**{f"f{i}_bin": bytes(2000) for i in range(50)})
    _, opener, coverage = _open(data, Limits(entry_bytes=100, unread=10))
    assert len(coverage.unread) == 11
    assert coverage.unread[-1].path == "dump"
    assert coverage.unread[-1].reason == "40 more pieces were not read"
    assert coverage.unread_bytes == 50 * 2000
    assert len(opener.budget.hits.sentences()) == 1


def test_too_many_entries_end_the_container_with_a_line() -> None:
    _, _, coverage = _open(_zip(**{f"f{i}_txt": b"some text to read\n" for i in range(9)}), Limits(entries=4))
    assert any("more than 4 files" in hit for hit in coverage.limits_hit)


def test_false_starts_are_tried_a_number_of_times_only() -> None:
    _, _, coverage = _open(b"PK\3\4" * 5000, Limits(attempts=100))
    assert any("false starts" in hit for hit in coverage.limits_hit)


def _broken(where: str) -> ImageFormat:
    """A format whose reader has a defect in ``where``."""

    def fail(_most: int) -> bytes:
        raise ZeroDivisionError("in an entry")

    def opens(span: Span, _limits: Limits) -> Opened:
        if where == "open":
            raise ZeroDivisionError("in open")
        if not span.window.starts_with(b"BROKEN"):
            raise FormatError("not here")
        entry = Entry(name="x", packed_bytes=1, unpacked_bytes=1, read=fail)
        return Opened(size=span.size, kind=RegionKind.CONTAINER, title="Broken", entries=(entry,))

    return ImageFormat(
        name="broken", title="Broken", source="this test", limits="all", open=opens, whole_file_only=True, example=bytes
    )


@pytest.mark.parametrize("where", ["open", "entry"])
def test_a_defect_in_one_reader_is_told_and_hides_nothing_else(where: str) -> None:
    roots, _, coverage = _open(b"BROKEN " + b"and some text after it\n" * 4, formats={"broken": _broken(where)})
    assert any("this is a defect, please report it" in row.reason for row in coverage.unread)
    assert roots


def _program(size: int) -> bytes:
    """Bytes that are told to be a program: real machine code of one architecture's example, repeated."""
    code = architectures()["aarch64"].example()
    return (code * (size // len(code) + 1))[:size]


def test_what_is_embedded_in_a_program_does_not_cut_it_in_two() -> None:
    picture = FORMATS["png"].example()
    code = _program(4096)
    data = code[:2048] + picture.ljust(-(-len(picture) // 4) * 4, b"\0") + code[2048:] + b"DemoStack v1.2"
    roots, opener, coverage = _open(data)
    program = next(root for root in roots if root.kind is RegionKind.PROGRAM)
    assert "png" in {child.format for child in program.children}
    assert program.span.size > 2048 + len(picture)
    assert len(opener.hits) == 1
    assert coverage.total_bytes == len(data)


def test_an_image_with_vectors_of_its_own_stands_beside_the_program_before_it() -> None:
    image = FORMATS["mcuboot"].example()
    roots, _, _ = _open(_program(4096) + image + _program(4096))
    assert "mcuboot" in {root.format for root in roots}


def test_an_all_padding_file_is_not_called_recognised() -> None:
    _, _, coverage = _open(b"\xff" * 70_000)
    assert coverage.padding_bytes == 70_000
    assert coverage.recognised_ratio == 0
