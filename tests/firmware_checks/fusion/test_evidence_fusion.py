"""All kinds of evidence become one component for each identity and version."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Mapping

import pytest
from packageurl import PackageURL

from firmware_checks.component_rules import ComponentRule, decode_rule
from firmware_checks.fact_collection import FactCollector
from firmware_checks.fact_reader import Content, Fact, FactReader, Relation, Statement
from firmware_checks.fusion import EvidenceOfImage, VersionSet, fuse, is_document
from firmware_checks.identity import Identities
from firmware_checks.patterns import PatternSet
from firmware_checks.span import Linear, Span
from toolkit.core.errors import FormatError
from toolkit.core.findings import Evidence
from toolkit.core.registry import discover
from toolkit.core.window import Window
from toolkit.report.model import Component, Confidence

PUMP = decode_rule(
    "pump-os.toml",
    rb"""
name = "pump-os"
title = "Pump OS"
category = "library"
description = "Runs a pump."
source = "made up for this test"
purl = "pkg:generic/pump-os@{version}"
cpe = "cpe:2.3:a:acme:pump_os:{version}:*:*:*:*:*:*:*"
sonames = ["libpump"]
files = ["pumpd"]
versions = ['PumpOS V(?P<version>\d[\w.+~-]*)']
own_versions = ['\x00own(?P<version>\d\.\d)\x00']
example = [{ text = "PumpOS V1.2", version = "1.2" }]
not_example = ["PumpOS"]
""",
)
RULES: tuple[ComponentRule, ...] = (PUMP,)
IDENTITIES = Identities(RULES)
READERS = discover("firmware_checks.facts", attribute="READER", kind=FactReader, group=None)


def _program(*texts: str, needed: tuple[str, ...] = (), soname: str = "") -> bytes:
    """Return an ELF file that asks for ``needed`` and holds ``texts``."""
    constants = b"\0" + b"\0".join(text.encode() for text in texts) + b"\0"
    strings, rows = b"\0", b""
    for tag, name in [*((1, name) for name in needed), *([(14, soname)] if soname else [])]:
        rows += struct.pack("<II", tag, len(strings))
        strings += name.encode() + b"\0"
    head = 52 + 2 * 32
    strings_at = head + len(constants)
    dynamic_at = strings_at + len(strings)
    rows += struct.pack("<IIII", 5, strings_at, 0, 0)
    names_at = dynamic_at + len(rows)
    names = b"\0.rodata\0.shstrtab\0"
    end = names_at + len(names)
    header = struct.pack("<HHIIIIIHHHHHH", 3, 40, 1, 0, 52, end, 0, 52, 32, 2, 40, 3, 2)
    segments = struct.pack("<8I", 1, 0, 0, 0, end, end, 4, 4)
    segments += struct.pack("<8I", 2, dynamic_at, dynamic_at, dynamic_at, len(rows), len(rows), 4, 4)
    sections = bytes(40) + struct.pack("<10I", 1, 1, 2, head, head, len(constants), 0, 0, 4, 0)
    sections += struct.pack("<10I", 9, 3, 0, 0, names_at, len(names), 0, 0, 1, 0)
    ident = b"\x7fELF\1\1\1" + bytes(9)
    return ident + header + segments + constants + strings + rows + names + sections


def _fused(files: Mapping[str, bytes], *version_sets: VersionSet) -> dict[str, Component]:
    search = PatternSet(PUMP.patterns)
    collector = FactCollector(READERS, IDENTITIES, lambda *_: pytest.fail("a reader failed"))
    hits = []
    for path, data in files.items():
        span = Span(f"root.tar!{path}", Window.of(data))
        collector.collect(Content(span))
        hits += [(span, hit) for hit in search.search(span.window.view)]
    seen = EvidenceOfImage(hits=hits, files=collector.files, version_sets=version_sets)
    found = fuse(seen, RULES, IDENTITIES)
    return {f"{c.name} {c.version}": c for c in found}


def test_a_program_that_no_rule_knows_is_named_by_what_it_says() -> None:
    (component,) = _fused({"usr/bin/quuxpump": _program("quuxpump version 4.7.1")}).values()
    assert (component.name, component.version, component.confidence) == ("quuxpump", "4.7.1", Confidence.MEDIUM)
    assert component.purl == "pkg:generic/quuxpump@4.7.1"
    assert component.cpe == "cpe:2.3:a:*:quuxpump:4.7.1:*:*:*:*:*:*:*"
    (evidence,) = component.evidence
    assert evidence.path == "root.tar!usr/bin/quuxpump"
    assert evidence.excerpt == "quuxpump version 4.7.1"
    assert evidence.offset is not None


def test_a_bare_number_in_a_program_that_nobody_knows_is_no_component() -> None:
    assert _fused({"usr/bin/quuxpump": _program("4.7.1")}) == {}


def test_many_files_of_one_project_are_one_component() -> None:
    files = {f"bin/{name}": _program("9.1", "GNU coreutils", name) for name in ("ls", "cp", "mv", "cat")}
    found = _fused(files)
    assert list(found) == ["coreutils 9.1"]
    assert len(found["coreutils 9.1"].evidence) == 4


def test_a_client_that_quotes_the_library_it_links_is_not_that_library() -> None:
    library = _program("PumpOS V2.0", "PumpOS V2.0", soname="libpump.so.2")
    client = _program("built with PumpOS V1.2", needed=("libpump.so.2",))
    middle = _program("x", needed=("libpump.so.2",), soname="libmiddle.so.1")
    behind = _program("built with PumpOS V1.3", needed=("libmiddle.so.1",))
    found = _fused(
        {
            "lib/libpump.so.2": library,
            "bin/client": client,
            "lib/libmiddle.so.1": middle,
            "bin/behind": behind,
        }
    )
    assert list(found) == ["pump-os 2.0"]


def test_a_dynamic_program_that_names_another_version_once_quotes_it_and_one_that_holds_a_copy_does_not() -> None:
    library = _program("PumpOS V2.0", soname="libpump.so.2")
    passing = _program("header of PumpOS V1.1", needed=("libc.so.6",))
    copy = _program("PumpOS V1.5", "banner PumpOS V1.5", needed=("libc.so.6",))
    found = _fused({"lib/libpump.so.2": library, "bin/passing": passing, "bin/copy": copy})
    assert list(found) == ["pump-os 1.5", "pump-os 2.0"]


def test_a_static_program_holds_what_it_names() -> None:
    assert list(_fused({"bin/acme": _program("PumpOS V1.2")})) == ["pump-os 1.2"]


@pytest.mark.parametrize(
    "path",
    [
        "usr/share/doc/pump/changelog.txt",
        "usr/share/man/man1/pump.1",
        "usr/share/info/pump.info",
        "opt/acme/README.txt",
        "NEWS",
        "srv/help/page.html",
    ],
)
def test_documents_name_no_components(path: str) -> None:
    assert is_document(path)
    assert _fused({path: b"This is PumpOS V1.2\n"}) == {}


def test_a_library_is_no_document_though_its_name_ends_in_a_digit() -> None:
    assert not is_document("usr/lib/libz.so.1.2.3")


def test_a_text_counts_only_under_a_name_of_the_component_and_where_no_program_tells() -> None:
    assert _fused({"etc/other.conf": b"# made for PumpOS V1.2\n"}) == {}
    assert list(_fused({"etc/pump-os/release": b"PumpOS V1.2\n"})) == ["pump-os 1.2"]
    both = {"etc/pump-os/release": b"PumpOS V1.2\n", "bin/pumpd": _program("PumpOS V2.0")}
    assert list(_fused(both)) == ["pump-os 2.0"]


def test_short_patterns_count_in_own_files_only() -> None:
    assert list(_fused({"bin/pumpd": _program("own3.4")})) == ["pump-os 3.4"]
    assert _fused({"bin/other": _program("own3.4")}) == {}


def test_own_files_that_tell_no_version_name_the_component() -> None:
    (component,) = _fused({"bin/pumpd": _program("nothing")}).values()
    assert (component.name, component.version, component.confidence) == ("pump-os", None, Confidence.MEDIUM)


def test_two_versions_without_a_lead_are_candidates() -> None:
    (component,) = _fused({"usr/bin/curl": _program("7.88.1", "3.0.2")}).values()
    assert (component.version, component.version_candidates) == (None, ("3.0.2", "7.88.1"))
    assert component.confidence is Confidence.LOW


def test_packages_of_a_register_go_by_the_rule_or_by_their_own_name() -> None:
    status = b"Package: pumpd\nStatus: install ok installed\nVersion: 1:1.2-3\nSource: pump-os\n\n"
    status += b"Package: other\nStatus: install ok installed\nVersion: 2.0+dfsg-1\n"
    found = _fused({"var/lib/dpkg/status": status})
    assert found["pump-os 1.2"].purl == "pkg:generic/pump-os@1.2"
    assert found["other 2.0"].purl == "pkg:deb/debian/other@2.0%2Bdfsg-1"
    assert found["other 2.0"].confidence is Confidence.CERTAIN
    assert PackageURL.from_string(found["other 2.0"].purl or "").version == "2.0+dfsg-1"


def test_a_package_of_a_language_is_not_the_library_of_the_same_name() -> None:
    gem = b"# -*- encoding: utf-8 -*-\n# stub: pump-os 9.9 ruby lib\n"
    (component,) = _fused({"gems/specifications/pump-os-9.9.gemspec": gem}).values()
    assert (component.purl, component.title) == ("pkg:gem/pump-os@9.9", "pump-os")


def test_a_list_for_compilers_counts_for_libraries_that_are_known() -> None:
    known = {"usr/lib/pkgconfig/libmodbus.pc": b"Name: libmodbus\nVersion: 3.1.6\n"}
    assert list(_fused(known)) == ["libmodbus 3.1.6"]
    assert _fused({"usr/lib/pkgconfig/acme-x.pc": b"Name: x\nVersion: 3.1.6\n"}) == {}


def test_a_defect_in_a_reader_is_told_and_hides_nothing() -> None:
    def fails(_content: Content) -> Iterator[Fact]:
        yield Statement(name="seen", version="1.0", relation=Relation.IS, offset=0, excerpt="seen 1.0")
        raise ZeroDivisionError

    def refuses(_content: Content) -> Iterator[Fact]:
        raise FormatError("damaged")

    def reader(name: str, read: Callable[[Content], Iterator[Fact]]) -> FactReader:
        return FactReader(
            name=name, title="x", source="x", wants=lambda _: True, read=read, example=lambda: ("", b""), states=()
        )

    defects: list[str] = []
    readers = {"a": reader("a", fails), "b": reader("b", refuses)}
    collector = FactCollector(readers, IDENTITIES, lambda where, _span, _error: defects.append(where))
    collector.collect(Content(Span("x", Window.of(b"abc"), Linear(0x10), 0x8000)))
    assert defects == ["a facts"]
    (component,) = fuse(EvidenceOfImage(files=collector.files), RULES, IDENTITIES)
    assert component.name == "seen"
    assert (component.evidence[0].offset, component.evidence[0].address) == (0x10, 0x8000)


def _set(likelihoods: Mapping[str, float], path: str = "root.tar!bin/acme", name: str = "pump-os") -> VersionSet:
    evidence = (Evidence(path=path, offset=64, excerpt="pump_start"),)
    return VersionSet(name=name, likelihoods=likelihoods, evidence=evidence, confidence=Confidence.HIGH)


def test_a_set_with_one_likely_version_is_that_version() -> None:
    (component,) = _fused({}, _set({"1.2": 9.8, "1.3": 0.1})).values()
    assert (component.version, component.version_candidates, component.confidence) == ("1.2", (), Confidence.HIGH)
    assert component.cpe == "cpe:2.3:a:acme:pump_os:1.2:*:*:*:*:*:*:*"


def test_a_set_of_likely_versions_gives_candidates_by_likelihood() -> None:
    (component,) = _fused({}, _set({"1.2": 0.3, "1.3": 0.6, "1.1": 0.1, "1.0": 0.001})).values()
    assert (component.version, component.version_candidates) == (None, ("1.3", "1.2", "1.1"))
    (component,) = _fused({}, _set({}, name="without-rule")).values()
    assert (component.name, component.version, component.version_candidates) == ("without-rule", None, ())


def test_a_version_that_is_written_down_says_more_than_a_set() -> None:
    files = {"bin/acme": _program("PumpOS V1.2")}
    (component,) = _fused(files, _set({"1.2": 0.5, "1.3": 0.5})).values()
    assert component.version == "1.2"
    assert [evidence.excerpt for evidence in component.evidence] == ["PumpOS V1.2", "pump_start"]
    (component,) = _fused(files, _set({"2.0": 1.0})).values()
    assert len(component.evidence) == 1


def test_a_set_for_another_file_stands_beside_a_written_version() -> None:
    found = _fused({"bin/acme": _program("PumpOS V1.2")}, _set({"2.0": 1.0}, path="other"))
    assert list(found) == ["pump-os 1.2", "pump-os 2.0"]


def test_of_projects_with_a_program_of_one_name_the_one_that_it_names_has_made_it() -> None:
    found = _fused({"usr/bin/ping": _program("2.4", "GNU inetutils"), "usr/sbin/babeld": _program("babeld-1.12.1")})
    assert set(found) == {"inetutils 2.4", "babeld 1.12.1"}


def test_a_library_known_only_by_a_bare_number_still_tells_that_number_in_who_links_it() -> None:
    files = {
        "usr/lib/libserialport.so.0": _program("0.1.1", "help", soname="libserialport.so.0"),
        "usr/lib/libsigrok.so.4": _program("0.1.1", "help", "0.5.2", needed=("libserialport.so.0",)),
    }
    assert {"libserialport 0.1.1", "libsigrok 0.5.2"} == set(_fused(files))


def test_a_number_that_a_rule_found_for_a_copy_inside_is_not_the_programs_own() -> None:
    found = _fused({"usr/bin/sash": _program("PumpOS V7.2.13 built in", "7.2.13", "help", "3.8", "sash version %s")})
    assert {"pump-os 7.2.13", "sash 3.8"} == set(found)


def test_a_kernel_module_is_not_the_program_whose_name_it_has() -> None:
    module = bytearray(_program("1.2.3", "usage: curl"))
    module[16:18] = struct.pack("<H", 1)  # relocatable
    assert _fused({"lib/modules/5.10.0-28-armmp/kernel/drivers/curl.ko": bytes(module)}) == {}


def test_the_release_in_a_librarys_name_counts_for_known_projects_only() -> None:
    found = _fused({"usr/lib/liba52-0.7.4.so": _program(), "usr/lib/libquuxpump-neon-1.6.0.so": _program()})
    assert set(found) == {"a52dec 0.7.4"}


def test_a_plug_in_that_names_the_program_it_was_built_for_is_not_that_program() -> None:
    assert _fused({"usr/lib/pump-os/modules/log.so": _program("<b>PumpOS V1.2</b>")}) == {}
    assert set(_fused({"usr/lib/other/modules/log.so": _program("<b>PumpOS V1.2</b>")})) == {"pump-os 1.2"}
