"""The parts of ISO/IEEE 11073-20601 messages: what stands on the wire, and what it means.

``hil/protocols/ieee11073.py`` builds and reads them. All numbers are high byte first (MDER). Source: 11073-20601,
annexes A and H.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from toolkit.core.layout import U8, U16BE, U32BE, Layout, wire

__all__ = [
    "EVENT_HEAD",
    "HEAD",
    "HEAD_BYTES",
    "INFORMATION_HEAD",
    "INFORMATION_TAIL",
    "LIST_HEAD",
    "NO_TIME",
    "OBJECT_HEAD",
    "OPERATION_HEAD",
    "REPORT_HEAD",
    "SYSTEM_ID_BYTES",
    "TAGGED",
    "Associate",
    "AssociateAnswer",
    "Attribute",
    "ConfigurationReport",
    "End",
    "Event",
    "EventHead",
    "FixedReport",
    "Head",
    "Information",
    "InformationHead",
    "InformationTail",
    "ListHead",
    "ObjectDescription",
    "ObjectHead",
    "Observation",
    "OperationHead",
    "Presentation",
    "ReportHead",
    "Tagged",
]

HEAD_BYTES: Final = 4
SYSTEM_ID_BYTES: Final = 8
NO_TIME: Final = 0xFFFF_FFFF
"""An event at no known time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """Every APDU begins with what it is and how long the rest is."""

    choice: int = wire(U16BE)
    size_bytes: int = wire(U16BE)


@dataclass(frozen=True, slots=True, kw_only=True)
class InformationHead:
    """Begins ``PhdAssociationInformation``; bit strings are kept as numbers, bit 0 is the highest."""

    protocol_version: int = wire(U32BE)
    encoding_rules: int = wire(U16BE)
    nomenclature_version: int = wire(U32BE)
    functional_units: int = wire(U32BE)
    system_type: int = wire(U32BE)
    system_id_bytes: int = wire(U16BE)


@dataclass(frozen=True, slots=True, kw_only=True)
class InformationTail:
    """Ends it, before the list of options."""

    configuration: int = wire(U16BE)
    request_modes: int = wire(U16BE)
    agent_requests: int = wire(U8)
    manager_requests: int = wire(U8)


@dataclass(frozen=True, slots=True, kw_only=True)
class ListHead:
    """Stands before every list."""

    count: int = wire(U16BE)
    size_bytes: int = wire(U16BE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tagged:
    """A number and the size of what follows: an attribute, an observation."""

    tag: int = wire(U16BE)
    size_bytes: int = wire(U16BE)


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectHead:
    """Begins an object of a configuration; its attributes follow as a list."""

    kind: int = wire(U16BE)
    handle: int = wire(U16BE)


@dataclass(frozen=True, slots=True, kw_only=True)
class OperationHead:
    """Begins the data of a presentation APDU."""

    invoke_id: int = wire(U16BE)
    operation: int = wire(U16BE)
    size_bytes: int = wire(U16BE)


@dataclass(frozen=True, slots=True, kw_only=True)
class EventHead:
    """Begins an event report and its answer."""

    handle: int = wire(U16BE)
    time: int = wire(U32BE)
    event: int = wire(U16BE)
    size_bytes: int = wire(U16BE)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportHead:
    """Begins a scan report."""

    request_id: int = wire(U16BE)
    number: int = wire(U16BE)


HEAD: Final = Layout(Head, size=HEAD_BYTES)
INFORMATION_HEAD: Final = Layout(InformationHead, size=20)
INFORMATION_TAIL: Final = Layout(InformationTail, size=6)
LIST_HEAD: Final = Layout(ListHead, size=4)
TAGGED: Final = Layout(Tagged, size=4)
OBJECT_HEAD: Final = Layout(ObjectHead, size=4)
OPERATION_HEAD: Final = Layout(OperationHead, size=6)
EVENT_HEAD: Final = Layout(EventHead, size=10)
REPORT_HEAD: Final = Layout(ReportHead, size=4)


@dataclass(frozen=True, slots=True, kw_only=True)
class Attribute:
    """One attribute: its nomenclature code and its bytes."""

    code: int
    value: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Information:
    """What agent and manager tell each other about themselves."""

    system_id: bytes
    configuration: int
    """0 from a manager; 0x0190 is the standard oximeter; 0x4000 and up are a device's own."""
    system_type: int = 0x0080_0000
    """0x00800000 agent, 0x80000000 manager."""
    protocol_version: int = 0x8000_0000
    encoding_rules: int = 0x8000
    nomenclature_version: int = 0x8000_0000
    functional_units: int = 0
    request_modes: int = 0x0001
    agent_requests: int = 1
    manager_requests: int = 0
    options: tuple[Attribute, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Associate:
    """AARQ: the agent asks."""

    information: Information


@dataclass(frozen=True, slots=True, kw_only=True)
class AssociateAnswer:
    """AARE: the manager answers; 0 accepted, 3 accepted but configuration unknown, others refused."""

    result: int
    information: Information


@dataclass(frozen=True, slots=True, kw_only=True)
class End:
    """RLRQ, RLRE or ABRT: ``choice`` tells which."""

    choice: int
    reason: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectDescription:
    """One thing the agent can measure."""

    kind: int
    handle: int
    attributes: tuple[Attribute, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigurationReport:
    """What the agent can measure."""

    configuration: int
    objects: tuple[ObjectDescription, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """Values of one object, in the order its attribute value map gives."""

    handle: int
    data: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class FixedReport:
    """Measured values."""

    request_id: int
    number: int
    observations: tuple[Observation, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """An event report or its answer; ``info`` is taken apart where it is a configuration or a fixed report."""

    handle: int
    event: int
    info: ConfigurationReport | FixedReport | bytes
    time: int = NO_TIME


@dataclass(frozen=True, slots=True, kw_only=True)
class Presentation:
    """PRST: one operation; ``body`` is taken apart for event reports."""

    invoke_id: int
    operation: int
    body: Event | bytes
