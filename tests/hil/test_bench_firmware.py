"""The compiled demo pump: built bit for bit, and it answers what the model answers, good and weak."""

from __future__ import annotations

import runpy
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hil.bench_check import checks
from hil.bench_image import FOLDER, bench_image, weak_pumps
from hil.demo_console import PASSWORD, line_with_checksum, set_command
from hil.demo_image import Recipe, built
from hil.demo_loader import BLOCK_BYTES, LOADER_WEAKNESSES
from hil.model import models
from hil.transport import Transport, make_transport
from hil.transport_url import TransportUrl
from toolkit.core.errors import InputError

BUILDER = FOLDER.parents[1] / "build_bench_firmware.py"
NEEDS_COMPILER = pytest.mark.skipif(
    shutil.which("arm-none-eabi-gcc") is None, reason="arm-none-eabi-gcc is not installed"
)
GATES = {"text": 8192, "lms": 3072, "stack": 2048}
"""Most bytes of a boot loader with verification on a Cortex-M0+: all of it, LMS with its hash, and the stack."""
NONCES = (b"654e2c87", b"a17a5b0e")
LOGIN = b"login " + PASSWORD + b"\r"
SCRIPT = (
    *(b"id\r", b"version\r", b"status\n", b"\r", b"stop\r", b"nothing\r", b"id more words\r", b"idle\r", b"mem 0\r"),
    *(b"nonce\r", b"set backlight 20\r", b"start\r", b"erase\r", b"silence\r", b"hang\r", b"service-mode\r"),
    *(b"log 1\r", b"log 25\r", b"log 26\r", b"log 999\r", b"log 0\r", b"log x\r", b"log\r", b"log 12345678\r"),
    *(b"id*0D\r", b"id*0d\r", b"id*FF\r", b"*00\r", b"id**D\r", b"id*0D*\r", line_with_checksum(b"status")),
    *(b"id;silence\r", b"id;nothing\r", b"x" * 64 + b"\r", b"x" * 65 + b"\r", b"id\r", b"i", b"d", b"\r"),
    *(b"login 4711\r", b"logout\r", b"login a\r", b"login\r", b"login b\r", LOGIN),
)
LOGGED_IN = (
    *(LOGIN, b"nonce\r", set_command(b"backlight", 7, nonce=NONCES[0], password=PASSWORD)),
    *(set_command(b"backlight", 7, nonce=NONCES[0], password=PASSWORD), b"set rate 9 \r", b"set  5 6\r", b"set a\r"),
    *(b"set backlight 300 00000000\r", b"set rate 999999999999999999999 1\r", b"start\r", b"status\r", b"stop\r"),
    *(set_command(b"rate", 5, nonce=b"", password=PASSWORD), b"status\r", b"erase\r", b"silence\r", b"logout\r"),
    *(b"start\r", b"a b c d e f g h i j\r", b"id \xff\x80\r", b"id\r"),
)
THERAPY = (
    *(LOGIN, b"start\r", b"status\r", b"silence\r", b"status\r", b"nonce\r"),
    *(
        set_command(b"rate", 999, nonce=NONCES[0], password=PASSWORD),
        *[b"\r"] * 20,
        b"status\r",
        b"stop\r",
        b"status\r",
    ),
)
NEWER = Recipe(version=(2, 2, 0), counter=8)


def offered(image: bytes) -> tuple[bytes, ...]:
    blocks = (
        b"block %d %s\r" % (at, image[at : at + BLOCK_BYTES].hex().encode()) for at in range(0, len(image), BLOCK_BYTES)
    )
    return (b"update %d\r" % len(image), *blocks, b"install\r")


GOOD = built(NEWER)
UPDATES = (
    *(LOGIN, b"block 0 00\r", b"install\r", b"update\r", b"update 0\r", b"update 8177\r", b"update 0000001\r"),
    *(b"update 50\r", b"block 1 00\r", b"block 0 0\r", b"block 0\r", b"block x 00\r", b"block 0 0g\r", b"block 0 aB\r"),
    *(b"block 0 00 00\r", b"block 1 " + b"00" * 25 + b"\r", b"block 1 " + b"00" * 24 + b"\r", b"install\r"),
    *offered(GOOD[:40] + b"!" + GOOD[41:]),
    *offered(built(replace(NEWER, key_words=None))),
    *offered(built(replace(NEWER, key_words="a stranger"))),
    *offered(built(replace(NEWER, model="other"))),
    *offered(built(replace(NEWER, counter=6))),
    *offered(built(replace(NEWER, version=(2, 1, 0)))),
    *(*offered(GOOD)[:-2], b"install\r"),
    *(*offered(GOOD), b"confirm\r"),
)


def variants() -> list[str]:
    return ["", *weak_pumps()]


CONVERSATIONS = [
    *[("strangers", weak, SCRIPT) for weak in variants() if weak not in LOADER_WEAKNESSES],
    *[("service", weak, LOGGED_IN) for weak in variants() if weak not in LOADER_WEAKNESSES],
    *[("updates", weak, UPDATES) for weak in ("", "accepts-altered", "no-rollback-check", "accepts-any-order")],
    ("therapy", "", THERAPY),
]


def spoken(transport: Transport, script: tuple[bytes, ...]) -> list[bytes]:
    """Return what is said while starting, and after each line."""
    said = [everything(transport, 0.43)]
    for line in script:
        transport.write(line)
        said.append(everything(transport, 0.01 if line.startswith(b"block") else 0.6))
    return said


def everything(transport: Transport, seconds: float) -> bytes:
    end_s, said = transport.clock.now_s() + seconds, b""
    while (left_s := end_s - transport.clock.now_s()) > 0:
        said += transport.read(left_s)
    return said


def opened(url: str) -> Transport:
    transport = make_transport(url)
    transport.open()
    return transport


@pytest.mark.parametrize(
    ("weak", "script"), [case[1:] for case in CONVERSATIONS], ids=[f"{case[0]}-{case[1]}" for case in CONVERSATIONS]
)
def test_the_compiled_pump_says_byte_for_byte_what_the_model_says(weak: str, script: tuple[bytes, ...]) -> None:
    pytest.importorskip("unicorn", reason="the extra unicorn is not installed")
    with opened(f"medemu://demo-pump?weak={weak}") as model, opened(f"unicorn://demo-pump?weak={weak}") as compiled:
        wanted, got = spoken(model, script), spoken(compiled, script)
    assert list(zip((b"", *script), got, strict=True)) == list(zip((b"", *script), wanted, strict=True))


def test_each_variant_that_is_compiled_is_one_of_the_model_and_has_its_check() -> None:
    weak = set(weak_pumps())
    assert weak <= set(models()["demo-pump"].weaknesses)
    assert weak <= {url.rpartition("weak=")[2] for check in checks().values() for url in check.weak_devices}


def test_a_boot_loader_with_verification_fits_into_the_smallest_processors() -> None:
    sizes = dict(line.split(" ") for line in (FOLDER / "SIZES").read_text(encoding="ascii").splitlines())
    assert sizes.keys() == GATES.keys()
    assert all(0 < int(size) <= GATES[name] for name, size in sizes.items())


@NEEDS_COMPILER
def test_the_compiler_gives_the_committed_images_and_sizes_bit_for_bit(tmp_path: Path) -> None:
    builder: dict[str, Any] = runpy.run_path(str(BUILDER))
    version = subprocess.run(["arm-none-eabi-gcc", "-dumpfullversion"], capture_output=True, check=True, text=True)  # noqa: S607
    if version.stdout.strip() != builder["COMPILER_VERSION"]:
        pytest.skip(f"another compiler ({version.stdout.strip()}) gives other bytes")
    builder["build"](tmp_path)
    built_files = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert built_files == {path.name: path.read_bytes() for path in FOLDER.iterdir()}


@pytest.mark.parametrize("name", ["loader.bin", "program.bin"])
def test_an_image_that_was_changed_is_not_run(name: str, tmp_path: Path) -> None:
    for path in FOLDER.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    with (tmp_path / name).open("ab") as image:
        image.write(b"\0")
    with pytest.raises(InputError, match="has been changed"):
        bench_image(TransportUrl("qemu", "demo-pump"), tmp_path)
    (tmp_path / name).unlink()
    with pytest.raises(InputError, match="cannot be read"):
        bench_image(TransportUrl("qemu", "demo-pump"), tmp_path)


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("unicorn://pump", "there is demo-pump"),
        ("unicorn://demo-pump?weak=rust", "no weakness rust"),
        ("unicorn://demo-pump?weak=no-login,boot-log", "one weakness"),
        ("qemu://demo-pump?weka=no-login", "weka"),
    ],
)
def test_an_address_that_names_no_variant_is_refused(url: str, problem: str) -> None:
    with pytest.raises(InputError, match=problem):
        make_transport(url)
