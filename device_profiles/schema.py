"""What a device profile is made of: the hub that says what a device is and how each of these facts is known.

Every description below is also the help an editor shows (``medharden profile schema``), the comment in a new profile
(``medharden profile new``) and the text of ``medharden profile show``. A field that is left out is not known.
Tables that stand in a list have an ``id``: a model overrides them by it, and evidence names them by it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any, Final

import msgspec

from device_profiles.facts import leaves
from device_profiles.fields import (
    Address,
    AdvisoryId,
    BytePattern,
    CfrSection,
    Cpe,
    Date,
    Digits,
    FdaCode,
    Hex16,
    HexBytes,
    Milliseconds,
    Name,
    Number,
    Path,
    PathPattern,
    Port,
    ProfileId,
    Purl,
    SchemaVersion,
    Size,
    Text,
    Url,
    about,
)
from device_profiles.vocabulary import (
    Approver,
    Authentication,
    Authenticity,
    BlePairing,
    DeviceClass,
    Encryption,
    EvidenceStatus,
    FlowControl,
    Harm,
    Integrity,
    InterfaceType,
    Kind,
    MdrClass,
    OsFamily,
    Parity,
    PatientData,
    PowerControl,
    ProcessorRole,
    Purpose,
    Reach,
    ReadProtection,
    Recovery,
    RegionUse,
    RollbackProtection,
    RootOfTrust,
    SignaturePolicy,
    SoftwareClass,
    StorageKind,
    SupportStage,
    Therapy,
    UnknownClock,
    UpdateChannel,
    UpdateKind,
    UsbClass,
)
from toolkit.core.findings import Severity

__all__ = [
    "SCHEMA_VERSION",
    "BenchRules",
    "Ble",
    "ComponentSupport",
    "Data",
    "DeviceProfile",
    "Evidence",
    "Exemption",
    "ExpectedComponent",
    "ForbiddenComponent",
    "Hazard",
    "Identification",
    "Identity",
    "IntegrityPolicy",
    "Interface",
    "Lifecycle",
    "MemoryRegion",
    "NeverSend",
    "OperatingSystem",
    "Platform",
    "Policy",
    "Processor",
    "Safety",
    "SerialLine",
    "Sockets",
    "Statement",
    "Storage",
    "UpdatableComponent",
    "Update",
    "UpdatePolicy",
    "Usb",
]

SCHEMA_VERSION: Final = "1.0"


class _Table(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """What all tables of a profile share: immutable, every name must be known, unset fields are not written."""


class Identity(_Table, frozen=True, kw_only=True):
    """What inventory systems, recalls and advisories know the device by."""

    manufacturer: Annotated[Text | None, about("Maker, as on the type plate.")] = None
    model: Annotated[Text | None, about("Model, as on the type plate.")] = None
    aliases: Annotated[
        tuple[Text, ...] | None, about("Other names it is sold or listed under; [] if there are none.")
    ] = None
    udi_di: Annotated[tuple[Digits, ...] | None, about("Device identifiers of the UDI, digits only.")] = None
    fda_product_codes: Annotated[tuple[FdaCode, ...] | None, about("FDA product codes.")] = None
    fda_regulation: Annotated[CfrSection | None, about("Section of 21 CFR that classifies it.")] = None
    fda_class: Annotated[DeviceClass | None, about("Device class in the United States.")] = None
    eu_mdr_class: Annotated[MdrClass | None, about("Device class under the EU regulation 2017/745.")] = None
    iec62304_class: Annotated[SoftwareClass | None, about("Software safety class.")] = None
    gmdn: Annotated[Digits | None, about("GMDN code.")] = None
    advisory_names: Annotated[
        tuple[Text, ...] | None, about("Product names as spelled in security advisories, to match them.")
    ] = None
    advisories: Annotated[tuple[AdvisoryId, ...] | None, about("Security advisories known to concern it.")] = None


class Hazard(_Table, frozen=True, kw_only=True):
    """One way in which the device can harm a patient."""

    id: Annotated[Name, about("Short name, used by findings and tests.")]
    event: Annotated[Text, about("What goes wrong, in plain words.")]
    harm: Annotated[Text, about("What it does to the patient, in plain words.")]
    severity: Annotated[Harm | None, about("How bad that harm is.")] = None


class Safety(_Table, frozen=True, kw_only=True):
    """What may harm a patient; decides how much a weakness matters."""

    therapy: Annotated[Therapy, about("What the device does for a patient.")]
    worst_case_harm: Annotated[Harm, about("The worst credible harm if it misbehaves.")]
    hazards: Annotated[tuple[Hazard, ...], about("Ways in which it can harm a patient.")] = ()
    safe_state: Annotated[
        Text | None,
        about("State in which it can harm nobody; a bench run must leave it so, and does not start without."),
    ] = None
    patient_contact: Annotated[bool | None, about("Whether a part touches the patient.")] = None
    essential_performance: Annotated[tuple[Text, ...] | None, about("What must keep working, whatever else fails.")] = (
        None
    )


class Processor(_Table, frozen=True, kw_only=True):
    """One microcontroller or processor."""

    id: Annotated[Name, about("Short name; the first one is usually called main.")]
    role: Annotated[ProcessorRole | None, about("What it does in the device.")] = None
    part: Annotated[Text | None, about("Part number, or family if only that is known.")] = None
    maker: Annotated[Text | None, about("Who makes the part.")] = None
    core: Annotated[Text | None, about("Processor core, for example Cortex-M4F.")] = None
    flash: Annotated[Size | None, about("Program memory inside.")] = None
    ram: Annotated[Size | None, about("RAM inside.")] = None
    eeprom: Annotated[Size | None, about("Data EEPROM inside.")] = None
    read_protection: Annotated[
        ReadProtection | None, about("What keeps its program memory from being read through the debug port.")
    ] = None


class MemoryRegion(_Table, frozen=True, kw_only=True):
    """A stretch of addresses, ``[start, start + size)``."""

    id: Annotated[Name, about("Short name.")]
    space: Annotated[
        Name,
        about("Address space: id of the processor or the storage it belongs to. Regions of one space never overlap."),
    ] = "main"
    start: Annotated[Address, about("First address.")]
    size: Annotated[Size, about("Size in bytes.")]
    use: Annotated[RegionUse, about("What it is for.")]

    @property
    def end(self) -> int:
        """One past the last address."""
        return self.start + self.size


class Storage(_Table, frozen=True, kw_only=True):
    """Memory outside the processor."""

    id: Annotated[Name, about("Short name.")]
    kind: Annotated[StorageKind | None, about("Kind of memory.")] = None
    part: Annotated[Text | None, about("Part number.")] = None
    size: Annotated[Size | None, about("Size in bytes.")] = None
    removable: Annotated[bool | None, about("Whether it can be taken out without tools.")] = None


class OperatingSystem(_Table, frozen=True, kw_only=True):
    """Operating system of the main processor."""

    family: Annotated[OsFamily | None, about("Which one; bare_metal if there is none.")] = None
    version: Annotated[Text | None, about("Version.")] = None
    end_of_support: Annotated[Date | None, about("When its maker stopped or will stop to mend it.")] = None


class ExpectedComponent(_Table, frozen=True, kw_only=True):
    """A third-party part that the maker says is inside."""

    id: Annotated[Name, about("Short name, as in `medharden scan`.")]
    version: Annotated[Text | None, about("Version the maker states.")] = None
    purl: Annotated[Purl | None, about("Package URL.")] = None
    cpe: Annotated[Cpe | None, about("CPE 2.3 name.")] = None


class ForbiddenComponent(_Table, frozen=True, kw_only=True):
    """A third-party part that must not be inside."""

    id: Annotated[Name, about("Short name, as in `medharden scan`.")]
    reason: Annotated[Text, about("Why it must not be there.")]


class Platform(_Table, frozen=True, kw_only=True):
    """The hardware and what runs on it."""

    mcu: Annotated[tuple[Processor, ...], about("Processors and microcontrollers.")] = ()
    memory_map: Annotated[tuple[MemoryRegion, ...], about("Where what lies; raw images are read with it.")] = ()
    storage: Annotated[tuple[Storage, ...], about("Memory outside the processors.")] = ()
    os: Annotated[OperatingSystem, about("Operating system of the main processor.")] = OperatingSystem()
    expected_components: Annotated[
        tuple[ExpectedComponent, ...], about("Parts the maker's SBOM or MDS2 form names.")
    ] = ()
    forbidden_components: Annotated[tuple[ForbiddenComponent, ...], about("Parts that must not be inside.")] = ()
    root_of_trust: Annotated[RootOfTrust | None, about("What the first code is verified with.")] = None


class SerialLine(_Table, frozen=True, kw_only=True):
    """Settings of a serial line."""

    baud: Annotated[Number | None, about("Bits per second.")] = None
    data_bits: Annotated[Number | None, about("Data bits, 5 to 9.")] = None
    parity: Annotated[Parity | None, about("Parity bit.")] = None
    stop_bits: Annotated[Number | None, about("Stop bits, 1 or 2.")] = None
    flow: Annotated[FlowControl | None, about("Flow control.")] = None


class Usb(_Table, frozen=True, kw_only=True):
    """What a USB connection reports about itself."""

    vendor_id: Annotated[Hex16 | None, about("Vendor id.")] = None
    product_id: Annotated[Hex16 | None, about("Product id.")] = None
    classes: Annotated[tuple[UsbClass, ...] | None, about("Interfaces it is expected to have, and no others.")] = None


class Ble(_Table, frozen=True, kw_only=True):
    """What a Bluetooth LE link offers."""

    services: Annotated[tuple[Hex16, ...] | None, about("16-bit GATT services it is expected to have.")] = None
    pairing: Annotated[BlePairing | None, about("How it is paired.")] = None


class Sockets(_Table, frozen=True, kw_only=True):
    """Network traffic that belongs to the device's job."""

    listen_tcp: Annotated[tuple[Port, ...] | None, about("TCP ports it listens on; [] if it must not listen.")] = None
    listen_udp: Annotated[tuple[Port, ...] | None, about("UDP ports it listens on; [] if it must not listen.")] = None
    peers: Annotated[
        tuple[Text, ...] | None, about("Hosts or roles it may talk to; [] if none. Becomes firewall rules.")
    ] = None


class Interface(_Table, frozen=True, kw_only=True):
    """One way into the device."""

    id: Annotated[Name, about("Short name.")]
    type: Annotated[InterfaceType, about("The way the connection is made.")]
    connector: Annotated[Text | None, about("Connector or place, for example RJ45 at the back.")] = None
    purposes: Annotated[tuple[Purpose, ...] | None, about("What it is used for.")] = None
    authentication: Annotated[Authentication | None, about("What it asks for before it obeys.")] = None
    encryption: Annotated[Encryption | None, about("Whether somebody in between can read along.")] = None
    reach: Annotated[Reach | None, about("Where somebody must be to use it.")] = None
    protocol: Annotated[Name | None, about("Protocol, for example cms50, medibus, hl7v2-mllp, astm-e1381.")] = None
    serial: Annotated[SerialLine, about("Settings of the serial line.")] = SerialLine()
    usb: Annotated[Usb, about("What USB reports.")] = Usb()
    ble: Annotated[Ble, about("What Bluetooth LE offers.")] = Ble()
    sockets: Annotated[Sockets, about("Expected network traffic.")] = Sockets()


class Update(_Table, frozen=True, kw_only=True):
    """How new software gets in, and what it must prove."""

    channels: Annotated[tuple[UpdateChannel, ...] | None, about("Ways in; [] if it cannot be updated.")] = None
    containers: Annotated[
        tuple[Name, ...] | None, about("File formats, for example ihex, srec, raw, elf, zip, mcuboot, cramfs, vendor.")
    ] = None
    integrity: Annotated[Integrity | None, about("What shows that the file is undamaged.")] = None
    authenticity: Annotated[Authenticity | None, about("What proves who made the file.")] = None
    rollback_protection: Annotated[RollbackProtection | None, about("What refuses older versions.")] = None
    model_binding: Annotated[bool | None, about("Whether a file for another model is refused.")] = None
    recovery: Annotated[Recovery | None, about("What brings it back after a failed update.")] = None
    verifier_ram: Annotated[Size | None, about("RAM a signature check may use.")] = None
    verifier_time_ms: Annotated[Milliseconds | None, about("Time a signature check may take, in milliseconds.")] = None


class Data(_Table, frozen=True, kw_only=True):
    """What the device remembers about patients and about your network."""

    patient_data: Annotated[PatientData | None, about("How long patient data stays in it.")] = None
    patient_data_kinds: Annotated[tuple[Text, ...] | None, about("Kinds of patient data, for example SpO2 trend.")] = (
        None
    )
    secrets: Annotated[tuple[Text, ...] | None, about("Secrets it keeps, for example a Wi-Fi password.")] = None
    encryption_at_rest: Annotated[Encryption | None, about("How both are protected in memory.")] = None
    wipe_procedure: Annotated[Text | None, about("How to erase both before it leaves the house.")] = None


class ComponentSupport(_Table, frozen=True, kw_only=True):
    """When a part of the device stops being mended."""

    id: Annotated[Name, about("Short name of the part.")]
    end_of_support: Annotated[Date, about("When its support ends or ended.")]


class Lifecycle(_Table, frozen=True, kw_only=True):
    """Where the device stands in its life."""

    first_sold: Annotated[Date | None, about("First sold.")] = None
    end_of_sale: Annotated[Date | None, about("Last sold.")] = None
    end_of_support: Annotated[Date | None, about("Last date of support.")] = None
    end_of_life: Annotated[Date | None, about("Date after which it should not be used.")] = None
    stage: Annotated[SupportStage | None, about("Stage of support.")] = None
    components: Annotated[tuple[ComponentSupport, ...], about("Parts with an end of support of their own.")] = ()
    compensating_controls: Annotated[tuple[Text, ...] | None, about("What protects it where it cannot be mended.")] = (
        None
    )


class Identification(_Table, frozen=True, kw_only=True):
    """A question whose answer proves that the right device is connected."""

    id: Annotated[Name, about("Short name.")]
    interface: Annotated[Name, about("Id of the interface to ask on.")]
    send: Annotated[HexBytes | None, about("Bytes to send; left out: only listen.")] = None
    expect: Annotated[BytePattern, about("Bytes the answer must contain; .. is any byte.")]
    meaning: Annotated[Text | None, about("What question and answer mean.")] = None


class NeverSend(_Table, frozen=True, kw_only=True):
    """Bytes that must never reach a real device."""

    id: Annotated[Name, about("Short name.")]
    interface: Annotated[Name | None, about("Id of the interface; left out: all of them.")] = None
    pattern: Annotated[BytePattern | None, about("Bytes a forbidden message contains; .. is any byte.")] = None
    command: Annotated[Text, about("The command in words, for example start delivery.")]
    reason: Annotated[Text, about("What it would do.")]


class BenchRules(_Table, frozen=True, kw_only=True):
    """What a bench run needs to know to do no harm."""

    emulator: Annotated[Name | None, about("Emulated device to use when no real one is connected.")] = None
    identify: Annotated[
        tuple[Identification, ...], about("Checks before the first write; one that fails ends the run.")
    ] = ()
    never_send: Annotated[tuple[NeverSend, ...], about("Messages the transport refuses to send.")] = ()
    make_safe: Annotated[
        tuple[Identification, ...],
        about("Messages that bring it to its safe state, sent at the end of every run, and the answer to each."),
    ] = ()
    default_credentials: Annotated[
        tuple[Text, ...] | None,
        about("Log-ins it must not accept, for example factory passwords; [] if none is known."),
    ] = None
    power_control: Annotated[PowerControl | None, about("How the device is switched off and on.")] = None
    reply_timeout_ms: Annotated[Milliseconds | None, about("Longest wait for an answer, in milliseconds.")] = None
    expected_alarms: Annotated[tuple[Text, ...] | None, about("Alarms a test is expected to raise.")] = None


class Exemption(_Table, frozen=True, kw_only=True):
    """A finding that the owner accepts for a while."""

    id: Annotated[Name, about("Short name.")]
    check: Annotated[Name | None, about("Check whose finding is accepted; left out with vulnerability.")] = None
    vulnerability: Annotated[Text | None, about("Vulnerability that is accepted, for example a CVE name.")] = None
    component: Annotated[Text | None, about("Component, by its short name; required with vulnerability.")] = None
    paths: Annotated[
        tuple[Text, ...] | None,
        about("Where it may show, without the name of the image; * is any text, . the image itself."),
    ] = None
    excerpt_sha256: Annotated[
        Text | None, about("Digest of what stands there, as `medharden policy accept` writes it.")
    ] = None
    reason: Annotated[Text, about("Why it is acceptable.")]
    owner: Annotated[Text, about("Who answers for it.")]
    created_by: Annotated[Text | None, about("Who wrote it down.")] = None
    created: Annotated[Date | None, about("Day it was written down.")] = None
    expires: Annotated[Date, about("Last day on which it counts, a whole day, two years ahead at most.")]


class UpdatableComponent(_Table, frozen=True, kw_only=True):
    """A part of the device that an update package may change."""

    id: Annotated[Name, about("Short name, the same as in the package, for example main or radio.")]
    kind: Annotated[UpdateKind | None, about("What it is; left out: firmware.")] = None
    slots: Annotated[
        tuple[Name, ...] | None, about("Ids of the memory regions it may be written to; left out: not checked.")
    ] = None
    largest: Annotated[Size | None, about("Largest size in bytes, where no memory region says it.")] = None
    minimum_version: Annotated[Text | None, about("Oldest version that may be installed, for example 1.4.0.")] = None
    minimum_counter: Annotated[Number | None, about("Lowest security counter that may be installed.")] = None


class UpdatePolicy(_Table, frozen=True, kw_only=True):
    """What an update package must prove before it may reach the device."""

    vendor: Annotated[Text | None, about("Vendor the package must name; left out: the manufacturer.")] = None
    model: Annotated[Name | None, about("Model the package must name; left out: the id of this profile.")] = None
    hardware_revisions: Annotated[tuple[Text, ...] | None, about("Hardware revisions you have.")] = None
    regions: Annotated[tuple[Name, ...] | None, about("Regions your devices are set up for.")] = None
    approvals: Annotated[
        tuple[Approver, ...] | None, about("Who must have approved a package; left out: vendor and hospital.")
    ] = None
    signatures: Annotated[SignaturePolicy | None, about("Rules for signature algorithms; left out: fips.")] = None
    algorithms: Annotated[
        tuple[Name, ...] | None, about("The only signature algorithms that count; left out: what signatures allows.")
    ] = None
    components: Annotated[
        tuple[UpdatableComponent, ...], about("Parts that a package may change; without any, no package fits.")
    ] = ()
    unknown_clock: Annotated[
        UnknownClock | None, about("What happens when nobody knows the time; left out: override.")
    ] = None
    override_people: Annotated[
        Number | None, about("People who must sign to install a package that is not fresh; left out: 2, never fewer.")
    ] = None


class IntegrityPolicy(_Table, frozen=True, kw_only=True):
    """What of the software may change in normal use, when a dump is compared with its baseline."""

    mutable_paths: Annotated[
        tuple[PathPattern, ...] | None,
        about("Where data may change, for example /var/log/**; programs and rights there may not."),
    ] = None
    mutable_regions: Annotated[
        tuple[Name, ...] | None, about("Ids of memory regions whose content may change, for example settings.")
    ] = None


class Policy(_Table, frozen=True, kw_only=True):
    """Decisions of the owner; not facts, so they need no evidence."""

    update: Annotated[UpdatePolicy, about("What an update package must prove.")] = UpdatePolicy()
    integrity: Annotated[IntegrityPolicy, about("What of the software may change in normal use.")] = IntegrityPolicy()

    fail_on: Annotated[Severity | None, about("Severity from which a scan fails.")] = None
    exceptions: Annotated[tuple[Exemption, ...], about("Findings accepted for a while.")] = ()


class Evidence(_Table, frozen=True, kw_only=True):
    """Where facts come from."""

    fields: Annotated[
        tuple[Path, ...],
        about(
            "Paths of the facts. A path covers everything below it, * stands for any name, "
            "and the longest path that fits a fact is the one that counts."
        ),
    ]
    status: Annotated[EvidenceStatus, about("How the facts are known.")]
    source: Annotated[Text, about("Where they stand, so that somebody else finds them.")]
    url: Annotated[Url | None, about("Address of the source.")] = None
    date: Annotated[Date | None, about("When it was published, read or measured.")] = None
    profile: Annotated[ProfileId | None, about("Profile that states the facts; filled in on loading.")] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """One fact of a profile with its evidence."""

    path: str
    value: Any
    evidence: Evidence


class DeviceProfile(_Table, frozen=True, kw_only=True):
    """What a device is: hardware, connections, updates, hazards to patients, and how each of these facts is known."""

    schema_version: Annotated[SchemaVersion, about("Version of this format.")]
    id: Annotated[
        ProfileId, about("Stable name, used in reports and on the command line; the file is called the same.")
    ]
    kind: Annotated[Kind, about("A class of devices, or one make and model.")]
    extends: Annotated[ProfileId | None, about("Profile whose facts hold unless this one says otherwise.")] = None
    without: Annotated[
        tuple[Path, ...] | None, about("Inherited facts that do not hold here, for example interfaces.ble.")
    ] = None
    title: Annotated[Text, about("Name for people.")]
    summary: Annotated[Text | None, about("One or two sentences on what it is.")] = None
    identity: Annotated[Identity, about("What inventory systems, recalls and advisories know it by.")] = Identity()
    safety: Annotated[Safety, about("What may harm a patient.")]
    platform: Annotated[Platform, about("The hardware and what runs on it.")] = Platform()
    interfaces: Annotated[tuple[Interface, ...], about("Every way into the device.")] = ()
    update: Annotated[Update, about("How new software gets in.")] = Update()
    data: Annotated[Data, about("What it remembers about patients and about your network.")] = Data()
    lifecycle: Annotated[Lifecycle, about("Where it stands in its life.")] = Lifecycle()
    hil: Annotated[BenchRules, about("What a bench run needs to know.")] = BenchRules()
    policy: Annotated[Policy, about("Decisions of the owner.")] = Policy()
    evidence: Annotated[tuple[Evidence, ...], about("Where the facts come from; every fact must be covered.")]

    @property
    def digest(self) -> str:
        """SHA-256 of the resolved content, evidence included, in hexadecimal."""
        return hashlib.sha256(msgspec.json.encode(self, order="deterministic")).hexdigest()

    def facts(self) -> Iterator[Statement]:
        """Yield every fact with its evidence, in the order of the schema."""
        by_path = {path: evidence for evidence in self.evidence for path in evidence.fields}
        for path, value in leaves(msgspec.to_builtins(self)):
            yield Statement(path=path, value=value, evidence=by_path[path])

    def evidence_for(self, path: str) -> Evidence:
        """Return the evidence for the fact at ``path``, or the weakest one for the facts below it.

        A fact that was inherited keeps the evidence of the profile that states it. ``KeyError`` when nothing is stated
        there: then there is no fact to judge.
        """
        below = f"{path}."
        found = [e for e in self.evidence for field in e.fields if field == path or field.startswith(below)]
        if not found:
            raise KeyError(f"profile {self.id} states nothing at {path}")
        return max(found, key=lambda e: e.status.rank)
