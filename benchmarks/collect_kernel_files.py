"""Makes ``firmware_checks/vulnerabilities/not_affected/kernel_files.txt.gz``: which settings of Linux build which file.

Read from the Makefiles of the kernel's source, as Debian's ``linux-source-*`` packages have it; only names are taken.
Whatever is not understood counts as always built, so that the list errs towards "it is in the device". Run by hand,
oldest version first: ``python3 benchmarks/collect_kernel_files.py linux-source-5.10.tar.xz linux-source-6.1.tar.xz``.
"""

from __future__ import annotations

import gzip
import re
import sys
import tarfile
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath
from typing import NamedTuple

ROOT = Path(__file__).parent.parent
TARGET = ROOT / "firmware_checks" / "vulnerabilities" / "not_affected" / "kernel_files.txt.gz"
MOST_ALTERNATIVES = 12
"""What is built in more ways than this counts as always built."""
MOST_OF_HEADER = 4
"""The same for a header, of which there are so many that the list would double."""
Condition = frozenset[frozenset[str]]
"""Ways in which a file is built: each the settings that it needs together."""
ALWAYS: Condition = frozenset({frozenset()})
NEVER: Condition = frozenset()
MAKEFILES = ("Kbuild", "Makefile")
GATHERED = {"drivers/gpu/drm/amd": "DRM_AMDGPU,HSA_AMD", "drivers/gpu/drm/nouveau": "DRM_NOUVEAU", "virt/kvm": "KVM"}
"""Folders whose files other Makefiles name through variables, and the settings one of which each of them needs."""
LEFT_OUT = ("arch/", "drivers/gpu/drm/amd/include/", "drivers/gpu/drm/nouveau/include/", "include/dt-bindings/")
"""The processor decides of the first; the others are thousands of lists of numbers."""
_LIST = re.compile(
    r"^(?P<name>[\w.+-]+?)-(?:objs-)?(?P<when>y|m|objs|\$\(CONFIG_\w+\)|\$\(subst m,y,\$\(CONFIG_\w+\)\))$"
)
_ASSIGNMENT = re.compile(r"^\s*(?P<left>[^\s=:+?#][^=:+?#]*?(?:\$\([^)]*\)+)?)\s*(?:\+|:|::|\?)?=\s*(?P<right>.*)$")
_PREFIXED = re.compile(r"\$\(addprefix\s+([\w./-]+)\s*,\s*([^()]*)\)")
_MEMBERS = re.compile(r"^\$\(([\w.+-]+)-(?:y|objs)\)$")
_INCLUDED = re.compile(r"^\s*include\s+(?:\$\(srctree\)/)?\$\((?:src|obj)\)/(\S+)", re.MULTILINE)
_HEADER = re.compile(rb'^[ \t]*#[ \t]*include[ \t]*([<"])([^">\n]+)[">]', re.MULTILINE)
_SETTING = re.compile(r"^\s*(?:menu)?config\s+(\w+)[ \t]*\n((?:[ \t]+.*\n|\s*\n)*)", re.MULTILINE)
_LINKED = frozenset({"obj", "lib", "core", "drivers", "net", "libs", "init", "virt", "subdir", "head"})


def both(one: Condition, other: Condition) -> Condition:
    """Return what holds where both do."""
    return smallest(first | second for first in one for second in other)


def smallest(ways: Iterable[frozenset[str]]) -> Condition:
    """Return ``ways`` without those that need more than another one."""
    kept: list[frozenset[str]] = []
    for way in sorted(set(ways), key=lambda each: (len(each), sorted(each))):
        if not any(other <= way for other in kept):
            kept.append(way)
    return frozenset(kept) if len(kept) <= MOST_ALTERNATIVES else ALWAYS


class Source:
    """What was read of one version of the kernel."""

    def __init__(self, path: Path) -> None:
        self.makefiles: dict[str, str] = {}
        self.settings: dict[str, bool] = {}
        """All settings, and whether they can be built as a module."""
        self.includes: dict[str, list[tuple[bool, str]]] = {}
        with tarfile.open(path, "r|xz") as archive:
            for member in archive:
                name = member.name.partition("/")[2]
                if member.isfile() and name.partition("/")[0] not in ("tools", "Documentation", "samples", "scripts"):
                    self._read(name, archive, member)

    def _read(self, name: str, archive: tarfile.TarFile, member: tarfile.TarInfo) -> None:
        last = name.rpartition("/")[2]
        is_source = last.endswith((".c", ".h", ".S"))
        if not is_source and not last.startswith((*MAKEFILES, "Kconfig")):
            return
        stream = archive.extractfile(member)
        data = stream.read() if stream is not None else b""
        if is_source:
            self.includes[name] = [(kind == b'"', path.decode("latin-1")) for kind, path in _HEADER.findall(data)]
        elif last.startswith("Kconfig"):
            for setting, body in _SETTING.findall(data.decode("utf-8", "replace")):
                self.settings[setting] = self.settings.get(setting, True) and "tristate" in body
        else:
            self.makefiles[name] = data.decode("utf-8", "replace")


class Listing(NamedTuple):
    """One line of a Makefile that builds ``member`` when ``setting`` is on, as part of ``target``."""

    target: str
    """Empty when it is linked itself."""
    setting: str
    member: str


class Listings:
    """Everything that the Makefiles list, by path."""

    def __init__(self, source: Source) -> None:
        self.of: dict[str, list[tuple[str, Listing]]] = defaultdict(list)
        """For each object or folder: the folder of the Makefile and the line."""
        for name in source.makefiles:
            folder, _, last = name.rpartition("/")
            if last in MAKEFILES:
                self._add(source, folder, name)

    def _add(self, source: Source, folder: str, name: str) -> None:
        text = source.makefiles[name]
        for included in _INCLUDED.findall(text):
            path = normal(f"{folder}/{included}")
            if path in source.makefiles and path != name:
                text += "\n" + source.makefiles[path]
        for row in listings(text):
            path = row.member.rstrip("/") if row.member.startswith("arch/") else normal(f"{folder}/{row.member}")
            self.of[path].append((folder, row))


def normal(path: str) -> str:
    """Return ``path`` without dots."""
    parts: list[str] = []
    for part in PurePosixPath(path).parts:
        if part == ".." and parts:
            parts.pop()
        elif part not in ("..", ".", "/"):
            parts.append(part)
    return "/".join(parts)


def listings(text: str) -> Iterator[Listing]:
    """Yield what the lines of a Makefile list; conditions around lines count as met."""
    for line in re.sub(r"\\\n", " ", text).splitlines():
        match = _ASSIGNMENT.match(line.partition("#")[0])
        if match is None:
            continue
        right = _PREFIXED.sub(lambda found: " ".join(found[1] + each for each in found[2].split()), match["right"])
        left = _LIST.match(match["left"].strip())
        name, when = (left["name"], left["when"]) if left is not None else ("obj", "y")
        setting = (re.findall(r"CONFIG_(\w+)", when) or [""])[0]
        target = "" if name in _LINKED else name
        for word in right.split():
            inner = _MEMBERS.match(word)
            member = f"{inner[1]}.o" if inner is not None else word.strip("(),")
            if member.endswith((".o", "/")) and "$" not in member and member != f"{target}.o":
                yield Listing(target, setting, member)


class Conditions:
    """When each file of one version is built."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._listed = Listings(source)
        self._known: dict[str, Condition] = {}
        self._suffixes: dict[str, list[str]] = defaultdict(list)
        for path in source.includes:
            parts = path.split("/")
            for start in range(len(parts)):
                self._suffixes["/".join(parts[start:])].append(path)

    def folder(self, path: str) -> Condition:
        """Return when the Makefile of a folder is read."""
        if not path or path.partition("/")[0] == "arch" or path in self._known:
            return self._known.get(path, ALWAYS)
        self._known[path] = NEVER
        lines = self._listed.of.get(path, ())
        found = smallest(way for folder, line in lines for way in self._line(folder, line))
        if not lines:
            found = self.folder(path.rpartition("/")[0])
        self._known[path] = found or ALWAYS
        return self._known[path]

    def unit(self, path: str) -> Condition:
        """Return when the object ``path`` (ends in .o) is built."""
        if path in self._known:
            return self._known[path]
        self._known[path] = NEVER
        folder = path.rpartition("/")[0]
        lines = self._listed.of.get(path)
        found = (
            self.folder(folder) if lines is None else smallest(w for at, line in lines for w in self._line(at, line))
        )
        self._known[path] = found or self.folder(folder)
        return self._known[path]

    def _line(self, folder: str, line: Listing) -> Condition:
        around = self.unit(f"{folder}/{line.target}.o") if line.target else self.folder(folder)
        return both(around, frozenset({frozenset({line.setting} if line.setting else ())}))

    def modules(self, path: str, seen: frozenset[str] = frozenset()) -> set[str] | None:
        """Return the modules that the object ``path`` can be part of; None when it may be built in without a name."""
        names: set[str] = set()
        for folder, line in self._listed.of.get(path, ()):
            target = f"{folder}/{line.target}.o"
            if line.target:
                inner = self.modules(target, seen | {path}) if target not in seen else set()
            else:
                inner = {PurePosixPath(path).stem.replace("-", "_")}
                inner = inner if self._source.settings.get(line.setting, False) else None
            if inner is None:
                return None
            names |= inner
        return names or None

    def files(self) -> Iterator[tuple[str, Condition, tuple[str, ...]]]:
        """Yield each source file with its condition and modules."""
        conditions = self._with_includers()
        for path, condition in conditions.items():
            if path.startswith(LEFT_OUT) or condition in (ALWAYS, NEVER):
                continue
            if path.endswith(".h") and len(condition) > MOST_OF_HEADER:
                continue
            own = path.endswith((".c", ".S")) and self.unit(path[:-1] + "o") == condition
            modules = (self.modules(path[:-1] + "o") if own else None) or set()
            yield path, condition, tuple(sorted(modules))

    def _own(self, path: str) -> Condition:
        if path.endswith(".h"):
            return NEVER
        own = self.unit(path[:-1] + "o")
        for folder, settings in GATHERED.items():
            if path.startswith(folder + "/"):
                return frozenset(frozenset({each}) for each in settings.split(","))
        return own

    def _with_includers(self) -> dict[str, Condition]:
        """Return the conditions where a file that others include is built wherever they are."""
        conditions = {path: self._own(path) for path in self._source.includes}
        waiting = list(conditions)
        while waiting:
            path = waiting.pop()
            for included in self._included(path):
                joined = smallest(conditions[included] | conditions[path])
                if joined != conditions[included]:
                    conditions[included] = joined
                    waiting.append(included)
        return conditions

    def _included(self, path: str) -> Iterator[str]:
        for is_near, name in self._source.includes[path]:
            near = normal(f"{path.rpartition('/')[0]}/{name}")
            if is_near and near in self._source.includes:
                yield near
            else:
                yield from self._suffixes.get(normal(name), ())


def written(condition: Condition) -> str:
    """Return the condition as text: ``A B,C`` is A and B together, or C."""
    return ",".join(sorted(" ".join(sorted(way)) for way in condition))


def main() -> None:
    """Write the list."""
    rows: dict[tuple[str, str, str, str], str] = defaultdict(str)
    settings: dict[str, str] = defaultdict(str)
    versions = []
    for number, path in enumerate(map(Path, sys.argv[1:]), 1):
        versions.append(re.findall(r"(\d+\.\d+)", path.name)[0])
        source = Source(path)
        for name, condition, modules in Conditions(source).files():
            folder, _, last = name.rpartition("/")
            rows[folder, last, written(condition), " ".join(modules)] += str(number)
        for setting in source.settings:
            settings[setting] += str(number)
    groups: dict[tuple[str, str, str, str], list[str]] = defaultdict(list)
    for (folder, last, ways, names), seen in rows.items():
        groups[folder, ways, names, seen].append(last)
    used = {word for _, ways, _, _ in groups for word in re.split("[ ,]", ways)}
    lines = ["versions\t" + " ".join(versions)]
    for seen in sorted(set(settings.values())):
        known = sorted(name for name in used if name and settings.get(name) == seen)
        lines.append(f"settings\t{seen}\t{' '.join(known)}")
    lines += ["\t".join((*key, " ".join(sorted(groups[key])))) for key in sorted(groups)]
    TARGET.write_bytes(gzip.compress(("\n".join(lines) + "\n").encode("utf-8"), 9, mtime=0))
    print(f"{len(rows):,} files in {TARGET}")


if __name__ == "__main__":
    main()
