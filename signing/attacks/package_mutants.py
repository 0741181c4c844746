"""Endless variations of a good package, made by somebody who knows its structure: each must be refused.

They are the same for the same number, so that one that got through can be made again.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from io import BytesIO
from typing import Any, Final

from securesystemslib.formats import encode_canonical

from signing.attacks.lab import LabKey, repacked
from signing.package.archive import BLOCK_BYTES, MARKER_NAME, Archive
from signing.trust.tuf_keys import TufSigner

__all__ = ["PackageMutants"]

MOST_CONTENT_BYTES: Final = 1 << 26
SIGNS: Final = b'"{}[]:,0123456789abcdef\\ntrue \x00\xff'
HEADER_FIELDS: Final = (
    (0, 100),
    (100, 8),
    (108, 8),
    (116, 8),
    (124, 12),
    (136, 12),
    (156, 1),
    (157, 100),
    (257, 8),
    (345, 155),
)
"""Offset and size of the fields of a tar header that say something."""
CHECKSUM: Final = slice(148, 156)
HALF: Final = 0.5
MOSTLY: Final = 0.8


class PackageMutants:
    """Makes mutants of the package ``good``."""

    def __init__(self, good: bytes) -> None:
        self._good = good
        archive = Archive(BytesIO(good))
        self._members = dict(archive.members)
        self._contents = {name: archive.read(name, MOST_CONTENT_BYTES) for name in archive.members}
        self._names = [name for name in self._contents if name != MARKER_NAME]
        self._json = [name for name in self._names if name.endswith(".json")]
        self._signed = [name for name in self._json if not name.startswith("files/")]
        self._stranger = TufSigner(LabKey("stranger"))
        self._ways: tuple[Callable[[random.Random], bytes], ...] = (
            self._flip_bits,
            self._flip_in_json,
            self._change_header,
            self._cut,
            self._extend,
            self._leave_out,
            self._swap_contents,
            self._repeat_member,
            self._change_value,
            self._change_value,
            self._change_value,
            self._change_signature,
            self._sign_anew,
            self._move_blocks,
        )

    def make(self, number: int) -> bytes:
        """Return mutant ``number``; it is never the good package itself."""
        chance = random.Random(number)  # noqa: S311  # it must be the same every time
        while True:
            mutant = chance.choice(self._ways)(chance)
            if mutant != self._good:
                return mutant

    # On the bytes ----------------------------------------------------------------------------------------------------

    def _flip_bits(self, chance: random.Random) -> bytes:
        data = bytearray(self._good)
        for _ in range(chance.choice((1, 1, 1, 2, 8))):
            data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
        return bytes(data)

    def _flip_in_json(self, chance: random.Random) -> bytes:
        member = self._members[chance.choice(self._json)]
        data = bytearray(self._good)
        data[member.offset + chance.randrange(member.size)] = chance.choice(SIGNS)
        return bytes(data)

    def _change_header(self, chance: random.Random) -> bytes:
        """Change a field of a header and mend its checksum."""
        start = self._members[chance.choice(self._names)].offset - BLOCK_BYTES
        data = bytearray(self._good)
        header = bytearray(data[start : start + BLOCK_BYTES])
        at, size = chance.choice(HEADER_FIELDS)
        header[at + chance.randrange(size)] = chance.choice(b"\x000123457/.aA\x80\xff")
        header[CHECKSUM] = b" " * 8
        header[CHECKSUM] = b"%06o\0 " % sum(header)
        data[start : start + BLOCK_BYTES] = header
        return bytes(data)

    def _cut(self, chance: random.Random) -> bytes:
        return self._good[: chance.randrange(len(self._good))]

    def _extend(self, chance: random.Random) -> bytes:
        return self._good + chance.choice((b"\0", bytes(BLOCK_BYTES), b"x" * 7, self._good))

    def _move_blocks(self, chance: random.Random) -> bytes:
        """Copy a block over another one, or take one out."""
        count = len(self._good) // BLOCK_BYTES
        one, two = chance.randrange(count) * BLOCK_BYTES, chance.randrange(count) * BLOCK_BYTES
        data = bytearray(self._good)
        if chance.random() < HALF:
            data[two : two + BLOCK_BYTES] = self._good[one : one + BLOCK_BYTES]
        else:
            del data[one : one + BLOCK_BYTES]
        return bytes(data)

    # On the files ----------------------------------------------------------------------------------------------------

    def _leave_out(self, chance: random.Random) -> bytes:
        gone = chance.choice(self._names)
        return repacked(self._good, lambda name, data: None if name == gone else data)

    def _swap_contents(self, chance: random.Random) -> bytes:
        one, two = chance.sample(self._names, 2)
        other = {one: two, two: one}
        return repacked(self._good, lambda name, _: self._contents[other.get(name, name)])

    def _repeat_member(self, chance: random.Random) -> bytes:
        name = chance.choice(self._names)
        copy = f"{name}.{chance.randrange(1000)}"
        return repacked(self._good, lambda _, data: data, [(copy, self._contents[name])])

    # On the meaning --------------------------------------------------------------------------------------------------

    def _rewritten(self, name: str, content: Any) -> bytes:
        """Return the package with ``content`` in the member ``name``, spelled as it must be."""
        if name in self._signed:
            text = json.dumps(content, sort_keys=True, separators=(",", ":"))
        else:
            text = json.dumps(content, sort_keys=True, indent=2) + "\n"
        return repacked(self._good, lambda n, data: text.encode() if n == name else data)

    def _change_value(self, chance: random.Random) -> bytes:
        """Change, remove or add one value anywhere in a document."""
        name = chance.choice(self._json)
        content = json.loads(self._contents[name])
        place: Any = content
        while place:
            key = chance.choice(list(place) if isinstance(place, dict) else list(range(len(place))))
            inner = place[key]
            if not isinstance(inner, dict | list) or not inner or chance.random() > MOSTLY:
                _damage(chance, place, key)
                break
            place = inner
        return self._rewritten(name, content)

    def _change_signature(self, chance: random.Random) -> bytes:
        """Exchange, shorten, lengthen or invent signatures."""
        name = chance.choice(self._signed)
        content = json.loads(self._contents[name])
        other = json.loads(self._contents[chance.choice(self._signed)])
        signatures = content["signatures"]
        signature = chance.choice(signatures)
        ways: tuple[Callable[[], object], ...] = (
            lambda: signatures.remove(signature),
            lambda: signatures.append({**signature, "keyid": "0" * 64}),
            lambda: signature.update(sig=signature["sig"][:-2]),
            lambda: signature.update(sig=signature["sig"].upper()),
            lambda: signature.update(chance.choice(other["signatures"])),
            lambda: content.update(signatures=other["signatures"]),
            lambda: signature.update(extra=1),
        )
        chance.choice(ways)()
        return self._rewritten(name, content)

    def _sign_anew(self, chance: random.Random) -> bytes:
        """Let a stranger sign, as himself or under the name of somebody who counts."""
        name = chance.choice(self._signed)
        content = json.loads(self._contents[name])
        content["signed"]["version"] += chance.randrange(2)
        signature = self._stranger.sign((encode_canonical(content["signed"]) or "").encode()).to_dict()
        if chance.random() < HALF:
            signature["keyid"] = content["signatures"][0]["keyid"]
        content["signatures"] = [signature]
        return self._rewritten(name, content)


def _damage(chance: random.Random, place: Any, key: Any) -> None:
    value = place[key]
    way = chance.randrange(4)
    if way == 0:
        del place[key]
    elif way == 1 and isinstance(place, dict):
        place[f"{key}{chance.randrange(9)}"] = value
    elif way == 1:
        place.append(value)
    else:
        place[key] = _other(chance, value)


def _other(chance: random.Random, value: Any) -> Any:
    """Return something else of the same kind, mostly close to ``value``."""
    if isinstance(value, int):
        return chance.choice((value + 1, value - 1, 0, -value, 1 << 31, 1 << 63, str(value)))
    if isinstance(value, str):
        at = chance.randrange(len(value) + 1)
        return chance.choice((f"{value[:at]}0{value[at:]}", value[:at], value.upper(), value[::-1], "", "../x", 7))
    return chance.choice((None, [], {}, 0, "x", [value]))
