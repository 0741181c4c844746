"""The main job through the command line, as a biomedical engineer starts it."""

import json
import os
import stat
import sys
from pathlib import Path

import pytest

from firmware_checks.fingerprints.examples import made_function, object_file, program
from toolkit.app.cli import run
from toolkit.app.demo import image_path
from toolkit.report.json_report import from_json

NOBODY = 65534


@pytest.fixture
def hex_file(tmp_path: Path) -> Path:
    path = tmp_path / "pump.hex"
    path.write_bytes(b":020000040800F2\r\n:0400000001020304F2\r\n:00000001FF\r\n")
    return path


def test_a_vendor_update_is_reviewed_before_it_goes_on_a_pump(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = tmp_path / "report.json"
    code = run(["scan", str(image_path()), "--format", "json", "--output", str(target), "--fail-on", "medium"])
    assert code == 1
    report = from_json(target.read_bytes())
    assert report.subject.name == "demo-pump-update.zip"
    assert report.image.arch == "arm-cortex-m"
    assert report.image.load_address == 0x0801_0200
    assert "STM32F4" in (report.image.mcu_family or "")
    assert report.coverage.recognised_ratio == 1.0
    assert {"mbedtls", "freertos", "lwip"} <= {c.name for c in report.components}
    assert {"update-not-signed", "readout-protection-open"} <= {f.check for f in report.findings}
    assert {"zip", "intel-hex", "mcuboot"} <= {r.format for r in report.regions}
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "report written to" in captured.err


def test_every_piece_of_evidence_leads_back_to_the_file(tmp_path: Path) -> None:
    target = tmp_path / "report.json"
    run(["scan", str(image_path()), "--json", "--output", str(target)])
    report = from_json(target.read_bytes())
    banner = next(c for c in report.components if c.name == "freertos")
    place = banner.evidence[0]
    assert place.path == "demo-pump-update.zip!pump-2.1.0.hex"
    assert place.address is not None
    text = _hex_text()
    assert place.offset is not None
    assert bytes.fromhex(text[place.offset : place.offset + 2].decode()) == place.excerpt[:1].encode()


def _hex_text() -> bytes:
    import zipfile

    with zipfile.ZipFile(image_path()) as archive:
        return archive.read("pump-2.1.0.hex")


def test_the_same_file_gives_the_same_bytes(hex_file: Path, capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    outputs = []
    for _ in range(2):
        run(["scan", str(hex_file), "--json"])
        outputs.append(capsysbinary.readouterr().out)
    assert outputs[0] == outputs[1]
    assert json.loads(outputs[0])["subject"]["name"] == "pump.hex"


def test_no_report_names_a_folder_of_this_machine(hex_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for format_ in ("text", "json", "html", "cyclonedx"):
        run(["scan", str(hex_file), "--format", format_])
        assert str(hex_file.parent) not in capsys.readouterr().out


def test_several_images_give_a_folder_of_reports_in_two_processes(
    hex_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "reports"
    arguments = ["scan", str(hex_file), str(image_path()), "--format", "html", "--output", str(folder), "--jobs", "2"]
    assert run(arguments) in (0, 1)
    names = sorted(p.name for p in folder.iterdir())
    assert [n.rpartition(".report")[0].rpartition(".")[0] for n in names] == ["demo-pump-update.zip", "pump.hex"]
    assert capsys.readouterr().err.count("report written to") == 2


def test_one_bad_file_does_not_keep_the_others_from_being_read(
    hex_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = run(["scan", str(tmp_path / "missing.hex"), str(hex_file), "--json"])
    captured = capsys.readouterr()
    assert code == 2
    assert captured.err.count("\n") == 1
    assert "missing.hex: cannot be opened: No such file" in captured.err
    assert json.loads(captured.out)["subject"]["name"] == "pump.hex"


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_bad_input_is_one_clear_line_and_never_a_traceback(
    jobs: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    empty = tmp_path / "empty.bin"
    empty.write_bytes(b"")
    folder = tmp_path / "folder"
    folder.mkdir()
    code = run(["scan", str(empty), str(folder), str(tmp_path / "missing"), "--jobs", jobs])
    lines = capsys.readouterr().err.splitlines()
    assert code == 2
    assert len(lines) == 3
    assert lines[0].endswith("empty.bin: the file is empty")
    assert lines[1].endswith("folder: is a folder; name the image files in it")
    assert "cannot be opened" in lines[2]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no named pipes in folders")
def test_a_pipe_is_refused_and_not_waited_for(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    assert run(["scan", str(pipe)]) == 2
    assert "is not a regular file" in capsys.readouterr().err


@pytest.mark.skipif(sys.platform == "win32", reason="Windows keeps rights in another way")
def test_a_file_that_may_not_be_read_is_one_clear_line(hex_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    hex_file.chmod(stat.S_IWUSR)
    before = os.geteuid()
    if before == 0:
        os.seteuid(NOBODY)  # the administrator may read everything
    try:
        assert run(["scan", str(hex_file)]) == 2
    finally:
        os.seteuid(before)
    assert "Permission denied" in capsys.readouterr().err


def test_an_unknown_profile_or_option_is_one_line(hex_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["scan", str(hex_file), "--profile", "no-such-device"]) == 2
    assert "no-such-device" in capsys.readouterr().err
    assert run(["scan", str(hex_file), "--fail-on", "never"]) == 2
    assert run(["scan"]) == 2
    assert "Traceback" not in capsys.readouterr().err


def test_the_profile_stands_in_the_report_and_its_policy_decides_when_to_fail(
    hex_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(["scan", str(hex_file), "--json", "--profile", "infusion-pump-lvp"])
    data = json.loads(capsys.readouterr().out)["data"]
    assert data["profile"] == "infusion-pump-lvp"
    assert len(data["profile_sha256"]) == 64


@pytest.mark.parametrize("format_", ["text", "html"])
@pytest.mark.parametrize("language", ["en", "fr", "es"])
def test_reports_speak_three_languages(format_: str, language: str, capsys: pytest.CaptureFixture[str]) -> None:
    run(["scan", str(image_path()), "--format", format_, "--language", language])
    expected = {"en": "What this report does not say", "fr": "Ce que ce rapport", "es": "Lo que este informe"}
    assert expected[language].lower() in capsys.readouterr().out.lower()


def test_help_shows_examples_and_exit_codes(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["scan", "--help"]) == 0
    shown = capsys.readouterr().out
    assert "medharden scan firmware.hex" in shown
    assert "Exit codes" in shown


def test_the_report_schema_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["report-schema"]) == 0
    assert "coverage" in json.loads(capsys.readouterr().out)["$defs"]["Report"]["properties"]


def test_the_formats_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["formats", "--json"]) == 0
    names = {row["name"] for row in json.loads(capsys.readouterr().out)}
    assert {"intel-hex", "srec", "ti-txt", "uf2", "dfu", "dfuse", "elf", "mcuboot", "esp-image", "zip"} <= names
    assert run(["formats"]) == 0
    assert "limits:" in capsys.readouterr().out


def test_packs_of_ones_own_name_what_is_inside(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sdk = {f"sdk_{n}": made_function(f"sdk {n}", 60) for n in range(8)}
    own = {f"own_{n}": made_function(f"own {n}", 60) for n in range(20)}
    image, library, pack = tmp_path / "pump.bin", tmp_path / "sdk.o", tmp_path / "sdk.mdsig"
    image.write_bytes(program({**own, **sdk}, stack=0x2000_1000, base=0x0800_0000))
    library.write_bytes(object_file(sdk))
    run(["signatures", "build", "--component", "our-sdk", "--version", "2.4", "--output", str(pack), str(library)])
    capsys.readouterr()
    for arguments in ([str(image)], [str(image), str(image), "--jobs", "2"]):
        target = tmp_path / f"reports-{len(arguments)}"
        target.mkdir()
        assert run(["scan", *arguments, "--json", "--output", str(target), "--signatures", str(pack)]) in (0, 1)
        (path,) = target.iterdir()
        (found,) = [c for c in from_json(path.read_bytes()).components if c.name == "our-sdk"]
        assert found.version == "2.4"
    capsys.readouterr()
    assert run(["scan", str(image), "--json"]) in (0, 1)
    assert "our-sdk" not in capsys.readouterr().out


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_a_pack_that_cannot_be_used_is_one_line(jobs: str, hex_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["scan", str(hex_file), str(hex_file), "--jobs", jobs, "--signatures", str(hex_file)]) == 2
    assert capsys.readouterr().err.splitlines() == ["medharden: pump.hex: is no signature pack"]
