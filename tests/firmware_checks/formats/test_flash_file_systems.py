"""Flash file systems made by the programs everybody makes them with (mtd-utils) are read back as they were packed."""

import os
import shutil
import stat
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from firmware_checks.format import Entry, EntryKind, ImageFormat
from firmware_checks.formats import jffs2, ubi, ubifs
from firmware_checks.span import Span
from toolkit.core.limits import Limits
from toolkit.core.window import Window

MIB = 1 << 20
KINDS = {
    stat.S_IFREG: EntryKind.FILE,
    stat.S_IFDIR: EntryKind.FOLDER,
    stat.S_IFLNK: EntryKind.SYMBOLIC_LINK,
    stat.S_IFIFO: EntryKind.PIPE,
    stat.S_IFCHR: EntryKind.CHARACTER_DEVICE,
    stat.S_IFBLK: EntryKind.BLOCK_DEVICE,
}

Pack = Callable[..., bytes]


def _program(name: str) -> str:
    found = shutil.which(name) or shutil.which(name, path="/usr/sbin:/sbin")
    if found is None:
        pytest.skip(f"{name} (Debian package mtd-utils) is not installed")
    return found


def _run(*command: str | Path) -> None:
    subprocess.run([str(part) for part in command], check=True, capture_output=True, timeout=60)


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with everything that a root file system may hold."""
    if os.name != "posix":
        pytest.skip("links, pipes and rights of Unix are packed")
    root = tmp_path_factory.mktemp("tree")
    (root / "etc" / "deep" / "er").mkdir(parents=True)
    (root / "empty").mkdir()
    (root / "etc" / "one").write_bytes(b"x")
    (root / "etc" / "none").write_bytes(b"")
    (root / "etc" / "text").write_bytes(b"".join(b"line %d\n" % n for n in range(20_000)))
    (root / "etc" / "noise").write_bytes(bytes((n * n * 7919 >> 7) % 251 for n in range(70_000)))
    (root / "etc" / "deep" / "er" / "\u00fc \u00f6").write_bytes(b"odd name")
    with (root / "etc" / "sparse").open("wb") as file:
        file.seek(200_000)
        file.write(b"tail")
    (root / "etc" / "again").hardlink_to(root / "etc" / "text")
    (root / "link").symlink_to("etc/one")
    (root / "away").symlink_to("/etc/passwd")
    (root / "etc" / "one").chmod(0o4751)
    (root / "empty").chmod(0o700)
    os.mkfifo(root / "pipe")
    if os.geteuid() == 0:
        os.chown(root / "etc" / "one", 7, 8)
        os.mknod(root / "console", stat.S_IFCHR | 0o600, os.makedev(5, 1))
        os.mknod(root / "disk", stat.S_IFBLK | 0o640, os.makedev(31, 4))
    return root


def _open(image_format: ImageFormat, data: bytes) -> Mapping[str, Entry]:
    opened = image_format.open(Span("image", Window.of(data)), Limits())
    assert opened.size == len(data)
    assert opened.problems == ()
    return {entry.name: entry for entry in opened.entries}


def _compare(entries: Mapping[str, Entry], tree: Path) -> None:
    packed = {path.relative_to(tree).as_posix(): path for path in tree.rglob("*")}
    assert set(entries) == set(packed)
    for name, path in packed.items():
        entry, status = entries[name], path.lstat()
        assert (entry.mode, entry.uid, entry.gid) == (stat.S_IMODE(status.st_mode), status.st_uid, status.st_gid), name
        assert entry.modified_s == int(status.st_mtime), name
        if entry.kind is EntryKind.HARD_LINK:
            assert path.samefile(tree / entry.target)
            continue
        assert entry.kind is KINDS[stat.S_IFMT(status.st_mode)], name
        assert entry.target == (str(path.readlink()) if path.is_symlink() else ""), name
        if entry.kind is EntryKind.FILE:
            assert entry.read(MIB) == path.read_bytes(), name
        if "device" in entry.kind:
            assert entry.device == (os.major(status.st_rdev), os.minor(status.st_rdev)), name


JFFS2_OPTIONS = [
    ("--eraseblock=64KiB", "--pad"),
    ("--eraseblock=128KiB", "--no-cleanmarkers"),
    ("--enable-compressor=lzo", "--compressor-priority=90:lzo"),
    ("--disable-compressor=zlib",),
    ("--disable-compressor=zlib", "--disable-compressor=rtime", "--pagesize=16KiB"),
]


@pytest.mark.parametrize("order", ["--little-endian", "--big-endian"])
@pytest.mark.parametrize("options", JFFS2_OPTIONS, ids=" ".join)
def test_jffs2_images_hold_what_was_packed(tree: Path, tmp_path: Path, order: str, options: tuple[str, ...]) -> None:
    image = tmp_path / "image"
    _run(_program("mkfs.jffs2"), order, *options, f"--root={tree}", f"--output={image}")
    _compare(_open(jffs2.FORMAT, image.read_bytes()), tree)


@pytest.mark.parametrize("order", ["--littleendian", "--bigendian"])
def test_jffs2_images_with_summaries_hold_what_was_packed(tree: Path, tmp_path: Path, order: str) -> None:
    image, summed = tmp_path / "image", tmp_path / "summed"
    _run(_program("mkfs.jffs2"), order.replace("endian", "-endian"), f"--root={tree}", f"--output={image}")
    _run(_program("sumtool"), order, "--pad", "--eraseblock=64KiB", f"--input={image}", f"--output={summed}")
    _compare(_open(jffs2.FORMAT, summed.read_bytes()), tree)


def test_jffs2_images_hold_extended_attributes(tree: Path, tmp_path: Path) -> None:
    image, copy = tmp_path / "image", tmp_path / "tree"
    shutil.copytree(tree / "etc" / "deep", copy)
    try:
        os.setxattr(copy / "er" / "\u00fc \u00f6", "user.site", b"ward 3")
    except OSError:
        pytest.skip("the file system under the temporary folder holds no extended attributes")
    _run(_program("mkfs.jffs2"), "--with-xattr", f"--root={copy}", f"--output={image}")
    entries = _open(jffs2.FORMAT, image.read_bytes())
    assert entries["er/\u00fc \u00f6"].extended["user.site"] == b"ward 3"


def _ubifs(tree: Path, image: Path, *options: str) -> bytes:
    _run(_program("mkfs.ubifs"), *options, "--max-leb-cnt=400", f"--root={tree}", f"--output={image}")
    return image.read_bytes()


@pytest.mark.parametrize("compression", ["none", "lzo", "favor_lzo", "zlib", "zstd"])
def test_ubifs_images_hold_what_was_packed(tree: Path, tmp_path: Path, compression: str) -> None:
    options = ("--min-io-size=2048", "--leb-size=126976", f"--compr={compression}")
    _compare(_open(ubifs.FORMAT, _ubifs(tree, tmp_path / "image", *options)), tree)


def test_ubifs_images_with_small_blocks_and_deep_index_hold_what_was_packed(tree: Path, tmp_path: Path) -> None:
    options = ("--min-io-size=512", "--leb-size=15872", "--fanout=3")
    _compare(_open(ubifs.FORMAT, _ubifs(tree, tmp_path / "image", *options)), tree)


UBI_SECTIONS = """
[rootfs]
mode=ubi
image={dynamic}
vol_id=0
vol_type=dynamic
vol_name=rootfs
vol_size=30MiB
[settings]
mode=ubi
image={static}
vol_id=3
vol_type=static
vol_name=settings
"""


@pytest.mark.parametrize("sizes", [("2048", "128KiB", "126976"), ("512", "16KiB", "15360")], ids=" ".join)
def test_ubi_images_hold_the_volumes_put_in(tree: Path, tmp_path: Path, sizes: tuple[str, str, str]) -> None:
    write_bytes, erase_block, logical_block = sizes
    files = {"dynamic": tmp_path / "dynamic", "static": tmp_path / "static"}
    dynamic = _ubifs(tree, files["dynamic"], f"--min-io-size={write_bytes}", f"--leb-size={logical_block}")
    static = (tree / "etc" / "text").read_bytes()
    files["static"].write_bytes(static)
    (tmp_path / "ubi.ini").write_text(UBI_SECTIONS.format(**files), encoding="utf-8")
    options = (f"--min-io-size={write_bytes}", f"--peb-size={erase_block}")
    _run(_program("ubinize"), *options, f"--output={tmp_path / 'image'}", tmp_path / "ubi.ini")
    entries = _open(ubi.FORMAT, (tmp_path / "image").read_bytes())
    assert {name: entry.read(4 * MIB) for name, entry in entries.items()} == {"rootfs": dynamic, "settings": static}
    _compare(_open(ubifs.FORMAT, entries["rootfs"].read(4 * MIB)), tree)
