"""Attacks on the form of an update package: archive, names, JSON."""

from __future__ import annotations

from io import BytesIO
from typing import Any

from signing.attacks.lab import MODEL, Offer, repacked
from signing.attacks.package_bench import Attacks, PackageBench, restated
from signing.package.archive import BLOCK_BYTES, Archive
from signing.package.extract import extract
from signing.refusal import Refusal

__all__ = ["ATTACKS"]

attack = Attacks()
ATTACKS = attack.found


def _with_header(on: PackageBench, at: int, new: bytes) -> Offer:
    """Change bytes of the header of the first metadata file, and mend its checksum."""
    package = bytearray(on.good.package)
    header = 2 * BLOCK_BYTES
    package[header + at : header + at + len(new)] = new
    block = bytearray(package[header : header + BLOCK_BYTES])
    block[148:156] = b" " * 8
    package[header + 148 : header + 156] = b"%06o\0 " % sum(block)
    return on.good.having(package=bytes(package))


@attack(48, "one byte behind the end", "package.trailing")
def _(on: PackageBench) -> Offer:
    return on.good.having(package=on.good.package + b"\0")


@attack(48, "a second archive behind the first", "package.trailing")
def _(on: PackageBench) -> Offer:
    return on.good.having(package=on.good.package + on.good.package)


@attack(48, "a file that nobody has approved", "package.extra")
def _(on: PackageBench) -> Offer:
    extra = (f"files/{MODEL}/2.1.0/extra.bin", b"extra")
    return on.good.having(package=repacked(on.good.package, lambda _, d: d, [extra]))


@attack(49, "cut short at every block, and at every byte of the first", "package.truncated", "package.trailing")
def _(on: PackageBench) -> None:
    package = on.good.package
    sizes = [*range(BLOCK_BYTES), *range(BLOCK_BYTES, len(package), BLOCK_BYTES), len(package) - 1]
    last: Refusal | None = None
    for size in sizes:
        try:
            on.good.having(package=package[:size]).verify()
        except Refusal as refusal:
            last = refusal
        else:
            return
    if last is not None:
        raise last


@attack(50, "a size of zero", "package.form", "package.name")
def _(on: PackageBench) -> Offer:
    return _with_header(on, 124, b"00000000000")


@attack(50, "the largest size there is", "package.truncated")
def _(on: PackageBench) -> Offer:
    return _with_header(on, 124, b"77777777777")


@attack(50, "a size in base 256", "package.form")
def _(on: PackageBench) -> Offer:
    return _with_header(on, 124, b"\x80" + bytes(10))


@attack(51, "a key twice in JSON", "json.duplicate-key")
def _(on: PackageBench) -> Offer:
    return on.with_file("vendor/timestamp.json", lambda d: b'{"signatures":[],' + d[1:])


@attack(51, "NaN in JSON", "json.number")
def _(on: PackageBench) -> Offer:
    return on.with_file("vendor/timestamp.json", lambda d: b'{"a":NaN,' + d[1:])


@attack(51, "JSON nested a thousand deep", "json.depth")
def _(on: PackageBench) -> Offer:
    return on.with_file("vendor/timestamp.json", lambda _: b"[" * 1000 + b"]" * 1000)


@attack(51, "blanks between the signs of JSON", "json.canonical")
def _(on: PackageBench) -> Offer:
    return on.with_file("vendor/timestamp.json", lambda d: d.replace(b":", b": ", 1))


@attack(51, "a signature that does not count beside those that do", "trust.signature")
def _(on: PackageBench) -> Offer:
    def more(content: dict[str, Any]) -> None:
        content["signatures"] = sorted(
            [*content["signatures"], {"keyid": "0" * 64, "sig": "00"}], key=lambda signature: str(signature["keyid"])
        )

    return on.with_json(f"vendor/{MODEL}.json", more)


def _named(on: PackageBench, name: bytes) -> Offer:
    return _with_header(on, 0, name.ljust(100, b"\0"))


for _what, _name in {
    "../": b"../../etc/passwd",
    "an absolute path": b"/etc/passwd",
    "a drive": b"c:/windows/system32/x",
    "a backslash": b"vendor\\1.root.json",
    "a capital letter": b"Vendor/1.root.json",
    "a name of a Windows device": b"vendor/con.json",
    "a sign that turns the reading direction": "vendor/\u202exe.json".encode(),
    "something behind a NUL": b"vendor/a.json\0../b",
    "a point at the end": b"vendor/a.",
    "an empty part": b"vendor//a",
}.items():
    attack(52, f"a name with {_what}", "package.name", "package.form")(lambda on, n=_name: _named(on, n))  # type: ignore[misc]  # bound now

for _what, _kind in {"a hard link": b"1", "a symbolic link": b"2", "a device": b"3", "a folder": b"5"}.items():
    attack(52, _what, "package.form")(lambda on, k=_kind: _with_header(on, 156, k))  # type: ignore[misc]  # bound now


@attack(53, "metadata of a gigabyte", "package.truncated", "package.size")
def _(on: PackageBench) -> Offer:
    return _with_header(on, 124, b"07777777777")


@attack(53, "metadata that is longer than any", "package.size")
def _(on: PackageBench) -> Offer:
    return on.with_file("vendor/timestamp.json", lambda d: d + b" " * 20_000)


@attack(52, "a file whose name leads elsewhere, in a statement that everybody has approved", "package.name")
def _(on: PackageBench) -> Offer:
    return restated(on, b'"name": "main.bin"', b'"name": "../main.bin"')


@attack(51, "a statement with blanks that everybody has approved", "json.canonical")
def _(on: PackageBench) -> Offer:
    return restated(on, b'"name": "main.bin"', b'"name":  "main.bin"')


@attack(52, "a letter that is another one in capitals", "package.name")
def _(on: PackageBench) -> Offer:
    return _named(on, "vendor/time\u017ftamp.json".encode())


@attack(52, "a file of the package twice, the second one different", "package.name")
def _(on: PackageBench) -> Offer:
    end = len(on.good.package) - 2 * BLOCK_BYTES
    member = Archive(BytesIO(on.good.package)).members[f"files/{MODEL}/2.1.0/notes.txt"]
    size = BLOCK_BYTES + member.size + -member.size % BLOCK_BYTES
    second = bytearray(on.good.package[member.offset - BLOCK_BYTES :][:size])
    second[BLOCK_BYTES] ^= 1
    return on.good.having(package=on.good.package[:end] + bytes(second) + bytes(2 * BLOCK_BYTES))


@attack(52, "two vendor files whose original names are one", "name.collision")
def _(on: PackageBench) -> object:
    statement = restated(on, b'"name": "main.bin",', b'"name": "main.bin",\n      "original_name": "NOTES.TXT",')
    return list(extract(statement.verify(), on.lab.path / "collision", original_names=True))


@attack(41, "a model for which a sign stands that means any", "package.release")
def _(on: PackageBench) -> Offer:
    return restated(on, b'"model": "lab-pump"', b'"model": "*"')


@attack(37, "a statement of another version than its folder, approved by everybody", "package.release")
def _(on: PackageBench) -> Offer:
    return restated(on, b'"version": "2.1.0"', b'"version": "2.1.1"')
