"""Linux: the file that holds the fault was not compiled into this kernel.

The kernel's makers name the files that each correction touches. All of them must be shown to be absent: for another
processor, switched off in the configuration the kernel carries, or part of a module that is neither a file nor built
in. A file of which any of that is in doubt keeps the vulnerability.
"""

from __future__ import annotations

from functools import cache
from pathlib import PurePosixPath

from firmware_checks.vulnerabilities.not_affected.kernel_config import KernelConfig, read_config
from firmware_checks.vulnerabilities.not_affected.kernel_files import BuiltFile, KernelFiles, kernel_files
from firmware_checks.vulnerabilities.not_affected.reason import Excuse, Fault, Known
from toolkit.report.model import Confidence
from toolkit.report.vulnerability import Justification

__all__ = ["file_not_built", "module_names"]

NOT_CODE = ("Documentation/", "LICENSES/", "MAINTAINERS", "samples/", "scripts/", "tools/")
"""Parts of the source that are never in a kernel."""
SHARED = {"arm": ("arm64",), "x86": ("um",), "sh": ("sh64",), "powerpc": ("ppc",), "sparc": ("sparc64",)}
"""Processors whose kernels also build files of the first. Source: Linux, arch/arm64/xen/Makefile, arch/um."""
MOST_EVIDENCE = 8


def file_not_built(fault: Fault, known: Known) -> Excuse | None:
    """Return why none of the files that hold the fault is in this kernel."""
    files = [file for file in fault.source_files if not file.startswith(NOT_CODE)]
    if known.component != "linux" or not files:
        return None
    kernel = _Kernel(known, kernel_files())
    evidence = []
    for file in files:
        shown = kernel.absence(file)
        if shown is None:
            return None
        evidence.append(f"{file}: {shown}")
    shown_files = evidence[0] if len(evidence) == 1 else f"{evidence[0]}; and {len(evidence) - 1} more"
    return Excuse(
        Justification.CODE_NOT_PRESENT,
        f"the code is not in this kernel: {shown_files}",
        tuple(evidence[:MOST_EVIDENCE]),
        Confidence.HIGH if kernel.floor else Confidence.MEDIUM,
    )


@cache
def module_names(paths: frozenset[str]) -> frozenset[str]:
    """Return the names of the modules at ``paths``, written as the kernel does: with underscores."""
    names = (PurePosixPath(path.strip()).name.partition(".ko")[0] for path in paths)
    return frozenset(name.replace("-", "_") for name in names)


class _Kernel:
    """One kernel and what is known of how it was built."""

    def __init__(self, known: Known, table: KernelFiles) -> None:
        self._table = table
        config = read_config(known.config) if known.config is not None else None
        self._config = config if config is not None and config.is_whole else None
        self._modules = module_names(known.modules) if known.modules is not None else None
        self._has_all_modules = known.has_builtin_list
        self._architecture = known.architecture
        self.floor = table.floor(known.version)

    def absence(self, file: str) -> str | None:
        """Return what shows that ``file`` is not in the kernel; None when nothing does for sure."""
        first, _, rest = file.partition("/")
        if first == "arch":
            return self._foreign(rest.partition("/")[0] if "/" in rest else None)
        rows = self._table.built(file)
        if not rows or not self._is_comparable(rows):
            return None
        shown = [self._off(self._config, row) if self._config is not None else None for row in rows]
        if any(each is None for each in shown):
            shown = [self._missing(row) for row in rows]
        return None if any(each is None for each in shown) else shown[0]

    def _foreign(self, processor: str | None) -> str | None:
        own = self._architecture
        if own is None or processor is None or own == processor or own in SHARED.get(processor, ()):
            return None
        return f"it is for {processor}, this kernel runs on {own}"

    def _is_comparable(self, rows: tuple[BuiltFile, ...]) -> bool:
        """Return whether the file, or the module it is part of, was there under that name in this kernel's version.

        What a newer version has in a file of its own may stand in another file before, which is always built.
        """
        if not self.floor or any(self.floor in row.seen for row in rows):
            return True
        names = frozenset(name for row in rows for name in row.modules)
        if not all(row.modules for row in rows) or names & (self._modules or frozenset()):
            return False
        return all(any(self._table.has_module(name, self.floor) for name in row.modules) for row in rows)

    def _off(self, config: KernelConfig, row: BuiltFile) -> str | None:
        if self._modules is not None and len(row.ways) == 1 and len(row.ways[0]) == 1 and row.modules & self._modules:
            return None  # the configuration says off but the module is there: it belongs to another kernel
        missing = [next((name for name in way if self._is_off(config, name)), None) for way in row.ways]
        if any(name is None for name in missing):
            return None
        return f"{' and '.join(dict.fromkeys(f'CONFIG_{name}' for name in missing))} off"

    def _is_off(self, config: KernelConfig, name: str) -> bool:
        """Return whether a setting is off: said so, or not said and this version of the kernel has it."""
        if name in config.on:
            return False
        return name in config.off or (bool(self.floor) and self._table.has_setting(name, self.floor))

    def _missing(self, row: BuiltFile) -> str | None:
        if self._modules is None or not self._has_all_modules or not row.modules or row.modules & self._modules:
            return None
        return f"no module {' or '.join(sorted(row.modules))}, neither as a file nor built in"
