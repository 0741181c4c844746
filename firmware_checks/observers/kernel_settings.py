"""Settings of the running kernel, as sysctl files and start-up scripts make them, that switch protections off."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from firmware_checks.fact_reader import Content
from firmware_checks.observer import Observation, Observer

__all__ = ["OBSERVER", "KernelSetting"]

MOST_BYTES = 1 << 18
WEAK: Final = MappingProxyType(
    {
        "kernel.randomize_va_space": ("0", "programs are always loaded at the same place"),
        "kernel.kptr_restrict": ("0", "every user may read where the kernel lies"),
        "kernel.dmesg_restrict": ("0", "every user may read the kernel's messages"),
        "net.ipv4.ip_forward": ("1", "the device passes packets on between networks"),
        "net.ipv4.conf.all.accept_source_route": ("1", "senders may choose the way packets take"),
        "net.ipv4.conf.all.accept_redirects": ("1", "others may change where packets go"),
        "net.ipv4.tcp_syncookies": ("0", "half-open connections can make the device unreachable"),
        "fs.suid_dumpable": ("1", "memory of privileged programs is written to disk"),
        "vm.mmap_min_addr": ("0", "the lowest page of memory may be used by programs"),
    }
)
"""Value and consequence. Source: kernel.org, Documentation/admin-guide/sysctl."""
_LINE = re.compile(r"^\s*-?\s*(?P<key>[\w./]+)\s*=\s*(?P<value>\S+)")
_SCRIPT = re.compile(
    r"(?:sysctl\s+(?:-w\s+)?(?P<key>[\w.]+)=(?P<value>\d+)|echo\s+[\"']?(?P<put>\d+)[\"']?\s*>\s*/proc/sys/(?P<file>[\w/]+))"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class KernelSetting(Observation):
    """A setting that switches a protection off."""

    key: str
    words: str


def _read(content: Content) -> Iterator[Observation]:
    text = bytes(content.span.window.view[:MOST_BYTES])
    is_script = content.head.startswith(b"#!")
    if is_script and b"sysctl" not in text and b"/proc/sys/" not in text:
        return
    start = 0
    for raw in text.splitlines(keepends=True):
        line = raw.decode("utf-8", "replace")
        found = (
            (_SCRIPT.search(line) if is_script else _LINE.match(line)) if not line.lstrip().startswith("#") else None
        )
        if found is not None:
            said = found.groupdict()
            key = (said["key"] or said.get("file") or "").replace("/", ".")
            value = said["value"] or said.get("put")
            if key in WEAK and WEAK[key][0] == value:
                yield KernelSetting(offset=start, excerpt=f"{key} = {value}", key=key, words=WEAK[key][1])
        start += len(raw)


def _wants(content: Content) -> bool:
    if content.span.size > MOST_BYTES:
        return False
    return (
        content.name == "sysctl.conf"
        or "/sysctl.d/" in content.path
        or content.head.startswith((b"#!/bin/sh", b"#!/bin/bash", b"#! /bin/sh"))
    )


OBSERVER = Observer(
    name="kernel-settings",
    title="Settings of the kernel",
    source="sysctl.conf(5); kernel.org, Documentation/admin-guide/sysctl",
    wants=_wants,
    read=_read,
    example=lambda: (
        "etc/sysctl.conf",
        b"#kernel.kptr_restrict = 0\nkernel.randomize_va_space = 0\nnet.ipv4.ip_forward=1\n",
    ),
    shows=2,
)
