"""Power cuts in an update of the compiled demo pump: at every write to its flash.

Faster than the check ``update-power-cut``, and nearer to the flash: each cut starts from the same content, and what
comes of it is read off the pump that starts again.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, Self

from hil.demo_console import PASSWORD
from hil.demo_image import Recipe, built
from hil.demo_loader import BLOCK_BYTES, FLASH_BYTES
from hil.errors import BenchError, LinkLost, NoAnswer
from hil.transport import FlashPort, Transport, make_transport

__all__ = ["Cut", "Pump", "all_cuts"]

TORN_BYTES: Final = (0, 7, None)
"""Of the write that is cut: nothing, a few bytes, all."""
NEVER: Final = 1 << 30
START_S: Final = 3.0
REPLY_S: Final = 2.0
READY: Final = b"demo-pump ready\r\n"
RECOVERY: Final = b"demo-pump recovery\r\n"


@dataclass(frozen=True, slots=True)
class Cut:
    """One power cut: in write number ``write`` of an update, of which ``torn_bytes`` are done; None: all."""

    write: int
    torn_bytes: int | None

    def __str__(self) -> str:
        """Return it in words."""
        return f"write {self.write}, {'all' if self.torn_bytes is None else self.torn_bytes} bytes of it done"


def all_cuts(writes: int) -> Iterator[Cut]:
    """Yield every cut of an update with so many writes."""
    for write in range(1, writes + 1):
        for torn_bytes in TORN_BYTES:
            yield Cut(write, torn_bytes)


class Pump:
    """One emulated pump with flash, brought back to the same content before each cut. A context manager."""

    def __init__(self, url: str, program: bytes) -> None:
        self._transport = make_transport(url)
        self._image = built(Recipe(version=(2, 2, 0), counter=8, program=program))
        self._factory = self.flash.read(0, FLASH_BYTES)

    @property
    def transport(self) -> Transport:
        """The connection to it."""
        return self._transport

    @property
    def flash(self) -> FlashPort:
        """Its flash; ``LinkLost`` where it has none, as QEMU on Windows."""
        if self._transport.flash is None:
            raise LinkLost(f"{self._transport.url}: there is no flash that outlives a power cut")
        return self._transport.flash

    def __enter__(self) -> Self:
        """Switch it on."""
        self._transport.open()
        return self

    def __exit__(self, *_: object) -> None:
        """Let go of it."""
        self._transport.close()

    def as_from_the_factory(self) -> None:
        """Bring the flash back and start."""
        self._transport.power.off()
        self.flash.cut_power_at(NEVER)
        self.flash.write(0, self._factory)
        self._switch_on()
        self._until(READY, START_S)

    def update(self) -> None:
        """Bring an update all the way: blocks, install, start, confirm; ``NoAnswer`` when the power goes."""
        self._ask(b"login " + PASSWORD)
        self._ask(b"update %d" % len(self._image))
        for at in range(0, len(self._image), BLOCK_BYTES):
            self._ask(b"block %d %s" % (at, self._image[at : at + BLOCK_BYTES].hex().encode()))
        self._ask(b"install")
        self._restart()
        self._ask(b"login " + PASSWORD)
        self._ask(b"confirm")

    def writes_of_an_update(self) -> int:
        """Return how many writes to flash an update makes that nothing disturbs."""
        self.as_from_the_factory()
        before = self.flash.writes
        self.update()
        return self.flash.writes - before

    def survives(self, cut: Cut) -> bool:
        """Cut the power there, give it back, and tell whether the pump starts its program by itself."""
        self.as_from_the_factory()
        self.flash.cut_power_at(cut.write, cut.torn_bytes)
        with suppress(BenchError):
            self.update()
        return self.starts()

    def starts(self) -> bool:
        """Take the power away, give it back, and tell whether the pump starts its program by itself."""
        self._transport.power.off()
        self.flash.cut_power_at(NEVER)
        try:
            self._restart()
        except NoAnswer:
            return False
        return True

    def _restart(self) -> None:
        self._transport.power.off()
        self._switch_on()
        self._until(READY, START_S)

    def _switch_on(self) -> None:
        self._transport.open()  # where an emulator was killed, it is closed
        self._transport.power.on()

    def _ask(self, line: bytes) -> None:
        self._transport.write(line + b"\r")
        answer = self._until(b"\r\n", REPLY_S)
        if not answer.startswith(b"="):
            raise BenchError(f"{line[:16]!r} was refused: {answer!r}")

    def _until(self, end: bytes, timeout_s: float) -> bytes:
        """Return what is said up to ``end``; ``NoAnswer`` where that does not come, or the pump is in recovery."""
        clock = self._transport.clock
        end_s, heard = clock.now_s() + timeout_s, b""
        while not heard.endswith(end):
            if clock.now_s() >= end_s or heard.endswith(RECOVERY):
                raise NoAnswer(f"no {end!r} came", heard)
            heard += self._transport.read(end_s - clock.now_s())
        return heard
