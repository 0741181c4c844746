"""Registers of installed packages in the forms that the examples of their readers do not show."""

from __future__ import annotations

import sqlite3
import struct

import pytest

from firmware_checks.fact_reader import Content, Statement
from firmware_checks.facts import kernel_module, python_metadata, rpm_database
from firmware_checks.readers.package_rows import upstream_version
from firmware_checks.span import Span
from toolkit.core.errors import FormatError
from toolkit.core.window import Window

PAGE_BYTES = 4096


def _read(path: str, data: bytes) -> list[tuple[str, str | None]]:
    content = Content(Span(f"image!{path}", Window.of(data)))
    facts = list(rpm_database.READER.read(content))
    return [(fact.name, fact.version) for fact in facts if isinstance(fact, Statement)]


def _header(name: str, version: str) -> bytes:
    index, values = b"", b""
    for tag, text in ((1000, name), (1001, version), (1002, "1.el8")):
        index += struct.pack(">IIII", tag, 6, len(values), 1)
        values += text.encode() + b"\0"
    return struct.pack(">II", 3, len(values)) + index + values


def test_packages_are_read_from_an_sqlite_database() -> None:
    with sqlite3.connect(":memory:") as database:
        database.execute("CREATE TABLE Packages (hnum INTEGER PRIMARY KEY, blob BLOB NOT NULL)")
        database.execute("INSERT INTO Packages VALUES (1, ?)", (_header("zlib", "1.2.11"),))
        database.commit()
        data = database.serialize()
    assert _read("usr/lib/sysimage/rpm/rpmdb.sqlite", data) == [("zlib", "1.2.11")]


def test_an_sqlite_file_without_the_table_is_refused() -> None:
    with sqlite3.connect(":memory:") as database:
        database.execute("CREATE TABLE other (x)")
        database.commit()
        data = database.serialize()
    with pytest.raises(FormatError):
        _read("var/lib/rpm/rpmdb.sqlite", data)


@pytest.mark.parametrize("order", ["<", ">"])
def test_packages_are_read_from_chains_of_berkeley_pages(order: str) -> None:
    header = _header("bash", "5.0") + bytes(5000)
    room = PAGE_BYTES - 26
    meta = struct.pack(f"{order}8xIIII", 0, 0x061561, 9, PAGE_BYTES).ljust(PAGE_BYTES, b"\0")
    row = struct.Struct(f"{order}8xIIIHHBB")
    first = row.pack(1, 0, 2, 1, room, 0, 7) + header[:room]
    second = row.pack(2, 1, 0, 1, len(header) - room, 0, 7) + header[room:]
    assert _read("var/lib/rpm/Packages", meta + first + second.ljust(PAGE_BYTES, b"\0")) == [("bash", "5.0")]


def test_a_chain_that_bites_its_tail_ends() -> None:
    meta = struct.pack("<8xIIII", 0, 0x061561, 9, PAGE_BYTES).ljust(PAGE_BYTES, b"\0")
    row = struct.Struct("<8xIIIHHBB")
    page = row.pack(1, 0, 1, 1, 100, 0, 7).ljust(PAGE_BYTES, b"\0")
    assert _read("var/lib/rpm/Packages", meta + page) == []


@pytest.mark.parametrize(
    ("version", "makers"),
    [("1:1.30.1-6+b3", "1.30.1"), ("1.1.1n-0+deb11u5", "1.1.1n"), ("5.66+dfsg1-1", "5.66"), ("2.36", "2.36")],
)
def test_a_packagers_additions_are_left_out_of_the_makers_version(version: str, makers: str) -> None:
    assert upstream_version(version) == makers


@pytest.mark.parametrize(
    ("release", "version"),
    [
        ("5.10.0-28-amd64", None),
        ("6.1.0-18-armmp", None),
        ("5.15.0-91-generic", None),
        ("4.18.0-305.el8.x86_64", None),
        ("5.10.61-v7+", "5.10.61"),
        ("5.4.188", "5.4.188"),
        ("6.1.0-rc3", "6.1.0-rc3"),
        ("next", None),
    ],
)
def test_an_interface_number_of_modules_is_no_release(release: str, version: str | None) -> None:
    path, data = kernel_module.READER.example()
    wanted = b"vermagic=" + release.encode()
    changed = data.replace(b"vermagic=5.10.61-v7+ SMP mod_unload ARMv7 ", wanted.ljust(42)[:42])
    content = Content(Span(path, Window.of(changed)))
    (statement,) = kernel_module.READER.read(content)
    assert isinstance(statement, Statement)
    assert (statement.name, statement.version) == ("linux", version)


def test_names_of_python_packages_are_written_in_one_way() -> None:
    data = b"Metadata-Version: 2.1\r\nName: Foo.Bar_baz\r\nVersion: 1\r\n"
    content = Content(Span("x.dist-info/METADATA", Window.of(data)))
    assert [f.name for f in python_metadata.READER.read(content) if isinstance(f, Statement)] == ["foo-bar-baz"]
