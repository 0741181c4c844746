"""Bills of materials in every format, written by the reference libraries or by hand as the specifications show."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cyclonedx.model import HashAlgorithm, HashType, Property
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.model.contact import OrganizationalContact, OrganizationalEntity
from cyclonedx.model.license import DisjunctiveLicense
from cyclonedx.output import make_outputter
from cyclonedx.schema import OutputFormat, SchemaVersion
from packageurl import PackageURL

SPDX: dict[str, Any] = {
    "spdxVersion": "SPDX-2.3",
    "dataLicense": "CC0-1.0",
    "SPDXID": "SPDXRef-DOCUMENT",
    "name": "pump",
    "documentNamespace": "https://vendor.example/pump-1",
    "comment": "SBOM type: build",
    "creationInfo": {
        "created": "2026-03-01T10:00:00Z",
        "creators": ["Organization: Acme Medical (psirt@acme.example)", "Tool: maker-1.0"],
    },
    "packages": [
        {
            "SPDXID": "SPDXRef-pump",
            "name": "pump-firmware",
            "versionInfo": "4.2",
            "downloadLocation": "NOASSERTION",
            "supplier": "Organization: Acme Medical",
            "filesAnalyzed": False,
        },
        {
            "SPDXID": "SPDXRef-busybox",
            "name": "busybox",
            "versionInfo": "1.31.1",
            "downloadLocation": "NOASSERTION",
            "filesAnalyzed": False,
            "originator": "Person: Denys (d@busybox.example)",
            "licenseDeclared": "GPL-2.0-only",
            "licenseConcluded": "NOASSERTION",
            "checksums": [{"algorithm": "SHA256", "checksumValue": "ab" * 32}],
            "validUntilDate": "2027-12-31T00:00:00Z",
            "comment": "Level of support: maintained; reviewed yearly",
            "externalRefs": [
                {
                    "referenceCategory": "SECURITY",
                    "referenceType": "cpe23Type",
                    "referenceLocator": "cpe:2.3:a:busybox:busybox:1.31.1:*:*:*:*:*:*:*",
                },
                {
                    "referenceCategory": "PACKAGE-MANAGER",
                    "referenceType": "purl",
                    "referenceLocator": "pkg:generic/busybox@1.31.1",
                },
            ],
        },
        {
            "SPDXID": "SPDXRef-odd",
            "name": "odd",
            "versionInfo": "NOASSERTION",
            "downloadLocation": "NOASSERTION",
            "filesAnalyzed": False,
            "supplier": "NOASSERTION",
        },
    ],
    "relationships": [
        {"spdxElementId": "SPDXRef-DOCUMENT", "relationshipType": "DESCRIBES", "relatedSpdxElement": "SPDXRef-pump"},
        {"spdxElementId": "SPDXRef-pump", "relationshipType": "CONTAINS", "relatedSpdxElement": "SPDXRef-busybox"},
        {"spdxElementId": "SPDXRef-odd", "relationshipType": "CONTAINS", "relatedSpdxElement": "NOASSERTION"},
    ],
}


def _bom() -> Bom:
    busybox = Component(
        name="busybox",
        version="1.31.1",
        bom_ref="busybox",
        type=ComponentType.APPLICATION,
        supplier=OrganizationalEntity(name="BusyBox project"),
        cpe="cpe:2.3:a:busybox:busybox:1.31.1:*:*:*:*:*:*:*",
        purl=PackageURL("generic", None, "busybox", "1.31.1"),
        hashes=[HashType(alg=HashAlgorithm.SHA_256, content="ab" * 32)],
        licenses=[DisjunctiveLicense(id="GPL-2.0-only")],
        properties=[
            Property(name="cdx:lifecycle:milestone:endOfSupport", value="2027-12-31"),
            Property(name="acme:levelOfSupport", value="maintained"),
        ],
    )
    nested = Component(name="nested", bom_ref="nested", components=[Component(name="inner", bom_ref="inner")])
    pump = Component(name="pump-firmware", version="4.2", bom_ref="pump", type=ComponentType.FIRMWARE, group="acme")
    bom = Bom(components=[busybox, nested])
    bom.metadata.component = pump
    bom.metadata.authors.add(OrganizationalContact(name="Ada"))
    bom.metadata.tools.components.add(Component(name="maker", version="1.0"))
    bom.register_dependency(pump, [busybox])
    return bom


@pytest.fixture(scope="session")
def cyclonedx_text() -> Callable[[str, str], str]:
    """Write the example as CycloneDX of a version, in JSON or XML, by the reference library."""

    def write(version: str, form: str) -> str:
        schema = SchemaVersion.from_version(version)
        return make_outputter(_bom(), OutputFormat[form], schema).output_as_string()

    return write


@pytest.fixture
def spdx_json() -> dict[str, Any]:
    """The example as SPDX 2.3."""
    copy: dict[str, Any] = json.loads(json.dumps(SPDX))
    return copy


@pytest.fixture
def spdx_tag_value(spdx_json: dict[str, Any], tmp_path: Path) -> str:
    """The same in tag-value form, by the reference library."""
    from spdx_tools.spdx.parser.jsonlikedict.json_like_dict_parser import JsonLikeDictParser
    from spdx_tools.spdx.writer.tagvalue.tagvalue_writer import write_document_to_file

    path = tmp_path / "x.spdx"
    write_document_to_file(JsonLikeDictParser().parse(spdx_json), str(path), validate=False)
    return path.read_text(encoding="utf-8")
