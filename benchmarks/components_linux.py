"""Linux roots whose components are known: how many are named with their exact version, and how much of it is right?

A root is made from Debian packages, fetched by name once through apt from the mirror this machine uses, and unpacked
without their database and documents. The truth is the version of each source package. A component counts as reachable
when its version stands literally in any of its files. What was built into a package (``Built-Using``), and libraries of
the release inside a program that needs none, are there too. Every figure is given twice: plain, and with what
``components_linux.toml`` knows of versions that are written otherwise (``written``) and of copies (``embedded``).

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
PACKAGED = (
    re.compile(r"(?:python3?|ruby|node|lua|php[\d.]*|r-(?:cran|bioc))-(?P<name>.+)"),
    re.compile(r"lib(?P<name>.+)-perl"),
)
"""How Debian calls packages of languages, whose own names reports use: ``python-yappi``, ``libtext-bibtex-perl``."""
LANGUAGES = ("cargo", "cpan", "cran", "gem", "golang", "luarocks", "maven", "npm", "pypi")
LANGUAGE_PACKAGES = tuple(f"pkg:{language}/" for language in LANGUAGES)
"""Packages of a language name themselves in their metadata; a list of Debian's source packages says nothing of them."""
_PRE_RELEASE = re.compile(r"[-_~.]?(rc|alpha|beta|pre)[-.]?(?=\d)")
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
    built_using: str


@dataclass(slots=True)
class Truth:
    """A component that is inside: its version and the names it may go under."""

    version: str
    names: set[str] = field(default_factory=set)
    packages: list[str] = field(default_factory=list)
    is_only_inside: bool = False
    """Built into a package of the root; nobody has to find it."""


def upstream(version: str) -> str:
    """Return the makers' version from a Debian one: without epoch, revision and what a repacker added."""
    version = version.partition(":")[2] or version
    version = version.rpartition("-")[0] or version
    version = version.partition("+really")[2] or version  # a packager who went back to an older release
    version = re.split(r"[+~.](?:really|dfsg|ds\d?|repack|debian|deb|git|svn|hg|cvs|bzr|nmu|build)", version)[0]
    return version.partition("+")[0].partition("-debian")[0].replace("~", "")


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
                re.findall(r"^(Package|Source|Version|Architecture|Size|Built-Using): (.*)$", paragraph, re.MULTILINE)
            )
            if "Package" in row:
                source, _, version = (row["Source"] if "Source" in row else row["Package"]).partition(" ")
                version = version.strip("()") or row["Version"]
                is_for_all = row["Architecture"] == "all"
                inside = row.get("Built-Using", "")
                found.append(Package(row["Package"], source, version, is_for_all, int(row["Size"]), inside))
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
    everything = release.packages()
    rows = chosen(everything, DATA["set"][name])
    debs, folder = CACHE / "debs" / release.label, CACHE / "trees" / f"{name}-{release.label}"
    release.fetch([row.name for row in rows], debs)
    truth: dict[str, Truth] = {}
    there = []
    for row in rows:
        archive = next(debs.glob(f"{row.name}_*.deb"), None)
        if archive is None:
            print(f"{row.name} could not be fetched and is left out")
            continue
        there.append(row)
        if not (folder / row.name).exists():
            subprocess.run(["dpkg-deb", "-x", archive, _made(folder) / row.name], check=True)
            for share in LEAVE_OUT:
                shutil.rmtree(folder / row.name / "usr" / "share" / share, ignore_errors=True)
        one = truth.setdefault(row.source, Truth(upstream(row.version), {row.source}))
        one.names |= {row.name, *_other_names(row.source)}
        one.packages.append(row.name)
    _add_inside(truth, there, everything)
    return folder, truth


def _other_names(source: str) -> set[str]:
    of_language = (match["name"] for form in PACKAGED for match in [form.fullmatch(source)] if match is not None)
    return {*DATA["names"].get(source, ()), *(re.sub(series, "", source) for series in SERIES), *of_language}


def _add_inside(truth: dict[str, Truth], rows: list[Package], everything: list[Package]) -> None:
    """Add what was built into the packages ``rows``."""
    binaries: dict[str, set[str]] = defaultdict(set)
    for package in everything:
        binaries[package.source].add(package.name)
    for row in rows:
        for source, version in re.findall(r"([a-z0-9][\w.+-]*) \(= ([^)]+)\)", row.built_using):
            if source not in truth:
                names = {source, *binaries[source], *_other_names(source)}
                truth[source] = Truth(upstream(version), names, packages=[row.name], is_only_inside=True)


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def packed(folder: Path, truth: Mapping[str, Truth]) -> Path:
    """Return the root file system of all packages as one archive."""
    image = CACHE / f"{folder.name}.tar"
    if not image.exists():
        with tarfile.open(image.with_suffix(".part"), "w") as archive:
            for package in sorted({name for one in truth.values() for name in one.packages}):
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


def same(version: str) -> str:
    """Return one form of what is the same release: ``2.1.0-beta3`` and ``2.1.0beta3``, ``1.22.0`` and ``1.22``."""
    form = _PRE_RELEASE.sub(r"\1", version)
    return re.sub(r"^(\d+\.\d+)\.0$", r"\1", form)


class Judge:
    """Holds claims against the truth of one root; ``notes`` are the tables ``written`` and ``embedded``."""

    def __init__(
        self, folder: Path, truth: Mapping[str, Truth], packages: list[Package], notes: Mapping[str, Any]
    ) -> None:
        self._folder, self._truth, self._notes = folder, truth, notes
        self._of_release = versions_of_release(packages, notes.get("written", {}))
        self._by_name: dict[str, set[str]] = defaultdict(set)
        for source, one in truth.items():
            for name in one.names:
                self._by_name[plain(name)].add(source)
                self._by_name[plain(name).removeprefix("lib")].add(source)

    def score(self, claims: list[dict[str, Any]]) -> Score:
        """Return how many claims are right, and the false ones."""
        score = Score()
        for claim in (c for c in claims if c["version"] is not None):
            meant = set().union(*(self._by_name.get(name, set()) for name in names_of(claim)))
            said = {same(version) for version in versions_of(claim)}
            right = {source for source in meant if said & self._spellings(source)}
            score.right |= right
            is_of_language = (claim["purl"] or "").startswith(LANGUAGE_PACKAGES)
            is_known_copy = f"{claim['name']} {claim['version']}" in self._notes.get("embedded", ())
            if not right and (is_of_language or is_known_copy):
                continue
            score.claims += 1
            if not right and not self._is_in_a_static_program(claim, said):
                places = ", ".join(f"{e['path'].rpartition('!')[2]}: {e['excerpt']!r}" for e in claim["evidence"][:2])
                truths = ", ".join(f"{s} {self._truth[s].version}" for s in sorted(meant)) or "not in the root"
                score.false.append(f"{claim['name']} {claim['version']} ({truths}) [{claim['confidence']}] {places}")
        return score

    def _spellings(self, source: str) -> set[str]:
        written = self._notes.get("written", {}).get(source, ())
        return {same(version) for version in (self._truth[source].version, *written)}

    def _is_in_a_static_program(self, claim: Mapping[str, Any], said: set[str]) -> bool:
        """Tell whether the release has that very version, and a program that needs no libraries shows it."""
        if not any(said & self._of_release.get(name, set()) for name in names_of(claim)):
            return False
        paths = {evidence["path"].rpartition("!")[2] for evidence in claim["evidence"]}
        return all(any(map(is_static, self._folder.glob(f"*/{path}"))) for path in paths)


def is_static(path: Path) -> bool:
    """Tell whether ``path`` is an ELF program that asks for no loader."""
    data = path.read_bytes()
    return data.startswith(b"\x7fELF") and b"/ld" not in data[:4096] and ".so" not in path.name


def versions_of_release(packages: list[Package], written: Mapping[str, list[str]]) -> dict[str, set[str]]:
    """Return the versions of a release by plain name of source and package."""
    found: dict[str, set[str]] = defaultdict(set)
    for package in packages:
        versions = {same(version) for version in (upstream(package.version), *written.get(package.source, ()))}
        for name in {package.source, package.name}:
            for form in (name, name.removeprefix("lib"), re.sub(SERIES[0], "", name)):
                found[plain(form)] |= versions
    return found


def report(name: str, release: Release) -> bool:
    """Print the row of one root; return whether it holds."""
    folder, truth = unpacked(release, name)
    claims, seconds, peak = scanned(packed(folder, truth))
    inside = {source: one for source, one in truth.items() if not one.is_only_inside}
    reachable = {source for source, one in inside.items() if is_reachable(folder, one)}
    without, score = (Judge(folder, truth, release.packages(), notes).score(claims) for notes in ({}, DATA))
    shares = [(len(s.right & reachable), len(s.false) / max(1, s.claims)) for s in (without, score)]
    (named_plain, wrong_plain), (named, wrong) = shares
    recall = named / max(1, len(reachable))
    print(
        f"| {name} | {release.label} | {len(inside)} | {len(reachable)} "
        f"| {named_plain} ({named_plain / max(1, len(reachable)):.1%}) | {named} ({recall:.1%}) | {score.claims} "
        f"| {len(without.false)} ({1 - wrong_plain:.1%} right) | {len(score.false)} ({1 - wrong:.1%} right) "
        f"| {seconds:.1f} | {peak:.0f} |",
        flush=True,
    )
    for source in sorted(reachable - score.right):
        print(f"    missed: {source} {truth[source].version}", file=sys.stderr)
    for line in score.false:
        print(f"    false: {line}", file=sys.stderr)
    return recall >= LEAST_RECALL and 1 - wrong >= LEAST_PRECISION


def main(sets: list[str]) -> int:
    print("| set | root | inside | literal | named, plain | named | claims | false, plain | false | CPU s | peak MB |")
    print("|---|---|---|---|---|---|---|---|---|---|---|")
    good = True
    for name in sets or list(DATA["set"]):
        for root in DATA["root"]:
            good &= report(name, Release(root["release"], root["architecture"]))
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
