"""A part of a product is taken for absent only where its programs show it; every doubt keeps the vulnerability."""

from __future__ import annotations

import io
import lzma
import shutil
import struct
import subprocess
import tarfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from firmware_checks.component_rules import EVIDENCE_PER_COMPONENT
from firmware_checks.fact_collection import FileFacts
from firmware_checks.image import open_image
from firmware_checks.inventory import Inventory
from firmware_checks.observation_collection import MOST_OF_ALL
from firmware_checks.observer import Seen
from firmware_checks.observers.feature_texts import FeatureText
from firmware_checks.readers.elf_file import LINUX_ABI, MAGIC, SegmentType
from firmware_checks.scan import Scanner
from firmware_checks.span import Linear
from firmware_checks.vulnerabilities.feature_facts import (
    ProductFeatures,
    decode_features,
    features_of,
    shipped_features,
)
from firmware_checks.vulnerabilities.knowledge import KnownProduct, shipped_knowledge
from firmware_checks.vulnerabilities.not_affected.device import device_evidence, explain
from firmware_checks.vulnerabilities.not_affected.explain import faults_of
from firmware_checks.vulnerabilities.not_affected.features import absent_features, programs_with_texts
from toolkit.core.errors import RuleError
from toolkit.core.findings import Evidence
from toolkit.core.limits import Limits
from toolkit.core.toml_rows import TomlFile
from toolkit.report.model import Component, Confidence, Coverage, ImageSummary, Subject
from toolkit.report.vulnerability import Justification, Match, MatchStatus, Provenance

MERGED = Path(__file__).resolve().parents[5] / "shared" / "data" / "cve_nvd2_merged_2026-08.jsonl.xz"
NOTHING_LEFT = Coverage(
    total_bytes=1,
    recognised_bytes=1,
    padding_bytes=0,
    encrypted_bytes=0,
    unknown_bytes=0,
    unread_bytes=0,
    recognised_ratio=1.0,
)
ALL_DNSMASQ = ("Compile time options: %s",)
WITHOUT_ALL = ("no-DNSSEC", "no-DHCPv6 ", "no-TFTP ")


def seen(path: str, text: str, *, soname: str = "", is_whole: bool = True) -> Seen[FeatureText]:
    what = FeatureText(offset=64, excerpt=text, text=text, soname=soname, is_whole=is_whole)
    return Seen(what, Evidence(path=path, offset=64, excerpt=text))


def program(path: str) -> FileFacts:
    return FileFacts(
        path=path, name=path, provenance=Linear(0), address=None, is_elf=True, is_object=False, is_text=False
    )


def inventory(
    texts: Iterable[Seen[FeatureText]], programs: Iterable[str] = (), coverage: Coverage = NOTHING_LEFT
) -> Inventory:
    rows = list(texts)
    paths = {*programs, *(row.path for row in rows)}
    return Inventory(
        subject=Subject(name="i", size=1, sha256="0" * 64),
        image=ImageSummary(format="tar"),
        roots=(),
        components=(),
        coverage=coverage,
        files={path: program(path) for path in paths},
        observations={FeatureText: rows},
    )


def component(name: str, *paths: str, version: str = "2.77") -> Component:
    evidence = tuple(Evidence(path=path, offset=number) for number, path in enumerate(paths))
    return Component(
        name=name, title=name, category="application", version=version, confidence=Confidence.HIGH, evidence=evidence
    )


def absent(found: Component, held: Inventory, *, is_all_read: bool = True) -> list[str]:
    return [each.name for each in absent_features(found, programs_with_texts(held), is_all_read=is_all_read)]


def dnsmasq(*texts: str, is_whole: bool = True) -> list[Seen[FeatureText]]:
    return [seen("i!dnsmasq", text, is_whole=is_whole) for text in texts]


def test_a_build_that_says_so_is_without_the_part() -> None:
    held = inventory(dnsmasq(*ALL_DNSMASQ, "no-DNSSEC"))
    (found,) = absent_features(component("dnsmasq", "i!dnsmasq"), programs_with_texts(held), is_all_read=False)
    assert (found.name, found.confidence) == ("dnssec", Confidence.MEDIUM)
    assert found.evidence == ("i!dnsmasq at 0x40: 'no-DNSSEC'",)
    assert absent(component("dnsmasq", "i!dnsmasq"), inventory(dnsmasq(*ALL_DNSMASQ, *WITHOUT_ALL))) == [
        "dnssec",
        "dhcpv6",
        "tftp",
    ]


def test_a_build_that_says_nothing_may_have_it() -> None:
    assert absent(component("dnsmasq", "i!dnsmasq"), inventory(dnsmasq(*ALL_DNSMASQ))) == []


def test_nothing_is_said_of_a_program_whose_texts_cannot_be_read() -> None:
    packed = inventory(dnsmasq(*WITHOUT_ALL))
    assert absent(component("dnsmasq", "i!dnsmasq"), packed) == []
    other = inventory(dnsmasq(*ALL_DNSMASQ, *WITHOUT_ALL), programs=["i!packed"])
    assert absent(component("dnsmasq", "i!dnsmasq", "i!packed"), other) == []


def test_nothing_is_said_of_a_program_that_is_cut_off() -> None:
    held = inventory(dnsmasq(*ALL_DNSMASQ, *WITHOUT_ALL, is_whole=False))
    assert absent(component("dnsmasq", "i!dnsmasq"), held) == []


def test_nothing_is_said_of_a_component_that_only_a_register_names() -> None:
    held = inventory(dnsmasq(*ALL_DNSMASQ, *WITHOUT_ALL))
    assert absent(component("dnsmasq", "i!var/lib/dpkg/status"), held) == []
    assert absent(component("dnsmasq"), held) == []
    assert absent(component("unheard-of", "i!dnsmasq"), held) == []


def test_nothing_is_said_when_observations_were_left_out() -> None:
    rows = dnsmasq(*ALL_DNSMASQ, *WITHOUT_ALL)
    assert programs_with_texts(inventory(rows * (MOST_OF_ALL // len(rows) + 1))).by_path == {}


def test_each_program_that_holds_the_component_must_show_it() -> None:
    both = [seen("i!a", "libcurl/"), seen("i!b", "libcurl/"), seen("i!b", "netascii")]
    assert "tftp" not in absent(component("curl", "i!a", "i!b"), inventory(both))
    assert "tftp" in absent(component("curl", "i!a"), inventory(both))


def test_a_program_that_only_calls_it_may_be_taken_for_it_and_is_no_proof() -> None:
    library, tool = seen("i!libcurl.so", "libcurl/"), seen("i!curl", "curl_easy_perform")
    assert "tftp" in absent(component("curl", "i!libcurl.so", "i!curl"), inventory([library, tool]))
    assert absent(component("curl", "i!curl"), inventory([library, tool])) == []


def test_a_component_in_more_programs_than_are_named_is_asked_for_in_all() -> None:
    rows = [seen(f"i!{number}", "libcurl/") for number in range(EVIDENCE_PER_COMPONENT)]
    many = component("curl", *(row.path for row in rows))
    assert "tftp" in absent(many, inventory(rows))
    unnamed = [seen("i!one-more", "libcurl/"), seen("i!one-more", "netascii")]
    assert "tftp" not in absent(many, inventory([*rows, *unnamed]))


def test_a_part_in_a_file_of_its_own_is_looked_for_in_the_whole_image() -> None:
    server = seen("i!lighttpd", "server.document-root")
    plug_in = seen("i!mod_extforward.so", "extforward.forwarder")
    found = component("lighttpd", "i!lighttpd")
    assert "extforward" in absent(found, inventory([server]))
    assert "extforward" not in absent(found, inventory([server, plug_in]))
    assert "extforward" not in absent(found, inventory([server]), is_all_read=False)
    assert "extforward" not in absent(found, inventory([server, seen("i!mod_packed.so", "UPX!")]))


def test_names_that_a_library_gives_count_in_libraries_alone() -> None:
    library = inventory([seen("i!libxml2.so.2", "xmlParseDocument", soname="libxml2.so.2")])
    assert "schemas" in absent(component("libxml2", "i!libxml2.so.2"), library)
    linked_in = inventory([seen("i!pumpd", "xmlParseDocument")])
    assert absent(component("libxml2", "i!pumpd"), linked_in) == []
    with_it = [seen("i!libxml2.so.2", text, soname="libxml2.so.2") for text in ("xmlParseDocument", "xmlSchemaParse")]
    assert "schemas" not in absent(component("libxml2", "i!libxml2.so.2"), inventory(with_it))


def match(name: str, status: MatchStatus = MatchStatus.AFFECTED) -> Match:
    said = Provenance(source="nvd", record=name, product="a:x:x", range="*")
    return Match(id=name, status=status, confidence=Confidence.HIGH, reason="by version", range="*", provenance=(said,))


def product(name: str) -> KnownProduct:
    return next(each for each in shipped_knowledge().products if each.name == name)


def test_what_is_in_an_absent_part_is_ruled_out_with_its_reason_and_the_rest_stays() -> None:
    matches = [match("CVE-2020-25681"), match("CVE-2020-25684"), match("CVE-2017-14493")]
    evidence = device_evidence(inventory(dnsmasq(*ALL_DNSMASQ, "no-DNSSEC")))
    faults = faults_of(matches, product("dnsmasq"), None)
    out, other, dhcp = explain(matches, component("dnsmasq", "i!dnsmasq"), evidence, faults)
    assert (out.status, out.justification) == (MatchStatus.NOT_AFFECTED, Justification.CODE_NOT_PRESENT)
    assert out.confidence is Confidence.MEDIUM
    assert out.reason == "this build has no DNSSEC checking, where the fault is"
    assert (other, dhcp) == (matches[1], matches[2])


def test_a_missing_text_alone_is_of_low_confidence() -> None:
    matches = [match("CVE-2019-5482")]
    evidence = device_evidence(inventory([seen("i!libcurl.so", "libcurl/", soname="libcurl.so.4")]))
    (out,) = explain(matches, component("curl", "i!libcurl.so"), evidence, faults_of(matches, product("curl"), None))
    assert (out.status, out.confidence) == (MatchStatus.NOT_AFFECTED, Confidence.LOW)
    assert "holds no 'netascii'" in out.evidence[0]


GOOD: dict[str, object] = {
    "name": "thing",
    "witnesses": ["thing v"],
    "feature": [
        {
            "name": "a",
            "title": "a part",
            "traces": ["part of a"],
            "vulnerabilities": ["CVE-2020-1000"],
            "source": "its source",
        }
    ],
}


def changed(**fields: object) -> dict[str, object]:
    (feature,) = msgspec.json.decode(msgspec.json.encode(GOOD))["feature"]
    kept = {name: value for name, value in {**feature, **fields}.items() if value is not None}
    return {**GOOD, "feature": [kept]}


def decoded(content: object, name: str = "thing.toml") -> ProductFeatures:
    return decode_features(TomlFile(name, b"", msgspec.json.encode(content)))


def test_a_sound_file_is_read() -> None:
    assert decoded(GOOD).texts() == {"thing v", "part of a"}


@pytest.mark.parametrize(
    "content",
    [
        changed(traces=None),
        changed(traces=["abc"]),
        changed(traces=["line\n"]),
        changed(vulnerabilities=[]),
        changed(vulnerabilities=["CVE-2020-1000", "CVE-2020-1000"]),
        changed(source=None),
        changed(unheard_of=1),
        changed(exports=["part_start"]),
        {**changed(exports=["part_start"]), "libraries": ["libthing"]},
        {**GOOD, "witnesses": []},
        {**GOOD, "feature": [*changed()["feature"], *changed()["feature"]]},  # type: ignore[misc]
    ],
)
def test_a_wrong_file_is_refused_with_its_name(content: object) -> None:
    with pytest.raises(RuleError, match=r"thing\.toml"):
        decoded(content)
    with pytest.raises(RuleError, match="must be named like its file"):
        decoded(GOOD, "other.toml")


def test_at_least_ten_products_are_known_and_each_is_one_of_the_knowledge_base() -> None:
    names = {each.name for each in shipped_features()}
    assert len(names) >= 10
    assert names <= {each.name for each in shipped_knowledge().products}
    assert features_of("unheard-of") is None


def test_no_part_of_a_product_holds_a_text_that_all_its_programs_hold() -> None:
    for each in shipped_features():
        for feature in each.feature:
            marks = {*feature.traces, *feature.exports, *feature.says_off}
            assert marks.isdisjoint(each.witnesses), (each.name, feature.name)


def test_each_vulnerability_of_a_part_is_one_of_the_product() -> None:
    if not MERGED.exists():
        pytest.skip("the vulnerability data to hold this against is not here")
    wanted = {name.encode() for each in shipped_features() for part in each.feature for name in part.vulnerabilities}
    lines: dict[str, bytes] = {}
    for path in (MERGED, MERGED.with_name("cve_nvd2_embedded_supplement.jsonl.xz")):
        with lzma.open(path) as file:
            for line in file:
                start = line.find(b'"CVE-')
                found = line[start + 1 : line.find(b'"', start + 1)]
                if found in wanted:
                    lines[found.decode()] = line
    for each in shipped_features():
        known = product(each.name)
        own = {row.id for row in known.vulnerability}
        names = [":".join(cpe.split(":")[1:3]).encode() for cpe in known.cpes]
        for part in each.feature:
            for name in part.vulnerabilities:
                assert name in own or any(f":{cpe.decode()}:".encode() in lines[name] for cpe in names), (
                    each.name,
                    name,
                )


def elf(*texts: str) -> bytes:
    """Return a program for Linux that is whole and holds ``texts``."""
    body = b"\0".join(text.encode() for text in texts) + b"\0"
    at = 84 + len(body)
    head = MAGIC + bytes([1, 1, 1, LINUX_ABI]) + bytes(8)
    head += struct.pack("<HHIIIIIHHHHHH", 2, 40, 1, 0, 52, at, 0, 52, 32, 1, 40, 1, 0)
    return head + struct.pack("<8I", SegmentType.LOAD, 0, 0, 0, 0, at, at, 4) + body + bytes(40)


Scan = Callable[[Mapping[str, bytes]], Inventory]


@pytest.fixture(scope="module")
def scan(tmp_path_factory: pytest.TempPathFactory) -> Scan:
    scanner = Scanner()
    folder = tmp_path_factory.mktemp("images")

    def scanned(files: Mapping[str, bytes]) -> Inventory:
        path = folder / "image.tar"
        with tarfile.open(path, "w") as archive:
            for name, data in files.items():
                member = tarfile.TarInfo(name)
                member.size = len(data)
                archive.addfile(member, io.BytesIO(data))
        with open_image(path, Limits()) as image:
            return scanner.take_inventory(image)

    return scanned


def test_texts_are_gathered_by_a_scan_and_a_cut_program_is_not_whole(scan: Scan) -> None:
    whole = elf("Compile time options: %s", "no-DNSSEC")
    held = programs_with_texts(scan({"sbin/dnsmasq": whole, "sbin/cut": whole[:-4]})).by_path
    assert {path.rpartition("!")[2]: sorted(texts) for path, texts in held.items()} == {
        "sbin/dnsmasq": ["Compile time options: %s", "no-DNSSEC"],
        "sbin/cut": ["Compile time options: %s", "no-DNSSEC"],
    }
    assert {path: all(row.what.is_whole for row in texts.values()) for path, texts in held.items()} == {
        "image.tar!sbin/dnsmasq": True,
        "image.tar!sbin/cut": False,
    }


TWIN = """
#include <string.h>
const char version[] = "libcurl/7.64.0";
const char *curl_version(void) { return version; }
#ifdef WITH_TFTP
int is_text(const char *mode) { return strcmp(mode, "netascii") == 0; }
#endif
"""


@pytest.mark.parametrize(("flags", "is_out"), [((), True), (("-DWITH_TFTP",), False)])
def test_twins_with_and_without_a_part_are_told_apart(
    scan: Scan, tmp_path: Path, flags: tuple[str, ...], is_out: bool
) -> None:
    compiler = shutil.which("gcc")
    if compiler is None:
        pytest.skip("needs gcc to make a library")
    (tmp_path / "twin.c").write_text(TWIN, encoding="utf-8")
    built = tmp_path / "libcurl.so.4"
    options = ("-shared", "-fPIC", "-Os", "-s", "-fno-builtin", "-Wl,-soname,libcurl.so.4")
    subprocess.run([compiler, *options, *flags, "-o", str(built), str(tmp_path / "twin.c")], check=True)
    held = scan({"usr/lib/libcurl.so.4": built.read_bytes()})
    (found,) = (each for each in held.components if each.name == "curl")
    matches = [match("CVE-2019-5482")]
    (told,) = explain(matches, found, device_evidence(held), faults_of(matches, product("curl"), None))
    assert (told.status is MatchStatus.NOT_AFFECTED) is is_out
    cut = replace(held, observations={FeatureText: held.observed(FeatureText)[:0]})
    assert absent(found, cut) == []
