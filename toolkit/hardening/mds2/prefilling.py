"""A form filled in as far as profile and scan can: a draft for whoever has to ask the maker."""

from __future__ import annotations

import io
import re
import zipfile
from typing import Final

from device_profiles.schema import DeviceProfile
from toolkit.hardening.mds2.judging import Basis, bases_of
from toolkit.hardening.mds2.questions import Question, questions
from toolkit.hardening.zip_packing import packed_zip
from toolkit.report.model import Report
from toolkit.report.printable import printable

__all__ = ["HEADS", "prefilled_form"]

HEADS: Final = ("Question ID", "What Yes would mean, in our words", "Answer", "What it rests on", "Identifier")
WIDTHS: Final = (14, 60, 12, 90, 14)
MOST_TEXT: Final = 2_000
_MODIFIED: Final = re.compile(rb"(<dcterms:(created|modified)[^>]*>)[^<]*(</)")
UNVERIFIED: Final = "unverified"


def prefilled_form(profile: DeviceProfile, report: Report | None) -> bytes:
    """Return an .xlsx file: one row a question, blank where nothing is known or where what is known disagrees."""
    import openpyxl  # takes a third of a second

    book = openpyxl.Workbook()
    del book["Sheet"]
    sheet = book.create_sheet("MDS2 draft")
    rows = [HEADS, *(_row(question, profile, report) for question in questions().question)]
    for row in rows:
        sheet.append([printable(text, most=MOST_TEXT) for text in row])
    for cells in sheet.iter_rows():
        for cell in cells:
            cell.data_type = "s"  # a text that starts with = is a text, not a formula
    for letter, width in zip("ABCDE", WIDTHS, strict=True):
        sheet.column_dimensions[letter].width = width
    sheet.freeze_panes = "A2"
    out = io.BytesIO()
    book.save(out)
    return _without_clock(out.getvalue())


def _row(question: Question, profile: DeviceProfile, report: Report | None) -> tuple[str, ...]:
    bases = bases_of(question, profile, report)
    told = "; ".join(basis.because for basis in bases)
    disagreement = "profile and scan disagree: " if len({basis.answer for basis in bases}) > 1 else ""
    return question.id, question.short, _answer(bases), disagreement + told, "" if question.verified else UNVERIFIED


def _answer(bases: tuple[Basis, ...]) -> str:
    answers = {basis.answer for basis in bases}
    return answers.pop() if len(answers) == 1 else ""


def _without_clock(data: bytes) -> bytes:
    """Return the file with the first day of ZIP in place of the time at which it was written."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    core = "docProps/core.xml"
    files[core] = _MODIFIED.sub(rb"\g<1>1980-01-01T00:00:00Z\g<3>", files[core])
    return packed_zip(files)
