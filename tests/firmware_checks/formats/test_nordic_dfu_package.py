import io
import json
import zipfile
from collections.abc import Mapping

import pytest

from firmware_checks.format import Opened
from firmware_checks.formats.nordic_dfu_package import FIRMWARE_BYTES, FORMAT
from firmware_checks.formats.nordic_init_packet import build_init_packet
from firmware_checks.span import Span
from toolkit.core.errors import FormatError
from toolkit.core.limits import Limits
from toolkit.core.window import Window

FIRMWARE = b"firmware of a pump" * 9
SIGNATURE = bytes(range(64))
APPLICATION = {"application": {"bin_file": "app.bin", "dat_file": "app.dat"}}


def _open(data: bytes) -> Opened:
    return FORMAT.open(Span("pump.zip", Window.of(data)), Limits())


def _package(contents: object, files: Mapping[str, bytes]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("manifest.json", json.dumps({"manifest": contents}))
        for name, data in files.items():
            archive.writestr(name, data)
    return file.getvalue()


def _application(packet: bytes = build_init_packet(FIRMWARE, signature=SIGNATURE), **files: bytes) -> bytes:
    return _package(APPLICATION, {"app.bin": FIRMWARE, "app.dat": packet} | files)


def test_a_package_says_what_it_holds_for_whom_and_who_signed_it() -> None:
    data = _application()
    opened = _open(data + b"\xff" * 100)
    assert opened.size == len(data)
    assert opened.title == "Nordic DFU package"
    assert opened.facts["contains"] == ("application",)
    assert opened.facts["application_file"] == "app.bin"
    assert opened.facts["application_requires_softdevice"] == ("S132 7.2.0",)
    assert opened.facts["application_signature_algorithm"] == "ECDSA P-256"
    assert opened.facts["signed"] is True
    assert [(v.algorithm, v.covers, v.valid) for v in opened.integrity] == [("sha256", "app.bin", True)]
    assert opened.problems == ()
    contents = {entry.name: entry.read(1 << 20) for entry in opened.entries}
    assert set(contents) == {"manifest.json", "app.bin", "app.dat"}
    assert contents["app.bin"] == FIRMWARE


def test_firmware_that_was_changed_is_a_verdict_and_its_size_a_problem() -> None:
    data = _package(APPLICATION, {"app.bin": FIRMWARE + b"\0", "app.dat": build_init_packet(FIRMWARE)})
    opened = _open(data)
    assert [verdict.valid for verdict in opened.integrity] == [False]
    assert opened.problems == ("the application file has 163 bytes, its init packet says 162",)


def test_a_package_is_signed_only_when_all_of_it_is() -> None:
    contents = APPLICATION | {"softdevice": {"bin_file": "sd.bin", "dat_file": "sd.dat"}}
    packets = {"app.dat": build_init_packet(FIRMWARE, signature=SIGNATURE), "sd.dat": build_init_packet(b"sd")}
    opened = _open(_package(contents, {"app.bin": FIRMWARE, "sd.bin": b"sd"} | packets))
    assert opened.facts["contains"] == ("softdevice", "application")
    assert opened.facts["signed"] is False
    assert (opened.facts["softdevice_signed"], opened.facts["application_signed"]) == (False, True)
    assert {e.name: e.address for e in opened.entries if e.address is not None} == {"sd.bin": 0x1000}


def test_a_legacy_package_is_protected_by_a_check_sum_only() -> None:
    packet = bytes.fromhex("ffffffffffffffff0100feff") + b"\x34\x12"
    opened = _open(_application(packet))
    assert opened.facts["application_generation"] == "legacy"
    assert opened.facts["signed"] is False
    assert [(v.algorithm, v.stored, v.valid) for v in opened.integrity] == [("crc16", "1234", False)]


def test_firmware_without_an_init_packet_is_told() -> None:
    opened = _open(_package({"application": {"bin_file": "app.bin"}}, {"app.bin": FIRMWARE}))
    assert opened.problems == ("application has no init packet: nothing says whom it fits, and nothing protects it",)
    assert opened.facts["signed"] is False


def test_files_that_are_not_there_are_told() -> None:
    opened = _open(_package(APPLICATION, {"readme.txt": b"x"}))
    assert opened.problems == (
        "the manifest names 'app.bin', which is not in the package",
        "the manifest names 'app.dat', which is not in the package",
    )
    opened = _open(_package(APPLICATION, {"app.dat": build_init_packet(FIRMWARE)}))
    assert opened.facts["application_hash"] == "sha256"
    assert opened.integrity == ()


def test_an_init_packet_that_cannot_be_read_is_told() -> None:
    assert _open(_application(b"what?")).problems[0].startswith("the init packet 'app.dat' cannot be read")


def test_firmware_larger_than_any_device_is_not_held_against_its_hash() -> None:
    data = _package(APPLICATION, {"app.bin": bytes(FIRMWARE_BYTES + 1), "app.dat": build_init_packet(FIRMWARE)})
    opened = _open(data)
    assert opened.problems == (f"'app.bin' unpacks to more than {FIRMWARE_BYTES} bytes",)
    assert opened.integrity == ()


def test_folders_in_a_package_are_no_files() -> None:
    assert "extra/" not in {entry.name for entry in _open(_application(**{"extra/": b""})).entries}


def test_of_two_files_with_one_name_the_last_is_judged_and_both_are_read() -> None:
    with pytest.warns(UserWarning, match="Duplicate"):
        file = io.BytesIO(_application())
        with zipfile.ZipFile(file, "a") as archive:
            archive.writestr("app.bin", b"evil")
    opened = _open(file.getvalue())
    assert [verdict.valid for verdict in opened.integrity] == [False]
    assert any("more than once" in problem for problem in opened.problems)
    assert [entry.read(1000) for entry in opened.entries if entry.name == "app.bin"] == [FIRMWARE, b"evil"]


@pytest.mark.parametrize(
    "manifest",
    [
        b"",
        b"{}",
        b"[" * 60_000,
        b'{"manifest": {}}',
        b'{"manifest": []}',
        b'{"manifest": {"application": {"bin_file": 5}}}',
        b'{"manifest": {"application": {}}}',
        b"\xff\xfe{",
        b" " * 70_000,
    ],
)
def test_another_manifest_makes_no_package(manifest: bytes) -> None:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("manifest.json", manifest)
    with pytest.raises(FormatError):
        _open(file.getvalue())


def test_a_zip_without_a_manifest_and_other_bytes_are_no_package() -> None:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("app.bin", b"x")
    for data in (file.getvalue(), b"PK\x05\x06" + bytes(18), bytes(100)):
        with pytest.raises(FormatError):
            _open(data)
