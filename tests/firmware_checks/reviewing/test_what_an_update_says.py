"""For which device an update says that it is, and whether it leads back, in the words of each format."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec import structs

from device_profiles.schema import DeviceProfile, Identity, Interface, Platform, Processor, Usb
from device_profiles.vocabulary import InterfaceType
from firmware_checks.check import profile_with
from firmware_checks.difference.compare import difference_of
from firmware_checks.difference.examination import examine
from firmware_checks.formats import uf2
from firmware_checks.formats.android_update import built_update
from firmware_checks.readers.dfu_trailer import with_suffix
from firmware_checks.review import review
from firmware_checks.reviewing.authenticity import Authenticity, Signature
from firmware_checks.scan import Scanner
from toolkit.report.review import Question, Weight

NOBODY = Authenticity(signature=Signature.UNKNOWN)


@pytest.fixture(scope="module")
def scanner() -> Scanner:
    return Scanner()


def _codes(
    scanner: Scanner, folder: Path, question: Question, new: bytes, *, old: bytes = b"", profile: DeviceProfile | None
) -> dict[str, Weight]:
    (folder / "new").write_bytes(new)
    update = examine(scanner, folder / "new", jobs=1)
    difference = None
    if old:
        (folder / "old").write_bytes(old)
        difference = difference_of(examine(scanner, folder / "old", jobs=1), update)
    page = review(update.report, difference, profile, NOBODY)
    return {r.code: r.weight for r in page.reasons if r.question is question}


def _update(device: str = "monitor", stamp: int = 1767225600, more: str = "") -> bytes:
    return built_update(f"pre-device={device}\npost-timestamp={stamp}\n{more}")


def _device(**fields: object) -> DeviceProfile:
    return structs.replace(profile_with(Platform()), **fields)


def test_a_name_of_the_device_fits_and_another_is_a_reason_to_ask(scanner: Scanner, tmp_path: Path) -> None:
    profile = _device(identity=Identity(model="Bedside 3000", aliases=("MONI-tor",)))
    named = _codes(scanner, tmp_path, Question.MODEL, _update("x|monitor"), profile=profile)
    assert named == {"named-in-profile": Weight.FINE}
    other = _codes(scanner, tmp_path, Question.MODEL, _update("syringe"), profile=profile)
    assert other == {"other-name": Weight.ASK}


def test_a_processor_that_the_profile_names_fits(scanner: Scanner, tmp_path: Path) -> None:
    profile = _device(platform=Platform(mcu=(Processor(id="main", part="RP2040"),)))
    image = uf2.FORMAT.example()
    mcus = _codes(scanner, tmp_path, Question.MODEL, image, profile=profile)
    assert set(mcus) <= {"named-in-profile", "model-unknown", "processor-fits", "memory-fits"}


@pytest.mark.parametrize(
    ("product", "code", "weight"),
    [(0x5740, "named-in-profile", Weight.FINE), (0x5741, "other-usb-device", Weight.ASK)],
)
def test_the_numbers_of_usb_are_held_against_the_profile(
    scanner: Scanner, tmp_path: Path, product: int, code: str, weight: Weight
) -> None:
    usb = Interface(id="usb", type=InterfaceType.USB_DEVICE, usb=Usb(vendor_id=0x0483, product_id=0x5740))
    image = with_suffix(b"program of a pump" * 40, vendor_id=0x0483, product_id=product, dfu_version=0x0100)
    assert _codes(scanner, tmp_path, Question.MODEL, image, profile=_device(interfaces=(usb,)))[code] is weight


def test_an_update_for_another_device_than_the_installed_one_is_refused(scanner: Scanner, tmp_path: Path) -> None:
    codes = _codes(scanner, tmp_path, Question.MODEL, _update("syringe"), old=_update("monitor"), profile=None)
    assert codes["other-than-current"] is Weight.NO_GO


def test_an_update_that_was_made_earlier_is_refused(scanner: Scanner, tmp_path: Path) -> None:
    ask = Question.DOWNGRADE
    older = _codes(scanner, tmp_path, ask, _update(stamp=1700000000), old=_update(stamp=1767225600), profile=None)
    assert older["older"] is Weight.NO_GO
    newer = _codes(scanner, tmp_path, ask, _update(stamp=1767225600), old=_update(stamp=1700000000), profile=None)
    assert newer["not-older"] is Weight.FINE


def test_an_update_that_says_it_leads_back_is_a_reason_to_ask(scanner: Scanner, tmp_path: Path) -> None:
    codes = _codes(scanner, tmp_path, Question.DOWNGRADE, _update(more="ota-downgrade=yes\n"), profile=None)
    assert codes["downgrade-wanted"] is Weight.ASK
