"""The signed baseline of the image, for medharden drift."""

from __future__ import annotations

from collections.abc import Iterator

from firmware_checks.controls import NOT_APPLICABLE, Controls
from toolkit.hardening.integrity.baseline import baseline_of, pack_baseline
from toolkit.hardening.part import Group, HardeningPart, PackFile
from toolkit.hardening.subject import HardeningSubject

__all__ = ["PART"]


def _applies(subject: HardeningSubject) -> str:
    if subject.signer is None:
        return "no key was named with --key, and a baseline that nobody has signed is believed by nobody"
    return ""


def _build(subject: HardeningSubject) -> Iterator[PackFile]:
    if subject.signer is not None:
        data = pack_baseline(baseline_of(subject), subject.signer)
        yield PackFile(path="software.baseline", data=data, consumer="medharden drift")


PART = HardeningPart(
    name="integrity-baseline",
    title="What the software must look like: signed baseline",
    group=Group.INTEGRITY,
    what=(
        "Every path with its rights, owner, capabilities and SHA-256, or every page of a microcontroller's memory, in "
        "a file that is signed. medharden drift holds a dump of a device against it and tells what was changed."
    ),
    source="DSSE protocol 1.0.2 (signature); medharden baseline, format 1",
    applies=_applies,
    build=_build,
    apply=(
        "Keep the file with the released image, and the public key somewhere else.",
        "Read out the storage of a device after an incident, and whenever it comes back.",
        "Run: medharden drift software.baseline DUMP --trust KEY.",
    ),
    bench_test=(
        "Read out a bench device that runs the released software: drift must find nothing but what the profile allows.",
        "Change one file on it and read it out again: drift must name that file.",
    ),
    take_back=("Delete the file; nothing on the device knows of it.",),
    controls=Controls(
        fda=("D", "F"), iec_62443=("CR 3.4", "EDR 3.11"), iec_81001=("6.3",), cra=("I.2f",), mds2=("MLDP",),
        cwe=NOT_APPLICABLE,
    ),
)  # fmt: skip
