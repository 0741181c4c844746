"""Linux: the file that holds the fault was not compiled into this kernel.

The kernel's makers name the files that each correction touches. All of them must be shown to be absent: for another
processor, switched off in the configuration the kernel carries, or part of a module that is neither a file nor built
in. A file of which any of that is in doubt keeps the vulnerability.
"""

from __future__ import annotations

from collections.abc import Sequence
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
BUILD_FILES = frozenset({"Kbuild", "Kconfig", "Makefile"})
"""They say what is built and are not part of it."""
PROGRAMS_BESIDE = ("samples/", "tools/")
"""Programs for users that come with the source; what changes only these is no fault of a kernel."""
SHARED = {"arm": ("arm64",), "x86": ("um",), "sh": ("sh64",), "powerpc": ("ppc",), "sparc": ("sparc64",)}
"""Processors whose kernels also build files of the first. Source: Linux, arch/arm64/xen/Makefile, arch/um."""
MOST_EVIDENCE = 8


def file_not_built(fault: Fault, known: Known) -> Excuse | None:
    """Return why none of the files that hold the fault is in this kernel."""
    if known.component != "linux" or not fault.source_files:
        return None
    if all(file.startswith(PROGRAMS_BESIDE) for file in fault.source_files):
        return _excuse([f"{file}: a program beside the kernel" for file in fault.source_files], Confidence.MEDIUM)
    kernel = _Kernel(known, kernel_files())
    evidence = []
    for file in fault.source_files:
        if file.startswith(NOT_CODE) or PurePosixPath(file).name in BUILD_FILES:
            continue
        shown = kernel.absence(file)
        if shown is None:
            return None
        evidence.append(f"{file}: {shown}")
    if not evidence:
        return None
    is_sure = kernel.is_known_version and not fault.is_told_in_text
    return _excuse(evidence, Confidence.HIGH if is_sure else Confidence.MEDIUM)


def _excuse(evidence: Sequence[str], confidence: Confidence) -> Excuse:
    shown = evidence[0] if len(evidence) == 1 else f"{evidence[0]}; and {len(evidence) - 1} more"
    reason = f"the code is not in this kernel: {shown}"
    return Excuse(Justification.CODE_NOT_PRESENT, reason, tuple(evidence[:MOST_EVIDENCE]), confidence)


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
        self._digits = table.digits(known.version)

    @property
    def is_known_version(self) -> bool:
        """Whether the Makefiles of this version, or of one before it, were read."""
        return bool(self._digits.floor)

    def absence(self, file: str) -> str | None:
        """Return what shows that ``file`` is not in the kernel; None when nothing does for sure."""
        first, _, rest = file.partition("/")
        if first == "arch" and (foreign := self._foreign(rest.partition("/")[0] if "/" in rest else None)):
            return foreign
        rows = self._table.built(file)
        if not rows:
            return None
        floor, following, _ = self._digits
        if not floor:
            return self._absent(rows)
        if any(floor in row.seen for row in rows):
            return self._absent([row for row in rows if not {floor, following}.isdisjoint(row.seen)])
        origins = self._table.origins(file, floor)
        if origins is None:
            return None
        shown = self._absent(rows)
        if not origins or shown is None:
            return shown
        earlier = [self.absence(origin) for origin in origins]
        return None if any(each is None for each in earlier) else f"was in {origins[0]}: {earlier[0]}"

    def _absent(self, rows: Sequence[BuiltFile]) -> str | None:
        shown = [self._off(self._config, row) if self._config is not None else None for row in rows]
        if any(each is None for each in shown):
            shown = [off or self._missing(row) for off, row in zip(shown, rows, strict=True)]
        return None if any(each is None for each in shown) else shown[0]

    def _foreign(self, processor: str | None) -> str | None:
        own = self._architecture
        if own is None or processor is None or own == processor or own in SHARED.get(processor, ()):
            return None
        return f"it is for {processor}, this kernel runs on {own}"

    def _off(self, config: KernelConfig, row: BuiltFile) -> str | None:
        if self._modules is not None and len(row.ways) == 1 and len(row.ways[0]) == 1 and row.modules & self._modules:
            return None  # the configuration says off but the module is there: it belongs to another kernel
        missing = [next((name for name in way if self._is_off(config, name, row)), None) for way in row.ways]
        if any(name is None for name in missing):
            return None
        return f"{' and '.join(dict.fromkeys(f'CONFIG_{name}' for name in missing))} off"

    def _is_off(self, config: KernelConfig, name: str, row: BuiltFile) -> bool:
        """Return whether a setting is off: said so, or not said where this version has it or can have no such.

        A setting that only older versions have may go by another name in this one.
        """
        if name in config.on:
            return False
        floor, _, is_read = self._digits
        has_it = bool(floor) and self._table.has_setting(name, floor)
        return name in config.off or has_it or (is_read and max(row.seen) >= floor)

    def _missing(self, row: BuiltFile) -> str | None:
        """Return what shows that the module is not there which the file would be part of."""
        if self._modules is None or not row.modules or row.modules & self._modules:
            return None
        names = " or ".join(sorted(row.modules))
        if self._config is None:
            return f"no module {names}, neither as a file nor built in" if self._has_all_modules else None
        if not all(self._config.modules.intersection(way) for way in row.ways):
            return None
        return f"it is built as a module and there is no file of {names}"
