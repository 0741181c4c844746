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
    BENCH_REPORT = "Bench report"
    MADE_BY = "Made by {name} {version}"

    # traffic light
    RED = "Red"
    AMBER = "Amber"
    HEADLINE_RED = "Serious findings. Do not put this image into use before they are settled."
    BENCH_HEADLINE_RED = "Serious findings. Do not use a device of this kind before they are settled."
    HEADLINE_AMBER = "No serious finding, but there are findings to read before you decide."
    HEADLINE_NOTHING = "Nothing found by the checks that ran. This is not an all-clear."
    NOT_LOOKED_UP = "Known vulnerabilities were not looked up."
    COUNT_OF = "{count} {name}"
    CHECKS_RAN = "Checks that ran"

    # what it means, and until when to act
    FOR_THE_PATIENT = "For the patient"
    DUE = "When"
    DUE_RED = "Before this image is put into use."
    BENCH_DUE_RED = "Before a device of this kind is put into use."
    DUE_RUNNING = "Devices that run it already: by {date}."
    DUE_AMBER = "Before the decision at the end of this report is signed."

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
        "No finding has to be settled. Ask the manufacturer about what could not be read, "
        "and for a list of the components."
    )
    ACTION = "Action"
    SEEN = "What was seen"
    WHERE = "Where"
    CONTROLS = "Regulations and standards"
    CHECK = "Check"
    AT_OFFSET = "{path} at offset {offset}"
    AT_ADDRESS = "address {address}"

    KEY = "Key"

    # accepted risks
    ACCEPTED = "Accepted risks"
    ACCEPTED_NOTE = "They are known and do not count: for each somebody answers until the day that stands there."
    ACCEPTED_UNTIL = "Accepted until {date} by {owner}, because: {reason}"
    ACCEPTED_COUNT = "Accepted risks that do not count: {count}."
    SOON_COUNT = "Of them run out within 30 days: {count}."
    RAN_OUT_COUNT = "Acceptances that have run out: {count}."
    RUNS_OUT_IN = "Days left: {days}. Decide again before then."
    RAN_OUT = "Its acceptance has run out and it counts again: until {date}, {owner}: {reason}"
    RAN_OUT_FOR = "The acceptance of {what} has run out: until {date}, {owner}: {reason}"
    UNUSED_ACCEPTANCE = "Nothing in this image is what {what} accepts: {subject}. Take it out, or look why."
    POLICY = "Accepted risks from a file"

    # pictures
    PICTURES = "In pictures"
    SEVERITY_CHART = "Severity by what is at stake for the patient"
    SEVERITY_CHART_NOTE = (
        "Known vulnerabilities that apply or may apply, by the harm that a failure can do on this device; "
        "and the findings of the checks."
    )
    OF_CHECKS = "Findings of the checks"
    SUPPORT_CHART = "Age of components: end of support"
    SUPPORT_CHART_NOTE = (
        "Left of the line support had ended on {date}, right of it it goes on. Versions of the same part may differ."
    )
    ENDED_FOR = "ended {years} years ago"
    GOES_ON_FOR = "{years} years left"
    FILE_CHART = "Map of the file"
    FILE_CHART_NOTE = "The file from its first byte to its last, to size; a table of the same stands in the annex."
    NUMBERS_OF_CHART = "The same in numbers"
    SEVERITY = "Severity"
    COUNT = "Number"
    YEARS = "Years"
    UNRANKED = "Not known"

    # searching and sorting on screen
    SEARCH = "Search in this report"
    SEARCH_FOUND = "Shown: {count} of {total}"
    SORT_BY = "Sort by {name}"

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

    # known vulnerabilities
    VULNERABILITIES = "Known vulnerabilities"
    DO_THIS_FIRST = "Vulnerable components: do this first"
    HOW_SOON = "How soon"
    KNOWN = "Known"
    WHAT_IT_MEANS = "What it means, and what to do"
    NOW = "now"
    SOON = "soon"
    NEXT_UPDATE = "next update"
    LATER = "later"
    WHEN_NOW = "Now, together with the clinicians: take the device off the network or out of use until this is settled."
    WHEN_SOON = "Do not wait for the next routine service."
    WHEN_NEXT_UPDATE = "With the next routine service or update."
    WHEN_LATER = "Nothing to do now; look again with the next release."
    IT_APPLIES = "It applies."
    IT_MAY_APPLY = "It may apply: not everything that decides is known."
    USED_IN_ATTACKS = "It is used in attacks."
    LIKELY_IN_ATTACKS = "It is likely to be used in attacks soon."
    NO_ATTACK_KNOWN = "No attack with it is known."
    FROM_ANYWHERE = "It can be used from anywhere, or nobody has said that it cannot."
    FROM_HOSPITAL = "It can be used from the hospital network or by radio from nearby."
    FROM_THE_DEVICE = "Somebody must stand at the device to use it."
    STAKE_LOW = "A failure hardly touches patients."
    STAKE_MEDIUM = "A failure disturbs care."
    STAKE_HIGH = "A failure can injure a patient."
    STAKE_VERY_HIGH = "A failure can cost a life."
    UPDATE_TO = "Ask the manufacturer for firmware with {component} {version} or later."
    ASK_FOR_CORRECTION = "Ask the manufacturer for firmware in which this is mended."
    ASK_WHETHER_IT_APPLIES = "Ask the manufacturer whether it applies."
    NO_LONGER_MENDED = "Its makers mend this version no more: plan its replacement."
    ISOLATE = "Until then close or shield: {ports}."
    REPLACE_BY = "Replace the device by {date}."
    VERSION_NOT_KNOWN = "(version not known)"
    COUNT_APPLY = "{count} apply."
    COUNT_MAY_APPLY = "{count} may apply."
    FACTS_SHIPPED = "facts shipped with medharden"
    STEP_EXPLOITED = "{count} used in attacks."
    DO_NOW_COUNT = "Vulnerable components to act on now: {count}."
    DO_SOON_COUNT = "To act on soon: {count}."
    NO_KNOWN_VULNERABILITY = (
        "In this data nothing is known against the components that were named. That does not mean there is nothing."
    )
    MORE_VULNERABLE = "More vulnerable components"
    DATA_NOTE = "Vulnerability data of {data}; judged on {day}. It is not complete: what is not in it is not shown."
    NO_PROFILE_NOTE = "No device profile was given: the worst was assumed of reach and harm."

    STATUS = "Status"
    SCORE = "Score here"
    AFFECTED = "applies"
    UNDER_INVESTIGATION = "may apply"
    NOT_AFFECTED = "does not apply"
    USED_SINCE = "used in attacks since {date}"
    OWN_DECISION = "your own decision ({source})"
    DOES_NOT_APPLY = "Does not apply, because"
    NOTHING_EXCUSED = "Nothing in the image shows that one of them does not apply."
    NOT_AFFECTED_COUNT = "{name}: {count} do not apply; why stands in the HTML and JSON report."
    JUDGED_ON = "Support and decisions judged on"
    OWN_DECISIONS = "Your own decisions"
    SUPPORT = "Support by the makers"
    NO_SUPPORT_KNOWN = "Nothing is known about the support of the components that were named."
    STATE = "State"
    UNTIL = "Until"
    SAID_BY = "Said by"
    STATE_ENDED = "ended"
    STATE_PAID = "only for who pays"
    STATE_SUPPORTED = "supported"
    UNUSED_DECISIONS = "Your decisions that were not used"
    HOW_ORDERED = "What the order rests on"
    HOW_ORDERED_NOTE = (
        "How soon to act follows SSVC, the decision tree for those who run devices, from what is known of attacks, "
        "how the device can be reached, and what is at stake. Scores are CVSS with this device's answers put in."
    )
    QUESTION = "Question"
    ANSWER = "Answer"
    ASK_NETWORK = "Which connections reach it over a network?"
    ASK_RADIO = "Which connections reach it by radio or light from nearby?"
    ASK_TOUCH = "Which connections need somebody who stands at it?"
    ASK_LOGIN = "What does its farthest connection ask for before it obeys?"
    ASK_COMPLEXITY = "Must somebody first learn something about this one device?"
    ASK_INTERACTION = "Must a clinician do something beyond ordinary use?"
    ASK_SCOPE = "Can other devices be reached through it?"
    ASK_PATIENT_DATA = "How long does it keep data of patients?"
    ASK_SECRETS = "Which passwords and keys does it keep, so how much does secrecy matter?"
    ASK_THERAPY = "What does it do for a patient, so how much does it matter that data and settings are right?"
    ASK_ALARMS = "Does it pass on alarms, so how much does it matter that it keeps working?"
    ASK_HARM = "What is the worst harm if it misbehaves?"
    PROFILE_STATES = "The device profile states it."
    PROFILE_ASSUMES = "Assumed: the profile takes it as typical of this class of device."
    AS_PUBLISHED = "as published"
    NOT_OF_THE_DEVICE = "It depends on the vulnerability: its published vector counts."
    NOT_STATED = "Assumed, because the profile does not say."
    NO_PROFILE = "Assumed, because no device profile was given."

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
