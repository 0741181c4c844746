"""``medharden scan``: open firmware images and say what they are."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import click

from toolkit.app.accepted_risks import policy_option
from toolkit.app.moment import clock_option
from toolkit.app.pdf_output import pdf_options
from toolkit.core.errors import InputError, MedhardenError
from toolkit.report.render import RENDERERS

if TYPE_CHECKING:
    from device_profiles.schema import DeviceProfile
    from firmware_checks.fingerprints.pack import Pack
    from firmware_checks.vulnerabilities.assessment import VulnerabilityData
    from toolkit.report.accepting import AcceptedRisks
    from toolkit.report.model import Report

Progress = Callable[[int, int], None]
"""Hears how many bytes of how many are done."""

FORMATS = tuple(RENDERERS)
SEVERITIES = ("info", "low", "medium", "high", "critical")
LANGUAGES = ("en", "fr", "es")

EPILOG = """\b
Examples:
  medharden scan firmware.hex
  medharden scan update.zip --format html --output report.html
  medharden scan *.dfu --format json --output reports/ --jobs 2
  medharden scan dump.bin --profile patient-monitor-lowend --fail-on medium
  medharden scan firmware.bin --signatures our-sdk.mdsig
  medharden scan monitor.img --profile patient-monitor-lowend --db vulnerabilities.db --triage decisions.openvex.json
  medharden scan monitor.img --policy accepted.toml --format html --output report.html --pdf report.pdf

\b
Exit codes:
  0  no finding at or above the --fail-on severity (this is not an all-clear: read the report);
     what somebody has accepted (--policy) is told and does not count until it runs out
  1  at least one such finding; a component with known vulnerabilities is one finding, as severe as the most
     urgent of them: critical to act on now, high soon, medium with the next update, low later
  2  an image or option could not be used; the reason is on the error stream"""


@click.command(name="scan", short_help="Say what images are and what is weak in them.", epilog=EPILOG)
@click.argument("images", nargs=-1, required=True, metavar="IMAGE...", type=click.Path(path_type=Path))
@click.option("--profile", metavar="ID", help="Device profile to compare with: an id of `profile list`, or a file.")
@click.option(
    "--format", "format_", type=click.Choice(FORMATS), default="text", show_default=True, help="Kind of report."
)
@click.option("--json", "as_json", is_flag=True, help="Short for --format json.")
@click.option(
    "--output",
    type=click.Path(path_type=Path),
    help="File to write; a folder when several images are given. Without it the report goes to the screen.",
)
@pdf_options
@click.option(
    "--fail-on",
    type=click.Choice(SEVERITIES),
    help="Exit 1 from this severity on.  [default: what the profile says, else high]",
)
@click.option("--jobs", type=click.IntRange(1, 64), default=1, show_default=True, help="Images examined at a time.")
@click.option(
    "--signatures",
    multiple=True,
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Signature pack of your own, made by `signatures build`; may be given several times.",
)
@click.option(
    "--db",
    "database",
    metavar="FILE",
    type=click.Path(path_type=Path),
    envvar="MEDHARDEN_DB",
    help="Vulnerability database to ask besides the shipped facts.  [environment: MEDHARDEN_DB]",
)
@click.option(
    "--triage",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Your own decisions about vulnerabilities: OpenVEX, CSAF or CycloneDX; they have the last word.",
)
@policy_option
@click.option("--no-vulnerabilities", is_flag=True, help="Do not look up known vulnerabilities.")
@clock_option
@click.option(
    "--language", type=click.Choice(LANGUAGES), default="en", show_default=True, help="Language of text and HTML."
)
def COMMAND(  # noqa: N802  # the registry finds it by this name; one parameter an option
    images: tuple[Path, ...],
    profile: str | None,
    format_: str,
    *,
    as_json: bool,
    output: Path | None,
    pdf: Path | None,
    paper: str,
    fail_on: str | None,
    jobs: int,
    signatures: tuple[Path, ...],
    database: Path | None,
    triage: Path | None,
    policy: Path | None,
    no_vulnerabilities: bool,
    now: datetime,
    language: str,
) -> int:
    """Open firmware images and say what they are, what is inside, what is weak, and what is known against it.

    The known vulnerabilities of what is inside come from the facts that are shipped, and from --db where there is one.
    """
    from toolkit.app.accepted_risks import accepted_risks
    from toolkit.core.findings import Severity
    from toolkit.report.accepting import settled

    if pdf is not None and len(images) > 1:
        raise InputError("--pdf writes one image; for several give --format pdf --output FOLDER")
    writer = _Writer("json" if as_json else format_, language, output, several=len(images) > 1)
    device = _load(profile)
    by_policy = device.policy.fail_on if device is not None else None
    threshold = Severity(fail_on) if fail_on is not None else by_policy or Severity.HIGH
    risks = accepted_risks(policy, device, now.date())
    asked = None if no_vulnerabilities else _vulnerability_data(database, triage, risks)
    wanted = _Wanted(device, signatures, asked)
    code = 0
    for result in _results(images, wanted, jobs):
        if isinstance(result, MedhardenError):
            click.echo(f"medharden: {result}", err=True)
            code = 2
            continue
        report = settled(result, risks)
        writer.write(report)
        if pdf is not None:
            _write_pdf(report, pdf, language, paper)
        if code == 0 and report.worst is not None and report.worst.rank >= threshold.rank:
            code = 1
    return code


def _write_pdf(report: Report, target: Path, language: str, paper: str) -> None:
    from toolkit.app.pdf_output import write_pdf
    from toolkit.report.exchange import document_day
    from toolkit.report.html import to_html

    write_pdf(to_html(report, language=language), target, day=document_day(report), paper=paper)


class _Wanted(NamedTuple):
    """What all images are examined with; it can cross a process border."""

    device: DeviceProfile | None
    signatures: Sequence[Path]
    vulnerability_data: VulnerabilityData | None


def _load(profile: str | None) -> DeviceProfile | None:
    if profile is None:
        return None
    from device_profiles.loader import load

    return load(profile)


def _vulnerability_data(database: Path | None, triage: Path | None, risks: AcceptedRisks) -> VulnerabilityData:
    """Return what is asked; what cannot be used is told here, once, and not for each image."""
    from firmware_checks.vulnerabilities.assessment import VulnerabilityData

    if database is not None:
        from firmware_checks.vulnerabilities.database import Database

        Database(database).close()
    decisions = None
    if triage is not None:
        from firmware_checks.vulnerabilities.triage_files import read_triage

        decisions = read_triage(triage)
    return VulnerabilityData(day=risks.day, database=database, triage=decisions, accepted=risks.vulnerabilities())


def _packs(signatures: Sequence[Path]) -> list[Pack]:
    if not signatures:
        return []
    from firmware_checks.fingerprints.shipped import load_pack

    return [load_pack(path) for path in signatures]


def _results(images: Sequence[Path], wanted: _Wanted, jobs: int) -> Iterator[Report | MedhardenError]:
    """Yield the report on each image, in the order given, or the error that prevented it."""
    if jobs == 1 or len(images) == 1:
        from toolkit.app.progress import progress

        scan = _scanner(wanted)
        for path in images:
            with progress(path) as on_progress:
                result = scan(path, on_progress)
            yield result
        return
    import multiprocessing
    from concurrent.futures import ProcessPoolExecutor

    _packs(wanted.signatures)  # what cannot be used is told here, a worker could only break
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(min(jobs, len(images)), context, _start_worker, (wanted,)) as pool:
        try:
            yield from pool.map(_scan_in_worker, images)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _scanner(wanted: _Wanted) -> Callable[[Path, Progress], Report | MedhardenError]:
    from firmware_checks.scan import Scanner
    from toolkit.app.user_cache import user_cache

    scanner = Scanner(
        profile=wanted.device,
        kept=user_cache(),
        own_packs=_packs(wanted.signatures),
        vulnerability_data=wanted.vulnerability_data,
    )

    def scan(path: Path, on_progress: Progress) -> Report | MedhardenError:
        try:
            return scanner.scan(path, on_progress)
        except MedhardenError as error:
            return InputError(str(error))  # the plain kind, so that it can cross a process border

    return scan


_in_worker: list[Callable[[Path, Progress], Report | MedhardenError]] = []


def _start_worker(wanted: _Wanted) -> None:
    _in_worker.append(_scanner(wanted))


def _scan_in_worker(path: Path) -> Report | MedhardenError:
    return _in_worker[0](path, lambda _done, _total: None)


class _Writer:
    """Puts reports where the user wants them: the screen, one file, or a folder with one file an image."""

    def __init__(self, format_: str, language: str, output: Path | None, *, several: bool) -> None:
        from toolkit.report import renderer

        self._renderer = renderer(format_)
        self._language = language
        self._output = output
        self._several = several

    def write(self, report: Report) -> None:
        if self._output is None:
            self._renderer.show(report, language=self._language)
            return
        from toolkit.core.files import write_whole

        target = self._target(report, self._output)
        write_whole(target, self._renderer.render(report, language=self._language))
        click.echo(f"medharden: {report.subject.name}: report written to {target}", err=True)

    def _target(self, report: Report, output: Path) -> Path:
        if not self._several and not output.is_dir():
            return output
        stem = f"{report.subject.name}.{report.subject.sha256[:8]}"
        return output / f"{stem}.report.{self._renderer.suffix}"
