"""``medharden drift``: what is different in a dump of a device since its baseline?"""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from toolkit.app.moment import now_option

if TYPE_CHECKING:
    from toolkit.hardening.integrity.drift import Drift

MOST_SHOWN = 200
EPILOG = """\b
Examples:
  medharden drift monitor-4.2.baseline dump.img --trust ada.pub
  medharden drift monitor-4.2.baseline dump.img --trust keys/ --profile our-monitor.toml --json

\b
What may change in normal use is told by the profile: policy.integrity, with
mutable_paths and mutable_regions. Programs and rights may change nowhere.

\b
Exit codes:
  0  no drift: everything was compared, and nothing is different
  1  drift, or a part could not be compared, or the baseline is not believed
  2  the dump or an option could not be used; the reason is on the error stream"""


@click.command(name="drift", short_help="Compare a dump of a device with its baseline.", epilog=EPILOG)
@click.argument("baseline", type=click.Path(path_type=Path))
@click.argument("dump", type=click.Path(path_type=Path))
@click.option(
    "--trust",
    metavar="STORE",
    required=True,
    type=click.Path(path_type=Path),
    help="Whose signature counts: key or folder.",
)
@click.option("--profile", metavar="ID", help="Device profile.  [default: the one the baseline was made with]")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON document.")
@click.option("--output", type=click.Path(path_type=Path), help="Write the JSON document to this file.")
@click.option("--jobs", type=click.IntRange(1, 64), default=2, show_default=True, help="Files read at a time.")
@now_option
def COMMAND(  # noqa: N802  # the registry finds it by this name
    baseline: Path,
    dump: Path,
    trust: Path,
    profile: str | None,
    *,
    as_json: bool,
    output: Path | None,
    jobs: int,
    now: datetime,
) -> int:
    """Tell what is different in DUMP since BASELINE: added, removed, changed, given to another owner, other rights.

    A baseline that no trusted key has signed is refused. What could not be read is never taken for unchanged.
    """
    import msgspec

    from toolkit.app.hardening_input import hardening_subject
    from toolkit.app.package_offer import read_bytes
    from toolkit.app.review_trust import read_trusted
    from toolkit.core.files import write_whole
    from toolkit.hardening.integrity.baseline import BASELINE
    from toolkit.hardening.integrity.comparing import drift_of, trusted_baseline
    from toolkit.hardening.integrity.drift import DriftVerdict

    trusted = trusted_baseline(read_bytes(baseline, BASELINE.most_bytes), tuple(read_trusted(trust).keys))
    with hardening_subject(dump, profile or trusted.baseline.profile, now.date(), jobs=jobs) as subject:
        drift = drift_of(trusted, subject)
    document = msgspec.json.format(msgspec.json.encode(drift), indent=2) + b"\n"
    if output is not None:
        write_whole(output, document)
        click.echo(f"medharden: drift written to {output}", err=True)
    if as_json:
        click.echo(document, nl=False)
    else:
        show(drift)
    return 0 if drift.verdict is DriftVerdict.NO_DRIFT else 1


def show(drift: Drift) -> None:
    """Print the differences, as many as a person reads, and the answer."""
    from toolkit.report.printable import printable

    for row in drift.rows[:MOST_SHOWN]:
        runs = " (may be executed)" if row.may_run else ""
        click.echo(f"{row.change.value:10} {printable(row.path)}: {printable(row.detail)}{runs}")
    if len(drift.rows) > MOST_SHOWN:
        click.echo(f"and {len(drift.rows) - MOST_SHOWN} more; --json has all of them")
    for sentence in drift.not_compared[:MOST_SHOWN]:
        click.echo(f"not compared: {printable(sentence)}")
    for sentence in drift.notes[:MOST_SHOWN]:
        click.echo(f"note: {printable(sentence)}")
    counts = Counter(row.change.value for row in drift.rows)
    told = ", ".join(f"{count} {change}" for change, count in sorted(counts.items())) or "no difference"
    expected = f", {drift.expected} where data may change" if drift.expected else ""
    click.echo(f"{drift.verdict.value}: {told} in {drift.compared} compared{expected}")
