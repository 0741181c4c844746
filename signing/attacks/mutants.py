"""Damaged images: bits, lengths and whole structures of good ones changed at random, the same in every run."""

from __future__ import annotations

import random
import struct
from collections.abc import Callable, Iterator
from typing import Any, Final

from signing.attacks.image_lab import PROGRAM, GoodImage, archive, device_tree
from signing.mcuboot_layout import HEADER, PROTECTED, UNPROTECTED
from signing.strict.device_tree import Node, strict_device_tree
from toolkit.core.window import Window

__all__ = ["mutants"]

NUMBERS: Final = (0, 1, 2, 3, 4, 8, 0x10, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 0x10000, 0x7FFFFFFF, 0xFFFFFFFF)
TLV_KINDS: Final = (
    0x01,
    0x02,
    0x10,
    0x11,
    0x12,
    0x20,
    0x22,
    0x23,
    0x24,
    0x25,
    0x40,
    0x50,
    0x60,
    0x74,
    0x75,
    0xA0,
    0xFFFF,
)


def mutants(good: GoodImage, count: int, seed: int = 1) -> Iterator[GoodImage]:
    """Yield ``count`` damaged copies of ``good``; half of them keep the structure of the format intact."""
    source = random.Random(seed)  # noqa: S311  # the same mutants in every run
    rebuild = REBUILDS.get(good.format)
    for number in range(count):
        if rebuild is not None and number % 2:
            yield rebuild(good, source)
        elif good.signature and source.random() < 0.8:  # the small file is the interesting one
            yield good.having(signature=_damaged(good.signature, source, b""))
        else:
            yield good.having(image=_damaged(good.image, source, PROGRAM))


def _place(data: bytes, source: random.Random, payload: bytes) -> int:
    """Return an offset, seldom one inside of the program, where everything is covered anyway."""
    start = data.find(payload) if payload else -1
    for _try in range(8):
        place = source.randrange(len(data) + 1)
        if start < 0 or not start <= place < start + len(payload):
            return place
    return place


def _damaged(data: bytes, source: random.Random, payload: bytes) -> bytes:
    """Return ``data`` with one to three changes."""
    for _change in range(source.choice((1, 1, 1, 2, 3))):
        data = source.choice(CHANGES)(data, source, _place(data, source, payload))
    return data


def _flip(data: bytes, source: random.Random, place: int) -> bytes:
    changed = bytearray(data or b"\0")
    changed[min(place, len(changed) - 1)] ^= 1 << source.randrange(8)
    return bytes(changed)


def _number(data: bytes, source: random.Random, place: int) -> bytes:
    size, order = source.choice((1, 2, 4)), source.choice(("little", "big"))
    start = place - place % size
    old = int.from_bytes(data[start : start + size], order)  # type: ignore[arg-type]  # one of two words
    new = source.choice((*NUMBERS, old + 1, old - 1, old * 2)) % (1 << (8 * size))
    return data[:start] + new.to_bytes(size, order) + data[start + size :]  # type: ignore[arg-type]  # one of two words


def _cut(data: bytes, source: random.Random, place: int) -> bytes:
    return source.choice((data[:place], data[:place] + data[place + source.randrange(1, 40) :]))


def _insert(data: bytes, source: random.Random, place: int) -> bytes:
    more = source.choice((b"\0", b"\xff", b"\n", b" ", source.randbytes(4), data[place : place + 20], bytes(4096)))
    return data[:place] + more + data[place:]


def _copy(data: bytes, source: random.Random, place: int) -> bytes:
    origin, size = source.randrange(len(data) + 1), source.randrange(1, 64)
    piece = data[origin : origin + size]
    return data[:place] + piece + data[place + len(piece) :]


CHANGES: Final = (_flip, _flip, _number, _cut, _insert, _copy)


def _tlvs(area: bytes) -> list[tuple[int, bytes]]:
    found, place = [], 4
    while place < len(area):
        kind, size = struct.unpack_from("<HH", area, place)
        found.append((kind, area[place + 4 : place + 4 + size]))
        place += 4 + size
    return found


def _area(magic: int, tlvs: list[tuple[int, bytes]]) -> bytes:
    body = b"".join(struct.pack("<HH", kind & 0xFFFF, len(value)) + value for kind, value in tlvs)
    return struct.pack("<HH", magic, (4 + len(body)) & 0xFFFF) + body


def _rebuilt_mcuboot(good: GoodImage, source: random.Random) -> GoodImage:
    """Move, double, drop, rename and add records; lengths, and often the hash, are made right again."""
    import hashlib

    header = HEADER.read(Window.of(good.image))
    middle = header.payload_end + header.protected_tlv_bytes
    areas = [_tlvs(good.image[header.payload_end : middle]), _tlvs(good.image[middle:])]
    for _change in range(source.choice((1, 1, 2, 3))):
        _shuffle(areas, source)
    protected = _area(PROTECTED, areas[0]) if areas[0] or source.randrange(2) else b""
    start = bytearray(good.image[: header.payload_end])
    start[10:12] = struct.pack("<H", len(protected) & 0xFFFF)
    body = bytes(start) + protected
    if source.randrange(2):
        right = hashlib.sha256(body).digest()
        areas[1] = [(kind, right if kind == 0x10 else value) for kind, value in areas[1]]  # SHA256
    return good.having(image=body + _area(UNPROTECTED, areas[1]))


def _shuffle(areas: list[list[tuple[int, bytes]]], source: random.Random) -> None:
    area = source.choice([area for area in areas if area] or areas)
    place = source.randrange(len(area) + 1)
    kind, value = area[min(place, len(area) - 1)] if area else (0, b"")
    action = source.randrange(6)
    if action == 0 and area:
        area.pop(min(place, len(area) - 1))
    elif action == 1:
        source.choice(areas).insert(0, (kind, value))
    elif action == 2:  # one of six changes
        area.append((kind, value))
    elif action == 3:  # one of six changes
        area.insert(place, (source.choice(TLV_KINDS), source.choice((b"", b"\1", bytes(4), bytes(16), bytes(32)))))
    elif action == 4:  # one of six changes
        source.shuffle(area)
    else:
        area[:] = [(source.choice(TLV_KINDS) if i == place else k, v) for i, (k, v) in enumerate(area)]


def _rebuilt_fit(good: GoodImage, source: random.Random) -> GoodImage:
    tree = _as_dictionary(strict_device_tree(good.image).root)
    for _change in range(source.choice((1, 1, 2, 3))):
        _change_tree(tree, source)
    return good.having(image=device_tree(tree))


def _as_dictionary(node: Node) -> dict[str, Any]:
    return {**node.properties, **{name: _as_dictionary(child) for name, child in node.children.items()}}


def _change_tree(tree: dict[str, Any], source: random.Random) -> None:
    node = source.choice(_nodes(tree))
    names = list(node)
    if not names:
        return
    name = source.choice(names)
    value = node[name]
    action = source.randrange(5)
    if action == 0:
        del node[name]
    elif action == 1:
        node[source.choice((name + "@1", name + "-2", "data", "hash-2", "default", "padding", ""))] = value
    elif action == 2 and isinstance(value, bytes):  # one of five changes
        node[name] = _damaged(value, source, b"")
    elif action == 3:  # one of five changes
        shuffled = source.sample(list(node.items()), len(node))
        shuffled.sort(key=lambda item: isinstance(item[1], dict))
        node.clear()
        node.update(shuffled)
    else:
        other = source.choice(_nodes(tree))
        if not isinstance(value, dict):
            other[name] = value


def _nodes(tree: dict[str, Any]) -> list[dict[str, Any]]:
    return [tree] + [node for child in tree.values() if isinstance(child, dict) for node in _nodes(child)]


def _rebuilt_suit(good: GoodImage, source: random.Random) -> GoodImage:
    from cbor2 import CBORTag, dumps, loads

    envelope = dict(loads(good.image).value)
    wrapper = list(loads(envelope[2]))
    key = source.choice(list(envelope))
    action = source.randrange(6)
    if action == 0:
        wrapper.insert(source.randrange(len(wrapper) + 1), source.choice(wrapper))
    elif action == 1:
        wrapper[source.randrange(len(wrapper))] = _damaged(source.choice(wrapper), source, b"")
    elif action == 2:  # one of six changes
        wrapper.reverse()
    elif action == 3:  # one of six changes
        envelope[3] = _damaged(envelope[3], source, b"")
    elif action == 4:  # one of six changes
        envelope[source.choice((1, 4, 99, "#x"))] = envelope[key]
    else:
        del envelope[key]
    if 2 in envelope:  # the authentication
        envelope[2] = dumps(wrapper, canonical=True)
    tag = source.choice((107, 107, 107, 106))
    return good.having(image=dumps(CBORTag(tag, envelope), canonical=bool(source.randrange(4))))


def _rebuilt_swupdate(good: GoodImage, source: random.Random) -> GoodImage:
    from signing.images.swupdate import entries

    files = list(entries(good.image))
    place = source.randrange(len(files))
    name, content = files[place]
    changes: tuple[Callable[[], object], ...] = (
        lambda: files.pop(place),
        lambda: files.append((name, content)),
        lambda: files.append((source.choice(("../x", "X.BIN", "PUMP.bin", "a", "/x")), content)),
        files.reverse,
        lambda: files.__setitem__(place, (name, _damaged(content, source, PROGRAM))),
        lambda: files.__setitem__(place, (source.choice(("sw-description", "b", "pump.bin")), content)),
        lambda: source.shuffle(files),
    )
    source.choice(changes)()
    return good.having(image=archive(*files, mode=source.choice((0o100644, 0o100644, 0o120777, 0o020644))))


def _rebuilt_lines(good: GoodImage, source: random.Random) -> GoodImage:
    lines = good.signature.split(b"\n")
    place = source.randrange(len(lines))
    changes: tuple[Callable[[], object], ...] = (
        lambda: lines.pop(place),
        lambda: lines.insert(place, source.choice(lines)),
        lines.reverse,
        lambda: lines.__setitem__(place, lines[place] + source.choice((b" ", b"\r", b"=", b"A", b"\0", b"x"))),
        lambda: lines.__setitem__(place, lines[place][: source.randrange(len(lines[place]) + 1)]),
        lambda: lines.__setitem__(0, b"untrusted comment: " + source.randbytes(5)),
    )
    source.choice(changes)()
    return good.having(signature=b"\n".join(lines))


REBUILDS: Final[dict[str, Callable[[GoodImage, random.Random], GoodImage]]] = {
    "mcuboot": _rebuilt_mcuboot,
    "fit": _rebuilt_fit,
    "suit": _rebuilt_suit,
    "swupdate": _rebuilt_swupdate,
    "minisign": _rebuilt_lines,
    "signify": _rebuilt_lines,
}
