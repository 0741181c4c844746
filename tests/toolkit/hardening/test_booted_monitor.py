"""A root file system booted in QEMU with the generated rules: what is allowed works, all else is refused or seen.

It takes half a minute, so it runs only when it is asked for: MEDHARDEN_BOOT_TESTS=1. The guest is made of this
computer's busybox, nft and veritysetup and of its installed Debian kernel.
"""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

import msgspec
import pytest

from device_profiles.loader import load
from device_profiles.schema import DeviceProfile, Sockets
from signing.keyring import create_key, open_signer, public_key
from toolkit.hardening.integrity.baseline import baseline_of, pack_baseline
from toolkit.hardening.integrity.comparing import drift_of, trusted_baseline
from toolkit.hardening.integrity.drift import Change
from toolkit.hardening.pack import build_pack
from toolkit.hardening.part import load_parts
from toolkit.hardening.reading import Reading, read_subject

ALLOWED, REFUSED = 104, 2323
SEARCH = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
PROGRAMS = ("qemu-system-x86_64", "busybox", "nft", "veritysetup", "mksquashfs", "modprobe", "ldd")
MODULES = (
    "virtio_pci", "virtio_net", "virtio_blk", "dm_verity", "squashfs", "nf_tables", "nft_ct", "nft_limit", "nft_log",
    "nf_log_syslog",
)  # fmt: skip
KERNELS = sorted(Path("/boot").glob("vmlinuz-*"))
MISSING = [name for name in PROGRAMS if shutil.which(name, path=SEARCH) is None]

pytestmark = [
    pytest.mark.skipif(not os.environ.get("MEDHARDEN_BOOT_TESTS"), reason="MEDHARDEN_BOOT_TESTS is not set"),
    pytest.mark.skipif(bool(MISSING), reason=f"not installed: {', '.join(MISSING)}"),
    pytest.mark.skipif(not KERNELS, reason="no Debian kernel is installed"),
]

INIT = f"""#!/bin/busybox sh
/bin/busybox --install -s /bin
export PATH=/bin:/usr/sbin:/sbin
mount -t proc none /proc; mount -t sysfs none /sys; mount -t devtmpfs none /dev
mount -t securityfs none /sys/kernel/security
while read module; do insmod "$module" || echo "NO-MODULE $module"; done < /modules
cat /rules/ima-policy > /sys/kernel/security/ima/policy && echo IMA-POLICY-TAKEN
ip link set lo up; ip link set eth0 up; ip addr add 10.0.2.15/24 dev eth0
echo allowed > /allowed; echo refused > /refused
nc -ll -p {ALLOWED} -e cat /allowed & nc -ll -p {REFUSED} -e cat /refused &
sleep 1
echo READY-WITHOUT-RULES; read answer
nft -f /rules/nftables.conf && echo FIREWALL-LOADED
echo READY-WITH-RULES; read answer
veritysetup open /dev/vda good /dev/vdb $(cat /rules/root-hash) && mkdir /good \\
  && mount -t squashfs -o ro /dev/mapper/good /good && sh /good/etc/init.d/S50monitor && echo VERITY-GOOD
veritysetup open /dev/vdc bad /dev/vdb $(cat /rules/root-hash)
dd if=/dev/mapper/bad of=/dev/null bs=4096 2>/dev/null || echo VERITY-REFUSED
cp /bin/busybox /tmp/foreign; echo foreign >> /tmp/foreign; chmod 755 /tmp/foreign; /tmp/foreign true
echo MEASURED; cat /sys/kernel/security/ima/ascii_runtime_measurements; echo END-MEASURED
poweroff -f
"""


class Words:
    def existing(self, _purpose: str) -> str:
        return "a long enough passphrase"

    new = existing


def profile() -> DeviceProfile:
    """Return the patient monitor on a PC board, that listens for one service of its neighbours."""
    known = load("patient-monitor-lowend")
    main = msgspec.structs.replace(known.platform.mcu[0], part="PC board", core="x86")
    ethernet = next(row for row in known.interfaces if row.id == "ethernet")
    sockets = Sockets(listen_tcp=(ALLOWED,), listen_udp=(), peers=("10.0.2.0/24",))
    interfaces = tuple(
        msgspec.structs.replace(row, sockets=sockets) if row is ethernet else row for row in known.interfaces
    )
    platform = msgspec.structs.replace(known.platform, mcu=(main,))
    return msgspec.structs.replace(known, platform=platform, interfaces=interfaces)


def root_file_system(root: Path) -> None:
    for folder in ("bin", "dev", "etc/init.d", "lib", "proc", "rules", "sys", "tmp", "usr/sbin"):
        (root / folder).mkdir(parents=True)
    copied = {"busybox": "bin/busybox", "nft": "usr/sbin/nft", "veritysetup": "usr/sbin/veritysetup"}
    for name, place in copied.items():
        program = Path(shutil.which(name, path=SEARCH) or name)
        shutil.copy2(program, root / place)
        listed = subprocess.run(["/usr/bin/ldd", str(program)], capture_output=True, check=False).stdout.decode()
        for library in re.findall(r"(/\S+) \(0x", listed):
            target = root / library.lstrip("/")
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(library, target)
    (root / "bin/sh").symlink_to("busybox")
    (root / "etc/init.d/S50monitor").write_text("#!/bin/sh\necho the monitor runs\n")
    (root / "etc/init.d/S50monitor").chmod(0o755)
    version = KERNELS[-1].name.removeprefix("vmlinuz-")
    order: list[str] = []
    for module in MODULES:
        command = [shutil.which("modprobe", path=SEARCH) or "", "-S", version, "--show-depends", module]
        listed = subprocess.run(command, capture_output=True, check=False).stdout.decode()
        order += [row for row in re.findall(r"^insmod (\S+)", listed, re.MULTILINE) if row not in order]
    for row in order:
        target = root / row.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(row, target)
    (root / "modules").write_text("".join(f"{row}\n" for row in order))
    (root / "init").write_text(INIT)
    (root / "init").chmod(0o755)


def squashed(root: Path, image: Path) -> Path:
    quiet = ("-noappend", "-quiet", "-no-progress", "-all-root")
    command = [shutil.which("mksquashfs") or "", str(root), str(image), *quiet]
    subprocess.run(command, check=True, capture_output=True)
    return image


@dataclass
class Guest:
    """A running machine whose console is read line by line."""

    process: subprocess.Popen[bytes]
    ports: dict[int, int]
    lines: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line.decode("utf-8", "replace").rstrip())

    def wait_for(self, mark: str, seconds: float = 180) -> None:
        end = time.monotonic() + seconds
        while not any(line.endswith(mark) for line in list(self.lines)):
            assert time.monotonic() < end, "\n".join(self.lines[-60:])
            assert self.process.poll() is None or mark in "\n".join(self.lines), "\n".join(self.lines[-60:])
            time.sleep(0.1)

    def go_on(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(b"\n")
        self.process.stdin.flush()

    def said_by(self, port: int) -> bytes:
        """Return what the service behind ``port`` says within two seconds."""
        with closing(socket.create_connection(("127.0.0.1", self.ports[port]), timeout=2)) as line:
            line.settimeout(2)
            try:
                return line.recv(100)
            except (TimeoutError, ConnectionError):
                return b""


def free_port() -> int:
    with closing(socket.socket()) as line:
        line.bind(("127.0.0.1", 0))
        port: int = line.getsockname()[1]
        return port


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Build the device's image and the pack for it, and lay the rules into the machine that is booted."""
    folder = tmp_path_factory.mktemp("boot")
    root = folder / "root"
    root_file_system(root)
    image = squashed(root, folder / "released.squashfs")
    parts = load_parts()
    with read_subject(image, Reading(profile=profile(), day=date(2026, 11, 24), jobs=1)) as subject:
        pack = build_pack(subject, [parts[name] for name in ("nftables", "ima", "dm-verity")])
    facts = dict(
        line.split("=", 1)
        for line in pack.files["dm-verity/0-image.txt"].decode().splitlines()
        if not line.startswith("#")
    )
    (root / "rules/nftables.conf").write_bytes(pack.files["nftables/nftables.conf"])
    (root / "rules/ima-policy").write_bytes(pack.files["ima/ima-policy-measure"])
    (root / "rules/root-hash").write_text(facts["ROOT_HASH"])
    content = image.read_bytes().ljust(int(facts["DATA_BLOCKS"]) * 4096, b"\0")
    (folder / "good").write_bytes(content)
    changed = bytearray(content)
    changed[len(changed) // 2] ^= 1
    (folder / "bad").write_bytes(changed)
    (folder / "tree").write_bytes(pack.files["dm-verity/0-image.hashtree"])
    (folder / "digests").write_bytes(pack.files["ima/ima-digests.txt"])
    packing = "find . | cpio -o -H newc --quiet | gzip -1 > ../initrd"
    subprocess.run(["/bin/sh", "-c", packing], cwd=root, check=True)
    return {"folder": folder, "root": root, "image": image}


@pytest.fixture(scope="module")
def guest(made: dict[str, Path]) -> Iterator[Guest]:
    folder = made["folder"]
    ports = {ALLOWED: free_port(), REFUSED: free_port()}
    forwards = "".join(f",hostfwd=tcp:127.0.0.1:{host}-:{inside}" for inside, host in ports.items())
    drives = [
        word
        for name, mode in (("good", "on"), ("tree", "on"), ("bad", "on"))
        for word in ("-drive", f"file={folder / name},format=raw,if=virtio,readonly={mode}")
    ]
    command = [
        "qemu-system-x86_64", "-m", "1024", "-nographic", "-no-reboot", "-kernel", str(KERNELS[-1]),
        "-initrd", str(folder / "initrd"), "-append", "console=ttyS0 quiet panic=-1", *drives,
        "-netdev", f"user,id=n{forwards}", "-device", "virtio-net-pci,netdev=n",
    ]  # fmt: skip
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    try:
        yield Guest(process, ports)
    finally:
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout):
            assert pipe is not None
            pipe.close()


def test_the_booted_device_keeps_its_rules(guest: Guest, made: dict[str, Path]) -> None:
    guest.wait_for("READY-WITHOUT-RULES")
    assert guest.said_by(ALLOWED) == b"allowed\n"
    assert guest.said_by(REFUSED) == b"refused\n"  # without rules it answers, so the rules are what refuses
    guest.go_on()
    guest.wait_for("READY-WITH-RULES")
    assert any(line.endswith("FIREWALL-LOADED") for line in guest.lines)
    assert guest.said_by(ALLOWED) == b"allowed\n"
    assert guest.said_by(REFUSED) == b""
    guest.go_on()
    guest.wait_for("END-MEASURED")
    said = "\n".join(guest.lines)
    for mark in ("IMA-POLICY-TAKEN", "the monitor runs", "VERITY-GOOD", "VERITY-REFUSED"):
        assert mark in said, said[-3000:]
    known = set((made["folder"] / "digests").read_text().split())
    rows = re.findall(r"^10 \w+ ima-\w+ (sha256:\w+) (/\S+)", said, re.MULTILINE)
    measured = {path: digest for digest, path in rows}
    assert measured["/bin/busybox"] in known
    assert measured["/tmp/foreign"] not in known  # noqa: S108  # a path in the guest
    foreign = {path for path, digest in measured.items() if digest not in known and path.startswith("/tmp")}  # noqa: S108
    assert foreign == {"/tmp/foreign"}  # noqa: S108


def test_a_file_that_was_changed_on_the_device_is_found_by_drift(made: dict[str, Path], tmp_path: Path) -> None:
    key = f"file:{tmp_path / 'ada.pem'}"
    create_key(key, "ed25519", Words())
    reading = Reading(profile=profile(), day=date(2026, 11, 24), jobs=1)
    with open_signer(key, Words()) as signer, read_subject(made["image"], reading) as subject:
        signed = pack_baseline(baseline_of(subject), signer)
    root = tmp_path / "root"
    shutil.copytree(made["root"], root, symlinks=True)
    shutil.rmtree(root / "rules")
    (root / "rules").mkdir()
    (root / "etc/init.d/S50monitor").write_text("#!/bin/sh\necho other\n")
    trusted = trusted_baseline(signed, (public_key(key, Words()),))
    with read_subject(squashed(root, tmp_path / "dump.squashfs"), reading) as subject:
        drift = drift_of(trusted, subject)
    assert [(row.change, row.path) for row in drift.rows] == [(Change.CHANGED, "etc/init.d/S50monitor")]
