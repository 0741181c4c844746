"""The page in a real browser: our script runs under the page's own security policy, and nothing else does."""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import msgspec
import pytest

from toolkit.report.html import to_html
from toolkit.report.model import Report

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = pytest.mark.skipif(BROWSER is None, reason="Chromium is not installed")

DRIVER = """
const say = {};
const table = document.querySelector("table.known");
table.closest("details").open = true;
const column = (n) => [...table.tBodies[0].rows].map((row) => row.cells[n].textContent);
const head = table.tHead.rows[0].cells[3], button = head.querySelector("button");
button.focus();
say.focused = document.activeElement === button;
button.click();
say.first = [head.getAttribute("aria-sort"), column(3)];
button.click();
say.second = [head.getAttribute("aria-sort"), column(3)];
const box = document.getElementById("search");
say.label = document.querySelector("label[for=search]").textContent;
const type = (words) => { box.value = words; box.dispatchEvent(new Event("input")); };
type("published-test-key");
const status = document.querySelector("[role=status]");
say.found = [status.textContent, document.querySelectorAll("article:not([hidden])").length];
type("");
say.hidden = document.querySelectorAll("[hidden]").length;
const small = [...document.querySelectorAll("button, summary, input")].map((e) => e.getBoundingClientRect());
say.small = small.filter((r) => r.height > 0 && (r.height < 24 || r.width < 24)).length;
say.wide = document.documentElement.scrollWidth - document.documentElement.clientWidth;
document.body.dataset.say = JSON.stringify(say);
"""


def _allowed(page: str, script: str) -> str:
    """Return the page with one more script, which its policy allows by digest."""
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    with_policy = page.replace("script-src ", f"script-src &#x27;sha256-{digest}&#x27; ")
    return with_policy.replace("</body>", f"<script>{script}</script></body>")


def _said(page: str, folder: Path) -> Any:
    path = folder / "page.html"
    path.write_text(page, encoding="utf-8")
    options = ("--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking")
    profile = f"--user-data-dir={folder / 'profile'}"
    command = (str(BROWSER), *options, profile, "--dump-dom", path.as_uri())
    dom = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout
    found = re.search(r'data-say="([^"]*)"', dom)
    return json.loads(html.unescape(found[1])) if found is not None else None


@pytest.fixture(scope="module")
def page(vulnerable_report: Report) -> str:
    scores = (9.8, 10.0, 4.5)
    rows = vulnerable_report.vulnerabilities
    known = tuple(
        msgspec.structs.replace(rows[0], id=f"CVE-2020-{n}", score=score, urgency=None)
        for n, score in enumerate(scores)
    )
    return to_html(msgspec.structs.replace(vulnerable_report, vulnerabilities=known)).decode()


def test_tables_are_sorted_and_searched_by_keyboard_and_mouse(page: str, tmp_path: Path) -> None:
    said = _said(_allowed(page, DRIVER), tmp_path)
    assert said["focused"]
    assert said["first"] == ["ascending", ["4.5", "9.8", "10.0"]]
    assert said["second"] == ["descending", ["10.0", "9.8", "4.5"]]
    assert said["label"] == "Search in this report"
    assert said["found"][0].startswith("Shown: 1 of ")
    assert said["found"][1] == 1
    assert said["hidden"] == 0
    assert said["small"] == 0
    assert said["wide"] <= 0


def test_a_script_that_the_policy_does_not_name_does_not_run(page: str, tmp_path: Path) -> None:
    strange = page.replace("</body>", '<script>document.body.dataset.say = "1"</script></body>')
    assert _said(strange, tmp_path) is None
