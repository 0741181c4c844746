"""The sentences of a dossier; English ones are the keys of translations."""

from __future__ import annotations

import enum

__all__ = ["DossierLabel"]


class DossierLabel(enum.StrEnum):
    """What the index page says by itself."""

    TITLE = "Cybersecurity dossier"
    NOTE = (
        "Put together from a scan and a device profile, in the eight places of the eSTAR form. It is evidence for "
        "whoever writes the submission, not the submission."
    )
    IMAGE = "Image"
    PROFILE = "Device profile"
    OTHER_PROFILE = "The report was made with another device profile: {profile}."
    NO_PROFILE = "The report was made without a device profile."
    FILES = "What is here"
    MISSING = "What is missing"
    NOTHING = "Nothing that medharden could make."
    PLAN = "1 Management plan"
    PLAN_IS = "How vulnerabilities are looked for, judged, mended and made known while the device is in use."
    RISK = "2 Risk management"
    RISK_IS = "How security risks are found, judged and accepted, and what remains."
    THREATS = "3 Threat model"
    THREATS_IS = "What could be attacked, by whom, over which ways in, and the views of the architecture."
    ASSESSMENT = "4 Risk assessment"
    ASSESSMENT_IS = "What each known vulnerability means for this device."
    SBOM = "5 Software bill of materials"
    SBOM_IS = "All parts of others with version, maker and end of support."
    CONTROLS = "6 Controls"
    CONTROLS_IS = "What protects the device, by the rows of each control framework."
    TESTING = "7 Testing"
    TESTING_IS = "What was tested, how, and with what result."
    LABELING = "8 Labeling"
    LABELING_IS = "What the hospital has to know: ports, settings, updates, erasing, end of support."
    NEED_PLAN = "The plan itself, with people, deadlines and the way to report vulnerabilities: the maker writes it."
    NEED_RISK = "The risk management report and its decisions: people make them."
    NEED_THREATS = "The threat model and the views of the architecture: what is here lists only the ways in."
    NEED_KNOWN = "Known vulnerabilities: the report was made without vulnerability data."
    NEED_VEX = "A judgement of each vulnerability by the maker (VEX)."
    NEED_SUPPORT = "End of support of the parts: the report knows none."
    NEED_MAKER_SBOM = "The maker's own list of parts: the one here was made from the image and may have gaps."
    NEED_DESIGN = "How each control is built and why it is enough: what is here says only what was looked at."
    NEED_BENCH = "Tests on a device: no evidence of medharden bench was given."
    OTHER_BENCH = "Tests on this device: the evidence that was given is for another profile, {profile}."
    NEED_ATTACKERS = "Penetration tests by independent people, and the answer to their findings."
    NEED_LABELING = "The instructions for use themselves: what is here are facts for them."
    TABLES = "Control frameworks"
    TABLES_NOTE = (
        "Rows for which a check of this version gives evidence. No finding does not mean that a control is fulfilled."
    )
    OTHER_CHECKS = "The report was made with {number} checks, this version has {here}."
    ROW = "Row"
    CHECKS = "Checks"
    FINDINGS = "Findings"
    SIGNED = "manifest.json holds the digest of every file; it is signed when a key was given."
