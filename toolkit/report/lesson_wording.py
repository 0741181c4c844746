"""Every sentence a lesson says by itself, in English; the stories of the cases are translated by topic, too."""

from __future__ import annotations

import enum

__all__ = ["LessonLabel"]


class LessonLabel(enum.StrEnum):
    """The sentences of the training mode."""

    CASES = "Documented cases of medical devices, each with a weak and a hardened image to look at:"
    BENCH_CASES = "Cases that no file shows, only a check on the bench:"
    NEXT = "Look at one: medharden learn {case}"
    WHAT_WAS_WRONG = "What was wrong"
    FOR_A_PATIENT = "What it means for a patient"
    WEAK_IMAGE = "What a scan finds in the weak image"
    IMAGE = "{container}: {image}, {size}. It is made up; nothing of a manufacturer's software is in it."
    WHERE = "Where"
    AT_OFFSET = "{path}, byte {offset}"
    AT_ADDRESS = "{path}, byte {offset}, in the device at {address}"
    WHAT_TO_DO = "What to do"
    FURTHER = "Other findings of the scan, which are not what this case is about: {count}"
    HARDENED_IMAGE = "What the hardened image does differently"
    HARDENED_SILENT = "A scan of it finds nothing of this kind."
    HARDENED_REMAINS = "What a scan still finds in it, and rightly so:"
    TRY = "Try it yourself"
    WHY_NO_FILE = "Why no file shows it"
    BENCH_SHOWS = "What shows it on the bench"
