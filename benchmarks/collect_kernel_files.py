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
import zlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath
from typing import NamedTuple

ROOT = Path(__file__).parent.parent
TARGET = ROOT / "firmware_checks" / "vulnerabilities" / "not_affected" / "kernel_files.txt.gz"
MOST_ALTERNATIVES = 40
"""What is built in more ways than this counts as always built."""
MOST_OF_HEADER = 20
"""The same for a header, of which there are so many that the list would double."""
Condition = frozenset[frozenset[str]]
"""Ways in which a file is built: each the settings that it needs together."""
ALWAYS: Condition = frozenset({frozenset()})
NEVER: Condition = frozenset()
MAKEFILES = ("Kbuild", "Makefile")
GATHERED = {"drivers/gpu/drm/amd": "DRM_AMDGPU,HSA_AMD", "drivers/gpu/drm/nouveau": "DRM_NOUVEAU", "virt/kvm": "KVM"}
"""Folders whose files other Makefiles name through variables, and the settings one of which each of them needs."""
PROCESSORS = ("arm", "arm64", "mips", "powerpc", "riscv", "x86")
"""Of the others the processor alone decides."""
LEFT_OUT = (
    "drivers/gpu/drm/amd/include/",
    "drivers/gpu/drm/nouveau/include/",
    "include/asm-generic/",
    "include/dt-bindings/",
)
"""Thousands of lists of numbers; and headers that others include which are only made when a kernel is built."""
MACHINES = {"machine": "mach-", "plat": "plat-"}
"""How the Makefile of Arm lists its folders of machines. Source: Linux, arch/arm/Makefile."""
SAMPLE = 4
"""One line in so many is looked at to tell which older files a newer one was made from."""
FEWEST_LINES, FEWEST_SHARED, LEAST_SHARE, MOST_ORIGINS = 4, 2, 0.05, 6
"""A file with fewer lines looked at cannot be told; nor can one that was made from more files."""
MOST_WITH_LINE = 3
"""A line that more files have tells nothing."""
LINE_BYTES = 14
"""Shorter lines are the same everywhere."""
UNKNOWN = "?"
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
        self.lines: dict[str, frozenset[int]] = {}
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
            sums = (zlib.crc32(line) for line in map(bytes.strip, data.split(b"\n")) if len(line) >= LINE_BYTES)
            self.lines[name] = frozenset(each for each in sums if each % SAMPLE == 0)
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
    is_module: bool = True
    """Whether the object, where it is linked itself, is the module of that name when the setting says module."""


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
        is_module = "subst m,y" not in when  # built in whenever the setting is on
        if name in MACHINES:
            yield from (Listing("", setting, f"{MACHINES[name]}{word}/") for word in right.split() if "$" not in word)
            continue
        for word in right.split():
            inner = _MEMBERS.match(word)
            member = f"{inner[1]}.o" if inner is not None else word.strip("(),")
            if member.endswith((".o", "/")) and "$" not in member and member != f"{target}.o":
                yield Listing(target, setting, member, is_module and inner is None)


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
        if path.count("/") < 2 and (not path or path.startswith("arch")):
            return ALWAYS
        if path in self._known:
            return self._known[path]
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
            if not line.is_module:
                return None
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
            if path.startswith(LEFT_OUT) or condition in (ALWAYS, NEVER) or is_of_another_processor(path):
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
                yield from self._anywhere(path, normal(name))

    def _anywhere(self, path: str, name: str) -> list[str]:
        """Return the files that ``path`` may include as ``name``: of its own part of the source before all others."""
        found = self._suffixes.get(name, [])
        part = "/".join(path.split("/")[:2]) + "/"
        own = [each for each in found if each.startswith(part)] if "/" not in name else []
        return own or found


def is_of_another_processor(path: str) -> bool:
    """Return whether the file is for a processor that is not looked at."""
    first, _, rest = path.partition("/")
    return first == "arch" and rest.partition("/")[0] not in PROCESSORS


class Origins:
    """Which files of an older version hold what newer files hold: they were moved, divided or joined."""

    def __init__(self, source: Source) -> None:
        self._files: dict[int, list[str]] = defaultdict(list)
        for path, lines in source.lines.items():
            for line in lines:
                self._files[line].append(path)

    def of(self, lines: frozenset[int]) -> tuple[str, ...] | None:
        """Return the older files; none when the file is new; None when that cannot be told."""
        if len(lines) < FEWEST_LINES:
            return None
        told = [files for line in lines if len(files := self._files.get(line, [])) <= MOST_WITH_LINE]
        shared = Counter(path for files in told for path in files)
        least = max(FEWEST_SHARED, LEAST_SHARE * len(told))
        found = sorted(path for path, count in shared.items() if count >= least)
        return tuple(found) if len(found) <= MOST_ORIGINS else None


def moved(older: Source, newer: Source, listed: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Yield those files of ``newer`` whose code the ``older`` version has or may have, and where; see ``Origins``."""
    origins = Origins(older)
    for path in listed:
        found = None if path in older.lines else origins.of(newer.lines[path])
        if found is None:
            yield path, UNKNOWN
        elif found:
            yield path, " ".join(found)


def written(condition: Condition) -> str:
    """Return the condition as text: ``A B,C`` is A and B together, or C."""
    return ",".join(sorted(" ".join(sorted(way)) for way in condition))


def main() -> None:
    """Write the list."""
    rows: dict[tuple[str, str, str, str], str] = defaultdict(str)
    settings: dict[str, str] = defaultdict(str)
    sources = list(map(Source, map(Path, sys.argv[1:])))
    listed: list[set[str]] = []
    for number, source in enumerate(sources, 1):
        listed.append(set())
        for name, condition, modules in Conditions(source).files():
            folder, _, last = name.rpartition("/")
            rows[folder, last, written(condition), " ".join(modules)] += str(number)
            listed[-1].add(name)
        for setting in source.settings:
            settings[setting] += str(number)
    groups: dict[tuple[str, str, str, str], list[str]] = defaultdict(list)
    for (folder, last, ways, names), seen in rows.items():
        groups[folder, ways, names, seen].append(last)
    used = {word for _, ways, _, _ in groups for word in re.split("[ ,]", ways)}
    lines = ["versions\t" + " ".join(re.findall(r"(\d+\.\d+)", Path(path).name)[0] for path in sys.argv[1:])]
    for seen in sorted(set(settings.values())):
        known = sorted(name for name in used if name and settings.get(name) == seen)
        lines.append(f"settings\t{seen}\t{' '.join(known)}")
    lines += origin_lines(sources, listed)
    lines += ["\t".join((*key, " ".join(sorted(groups[key])))) for key in sorted(groups)]
    TARGET.write_bytes(gzip.compress(("\n".join(lines) + "\n").encode("utf-8"), 9, mtime=0))
    print(f"{len(rows):,} files in {TARGET}")


def origin_lines(sources: list[Source], listed: list[set[str]]) -> Iterator[str]:
    """Yield lines of files that a version does not list and a newer one does, with the older files they came from."""
    for number, older in enumerate(sources):
        groups: dict[tuple[str, str], list[str]] = defaultdict(list)
        done = set(listed[number])
        for newer, of_newer in zip(sources[number + 1 :], listed[number + 1 :], strict=True):
            for path, origins in moved(older, newer, sorted(of_newer - done)):
                folder, _, last = path.rpartition("/")
                groups[folder, origins].append(last)
            done |= of_newer
        for (folder, origins), names in sorted(groups.items()):
            yield "\t".join(("moved", str(number + 1), folder, origins, " ".join(names)))


if __name__ == "__main__":
    main()
