"""U-Boot FIT images: kernel, device trees and RAM disk in one tree, with hashes and signatures."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from firmware_checks.format import ImageFormat, Magic, Opened, Part
from firmware_checks.readers.entry_names import visible
from firmware_checks.readers.flat_tree import FlatTree, Node, TreeSource, build_tree, read_tree
from firmware_checks.readers.u_boot_names import kind_of, program_of
from firmware_checks.span import Span
from toolkit.core.errors import FormatError
from toolkit.core.limits import Limits
from toolkit.core.problems import Problems
from toolkit.core.window import Window
from toolkit.report.model import Fact, Integrity, RegionKind

__all__ = ["FORMAT"]

HASHES: Final = frozenset({"md5", "sha1", "sha256", "sha384", "sha512"})
MOST_IMAGES = 1000
MOST_HASHES = 16
"""Hashes of one image that are computed; more are a way to keep a computer busy."""
MOST_TOLD = 50


@dataclass(slots=True)
class _Reader:
    window: Window
    tree: FlatTree
    problems: Problems = field(default_factory=Problems)
    parts: list[Part] = field(default_factory=list)

    def read_images(self, images: Node) -> None:
        """Find each image's bytes; of two that claim the same bytes only the first in the file is looked into."""
        placed: list[tuple[int, int, Node]] = []
        for image in list(images.children.values())[:MOST_IMAGES]:
            try:
                placed.append((*self._place(image), image))
            except FormatError as error:
                self.problems.add(f"image was not read: {error}", visible(image.name))
        if len(images.children) > MOST_IMAGES:
            self.problems.add(f"only the first {MOST_IMAGES} of {len(images.children)} images were read")
        position = 0
        for start, end, image in sorted(placed, key=lambda place: place[:2]):
            if start < position:
                self.problems.add("image shares its bytes with another one and was not read", visible(image.name))
                continue
            self.parts.append(self._part(start, end, image))
            position = end

    def _place(self, image: Node) -> tuple[int, int]:
        """Return where the image's bytes are: in the tree itself, or behind it."""
        data = image.properties.get("data")
        if data is not None:
            return data.start, data.start + len(data.data)
        size = image.number("data-size")
        start, offset = image.number("data-position"), image.number("data-offset")
        if start is None and offset is not None:
            start = self.tree.size + -self.tree.size % 4 + offset
        if size is None or start is None:
            raise FormatError("it does not say where its data is")
        self.window.take(start, size)
        return start, start + size

    def _part(self, start: int, end: int, image: Node) -> Part:
        type_name, compression = image.text("type"), image.text("compression") or "none"
        encrypted = "cipher" in image.children
        load = image.number("load")
        program = program_of(
            type_name=type_name,
            arch=image.text("arch"),
            system=image.text("os"),
            compression=compression,
            load=load,
            entry=image.number("entry"),
        )
        names = ("description", "type", "arch", "os", "compression")
        facts: dict[str, Fact] = {name: image.text(name) for name in names if image.text(name)}
        hints = _key_hints([image])
        return Part(
            start=start,
            end=end,
            title=visible(image.name),
            kind=RegionKind.ENCRYPTED if encrypted else kind_of(type_name, compression),
            address=load if compression == "none" and not encrypted else None,
            look_inside=not encrypted,
            program=None if encrypted else program,
            facts={**facts, **({"signed_with": hints} if hints else {})},
            integrity=tuple(self._verdicts(image, self.window.take(start, end - start))),
        )

    def _verdicts(self, image: Node, data: memoryview) -> Iterator[Integrity]:
        """Compute again what the image's hash nodes say. Source: source_file_format.rst, hash nodes."""
        nodes = [node for node in image.children.values() if node.name.startswith("hash")]
        for node in nodes[:MOST_HASHES]:
            value = node.properties.get("value")
            algorithm = node.text("algo")
            computed = _computed(algorithm, data)
            if value is None or computed is None:
                what = f"hash by '{algorithm}' is not known here" if value is not None else "hash has no value"
                self.problems.add(what, visible(image.name))
                continue
            stored = bytes(value.data)
            yield Integrity(
                algorithm=algorithm,
                covers=f"image {visible(image.name)}",
                stored=stored.hex(),
                computed=computed.hex(),
                valid=stored == computed,
            )


def _computed(algorithm: str, data: memoryview) -> bytes | None:
    if algorithm == "crc32":
        return zlib.crc32(data).to_bytes(4, "big")
    if algorithm in HASHES:
        return hashlib.new(algorithm, data, usedforsecurity=False).digest()
    return None


def _open(span: Span, limits: Limits) -> Opened:  # noqa: ARG001  # the contract of every format
    tree = read_tree(span.window)
    images = tree.root.at("images")
    if images is None:
        raise FormatError(f"the device tree at {span.window.origin:#x} holds no images")
    reader = _Reader(span.window, tree)
    reader.read_images(images)
    description = tree.root.text("description")
    return Opened(
        size=max(tree.size, *(part.end for part in reader.parts)) if reader.parts else tree.size,
        kind=RegionKind.CONTAINER,
        title="U-Boot FIT image",
        facts={**({"description": description} if description else {}), **_facts(tree.root, images)},
        parts=tuple(reader.parts),
        problems=(*tree.problems, *reader.problems.sentences()),
    )


def _facts(root: Node, images: Node) -> dict[str, Fact]:
    """Return what is known about trust: a signed configuration covers all its images, a signed image only itself."""
    configurations = root.at("configurations") or Node("configurations")
    signed = [name for name, node in configurations.children.items() if _signatures(node)]
    unsigned = [name for name in configurations.children if name not in signed]
    signed_images = [node for node in images.children.values() if _signatures(node)]
    facts: dict[str, Fact] = {
        "images": len(images.children),
        "configurations": _told(list(configurations.children)),
        "default_configuration": configurations.text("default"),
        "signed": bool(signed or signed_images),
        "signature_algorithms": _algorithms([*configurations.children.values(), *signed_images]),
        "key_name_hints": _key_hints([*configurations.children.values(), *signed_images]),
        "signature_over": "configurations" if signed else "single images" if signed_images else "",
        "unsigned_configurations": _told(unsigned) if signed else (),
    }
    created = root.number("timestamp")
    if created is not None:
        facts["created_s"] = created
    return {name: fact for name, fact in facts.items() if fact not in ("", ())}


def _signatures(node: Node) -> list[Node]:
    """Return the signatures on an image or a configuration; one without a value was never made."""
    children = (child for child in node.children.values() if child.name.startswith("signature"))
    return [child for child in children if len(child.properties["value"].data if "value" in child.properties else b"")]


def _algorithms(nodes: list[Node]) -> tuple[str, ...]:
    return tuple(sorted({s.text("algo") for node in nodes for s in _signatures(node)} - {""})[:MOST_TOLD])


def _key_hints(nodes: list[Node]) -> tuple[str, ...]:
    return tuple(sorted({s.text("key-name-hint") for node in nodes for s in _signatures(node)} - {""})[:MOST_TOLD])


def _told(names: list[str]) -> tuple[str, ...]:
    return tuple(visible(name) for name in names[:MOST_TOLD])


def _example() -> bytes:
    kernel, tree = b"the kernel of a pump", build_tree({"model": b"Pump controller\0"})
    signature: TreeSource = {
        "algo": b"sha256,rsa2048\0",
        "key-name-hint": b"dev\0",
        "value": bytes(range(32)),
    }
    images: TreeSource = {
        "kernel": {
            "description": b"Linux\0", "data": kernel, "type": b"kernel\0", "arch": b"arm64\0", "os": b"linux\0",
            "compression": b"none\0", "load": bytes.fromhex("80080000"), "entry": bytes.fromhex("80080000"),
            "hash-1": {"algo": b"sha256\0", "value": hashlib.sha256(kernel).digest()},
        },
        "fdt": {
            "data": tree, "type": b"flat_dt\0", "arch": b"arm64\0", "compression": b"none\0",
            "hash-1": {"algo": b"crc32\0", "value": zlib.crc32(tree).to_bytes(4, "big")},
        },
    }  # fmt: skip
    conf: TreeSource = {"kernel": b"kernel\0", "fdt": b"fdt\0", "signature-1": signature}
    return build_tree({"images": images, "configurations": {"default": b"conf-1\0", "conf-1": conf}})


FORMAT = ImageFormat(
    name="fit",
    title="U-Boot FIT image",
    source="U-Boot doc/usage/fit/source_file_format.rst and signature.rst",
    limits=(
        "Hashes of single images are computed again; a signature is seen but not verified. Encrypted images are not "
        "looked into."
    ),
    open=_open,
    magics=(Magic(rb"\xd0\x0d\xfe\xed"),),
    try_order=-1,
    stands_alone=True,
    example=_example,
)
