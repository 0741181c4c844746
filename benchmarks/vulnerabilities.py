"""Measure the vulnerability database against its bars: ``python benchmarks/vulnerabilities.py FEED...``.

Bars: import of 253,000 CVEs under 40 s and 500 MB; database under 300 MB; 500 components under 1 s in all, ``linux``
under 100 ms; start to first answer with the shipped facts under 0.5 s. Processor time is told beside wall time, because
other work on the machine makes the second one longer (and, where cores share their units, the first one too).
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from firmware_checks.component_rules import load_rules
from firmware_checks.vulnerabilities.database import Database
from firmware_checks.vulnerabilities.knowledge import shipped_knowledge
from firmware_checks.vulnerabilities.matcher import Matcher
from toolkit.report.model import Component, Confidence

IMPORT = """
import json, resource, sys, time
from pathlib import Path
from firmware_checks.vulnerabilities.building import build
from firmware_checks.vulnerabilities.knowledge import shipped_knowledge
start, spent = time.perf_counter(), time.process_time()
done = build(Path(sys.argv[1]), [Path(p) for p in sys.argv[2:]], shipped_knowledge(), today="2026-11-24")
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1 << 20 if sys.platform == "darwin" else 1 << 10)
print(json.dumps({
    "wall_s": time.perf_counter() - start, "cpu_s": time.process_time() - spent, "peak_mb": peak,
    "items": sum(sum(file.counts.values()) for file in done),
}))
"""
COMPONENTS = 500
VERSIONS = ("1.0.2", "1.1.1", "2.0", "2.4.9", "3.0.7", "5.10.100")


def measured(action: Callable[[], object]) -> str:
    start, spent = time.perf_counter(), time.process_time()
    action()
    wall, cpu = time.perf_counter() - start, time.process_time() - spent
    return f"{wall * 1e3:8.1f} ms wall, {cpu * 1e3:8.1f} ms processor"


def components() -> list[Component]:
    """Return components with the names of our own detection rules, each in one of a few versions."""
    rules = [rule for rule in load_rules() if rule.cpe is not None and rule.name != "linux"]
    return [
        Component(
            name=rule.name,
            title=rule.title,
            category=rule.category,
            version=(version := VERSIONS[number % len(VERSIONS)]),
            cpe=rule.cpe_of(version),
            confidence=Confidence.CERTAIN,
        )
        for number, rule in enumerate(rules[number % len(rules)] for number in range(COMPONENTS))
    ]


def first_answer() -> None:
    code = "import sys; from toolkit.app.cli import run; sys.exit(run(sys.argv[1:]))"
    command = [sys.executable, "-c", code, "vulnerabilities", "busybox", "1.33.1", "--json"]
    subprocess.run(command, stdout=subprocess.DEVNULL, check=False)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("feeds", nargs="+", type=Path)
    parser.add_argument("--db", type=Path, help="keep the database there; one that is there is not made again")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = options.db or Path(folder) / "vulnerabilities.db"
        if sys.platform != "win32":
            print(f"load of the machine: {', '.join(f'{load:.1f}' for load in os.getloadavg())}")
        if not path.exists():
            feeds = [str(feed) for feed in options.feeds]
            done = subprocess.run(
                [sys.executable, "-c", IMPORT, str(path), *feeds], check=True, capture_output=True, text=True
            )
            row = json.loads(done.stdout)
            print(
                f"import: {row['items']} items, {row['wall_s']:.1f} s wall, {row['cpu_s']:.1f} s processor, "
                f"peak {row['peak_mb']:.0f} MB"
            )
        print(f"database: {path.stat().st_size / 1e6:.0f} MB")
        look_ups(path)
    for _ in range(3):
        print(f"start to first answer with the shipped facts: {measured(first_answer)}")


def look_ups(path: Path) -> None:
    asked = components()
    linux = Component(
        name="linux",
        title="Linux",
        category="operating-system",
        version="5.10.100",
        cpe="cpe:2.3:o:linux:linux_kernel:5.10.100:*:*:*:*:*:*:*",
        confidence=Confidence.CERTAIN,
    )
    for round_name in ("first", "second"):
        with Database(path) as database:
            matcher = Matcher(shipped_knowledge(), database)
            found = 0

            def ask_all(matcher: Matcher = matcher) -> None:
                nonlocal found
                found = sum(len(matcher.match(component)) for component in asked)

            print(f"{round_name} time, {len(asked)} components: {measured(ask_all)}; {found} matches")
            print(f"{round_name} time, linux 5.10.100: {measured(lambda m=matcher: m.match(linux))}")  # type: ignore[misc]
            print(f"    again: {measured(lambda m=matcher: m.match(linux))}; {len(matcher.match(linux))} matches")  # type: ignore[misc]


if __name__ == "__main__":
    main()
