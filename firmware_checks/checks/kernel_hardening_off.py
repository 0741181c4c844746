"""Are protections of the operating system switched off?"""

from __future__ import annotations

import re
from collections.abc import Iterator

from device_profiles.schema import DeviceProfile
from firmware_checks.check import Check, archive_of
from firmware_checks.controls import Controls
from firmware_checks.fact_reader import HoldingKind
from firmware_checks.grouping import Row, grouped
from firmware_checks.inventory import Inventory
from firmware_checks.observers.kernel_settings import KernelSetting
from toolkit.core.findings import Evidence, Finding, Severity


def _run(check: Check, inventory: Inventory, profile: DeviceProfile | None) -> Iterator[Finding]:
    yield from grouped(check, _rows(inventory, profile))


_GRAVE = ("kernel.randomize_va_space", "net.ipv4.ip_forward", "vm.mmap_min_addr")
_WANTED = {
    "STRICT_KERNEL_RWX": "kernel code may be changed in memory",
    "STACKPROTECTOR": "the kernel does not notice when its stack is overwritten",
    "SECCOMP": "programs cannot give up rights they do not need",
}
_UNWANTED = {
    "DEVMEM": "all of the memory can be read through /dev/mem",
    "DEVKMEM": "the kernel's memory can be changed through /dev/kmem",
    "KGDB": "the kernel has a debugger built in",
    "MAGIC_SYSRQ_SERIAL": "a serial line can command the kernel",
}
_FOLLOWS = {"STRICT_KERNEL_RWX": (4, 11), "STACKPROTECTOR": (4, 18), "SECCOMP": (3, 5)}
"""Versions of Linux since which the setting has this name."""


def _rows(inventory: Inventory, _profile: DeviceProfile | None) -> Iterator[Row]:
    for seen in inventory.observed(KernelSetting):
        grave = Severity.MEDIUM if seen.what.key in _GRAVE else Severity.LOW
        yield grave, f"{seen.what.key}: {seen.what.words}", seen.evidence
    for path, facts in inventory.files.items():
        for holding in facts.holdings:
            if holding.kind is HoldingKind.KERNEL_CONFIG:
                yield from _settings(path, holding.subject, holding.text)


def _settings(path: str, version: str, text: str) -> Iterator[Row]:
    on = set(re.findall(r"^CONFIG_(\w+)=y", text, re.MULTILINE))
    numbers = tuple(int(part) for part in version.split(".")[:2])
    for name, words in _WANTED.items():
        if name not in on and numbers >= _FOLLOWS[name]:
            grave = Severity.MEDIUM if name == "STRICT_KERNEL_RWX" else Severity.LOW
            yield grave, words, Evidence(path=path, excerpt=f"CONFIG_{name} is not set")
    for name, words in _UNWANTED.items():
        if name in on and not (name == "DEVMEM" and "STRICT_DEVMEM" in on):
            yield Severity.LOW, words, Evidence(path=path, excerpt=f"CONFIG_{name}=y")


_WEAK = {
    "etc/sysctl.conf": b"kernel.randomize_va_space = 0\n",
    "boot/config": (
        b"#\n"
        b"# Automatically generated file; DO NOT EDIT.\n"
        b"# Linux/arm 5.15.71 Kernel Configuration\n"
        b"#\n"
        b"CONFIG_DEVMEM=y\n"
    ),
}
_HARDENED = {
    "etc/sysctl.conf": (b"#kernel.randomize_va_space = 0\nkernel.randomize_va_space = 2\n"),
    "boot/config": (
        b"#\n"
        b"# Automatically generated file; DO NOT EDIT.\n"
        b"# Linux/arm 5.15.71 Kernel Configuration\n"
        b"#\n"
        b"CONFIG_STRICT_KERNEL_RWX=y\n"
        b"CONFIG_STACKPROTECTOR=y\n"
        b"CONFIG_SECCOMP=y\n"
        b"# CONFIG_DEVMEM is not set\n"
    ),
}


CHECK = Check(
    name="kernel-hardening-off",
    question="Are protections of the operating system switched off?",
    title="Protections of the operating system are switched off",
    remedy=(
        "The kernel could stop many attacks or make them harder, and is told not to. Ask the manufacturer "
        "why, and for a release with these protections on."
    ),
    severity_rule=(
        "Medium when programs are always loaded at the same place, when the kernel's own memory is open, "
        "or packets are passed on between networks; low otherwise."
    ),
    controls=Controls(
        fda=(
            "D",
            "G",
        ),
        iec_62443=(
            "CR 3.4",
            "CR 7.1",
        ),
        iec_81001=("5.5",),
        cra=("I.2k",),
        mds2=("SAHD",),
        cwe=(
            "693",
            "1188",
        ),
    ),
    run=_run,
    weak_example=lambda: archive_of(_WEAK),
    hardened_example=lambda: archive_of(_HARDENED),
)
