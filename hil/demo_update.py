"""How the bench checks bring updates to the demo pump."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final, TypeVar

from hil.bench_check import Session
from hil.bench_image import compiled_program
from hil.demo_client import log_in, reply, restart
from hil.demo_image import Recipe
from hil.demo_loader import BLOCK_BYTES
from hil.errors import NotTested

__all__ = ["BLOCK_BYTES", "begin", "install", "judge", "next_recipe", "send_blocks", "settle", "some", "version"]

COMPILED: Final = ("qemu", "unicorn")
Thing = TypeVar("Thing")
NOT_ASKED: Final = (b"!busy", b"!trial", b"!login", b"!unknown")
"""Answers that say nothing about the update itself."""


def version(session: Session) -> tuple[tuple[int, int, int], int]:
    """Return version and security counter of what runs."""
    words = reply(session, b"version").removeprefix(b"=").split(b" ")
    try:
        major, minor, revision = (int(part) for part in words[0].split(b"."))
        return (major, minor, revision), int(words[1])
    except (ValueError, IndexError):
        raise NotTested("the device does not say which version runs") from None


def next_recipe(session: Session) -> Recipe:
    """Return what a good update says: newer than what runs. Its program is ``--file program=PATH`` where given.

    Without it, an emulator gets the program that it runs, and the model, which runs none, a piece of text.
    """
    (major, minor, revision), counter = version(session)
    recipe = Recipe(version=(major, minor, revision + 1), counter=counter + 1)
    program = session.files.get("program")
    if program is not None:
        return replace(recipe, program=program.read_bytes())
    is_compiled = session.device.transport.url.scheme.rpartition("+")[2] in COMPILED
    return replace(recipe, program=compiled_program()) if is_compiled else recipe


def some(things: Sequence[Thing], most: int) -> list[Thing]:
    """Return ``most`` of ``things`` at the most, evenly spread, the last one among them."""
    count = min(most, len(things))
    return [things[(number + 1) * len(things) // count - 1] for number in range(count)]


def begin(session: Session, size_bytes: int) -> bytes:
    """Announce an update of this size, and return the answer."""
    log_in(session)
    answer = reply(session, b"update %d" % size_bytes)
    if answer in NOT_ASKED:
        raise NotTested(f"no update can be begun: {answer.decode('latin-1')}")
    return answer


def send_blocks(session: Session, image: bytes) -> bytes:
    """Send all of ``image``; return the last answer, or the first refusal."""
    answer = b""
    for offset in range(0, len(image), BLOCK_BYTES):
        answer = reply(session, b"block %d %s" % (offset, image[offset : offset + BLOCK_BYTES].hex().encode()))
        if answer.startswith(b"!"):
            break
    return answer


def install(session: Session, image: bytes) -> bytes:
    """Bring the whole of ``image`` and return what the device says in the end."""
    answer = begin(session, len(image))
    if answer.startswith(b"="):
        answer = send_blocks(session, image)
    return reply(session, b"install") if answer.startswith(b"=") else answer


def judge(session: Session, images: dict[str, bytes]) -> tuple[str, bytes]:
    """Offer each of ``images``; return the name of the first that was taken, else nothing, and the last answer."""
    answer = b""
    for name, image in images.items():
        answer = install(session, image)
        if answer.startswith(b"="):
            return name, answer
    return "", answer


def settle(session: Session) -> None:
    """Start twice, so that an update on trial is gone again."""
    restart(session)
    restart(session)
