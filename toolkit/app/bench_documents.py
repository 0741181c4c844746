"""The documents that a bench run becomes, and reading its evidence back."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import msgspec

from hil.bench_check import checks
from hil.bench_report import report_of
from hil.evidence import pack_evidence, read_evidence, verified_evidence
from hil.junit import junit_xml
from hil.pcapng import pcapng_of
from hil.record import read_record
from hil.result import BenchResult
from signing.key import Secrets, read_public_key
from signing.keyring import open_signer
from toolkit.core.errors import InputError
from toolkit.core.files import write_whole
from toolkit.report.render import renderer

__all__ = ["RECORD", "capture", "document", "read_result", "write_all"]

RECORD = "record.jsonl"
EVIDENCE = "evidence.json"
FILES = {"junit": "junit.xml", "html": "report.html", "report": "report.json"}
MOST_EVIDENCE_BYTES = 64 << 20


def write_all(result: BenchResult, folder: Path, sign: str | None, secrets: Secrets) -> None:
    """Write evidence, signed by the key ``sign`` where one is named, and reports into ``folder``."""
    with ExitStack() as stack:
        signer = None if sign is None else stack.enter_context(open_signer(sign, secrets))
        write_whole(folder / EVIDENCE, pack_evidence(result, signer))
    for form, name in FILES.items():
        write_whole(folder / name, document(result, form))


def document(result: BenchResult, form: str) -> bytes:
    """Return ``result`` as junit, json, report (the common report in JSON), html or text."""
    if form == "junit":
        return junit_xml(result)
    if form == "json":
        return msgspec.json.format(msgspec.json.encode(result), indent=2) + b"\n"
    return renderer("json" if form == "report" else form).render(report_of(result, checks()))


def capture(record: Path) -> bytes:
    """Return the USB transfers in a record as pcapng."""
    return b"".join(pcapng_of(read_record(record)[1]))


def read_result(path: Path, key: Path | None) -> BenchResult:
    """Return what an evidence file says; with ``key``, only if that has signed it."""
    try:
        with path.open("rb") as file:
            data = file.read(MOST_EVIDENCE_BYTES + 1)
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror or error}") from error
    return read_evidence(data) if key is None else verified_evidence(data, read_public_key(key))
