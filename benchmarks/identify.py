"""Scan every real image that was fetched and compare what medharden says with what is known: ``expected.toml``.

Each image is scanned as a person would, ``medharden scan IMAGE --format json``. Exit code 1 when a statement is wrong.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
CACHE = HERE / ".cache"
PROGRAM = Path(sys.executable).with_name("medharden.exe" if os.name == "nt" else "medharden")
JUDGED = ("format", "arch", "load_address", "mcu_family")


def scan(path: Path) -> dict[str, Any]:
    """Return the report on ``path``; raise ``RuntimeError`` when there is none."""
    command = [PROGRAM, "scan", path, "--format", "json"]
    done = subprocess.run([str(c) for c in command], check=False, capture_output=True, text=True, encoding="utf-8")
    if done.returncode not in (0, 1) or not done.stdout:
        raise RuntimeError((done.stderr.strip().splitlines() or ["no report"])[-1])
    report: dict[str, Any] = json.loads(done.stdout)
    return report


def misses(image: Mapping[str, Any], expected: Mapping[str, Any]) -> Iterator[str]:
    """Yield what the report says otherwise than expected; what is not expected is not judged."""
    for name in JUDGED:
        right = expected.get(name, image[name])
        if image[name] not in (right if isinstance(right, list) else [right]):
            yield f"{name} is {shown(image[name])}, expected {shown(right)}"


def shown(value: object) -> str:
    """Write one value for a table: numbers are addresses, a list holds what would do."""
    if isinstance(value, list):
        return " or ".join(shown(v) for v in value)
    return hex(value) if isinstance(value, int) else str(value or "-")


def row(path: Path, report: Mapping[str, Any], verdict: str) -> str:
    """Return one line of the table."""
    image = report["image"]
    components = ", ".join(f"{c['name']} {c['version'] or ''}".strip() for c in report["components"])
    ratio = f"{report['coverage']['recognised_ratio']:.1%}"
    cells = [f"`{name_of(path)}`", *(shown(image[name]) for name in JUDGED), ratio, components or "-", verdict]
    return "| " + " | ".join(cells) + " |"


def name_of(path: Path) -> str:
    """Return the package and the last parts of a path, enough to tell images apart."""
    package, *_, folder, name = path.relative_to(CACHE).parts
    return f"{package}: {folder}/{name}"


def cases() -> Iterator[tuple[Path, Mapping[str, Any]]]:
    """Yield every image there is together with what is expected of it."""
    table = tomllib.loads((HERE / "expected.toml").read_text(encoding="utf-8"))
    for expected in table["image"]:
        found = sorted(CACHE.glob(expected["file"]))
        if not found:
            print(f"not here: {expected['file']} (fetch_images.py fetches it)", file=sys.stderr)
        yield from ((path, expected) for path in found)


def main() -> int:
    """Print the table; 1 when a statement is wrong or no image is there."""
    right = total = 0
    heads = ("image", "format", "arch", "base", "family", "understood", "components", "verdict")
    print("| " + " | ".join(heads) + " |\n" + "|---" * len(heads) + "|")
    for path, expected in cases():
        total += 1
        try:
            report = scan(path)
        except RuntimeError as error:
            print(f"| `{name_of(path)}` " + "| " * (len(heads) - 2) + f"| **{error}** |")
            continue
        wrong = list(misses(report["image"], expected))
        right += not wrong
        print(row(path, report, "**" + "; ".join(wrong) + "**" if wrong else "right"), flush=True)
    print(f"\n{right} of {total} right", file=sys.stderr)
    return 0 if right == total > 0 else 1


if __name__ == "__main__":
    sys.exit(main())
