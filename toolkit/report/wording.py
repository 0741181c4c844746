"""Every sentence a report says by itself, in English: the catalogues in ``languages`` are keyed by them.

``{...}`` marks what is put in. A report shows nothing in words that stands neither here nor in a check, a format, a
component rule or the image.
"""

from __future__ import annotations

import enum
from types import MappingProxyType
from typing import Final

from toolkit.core.findings import Severity
from toolkit.report.model import Confidence, RegionKind

__all__ = ["CONFIDENCE_NAMES", "FACT_NAMES", "KIND_MEANINGS", "KIND_NAMES", "SEVERITY_NAMES", "Label"]


class Label(enum.StrEnum):
    """The sentences and words of the reports."""

    # the head of the page
    REPORT = "Firmware report"
    MADE_BY = "Made by {name} {version}"

    # traffic light
    RED = "Red"
    AMBER = "Amber"
    HEADLINE_RED = "Serious findings. Do not put this image into use before they are settled."
    HEADLINE_AMBER = "No serious finding, but there are findings to read before you decide."
    HEADLINE_NOTHING = "Nothing found by the checks that ran. This is not an all-clear."
    NOT_LOOKED_UP = "Known vulnerabilities were not looked up."
    COUNT_OF = "{count} {name}"
    CHECKS_RAN = "Checks that ran"

    # what it is
    WHAT_IT_IS = "What it is"
    PAIR = "{name}: {value}"
    FILE = "File"
    SIZE = "Size"
    SHA256 = "SHA-256"
    FORMAT = "Format"
    PROCESSOR = "Processor"
    FAMILY = "Microcontroller family"
    LOAD_ADDRESS = "Load address"
    ENTRY_ADDRESS = "Start address"
    WITH_CONFIDENCE = "{value} (confidence: {confidence})"
    NOT_KNOWN = "not known"
    SENTENCE_FORMAT = "The file is: {format}."
    SENTENCE_FORMAT_UNKNOWN = "The file is in no format that was recognised."
    SENTENCE_PROGRAM = "Its main program is written for the processor architecture {processor}."
    SENTENCE_FAMILY = "Microcontroller family: {family}."
    SENTENCE_NO_PROGRAM = "No program could be told in it."
    SENTENCE_LOADED_AT = "It runs from address {address}."
    SENTENCE_COMPONENTS = "Third-party components named in it: {count}."

    # coverage
    COVERAGE = "How much was understood"
    COVERAGE_PERCENT = "{percent} of the content was recognised."
    COVERAGE_NONE = "There is no content besides padding."
    COVERAGE_REST = "The checks say nothing about the rest."
    RECOGNISED = "Recognised"
    PADDING_SHARE = "Padding"
    ENCRYPTED_SHARE = "Looks encrypted or compressed"
    UNKNOWN_SHARE = "Not recognised"
    UNREAD_SHARE = "Not read"
    NOT_READ = "What could not be read"
    ALL_READ = "Everything in the file was read."
    LIMITS_HIT = "Limits of the scan that were reached"
    REASON = "Reason"

    # findings
    WHAT_TO_DO_FIRST = "What to do first"
    FINDINGS = "Findings"
    NO_FINDINGS = "The checks that ran found nothing."
    NOTHING_TO_SETTLE = (
        "No finding has to be settled. Look up known vulnerabilities of the components, "
        "and ask the manufacturer about what could not be read."
    )
    ACTION = "Action"
    SEEN = "What was seen"
    WHERE = "Where"
    CONTROLS = "Regulations and standards"
    CHECK = "Check"
    AT_OFFSET = "{path} at offset {offset}"
    AT_ADDRESS = "address {address}"

    # severities
    CRITICAL = "Critical"
    HIGH = "High"
    MEDIUM = "Medium"
    LOW = "Low"
    INFO = "Note"

    # components
    COMPONENTS = "Components"
    COMPONENT = "Component"
    NO_COMPONENTS = "No component could be named. That does not mean there is none."
    VERSION = "Version"
    ONE_OF = "one of: {versions}"
    CONFIDENCE = "Confidence"
    EVIDENCE = "Evidence"

    # confidence
    CONFIDENCE_LOW = "low"
    CONFIDENCE_MEDIUM = "medium"
    CONFIDENCE_HIGH = "high"
    CONFIDENCE_CERTAIN = "certain"

    # check values
    INTEGRITY = "Check sums and hashes in the image"
    NO_INTEGRITY = "No check sum or hash was found that could be computed again."
    INTEGRITY_NOTE = "A check sum shows damage. It does not show who made the image: anybody can compute it again."
    COVERS = "Covers"
    VERDICT = "Verdict"
    VALID = "valid"
    INVALID = "NOT VALID"
    STORED = "In the image"
    COMPUTED = "Computed"

    # address map
    ADDRESS_MAP = "Address map"
    NO_ADDRESSES = "No address in the device is known for any part of the file."
    MAP_NOTE = (
        "Lowest address at the top. Heights show sizes, but no area is drawn lower than its label; "
        "gaps are not drawn to size."
    )
    MAP_OF = "Memory as {name} defines it"
    GAP = "gap of {size}"
    AREAS = "{count} small areas"
    MORE_MAPS = "{count} more address spaces are not drawn; they are in the JSON report."

    # regions
    REGIONS = "What stands where"
    REGIONS_ANNEX = "Annex: what stands where"
    NO_REGIONS = "Nothing was told apart in this file."
    OFFSET = "Offset"
    FIRST_BYTE = "First byte"
    PAST_LAST_BYTE = "Past last byte"
    ADDRESS = "Address"
    BYTES = "Bytes"
    KIND = "Kind"
    WHAT = "What"
    IN_FILE = "In {path}"
    PROBLEM = "Problem: {problem}"
    MORE_ROWS = "... {count} more; see the HTML or JSON report."
    MORE_BELOW = "... {count} more; see the pages that follow."
    MORE_ROWS_JSON = "... {count} more; see the JSON report."

    # kinds of regions and their meanings
    CONTAINER = "Container"
    PROGRAM = "Program"
    CONFIGURATION = "Settings"
    METADATA = "Header"
    DATA = "Data"
    PADDING = "Padding"
    ENCRYPTED = "Looks encrypted"
    UNKNOWN = "Unknown"
    CONTAINER_MEANS = "holds other things"
    PROGRAM_MEANS = "machine code with its constants"
    CONFIGURATION_MEANS = "option bytes, fuses, partition tables: settings of the hardware"
    METADATA_MEANS = "headers, signatures, trailers"
    DATA_MEANS = "recognised content that is not code"
    PADDING_MEANS = "one byte value repeated"
    ENCRYPTED_MEANS = "looks random: encrypted, or compressed in a way we do not know"
    UNKNOWN_MEANS = "not recognised"

    # facts
    FACT_ARCH = "processor"
    FACT_ROLE = "role"
    FACT_WHY = "reasons"
    FACT_LOAD_ADDRESS = "load address"
    FACT_ENTRY_ADDRESS = "start address"
    FACT_STACK_ADDRESS = "stack address"
    FACT_FAMILY = "microcontroller family"
    FACT_FAMILY_CONFIDENCE = "confidence in the family"
    FACT_VERSION = "version"
    FACT_SIGNED = "signed"
    YES = "yes"
    NO = "no"

    # limits of the report
    NOT_SAID = "What this report does not say"
    NOT_A_MEDICAL_DEVICE = (
        "medharden is not a medical device. It helps a qualified person to judge; it does not replace that judgement."
    )

    # versions
    DATA_VERSIONS = "Rules and data behind this report"
    MADE_WITH = "Program"
    COMPONENT_RULES = "Component rules"
    FORMATS_TRIED = "Image formats tried"
    DEVICE_PROFILE = "Device profile"
    VULNERABILITY_DATA = "Vulnerability data"
    NONE_USED = "none"
    SCHEMA = "Structure of the JSON report"
    SAME_AGAIN = "The same file read with the same rules gives the same report, byte for byte."

    # sign-off
    SIGN_OFF = "Decision and signature"
    DECISION_ACCEPT = "Accepted for use"
    DECISION_CONDITIONS = "Accepted with conditions"
    DECISION_REJECT = "Not accepted"
    CONDITIONS = "Conditions and reasons"
    DUE_DATE = "To be done by (date)"
    WORK_ORDER = "Work order or asset tag"
    PERSON = "Name"
    ROLE = "Role"
    DATE = "Date"
    SIGNATURE = "Signature"

    # sizes
    SIZE_BYTE = "{number} byte"
    SIZE_BYTES = "{number} bytes"
    SIZE_KIB = "{number} KiB"
    SIZE_MIB = "{number} MiB"
    SIZE_GIB = "{number} GiB"
    PERCENT = "{number} %"


SEVERITY_NAMES: Final = MappingProxyType({severity: Label[severity.name] for severity in Severity})
"""What a severity is called."""

KIND_NAMES: Final = MappingProxyType({kind: Label[kind.name] for kind in RegionKind})
"""What a kind of region is called."""

KIND_MEANINGS: Final = MappingProxyType({kind: Label[f"{kind.name}_MEANS"] for kind in RegionKind})
"""What a kind of region is, in words."""

CONFIDENCE_NAMES: Final = MappingProxyType({c: Label[f"CONFIDENCE_{c.name}"] for c in Confidence})
"""What a confidence is called."""

FACT_NAMES: Final = MappingProxyType(
    {
        "arch": Label.FACT_ARCH,
        "role": Label.FACT_ROLE,
        "why": Label.FACT_WHY,
        "load_address": Label.FACT_LOAD_ADDRESS,
        "entry_address": Label.FACT_ENTRY_ADDRESS,
        "stack_address": Label.FACT_STACK_ADDRESS,
        "mcu_family": Label.FACT_FAMILY,
        "mcu_family_confidence": Label.FACT_FAMILY_CONFIDENCE,
        "version": Label.FACT_VERSION,
        "signed": Label.FACT_SIGNED,
    }
)
"""Names of the facts that many formats share; the others are shown by their own names."""
