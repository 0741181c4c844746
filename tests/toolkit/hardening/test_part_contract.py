"""What every part of the hardening pack must keep to, with no further edit when one is added."""

from __future__ import annotations

import re

import pytest

from firmware_checks.controls import COLUMNS
from toolkit.hardening.pack import MANIFEST, build_pack
from toolkit.hardening.part import HardeningPart, load_parts
from toolkit.hardening.subject import HardeningSubject

PARTS = load_parts()
EVERY = pytest.mark.parametrize("part", PARTS.values(), ids=PARTS)


@EVERY
def test_a_part_says_everything_in_whole_sentences(part: HardeningPart) -> None:
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", part.name)
    assert part.title
    assert not part.title.endswith(".")
    for sentence in (part.what, *part.apply, *part.bench_test, *part.take_back):
        assert sentence[0].isupper(), sentence
        assert sentence.endswith((".", ":")), sentence
    assert part.apply
    assert part.bench_test
    assert part.take_back
    assert part.source
    assert all(getattr(part.controls, column) for column in COLUMNS)


@EVERY
def test_a_part_is_made_for_one_sort_of_device_at_least(
    part: HardeningPart, subjects: dict[str, HardeningSubject]
) -> None:
    reasons = [part.applies(subject) for subject in subjects.values()]
    assert "" in reasons, reasons
    for reason in filter(None, reasons):
        assert not reason.endswith("."), reason


@EVERY
def test_a_part_gives_the_same_safe_files_each_time(part: HardeningPart, subjects: dict[str, HardeningSubject]) -> None:
    for subject in subjects.values():
        if part.applies(subject):
            continue
        pack, again = build_pack(subject, [part]), build_pack(subject, [part])
        assert pack.files == again.files
        files = [name for name in pack.files if name.startswith(f"{part.name}/")]
        assert files
        assert all(pack.files[name] for name in files)
        record = pack.manifest.parts[0]
        assert [file.path for file in record.files] == sorted(file.path for file in record.files)
        assert all(file.consumer for file in record.files)
        assert {"README.md", "README.html", MANIFEST} < set(pack.files)


@EVERY
def test_no_line_of_a_file_is_made_by_a_name_in_the_image(part: HardeningPart, linux_subject: HardeningSubject) -> None:
    if part.applies(linux_subject):
        return
    for name, data in build_pack(linux_subject, [part]).files.items():
        for line in data.split(b"\n"):
            assert not line.startswith(b"lines"), name
