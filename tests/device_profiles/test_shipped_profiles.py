from __future__ import annotations

import functools
import re

import msgspec
import pytest

from device_profiles.facts import leaves
from device_profiles.loader import load, profiles
from device_profiles.schema import DeviceProfile
from device_profiles.vocabulary import EvidenceStatus, Kind

KNOWN = profiles()
ARCHETYPES = {
    "pulse-oximeter-usb", "bp-monitor-nibp-ble", "glucose-meter", "cpap", "infusion-pump-lvp", "syringe-pump",
    "insulin-pump", "ventilator-icu", "patient-monitor-lowend", "ecg-cart-holter", "aed-defibrillator",
    "telehealth-hub", "hospital-bed", "anaesthesia-dialysis", "ultrasound-xray-detector", "lab-analyser", "npwt-pump",
    "smart-inhaler",
}  # fmt: skip

every_profile = pytest.mark.parametrize("profile_id", KNOWN)


@functools.cache
def loaded(profile_id: str) -> DeviceProfile:
    return load(profile_id, known=KNOWN)


def test_every_class_of_devices_of_the_field_is_there_and_models_with_a_public_source() -> None:
    kinds = {profile_id: loaded(profile_id).kind for profile_id in KNOWN}
    assert {profile_id for profile_id, kind in kinds.items() if kind is Kind.ARCHETYPE} == ARCHETYPES
    assert sum(kind is Kind.MODEL for kind in kinds.values()) >= 8


@every_profile
def test_it_can_be_written_and_read_back(profile_id: str) -> None:
    profile = loaded(profile_id)
    again = msgspec.json.decode(msgspec.json.encode(profile), type=DeviceProfile)
    assert again == profile
    assert again.digest == profile.digest
    assert re.fullmatch("[0-9a-f]{64}", profile.digest)


@every_profile
def test_it_is_the_same_each_time_it_is_loaded(profile_id: str) -> None:
    assert msgspec.json.encode(load(profile_id)) == msgspec.json.encode(loaded(profile_id))


@every_profile
def test_every_fact_names_its_source(profile_id: str) -> None:
    profile = loaded(profile_id)
    statements = list(profile.facts())
    assert [s.path for s in statements] == [path for path, _ in leaves(msgspec.to_builtins(profile))]
    for statement in statements:
        assert statement.evidence == profile.evidence_for(statement.path)
        assert statement.evidence.source
        assert statement.evidence.profile in (profile_id, profile.extends)


@every_profile
def test_it_says_what_harms_a_patient_and_how_it_is_left_safe(profile_id: str) -> None:
    safety = loaded(profile_id).safety
    assert safety.hazards
    assert safety.safe_state
    assert safety.essential_performance


@every_profile
def test_it_says_how_software_gets_in_and_what_must_be_erased(profile_id: str) -> None:
    profile = loaded(profile_id)
    assert profile.summary
    assert profile.interfaces
    assert profile.update.channels is not None
    assert profile.update.authenticity is not None
    assert profile.data.wipe_procedure


@every_profile
def test_what_is_inherited_keeps_the_evidence_of_its_class(profile_id: str) -> None:
    profile = loaded(profile_id)
    if profile.extends is None:
        return
    parent = loaded(profile.extends)
    hazard = f"safety.hazards.{parent.safety.hazards[0].id}.harm"
    assert profile.evidence_for(hazard).source == parent.evidence_for(hazard).source
    assert profile.evidence_for(hazard).profile == parent.id


@pytest.mark.parametrize("profile_id", [i for i in KNOWN if i not in ARCHETYPES])
def test_a_model_knows_more_than_its_class_and_from_a_public_source(profile_id: str) -> None:
    profile = loaded(profile_id)
    own = [evidence for evidence in profile.evidence if evidence.profile == profile_id]
    assert any(e.url for e in own)
    assert any(
        e.status in (EvidenceStatus.VENDOR_DOC, EvidenceStatus.PUBLIC_TEARDOWN, EvidenceStatus.ADVISORY) for e in own
    )
    assert profile.identity.manufacturer
    assert profile.identity.model


def test_a_region_ends_one_past_its_last_address() -> None:
    regions = {region.id: region for region in loaded("healthypi-move").platform.memory_map}
    assert regions["mcuboot"].end == regions["primary-slot"].start == 0x10000
    assert regions["primary-slot"].end == 0xE4000


def test_the_weakest_evidence_speaks_for_a_whole_table() -> None:
    profile = loaded("contec-cms50dplus")
    assert profile.evidence_for("interfaces.usb.serial").status is EvidenceStatus.PUBLIC_TEARDOWN
    assert profile.evidence_for("interfaces.usb.purposes").status is EvidenceStatus.ASSUMED
    assert profile.evidence_for("interfaces.usb").status is EvidenceStatus.ASSUMED


def test_a_question_of_a_bench_rule_has_the_check_value_of_its_protocol() -> None:
    (question,) = loaded("resmed-airsense10").hil.identify
    frame = bytes.fromhex(question.send or "")
    value = 0xFFFF
    for byte in frame[:-4]:  # CRC-16/CCITT-FALSE as in the published protocol
        value ^= byte << 8
        for _ in range(8):
            value = (value << 1 ^ (0x1021 if value & 0x8000 else 0)) & 0xFFFF
    assert frame[-4:] == b"%04X" % value
    assert int(frame[2:5], 16) == len(frame)
