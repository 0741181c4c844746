"""The certificate on a screen."""

from __future__ import annotations

from collections.abc import Iterator

from toolkit.hardening.decommission.certificate import Certificate
from toolkit.hardening.decommission.words import PLACES, VERDICTS, CertificateLabel
from toolkit.report.languages import ENGLISH, Translator
from toolkit.report.printable import printable

__all__ = ["certificate_to_text"]

MOST_PLACES = 3


def certificate_to_text(certificate: Certificate, *, language: str = ENGLISH) -> str:
    """Return the certificate in plain lines."""
    return "".join(f"{line}\n" for line in _lines(certificate, Translator(language)))


def _lines(certificate: Certificate, say: Translator) -> Iterator[str]:
    subject = certificate.subject
    yield say(VERDICTS[certificate.verdict])
    name = printable(subject.name)
    yield f"{say(CertificateLabel.DUMP)}: {name}, {say.bytes(subject.size)}, SHA-256 {subject.sha256}"
    for remain in certificate.remains:
        finding = remain.finding
        yield f"- {say(finding.title)} ({say(PLACES[remain.place])}): {printable(finding.detail)}"
        for evidence in finding.evidence[:MOST_PLACES]:
            offset = "" if evidence.offset is None else f" @{evidence.offset:#x}"
            yield f"    {printable(evidence.path)}{offset}: {printable(evidence.excerpt)}"
    if certificate.obstacles:
        yield f"{say(CertificateLabel.OBSTACLES)}:"
        yield from (f"- {printable(sentence)}" for sentence in certificate.obstacles)
    yield say(CertificateLabel.LIMITS)
