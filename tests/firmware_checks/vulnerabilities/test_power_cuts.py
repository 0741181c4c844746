"""A power cut at any point of import, export, bundle import and update leaves a database that can be used.

The work is done in a child process that kills itself (SIGKILL) at its n-th line of our own code, for many n from the
first line to the last. What a disk forgets that was not synced cannot be tried here.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

PROGRAM = '''
"""Do the action in children that are killed at one line after the other; say what is there after each."""
import hashlib, json, os, signal, sys
from pathlib import Path

from firmware_checks.vulnerabilities.building import build
from firmware_checks.vulnerabilities.bundle import export_bundle, import_bundle
from firmware_checks.vulnerabilities.database import Database
from firmware_checks.vulnerabilities.downloads import Download, Fetcher
from firmware_checks.vulnerabilities.knowledge import KnowledgeBase
from signing.attacks.lab import LabKey
from signing.policy import policy_named

action, folder, points = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
database, feed, bundle = folder / "v.db", folder / "feed.json", folder / "data.bundle"
KEY, POLICY = LabKey("office"), policy_named("legacy")
ROOM = os.sep + os.path.join("firmware_checks", "vulnerabilities") + os.sep


def run():
    if action == "import":
        build(database, [feed], KnowledgeBase((), ""), today="2026-11-24")
    elif action == "export":
        export_bundle(database, bundle, [KEY], POLICY)
    elif action == "bundle":
        import_bundle(bundle, database, [KEY.public], POLICY, may_be_older=False)
    else:
        fetcher = Fetcher(folder / "fetched", proxies={}, pause=lambda _: None)
        file = fetcher.fetch(Download(url=action, file_name="feed.json"))
        build(database, [file], KnowledgeBase((), ""), today="2026-11-24")


def child(last_line, report=None):
    """Run the action, and die at its ``last_line``; tell how many lines there are when it is never reached."""
    done = 0

    def trace(frame, event, _argument):
        nonlocal done
        if ROOM not in frame.f_code.co_filename:
            return None
        if event == "line":
            done += 1
            if done == last_line:
                os.kill(os.getpid(), signal.SIGKILL)
        return trace

    sys.settrace(trace)
    run()
    sys.settrace(None)
    if report is not None:
        report.write_text(str(done))
    os._exit(0)


def in_child(last_line, report=None):
    number = os.fork()
    if number == 0:
        try:
            child(last_line, report)
        finally:
            os._exit(7)
    return os.waitpid(number, 0)[1]


def state():
    """Return what the database holds, by asking it, and whether the bundle can be used."""
    with Database(database) as opened:
        rows = opened.counts()["vulnerabilities"]
        checked = opened._db.execute("PRAGMA integrity_check").fetchone()[0]
    usable = None
    if bundle.exists():
        copy = folder / "copy.db"
        import_bundle(bundle, copy, [KEY.public], POLICY, may_be_older=True)
        usable = copy.exists()
        copy.unlink()
    return [rows, checked, usable]


def restore(kept):
    for path in [*folder.rglob("*")]:
        if path.is_file() and path.name not in kept:
            path.unlink()
    for name, data in kept.items():
        (folder / name).write_bytes(data)


kept = {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}
count = Path(sys.argv[4])
assert in_child(-1, count) == 0
lines = int(count.read_text())
restore(kept)
steps = sorted({1 + lines * n // points for n in range(points)} | set(range(max(1, lines - 15), lines + 1)))
seen, killed = [], 0
for step in steps:
    result = in_child(step)
    killed += os.WIFSIGNALED(result) and os.WTERMSIG(result) == signal.SIGKILL
    seen.append(state())
    if step % 7 == 0:  # what a stopped run leaves must not stand in the way of the next
        assert in_child(-1) == 0
        seen.append(state())
    restore(kept)
print(json.dumps({"lines": lines, "steps": len(steps), "killed": killed, "seen": seen}))
'''

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs processes that can be forked (not on Windows)")


def _cut(folder: Path, action: str, points: int) -> dict[str, Any]:
    command = [sys.executable, "-c", PROGRAM, action, str(folder), str(points), str(folder.parent / "lines")]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr[-2000:]
    result: dict[str, Any] = json.loads(done.stdout)
    assert result["killed"] == result["steps"] >= points
    return result


@pytest.fixture
def folder(lab: Any) -> Path:
    """A folder with a database of one record, and a feed with twelve more."""
    made: Path = lab.folder / "room"
    made.mkdir()
    lab.take_records(lab.record("CVE-2024-0001", lab.plain(lab.row("a:acme:pump:1.4"))))
    (made / "v.db").write_bytes(lab.path.read_bytes())
    many = [lab.record(f"CVE-2025-{n:05}", lab.plain(lab.row(f"a:acme:pump:1.{n}"))) for n in range(12)]
    (made / "feed.json").write_text(json.dumps(lab.feed(*many, timestamp="2026-09-01")), encoding="utf-8")
    return made


@pytest.fixture
def server_of() -> Iterator[Callable[[bytes], str]]:
    """Serve one file on this machine alone, with its tag, from the byte that is asked for."""
    content: list[bytes] = []

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  # named by the base class
            pass

        def do_GET(self) -> None:
            start = int(self.headers.get("Range", "bytes=0-").removeprefix("bytes=").rstrip("-"))
            if self.headers.get("If-None-Match") == '"one"':
                self.send_response(304)
                self.end_headers()
                return
            self.send_response(206 if start else 200)
            self.send_header("ETag", '"one"')
            self.send_header("Content-Length", str(len(content[0]) - start))
            self.end_headers()
            self.wfile.write(content[0][start:])

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield lambda data: content.append(data) or f"http://127.0.0.1:{server.server_address[1]}/feed.json"
        server.shutdown()
        thread.join()


def test_a_cut_during_an_import_leaves_the_old_database_or_the_new_one(folder: Path) -> None:
    result = _cut(folder, "import", 20)
    assert {tuple(state) for state in result["seen"]} == {(1, "ok", None), (13, "ok", None)}


def test_a_cut_during_an_export_leaves_the_database_and_no_half_bundle(folder: Path) -> None:
    result = _cut(folder, "export", 25)
    assert {tuple(state) for state in result["seen"]} <= {(1, "ok", None), (1, "ok", True)}


def test_a_cut_during_an_export_over_an_older_bundle_leaves_a_whole_one(folder: Path, lab: Any) -> None:
    _bundle_of(lab.path, folder / "data.bundle")
    result = _cut(folder, "export", 12)
    assert {tuple(state) for state in result["seen"]} == {(1, "ok", True)}


def test_a_cut_during_the_import_of_a_bundle_leaves_the_old_database_or_the_new_one(folder: Path, lab: Any) -> None:
    lab.take(folder / "feed.json")
    _bundle_of(lab.path, folder / "data.bundle")
    result = _cut(folder, "bundle", 25)
    assert {tuple(state) for state in result["seen"]} == {(1, "ok", True), (13, "ok", True)}


def test_a_cut_during_an_update_leaves_the_old_database_or_the_new_one(folder: Path, server_of: Any) -> None:
    result = _cut(folder, server_of((folder / "feed.json").read_bytes()), 25)
    assert {tuple(state) for state in result["seen"]} == {(1, "ok", None), (13, "ok", None)}


def _bundle_of(database: Path, output: Path) -> None:
    from firmware_checks.vulnerabilities.bundle import export_bundle
    from signing.attacks.lab import LabKey
    from signing.policy import policy_named

    export_bundle(database, output, [LabKey("office")], policy_named("legacy"))
