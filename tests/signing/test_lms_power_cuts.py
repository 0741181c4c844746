"""No one-time key of LMS is used twice, wherever the power fails: cut at every step of every write, and twice."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from signing.durable import Disk
from signing.lms.parameters import parameters_named
from signing.lms.state import Counter, reserve
from signing.lms.store import LmsSigner, Place, create_key, public_key
from signing.refusal import Refusal

FOLDER, WITNESS = Path("key"), Path("safe/witness")
OUTCOMES = ("lost", "kept", "torn", "names kept, contents lost")


class PowerFailed(Exception):
    pass


@dataclass
class FragileDisk:
    """A disk that forgets what was not synced: contents of files, and names in folders, each on its own."""

    steps_left: int = 1 << 30
    steps: int = 0
    names: dict[Path, int] = field(default_factory=dict)
    kept_names: dict[Path, int] = field(default_factory=dict)
    contents: dict[int, bytes] = field(default_factory=dict)
    kept_contents: dict[int, bytes] = field(default_factory=dict)

    def _step(self) -> None:
        if self.steps_left == 0:
            raise PowerFailed
        self.steps_left -= 1
        self.steps += 1

    def read(self, path: Path) -> bytes | None:
        number = self.names.get(path)
        return None if number is None else self.contents[number]

    def write(self, path: Path, data: bytes) -> None:
        self._step()
        number = len(self.contents)
        self.contents[number] = data
        self.names[path] = number

    def sync(self, path: Path) -> None:
        self._step()
        self.kept_contents[self.names[path]] = self.contents[self.names[path]]

    def rename(self, source: Path, target: Path) -> None:
        self._step()
        self.names[target] = self.names.pop(source)

    def sync_folder(self, folder: Path) -> None:
        self._step()
        here = {path: number for path, number in self.names.items() if path.parent == folder}
        elsewhere = {path: number for path, number in self.kept_names.items() if path.parent != folder}
        self.kept_names = {**elsewhere, **here}

    def after_the_cut(self, outcome: str) -> FragileDisk:
        """Return what the disk holds when the power is back."""
        names = self.kept_names if outcome == "lost" else self.names
        found = {}
        for path, number in names.items():
            whole = self.contents[number]
            lost = {"kept": whole, "torn": whole[: len(whole) // 2]}.get(outcome, b"")
            found[path] = self.kept_contents.get(number, lost)
        numbers = {path: index for index, path in enumerate(found)}
        contents = {numbers[path]: data for path, data in found.items()}
        return FragileDisk(
            names=numbers, kept_names=dict(numbers), contents=dict(contents), kept_contents=dict(contents)
        )


def counter(disk: Disk) -> Counter:
    return Counter(disk, "key id", FOLDER / "state.json", WITNESS)


def started() -> FragileDisk:
    disk = FragileDisk()
    counter(disk).start()
    return disk.after_the_cut("lost")


def reserved_until_the_cut(disk: FragileDisk, steps: int, wanted: int) -> list[int]:
    """Return the numbers that were handed out before the power failed after ``steps`` steps."""
    disk.steps_left = steps
    numbers: list[int] = []
    try:
        for _number in range(wanted):
            numbers.append(reserve(counter(disk), 32))  # noqa: PERF401  # what came before the cut counts
    except PowerFailed:
        pass
    return numbers


def test_the_disk_of_this_test_forgets_what_was_not_synced() -> None:
    disk = FragileDisk()
    disk.write(FOLDER / "a", b"content")
    assert disk.after_the_cut("lost").read(FOLDER / "a") is None
    assert disk.after_the_cut("torn").read(FOLDER / "a") == b"con"
    disk.sync(FOLDER / "a")
    disk.sync_folder(FOLDER)
    assert disk.after_the_cut("lost").read(FOLDER / "a") == b"content"


def test_two_power_cuts_at_any_two_steps_never_let_a_number_be_used_twice() -> None:
    disk = started()
    reserved_until_the_cut(disk, 1 << 30, 2)
    steps = disk.steps
    assert steps == 16
    cuts = itertools.product(range(steps + 1), OUTCOMES, range(14), OUTCOMES)
    for first_cut, first_outcome, second_cut, second_outcome in cuts:
        disk = started()
        numbers = reserved_until_the_cut(disk, first_cut, 2)
        disk = disk.after_the_cut(first_outcome)
        numbers += reserved_until_the_cut(disk, second_cut, 1)
        disk = disk.after_the_cut(second_outcome)
        numbers += reserved_until_the_cut(disk, 1 << 30, 2)
        assert len(numbers) == len(set(numbers)), (first_cut, first_outcome, second_cut, second_outcome)
        assert len(numbers) >= 2, "after a power cut the key goes on signing"


class _Known:
    def existing(self, purpose: str) -> str:
        return f"passphrase of {purpose}"

    new = existing


@pytest.fixture(scope="module")
def new_key() -> FragileDisk:
    disk = FragileDisk()
    create_key(Place(disk, FOLDER, WITNESS), parameters_named("m24-h5-w4"), _Known())
    return disk.after_the_cut("lost")


def _signer(disk: FragileDisk) -> LmsSigner:
    from signing.lms.store import seed_of

    place = Place(disk, FOLDER, WITNESS)
    public = public_key(place)
    return LmsSigner(place, public, seed_of(place, public, _Known()))


def test_a_signature_leaves_only_after_its_number_is_on_the_medium(new_key: FragileDisk) -> None:
    seed_is_opened_once = _signer(new_key)
    for cut in range(9):
        disk = new_key.after_the_cut("kept")
        disk.steps_left = cut
        signer = LmsSigner(Place(disk, FOLDER, WITNESS), seed_is_opened_once.public, seed_is_opened_once.seed)
        numbers = []
        try:
            numbers.append(signer.sign(b"first")[4:8])
        except PowerFailed:
            assert cut < 8
        for outcome in OUTCOMES:
            later = disk.after_the_cut(outcome)
            again = LmsSigner(Place(later, FOLDER, WITNESS), signer.public, signer.seed)
            signature = again.sign(b"second")
            again.public.verify(b"second", signature)
            assert signature[4:8] not in numbers


def test_a_key_whose_making_was_cut_off_is_no_key_or_a_whole_one(new_key: FragileDisk) -> None:
    del new_key
    whole = FragileDisk()
    counter(whole).start()
    for cut in range(whole.steps):
        disk = FragileDisk(steps_left=cut)
        with pytest.raises(PowerFailed):
            counter(disk).start()
        for outcome in OUTCOMES:
            later = counter(disk.after_the_cut(outcome))
            try:
                assert later.next() == 0
            except Refusal as refusal:
                assert refusal.rule in ("lms.state-missing", "lms.state-damaged")
