"""BusyBox: the sub-programs that hold the fault were left out of this one."""

from __future__ import annotations

from firmware_checks.vulnerabilities.not_affected.reason import Excuse, Fault, Known
from toolkit.report.model import Confidence
from toolkit.report.vulnerability import Justification

__all__ = ["applet_not_built"]

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
