"""``medharden scan``: open firmware images and say what they are."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from toolkit.core.errors import InputError, MedhardenError

if TYPE_CHECKING:
    from device_profiles.schema import DeviceProfile
    from firmware_checks.fingerprints.pack import Pack
    from toolkit.report.model import Report

Progress = Callable[[int, int], None]
"""Hears how many bytes of how many are done."""

FORMATS = ("text", "json", "html", "cyclonedx")
SEVERITIES = ("info", "low", "medium", "high", "critical")
LANGUAGES = ("en", "fr", "es")

EPILOG = """\b
Examples:
  medharden scan firmware.hex
  medharden scan update.zip --format html --output report.html
  medharden scan *.dfu --format json --output reports/ --jobs 2
  medharden scan dump.bin --profile patient-monitor-lowend --fail-on medium
  medharden scan firmware.bin --signatures our-sdk.mdsig

\b
Exit codes:
  0  no finding at or above the --fail-on severity (this is not an all-clear: read the report)
  1  at least one such finding
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
    "--language", type=click.Choice(LANGUAGES), default="en", show_default=True, help="Language of text and HTML."
)
def COMMAND(  # noqa: N802  # the registry finds it by this name; one parameter an option
    images: tuple[Path, ...],
    profile: str | None,
    format_: str,
    *,
    as_json: bool,
    output: Path | None,
    fail_on: str | None,
    jobs: int,
    signatures: tuple[Path, ...],
    language: str,
) -> int:
    """Open firmware images and say what they are, what is inside, and what is weak."""
    from toolkit.core.findings import Severity

    writer = _Writer("json" if as_json else format_, language, output, several=len(images) > 1)
    device = _load(profile)
    by_policy = device.policy.fail_on if device is not None else None
    threshold = Severity(fail_on) if fail_on is not None else by_policy or Severity.HIGH
    code = 0
    for result in _results(images, device, signatures, jobs):
        if isinstance(result, MedhardenError):
            click.echo(f"medharden: {result}", err=True)
            code = 2
            continue
        writer.write(result)
        if code == 0 and result.worst is not None and result.worst.rank >= threshold.rank:
            code = 1
    return code


def _load(profile: str | None) -> DeviceProfile | None:
    if profile is None:
        return None
    from device_profiles.loader import load

    return load(profile)


def _packs(signatures: Sequence[Path]) -> list[Pack]:
    if not signatures:
        return []
    from firmware_checks.fingerprints.shipped import load_pack

    return [load_pack(path) for path in signatures]


def _results(
    images: Sequence[Path], device: DeviceProfile | None, signatures: Sequence[Path], jobs: int
) -> Iterator[Report | MedhardenError]:
    """Yield the report on each image, in the order given, or the error that prevented it."""
    if jobs == 1 or len(images) == 1:
        from toolkit.app.progress import progress

        scan = _scanner(device, signatures)
        for path in images:
            with progress(path) as on_progress:
                result = scan(path, on_progress)
            yield result
        return
    import multiprocessing
    from concurrent.futures import ProcessPoolExecutor

    _packs(signatures)  # what cannot be used is told here, a worker could only break
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(min(jobs, len(images)), context, _start_worker, (device, signatures)) as pool:
        try:
            yield from pool.map(_scan_in_worker, images)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _scanner(
    device: DeviceProfile | None, signatures: Sequence[Path]
) -> Callable[[Path, Progress], Report | MedhardenError]:
    from firmware_checks.scan import Scanner
    from toolkit.app.user_cache import user_cache

    scanner = Scanner(profile=device, kept=user_cache(), own_packs=_packs(signatures))

    def scan(path: Path, on_progress: Progress) -> Report | MedhardenError:
        try:
            return scanner.scan(path, on_progress)
        except MedhardenError as error:
            return InputError(str(error))  # the plain kind, so that it can cross a process border

    return scan


_in_worker: list[Callable[[Path, Progress], Report | MedhardenError]] = []


def _start_worker(device: DeviceProfile | None, signatures: Sequence[Path]) -> None:
    _in_worker.append(_scanner(device, signatures))


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
