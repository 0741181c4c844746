"""Root file systems packed by the reference tools and listed by us: is every file there, and byte for byte the same?

A root file system is made from Debian packages for 32-bit Arm (fetched by name once, unpacked without root), packed
into every format whose tool is installed, and listed with ``medharden ls --hash``. Then reading and hashing everything
is timed against ``unsquashfs`` to a RAM disk, in turn, medians of five.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

CACHE = Path(__file__).parent / ".cache"
RAM_DISK = Path("/dev/shm/medharden-benchmark")  # noqa: S108  # a RAM disk on purpose, removed at the end
PROGRAM = Path(sys.executable).with_name("medharden")
ARCHITECTURE = "armhf"
PACKAGES = """
busybox bash coreutils openssl libssl3 curl libcurl4 dropbear-bin lighttpd nginx dnsmasq-base hostapd
wpasupplicant bluez sqlite3 libsqlite3-0 zlib1g libexpat1 libxml2 libpng16-16 libjpeg62-turbo libfreetype6
libqt5core5a libqt5gui5 libqt5network5 libqt5widgets5 lua5.3 liblua5.3-0 python3.11-minimal
libpython3.11-minimal libpython3.11-stdlib perl-base snmpd libsnmp40 samba-libs samba-common-bin dcmtk
libdcmtk17 orthanc libgdcm3.0 systemd libsystemd0 udev dbus libdbus-1-3 iproute2 iptables nftables
openssh-server openssh-client rsync tcpdump libpcap0.8 chrony avahi-daemon libavahi-core7 libstdc++6 libgcc-s1 libc6
libc-bin gdbserver strace e2fsprogs util-linux kmod mtd-utils u-boot-tools swupdate rauc mosquitto
libmosquitto1 libmodbus5 can-utils gstreamer1.0-plugins-base gstreamer1.0-plugins-good libgstreamer1.0-0
libgnutls30 libgcrypt20 libnss3 libtiff6 libwebp7 libpulse0 libasound2 vsftpd proftpd-basic tftpd-hpa
telnetd socat libjson-c5 libcjson1 libmicrohttpd12 libwebsockets17 libcups2 cups-daemon libusb-1.0-0
libftdi1-2 opensc
""".split()

Tool = tuple[str, Sequence[str]]
SQUASHFS = ("gzip", "lzma", "xz", "lzo", "lz4", "zstd")
QUIET = "-noappend -no-progress -quiet -all-root"
TOOLS: dict[str, Tool] = {
    **{f"squashfs {c}": ("mksquashfs", f"{{tree}} {{image}} -comp {c} {QUIET}".split()) for c in SQUASHFS},
    "ext2": ("mke2fs", "-q -t ext2 -d {tree} {image} 400M".split()),
    "ext3": ("mke2fs", "-q -t ext3 -d {tree} {image} 400M".split()),
    "ext4": ("mke2fs", "-q -t ext4 -d {tree} {image} 400M".split()),
    "ext4, inline data, 1 KiB blocks": ("mke2fs", "-q -t ext4 -O inline_data -b 1024 -d {tree} {image} 400M".split()),
    "jffs2 little endian": ("mkfs.jffs2", "-r {tree} -o {image} -e 131072 -l -n".split()),
    "jffs2 big endian": ("mkfs.jffs2", "-r {tree} -o {image} -e 131072 -b".split()),
    "ubifs lzo": ("mkfs.ubifs", "-r {tree} -o {image} -m 2048 -e 126976 -c 4000 -x lzo".split()),
    "ubifs zlib": ("mkfs.ubifs", "-r {tree} -o {image} -m 2048 -e 126976 -c 4000 -x zlib".split()),
    "ubifs zstd": ("mkfs.ubifs", "-r {tree} -o {image} -m 2048 -e 126976 -c 4000 -x zstd".split()),
    "romfs": ("genromfs", "-d {tree} -f {image}".split()),
    "cramfs": ("mkfs.cramfs", "{tree} {image}".split()),
    "erofs": ("mkfs.erofs", "{image} {tree}".split()),
    "erofs lz4": ("mkfs.erofs", "-zlz4 {image} {tree}".split()),
    "iso9660 Rock Ridge": ("genisoimage", "-quiet -R -o {image} {tree}".split()),
    "tar": ("tar", "-C {tree} -cf {image} .".split()),
    "cpio newc": ("sh", ["-c", "cd {tree} && find . | cpio -o -H newc --quiet > {image}"]),
    "zip": ("sh", ["-c", "cd {tree} && zip -q -r -y {image}.zip . && mv {image}.zip {image}"]),
    "7z": ("sh", ["-c", "cd {tree} && 7z a -bso0 -bsp0 -mx1 {image}.7z . && mv {image}.7z {image}"]),
    "wim": ("wimcapture", "{tree} {image} --compress=none".split()),
}


def root_file_system() -> Path:
    """Return the root file system, fetched and unpacked once; the package database is left out."""
    tree = CACHE / f"root-{ARCHITECTURE}"
    if tree.exists():
        return tree
    state = CACHE / "apt"
    packages = state / "packages"
    packages.mkdir(parents=True, exist_ok=True)
    (state / "lists" / "partial").mkdir(parents=True, exist_ok=True)
    (state / "status").touch()
    options = [
        f"APT::Architecture={ARCHITECTURE}", f"APT::Architectures::={ARCHITECTURE}",
        f"Dir::State::Lists={state / 'lists'}",
        f"Dir::State::status={state / 'status'}", f"Dir::Cache={state}", "APT::Sandbox::User=root",
    ]  # fmt: skip
    apt = ["apt-get", "-qq", *(word for option in options for word in ("-o", option))]
    subprocess.run([*apt, "update"], check=False)  # one list out of step must not end it; the download tells what lacks
    for package in PACKAGES:
        if subprocess.run([*apt, "download", package], cwd=packages, check=False).returncode:
            print(f"{package} could not be fetched and is left out")
    unpacking = tree.with_suffix(".part")
    for archive in sorted(packages.glob("*.deb")):
        subprocess.run(["dpkg-deb", "-x", archive, unpacking], check=True)
    shutil.rmtree(unpacking / "usr" / "share" / "doc", ignore_errors=True)
    unpacking.rename(tree)
    return tree


def digests(tree: Path) -> dict[str, str]:
    """Return path and SHA-256 of every regular file in ``tree``."""
    files = [path for path in sorted(tree.rglob("*")) if path.is_file() and not path.is_symlink()]
    return {path.relative_to(tree).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


MEASURE = """
import resource, subprocess, sys
with open(sys.argv[1], "wb") as output:
    subprocess.run(sys.argv[2:], stdout=output)
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(used.ru_utime + used.ru_stime, used.ru_maxrss / 1024)
"""
"""Runs a command with its output in a file; prints processor seconds and peak memory in MB."""


def listed(image: Path) -> tuple[dict[str, str], float, float]:
    """Return path and SHA-256 of the files we find in ``image``, processor seconds and peak memory in MB."""
    output = image.with_suffix(".json")
    command = [sys.executable, "-c", MEASURE, str(output), str(PROGRAM), "ls", str(image), "--hash", "--json"]
    seconds, peak = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    entries = json.loads(output.read_bytes())["entries"]
    output.unlink()
    found = {}
    for entry in entries:
        outer, _, name = entry["path"].partition("!")
        if entry["sha256"] and "!" not in name and outer == image.name:
            found[name.removeprefix("./").removeprefix("image 1/").rstrip("/")] = entry["sha256"]
    return found, float(seconds), float(peak)


def compare(tree: Path, folder: Path) -> bool:
    """Pack ``tree`` with every tool there is, list it, and print a table; return whether all are the same."""
    wanted = digests(tree)
    print(f"{len(wanted)} files, {sum(f.stat().st_size for f in tree.rglob('*') if f.is_file()) >> 20} MiB\n")
    print(
        "| packed as | image MiB | files | missing | different | processor s | peak MB |\n|---|---|---|---|---|---|---|"
    )
    good = True
    for name, (program, arguments) in TOOLS.items():
        if shutil.which(program) is None:
            print(f"| {name} | - | {program} is not installed | | | | |")
            continue
        image = folder / f"{name.replace(' ', '-').replace(',', '')}.img"
        command = [argument.format(tree=tree, image=image) for argument in arguments]
        packed = subprocess.run([program, *command], capture_output=True, check=False)
        if packed.returncode:
            print(f"| {name} | - | {packed.stderr.decode(errors='replace').strip()[-80:]} | | | | |")
            continue
        found, seconds, peak = listed(image)
        missing = sum(path not in found for path in wanted)
        different = sum(path in found and found[path] != digest for path, digest in wanted.items())
        good &= not missing and not different
        size = image.stat().st_size >> 20
        print(f"| {name} | {size} | {len(found)} | {missing} | {different} | {seconds:.1f} | {peak:.0f} |", flush=True)
        if not name.startswith("squashfs"):
            image.unlink()
    return good


def race(folder: Path) -> None:
    """Time reading and hashing every file against ``unsquashfs`` to a RAM disk, in turn; print medians of five."""
    heads = ("squashfs", "unsquashfs s", "ls --hash s", "one worker s", "ratio", "ratio, 0.25 s off")
    print("\n| " + " | ".join(heads) + " |\n" + "|---" * len(heads) + "|")
    for compressor in ("gzip", "xz", "zstd", "lzo", "lz4"):
        image = folder / f"squashfs-{compressor}.img"
        if not image.exists():
            continue
        theirs, ours, alone = [], [], []
        for _ in range(5):
            target = folder / "out"
            theirs.append(_wall(["unsquashfs", "-n", "-q", "-d", target, image]))
            shutil.rmtree(target)
            ours.append(_wall([PROGRAM, "ls", image, "--hash", "--json", "--jobs", "2"]))
            alone.append(_wall([PROGRAM, "ls", image, "--hash", "--json", "--jobs", "1"]))
        a, b, c = (statistics.median(times) for times in (theirs, ours, alone))
        print(f"| {compressor} | {a:.2f} | {b:.2f} | {c:.2f} | {b / a:.2f} | {(b - 0.25) / a:.2f} |", flush=True)


def _wall(command: Sequence[str | Path]) -> float:
    begin = time.perf_counter()
    subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
    return time.perf_counter() - begin


def main() -> int:
    os.umask(0o022)
    tree = root_file_system()
    RAM_DISK.mkdir(exist_ok=True)
    try:
        good = compare(tree, RAM_DISK)
        race(RAM_DISK)
    finally:
        shutil.rmtree(RAM_DISK)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
