"""A USB oximeter of the Personal Healthcare Device Class: ISO/IEEE 11073-20601 over two bulk endpoints.

It asks for an association as soon as it is listened to, describes itself when its configuration is not known, and then
gives one report after the other; each must be confirmed before the next.
"""

from __future__ import annotations

import struct
from collections import deque
from collections.abc import Mapping
from typing import Final

from hil.apdu import (
    Associate,
    AssociateAnswer,
    Attribute,
    ConfigurationReport,
    End,
    Event,
    FixedReport,
    Information,
    ObjectDescription,
    Observation,
    Presentation,
)
from hil.protocols.ieee11073 import (
    CONFIRMED_EVENT_ANSWER,
    NOTICE_CONFIGURATION,
    PROTOCOL,
    RLRE,
    RLRQ,
    Message,
    event_report,
)
from hil.usb_model import Setup, Stall, UsbModel, UsbModelKind

__all__ = ["USB_MODEL", "PhdcOximeter"]

VENDOR_ID, PRODUCT_ID = 0x1209, 0x0002
"""pid.codes, reserved for tests."""
BULK_OUT, BULK_IN = 0x01, 0x81
PACKET_BYTES: Final = 64
INTERFACE: Final = bytes([9, 4, 0, 0, 2, 0x0F, 0, 0, 0])
CLASS_FUNCTION: Final = bytes([4, 0x20, 0x02, 0x00])
"""Messages are those of 11073-20601, without metadata. Source: PHDC 1.0, 5.2.2."""
FUNCTION: Final = bytes([6, 0x30, 0, 1, 0x04, 0x10])
"""One specialisation, 0x1004: an oximeter. Source: PHDC 1.0, 5.2.2."""
QUALITY_OUT: Final = bytes([4, 0x21, 1, 0x10])
QUALITY_IN: Final = bytes([4, 0x21, 1, 0x10])
OUT: Final = bytes([7, 5, BULK_OUT, 2, PACKET_BYTES, 0, 0])
IN: Final = bytes([7, 5, BULK_IN, 2, PACKET_BYTES, 0, 0])
OWN_CONFIGURATION: Final = 0x4000
ACCEPTED, UNKNOWN_CONFIGURATION = 0, 3
SYSTEM_ID: Final = bytes.fromhex("00 11 22 33 44 55 66 77")
NUMERIC: Final = 6
SPO2, PULSE = bytes.fromhex("00 02 4b b8"), bytes.fromhex("00 02 48 1a")
PERCENT, PER_MINUTE = bytes.fromhex("02 20"), bytes.fromhex("0a a0")
TYPE, UNIT, VALUE_MAP = 0x092F, 0x0996, 0x0A55
BASIC_VALUE_MAP: Final = bytes.fromhex("00 01 00 04 0a 4c 00 02")
MOST_WAITING: Final = 16
WEAKNESSES: Final[Mapping[str, str]] = {
    "reports-unassociated": "gives measured values to who has not associated with it",
    "zero-length-descriptor": "has a descriptor of length 0",
}


def _object(handle: int, kind: bytes, unit: bytes) -> ObjectDescription:
    values = ((TYPE, kind), (UNIT, unit), (VALUE_MAP, BASIC_VALUE_MAP))
    attributes = tuple(Attribute(code=code, value=value) for code, value in values)
    return ObjectDescription(kind=NUMERIC, handle=handle, attributes=attributes)


def _is_accepted(answer: Event) -> bool:
    """Tell whether the manager takes the report it answers to; for a configuration it gives a result, 0 if so."""
    return answer.event != NOTICE_CONFIGURATION or answer.info == OWN_CONFIGURATION.to_bytes(2, "big") + b"\0\0"


CONFIGURATION: Final = ConfigurationReport(
    configuration=OWN_CONFIGURATION, objects=(_object(1, SPO2, PERCENT), _object(10, PULSE, PER_MINUTE))
)


class PhdcOximeter(UsbModel):
    """The oximeter."""

    device_descriptor = struct.pack(
        "<BBHBBBBHHHBBBB", 18, 1, 0x200, 0, 0, 0, 64, VENDOR_ID, PRODUCT_ID, 0x100, 1, 2, 3, 1
    )
    strings: Mapping[int, str] = {1: "medharden", 2: "PHDC oximeter", 3: "00000001"}  # a constant

    def __init__(self, weak: frozenset[str]) -> None:
        self._weak = weak
        function = b"\0" + FUNCTION[1:] if "zero-length-descriptor" in weak else FUNCTION
        body = INTERFACE + CLASS_FUNCTION + function + OUT + QUALITY_OUT + IN + QUALITY_IN
        self.configurations = (struct.pack("<BBHBBBBB", 9, 2, 9 + len(body), 1, 1, 0, 0x80, 50) + body,)
        self.reset()

    def reset(self) -> None:
        """Begin without an association."""
        self._decoder = PROTOCOL.decoder()
        self._invoke_id = 0
        self._to_say: deque[bytes] = deque()
        if "reports-unassociated" in self._weak:
            self._say(self._report())
        else:
            self._say(Associate(information=Information(system_id=SYSTEM_ID, configuration=OWN_CONFIGURATION)))

    def control(self, setup: Setup, data: bytes) -> bytes:  # noqa: ARG002  # there are no class requests it must know
        """Refuse: quality of service is not offered."""
        raise Stall

    def bulk_out(self, endpoint: int, data: bytes) -> None:
        """Take what the manager says."""
        if endpoint != BULK_OUT:
            raise Stall
        for message in self._decoder.feed(data):
            self._hear(message)

    def bulk_in(self, endpoint: int, most_bytes: int) -> bytes | None:
        """Give the next part of what is to be said; None when that is nothing."""
        if endpoint != BULK_IN:
            raise Stall
        if not self._to_say:
            return None
        apdu = self._to_say.popleft()
        if len(apdu) > most_bytes:
            self._to_say.appendleft(apdu[most_bytes:])
        return apdu[:most_bytes]

    def _say(self, message: Message) -> None:
        if len(self._to_say) < MOST_WAITING:
            self._to_say.append(PROTOCOL.encode(message))

    def _hear(self, message: Message) -> None:
        if isinstance(message, AssociateAnswer):
            if message.result == UNKNOWN_CONFIGURATION:
                self._say(self._next(CONFIGURATION))
            elif message.result == ACCEPTED:
                self._say(self._report())
        elif isinstance(message, End) and message.choice == RLRQ:
            self._say(End(choice=RLRE, reason=0))
        elif isinstance(message, Presentation):
            self._confirmed(message)

    def _confirmed(self, answer: Presentation) -> None:
        """Go on when the last report was confirmed; an accepted configuration ends in result 0."""
        if answer.operation != CONFIRMED_EVENT_ANSWER or answer.invoke_id != self._invoke_id:
            return
        if isinstance(answer.body, Event) and _is_accepted(answer.body):
            self._say(self._report())

    def _next(self, info: ConfigurationReport | FixedReport) -> Presentation:
        self._invoke_id = self._invoke_id % 0xFFFF + 1
        return event_report(self._invoke_id, info)

    def _report(self) -> Presentation:
        values = (Observation(handle=1, data=b"\x00\x62"), Observation(handle=10, data=b"\x00\x48"))
        return self._next(FixedReport(request_id=0xF000, number=self._invoke_id, observations=values))


USB_MODEL = UsbModelKind(
    name="phdc-oximeter",
    title="USB oximeter (PHDC, IEEE 11073-20601)",
    profile="pulse-oximeter-usb",
    interface="usb",
    make=PhdcOximeter,
    weaknesses=WEAKNESSES,
)
