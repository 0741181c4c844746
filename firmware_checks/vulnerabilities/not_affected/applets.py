"""BusyBox: the sub-programs that hold the fault were left out of this one."""

from __future__ import annotations

import re

from firmware_checks.vulnerabilities.not_affected.reason import Excuse, Fault, Known
from toolkit.report.model import Confidence
from toolkit.report.vulnerability import Justification

__all__ = ["applet_not_built", "applets_in"]

RELATED = {
    "ash": ("sh", "bash"),
    "hush": ("sh", "bash", "msh", "lash"),
    "gunzip": ("gzip", "zcat"),
    "bunzip2": ("bzip2", "bzcat"),
    "unlzma": ("lzma", "lzcat", "unxz", "xz", "xzcat"),
    "tar": ("dpkg", "dpkg-deb", "rpm", "rpm2cpio"),
    "modprobe": ("insmod", "rmmod", "depmod"),
    "udhcpc": ("udhcpc6",),
    "httpd": ("inetd",),
}
"""Sub-programs that share the code, or another name for the same. Source: BusyBox, include/applets.src.h, Config.in."""
ANCHORS = frozenset({b"[", b"busybox", b"cat", b"cp", b"echo", b"ls", b"mkdir", b"mount", b"rm", b"sh", b"test"})
FEWEST_ANCHORS = 3
_NAMES = re.compile(rb"(?:[!-~]{1,24}\0){4,4096}")


def applet_not_built(fault: Fault, known: Known) -> Excuse | None:
    """Return why none of the sub-programs that hold the fault is there."""
    if known.component != "busybox" or not known.applets or not fault.applets:
        return None
    wanted = set(fault.applets).union(*(RELATED.get(name, ()) for name in fault.applets))
    if wanted & known.applets:
        return None
    names = ", ".join(fault.applets)
    return Excuse(
        Justification.CODE_NOT_PRESENT,
        f"this BusyBox has no {names}",
        (f"{len(known.applets)} applets are listed in the program, {names} not among them",),
        Confidence.HIGH,
    )


def applets_in(data: bytes | memoryview) -> frozenset[str] | None:
    """Return the sub-programs that the program file ``data`` lists; None when no such list is found.

    BusyBox keeps their names sorted, one after the other, each ended by a zero byte. Source: BusyBox,
    applets/applet_tables.c.
    """
    best: list[bytes] = []
    for match in _NAMES.finditer(data):
        for run in _ascending(match[0].split(b"\0")[:-1]):
            if len(run) > len(best) and len(ANCHORS.intersection(run)) >= FEWEST_ANCHORS:
                best = run
    return frozenset(name.decode("ascii") for name in best) or None


def _ascending(names: list[bytes]) -> list[list[bytes]]:
    runs: list[list[bytes]] = [[]]
    for name in names:
        if runs[-1] and name <= runs[-1][-1]:
            runs.append([])
        runs[-1].append(name)
    return runs
