import hashlib
import shutil
import struct
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_checks.format import Opened, Part
from firmware_checks.formats.fit import FORMAT, HASHES, MOST_HASHES, MOST_IMAGES
from firmware_checks.readers.flat_tree import TreeSource, build_tree
from firmware_checks.span import Span
from toolkit.core.errors import FormatError
from toolkit.core.limits import Limits
from toolkit.core.window import Window
from toolkit.report.model import RegionKind

MKIMAGE, OPENSSL = shutil.which("mkimage") or "", shutil.which("openssl") or ""
needs_mkimage = pytest.mark.skipif(
    not (MKIMAGE and shutil.which("dtc")), reason="mkimage or dtc is not installed (Debian package u-boot-tools)"
)
SIGNATURE = {"algo": b"sha256,rsa2048\0", "key-name-hint": b"dev\0", "value": b"signature"}


def _open(data: bytes) -> Opened:
    return FORMAT.open(Span("pump.itb", Window.of(data)), Limits())


def _fit(images: TreeSource, configurations: TreeSource | None = None, **root: bytes) -> bytes:
    return build_tree({**root, "images": images, **({"configurations": configurations} if configurations else {})})


def _number(value: int) -> bytes:
    return struct.pack(">I", value)


def _part(data: bytes, title: str) -> tuple[Part, bytes]:
    part = next(part for part in _open(data).parts if part.title == title)
    return part, data[part.start : part.end]


def test_images_inside_the_tree_are_parts_with_their_hashes_computed_again() -> None:
    opened = _open(FORMAT.example())
    kernel, tree = sorted(opened.parts, key=lambda part: part.title, reverse=True)
    assert [(part.title, part.look_inside) for part in (kernel, tree)] == [("kernel", True), ("fdt", True)]
    assert [(v.algorithm, v.valid) for part in (kernel, tree) for v in part.integrity] == [
        ("sha256", True),
        ("crc32", True),
    ]
    assert kernel.program is not None
    assert (kernel.program.arch, kernel.program.load_address, kernel.address) == ("aarch64", 0x8008_0000, 0x8008_0000)
    assert (kernel.kind, tree.kind) == (RegionKind.PROGRAM, RegionKind.DATA)
    assert opened.problems == ()


@given(
    st.lists(st.binary(min_size=1, max_size=50), min_size=1, max_size=4),
    st.booleans(),
    st.binary(max_size=9),
)
def test_images_behind_the_tree_are_read_back(contents: list[bytes], from_the_start: bool, after: bytes) -> None:
    def built(base: int) -> bytes:
        images: dict[str, TreeSource] = {}
        place = 0
        for number, content in enumerate(contents):
            where = {"data-position": _number(base + place)} if from_the_start else {"data-offset": _number(place)}
            images[f"image-{number}"] = {**where, "data-size": _number(len(content)), "type": b"ramdisk\0"}
            place += len(content)
        return _fit(images)

    tree = built(0)
    base = len(tree) + -len(tree) % 4
    data = built(base).ljust(base, b"\0") + b"".join(contents)
    opened = _open(data + after)
    assert opened.size == len(data)
    assert [data[part.start : part.end] for part in opened.parts] == contents


@pytest.mark.parametrize("algorithm", sorted(HASHES))
def test_every_hash_is_computed_again_and_a_wrong_one_told(algorithm: str) -> None:
    right = hashlib.new(algorithm, b"pump").digest()
    hashes: TreeSource = {
        "hash-1": {"algo": algorithm.encode() + b"\0", "value": right},
        "hash-2": {"algo": algorithm.encode() + b"\0", "value": bytes(len(right))},
    }
    part, _ = _part(_fit({"kernel": {"data": b"pump", **hashes}}), "kernel")
    assert [(v.algorithm, v.valid) for v in part.integrity] == [(algorithm, True), (algorithm, False)]


def test_a_hash_we_do_not_know_or_without_a_value_is_told() -> None:
    hashes: TreeSource = {"hash-1": {"algo": b"crc16\0", "value": b"xx"}, "hash-2": {"algo": b"sha1\0"}}
    opened = _open(_fit({"kernel": {"data": b"pump", **hashes}}))
    assert opened.parts[0].integrity == ()
    assert opened.problems == ("hash by 'crc16' is not known here: 'kernel'", "hash has no value: 'kernel'")


def test_only_so_many_hashes_of_one_image_are_computed() -> None:
    hashes: TreeSource = {f"hash-{n}": {"algo": b"crc32\0", "value": bytes(4)} for n in range(100)}
    part, _ = _part(_fit({"kernel": {"data": b"pump", **hashes}}), "kernel")
    assert len(part.integrity) == MOST_HASHES


def test_a_signed_configuration_says_who_signed_and_with_what() -> None:
    configurations: TreeSource = {
        "default": b"conf-1\0",
        "conf-1": {"kernel": b"kernel\0", "signature": SIGNATURE},
        "conf-2": {"kernel": b"kernel\0"},
    }
    facts = _open(
        _fit({"kernel": {"data": b"pump"}}, configurations, timestamp=_number(5), description=b"Pump\0")
    ).facts
    assert facts == {
        "description": "Pump",
        "images": 1,
        "configurations": ("conf-1", "conf-2"),
        "default_configuration": "conf-1",
        "signed": True,
        "signature_algorithms": ("sha256,rsa2048",),
        "key_name_hints": ("dev",),
        "signature_over": "configurations",
        "unsigned_configurations": ("conf-2",),
        "created_s": 5,
    }


def test_a_signature_on_an_image_alone_is_told_as_such() -> None:
    data = _fit({"kernel": {"data": b"pump", "signature-1": SIGNATURE}}, {"conf": {}})
    opened = _open(data)
    assert opened.facts["signature_over"] == "single images"
    assert _part(data, "kernel")[0].facts["signed_with"] == ("dev",)
    assert "unsigned_configurations" not in opened.facts


def test_a_signature_that_was_never_made_is_none() -> None:
    unmade: TreeSource = {"algo": b"sha256,rsa2048\0", "key-name-hint": b"dev\0"}
    opened = _open(_fit({"kernel": {"data": b"pump", "signature": unmade}}, {"conf": {"signature": unmade}}))
    assert opened.facts["signed"] is False
    assert "key_name_hints" not in opened.facts


def test_an_encrypted_image_is_not_looked_into() -> None:
    image: TreeSource = {
        "data": b"pump",
        "type": b"kernel\0",
        "arch": b"arm\0",
        "load": _number(1),
        "cipher": {"algo": b"aes256\0"},
    }
    part, _ = _part(_fit({"kernel": image}), "kernel")
    assert (part.kind, part.look_inside, part.program, part.address) == (RegionKind.ENCRYPTED, False, None, None)


def test_a_compressed_kernel_is_looked_into_and_no_program() -> None:
    image: TreeSource = {"data": b"pump", "type": b"kernel\0", "arch": b"arm\0", "compression": b"gzip\0"}
    part, content = _part(_fit({"kernel": image}), "kernel")
    assert (part.look_inside, part.program, content) == (True, None, b"pump")


def test_images_that_are_not_there_are_told() -> None:
    images: TreeSource = {
        "nowhere": {"type": b"kernel\0"},
        "outside": {"data-offset": _number(0), "data-size": _number(5000)},
        "behind": {"data-position": _number(1 << 31), "data-size": _number(1)},
        "kernel": {"data": b"pump"},
    }
    opened = _open(_fit(images))
    assert [part.title for part in opened.parts] == ["kernel"]
    assert len(opened.problems) == 3
    assert opened.problems[0] == "image was not read: it does not say where its data is: 'nowhere'"


def test_images_that_share_their_bytes_are_looked_into_once() -> None:
    where: TreeSource = {"data-position": _number(0), "data-size": _number(40), "hash": {"algo": b"sha512\0"}}
    opened = _open(_fit({f"image-{n}": where for n in range(MOST_IMAGES + 5)}))
    assert len(opened.parts) == 1
    assert any("only the first 1000 of 1005 images were read" in problem for problem in opened.problems)
    assert any("shares its bytes with another one" in problem for problem in opened.problems)


def test_a_tree_without_images_is_a_device_tree_and_no_fit() -> None:
    with pytest.raises(FormatError, match="holds no images"):
        _open(build_tree({"model": b"Pump\0"}))


def test_a_fit_without_readable_images_is_as_long_as_its_tree() -> None:
    data = _fit({})
    assert (_open(data + b"after").size, _open(data).facts["signed"]) == (len(data), False)


@needs_mkimage
def test_what_mkimage_makes_of_a_kernel_by_itself_is_read_back(tmp_path: Path) -> None:
    (tmp_path / "kernel").write_bytes(bytes(range(256)) * 9)
    command = [MKIMAGE, "-f", "auto", "-A", "arm", "-O", "linux", "-T", "kernel", "-C", "none", "-a", "0x8000"]
    command += ["-e", "0x8000", "-n", "pump", "-d", str(tmp_path / "kernel"), str(tmp_path / "out")]
    subprocess.run(command, check=True, capture_output=True)
    data = (tmp_path / "out").read_bytes()
    part, content = _part(data, "kernel-1")
    assert content == bytes(range(256)) * 9
    assert [v.valid for v in part.integrity] == [True] * len(part.integrity)
    assert len(part.integrity) > 0
    assert _open(data).size == len(data)


ITS = """/dts-v1/;
/ {
  description = "Pump"; #address-cells = <1>;
  images {
    kernel { description = "Linux"; data = /incbin/("kernel"); type = "kernel"; arch = "arm64"; os = "linux";
      compression = "gzip"; load = <0x80080000>; entry = <0x80080000>;
      hash-1 { algo = "crc32"; }; hash-2 { algo = "md5"; }; hash-3 { algo = "sha1"; };
      hash-4 { algo = "sha256"; }; hash-5 { algo = "sha384"; }; hash-6 { algo = "sha512"; }; };
    ramdisk { data = /incbin/("ramdisk"); type = "ramdisk"; arch = "arm64"; os = "linux"; compression = "none";
      hash { algo = "sha256"; }; };
  };
  configurations { default = "conf"; conf { kernel = "kernel"; ramdisk = "ramdisk";
    signature { algo = "sha256,rsa2048"; key-name-hint = "dev"; sign-images = "kernel", "ramdisk"; }; }; };
};
"""


@needs_mkimage
@pytest.mark.parametrize("options", [[], ["-E"], ["-E", "-p", "0x3000"], ["-E", "-B", "0x100"]])
@pytest.mark.parametrize("key", ["signed", "not signed"])
def test_every_hash_of_mkimage_is_right_and_a_signature_is_seen(options: list[str], key: str, tmp_path: Path) -> None:
    files = {"kernel": bytes(range(256)) * 5 + b"odd", "ramdisk": b"ramdisk" * 11}
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    (tmp_path / "pump.its").write_text(ITS, encoding="ascii")
    signing: list[str] = []
    if key == "signed":
        if not OPENSSL:
            pytest.skip("openssl is not installed (Debian package openssl)")
        make = [OPENSSL, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=dev", "-keyout", "dev.key"]
        subprocess.run([*make, "-out", "dev.crt"], cwd=tmp_path, check=True, capture_output=True)
        signing = ["-k", "."]
    command = [MKIMAGE, *options, *signing, "-f", "pump.its", "out"]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    data = (tmp_path / "out").read_bytes()
    opened = _open(data)
    for name, content in files.items():
        part, found = _part(data, name)
        assert found == content
        assert [v.valid for v in part.integrity] == [True] * (6 if name == "kernel" else 1)
    assert opened.facts["signed"] is (key == "signed")
    assert opened.problems == ()
    assert 0 <= len(data) - opened.size < 256
