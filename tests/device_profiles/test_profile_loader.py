from __future__ import annotations

import sys
from pathlib import Path

import pytest

from device_profiles.loader import load, profiles
from toolkit.core.errors import InputError, ProfileError

MINIMAL = """\
schema_version = "1.0"
id = "test-pump"
kind = "archetype"
title = "A pump for tests"

[safety]
therapy = "therapeutic"
worst_case_harm = "critical"

[[evidence]]
fields = ["*"]
status = "assumed"
source = "made up for a test"
"""

CHILD = """\
schema_version = "1.0"
id = "test-child"
kind = "model"
extends = "test-pump"
title = "A model for tests"

[identity]
manufacturer = "A maker"
model = "A model"

[[evidence]]
fields = ["*"]
status = "vendor_doc"
source = "a manual"
"""


def write(folder: Path, text: str, name: str = "test-pump") -> Path:
    path = folder / f"{name}.toml"
    path.write_text(text, encoding="utf-8")
    return path


def problems_of(path: Path | str) -> tuple[str, ...]:
    with pytest.raises(ProfileError) as caught:
        load(path)
    assert caught.value.source == str(path)
    assert str(caught.value).startswith(f"{path}: ")
    return caught.value.problems


def test_a_minimal_profile_loads(tmp_path: Path) -> None:
    profile = load(write(tmp_path, MINIMAL))
    assert profile.id == "test-pump"
    assert profile.title == "A pump for tests"
    assert [s.path for s in profile.facts()] == ["safety.therapy", "safety.worst_case_harm"]


def test_a_path_may_be_given_as_text_and_may_start_with_the_mark_windows_editors_write(tmp_path: Path) -> None:
    path = tmp_path / "odd name.toml"
    path.write_bytes(b"\xef\xbb\xbf" + MINIMAL.replace("\n", "\r\n").encode())
    assert load(str(path)) == load(write(tmp_path, MINIMAL))


CASES = {
    "unknown field at the top": ('titel = "x"', "titel: is not a field here"),
    "unknown field deep inside": (
        "[[platform.mcu]]\nid = 'main'\nfalsh = 1",
        (
            "platform.mcu.main.falsh: is not a field here; the fields are id, role, part, maker, core, flash, ram, "
            "eeprom, read_protection; did you mean flash?"
        ),
    ),
    "unknown field with an odd name": ("[platform]\n'a b' = 1", "platform.'a b': is not a field here"),
    "a field of an entry whose heading is missing": (
        "[platform]\nflash = '64 KiB'",
        "platform.flash: is not a field here, but one of an entry under [[platform.mcu]], after its id",
    ),
    "a field of an entry at the top": (
        "connector = 'pads'",
        "connector: is not a field here, but one of an entry under [[int",
    ),
    "text where a number belongs": (
        "[[platform.memory_map]]\nid = 'flash'\nstart = '0x08000000'",
        "platform.memory_map.flash.start: is '0x08000000'; expected a whole number without quotes: 0x08000000",
    ),
    "words where a number belongs": (
        "[[interfaces]]\nid = 'usb'\ntype = 'uart'\nserial.baud = 'fast'",
        "interfaces.usb.serial.baud: is 'fast'; expected a whole number",
    ),
    "truth where a number belongs": (
        "[[interfaces]]\nid = 'usb'\ntype = 'usb_host'\nusb.vendor_id = true",
        "interfaces.usb.usb.vendor_id: is true; expected a whole number, such as 0x08000000",
    ),
    "a fraction where a number belongs": (
        "[[interfaces]]\nid = 'usb'\ntype = 'uart'\nserial.baud = 1.5",
        "interfaces.usb.serial.baud: is 1.5; expected a whole number",
    ),
    "a number that is too large": (
        "[[interfaces]]\nid = 'usb'\ntype = 'usb_host'\nusb.vendor_id = 65536",
        "interfaces.usb.usb.vendor_id: is 65536; expected a number from 0 to 65535",
    ),
    "a number nobody can write out": (
        "[[interfaces]]\nid = 'usb'\ntype = 'usb_host'\nusb.vendor_id = 0x1" + "0" * 4000,
        "interfaces.usb.usb.vendor_id: is 0x1000",
    ),
    "a size in the wrong unit": (
        "[[platform.mcu]]\nid = 'main'\nflash = '32 kb'",
        "platform.mcu.main.flash: is '32 kb'; expected a size such as \"64 KiB\", or a number of bytes",
    ),
    "a size of nothing": (
        "[[platform.mcu]]\nid = 'main'\nflash = 0",
        "platform.mcu.main.flash: is 0; expected a number",
    ),
    "number where text belongs": ("[platform.os]\nversion = 7", "platform.os.version: is 7; expected one line of text"),
    "text of two lines": (
        '[platform.os]\nversion = "a\\nb"',
        r"platform.os.version: is 'a\nb'; expected one line of text",
    ),
    "text that ends in a line break": (
        '[[interfaces]]\nid = "usb"\ntype = "uart"\nprotocol = "cms50\\n"',
        r"interfaces.usb.protocol: is 'cms50\n'; expected a name of small letters",
    ),
    "text where true or false belongs": (
        "[update]\nmodel_binding = 'yes'",
        "update.model_binding: is 'yes'; expected true or false",
    ),
    "a word that is not known": (
        "[data]\npatient_data = 'transjent'",
        "data.patient_data: is 'transjent'; choose one of none, transient, persistent; did you mean transient?",
    ),
    "a word like no other": (
        "[platform]\nroot_of_trust = 'zzz'",
        "platform.root_of_trust: is 'zzz'; choose one of none",
    ),
    "a number where a word belongs": ("[update]\nauthenticity = 5", "update.authenticity: is 5; expected one of none,"),
    "a word in a list": (
        "[update]\nchannels = ['usb_stick', 'usb_stik']",
        "update.channels[1]: is 'usb_stik'; choose one of",
    ),
    "a value where a list belongs": (
        "[update]\nchannels = 'usb_stick'",
        "update.channels: is 'usb_stick'; expected a list",
    ),
    "a value where a table belongs": ("update = 1", "update: is 1; expected a table"),
    "a list where a table belongs": ("update = []", "update: is a list; expected a table"),
    "a table where tables belong": (
        "[interfaces]\nid = 'usb'",
        "interfaces: is a table; expected tables, each under [[interfaces]]",
    ),
    "values where tables belong": ("interfaces = [1]", "interfaces[0]: is 1; expected a table"),
    "no tables at all": ("interfaces = []", "interfaces: is empty; leave it out"),
    "a table without an id": (
        "[[interfaces]]\ntype = 'uart'",
        "interfaces[0].id: is missing; a table in this list is known by its id",
    ),
    "a table with an impossible id": (
        "[[interfaces]]\nid = 'A B'\ntype = 'uart'",
        "interfaces[0].id: is 'A B'; expected a name of small letters, digits and hyphens",
    ),
    "an id that stands twice": (
        "[[interfaces]]\nid = 'usb'\ntype = 'uart'\n[[interfaces]]\nid = 'usb'\ntype = 'uart'",
        "interfaces.usb: stands here a second time",
    ),
    "something that must be there": (
        "[[interfaces]]\nid = 'usb'",
        "interfaces.usb.type: is missing: The way the connection is made.",
    ),
    "bytes that are not hexadecimal": (
        (
            "[[interfaces]]\nid = 'usb'\ntype = 'uart'\n[[hil.identify]]\nid = 'q'\ninterface = 'usb'\nsend = 'F5 5'\n"
            "expect = 'F2 ..'"
        ),
        "hil.identify.q.send: is 'F5 5'; expected bytes as pairs of hexadecimal digits",
    ),
    "a date without quotes": (
        "[lifecycle]\nend_of_life = 2019-07-31",
        "lifecycle.end_of_life: is 2019-07-31; expected a date in quotes",
    ),
    "a month that does not exist": (
        "[lifecycle]\nend_of_life = '2019-13'",
        "lifecycle.end_of_life: is '2019-13'; expected a date in quotes",
    ),
    "an interface that does not exist": (
        "[[interfaces]]\nid = 'usb'\ntype = 'uart'\n[[hil.identify]]\nid = 'q'\ninterface = 'ubs'\nexpect = 'F2'",
        "hil.identify.q.interface: is 'ubs', which is no id in interfaces; did you mean usb?",
    ),
    "a forbidden message on an interface that does not exist": (
        "[[hil.never_send]]\nid = 'n'\ninterface = 'usb'\ncommand = 'go'\nreason = 'moves'",
        "hil.never_send.n.interface: is 'usb', which is no id in interfaces",
    ),
    "a region in no processor": (
        "[[platform.mcu]]\nid = 'main'\n[[platform.memory_map]]\nid = 'a'\nspace = 'mian'\nstart = 0\nsize = 1",
        "platform.memory_map.a.space: is 'mian', which is no id in platform.mcu or platform.storage; did you mean",
    ),
    "regions that overlap": (
        (
            "[[platform.mcu]]\nid = 'main'\n"
            "[[platform.memory_map]]\nid = 'b'\nstart = 0x1fff\nsize = 1\nuse = 'rom'\n"
            "[[platform.memory_map]]\nid = 'a'\nstart = 0x1000\nsize = '4 KiB'\nuse = 'rom'"
        ),
        "platform.memory_map.b: starts at 0x1fff, inside a which ends at 0x2000",
    ),
    "a class of devices with a maker": (
        "[identity]\nmanufacturer = 'x'\nmodel = 'y'",
        "identity.manufacturer: belongs to a model; this is a class of devices (kind = archetype)",
    ),
    "a class of devices with a model name alone": (
        "[identity]\nmodel = 'y'",
        "identity.model: belongs to a model; this is a class of devices (kind = archetype)",
    ),
    "evidence without a source": (
        "[[evidence]]\nfields = ['safety']\nstatus = 'measured'",
        "evidence[1].source: is missing: Where they stand, so that somebody else finds them.",
    ),
    "evidence with a wrong status": (
        "[[evidence]]\nfields = ['safety']\nstatus = 'mesured'\nsource = 'x'",
        (
            "evidence[1].status: is 'mesured'; choose one of measured, vendor_doc, advisory, public_teardown, assumed; "
            "did you mean measured?"
        ),
    ),
    "evidence for nothing": (
        "[[evidence]]\nfields = ['safty']\nstatus = 'measured'\nsource = 'x'",
        "evidence[1].fields: safty covers nothing that this file states",
    ),
    "evidence that names its profile": (
        "[[evidence]]\nfields = ['safety']\nstatus = 'measured'\nsource = 'x'\nprofile = 'abc'",
        "evidence[1].profile: is filled in on loading; leave it out",
    ),
    "something to take away that is not inherited": (
        "without = ['update']",
        "without[0]: nothing is inherited at update",
    ),
    "a parent that does not exist": (
        "extends = 'infusion-pump-lpv'",
        "extends: no profile is called 'infusion-pump-lpv'; did you mean infusion-pump-lvp?",
    ),
    "a parent that is the profile itself": (
        "extends = 'test-pump'",
        "extends: goes round in a circle: test-pump -> test-pump",
    ),
    "a class of devices that extends a model": (
        "extends = 'contec-cms8000'",
        "extends: a class of devices cannot extend contec-cms8000, which is a model",
    ),
    "a schema of the future": ("schema_version = '9.9'", "schema_version: is '9.9'; expected \"1.0\""),
    "an id with capitals": ("id = 'Test-Pump'", "id: is 'Test-Pump'; expected an id: 3 to 64 small letters"),
}


@pytest.mark.parametrize(("addition", "expected"), CASES.values(), ids=CASES.keys())
def test_what_is_wrong_is_named_with_its_place(tmp_path: Path, addition: str, expected: str) -> None:
    name = addition.partition(" = ")[0]
    kept = [line for line in MINIMAL.splitlines() if not line.startswith(f"{name} = ")]
    text = "\n".join([addition, *kept] if not addition.startswith("[") else [*kept, addition])
    problems = problems_of(write(tmp_path, text))
    assert any(line.startswith(expected) for line in problems), problems


def test_all_problems_are_told_at_once_and_none_is_told_twice(tmp_path: Path) -> None:
    text = """\
id = "x"
kind = "archetyp"
[safety]
therapy = "monitorin"
hazards = [{ id = "a", event = "" }]
[update]
chanels = []
model_binding = 1
[[interfaces]]
type = "uart"
[[evidence]]
fields = ["safety"]
status = "assumed"
source = "x"
"""
    problems = problems_of(write(tmp_path, text))
    assert [line.partition(": ")[0] for line in problems] == [
        "id",
        "kind",
        "safety.therapy",
        "safety.hazards.a.event",
        "update.chanels",
        "update.model_binding",
        "interfaces[0].id",
        "schema_version",
        "title",
        "safety.worst_case_harm",
        "safety.hazards.a.harm",
    ]


def test_only_the_first_problems_come_with_a_suggestion(tmp_path: Path) -> None:
    text = MINIMAL + "[update]\n" + "".join(f"channels{i} = []\n" for i in range(60))
    problems = problems_of(write(tmp_path, text))
    assert [line.endswith("did you mean channels?") for line in problems] == [True] * 50 + [False] * 10


def test_a_model_inherits_what_it_does_not_say_and_the_evidence_stays_where_the_fact_is_stated(tmp_path: Path) -> None:
    write(
        tmp_path,
        MINIMAL.replace(
            "[safety]", "summary = 'The class.'\n[update]\nauthenticity = 'none'\nintegrity = 'crc16'\n[safety]"
        ),
    )
    profile = load(write(tmp_path, CHILD + "\n[update]\nintegrity = 'crc32'\n", "test-child"))
    assert profile.update.authenticity == "none"
    assert profile.update.integrity == "crc32"
    assert profile.extends == "test-pump"
    assert profile.summary is None
    inherited, own = profile.evidence_for("update.authenticity"), profile.evidence_for("update.integrity")
    assert (inherited.profile, inherited.status) == ("test-pump", "assumed")
    assert (own.profile, own.status) == ("test-child", "vendor_doc")
    assert profile.evidence_for("update") == inherited
    assert inherited.fields == ("safety.therapy", "safety.worst_case_harm", "update.authenticity")


def test_a_model_of_a_model_of_a_class_inherits_from_both(tmp_path: Path) -> None:
    write(tmp_path, MINIMAL)
    write(tmp_path, CHILD, "test-child")
    text = CHILD.replace('extends = "test-pump"', 'extends = "test-child"').replace(
        'id = "test-child"', 'id = "grandchild"'
    )
    profile = load(write(tmp_path, text.replace('"A model"', '"Another model"'), "grandchild"))
    assert profile.identity.model == "Another model"
    assert [e.profile for e in profile.evidence] == ["test-pump", "grandchild"]


def test_what_does_not_hold_for_a_model_is_taken_away_with_its_evidence(tmp_path: Path) -> None:
    ways_in = "[[interfaces]]\nid = 'usb'\ntype = 'uart'\n[[interfaces]]\nid = 'ble'\ntype = 'ble'\n"
    write(tmp_path, ways_in + MINIMAL.replace("[safety]", "[safety]\nsafe_state = 'off'"))
    text = 'without = ["interfaces.ble", "safety.safe_state"]\n' + CHILD
    problems = problems_of(write(tmp_path, text, "test-child"))
    assert problems[0].startswith("extends test-pump: ")
    write(tmp_path, MINIMAL.replace("[safety]", "[safety]\nsafe_state = 'off'") + ways_in)
    profile = load(write(tmp_path, text, "test-child"))
    assert [i.id for i in profile.interfaces] == ["usb"]
    assert profile.safety.safe_state is None
    assert profile.without is None
    with pytest.raises(KeyError, match=r"states nothing at interfaces\.ble"):
        profile.evidence_for("interfaces.ble")


def test_what_is_taken_away_may_be_stated_anew(tmp_path: Path) -> None:
    write(tmp_path, MINIMAL + "[[interfaces]]\nid = 'usb'\ntype = 'uart'\nconnector = 'pads'\n")
    text = 'without = ["interfaces.usb"]\n' + CHILD + "[[interfaces]]\nid = 'usb'\ntype = 'usb_host'\n"
    profile = load(write(tmp_path, text, "test-child"))
    assert profile.interfaces[0].connector is None
    assert profile.evidence_for("interfaces.usb").profile == "test-child"


def test_a_model_needs_maker_name_and_class(tmp_path: Path) -> None:
    text = MINIMAL.replace('kind = "archetype"', 'kind = "model"')
    assert problems_of(write(tmp_path, text)) == (
        "extends: is missing: a model says which class of devices it belongs to",
        "identity.manufacturer: is missing: a model is known by maker and name",
        "identity.model: is missing: a model is known by maker and name",
    )


def test_a_wrong_parent_is_told_with_its_name_and_nothing_is_said_about_what_it_would_have_given(
    tmp_path: Path,
) -> None:
    write(tmp_path, "not toml at all")
    (problem,) = problems_of(write(tmp_path, CHILD, "test-child"))
    assert problem.startswith("extends test-pump: is not valid TOML: ")


def test_profiles_that_extend_each_other_are_told_as_a_circle(tmp_path: Path) -> None:
    write(tmp_path, MINIMAL.replace("title", 'extends = "test-child"\ntitle'))
    problems = problems_of(write(tmp_path, CHILD, "test-child"))
    assert problems == ("extends test-pump: extends: goes round in a circle: test-child -> test-pump -> test-child",)


def test_profiles_that_extend_one_another_without_end_are_told(tmp_path: Path) -> None:
    for i in range(12):
        parent, name = ("test-pump" if i == 0 else f"test-{i - 1:02}"), f"test-{i:02}"
        write(tmp_path, CHILD.replace("test-pump", parent).replace("test-child", name), name)
    write(tmp_path, MINIMAL)
    assert load(tmp_path / "test-06.toml").safety.therapy == "therapeutic"
    (problem,) = problems_of(tmp_path / "test-11.toml")
    assert problem.endswith("extends: goes on for more than 8 profiles")


def test_an_installed_profile_does_not_inherit_from_a_file_that_happens_to_lie_beside(tmp_path: Path) -> None:
    write(tmp_path, MINIMAL.replace("test-pump", "cpap"), "cpap")
    text = CHILD.replace("test-pump", "resmed-airsense10")
    assert load(write(tmp_path, text, "test-child")).safety.safe_state is not None
    assert load(write(tmp_path, CHILD.replace("test-pump", "cpap"), "test-child")).safety.safe_state is None


def test_a_neighbour_that_is_looked_up_must_have_the_id_it_is_called_by(tmp_path: Path) -> None:
    write(tmp_path, MINIMAL.replace('id = "test-pump"', 'id = "other"'))
    problems = problems_of(write(tmp_path, CHILD, "test-child"))
    assert "extends test-pump: id: is 'other', but the file is called test-pump.toml" in problems


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"id = ", "is not valid TOML: "),
        (b"id = \xff", "is not UTF-8 text: byte 5 cannot be read"),
        (b"a = " + b"[\n" * 20_000, "is nested too deeply"),
        (b"a" + b".a" * 5000 + b" = 1", "has a line of more than 4096 bytes, which no profile needs"),
        (b"#\n" * (1 << 18), "is longer than 256 KiB, which no profile needs"),
    ],
)
def test_a_file_that_cannot_be_read_is_one_clear_line(tmp_path: Path, data: bytes, expected: str) -> None:
    path = tmp_path / "bad.toml"
    path.write_bytes(data)
    (problem,) = problems_of(path)
    assert problem.startswith(expected)


def test_a_file_that_is_not_there_or_a_folder_is_one_clear_line(tmp_path: Path) -> None:
    for path in (tmp_path / "none.toml", tmp_path):
        with pytest.raises(InputError, match="cannot be read"):
            load(path)


def test_an_unknown_id_is_told_with_what_may_have_been_meant() -> None:
    with pytest.raises(InputError, match="no device profile is called cpa; did you mean cpap"):
        load("cpa")
    with pytest.raises(InputError, match="no device profile is called zzzzz; `medharden profile list` shows"):
        load("zzzzz")


def third_party(folder: Path, name: str, value: str) -> None:
    info = folder / f"{name}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n", encoding="utf-8")
    (info / "entry_points.txt").write_text(f"[medharden.profiles]\n{name} = {value}\n", encoding="utf-8")


def test_a_third_party_adds_profiles_by_an_entry_point(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "acme_profiles_for_a_test"
    package.mkdir()
    (package / "__init__.py").write_text("", encoding="utf-8")
    write(package, MINIMAL)
    third_party(tmp_path, "acme", package.name)
    monkeypatch.syspath_prepend(str(tmp_path))
    known = profiles()
    assert "test-pump" in known
    assert "cpap" in known
    assert list(known) == sorted(known)
    assert load("test-pump").title == "A pump for tests"
    write(package, MINIMAL, "cpap")
    with pytest.raises(ProfileError, match="cpap is taken already"):
        profiles()


def test_an_entry_point_that_names_no_package_is_told_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    third_party(tmp_path, "acme", "no_such_package_for_a_test")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(ProfileError, match="entry point acme = no_such_package_for_a_test"):
        profiles()
    assert "no_such_package_for_a_test" not in sys.modules
