"""All image formats, without importing the seventy modules that read them.

What tells whether a format may stand somewhere - its magics and its place in the order - is kept in an index beside
this file; a format's module is imported when it is asked to open something. The index is written by
``python -m firmware_checks.indexes``. A row counts only while the digest of its module is the same: a module
that is new or was changed is imported at once, so the index can be late but never wrong.
"""

from __future__ import annotations

import hashlib
import importlib
from functools import cache
from importlib import resources
from importlib.resources.abc import Traversable

import msgspec

from firmware_checks.format import ImageFormat, Magic, Opened
from firmware_checks.span import Span
from toolkit.core.limits import Limits
from toolkit.core.registry import discover, third_party
from toolkit.core.window import Window

__all__ = ["INDEX", "index_text", "load_formats"]

PACKAGE = "firmware_checks.formats"
GROUP = "medharden.formats"
INDEX = "format_index.json"


class _MagicRow(msgspec.Struct, frozen=True):
    expression: bytes
    offset: int
    anchor: bytes | None
    anywhere: bool


class _Row(msgspec.Struct, frozen=True, kw_only=True):
    module: str
    sha256: str
    name: str
    title: str
    source: str
    limits: str
    magics: tuple[_MagicRow, ...]
    try_order: int
    whole_file_only: bool
    stands_alone: bool
    fallback: bool
    tells_closed: bool
    tells_possible: bool


def load_formats() -> dict[str, ImageFormat]:
    """Return every image format by its name, those of third parties too."""
    rows = {row.module: row for row in _rows()}
    found: dict[str, ImageFormat] = {}
    for file in _modules():
        module = file.name.removesuffix(".py")
        row = rows.get(module)
        fresh = row is not None and row.sha256 == _digest(file)
        image_format = _later(row) if row is not None and fresh else _now(module)
        found[image_format.name] = image_format
    return found | third_party(GROUP, ImageFormat)


def index_text() -> bytes:
    """Return what the index must hold for the modules as they are."""
    formats = discover(PACKAGE, attribute="FORMAT", kind=ImageFormat, group=None)
    by_module = {_now(file.name.removesuffix(".py")).name: file for file in _modules()}
    rows = [_row(by_module[name], image_format) for name, image_format in sorted(formats.items())]
    return msgspec.json.format(msgspec.json.encode(rows), indent=1) + b"\n"


def _row(file: Traversable, image_format: ImageFormat) -> _Row:
    return _Row(
        module=file.name.removesuffix(".py"),
        sha256=_digest(file),
        name=image_format.name,
        title=image_format.title,
        source=image_format.source,
        limits=image_format.limits,
        magics=tuple(_MagicRow(m.expression, m.offset, m.anchor, m.anywhere) for m in image_format.magics),
        try_order=image_format.try_order,
        whole_file_only=image_format.whole_file_only,
        stands_alone=image_format.stands_alone,
        fallback=image_format.fallback,
        tells_closed=image_format.closed is not None,
        tells_possible=image_format.possible is not None,
    )


def _rows() -> list[_Row]:
    file = resources.files("firmware_checks").joinpath(INDEX)
    return msgspec.json.decode(file.read_bytes(), type=list[_Row]) if file.is_file() else []


def _modules() -> list[Traversable]:
    files = (file for file in resources.files(PACKAGE).iterdir() if file.name.endswith(".py"))
    return sorted((file for file in files if not file.name.startswith("_")), key=lambda file: file.name)


def _digest(file: Traversable) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


@cache
def _now(module: str) -> ImageFormat:
    image_format: ImageFormat = importlib.import_module(f"{PACKAGE}.{module}").FORMAT
    return image_format


def _later(row: _Row) -> ImageFormat:
    """Return the format of ``row``, whose module is imported when it is first asked for something."""

    def opens(span: Span, limits: Limits) -> Opened:
        return _now(row.module).open(span, limits)

    def closed(window: Window) -> bool:
        tell = _now(row.module).closed
        return tell is not None and tell(window)

    def possible(window: Window) -> bool:
        tell = _now(row.module).possible
        return tell is None or tell(window)

    return ImageFormat(
        name=row.name,
        title=row.title,
        source=row.source,
        limits=row.limits,
        open=opens,
        magics=tuple(Magic(m.expression, m.offset, m.anchor, m.anywhere) for m in row.magics),
        try_order=row.try_order,
        whole_file_only=row.whole_file_only,
        stands_alone=row.stands_alone,
        closed=closed if row.tells_closed else None,
        possible=possible if row.tells_possible else None,
        fallback=row.fallback,
        example=lambda: _now(row.module).example(),
    )
