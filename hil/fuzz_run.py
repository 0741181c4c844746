"""Give a device frames from a grammar until it stops, and find the one frame that did it, as short as it can be."""

from __future__ import annotations

import random
import re
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from hil.corpus import Corpus
from hil.fuzz import FrameGrammar, Grammar, minimised

__all__ = ["Crash", "Target", "fuzz"]

ALIVE_EVERY: Final = 10
ALIVE_TRIES: Final = 3
MOST_REMEMBERED: Final = 200
FROM_CORPUS: Final = 0.2
SHAPE_BYTES: Final = 24
DIGITS: Final = re.compile(rb"[0-9A-Fa-f]+")


class Target(Protocol):
    """A device that can be asked whether it is alive, and started anew."""

    def send(self, frame: bytes) -> bytes:
        """Send ``frame`` and return what the device says at once."""

    def is_alive(self) -> bool:
        """Ask."""

    def restart(self) -> None:
        """Bring it back, whatever state it is in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Crash:
    """What stops the device."""

    frame: bytes
    """The shortest that does: one frame, or what is left of several."""
    is_alone: bool
    """Whether it was made from one frame."""
    is_certain: bool
    """Whether it does so every time."""
    after: int
    """How many frames had been sent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Fuzzing:
    target: Target
    grammar: Grammar
    chance: random.Random
    corpus: Corpus

    def next_frame(self) -> bytes:
        """Return a new frame, or one that was worth keeping with one bit turned over."""
        if self.corpus.frames and self.chance.random() < FROM_CORPUS:
            return self.grammar.varied(self.chance.choice(self.corpus.frames), self.chance)
        return self.grammar.frame(self.chance)

    def culprit(self, sent: Sequence[bytes], after: int) -> Crash:
        """Find the last frame of ``sent`` that stops the device, else the last frames that do; make them short."""
        newest = [sent[-1 - number] for number in range(min(ALIVE_EVERY, len(sent)))]
        together = (b"".join(list(sent)[-count:]) for count in (ALIVE_EVERY, len(sent)))
        for number, frame in enumerate((*newest, *together)):
            if self._stops(frame):
                shortest = minimised(frame, lambda shorter: self._stops(shorter) or self._stops_sealed(shorter))
                found = shortest if self._stops(shortest) else self._sealed(shortest)
                self.corpus.keep_crash(found)
                return Crash(frame=found, is_alone=number < len(newest), is_certain=True, after=after)
        return Crash(frame=b"".join(newest[::-1]), is_alone=False, is_certain=False, after=after)

    def _stops(self, frame: bytes) -> bool:
        self.target.restart()
        self.target.send(frame)
        return not self.is_alive()

    def is_alive(self) -> bool:
        """Ask up to three times: half a frame may swallow the first question with it."""
        return any(self.target.is_alive() for _ in range(ALIVE_TRIES))

    def _stops_sealed(self, frame: bytes) -> bool:
        sealed = self._sealed(frame)
        return sealed != frame and self._stops(sealed)

    def _sealed(self, frame: bytes) -> bytes:
        return self.grammar.sealed(frame) if isinstance(self.grammar, FrameGrammar) else frame


def fuzz(
    target: Target,
    grammar: Grammar,
    chance: random.Random,
    *,
    frames: int,
    corpus: Corpus,
    progress: Callable[[float], None] = lambda _share: None,
) -> Crash | None:
    """Send what is in ``corpus`` and then made-up ``frames``; return what stopped the device, or None.

    A frame that the device answers in a way not seen before is kept, and others are made from it.
    """
    fuzzing = _Fuzzing(target=target, grammar=grammar, chance=chance, corpus=corpus)
    waiting = list(corpus.frames)
    shapes: set[bytes] = set()
    sent: deque[bytes] = deque(maxlen=MOST_REMEMBERED)
    total = len(waiting) + frames
    for number in range(1, total + 1):
        sent.append(waiting.pop(0) if waiting else fuzzing.next_frame())
        heard = target.send(sent[-1])
        shape = DIGITS.sub(b"0", heard)[:SHAPE_BYTES]
        if shape not in shapes:
            shapes.add(shape)
            corpus.keep(sent[-1])
        if number % ALIVE_EVERY and number != total:
            continue
        progress(number / total)
        if not fuzzing.is_alive():
            return fuzzing.culprit(sent, number)
    return None
