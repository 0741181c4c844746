"""Root hash and hash tree for dm-verity: the kernel reads nothing from the file system that was changed."""

from __future__ import annotations

import hashlib
import re
import uuid
from collections.abc import Iterator
from typing import Final

from firmware_checks.controls import NOT_APPLICABLE, Controls
from toolkit.hardening.application_control.verity import BLOCK_BYTES, VerityTree, verity_tree
from toolkit.hardening.part import Group, HardeningPart, PackFile
from toolkit.hardening.subject import HardeningSubject, System, Volume
from toolkit.hardening.words import heading

__all__ = ["PART"]

MOST_BYTES: Final = 8 << 30
SECTOR_BYTES: Final = 512
MAGICS: Final = (
    (0, b"hsqs", "squashfs"), (1080, b"\x53\xef", "ext"), (1024, b"\xe2\xe1\xf5\xe0", "erofs"),
    (0, b"\x45\x3d\xcd\x28", "cramfs"),
)  # fmt: skip
"""File systems that a Linux kernel can read through dm-verity, and where they say what they are."""
NAMESPACE: Final = uuid.UUID("5a1c2f3e-7f0b-5d0e-9a53-6d6564686172")
"""For identifiers that are the same each time."""


def _file_systems(subject: HardeningSubject) -> Iterator[tuple[Volume, memoryview, str]]:
    """Yield the root file systems whose bytes stand in the image, with their kind."""
    for volume in subject.roots:
        view = subject.raw(volume)
        if view is not None and len(view) <= MOST_BYTES:
            for at, magic, kind in MAGICS:
                if bytes(view[at : at + len(magic)]) == magic:
                    yield volume, view, kind
                    break


def _applies(subject: HardeningSubject) -> str:
    if subject.system is not System.LINUX:
        return "dm-verity is a part of Linux"
    if next(_file_systems(subject), None) is None:
        return "the image holds no root file system that is mounted as it is, such as squashfs, ext4, EROFS or cramfs"
    return ""


def _build(subject: HardeningSubject) -> Iterator[PackFile]:
    for number, (volume, view, kind) in enumerate(_file_systems(subject)):
        content = hashlib.sha256(view).digest()
        salt = hashlib.sha256(b"medharden dm-verity salt" + content).digest()
        tree = verity_tree(view, salt, uuid.uuid5(NAMESPACE, content.hex()).bytes)
        name = f"{number}-{re.sub(r'[^a-z0-9]+', '-', volume.path.lower()).strip('-') or 'image'}"[:60]
        yield PackFile(
            path=f"{name}.hashtree",
            data=tree.hash_area,
            consumer="veritysetup 1.6 or newer, Linux 3.12 or newer: a partition of its own",
        )
        yield PackFile(
            path=f"{name}.txt",
            data=_parameters(subject, tree, len(view), kind, volume).encode(),
            consumer="whoever builds the start-up of the device",
        )


def _parameters(subject: HardeningSubject, tree: VerityTree, size: int, kind: str, volume: Volume) -> str:
    sectors = tree.data_blocks * BLOCK_BYTES // SECTOR_BYTES
    table = (
        f"0 {sectors} verity 1 DATA HASH {BLOCK_BYTES} {BLOCK_BYTES} {tree.data_blocks} 1 sha256 "
        f"{tree.root_hash} {tree.salt}"
    )
    padding = tree.data_blocks * BLOCK_BYTES - size
    lines = [
        *(f"# {line}" for line in heading(subject, f"dm-verity of a {kind} file system")),
        f"VOLUME={volume.path.encode('ascii', 'backslashreplace').decode() or 'the whole image'}",
        f"DATA_BYTES={size}",
        f"PADDING_BYTES={padding}",
        f"DATA_BLOCKS={tree.data_blocks}",
        f"BLOCK_BYTES={BLOCK_BYTES}",
        "ALGORITHM=sha256",
        "FORMAT=1",
        f"SALT={tree.salt}",
        f"UUID={uuid.UUID(bytes=tree.uuid)}",
        f"ROOT_HASH={tree.root_hash}",
        f"TABLE={table}",
        f'KERNEL_OPTION=dm-mod.create="vroot,,,ro,{table}"',
    ]
    return "\n".join(lines) + "\n"


PART = HardeningPart(
    name="dm-verity",
    title="A file system that cannot be changed unseen: dm-verity",
    group=Group.APPLICATION_CONTROL,
    what=(
        "The Linux kernel compares every block it reads with a tree of hashes, whose root hash it is given at the "
        "start; a changed block is an input error and is never executed. The file system must be mounted read-only, "
        "and the "
        "root hash must come from where an attacker cannot write, such as a signed boot image."
    ),
    source="Linux Documentation/admin-guide/device-mapper/verity.rst; veritysetup(8)",
    applies=_applies,
    build=_build,
    apply=(
        "This is a change of the device's software: only its maker can make it, together with a verified boot.",
        "Fill the file system with zeros to whole blocks where PADDING_BYTES is not 0.",
        "Write the hash tree to a partition of its own.",
        "Put KERNEL_OPTION, with the two partitions for DATA and HASH, into the command line of the signed boot image.",
    ),
    bench_test=(
        "On any Linux computer run: veritysetup verify IMAGE HASHTREE ROOT_HASH; it must end without a word.",
        "On a bench device start from the new boot image and use every function.",
        "Change one byte of the partition: reading that place must fail with an input error.",
    ),
    take_back=("Start from the boot image without the option; the file system itself was not changed.",),
    controls=Controls(
        fda=("D",), iec_62443=("EDR 3.14", "CR 3.4"), iec_81001=("5.3",), cra=("I.2f",), mds2=("MLDP", "SAHD"),
        cwe=NOT_APPLICABLE,
    ),
)  # fmt: skip
