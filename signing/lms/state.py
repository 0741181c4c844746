"""Which numbers of an LMS key are used up: written down for good before a signature is made.

Two places know the next free number: the state in the key's folder and a witness outside of it. A reservation writes
the state, then the witness, each to the medium, and only then signs. So after a power cut the state is at most one
ahead, and the number between is given up. A state behind its witness is a restored backup: whoever signed meanwhile
used numbers that this copy believes to be free, so the key refuses to sign. A witness that is missing or further
behind was restored or belongs to another computer, and is refused too.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from signing.durable import Disk, replace
from signing.refusal import Refusal
from toolkit.core.errors import InputError

__all__ = ["Counter", "reserve"]

RETIRE: Final = "Retire this key and make a new one"


@dataclass(frozen=True, slots=True)
class Counter:
    """The next free number of the key ``key_id``, in the files ``state`` and ``witness`` of ``disk``."""

    disk: Disk
    key_id: str
    state: Path
    witness: Path

    def start(self) -> None:
        """Write both files for a new key; existing ones are left as they are."""
        for path in (self.witness, self.state):
            if self.disk.read(path) is not None:
                raise InputError(f"{path} exists already and is left as it is")
        for path in (self.witness, self.state):
            self._write(path, 0)

    def next(self) -> int:
        """Return the next free number after mending what a power cut left behind; ``Refusal`` when it is not sure."""
        state = self.used()
        if self._read(self.witness) != state:
            self._write(self.witness, state)
        return state

    def used(self) -> int:
        """Return how many numbers are used, without writing anything; ``Refusal`` when it is not sure."""
        state, witness = self._read(self.state), self._read(self.witness)
        if state < witness:
            raise Refusal(
                "lms.restored-backup",
                f"{self.state.parent} is a restored backup: its next number is {state}, its witness has seen "
                f"{witness}; signing with a number in between again would give the key away. {RETIRE}",
            )
        if state > witness + 1:
            raise Refusal(
                "lms.foreign-witness",
                f"{self.witness} has seen {witness} signatures, the key has made {state}: the witness was restored, or "
                f"is another copy. {RETIRE}",
            )
        return state

    def write(self, following: int) -> None:
        """Write down, for good, that ``following`` is the next free number."""
        self._write(self.state, following)
        self._write(self.witness, following)

    def _write(self, path: Path, following: int) -> None:
        replace(self.disk, path, json.dumps({"key_id": self.key_id, "next": following}).encode() + b"\n")

    def _read(self, path: Path) -> int:
        data = self.disk.read(path)
        if data is None:
            raise Refusal("lms.state-missing", f"{path} is missing; without it no number is sure to be free")
        try:
            record = json.loads(data)
            key_id, following = record["key_id"], record["next"]
        except (ValueError, KeyError, TypeError) as error:
            raise Refusal("lms.state-damaged", f"{path} is damaged; without it no number is sure to be free") from error
        if key_id != self.key_id or type(following) is not int or following < 0:
            raise Refusal("lms.state-damaged", f"{path} does not belong to this key")
        return following


def reserve(counter: Counter, signatures: int) -> int:
    """Return a number that was never returned before and never will be again; ``InputError`` when all are used."""
    number = counter.next()
    if number >= signatures:
        raise InputError(f"all {signatures} signatures of this LMS key are used; it can sign nothing more")
    counter.write(number + 1)
    return number
