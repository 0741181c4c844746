"""Is a key or password drawn from numbers that can be guessed?"""

from __future__ import annotations

from collections.abc import Iterator

from device_profiles.schema import DeviceProfile
from firmware_checks.check import Check, archive_of
from firmware_checks.controls import Controls
from firmware_checks.inventory import Inventory
from firmware_checks.observers.weak_cryptography import WeakRandom
from toolkit.core.findings import Finding, Severity


def _run(check: Check, inventory: Inventory, _profile: DeviceProfile | None) -> Iterator[Finding]:
    for seen in inventory.observed(WeakRandom):
        yield check.finding(Severity.MEDIUM, seen.evidence.excerpt, seen.evidence)


CHECK = Check(
    name="guessable-secret",
    question="Is a key or password drawn from numbers that can be guessed?",
    title="A key or password is drawn from numbers that can be guessed",
    remedy=(
        "Whoever knows roughly when the key was made can try all that come into question within minutes. Ask "
        "the manufacturer to draw keys from the operating system's source of random numbers."
    ),
    severity_rule="Medium: the way it is made must be known, then the key is found quickly.",
    controls=Controls(
        fda=("C",),
        iec_62443=("CR 4.3",),
        iec_81001=("5.7",),
        cra=("I.2d", "I.2e"),
        mds2=("STCF", "NAUT"),
        cwe=("338", "335"),
    ),
    run=_run,
    weak_example=lambda: archive_of({"usr/bin/pair.sh": b"#!/bin/sh\nPAIRING_KEY=$RANDOM$RANDOM\n"}),
    hardened_example=lambda: archive_of(
        {"usr/bin/pair.sh": b"#!/bin/sh\n# KEY=$RANDOM\nPAIRING_KEY=$(head -c 16 /dev/urandom)\nDELAY=$RANDOM\n"}
    ),
)
