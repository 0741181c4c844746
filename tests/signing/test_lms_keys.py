"""LMS keys in folders: they verify as RFC 8554 says, count their signatures, and cannot be restored or shared."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from signing.key import PublicKey
from signing.keyring import create_key, open_signer, public_key, scheme_of
from signing.lms.parameters import ALL, check_hss_signature, parameters_named, spki_of, split_public_key
from signing.refusal import Refusal
from toolkit.core.errors import InputError

SMALL = "lms-sha256-m24-h5-w4"
RFC_KEY = bytes.fromhex(
    "000000020000000500000004"
    "61a5d57d37f5e46bfb7520806b07a1b850650e3b31fe4a773ea29a07f09cf2ea30e579f0df58ef8e298da0434cb2b878"
)
RFC_MESSAGE = (
    b"The powers not delegated to the United States by the Constitution, nor prohibited by it to the States, "
    b"are reserved to the States respectively, or to the people.\n"
)
"""RFC 8554, appendix F, test case 1; the signature stands in a file beside."""


class Words:
    def __init__(self, word: str = "correct horse battery") -> None:
        self._word = word

    def existing(self, purpose: str) -> str:
        assert purpose
        return self._word

    new = existing


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made")
    create_key(f"lms:{folder / 'fw.lms'}", SMALL, Words())
    return folder


@pytest.fixture
def key(made: Path, tmp_path: Path) -> Path:
    shutil.copytree(made, tmp_path, dirs_exist_ok=True)
    return tmp_path / "fw.lms"


def signed(key: Path, message: bytes) -> bytes:
    with open_signer(f"lms:{key}", Words()) as signer:
        return signer.sign(message)


@pytest.fixture(scope="module")
def rfc_signature() -> bytes:
    text = Path(__file__).with_name("rfc8554_test_case_1.hex").read_text(encoding="ascii")
    return bytes.fromhex("".join(text.split()))


def test_the_example_of_the_specification_verifies(rfc_signature: bytes) -> None:
    public = PublicKey.from_encoded(spki_of(RFC_KEY))
    public.verify(RFC_MESSAGE, rfc_signature)
    assert public.name == "hss-sha256-m32"


@pytest.mark.parametrize("place", [0, 3, 4, 7, 8, 11, 12, 200, 1131, 1132, 1300, 1356, 1360, 1364, 1500, 2643])
def test_no_byte_of_the_example_can_be_changed(rfc_signature: bytes, place: int) -> None:
    changed = bytearray(rfc_signature)
    changed[place] ^= 1
    with pytest.raises(Refusal) as refused:
        PublicKey.from_encoded(spki_of(RFC_KEY)).verify(RFC_MESSAGE, bytes(changed))
    assert refused.value.rule.startswith("signature.")


def test_every_truncation_and_extension_is_refused(rfc_signature: bytes) -> None:
    public = PublicKey.from_encoded(spki_of(RFC_KEY))
    for wrong in (*(rfc_signature[:size] for size in range(0, 2644, 61)), rfc_signature + b"\0"):
        with pytest.raises(Refusal):
            public.verify(RFC_MESSAGE, wrong)


def test_a_signature_verifies_and_each_takes_the_next_number(key: Path) -> None:
    first, second = signed(key, b"first"), signed(key, b"second")
    public = public_key(f"lms:{key}", Words())
    public.verify(b"first", first)
    public.verify(b"second", second)
    assert (first[4:8], second[4:8]) == (bytes(4), b"\0\0\0\1")
    assert scheme_of(f"lms:{key}")[0].facts(str(key))["signatures_left"] == 30


def test_a_number_beyond_the_tree_is_refused(key: Path) -> None:
    signature = bytearray(signed(key, b"message"))
    signature[4:8] = (32).to_bytes(4, "big")
    with pytest.raises(Refusal, match="beyond the end of the tree"):
        public_key(f"lms:{key}", Words()).verify(b"message", bytes(signature))


@pytest.mark.parametrize("place", [4 + 4, 4 + 4 + 1252])
def test_typecodes_of_a_signature_are_not_believed(key: Path, place: int) -> None:
    signature = bytearray(signed(key, b"message"))
    signature[place + 3] ^= 2
    with pytest.raises(Refusal) as refused:
        public_key(f"lms:{key}", Words()).verify(b"message", bytes(signature))
    assert refused.value.rule == "signature.algorithm"


def test_when_all_signatures_are_used_the_key_signs_no_more(key: Path) -> None:
    with open_signer(f"lms:{key}", Words()) as signer:
        numbers = {signer.sign(b"again")[4:8] for _number in range(32)}
        with pytest.raises(InputError, match="all 32 signatures of this LMS key are used"):
            signer.sign(b"once more")
    assert len(numbers) == 32


def test_a_restored_backup_refuses_to_sign(key: Path, tmp_path: Path) -> None:
    shutil.copytree(key, tmp_path / "backup")
    signed(key, b"made after the backup")
    shutil.rmtree(key)
    shutil.copytree(tmp_path / "backup", key)
    with pytest.raises(Refusal) as refused:
        signed(key, b"another message")
    assert refused.value.rule == "lms.restored-backup"


def test_a_copy_without_its_witness_refuses_to_sign(key: Path, tmp_path: Path) -> None:
    shutil.copytree(key, tmp_path / "copy.lms")
    with pytest.raises(Refusal) as refused:
        signed(tmp_path / "copy.lms", b"message")
    assert refused.value.rule == "lms.state-missing"


def test_a_restored_witness_is_told(key: Path, tmp_path: Path) -> None:
    witness = tmp_path / "fw.lms.witness"
    old = witness.read_bytes()
    signed(key, b"one")
    signed(key, b"two")
    witness.write_bytes(old)
    with pytest.raises(Refusal) as refused:
        signed(key, b"three")
    assert refused.value.rule == "lms.foreign-witness"


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"key_id": "other", "next": 0}', b'{"next": "x"}'])
def test_a_damaged_state_refuses_to_sign(key: Path, content: bytes) -> None:
    (key / "state.json").write_bytes(content)
    with pytest.raises(Refusal) as refused:
        signed(key, b"message")
    assert refused.value.rule == "lms.state-damaged"


def test_a_damaged_tree_costs_no_number(key: Path) -> None:
    (key / "tree.bin").write_bytes(b"short")
    with pytest.raises(Refusal) as refused:
        signed(key, b"message")
    assert refused.value.rule == "lms.state-damaged"
    assert scheme_of(f"lms:{key}")[0].facts(str(key))["signatures_used"] == 0


def test_a_signature_made_with_a_changed_tree_never_leaves(key: Path) -> None:
    tree = bytearray((key / "tree.bin").read_bytes())
    tree[:] = bytes(len(tree))
    (key / "tree.bin").write_bytes(tree)
    with pytest.raises(Refusal) as refused:
        signed(key, b"message")
    assert refused.value.rule == "signature.invalid"


def test_two_programs_cannot_sign_with_one_key_at_a_time(key: Path) -> None:
    with (
        open_signer(f"lms:{key}", Words()),
        pytest.raises(InputError, match="in use by another program"),
        open_signer(f"lms:{key}", Words()),
    ):
        raise AssertionError


def test_the_passphrase_is_needed_to_sign_and_not_to_show(key: Path) -> None:
    assert public_key(f"lms:{key}", Words("unknown")).name == SMALL
    with pytest.raises(InputError, match="the passphrase does not open it"), open_signer(f"lms:{key}", Words("wrong")):
        raise AssertionError


def test_an_lms_key_signs_whole_messages_only(key: Path) -> None:
    with open_signer(f"lms:{key}", Words()) as signer, pytest.raises(InputError, match="needs the message whole"):
        signer.sign_digest(bytes(32))


def test_an_existing_key_is_never_replaced(key: Path) -> None:
    before = (key / "key.json").read_bytes()
    with pytest.raises(InputError, match="exists already"):
        create_key(f"lms:{key}", SMALL, Words())
    assert (key / "key.json").read_bytes() == before


@pytest.mark.parametrize(
    "content", [b"", b"[1]", b'{"format": "other"}', b'{"format": "medharden-lms-key-1", "salt": 3}']
)
def test_a_damaged_key_file_is_explained(key: Path, content: bytes) -> None:
    (key / "key.json").write_bytes(content)
    with pytest.raises((InputError, Refusal)):
        signed(key, b"message")


def test_a_witness_can_stand_on_another_medium(tmp_path: Path) -> None:
    uri = f"lms:{tmp_path / 'k.lms'}?witness={tmp_path / 'safe' / 'k.witness'}"
    create_key(uri, SMALL, Words())
    with open_signer(uri, Words()) as signer:
        signer.sign(b"message")
    assert (tmp_path / "safe" / "k.witness").is_file()
    with pytest.raises(InputError, match="after the \\? comes witness="):
        public_key(f"lms:{tmp_path / 'k.lms'}?wittness=x", Words())


SIGN_UNTIL_KILLED = """
import sys
from signing.keyring import open_signer
class Words:
    def existing(self, purpose): return "correct horse battery"
with open_signer(sys.argv[1], Words()) as signer:
    while True:
        print(signer.sign(b"message")[4:8].hex(), flush=True)
"""


def test_killed_at_any_moment_no_number_is_used_twice(key: Path) -> None:
    numbers: list[str] = []
    for lines in (1, 4, 2):
        program = [sys.executable, "-c", SIGN_UNTIL_KILLED, f"lms:{key}"]
        with subprocess.Popen(program, stdout=subprocess.PIPE, text=True) as running:
            assert running.stdout is not None
            numbers += [running.stdout.readline().strip() for _line in range(lines)]
            running.kill()
            numbers += running.stdout.read().split()
    assert len(numbers) >= 7
    assert len(numbers) == len(set(numbers))


def test_every_parameter_set_is_read_back_from_its_key() -> None:
    for parameters in ALL:
        types = parameters.tree_type.to_bytes(4, "big") + parameters.one_time_type.to_bytes(4, "big")
        hss_key = b"\0\0\0\1" + types + bytes(16 + parameters.hash_bytes)
        assert split_public_key(hss_key) == (1, parameters)
        assert PublicKey.from_encoded(spki_of(hss_key)).name == f"lms-sha256-{parameters.name}"


@pytest.mark.parametrize(
    "change",
    [
        lambda k: b"\0\0\0\0" + k[4:],
        lambda k: b"\0\0\0\x09" + k[4:],
        lambda k: k[:4] + b"\0\0\0\x0f" + k[8:],
        lambda k: k[:4] + b"\0\0\0\x0a" + k[8:],
        lambda k: k[:-1],
        lambda k: k + b"\0",
        lambda k: k[:7],
    ],
)
def test_keys_with_other_levels_typecodes_or_sizes_are_refused(change: object) -> None:
    with pytest.raises(Refusal):
        PublicKey.from_encoded(spki_of(change(RFC_KEY)))  # type: ignore[operator]


def test_a_signature_with_another_number_of_levels_is_refused(rfc_signature: bytes) -> None:
    single = b"\0\0\0\1" + RFC_KEY[4:]
    with pytest.raises(Refusal, match="another number of levels"):
        check_hss_signature(single, rfc_signature)
    assert parameters_named("m32-h5-w8").signatures == 32
