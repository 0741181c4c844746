"""Source files that the description of a kernel vulnerability names, for records that have no field of their own.

Before 2024 the kernel's makers named no CVEs; those who did wrote the file into the text: "in net/ipv4/x.c in the Linux
kernel before 5.1". What was read from a text is marked, because the text may name fewer files than were corrected.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from firmware_checks.vulnerabilities.kernel_branches import PREFIX
from firmware_checks.vulnerabilities.record import Node, Record

__all__ = ["TOLD_IN_TEXT", "named_files"]

TOLD_IN_TEXT = "~"
"""Stands before the name of a file that was read from a text."""
MOST_FILES = 20
_KERNEL = "inux"
_COMMIT = "In the Linux kernel, the following vulnerability has been resolved"
"""So begin texts that repeat the message of a commit: it may name any file."""
_FILE = re.compile(
    r"(?<![\w/\\.-])(?:arch|block|certs|crypto|drivers|fs|include|init|io_uring|ipc|kernel|lib|mm|net|security|sound|virt)"
    r"[/\\][\w/\\+-]{1,120}\.[chS]\b"
)


def named_files(record: Record) -> list[str]:
    """Return the files of the kernel that the text of ``record`` names, marked; none when it is not of the kernel."""
    text = record.text
    if _KERNEL not in text or text.startswith(_COMMIT):
        return []
    found = [match.replace("\\", "/") for match in _FILE.findall(text)]
    if not found or not any(_is_of_kernel(configuration.nodes) for configuration in record.configurations):
        return []
    return [f"{TOLD_IN_TEXT}{name}" for name in sorted(set(found))[:MOST_FILES]]


def _is_of_kernel(nodes: Iterable[Node]) -> bool:
    return any(match.criteria.startswith(PREFIX) for node in nodes for match in node.cpe_match) or any(
        _is_of_kernel(node.children) for node in nodes
    )
