"""U-Boot FIT images: every configuration must be signed with all it names; what is covered is worked out here."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Iterator
from typing import Final

from signing.algorithms.ecdsa import low_s
from signing.classic_rsa import verify_any_salt, verify_pkcs1
from signing.image import Fact, ImageTrust, SignedImageFormat, VerifiedImage
from signing.key import PublicKey
from signing.refusal import Refusal
from signing.strict.device_tree import (
    BEGIN_NODE,
    END,
    END_NODE,
    MAGIC,
    NOP,
    PROPERTY,
    DeviceTree,
    Node,
    Tag,
    strict_device_tree,
)

__all__ = ["IMAGE", "covered_bytes"]

UNCOVERED: Final = ("data", "data-size", "data-position", "data-offset")
"""Properties of images that the signature leaves out; the hash of the image stands for them."""
NOT_IMAGES: Final = ("description", "compatible", "default", "load-only")
"""Properties of a configuration that name no image. Source: U-Boot boot/image-fit.c."""
HASHES: Final = ("sha256", "sha384", "sha512")
ALGORITHMS: Final = {
    "rsa2048": "rsa-pss-2048-sha256",
    "rsa3072": "rsa-pss-3072-sha256",
    "rsa4096": "rsa-pss-4096-sha256",
    "ecdsa256": "ecdsa-p256-sha256",
    "ecdsa384": "ecdsa-p384-sha384",
}
"""The key's algorithm by U-Boot's name of it."""
PADDINGS: Final = {"pkcs-1.5": verify_pkcs1, "pss": verify_any_salt}
SIGNATURE_PROPERTIES: Final = {
    "algo",
    "hashed-nodes",
    "hashed-strings",
    "key-name-hint",
    "padding",
    "sign-images",
    "signer-name",
    "signer-version",
    "timestamp",
    "value",
}
"""What mkimage writes into the node of a signature; ``hashed-nodes`` is not believed (CVE-2026-46728)."""
SIGNATURE, HASH = "signature", "hash"


def _verify(image: bytes, signature: bytes, trust: ImageTrust) -> VerifiedImage:  # noqa: ARG001  # it is inside
    tree = strict_device_tree(image)
    images, configurations = (tree.root.children.get(name, Node("/")) for name in ("images", "configurations"))
    if not images.children or not configurations.children:
        raise Refusal("fit.structure", "the image has no configurations or no images")
    _check_unsigned_parts(images, configurations)
    signers: dict[str, PublicKey] = {}
    used: set[str] = set()
    for configuration in configurations.children.values():
        named = _named_images(configuration, images)
        used |= {node.path for node in named}
        for key in _signers(image, tree, configuration, named, trust):
            signers[key.key_id] = key
    _check_default(configurations)
    ends = [_check_image(image, tree, node, used) for node in images.children.values()]
    if image[max([tree.header.total_bytes, *ends]) :].strip(b"\0"):
        raise Refusal("fit.trailing", "something follows the image, and nothing vouches for it")
    return VerifiedImage(
        format="fit",
        key_ids=tuple(signers),
        algorithms=tuple(key.name for key in signers.values()),
        facts=_facts(tree, configurations),
    )


def _check_unsigned_parts(images: Node, configurations: Node) -> None:
    """Refuse anything in the parts that no signature covers but what U-Boot looks for there."""
    if images.properties or not set(configurations.properties) <= {"default"}:
        raise Refusal("fit.unsigned", "the nodes images or configurations hold what no signature covers")
    for configuration in configurations.children.values():
        for name, node in configuration.children.items():
            if not name.startswith(SIGNATURE) or node.children or not set(node.properties) <= SIGNATURE_PROPERTIES:
                raise Refusal("fit.unsigned", f"{node.path} holds what no signature covers")


def _check_default(configurations: Node) -> None:
    default = configurations.text("default")
    if default and default not in configurations.children:
        raise Refusal("fit.default", "the default configuration is not there")


def _named_images(configuration: Node, images: Node) -> list[Node]:
    """Return the images that a configuration names; it is signed together with all of them."""
    named: list[Node] = []
    for name in configuration.properties:
        if name in NOT_IMAGES:
            continue
        for text in configuration.texts(name):
            if text not in images.children:
                raise Refusal("fit.structure", f"{configuration.path}: {name} names an image that is not there")
            named.append(images.children[text])
    if not named:
        raise Refusal("fit.structure", f"{configuration.path} names no image")
    return named


def covered_bytes(tree: DeviceTree, configuration: Node, named: list[Node], image: bytes, strings_bytes: int) -> bytes:
    """Return what a signature of a configuration covers, as U-Boot works it out. Source: boot/image-fit-sig.c."""
    wanted = {"/", configuration.path}
    for node in named:
        wanted |= {node.path} | {
            c.path for n, c in node.children.items() if n.startswith((HASH, "cipher", "dm-verity"))
        }
    pieces = b"".join(image[tag.start : tag.end] for tag in _included(tree.tags, wanted))
    return pieces + tree.strings[:strings_bytes]


def _included(tags: tuple[Tag, ...], wanted: set[str]) -> Iterator[Tag]:
    """Yield the tags of wanted nodes with their properties, and of the nodes next to them without."""
    reach, above = 0, [0]
    for tag in tags:
        if tag.kind == BEGIN_NODE:
            above.append(reach)
            reach = 2 if tag.name in wanted else max(0, reach - 1)
        is_included = {
            BEGIN_NODE: reach > 0,
            END_NODE: reach > 0,
            PROPERTY: reach == 2 and tag.name not in UNCOVERED,
            NOP: reach == 2,
            END: True,
        }[tag.kind]
        if tag.kind == END_NODE:
            reach = above.pop()
        if is_included:
            yield tag


def _signers(
    image: bytes, tree: DeviceTree, configuration: Node, named: list[Node], trust: ImageTrust
) -> Iterator[PublicKey]:
    """Yield the trusted keys that signed a configuration; at least one must have."""
    nodes = [node for name, node in configuration.children.items() if name.startswith(SIGNATURE)]
    if not nodes:
        raise Refusal("signature.missing", f"{configuration.path} is not signed")
    found = 0
    for node in nodes:
        key_name, check = _algorithm(node)
        covered = covered_bytes(tree, configuration, named, image, _strings_bytes(node, tree))
        for key in trust.keys:
            if key.name == key_name and _is_signed(key, check, covered, node.properties.get("value", b"")):
                trust.policy.check_key(key)
                found += 1
                yield key
    if not found:
        raise Refusal("signature.unknown-key", f"{configuration.path} is not signed by a key that is trusted")


def _algorithm(node: Node) -> tuple[str, Callable[[PublicKey, bytes, bytes], None]]:
    """Return the algorithm of the key, and what checks such a signature: (key, what is covered, signature)."""
    hash_name, _comma, key_name = node.text("algo").partition(",")
    check = PADDINGS.get(node.text("padding") or "pkcs-1.5")
    if hash_name not in HASHES or key_name not in ALGORITHMS or check is None:
        raise Refusal("algorithm.unknown", f"{node.path}: the signature algorithm is not offered")
    if key_name.startswith("ecdsa"):
        return ALGORITHMS[key_name], _check_ecdsa
    return ALGORITHMS[key_name], lambda key, covered, signature: check(key, hash_name, covered, signature)


def _check_ecdsa(key: PublicKey, covered: bytes, signature: bytes) -> None:
    key.verify(covered, _der(key, signature))


def _strings_bytes(node: Node, tree: DeviceTree) -> int:
    """Return how much of the table of names is covered; all names in use must be."""
    value = node.properties.get("hashed-strings", b"")
    size = int.from_bytes(value[4:8], "big")
    if len(value) != 8 or value[:4] != bytes(4) or size > len(tree.strings):
        raise Refusal("fit.strings", f"{node.path} does not cover the names of the properties")
    return size


def _is_signed(
    key: PublicKey, check: Callable[[PublicKey, bytes, bytes], None], covered: bytes, signature: bytes
) -> bool:
    try:
        check(key, covered, signature)
    except Refusal:
        return False
    return True


def _der(key: PublicKey, signature: bytes) -> bytes:
    """Return a signature of two numbers of fixed size as a sequence, with the smaller s."""
    from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

    half = len(signature) // 2
    r, s = int.from_bytes(signature[:half], "big"), int.from_bytes(signature[half:], "big")
    return low_s(key.name, encode_dss_signature(r, s))


def _check_image(image: bytes, tree: DeviceTree, node: Node, used: set[str]) -> int:
    """Check the hashes of an image, and return where its data ends when it stands behind the tree."""
    if node.path not in used:
        raise Refusal("fit.unsigned-image", f"{node.path} belongs to no configuration, and nothing vouches for it")
    data, end = _data(image, tree, node)
    hashes = [child for name, child in node.children.items() if name.startswith(HASH)]
    for child in hashes:
        name = child.text("algo")
        if name not in HASHES:
            raise Refusal("fit.hash", f"{child.path}: {name[:20]!r} is no hash that proves anything")
        if not hmac.compare_digest(hashlib.new(name, data).digest(), child.properties.get("value", b"")):
            raise Refusal("fit.hash", f"{node.path} is not what was signed")
    if not hashes:
        raise Refusal("fit.hash", f"{node.path} has no hash")
    return end


def _data(image: bytes, tree: DeviceTree, node: Node) -> tuple[bytes, int]:
    position, offset, size = (node.number(name) for name in ("data-position", "data-offset", "data-size"))
    if (position is None) + (offset is None) + ("data" not in node.properties) != 2:
        raise Refusal("fit.data", f"{node.path} has no data, or has it in two places")
    if position is None and offset is None:
        return node.properties["data"], 0
    total = tree.header.total_bytes
    start = position if position is not None else (total + -total % 4) + (offset or 0)
    if size is None or start < total or start + size > len(image):
        raise Refusal("fit.data", f"the data of {node.path} lies outside of the image")
    return image[start : start + size], start + size


def _facts(tree: DeviceTree, configurations: Node) -> dict[str, Fact]:
    facts: dict[str, Fact] = {"configurations": tuple(configurations.children)}
    timestamp = tree.root.number("timestamp")
    if timestamp is not None:
        facts["timestamp"] = timestamp
    return facts


IMAGE = SignedImageFormat(
    name="fit",
    title="U-Boot FIT image",
    source="U-Boot boot/image-fit-sig.c, boot/fdt_region.c; doc/usage/fit/signature.rst; Devicetree Specification 0.4",
    is_detached=False,
    recognise=lambda image, _signature: image[:4] == MAGIC.to_bytes(4, "big"),
    verify=_verify,
    other_cases={41: "the name of a board is a comment in FIT; the package around it says what it is for"},
)
