"""Brings a verified update into a device, step by step, so that power may fail at any of them.

Nothing is written before what will be written was copied to where nobody else reaches it and verified there. Everything
goes to the slots that do not count; one record then puts them on trial together; they count once the device has started
with them and says it is well. Every step stands in the log before and after.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import BinaryIO, Final

import msgspec

from signing.chain_log import ChainLog, Head
from signing.freshness import Freshness
from signing.install.slots import TRIES, Pair, SlotState, Target, load_state, store_state, with_slot
from signing.package.release import File
from signing.refusal import Refusal
from signing.unit import Unit, after_install, not_older
from signing.verified import VerifiedUpdate, require_digest, require_verified

__all__ = ["InstallResult", "install"]

CHUNK_BYTES: Final = 4 << 10
"""Pieces in which a slot is written and read back; the erase unit of common flash."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InstallResult:
    """What is to be remembered of the device, and where the log stands."""

    unit: Unit
    log: Head


def install(update: VerifiedUpdate, target: Target, log: ChainLog, moment: datetime) -> InstallResult:
    """Install ``update`` in ``target``; ``Refusal`` when it is none, does not fit, or does not work there.

    After a refusal the device runs what it ran before.
    """
    genuine = require_verified(update)
    _check_age(genuine, moment)
    with target.lock():
        log.entries(genuine.unit.log)
        state = load_state(target)
        payloads = {str(file.component): file for file in genuine.release.payloads}
        _check_fit(payloads, state, target)
        log.add("install.start", moment, **_told(genuine))
        with _logged(log, moment, genuine):
            state = _write_all(genuine, payloads, state, target)
            log.add("install.written", moment, release=genuine.release_sha256)
            _try(target, state)
        head = log.add("install.confirmed", moment, release=genuine.release_sha256)
    after = after_install(genuine.unit_after, genuine.release)
    return InstallResult(unit=msgspec.structs.replace(after, log=head), log=head)


@contextmanager
def _logged(log: ChainLog, moment: datetime, update: VerifiedUpdate) -> Iterator[None]:
    """Write into the log that the enclosed steps failed, if they do."""
    try:
        yield
    except Exception as error:
        log.add("install.failed", moment, release=update.release_sha256, reason=str(error)[:500])
        raise


def _told(update: VerifiedUpdate) -> dict[str, object]:
    """Return what the log says about an update: never silent about one that was not fresh."""
    told: dict[str, object] = {
        "release": update.release_sha256,
        "model": update.release.model,
        "version": update.release.version,
        "unit": update.unit.serial or "",
        "approved": {a.repository: dict(a.signers) for a in update.approvals},
        "freshness": update.judgement.freshness.value,
    }
    if update.judgement.freshness is not Freshness.FRESH:
        told["why_not_fresh"] = update.judgement.reason
    if update.override is not None:
        told["override"] = {
            "reason": update.override.override.reason,
            "until": update.override.override.until,
            "signed_by": sorted(update.override.signers),
        }
    return told


def _check_age(update: VerifiedUpdate, moment: datetime) -> None:
    """Refuse what has expired since it was verified; what was overridden was decided on as it is."""
    judgement = update.judgement
    if judgement.freshness is Freshness.FRESH and moment >= judgement.expires:
        raise Refusal("freshness.stale", f"the update expired on {judgement.expires:%Y-%m-%d}, after it was verified")


def _check_fit(payloads: Mapping[str, File], state: SlotState, target: Target) -> None:
    """Ask the device itself, not only what we remember of it."""
    for component, file in payloads.items():
        if component not in state.pairs:
            raise Refusal("binding.component", f"this device has no slots for {component}")
        if file.size > target.slot_bytes(component):
            raise Refusal("binding.size", f"{file.name} does not fit the slots of {component}")
        counter = target.counter(component)
        if (file.security_counter or 0) < counter:
            message = f"security counter {file.security_counter} of {component} is lower than {counter} in the device"
            raise Refusal("rollback.counter", message)
        _check_version(file, component, state.pairs[component])


def _check_version(file: File, component: str, pair: Pair) -> None:
    """Refuse what is older than what the device holds now: something newer may have come in since it was verified."""
    there, offered = pair.version[pair.active], str(file.version)
    if not there:
        return
    if not not_older(offered, there):
        raise Refusal("rollback.version", f"{component} {offered} is older than {there}, which runs in this device")
    if not_older(there, offered) and pair.sha256[pair.active] != file.sha256:
        raise Refusal("rollback.same-version", f"{component} {there} runs in this device already, with another content")


def _write_all(update: VerifiedUpdate, payloads: Mapping[str, File], state: SlotState, target: Target) -> SlotState:
    """Fill the slots that do not count, then put them on trial with one record."""
    if state.trial:
        state = store_state(target, msgspec.structs.replace(state, trial=(), tries=0))
    pairs: dict[str, Pair] = dict(state.pairs)
    for component, file in payloads.items():
        slot = pairs[component].other
        with update.private_copy(file) as content:
            target.erase(component, slot)
            _write(target, component, slot, content)
        _read_back(target, component, slot, file)
        pairs[component] = with_slot(
            pairs[component],
            sha256=file.sha256,
            size=file.size,
            version=file.version or "",
            counter=file.security_counter or 0,
        )
    return store_state(target, msgspec.structs.replace(state, pairs=pairs, trial=tuple(payloads), tries=TRIES))


def _write(target: Target, component: str, slot: int, content: BinaryIO) -> None:
    offset = 0
    while chunk := content.read(CHUNK_BYTES):
        target.write(component, slot, offset, chunk)
        offset += len(chunk)


def _read_back(target: Target, component: str, slot: int, file: File) -> None:
    digest = hashlib.sha256()
    size = 0
    while size < file.size:
        chunk = target.read(component, slot, size, min(CHUNK_BYTES, file.size - size))
        if not chunk:
            break
        digest.update(chunk)
        size += len(chunk)
    try:
        require_digest(file, digest.hexdigest(), size)
    except Refusal as refusal:
        message = f"{component} of the device does not hold what was written"
        raise Refusal("install.readback", message) from refusal


def _try(target: Target, trial: SlotState) -> None:
    """Start the device with what is on trial; let it count if the device is well, and take it back if not."""
    running = target.restart()
    started = all(running.get(name) == trial.pairs[name].other for name in trial.trial)
    state = load_state(target)
    if not started or not target.is_healthy():
        store_state(target, msgspec.structs.replace(state, trial=(), tries=0))
        target.restart()
        raise Refusal("install.health", "the device is not well with the new version; the old one runs again")
    pairs = {
        name: msgspec.structs.replace(pair, active=pair.other) if name in trial.trial else pair
        for name, pair in state.pairs.items()
    }
    store_state(target, msgspec.structs.replace(state, pairs=pairs, trial=(), tries=0))
    for name in trial.trial:
        target.raise_counter(name, pairs[name].counter[pairs[name].active])
