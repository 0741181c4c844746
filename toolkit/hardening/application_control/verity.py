"""The hash tree of dm-verity: one root hash that stands for a whole read-only file system.

Source: Linux Documentation/admin-guide/device-mapper/verity.rst; cryptsetup wiki, "DMVerity", on-disk format 1.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Final

from toolkit.core.layout import U16LE, U32LE, U64LE, Layout, const, raw, wire

__all__ = ["BLOCK_BYTES", "VerityTree", "verity_tree"]

BLOCK_BYTES: Final = 4096
DIGEST_BYTES: Final = 32
MAGIC: Final = b"verity\0\0"
SALT_ROOM: Final = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class _SuperBlock:
    """First bytes of the hash area."""

    magic: bytes = wire(const(MAGIC))
    version: int = wire(U32LE)
    hash_type: int = wire(U32LE)
    uuid: bytes = wire(raw(16))
    algorithm: bytes = wire(raw(32))
    data_block_bytes: int = wire(U32LE)
    hash_block_bytes: int = wire(U32LE)
    data_blocks: int = wire(U64LE)
    salt_bytes: int = wire(U16LE)
    reserved: bytes = wire(raw(6))
    salt: bytes = wire(raw(SALT_ROOM))
    rest: bytes = wire(raw(168))


SUPER_BLOCK = Layout(_SuperBlock, size=512)


@dataclass(frozen=True, slots=True)
class VerityTree:
    """The tree of one file system; ``hash_area`` is what veritysetup format writes."""

    root_hash: str
    salt: str
    uuid: bytes
    data_blocks: int
    hash_area: bytes


def verity_tree(view: memoryview, salt: bytes, uuid: bytes) -> VerityTree:
    """Return the tree over ``view``, filled with zeros to whole blocks of 4,096 bytes; SHA-256, format 1."""
    seed = hashlib.sha256(salt)
    level = b"".join(_digest(seed, view[at : at + BLOCK_BYTES]) for at in range(0, len(view), BLOCK_BYTES))
    data_blocks = len(level) // DIGEST_BYTES
    levels: list[bytes] = []
    while len(level) > DIGEST_BYTES:
        padded = level.ljust(-(-len(level) // BLOCK_BYTES) * BLOCK_BYTES, b"\0")
        levels.append(padded)
        blocks = memoryview(padded)
        level = b"".join(_digest(seed, blocks[at : at + BLOCK_BYTES]) for at in range(0, len(padded), BLOCK_BYTES))
    head = SUPER_BLOCK.build(
        _SuperBlock(
            magic=MAGIC, version=1, hash_type=1, uuid=uuid, algorithm=b"sha256".ljust(32, b"\0"),
            data_block_bytes=BLOCK_BYTES, hash_block_bytes=BLOCK_BYTES, data_blocks=data_blocks,
            salt_bytes=len(salt), reserved=bytes(6), salt=salt.ljust(SALT_ROOM, b"\0"), rest=bytes(168),
        )
    )  # fmt: skip
    area = head.ljust(BLOCK_BYTES, b"\0") + b"".join(reversed(levels))
    return VerityTree(level.hex(), salt.hex(), uuid, data_blocks, area)


def _digest(seed: hashlib._Hash, block: memoryview) -> bytes:
    digest = seed.copy()
    digest.update(block)
    if len(block) < BLOCK_BYTES:
        digest.update(bytes(BLOCK_BYTES - len(block)))
    return digest.digest()
