"""A maker's form as it was filled in: read from .xlsx within narrow bounds, for the file comes from outside.

Layout, from forms that makers have published: one row a question, the identifier first, then the question, the answer
and a note. Columns differ between versions, so each row is read by what stands in it and not by its column.
"""

from __future__ import annotations

import io
import re
import warnings
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from toolkit.core.errors import InputError
from toolkit.hardening.mds2.questions import IDENTIFIER
from toolkit.report.printable import printable

__all__ = ["FilledForm", "Given", "read_form"]

MOST_BYTES: Final = 16 << 20
MOST_UNPACKED: Final = 48 << 20
MOST_SHARED: Final = 16 << 20
"""Of the table of texts, which is held in memory as a whole."""
MOST_TAGS: Final = 1_000_000
"""Of one part: the library holds a row, however wide, as objects of about 100 bytes each."""
MOST_MEMBERS: Final = 1_000
MOST_SHEETS: Final = 40
MOST_ROWS: Final = 4_000
MOST_COLUMNS: Final = 40
MOST_TEXT: Final = 2_000
_IDENTIFIER: Final = re.compile(IDENTIFIER)
_OTHER_ENCODING: Final = re.compile(rb"""encoding\s*=\s*['"](?!utf-?8['"])""")
_ANSWER: Final = re.compile(r"(yes|no|n/?a|see notes?)\b(?P<rest>.*)", re.IGNORECASE | re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """What the maker says to one question."""

    id: str
    answer: str
    """``Yes``, ``No``, ``N/A``, ``See note``; for ``DOC`` questions any text; empty where nothing stands."""
    note: str
    place: str
    """Sheet and row."""


@dataclass(frozen=True, slots=True)
class FilledForm:
    """A form, in the order of its rows."""

    name: str
    given: tuple[Given, ...]


def read_form(path: Path) -> FilledForm:
    """Return what the form at ``path`` says; ``InputError`` when it is no .xlsx, is too large, or holds no question."""
    try:
        with path.open("rb") as file:
            data = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror or error}") from error
    if len(data) > MOST_BYTES:
        raise InputError(f"{path}: larger than {MOST_BYTES >> 20} MiB, so it is no MDS2 form")
    _refuse_bombs(path, data)
    given = _rows_of(path, data)
    if not given:
        raise InputError(f"{path}: holds no row with an identifier of MDS2 such as SAHD-3.2; is it the 2019 form?")
    return FilledForm(name=path.name, given=given)


def _refuse_bombs(path: Path, data: bytes) -> None:
    """Raise ``InputError`` for a container that would unpack to too much; sizes are those ``zipfile`` enforces."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = archive.infolist()
            shared = sum(part.file_size for part in members if part.filename.lower().endswith("sharedstrings.xml"))
            unpacked = sum(part.file_size for part in members)
            if len(members) > MOST_MEMBERS or unpacked > MOST_UNPACKED or shared > MOST_SHARED:
                raise InputError(
                    f"{path}: unpacks to {len(members)} parts and {unpacked} bytes, too much for an MDS2 form"
                )
            strange = next((part.filename for part in members if _is_strange(archive.read(part))), None)
    except (zipfile.BadZipFile, zlib.error, ValueError, NotImplementedError, EOFError, OSError, RuntimeError) as error:
        raise InputError(f"{path}: is no .xlsx file: {error}") from error
    if strange is not None:
        raise InputError(f"{path}: {printable(strange)} has entities, is no UTF-8 or has too many tags, as no form has")


def _is_strange(data: bytes) -> bool:
    """Tell whether a part is XML that could grow while it is read: by entities, even hidden ones, or tags."""
    head = data[:256].lower()
    is_other = data[:2] in (b"\xff\xfe", b"\xfe\xff") or b"\0" in data[:4] or _OTHER_ENCODING.search(head) is not None
    is_xml = b"<" in data[:16]
    return is_xml and (is_other or b"<!DOCTYPE" in data or b"<!ENTITY" in data or data.count(b"<") > MOST_TAGS)


def _rows_of(path: Path, data: bytes) -> tuple[Given, ...]:
    import openpyxl  # takes a third of a second

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about styles and extensions, which we do not look at
            book = openpyxl.load_workbook(io.BytesIO(data), read_only=True, data_only=True, keep_links=False)
            try:
                return tuple(given for sheet in book.worksheets[:MOST_SHEETS] for given in _given(sheet))
            finally:
                book.close()
    except Exception as error:  # the library raises whatever its parsers raise
        raise InputError(f"{path}: cannot be read as .xlsx: {type(error).__name__}: {error}") from error


def _given(sheet: object) -> Iterator[Given]:
    rows = sheet.iter_rows(max_row=MOST_ROWS, max_col=MOST_COLUMNS, values_only=True)  # type: ignore[attr-defined]
    for number, row in enumerate(rows, 1):
        cells = ["" if value is None else str(value).strip()[:MOST_TEXT] for value in row]
        start = next((place for place, cell in enumerate(cells) if _IDENTIFIER.fullmatch(cell.upper())), None)
        if start is None:
            continue
        identifier, rest = cells[start].upper(), cells[start + 1 :]
        answer, note = _text(rest) if identifier.startswith("DOC-") else _choice(rest)
        title = sheet.title  # type: ignore[attr-defined]
        yield Given(id=identifier, answer=answer, note=note, place=f"{title}, row {number}")


def _text(cells: list[str]) -> tuple[str, str]:
    """Return answer and note of a question that is answered with words: what follows the question."""
    said = [cell for cell in cells if cell]
    return (said[1] if len(said) > 1 else ""), " ".join(said[2:3])


def _choice(cells: list[str]) -> tuple[str, str]:
    """Return answer and note: the answer is the first cell after the question that starts with Yes, No, N/A, See.

    The note is the cell beside it; what stands farther right are references to other documents.
    """
    question = next((place for place, cell in enumerate(cells) if cell), 0)
    for place, cell in enumerate(cells):
        found = _ANSWER.match(cell)
        if found is None or (place == question and found["rest"] and any(cells[place + 1 :])):
            continue  # a question may start with the word No
        word = found[1].lower()
        answer = "N/A" if word in ("na", "n/a") else {"yes": "Yes", "no": "No"}.get(word, "See note")
        rest = found["rest"].strip(" ,;:.-")
        return answer, " ".join(part for part in (rest, *cells[place + 1 : place + 2]) if part)
    return "", ""
