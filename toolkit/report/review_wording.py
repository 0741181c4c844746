"""Every sentence the review of an update says by itself, in English: the catalogues in ``languages`` are keyed by them.

``{...}`` marks what is put in. A reason is one sentence: what was found, and what to do where something is to be done.
"""

from __future__ import annotations

import enum
from types import MappingProxyType
from typing import Final

from toolkit.report.review import Change, Fate, Question, Verdict, Weight

__all__ = [
    "CHANGE_NAMES",
    "FATE_NAMES",
    "HEADLINES",
    "QUESTION_NAMES",
    "VERDICT_NAMES",
    "WEIGHT_NAMES",
    "ReviewLabel",
]


class ReviewLabel(enum.StrEnum):
    """The sentences and words of the review."""

    # the head of the page
    REVIEW = "Review of an update before it is installed"
    UPDATE = "Update"
    CURRENT = "Installed now"
    CURRENT_NOT_GIVEN = "not given"
    IN_SHORT = "Why"
    WHAT_CHANGES = "What changes"
    NOTHING_CHANGES = "Nothing differs between the two files."
    NOT_COMPARED = "Nothing was compared: the file of the installed version was not given."
    NOT_LOOKED_AT = "What was not looked at"
    YOUR_DECISIONS = "Your own decisions about vulnerabilities"
    DECISION_CARRIED = "Carried over: {what}"
    DECISION_UNUSED = "Not used: {what}"
    SET_ASIDE = "accepted, does not count: {name}"
    AND_MORE = "and {count} more; see the long form: medharden diff"
    NOT_READ_PART = "Not read: {path}: {reason}"
    SIGN_INSTALL = "Install"
    SIGN_NOT = "Do not install"
    SIGN_ASK = "Ask the manufacturer first"

    # verdicts
    GO = "Go"
    NO_GO = "No-go"
    ASK_THE_VENDOR = "Ask the vendor"
    HEADLINE_GO = (
        "Every question was answered and nothing speaks against installing it. "
        "This is no all-clear: test it on one device first."
    )
    HEADLINE_NO_GO = "Do not install this file."
    HEADLINE_ASK = "Do not install it yet: the questions below are open."

    # weights
    WEIGHT_NOTE = "Note"
    WEIGHT_FINE = "Fine"
    WEIGHT_ASK = "Ask"
    WEIGHT_NO_GO = "No"

    # questions
    AUTHENTIC = "Is it genuine?"
    MODEL = "Is it for this model?"
    DOWNGRADE = "Does it lead back to something older?"
    CHANGES = "Is it weaker than what it replaces?"
    VULNERABILITIES = "Which known vulnerabilities does it mend, leave or bring back?"
    COMPLETE = "Was enough of it seen?"

    # authentic
    SIGNED_BY = "Its signature was verified: {signers}."
    SIGNATURE_REFUSED = "Its signature was refused: {reason} Get the file again from the manufacturer's own channel."
    FRESHNESS_OPEN = "It is signed, but nobody can vouch for its age: {reason}"
    APPROVAL_LEFT_OUT = "It is signed by the vendor; the approval of your hospital was not looked at."
    SIGNED_NOT_VERIFIED = (
        "It carries a signature that was not verified: {reason}. Ask the manufacturer for the public key or "
        "certificate, by another way than the file, and give it with --trust."
    )
    SIGNED_INSIDE_ONLY = (
        "The file itself is not signed, only a part inside it is, and that signature was not verified. "
        "Take the part out with `medharden extract` and verify it with `medharden image verify`."
    )
    SIGNED_BY_STRANGER = (
        "It is signed by {signers}, and nobody here can say whether that is the manufacturer: {reason}. Ask the "
        "manufacturer for the key or certificate, by another way than the file, and give it with --trust."
    )
    SIGNED_IN_PART = (
        "A part of it was verified: {signers}. Nobody vouches for {count} other files in it, the first is {path}."
    )
    SIGNATURE_BROKEN = (
        "A signature in it does not fit what it signs ({way}, {path}, {signer}): the file is damaged or was changed "
        "after it was signed. Get it again from the manufacturer's own channel."
    )
    SIGNATURE_EMPTY = "The format has a place for a signature and it is empty: {what}. Anybody can have made this file."
    SIGNATURE_LOST = "What is installed now carries a signature and this file carries none."
    ONLY_CHECKSUM = (
        "Nobody signed it: it is only protected by check values that anybody can compute ({algorithms}). Ask the "
        "manufacturer for its SHA-256 by another way, and how the device tells a genuine update from a forged one."
    )
    NOTHING_VOUCHES = (
        "Nobody signed it in a way we know, and it carries no check value. Ask the manufacturer for its SHA-256 by "
        "another way, and how the device tells a genuine update from a forged one."
    )
    TEST_KEY = "It is signed with a published test key ({key}): anybody can make such a file."
    CHECKSUM_WRONG = "A check value in it is wrong ({what}): the file is damaged or was changed. Fetch it again."
    DAMAGED = "It is damaged or cut off ({what}). Fetch it again, and compare its SHA-256 with the manufacturer's."
    DAMAGED_TOO = "It is damaged in the same place as the installed version ({what}). Ask the manufacturer why."

    # model
    NO_PROFILE = "No device profile was given, so nobody can say whether it is for your model. Give one with --profile."
    BOUND_TO_MODEL = "Its signed description names model {model}, which is the one of the profile."
    NAMED_IN_PROFILE = "It says that it is for {model}, a name of the device in the profile ({name})."
    OTHER_NAME = (
        "It says that it is for {said}, which is no name of the device in the profile. Ask the manufacturer whether "
        "that is your model."
    )
    OTHER_USB_DEVICE = (
        "It is for the USB device {new}, and the profile gives {old} to the device. Ask the manufacturer whether that "
        "is how it reports while it is updated."
    )
    PROCESSOR_FITS = "Its program is for {arch}, a processor that the profile names."
    MEMORY_FITS = "It writes only where the profile says that the device has memory."
    OTHER_PROCESSOR = "It is made for another processor: {detail}."
    OTHER_MEMORY = "It writes where the device has no memory: {detail}."
    SOME_OTHER_MEMORY = (
        "A part of it writes where the profile knows no memory: {detail}. Ask the manufacturer about it."
    )
    OTHER_THAN_CURRENT = "It is for something else than what is installed now: {name} was {old} and is {new}."
    MODEL_UNKNOWN = (
        "Neither its program nor its description says which model it is for. Ask the manufacturer to confirm it for "
        "the model and the hardware revision on the label of the device."
    )

    # downgrade
    NO_CURRENT = (
        "The file of the installed version was not given, so nobody can say whether this one is older. "
        "Give it with --current, or ask the manufacturer."
    )
    SAME_FILE = "It is the file that is installed now, byte for byte."
    STAMP_EARLIER = (
        "It was made earlier than what is installed now: {what}, {old} before, {new} now. Ask whether that is meant."
    )
    DOWNGRADE_WANTED = "It says of itself that it leads back to an older version. Ask the manufacturer why."
    OLDER = "It is older than what is installed now: {what} was {old} and is {new}."
    COUNTER_LOWER = (
        "Its counter against going back is lower than that of the installed version: {old} before, {new} now."
    )
    COUNTER_GONE = "The installed version carries a counter against going back ({old}) and this file carries none."
    MAYBE_OTHER = "It may be for something else than what is installed now: {name} was {old} and is {new}. Ask why."
    COMPONENT_OLDER = "A part of it is older than the one installed now: {name} was {old} and is {new}. Ask why."
    NOT_OLDER = "It is not older than what is installed now: {what} was {old} and is {new}."
    ORDER_UNKNOWN = "Neither file says its version, so their order is not known. Ask the manufacturer."
    NO_COUNTER = (
        "It carries no counter, so a device may later accept an older signed file. Note its version yourselves."
    )

    # changes
    NOT_WEAKER = "The checks found nothing serious in it that the installed version has not. Findings gone: {gone}."
    NEW_WEAKNESS = "New weakness: {title} ({path})."
    OLD_WEAKNESS = "Critical findings of the installed version that are still there: {count}. Ask when they are mended."
    CRITICAL_WEAKNESS = "Critical finding: {title} ({path})."
    HIGH_WEAKNESS = "Serious finding: {title} ({path})."
    NO_WEAKNESS = "The checks found nothing critical or high in it."
    CHANGED_COUNTS = (
        "Differences: components {components}, files {files}, stretches of memory {memory}, statements of the image "
        "about itself {facts}, keys, accounts and settings {observations}."
    )

    # vulnerabilities
    NOT_LOOKED_UP = "Known vulnerabilities were not looked up."
    NO_DATABASE = (
        "Only the facts shipped with medharden were asked about vulnerabilities. "
        "Give a database with --db (see medharden db)."
    )
    NO_COMPONENTS = "No third-party part could be named in it. Ask the manufacturer for a list of parts (SBOM)."
    FIXED_COUNT = "Mended ({count}): {which}."
    LEFT_COUNT = "Left ({count}): {which}."
    LEFT_URGENT = "Left, and urgent on this device ({count}): {which}. Ask the manufacturer when they are mended."
    REOPENED_COUNT = "Brought back, though it does not apply to the installed version ({count}): {which}."
    NEW_URGENT = "New, and urgent on this device ({count}): {which}. Ask the manufacturer about them."
    NEW_COUNT = "New ({count}): {which}."
    NOT_SEEN_COUNT = (
        "Of parts that were not found any more ({count}): {which}. "
        "Ask the manufacturer whether the parts are gone or only hidden."
    )
    APPLY_URGENT = "Urgent on this device, and apply or may apply ({count}): {which}. Ask the manufacturer about them."
    APPLY_COUNT = "Apply or may apply ({count}): {which}."
    NOTHING_KNOWN = "Nothing in this data applies to the parts that were named."
    DECISIONS_LAPSED = "Your own decisions that do not count for this file: {count}. Decide again."

    # complete
    SEEN = "{percent} of the content was recognised, and everything was read."
    NOT_ALL_READ = "Parts that could not be read: {count}, the first is {path}. Ask the manufacturer what is in them."
    LIMIT_REACHED = "A limit of the scan was reached: {limit}. What lies beyond was not looked at."
    TOO_LITTLE = "Only {percent} of the content was recognised. Ask the manufacturer for the unpacked image."
    ENCRYPTED_PART = "{percent} of it looks encrypted and was not looked into. Ask the manufacturer what is in there."

    # what could not be compared
    OLD_FILES_BY_SIZE = "Some files of the installed version could not be read whole: only their sizes were compared."
    NEW_FILES_BY_SIZE = "Some files of the update could not be read whole: only their sizes were compared."
    OLD_NOT_ALL_READ = "Parts of the installed version were not read: what they hold was not compared."
    NEW_NOT_ALL_READ = "Parts of the update were not read: what they hold was not compared."

    # the long form
    DIFFERENCE = "What differs between two images"
    BEFORE = "Before"
    NOW = "Now"
    COMPONENTS = "Components"
    FILES = "Files"
    MEMORY = "Memory of the device"
    FACTS = "What the image says of itself"
    OBSERVATIONS = "Keys, accounts, services and settings"
    FINDINGS = "Findings"
    VULNERABILITY_TABLE = "Known vulnerabilities"

    # changes in words
    ADDED = "added"
    REMOVED = "removed"
    UPGRADED = "newer"
    DOWNGRADED = "OLDER"
    CHANGED = "changed"

    # fates in words
    FATE_REOPENED = "brought back"
    FATE_NEW = "new"
    FATE_LEFT = "left"
    FATE_FIXED = "mended"
    FATE_NOT_SEEN = "not found"


VERDICT_NAMES: Final = MappingProxyType(
    {
        Verdict.GO: ReviewLabel.GO,
        Verdict.NO_GO: ReviewLabel.NO_GO,
        Verdict.ASK: ReviewLabel.ASK_THE_VENDOR,
    }
)
HEADLINES: Final = MappingProxyType(
    {
        Verdict.GO: ReviewLabel.HEADLINE_GO,
        Verdict.NO_GO: ReviewLabel.HEADLINE_NO_GO,
        Verdict.ASK: ReviewLabel.HEADLINE_ASK,
    }
)
WEIGHT_NAMES: Final = MappingProxyType({weight: ReviewLabel[f"WEIGHT_{weight.name}"] for weight in Weight})
QUESTION_NAMES: Final = MappingProxyType({question: ReviewLabel[question.name] for question in Question})
CHANGE_NAMES: Final = MappingProxyType({change: ReviewLabel[change.name] for change in Change})
FATE_NAMES: Final = MappingProxyType({fate: ReviewLabel[f"FATE_{fate.name}"] for fate in Fate})
