"""The one door to lief: what a Windows program says about itself, which takes a parser of its resources to read.

lief is a large native library that takes 0.3 s to load, so it is fetched only when there is something to ask it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import lief

__all__ = ["WindowsIdentity", "windows_identity"]

MOST_CHARACTERS = 200
MOST_SIGNERS = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowsIdentity:
    """What the version resource and the signatures of a Windows program state; nothing of it is verified."""

    product: str = ""
    company: str = ""
    version: str = ""
    original_name: str = ""
    signers: tuple[str, ...] = ()


def windows_identity(data: memoryview) -> WindowsIdentity:
    """Return what the PE file ``data`` says about itself; empty where it says nothing or cannot be parsed."""
    import lief

    lief.logging.disable()
    binary = lief.PE.parse(bytes(data))
    if binary is None:
        return WindowsIdentity()
    texts = dict(_version_texts(binary))
    return WindowsIdentity(
        product=texts.get("ProductName", ""),
        company=texts.get("CompanyName", ""),
        version=texts.get("FileVersion") or texts.get("ProductVersion", ""),
        original_name=texts.get("OriginalFilename", ""),
        signers=tuple(sorted(set(_signers(binary))))[:MOST_SIGNERS],
    )


def _version_texts(binary: lief.PE.Binary) -> Iterator[tuple[str, str]]:
    import lief

    manager = binary.resources_manager
    if not isinstance(manager, lief.PE.ResourcesManager):
        return
    for version in manager.version:
        if version.string_file_info is not None:
            for table in version.string_file_info.children:
                for entry in table.entries:
                    yield entry.key, entry.value[:MOST_CHARACTERS]


def _signers(binary: lief.PE.Binary) -> Iterator[str]:
    for signature in binary.signatures:
        for signer in signature.signers:
            if signer.cert is not None:
                subject = signer.cert.subject
                yield (subject if isinstance(subject, str) else subject.decode("latin-1"))[:MOST_CHARACTERS]
