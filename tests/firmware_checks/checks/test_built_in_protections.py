"""What programs were built with is told together, and what runs a request is told where it stands."""

from __future__ import annotations

from pathlib import Path

import pytest

from firmware_checks.check import archive_of
from firmware_checks.observers.hardening import example_program
from firmware_checks.scan import Scanner
from toolkit.core.findings import Finding, Severity


def _findings(folder: Path, data: bytes, check: str) -> list[Finding]:
    path = folder / "image.tar"
    path.write_bytes(data)
    return [f for f in Scanner().scan(path).findings if f.check == check]


def test_programs_that_are_alike_are_one_finding(tmp_path: Path) -> None:
    data = archive_of({f"usr/bin/pump{n}": example_program(names=f"strcpy\0recv\0{n}\0") for n in range(3)})
    (finding,) = _findings(tmp_path, data, "program-memory-open")
    assert finding.severity is Severity.HIGH
    assert finding.detail.endswith("(in 3 files)")
    assert [place.path for place in finding.evidence] == [f"image.tar!usr/bin/pump{n}" for n in range(3)]


@pytest.mark.parametrize(
    ("path", "severity"), [("/home/user", Severity.HIGH), ("lib", Severity.MEDIUM), ("", None), ("/opt/lib", None)]
)
def test_a_search_path_is_judged_by_who_may_write_there(path: str, severity: Severity | None, tmp_path: Path) -> None:
    found = _findings(tmp_path, archive_of({"usr/bin/a": example_program(path=path)}), "library-path-open")
    assert [f.severity for f in found] == ([severity] if severity is not None else [])


@pytest.mark.parametrize(
    ("path", "text", "call"),
    [
        ("www/a.php", b'<?php\n$host = $_POST["h"];\nexec("ping $host");\n', "exec"),
        ("www/a.lua", b'local host = http.formvalue("h")\nos.execute("ping " .. host)\n', "os.execute"),
        ("www/a.py", b'import os\nhost = request.args["h"]\nos.system("ping " + host)\n', "os.system"),
        ("cgi-bin/a", b'#!/bin/sh\neval `echo "$QUERY_STRING"`\n', "eval"),
    ],
)
def test_a_request_that_is_run_is_found_where_it_is_run(path: str, text: bytes, call: str, tmp_path: Path) -> None:
    (finding,) = _findings(tmp_path, archive_of({path: text}), "request-runs-commands")
    assert finding.severity is Severity.HIGH
    assert finding.evidence[0].offset == text.index(call.encode())


def test_settings_of_the_kernel_in_scripts_are_read(tmp_path: Path) -> None:
    script = b"#!/bin/sh\necho 0 > /proc/sys/kernel/randomize_va_space\nsysctl -w kernel.kptr_restrict=0\n"
    found = _findings(tmp_path, archive_of({"etc/init.d/rcS": script, "a.sh": b"#!/bin/sh\n"}), "kernel-hardening-off")
    assert [f.severity for f in found] == [Severity.MEDIUM, Severity.LOW]


def test_files_that_everybody_may_change_are_told(tmp_path: Path) -> None:
    files = {"etc/init.d/app": b"#!/bin/sh\n", "opt/x": b"x", "bin/su": b"y"}
    modes = {"etc/init.d/app": 0o777, "opt/x": 0o4755, "bin/su": 0o4755}
    found = _findings(tmp_path, archive_of(files, modes=modes), "special-files-inside")
    assert [f.severity for f in found] == [Severity.HIGH, Severity.MEDIUM, Severity.LOW]
