"""Which code files show to be in the device: sub-programs, functions, settings, modules, corrections."""

from __future__ import annotations

import struct

import pytest

from firmware_checks.fact_reader import Content, FactReader, Holding, HoldingKind
from firmware_checks.facts import builtin_modules, busybox_applets, changelog, functions, kernel_config
from firmware_checks.readers.elf_file import MAGIC
from firmware_checks.span import Span
from toolkit.core.window import Window


def held(reader: FactReader, data: bytes, path: str | None = None) -> list[Holding]:
    content = Content(Span(f"image.bin!{path or reader.example()[0]}", Window.of(data)))
    if not reader.wants(content):
        return []
    return [fact for fact in reader.read(content) if isinstance(fact, Holding)]


@pytest.mark.parametrize(
    ("reader", "kind", "name"),
    [
        (builtin_modules.READER, HoldingKind.BUILTIN_MODULES, "kernel/fs/ext4/ext4.ko"),
        (busybox_applets.READER, HoldingKind.APPLETS, "awk"),
        (changelog.READER, HoldingKind.CHANGES, "CVE-2023-0464"),
        (functions.READER, HoldingKind.FUNCTIONS, "pump_start"),
    ],
)
def test_the_example_shows_its_names(reader: FactReader, kind: HoldingKind, name: str) -> None:
    (found,) = held(reader, reader.example()[1])
    assert found.kind is kind
    assert name in found.names


def test_the_settings_of_a_kernel_are_kept_whole() -> None:
    data = kernel_config.READER.example()[1]
    (found,) = held(kernel_config.READER, data)
    assert (found.kind, found.subject) == (HoldingKind.KERNEL_CONFIG, "5.15.71")
    assert found.text == data.decode()
    assert held(kernel_config.READER, data + b"#" * kernel_config.MOST_BYTES) == []


def test_a_change_that_was_taken_back_is_not_mended() -> None:
    (found,) = held(changelog.READER, changelog.READER.example()[1])
    assert (found.subject, found.release) == ("openssl", "1.1.1n-0+deb11u5")
    assert found.names == {"CVE-2023-0464"}


@pytest.mark.parametrize(
    "text", [b"", b"Changes in version 2\n CVE-2023-0464\n", b"a (1) x; urgency=low\n\n  * New.\n"]
)
def test_other_change_logs_mend_nothing(text: bytes) -> None:
    assert held(changelog.READER, text) == []


def test_the_head_of_a_change_log_must_be_one_of_a_package() -> None:
    content = Content(Span("image.bin!changelog", Window.of(b"nothing")))
    assert list(changelog.READER.read(content)) == []


def test_a_program_without_a_list_of_sub_programs_shows_none() -> None:
    assert held(busybox_applets.READER, MAGIC + bytes(100)) == []
    assert held(busybox_applets.READER, busybox_applets.READER.example()[1], "bin/pumpd") == []


def test_a_list_without_modules_shows_none() -> None:
    assert held(builtin_modules.READER, b"\xff\n\n") == []


def test_functions_need_a_symbol_table() -> None:
    path, data = functions.READER.example()
    at = data.index(b"\0pump_start")
    assert held(functions.READER, data[:at] + b"\0\0" + data[at + 2 :]) == []
    assert held(functions.READER, data[:16] + b"\x01" + data[17:], path) == []


def test_functions_of_64_bit_programs_are_read() -> None:
    texts, names = b"\0pump_stop\0", b"\0.symtab\0"
    symbols = bytes(24) + struct.pack("<IBBHQQ", 1, functions.FUNCTION, 0, 1, 0x8000, 4)
    at = 64 + len(symbols)
    header = struct.pack("<HHIQQQIHHHHHH", 2, 62, 1, 0, 0, at + len(texts) + len(names), 0, 64, 56, 0, 64, 4, 3)
    sections = bytes(64)
    sections += struct.pack("<IIQQQQIIQQ", 1, 2, 0, 0, 64, len(symbols), 2, 1, 8, 24)
    sections += struct.pack("<IIQQQQIIQQ", 0, 3, 0, 0, at, len(texts), 0, 0, 1, 0)
    sections += struct.pack("<IIQQQQIIQQ", 0, 3, 0, 0, at + len(texts), len(names), 0, 0, 1, 0)
    data = MAGIC + bytes([2, 1, 1]) + bytes(9) + header + symbols + texts + names + sections
    (found,) = held(functions.READER, data)
    assert found.names == {"pump_stop"}
