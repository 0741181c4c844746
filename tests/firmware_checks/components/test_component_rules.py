"""A rule file says what is wrong with it; the rules of third parties stand beside ours."""

from __future__ import annotations

import importlib.metadata
import subprocess
import sys
from pathlib import Path

import pytest

from firmware_checks.component_rules import (
    GROUP,
    ComponentRule,
    _assemble,
    _of_third_parties,
    decode_rule,
    load_rules,
    rules_digest,
)
from toolkit.core.errors import RuleError

PUMP = r"""
name = "pump-os"
title = "Pump OS"
category = "rtos"
description = "Runs the tasks of a pump."
source = "made up for this test"
purl = "pkg:generic/acme/pump-os@{version}"
cpe = "cpe:2.3:o:acme:pump_os:{version}:*:*:*:*:*:*:*"
versions = ['PumpOS V(?P<version>\d+\.\d+)']
signs = ['PumpOS idle']
not_example = ["PumpOS"]

[[example]]
text = "PumpOS V1.2"
version = "1.2"
"""


def _changed(old: str, new: str) -> bytes:
    assert old in PUMP
    return PUMP.replace(old, new).encode()


def _rule(extra: str = "") -> ComponentRule:
    return decode_rule("pump-os.toml", (extra + PUMP).encode())


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ('name = "pump-os"', 'name = "other"', "name: 'other' is not the name of the file"),
        ('title = "Pump OS"', "", "missing required field `title`"),
        ('category = "rtos"', 'category = "pumps"', r"Invalid enum value 'pumps' - at `\$\.category`"),
        ('category = "rtos"', "category = 7", r"Expected `str`, got `int` - at `\$\.category`"),
        ('source = "made up for this test"', "", "missing required field `source`"),
        ('title = "Pump OS"', 'title = "Pump OS"\ncolour = "red"', "unknown field `colour`"),
        ("text =", "txt =", r"unknown field `txt` - at `\$\.example\[0\]`"),
        ('["PumpOS"]', '["PumpOS"', "at line"),
        ('["PumpOS"]', "[]", "not_example: at least one is needed"),
        ("@{version}", "", "purl: has no {version} after @"),
        ("pump_os:{version}", "pump_os:1.0", "cpe: is not cpe:2.3 with 13 fields"),
        ("{version}:*:*", "{version}:*", "cpe: is not cpe:2.3 with 13 fields"),
        (r"(?P<version>\d+\.\d+)", r"\d", r"versions\[0\]: versions have a group named version"),
        ("PumpOS idle", "PumpOS (?P<version>idle)", r"signs\[0\]: versions have a group named version"),
        ("PumpOS idle", r"\d", r"signs\[0\]: pump-os: no literal of 3 bytes"),
        ("PumpOS idle", "Pump \u20ac", r"signs\[0\]: 'latin-1' codec"),
        ("signs = ['PumpOS idle']", "minimum_signs = 2", "minimum_signs: 2 of 0 signs"),
        ("signs =", "minimum_signs = 0\nsigns =", "minimum_signs: 0 of 1 signs"),
        ('[[example]]\ntext = "PumpOS V1.2"\nversion = "1.2"', "example = []", "example: at least one is needed"),
    ],
)
def test_an_error_names_the_file_and_the_field(old: str, new: str, problem: str) -> None:
    data = _changed(old, new) if not new.startswith("example") else _without_example()
    with pytest.raises(RuleError, match=problem) as raised:
        decode_rule("acme/pump-os.toml", data)
    assert str(raised.value).startswith("acme/pump-os.toml: ")
    assert "\n" not in str(raised.value)


def _without_example() -> bytes:
    return (PUMP.partition("[[example]]")[0] + "example = []\n").encode()


def test_all_errors_of_a_file_are_told_at_once() -> None:
    bad = PUMP.replace("PumpOS idle", r"\d").replace("@{version}", "").replace("pump-os", "pump")
    with pytest.raises(RuleError, match=r"name: .*; purl: .*; signs\[0\]: "):
        decode_rule("pump-os.toml", bad.encode())


def test_a_file_that_is_not_text_is_refused() -> None:
    with pytest.raises(RuleError, match=r"pump-os\.toml: "):
        decode_rule("pump-os.toml", b"\xff\xfe")


def test_a_rule_that_nothing_would_show_is_refused() -> None:
    bare = PUMP.replace(r"versions = ['PumpOS V(?P<version>\d+\.\d+)']", "").replace("signs = ['PumpOS idle']", "")
    with pytest.raises(RuleError, match="nothing would ever show it"):
        decode_rule("pump-os.toml", bare.encode())


def test_names_carry_the_version_and_stand_without_one() -> None:
    rule = _rule()
    assert rule.purl_of("1.2-rc1+dev") == "pkg:generic/acme/pump-os@1.2-rc1%2Bdev"
    assert rule.purl_of(None) == "pkg:generic/acme/pump-os"
    assert rule.cpe_of("1.2") == "cpe:2.3:o:acme:pump_os:1.2:*:*:*:*:*:*:*"
    assert rule.cpe_of("1.2", "RC1") == "cpe:2.3:o:acme:pump_os:1.2:rc1:*:*:*:*:*:*"
    assert rule.cpe_of("1.2+X~y") == r"cpe:2.3:o:acme:pump_os:1.2\+x\~y:*:*:*:*:*:*:*"
    assert rule.cpe_of(None) == "cpe:2.3:o:acme:pump_os:*:*:*:*:*:*:*:*"


def test_a_component_that_the_nvd_does_not_know_has_no_cpe() -> None:
    rule = decode_rule("pump-os.toml", _changed('cpe = "cpe:2.3:o:acme:pump_os:{version}:*:*:*:*:*:*:*"', ""))
    assert rule.cpe_of("1.2") is None


@pytest.mark.parametrize(
    ("spelling", "found", "version"),
    [
        ("", "V10.4.6", "10.4.6"),
        ("", " 2.6.", "2.6"),
        ("", "V200R005C20", "V200R005C20"),
        ('spelling = "underscores"\n', "v2_0", "2.0"),
        ('spelling = "underscores"\n', "4_40_04_04", "4.40.04.04"),
        ('spelling = "digits"\n', "367", "3.6.7"),
    ],
)
def test_a_version_is_written_as_its_makers_do(spelling: str, found: str, version: str) -> None:
    assert _rule(spelling).spelled(found) == version


def test_rules_come_sorted_and_with_a_digest_that_any_change_changes() -> None:
    names = [rule.name for rule in load_rules()]
    assert names == sorted(set(names))
    assert len(names) > 50
    assert len(rules_digest()) == 64


def test_third_party_rules_are_added() -> None:
    assert [r.name for r in _assemble({}, {"acme/pump-os.toml": PUMP.encode()})] == ["pump-os"]


def test_rule_files_of_a_third_party_carry_the_name_of_its_entry_point() -> None:
    entry = importlib.metadata.EntryPoint("acme", "firmware_checks.formats", GROUP)
    files = _of_third_parties([entry])
    assert files
    assert all(name.startswith("acme/") and name.endswith(".toml") for name in files)


def test_a_third_party_cannot_replace_a_rule() -> None:
    with pytest.raises(RuleError, match=r"acme/pump-os\.toml: name: there is a rule 'pump-os' already"):
        _assemble({"pump-os.toml": PUMP.encode()}, {"acme/pump-os.toml": PUMP.encode()})


def test_a_third_party_expression_is_tried_before_a_scan_starts() -> None:
    with pytest.raises(RuleError, match="is not a regular expression"):
        _assemble({}, {"acme/pump-os.toml": _changed("PumpOS idle", "PumpOS idle(")})


ASK = """
from firmware_checks.component_rules import load_rules, rules_digest
print(rules_digest(), *(rule.name for rule in load_rules()))
"""


def _ask(folder: Path) -> tuple[str, set[str]]:
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path.append({str(folder)!r})\n{ASK}"],
        check=True,
        capture_output=True,
        text=True,
        encoding="utf-8",
    )
    digest, *names = done.stdout.split()
    return digest, set(names)


def test_an_installed_package_of_rules_is_found_by_its_entry_point(tmp_path: Path) -> None:
    package = tmp_path / "acme_rules"
    package.mkdir()
    (package / "__init__.py").write_text("", encoding="utf-8")
    (package / "pump-os.toml").write_text(PUMP, encoding="utf-8")
    about = tmp_path / "acme_rules-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-rules\nVersion: 1.0\n", encoding="utf-8")
    (about / "entry_points.txt").write_text("[medharden.components]\nacme = acme_rules\n", encoding="utf-8")
    digest, names = _ask(tmp_path)
    assert names == {rule.name for rule in load_rules()} | {"pump-os"}
    assert digest != rules_digest()
