"""Documents that two programs may read differently are refused before any library sees them."""

from __future__ import annotations

import json
from collections.abc import Callable

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from signing.refusal import Refusal
from signing.strict.cbor import strict_cbor
from signing.strict.der import INTEGER, SEQUENCE, strict_der
from signing.strict.device_tree import strict_device_tree
from signing.strict.json_text import strict_json
from signing.strict.libconfig import strict_libconfig
from signing.strict.names import check_names
from signing.strict.tlv import Tlv, strict_tlvs
from toolkit.core.errors import MedhardenError


def rule_of(action: Callable[[], object]) -> str:
    with pytest.raises(Refusal) as refused:
        action()
    return refused.value.rule


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        (b'{"a": 1, "a": 2}', "json.duplicate-key"),
        (b'{"b": {"a": 1, "\\u0061": 2}}', "json.duplicate-key"),
        (b"NaN", "json.number"),
        (b"[Infinity]", "json.number"),
        (b"-Infinity", "json.number"),
        (b"1e999", "json.number"),
        (b"-0", "json.number"),
        (b"100000000000000000000", "json.number"),
        (b"0." + b"1" * 60, "json.number"),
        (b"[" * 33 + b"]" * 33, "json.depth"),
        (b'{"a":' * 100_000, "json.depth"),
        (b"1 2", "json.syntax"),
        (b"", "json.syntax"),
        (b"{'a': 1}", "json.syntax"),
        (b'{"a": 1,}', "json.syntax"),
        (b"\xef\xbb\xbf{}", "json.syntax"),
        (b'"\xff"', "json.text"),
        (b'"\xed\xa0\x80"', "json.text"),
        (b'["\\ud800"]', "json.text"),
        (b'{"\\udc00": 1}', "json.text"),
        (b'"tab\tinside"', "json.syntax"),
    ],
)
def test_json_with_more_than_one_meaning_is_refused(text: bytes, rule: str) -> None:
    assert rule_of(lambda: strict_json(text)) == rule


def test_json_that_is_too_long_is_refused() -> None:
    assert rule_of(lambda: strict_json(b'"' + b"x" * 100 + b'"', most_bytes=100)) == "json.size"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8).filter(str.isascii), inner, max_size=4)
    ),
    max_leaves=20,
)


@given(JSON, st.booleans())
def test_json_with_one_meaning_is_read(value: object, ascii_only: bool) -> None:  # drawn, not passed
    assert strict_json(json.dumps(value, ensure_ascii=ascii_only).encode()) == value


def test_brackets_within_texts_do_not_count_as_depth() -> None:
    assert strict_json(b'{"a": "\\\\\\"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[["}')["a"].startswith('\\"[[')


@given(st.binary(max_size=100))
def test_garbage_never_crashes_a_reader(data: bytes) -> None:
    readers: list[Callable[[bytes], object]] = [
        strict_json,
        strict_cbor,
        strict_tlvs,
        strict_device_tree,
        strict_libconfig,
        lambda given: strict_der(given, SEQUENCE),
    ]
    for reader in readers:
        try:
            reader(data)
        except (MedhardenError, UnicodeDecodeError):
            continue


@pytest.mark.parametrize(
    ("encoded", "rule"),
    [
        ("a2016101016102", "cbor.duplicate-key"),
        ("a2026101016102", "cbor.duplicate-key"),
        ("9f01ff", "cbor.indefinite"),
        ("bf0102ff", "cbor.indefinite"),
        ("5f4101ff", "cbor.indefinite"),
        ("1c", "cbor.indefinite"),
        ("1801", "cbor.not-canonical"),
        ("190001", "cbor.not-canonical"),
        ("1a00000001", "cbor.not-canonical"),
        ("1b0000000000000001", "cbor.not-canonical"),
        ("580141", "cbor.not-canonical"),
        ("81" * 20 + "01", "cbor.depth"),
        ("d8250100", "cbor.tag"),
        ("c001", "cbor.tag"),
        ("f97e00", "cbor.value"),
        ("fb7ff8000000000000", "cbor.value"),
        ("f7", "cbor.value"),
        ("f820", "cbor.value"),
        ("e0", "cbor.value"),
        ("0101", "cbor.trailing"),
        ("", "cbor.truncated"),
        ("19", "cbor.truncated"),
        ("4201", "cbor.truncated"),
        ("9a7fffffff", "cbor.truncated"),
        ("ba7fffffff", "cbor.truncated"),
        ("8201", "cbor.truncated"),
        ("61ff", "cbor.text"),
    ],
)
def test_cbor_that_is_not_deterministic_is_refused(encoded: str, rule: str) -> None:
    assert rule_of(lambda: strict_cbor(bytes.fromhex(encoded))) == rule


def test_cbor_that_is_too_long_is_refused() -> None:
    assert rule_of(lambda: strict_cbor(bytes(20), most_bytes=10)) == "cbor.size"


CBOR = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**64), 2**64 - 1) | st.binary(max_size=300) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.integers(0, 99), inner, max_size=4),
    max_leaves=20,
)


@given(CBOR)
def test_deterministic_cbor_is_read(value: object) -> None:
    assert strict_cbor(cbor2.dumps(value, canonical=True)) == value


def test_an_expected_tag_is_read_with_plain_values_inside() -> None:
    found = strict_cbor(cbor2.dumps(cbor2.CBORTag(107, {1: [2]}), canonical=True), tags=(107,))
    assert (found.tag, found.value) == (107, {1: [2]})
    assert type(found.value[1]) is list


@pytest.mark.parametrize(
    ("names", "rule"),
    [
        (["../a"], "name.traversal"),
        (["a/../b"], "name.traversal"),
        (["a//b"], "name.traversal"),
        (["./a"], "name.traversal"),
        (["a/"], "name.traversal"),
        ([""], "name.traversal"),
        (["/etc/passwd"], "name.absolute"),
        (["a/" * 600 + "a"], "name.absolute"),
        (["C:x"], "name.not-portable"),
        (["a\\b"], "name.not-portable"),
        (["con"], "name.not-portable"),
        (["LPT1.bin"], "name.not-portable"),
        (["a."], "name.not-portable"),
        (["a "], "name.not-portable"),
        ([" a"], "name.not-portable"),
        (["x" * 256], "name.not-portable"),
        (["e\u0301"], "name.not-portable"),
        (["a\0b"], "name.invisible"),
        (["fdp.\u202eexe"], "name.invisible"),
        (["a\u200b"], "name.invisible"),
        (["\ud800"], "name.invisible"),
        (["a", "a"], "name.collision"),
        (["a", "A"], "name.collision"),
        (["stra\u00dfe", "STRASSE"], "name.collision"),
        (["a/b", "a"], "name.collision"),
        (["a", "a/b"], "name.collision"),
        (["a/b", "A/c"], "name.collision"),
    ],
)
def test_names_that_are_unsafe_or_mean_the_same_file_are_refused(names: list[str], rule: str) -> None:
    assert rule_of(lambda: check_names(names)) == rule


def test_plain_names_are_fine() -> None:
    check_names(["firmware.bin", "doc/notes.txt", "doc/more/\u00fcbersicht.pdf", "doc/more/b"])


def test_records_of_a_tlv_area_fill_it_to_the_last_byte() -> None:
    area = bytes.fromhex("1000020001020200000020000100ff")
    assert strict_tlvs(area) == [Tlv(0x10, b"\1\2"), Tlv(2, b""), Tlv(0x20, b"\xff")]
    assert strict_tlvs(b"") == []
    for size in (1, 3, 5, 7, 9, 14):
        assert rule_of(lambda cut=size: strict_tlvs(area[:cut])) == "tlv.overlap"  # type: ignore[misc]
    assert rule_of(lambda: strict_tlvs(bytes(4 * 65))) == "tlv.count"


@pytest.mark.parametrize(
    "encoded",
    ["", "30", "3080", "30800000", "308100", "30820001ff", "3081057f", "300201", "30000500", "1f010100", "31000", "02"],
)
def test_der_in_another_form_is_refused(encoded: str) -> None:
    with pytest.raises(Refusal):
        strict_der(bytes.fromhex(encoded.ljust(len(encoded) + len(encoded) % 2, "0")), SEQUENCE)


def test_der_is_taken_apart() -> None:
    outer = strict_der(bytes.fromhex("3006020101020102"), SEQUENCE)
    assert [child.expect(INTEGER).content for child in outer.children()] == [b"\1", b"\2"]
    assert rule_of(lambda: outer.children()[0].expect(SEQUENCE)) == "der.structure"
    many = bytes.fromhex("3082020a") + bytes.fromhex("0500") * 261
    assert rule_of(lambda: strict_der(many, SEQUENCE).children()) == "der.structure"


DESCRIPTION = b"""
software = { // as SWUpdate's documentation shows it
    version = "1.2" ".3"; # two texts are one
    hardware-compatibility: [ "1.0", "1.1" ];
    size = 0x10; on = true; rate = -1.5;
    /* one file */
    images: ( { filename = "a\\"b"; sha256 = "00"; }, { filename = "c"; } );
};
"""


def test_a_description_is_read() -> None:
    found = strict_libconfig(DESCRIPTION)["software"]
    assert found["version"] == "1.2.3"
    assert found["hardware-compatibility"] == ["1.0", "1.1"]
    assert (found["size"], found["on"], found["rate"]) == ("0x10", True, "-1.5")
    assert [image["filename"] for image in found["images"]] == ['a"b', "c"]


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        (b"a = 1; a = 2;", "libconfig.duplicate-key"),
        (b"a = { b = 1", "libconfig.syntax"),
        (b"a 1", "libconfig.syntax"),
        (b"= 1", "libconfig.syntax"),
        (b"a = b", "libconfig.syntax"),
        (b'a = "x', "libconfig.syntax"),
        (b"a = (", "libconfig.syntax"),
        (b"a = @", "libconfig.syntax"),
        (b"a = " + b"(" * 40, "libconfig.depth"),
        (b"\xff", "libconfig.text"),
    ],
)
def test_a_description_with_more_than_one_meaning_is_refused(text: bytes, rule: str) -> None:
    assert rule_of(lambda: strict_libconfig(text)) == rule
