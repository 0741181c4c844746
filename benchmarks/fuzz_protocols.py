"""Give every protocol of the bench random bytes and damaged frames, and see that its decoder stays calm.

A frame may be read or refused with ``FormatError``; what is read must be built and read back as the same message; a
stream decoder must hold no more than the longest frame. Anything else is a crash; a case longer than a second is a
hang. Case n of a protocol is the same in every run. Every third case is random bytes, the others are built from the
protocol's own messages and damaged as in ``fuzz.py``, half of them with the check value made right again, so that what
is behind it is tried too; every fourth goes through the stream decoder in pieces.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from dataclasses import dataclass, field
from typing import Any

from fuzz import CASE_S, mutated

from hil.protocol import Protocol, protocols
from toolkit.core.errors import FormatError

MOST_RANDOM_BYTES = 200
SHOWN = 5
SEALED = 0.5


@dataclass(slots=True)
class Tally:
    """What became of the cases of one protocol."""

    name: str
    cases: int = 0
    read: int = 0
    refused: int = 0
    streamed: int = 0
    seconds: float = 0.0
    slowest_s: float = 0.0
    wrong: list[str] = field(default_factory=list)


def case(protocol: Protocol[Any], number: int) -> tuple[bytes, random.Random]:
    """Return the bytes of one case."""
    chance = random.Random(f"{protocol.name} {number}")  # noqa: S311  # repeatable on purpose
    if number % 3 == 0:
        return chance.randbytes(chance.randint(0, MOST_RANDOM_BYTES)), chance
    frame = protocol.encode(protocol.sample(chance))
    if number % 4 == 0:
        frame += protocol.encode(protocol.sample(chance))
    damaged = mutated(frame, chance)
    return (protocol.seal(damaged) if protocol.seal is not None and chance.random() < SEALED else damaged), chance


def stream(protocol: Protocol[Any], data: bytes, chance: random.Random) -> None:
    decoder = protocol.decoder()
    cut = chance.randint(0, len(data))
    found = decoder.feed(data[:cut]) + decoder.feed(data[cut:])
    if decoder.waiting_bytes > protocol.most_bytes:
        raise AssertionError(f"{decoder.waiting_bytes} bytes wait")
    for message in found:
        there_and_back(protocol, message)


def there_and_back(protocol: Protocol[Any], message: Any) -> None:
    again = protocol.decode(protocol.encode(message))
    if again != message and repr(again) != repr(message):  # a NaN is not equal to itself
        raise AssertionError(f"{message} became {again}")


def one(protocol: Protocol[Any], number: int, tally: Tally) -> None:
    data, chance = case(protocol, number)
    start = time.process_time()
    try:
        if number % 4 == 0:
            tally.streamed += 1
            stream(protocol, data, chance)
        there_and_back(protocol, protocol.decode(data))
        tally.read += 1
    except FormatError:
        tally.refused += 1
    except Exception as error:  # noqa: BLE001  # every other error is what we look for
        tally.wrong.append(f"case {number}: {type(error).__name__}: {error} {data[:60].hex(' ')}")
    took = time.process_time() - start
    tally.slowest_s = max(tally.slowest_s, took)
    if took > CASE_S:
        tally.wrong.append(f"case {number} took {took:.1f} s")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--cases", type=int, default=100_000, help="for each protocol")
    parser.add_argument("names", nargs="*", help="protocols; all when none is named")
    options = parser.parse_args()
    wrong = 0
    for name, protocol in sorted(protocols().items()):
        if options.names and name not in options.names:
            continue
        tally = Tally(name)
        start = time.process_time()
        for number in range(options.cases):
            one(protocol, number, tally)
        tally.cases, tally.seconds = options.cases, time.process_time() - start
        wrong += len(tally.wrong)
        print(
            f"{name:18} {tally.cases:7} cases, {tally.streamed:6} through the stream decoder, read {tally.read:6}, "
            f"refused {tally.refused:6}, slowest {1000 * tally.slowest_s:5.1f} ms, {tally.seconds:5.1f} s CPU, "
            f"{len(tally.wrong)} wrong",
            flush=True,
        )
        for text in tally.wrong[:SHOWN]:
            print("   ", text)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
