import struct
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
import xxhash
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware_checks.fingerprints.examples import Made, made_function, object_file
from firmware_checks.fingerprints.objects import Table, functions_of
from firmware_checks.fingerprints.pack import HEADER, MAGIC, NAME, SECTIONS, VARIANT, Build, Pack, read_pack
from firmware_checks.fingerprints.pack_writer import PackBuilder
from firmware_checks.fingerprints.shipped import _first_bytes, load_pack, packs_at_hand, shipped_packs
from toolkit.core.errors import FormatError, InputError, MedhardenError
from toolkit.core.window import Window

LIBRARY = {
    "lib_open": made_function("open", 40, ["lib_read", "elsewhere"]),
    "lib_read": made_function("read", 30),
    "lib_close": made_function("close", 200, ["lib_read"]),
}
SECOND = {**LIBRARY, "lib_read": made_function("read, mended", 30)}


def build_of(version: str, toolchain: str = "gcc-Os-m4") -> Build:
    return Build(component=0, version=version, toolchain=toolchain)


def builder(order: Sequence[int] = (0, 1)) -> PackBuilder:
    made = PackBuilder()
    parts: list[tuple[str, dict[str, Made]]] = [("1.0", LIBRARY), ("1.1", SECOND)]
    for index in order:
        version, library = parts[index]
        functions = functions_of(Window.of(object_file(library)))
        made.add("lib", build_of(version), functions, [Table("sbox", bytes(range(64)))])
    return made


def pack_of(data: bytes) -> Pack:
    return read_pack(Window.of(data), "test.mdsig")


PACK = builder().pack()


def test_what_was_written_is_read_back() -> None:
    pack = pack_of(PACK)
    (component,) = pack.meta.components
    assert (component.name, component.versions) == ("lib", ("1.0", "1.1"))
    assert [pack.text(n) for n in range(pack.names)] == ["lib_close", "lib_open", "lib_read"]
    assert [pack.text(n) for n in pack.callees(1)] == ["lib_read"]
    assert [pack.text(n) for n in pack.callers(2)] == ["lib_close", "lib_open"]
    assert list(pack.callers(1)) == []
    assert [len(pack.variants_of(n)) for n in range(pack.names)] == [1, 1, 2]
    for named in functions_of(Window.of(object_file(LIBRARY))):
        (variant,) = pack.exactly(named.function.exact)
        row = pack.variant(variant)
        assert pack.text(row.name) == named.name
        assert row.instructions == named.function.count
        numbers = {pack.feature_number(f) for f in named.function.features} - {-1}
        assert pack.feature_set(variant) <= numbers
        assert pack.component_of(row.name) == 0


def test_builds_say_which_versions_have_a_form() -> None:
    pack = pack_of(PACK)
    versions = [{pack.build(b).version for b in pack.builds_of(v)} for v in range(pack.variants)]
    assert sorted(map(sorted, versions)) == [["1.0"], ["1.0", "1.1"], ["1.0", "1.1"], ["1.1"]]


def test_names_are_found_by_their_features() -> None:
    pack = pack_of(PACK)
    for name in range(pack.names):
        for variant in pack.variants_of(name):
            for number in pack.feature_set(variant):
                assert name in list(pack.with_feature(number))
                assert pack.spread(number) == len(pack.with_feature(number))
    assert pack.feature_number(0xFFFF_FFFF) == -1


def test_constant_tables_are_kept_by_their_hashes() -> None:
    content = bytes(range(64))
    assert list(pack_of(PACK).tables()) == [
        (xxhash.xxh64_intdigest(content[:16]), xxhash.xxh64_intdigest(content), 64, 0)
    ]


def test_the_order_of_builds_does_not_show() -> None:
    assert builder((1, 0)).pack() == PACK == builder((0, 1)).pack()


def test_of_many_builds_only_what_two_share_is_kept() -> None:
    made = PackBuilder()
    for number in range(5):
        one = {"f": Made((*made_function("same", 40).halves[:-2], *made_function(number, 8).halves[1:]), {})}
        made.add("lib", build_of("1.0", f"build-{number}"), functions_of(Window.of(object_file(one))))
    pack = pack_of(made.pack())
    sets = [pack.feature_set(v) for v in range(pack.variants)]
    assert len(sets) == 5
    assert all(any(number in other for other in sets if other is not one) for one in sets for number in one)


@given(st.integers(0, len(PACK) - 1), st.integers(1, 255))
def test_a_changed_byte_is_told(position: int, change: int) -> None:
    damaged = bytearray(PACK)
    damaged[position] ^= change
    with pytest.raises(FormatError):
        pack_of(bytes(damaged))


@given(st.integers(0, len(PACK) - 1))
def test_a_cut_is_told(size: int) -> None:
    with pytest.raises(FormatError):
        pack_of(PACK[:size])


def resealed(data: bytes) -> bytes:
    """Return ``data`` with the right size and checksum: what somebody with bad intentions would make."""
    rest = data[HEADER.size :]
    head = MAGIC + struct.pack("<IIQQ", 1, len(SECTIONS), len(data), xxhash.xxh64_intdigest(rest))
    return head + rest


def everything(pack: Pack) -> Iterator[object]:
    """Follow every reference of a pack."""
    for name in range(pack.names):
        yield pack.text(name), list(pack.callees(name)), list(pack.callers(name)), pack.component_of(name)
        for variant in pack.variants_of(name):
            yield pack.feature_set(variant), [pack.build(b) for b in pack.builds_of(variant)]
    for number in range(len(pack.features)):
        yield list(pack.with_feature(number))
    for digest in list(pack.hashes)[:50]:
        yield [pack.variant(v) for v in pack.exactly(digest)]
    yield list(pack.tables())


@settings(max_examples=300)
@given(st.data())
def test_a_forged_pack_is_refused_or_harmless(data: st.DataObject) -> None:
    forged = bytearray(PACK)
    for _ in range(data.draw(st.integers(1, 8))):
        forged[data.draw(st.integers(HEADER.size, len(PACK) - 1))] = data.draw(st.integers(0, 255))
    try:
        for _ in everything(pack_of(resealed(bytes(forged)))):
            pass
    except MedhardenError:
        pass


def section(name: str) -> tuple[int, int]:
    offset, size = struct.unpack_from("<II", PACK, HEADER.size + 8 * SECTIONS.index(name))
    return offset, size


@pytest.mark.parametrize(
    ("name", "row", "field", "value"),
    [
        ("names", 0, slice(0, 2), 7),  # a component that is not there
        ("names", 0, slice(4, 8), 99),  # variants that are not there
        ("names", 0, slice(16, 20), 0xFF_FFFF),  # a union that is not there
        ("variants", 0, slice(0, 4), 0xFF_FFFF),  # features that are not there
        ("variants", 0, slice(4, 8), 99),  # builds that are not there
        ("variants", 0, slice(12, 16), 99),  # a name that is not there
        ("owners", 0, slice(0, 4), 99),
        ("builds", 0, slice(0, 4), 99),
    ],
)
def test_a_reference_that_leads_nowhere_is_told(name: str, row: int, field: slice, value: int) -> None:
    offset, _ = section(name)
    size = {"names": NAME.size, "variants": VARIANT.size}.get(name, 4)
    forged = bytearray(PACK)
    start = offset + row * size
    forged[start + field.start : start + field.stop] = value.to_bytes(field.stop - field.start, "little")
    with pytest.raises(FormatError, match="not there"):
        for _ in everything(pack_of(resealed(bytes(forged)))):
            pass


def test_an_unknown_version_and_sections_that_do_not_fit_are_told() -> None:
    with pytest.raises(FormatError, match="version 9"):
        pack_of(MAGIC + struct.pack("<I", 9) + PACK[12:])
    for name, change, words in (
        ("hashes", -4, "not aligned"),
        ("owners", -4, "do not fit"),
        ("meta", -1, "test.mdsig"),
    ):
        forged = bytearray(PACK)
        place = HEADER.size + 8 * SECTIONS.index(name) + 4
        struct.pack_into("<I", forged, place, struct.unpack_from("<I", forged, place)[0] + change)
        with pytest.raises(FormatError, match=words):
            pack_of(resealed(bytes(forged)))


def test_shipped_packs_can_be_read_and_hold_what_they_say() -> None:
    packs = shipped_packs()
    assert {c.name for pack in packs for c in pack.meta.components} >= {"newlib", "picolibc", "libgcc"}
    for pack in packs:
        assert pack.names
        for name in range(0, pack.names, 97):
            assert pack.text(name)
            for variant in pack.variants_of(name):
                assert len(pack.builds_of(variant)) > 0
                assert all(pack.build(b).component == pack.component_of(name) for b in pack.builds_of(variant))


def test_a_pack_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        load_pack(tmp_path / "none.mdsig")
    empty = tmp_path / "empty.mdsig"
    empty.touch()
    with pytest.raises(InputError, match="cannot be read"):
        load_pack(empty)
    whole = tmp_path / "whole.mdsig"
    whole.write_bytes(PACK)
    assert load_pack(whole).source == "whole.mdsig"


def test_the_digest_of_all_packs_changes_with_each() -> None:
    count, digest = packs_at_hand()
    assert count == len(shipped_packs())
    one, other = pack_of(PACK), pack_of(builder((0,)).pack())
    digests = {digest, packs_at_hand([one])[1], packs_at_hand([other])[1], packs_at_hand([one, other])[1]}
    assert len(digests) == 4
    assert packs_at_hand([one]) == (count + 1, packs_at_hand([one])[1])


def test_a_pack_that_is_gone_spoils_no_scan(tmp_path: Path) -> None:
    assert _first_bytes(tmp_path / "gone.mdsig") == b""
