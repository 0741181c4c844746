"""Compiles the demonstration pump and packs it the way a vendor would: a zip with a HEX file and a release note.

Needs Debian's ``gcc-arm-none-eabi``. Run from anywhere: ``python hil/firmware/build_demo_pump.py [TARGET.zip]``.
"""

from __future__ import annotations

import hashlib
import io
import shutil
import struct
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

SOURCE = Path(__file__).parent / "demo_pump"
TARGET = Path(__file__).parents[2] / "toolkit" / "app" / "demo" / "demo-pump-update.zip"

COMPILER_VERSION = "12.2.1"
"""Another version gives other bytes."""

BOOT_ADDRESS = 0x0800_0000
SLOT_ADDRESS = 0x0801_0000
HEADER_BYTES = 0x200
OPTION_BYTES_ADDRESS = 0x1FFF_C000
OPTION_BYTES = bytes.fromhex("ff aa 00 55")  # nWRP/USER, RDP 0xAA: read-out protection off. Source: ST RM0090, 3.9
IMAGE_MAGIC = 0x96F3_B83D
TLV_MAGIC = 0x6907
TLV_SHA256 = 0x10
HEX_RECORD_BYTES = 16

RELEASE_NOTE = """\
Demo infusion pump - software update 2.1.0

This device does not exist. The file shows what medharden reports on a vendor's update.

Changes
- The volume limit alarm sounds at 100 ml.
- Faster serial console.

Installation
Copy pump-2.1.0.hex with the service program and restart the pump. Do not install while a patient is connected.
"""

FLAGS = [
    *("-mcpu=cortex-m4", "-mthumb", "-Os", "-std=c11", "-ffreestanding", "-fno-tree-loop-distribute-patterns"),
    *("-nostdlib", "-Wall", "-Wextra", "-Werror", "-fno-ident", "-Wl,--build-id=none", "-Wl,-z,noexecstack"),
]


def compile_program(name: str, flash_address: int, folder: Path) -> bytes:
    """Return the flash content of program ``name`` linked at ``flash_address``."""
    elf, binary = folder / f"{name}.elf", folder / f"{name}.bin"
    sources = ["start.c", f"{name}.c"]
    link = [f"-Wl,--defsym=FLASH_START={flash_address:#x}", "-T", "link.ld"]
    subprocess.run(["arm-none-eabi-gcc", *FLAGS, *link, *sources, "-o", elf], cwd=SOURCE, check=True)
    subprocess.run(["arm-none-eabi-objcopy", "-O", "binary", elf, binary], check=True)
    return binary.read_bytes()


def mcuboot_image(program: bytes) -> bytes:
    """Return ``program`` in MCUboot's image format with a hash and no signature. Source: MCUboot docs/design.md."""
    version = struct.pack("<BBHI", 2, 1, 0, 0)
    header = struct.pack("<IIHHII8sI", IMAGE_MAGIC, 0, HEADER_BYTES, 0, len(program), 0, version, 0)
    image = header.ljust(HEADER_BYTES, b"\0") + program
    digest = hashlib.sha256(image).digest()
    tlvs = struct.pack("<HH", TLV_SHA256, len(digest)) + digest
    return image + struct.pack("<HH", TLV_MAGIC, 4 + len(tlvs)) + tlvs


def intel_hex(pieces: list[tuple[int, bytes]]) -> str:
    """Return ``pieces`` (address, bytes) as Intel HEX text."""
    lines = []
    for start, data in pieces:
        high = None
        for offset in range(0, len(data), HEX_RECORD_BYTES):
            address = start + offset
            if address >> 16 != high:
                high = address >> 16
                lines.append(_record(0, 4, high.to_bytes(2, "big")))
            lines.append(_record(address & 0xFFFF, 0, data[offset : offset + HEX_RECORD_BYTES]))
    return "\r\n".join([*lines, _record(0, 1, b""), ""])


def _record(address: int, kind: int, data: bytes) -> str:
    body = struct.pack(">BHB", len(data), address, kind) + data
    return f":{(body + bytes([-sum(body) & 0xFF])).hex().upper()}"


def build(target: Path) -> None:
    """Compile both programs and write the update package to ``target``."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        boot = compile_program("boot", BOOT_ADDRESS, folder)
        app = mcuboot_image(compile_program("app", SLOT_ADDRESS + HEADER_BYTES, folder))
    text = intel_hex([(BOOT_ADDRESS, boot), (SLOT_ADDRESS, app), (OPTION_BYTES_ADDRESS, OPTION_BYTES)])
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for file_name, content in (("pump-2.1.0.hex", text), ("release-note.txt", RELEASE_NOTE)):
            archive.writestr(zipfile.ZipInfo(file_name, (2024, 1, 1, 0, 0, 0)), content, zipfile.ZIP_DEFLATED)
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(packed.getvalue())


if __name__ == "__main__":
    if shutil.which("arm-none-eabi-gcc") is None:
        sys.exit("arm-none-eabi-gcc is not installed: apt-get install gcc-arm-none-eabi")
    build(Path(sys.argv[1]) if len(sys.argv) > 1 else TARGET)
