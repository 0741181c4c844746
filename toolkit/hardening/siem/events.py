"""The messages that a collector gets: a report in the form it reads, each in a syslog header of RFC 5424."""

from __future__ import annotations

import enum
from typing import Final

from toolkit.report.cef import to_cef
from toolkit.report.exchange import document_moment
from toolkit.report.model import Report
from toolkit.report.ocsf import to_ocsf
from toolkit.report.syslog import FACILITY, to_syslog

__all__ = ["Form", "messages_of"]

INFORMATIONAL: Final = 6
"""RFC 5424 table 2; how severe an event is stands in the event."""


class Form(enum.StrEnum):
    """How an event is written."""

    SYSLOG = "syslog"
    CEF = "cef"
    OCSF = "ocsf"


def messages_of(report: Report, form: Form) -> tuple[bytes, ...]:
    """Return one syslog message an event, without line end; CEF and OCSF stand in the message part."""
    if form is Form.SYSLOG:
        return tuple(to_syslog(report).splitlines())
    lines = (to_cef(report) if form is Form.CEF else to_ocsf(report)).splitlines()
    header = f"<{FACILITY * 8 + INFORMATIONAL}>1 {document_moment(report)} - medharden - {form.value} - ".encode()
    return tuple(header + line for line in lines)
