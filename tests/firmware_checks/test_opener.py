"""What opening an image promises, whatever is in it."""

import gzip
import io
import random
import struct
import zipfile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware_checks.coverage import coverage_of
from firmware_checks.format import Entry, ImageFormat, Opened
from firmware_checks.opener import Opener
from firmware_checks.patterns import Pattern
from firmware_checks.region import MemoryPlace, Place, Region
from firmware_checks.span import Span
from firmware_checks.structure.programs import architectures
from firmware_checks.voids import VAST_BYTES
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
    assert {span.path for span, _ in opener.hits} == {"dump!zip@0x64!a.txt"}
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
    inner = [_zip(**{f"f{n}_{i}_bin": bytes((1 << 20) + 30 * n + i) for i in range(30)}) for n in range(8)]
    data = _zip(**{f"z{n}_zip": packed for n, packed in enumerate(inner)})
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


def _elf_with(content: bytes) -> bytes:
    """A shared library of an operating system that has ``content`` loaded, twice."""
    header = struct.pack("<HHIQQQIHHHHHH", 3, 62, 1, 0, 64, 0, 0, 64, 56, 3, 64, 0, 0)
    start = 64 + 3 * 56
    load = struct.pack("<IIQQQQQQ", 1, 5, start, 0x1000, 0x1000, len(content), len(content), 16)
    dynamic = struct.pack("<IIQQQQQQ", 2, 6, start, 0x1000, 0x1000, 0, 0, 8)
    return b"\x7fELF\2\1\1" + bytes(9) + header + load + load + dynamic + content


def test_what_a_linker_says_about_a_program_is_not_guessed_again() -> None:
    packed = gzip.compress(b"a text that was embedded\n", mtime=0)
    content = b"code" * 99 + packed + b" DemoStack v1.2 " + b"more" * 99
    roots, opener, coverage = _open(_elf_with(content))
    (part,) = [r for r in roots[0].children if r.title == "machine code, loaded"]
    assert [child.format for child in part.children] == ["gzip"]
    assert part.program is not None
    assert [(span.path, span.evidence(0, size=99).excerpt) for span, _ in opener.hits] == [("dump", "DemoStack v1.2")]
    assert coverage.unknown_bytes == 0
    _, _, coverage = _open(_elf_with(content), Limits(depth=0))
    assert [row.reason for row in coverage.unread] == ["nested deeper than 0 levels"]


def test_no_bytes_of_unpacked_files_are_held_when_all_is_explored() -> None:
    hexfile = b":0400000001020304F2\r\n:00000001FF\r\n"
    roots, opener, _ = _open(_zip(a_hex=hexfile, b_txt=b"DemoStack v1.2 is in here\n"))
    inside = [r for root in roots for r in root.walk() if r.span.path != "dump"]
    assert {type(r.span) for r in inside} == {Place}
    with pytest.raises(TypeError, match="no longer held"):
        _ = inside[0].held
    (memory,) = [r.memory for r in inside if r.memory is not None]
    assert isinstance(memory, MemoryPlace)
    assert [(s.address, s.end, s.provenance.offset_at(0)) for s in memory.segments] == [(0, 4, 9)]
    program = next(r for r in inside if r.span.address == 0)
    assert (program.span.evidence(0).offset, program.span.evidence(0).address) == (9, 0)
    assert (program.span.evidence(1).offset, program.span.evidence(1).address) == (None, 1)
    assert program.record(0).start == 9
    (span, hit) = opener.hits[0]
    assert (span.size, hit.start, hit.end) == (14, 0, 14)


def test_the_same_content_is_explored_once_and_its_copies_count_as_it_did() -> None:
    inner = _zip(note_txt=b"DemoStack v1.2 is in here\n" * 9, raw_bin=random.Random(1).randbytes(900))  # noqa: S311
    _, once, first = _open(_zip(a_zip=inner))
    roots, opener, coverage = _open(_zip(a_zip=inner, b_zip=inner, c_zip=inner))
    assert len(opener.hits) == len(once.hits)
    copies = [r for root in roots for r in root.walk() if "same_as" in r.facts]
    assert [(r.span.path, r.facts["same_as"], r.format) for r in copies] == [
        ("dump!b.zip", "dump!a.zip", "zip"),
        ("dump!c.zip", "dump!a.zip", "zip"),
    ]
    assert coverage.total_bytes == 3 * first.total_bytes
    assert coverage.recognised_bytes == 3 * first.recognised_bytes
    assert coverage.unknown_bytes == 3 * first.unknown_bytes
    assert opener.budget.entries < 3 + 3 * 2


def test_a_copy_of_what_was_not_read_whole_says_so() -> None:
    inner = _zip(bomb_bin=bytes(9 << 20))
    _, _, coverage = _open(_zip(a_zip=inner, b_zip=inner), Limits(ratio=100))
    assert [row.path for row in coverage.unread] == ["dump!a.zip!bomb.bin", "dump!b.zip"]
    assert coverage.unread[1].reason == "has the same content as dump!a.zip, of which not all was read"
    assert coverage.unread_bytes == 2 * (9 << 20)


def test_what_was_met_too_deep_is_explored_again_where_it_is_not() -> None:
    inner = _zip(a_txt=b"a note that is long enough to be text\n")
    roots, _, coverage = _open(_zip(x_zip=_zip(y_zip=inner), z_zip=inner), Limits(depth=2))
    assert "dump!z.zip!a.txt" in {r.span.path for root in roots for r in root.walk()}
    assert [row.path for row in coverage.unread] == ["dump!x.zip!y.zip!a.txt"]


def test_too_many_rows_are_told_in_sums_and_nothing_is_lost_to_the_checks() -> None:
    damaged = bytearray(gzip.compress(b"a note that is long enough to be text\n" * 3, mtime=0))
    damaged[-5] ^= 1
    files = {f"f{i}_txt": b"text number %d, with words in it\n" % i for i in range(20)}
    data = _zip(**files, last_zip=_zip(a_gz=bytes(damaged), b_txt=b"and some more words, as it were\n"))
    _, _, whole = _open(data)
    roots, _, coverage = _open(data, Limits(regions=10))
    rows = [r for root in roots for r in root.walk()]
    assert any("more than 10 rows" in hit for hit in coverage.limits_hit)
    assert (coverage.total_bytes, coverage.recognised_bytes) == (whole.total_bytes, whole.recognised_bytes)
    assert [r.integrity for r in rows if any(not value.valid for value in r.integrity)]
    assert len(rows) < 30


def test_vast_padding_is_passed_over_and_what_is_around_it_is_read() -> None:
    data = b"DemoStack v1.2" + bytes(VAST_BYTES + (1 << 20)) + b"DemoStack v1.3 \x01"
    roots, opener, coverage = _open(data)
    assert len(opener.hits) == 2
    assert coverage.padding_bytes >= VAST_BYTES
    assert sum(r.span.size for r in roots) == len(data)
    _, _, coverage = _open(b"\xff" * VAST_BYTES)
    assert (coverage.padding_bytes, coverage.total_bytes) == (VAST_BYTES, VAST_BYTES)
    _, _, coverage = _open(bytes(VAST_BYTES - 1) + b"\x01")
    assert coverage.total_bytes == VAST_BYTES


def test_folders_and_empty_files_are_counted_and_have_no_region() -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr(zipfile.ZipInfo("folder/"), b"")
        archive.writestr(zipfile.ZipInfo("folder/empty"), b"")
    roots, opener, _ = _open(packed.getvalue())
    assert [r.children for r in roots] == [[]]
    assert opener.budget.entries == 2
    assert _open(b"")[0] == []


def test_files_are_left_closed_when_all_may_be_unpacked_was() -> None:
    data = _zip(**{f"f{i}_bin": bytes([i]) * (1 << 20) for i in range(5)})
    _, _, coverage = _open(data, Limits(unpacked_bytes=2 << 20))
    assert [row.path for row in coverage.unread] == ["dump!f2.bin", "dump!f3.bin", "dump!f4.bin"]
    assert coverage.unread_bytes == 3 << 20
