"""Linux roots whose components are known: how many are named with their exact version, and how much of it is right?

A root is made from Debian packages, fetched by name once through apt from the mirror this machine uses, and unpacked
without their database and documents. The truth is the version of each source package. A component counts as reachable
when its version stands literally in any of its files.

    python3 benchmarks/components_linux.py [SET ...]

SET is one of those in ``components_linux.toml``; without any, all. Prints a table, then every miss and false claim.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
CACHE = HERE / ".cache" / "components-linux"
DATA = tomllib.loads((HERE / "components_linux.toml").read_text("utf-8"))
MOST_PACKAGES, MOST_PACKAGE_BYTES = 8, 9_000_000
"""Of one source package: the largest ones, as long as they are not huge."""
NOT_FOR_DEVICES = re.compile(r"-(?:dev|doc|dbg|dbgsym|tests?|testsuite|examples?|data|locales?|source|headers|udeb)\b")
LEAVE_OUT = ("doc", "man", "info", "locale", "lintian", "bug", "help", "gtk-doc")
SERIES = (r"-?\d+(?:\.\d+)*$", r"-\d+(?:\.\d+)*$", r"-?\d+(?:[.-]\d+)*$")
"""What Debian appends to tell several series of one project, which reports may leave out."""
LANGUAGES = ("cargo", "cpan", "gem", "golang", "luarocks", "maven", "npm", "pypi")
LANGUAGE_PACKAGES = tuple(f"pkg:{language}/" for language in LANGUAGES)
"""Packages of a language name themselves in their metadata; a list of Debian's source packages says nothing of them."""
LEAST_RECALL, LEAST_PRECISION = 0.95, 0.98
MEASURE = """
import resource, subprocess, sys
with open(sys.argv[1], "wb") as output:
    subprocess.run(sys.argv[2:], stdout=output)
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(used.ru_utime + used.ru_stime, used.ru_maxrss / 1024)
"""


@dataclass(frozen=True, slots=True)
class Package:
    """One row of a release's list."""

    name: str
    source: str
    version: str
    is_for_all: bool
    size: int


@dataclass(slots=True)
class Truth:
    """A component that is inside: its version and the names it may go under."""

    version: str
    names: set[str] = field(default_factory=set)
    spellings: set[str] = field(default_factory=set)
    """The version, and how the component writes it itself."""
    packages: list[str] = field(default_factory=list)


def upstream(version: str) -> str:
    """Return the makers' version from a Debian one: without epoch, revision and what a repacker added."""
    version = version.partition(":")[2] or version
    version = version.rpartition("-")[0] or version
    version = version.partition("+really")[2] or version  # a packager who went back to an older release
    version = re.split(r"[+~.](?:really|dfsg|ds\d?|repack|debian|deb|git|svn|hg|cvs|bzr|nmu|build)", version)[0]
    return version.partition("+")[0].replace("~", "")


def mirror() -> str:
    """Return where this machine's apt gets its packages."""
    command = ["apt-get", "indextargets", "--format", "$(SITE)"]
    listed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return next(line for line in listed.splitlines() if line.endswith("/debian"))


class Release:
    """One release for one architecture, through apt with a state of its own."""

    def __init__(self, name: str, architecture: str) -> None:
        self.label = f"{name}-{architecture}"
        self._state = CACHE / "apt" / self.label
        (self._state / "lists" / "partial").mkdir(parents=True, exist_ok=True)
        (self._state / "status").touch()
        sources = self._state / "sources.list"
        sources.write_text(f"deb {mirror()} {name} main\n", "utf-8")
        options = [
            f"APT::Architecture={architecture}", f"APT::Architectures::={architecture}",
            f"Dir::State::Lists={self._state / 'lists'}", f"Dir::State::status={self._state / 'status'}",
            f"Dir::Cache={self._state}", f"Dir::Etc::SourceList={sources}", "Dir::Etc::SourceParts=-",
            "APT::Sandbox::User=root", "Acquire::GzipIndexes=false",
        ]  # fmt: skip
        self._apt = ["apt-get", "-qq", *(word for option in options for word in ("-o", option))]

    def packages(self) -> list[Package]:
        """Return all packages of the release."""
        lists = self._state / "lists"
        if not any(lists.glob("*_Packages")):
            subprocess.run([*self._apt, "update"], check=True)
        found = []
        for paragraph in next(lists.glob("*_Packages")).read_text("utf-8").split("\n\n"):
            row: dict[str, str] = dict(
                re.findall(r"^(Package|Source|Version|Architecture|Size): (.*)$", paragraph, re.MULTILINE)
            )
            if "Package" in row:
                source, _, version = (row["Source"] if "Source" in row else row["Package"]).partition(" ")
                version = version.strip("()") or row["Version"]
                is_for_all = row["Architecture"] == "all"
                found.append(Package(row["Package"], source, version, is_for_all, int(row["Size"])))
        return found

    def fetch(self, names: list[str], folder: Path) -> None:
        """Fetch packages into ``folder``, those that are not there."""
        folder.mkdir(parents=True, exist_ok=True)
        there = {path.name.partition("_")[0] for path in folder.glob("*.deb")}
        wanted = [name for name in names if name not in there]
        for start in range(0, len(wanted), 40):
            subprocess.run([*self._apt, "download", *wanted[start : start + 40]], cwd=folder, check=False)


def chosen(packages: list[Package], wanted: Mapping[str, Any]) -> list[Package]:
    """Return the packages of a set: of each source the largest that devices carry."""
    sources, names = wanted.get("sources", "").split(), wanted.get("packages", "").split()
    by_source: dict[str, list[Package]] = defaultdict(list)
    for package in packages:
        fits = package.source in sources and not NOT_FOR_DEVICES.search(package.name)
        if package.name in names or (fits and package.size < MOST_PACKAGE_BYTES):
            by_source[package.source].append(package)
    rows: list[Package] = []
    for of_one in by_source.values():
        native = [p for p in of_one if not p.is_for_all] or of_one
        rows += sorted(native, key=lambda p: (-p.size, p.name))[:MOST_PACKAGES]
    return rows


def unpacked(release: Release, name: str) -> tuple[Path, dict[str, Truth]]:
    """Return a folder with one folder for each package, and the truth by source package."""
    rows = chosen(release.packages(), DATA["set"][name])
    debs, folder = CACHE / "debs" / release.label, CACHE / "trees" / f"{name}-{release.label}"
    release.fetch([row.name for row in rows], debs)
    truth: dict[str, Truth] = {}
    for row in rows:
        archive = next(debs.glob(f"{row.name}_*.deb"), None)
        if archive is None:
            print(f"{row.name} could not be fetched and is left out")
            continue
        if not (folder / row.name).exists():
            subprocess.run(["dpkg-deb", "-x", archive, _made(folder) / row.name], check=True)
            for share in LEAVE_OUT:
                shutil.rmtree(folder / row.name / "usr" / "share" / share, ignore_errors=True)
        one = truth.setdefault(
            row.source, Truth(upstream(row.version), {row.source, *DATA["names"].get(row.source, ())})
        )
        one.names |= {row.name, *(re.sub(series, "", row.source) for series in SERIES)}
        one.spellings |= {one.version, *DATA["written"].get(row.source, ())}
        one.packages.append(row.name)
    return folder, truth


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def packed(folder: Path, truth: Mapping[str, Truth]) -> Path:
    """Return the root file system of all packages as one archive."""
    image = CACHE / f"{folder.name}.tar"
    if not image.exists():
        with tarfile.open(image.with_suffix(".part"), "w") as archive:
            for package in sorted(name for one in truth.values() for name in one.packages):
                for path in sorted((folder / package).iterdir()):
                    archive.add(path, arcname=path.name)
        image.with_suffix(".part").rename(image)
    return image


def is_reachable(folder: Path, one: Truth) -> bool:
    """Tell whether the version stands literally in any file of the component."""
    literal = re.compile(rb"(?<![0-9.])" + re.escape(one.version.encode()) + rb"(?![0-9])")
    for package in one.packages:
        for path in (folder / package).rglob("*"):
            if path.is_file() and not path.is_symlink() and literal.search(path.read_bytes()):
                return True
    return False


def scanned(image: Path) -> tuple[list[dict[str, Any]], float, float]:
    """Return the components of ``image``, processor seconds and peak memory in MB."""
    output = image.with_suffix(".json")
    program = [str(Path(sys.executable).with_name("medharden")), "scan", str(image), "--json"]
    command = [sys.executable, "-c", MEASURE, str(output), *program]
    run = subprocess.run(command, capture_output=True, text=True, check=True, cwd=HERE.parent)
    seconds, peak = run.stdout.split()
    return json.loads(output.read_bytes())["components"], float(seconds), float(peak)


def plain(name: str) -> str:
    return re.sub(r"[^a-z0-9+]", "", name.lower())


def names_of(claim: Mapping[str, Any]) -> Iterator[str]:
    """Yield the names a claim goes under."""
    for name in (claim["name"], claim["title"], (claim["purl"] or "").partition("@")[0].rpartition("/")[2]):
        yield plain(name)
        yield plain(name).removeprefix("lib")


def versions_of(claim: Mapping[str, Any]) -> set[str]:
    return {claim["version"], *claim["version_candidates"]}


@dataclass(slots=True)
class Score:
    """The outcome for one root."""

    right: set[str] = field(default_factory=set)
    false: list[str] = field(default_factory=list)
    claims: int = 0


def judged(claims: list[dict[str, Any]], truth: Mapping[str, Truth]) -> Score:
    """Hold every claim with a version against the truth."""
    by_name: dict[str, set[str]] = defaultdict(set)
    for source, one in truth.items():
        for name in one.names:
            by_name[plain(name)].add(source)
            by_name[plain(name).removeprefix("lib")].add(source)
    score = Score()
    for claim in claims:
        if claim["version"] is None:
            continue
        meant = set().union(*(by_name.get(name, set()) for name in names_of(claim)))
        if f"{claim['name']} {claim['version']}" in DATA["embedded"]:
            continue
        right = {source for source in meant if truth[source].spellings & versions_of(claim)}
        score.right |= right
        if not right and (claim["purl"] or "").startswith(LANGUAGE_PACKAGES):
            continue
        score.claims += 1
        if not right:
            places = ", ".join(f"{e['path'].rpartition('!')[2]}: {e['excerpt']!r}" for e in claim["evidence"][:2])
            truths = ", ".join(f"{source} {truth[source].version}" for source in sorted(meant)) or "not in the root"
            score.false.append(f"{claim['name']} {claim['version']} ({truths}) [{claim['confidence']}] {places}")
    return score


def report(name: str, release: Release) -> bool:
    """Print the row of one root; return whether it holds."""
    folder, truth = unpacked(release, name)
    claims, seconds, peak = scanned(packed(folder, truth))
    score = judged(claims, truth)
    reachable = {source for source, one in truth.items() if is_reachable(folder, one)}
    named = len(score.right & reachable)
    precision = 1 - len(score.false) / max(1, score.claims)
    recall = named / max(1, len(reachable))
    print(
        f"| {name} | {release.label} | {len(truth)} | {len(reachable)} | {named} ({recall:.1%}) | {score.claims} "
        f"| {len(score.false)} ({precision:.1%} right) | {len(score.right - reachable)} | {seconds:.1f} | {peak:.0f} |"
    )
    for source in sorted(reachable - score.right):
        print(f"    missed: {source} {truth[source].version}", file=sys.stderr)
    for line in score.false:
        print(f"    false: {line}", file=sys.stderr)
    return recall >= LEAST_RECALL and precision >= LEAST_PRECISION


def main(sets: list[str]) -> int:
    print("| set | root | components | leave a literal | named exactly | claims | false | beyond | CPU s | peak MB |")
    print("|---|---|---|---|---|---|---|---|---|---|")
    good = True
    for name in sets or list(DATA["set"]):
        for root in DATA["root"]:
            good &= report(name, Release(root["release"], root["architecture"]))
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
