"""A dump held against a signed baseline."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from signing.key import PublicKey
from toolkit import __version__
from toolkit.core.errors import InputError
from toolkit.hardening.integrity.area_comparison import compare_areas
from toolkit.hardening.integrity.baseline import Baseline, BaselineVolume, baseline_of, verified_baseline
from toolkit.hardening.integrity.drift import Change, Drift
from toolkit.hardening.integrity.file_comparison import Comparison, compare_volumes, paired
from toolkit.hardening.integrity.memory_comparison import compare_memory
from toolkit.hardening.subject import HardeningSubject
from toolkit.report.model import Tool

__all__ = ["TrustedBaseline", "drift_of", "trusted_baseline"]


@dataclass(frozen=True, slots=True)
class TrustedBaseline:
    """A baseline that a trusted key has signed."""

    baseline: Baseline
    sha256: str
    """Of the file."""
    key_id: str


def trusted_baseline(data: bytes, keys: tuple[PublicKey, ...]) -> TrustedBaseline:
    """Return the baseline in the file ``data``; ``Refusal`` when none of ``keys`` has signed it as it is."""
    baseline, key = verified_baseline(data, keys)
    return TrustedBaseline(baseline, hashlib.sha256(data).hexdigest(), key.key_id)


def drift_of(trusted: TrustedBaseline, subject: HardeningSubject) -> Drift:
    """Return what is different in ``subject``; raise ``InputError`` when it is not of the same device at all.

    What may change is said by the profile of ``subject``.
    """
    baseline = trusted.baseline
    _require_same_device(baseline, subject)
    dump = baseline_of(subject)
    comparison = Comparison(mutable=dump.mutable_paths, carriers=_carriers(baseline.volumes) & _carriers(dump.volumes))
    for old, new in paired(_compared(baseline.volumes), _compared(dump.volumes)):
        _compare_pair(old, new, comparison)
    compare_areas(baseline.areas, dump.areas, comparison)
    compare_memory(baseline.memory, dump.memory, dump.mutable_regions, comparison)
    _say_what_was_not_read(baseline, dump, comparison)
    return Drift(
        format="medharden-drift-1",
        tool=Tool(name="medharden", version=__version__),
        baseline_sha256=trusted.sha256,
        baseline_image=baseline.image,
        baseline_contents_sha256=baseline.contents_sha256,
        baseline_day=baseline.day,
        signed_by=trusted.key_id,
        image=dump.image,
        image_sha256=subject.image_sha256,
        profile=dump.profile,
        compared=comparison.compared,
        expected=comparison.expected,
        rows=tuple(sorted(comparison.rows, key=lambda row: (row.path, row.change))),
        not_compared=tuple(comparison.not_compared),
        notes=tuple(comparison.notes),
    )


def _require_same_device(baseline: Baseline, subject: HardeningSubject) -> None:
    if baseline.profile != subject.profile.id:
        raise InputError(f"the baseline is of a device with profile {baseline.profile}, not {subject.profile.id}")
    if baseline.system is not subject.system:
        raise InputError(
            f"{subject.image_name}: the baseline is of a {baseline.system.value} system, and this looks like "
            f"{subject.system.value}: it is another device, or the dump is damaged or cut"
        )


def _carriers(volumes: Sequence[BaselineVolume]) -> set[str]:
    """Return the paths of the files that hold volumes."""
    found: set[str] = set()
    for volume in volumes:
        parts = volume.path.split("!")
        found.update("!".join(parts[: depth + 1]) for depth in range(len(parts)) if volume.path)
    return found


def _compared(volumes: Sequence[BaselineVolume]) -> list[BaselineVolume]:
    """Return the volumes without those that are nothing but wrapping around another one, such as gzip."""
    carriers = _carriers(volumes)
    return [volume for volume in volumes if not _is_wrapping(volume, carriers)]


def _is_wrapping(volume: BaselineVolume, carriers: Collection[str]) -> bool:
    paths = (f"{volume.path}!{file.name}" if volume.path else file.name for file in volume.files)
    return len(volume.files) == 1 and all(path in carriers for path in paths)


def _compare_pair(old: BaselineVolume | None, new: BaselineVolume | None, comparison: Comparison) -> None:
    if old is not None and new is not None:
        compare_volumes(old, new, comparison)
    elif old is not None:
        detail = f"a volume with {len(old.files)} entries is not there any more, or cannot be read"
        comparison.add(Change.REMOVED, old.path or "the image", detail)
    elif new is not None and new.files:
        has_code = any(file.code.is_code for file in new.files)
        detail = f"a volume with {len(new.files)} entries is not in the baseline"
        comparison.add(Change.ADDED, new.path or "the image", detail, may_run=has_code)


def _say_what_was_not_read(baseline: Baseline, dump: Baseline, comparison: Comparison) -> None:
    for what, one in (("in the dump", dump), ("for the baseline", baseline)):
        comparison.not_compared.extend(f"{row.path}: not read {what}: {row.reason}" for row in one.unread)
        comparison.not_compared.extend(f"limit reached {what}: {sentence}" for sentence in one.limits_hit)
    known = {row.reason for row in baseline.problems}
    for row in dump.problems:
        told = comparison.notes if row.reason in known else comparison.not_compared
        told.append(f"{row.path}: {row.reason}")
