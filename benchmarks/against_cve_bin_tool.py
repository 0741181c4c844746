"""Processor time of ``cve-bin-tool``'s checkers against our component stage, on the files of one Linux root.

``cve-bin-tool`` is under the GPL and has an environment of its own, whose interpreter ``--python`` names:
``python3 -m venv PEER && PEER/bin/pip install cve-bin-tool==3.4``. Its command asks its vulnerability database before
it looks at a file, so its scanner is called instead, without what needs a network: the readers of package lists, and
the list of releases that its SQLite checker fetches. That only makes it faster.

Counted are processor seconds, medians of three runs that take turns:

- ``checkers``: what its own process spends once it is loaded, so on the texts of files and on its checkers;
- ``with programs``: the same, and the programs ``file`` and ``strings`` that it calls for each file;
- ``component stage``: ``medharden``'s start with all its rules, and then the search of every distinct file for
  patterns, the facts read from it, and the fusion of both into components;
- ``until named``: the same process as a whole, which also reads, hashes, recognises and opens everything in the root;
- ``whole scan``: ``medharden scan --json``, where checks and the report count too.

    python3 benchmarks/against_cve_bin_tool.py --python PEER/bin/python [--set NAME] [--root RELEASE-ARCHITECTURE]
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
from pathlib import Path

from components_linux import CACHE, MEASURE

RUNS = 3
TIMES_LESS = 40
MINE = ("component stage", "until named", "whole scan")
PEER = """
import logging, os, resource, sys
logging.disable(logging.CRITICAL)
from cve_bin_tool.version_signature import VersionSignatureDb
VersionSignatureDb.open = lambda self: None
VersionSignatureDb.get_mapping_data = lambda self: []
from cve_bin_tool import version_scanner
version_scanner.valid_files.clear()

class Scanner(version_scanner.VersionScanner):
    def __init__(self):
        self.checkers, self.logger = self.load_checkers(), logging.getLogger()
        self.total_scanned_files, self.file_stack, self.cve_db = 0, [], None

def used(who):
    usage = resource.getrusage(who)
    return usage.ru_utime + usage.ru_stime

scanner, found, size = Scanner(), set(), 0
start = used(resource.RUSAGE_SELF)
for folder, _, names in os.walk(sys.argv[1]):
    for path in (os.path.join(folder, name) for name in names):
        if os.path.isfile(path) and not os.path.islink(path):
            size += os.path.getsize(path)
            found |= {(f.product_info.product, f.product_info.version) for f in scanner.scan_file(path)}
own = used(resource.RUSAGE_SELF) - start
print(len(found), size, own, own + used(resource.RUSAGE_CHILDREN))
"""
OURS = """
import sys, time
from pathlib import Path
from firmware_checks import scan
from firmware_checks.fact_collection import FactCollector
from firmware_checks.fingerprints.collector import FingerprintCollector
from firmware_checks.image import open_image
from firmware_checks.patterns.search import PatternSet
from toolkit.app.user_cache import user_cache

spent = 0.0

def timed(call):
    def run(*arguments):
        global spent
        start = time.process_time()
        result = call(*arguments)
        spent += time.process_time() - start
        return result
    return run

search = PatternSet.search
PatternSet.search = timed(lambda self, data: list(search(self, data)))
FactCollector.collect, FactCollector.see = timed(FactCollector.collect), timed(FactCollector.see)
FingerprintCollector._examine = timed(FingerprintCollector._examine)
scan.fuse = timed(scan.fuse)
scanner = scan.Scanner(kept=user_cache())
spent += time.process_time()
with open_image(Path(sys.argv[1]), scanner.limits) as image:
    components = scanner.take_inventory(image).components
print(len(components), spent, time.process_time())
"""


def main() -> int:
    """Print the table; 1 when the component stage does not need ``TIMES_LESS`` times less than the checkers."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--python", type=Path, required=True, help="interpreter that has cve-bin-tool 3.4")
    parser.add_argument("--set", default="blind", help="set of components_linux.toml (default: %(default)s)")
    parser.add_argument("--root", default="bookworm-armhf", help="root of that set (default: %(default)s)")
    chosen = parser.parse_args()
    name = f"{chosen.set}-{chosen.root}"
    tree, archive = CACHE / "trees" / name, CACHE / f"{name}.tar"
    if not tree.is_dir() or not archive.is_file():
        parser.error(f"{tree} is not there: components_linux.py {chosen.set} makes it")
    rows = [run(chosen.python, tree, archive) for _ in range(RUNS)]
    middle = {key: statistics.median(row[key] for row in rows) for key in rows[0]}
    print(
        f"{name}: {middle['bytes'] / 1e6:.1f} MB; named by checkers {middle['theirs']}, by medharden {middle['ours']}"
    )
    print("| | processor s, each run | median | component stage | until named | whole scan |\n" + "|---" * 6 + "|")
    for key in ("checkers", "with programs", *MINE):
        each = ", ".join(f"{row[key]:.2f}" for row in rows)
        ratios = [f"{middle[key] / middle[mine]:.1f} times" for mine in MINE]
        print(f"| {key} | {each} | {middle[key]:.2f} | {' | '.join(ratios)} |")
    return 0 if middle["checkers"] / middle["component stage"] >= TIMES_LESS else 1


def run(peer: Path, tree: Path, archive: Path) -> dict[str, float]:
    """Return what one turn of everything took, in processor seconds, and what was found."""
    found, size, own, everything = captured([str(peer), "-c", PEER, str(tree)]).split()
    named, stage, until = captured([sys.executable, "-c", OURS, str(archive)]).split()
    scan, report = measured([str(Path(sys.executable).with_name("medharden")), "scan", str(archive), "--json"])
    if len(json.loads(report)["components"]) != int(named):
        raise RuntimeError("the component stage and the scan do not name the same")
    return {
        "bytes": float(size),
        "theirs": float(found),
        "ours": float(named),
        "checkers": float(own),
        "with programs": float(everything),
        "component stage": float(stage),
        "until named": float(until),
        "whole scan": scan,
    }


def measured(command: list[str]) -> tuple[float, bytes]:
    """Return processor seconds of a program and its output."""
    output = CACHE / "against.out"
    seconds = float(captured([sys.executable, "-c", MEASURE, str(output), *command]).split()[0])
    return seconds, output.read_bytes()


def captured(command: list[str]) -> str:
    """Return what a program prints."""
    return subprocess.run(command, capture_output=True, text=True, check=True, cwd=CACHE.parents[2]).stdout


if __name__ == "__main__":
    sys.exit(main())
