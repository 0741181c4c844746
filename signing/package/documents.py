"""The papers of an update: each must speak of the very files it lies beside, by their SHA-256.

Sources: CycloneDX 1.4-1.6 (``metadata.component.hashes``), OpenVEX 0.2.0 (``products``), in-toto statement v1
(``subject``), SLSA provenance v1.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from signing.package.release import File, Purpose, Release
from signing.refusal import Refusal, fail_closed
from signing.trust.spelling import parse_object, pretty_bytes

__all__ = ["MOST_DOCUMENT_BYTES", "check_documents", "is_document", "provenance"]

MOST_DOCUMENT_BYTES: Final = 16 << 20
STATEMENT_TYPE: Final = "https://in-toto.io/Statement/v1"
PROVENANCE_TYPE: Final = "https://slsa.dev/provenance/v1"
_READ: Final = frozenset({Purpose.SBOM, Purpose.VEX, Purpose.PROVENANCE})


def is_document(file: File) -> bool:
    """Whether the content of ``file`` is looked at, not only its digest."""
    return file.purpose in _READ


def check_documents(release: Release, contents: Mapping[str, bytes]) -> None:
    """Return if bills of materials, VEX and provenance speak of the files of ``release``; refuse if not.

    ``contents`` has what ``is_document`` asks for, by file name.
    """
    parsed: dict[Purpose, list[Mapping[str, Any]]] = {purpose: [] for purpose in _READ}
    for file in release.files:
        if is_document(file):
            with fail_closed("package.document", file.name):
                parsed[file.purpose].append(parse_object(contents[file.name]))
    with fail_closed("package.document", "papers of the update"):
        _check_sboms(release, parsed[Purpose.SBOM])
        _check_vexes(release, parsed[Purpose.VEX], parsed[Purpose.SBOM])
        _check_provenances(release, parsed[Purpose.PROVENANCE])


def _check_sboms(release: Release, sboms: list[Mapping[str, Any]]) -> None:
    """Every firmware has a bill of materials that names its digest."""
    named = {digest for sbom in sboms for digest in _cyclonedx_digests(sbom)}
    for file in release.of_purpose(Purpose.FIRMWARE):
        if file.sha256 not in named:
            message = f"no bill of materials names the SHA-256 of {file.name}: it describes something else"
            raise Refusal("package.sbom", message)


def _cyclonedx_digests(sbom: Mapping[str, Any]) -> Iterator[str]:
    if sbom.get("bomFormat") != "CycloneDX":
        raise Refusal("package.sbom", "a bill of materials is not CycloneDX")
    subject = sbom.get("metadata", {}).get("component", {})
    for component in (subject, *subject.get("components", [])):
        for digest in component.get("hashes", []):
            if digest.get("alg") == "SHA-256":
                yield digest["content"].lower()


def _check_vexes(release: Release, vexes: list[Mapping[str, Any]], sboms: list[Mapping[str, Any]]) -> None:
    digests = {file.sha256 for file in release.of_purpose(Purpose.FIRMWARE)}
    serials = {sbom["serialNumber"] for sbom in sboms if "serialNumber" in sbom}
    for vex in vexes:
        named = set(_vex_digests(vex))
        if not named & digests and not any(_names_bom(vex, serial) for serial in serials):
            raise Refusal("package.vex", "a VEX speaks neither of a firmware here nor of its bill of materials")
        if named - digests:
            raise Refusal("package.vex", "a VEX speaks of a file that is not in the package")


def _vex_digests(vex: Mapping[str, Any]) -> Iterator[str]:
    if vex.get("bomFormat") == "CycloneDX":
        yield from _cyclonedx_digests(vex)
        return
    for statement in vex.get("statements", []):
        for product in statement.get("products", []):
            found = product.get("hashes", {}).get("sha-256")
            if found is not None:
                yield found.lower()


def _names_bom(vex: Mapping[str, Any], serial: str) -> bool:
    """Whether a CycloneDX VEX links to the bill of materials ``serial`` (BOM-Link, ``urn:cdx:``)."""
    link = f"urn:cdx:{serial.removeprefix('urn:uuid:')}/"
    affected = [a for v in vex.get("vulnerabilities", []) for a in v.get("affects", [])]
    return any(str(a.get("ref", "")).startswith(link) for a in affected)


def _check_provenances(release: Release, statements: list[Mapping[str, Any]]) -> None:
    """There is provenance, and its subjects are the payloads, all of them and no others."""
    if len(statements) != 1:
        raise Refusal("package.provenance", "an update has exactly one statement of provenance")
    statement = statements[0]
    if statement.get("_type") != STATEMENT_TYPE or statement.get("predicateType") != PROVENANCE_TYPE:
        raise Refusal("package.provenance", "the provenance is not an in-toto statement with SLSA provenance v1")
    predicate = statement["predicate"]
    said = (predicate["buildDefinition"]["buildType"], predicate["runDetails"]["builder"]["id"])
    if not all(isinstance(text, str) and ":" in text for text in said):
        raise Refusal("package.provenance", "the provenance does not say with URIs who built it, and how")
    subjects = {(s["name"], s["digest"]["sha256"]) for s in statement["subject"]}
    if subjects != {(file.name, file.sha256) for file in release.payloads}:
        raise Refusal("package.provenance", "the provenance is about other files than those in the package")


def provenance(files: list[File], *, builder: str, build_type: str, parameters: Mapping[str, str]) -> bytes:
    """Return a statement of provenance about ``files``; ``parameters`` say from what and how they were made."""
    return pretty_bytes(
        {
            "_type": STATEMENT_TYPE,
            "predicateType": PROVENANCE_TYPE,
            "subject": [{"name": file.name, "digest": {"sha256": file.sha256}} for file in files],
            "predicate": {
                "buildDefinition": {"buildType": build_type, "externalParameters": dict(parameters)},
                "runDetails": {"builder": {"id": builder}},
            },
        }
    )
