from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any, cast

import pytest

from signing.attacks.lab import DAY, Lab, Offer
from signing.chain_log import ChainLog, Head
from signing.install.gate import install
from signing.install.model import ModelDevice, PowerCut
from signing.install.slots import SlotState, decode_record, encode_record, load_state
from signing.refusal import Refusal
from signing.verified import VerifiedUpdate, require_verified
from signing.verify import verify

OLD = {"main": b"old firmware " * 50, "drugs": b"old library " * 9}


@pytest.fixture(scope="module")
def offer(tmp_path_factory: pytest.TempPathFactory) -> Offer:
    lab = Lab(tmp_path_factory.mktemp("lab"))
    return lab.offer(lab.package())


@pytest.fixture
def log(tmp_path: Path) -> ChainLog:
    return ChainLog(tmp_path / "install.jsonl")


class NoLog(ChainLog):
    """Where thousands of runs are made, what they log does not matter."""

    def add(self, *_: Any, **__: Any) -> Head:
        return Head(0, "0" * 64)


def new(update: VerifiedUpdate) -> dict[str, bytes]:
    found = {}
    for file in update.release.payloads:
        with update.private_copy(file) as content:
            found[str(file.component)] = content.read()
    return found


def runs(device: ModelDevice, contents: dict[str, bytes]) -> bool:
    return all(device.content(name, len(content)) == content for name, content in contents.items())


def test_an_update_is_installed_and_remembered(offer: Offer, log: ChainLog) -> None:
    update = offer.verify()
    device = ModelDevice(OLD)
    result = install(update, device, log, DAY)
    assert runs(device, new(update))
    assert device.counters == {"main": 7, "drugs": 12}
    assert result.unit.installed["main"].version == "2.1.0"
    assert result.unit.seen["vendor"].timestamp == 5
    assert [entry.event for entry in log.entries(result.log)] == [
        "install.start",
        "install.written",
        "install.confirmed",
    ]


def test_a_log_that_was_cut_since_the_last_installation_stops_the_next(offer: Offer, log: ChainLog) -> None:
    result = install(offer.verify(), ModelDevice(OLD), log, DAY)
    lines = log.path.read_bytes().splitlines(keepends=True)
    log.path.write_bytes(b"".join(lines[:-1]))
    again = offer.having(unit=result.unit).verify()
    device = ModelDevice(OLD)
    with pytest.raises(Refusal) as caught:
        install(again, device, log, DAY)
    assert caught.value.rule == "log.tampered"
    assert device.steps == 0
    log.path.write_bytes(b"".join(lines))
    install(again, device, log, DAY)


def test_power_may_fail_at_every_step_and_the_old_or_the_new_version_runs_whole(offer: Offer, tmp_path: Path) -> None:
    update = offer.verify()
    fresh = new(update)
    log = NoLog(tmp_path / "none")
    whole = ModelDevice(OLD)
    install(update, whole, log, DAY)
    seen: set[str] = set()
    for step in range(1, whole.steps + 1):
        for second_cut in range(1, 5):  # power fails again while the device starts
            device = ModelDevice(OLD, cut_at=step)
            with pytest.raises(PowerCut):
                install(update, device, log, DAY)
            device.busy = False
            device.cut_at, device.steps = second_cut, 0
            try:
                device.restart()
            except PowerCut:
                device.power_on()
            device.cut_at = None
            assert runs(device, OLD) or runs(device, fresh), f"mixed after a cut at step {step}"
            seen.add("old" if runs(device, OLD) else "new")
            for _ in range(4):  # a trial nobody confirms ends with the old version
                device.restart()
            assert runs(device, OLD) or runs(device, fresh)
            install(update, device, log, DAY)
            assert runs(device, fresh)
            assert device.counters == {"main": 7, "drugs": 12}
    assert seen == {"old", "new"}
    assert whole.steps > 10


def test_a_device_that_is_not_well_with_the_new_version_gets_the_old_one_back(offer: Offer, log: ChainLog) -> None:
    device = ModelDevice(OLD, healthy=False)
    update = offer.verify()
    with pytest.raises(Refusal, match="old one runs again") as caught:
        install(update, device, log, DAY)
    assert caught.value.rule == "install.health"
    assert runs(device, OLD)
    assert device.counters == {"main": 1, "drugs": 1}
    assert log.entries()[-1].event == "install.failed"
    device.healthy = True
    install(update, device, log, DAY)
    assert runs(device, new(update))


def test_flash_that_does_not_hold_what_was_written_is_found(offer: Offer, log: ChainLog) -> None:
    class Worn(ModelDevice):
        def write(self, component: str, slot: int, offset: int, data: bytes) -> None:
            super().write(component, slot, offset, data[:-1] + bytes([data[-1] & 0xFE ^ 1]))

    device = Worn(OLD)
    with pytest.raises(Refusal) as caught:
        install(offer.verify(), device, log, DAY)
    assert caught.value.rule == "install.readback"
    assert runs(device, OLD)


def test_a_device_with_a_higher_counter_refuses_what_the_record_would_allow(offer: Offer, log: ChainLog) -> None:
    device = ModelDevice(OLD)
    device.counters["main"] = 8
    with pytest.raises(Refusal) as caught:
        install(offer.verify(), device, log, DAY)
    assert caught.value.rule == "rollback.counter"
    assert device.steps == 0


@pytest.mark.parametrize(
    ("device", "rule"),
    [(ModelDevice({"main": b"x"}), "binding.component"), (ModelDevice(OLD, slot_size=1000), "binding.size")],
)
def test_a_device_without_the_right_slots_is_left_alone(
    offer: Offer, log: ChainLog, device: ModelDevice, rule: str
) -> None:
    with pytest.raises(Refusal) as caught:
        install(offer.verify(), device, log, DAY)
    assert caught.value.rule == rule
    assert device.steps == 0


def test_two_updaters_do_not_work_at_once(offer: Offer, log: ChainLog) -> None:
    device = ModelDevice(OLD)
    with device.lock(), pytest.raises(Refusal) as caught:
        install(offer.verify(), device, log, DAY)
    assert caught.value.rule == "install.busy"


def test_a_stick_that_returns_other_bytes_the_second_time_installs_nothing(offer: Offer, log: ChainLog) -> None:
    stick = BytesIO(offer.package)
    update = verify(stick, offer.trust, offer.rules, offer.unit, offer.moment)
    at = offer.package.index(new(update)["main"])
    stick.seek(at)
    stick.write(b"evil")
    device = ModelDevice(OLD)
    with pytest.raises(Refusal) as caught:
        install(update, device, log, DAY)
    assert caught.value.rule == "package.digest"
    assert runs(device, OLD)


def forged() -> VerifiedUpdate:
    update: VerifiedUpdate = cast("Any", object.__new__)(VerifiedUpdate)
    return update


WAYS: dict[str, Callable[[VerifiedUpdate], object]] = {
    "calling the class": lambda _: VerifiedUpdate(),
    "copying": copy.copy,
    "copying deeply": copy.deepcopy,
    "storing": pickle.dumps,
    "changing": lambda update: setattr(update, "release", None),
    "removing": lambda update: delattr(update, "release"),
    "a subclass": lambda _: type("Mine", (VerifiedUpdate,), {}),
    "past the constructor": lambda _: require_verified(forged()),
    "a path": lambda _: require_verified("update.mdpkg"),
    "none": lambda _: require_verified(None),
}


@pytest.mark.parametrize("way", WAYS)
def test_a_verified_update_is_made_by_the_verifier_alone(offer: Offer, way: str) -> None:
    with pytest.raises(Refusal) as caught:
        WAYS[way](offer.verify())
    assert caught.value.rule == "install.unverified"


def test_only_the_verifier_mints_verified_updates() -> None:
    root = Path(__file__).parents[2]
    rooms = ("signing", "firmware_checks", "hil", "toolkit", "device_profiles")
    callers = [
        path.relative_to(root).as_posix()
        for room in rooms
        for path in (root / room).rglob("*.py")
        if "mint(" in path.read_text(encoding="utf-8")
    ]
    assert sorted(callers) == ["signing/verified.py", "signing/verify.py"]


def test_the_private_copy_is_only_of_files_of_the_update(offer: Offer) -> None:
    update = offer.verify()
    stranger = next(update.release.payloads)
    other = type(stranger)(name="other.bin", purpose=stranger.purpose, sha256=stranger.sha256, size=stranger.size)
    with pytest.raises(Refusal, match="not part"), update.private_copy(other):
        pass


def test_a_record_is_whole_or_it_is_none() -> None:
    record = encode_record(SlotState(number=3, pairs={}))
    assert decode_record(record.ljust(4096, b"\0")) == SlotState(number=3, pairs={})
    for size in range(len(record)):
        assert decode_record(record[:size].ljust(len(record), b"\x5a")) is None
    assert decode_record(b"\xff" * 4096) is None


def test_a_device_without_any_record_is_refused() -> None:
    device = ModelDevice(OLD)
    device.records[0][:] = bytes(4096)
    with pytest.raises(Refusal) as caught:
        load_state(device)
    assert caught.value.rule == "install.state"


def test_a_damaged_device_does_not_start() -> None:
    device = ModelDevice(OLD)
    device.slots["main", 0][0] ^= 1
    with pytest.raises(Refusal, match="damaged"):
        device.restart()


def test_a_record_that_does_not_stick_is_found(offer: Offer, log: ChainLog) -> None:
    class Stuck(ModelDevice):
        def write_record(self, place: int, data: bytes) -> None:
            super().write_record(place, bytes([data[0] ^ 1]) + data[1:])

    with pytest.raises(Refusal) as caught:
        install(offer.verify(), Stuck(OLD), log, DAY)
    assert caught.value.rule == "install.readback"


def test_a_device_that_starts_the_old_version_in_a_trial_keeps_it(offer: Offer, log: ChainLog) -> None:
    class Stubborn(ModelDevice):
        def restart(self) -> dict[str, int]:
            super().restart()
            self.running = dict.fromkeys(self.old, 0)
            return self.running

    with pytest.raises(Refusal) as caught:
        install(offer.verify(), Stubborn(OLD), log, DAY)
    assert caught.value.rule == "install.health"
