"""``medharden learn``: see in small images what went wrong in real devices, and how it is done better."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from toolkit.app.moment import clock_option
from toolkit.app.pdf_output import pdf_options

if TYPE_CHECKING:
    from toolkit.report.lesson import BenchLesson, Lesson

LANGUAGES = ("en", "fr", "es")

EPILOG = """\b
Examples:
  medharden learn
  medharden learn contec-2025
  medharden learn contec-2025 --to lessons
  medharden learn smiths-medfusion --language fr
  medharden learn access7 --json

\b
Exit codes:
  0  the lesson was shown
  2  there is no such case, or the folder cannot be written; the reason is on the error stream"""


@click.command(name="learn", short_help="Learn from documented cases of medical devices.", epilog=EPILOG)
@click.argument("case", required=False, metavar="[CASE]")
@click.option(
    "--to",
    "folder",
    metavar="FOLDER",
    type=click.Path(path_type=Path),
    help="Write the weak and the hardened image into this folder, to scan and open them yourself.",
)
@pdf_options
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("--language", type=click.Choice(LANGUAGES), default="en", show_default=True, help="Language of the text.")
@clock_option
def COMMAND(  # noqa: N802  # the registry finds it by this name
    case: str | None, folder: Path | None, *, pdf: Path | None, paper: str, as_json: bool, language: str, now: datetime
) -> int:
    """List the documented cases, or walk through CASE: what was wrong, where a scan sees it, why it matters.

    Each lesson builds two small made-up images: a weak one that shows the mistake of a real device, and a hardened one
    of the same shape that only looks like it. Nothing of a manufacturer's software is in them.
    """
    import msgspec

    from firmware_checks.lesson import case_rows
    from firmware_checks.twin import bench_cases, twins
    from toolkit.app.pdf_output import write_pdf
    from toolkit.core.errors import InputError
    from toolkit.report.lesson_page import lesson_to_html
    from toolkit.report.lesson_text import cases_to_text, lesson_to_text

    known, bench = twins(), bench_cases()
    if case is None:
        if folder is not None:
            raise InputError("--to writes the images of one case: name it; 'medharden learn' lists them")
        if pdf is not None:
            raise InputError("--pdf writes one case: name it; 'medharden learn' lists them")
        rows = case_rows(known, bench)
        click.echo(
            msgspec.json.encode(rows).decode() if as_json else cases_to_text(rows, language=language), nl=as_json
        )
        return 0
    if case not in known and case not in bench:
        raise InputError(f"there is no case {case!r}; 'medharden learn' lists them")
    shown = _shown(case, now)
    if folder is not None:
        _write(case, folder)
    if pdf is not None:
        write_pdf(lesson_to_html(shown, language=language), pdf, day=now.date().isoformat(), paper=paper)
    click.echo(msgspec.json.encode(shown).decode() if as_json else lesson_to_text(shown, language=language), nl=as_json)
    return 0


def _shown(case: str, now: datetime) -> Lesson | BenchLesson:
    from firmware_checks.lesson import bench_lesson, lesson_of
    from firmware_checks.scan import Scanner
    from firmware_checks.twin import bench_cases, twins
    from firmware_checks.vulnerabilities.assessment import VulnerabilityData
    from toolkit.app.user_cache import user_cache

    twin = twins().get(case)
    if twin is None:
        return bench_lesson(case, bench_cases()[case])
    scanner = Scanner(kept=user_cache(), vulnerability_data=VulnerabilityData(day=now.date()))
    return lesson_of(twin, scanner)


def _write(case: str, folder: Path) -> None:
    from firmware_checks.lesson import files_of
    from firmware_checks.twin import twins
    from toolkit.core.errors import InputError
    from toolkit.core.files import write_whole

    twin = twins().get(case)
    if twin is None:
        raise InputError(f"{case}: no file shows this case, so there are no images to write")
    for name, image in files_of(twin).items():
        write_whole(folder / case / name, image)
    click.echo(f"medharden: the weak and the hardened image were written to {folder / case}", err=True)
