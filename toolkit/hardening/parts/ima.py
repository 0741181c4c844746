"""Policy and digests for IMA, the Linux kernel's own check of every file it executes."""

from __future__ import annotations

from collections.abc import Iterator

from firmware_checks.controls import NOT_APPLICABLE, Controls
from toolkit.core.findings import Finding
from toolkit.hardening.application_control.allowed import (
    allowed_files,
    learning_findings,
    nothing_to_allow,
    unwritable_findings,
)
from toolkit.hardening.part import Group, HardeningPart, PackFile
from toolkit.hardening.subject import HardeningSubject, System
from toolkit.hardening.words import heading

__all__ = ["PART", "attribute_of", "escaped_path"]

DIGEST_NG, SHA256 = 0x04, 0x04
"""Kind of the attribute, and number of the hash. Source: Linux security/integrity/integrity.h, hash_info.h."""
VIRTUAL = {
    "proc": 0x9FA0, "sysfs": 0x62656572, "debugfs": 0x64626720, "tmpfs": 0x01021994, "devpts": 0x1CD1,
    "securityfs": 0x73636673, "cgroup": 0x27E0EB, "cgroup2": 0x63677270, "nsfs": 0x6E736673, "efivarfs": 0xDE5E81E4,
}  # fmt: skip
"""File systems that the kernel makes up. Source: Linux include/uapi/linux/magic.h."""
EXECUTED = ("func=BPRM_CHECK mask=MAY_EXEC", "func=FILE_MMAP mask=MAY_EXEC", "func=MODULE_CHECK", "func=FIRMWARE_CHECK")
OCTAL_BELOW, OCTAL_ABOVE = 0x21, 0x7E


def attribute_of(sha256: str) -> str:
    """Return the value of ``security.ima`` for a content, as evmctl ima_hash writes it."""
    return f"0x{DIGEST_NG:02x}{SHA256:02x}{sha256}"


def escaped_path(path: str) -> str:
    """Return a path without / at its start, as setfattr --restore reads it: odd bytes as a backslash and octal."""
    data = path.lstrip("/").encode()
    return "".join(chr(b) if OCTAL_BELOW <= b <= OCTAL_ABOVE and b != ord("\\") else f"\\{b:03o}" for b in data)


def _applies(subject: HardeningSubject) -> str:
    if subject.system is not System.LINUX:
        return "IMA is a part of Linux"
    return nothing_to_allow(subject)


def _policy(verb: str) -> str:
    return "".join(f"{verb} {row}\n" for row in EXECUTED)


def _build(subject: HardeningSubject) -> Iterator[PackFile]:
    comments = "".join(f"# {line}\n" for line in heading(subject, "IMA policy: what is executed must be known"))
    measured = "".join(f"dont_measure fsmagic={magic:#x}\n" for magic in VIRTUAL.values() if magic != VIRTUAL["tmpfs"])
    appraised = "".join(
        f"dont_appraise fsmagic={magic:#x}\n" for magic in VIRTUAL.values() if magic != VIRTUAL["tmpfs"]
    )
    files = [file for file in allowed_files(subject) if file.has_exact_name and subject.image_name in file.seen_in]
    attributes = "".join(f"# file: {escaped_path(f.path)}\nsecurity.ima={attribute_of(f.sha256)}\n\n" for f in files)
    digests = "".join(f"sha256:{f.sha256}\n" for f in sorted(files, key=lambda f: f.sha256))
    yield PackFile(
        path="ima-attributes.txt",
        data=attributes.encode(),
        consumer="setfattr --restore (attr 2.4), run from / of the device or of its image",
    )
    yield PackFile(path="ima-digests.txt", data=digests.encode(), consumer="a program of yours: one digest a line")
    yield PackFile(
        path="ima-policy-appraise",
        data=(comments + appraised + _policy("appraise")).encode(),
        consumer="Linux 4.3 or newer with IMA: /etc/ima/ima-policy, after the measuring one has been tested",
    )
    yield PackFile(
        path="ima-policy-measure",
        data=(comments + measured + _policy("measure")).encode(),
        consumer="Linux 3.10 or newer with IMA: /etc/ima/ima-policy, or /sys/kernel/security/ima/policy",
    )


def _findings(subject: HardeningSubject) -> Iterator[Finding]:
    yield from learning_findings(subject)
    yield from unwritable_findings(subject, "no attribute can be given to them by this list")


PART = HardeningPart(
    name="ima",
    title="The kernel checks what it executes: IMA",
    group=Group.APPLICATION_CONTROL,
    what=(
        "With the appraising policy the Linux kernel refuses to execute a file whose content is not the one written "
        "beside it; with the measuring policy it only writes down what was executed. The digests are not signed: "
        "whoever is root on the device can replace them, which a read-only system (dm-verity) prevents."
    ),
    source="Linux Documentation/ABI/testing/ima_policy; ima-evm-utils 1.4, evmctl(1); setfattr(1)",
    applies=_applies,
    build=_build,
    findings=_findings,
    apply=(
        "Ask the maker whether the device may be changed; its kernel must have been built with IMA.",
        "In a copy of the root file system run: setfattr --restore=ima-attributes.txt.",
        "Start with the measuring policy and the kernel option ima_appraise=log, and look at the kernel's log.",
        "Change to the appraising policy and ima_appraise=enforce when nothing of the device is named there any more.",
    ),
    bench_test=(
        "On a bench device load the measuring policy: cat ima-policy-measure > /sys/kernel/security/ima/policy.",
        "Use every function; each digest in /sys/kernel/security/ima/ascii_runtime_measurements must be listed.",
        "With the appraising policy change one byte of a program: starting it must be refused.",
    ),
    take_back=(
        "Start the device with the kernel option ima_appraise=off and take the policy file away.",
        "Remove the attributes where they disturb with: setfattr -x security.ima FILE.",
    ),
    controls=Controls(
        fda=("D",), iec_62443=("CR 3.4", "EDR 3.14"), iec_81001=("5.3",), cra=("I.2f",), mds2=("MLDP", "SAHD"),
        cwe=NOT_APPLICABLE,
    ),
)  # fmt: skip
