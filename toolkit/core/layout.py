"""Records that are their own wire layout: the one door to construct.

A record is a frozen dataclass whose fields are made with ``wire(...)``. ``Layout(Record, size=n)`` checks at import
that the declared size is the size on the wire, so a wrong table fails in the test run and not on a device.
"""

from __future__ import annotations

import dataclasses
import struct
from typing import Any, Final, Generic, TypeVar

import construct

from toolkit.core.errors import FormatError
from toolkit.core.window import Window

__all__ = [
    "I8",
    "U8",
    "U16BE",
    "U16LE",
    "U24BE",
    "U24LE",
    "U32BE",
    "U32LE",
    "U64BE",
    "U64LE",
    "Layout",
    "Part",
    "array",
    "const",
    "raw",
    "text",
    "wire",
]

Record = TypeVar("Record")
Wire = Any
"""A construct; construct has no types, so it is opaque outside this module."""

U8: Final[Wire] = construct.Int8ub
I8: Final[Wire] = construct.Int8sb
U16LE: Final[Wire] = construct.Int16ul
U16BE: Final[Wire] = construct.Int16ub
U24LE: Final[Wire] = construct.Int24ul
U24BE: Final[Wire] = construct.Int24ub
U32LE: Final[Wire] = construct.Int32ul
U32BE: Final[Wire] = construct.Int32ub
U64LE: Final[Wire] = construct.Int64ul
U64BE: Final[Wire] = construct.Int64ub


def const(value: Any, kind: Wire | None = None) -> Wire:
    """Return a field that must equal ``value``: bytes, or a number encoded as ``kind``."""
    return construct.Const(value) if kind is None else construct.Const(value, kind)


def raw(size_bytes: int) -> Wire:
    """Return a field of ``size_bytes`` bytes, taken as they are."""
    return construct.Bytes(size_bytes)


def text(size_bytes: int) -> Wire:
    """Return a NUL-padded text field of ``size_bytes`` bytes; bytes outside ASCII survive as Latin-1."""
    return construct.ExprAdapter(
        construct.Bytes(size_bytes),
        decoder=lambda value, _context: value.partition(b"\0")[0].decode("latin-1"),
        encoder=lambda value, _context: value.encode("latin-1").ljust(size_bytes, b"\0"),
    )


def array(count: int, kind: Wire) -> Wire:
    """Return a field of ``count`` elements of ``kind``."""
    return construct.Array(count, kind)


def wire(kind: Wire) -> Any:
    """Declare a record field together with its encoding."""
    return dataclasses.field(metadata={"wire": kind})


@dataclasses.dataclass(frozen=True, slots=True)
class Part:
    """Where a field stands in the bytes of a record: ``[offset, offset + size)``."""

    name: str
    offset: int
    size: int
    is_constant: bool


class Layout(Generic[Record]):
    """Reads and builds one fixed-size record type."""

    def __init__(self, record: type[Record], *, size: int) -> None:
        fields = dataclasses.fields(record)  # type: ignore[arg-type]  # Record is a dataclass by contract
        self.size: Final = size
        self._record = record
        self._struct = construct.Struct(*[f.name / f.metadata["wire"] for f in fields])
        self._names = tuple(f.name for f in fields)
        self._quick = _quick([f.metadata["wire"] for f in fields])
        on_wire = self._struct.sizeof()
        if on_wire != size:
            raise TypeError(f"{record.__name__} is declared as {size} bytes and takes {on_wire}")

    def parts(self) -> tuple[Part, ...]:
        """Return where each field stands, for what damages records on purpose."""
        found: list[Part] = []
        offset = 0
        for name, field in zip(self._names, self._struct.subcons, strict=True):
            size = int(field.sizeof())
            found.append(Part(name, offset, size, isinstance(field.subcon, construct.Const)))
            offset += size
        return tuple(found)

    def read(self, window: Window, offset: int = 0) -> Record:
        """Return the record at ``offset``; raise ``Truncated`` or a ``FormatError`` that names the field."""
        data = window.take(offset, self.size)
        if self._quick is not None:
            return self._read_quick(self._quick, data, window.origin + offset)
        try:
            parsed = self._struct.parse(data)
        except construct.ConstructError as error:
            field = str(error.path or "").rpartition("-> ")[2] or "a field"
            raise self._impossible(field, window.origin + offset) from error
        return self._record(**{name: parsed[name] for name in self._names})

    def _read_quick(self, quick: _Quick, data: memoryview, where: int) -> Record:
        values = quick.layout.unpack(data)
        for index, wanted in quick.constants:
            if values[index] != wanted:
                raise self._impossible(self._names[index], where)
        return self._record(**dict(zip(self._names, values, strict=True)))

    def _impossible(self, field: str, where: int) -> FormatError:
        return FormatError(f"{self._record.__name__}.{field} at {where:#x} has an impossible value")

    def build(self, record: Record) -> bytes:
        """Return the bytes of ``record``."""
        return bytes(self._struct.build({name: getattr(record, name) for name in self._names}))


@dataclasses.dataclass(frozen=True, slots=True)
class _Quick:
    """A record of numbers and bytes alone, which ``struct`` reads ten times as fast as construct."""

    layout: struct.Struct
    constants: tuple[tuple[int, Any], ...]
    """Which fields must have which value."""


def _quick(kinds: list[Wire]) -> _Quick | None:
    """Return the same record for ``struct``; None when it has other fields than that can read, or both byte orders."""
    orders: set[str] = set()
    text = ""
    constants: list[tuple[int, Any]] = []
    for index, kind in enumerate(kinds):
        plain = kind
        if isinstance(kind, construct.Const):
            constants.append((index, kind.value))
            plain = kind.subcon
        if isinstance(plain, construct.Bytes) and isinstance(plain.length, int):
            text += f"{plain.length}s"
        elif isinstance(plain, construct.FormatField):
            order, code = plain.fmtstr
            text += code
            orders |= {order} if plain.length > 1 else set()
        else:
            return None
    return None if len(orders) > 1 else _Quick(struct.Struct((orders or {"<"}).pop() + text), tuple(constants))
