"""``medharden review`` and ``medharden diff`` as a clinical engineer types them before an update is installed."""

from __future__ import annotations

import io
import json
import struct
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import pytest

from firmware_checks.formats.mcuboot import PUBLISHED_TEST_KEYS, build_image
from signing.attacks.lab import MODEL, SPEC, Lab
from signing.mcuboot_builder import ImageRequest, signed_image
from signing.policy import policy_named
from signing.private import MemorySigner, made_key
from toolkit.app.cli import run

DAY = ("--now", "2026-12-10")
PUMP = ("--profile", "demo-pump")
OLD_ZLIB = b"deflate 1.2.11 Copyright 1995-2017 Jean-loup Gailly and Mark Adler "
NEW_ZLIB = b"deflate 1.3.1 Copyright 1995-2024 Jean-loup Gailly and Mark Adler "
PROFILE = """
schema_version = "1.0"
id = "lab-pump"
kind = "archetype"
extends = "infusion-pump-lvp"
title = "The pumps of the lab"
[policy.update]
vendor = "Lab Devices"
model = "lab-pump"
hardware_revisions = ["B", "C"]
regions = ["eu"]
[[policy.update.components]]
id = "main"
largest = 1048576
[[policy.update.components]]
id = "drugs"
kind = "drug_library"
"""


def program(text: bytes) -> bytes:
    """Return a Cortex-M program of a kilobyte or so that says ``text``."""
    base = 0x0801_0200
    table = struct.pack("<48I", 0x2000_4000, *(base + 0xC1 + 20 * n for n in range(47)))
    return table + bytes.fromhex("80b500af00bf00bf80bd") * 400 + b"\0" + text + b"\0"


def signed(text: bytes, version: tuple[int, int, int, int], counter: int, key: MemorySigner) -> bytes:
    request = ImageRequest(
        version=version, security_counter=counter, vendor="example.org", device_class="pump-x1", header_bytes=512,
        dependencies={}, slot_bytes=None, load_address=None, is_header_there=False,
    )  # fmt: skip
    return signed_image(program(text), request, key, policy_named("legacy"))


def archive(files: dict[str, bytes], **modes: int) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size, member.mode = len(data), modes.get(name.rpartition("/")[2], 0o644)
            tar.addfile(member, io.BytesIO(data))
    return packed.getvalue()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two signed releases, what goes wrong with such files, and a vulnerability database."""
    folder = tmp_path_factory.mktemp("review")
    key, other = MemorySigner(made_key("ecdsa-p256-sha256")), MemorySigner(made_key("ed25519"))
    (folder / "trusted").mkdir()
    (folder / "trusted" / "vendor.pub").write_bytes(key.public.pem())
    (folder / "trusted" / "readme.txt").write_text("Handed over in person.\n", encoding="utf-8")
    (folder / "other.pub").write_bytes(other.public.pem())
    for name, data in {
        "old.bin": signed(OLD_ZLIB, (2, 0, 0, 0), 6, key),
        "new.bin": signed(NEW_ZLIB, (2, 1, 0, 0), 7, key),
        "unsigned.bin": build_image(program(NEW_ZLIB)),
        "test-key.bin": build_image(
            program(NEW_ZLIB), (0x01, bytes.fromhex(next(iter(PUBLISHED_TEST_KEYS)))), (0x22, bytes(70))
        ),
        "plain.bin": program(NEW_ZLIB),
        "root-1.tar": archive({"etc/shadow": b"root:*:0:0:::\n", "x": b"1", "zlib.so": b"\0" + OLD_ZLIB}),
        "root-2.tar": archive({"etc/shadow": b"root::0:0:::\n", "y": b"1", "zlib.so": b"\0" + OLD_ZLIB}, shadow=0o600),
    }.items():
        (folder / name).write_bytes(data)
    (folder / "cut.bin").write_bytes((folder / "new.bin").read_bytes()[:3000])
    feed = {"format": "NVD_CVE", "version": "2.0", "timestamp": "2026-08-17T00:00:00", "vulnerabilities": [_record()]}
    (folder / "nvd.json").write_text(json.dumps(feed), encoding="utf-8")
    assert run(["db", "import", str(folder / "nvd.json"), "--db", str(folder / "v.db"), *DAY]) == 0
    return folder


def _record() -> Any:
    row = {"vulnerable": True, "criteria": "cpe:2.3:a:acme:pump:*:*:*:*:*:*:*:*", "versionEndExcluding": "2.0"}
    return {
        "cve": {
            "id": "CVE-2024-0001",
            "vulnStatus": "Analyzed",
            "lastModified": "2026-01-01",
            "descriptions": [{"lang": "en", "value": "Bad things."}],
            "metrics": {},
            "configurations": [{"nodes": [{"operator": "OR", "negate": False, "cpeMatch": [row]}]}],
        }
    }


class Desk:
    """The folder, and the command line."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder = folder
        self._capsys = capsys

    def __call__(self, *words: object, code: int) -> str:
        """Run ``medharden`` and return what it printed; names of files are those of the folder."""
        self._capsys.readouterr()
        got = run([self._word(word) for word in words] + list(DAY))
        said = self._capsys.readouterr()
        assert got == code, said.out + said.err
        return said.out + said.err

    def review(self, *words: object, code: int = 1) -> Any:
        """Return the review as other programs get it."""
        self._capsys.readouterr()
        assert run(["review", *map(self._word, words), "--json", *DAY]) == code
        return json.loads(self._capsys.readouterr().out)

    def _word(self, word: object) -> str:
        path = self.folder / str(word)
        return str(path) if path.exists() else str(word)


@pytest.fixture
def desk(folder: Path, capsys: pytest.CaptureFixture[str]) -> Desk:
    return Desk(folder, capsys)


def codes(review: Any, weight: str) -> set[str]:
    return {reason["code"] for reason in review["reasons"] if reason["weight"] == weight}


ASKED = (*PUMP, "--trust", "trusted", "--db", "v.db")


def test_a_signed_newer_release_for_the_model_that_mends_faults_is_go(desk: Desk) -> None:
    review = desk.review("new.bin", "--current", "old.bin", *ASKED, code=0)
    assert review["verdict"] == "go"
    assert codes(review, "ask") | codes(review, "no-go") == set()
    assert {"signed-by", "processor-fits", "not-older", "fixed-count", "seen"} <= codes(review, "fine")
    assert review["signers"][0].startswith("vendor.pub (")
    fates = {row["id"]: row["fate"] for row in review["difference"]["vulnerabilities"]}
    assert fates["CVE-2022-37434"] == "fixed"


def test_the_older_release_is_no_go_and_brings_faults_back(desk: Desk) -> None:
    review = desk.review("old.bin", "--current", "new.bin", *ASKED)
    assert review["verdict"] == "no-go"
    assert {"older", "counter-lower"} <= codes(review, "no-go")
    assert "reopened-count" in codes(review, "ask")
    fates = {row["id"]: row["fate"] for row in review["difference"]["vulnerabilities"]}
    assert fates["CVE-2022-37434"] == "reopened"


@pytest.mark.parametrize("trust", [(), ("--trust", "trusted")])
def test_an_unsigned_update_over_a_signed_one_is_no_go(desk: Desk, trust: tuple[str, ...]) -> None:
    review = desk.review("unsigned.bin", "--current", "old.bin", *PUMP, *trust)
    assert review["verdict"] == "no-go"
    assert "signature-lost" in codes(review, "no-go")
    assert "counter-gone" in codes(review, "no-go")


@pytest.mark.parametrize(
    ("file", "code"), [("unsigned.bin", "signature-empty"), ("test-key.bin", "test-key"), ("cut.bin", "damaged")]
)
def test_what_nobody_or_everybody_signed_and_what_is_cut_off_is_no_go(desk: Desk, file: str, code: str) -> None:
    review = desk.review(file)
    assert review["verdict"] == "no-go"
    assert code in codes(review, "no-go")


def test_a_signature_of_somebody_else_is_refused(desk: Desk) -> None:
    review = desk.review("new.bin", "--trust", "other.pub")
    assert "signature-refused" in codes(review, "no-go")
    assert review["signers"] == []


def test_nothing_is_go_because_nothing_was_asked(desk: Desk) -> None:
    review = desk.review("new.bin")
    assert review["verdict"] == "ask-the-vendor"
    assert {"signed-not-verified", "no-profile", "no-current", "no-database"} <= codes(review, "ask")
    assert review["not_examined"]


def test_a_program_without_any_signature_is_only_as_good_as_its_channel(desk: Desk) -> None:
    assert "nothing-vouches" in codes(desk.review("plain.bin", *PUMP), "ask")
    assert "only-checksum" in codes(desk.review("root-1.tar"), "ask")


def test_an_image_for_another_processor_is_no_go(desk: Desk) -> None:
    review = desk.review("new.bin", "--profile", "patient-monitor-lowend", "--trust", "trusted")
    assert review["verdict"] == "no-go"
    assert "other-processor" in codes(review, "no-go")


def test_the_same_file_changes_nothing(desk: Desk) -> None:
    review = desk.review("new.bin", "--current", "new.bin", *ASKED, code=0)
    assert "same-file" in codes(review, "fine")
    assert "Nothing differs" in desk("diff", "new.bin", "new.bin", code=0)
    assert "Nothing differs" in desk("review", "new.bin", "--current", "new.bin", *ASKED, code=0)


def test_a_new_account_without_password_is_no_go_and_files_are_compared(desk: Desk) -> None:
    review = desk.review("root-2.tar", "--current", "root-1.tar")
    assert "new-weakness" in codes(review, "no-go")
    files = {row["path"]: (row["change"], row["what"]) for row in review["difference"]["files"]}
    assert files == {
        "etc/shadow": ("changed", ["content", "mode"]),
        "x": ("removed", []),
        "y": ("added", []),
    }
    text = desk("diff", "root-1.tar", "root-2.tar", code=1)
    assert "mode 0644 -> 0600" in text
    assert "left           CVE-2022-37434" in text


def test_own_decisions_are_carried_over_and_those_that_are_not_are_named(desk: Desk, tmp_path: Path) -> None:
    statements = [
        {
            "vulnerability": {"name": name},
            "products": [{"@id": "pkg:generic/pump", "subcomponents": [{"@id": "pkg:generic/zlib"}]}],
            "status": "not_affected",
            "justification": "vulnerable_code_not_in_execute_path",
        }
        for name in ("CVE-2022-37434", "CVE-2099-0001")
    ]
    document = {"@context": "https://openvex.dev/ns/v0.2.0", "author": "Ada", "timestamp": "2026-01-01T00:00:00Z"}
    triage = tmp_path / "decisions.openvex.json"
    triage.write_text(json.dumps({**document, "statements": statements}), encoding="utf-8")
    review = desk.review("root-2.tar", "--current", "root-1.tar", "--triage", triage)
    assert review["triage"]["carried"] == ["CVE-2022-37434 (zlib)"]
    assert review["triage"]["unused"][0].startswith("CVE-2099-0001")
    assert "Carried over: CVE-2022-37434 (zlib)" in desk("review", "root-2.tar", "--triage", triage, code=1)


def test_the_same_files_give_the_same_bytes_in_every_form(desk: Desk, tmp_path: Path) -> None:
    for form in ("text", "html", "json"):
        written = set()
        for number in range(2):
            output = tmp_path / f"{number}.{form}"
            desk("review", "old.bin", "--current", "new.bin", "--format", form, "--output", output, code=1)
            written.add(output.read_bytes())
        assert len(written) == 1
    assert desk("diff", "old.bin", "new.bin", "--json", code=1) == desk("diff", "old.bin", "new.bin", "--json", code=1)


@pytest.mark.parametrize(("language", "word"), [("en", "NO-GO"), ("fr", "NON"), ("es", "NO")])
def test_the_page_comes_in_three_languages(desk: Desk, language: str, word: str) -> None:
    text = desk("review", "old.bin", "--current", "new.bin", "--language", language, code=1)
    assert text.splitlines()[0] == word
    page = desk("review", "old.bin", "--current", "new.bin", "--format", "html", "--language", language, code=1)
    assert f'<html lang="{language}">' in page


def test_the_page_says_so_when_nothing_was_compared_or_nothing_differs(desk: Desk) -> None:
    assert "Nothing was compared" in desk("review", "new.bin", "--format", "html", code=1)
    same = desk("review", "new.bin", "--current", "new.bin", *ASKED, "--format", "html", code=0)
    assert "Nothing differs" in same
    assert 'class="verdict go"' in same


def test_the_long_form_names_what_could_not_be_compared(desk: Desk, tmp_path: Path) -> None:
    image = tmp_path / "hole.zip"
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive_:
        archive_.writestr("secret.bin", b"1" * 100)
    data = bytearray(packed.getvalue())
    data[6] |= 1  # says that it is encrypted
    data[data.index(b"PK\1\2") + 8] |= 1
    image.write_bytes(bytes(data))
    assert "what they hold was not compared" in desk("diff", "new.bin", image, code=1).replace("\n", " ")
    assert "Not read: hole.zip" in desk("review", image, code=1)


def test_the_page_holds_no_script_and_nothing_of_the_image_unescaped(desk: Desk, tmp_path: Path) -> None:
    image = tmp_path / "<script>alert(1)<script>.tar"
    image.write_bytes(archive({"<img src=x onerror=alert(1)>": b"1"}))
    page = desk("review", image, "--current", "root-1.tar", "--format", "html", code=1)
    assert "<script" not in page
    assert "<img" not in page


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("review", "missing.bin"), "missing.bin"),
        (("review", "new.bin", "--trust", "missing"), "no such file or folder"),
        (("review", "new.bin", "--profile", "no-such-pump"), "no-such-pump"),
        (("review", "new.bin", "--trust", "nvd.json"), "holds no public key"),
        (("review", "new.bin", "--db", "missing.db"), "missing.db"),
        (("diff", "new.bin", "missing.bin"), "missing.bin"),
    ],
)
def test_what_cannot_be_used_is_told_in_one_line(desk: Desk, words: tuple[str, ...], says: str) -> None:
    assert says in desk(*words, code=2)


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An update package of a vendor and a hospital, their roots, and the profile of the pump."""
    folder = tmp_path_factory.mktemp("packages")
    lab = Lab(folder / "lab")
    spec = SPEC.replace('slot = "app-a"\nload_address = 0x08008000\n', "")
    (folder / "pump.mdpkg").write_bytes(lab.package(spec))
    (folder / "vendor-only.mdpkg").write_bytes(lab.vendor_package(spec))
    data = lab.package(spec)
    (folder / "changed.mdpkg").write_bytes(data[:-40] + bytes([data[-40] ^ 1]) + data[-39:])
    for name, root in lab.trust().roots.items():
        for store in ("both", name):
            (folder / store).mkdir(exist_ok=True)
            (folder / store / f"{name}.root.json").write_bytes(root)
    (folder / f"{MODEL}.toml").write_text(PROFILE, encoding="utf-8")
    return folder


def test_a_package_of_both_is_verified_for_its_model(packages: Path, capsys: pytest.CaptureFixture[str]) -> None:
    desk = Desk(packages, capsys)
    review = desk.review("pump.mdpkg", "--profile", "lab-pump.toml", "--trust", "both")
    assert {"signed-by", "bound-to-model"} <= codes(review, "fine")
    assert "freshness-open" in codes(review, "note")
    assert [signer.partition(":")[0] for signer in review["signers"]] == ["vendor", "hospital"]


@pytest.mark.parametrize(
    ("words", "weight", "code"),
    [
        (("vendor-only.mdpkg", "--profile", "lab-pump.toml", "--trust", "vendor"), "ask", "approval-left-out"),
        (("changed.mdpkg", "--profile", "lab-pump.toml", "--trust", "both"), "no-go", "signature-refused"),
        (("vendor-only.mdpkg", "--profile", "lab-pump.toml", "--trust", "both"), "no-go", "signature-refused"),
        (
            ("pump.mdpkg", "--profile", "lab-pump.toml", "--trust", "both", "--now", "2027-12-10"),
            "ask",
            "freshness-open",
        ),
    ],
)
def test_a_package_that_is_not_all_right_is_not_go(
    packages: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], weight: str, code: str
) -> None:
    capsys.readouterr()
    arguments = [str(packages / word) if (packages / word).exists() else word for word in words]
    assert run(["review", *DAY, *arguments, "--json"]) == 1
    assert code in codes(json.loads(capsys.readouterr().out), weight)


@pytest.mark.parametrize(
    "words",
    [
        ("--trust", "both"),
        ("--profile", "lab-pump.toml", "--trust", "hospital"),
        ("--profile", "demo-pump", "--trust", "both"),
    ],
)
def test_a_package_nobody_could_verify_is_not_go(
    packages: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...]
) -> None:
    review = Desk(packages, capsys).review("pump.mdpkg", *words)
    assert review["verdict"] != "go"
    assert review["signers"] == []
    assert "signed-by" not in codes(review, "fine")
