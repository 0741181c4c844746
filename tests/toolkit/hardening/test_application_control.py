"""Lists of what may run are read by their real consumers, hostile names included."""

from __future__ import annotations

import csv
import hashlib
import importlib.resources
import io
import json
import os
import re
import shutil
import subprocess
from contextlib import ExitStack
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
from defusedxml.ElementTree import fromstring
from hypothesis import given
from hypothesis import strategies as st

from device_profiles.loader import load
from firmware_checks.readers.binaries import authenticode_digests
from toolkit.core.errors import InputError, RuleError
from toolkit.hardening.application_control.allowed import allowed_files
from toolkit.hardening.application_control.verity import verity_tree
from toolkit.hardening.pack import Pack, build_pack, chosen_parts
from toolkit.hardening.part import PackFile, load_parts
from toolkit.hardening.parts.fapolicyd import trust_line
from toolkit.hardening.parts.ima import attribute_of, escaped_path
from toolkit.hardening.reading import Reading, read_subject
from toolkit.hardening.subject import HardeningSubject

PARTS = load_parts()
SEARCH = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
IS_ROOT = os.name == "posix" and os.geteuid() == 0


def tool(name: str) -> str:
    found = shutil.which(name, path=SEARCH)
    if found is None:
        pytest.skip(f"{name} is not installed")
    return found


def made(part: str, subject: HardeningSubject) -> Pack:
    return build_pack(subject, [PARTS[part]])


def exact(subject: HardeningSubject) -> dict[str, str]:
    return {file.path: file.sha256 for file in allowed_files(subject) if file.has_exact_name}


def test_the_csv_and_the_json_say_the_same_and_no_cell_is_calculated(linux_subject: HardeningSubject) -> None:
    pack = made("allow-list", linux_subject)
    document = json.loads(pack.files["allow-list/allow-list.json"])
    text = pack.files["allow-list/allow-list.csv"].decode()
    rows = list(csv.DictReader(io.StringIO(text, newline="")))
    assert [row["path"].removeprefix("'") for row in rows] == [row["path"] for row in document["allowed"]]
    assert not any(cell.startswith(("=", "+", "-", "@")) for row in rows for cell in row.values())
    assert document["not_read"] == []


def in_namespace(script: str, *arguments: str) -> str:
    """Run as root in file systems of its own, so that nothing of this computer is changed; return what it prints."""
    command = [tool("unshare"), "--mount", "/bin/sh", "-ec", script, "sh", *arguments]
    done = subprocess.run(command, capture_output=True, env={"PATH": SEARCH}, timeout=60, check=False)
    if b"unshare failed" in done.stderr or b"permission denied" in done.stderr:
        pytest.skip("this computer gives no file systems of one's own")
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode()


LOADED = """
mount -t tmpfs none /var/lib/fapolicyd; mount -t tmpfs none /run/fapolicyd
mount --bind "$1" /etc/fapolicyd
fapolicyd-cli --check-config; fapolicyd-cli --list
fapolicyd --debug --permissive >/dev/null 2>&1 & pid=$!
for i in 1 2 3 4 5 6 7 8 9 10; do
  fapolicyd-cli --dump-db 2>/dev/null | grep -q pumpd && break; sleep 0.3
done
echo ---; fapolicyd-cli --dump-db
kill $pid; wait $pid 2>/dev/null || true
"""


@pytest.mark.skipif(not IS_ROOT, reason="fapolicyd is a service of root")
def test_fapolicyd_loads_the_rules_and_knows_every_file_by_its_real_name(
    linux_subject: HardeningSubject, tmp_path: Path
) -> None:
    tool("fapolicyd-cli")
    files = made("fapolicyd", linux_subject).files
    folder = tmp_path / "fapolicyd"
    (folder / "trust.d").mkdir(parents=True)
    (folder / "fapolicyd.trust").touch()
    (folder / "trust.d" / "medharden").write_bytes(files["fapolicyd/medharden.trust"])
    (folder / "compiled.rules").write_bytes(files["fapolicyd/medharden.rules"])
    settings = "permissive = 1\nuid = root\ngid = root\nwatch_fs = ramfs\ntrust = file\nintegrity = sha256\n"
    (folder / "fapolicyd.conf").write_text(settings + "syslog_format = rule,dec,perm,:,path\ndb_max_size = 10\n")
    told, _mark, loaded = in_namespace(LOADED, str(folder)).partition("---\n")
    assert "config is OK" in told
    assert "deny_audit perm=execute all : all" in told
    assert len(re.findall(r"^\d+\. ", told, re.MULTILINE)) == 10
    rows = [line.removeprefix("filedb ").rsplit(" ", 2) for line in loaded.splitlines()]
    assert {path: digest for path, _size, digest in rows} == exact(linux_subject)


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1))
def test_a_line_of_trust_has_three_words_whatever_the_name(name: str) -> None:
    words = trust_line(f"/{name}", 5, "ab").split(" ")
    assert len(words) == 3
    assert "\n" not in words[0]
    assert bytes(re.sub(rb"%([0-9A-F]{2})", lambda m: bytes([int(m[1], 16)]), words[0].encode())) == f"/{name}".encode()


def test_digests_for_ima_are_those_of_evmctl_and_names_those_of_setfattr(
    linux_subject: HardeningSubject, tmp_path: Path
) -> None:
    content = tmp_path / "x"
    content.write_bytes(b"hello\n")
    tool("evmctl")
    done = subprocess.run(
        [tool("evmctl"), "ima_hash", "-a", "sha256", "--xattr-user", "-v", str(content)],
        capture_output=True,
        check=False,
    )
    assert attribute_of(hashlib.sha256(b"hello\n").hexdigest())[2:].encode() in done.stdout + done.stderr
    text = made("ima", linux_subject).files["ima/ima-attributes.txt"].decode()
    paths = exact(linux_subject)
    for path in paths:
        file = tmp_path / path.lstrip("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
    restore = tmp_path / "restore.txt"
    restore.write_text(text.replace("security.ima", "user.ima"))
    done = subprocess.run([tool("setfattr"), f"--restore={restore}"], cwd=tmp_path, capture_output=True, check=False)
    if b"not supported" in done.stderr:
        pytest.skip("this file system has no attributes")
    assert done.returncode == 0, done.stderr
    for path, digest in paths.items():
        assert os.getxattr(tmp_path / path.lstrip("/"), "user.ima").hex() == attribute_of(digest)[2:]
    assert escaped_path("/a\\b ä") == "a\\134b\\040\\303\\244"


@pytest.mark.parametrize("size", [1, 4096, 4097, 128 * 4096, 129 * 4096, 128 * 128 * 4096 + 1])
def test_the_hash_tree_is_the_one_of_veritysetup(size: int, tmp_path: Path) -> None:
    program = tool("veritysetup")
    data = (hashlib.sha512(b"%d" % size).digest() * (size // 64 + 1))[:size]
    image, area, ours = tmp_path / "data", tmp_path / "area", tmp_path / "ours"
    image.write_bytes(data.ljust(-(-size // 4096) * 4096, b"\0"))
    salt, uuid = hashlib.sha256(b"salt").digest(), bytes(range(16))
    tree = verity_tree(memoryview(data), salt, uuid)
    ours.write_bytes(tree.hash_area)
    named = "00010203-0405-0607-0809-0a0b0c0d0e0f"
    done = subprocess.run(
        [program, "format", f"--salt={salt.hex()}", f"--uuid={named}", str(image), str(area)],
        capture_output=True, check=True,
    )  # fmt: skip
    assert re.search(rb"Root hash:\s+(\w+)", done.stdout)[1].decode() == tree.root_hash  # type: ignore[index]
    written = area.read_bytes()
    assert written[: len(tree.hash_area)] == tree.hash_area
    assert not written[len(tree.hash_area) :].strip(b"\0")
    subprocess.run([program, "verify", str(image), str(ours), tree.root_hash], check=True)
    image.write_bytes(b"!" + image.read_bytes()[1:])
    assert subprocess.run(
        [program, "verify", str(image), str(ours), tree.root_hash], capture_output=True, check=False
    ).returncode


def test_a_root_file_system_in_an_image_gets_a_tree_that_verifies(tmp_path: Path) -> None:
    tree = tmp_path / "t"
    for name in ("bin", "etc", "lib"):
        (tree / name).mkdir(parents=True)
    (tree / "bin/sh").write_bytes(b"#!/bin/sh\n")
    subprocess.run(
        [tool("mksquashfs"), str(tree), str(tmp_path / "r"), "-noappend", "-quiet", "-no-progress"],
        check=True, capture_output=True,
    )  # fmt: skip
    flash = tmp_path / "flash.bin"
    flash.write_bytes(b"loader".ljust(0x1_0000, b"\xff") + (tmp_path / "r").read_bytes())
    with read_subject(flash, reading()) as subject:
        pack = made("dm-verity", subject)
    text = pack.files["dm-verity/0-squashfs-0x10000.txt"].decode()
    facts = dict(line.split("=", 1) for line in text.splitlines() if not line.startswith("#"))
    area = tmp_path / "area"
    area.write_bytes(pack.files["dm-verity/0-squashfs-0x10000.hashtree"])
    size = int(facts["DATA_BYTES"])
    (tmp_path / "data").write_bytes(flash.read_bytes()[0x1_0000:][:size].ljust(int(facts["DATA_BLOCKS"]) * 4096, b"\0"))
    subprocess.run([tool("veritysetup"), "verify", str(tmp_path / "data"), str(area), facts["ROOT_HASH"]], check=True)
    assert (
        f"verity 1 DATA HASH 4096 4096 {facts['DATA_BLOCKS']} 1 sha256 {facts['ROOT_HASH']}" in facts["KERNEL_OPTION"]
    )


def reading() -> Reading:
    return Reading(profile=load("patient-monitor-lowend"), day=date(2026, 11, 24), jobs=1)


APPLOCKER = """<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema">
<xs:element name="AppLockerPolicy"><xs:complexType><xs:sequence>
 <xs:element name="RuleCollection" minOccurs="0" maxOccurs="unbounded"><xs:complexType><xs:sequence>
  <xs:element name="FileHashRule" minOccurs="0" maxOccurs="unbounded"><xs:complexType><xs:sequence>
   <xs:element name="Conditions"><xs:complexType><xs:sequence><xs:element name="FileHashCondition"><xs:complexType>
    <xs:sequence><xs:element name="FileHash" maxOccurs="unbounded"><xs:complexType>
     <xs:attribute name="Type" use="required"><xs:simpleType><xs:restriction base="xs:string">
      <xs:enumeration value="SHA256"/><xs:enumeration value="SHA1"/></xs:restriction></xs:simpleType></xs:attribute>
     <xs:attribute name="Data" use="required"><xs:simpleType><xs:restriction base="xs:string">
      <xs:pattern value="0x([0-9A-Fa-f]{40}|[0-9A-Fa-f]{64})"/></xs:restriction></xs:simpleType></xs:attribute>
     <xs:attribute name="SourceFileName" type="xs:string"/><xs:attribute name="SourceFileLength" type="xs:integer"/>
    </xs:complexType></xs:element></xs:sequence></xs:complexType></xs:element></xs:sequence></xs:complexType></xs:element>
  </xs:sequence>
   <xs:attribute name="Id" use="required"><xs:simpleType><xs:restriction base="xs:string">
    <xs:pattern value="[0-9A-Fa-f]{8}-([0-9A-Fa-f]{4}-){3}[0-9A-Fa-f]{12}"/></xs:restriction></xs:simpleType>
   </xs:attribute>
   <xs:attribute name="Name" use="required"><xs:simpleType><xs:restriction base="xs:string">
    <xs:minLength value="1"/><xs:maxLength value="1024"/></xs:restriction></xs:simpleType></xs:attribute>
   <xs:attribute name="Description" type="xs:string" use="required"/>
   <xs:attribute name="UserOrGroupSid" type="xs:string" use="required"/>
   <xs:attribute name="Action" use="required"><xs:simpleType><xs:restriction base="xs:string">
    <xs:enumeration value="Allow"/><xs:enumeration value="Deny"/></xs:restriction></xs:simpleType></xs:attribute>
  </xs:complexType></xs:element></xs:sequence>
  <xs:attribute name="Type" type="xs:string" use="required"/>
  <xs:attribute name="EnforcementMode"><xs:simpleType><xs:restriction base="xs:string">
   <xs:enumeration value="NotConfigured"/><xs:enumeration value="Enabled"/><xs:enumeration value="AuditOnly"/>
  </xs:restriction></xs:simpleType></xs:attribute>
 </xs:complexType></xs:element></xs:sequence>
 <xs:attribute name="Version" type="xs:decimal" use="required"/></xs:complexType>
 <xs:unique name="kinds"><xs:selector xpath="RuleCollection"/><xs:field xpath="@Type"/></xs:unique>
 <xs:unique name="ids"><xs:selector xpath="RuleCollection/*"/><xs:field xpath="@Id"/></xs:unique>
</xs:element></xs:schema>"""
"""What Microsoft Learn (AppLocker CSP, policy schema) allows of what we write, in our own words."""


@pytest.mark.parametrize("mode", ["audit", "enforce"])
def test_the_applocker_policy_fits_its_schema(windows_subject: HardeningSubject, tmp_path: Path, mode: str) -> None:
    data = made("applocker", windows_subject).files[f"applocker/applocker-{mode}.xml"]
    (tmp_path / "schema.xsd").write_text(APPLOCKER)
    (tmp_path / "policy.xml").write_bytes(data)
    command = [tool("xmllint"), "--noout", "--schema", str(tmp_path / "schema.xsd"), str(tmp_path / "policy.xml")]
    done = subprocess.run(command, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    root = fromstring(data)
    assert {c.get("EnforcementMode") for c in root} == {"AuditOnly" if mode == "audit" else "Enabled"}
    names = {hashed.get("SourceFileName") for hashed in root.iter("FileHash")}
    assert "pump.exe" in names


def test_the_digests_for_windows_are_those_of_authenticode() -> None:
    program = (importlib.resources.files("distlib") / "w64.exe").read_bytes()
    digests = authenticode_digests(program)
    assert digests is not None
    changed = bytearray(program)
    start = int.from_bytes(program[0x3C:0x40], "little") + 24 + 64
    changed[start : start + 4] = b"abcd"  # the check sum is not part of it
    assert authenticode_digests(bytes(changed)) == digests
    changed[-1] ^= 1
    assert authenticode_digests(bytes(changed)) != digests
    assert authenticode_digests(b"MZ no program") is None


@pytest.mark.parametrize("mode", ["audit", "enforce"])
def test_the_wdac_policy_is_whole(windows_subject: HardeningSubject, mode: str) -> None:
    space = "{urn:schemas-microsoft-com:sipolicy}"
    root = fromstring(made("wdac", windows_subject).files[f"wdac/wdac-{mode}.xml"])
    order = [
        "VersionEx", "PlatformID", "PolicyID", "BasePolicyID", "Rules", "EKUs", "FileRules", "Signers",
        "SigningScenarios", "UpdatePolicySigners", "CiSigners", "HvciOptions",
    ]  # fmt: skip
    assert [child.tag.removeprefix(space) for child in root] == order
    allowed = {rule.get("ID"): rule for rule in root.iter(f"{space}Allow")}
    assert allowed
    for identifier, rule in allowed.items():
        assert re.fullmatch(r"ID_ALLOW_[A-Z][_A-Z0-9]+", identifier)
        assert re.fullmatch(r"[0-9A-F]{40}|[0-9A-F]{64}", rule.get("Hash"))
    assert sorted(r.get("RuleID") for r in root.iter(f"{space}FileRuleRef")) == sorted(allowed)
    scenarios = {s.get("Value"): len(list(s.iter(f"{space}FileRuleRef"))) for s in root.iter(f"{space}SigningScenario")}
    assert set(scenarios) == {"131", "12"}
    options = [option.text for option in root.iter(f"{space}Option")]
    assert ("Enabled:Audit Mode" in options) is (mode == "audit")
    assert "Enabled:UMCI" in options


def test_memory_is_told_region_by_region_and_erased_bytes_do_not_matter(mcu_subject: HardeningSubject) -> None:
    document = json.loads(made("memory-digests", mcu_subject).files["memory-digests/memory-digests.json"])
    regions = {row["region"]: row for row in document["regions"]}
    dump = b"".join(bytes(stretch.data) for stretch in mcu_subject.memory)
    assert regions["blx"]["sha256"] == hashlib.sha256(dump[:0x4000]).hexdigest()
    assert regions["cdx"]["sha256"] == hashlib.sha256(dump[0x4_0000:]).hexdigest()
    short = replace(mcu_subject.memory[0], data=mcu_subject.memory[0].data[:0x4_0400])
    again = json.loads(
        made("memory-digests", replace(mcu_subject, memory=(short,))).files["memory-digests/memory-digests.json"]
    )
    assert [row["sha256"] for row in again["regions"]] == [row["sha256"] for row in document["regions"]]


def test_two_dumps_are_learned_from_and_what_differs_is_told(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    for folder, extra in ((one, ["usr/bin/old"]), (two, ["usr/bin/new", "bin/tool"])):
        for name in ("bin/pumpd", "etc/rc", "lib/x", *extra):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(b"#!/bin/sh\n# %s\n" % name.encode())
    with ExitStack() as stack:
        other = stack.enter_context(read_subject(two, reading()))
        subject = stack.enter_context(read_subject(one, reading(), other))
        files = {file.path: file.seen_in for file in allowed_files(subject)}
        assert files["/usr/bin/old"] == ("one",)
        assert files["/usr/bin/new"] == ("two",)
        assert files["/bin/pumpd"] == ("one", "two")
        (finding,) = build_pack(subject, [PARTS["allow-list"]]).findings
        assert "1 files are only in one, 2 only in two" in finding.detail


def test_a_part_cannot_write_outside_of_its_folder(linux_subject: HardeningSubject) -> None:
    for path in ("../x", "/etc/x", "a/../b", "", "a b", ".hidden", "A.txt"):
        files = [PackFile(path=path, data=b"x", consumer="x"), PackFile(path="a.txt", data=b"x", consumer="x")]
        part = replace(PARTS["allow-list"], build=lambda _subject, files=files: files)
        with pytest.raises(RuleError, match="no safe name"):
            build_pack(linux_subject, [part])


def test_parts_are_chosen_by_name() -> None:
    assert [part.name for part in chosen_parts(PARTS, ["wdac"])] == ["wdac"]
    assert len(chosen_parts(PARTS, [])) == len(PARTS)
    with pytest.raises(InputError, match="there is no part 'x'"):
        chosen_parts(PARTS, ["x"])
