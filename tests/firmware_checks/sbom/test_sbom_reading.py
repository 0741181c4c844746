"""A bill of materials says the same in every format, and what is built to harm is refused in one line."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware_checks.sbom.cyclonedx_xml import cyclonedx_tree
from firmware_checks.sbom.reading import LARGEST_BYTES, read_sbom, sbom_of
from firmware_checks.sbom.record import Sbom, SbomComponent
from firmware_checks.sbom.tag_value import spdx_tree
from toolkit.core.errors import FormatError, InputError

Text = Callable[[str, str], str]
MINIMAL = {"bomFormat": "CycloneDX", "specVersion": "1.6"}


def _named(sbom: Sbom, name: str) -> SbomComponent:
    return next(part for part in sbom.everything if part.name == name)


@pytest.mark.parametrize("form", ["JSON", "XML"])
@pytest.mark.parametrize("version", ["1.2", "1.3", "1.4", "1.5", "1.6"])
def test_cyclonedx_says_the_same_in_every_version(cyclonedx_text: Text, version: str, form: str) -> None:
    sbom = sbom_of(cyclonedx_text(version, form).encode())
    assert (sbom.format, sbom.version, sbom.encoding) == ("CycloneDX", version, form)
    assert sbom.primary is not None
    assert (sbom.primary.name, sbom.primary.version) == ("acme/pump-firmware", "4.2")
    assert [part.name for part in sbom.components] == ["busybox", "nested", "inner"]
    busybox = _named(sbom, "busybox")
    assert busybox.version == "1.31.1"
    assert busybox.supplier == "BusyBox project"
    assert busybox.purl == "pkg:generic/busybox@1.31.1"
    assert busybox.cpe.startswith("cpe:2.3:a:busybox:")
    assert busybox.hashes == (f"SHA-256:{'ab' * 32}",)
    assert busybox.licenses == ("GPL-2.0-only",)
    assert sbom.related == {"pump", "busybox"}
    assert sbom.authors == ("Ada",)
    assert sbom.tools == ("maker",)
    assert sbom.timestamp
    if version != "1.2":  # which has no properties
        assert (busybox.support_level, busybox.end_of_support) == ("maintained", "2027-12-31")


def test_xml_and_json_of_the_same_document_are_read_alike(cyclonedx_text: Text) -> None:
    one, other = (sbom_of(cyclonedx_text("1.6", form).encode()) for form in ("JSON", "XML"))
    assert one.components == other.components
    assert one.primary == other.primary


XML = """<?xml version="1.0"?>
<bom xmlns="http://cyclonedx.org/schema/bom/1.6"><metadata><timestamp>2026-01-01</timestamp>
<lifecycles><lifecycle><phase>build</phase></lifecycle></lifecycles>
<tools><components><component type="application"><name>maker</name></component></components></tools>
<manufacturer><name>Acme</name></manufacturer></metadata>
<components><component type="library"><name>x</name><licenses><expression>MIT OR ISC</expression></licenses>
<swid tagId="t" name="x"/><swhid>swh:1:cnt:00</swhid><omniborId>gitoid:x</omniborId></component></components>
<compositions><composition><aggregate>incomplete</aggregate></composition></compositions></bom>"""


def test_what_newer_versions_add_is_read_from_xml_too() -> None:
    sbom = sbom_of(XML.encode())
    assert (sbom.authors, sbom.tools, sbom.context, sbom.says_how_complete) == (("Acme",), ("maker",), "build", True)
    (part,) = sbom.components
    assert part.licenses == ("MIT OR ISC",)
    assert part.other_identifiers == ("t", "swh:1:cnt:00", "gitoid:x")
    assert sbom_of(b'<bom xmlns="http://cyclonedx.org/schema/bom/1.4"/>').components == ()


def test_older_and_newer_lists_of_tools_are_read() -> None:
    for tools in ([{"vendor": "v", "name": "maker"}], {"components": [{"name": "maker"}], "services": []}):
        document = {**MINIMAL, "metadata": {"tools": tools, "lifecycles": [{"phase": "post-build"}]}}
        sbom = sbom_of(json.dumps(document).encode())
        assert (sbom.tools, sbom.context) == (("maker",), "post-build")


@pytest.mark.parametrize("form", ["json", "tag-value", "json of 2.2"])
def test_spdx_says_the_same_in_every_form(spdx_json: dict[str, Any], spdx_tag_value: str, form: str) -> None:
    spdx_json["spdxVersion"] = "SPDX-2.2" if form == "json of 2.2" else "SPDX-2.3"
    text = spdx_tag_value if form == "tag-value" else json.dumps(spdx_json)
    sbom = sbom_of(text.encode())
    assert sbom.format == "SPDX"
    assert sbom.primary is not None
    assert (sbom.primary.name, sbom.primary.supplier) == ("pump-firmware", "Acme Medical")
    assert sbom.authors == ("Acme Medical (psirt@acme.example)",)
    assert (sbom.tools, sbom.context, sbom.timestamp) == (("maker-1.0",), "build", "2026-03-01T10:00:00Z")
    busybox, odd = sbom.components
    assert (busybox.version, busybox.supplier) == ("1.31.1", "Denys (d@busybox.example)")
    assert busybox.purl == "pkg:generic/busybox@1.31.1"
    assert busybox.hashes == (f"SHA256:{'ab' * 32}",)
    assert busybox.licenses == ("GPL-2.0-only",)
    assert (busybox.support_level, busybox.end_of_support) == ("maintained", "2027-12-31T00:00:00Z")
    assert (odd.version, odd.supplier, odd.licenses) == ("", "", ())
    assert sbom.related == {"SPDXRef-pump", "SPDXRef-busybox"}
    assert sbom.says_how_complete


def test_what_a_document_describes_is_found_in_each_way(spdx_json: dict[str, Any]) -> None:
    listed = {**spdx_json, "relationships": [], "documentDescribes": ["SPDXRef-odd"]}
    said = {"spdxElementId": "SPDXRef-odd", "relatedSpdxElement": "SPDXRef-DOCUMENT"}
    backward = {**spdx_json, "relationships": [{**said, "relationshipType": "DESCRIBED_BY"}]}
    for document in (listed, backward):
        primary = sbom_of(json.dumps(document).encode()).primary
        assert primary is not None
        assert primary.name == "odd"
    assert sbom_of(json.dumps({**spdx_json, "relationships": []}).encode()).primary is None


TAGGED = """SPDXVersion: SPDX-2.3
# a remark

DocumentComment: <text>two
lines</text>
CreatorComment: sbom type: source
PackageName: a
PackageChecksum: SHA1: 00
ExternalRef: OTHER cpe22Type cpe:/a:x:y:1
PackageNobodyKnows: x
FileName: ./b
PackageVersion: not of a package
Relationship: SPDXRef-a CONTAINS SPDXRef-b
"""


def test_tag_value_is_read_field_by_field() -> None:
    sbom = sbom_of(TAGGED.encode())
    (part,) = sbom.components
    assert (part.name, part.version, part.cpe) == ("a", "", "cpe:/a:x:y:1")
    assert sbom.context == "source"
    assert spdx_tree(TAGGED.encode(), 9)["comment"] == "two\nlines"


def test_a_byte_order_mark_is_no_harm() -> None:
    assert sbom_of(b"\xef\xbb\xbf" + json.dumps(MINIMAL).encode()).version == "1.6"


BOMB = b"""<!DOCTYPE b [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;">]>
<bom xmlns="http://cyclonedx.org/schema/bom/1.6"><components><component><name>&b;</name></component></components></bom>"""
OPEN = b'<bom xmlns="http://cyclonedx.org/schema/bom/1.6">'
HOSTILE = {
    "nothing": (b"", "neither"),
    "an image": (b"\x7fELF" * 100, "neither"),
    "a list": (b"[]", "neither"),
    "other JSON": (b'{"a": 1}', "neither"),
    "cut JSON": (b'{"bomFormat": "Cyc', "no JSON document"),
    "a key twice": (b'{"bomFormat": "CycloneDX", "specVersion": "1.6", "specVersion": "1.5"}', "twice"),
    "deep JSON": (b'{"bomFormat": "CycloneDX", "a": ' + b"[" * 100 + b"]" * 100 + b"}", "nested deeper"),
    "another encoding": (json.dumps(MINIMAL).encode("utf-16"), "neither"),
    "broken text": (b'{"bomFormat": "\xff"}', "UTF-8"),
    "a wrong type": (json.dumps({**MINIMAL, "components": [{"name": 1}]}).encode(), r"components\[0\]\.name"),
    "a version to come": (b'{"bomFormat": "CycloneDX", "specVersion": "9.9"}', "9.9"),
    "an SPDX to come": (b'{"spdxVersion": "SPDX-3.0"}', "SPDX-3.0"),
    "other XML": (b"<html/>", "not CycloneDX"),
    "cut XML": (OPEN, "no XML"),
    "deep XML": (OPEN + b"<a>" * 100 + b"</a>" * 100 + b"</bom>", "nested deeper"),
    "an XML bomb": (BOMB, "document type"),
    "an entity of a file": (b'<!DOCTYPE x SYSTEM "file:///etc/passwd"><bom/>', "document type"),
    "an unknown encoding": (b'<?xml version="1.0" encoding="klingon"?><bom/>', "no XML"),
    "tags without colon": (b"SPDXVersion: SPDX-2.3\nwhat is this\n", "line 2 has no tag"),
    "a text without end": (b"SPDXVersion: SPDX-2.3\nDocumentComment: <text>x\ny\n", "does not end"),
    "a tag twice": (b"SPDXVersion: SPDX-2.3\nPackageName: a\nPackageVersion: 1\nPackageVersion: 2\n", "twice"),
    "half a reference": (b"SPDXVersion: SPDX-2.3\nPackageName: a\nExternalRef: SECURITY x\n", "external reference"),
    "half a relationship": (b"SPDXVersion: SPDX-2.3\nRelationship: a b\n", "two elements and a type"),
    "tags that are no text": (b"SPDXVersion: SPDX-2.3\n\xff\n", "not UTF-8 at byte 22"),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_what_cannot_be_read_is_told_in_one_line(kind: str, tmp_path: Path) -> None:
    data, said = HOSTILE[kind]
    path = tmp_path / "vendor.sbom"
    path.write_bytes(data)
    with pytest.raises(InputError, match=said) as error:
        read_sbom(path)
    assert str(error.value).startswith(str(path))
    assert "\n" not in str(error.value)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"gone\.json: cannot be read"):
        read_sbom(tmp_path / "gone.json")


def test_absurd_sizes_and_counts_are_refused() -> None:
    with pytest.raises(FormatError, match="no bill of materials has"):
        sbom_of(bytes(LARGEST_BYTES + 1))
    many = "<components>" + "<component><name>x</name></component>" * 300 + "</components>"
    with pytest.raises(FormatError, match="more than 200 parts"):
        cyclonedx_tree(OPEN + many.encode() + b"</bom>", 64, 2)
    with pytest.raises(FormatError, match="more than 2 packages"):
        spdx_tree(b"SPDXVersion: SPDX-2.3\n" + b"PackageName: x\n" * 3, 2)
    with pytest.raises(FormatError, match="more than 2 components"):
        sbom_of(json.dumps({**MINIMAL, "components": [{"name": "x"}] * 3}).encode(), most_components=2)


@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_any_change_of_a_document_is_read_or_refused(data: st.DataObject, cyclonedx_text: Text) -> None:
    whole = bytearray(data.draw(st.sampled_from([
        cyclonedx_text("1.6", "JSON").encode(), cyclonedx_text("1.4", "XML").encode(), TAGGED.encode(),
    ])))  # fmt: skip
    for place in data.draw(st.lists(st.integers(0, len(whole) - 1), max_size=4)):
        whole[place] = data.draw(st.integers(0, 255))
    end = data.draw(st.integers(0, len(whole)))
    try:
        sbom_of(bytes(whole[:end]))
    except FormatError as error:
        assert str(error)
