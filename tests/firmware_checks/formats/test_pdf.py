import pytest

from firmware_checks.format import Opened
from firmware_checks.formats.pdf import FORMAT, FORWARD_REACH_BYTES
from firmware_checks.span import Span
from toolkit.core.errors import FormatError
from toolkit.core.limits import Limits
from toolkit.core.window import Window

MANUAL = FORMAT.example()
UPDATE = b"3 0 obj\n<< /Type /Page >>\nendobj\nstartxref\n9\n%%EOF\n"


def _open(data: bytes) -> Opened:
    return FORMAT.open(Span("manual.pdf", Window.of(data)), Limits())


def test_a_document_says_its_version() -> None:
    assert _open(MANUAL).facts == {"version": "1.4"}


@pytest.mark.parametrize("after", [b"", b"\0" * 3000, b"\xff" * 100, b"%PDF-1.4\n", b"\x8f\x90 other bytes"])
def test_a_document_ends_at_its_end_mark(after: bytes) -> None:
    assert _open(MANUAL + after).size == len(MANUAL)


@pytest.mark.parametrize("line_end", [b"\n", b"\r\n", b"\r", b""])
def test_the_end_of_the_last_line_belongs_to_the_document(line_end: bytes) -> None:
    data = MANUAL.rstrip() + line_end
    assert _open(data + b"\xff").size == len(data)


def test_changes_added_to_a_document_belong_to_it() -> None:
    assert _open(MANUAL + UPDATE + b"\xff" * 5000).size == len(MANUAL + UPDATE)
    assert _open(MANUAL + UPDATE).size == len(MANUAL + UPDATE)


@pytest.mark.parametrize(
    ("mark", "fact"),
    [(b"/JavaScript", "javascript"), (b"/Launch", "launches_programs"), (b"/EmbeddedFile", "embedded_files")],
)
def test_active_content_is_told(mark: bytes, fact: str) -> None:
    assert _open(MANUAL.replace(b"/Catalog", mark)).facts[fact] is True


@pytest.mark.parametrize("data", [b"", b"%PDF-x.y\n%%EOF", b"%PDF-1.4 says the parser\0", MANUAL[:-8]])
def test_what_is_no_document_is_refused(data: bytes) -> None:
    with pytest.raises(FormatError):
        _open(data)


def test_an_end_mark_is_not_searched_for_without_end() -> None:
    with pytest.raises(FormatError, match="no end mark"):
        _open(MANUAL[:-8] + bytes(FORWARD_REACH_BYTES) + MANUAL[-8:] + b"x" * 3000)
