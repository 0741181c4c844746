"""Speed and memory of verifying update packages, and how well the verifier resists mutants.

python benchmarks/updates.py                # a package of 1 GiB, a small one, one run each
python benchmarks/updates.py --mutants      # ten thousand spoilt packages; takes a minute of one core
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO, cast

import msgspec

from signing.attacks.lab import DAY, LATE, SPEC, Lab, moment, sbom, statement_sha256, unit
from signing.attacks.package_mutants import PackageMutants
from signing.package.archive import Archive
from signing.package.create import add_approval, create, read_spec, sign_archive
from signing.package.parts import PartsWriter, open_package
from signing.refusal import Refusal
from signing.verify import verify

assert sys.platform != "win32", "memory is told by a call that only Unix has"

GIB = 1 << 30
RUNS = 5
LARGEST_GROWTH_MIB = 32
SLOWEST_RATIO = 0.8
SLOWEST_START_S = 0.4
PROFILE = """
schema_version = "1.0"
id = "lab-pump"
kind = "archetype"
extends = "infusion-pump-lvp"
title = "The pump of the lab"
[policy.update]
vendor = "Lab Devices"
hardware_revisions = ["B", "C"]
regions = ["eu"]
[[policy.update.components]]
id = "main"
[[policy.update.components]]
id = "drugs"
kind = "drug_library"
"""


def main() -> int:
    """Print what was measured; return 1 when something is worse than it must be."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mutants", action="store_true", help="only try mutants")
    parser.add_argument("--count", type=int, default=10_000, help="how many mutants")
    parser.add_argument("--bytes", type=int, default=GIB, help="size of the large package")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        if options.mutants:
            return mutants(Path(folder), options.count)
        return large(Path(folder) / "large", options.bytes) | small(Path(folder) / "small")


def large(folder: Path, size: int) -> int:
    """Compare verifying a large package with hashing its bytes, in pairs, by processor time."""
    lab = Lab(folder)
    digest = hashlib.sha256()
    with (folder / "main.bin").open("wb") as file:
        block = bytes(range(256)) * 4096
        for _ in range(size // len(block)):
            file.write(block)
            digest.update(block)
    (folder / "sbom.json").write_bytes(sbom(digest.hexdigest()))
    text = SPEC.replace('slot = "app-a"\nload_address = 0x08008000\n', "")
    text = text.replace('[[files]]\npath = "vex.json"\npurpose = "vex"\n', "")
    (folder / "release.toml").write_text(text, encoding="utf-8")
    package = _packed(lab, folder)
    offer = lab.offer(b"")
    main_part = msgspec.structs.replace(offer.rules.components["main"], slots=None)
    policy = replace(offer.rules, components={**offer.rules.components, "main": main_part})
    ratios = []
    for _ in range(RUNS):
        hashing = _cpu(lambda: _hash(package))
        with open_package(package) as stream:
            verifying = _cpu(lambda: verify(stream, offer.trust, policy, unit(), moment()))
        ratios.append(hashing / verifying)
        print(
            f"hash {hashing:.2f} s, verify {verifying:.2f} s of processor time: {hashing / verifying:.0%} of the speed"
        )
    best = sorted(ratios)[RUNS // 2]
    print(f"large package, {package.stat().st_size} bytes: {best:.0%} of the speed of SHA-256")
    growth_mib = _peak_mib(_command(folder, package)) - _peak_mib(_command(folder, _small_package(lab, folder)))
    print(f"large package, whole process: {growth_mib:.1f} MiB more memory at its peak than for a small one")
    return int(best < SLOWEST_RATIO or growth_mib > LARGEST_GROWTH_MIB)


def small(folder: Path) -> int:
    """Time the whole program for a small package."""
    command = _command(folder, _small_package(Lab(folder), folder))
    times = []
    for _ in range(RUNS):
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        start = time.perf_counter()
        subprocess.run(command, check=True, capture_output=True)
        wall = time.perf_counter() - start
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        cpu = after.ru_utime + after.ru_stime - used.ru_utime - used.ru_stime
        times.append(cpu)
        print(f"small package, whole process: {wall:.2f} s, {cpu:.2f} s of processor time")
    return int(min(times) > SLOWEST_START_S)


def _small_package(lab: Lab, folder: Path) -> Path:
    """Write the files of the lab as they are, and return a package of them."""
    fresh = Lab(folder / "files")
    for name in ("main.bin", "sbom.json", "vex.json"):
        (folder / name).write_bytes((fresh.path / name).read_bytes())
    package = folder / "small.mdpkg"
    package.write_bytes(lab.package(SPEC.replace('slot = "app-a"\nload_address = 0x08008000\n', "")))
    return package


def _peak_mib(command: list[str]) -> float:
    """Return the most memory a program held at one time, in MiB."""
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        _pid, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"the package was refused: {command}")
    return used.ru_maxrss / 1024


def _command(folder: Path, package: Path) -> list[str]:
    """Return the command that verifies ``package`` for the pump of the lab."""
    (folder / "pump.toml").write_text(PROFILE, encoding="utf-8")
    radio = {"version": "1.2.0", "security_counter": 1}
    known = {"hardware_revision": "B", "region": "eu", "bootloader": "1.5.0"}
    record = {"format": "medharden-unit-1", **known, "installed": {"radio": radio}}
    (folder / "unit.json").write_text(json.dumps(record), encoding="utf-8")
    command = [sys.executable, "-c", "from toolkit.app.cli import main; main()", "package", "verify", str(package)]
    command += ["--profile", str(folder / "pump.toml"), "--unit", str(folder / "unit.json"), "--clock", "trusted"]
    command += ["--vendor-root", str(folder / "vendor" / "1.root.json"), "--now", f"{DAY:%Y-%m-%d}T12:00:00"]
    command += ["--hospital-root", str(folder / "hospital" / "1.root.json")]
    return command


def mutants(folder: Path, count: int) -> int:
    """Try mutants; return 1 when one is accepted or makes the verifier fall over."""
    lab = Lab(folder)
    offer = lab.offer(lab.package())
    maker = PackageMutants(offer.package)
    rules_met: Counter[str] = Counter()
    accepted = []
    for number in range(count):
        try:
            offer.having(package=maker.make(number)).verify()
            accepted.append(number)
        except Refusal as refusal:
            rules_met[refusal.rule] += 1
    for rule, times in rules_met.most_common():
        print(f"{times:6} {rule}")
    print(f"{count} mutants, {len(accepted)} accepted {accepted[:10]}")
    return int(bool(accepted or rules_met["verify.failed"]))


def _packed(lab: Lab, folder: Path) -> Path:
    """Return a package that everybody has signed, written without holding it in memory."""
    first, second, third, done = (folder / f"{n}.mdpkg" for n in range(4))
    writer = PartsWriter(first)
    create(cast("BinaryIO", writer), read_spec(folder / "release.toml"), folder, lab.vendor, DAY, 5)
    writer.commit()
    steps = (
        (first, second, lambda out, a: sign_archive(out, a, lab.vendor, lab.signers("ada", "ben", "cyd"), LATE)),
        (second, third, lambda out, a: add_approval(out, a, lab.hospital, DAY, 5, examined=statement_sha256(a))),
        (third, done, lambda out, a: sign_archive(out, a, lab.hospital, lab.signers("dee", "eve", "fay"), LATE)),
    )
    for source, target, step in steps:
        writer = PartsWriter(target)
        with open_package(source) as stream:
            step(cast("BinaryIO", writer), Archive(stream))
        writer.commit()
        source.unlink()
    return done


def _hash(path: Path) -> None:
    digest = hashlib.sha256()
    buffer = memoryview(bytearray(1 << 20))
    with path.open("rb") as file:
        while count := file.readinto(buffer):
            digest.update(buffer[:count])


def _cpu(step: Callable[[], object]) -> float:
    start = time.process_time()
    step()
    return time.process_time() - start


if __name__ == "__main__":
    sys.exit(main())
