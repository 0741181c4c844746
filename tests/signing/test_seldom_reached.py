"""What seldom happens, and must end in one line or in the old version all the same."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from signing.attacks.lab import DAY, SPEC, Lab, Offer
from signing.chain_log import ChainLog, Head
from signing.install.gate import install
from signing.install.model import ModelDevice, PowerCut
from signing.install.slots import SlotState, decode_record, encode_record, load_state
from signing.package.parts import PartsWriter, open_package
from signing.refusal import Refusal
from toolkit.app.cli import run
from toolkit.core.errors import InputError

OLD = {"main": b"old firmware " * 50, "drugs": b"old library " * 9}


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Lab:
    return Lab(tmp_path_factory.mktemp("lab"))


@pytest.fixture(scope="module")
def offer(lab: Lab) -> Offer:
    return lab.offer(lab.package())


class NoLog(ChainLog):
    """Where many runs are made, what they log does not matter."""

    def add(self, *_: object, **__: object) -> Head:
        return Head(0, "0" * 64)


def test_an_installation_can_be_tried_again_after_a_cut_before_the_device_has_started(
    offer: Offer, tmp_path: Path
) -> None:
    update, log = offer.verify(), NoLog(tmp_path / "none")
    whole = ModelDevice(OLD)
    install(update, whole, log, DAY)
    for step in range(1, whole.steps + 1):
        device = ModelDevice(OLD, cut_at=step)
        with pytest.raises(PowerCut):
            install(update, device, log, DAY)
        device.busy, device.cut_at = False, None
        install(update, device, log, DAY)
        assert device.counters == {"main": 7, "drugs": 12}
        assert load_state(device).trial == ()


def test_a_device_that_reads_nothing_back_is_not_believed(offer: Offer, tmp_path: Path) -> None:
    class Deaf(ModelDevice):
        def read(self, component: str, slot: int, offset: int, size: int) -> bytes:
            return b"" if slot == 1 else super().read(component, slot, offset, size)

    with pytest.raises(Refusal) as caught:
        install(offer.verify(), Deaf(OLD), ChainLog(tmp_path / "log"), DAY)
    assert caught.value.rule == "install.readback"


def test_a_record_that_is_too_long_or_says_something_else_is_none() -> None:
    state = load_state(ModelDevice(OLD))
    with pytest.raises(Refusal, match="does not fit"):
        encode_record(SlotState(number=1, pairs={f"part-{n}": state.pairs["main"] for n in range(100)}))
    content = (2).to_bytes(4, "big") + b"[]"
    assert decode_record(hashlib.sha256(content).digest() + content) is None


def test_parts_are_read_as_one_file_and_are_not_endless(tmp_path: Path) -> None:
    writer = PartsWriter(tmp_path / "a.mdpkg", part_bytes=3)
    writer.write(b"12345678")
    assert [path.name for path in writer.commit()] == ["a.mdpkg.001", "a.mdpkg.002", "a.mdpkg.003"]
    with open_package(tmp_path / "a.mdpkg") as stream:
        assert stream.readable()
        assert stream.read() == b"12345678"
        assert stream.read(1) == b""
    many = PartsWriter(tmp_path / "b.mdpkg", part_bytes=1)
    with pytest.raises(InputError, match="more than 999 parts"):
        many.write(bytes(1000))
    many.close()
    assert not list(tmp_path.glob(".b*"))


@pytest.mark.parametrize(
    ("old", "new", "rule"),
    [
        ('path = "main.bin"', 'path = "empty.bin"', "binding.size"),
        (SPEC[SPEC.index("[[files]]") : SPEC.index('[[files]]\npath = "sbom.json"')], "", "package.release"),
    ],
)
def test_an_update_with_nothing_for_the_device_is_none(lab: Lab, old: str, new: str, rule: str) -> None:
    (lab.path / "empty.bin").write_bytes(b"")
    with pytest.raises(Refusal) as caught:
        lab.vendor_package(SPEC.replace(old, new))
    assert caught.value.rule == rule


def test_a_verb_that_needs_a_key_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["package", "sign", "none.mdpkg", "--trust", str(tmp_path)]) == 2
    assert "nothing is signed without a key" in capsys.readouterr().err
    judged = ["--profile", "infusion-pump-lvp", "--output", str(tmp_path / "d.json")]
    assert run(["package", "override", "none.mdpkg", *judged]) == 2
    assert "a decision is made by signing" in capsys.readouterr().err
