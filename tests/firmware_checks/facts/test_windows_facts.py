"""Version resources of real Windows programs, which distlib carries."""

from __future__ import annotations

import struct
from importlib import resources

import pytest

from firmware_checks.fact_reader import Content, Statement
from firmware_checks.facts import ce_module, go_build_info, rust_audit, windows_version
from firmware_checks.span import Span
from toolkit.core.errors import FormatError
from toolkit.core.window import Window


def test_a_program_is_named_by_its_version_resource() -> None:
    data = resources.files("distlib").joinpath("w64.exe").read_bytes()
    statements = list(windows_version.READER.read(Content(Span("pump/w64.exe", Window.of(data)))))
    for statement in statements:
        assert isinstance(statement, Statement)
        assert statement.name
        assert statement.version
    assert len(statements) <= 1


def test_a_program_without_a_version_resource_states_nothing() -> None:
    data = b"MZ" + bytes(400)
    assert list(windows_version.READER.read(Content(Span("x.exe", Window.of(data))))) == []


@pytest.mark.parametrize(
    ("subsystem", "major", "minor", "version"), [(9, 5, 2, "5.02"), (9, 7, 0, "7.0"), (3, 6, 0, None)]
)
def test_windows_ce_is_told_by_its_system_modules(subsystem: int, major: int, minor: int, version: str | None) -> None:
    path, data = ce_module.READER.example()
    changed = bytearray(data)
    optional = 0x80 + 24
    changed[optional + 48 : optional + 52] = struct.pack("<HH", major, minor)
    changed[optional + 68 : optional + 70] = struct.pack("<H", subsystem)
    statements = list(ce_module.READER.read(Content(Span(path, Window.of(bytes(changed))))))
    assert [s.version for s in statements if isinstance(s, Statement)] == ([version] if version else [])


def _go_of_older_compilers(modules: bytes) -> bytes:
    """Return a program as Go before 1.18 made it: the information holds pointers."""
    size, base = 64 + 56, 0x10000
    info_at = size
    strings_at = info_at + 32
    texts = b"go1.16.5" + modules
    heads_at = strings_at + len(texts)
    heads = struct.pack("<QQQQ", base + strings_at, 8, base + strings_at + 8, len(modules))
    names = b"\0.go.buildinfo\0.shstrtab\0"
    names_at = heads_at + len(heads)
    end = names_at + len(names)
    info = b"\xff Go buildinf:" + bytes([8, 0]) + struct.pack("<QQ", base + heads_at, base + heads_at + 16)
    ident = b"\x7fELF\2\1\1" + bytes(9)
    header = struct.pack("<HHIQQQIHHHHHH", 2, 183, 1, 0, 64, end, 0, 64, 56, 1, 64, 3, 2)
    segment = struct.pack("<IIQQQQQQ", 1, 4, 0, base, base, end, end, 8)
    sections = bytes(64) + struct.pack("<IIQQQQIIQQ", 1, 1, 3, base + info_at, info_at, 32, 0, 0, 16, 0)
    sections += struct.pack("<IIQQQQIIQQ", 15, 3, 0, 0, names_at, len(names), 0, 0, 1, 0)
    return ident + header + segment + info + texts + heads + names + sections


def test_go_programs_of_older_compilers_are_read_through_pointers() -> None:
    modules = b"0" * 16 + b"mod\texample.org/pump\t(devel)\ndep\texample.org/x\tv2.0.0+incompatible\th1:\n" + b"1" * 16
    content = Content(Span("usr/bin/pump", Window.of(_go_of_older_compilers(modules))))
    found = [(s.name, s.version) for s in go_build_info.READER.read(content) if isinstance(s, Statement)]
    assert found == [("go", "1.16.5"), ("example.org/pump", None), ("example.org/x", "2.0.0")]


def test_a_list_of_crates_that_cannot_be_unpacked_is_refused() -> None:
    path, data = rust_audit.READER.example()
    damaged = data.replace(data[52:56], b"\0\0\0\0", 1)
    with pytest.raises(FormatError):
        list(rust_audit.READER.read(Content(Span(path, Window.of(damaged)))))
