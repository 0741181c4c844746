"""Makes ``firmware_checks/version_places.txt``: beside which text the programs of a project keep its version.

Read from the roots of ``components_linux.py`` in two or more releases of the distribution: a text is kept when the
version of the package stands beside it in each release that has it, and nothing else ever does. Run by hand after
``components_linux.py`` has fetched the roots: ``python3 benchmarks/collect_version_places.py [SET ...]``.
"""

from __future__ import annotations

import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
import components_linux as linux

from firmware_checks.component_rules import load_rules
from firmware_checks.identity import Identities
from firmware_checks.readers.elf_file import MAGIC, constants, read_elf
from firmware_checks.version_places import place_keys
from firmware_checks.version_texts import VersionText, version_texts
from toolkit.core.errors import FormatError
from toolkit.core.window import Window

TARGET = Path(__file__).parent.parent / "firmware_checks" / "version_places.txt"
LEAST_RELEASES, MOST_PLACES = 2, 2
MEASURED_ONLY = frozenset({"unseen", "lot", "lot_blind"})
"""Sets that are never read, so that they tell what is to be expected of programs nobody has looked at."""


def told(folder: Path, truth: dict[str, linux.Truth], identities: Identities) -> Iterator[tuple[str, str, VersionText]]:
    """Yield project, true version and a version text, for all programs of a root."""
    for one in truth.values():
        for package in () if one.is_only_inside else one.packages:
            for path in sorted((folder / package).rglob("*")):
                if path.is_file() and not path.is_symlink():
                    inside = "/".join(path.relative_to(folder / package).parts)
                    for name, text in _texts(path, inside, identities):
                        yield name, one.version, text


def _texts(path: Path, inside: str, identities: Identities) -> Iterator[tuple[str, VersionText]]:
    data = path.read_bytes()
    identity = identities.of_file(inside) if data.startswith(MAGIC) else None
    if identity is None or not identity.is_known:
        return
    try:
        elf = read_elf(Window.of(data))
    except FormatError:
        return
    for text in version_texts(memoryview(data), constants(elf)):
        yield identity.name, text


def places(roots: Iterable[tuple[str, Path, dict[str, linux.Truth]]]) -> dict[str, list[str]]:
    """Return the telling texts of each project; ``roots`` are release, folder and truth."""
    identities = Identities(load_rules())
    right: dict[tuple[str, str], Counter[tuple[str, str]]] = defaultdict(Counter)
    wrong: set[tuple[str, str]] = set()
    for release, folder, truth in roots:
        for name, version, text in told(folder, truth, identities):
            for key in place_keys(text):
                if linux.same(text.version) == linux.same(version):
                    right[name, key][release, version] += 1
                else:
                    wrong.add((name, key))
    found: dict[str, list[tuple[int, str]]] = defaultdict(list)
    for (name, key), seen in right.items():
        releases, versions = {release for release, _ in seen}, {version for _, version in seen}
        if (name, key) not in wrong and len(releases) >= LEAST_RELEASES and len(versions) >= LEAST_RELEASES:
            found[name].append((-sum(seen.values()), key))
    return {name: [key for _, key in sorted(keys)[:MOST_PLACES]] for name, keys in sorted(found.items())}


def _roots(names: list[str]) -> Iterator[tuple[str, Path, dict[str, linux.Truth]]]:
    linux.DATA["set"]["learned"] = linux.DATA["learned"]
    for name in names or [name for name in linux.DATA["set"] if name not in MEASURED_ONLY]:
        for root in linux.DATA["root"]:
            release = linux.Release(root["release"], root["architecture"])
            yield (root["release"], *linux.unpacked(release, name))


def write(found: dict[str, list[str]]) -> None:
    """Write the table: a project and its places in a line, apart by tabs."""
    lines = ["\t".join([name, *keys]) for name, keys in found.items()]
    TARGET.write_text("\n".join(lines) + "\n", "utf-8")
    print(f"{len(lines)} projects, {TARGET.stat().st_size} bytes")


if __name__ == "__main__":
    write(places(_roots(sys.argv[1:])))
