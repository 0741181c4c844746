"""A log that shows when it was tampered with: each line holds the digest of the line before, and may be signed.

Lines are only ever added. Who changes, removes or reorders one breaks the chain at that place; who cuts the end off is
found out by the number of lines and the last digest, which stand in the printed transcript and in the record of a unit.
A last line that a power cut left unfinished was never there: whoever wrote it was not told that it is on the medium.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import msgspec

from signing.durable import locked
from signing.key import PublicKey, Signer
from signing.refusal import Refusal, fail_closed
from toolkit.core.errors import InputError

__all__ = ["ChainLog", "Entry", "Head"]

START: Final = "0" * 64
MOST_LINE_BYTES: Final = 1 << 20
TIME_FORMAT: Final = "%Y-%m-%dT%H:%M:%SZ"


class Head(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where a log stands: how many lines it has, and the digest of the last one."""

    entries: int
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One line."""

    number: int
    time: str
    event: str
    details: Mapping[str, Any]
    signed_by: str
    """Id of the key, empty where the line is not signed."""


class ChainLog:
    """The log in the file ``path``; ``signer`` signs what is added."""

    def __init__(self, path: Path, signer: Signer | None = None) -> None:
        self.path = path
        self._signer = signer

    def add(self, event: str, moment: datetime, **details: Any) -> Head:
        """Add a line, and return when it is on the medium."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(f"{self.path}: cannot be written: {error.strerror or error}") from error
        with locked(self.path.with_name(f".{self.path.name}.lock")):
            return self._add(event, moment, details)

    def _add(self, event: str, moment: datetime, details: Mapping[str, Any]) -> Head:
        head = self.head()
        content: dict[str, Any] = {
            "number": head.entries + 1,
            "time": f"{moment:{TIME_FORMAT}}",
            "event": event,
            "details": details,
            "previous": head.sha256,
        }
        if self._signer is not None:
            content["key"] = base64.b64encode(self._signer.public.encoded).decode()
            content["signature"] = base64.b64encode(self._signer.sign(_line(content))).decode()
        line = _line(content)
        try:
            with self.path.open("ab") as file:
                file.truncate(sum(len(whole) + 1 for whole in self._lines()))
                file.write(line + b"\n")
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise InputError(f"{self.path}: cannot be written: {error.strerror or error}") from error
        return Head(head.entries + 1, hashlib.sha256(line).hexdigest())

    def head(self) -> Head:
        """Return where the log stands, after checking all of it."""
        head = Head(0, START)
        for _, head in self._checked():  # noqa: B007  # the last one is what is wanted
            pass
        return head

    def entries(self, known: Head | None = None, key_ids: frozenset[str] | None = None) -> list[Entry]:
        """Return all lines; refuse a log that was changed, or that no longer contains ``known`` as it was.

        With ``key_ids`` every line must be signed by one of these keys.
        """
        found: list[Entry] = []
        for entry, head in self._checked():
            if known is not None and head.entries == known.entries and head.sha256 != known.sha256:
                raise Refusal("log.tampered", f"{self.path}: line {head.entries} is not what it was")
            if key_ids is not None and entry.signed_by not in key_ids:
                raise Refusal("log.tampered", f"{self.path}: line {head.entries} is not signed by a key that counts")
            found.append(entry)
        if known is not None and len(found) < known.entries:
            message = f"{self.path}: {known.entries} lines were there before, now there are {len(found)}"
            raise Refusal("log.tampered", message)
        return found

    def _checked(self) -> Iterator[tuple[Entry, Head]]:
        previous = START
        for number, line in enumerate(self._lines(), 1):
            try:
                with fail_closed("log.tampered", "line"):
                    entry = _check_line(line, number, previous)
            except Refusal as refusal:
                raise Refusal("log.tampered", f"{self.path}: line {number}: {refusal}") from refusal
            previous = hashlib.sha256(line).hexdigest()
            yield entry, Head(number, previous)

    def _lines(self) -> Iterator[bytes]:
        try:
            with self.path.open("rb") as file:
                while line := file.readline(MOST_LINE_BYTES):
                    if len(line) == MOST_LINE_BYTES:
                        raise Refusal("log.tampered", f"{self.path}: a line is longer than any that is written")
                    if line.endswith(b"\n"):
                        yield line[:-1]
        except FileNotFoundError:
            return
        except OSError as error:
            raise InputError(f"{self.path}: cannot be read: {error.strerror or error}") from error


def _check_line(line: bytes, number: int, previous: str) -> Entry:
    from signing.trust.spelling import parse_object

    content = dict(parse_object(line))
    if _line(content) != line or content["number"] != number or content["previous"] != previous:
        raise Refusal("log.tampered", "the chain of lines is broken")
    signature = content.pop("signature", None)
    signed_by = ""
    if signature is not None:
        key = PublicKey.from_encoded(base64.b64decode(content["key"], validate=True))
        key.verify(_line(content), base64.b64decode(signature, validate=True))
        signed_by = key.key_id
    return Entry(
        number=number, time=content["time"], event=content["event"], details=content["details"], signed_by=signed_by
    )


def _line(content: Mapping[str, Any]) -> bytes:
    return json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode()
