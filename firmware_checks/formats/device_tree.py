"""Device trees: which hardware a board has, and how its operating system is started."""

from __future__ import annotations

from collections.abc import Iterator

from firmware_checks.format import ImageFormat, Magic, Opened
from firmware_checks.readers.flat_tree import FlatTree, Node, build_tree, read_tree
from firmware_checks.span import Span
from toolkit.core.limits import Limits
from toolkit.report.model import Fact, RegionKind

__all__ = ["FORMAT"]

OVERLAY_NODE = "__overlay__"
MOST_TOLD = 20
TOLD_CHARACTERS = 400


def _open(span: Span, limits: Limits) -> Opened:  # noqa: ARG001  # the contract of every format
    tree = read_tree(span.window)
    model = tree.root.text("model")
    overlay = any(child.at(OVERLAY_NODE) is not None for child in tree.root.children.values())
    what = "Device tree overlay" if overlay else "Device tree"
    return Opened(
        size=tree.size,
        kind=RegionKind.CONFIGURATION,
        title=f"{what} ({model[:TOLD_CHARACTERS]})" if model else what,
        facts=_facts(tree),
        problems=tuple(tree.problems),
    )


def _facts(tree: FlatTree) -> dict[str, Fact]:
    root = tree.root
    chosen = root.at("chosen") or Node("chosen")
    facts: dict[str, Fact] = {
        "model": root.text("model"),
        "compatible": root.texts("compatible")[:MOST_TOLD],
        "bootargs": chosen.text("bootargs"),
        "console": chosen.text("stdout-path"),
        "verified_boot_keys": tuple(_keys(root))[:MOST_TOLD],
    }
    told = {name: fact[:TOLD_CHARACTERS] if isinstance(fact, str) else fact for name, fact in facts.items() if fact}
    return {**told, "version": tree.version, "nodes": sum(1 for _ in root.walk()), "reserved": tree.reservations}


def _keys(root: Node) -> Iterator[str]:
    """Yield the keys a boot loader checks FIT images against. Source: U-Boot doc/usage/fit/signature.rst."""
    signature = root.at("signature")
    for node in signature.children.values() if signature is not None else ():
        required = node.text("required")
        duty = f"required for {required}" if required else "not required"
        yield f"{node.text('key-name-hint') or node.name} ({node.text('algo') or 'unknown algorithm'}, {duty})"


def _example() -> bytes:
    return build_tree(
        {
            "model": b"Pump controller\0",
            "compatible": b"acme,pump\0acme,board\0",
            "chosen": {"bootargs": b"console=ttyS0,115200 root=/dev/mmcblk0p2\0"},
            "memory@80000000": {"device_type": b"memory\0", "reg": bytes.fromhex("8000000010000000")},
        }
    )


FORMAT = ImageFormat(
    name="device-tree",
    title="Device tree",
    source="Devicetree Specification 0.4, 5; U-Boot doc/usage/fit/signature.rst (verified boot keys)",
    limits="Versions 16 and 17, which all writers since 2007 make. Values of properties are not listed.",
    open=_open,
    magics=(Magic(rb"\xd0\x0d\xfe\xed"),),
    example=_example,
)
