"""What observers are shown, and where what they saw is said to stand."""

from __future__ import annotations

import io
import struct
import tarfile
from collections.abc import Iterator
from pathlib import Path

from firmware_checks.fact_reader import Content
from firmware_checks.image import open_image
from firmware_checks.inventory import Inventory
from firmware_checks.observation_collection import MOST_OF_ONE, ObservationCollector
from firmware_checks.observer import Observation, Observer
from firmware_checks.patterns import AnchorEngine
from firmware_checks.scan import Scanner
from firmware_checks.span import Span
from toolkit.core.errors import FormatError
from toolkit.core.window import Window


class Word(Observation):
    """A content that was shown, by its size."""


def _observer(read: object = None) -> Observer:
    def words(content: Content) -> Iterator[Observation]:
        place = bytes(content.span.window.view).find(b"WORD")
        yield Word(offset=max(place, 0), excerpt=f"{content.span.size} bytes\x07")

    return Observer(
        name="words",
        title="Words",
        source="made up",
        wants=lambda _content: True,
        read=read or words,  # type: ignore[arg-type]
        example=lambda: ("word", b"WORD"),
        shows=1,
    )


def _inventory(folder: Path, data: bytes, observer: Observer) -> Inventory:
    path = folder / "image.bin"
    path.write_bytes(data)
    scanner = Scanner()
    scanner.observers = {"words": observer}
    with open_image(path, scanner.limits) as image:
        return scanner.take_inventory(image)


def _tar(**files: bytes) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size, member.mode = len(data), 0o4755
            archive.addfile(member, io.BytesIO(data))
        link = tarfile.TarInfo("link")
        link.type, link.linkname = tarfile.SYMTYPE, "../etc/one"
        archive.addfile(link)
    return out.getvalue()


def test_the_entries_of_a_container_are_shown_and_the_container_is_not(tmp_path: Path) -> None:
    inventory = _inventory(tmp_path, _tar(one=b"a WORD of it", two=b"another WORD", copy=b"a WORD of it"), _observer())
    seen = [(s.path, s.evidence.offset, s.evidence.excerpt) for s in inventory.observed(Word)]
    assert seen == [("image.bin!one", 2, "12 bytes."), ("image.bin!two", 8, "12 bytes.")]


def test_every_name_is_listed_with_rights_and_where_it_points(tmp_path: Path) -> None:
    entries = _inventory(tmp_path, _tar(one=b"1"), _observer()).entries
    assert [(e.name, e.kind, e.mode, e.target) for e in entries] == [
        ("one", "file", 0o4755, ""),
        ("link", "symbolic-link", 0o644, "../etc/one"),
    ]


def test_what_a_text_format_carries_is_shown_as_it_stands_in_the_device(tmp_path: Path) -> None:
    data = b":020000040800F2\r\n:04001000574F5244C0\r\n:00000001FF\r\n"
    (seen,) = _inventory(tmp_path, data, _observer()).observed(Word)
    assert seen.evidence.address == 0x08000010
    assert seen.evidence.offset == data.index(b"574F")


def test_a_program_of_an_operating_system_is_shown_whole(tmp_path: Path) -> None:
    header = struct.pack("<HHIIIIIHHHHHH", 2, 40, 1, 0, 52, 0, 0, 52, 32, 2, 0, 0, 0)
    segments = struct.pack("<8I", 1, 0, 0x10000, 0x10000, 200, 200, 5, 4096)
    segments += struct.pack("<8I", 3, 116, 0x10074, 0x10074, 8, 8, 4, 1)
    program = (b"\x7fELF\1\1\1" + bytes(9) + header + segments + b"/lib/ld\0").ljust(200, b"\0")
    (seen,) = _inventory(tmp_path, _tar(pumpd=program), _observer()).observed(Word)
    assert seen.evidence.excerpt == "200 bytes."


def test_damage_and_defects_of_an_observer_leave_the_rest(tmp_path: Path) -> None:
    def damaged(_content: Content) -> Iterator[Observation]:
        yield Word(offset=0, excerpt="before")
        raise FormatError("cut short")

    def defect(content: Content) -> Iterator[Observation]:
        yield Word(offset=int(content.name), excerpt="")

    assert len(_inventory(tmp_path, b"text", _observer(damaged)).observed(Word)) == 1
    inventory = _inventory(tmp_path, b"text", _observer(defect))
    assert "words observer" in inventory.coverage.unread[0].reason


def test_observations_are_bounded(tmp_path: Path) -> None:
    def endless(content: Content) -> Iterator[Observation]:
        while content:
            yield Word(offset=0, excerpt="again")

    assert len(_inventory(tmp_path, b"text", _observer(endless)).observed(Word)) == MOST_OF_ONE
    collector = ObservationCollector(
        {"words": _observer(endless)}, AnchorEngine(), lambda _what, _span, _error: None, most=1500
    )
    for name in ("one", "two"):
        collector.collect(Content(Span(f"image.bin!{name}", Window.of(b"text"))), [])
    assert len(collector.seen[Word]) == 1500
