"""Registry hives are read without Windows, and secrets in them stay there."""

from __future__ import annotations

import struct

import pytest

from firmware_checks.exposure.registry_hive import Hive
from firmware_checks.fact_reader import Content
from firmware_checks.observers.windows_protections import OBSERVER as PROTECTIONS
from firmware_checks.observers.windows_protections import WindowsProtections, example_program
from firmware_checks.observers.windows_settings import OBSERVER, WindowsSetting
from firmware_checks.span import Span
from toolkit.core.errors import FormatError
from toolkit.core.window import Window

NONE = 0xFFFF_FFFF
Tree = dict[str, "Tree | str | int"]


class _Builder:
    """Writes a hive: cells one after the other, each with its size in front."""

    def __init__(self, list_kind: bytes = b"lf") -> None:
        self.cells = bytearray(32)
        self.list_kind = list_kind

    def cell(self, data: bytes) -> int:
        place = len(self.cells)
        size = -(-(len(data) + 4) // 8) * 8
        self.cells += struct.pack("<i", -size) + data.ljust(size - 4, b"\0")
        return place

    def key(self, name: str, tree: Tree) -> int:
        keys = [self.key(below, inner) for below, inner in tree.items() if isinstance(inner, dict)]
        values = [self.value(row, inner) for row, inner in tree.items() if not isinstance(inner, dict)]
        keys_at = self.names(keys) if keys else NONE
        values_at = self.cell(struct.pack(f"<{len(values)}I", *values)) if values else NONE
        head = struct.pack("<2sH8xIIIIIIII", b"nk", 0x20, 0, 0, len(keys), 0, keys_at, NONE, len(values), values_at)
        return self.cell(head.ljust(72, b"\0") + struct.pack("<HH", len(name), 0) + name.encode())

    def names(self, keys: list[int]) -> int:
        if self.list_kind == b"lf":
            rows = b"".join(struct.pack("<II", place, 0) for place in keys)
            return self.cell(b"lf" + struct.pack("<H", len(keys)) + rows)
        inner = self.cell(b"li" + struct.pack(f"<H{len(keys)}I", len(keys), *keys))
        return self.cell(b"ri" + struct.pack("<HI", 1, inner))

    def value(self, name: str, value: Tree | str | int) -> int:
        if isinstance(value, int):
            return self.cell(struct.pack("<2sHIIIHH", b"vk", len(name), 0x8000_0004, value, 4, 1, 0) + name.encode())
        data = str(value).encode("utf-16-le") + b"\0\0"
        place = self.cell(data)
        return self.cell(struct.pack("<2sHIIIHH", b"vk", len(name), len(data), place, 1, 1, 0) + name.encode())

    def hive(self, tree: Tree) -> bytes:
        root = self.key("ROOT", tree)
        return b"regf".ljust(36, b"\0") + struct.pack("<I", root) + bytes(4096 - 40) + bytes(self.cells)


SOFTWARE: Tree = {
    "Microsoft": {
        "Windows NT": {
            "CurrentVersion": {
                "CurrentVersion": "5.1",
                "Winlogon": {"AutoAdminLogon": "1", "DefaultPassword": "kite-Lamp-7"},
            }
        },
        "Windows": {"CurrentVersion": {"Run": {"Helper": "C:\\Temp\\helper.exe"}}},
    }
}
SYSTEM: Tree = {
    "ControlSet001": {
        "Services": {
            "LanmanServer": {"Parameters": {"SMB1": 1}},
            "Pump": {"ImagePath": "C:\\Program Files\\Pump\\srv.exe"},
            "Good": {"ImagePath": "C:\\Windows\\srv.exe -k a b.exe"},
        },
        "Control": {
            "Terminal Server": {"fDenyTSConnections": 0, "WinStations": {"RDP-Tcp": {"UserAuthentication": 0}}}
        },
    }
}


def _seen(data: bytes, name: str = "SYSTEM") -> list[WindowsSetting]:
    content = Content(Span(f"image.bin!{name}", Window.of(data)))
    assert OBSERVER.wants(content)
    return [seen for seen in OBSERVER.read(content) if isinstance(seen, WindowsSetting)]


@pytest.mark.parametrize("kind", [b"lf", b"ri"])
def test_a_hive_tells_what_it_opens(kind: bytes) -> None:
    assert [seen.excerpt for seen in _seen(_Builder(kind).hive(SYSTEM))] == [
        "parameters: smb1",
        "terminal server: fdenytsconnections",
        "rdp-tcp: userauthentication",
        "Pump: imagepath",
    ]


def test_a_stored_password_is_told_and_not_shown() -> None:
    data = _Builder().hive(SOFTWARE)
    seen = _seen(data)
    assert [row.gap.value for row in seen] == ["version", "automatic logon", "automatic logon", "start of programs"]
    assert "kite" not in repr(seen)
    for row in seen:
        assert data[row.offset : row.offset + 2] == b"vk"


def test_a_damaged_hive_is_refused() -> None:
    data = bytearray(_Builder().hive(SYSTEM))
    data[data.rindex(b"nk")] = 0
    with pytest.raises(FormatError):
        Hive(Window.of(bytes(data))).root()
    values = bytearray(_Builder().hive(SYSTEM))
    values[values.index(b"vk")] = 0
    with pytest.raises(FormatError):
        _seen(bytes(values))


def test_a_registry_text_of_two_bytes_a_letter_is_read_with_right_offsets() -> None:
    head = "\ufeffWindows Registry Editor Version 5.00\r\n\r\n"
    text = head + '[HKEY_LOCAL_MACHINE\\Comm\\FTPD]\r\n"AllowAnonymous"=dword:1\r\n[Other]\r\n'
    data = text.encode("utf-16-le")
    (seen,) = _seen(data, "a.reg")
    assert data[seen.offset :].startswith('"Allow'.encode("utf-16-le"))


def test_drivers_and_programs_are_told_apart() -> None:
    content = Content(Span("image.bin!a.sys", Window.of(example_program(subsystem=1, signature_bytes=8))))
    (driver,) = (s for s in PROTECTIONS.read(content) if isinstance(s, WindowsProtections))
    assert driver.is_driver
    assert driver.is_signed
    other = Content(Span("image.bin!a.efi", Window.of(example_program(subsystem=10))))
    assert list(PROTECTIONS.read(other)) == []
