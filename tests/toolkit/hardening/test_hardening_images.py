"""How images, folders, hives and memories are read for the hardening pack, and the plan for a legacy device."""

from __future__ import annotations

import gzip
import io
import os
import socket
import tarfile
import zipfile
from dataclasses import replace
from datetime import date
from pathlib import Path

import msgspec
import pytest

from device_profiles.loader import load
from device_profiles.schema import ComponentSupport, DeviceProfile, Exemption, Lifecycle, OperatingSystem
from device_profiles.vocabulary import OsFamily, SupportStage
from firmware_checks.format import EntryKind
from firmware_checks.formats import elf, intel_hex
from firmware_checks.twin_containers.windows import hive
from signing.envelope import SignedKind, pack_envelope, read_envelope
from signing.refusal import Refusal
from toolkit.core.errors import FormatError, InputError, ProfileError
from toolkit.core.files import write_folder
from toolkit.core.limits import Limits
from toolkit.hardening.documents import Document, Heading, Items, Paragraph, Steps, Table, to_html, to_markdown
from toolkit.hardening.file_notes import kind_by_name, note_of, read_note
from toolkit.hardening.fit import misfits
from toolkit.hardening.integrity.baseline import baseline_of
from toolkit.hardening.integrity.comparing import TrustedBaseline, drift_of
from toolkit.hardening.integrity.drift import Change, Drift, DriftVerdict
from toolkit.hardening.integrity.memory_pages import Page, pages_of
from toolkit.hardening.legacy.planning import last_day, replace_by, stage_of
from toolkit.hardening.pack import build_pack
from toolkit.hardening.part import load_parts
from toolkit.hardening.raw_areas import MOST_AREAS, raw_areas
from toolkit.hardening.reading import Reading, read_subject
from toolkit.hardening.subject import FileKind, HardeningSubject, MemoryStretch, System
from toolkit.report.model import Unread

DAY = date(2026, 11, 24)
PROGRAM = elf.FORMAT.example()
MONITOR = load("patient-monitor-lowend")
CPAP = load("resmed-airsense10")
WINDOWS = load("ultrasound-xray-detector")


def reading(profile: DeviceProfile = MONITOR, **more: object) -> Reading:
    return Reading(profile=profile, day=DAY, jobs=1, **more)  # type: ignore[arg-type]


def tar_of(files: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return out.getvalue()


def compared(old: Path, new: Path, profile: DeviceProfile) -> Drift:
    with read_subject(old, reading(profile)) as subject:
        known = TrustedBaseline(baseline_of(subject), "", "")
    with read_subject(new, reading(profile)) as subject:
        return drift_of(known, subject)


def windows_image(path: Path, software: bytes, system: bytes) -> Path:
    config = "Windows/System32/config"
    path.write_bytes(tar_of({f"{config}/SOFTWARE": software, f"{config}/SYSTEM": system, "Windows/x.txt": b"x"}))
    return path


RUN = "Microsoft/Windows/CurrentVersion/Run"
LOGON = "Microsoft/Windows NT/CurrentVersion/Winlogon"
IMAGES = "Microsoft/Windows NT/CurrentVersion/Image File Execution Options"


def test_what_windows_starts_is_compared_and_not_the_bytes_of_its_hives(tmp_path: Path) -> None:
    software = {RUN: {"Pump": r"C:\pump.exe"}, LOGON: {"Shell": "explorer.exe", "Other": "1"}}
    services = {"ControlSet001/Services/Pump": {"ImagePath": r"C:\p.exe", "Start": 2}}
    old = windows_image(tmp_path / "old.tar", hive("SOFTWARE", software), hive("SYSTEM", services))
    same = windows_image(
        tmp_path / "same.tar", hive("SOFTWARE", software | {"Microsoft/Else": {"a": "b"}}), hive("SYSTEM", services)
    )
    drift = compared(old, same, WINDOWS)
    assert drift.verdict is DriftVerdict.NO_DRIFT
    assert "compared by what it starts" in drift.notes[0]
    software[RUN]["Evil"] = r"C:\evil.exe"
    software[LOGON] = {"Shell": r"C:\shell.exe"}
    software[f"{IMAGES}/sethc.exe"] = {"Debugger": "cmd.exe"}
    new = windows_image(
        tmp_path / "new.tar", hive("SOFTWARE", software), hive("SYSTEM", {"ControlSet001/Services/X": {"a": 1}})
    )
    drift = compared(old, new, WINDOWS)
    told = {(row.change, row.detail) for row in drift.rows}
    assert (Change.AUTORUN, f"{RUN}: Evil is new") in told
    assert (Change.AUTORUN, f"{LOGON}: Shell is another one") in told
    assert (Change.AUTORUN, f"{IMAGES}/sethc.exe: Debugger is new") in told
    assert (Change.AUTORUN, "ControlSet001/Services/Pump: ImagePath is gone") in told
    damaged = windows_image(tmp_path / "bad.tar", b"regf damaged", hive("SYSTEM", services))
    assert Change.CHANGED in {row.change for row in compared(old, damaged, WINDOWS).rows}


@pytest.mark.skipif(os.name != "posix", reason="links and devices of Unix")
def test_a_folder_is_read_like_an_image(tmp_path: Path) -> None:
    root = tmp_path / "root"
    for folder in ("bin", "etc", "lib", "run"):
        (root / folder).mkdir(parents=True)
    (root / "bin/tool").write_bytes(PROGRAM)
    (root / "bin/large").write_bytes(b"#!/bin/sh\n" * 200)
    (root / "bin/link").symlink_to("tool")
    (root / "etc/sécret").write_text("x")
    with socket.socket(socket.AF_UNIX) as line:
        line.bind(str(root / "run/s"))
        with read_subject(root, reading(limits=Limits(entry_bytes=1000))) as subject:
            files = {file.name: file for file in subject.files()}
            assert subject.system is System.LINUX
            assert files["bin/tool"].file_kind is FileKind.PROGRAM
            assert files["bin/link"].kind is EntryKind.SYMBOLIC_LINK
            assert files["bin/link"].target == "tool"
            assert files["run/s"].kind is EntryKind.SOCKET
            assert files["bin/large"].sha256 == ""
            assert "more than 1000 bytes" in subject.unread[0].reason
            assert subject.read(files["bin/tool"]) == PROGRAM
            assert subject.file("/etc/sécret") is not None
            assert subject.raw(subject.volumes[0]) is None
            with pytest.raises(InputError, match="cannot be scanned"):
                subject.examine()
        with read_subject(root, reading(limits=Limits(entries=3))) as subject:
            assert "more than 3 files" in subject.unread[0].reason
    (tmp_path / "none").mkdir()
    with pytest.raises(InputError, match="holds no file"), read_subject(tmp_path / "none", reading()):
        pass


def test_what_a_folder_does_not_let_us_read_is_told(tmp_path: Path) -> None:
    root = tmp_path / "root"
    deep = root
    for number in range(205):
        deep /= str(number % 10)
    deep.mkdir(parents=True)
    with read_subject(root, reading()) as subject:
        assert "more than 200 folders deep" in subject.unread[0].reason


def test_contents_are_read_again_wherever_they_were_listed(tmp_path: Path) -> None:
    inner = tar_of({"a.txt": b"inner"})
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        archive.writestr("inner.tar", inner)
        archive.writestr("note", b"")
    with read_subject(tmp_path / "x.zip", reading(WINDOWS)) as subject:
        contents = {file.name: subject.read(file) for volume in subject.volumes for file in volume.files}
        assert contents == {"inner.tar": inner, "note": b"", "a.txt": b"inner"}
        assert subject.system is System.OTHER
        assert subject.examine() is subject.examine()
        assert subject.raw(subject.volumes[0]) is not None


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("a.sh", FileKind.SCRIPT), ("lib/m.ko.xz", FileKind.KERNEL_MODULE), ("sh", FileKind.OTHER),
        (".bat", FileKind.SCRIPT), ("x.txt", FileKind.OTHER), ("A.PS1", FileKind.SCRIPT),
    ],
)  # fmt: skip
def test_scripts_without_a_first_line_are_told_by_their_suffix(name: str, kind: FileKind) -> None:
    assert kind_by_name(name) is kind


def test_notes_of_damaged_programs_are_empty_or_right() -> None:
    assert read_note(note_of(PROGRAM)).arch == "arm"
    assert note_of(PROGRAM[:30]) == ""
    assert note_of(b"MZ") == ""
    assert read_note(note_of(b"MZ".ljust(100, b"\0"))).kind is FileKind.WINDOWS_PROGRAM
    assert read_note(note_of(b"#!/bin/sh")).kind is FileKind.SCRIPT
    assert read_note("").kind is FileKind.OTHER
    relocatable = bytearray(PROGRAM)
    relocatable[16] = 1
    assert read_note(note_of(bytes(relocatable))).kind is FileKind.OTHER


def test_records_archives_and_dumps_fill_the_memory_of_the_profile(tmp_path: Path) -> None:
    path = tmp_path / "flash.hex"
    path.write_bytes(intel_hex.FORMAT.example())
    with read_subject(path, reading(CPAP)) as subject:
        assert subject.system is System.MICROCONTROLLER
        known = [(s.address, bytes(s.data)) for s in subject.memory]
        assert known[0][0] >= 0x800_0000
    with zipfile.ZipFile(tmp_path / "flash.zip", "w") as archive:
        archive.write(path, "flash.hex")
        archive.writestr("read.me", b"text")
    with read_subject(tmp_path / "flash.zip", reading(CPAP)) as subject:
        assert [(s.address, bytes(s.data)) for s in subject.memory] == known
    (tmp_path / "dump.bin").write_bytes(b"\x12\x34" * 5000)
    with read_subject(tmp_path / "dump.bin", reading(CPAP)) as subject:
        assert [s.address for s in subject.memory] == [0x800_0000]


def test_pages_do_not_depend_on_how_the_memory_was_written_down() -> None:
    content = bytes(range(256)) * 8
    whole = [MemoryStretch(space="main", address=0x100, data=memoryview(content + b"\xff" * 2000))]
    pieces = [
        MemoryStretch(space="main", address=0x100, data=memoryview(content[:700])),
        MemoryStretch(space="main", address=0x100 + 700, data=memoryview(content[700:])),
    ]
    pages = list(pages_of(whole, 0, 0x2000))
    assert pages == list(pages_of(pieces, 0, 0x2000))
    assert [(page.start, page.end) for page in pages] == [(0, 0x400), (0x400, 0x800), (0x800, 0xC00)]
    assert list(pages_of([], 0, 100)) == []
    assert isinstance(pages[0], Page)


def test_memory_outside_the_map_other_regions_and_mutable_ones(tmp_path: Path) -> None:
    policy = msgspec.structs.replace(
        CPAP.policy, integrity=msgspec.structs.replace(CPAP.policy.integrity, mutable_regions=("ccx",))
    )
    profile = msgspec.structs.replace(CPAP, policy=policy)
    flash = bytearray(b"\xff" * (1 << 20))
    flash[0x4_0000:0x4_0010] = b"application here"
    old, new = tmp_path / "old.bin", tmp_path / "new.bin"
    old.write_bytes(flash)
    flash[0x5000] = 0
    new.write_bytes(flash + b"beyond the map".ljust(64, b"\xff"))
    drift = compared(old, new, profile)
    assert drift.rows == ()
    assert drift.notes == ("region ccx: may change, was not compared",)
    assert drift.not_compared == ("memory 0x8100000 to 0x8100040: the baseline says nothing about it",)
    part = tmp_path / "part.bin"
    part.write_bytes(bytes(flash[:0x4000]))
    assert "the baseline has no bytes for it" in compared(part, old, profile).not_compared[0]
    flash[0x4_0000:0x4_0010] = b"\xff" * 16
    new.write_bytes(flash)
    assert [row.detail for row in compared(old, new, profile).rows] == ["1024 bytes erased"]


def test_a_wrong_region_in_a_profile_is_named(tmp_path: Path) -> None:
    path = tmp_path / "mine-here.toml"
    path.write_text(
        'schema_version = "1.0"\nid = "mine-here"\nkind = "model"\nextends = "cpap"\ntitle = "Mine"\n'
        '[identity]\nmanufacturer = "a"\nmodel = "b"\n[policy.integrity]\nmutable_regions = ["flahs"]\n'
        'mutable_paths = ["var/log"]\n[[evidence]]\nfields = ["identity"]\nstatus = "assumed"\nsource = "x"\n'
    )
    with pytest.raises(ProfileError) as caught:
        load(path)
    assert "mutable_paths" in str(caught.value)
    path.write_text(path.read_text().replace('mutable_paths = ["var/log"]\n', ""))
    with pytest.raises(ProfileError, match="flahs"):
        load(path)


def test_partition_tables_and_padding_are_no_part_of_raw_areas() -> None:
    disk = bytearray(600 * 512)
    disk[:5] = b"boot!"
    disk[510:512] = b"\x55\xaa"
    disk[440:450] = b"0123456789"
    disk[512:520] = b"EFI PART"
    disk[-600:-590] = b"backup gpt"
    disk[200 * 512 : 200 * 512 + 6] = b"hidden"
    areas = raw_areas(memoryview(disk), [(300 * 512, 400 * 512)])
    assert [(area.offset, area.size) for area in areas] == [(0, 5), (200 * 512, 6)]
    assert raw_areas(memoryview(bytes(5000)), []) == ()


def without_system(subject: HardeningSubject, family: OsFamily) -> list[str]:
    platform = msgspec.structs.replace(subject.profile.platform, os=OperatingSystem(family=family))
    return list(misfits(replace(subject, profile=msgspec.structs.replace(subject.profile, platform=platform))))


def test_images_that_contradict_the_profile_are_named(
    linux_subject: HardeningSubject, mcu_subject: HardeningSubject
) -> None:
    assert list(misfits(linux_subject)) == []
    assert "says windows" in without_system(linux_subject, OsFamily.WINDOWS)[0]
    assert "holds no file system" in without_system(mcu_subject, OsFamily.LINUX)[0]
    other = replace(linux_subject, system=System.OTHER)
    assert "files of a system" in without_system(other, OsFamily.BARE_METAL)[0]
    moved = replace(mcu_subject, memory=[replace(s, address=0x9000_0000) for s in mcu_subject.memory])
    assert "fills memory at 0x90000000" in next(iter(misfits(moved)))


def test_pages_for_people_show_everything_as_text() -> None:
    bad = "1. <b>*x*</b> | [a](b) `c`\n#"
    blocks = (Heading(bad), Paragraph(bad), Steps((bad,)), Items((bad,)), Table((bad,), ((bad,),)))
    page = Document(bad, blocks)
    text, html = to_markdown(page), to_html(page)
    assert "<b>" not in html.partition("<body>")[2]
    assert "\\<b\\>\\*x\\*" in text
    assert "\n1\\. \\<b" in text
    assert html.startswith("<!DOCTYPE html>")


@pytest.mark.parametrize(("text", "day"), [("2020", date(2020, 12, 31)), ("2020-02", date(2020, 2, 29))])
def test_a_date_without_a_day_ends_on_its_last_one(text: str, day: date) -> None:
    assert last_day(text) == day
    assert last_day("2020-03-04") == date(2020, 3, 4)


def aged(**fields: object) -> DeviceProfile:
    return msgspec.structs.replace(MONITOR, lifecycle=Lifecycle(**fields))  # type: ignore[arg-type]


def test_the_stage_follows_from_the_dates_and_is_never_better_than_stated() -> None:
    assert stage_of(aged(), DAY).stage is None
    assert stage_of(aged(stage=SupportStage.SUPPORT), DAY).stage is SupportStage.SUPPORT
    assert stage_of(aged(stage=SupportStage.SUPPORT, end_of_support="2025"), DAY).stage is SupportStage.END_OF_SUPPORT
    assert stage_of(aged(stage=SupportStage.SUPPORT, end_of_support="2030"), DAY).stage is SupportStage.SUPPORT
    part = ComponentSupport(id="stack", end_of_support="2020-01")
    assert stage_of(aged(components=(part,)), DAY).stage is SupportStage.LIMITED_SUPPORT
    assert (
        stage_of(aged(stage=SupportStage.END_OF_SUPPORT, components=(part,)), DAY).stage is SupportStage.END_OF_SUPPORT
    )
    assert replace_by(aged()) is None
    assert replace_by(aged(end_of_support="2024-02-29"))[1] == date(2026, 2, 28)  # type: ignore[index]
    assert replace_by(aged(end_of_support="2024-02-29", end_of_life="2027"))[1] == date(2027, 12, 31)  # type: ignore[index]


def test_the_plan_tells_stage_controls_exceptions_and_dates_in_three_languages(
    linux_subject: HardeningSubject,
) -> None:
    part = load_parts()["legacy-plan"]
    exceptions = (
        Exemption(id="old", check="ssh-root", reason="needed", owner="Ada", expires="2026-01-01"),
        Exemption(
            id="new", vulnerability="CVE-2020-1", component="x", reason="no way", owner="Bob", expires="2027-01-01"
        ),
    )
    profile = aged(end_of_support="2020-05-01", first_sold="2009", compensating_controls=("Own network",),
                   components=(ComponentSupport(id="stack", end_of_support="2019"),))  # fmt: skip
    profile = msgspec.structs.replace(profile, policy=msgspec.structs.replace(profile.policy, exceptions=exceptions))
    subject = replace(linux_subject, profile=profile)
    pack = build_pack(subject, [part])
    english = pack.files["legacy-plan/legacy-plan.en.md"].decode()
    for words in ("end of support", "2022-05-01", "This date has passed", "fapolicyd", "Own network", "Ada",
                  "2026-01-01: has run out", "2027-01-01: 38 days left", "stack"):  # fmt: skip
        assert words in english, words
    assert english.index("Own network") < english.index("folder fapolicyd") < english.index("budget")
    assert "fin du support" in pack.files["legacy-plan/legacy-plan.fr.md"].decode()
    assert "fin del soporte" in pack.files["legacy-plan/legacy-plan.es.md"].decode()
    assert [finding.check for finding in pack.findings] == ["exception-ran-out"]
    assert part.applies(replace(linux_subject, profile=aged(stage=SupportStage.SUPPORT)))
    stated = replace(linux_subject, profile=aged(stage=SupportStage.LIMITED_SUPPORT, end_of_life="2030-06"))
    page = build_pack(stated, [part]).files["legacy-plan/legacy-plan.en.md"].decode()
    assert "The profile states this stage" in page
    assert "2030-06-30" in page
    assert "No exception stands in the profile" in page


def test_a_folder_is_there_with_all_of_its_files_or_not_at_all(tmp_path: Path) -> None:
    target = tmp_path / "pack"
    target.mkdir()
    write_folder(target, {"a/b.txt": b"1"})
    assert (target / "a/b.txt").read_bytes() == b"1"
    with pytest.raises(InputError, match="is there already"):
        write_folder(target, {"c": b"2"})
    with pytest.raises(InputError):
        write_folder(target, {"c": b"2", "c/d": b"3"}, replace=True)
    assert [path.name for path in tmp_path.iterdir()] == ["pack"]
    assert (target / "a/b.txt").exists()
    (tmp_path / "file").write_text("x")
    with pytest.raises(InputError):
        write_folder(tmp_path / "file" / "pack", {"c": b"2"})


def test_a_file_that_is_gone_since_is_an_error_and_not_an_empty_content(tmp_path: Path) -> None:
    root = tmp_path / "root"
    for name in ("bin/a", "etc/b", "lib/c"):
        (root / name).parent.mkdir(parents=True)
        (root / name).write_bytes(PROGRAM)
    with read_subject(root, reading()) as subject:
        file = subject.file("/bin/a")
        assert file is not None
        (root / "bin/a").unlink()
        with pytest.raises(FormatError, match="cannot be read"):
            subject.read(file)


def test_a_zip_of_a_broken_archive_says_so(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        archive.writestr("flash.hex", intel_hex.FORMAT.example()[:30])
        archive.writestr("empty", b"")
        archive.writestr("folder/", b"")
    whole = bytearray((tmp_path / "x.zip").read_bytes())
    whole[40] ^= 0xFF
    (tmp_path / "bad.zip").write_bytes(whole)
    with read_subject(tmp_path / "bad.zip", reading(CPAP)) as subject:
        assert subject.unread or subject.problems


def test_scripts_and_installers_of_windows_have_rules_of_their_own(tmp_path: Path) -> None:
    names = ("Windows/System32/a.exe", "x/setup.msi", "x/run.ps1", "x/tool.py", "x/lib.dll", "x/old.com")
    files = {
        name: b"MZ".ljust(100, b"\0") if name.endswith(("exe", "dll", "com")) else b"text of " + name.encode()
        for name in names
    }
    (tmp_path / "w.tar").write_bytes(tar_of(files))
    with read_subject(tmp_path / "w.tar", reading(WINDOWS)) as subject:
        assert [v.system for v in subject.volumes] == [System.WINDOWS]
        pack = build_pack(subject, [load_parts()["applocker"], load_parts()["wdac"]])
        text = pack.files["applocker/applocker-audit.xml"].decode()
        assert "setup.msi" in text
        assert "run.ps1" in text
        assert "tool.py" not in text
        assert "tool.py" in pack.files["wdac/wdac-audit.xml"].decode()
        assert {finding.check for finding in pack.findings} == {"allow-list-damaged"}
        broken = replace(subject, read=_unreadable)
        assert {finding.check for finding in build_pack(broken, [load_parts()["wdac"]]).findings} == {
            "allow-list-damaged"
        }


def _unreadable(_file: object) -> bytes:
    raise FormatError("gone")


def test_a_root_file_system_packed_with_its_folder_is_the_same(tmp_path: Path) -> None:
    plain = {"bin/a": PROGRAM, "etc/b": b"b", "lib/c": b"c"}
    (tmp_path / "a.tar").write_bytes(tar_of({f"./{name}": data for name, data in plain.items()}))
    (tmp_path / "b.tar").write_bytes(tar_of({f"rootfs/{name}": data for name, data in plain.items()}))
    assert compared(tmp_path / "a.tar", tmp_path / "b.tar", MONITOR).verdict is DriftVerdict.NO_DRIFT


def test_a_gzip_around_an_image_is_no_volume_and_another_packing_of_it_a_note(tmp_path: Path) -> None:
    plain = {"bin/a": PROGRAM, "etc/b": b"b", "lib/c": b"c"}
    one, two = tmp_path / "a.tar.gz", tmp_path / "b.tar.gz"
    one.write_bytes(gzip.compress(tar_of(plain)))
    two.write_bytes(gzip.compress(tar_of(dict(reversed(plain.items()))), compresslevel=1))
    assert compared(one, two, MONITOR).verdict is DriftVerdict.NO_DRIFT
    for path, files in ((tmp_path / "a.zip", plain), (tmp_path / "b.zip", dict(reversed(plain.items())))):
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("rootfs.tar", tar_of(files))
            archive.writestr("version", b"1")
    drift = compared(tmp_path / "a.zip", tmp_path / "b.zip", MONITOR)
    assert drift.verdict is DriftVerdict.NO_DRIFT
    assert drift.notes == ("rootfs.tar: packed differently; what is in it was compared",)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="only Unix has copies of a process")
def test_contents_that_a_copy_of_the_process_has_listed_are_read_again(tmp_path: Path) -> None:
    inner = {f"{number}.txt": b"inner %d" % number for number in range(3)}
    with zipfile.ZipFile(tmp_path / "large.zip", "w") as archive:
        for number in range(70):
            archive.writestr(f"filler/{number}", bytes(1 << 19))
        archive.writestr("inner.tar", tar_of(inner))
    with read_subject(tmp_path / "large.zip", replace(reading(WINDOWS), jobs=2)) as subject:
        volume = next(volume for volume in subject.volumes if volume.path == "inner.tar")
        assert {file.name: subject.read(file) for file in volume.files} == inner
        assert subject.raw(volume) is None
        gone = replace(volume.files[0], size=99)
        (tmp_path / "large.zip").unlink()
        (tmp_path / "large.zip").write_bytes(tar_of({"a": b"b"}))
        with pytest.raises(FormatError, match="cannot be read again"):
            subject.read(gone)


def test_an_envelope_that_is_too_long_or_of_another_kind_is_refused() -> None:
    kind = SignedKind(payload_type="a/b", title="paper", rules="paper", most_bytes=1 << 20)
    assert read_envelope(pack_envelope(b"x", kind), kind) == b"x"
    for data in (b" " * ((1 << 20) + 1), pack_envelope(b"x", SignedKind(payload_type="c", title="c", rules="c"))):
        with pytest.raises(Refusal) as caught:
            read_envelope(data, kind)
        assert caught.value.rule == "paper.malformed"


def test_a_folder_of_no_known_system_and_damaged_contents_are_told(
    linux_subject: HardeningSubject, windows_subject: HardeningSubject
) -> None:
    program = next(file for file in linux_subject.code() if file.file_kind is FileKind.PROGRAM)
    unread = replace(program, sha256="")
    volume = replace(linux_subject.volumes[0], files=(*linux_subject.volumes[0].files, replace(unread, name="bin/bad")))
    pack = build_pack(replace(linux_subject, volumes=(volume,)), [load_parts()["allow-list"]])
    assert b"/bin/bad" in pack.files["allow-list/allow-list.json"]
    empty = replace(linux_subject, volumes=(replace(volume, files=()),))
    assert load_parts()["fapolicyd"].applies(empty) == "the image holds no program, library or script"
    same = replace(linux_subject, also=linux_subject)
    assert build_pack(same, [load_parts()["allow-list"]]).manifest.parts[0].findings == ()
    twice = replace(windows_subject, also=windows_subject)
    one, two = (build_pack(s, [load_parts()["wdac"]]).files["wdac/wdac-audit.xml"] for s in (windows_subject, twice))
    assert one == two
    missing = tuple(Unread(path=f"x!{n}", reason="damaged", size=1) for n in range(25))
    page = build_pack(replace(linux_subject, unread=missing), [load_parts()["allow-list"]]).files["README.md"].decode()
    assert "more; manifest.json has all of them" in page
    profile = msgspec.structs.replace(
        linux_subject.profile, platform=msgspec.structs.replace(linux_subject.profile.platform, os=OperatingSystem())
    )
    assert list(misfits(replace(linux_subject, profile=profile))) == []


def test_a_pack_that_is_too_large_is_refused(linux_subject: HardeningSubject) -> None:
    with pytest.raises(InputError, match="the pack is larger"):
        build_pack(linux_subject, [load_parts()["allow-list"]], most_bytes=1000)


def test_raw_areas_are_bounded_and_memory_may_lie_before_and_between_regions(tmp_path: Path) -> None:
    run = bytes([0]) * 4096
    view = memoryview((b"x" + run) * (MOST_AREAS + 5))
    assert len(raw_areas(view, [])) == MOST_AREAS
    records = b""
    for address in (0x7FF_FF00, 0x810_0000):
        records += _record(4, (address >> 16).to_bytes(2, "big"), 0) + _record(0, b"0123456789abcdef", address & 0xFFFF)
    (tmp_path / "odd.hex").write_bytes(records + b":00000001FF\n")
    with read_subject(tmp_path / "odd.hex", reading(CPAP)) as subject:
        outside = [(row.start, row.end) for row in baseline_of(subject).memory if not row.region]
        assert outside == [(0x7FF_FF00, 0x7FF_FF10), (0x810_0000, 0x810_0010)]


def _record(kind: int, data: bytes, address: int) -> bytes:
    body = bytes([len(data)]) + address.to_bytes(2, "big") + bytes([kind]) + data
    return b":" + (body + bytes([-sum(body) & 0xFF])).hex().upper().encode() + b"\n"
