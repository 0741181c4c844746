"""Genuine formats are taken as they are, in any order; a broken file changes nothing, and a pulled plug neither."""

from __future__ import annotations

import bz2
import gzip
import hashlib
import io
import json
import lzma
import signal
import sqlite3
import subprocess
import sys
import tarfile
import time
import zipfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware_checks.vulnerabilities.affected_text import ranges_in_words
from firmware_checks.vulnerabilities.building import build
from firmware_checks.vulnerabilities.database import Database
from firmware_checks.vulnerabilities.feed import LARGEST_DOCUMENT_BYTES, Member
from firmware_checks.vulnerabilities.knowledge import KnowledgeBase
from toolkit.core.errors import InputError

DOCUMENTS: dict[str, Any] = json.loads((Path(__file__).parent / "feed_documents.json").read_text(encoding="utf-8"))
"""One of each format, as its publisher writes it."""
CVE = "CVE-2024-12345"
PUMP = "cpe:2.3:a:acme:pump"
NVD_1 = DOCUMENTS["nvd 1.1"]
CVE_5 = DOCUMENTS["cve 5"]
KEV = DOCUMENTS["kev"]
KEV_CSV = (
    "cveID,vendorProject,product,vulnerabilityName,dateAdded,shortDescription,requiredAction,dueDate,"
    'knownRansomwareCampaignUse,notes,cwes\nCVE-2024-12345,Acme,Pump,"Pump, open",2026-07-16,"a\nb",Update,2026-08-01,'
    "Unknown,,CWE-1\n"
)
EPSS = f"#model_version:v4,score_date:2026-08-16T00:00:00+0000\ncve,epss,percentile\n{CVE},0.25,0.9\n"
END_OF_LIFE = DOCUMENTS["endoflife"]
END_OF_LIFE_OLD = DOCUMENTS["endoflife old"]
CSAF = DOCUMENTS["csaf"]
OSV = DOCUMENTS["osv"]


def _ids(lab: Any, name: str, version: str | None, vendor: str = "acme") -> dict[str, str]:
    found = lab.ask(lab.component(name, version, cpe=f"cpe:2.3:a:{vendor}:{name}"))
    return {match.id: match.range for match in found.values()}


def test_a_feed_of_the_nvd_is_taken_with_keys_that_nobody_knows(lab: Any) -> None:
    (done,) = lab.take(
        lab.write(lab.feed(lab.record(CVE, lab.plain(lab.row("a:acme:pump", versionEndExcluding="1.5")))))
    )
    assert (done.kind, done.date, done.counts) == ("nvd", "2026-08-17", {"records": 1})
    match = lab.ask(lab.component("pump", "1.4", cpe=PUMP))[CVE]
    assert (match.score, match.severity, match.summary) == (9.8, "critical", f"Something in {CVE}.")


@pytest.mark.parametrize("pack", [gzip.compress, lzma.compress, bz2.compress, bytes])
def test_records_are_taken_one_to_a_line_and_packed(lab: Any, pack: Any) -> None:
    records = [lab.record(f"CVE-2024-{n:04}", lab.plain(lab.row("a:acme:pump:1.4"))) for n in range(300)]
    lines = "\n".join(json.dumps(record, separators=(",", ":")) for record in records)
    lab.take(lab.write(pack(lines.encode()), "x.jsonl.packed"))
    assert len(_ids(lab, "pump", "1.4")) == 300


@pytest.mark.parametrize("indent", [None, 2])
@pytest.mark.parametrize("is_wrapped", [True, False])
def test_a_single_record_is_taken(lab: Any, *, indent: int | None, is_wrapped: bool) -> None:
    record = lab.record(CVE, lab.plain(lab.row("a:acme:pump:1.4")))
    lab.take(lab.write(json.dumps(record if is_wrapped else record["cve"], indent=indent).encode()))
    assert CVE in _ids(lab, "pump", "1.4")


def test_a_record_without_configurations_falls_back_on_what_its_reporter_says(lab: Any) -> None:
    said = {"vendor": "Acme", "product": "Pump", "versions": [{"version": "< 1.5", "status": "affected"}]}
    lab.take_records(lab.record(CVE, configurations=None, affected=[{"affectedData": [said]}], metrics={}))
    match = lab.ask(lab.component("pump", "1.4", cpe=PUMP))[CVE]
    assert (match.range, match.severity) == ("<1.5", "unknown")


def test_feed_1_1_is_taken_with_its_nested_nodes(lab: Any) -> None:
    (done,) = lab.take(lab.write(NVD_1))
    assert (done.kind, done.date) == ("nvd", "2022-12-14")
    match = lab.ask(lab.component("pump", "1.4", cpe=PUMP))[CVE]
    assert (match.status, match.score) == ("under_investigation", 7.5)
    assert "hardware acme board" in match.reason
    assert lab.ask(lab.component("pump", "1.7", cpe=PUMP))[CVE].status == "affected"


def test_cve_5_is_taken_and_its_makers_outrank_others(lab: Any) -> None:
    lab.take(
        lab.write(CVE_5), lab.write(lab.feed(lab.record(CVE, lab.plain(lab.row("a:acme_inc.:pump:1.9")))), "n.json")
    )
    assert _ids(lab, "pump", "1.0.2k", "acme_inc.") == {CVE: ">=1.0 <1.0.2zd"}
    match = lab.ask(lab.component("pump", "1.9", cpe="cpe:2.3:a:acme_inc.:pump"))[CVE]
    assert (match.status, match.confidence) == ("under_investigation", "low")
    assert "the makers do not name this version" in match.reason
    assert not _ids(lab, "pump", "1.0.2zd", "acme_inc.")


def test_a_rejected_cve_5_record_matches_nothing(lab: Any) -> None:
    rejected = {**CVE_5, "cveMetadata": {"cveId": CVE, "state": "REJECTED"}}
    lab.take(lab.write(rejected))
    assert not _ids(lab, "pump", "1.0.2k", "acme_inc.")


@pytest.mark.parametrize("document", [KEV, KEV_CSV.encode(), b"\xef\xbb\xbf" + KEV_CSV.encode()])
def test_the_list_of_what_is_exploited_is_taken_as_json_and_csv(lab: Any, document: Any) -> None:
    lab.take_records(lab.record(CVE, lab.plain(lab.row("a:acme:pump:1.4"))))
    (done,) = lab.take(lab.write(document, "kev"))
    assert done.counts == {"exploited": 1}
    assert lab.ask(lab.component("pump", "1.4", cpe=PUMP))[CVE].exploited_since in ("2026-07-01", "2026-07-16")


def test_an_older_list_does_not_undo_a_newer_one(lab: Any) -> None:
    old = {**KEV, "dateReleased": "2025-01-01", "vulnerabilities": [{"cveID": CVE, "dateAdded": "1999-01-01"}]}
    lab.take_records(lab.record(CVE, lab.plain(lab.row("a:acme:pump:1.4"))))
    lab.take(lab.write(KEV, "new.json"), lab.write(old, "old.json"))
    assert lab.ask(lab.component("pump", "1.4", cpe=PUMP))[CVE].exploited_since == "2026-07-01"


@pytest.mark.parametrize("head", [EPSS, EPSS.partition("\n")[2]])
def test_scores_are_taken(lab: Any, head: str) -> None:
    lab.take_records(lab.record(CVE, lab.plain(lab.row("a:acme:pump:1.4"))))
    lab.take(lab.write(gzip.compress(head.encode()), "epss.csv.gz"))
    assert lab.ask(lab.component("pump", "1.4", cpe=PUMP))[CVE].epss == 0.25


@pytest.mark.parametrize("document", [END_OF_LIFE, END_OF_LIFE_OLD])
def test_lines_of_support_are_taken(lab: Any, document: Any) -> None:
    lab.take(lab.write(document))
    cycles = {cycle.cycle: cycle for cycle in lab.database().cycles([PUMP])}
    assert cycles["1.4"].end_of_support == "2021-01-01"
    assert "no" in {cycle.end_of_support for cycle in cycles.values()}


def test_advisories_are_taken_with_product_and_version(lab: Any) -> None:
    older = json.loads(json.dumps(CSAF))
    older["document"]["tracking"]["current_release_date"] = "2024-01-01T00:00:00Z"
    older["vulnerabilities"] = []
    lab.take(lab.write(CSAF, "a.json"), lab.write(older, "b.json"))
    with sqlite3.connect(lab.path) as connection:
        rows = connection.execute(
            "SELECT status, vendor, product, version FROM advisory_product ORDER BY row"
        ).fetchall()
    connection.close()
    assert rows == [
        ("known_affected", "Acme", "Pump", "<1.5"),
        ("known_affected", "", "P9", ""),
        ("fixed", "", "Acme Pump all", ""),
        ("fixed", "", "Pump on Board", ""),
    ]


def test_osv_records_are_taken_and_those_of_curl_go_under_their_cve_name(lab: Any) -> None:
    lab.take(lab.write(OSV))
    assert _ids(lab, "curl", "7.9.7", "haxx") == {CVE: ">=7.0 <7.9.8"}
    assert not _ids(lab, "curl", "7.9.8", "haxx")
    assert _ids(lab, "curl", "8.1", "haxx") == {CVE: ">=8.0"}
    assert _ids(lab, "pump", "1.4", "pump") == {"OSV-2024-1": "=1.4"}
    assert _ids(lab, "board", "1", "board") == {"OSV-2024-1": "*"}
    assert _ids(lab, "last", "3.0", "last") == {"OSV-2024-1": "<=3"}


def test_archives_are_looked_into(lab: Any) -> None:
    feed = json.dumps(lab.feed(lab.record(CVE, lab.plain(lab.row("a:acme:pump:1.4"))))).encode()
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for name, data in (("x/readme.json", b"{}"), ("x/notes.txt", b"no"), ("x/feed.json", feed)):
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    zipped = io.BytesIO()
    with zipfile.ZipFile(zipped, "w") as archive_2:
        archive_2.writestr("CVE-5.json", json.dumps(CVE_5))
    done = lab.take(lab.write(packed.getvalue(), "a.tgz"), lab.write(zipped.getvalue(), "b.zip"))
    assert [file.counts for file in done] == [{"records": 1}, {"records": 1}]


def test_importing_in_any_order_and_again_gives_the_same_answers(lab: Any) -> None:
    old = lab.feed(lab.record(CVE, lab.plain(lab.row("a:acme:pump:1.4")), modified="2024-01-01"))
    new = lab.feed(lab.record(CVE, lab.plain(lab.row("a:acme:pump:1.5")), modified="2025-01-01"))
    files = lab.write(old, "old.json"), lab.write(new, "new.json")
    answers = []
    for order in (files, files[::-1], (*files, *files)):
        lab.path.unlink(missing_ok=True)
        for path in order:
            lab.take(path)
        answers.append((_ids(lab, "pump", "1.4"), _ids(lab, "pump", "1.5")))
    assert answers == [({}, {CVE: "=1.5"})] * 3


def test_a_newer_state_in_one_file_replaces_an_older_one(lab: Any) -> None:
    away = lab.both(lab.node(lab.row("a:acme:pump:1.4")), lab.node(lab.row("h:acme:b:-", vulnerable=False)))
    old = lab.record(CVE, away, modified="2024-01-01", x_programFiles=["a.c"])
    new = lab.record(CVE, lab.plain(lab.row("a:acme:pump:1.5")), modified="2025-01-01")
    lab.take_records(old, new, lab.record(CVE, lab.plain(lab.row("a:acme:pump:1.6")), modified="2024-06-01"))
    assert [_ids(lab, "pump", version) for version in ("1.4", "1.5", "1.6")] == [{}, {CVE: "=1.5"}, {}]


def test_the_same_files_give_the_same_bytes(lab: Any) -> None:
    records = [lab.record(f"CVE-2024-{n:04}", lab.plain(lab.row(f"a:v{n}:p{n}:1.{n}"))) for n in range(50)]
    feed = lab.write(lab.feed(*records))
    digests = set()
    for name in ("one.db", "two.db"):
        build(lab.folder / name, [feed], KnowledgeBase((), ""), today="2026-11-24")
        digests.add(hashlib.sha256((lab.folder / name).read_bytes()).hexdigest())
    assert len(digests) == 1


def _broken(lab: Any) -> dict[str, bytes]:
    feed = json.dumps(lab.feed(lab.record(CVE, lab.plain(lab.row("a:acme:pump:1.5"))))).encode()
    record = json.dumps(lab.record(CVE)).encode()
    packed = gzip.compress(feed)
    return {
        "cut.json": feed[: len(feed) // 2],
        "cut.json.gz": packed[: len(packed) // 2],
        "damaged.json.gz": packed[:20] + bytes(8) + packed[28:],
        "cut.xz": lzma.compress(feed)[:-20],
        "wrong-type.json": feed.replace(b'"vulnerabilities": [', b'"vulnerabilities": 7, "x": ['),
        "line-2.jsonl": record + b"\n" + record[:40] + b"}\n",
        "other.json": b'{"hello": 1}',
        "empty.json": b"",
        "kev-count.json": json.dumps({**KEV, "count": 9}).encode(),
        "kev-name.json": json.dumps(
            {**KEV, "vulnerabilities": [{"cveID": "x", "dateAdded": "y"}], "count": 1}
        ).encode(),
        "kev.csv": b"cveID,vendorProject,product\nCVE-2024-0001,a\n",
        "epss-columns.csv": b"#model_version:1,score_date:2026-01-01\na,b\n",
        "epss-row.csv": EPSS.encode() + b"CVE-2024-0001,x,0.1\n",
        "epss-range.csv": EPSS.encode() + b"CVE-2024-0001,7,0.1\n",
        "cut.zip": b"PK\x03\x04" + bytes(40),
        "cut.tar.gz": gzip.compress(_tar("x.json", b"{}")[:700]),
        "nothing-inside.tar": _tar("x.json", b"{}"),
        "no-text.json": b'{"format":"NVD_CVE","vulnerabilities":[{"cve":{"id":"\xff\xfe"}}]}',
    }


def _tar(name: str, data: bytes) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        info = tarfile.TarInfo(name)
        info.size = len(data)
        archive.addfile(info, io.BytesIO(data))
    return packed.getvalue()


def test_a_broken_file_is_named_in_one_line_and_changes_nothing(lab: Any) -> None:
    lab.take_records(lab.record(CVE, lab.plain(lab.row("a:acme:pump:1.4"))))
    before = lab.path.read_bytes()
    good = lab.write(lab.feed(lab.record(CVE, lab.plain(lab.row("a:acme:pump:1.9")), modified="2099")), "good.json")
    for name, data in _broken(lab).items():
        with pytest.raises(InputError, match=name) as error:
            lab.take(good, lab.write(data, name))
        assert "\n" not in str(error.value)
        assert lab.path.read_bytes() == before
    assert [path.name for path in lab.folder.iterdir() if "building" in path.name] == []


def _nested(depth: int, key: str) -> str:
    leaf = '{"operator":"AND","cpe_match":[],"cpeMatch":[]'
    return (leaf + f',"{key}":[') * depth + leaf + "}" + "]}" * depth


@pytest.mark.parametrize("depth", [9, 400, 100_000])
def test_nodes_that_are_nested_absurdly_deep_are_refused(lab: Any, depth: int) -> None:
    nodes = _nested(depth, "children")
    new = '{"cve":{"id":"CVE-2024-0001","configurations":[{"operator":"AND","nodes":[' + nodes + "]}]}}"
    old = (
        '{"CVE_data_type":"CVE","CVE_Items":[{"cve":{"CVE_data_meta":{"ID":"CVE-2024-0001"}},"configurations":{"nodes":['
        + nodes
        + "]}}]}"
    )
    page = '{"format":"NVD_CVE","vulnerabilities":[' + new + "]}"
    for document in (page, old):
        with pytest.raises(InputError, match=r"nested|recursion"):
            lab.take(lab.write(document.encode()))


def test_a_name_that_is_no_cpe_name_matches_nothing_and_harms_nothing(lab: Any) -> None:
    rows = [lab.row("a:acme:pump:1.4"), {"vulnerable": True, "criteria": "cpe:/a:acme:pump"}]
    lab.take_records(lab.record(CVE, lab.plain(*rows)))
    assert _ids(lab, "pump", "1.4") == {CVE: "=1.4"}


def test_names_are_read_with_their_backslashes(lab: Any) -> None:
    lab.take_records(lab.record(CVE, lab.plain(lab.row(r"a:micrium:uc\/lib", versionEndExcluding="1.38"))))
    assert CVE in lab.ask(lab.component("x", "1.37", cpe=r"cpe:2.3:a:micrium:uc\/lib:1.37"))


def test_an_endless_line_is_refused(lab: Any) -> None:
    line = b'{"cve":{"id":"CVE-2024-0001","vulnStatus":"x"}}\n' + b" " * (17 << 20)
    with pytest.raises(InputError, match="a line of more than"):
        lab.take(lab.write(gzip.compress(line, 1)))


def test_a_folder_that_cannot_be_written_is_named(lab: Any) -> None:
    blocked = lab.write(b"", "blocked")
    with pytest.raises(InputError, match="cannot be written"):
        build(blocked / "x.db", [lab.write(KEV)], KnowledgeBase((), ""), today="2026-11-24")


def test_a_document_that_is_too_large_is_refused() -> None:
    with pytest.raises(InputError, match="more than 5000 bytes"):
        Member("x.json", io.BytesIO(bytes(5001))).data(5000)
    assert LARGEST_DOCUMENT_BYTES > 5000


def test_a_file_that_is_no_database_is_refused(lab: Any) -> None:
    lab.write(b"hello" * 1000, "vulnerabilities.db")
    with pytest.raises(InputError, match="vulnerabilities"):
        Database(lab.path)
    with pytest.raises(InputError, match="vulnerabilities"):
        lab.take_records(lab.record(CVE))
    with pytest.raises(InputError, match=r"no database"):
        Database(lab.folder / "missing.db")


def test_a_database_of_another_format_is_refused(lab: Any) -> None:
    lab.take_records(lab.record(CVE))
    with sqlite3.connect(lab.path) as connection:
        connection.execute("UPDATE meta SET value = '0'")
    connection.close()
    with pytest.raises(InputError, match="another version"):
        Database(lab.path)
    with pytest.raises(InputError, match="another version"):
        lab.take_records(lab.record(CVE))


def test_two_imports_at_a_time_are_refused(lab: Any) -> None:
    building = lab.folder / f".{lab.path.name}.building"
    other = sqlite3.connect(building, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    try:
        with pytest.raises(InputError, match="another import is at work"):
            lab.take_records(lab.record(CVE))
    finally:
        other.close()


IMPORT = """
import sys
from pathlib import Path
from firmware_checks.vulnerabilities.building import build
from firmware_checks.vulnerabilities.knowledge import KnowledgeBase
print("started", flush=True)
build(Path(sys.argv[1]), [Path(sys.argv[2])], KnowledgeBase((), ""), today="2026-11-24")
"""


@pytest.mark.parametrize("delay_s", [0.0, 0.05, 0.1, 0.2, 0.4])
def test_a_kill_at_any_point_leaves_the_old_database_or_the_new_one(lab: Any, delay_s: float) -> None:
    lab.take_records(lab.record(CVE, lab.plain(lab.row("a:acme:pump:1.4"))))
    many = [lab.record(f"CVE-2025-{n:05}", lab.plain(lab.row(f"a:acme:pump:1.{n}"))) for n in range(4000)]
    feed = lab.write(lab.feed(*many), "many.json")
    command = [sys.executable, "-c", IMPORT, str(lab.path), str(feed)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(delay_s)
        process.send_signal(signal.SIGKILL if hasattr(signal, "SIGKILL") else signal.SIGTERM)
        process.wait()
    with Database(lab.path) as database:
        assert database.counts()["vulnerabilities"] in (1, 4001)
    lab.take(feed)
    with Database(lab.path) as database:
        assert database.counts()["vulnerabilities"] == 4001


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("< 6.1.12", [{"version_end_excluding": "6.1.12"}]),
        ("<=2.0.11", [{"version_end_including": "2.0.11"}]),
        (">=2.4.0, <2.5", [{"version_start_including": "2.4.0", "version_end_excluding": "2.5"}]),
        ("> 1.0 and", []),
        ("= 1.2", [{"version_start_including": "1.2", "version_end_including": "1.2"}]),
        ("< 1 < 2", []),
        ("bluez versions prior to 5.63", [{"version_end_excluding": "5.63"}]),
        ("All versions before V1.2", [{"version_end_excluding": "V1.2"}]),
        ("through 2.34", [{"version_end_including": "2.34"}]),
        ("4.1.2 and prior", [{"version_end_including": "4.1.2"}]),
        ("2.0 to 3.0 and before 1.2", []),
        ("All Versions", []),
        ("n/a", []),
    ],
)
def test_ranges_in_words_are_read_strictly(text: str, expected: list[dict[str, str]]) -> None:
    assert ranges_in_words(text) == expected


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ({"version": "n/a"}, "*"),
        ({"version": "All Versions"}, "*"),
        ({"version": "1.4"}, "=1.4"),
        ({"version": " 1.2", "lessThan": "1.5"}, ">=1.2 <1.5"),
        ({"version": "0", "lessThanOrEqual": "1.5"}, "<=1.5"),
        ({"version": "unspecified", "lessThan": "<1.5"}, "<1.5"),
        ({"version": "1.2", "lessThan": "unspecified"}, ">=1.2"),
        ({"version": ">=1.2", "lessThan": "unspecified"}, ">=1.2"),
        ({"version": "some", "lessThan": "1.5"}, "<1.5"),
        ({"version": "1.0", "lessThan": "the last one"}, "*"),
    ],
)
def test_what_reporters_write_is_read_or_shown_with_a_doubt(lab: Any, said: dict[str, str], shown: str) -> None:
    product = {"vendor": "Acme", "product": "Pump", "versions": [{"status": "affected", **said}]}
    lab.take_records(lab.record(CVE, affected=[{"affectedData": [product]}]))
    assert _ids(lab, "pump", "1.4") == {CVE: shown}


@given(
    st.binary(max_size=400),
    st.sampled_from(sorted(["{", '{"format":"NVD_CVE"', "cve,epss,percentile\n", '{"id":"CVE-2'])),
)
@settings(max_examples=40)
def test_any_bytes_are_taken_or_refused_in_one_line(
    tmp_path_factory: pytest.TempPathFactory, data: bytes, head: str
) -> None:
    folder = tmp_path_factory.mktemp("any")
    path = folder / "any.json"
    path.write_bytes(head.encode() + data)
    try:
        build(folder / "x.db", [path], KnowledgeBase((), ""), today="2026-11-24")
    except InputError as error:
        assert "any.json" in str(error)


def test_records_without_a_head_are_as_old_as_the_newest_of_them(lab: Any) -> None:
    lines = [json.dumps(lab.record(f"CVE-2024-000{n}", modified=f"2026-0{n}-01T00:00:00")) for n in (1, 3, 2)]
    (done,) = lab.take(lab.write("\n".join(lines).encode(), "x.jsonl"))
    assert done.date == "2026-03-01"
