import hashlib
import shutil
import struct
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_checks.format import Opened
from firmware_checks.formats.rpm import BINARY, FORMAT, INT32, INT64, STRING, STRING_ARRAY, _built
from firmware_checks.opener import Opener
from firmware_checks.span import Span
from toolkit.core.errors import FormatError
from toolkit.core.limits import Budget, Limits
from toolkit.core.window import Window

RPMBUILD = shutil.which("rpmbuild") or ""
Rows = dict[int, tuple[int, bytes]]
HEADER: Rows = {1000: (STRING, b"pump\0"), 1001: (STRING, b"1.2\0"), 1002: (STRING, b"3\0")}


def _open(data: bytes) -> Opened:
    return FORMAT.open(Span("pump.rpm", Window.of(data)), Limits())


def _lead(*, major: int = 3, kind: int = 0, signature_kind: int = 5) -> bytes:
    return struct.pack(">4sBBHH66sHH16x", b"\xed\xab\xee\xdb", major, 0, kind, 1, b"pump", 1, signature_kind)


def _package(signatures: Rows, header: Rows, payload: bytes, *, lead: bytes = b"", size: int | None = None) -> bytes:
    described = _built(header)
    length = len(described) + len(payload) if size is None else size
    signed = _built({1000: (INT32, struct.pack(">I", length)), **signatures})
    return (lead or _lead()) + signed + bytes(-len(signed) % 8) + described + payload


@given(st.binary(max_size=300), st.binary(max_size=30))
def test_a_package_ends_where_its_signature_header_says(payload: bytes, after: bytes) -> None:
    data = _package({}, HEADER, payload)
    opened = _open(data + after)
    assert opened.size == len(data)
    part = next(part for part in opened.parts if part.look_inside)
    assert data[part.start : part.end] == payload
    assert opened.facts == {"package": "pump", "version": "1.2-3", "signed": False}
    assert opened.problems == ()


def test_all_digests_are_computed_again() -> None:
    payload = b"payload"
    header: Rows = {
        **HEADER,
        5092: (STRING_ARRAY, hashlib.sha512(payload).hexdigest().upper().encode() + b"\0"),
        5093: (INT32, (10).to_bytes(4, "big")),
    }
    described = _built(header)
    signatures: Rows = {
        269: (STRING, hashlib.sha1(described).hexdigest().encode() + b"\0"),  # noqa: S324
        273: (STRING, hashlib.sha256(described).hexdigest().encode() + b"\0"),
        1004: (BINARY, hashlib.md5(described + payload).digest()),  # noqa: S324
    }
    data = _package(signatures, header, payload)
    assert [(v.algorithm, v.covers, v.valid) for v in _open(data).integrity] == [
        ("sha1", "header", True),
        ("sha256", "header", True),
        ("md5", "header and payload", True),
        ("sha512", "payload", True),
    ]
    changed = data[:-1] + b"D"
    assert [v.valid for v in _open(changed).integrity] == [True, True, False, False]


def test_a_digest_of_an_unknown_kind_is_left() -> None:
    header: Rows = {**HEADER, 5092: (STRING_ARRAY, b"00\0"), 5093: (INT32, (99).to_bytes(4, "big"))}
    assert _open(_package({}, header, b"")).integrity == ()


@pytest.mark.parametrize(("tag", "name"), [(267, "DSA"), (268, "RSA"), (278, "OpenPGP"), (1002, "PGP"), (1005, "GPG")])
def test_signatures_are_told(tag: int, name: str) -> None:
    facts = _open(_package({tag: (BINARY, b"signature")}, HEADER, b"")).facts
    assert (facts["signed"], facts["signatures"]) == (True, (name,))


def test_epoch_long_size_and_source_are_told() -> None:
    data = _package(
        {270: (INT64, struct.pack(">Q", len(_built({**HEADER, 1003: (INT32, b"\0\0\0\2")})) + 3))},
        {**HEADER, 1003: (INT32, b"\0\0\0\2")},
        b"abcdef",
        lead=_lead(kind=1),
    )
    opened = _open(data)
    assert opened.size == len(data) - 3
    assert opened.facts["version"] == "2:1.2-3"
    assert opened.title == "RPM source package"


def test_a_value_of_another_type_than_it_must_have_is_left() -> None:
    data = _package({1004: (STRING, b"text\0"), 1000: (STRING, b"text\0")}, {1000: (INT32, bytes(4))}, b"rest")
    opened = _open(data)
    assert opened.size == len(data)
    assert opened.integrity == ()
    assert "package" not in opened.facts


def test_a_package_that_is_cut_says_so() -> None:
    data = _package({}, HEADER, bytes(100))[:-1]
    opened = _open(data)
    assert opened.size == len(data)
    assert "cut short" in opened.problems[0]


HUGE = b"\x8e\xad\xe8\x01" + bytes(4)


@pytest.mark.parametrize(
    "data",
    [
        _lead(),
        _lead(major=2) + _package({}, HEADER, b"")[96:],
        _lead(signature_kind=1) + _package({}, HEADER, b"")[96:],
        _lead() + HUGE + struct.pack(">2I", 0x10000, 0) + bytes(2 << 20),
        _lead() + HUGE + struct.pack(">2I", 0xFFFF, 0) + bytes(100),
        _lead() + HUGE + struct.pack(">2I", 0, 0x1000_0000) + bytes(100),
        _package({}, HEADER, b"", size=5),
        b"PK" + bytes(300),
    ],
)
def test_what_is_no_rpm_is_refused(data: bytes) -> None:
    with pytest.raises(FormatError):
        _open(data)


SPEC = """
Name: pump
Version: 1.2
Release: 3
Summary: infusion
License: MIT
BuildArch: noarch
%description
infusion
%install
mkdir -p %{buildroot}/etc; echo rate=5 > %{buildroot}/etc/pump.ini
%files
/etc/pump.ini
"""


@pytest.mark.skipif(not RPMBUILD, reason="rpmbuild is not installed (Debian package rpm)")
@pytest.mark.parametrize("payload", ["w9.gzdio", "w6.xzdio", "w3.zstdio", "w9.bzdio", "w6.lzdio"])
def test_what_rpmbuild_packs_is_read_down_to_the_files(payload: str, tmp_path: Path) -> None:
    (tmp_path / "pump.spec").write_text(SPEC, encoding="utf-8")
    options = ["-D", f"_topdir {tmp_path}", "-D", f"_binary_payload {payload}"]
    subprocess.run([RPMBUILD, "-bb", *options, "pump.spec"], cwd=tmp_path, check=True, capture_output=True)
    data = (tmp_path / "RPMS" / "noarch" / "pump-1.2-3.noarch.rpm").read_bytes()
    opened = _open(data)
    assert opened.size == len(data)
    assert (opened.facts["package"], opened.facts["version"], opened.facts["signed"]) == ("pump", "1.2-3", False)
    assert len(opened.integrity) == 4
    assert all(verdict.valid for verdict in opened.integrity)
    paths = _paths(data)
    assert any("etc/pump.ini" in path for path in paths), paths


def _paths(data: bytes) -> list[str]:
    from firmware_checks.formats import alpine_apk, bzip2, cpio, gzip, ipk, lzma_alone, rpm, text, xz, zstd

    readers = [alpine_apk, bzip2, cpio, gzip, ipk, lzma_alone, rpm, text, xz, zstd]
    opener = Opener({m.FORMAT.name: m.FORMAT for m in readers}, [], Budget(Limits()), lambda _size: None)
    (region,) = opener.explore(Span("pump.rpm", Window.of(data)))
    assert opener.unread.rows() == ()
    found, left = [], [region]
    while left:
        one = left.pop()
        found.append(one.span.path)
        left += one.children
    return found
