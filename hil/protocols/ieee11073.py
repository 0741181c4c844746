"""ISO/IEEE 11073-20601 personal health devices (oximeters, scales, blood pressure meters), as USB PHDC carries it.

An agent (the device) asks for an association, says what it can measure unless the manager (the computer) knows that
configuration, and then reports. All numbers are high byte first (MDER); lists have a count and a size before them.
"""

from __future__ import annotations

import random
from typing import Final

from hil.apdu import (
    EVENT_HEAD,
    HEAD,
    HEAD_BYTES,
    INFORMATION_HEAD,
    INFORMATION_TAIL,
    LIST_HEAD,
    OBJECT_HEAD,
    OPERATION_HEAD,
    REPORT_HEAD,
    SYSTEM_ID_BYTES,
    TAGGED,
    Associate,
    AssociateAnswer,
    Attribute,
    ConfigurationReport,
    End,
    Event,
    EventHead,
    FixedReport,
    Head,
    Information,
    InformationHead,
    InformationTail,
    ListHead,
    ObjectDescription,
    ObjectHead,
    Observation,
    OperationHead,
    Presentation,
    ReportHead,
    Tagged,
)
from hil.protocol import Example, Protocol, Span, within
from toolkit.core.errors import FormatError
from toolkit.core.window import Window

__all__ = ["PROTOCOL", "Message", "event_report", "float_of_sfloat"]

AARQ, AARE, RLRQ, RLRE, ABRT, PRST = 0xE200, 0xE300, 0xE400, 0xE500, 0xE600, 0xE700
DATA_PROTOCOL_20601: Final = 0x5079
ASSOCIATION_VERSION: Final = 0x8000_0000
EVENT, CONFIRMED_EVENT, CONFIRMED_EVENT_ANSWER = 0x0100, 0x0101, 0x0201
EVENTS: Final = (EVENT, CONFIRMED_EVENT)
NOTICE_CONFIGURATION: Final = 0x0D1C
NOTICE_FIXED: Final = 0x0D1D
MOST_BYTES: Final = 9216
"""What an oximeter may send in one APDU at most (11073-10404)."""
MOST_LISTED: Final = 255
NOT_A_NUMBER, TOO_HIGH, TOO_LOW, NOT_AT_THIS_RESOLUTION, RESERVED = 0x07FF, 0x07FE, 0x0802, 0x0800, 0x0801


Message = Associate | AssociateAnswer | End | Presentation


# Building


def encode(message: Message) -> bytes:
    """Return the bytes of a message."""
    choice, body = _choice_and_body(message)
    within("APDU size", HEAD_BYTES + len(body), MOST_BYTES)
    return HEAD.build(Head(choice=choice, size_bytes=len(body))) + body


def _choice_and_body(message: Message) -> tuple[int, bytes]:
    if isinstance(message, Associate):
        protocol = _octets(_information(message.information), DATA_PROTOCOL_20601)
        return AARQ, ASSOCIATION_VERSION.to_bytes(4, "big") + _listed([protocol])
    if isinstance(message, AssociateAnswer):
        return AARE, _u16(message.result) + _octets(_information(message.information), DATA_PROTOCOL_20601)
    if isinstance(message, End):
        if message.choice not in (RLRQ, RLRE, ABRT):
            raise FormatError(f"APDU {message.choice:#06x} does not end an association")
        return message.choice, _u16(message.reason)
    body = _event(message.body) if isinstance(message.body, Event) else message.body
    if isinstance(message.body, Event) != (message.operation in (*EVENTS, CONFIRMED_EVENT_ANSWER)):
        raise FormatError(f"operation {message.operation:#06x} and its contents do not fit")
    head = OperationHead(
        invoke_id=within("invoke id", message.invoke_id, 0xFFFF),
        operation=within("operation", message.operation, 0xFFFF),
        size_bytes=_size(body),
    )
    data = OPERATION_HEAD.build(head) + body
    return PRST, _u16(len(data)) + data


def _u16(value: int) -> bytes:
    return within("number of 16 bits", value, 0xFFFF).to_bytes(2, "big")


def _size(data: bytes) -> int:
    return within("size in an APDU", len(data), MOST_BYTES)


def _octets(data: bytes, tag: int) -> bytes:
    return TAGGED.build(Tagged(tag=within("code", tag, 0xFFFF), size_bytes=_size(data))) + data


def _listed(items: list[bytes]) -> bytes:
    count, data = within("count in an APDU", len(items), MOST_LISTED), b"".join(items)
    return LIST_HEAD.build(ListHead(count=count, size_bytes=_size(data))) + data


def _attributes(attributes: tuple[Attribute, ...]) -> bytes:
    return _listed([_octets(one.value, one.code) for one in attributes])


def _information(information: Information) -> bytes:
    if len(information.system_id) != SYSTEM_ID_BYTES:
        raise FormatError(f"a system id has {SYSTEM_ID_BYTES} bytes, not {len(information.system_id)}")
    head = InformationHead(
        protocol_version=within("protocol version", information.protocol_version, 0xFFFF_FFFF),
        encoding_rules=within("encoding rules", information.encoding_rules, 0xFFFF),
        nomenclature_version=within("nomenclature version", information.nomenclature_version, 0xFFFF_FFFF),
        functional_units=within("functional units", information.functional_units, 0xFFFF_FFFF),
        system_type=within("system type", information.system_type, 0xFFFF_FFFF),
        system_id_bytes=SYSTEM_ID_BYTES,
    )
    tail = InformationTail(
        configuration=within("configuration", information.configuration, 0xFFFF),
        request_modes=within("request modes", information.request_modes, 0xFFFF),
        agent_requests=within("requests of the agent", information.agent_requests, 0xFF),
        manager_requests=within("requests of the manager", information.manager_requests, 0xFF),
    )
    options = _attributes(information.options)
    return INFORMATION_HEAD.build(head) + information.system_id + INFORMATION_TAIL.build(tail) + options


def _event(event: Event) -> bytes:
    info = event.info
    if isinstance(info, ConfigurationReport):
        data = _u16(info.configuration) + _listed([_object(one) for one in info.objects])
    elif isinstance(info, FixedReport):
        request_id, number = within("request id", info.request_id, 0xFFFF), within("number", info.number, 0xFFFF)
        data = REPORT_HEAD.build(ReportHead(request_id=request_id, number=number))
        data += _listed([_octets(one.data, one.handle) for one in info.observations])
    else:
        data = info
    head = EventHead(
        handle=within("handle", event.handle, 0xFFFF),
        time=within("time", event.time, 0xFFFF_FFFF),
        event=within("event", event.event, 0xFFFF),
        size_bytes=_size(data),
    )
    return EVENT_HEAD.build(head) + data


def _object(one: ObjectDescription) -> bytes:
    kind, handle = within("class of an object", one.kind, 0xFFFF), within("handle", one.handle, 0xFFFF)
    return OBJECT_HEAD.build(ObjectHead(kind=kind, handle=handle)) + _attributes(one.attributes)


# Reading


def decode(frame: bytes) -> Message:
    """Return the message of one APDU."""
    head = HEAD.read(Window.of(frame))
    body = _whole(Window.of(frame), HEAD_BYTES, head.size_bytes)
    within("APDU size", len(frame), MOST_BYTES)
    if head.choice == AARQ:
        return Associate(information=_read_request(body))
    if head.choice == AARE:
        result = _read_u16(body, 0)
        return AssociateAnswer(result=result, information=_read_information(_read_protocol(body, 2)))
    if head.choice in (RLRQ, RLRE, ABRT):
        reason = _read_u16(body, 0)
        _end(body, 2)
        return End(choice=head.choice, reason=reason)
    if head.choice != PRST:
        raise FormatError(f"11073-20601 knows no APDU {head.choice:#06x}")
    return _read_presentation(_whole(body, 2, _read_u16(body, 0)))


def _whole(window: Window, offset: int, size: int) -> Window:
    """Return the ``size`` bytes at ``offset``, which must be all that is left."""
    _end(window, offset + size)
    return window.sub(offset, size)


def _end(window: Window, offset: int) -> None:
    window.take(0, offset)
    if window.size != offset:
        raise FormatError(f"{window.size - offset} bytes too many at {window.origin + offset:#x} of an APDU")


def _read_u16(window: Window, offset: int) -> int:
    return int.from_bytes(window.take(offset, 2), "big")


def _read_request(body: Window) -> Information:
    if int.from_bytes(body.take(0, 4), "big") != ASSOCIATION_VERSION:
        raise FormatError("the version of an association request is not 1")
    count, protocols = _read_list(body, 4)
    if count != 1:
        raise FormatError(f"an association request offers {count} protocols, one is understood")
    return _read_information(_read_protocol(protocols, 0))


def _read_protocol(window: Window, offset: int) -> Window:
    tagged = TAGGED.read(window, offset)
    if tagged.tag != DATA_PROTOCOL_20601:
        raise FormatError(f"the data protocol {tagged.tag:#06x} is not 20601")
    return _whole(window, offset + TAGGED.size, tagged.size_bytes)


def _read_information(window: Window) -> Information:
    head = INFORMATION_HEAD.read(window)
    if head.system_id_bytes != SYSTEM_ID_BYTES:
        raise FormatError(f"a system id has {SYSTEM_ID_BYTES} bytes, not {head.system_id_bytes}")
    tail_at = INFORMATION_HEAD.size + SYSTEM_ID_BYTES
    tail = INFORMATION_TAIL.read(window, tail_at)
    return Information(
        system_id=bytes(window.take(INFORMATION_HEAD.size, SYSTEM_ID_BYTES)),
        configuration=tail.configuration,
        system_type=head.system_type,
        protocol_version=head.protocol_version,
        encoding_rules=head.encoding_rules,
        nomenclature_version=head.nomenclature_version,
        functional_units=head.functional_units,
        request_modes=tail.request_modes,
        agent_requests=tail.agent_requests,
        manager_requests=tail.manager_requests,
        options=_read_attributes(*_read_list(window, tail_at + INFORMATION_TAIL.size)),
    )


def _read_list(window: Window, offset: int) -> tuple[int, Window]:
    """Return count and items of the list at ``offset``, behind which nothing stands."""
    head = LIST_HEAD.read(window, offset)
    within("count in an APDU", head.count, MOST_LISTED)
    return head.count, _whole(window, offset + LIST_HEAD.size, head.size_bytes)


def _read_tagged(count: int, items: Window) -> list[tuple[int, bytes]]:
    """Return ``count`` tags with their bytes, which must be all there is."""
    found, at = [], 0
    for _ in range(count):
        tagged = TAGGED.read(items, at)
        found.append((tagged.tag, bytes(items.take(at + TAGGED.size, tagged.size_bytes))))
        at += TAGGED.size + tagged.size_bytes
    _end(items, at)
    return found


def _read_attributes(count: int, items: Window) -> tuple[Attribute, ...]:
    return tuple(Attribute(code=code, value=value) for code, value in _read_tagged(count, items))


def _read_presentation(data: Window) -> Presentation:
    head = OPERATION_HEAD.read(data)
    body = _whole(data, OPERATION_HEAD.size, head.size_bytes)
    events = (*EVENTS, CONFIRMED_EVENT_ANSWER)
    content: Event | bytes = _read_event(head.operation, body) if head.operation in events else bytes(body.view)
    return Presentation(invoke_id=head.invoke_id, operation=head.operation, body=content)


def _read_event(operation: int, body: Window) -> Event:
    head = EVENT_HEAD.read(body)
    data = _whole(body, EVENT_HEAD.size, head.size_bytes)
    info: ConfigurationReport | FixedReport | bytes = bytes(data.view)
    if operation in EVENTS and head.event == NOTICE_CONFIGURATION:
        info = ConfigurationReport(configuration=_read_u16(data, 0), objects=_read_objects(*_read_list(data, 2)))
    elif operation in EVENTS and head.event == NOTICE_FIXED:
        report = REPORT_HEAD.read(data)
        observed = _read_tagged(*_read_list(data, REPORT_HEAD.size))
        observations = tuple(Observation(handle=handle, data=value) for handle, value in observed)
        info = FixedReport(request_id=report.request_id, number=report.number, observations=observations)
    return Event(handle=head.handle, event=head.event, info=info, time=head.time)


def _read_objects(count: int, items: Window) -> tuple[ObjectDescription, ...]:
    found, at = [], 0
    for _ in range(count):
        head = OBJECT_HEAD.read(items, at)
        listed = LIST_HEAD.read(items, at + OBJECT_HEAD.size)
        within("count in an APDU", listed.count, MOST_LISTED)
        start = at + OBJECT_HEAD.size + LIST_HEAD.size
        attributes = _read_attributes(listed.count, items.sub(start, listed.size_bytes))
        found.append(ObjectDescription(kind=head.kind, handle=head.handle, attributes=attributes))
        at = start + listed.size_bytes
    _end(items, at)
    return tuple(found)


def float_of_sfloat(value: int) -> float | None:
    """Return the number that the 16 bits ``value`` stand for; None for not-a-number and other special values.

    Four bits of exponent to the base 10 and twelve of mantissa, both in two's complement. Source: 11073-20601, F.7.
    """
    within("SFLOAT", value, 0xFFFF)
    if value in (NOT_A_NUMBER, TOO_HIGH, TOO_LOW, NOT_AT_THIS_RESOLUTION, RESERVED):
        return None
    mantissa, exponent = value & 0x0FFF, value >> 12
    exponent -= (exponent & 0x8) << 1
    mantissa -= (mantissa & 0x800) << 1
    return float(mantissa * 10**exponent)


def event_report(invoke_id: int, info: ConfigurationReport | FixedReport) -> Presentation:
    """Return the confirmed report of an agent that says ``info``; handle 0 is the device itself."""
    notice = NOTICE_CONFIGURATION if isinstance(info, ConfigurationReport) else NOTICE_FIXED
    return Presentation(invoke_id=invoke_id, operation=CONFIRMED_EVENT, body=Event(handle=0, event=notice, info=info))


def find(waiting: bytearray, at: int) -> Span:
    """Find the first byte pair that begins an APDU and has a possible size behind it."""
    for start in range(at, len(waiting)):
        if not 0xE2 <= waiting[start] <= 0xE7 or waiting[start + 1 : start + 2] > b"\0":
            continue
        if len(waiting) < start + HEAD_BYTES:
            return Span(start, None)
        size = HEAD_BYTES + int.from_bytes(waiting[start + 2 : start + HEAD_BYTES], "big")
        if size <= MOST_BYTES:
            return Span(start, start + size if len(waiting) >= start + size else None)
    return Span(len(waiting), None)


def sample(chance: random.Random) -> Message:
    """Return a made-up message."""
    attributes = tuple(
        Attribute(code=chance.randrange(1 << 16), value=chance.randbytes(chance.randint(0, 12)))
        for _ in range(chance.randint(0, 4))
    )
    information = Information(
        system_id=chance.randbytes(SYSTEM_ID_BYTES), configuration=chance.randrange(1 << 16), options=attributes
    )
    objects = (ObjectDescription(kind=6, handle=chance.randrange(1 << 16), attributes=attributes),)
    observations = tuple(Observation(handle=one.code, data=one.value) for one in attributes)
    number = chance.randrange(1 << 16)
    message: Message = chance.choice(
        (
            Associate(information=information),
            AssociateAnswer(result=chance.randrange(8), information=information),
            End(choice=chance.choice((RLRQ, RLRE, ABRT)), reason=number),
            event_report(number, ConfigurationReport(configuration=0x4000, objects=objects * chance.randint(0, 3))),
            event_report(number, FixedReport(request_id=0xF000, number=number, observations=observations)),
            Presentation(invoke_id=number, operation=0x0103, body=chance.randbytes(chance.randint(0, 20))),
        )
    )
    return message


PROTOCOL: Final[Protocol[Message]] = Protocol(
    name="ieee11073-20601",
    title="ISO/IEEE 11073-20601, personal health devices (USB PHDC)",
    source=(
        "ISO/IEEE 11073-20601: APDUs, MDER, annex H with worked examples; 11073-10404: the oximeter",
        "github.com/signove/antidote, tests/resources/apdu/pulse_oximeter/description: an oximeter, byte by byte",
        "USB Device Class Definition for Personal Healthcare Devices 1.0: one APDU in each bulk transfer",
    ),
    unverified=(
        "the standard itself was not at hand; layouts are those of its published examples and of antidote",
        "contents of operations other than event reports, and of reports other than fixed ones",
        "the metadata preamble of PHDC (quality of service), which is not spoken",
        "association requests that offer several protocols are refused",
    ),
    encode=encode,
    decode=decode,
    find=find,
    layouts=((0, HEAD),),
    most_bytes=MOST_BYTES,
    sample=sample,
    examples=(
        Example(
            frame=bytes.fromhex(
                "e2 00 00 32 80 00 00 00 00 01 00 2a 50 79 00 26 80 00 00 00 80 00 80 00 00 00 00 00 00 00"
                "00 80 00 00 00 08 01 02 03 04 05 06 07 08 01 90 00 01 01 00 00 00 00 00"
            ),
            message=Associate(information=Information(system_id=bytes(range(1, 9)), configuration=0x0190)),
            source="shape and sizes of 11073-20601, annex H.2; system id made up",
        ),
        Example(
            frame=bytes.fromhex(
                "e7 00 00 36 00 34 12 38 01 01 00 2e 00 37 ff ff ff ff 0d 1d 00 24 f0 00 00 00 00 02 00 1c"
                "00 01 00 0a 00 62 20 07 12 06 12 10 00 00 00 0a 00 0a 00 48 20 07 12 06 12 10 00 00"
            ),
            message=Presentation(
                invoke_id=0x1238,
                operation=CONFIRMED_EVENT,
                body=Event(
                    handle=0x37,
                    event=NOTICE_FIXED,
                    info=FixedReport(
                        request_id=0xF000,
                        number=0,
                        observations=(
                            Observation(handle=1, data=bytes.fromhex("00 62 20 07 12 06 12 10 00 00")),
                            Observation(handle=10, data=bytes.fromhex("00 48 20 07 12 06 12 10 00 00")),
                        ),
                    ),
                ),
            ),
            source="values (98 %, 72 a minute) and sizes of antidote's description of an oximeter's fixed report",
        ),
        Example(frame=bytes.fromhex("e4 00 00 02 00 00"), message=End(choice=RLRQ, reason=0), source="annex H.4"),
    ),
)
