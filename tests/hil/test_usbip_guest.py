"""A real Linux kernel attaches our emulated USB devices, and Debian's own lsusb and dfu-util use them unmodified.

Not part of every run: it boots a guest. Set ``MEDHARDEN_USBIP_GUEST`` to a folder into which these Debian packages were
unpacked with ``dpkg -x``: linux-image-amd64 (the package it depends on), busybox-static, usbip, dfu-util, usbutils,
libusb-1.0-0, libudev1, libc6. Needs ``qemu-system-x86_64``, and takes half a minute: without KVM, so that it runs
anywhere.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from hil.usb_model import usb_model_named
from hil.usb_models.demo_pump import DemoPumpUsb
from hil.usb_models.dfu_loader import DfuLoader, sealed
from hil.usbip import Exporter

ROOT = os.environ.get("MEDHARDEN_USBIP_GUEST", "")
QEMU = shutil.which("qemu-system-x86_64")
pytestmark = [
    pytest.mark.skipif(not ROOT, reason="boots a guest: set MEDHARDEN_USBIP_GUEST (see the top of this file)"),
    pytest.mark.skipif(QEMU is None, reason="qemu-system-x86_64 is not installed"),
]
MODULES = (
    "drivers/usb/common/usb-common.ko",
    "drivers/usb/core/usbcore.ko",
    "drivers/usb/usbip/usbip-core.ko",
    "drivers/usb/usbip/vhci-hcd.ko",
    "drivers/usb/class/cdc-acm.ko",
    "drivers/net/ethernet/intel/e1000/e1000.ko",
)
PROGRAMS = ("usr/sbin/usbip", "usr/bin/lsusb", "usr/bin/dfu-util")
LIBRARIES = ("libc.so.6", "libudev.so.1", "libusb-1.0.so.0", "libpthread.so.0")
INIT = r"""#!/bin/busybox sh
/bin/busybox --install -s /bin
export PATH=/bin LD_LIBRARY_PATH=/lib
mount -t proc none /proc; mount -t sysfs none /sys; mount -t devtmpfs none /dev
mkdir -p /var/run
for module in MODULES; do insmod /modules/$module; done
ip link set eth0 up; ip address add 10.0.2.15/24 dev eth0
for try in 1 2 3 4 5; do usbip --tcp-port PORT list -r 10.0.2.2 && break; sleep 1; done
for bus in 1-1 1-2 1-3; do usbip --tcp-port PORT attach -r 10.0.2.2 -b $bus; done
sleep 2
echo "== lsusb"; lsusb
echo "== verbose"; lsusb -v -d 1209:0003
echo "== list"; dfu-util -l
echo "== good"; dfu-util -d 1209:0001 -D /good.bin; echo "rc=$?"
echo "== bad"; dfu-util -d 1209:0001 -D /bad.bin; echo "rc=$?"
echo "== upload"; dfu-util -d 1209:0001 -U /read.bin; echo "rc=$?"
echo "== console"
stty -F /dev/ttyACM0 raw -echo 115200
(timeout 3 cat /dev/ttyACM0) & sleep 1; printf 'id\r' > /dev/ttyACM0; wait
echo "== end"
poweroff -f
"""


def archive(files: dict[str, tuple[int, bytes]]) -> bytes:
    """Return an initramfs: cpio in the format newc. Source: Linux, driver-api/early-userspace/buffer-format.rst."""
    data = bytearray()
    for number, (name, (mode, content)) in enumerate([*files.items(), ("TRAILER!!!", (0, b""))], start=1):
        path = name.encode() + b"\0"
        fields = (number, mode, 0, 0, 1, 0, len(content), 0, 0, 0, 0, len(path), 0)
        data += b"070701" + b"".join(b"%08x" % field for field in fields) + path
        data += bytes(-len(data) % 4) + content
        data += bytes(-len(data) % 4)
    return bytes(data)


def initramfs(root: Path, port: int, images: dict[str, bytes]) -> bytes:
    (kernel,) = root.glob("lib/modules/*/kernel")
    files = dict.fromkeys(("bin", "lib", "lib64", "modules", "proc", "sys", "dev", "var"), (16877, b""))
    names = [Path(module).name for module in MODULES]
    script = INIT.replace("MODULES", " ".join(names)).replace("PORT", str(port))
    files["init"] = (0o100755, script.encode())
    files["bin/busybox"] = (0o100755, next(root.glob("*bin/busybox")).read_bytes())
    for name, module in zip(names, MODULES, strict=True):
        files[f"modules/{name}"] = (0o100644, (kernel / module).read_bytes())
    for program in PROGRAMS:
        files[f"bin/{Path(program).name}"] = (0o100755, (root / program).read_bytes())
    for library in (*LIBRARIES, "ld-linux-x86-64.so.2"):
        place = "lib64" if library.startswith("ld-") else "lib"
        (found, *_) = root.glob(f"**/{library}")
        files[f"{place}/{library}"] = (0o100755, found.resolve().read_bytes())
    for name, image in images.items():
        files[name] = (0o100644, image)
    return archive(files)


class Guest:
    """What was said in the guest, and the devices that it used."""

    def __init__(self, folder: Path) -> None:
        root = Path(ROOT)
        self.image = sealed(b"a good image for the guest " * 50)
        spoilt = bytearray(self.image)
        spoilt[100] ^= 1
        self.loader, self.pump = DfuLoader(frozenset()), DemoPumpUsb(frozenset())
        thermometer = usb_model_named("hid-thermometer").device("")
        with Exporter({"1-1": self.loader, "1-2": self.pump, "1-3": thermometer}) as exporter:
            (folder / "initramfs").write_bytes(
                initramfs(root, exporter.port, {"good.bin": self.image, "bad.bin": bytes(spoilt)})
            )
            (kernel,) = root.glob("boot/vmlinuz-*")
            assert QEMU is not None
            command = [
                *(
                    QEMU,
                    "-M",
                    "q35,accel=tcg",
                    "-cpu",
                    "max",
                    "-m",
                    "512",
                    "-display",
                    "none",
                    "-nodefaults",
                    "-no-reboot",
                ),
                *("-kernel", str(kernel), "-initrd", str(folder / "initramfs"), "-serial", "stdio"),
                *("-append", "console=ttyS0 quiet panic=-1", "-nic", "user,model=e1000"),
            ]
            done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=300, check=False)
        self.said = done.stdout.decode(errors="replace").replace("\r", "")

    def part(self, name: str) -> str:
        found = re.search(rf"^== {name}\n(.*?)^== ", self.said, re.MULTILINE | re.DOTALL)
        assert found is not None, self.said[-3000:]
        return found[1]


@pytest.fixture(scope="module")
def guest(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guest]:
    yield Guest(tmp_path_factory.mktemp("guest"))


def test_the_kernel_attaches_every_device_and_lsusb_reads_its_descriptors(guest: Guest) -> None:
    listed = guest.part("lsusb")
    assert all(f"ID 1209:000{number}" in listed for number in (1, 3, 4))
    verbose = guest.part("verbose")
    assert "CDC Union" in verbose
    assert "bDeviceCapabilityType" not in verbose
    assert re.search(r"iManufacturer +1 medharden", verbose)


def test_dfu_util_finds_the_loader_and_writes_a_good_image(guest: Guest) -> None:
    assert re.search(r"Found DFU: \[1209:0001\].*serial=\"00000001\"", guest.part("list"))
    assert "Found Runtime: [1209:0003]" in guest.part("list")
    said = guest.part("good")
    assert "rc=0" in said
    assert guest.loader.firmware == guest.image


def test_dfu_util_says_that_it_is_done_although_the_loader_refused(guest: Guest) -> None:
    said = guest.part("bad")
    assert "rc=0" in said
    assert "Done!" in said
    assert guest.loader.firmware == guest.image, "the loader kept the good image"


def test_dfu_util_can_read_nothing_back(guest: Guest) -> None:
    assert "rc=0" not in guest.part("upload")


def test_the_kernel_makes_the_console_a_serial_port(guest: Guest) -> None:
    assert "=demo-pump medharden 00000001" in guest.part("console")
