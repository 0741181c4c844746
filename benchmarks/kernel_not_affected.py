"""Measure how many vulnerabilities of a kernel its configuration and modules rule out, and whether one is lost.

``python benchmarks/kernel_not_affected.py DATABASE CONFIG... [--modules FOLDER] [--built FOLDER]``

``CONFIG`` is a ``.config`` (``make ARCH=arm sunxi_defconfig`` in the kernel's source) or ``/boot/config-*``. The truth
is the folder of a build of that very configuration (``make O=FOLDER``): beside each object lies a file ``.*.o.cmd``
that names what it was made from. A compiler that only preprocesses is enough for these. Bar: of the about 7,000
matches of 5.10.100 at least 80 % fall, each with a reason, and none of a file that was compiled.
"""

from __future__ import annotations

import argparse
import os.path
import re
import time
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

from firmware_checks.vulnerabilities.database import Database
from firmware_checks.vulnerabilities.knowledge import shipped_knowledge
from firmware_checks.vulnerabilities.lookup import component_named, look_up
from firmware_checks.vulnerabilities.not_affected.explain import explain_with, faults_of
from firmware_checks.vulnerabilities.not_affected.reason import Fault, Known
from toolkit.report.vulnerability import Match, MatchStatus

_MADE_FROM = re.compile(r"(?:^|\s)((?:/|[\w.-]+/)[\w./+-]*\.[chS])(?=[\s\\]|$)", re.MULTILINE)
HOST_PROGRAMS = ("scripts/", "tools/", "usr/")


def built_files(folder: Path) -> set[str]:
    """Return the files of the source, headers included, from which the objects below ``folder`` were made."""
    source = next(folder.glob("source")).resolve()
    found: set[str] = set()
    for path in folder.rglob(".*.o.cmd"):
        if not str(path.relative_to(folder)).startswith(HOST_PROGRAMS):
            names = _MADE_FROM.findall(path.read_text(encoding="utf-8", errors="replace"))
            found |= {os.path.normpath(name).removeprefix(f"{source}/") for name in names}
    return {name for name in found if not name.startswith("/")}


def modules_in(folder: Path) -> frozenset[str]:
    """Return the modules of ``lib/modules/<release>``: files and the list of those built in."""
    names = {str(path) for path in folder.rglob("*.ko*")}
    for path in folder.rglob("modules.builtin"):
        names |= set(path.read_text(encoding="ascii").split())
    return frozenset(names)


def lost(matches: Iterable[Match], faults: dict[str, Fault], built: set[str]) -> list[str]:
    """Return those that were ruled out although one of their files was compiled."""
    out = (match.id for match in matches if match.status is MatchStatus.NOT_AFFECTED)
    return [name for name in out if built.intersection(faults[name].source_files)]


def ceiling(matches: Iterable[Match], faults: dict[str, Fault], built: set[str]) -> float:
    """Return which share could be ruled out at most: those that name files of which none was compiled or included."""
    stays = [not faults[m.id].source_files or bool(built.intersection(faults[m.id].source_files)) for m in matches]
    return 1 - sum(stays) / len(stays)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("database", type=Path)
    parser.add_argument("configs", nargs="+", type=Path)
    parser.add_argument("--kernel", default="5.10.100", help="version (default: %(default)s)")
    parser.add_argument("--processor", default="arm", help="folder under arch/ (default: %(default)s)")
    parser.add_argument("--modules", type=Path, help="folder with lib/modules of the image")
    parser.add_argument("--built", type=Path, help="folder of a build of the last configuration")
    options = parser.parse_args()
    knowledge = shipped_knowledge()
    with Database(options.database) as database:
        day = datetime.now(UTC).date()
        matches = look_up(component_named("linux", options.kernel), knowledge, database, day).matches
        product = next(each for each in knowledge.products if each.name == "linux")
        faults = faults_of(matches, product, database)
    named = sum(bool(fault.source_files) for fault in faults.values())
    print(f"linux {options.kernel}: {len(matches)} matches, {named} name files")
    modules = modules_in(options.modules) if options.modules is not None else None
    for path in options.configs:
        spent = time.process_time()
        known = Known(
            component="linux",
            version=options.kernel,
            config=path.read_text(encoding="utf-8", errors="replace"),
            modules=modules,
            has_builtin_list=modules is not None,
            architecture=options.processor,
        )
        told = explain_with(matches, faults, known)
        out = [match for match in told if match.status is MatchStatus.NOT_AFFECTED]
        without = sum(not (match.reason and match.evidence and match.justification) for match in out)
        share = len(out) / len(told)
        print(f"{path}: {len(out)} not affected = {share:.1%}, {without} without a reason", end="")
        print(f", {time.process_time() - spent:.2f} s processor")
    if options.built is not None:
        built = built_files(options.built)
        wrong = lost(told, faults, built)
        print(
            f"{len(built)} files were compiled or included; at most {ceiling(told, faults, built):.1%} can fall; "
            f"ruled out all the same: {len(wrong)} {' '.join(wrong[:20])}"
        )


if __name__ == "__main__":
    main()
