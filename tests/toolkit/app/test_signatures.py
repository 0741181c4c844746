import json
from pathlib import Path

import pytest

from firmware_checks.fingerprints.examples import made_function, object_file
from toolkit.app.cli import run

LIBRARY = object_file({f"sdk_{n}": made_function(n, 30) for n in range(6)})


def test_a_pack_is_built_from_an_object_file_and_listed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source, target = tmp_path / "sdk.o", tmp_path / "sdk.mdsig"
    source.write_bytes(LIBRARY)
    arguments = ["signatures", "build", "--component", "sdk", "--version", "2.4", "--output", str(target), str(source)]
    assert run(arguments) == 0
    assert "6 functions of sdk 2.4" in capsys.readouterr().err
    first = target.read_bytes()
    assert run(arguments) == 0
    assert target.read_bytes() == first
    capsys.readouterr()
    assert run(["signatures", "list", str(target), "--json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert row == {
        "pack": "sdk.mdsig",
        "component": "sdk",
        "arch": "arm-cortex-m",
        "versions": ["2.4"],
        "builds": 1,
        "functions": 6,
        "reported": True,
    }


def test_the_installed_packs_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["signatures", "list"]) == 0
    assert "newlib" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "cannot be read"),
        (b"text", "neither"),
        (object_file({}), "no functions with names"),
    ],
)
def test_files_that_cannot_be_used_are_told(
    content: bytes | None, words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = tmp_path / "input"
    if content is not None:
        source.write_bytes(content)
    target = tmp_path / "o.mdsig"
    assert run(["signatures", "build", "--component", "c", "--version", "1", "--output", str(target), str(source)]) == 2
    assert words in capsys.readouterr().err
    assert not target.exists()


def test_files_for_two_processors_are_no_one_pack(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = bytearray(LIBRARY)
    other[18] = 83
    (tmp_path / "arm.o").write_bytes(LIBRARY)
    (tmp_path / "avr.o").write_bytes(other)
    command = ["signatures", "build", "--component", "c", "--version", "1", "--output", str(tmp_path / "o.mdsig")]
    assert run([*command, str(tmp_path / "arm.o"), str(tmp_path / "avr.o")]) == 2
    assert "avr.o: is for avr and the files before for arm-cortex-m" in capsys.readouterr().err


def test_a_file_that_is_no_pack_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "x").write_bytes(LIBRARY)
    assert run(["signatures", "list", str(tmp_path / "x")]) == 2
    assert "x: is no signature pack" in capsys.readouterr().err
