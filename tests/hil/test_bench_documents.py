"""What a run hands over: signed evidence, JUnit, the common report, and a capture for Wireshark."""

from __future__ import annotations

import base64
import io
import json
import shutil
import struct
import subprocess
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hil.bench_check import checks
from hil.bench_report import report_of
from hil.evidence import EVIDENCE, pack_evidence, read_evidence, verified_evidence
from hil.junit import junit_xml
from hil.level import EvidenceLevel
from hil.pcapng import pcapng_of
from hil.record import Entry, Header, Recorder, read_record
from hil.result import Attempt, BenchResult, RecordFile
from hil.verdict import Reason, Result, Verdict
from signing.keyring import create_key, open_signer, public_key
from signing.refusal import Refusal
from toolkit.core.errors import FormatError, InputError, LimitExceeded
from toolkit.report.model import Tool
from toolkit.report.render import RENDERERS


def verdict(result: Result, name: str = "login-prompt", **more: Any) -> Verdict:
    values: dict[str, Any] = {"level": EvidenceLevel.QEMU, "detail": f"it was {result}", "seconds": 0.25, **more}
    return Verdict(
        id=checks()[name].id,
        check=name,
        question=checks()[name].question,
        result=result,
        lowest_level=EvidenceLevel.MODEL,
        changes_device=False,
        **values,
    )


def result_with(*verdicts: Verdict, **more: Any) -> BenchResult:
    values: dict[str, Any] = {
        "profile_title": "pump",
        "profile_sha256": "0" * 64,
        "attempts": (Attempt(device="qemu://demo-pump"),),
        "device": "qemu://demo-pump",
        "level": EvidenceLevel.QEMU,
        "safe_state": "in its safe state, by stop",
        "record": RecordFile(name="record.jsonl", size=100, sha256="1" * 64),
        **more,
    }
    return BenchResult(
        tool=Tool(name="medharden", version="1"), profile="demo-pump", interface="console", verdicts=verdicts, **values
    )


EVERY = (
    verdict(Result.PASS),
    verdict(Result.FAIL, "set-without-authentication", excerpt="=ok..", clean_up="it was switched off and on"),
    verdict(Result.NOT_TESTED, reason=Reason.PRECONDITION),
    verdict(Result.ERROR, detail="\x1b[2J lost"),
)


class NoSecrets:
    """A key without a passphrase would be asked for one; this knows it."""

    def existing(self, _purpose: str) -> str:
        return "correct horse battery"

    def new(self, _purpose: str) -> str:
        return "correct horse battery"


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> str:
    uri = f"file:{tmp_path_factory.mktemp('keys') / 'bench.pem'}"
    create_key(uri, "ed25519", NoSecrets())
    return uri


def signed(result: BenchResult, uri: str) -> bytes:
    with open_signer(uri, NoSecrets()) as signer:
        return pack_evidence(result, signer)


def test_signed_evidence_is_read_back_by_who_has_the_key(key: str) -> None:
    result = result_with(*EVERY)
    data = signed(result, key)
    assert verified_evidence(data, public_key(key, NoSecrets())) == result
    assert read_evidence(pack_evidence(result)) == result


def test_every_change_of_signed_evidence_shows(key: str) -> None:
    public = public_key(key, NoSecrets())
    document = json.loads(signed(result_with(*EVERY), key))
    payload = base64.b64decode(document["payload"])
    better = payload.replace(b'"fail"', b'"pass"')
    assert better != payload
    for change in (
        {"payload": base64.b64encode(better).decode()},
        {"payload": "*"},
        {"payloadType": EVIDENCE.payload_type + "x"},
        {"signatures": []},
        {"signatures": [{**document["signatures"][0], "keyid": "0" * 64}]},
        {"signatures": [{**document["signatures"][0], "sig": "AAAA"}]},
    ):
        with pytest.raises(Refusal):
            verified_evidence(json.dumps(document | change).encode(), public)


@given(st.binary(max_size=200))
def test_what_is_no_evidence_is_refused(data: bytes) -> None:
    with pytest.raises(Refusal):
        read_evidence(data)


def test_evidence_that_is_too_long_is_refused() -> None:
    with pytest.raises(Refusal, match="no evidence file is longer"):
        read_evidence(b" " * ((64 << 20) + 1))


def test_junit_counts_and_tells_every_verdict() -> None:
    root = ET.fromstring(junit_xml(result_with(*EVERY, started="2026-11-24T12:00:00Z")))  # noqa: S314  # our own
    suite = root[0]
    assert {k: suite.get(k) for k in ("tests", "failures", "errors", "skipped")} == {
        "tests": "4", "failures": "1", "errors": "1", "skipped": "1",
    }  # fmt: skip
    assert suite.get("timestamp") == "2026-11-24T12:00:00Z"
    cases = suite.findall("testcase")
    assert [[child.tag for child in case] for case in cases] == [
        ["system-out"], ["failure", "system-out"], ["skipped", "system-out"], ["error", "system-out"],
    ]  # fmt: skip
    assert cases[0].get("classname") == "demo-pump.qemu"
    assert cases[3][0].get("message") == "?[2J lost"
    assert "it was switched off and on" in (cases[1][1].text or "")


def test_junit_of_a_run_without_a_device_says_none() -> None:
    nothing = verdict(Result.NOT_TESTED, level=None, reason=Reason.STOPPED)
    root = ET.fromstring(junit_xml(result_with(nothing, level=None, device="")))  # noqa: S314
    assert root[0].get("timestamp") is None
    assert root[0].findall("testcase")[0].get("classname") == "demo-pump.none"


def test_the_report_has_a_finding_for_each_failure_and_tells_what_was_not_tested() -> None:
    report = report_of(result_with(*EVERY, not_enforced=("open the clamp",)), checks())
    (finding,) = report.findings
    assert finding.check == "set-without-authentication"
    assert finding.detail == "P9 on qemu: it was fail"
    assert finding.evidence[0].path == "record.jsonl, entries 0 to 0"
    assert report.not_examined[0].startswith("No real device was examined: the verdicts rest on qemu")
    assert any(line.startswith("C1 login-prompt: not-tested") for line in report.not_examined)
    assert any("open the clamp" in line for line in report.not_examined)
    assert report.data.checks == 2


def test_the_report_of_a_real_device_does_not_say_that_there_was_none() -> None:
    result = result_with(EVERY[0], level=EvidenceLevel.HARDWARE, record=None, left_safe=False, stopped="unplugged")
    report = report_of(result, checks())
    assert not any(line.startswith("No real device") for line in report.not_examined)
    assert report.subject.name == "qemu://demo-pump"
    assert report.regions[0].problems == ("unplugged", "in its safe state, by stop")


@pytest.mark.parametrize("form", ["html", "json", "text"])
def test_the_report_is_shown_like_any_other(form: str) -> None:
    document = RENDERERS[form].render(report_of(result_with(*EVERY), checks()))
    assert b"Anybody on the line can change settings" in document


def test_the_exit_code_says_what_is_not_proven() -> None:
    hardware_only = verdict(Result.NOT_TESTED, "set-without-authentication", reason=Reason.LEVEL)
    hardware_only = msgspec.structs.replace(hardware_only, lowest_level=EvidenceLevel.HARDWARE)
    unarmed = verdict(Result.NOT_TESTED, reason=Reason.NOT_ARMED)
    senseless = verdict(Result.NOT_TESTED, reason=Reason.NOT_APPLICABLE)
    cases: list[tuple[tuple[Verdict, ...], dict[str, Any], EvidenceLevel, int]] = [
        ((EVERY[0], unarmed, senseless), {}, EvidenceLevel.HARDWARE, 0),
        ((EVERY[0], EVERY[1]), {}, EvidenceLevel.MODEL, 1),
        ((EVERY[0], EVERY[2]), {}, EvidenceLevel.MODEL, 1),
        ((EVERY[0], hardware_only), {}, EvidenceLevel.HARDWARE, 1),
        ((EVERY[0], hardware_only), {}, EvidenceLevel.QEMU, 0),
        ((EVERY[0], EVERY[3]), {}, EvidenceLevel.MODEL, 2),
        ((), {"level": None}, EvidenceLevel.MODEL, 2),
        ((EVERY[0],), {"left_safe": False}, EvidenceLevel.MODEL, 1),
        ((EVERY[0],), {"stopped": "unplugged"}, EvidenceLevel.MODEL, 1),
    ]
    for verdicts, more, accepted, code in cases:
        assert result_with(*verdicts, **more).exit_code(accepted) == code


# Records


def test_a_record_is_read_back_entry_by_entry(tmp_path: Path) -> None:
    path = tmp_path / "r.jsonl"
    with path.open("wb") as file:
        recorder = Recorder(file)
        recorder.begin(Header(device="COM3"))
        recorder.hide(b"secret")
        recorder.hide(b"ab")  # too short to be looked for
        recorder.sent(b"login secret\r")
        recorder.received(b"ab\xff")
        recorder.event("note", "about secret things")
        recorder.usb(0x81, b"secret", status=32)
        recorder.usb(0x80, b"\x12", setup=bytes(8))
    header, entries = read_record(path)
    rows = list(entries)
    assert header.device == "COM3"
    assert [(e.what, e.data, e.masked) for e in rows[:2]] == [
        ("out", b"login ******\r", True), ("in", b"ab\xff", False),
    ]  # fmt: skip
    assert rows[2].detail == "about ****** things"
    assert (rows[3].endpoint, rows[3].data, rows[3].status, rows[3].masked) == (0x81, b"******", 32, True)
    assert rows[4].setup == "00" * 8
    assert rows == list(recorder.last)


def test_a_line_that_a_pulled_plug_left_unfinished_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "r.jsonl"
    path.write_bytes(b'{"format":"medharden-bench-record-1","device":"x"}\n{"n":1,"t":0,"what":"in"}\n{"n":2,"t"')
    assert [e.n for e in read_record(path)[1]] == [1]


@pytest.mark.parametrize("text", [b"", b"{}\n", b'{"format":"other","device":"x"}\n', b"\xff\n"])
def test_what_is_no_record_is_told(tmp_path: Path, text: bytes) -> None:
    path = tmp_path / "r.jsonl"
    path.write_bytes(text)
    with pytest.raises(FormatError, match="this is no record"):
        read_record(path)


@pytest.mark.parametrize("line", [b"{}", b"x", b'{"n":1,"t":0,"what":"in","hex":"0"}'])
def test_a_line_that_is_no_entry_is_told_with_its_number(tmp_path: Path, line: bytes) -> None:
    path = tmp_path / "r.jsonl"
    path.write_bytes(b'{"format":"medharden-bench-record-1","device":"x"}\n' + line + b"\n")
    with pytest.raises(FormatError, match="line 2 is no entry"):
        list(read_record(path)[1])


def test_a_record_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        read_record(tmp_path / "no.jsonl")


def test_a_record_does_not_grow_without_end() -> None:
    stream = io.BytesIO()
    recorder = Recorder(stream, most_bytes=1000)
    with pytest.raises(LimitExceeded, match="has reached 1000 bytes"):
        for _ in range(20):
            recorder.sent(bytes(64))
    recorder.sent(b"it is said once")
    recorder.event("closed")
    assert recorder.is_full
    assert len(stream.getvalue()) <= 1000
    assert recorder.last[-1].name == "closed"


# Captures

ENTRIES = (
    Entry(n=1, t=0.5, what="event", name="opened"),
    Entry(n=2, t=1.5, what="usb", endpoint=0x80, setup="8006000100001200", hex="12010002"),
    Entry(n=3, t=2.25, what="usb", endpoint=0x01, hex="69640d"),
    Entry(n=4, t=2.5, what="usb", endpoint=0x81, hex="", status=32),
)


def blocks(data: bytes) -> list[tuple[int, bytes]]:
    found: list[tuple[int, bytes]] = []
    while data:
        kind, size = struct.unpack_from("<II", data)
        assert size % 4 == 0
        assert struct.unpack_from("<I", data, size - 4) == (size,)
        found.append((kind, data[8 : size - 4]))
        data = data[size:]
    return found


def test_a_capture_has_two_packets_a_transfer_with_data_where_it_moved() -> None:
    found = blocks(b"".join(pcapng_of(ENTRIES)))
    assert [kind for kind, _ in found] == [0x0A0D0D0A, 1, *[6] * 6]
    assert struct.unpack_from("<H", found[1][1]) == (220,)
    packets = [body[20 : 20 + struct.unpack_from("<I", body, 12)[0]] for kind, body in found if kind == 6]
    assert [packet[8:9] for packet in packets] == [b"S", b"C"] * 3
    assert [packet[64:] for packet in packets] == [b"", b"\x12\x01\x00\x02", b"id\r", b"", b"", b""]
    assert [struct.unpack_from("<i", packet, 28)[0] for packet in packets[1::2]] == [0, 0, -32]
    assert packets[0][40:48] == bytes.fromhex("8006000100001200")
    assert struct.unpack_from("<qi", packets[2], 16) == (2, 250_000)


def test_another_program_reads_the_capture(tmp_path: Path) -> None:
    program = shutil.which("tcpdump")
    if program is None:
        pytest.skip("needs tcpdump")
    path = tmp_path / "usb.pcapng"
    path.write_bytes(b"".join(pcapng_of(ENTRIES)))
    done = subprocess.run([program, "-r", str(path)], capture_output=True, text=True, check=True)
    assert "USB_LINUX_MMAPPED" in done.stderr
    assert len(done.stdout.splitlines()) == 6
