"""Attacks on U-Boot FIT images."""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Callable
from typing import Any, Final

from signing.attacks.image_attacks import attack, image_suite
from signing.attacks.image_lab import LAB, PROGRAM, GoodImage, device_tree, fit_tree
from signing.strict.device_tree import Node, strict_device_tree

__all__ = ["SUITE"]

Tree = dict[str, Any]


def as_tree(node: Node) -> Tree:
    """Return a node with all below it as a dictionary."""
    return {**node.properties, **{name: as_tree(child) for name, child in node.children.items()}}


def _with(good: GoodImage, change: Callable[[Tree], object]) -> GoodImage:
    tree = as_tree(strict_device_tree(good.image).root)
    change(tree)
    return good.having(image=device_tree(tree))


def _signature(tree: Tree) -> Tree:
    found: Tree = tree["configurations"]["conf-1"]["signature-1"]
    return found


def _second_configuration(tree: Tree) -> None:
    evil = copy.deepcopy(tree["configurations"]["conf-1"])
    del evil["signature-1"]
    tree["configurations"]["conf-2"] = evil
    tree["configurations"]["default"] = b"conf-2\0"


def _unsigned_kernel(tree: Tree) -> None:
    """Name the old nodes as hashed and a new image in the configuration, the flaw of CVE-2026-46728."""
    program = b"evil" + PROGRAM
    tree["images"]["kernel-2"] = {
        "description": b"kernel\0",
        "data": program,
        "hash-1": {"algo": b"sha256\0", "value": hashlib.sha256(program).digest()},
    }
    tree["configurations"]["conf-1"]["kernel"] = b"kernel-2\0"
    _signature(tree)["hashed-nodes"] = b"/\0/configurations/conf-1\0/images/kernel-1\0/images/kernel-1/hash-1\0"


def _twice(good: GoodImage) -> GoodImage:
    """Two nodes of one name: the second is renamed in place, so that lengths stay right."""
    two = _with(good, lambda tree: tree["images"].__setitem__("kernel-2", copy.deepcopy(tree["images"]["kernel-1"])))
    return good.having(image=two.image.replace(b"kernel-2\0\0\0\0", b"kernel-1\0\0\0\0"))


def _weak_hash(good: GoodImage) -> GoodImage:
    tree = fit_tree()
    tree["images"]["kernel-1"]["hash-1"] = {"algo": b"crc32\0", "value": bytes(4)}
    return good.having(image=LAB.signed_fit(tree))


SUITE: Final = image_suite(
    "fit",
    "U-Boot FIT images",
    LAB.fit,
    attack(
        11,
        "r and s of zero",
        "signature.unknown-key",
        lambda good: _with(good, lambda tree: _signature(tree).update(value=bytes(64))),
    ),
    attack(
        1,
        "no signature",
        "signature.missing",
        lambda good: _with(good, lambda tree: tree["configurations"]["conf-1"].pop("signature-1")),
    ),
    attack(
        2,
        "empty signature",
        "signature.unknown-key",
        lambda good: _with(good, lambda tree: _signature(tree).__setitem__("value", b"")),
    ),
    attack(
        7,
        "declared as RSA",
        "signature.unknown-key",
        lambda good: _with(good, lambda tree: _signature(tree).__setitem__("algo", b"sha256,rsa2048\0")),
    ),
    attack(
        8,
        "declared as SHA-1",
        "algorithm.unknown",
        lambda good: _with(good, lambda tree: _signature(tree).__setitem__("algo", b"sha1,ecdsa256\0")),
    ),
    attack(8, "image hashed with CRC-32 only, signed", "fit.hash", _weak_hash),
    attack(
        9,
        "unknown algorithm",
        "algorithm.unknown",
        lambda good: _with(good, lambda tree: _signature(tree).__setitem__("algo", b"none\0")),
    ),
    attack(
        54,
        "second configuration, unsigned and the default",
        "signature.missing",
        lambda good: _with(good, _second_configuration),
    ),
    attack(
        54,
        "default that is not there",
        "fit.default",
        lambda good: _with(good, lambda tree: tree["configurations"].__setitem__("default", b"x\0")),
    ),
    attack(
        54,
        "node with a unit address",
        "fdt.name",
        lambda good: _with(good, lambda tree: tree["images"].__setitem__("kernel-1@1", {})),
    ),
    attack(54, "node twice", "fdt.duplicate", _twice),
    attack(
        46,
        "image that no configuration names",
        "fit.unsigned-image",
        lambda good: _with(
            good, lambda tree: tree["images"].__setitem__("other", copy.deepcopy(tree["images"]["kernel-1"]))
        ),
    ),
    attack(
        46,
        "property where nothing is signed",
        "fit.unsigned",
        lambda good: _with(good, lambda tree: tree.__setitem__("images", {"x": b"y", **tree["images"]})),
    ),
    attack(
        47,
        "data in two places",
        "fit.data",
        lambda good: good.having(
            image=LAB.signed_fit(
                {**fit_tree(), "images": {"kernel-1": {"data-offset": bytes(4), **fit_tree()["images"]["kernel-1"]}}}
            )
        ),
    ),
    attack(
        63,
        "list of what is hashed names other nodes",
        "signature.unknown-key fit.unsigned-image",
        lambda good: _with(good, _unsigned_kernel),
    ),
    signature_at=-150,
)
