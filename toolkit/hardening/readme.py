"""The page of a pack that a person reads first: what each part is, how to apply it, test it, and take it back."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from toolkit.hardening.documents import Block, Document, Heading, Items, Paragraph, Steps, Table, to_html, to_markdown
from toolkit.hardening.pack import PackManifest, PartRecord
from toolkit.hardening.part import HardeningPart

__all__ = ["readme_html", "readme_text"]

Made = Sequence[tuple[HardeningPart, PartRecord]]
MOST_UNREAD = 20
NOTHING_APPLIED = (
    "Nothing here has been applied to any device. Apply a part only with the agreement of whoever answers for the "
    "device, after the bench test that stands with it, and keep the steps that take it back at hand."
)
INCOMPLETE = (
    "The image could not be read completely. What is missing from it is missing from the lists below: on a device that "
    "allows only what is listed, it will not run."
)


def readme_text(manifest: PackManifest, made: Made) -> str:
    """Return the page as Markdown."""
    return to_markdown(_document(manifest, made))


def readme_html(manifest: PackManifest, made: Made) -> str:
    """Return the page as HTML."""
    return to_html(_document(manifest, made))


def _document(manifest: PackManifest, made: Made) -> Document:
    return Document(f"Hardening pack for {manifest.profile}", tuple(_blocks(manifest, made)))


def _blocks(manifest: PackManifest, made: Made) -> Iterator[Block]:
    yield Paragraph(NOTHING_APPLIED)
    yield Table(("", ""), tuple(_facts(manifest)))
    yield from _gaps(manifest)
    for part, record in made:
        if not record.not_made:
            yield from _part(part, record)
    left_out = [f"{record.title}: {record.not_made}." for _part, record in made if record.not_made]
    if left_out:
        yield Heading("Not made")
        yield Items(left_out)


def _facts(manifest: PackManifest) -> Iterator[tuple[str, str]]:
    yield "Image", manifest.image
    yield "SHA-256", manifest.image_sha256
    yield "Device profile", f"{manifest.profile} (SHA-256 {manifest.profile_sha256})"
    yield "System", manifest.system
    yield "Day", manifest.day
    yield "Made by", f"{manifest.tool.name} {manifest.tool.version}"


def _gaps(manifest: PackManifest) -> Iterator[Block]:
    missing = [f"{row.path}: {row.reason}" for row in manifest.unread] + list(manifest.limits_hit)
    if missing:
        yield Heading("What could not be read")
        yield Paragraph(INCOMPLETE)
        yield Items(missing[:MOST_UNREAD])
        if len(missing) > MOST_UNREAD:
            yield Paragraph(f"And {len(missing) - MOST_UNREAD} more; manifest.json has all of them.")


def _part(part: HardeningPart, record: PartRecord) -> Iterator[Block]:
    yield Heading(part.title)
    yield Paragraph(part.what)
    if record.findings:
        yield Heading("Look at this first", 3)
        yield Items([f"{finding.title}: {finding.detail}. {finding.remedy}" for finding in record.findings])
    yield Heading("Files", 3)
    yield Table(("File", "For"), tuple((file.path, file.consumer) for file in record.files))
    for title, steps in (
        ("Test it on a bench first", part.bench_test),
        ("Apply it", part.apply),
        ("Take it back", part.take_back),
    ):
        yield Heading(title, 3)
        yield Steps(steps)
    yield Paragraph(f"Gives evidence for: {', '.join(record.controls)}. Format: {part.source}.")
