from __future__ import annotations

import json
from typing import Any

import pytest

from signing.attacks.lab import sbom, vex
from signing.package.documents import check_documents, provenance
from signing.package.release import File, Purpose, Release
from signing.refusal import Refusal

FIRMWARE = File(name="main.bin", purpose=Purpose.FIRMWARE, sha256="a" * 64, size=1)
LIBRARY = File(name="drugs.bin", purpose=Purpose.DRUG_LIBRARY, sha256="b" * 64, size=1)
GOOD = {
    "sbom.json": sbom(FIRMWARE.sha256),
    "vex.json": vex(FIRMWARE.sha256),
    "provenance.json": provenance([FIRMWARE, LIBRARY], builder="https://a", build_type="https://b", parameters={}),
}
PURPOSES = {"sbom.json": Purpose.SBOM, "vex.json": Purpose.VEX, "provenance.json": Purpose.PROVENANCE}


def check(**changed: Any) -> None:
    """Check the good papers, with some of them replaced (None: left out)."""
    contents = {**GOOD, **{f"{name}.json": value for name, value in changed.items()}}
    papers = {name: data if isinstance(data, bytes) else json.dumps(data).encode() for name, data in contents.items()}
    kept = {name: data for name, data in papers.items() if data != b"null"}
    files = tuple(
        File(name=name, purpose=PURPOSES[name], sha256="c" * 64, size=len(data)) for name, data in kept.items()
    )
    release = Release(
        vendor="Lab",
        model="pump",
        version="1",
        released="2026-12-01T00:00:00Z",
        hardware_revisions=(),
        regions=(),
        files=(FIRMWARE, LIBRARY, *files),
    )
    check_documents(release, kept)


def cyclonedx(**more: Any) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(sbom(FIRMWARE.sha256))
    return {**found, **more}


def test_good_papers_pass() -> None:
    check()
    check(vex=None)
    check(vex=cyclonedx())


def test_a_vex_may_link_to_the_bill_of_materials() -> None:
    serial = "3e671687-395b-41f5-a30f-a58921a69b79"
    linked = {
        "bomFormat": "CycloneDX",
        "vulnerabilities": [{"id": "CVE-2026-0001", "affects": [{"ref": f"urn:cdx:{serial}/1#main"}]}],
    }
    check(sbom=cyclonedx(serialNumber=f"urn:uuid:{serial}"), vex=linked)
    with pytest.raises(Refusal) as caught:
        check(vex=linked)
    assert caught.value.rule == "package.vex"


def test_a_bill_of_materials_may_name_the_firmware_as_a_part() -> None:
    part = {"name": "main", "hashes": [{"alg": "MD5", "content": "0"}, {"alg": "SHA-256", "content": "A" * 64}]}
    check(sbom={"bomFormat": "CycloneDX", "metadata": {"component": {"name": "pump", "components": [part]}}})


STATEMENT: dict[str, Any] = json.loads(GOOD["provenance.json"])
NAMELESS: dict[str, Any] = {"buildDefinition": {"buildType": "x:y"}, "runDetails": {"builder": {"id": "somebody"}}}


@pytest.mark.parametrize(
    ("changed", "rule"),
    [
        ({"sbom": {"bomFormat": "SPDX"}}, "package.sbom"),
        ({"sbom": None}, "package.sbom"),
        ({"sbom": {"bomFormat": "CycloneDX", "metadata": []}}, "package.document"),
        ({"sbom": b"[]"}, "json.type"),
        ({"vex": {"statements": []}}, "package.vex"),
        ({"vex": {"statements": [{"products": [{"@id": "x"}]}]}}, "package.vex"),
        ({"provenance": None}, "package.provenance"),
        ({"provenance": {**STATEMENT, "predicateType": "https://other"}}, "package.provenance"),
        ({"provenance": {**STATEMENT, "_type": "https://other"}}, "package.provenance"),
        ({"provenance": {**STATEMENT, "subject": STATEMENT["subject"][:1]}}, "package.provenance"),
        ({"provenance": {**STATEMENT, "subject": None}}, "package.document"),
        ({"provenance": {**STATEMENT, "predicate": {}}}, "package.document"),
        ({"provenance": {**STATEMENT, "predicate": NAMELESS}}, "package.provenance"),
    ],
)
def test_papers_about_something_else_are_refused(changed: dict[str, Any], rule: str) -> None:
    with pytest.raises(Refusal) as caught:
        check(**changed)
    assert caught.value.rule == rule
