"""LMS keys in a folder: ``lms:firmware.lms``, or ``lms:firmware.lms?witness=/safe/firmware.witness``."""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path
from typing import Final

from signing.durable import SystemDisk
from signing.key import KeyScheme, PublicKey, Secrets, Signer
from signing.lms.parameters import parameters_named, split_public_key, split_spki
from signing.lms.store import Place, create_key, opened, public_key
from toolkit.core.errors import InputError

__all__ = ["SCHEME"]

PREFIX: Final = "lms-sha256-"
OFFERED: Final = tuple(
    f"{PREFIX}m{size}-h{height}-w{width}" for size in (24, 32) for height in (5, 10, 15) for width in (4, 8)
)
"""Higher trees take hours to make."""


def _place(rest: str) -> Place:
    path, mark, query = rest.partition("?")
    name, _equals, witness = query.partition("=")
    folder = Path(path)
    if mark and (name != "witness" or not witness):
        raise InputError(f"'lms:{rest}': after the ? comes witness= and a file")
    return Place(SystemDisk(), folder, Path(witness) if mark else folder.with_name(f"{folder.name}.witness"))


def _create(rest: str, algorithm: str, secrets: Secrets) -> PublicKey:
    place = _place(rest)
    try:
        for folder in (place.folder, place.witness.parent):
            folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{place.folder}: cannot be made: {error.strerror or error}") from error
    return create_key(place, parameters_named(algorithm.removeprefix(PREFIX)), secrets)


def _open(rest: str, secrets: Secrets) -> AbstractContextManager[Signer]:
    return opened(_place(rest), secrets)


def _public(rest: str, secrets: Secrets) -> PublicKey:  # noqa: ARG001  # the contract of every scheme
    return public_key(_place(rest))


def _facts(rest: str) -> dict[str, int | str]:
    place = _place(rest)
    public = public_key(place)
    _levels, parameters = split_public_key(split_spki(public.encoded) or b"")
    used = place.counter(public.key_id).used()
    return {
        "kept": "in an encrypted file",
        "witness": str(place.witness),
        "signatures_used": used,
        "signatures_left": parameters.signatures - used,
    }


def _warnings(rest: str) -> tuple[str, ...]:
    """Tell when one restored backup would bring back folder and witness together: nothing could notice that."""
    place = _place(rest)
    if place.folder.stat().st_dev != place.witness.stat().st_dev:
        return ()
    risk = "a restored backup or snapshot of the whole computer would not be noticed"
    return (f"{place.witness} is on the same medium as the key: {risk}; keep it on another one with ?witness=",)


SCHEME = KeyScheme(
    name="lms",
    title="A folder with a key that can sign a fixed number of times",
    example="lms:firmware.lms",
    algorithms=lambda: OFFERED,
    open=_open,
    create=_create,
    public=_public,
    facts=_facts,
    warnings=_warnings,
)
