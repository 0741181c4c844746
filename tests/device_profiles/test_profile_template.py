from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from device_profiles.loader import load, profiles
from device_profiles.shape import _shape
from device_profiles.template import FILL_IN, new_profile
from device_profiles.writing import as_toml
from toolkit.core.errors import InputError

KNOWN = profiles()


@pytest.mark.parametrize("parent", KNOWN)
def test_a_new_profile_loads_as_it_is_and_inherits_everything(parent: str, tmp_path: Path) -> None:
    path = tmp_path / "ward-device.toml"
    path.write_text(new_profile("ward-device", load(parent, known=KNOWN)), encoding="utf-8")
    profile = load(path, known=KNOWN)
    assert profile.extends == parent
    assert profile.identity.manufacturer == FILL_IN
    assert profile.safety == load(parent, known=KNOWN).safety


@pytest.mark.parametrize("parent", KNOWN)
def test_uncommenting_what_is_inherited_states_the_same_facts_again(parent: str) -> None:
    known = load(parent, known=KNOWN)
    facts = {s.path: as_toml(s.path, s.value) for s in known.facts()}
    lines: list[str] = []
    inherited = False
    for line in new_profile("ward-device", known).splitlines():
        inherited = "Inherited," in line if line.startswith("##") else inherited
        is_entry = line.startswith("# [[") or (
            not line.startswith("##") and lines and lines[-1].startswith(("[[", "id ="))
        )
        lines.append(line.removeprefix("# ") if inherited or is_entry else line)
    content = tomllib.loads("\n".join(lines))
    for section in ("safety", "update", "data"):
        for name, value in content[section].items():
            path = f"{section}.{name}"
            if path in facts:
                assert as_toml(path, value) == facts[path]


def test_every_line_is_a_remark_a_setting_or_toml() -> None:
    text = new_profile("ward-device", load("infusion-pump-lvp", known=KNOWN))
    settings = [line.removeprefix("# ") for line in text.splitlines() if line.startswith("# ")]
    assert len(settings) > 80
    for setting in settings:
        assert tomllib.loads(setting)
    assert '# authenticity = "none"' in text
    assert "One of none, weak, hmac_shared" in text
    assert "Inherited, assumed." in text


@pytest.mark.parametrize("wrong", ["", "ab", "Ward-Pump", "ward pump", "../ward-pump", "ward-pump\n"])
def test_an_id_that_cannot_be_a_file_name_everywhere_is_refused(wrong: str) -> None:
    with pytest.raises(InputError, match="cannot be used as id; expected an id: 3 to 64"):
        new_profile(wrong, load("cpap", known=KNOWN))


@pytest.mark.parametrize(
    ("path", "value", "expected"),
    [
        ("platform.mcu.main.flash", 32 << 10, '"32 KiB"'),
        ("platform.mcu.main.flash", 3 << 30, '"3 GiB"'),
        ("platform.mcu.main.flash", 1 << 20, '"1 MiB"'),
        ("platform.mcu.main.ram", 256, "256"),
        ("platform.memory_map.flash.start", 0x08000000, "0x08000000"),
        ("interfaces.usb.usb.vendor_id", 0x1A79, "0x1a79"),
        ("interfaces.ble.ble.services", (0x180D, 0x1822), "[0x180d, 0x1822]"),
        ("interfaces.usb.serial.baud", 19200, "19200"),
        ("update.model_binding", True, "true"),
        ("update.channels", ["usb_stick", "sd_card"], '["usb_stick", "sd_card"]'),
        ("title", 'Größe "XL" \\ \x7f', '"Größe \\"XL\\" \\\\ \\u007f"'),
        ("no.such.place", ["x"], '["x"]'),
    ],
)
def test_values_are_written_in_the_notation_people_read_best(path: str, value: object, expected: str) -> None:
    assert as_toml(path, value) == expected
    assert tomllib.loads(f"x = {expected}")


def test_a_kind_of_value_that_profiles_do_not_have_is_refused_when_the_schema_is_read() -> None:
    from msgspec import inspect

    with pytest.raises(TypeError, match="has no place in a profile"):
        _shape(inspect.FloatType(), {})
