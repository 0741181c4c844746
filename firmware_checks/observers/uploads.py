"""Scripts of web pages that store a file under the name a browser sends with it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from firmware_checks.fact_reader import Content
from firmware_checks.observer import Observation, Observer

__all__ = ["OBSERVER", "StoredUpload"]

MOST_BYTES = 1 << 20
_STORED = re.compile(
    rb"move_uploaded_file\([^;\n]{0,160}\$_FILES\[[^\]\n]{1,40}\]\[['\"]name['\"]\]"
    rb"|\bcopy\(\$_FILES\[[^;\n]{0,160}\]\[['\"]name['\"]\]"
    rb"|\.save\([^;\n]{0,120}\.filename\b|open\([^;\n]{0,120}\.filename\b[^;\n]{0,40}['\"]wb"
    rb"|\.SaveAs\([^;\n]{0,160}\.FileName\b|\.transferTo\([^;\n]{0,160}getOriginalFilename\("
    rb"|\.mv\([^;\n]{0,120}req\.files\b[^;\n]{0,60}\.name\b|writeFile(?:Sync)?\([^;\n]{0,120}\.originalname\b"
)
_JUDGED = re.compile(
    rb"pathinfo|in_array|preg_match|finfo|mime_content_type|secure_filename|allowed_file|ALLOWED_EXT|\.endswith\("
    rb"|splitext|basename|GetFileName|GetExtension|FilenameUtils|extname|verify|signature",
    re.IGNORECASE,
)
"""What looks at the name or at the content before it is stored."""
_GATES = (b"_FILES[", b".filename", b".FileName", b"getOriginalFilename", b"originalname", b"req.files")
_WEB = (".php", ".phtml", ".py", ".cgi", ".pl", ".js", ".cs", ".aspx", ".ashx", ".asp", ".jsp", ".java", ".rb")
_LIBRARY = re.compile(r"(?:^|/)(?:doc|examples?|tests?|(?:dist|site)-packages|node_modules|lib/python[\d.]*|ruby)/")
_COMMENT = (b"#", b"//", b"*", b"/*")


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredUpload(Observation):
    """A call that stores what was sent, under the name that was sent."""


def _read(content: Content) -> Iterator[Observation]:
    text = bytes(content.span.window.view[:MOST_BYTES])
    if b"\0" in text[:512] or not any(gate in text for gate in _GATES) or _JUDGED.search(text):
        return
    for found in _STORED.finditer(text):
        line = text[text.rfind(b"\n", 0, found.start()) + 1 : found.start()].lstrip()
        if not line.startswith(_COMMENT):
            yield StoredUpload(offset=found.start(), excerpt="a file is stored under the name that a browser sends")


def _wants(content: Content) -> bool:
    is_page = content.name.lower().endswith(_WEB) and content.span.size <= MOST_BYTES
    return is_page and _LIBRARY.search(content.path) is None


_EXAMPLE = (
    b"<?php\n// move_uploaded_file($a, 'x/' . $_FILES['f']['name']);\n"
    b"move_uploaded_file($_FILES['f']['tmp_name'], 'x/' . $_FILES['f']['name']);\n"
)

OBSERVER = Observer(
    name="uploads",
    title="Files that web pages store as they are sent",
    source="manuals of PHP, Flask, ASP.NET, Spring and Express; OWASP, Unrestricted File Upload",
    wants=_wants,
    read=_read,
    example=lambda: (
        "www/upload.php",
        _EXAMPLE,
    ),
    shows=1,
)
