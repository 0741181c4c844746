"""Components and their vulnerabilities as a CycloneDX 1.6 bill of materials: the one door to the CycloneDX library.

What the document says beyond components stands in properties whose names begin with ``medharden:``. Equal reports give
equal bytes: the serial number is derived from the report, and the time is the day it was judged by.
"""

from __future__ import annotations

import json
import uuid
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from toolkit.core.findings import Evidence, Severity
from toolkit.report.cyclonedx_vex import IMAGE, component_reference, serial_number, vulnerability_entries
from toolkit.report.exchange import NO_DAY, component_purl, document_day, document_moment, is_day, standard_cpe
from toolkit.report.model import Component, Confidence, Report
from toolkit.report.vulnerability import ComponentSupport

if TYPE_CHECKING:
    from cyclonedx.model import Property
    from cyclonedx.model.bom import Bom
    from cyclonedx.model.component import Component as BomComponent
    from cyclonedx.model.component_evidence import ComponentEvidence, Identity, Occurrence

__all__ = ["to_cyclonedx"]

END_OF_SUPPORT: Final = "cdx:lifecycle:milestone:endOfSupport"
"""Source: https://github.com/CycloneDX/cyclonedx-property-taxonomy"""

CONFIDENCE_VALUES: Final = MappingProxyType(
    {
        Confidence.LOW: Decimal("0.3"),
        Confidence.MEDIUM: Decimal("0.6"),
        Confidence.HIGH: Decimal("0.9"),
        Confidence.CERTAIN: Decimal(1),
    }
)
"""CycloneDX counts confidence from 0 to 1; our four words are spread over it."""


def to_cyclonedx(report: Report) -> bytes:
    """Return the bill of materials of the image as CycloneDX 1.6 JSON."""
    from cyclonedx.output.json import JsonV1Dot6

    document = json.loads(JsonV1Dot6(_bom(report)).output_as_string())
    del document["metadata"]["timestamp"]  # the library always sets one
    if document_day(report) != NO_DAY:
        document["metadata"]["timestamp"] = document_moment(report)
    document["compositions"] = [{"aggregate": "incomplete", "assemblies": [IMAGE]}]  # more may be inside
    if entries := list(vulnerability_entries(report, str)):
        document["vulnerabilities"] = entries
    return json.dumps(document, indent=2, sort_keys=True, ensure_ascii=False).encode() + b"\n"


def _bom(report: Report) -> Bom:
    from cyclonedx.model.bom import Bom, BomMetaData
    from cyclonedx.model.component import Component as BomComponent
    from cyclonedx.model.component import ComponentType
    from cyclonedx.model.lifecycle import LifecyclePhase, PredefinedLifecycle

    support: dict[tuple[str, str | None], list[ComponentSupport]] = {}
    for row in report.support:
        support.setdefault((row.component, row.component_version), []).append(row)
    components = [
        _component(number, component, support.get((component.name, component.version), []))
        for number, component in enumerate(report.components)
    ]
    image = _image(report)
    maker = BomComponent(
        type=ComponentType.APPLICATION, name=report.tool.name, version=report.tool.version, bom_ref="tool"
    )
    metadata = BomMetaData(
        component=image,
        lifecycles=[PredefinedLifecycle(phase=LifecyclePhase.POST_BUILD)],
        properties=_properties(_report_facts(report)),
    )
    metadata.tools.components.add(maker)
    bom = Bom(serial_number=uuid.UUID(serial_number(report)), metadata=metadata, components=components)
    bom.register_dependency(image, components)
    return bom


def _image(report: Report) -> BomComponent:
    from cyclonedx.model import HashAlgorithm, HashType
    from cyclonedx.model.component import Component as BomComponent
    from cyclonedx.model.component import ComponentType

    return BomComponent(
        type=ComponentType.FIRMWARE,
        name=report.subject.name,
        bom_ref=IMAGE,
        hashes=[HashType(alg=HashAlgorithm.SHA_256, content=report.subject.sha256)],
        properties=_properties(_image_facts(report)),
    )


def _component(number: int, component: Component, support: Sequence[ComponentSupport]) -> BomComponent:
    from cyclonedx.model.component import Component as BomComponent

    reference = component_reference(number)
    purl, cpe = component_purl(component), standard_cpe(component)
    facts: list[tuple[str, str]] = [("rule", component.name), ("category", component.category)]
    facts += [("confidence", component.confidence.value)]
    facts += [("version-candidate", version) for version in component.version_candidates]
    facts += [("purl", component.purl)] if component.purl and purl is None else []
    facts += [("cpe", component.cpe)] if component.cpe and cpe is None else []
    facts += [("support", f"{row.state} ({row.line}; {row.basis}; {row.source})") for row in support]
    return BomComponent(
        name=component.title,
        version=component.version,
        bom_ref=reference,
        purl=purl,
        cpe=cpe,
        evidence=_evidence(component, reference),
        properties=[*_properties(facts), *_end_of_support(support)],
    )


def _end_of_support(support: Sequence[ComponentSupport]) -> list[Property]:
    """Return the first day that any source gives, under the name that CycloneDX has registered for it."""
    from cyclonedx.model import Property

    day = min((row.until for row in support if row.until and is_day(row.until)), default=None)
    return [] if day is None else [Property(name=END_OF_SUPPORT, value=day)]


def _evidence(component: Component, reference: str) -> ComponentEvidence:
    from cyclonedx.model.component_evidence import ComponentEvidence

    places = enumerate(component.evidence)
    occurrences = [_occurrence(evidence, f"{reference}-place-{n:05d}") for n, evidence in places]
    return ComponentEvidence(identity=_identities(component), occurrences=occurrences)


def _identities(component: Component) -> Iterator[Identity]:
    """Yield how sure the name is, and version and names for other programs where there are any."""
    from cyclonedx.model.component_evidence import AnalysisTechnique, Identity, IdentityField, Method

    confidence = CONFIDENCE_VALUES[component.confidence]
    excerpt = next((e.excerpt for e in component.evidence if e.excerpt), None)
    method = Method(technique=AnalysisTechnique.BINARY_ANALYSIS, confidence=confidence, value=excerpt)
    yield Identity(field=IdentityField.NAME, confidence=confidence, concluded_value=component.title, methods=[method])
    concluded = (
        (IdentityField.VERSION, component.version),
        (IdentityField.PURL, component.purl),
        (IdentityField.CPE, component.cpe),
    )
    for field, value in concluded:
        if value is not None:
            yield Identity(field=field, confidence=confidence, concluded_value=value, methods=[method])


def _occurrence(evidence: Evidence, reference: str) -> Occurrence:
    """Return one place; without a reference of its own the library would sort places by chance."""
    from cyclonedx.model.component_evidence import Occurrence

    address = None if evidence.address is None else f"address {evidence.address:#x}"
    return Occurrence(bom_ref=reference, location=evidence.path, offset=evidence.offset, additional_context=address)


def _image_facts(report: Report) -> Iterator[tuple[str, str]]:
    image = report.image
    yield "size-bytes", str(report.subject.size)
    yield "format", image.format
    if image.arch is not None:
        yield "architecture", image.arch
    if image.load_address is not None:
        yield "load-address", f"{image.load_address:#x}"
    if image.mcu_family is not None:
        yield "mcu-family", image.mcu_family
    if image.mcu_family_confidence is not None:
        yield "mcu-family-confidence", image.mcu_family_confidence.value


def _report_facts(report: Report) -> Iterator[tuple[str, str]]:
    coverage = report.coverage
    yield "coverage-ratio", f"{coverage.recognised_ratio:.4f}"
    for name in ("total", "recognised", "padding", "encrypted", "unknown", "unread"):
        yield f"{name}-bytes", str(getattr(coverage, f"{name}_bytes"))
    tally = Counter(finding.severity for finding in report.findings)
    for severity in Severity:
        yield f"findings-{severity.value}", str(tally[severity])
    for sentence in report.not_examined:
        yield "not-examined", sentence
    yield "component-rules-sha256", report.data.component_rules_sha256


def _properties(facts: Iterable[tuple[str, str]]) -> list[Property]:
    from cyclonedx.model import Property

    return [Property(name=f"medharden:{name}", value=value) for name, value in facts]
