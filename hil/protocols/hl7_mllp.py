"""HL7 version 2 messages in the Minimal Lower Layer Protocol: VT, the segments each ended by CR, FS, CR.

The first segment is MSH; the byte after ``MSH`` separates fields, the bytes after that what is inside them.
"""

from __future__ import annotations

import random
import re
from dataclasses import dataclass
from typing import Final

from hil.protocol import Alive, Example, Protocol, Span, within
from toolkit.core.errors import FormatError

__all__ = ["PROTOCOL", "Hl7Message", "acknowledgement"]

BEGIN: Final = b"\x0b"
END: Final = b"\x1c\r"
SEGMENT_END: Final = b"\r"
MOST_BYTES: Final = 1 << 16
"""The standard sets no bound; a device is not given more than this."""
MOST_SEGMENTS: Final = 1024
NAME_LETTERS: Final = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Hl7Message:
    """One message: segments, each its name and its fields as they stand, not taken apart further.

    The fields of MSH count from the one after the separator: ``segments[0][1]`` is MSH-2.
    """

    segments: tuple[tuple[bytes, ...], ...]
    separator: bytes = b"|"

    def segment(self, name: bytes) -> tuple[bytes, ...] | None:
        """Return the first segment of this name; None when there is none."""
        return next((segment for segment in self.segments if segment[0] == name), None)

    def field(self, name: bytes, number: int) -> bytes:
        """Return a field of the first segment of this name, counted as in the standard; empty when there is none."""
        segment = self.segment(name) or ()
        place = number - 1 if name == b"MSH" else number
        return segment[place] if 0 < place < len(segment) else b""


def acknowledgement(message: Hl7Message, code: bytes, text: bytes = b"") -> Hl7Message:
    """Return the answer to ``message``: AA accepted, AE error, AR refused (HL7 2.5.1, chapter 2.9.2)."""
    head = list(message.segments[0][:12]) + [b""] * (12 - len(message.segments[0]))
    head[2:6] = head[4], head[5], head[2], head[3]
    head[8] = b"ACK"
    answer = (b"MSA", code, message.field(b"MSH", 10), *([text] if text else []))
    return Hl7Message(segments=(tuple(head), answer), separator=message.separator)


def encode(message: Hl7Message) -> bytes:
    """Return the bytes of a message."""
    lines = [message.separator.join(segment) for segment in message.segments]
    frame = BEGIN + SEGMENT_END.join([*lines, b""]) + END
    within("HL7 message size", len(frame), MOST_BYTES)
    if decode(frame) != message:
        raise FormatError("an HL7 field or segment name holds a byte that ends it, or MSH is not first")
    return frame


def decode(frame: bytes) -> Hl7Message:
    """Return the message of one frame."""
    if not (frame.startswith(BEGIN) and frame.endswith(END)) or len(frame) > MOST_BYTES:
        raise FormatError("an MLLP frame begins with VT and ends with FS CR")
    text = frame[len(BEGIN) : -len(END)]
    if BEGIN in text or END[:1] in text or not text.endswith(SEGMENT_END):
        raise FormatError("an HL7 message holds no VT and no FS, and its last segment ends with CR")
    lines = text.split(SEGMENT_END)[:-1]
    within("number of HL7 segments", len(lines), MOST_SEGMENTS)
    separator = lines[0][NAME_LETTERS : NAME_LETTERS + 1]
    if not lines[0].startswith(b"MSH") or not separator or separator.isalnum():
        raise FormatError("an HL7 message begins with MSH and a separator")
    segments = tuple(tuple(line.split(separator)) for line in lines)
    if not all(len(segment[0]) == NAME_LETTERS and segment[0].isalnum() for segment in segments):
        raise FormatError("the name of an HL7 segment is three letters or digits")
    return Hl7Message(segments=segments, separator=separator)


def find(waiting: bytearray, at: int) -> Span:
    """Find the last VT before the first FS CR behind it."""
    begin = waiting.find(BEGIN, at)
    if begin < 0:
        return Span(len(waiting), None)
    end = waiting.find(END, begin)
    begin = waiting.rfind(BEGIN, begin, len(waiting) if end < 0 else end)
    return Span(begin, None if end < 0 else end + len(END))


QUERY: Final = BEGIN + b"MSH|^~\\&|BENCH||||||QRY^A19|1|P|2.5.1\r" + END
"""Asks for what is measured, and names nobody; it is answered or refused, and changes nothing."""


def sample(chance: random.Random) -> Hl7Message:
    """Return a made-up message."""
    head = (b"MSH", b"^~\\&", b"BENCH", b"LAB", b"HIS", b"WARD", b"", b"", b"ORU^R01", _word(chance), b"P", b"2.5.1")
    rest = [(chance.choice((b"PID", b"OBR", b"OBX")), *(_word(chance) for _ in range(chance.randint(0, 6))))]
    return Hl7Message(segments=(head, *rest * chance.randint(0, 3)))


def _word(chance: random.Random) -> bytes:
    return bytes(chance.choice(b"ABCxyz0189^&~\\ .-\xe9") for _ in range(chance.randint(0, 8)))


PROTOCOL: Final[Protocol[Hl7Message]] = Protocol(
    name="hl7v2-mllp",
    title="HL7 version 2 over MLLP",
    source=(
        "HL7 2.5.1, chapter 2: segments, separators, acknowledgements; appendix C.4: the lower layer",
        "HL7 Transport Specification MLLP, release 1: VT, FS, CR",
    ),
    unverified=("characters of more than one byte that contain VT, FS or CR, which the lower layer cannot carry",),
    encode=encode,
    decode=decode,
    find=find,
    alive=Alive(ask=QUERY, answer=re.compile(rb"\x0b.*?\rMSA\|A[AER].*?\x1c\r", re.DOTALL)),
    most_bytes=MOST_BYTES,
    sample=sample,
    examples=(
        Example(
            frame=b"\x0bMSH|^~\\&|BENCH||HIS||||ACK|7|P|2.5.1\rMSA|AA|7\r\x1c\r",
            message=Hl7Message(
                segments=(
                    (b"MSH", b"^~\\&", b"BENCH", b"", b"HIS", b"", b"", b"", b"ACK", b"7", b"P", b"2.5.1"),
                    (b"MSA", b"AA", b"7"),
                )
            ),
            source="made by hand from HL7 2.5.1, chapter 2.9.2",
        ),
    ),
)
