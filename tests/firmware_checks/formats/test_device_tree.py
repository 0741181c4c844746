import shutil
import struct
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_checks.format import Opened
from firmware_checks.formats.device_tree import FORMAT
from firmware_checks.readers import flat_tree
from firmware_checks.readers.flat_tree import Node, TreeSource, build_tree, read_tree
from firmware_checks.span import Span
from toolkit.core.errors import FormatError
from toolkit.core.limits import Limits
from toolkit.core.window import Window

DTC = shutil.which("dtc") or ""
needs_dtc = pytest.mark.skipif(not DTC, reason="dtc is not installed (Debian package device-tree-compiler)")

names = st.text("abcdefgh-,@0", min_size=1, max_size=20)
trees = st.recursive(
    st.dictionaries(names, st.binary(max_size=40), max_size=4),
    lambda children: st.dictionaries(names, st.one_of(st.binary(max_size=9), children), max_size=4),
    max_leaves=10,
)

SOURCE = """/dts-v1/;
/memreserve/ 0x1000 0x2000;
/ { model = "Pump"; compatible = "acme,pump", "acme,board"; #address-cells = <1>;
  chosen { bootargs = "console=ttyS0"; stdout-path = "serial0:115200n8"; };
  cpus { cpu@0 { reg = <0>; }; };
};
"""


def _open(data: bytes) -> Opened:
    return FORMAT.open(Span("board.dtb", Window.of(data)), Limits())


def _source_of(node: Node) -> TreeSource:
    properties = {name: bytes(value.data) for name, value in node.properties.items()}
    return {**properties, **{name: _source_of(child) for name, child in node.children.items()}}


@given(trees, st.binary(max_size=30))
def test_what_is_built_is_read_back_and_what_follows_is_left_outside(source: TreeSource, after: bytes) -> None:
    data = build_tree(source)
    tree = read_tree(Window.of(data + after))
    assert tree.size == len(data)
    assert _source_of(tree.root) == source
    assert tree.problems == []


def test_what_a_board_is_and_how_it_starts_is_told() -> None:
    opened = _open(FORMAT.example())
    assert opened.title == "Device tree (Pump controller)"
    assert opened.facts == {
        "model": "Pump controller",
        "compatible": ("acme,pump", "acme,board"),
        "bootargs": "console=ttyS0,115200 root=/dev/mmcblk0p2",
        "version": 17,
        "nodes": 3,
        "reserved": 0,
    }


def test_the_keys_of_verified_boot_are_told() -> None:
    keys: TreeSource = {
        "signature": {
            "key-dev": {"key-name-hint": b"dev\0", "algo": b"sha256,rsa2048\0", "required": b"conf\0"},
            "key-spare": {},
        }
    }
    assert _open(build_tree(keys)).facts["verified_boot_keys"] == (
        "dev (sha256,rsa2048, required for conf)",
        "key-spare (unknown algorithm, not required)",
    )


def test_an_overlay_is_told_apart() -> None:
    assert _open(build_tree({"fragment@0": {"__overlay__": {}}})).title == "Device tree overlay"


def test_reserved_memory_is_counted_and_not_without_end() -> None:
    assert _open(build_tree({}, reserved=b"\1" * 32)).facts["reserved"] == 2
    assert _open(build_tree({}, reserved=b"\1" * 16 * 1000)).facts["reserved"] == flat_tree.MOST_DEPTH


def test_bytes_outside_the_character_set_are_spelled_out() -> None:
    assert _open(build_tree({"model": b"Pump\xff\x1b\0"})).facts["model"] == "Pump\\xff\\x1b"


def test_a_very_long_value_is_cut_where_it_is_told() -> None:
    assert len(str(_open(build_tree({"chosen": {"bootargs": b"x" * 5000}})).facts["bootargs"])) <= 400


def test_an_empty_value_and_a_value_that_is_no_number_are_none() -> None:
    root = read_tree(Window.of(build_tree({"a": b"", "b": b"123", "c": bytes(4), "d": bytes(7) + b"\2"}))).root
    assert (root.texts("a"), root.texts("none"), root.text("a")) == ((), (), "")
    assert [root.number(name) for name in ("b", "c", "d", "none")] == [None, 0, 2, None]


def test_a_path_that_does_not_exist_is_none() -> None:
    root = read_tree(Window.of(build_tree({"a": {"b": {}}}))).root
    assert root.at("a", "b") is not None
    assert root.at("x", "b") is None


def _with(data: bytes, at: int, value: int) -> bytes:
    return data[:at] + struct.pack(">I", value) + data[at + 4 :]


@pytest.mark.parametrize("order", ["strings last", "strings first"])
def test_version_16_does_not_say_how_long_its_structure_is(order: str) -> None:
    data = build_tree({"model": b"Pump\0"})
    if order == "strings first":
        strings_at = struct.unpack_from(">I", data, 12)[0]
        structure_at = struct.unpack_from(">I", data, 8)[0]
        strings = data[strings_at:]
        moved = data[:structure_at] + strings + data[structure_at:strings_at]
        data = _with(_with(moved, 12, structure_at), 8, structure_at + len(strings))
    assert _open(_with(_with(data, 20, 16), 36, 0xFFFF_FFFF)).facts["model"] == "Pump"


@pytest.mark.parametrize(
    ("at", "value"),
    [(4, 12), (4, 1 << 30), (8, 1 << 30), (12, 1 << 30), (20, 3), (24, 18), (32, 1 << 30), (36, 1 << 30)],
)
def test_a_header_that_cannot_be_is_refused(at: int, value: int) -> None:
    with pytest.raises(FormatError):
        _open(_with(FORMAT.example(), at, value))


@pytest.mark.parametrize("token", [2, 3, 9, 77])
def test_a_tree_that_does_not_begin_with_a_node_is_refused(token: int) -> None:
    with pytest.raises(FormatError):
        _open(_with(FORMAT.example(), 56, token))


def test_a_tree_is_read_up_to_what_is_wrong_in_it() -> None:
    data = build_tree({"model": b"Pump\0", "chosen": {"bootargs": b"quiet\0"}})
    opened = _open(_with(data, data.index(b"chosen") - 4, 0x77))
    assert opened.facts["model"] == "Pump"
    assert opened.problems == ("the rest of the tree was not read: 0x77 is no part of a device tree",)


def test_parts_without_meaning_are_passed_over() -> None:
    data = build_tree({"model": b"Pump\0"})
    nops = struct.pack(">2I", 4, 4)
    longer = data[:56] + nops + data[56:64] + nops + data[64:]
    fixed = _with(_with(_with(longer, 4, len(longer)), 12, struct.unpack_from(">I", data, 12)[0] + 16), 36, 1000)
    size = struct.unpack_from(">I", data, 36)[0] + 16
    assert _open(_with(fixed, 36, size)).facts["model"] == "Pump"


def test_names_without_end_and_outside_are_told() -> None:
    data = build_tree({"model": b"Pump\0"})
    assert "has no end" in _open(_with(data, 72, 5000)).problems[0]
    long = build_tree({"x" * 300: {}})
    assert "has no end" in _open(long).problems[0]


def test_a_tree_that_is_too_deep_or_too_large_is_read_in_part() -> None:
    source: TreeSource = {}
    for _ in range(100):
        source = {"n": source}
    assert "nested deeper than 64 levels" in _open(build_tree(source)).problems[0]
    data = build_tree({"model": b"\0\0\0\4" * (flat_tree.MOST_TOKENS + 10)})
    nops = _with(_with(_with(data, 64, 4), 68, 4), 72, 4)
    assert f"more than {flat_tree.MOST_TOKENS} parts" in _open(nops).problems[0]


@needs_dtc
@pytest.mark.parametrize("version", [16, 17])
def test_dtc_and_we_agree(version: int) -> None:
    command = [DTC, "-q", "-V", str(version), "-O", "dtb", "-"]
    data = subprocess.run(command, input=SOURCE.encode(), check=True, capture_output=True).stdout
    opened = _open(data)
    assert opened.size == len(data)
    assert opened.facts == {
        "model": "Pump",
        "compatible": ("acme,pump", "acme,board"),
        "bootargs": "console=ttyS0",
        "console": "serial0:115200n8",
        "version": version,
        "nodes": 4,
        "reserved": 1,
    }
