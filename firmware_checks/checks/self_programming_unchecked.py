"""Can a microcontroller rewrite its own program without the means to verify who made the new one?"""

from __future__ import annotations

from collections.abc import Iterator

from device_profiles.schema import DeviceProfile
from firmware_checks.check import Check
from firmware_checks.controls import Controls
from firmware_checks.grouping import Row, grouped
from firmware_checks.inventory import Inventory
from firmware_checks.observers.microcontroller_guards import SelfProgramming, example_firmware
from toolkit.core.findings import Finding, Severity

UNLOCK = (0x4567_0123, 0xCDEF_89AB)
P256_ORDER = bytes.fromhex("512563fcc2cab9f3849e17a7adfae6bc")
"""As programs hold it, the lowest byte first. Source: SEC 2 v2.0, 2.4.2."""


def _run(check: Check, inventory: Inventory, _profile: DeviceProfile | None) -> Iterator[Finding]:
    yield from grouped(check, _rows(inventory))


def _rows(inventory: Inventory) -> Iterator[Row]:
    for seen in inventory.observed(SelfProgramming):
        what = seen.what
        if what.proofs:
            continue
        code = f"only {', '.join(what.digests)} was recognised" if what.digests else "no such code was recognised"
        why = "it speaks of updates" if what.speaks_of_updates else "it may keep settings there"
        words = (
            f"the program writes the program memory of {what.family}; of code that verifies signatures {code}; {why}"
        )
        yield Severity.MEDIUM if what.speaks_of_updates else Severity.LOW, words, seen.evidence


CHECK = Check(
    name="self-programming-unchecked",
    question="Can a microcontroller rewrite its own program without the means to verify who made the new one?",
    title="A microcontroller rewrites its program memory, and no code that verifies signatures was recognised",
    remedy=(
        "Whoever reaches the update interface may put in a program of their own, which decides what the device does "
        "to a patient. Lock the service connector, install only files from the manufacturer's own channel, and ask "
        "how the device verifies an update; the code may be there and not have been recognised."
    ),
    severity_rule="Medium when the program speaks of updates, low otherwise; what is not recognised may be there.",
    controls=Controls(
        fda=("D", "H"), iec_62443=("EDR 3.10", "EDR 3.14"), iec_81001=("6.3",), cra=("I.2f", "I.2c"), mds2=("CSUP",),
        cwe=("494", "1326"),
    ),
    run=_run,
    weak_example=lambda: example_firmware(words=UNLOCK, texts=b"\0Bootloader ready for firmware\0"),
    hardened_example=lambda: example_firmware(words=UNLOCK, texts=P256_ORDER + b"\0Bootloader ready for firmware\0"),
)  # fmt: skip
