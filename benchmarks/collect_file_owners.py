"""Makes ``firmware_checks/file_owners.txt``: which project makes the program or library of which name.

Read from the lists of files of Debian's packages, as apt fetches them. Only names are taken, no content; a name that
several projects use is left out. Run by hand when a release is out: ``python3 benchmarks/collect_file_owners.py``.
"""

from __future__ import annotations

import collections
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

CACHE = Path(__file__).parent / ".cache" / "file-owners"
TARGET = Path(__file__).parent.parent / "firmware_checks" / "file_owners.txt"
RELEASES = ("bookworm", "bullseye")
ARCHITECTURE = "armhf"
KINDS = (
    ("program", re.compile(r"(?:usr/)?(?:s?bin|libexec)/([^/]+)$")),
    ("library", re.compile(r"(?:usr/)?lib/(?:[a-z0-9_]+-linux-[a-z0-9]+/)?([^/]+?)\.so(?:\.[^/]*)?$")),
    ("folder", re.compile(r"(?:usr/)?(?:lib|libexec)/(?:[a-z0-9_]+-linux-[a-z0-9]+/)?([^/]+)/.")),
    (
        "plugin",
        re.compile(r"(?:usr/)?(?:lib/(?:[a-z0-9_]+-linux-[a-z0-9]+/)?[^/]+|libexec/[^/]+)/(?:.*/)?([^/.]+)(?:\.so)?$"),
    ),
)
SHARED = ("shared", re.compile(r"(?:usr/)?share/([^/]+)/."))
"""Folders of data and scripts."""
SCRIPT = "script"
MOST_OWNERS = 3
LONG_NAME = 7
"""A plug-in, or a program that others call, with a shorter name may be anybody's."""
SHARED_FOLDERS = re.compile(r"debug|modules|python3|perl|perl5|ruby|go-|gcc|ghc|haskell|R$|ocaml|jvm|php|lua|tcl|tk")
CONTENTS = """
Acquire::IndexTargets::deb::Contents-deb {
  MetaKey "$(COMPONENT)/Contents-$(ARCHITECTURE)"; ShortDescription "Contents-$(ARCHITECTURE)";
  Description "$(RELEASE)/$(COMPONENT) $(ARCHITECTURE) Contents"; PDiffs "false"; DefaultEnabled "true";
};
Acquire::GzipIndexes "false";
"""
"""How apt is told to fetch the lists of files too. Source: apt-file's configuration, apt's acquire-additional-files."""


def sources_line(release: str) -> str:
    """Return apt's line for ``release``, at the mirror this machine uses."""
    listed = subprocess.run(
        ["apt-get", "indextargets", "--format", "$(SITE)"], capture_output=True, text=True, check=True
    )
    mirror = next(line for line in listed.stdout.splitlines() if line.endswith("/debian"))
    return f"deb {mirror} {release} main\n"


def lists(release: str) -> Path:
    """Return the folder with apt's lists of ``release``, fetched when they are not there."""
    state = CACHE / release
    folder = state / "lists"
    if any(folder.glob("*Contents*")):
        return folder
    (folder / "partial").mkdir(parents=True, exist_ok=True)
    (state / "status").touch()
    (state / "sources.list").write_text(sources_line(release), "utf-8")
    configuration = state / "apt.conf"
    configuration.write_text(CONTENTS, "utf-8")
    options = [
        f"APT::Architecture={ARCHITECTURE}", f"APT::Architectures::={ARCHITECTURE}", f"Dir::State::Lists={folder}",
        f"Dir::State::status={state / 'status'}", f"Dir::Cache={state}", "Dir::Etc::SourceParts=-",
        f"Dir::Etc::SourceList={state / 'sources.list'}", "APT::Sandbox::User=root",
    ]  # fmt: skip
    words = [word for option in options for word in ("-o", option)]
    subprocess.run(["apt-get", "-qq", "-c", str(configuration), *words, "update"], check=True)
    return folder


def source_packages(folder: Path) -> dict[str, str]:
    """Return the source package of each package."""
    found = {}
    for paragraph in next(folder.glob(f"*{ARCHITECTURE}_Packages")).read_text("utf-8").split("\n\n"):
        fields = dict(re.findall(r"^(Package|Source): (\S+)", paragraph, re.MULTILINE))
        if "Package" in fields:
            found[fields["Package"]] = fields["Source"] if "Source" in fields else fields["Package"]
    return found


def owned(folder: Path) -> Iterator[tuple[str, str, str]]:
    """Yield kind and name of a file, and the source package it comes from."""
    sources = source_packages(folder)
    for listed in sorted(folder.glob("*Contents-*")):
        is_for_all = not listed.name.endswith(ARCHITECTURE)
        with listed.open(encoding="utf-8") as lines:
            for line in lines:
                path, _, packages = line.rpartition(" ")
                for kind, name in _kinds(path.rstrip(), is_for_all=is_for_all):
                    for package in packages.strip().split(","):
                        source = sources.get(package.rpartition("/")[2])
                        if source is not None:
                            yield kind, name, source


def _kinds(path: str, *, is_for_all: bool) -> Iterator[tuple[str, str]]:
    """Yield kind and name of the file at ``path``; what is the same for all processors are scripts."""
    for kind, pattern in (KINDS[0], SHARED) if is_for_all else (*KINDS, SHARED):
        match = pattern.match(path)
        if match is not None:
            yield SCRIPT if is_for_all and kind != "shared" else kind, match[1]


def project(source: str, files: set[str]) -> str:
    """Return the name of the project: the source package without the series that Debian appends to tell several."""
    source = re.sub(r"[-+.](?:dfsg|ds|opensource-src|src)\d*$", "", source)
    trimmed = re.sub(r"(?:[-.]v|[-.])?\d+(?:\.\d+)+[a-z]?$|-\d+$", "", source)
    shorter = re.sub(r"\d+$", "", trimmed)
    if shorter != trimmed and trimmed not in files and not shorter.endswith(("-", ".")):
        stems = {name.removeprefix("lib") for name in files} | files
        if shorter in stems and trimmed.removeprefix("lib") not in stems:
            return shorter
    return trimmed or source


def is_usable(kind: str, name: str) -> bool:
    """Tell whether a file of this name is one that devices have and that tells its maker."""
    if name.startswith(("arm-linux-", "aarch64-linux-")) or not name.isascii() or any(c.isspace() for c in name):
        return False
    if kind == "plugin":
        return len(name) >= LONG_NAME and "cpython" not in name
    return kind not in ("folder", "shared") or not SHARED_FOLDERS.match(name)


def _makers(projects: set[str]) -> set[str]:
    """Return ``projects`` without those that build a variant of another (``sudo-ldap`` of ``sudo``)."""
    return {one for one in projects if not any(one.startswith(other + "-") for other in projects)}


def _rows(owners: Mapping[tuple[str, str], set[str]], projects: Mapping[str, str]) -> dict[str, dict[str, set[str]]]:
    """Return the names of each project's files by kind, those alone that tell who made them."""
    rows: dict[str, dict[str, set[str]]] = collections.defaultdict(lambda: collections.defaultdict(set))
    for (kind, name), sources in owners.items():
        named = _makers({projects.get(source, project(source, set())) for source in sources})
        if is_usable(kind, name) and len(named) <= (MOST_OWNERS if kind == "program" else 1):
            for maker in named:
                rows[maker][kind].add(name)
    for row in rows.values():
        if row["folder"]:
            row["plugin"].clear()  # the folder says it
    _leave_out_shared(rows)
    return rows


def _leave_out_shared(rows: dict[str, dict[str, set[str]]]) -> None:
    """Leave out folders of data that have the name of a project or of a folder of programs: those tell it."""
    taken = {name for row in rows.values() for name in row["folder"]} | set(rows)
    for row in rows.values():
        row["shared"] -= taken


def main() -> int:
    owners: dict[tuple[str, str], set[str]] = collections.defaultdict(set)
    files: dict[str, set[str]] = collections.defaultdict(set)
    for release in RELEASES:
        for kind, name, source in owned(lists(release)):
            owners[kind, name].add(source)
            if kind not in ("folder", "shared"):
                files[source].add(name)
    for kind, name in [key for key in owners if key[0] == SCRIPT]:  # a compiled program of the name counts more
        owners.setdefault(("program", name), owners.pop((kind, name)))
    projects = {source: project(source, names) for source, names in files.items()}
    rows = _rows(owners, projects)
    rows |= {name: {} for name in projects.values() if name not in rows}  # that there is such a project is known
    lines = [
        "\t".join([name, *(" ".join(sorted(row.get(kind, ()))) for kind, _ in (*KINDS, SHARED))])
        for name, row in sorted(rows.items())
    ]
    TARGET.write_text("\n".join(lines) + "\n", "utf-8")
    print(f"{len(lines)} projects, {TARGET.stat().st_size} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
