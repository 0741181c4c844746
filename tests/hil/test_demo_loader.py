"""The demo pump's boot loader: what it takes, what it refuses, and that its images are MCUboot's."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hil.demo_image import HASH, KEY_WORDS, LMS_SIGNATURE, Recipe, Scheme, built, is_signed, taken_apart
from hil.demo_keys import p256_public_key
from hil.demo_loader import COUNTER_AT, FLASH_BYTES, DemoFlash, Loader, PowerCut
from signing.device_ids import class_id, vendor_id
from signing.image import Expectation, ImageTrust, verify_image
from signing.key import PublicKey
from signing.policy import policy_named
from toolkit.core.errors import FormatError, MedhardenError

NEWER = Recipe(version=(2, 2, 0), counter=8)


def offered(loader: Loader, image: bytes) -> bytes:
    answer = loader.begin(b"%d" % len(image))
    for at in range(0, len(image), 24):
        if answer == b"=ok":
            answer = loader.block(b"%d %s" % (at, image[at : at + 24].hex().encode()))
    return loader.install(b"") if answer == b"=ok" else answer


def started(*weak: str) -> Loader:
    loader = Loader(frozenset(weak))
    assert loader.boot()
    return loader


def version(loader: Loader) -> tuple[int, ...]:
    return loader.running.version if loader.running is not None else ()


def test_an_image_says_what_its_recipe_says() -> None:
    image = taken_apart(built(NEWER))
    assert (image.version, image.counter, image.is_for_us) == ((2, 2, 0), 8, True)
    assert image.records[HASH] == image.digest
    assert is_signed(image, image.digest)
    assert not is_signed(image, bytes(32))
    assert not is_signed(image, b"short")
    assert built(NEWER) == built(replace(NEWER, key_words=KEY_WORDS))


@pytest.mark.parametrize("place", [8, 10, 12])
def test_a_header_with_wrong_lengths_is_no_image(place: int) -> None:
    good = bytearray(built(NEWER))
    good[place] += 4
    with pytest.raises(MedhardenError):
        taken_apart(bytes(good))


def test_records_of_the_wrong_kind_are_no_image() -> None:
    good = built(NEWER)
    with pytest.raises(FormatError, match="right kind"):
        taken_apart(good[:96] + b"\0\0" + good[98:])


def test_the_verifier_for_real_images_accepts_them() -> None:
    expectation = Expectation(
        least_version=(2, 1, 0, 0),
        least_security_counter=7,
        vendor_id=vendor_id("medharden.example"),
        class_id=class_id("medharden.example", "demo-pump"),
    )
    for revision in range(8):  # a signature in the malleable half would be refused now and then
        trust = ImageTrust(
            policy=policy_named("fips"), keys=(PublicKey.from_encoded(p256_public_key()),), expectation=expectation
        )
        image = built(replace(NEWER, version=(2, 2, revision)))
        assert verify_image(image, b"", trust, named="mcuboot").facts["image_hash"] == taken_apart(image).digest.hex()


def test_an_update_starts_on_trial_and_stays_when_confirmed() -> None:
    loader = started()
    assert offered(loader, built(NEWER)) == b"=ok"
    assert loader.boot()
    assert version(loader) == (2, 2, 0)
    assert loader.begin(b"100") == b"!trial"
    assert loader.confirm(b"") == loader.confirm(b"") == b"=ok"
    assert loader.boot()
    assert version(loader) == (2, 2, 0)


def test_an_update_that_nobody_confirms_is_gone_at_the_second_start() -> None:
    for loader in (started(), started("in-place-update")):
        offered(loader, built(NEWER))
        seen = [version(loader) for _ in range(3) if loader.boot()]
        assert seen == [(2, 2, 0), (2, 1, 0), (2, 1, 0)]


@pytest.mark.parametrize(
    ("recipe", "answer"),
    [
        (replace(NEWER, key_words=None), b"!signature"),
        (replace(NEWER, key_words="other"), b"!signature"),
        (replace(NEWER, model="other"), b"!model"),
        (replace(NEWER, version=(2, 1, 0)), b"!older"),
        (replace(NEWER, counter=6), b"!older"),
    ],
)
def test_what_is_not_ours_is_refused(recipe: Recipe, answer: bytes) -> None:
    assert offered(started(), built(recipe)) == answer


@pytest.mark.parametrize("size", [b"", b"0", b"-1", b"x", b"9999", b"99999999"])
def test_impossible_sizes_are_refused(size: bytes) -> None:
    assert started().begin(size) == b"!range"


@pytest.mark.parametrize("rest", [b"", b"0", b"0 0", b"0 xx", b"x 00", b"0 \xff", b"0 0011223344"])
def test_impossible_blocks_are_refused(rest: bytes) -> None:
    loader = started()
    loader.begin(b"4")
    assert loader.block(rest) == b"!range"


def test_steps_out_of_order_are_refused() -> None:
    loader = started()
    assert loader.block(b"0 00") == b"!order"
    assert loader.install(b"") == b"!order"
    loader.begin(b"4")
    assert loader.block(b"1 00") == b"!order"


def test_a_device_without_a_good_image_does_not_start() -> None:
    loader = Loader(frozenset())
    loader.flash.write(40, b"\0")
    assert not loader.boot()
    assert loader.running is None
    loader.flash.write(0, b"\xff" * FLASH_BYTES)
    assert not loader.boot()


@given(write=st.integers(1, 20), torn=st.one_of(st.none(), st.integers(0, 600)))
def test_a_power_cut_never_bricks_the_good_one(write: int, torn: int | None) -> None:
    loader = started()
    loader.flash.cut_power_at(write, torn)
    try:
        offered(loader, built(NEWER))
        loader.boot()
        loader.confirm(b"")
    except PowerCut:
        pass
    loader.flash.cut_power_at(1000)
    assert loader.boot()


def test_a_write_behind_the_end_of_flash_goes_nowhere() -> None:
    flash = DemoFlash()
    flash.write(FLASH_BYTES + 5, b"x")
    assert len(flash.read(0, FLASH_BYTES * 2)) == FLASH_BYTES


@given(st.binary(max_size=300))
def test_any_bytes_are_an_image_or_an_error_of_ours(data: bytes) -> None:
    with pytest.raises(MedhardenError):
        taken_apart(data)


def test_an_image_signed_with_lms_is_ours_too_and_a_wrong_signature_is_not() -> None:
    image = taken_apart(built(replace(NEWER, scheme=Scheme.LMS)))
    assert is_signed(image, image.digest)
    assert not is_signed(image, bytes(32))
    assert not is_signed(replace(image, records={**image.records, LMS_SIGNATURE: b""}), image.digest)
    assert offered(started(), built(replace(NEWER, scheme=Scheme.LMS))) == b"=ok"


@pytest.mark.parametrize(("place", "byte"), [(4, 0), (16, 0), (32 + 64 + 4 + 2, 3), (32 + 64 + 4 + 4 + 1, 9)])
def test_an_image_for_another_place_or_with_an_impossible_counter_is_none(place: int, byte: int) -> None:
    good = built(NEWER)
    with pytest.raises(MedhardenError):
        taken_apart(good[:place] + bytes([byte]) + good[place + 1 :])


def test_what_is_confirmed_raises_the_security_counter_also_when_the_power_fails_in_between() -> None:
    loader = started()
    offered(loader, built(replace(NEWER, counter=21)))
    loader.boot()
    loader.flash.cut_power_at(1)
    with pytest.raises(PowerCut):
        loader.confirm(b"")
    assert loader.flash.read(COUNTER_AT, 3) == b"\x80\xff\xff"
    assert loader.boot()
    assert loader.flash.read(COUNTER_AT, 3) == b"\0\0\xe0"
    loader.flash.write(COUNTER_AT, bytes(256))
    assert not loader.boot()


def test_in_recovery_the_next_update_is_taken_and_starts() -> None:
    for loader in (started(), started("in-place-update")):
        loader.flash.write(0, b"\xff" * COUNTER_AT)
        assert not loader.boot()
        assert loader.confirm(b"") == b"=ok"
        assert offered(loader, built(NEWER)) == b"=ok"
        assert loader.boot()
        assert version(loader) == (2, 2, 0)
