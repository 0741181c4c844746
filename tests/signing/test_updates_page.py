"""docs/updates.md, followed to the letter: the files it shows are written, the commands it shows are run."""

from __future__ import annotations

import hashlib
import re
import shlex
import shutil
from pathlib import Path

import pytest

from signing.attacks.lab import sbom
from toolkit.app.cli import run

PAGE = (Path(__file__).parents[2] / "docs" / "updates.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
FIRMWARE = b"firmware of the pump" * 100
AT = "2026-12-01T09:00:00Z"


def blocks(language: str) -> list[str]:
    return [text for kind, text in BLOCK.findall(PAGE) if kind == language]


def plan(text: str, repository: str, people: tuple[str, str, str]) -> str:
    """Return the plan of the page with all its people, for the other repository too."""
    person = '[[people]]\nid = "{0}"\nname = "{0}"\nkey = "{0}.pub"\n'
    everybody = "".join(person.format(name) for name in people)
    full = re.sub(r"\[\[people\]\].*?# \.\.\.[^\n]*\n", everybody, text, flags=re.DOTALL)
    for old, new in zip(("ada", "ben", "cyd"), people, strict=True):
        full = full.replace(f'"{old}"', f'"{new}"')
    return full.replace('"vendor"', f'"{repository}"', 1)


class Reader:
    """Somebody who follows the page, and does in between what it tells other people to do."""

    def __init__(self) -> None:
        self.done: list[str] = []
        self.before = {
            "trust init": self.second_key,
            "trust merge": self.sign_the_stick,
            "package create": self.ceremony_of_the_hospital,
        }

    def __call__(self, line: str) -> None:
        words = shlex.split(line)[1:]
        verb = " ".join(words[:2])
        if verb in self.before:
            self.before.pop(verb)()
        timed = verb not in ("keys new", "keys export", "trust show")
        assert run([*words, "--now", AT] if timed else words) == 0, line
        self.done.append(verb)

    def second_key(self) -> None:
        for person in ("ben", "cyd"):
            if person != "ben":
                self(f"medharden keys new file:{person}.pem")
            self(f"medharden keys export file:{person}.pem --output {person}.pub")

    def sign_the_stick(self) -> None:
        shutil.copytree("vendor", "ben-stick/vendor")
        self("medharden trust sign ben-stick/vendor --key file:ben.pem")

    def ceremony_of_the_hospital(self) -> None:
        for person in ("dee", "eve", "fay"):
            self(f"medharden keys new file:{person}.pem")
            self(f"medharden keys export file:{person}.pem --output {person}.pub")
        self("medharden trust init hospital --plan hospital.toml")
        for person in ("dee", "eve"):
            self(f"medharden trust sign hospital --key file:{person}.pem")
        self("medharden trust merge hospital")
        for name in ("vendor", "hospital"):
            shutil.copy(Path(name, "1.root.json"), f"{name}.root.json")


def commands() -> list[str]:
    """Return the commands of the page, up to the hospital that wraps a file, without the change of people."""
    lines = [line for block in blocks("sh") for line in block.splitlines()]
    end = next(at for at, line in enumerate(lines) if "--trust hospital" in line and "create" in line)
    return [line for line in lines[:end] if "rotate" not in line and "revoke" not in line]


def test_the_page_can_be_followed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MEDHARDEN_PASSPHRASE", "four plain words here")
    vendor_plan, override, release, profile = blocks("toml")
    (record,) = blocks("json")
    for name, text in {
        "vendor.toml": plan(vendor_plan, "vendor", ("ada", "ben", "cyd")),
        "hospital.toml": plan(vendor_plan, "hospital", ("dee", "eve", "fay")) + override,
        "release.toml": release,
        "ward-pump.toml": profile,
        "pump-17.json": record,
    }.items():
        Path(name).write_text(text, encoding="utf-8")
    Path("pump_main.bin").write_bytes(FIRMWARE)
    Path("sbom.json").write_bytes(sbom(hashlib.sha256(FIRMWARE).hexdigest()))
    follow = Reader()
    for line in commands():
        follow(line)
    assert follow.before == {}
    assert follow.done[-1] == "package verify"
    assert Path("to-install/pump_main.bin").read_bytes() == FIRMWARE
