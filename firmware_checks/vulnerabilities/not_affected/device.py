"""What an image shows of the code in a device, and from that which vulnerabilities of its components do not apply.

Two functions for a scan::

    evidence = device_evidence(inventory)              # once for each image
    faults = faults_of(matches, product, database)     # see explain.py
    matches = explain(matches, component, evidence, faults)

``explain`` returns all matches in their order: those that do not apply as ``not_affected`` with one of the five
justifications of VEX, a reason in words and what shows it; those that a distribution may have mended as
``under_investigation``; the others as they were.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from firmware_checks.fact_collection import FileFacts
from firmware_checks.fact_reader import HoldingKind, Relation
from firmware_checks.inventory import Inventory
from firmware_checks.region import Region
from firmware_checks.vulnerabilities.not_affected.backports import ChangeLog, Package, mended_by_distribution
from firmware_checks.vulnerabilities.not_affected.explain import explain_with
from firmware_checks.vulnerabilities.not_affected.features import ProgramTexts, absent_features, programs_with_texts
from firmware_checks.vulnerabilities.not_affected.function_forms import (
    FunctionForms,
    function_forms,
    judged_by_functions,
)
from firmware_checks.vulnerabilities.not_affected.reason import Fault, Known
from toolkit.report.model import Component, Coverage
from toolkit.report.vulnerability import Match, MatchStatus

__all__ = ["DeviceEvidence", "KernelConfigFile", "ModuleTree", "device_evidence", "explain"]

PROCESSORS = {
    "arm": "arm",
    "aarch64": "arm64",
    "mips": "mips",
    "mips64": "mips",
    "powerpc": "powerpc",
    "riscv32": "riscv",
    "riscv64": "riscv",
    "x86": "x86",
    "x86_64": "x86",
    "xtensa": "xtensa",
}
"""Our names of processors and the folders under ``arch/`` of the kernel."""
KERNEL_FORMATS = frozenset({"linux-zimage", "linux-bzimage", "linux-image", "linux-efi-zboot"})
PACKAGE_TYPES = frozenset({"apk", "deb", "opkg", "rpm"})
MOST_SECRET_BYTES = 1 << 20
"""With more bytes that look encrypted, modules may be among them: a list of modules is then not whole."""
_TREE = re.compile(r"^(?P<root>.*?)(?:usr/)?lib/modules/(?P<release>[^/!]+)/(?P<rest>[^!]+)$")
_MODULE = re.compile(r"\.ko(?:\.(?:gz|xz|zst|bz2))?$")
_TITLE = re.compile(r"^# Linux/(\S{1,40}) ", re.MULTILINE)
_SERIES = re.compile(r"\d+\.\d+")


@dataclass(frozen=True, slots=True, kw_only=True)
class KernelConfigFile:
    """The configuration a kernel was built with."""

    path: str
    version: str
    text: str

    @property
    def processor(self) -> str | None:
        """The processor its first lines name, as the folder under ``arch/`` of the kernel."""
        found = _TITLE.search(self.text)
        return found[1] if found is not None else None


@dataclass(frozen=True, slots=True, kw_only=True)
class ModuleTree:
    """The modules of one release of the kernel, wherever they stand in the image."""

    release: str
    path: str
    """Where the first of them stands."""
    names: frozenset[str]
    """Paths of module files and lines of ``modules.builtin``."""
    has_builtin_list: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceEvidence:
    """What an image shows of the code that is in it; what is empty was not seen, which is not the same as absent."""

    processor: str | None = None
    """The kernel's processor as its folder under ``arch/`` is named."""
    configs: tuple[KernelConfigFile, ...] = ()
    module_trees: tuple[ModuleTree, ...] = ()
    """Empty when modules may stand in parts of the image that could not be read."""
    applets: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """Sub-programs of each BusyBox, by path."""
    functions: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """All functions of each file that was not stripped, by path."""
    packages: tuple[Package, ...] = ()
    change_logs: tuple[ChangeLog, ...] = ()
    texts: ProgramTexts = field(default_factory=ProgramTexts)
    """Texts that show which parts of a product its programs were built with."""
    fixes: FunctionForms = field(default_factory=FunctionForms)
    """Functions that were recognised as they were before or after a correction."""
    is_all_read: bool = False
    """Whether nothing of the image is left that could hold more."""


def device_evidence(inventory: Inventory) -> DeviceEvidence:
    """Return what the image shows of the code in it."""
    files, is_all_read = inventory.files, _is_all_read(inventory.coverage)
    configs = tuple(_configs(files))
    return DeviceEvidence(
        processor=_processor(configs, inventory),
        configs=configs,
        module_trees=_module_trees(inventory) if is_all_read else (),
        applets=_names_by_path(files, HoldingKind.APPLETS),
        functions=_names_by_path(files, HoldingKind.FUNCTIONS),
        packages=tuple(_packages(files)),
        change_logs=tuple(_change_logs(files)),
        texts=programs_with_texts(inventory),
        fixes=function_forms(inventory),
        is_all_read=is_all_read,
    )


def explain(
    matches: Iterable[Match], component: Component, evidence: DeviceEvidence, faults: Mapping[str, Fault]
) -> tuple[Match, ...]:
    """Return all ``matches`` of ``component``, with those marked that do not apply; ``faults``: see ``faults_of``.

    Where the image holds several kernels or copies that may be the component, each of them must show it.
    """
    explained = list(matches)
    candidates = list(_known(component, evidence))
    if candidates:
        answers = [explain_with(explained, faults, known) for known in candidates]
        explained = [_agreed(before, after) for before, *after in zip(explained, *answers, strict=True)]
    if absent := absent_features(component, evidence.texts, is_all_read=evidence.is_all_read):
        explained = list(explain_with(explained, faults, Known(component=component.name, absent_features=absent)))
    packages = [package for package in evidence.packages if package.is_of(component)]
    explained = [mended_by_distribution(match, packages, evidence.change_logs) for match in explained]
    return judged_by_functions(explained, component, evidence.fixes)


def _agreed(before: Match, after: list[Match]) -> Match:
    if all(match.status is MatchStatus.NOT_AFFECTED for match in after):
        return after[0]
    return before


def _known(component: Component, evidence: DeviceEvidence) -> Iterator[Known]:
    """Yield what is known of each thing in the image that may be the component."""
    paths = {seen.path for seen in component.evidence}
    if component.name == "linux":
        yield from _kernels(component, evidence)
    elif component.name == "busybox":
        of_it = {path: names for path, names in evidence.applets.items() if path in paths} or evidence.applets
        yield from (Known(component=component.name, applets=names, seen_in=(path,)) for path, names in of_it.items())
    elif paths and paths <= set(evidence.functions):
        for path in sorted(paths):
            yield Known(component=component.name, functions=evidence.functions[path], seen_in=(path,))


def _kernels(component: Component, evidence: DeviceEvidence) -> Iterator[Known]:
    """Yield what is known of each kernel that may be ``component``, for each configuration of its version."""
    version = component.version
    configs: list[KernelConfigFile | None] = [
        config for config in evidence.configs if version is not None and config.version == version
    ]
    series = _SERIES.match(version or "")
    trees = [tree for tree in evidence.module_trees if series is not None and tree.release.startswith(series[0])]
    modules = frozenset().union(*(tree.names for tree in trees)) if trees else None
    for config in configs or [None]:
        yield Known(
            component=component.name,
            version=version,
            config=config.text if config is not None else None,
            modules=modules,
            has_builtin_list=bool(trees) and all(tree.has_builtin_list for tree in trees),
            architecture=(config.processor if config is not None else None) or evidence.processor,
            seen_in=(*([config.path] if config is not None else []), *(tree.path for tree in trees)),
        )


def _configs(files: Mapping[str, FileFacts]) -> Iterator[KernelConfigFile]:
    for path, facts in files.items():
        for holding in facts.holdings:
            if holding.kind is HoldingKind.KERNEL_CONFIG:
                yield KernelConfigFile(path=path, version=holding.subject, text=holding.text)


def _names_by_path(files: Mapping[str, FileFacts], kind: HoldingKind) -> dict[str, frozenset[str]]:
    found = ((path, holding) for path, facts in files.items() for holding in facts.holdings)
    return {path: holding.names for path, holding in found if holding.kind is kind}


def _change_logs(files: Mapping[str, FileFacts]) -> Iterator[ChangeLog]:
    for path, facts in files.items():
        for holding in facts.holdings:
            if holding.kind is HoldingKind.CHANGES:
                yield ChangeLog(path=path, package=holding.subject, release=holding.release, mended=holding.names)


def _packages(files: Mapping[str, FileFacts]) -> Iterator[Package]:
    for path, facts in files.items():
        for said in facts.statements:
            if said.relation is Relation.LISTS and said.purl_type in PACKAGE_TYPES and said.release is not None:
                yield Package(
                    path=path, name=said.name, version=said.version, release=said.release, excerpt=said.excerpt
                )


def _processor(configs: Iterable[KernelConfigFile], inventory: Inventory) -> str | None:
    """Return the processor of the kernel; None when several are possible or nothing tells.

    Programs do not tell it: a 64-bit kernel runs 32-bit programs.
    """
    found = {config.processor for config in configs}
    found |= {PROCESSORS.get(region.program.arch) for region in _of_kernel(inventory.regions()) if region.program}
    return found.pop() if len(found) == 1 else None


def _of_kernel(regions: Iterable[Region]) -> Iterator[Region]:
    """Yield the regions that are compiled for the kernel's processor: kernels and their modules."""
    for region in regions:
        if region.format in KERNEL_FORMATS or region.span.path.endswith(".ko"):
            yield region


def _module_trees(inventory: Inventory) -> tuple[ModuleTree, ...]:
    """Return the modules by release of the kernel; one release may stand in several file systems."""
    files: dict[str, dict[str, None]] = defaultdict(dict)
    for entry in inventory.entries:
        found = _TREE.match(entry.path)
        if found is not None and _MODULE.search(found["rest"]):
            files[found["release"]].setdefault(entry.path)
    built_in: dict[str, set[str]] = defaultdict(set)
    for path, names in _names_by_path(inventory.files, HoldingKind.BUILTIN_MODULES).items():
        found = _TREE.match(path)
        if found is not None:
            built_in[found["release"]] |= names
            files[found["release"]].setdefault(path)
    return tuple(
        ModuleTree(
            release=release,
            path=next(iter(paths)),
            names=frozenset(path for path in paths if _MODULE.search(path)) | frozenset(built_in[release]),
            has_builtin_list=release in built_in and bool(built_in[release]),
        )
        for release, paths in files.items()
    )


def _is_all_read(coverage: Coverage) -> bool:
    """Return whether no modules can stand in parts of the image that were not read."""
    return not coverage.unread and not coverage.limits_hit and coverage.encrypted_bytes <= MOST_SECRET_BYTES
