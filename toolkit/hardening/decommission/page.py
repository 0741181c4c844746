"""The certificate on paper: one HTML page that needs nothing else, for who wipes and who releases the device."""

from __future__ import annotations

from typing import Final

from toolkit.core.findings import Evidence
from toolkit.hardening.decommission.certificate import Certificate, Remain, Verdict
from toolkit.hardening.decommission.words import PLACES, VERDICTS, CertificateLabel
from toolkit.report.languages import ENGLISH, Translator
from toolkit.report.markup import Markup, element
from toolkit.report.page_frame import framed
from toolkit.report.wording import Label

__all__ = ["certificate_to_html"]

MOST_REMAINS: Final = 60
MOST_PLACES: Final = 5
TONES: Final = {Verdict.NOTHING_FOUND: "go", Verdict.REMAINS: "red", Verdict.NOT_CERTIFIED: "amber"}
STYLE: Final = """
.verdict.go { --tone: #1f5f7a; }
.files-of th { width: 11rem; text-align: left; }
.plain { padding-left: 1.2rem; }
.plain li { overflow-wrap: anywhere; }
"""


def certificate_to_html(certificate: Certificate, *, language: str = ENGLISH) -> str:
    """Return the page: no script, no network, nothing of the dump unescaped, and no secret."""
    say = Translator(language)
    main = element(
        "main",
        element("header", element("p", say(CertificateLabel.TITLE), class_="kicker"), _facts(certificate, say)),
        _verdict(certificate, say),
        _listed(CertificateLabel.FOUND, "found", [_remain(r, say) for r in certificate.remains[:MOST_REMAINS]], say),
        _listed(CertificateLabel.OBSTACLES, "obstacles", list(certificate.obstacles), say),
        _listed(CertificateLabel.LOOKED_FOR, "looked-for", [say(title) for title in certificate.looked_for], say),
        element("p", say(CertificateLabel.LIMITS), class_="quiet"),
        _sign_off(say),
        class_="review",
    )
    return framed(element("body", main), title=say(CertificateLabel.TITLE), language=language, more_style=STYLE)


def _facts(certificate: Certificate, say: Translator) -> Markup:
    device, subject = certificate.device, certificate.subject
    share = certificate.blank_bytes / subject.size if subject.size else 0
    rows = (
        (CertificateLabel.DEVICE, device.title or "-"),
        (CertificateLabel.ASSET_TAG, device.asset_tag or "-"),
        (CertificateLabel.SERIAL_NUMBER, device.serial_number or "-"),
        (CertificateLabel.DUMP, f"{subject.name}, SHA-256 {subject.sha256}"),
        (CertificateLabel.SIZE, say.bytes(subject.size)),
        (CertificateLabel.BLANK, say.percent(share)),
        (CertificateLabel.DAY, f"{say.date(certificate.day)} ({certificate.tool})"),
    )
    lines = [element("tr", element("th", say(label), scope="row"), element("td", value)) for label, value in rows]
    return element("table", element("tbody", *lines), class_="files-of")


def _verdict(certificate: Certificate, say: Translator) -> Markup:
    words = element("h1", say(VERDICTS[certificate.verdict]), class_="word")
    return element("section", words, class_=f"verdict {TONES[certificate.verdict]}", id="verdict")


def _remain(remain: Remain, say: Translator) -> str:
    finding = remain.finding
    places = "; ".join(map(_place, finding.evidence[:MOST_PLACES]))
    more = f" (+{len(finding.evidence) - MOST_PLACES})" if len(finding.evidence) > MOST_PLACES else ""
    return f"{say(finding.title)} ({say(PLACES[remain.place])}): {finding.detail} {places}{more}"


def _place(evidence: Evidence) -> str:
    return evidence.path if evidence.offset is None else f"{evidence.path} @{evidence.offset:#x}"


def _listed(label: CertificateLabel, identifier: str, lines: list[str], say: Translator) -> Markup:
    if not lines:
        return Markup("")
    items = element("ul", *(element("li", line) for line in lines), class_="plain")
    return element("section", element("h2", say(label), id=identifier), items, aria_labelledby=identifier)


def _sign_off(say: Translator) -> Markup:
    blanks = (CertificateLabel.SIGN, CertificateLabel.RELEASED, Label.DATE, Label.SIGNATURE)
    lines = element("div", *(element("div", say(label), class_="blank") for label in blanks), class_="blanks")
    heading = element("h2", say(Label.SIGN_OFF), id="sign-off")
    note = element("p", say(Label.NOT_A_MEDICAL_DEVICE), class_="quiet")
    return element("section", heading, lines, note, aria_labelledby="sign-off")
