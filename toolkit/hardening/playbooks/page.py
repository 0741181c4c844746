"""A playbook on paper or on a screen."""

from __future__ import annotations

import enum
from collections.abc import Sequence

from toolkit.hardening.documents import Block, Document, Heading, Paragraph, Steps
from toolkit.hardening.playbooks.catalogue import Playbook
from toolkit.report.languages import Translator

__all__ = ["PlaybookLabel", "playbook_document"]


class PlaybookLabel(enum.StrEnum):
    """What the page says by itself."""

    TITLE = "What to do"
    FOUND = "Found by: {checks}"
    CONTAIN = "Contain"
    NOTIFY = "Tell in the house"
    VENDOR = "Ask the maker"
    REGULATOR = "Tell outside"
    NONE = "No playbook asks for anything: nothing was found that has one."
    WITHOUT = "There is no playbook for: {checks}"
    NOTE = "A help, not legal advice: whoever answers for the device decides, and the law of the place counts."


def playbook_document(
    playbooks: Sequence[Playbook], found: Sequence[str], without: Sequence[str], say: Translator
) -> Document:
    """Return the page of ``playbooks`` for findings of the checks ``found``; ``without`` are those that have none."""
    blocks: list[Block] = [] if playbooks else [Paragraph(say(PlaybookLabel.NONE))]
    for playbook in playbooks:
        checks = ", ".join(check for check in playbook.checks if check in found)
        blocks += [Heading(say(playbook.title)), Paragraph(say(PlaybookLabel.FOUND, checks=checks))]
        for label, sentences in (
            (PlaybookLabel.CONTAIN, playbook.contain),
            (PlaybookLabel.NOTIFY, playbook.notify),
            (PlaybookLabel.VENDOR, playbook.vendor),
            (PlaybookLabel.REGULATOR, playbook.regulator),
        ):
            blocks += [Heading(say(label), 3), Steps([say(sentence) for sentence in sentences])]
    if without:
        blocks.append(Paragraph(say(PlaybookLabel.WITHOUT, checks=", ".join(without))))
    blocks.append(Paragraph(say(PlaybookLabel.NOTE)))
    return Document(say(PlaybookLabel.TITLE), blocks, say.language)
