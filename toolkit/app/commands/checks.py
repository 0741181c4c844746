"""``medharden checks``: what a scan asks, why, and what to do about the answers."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Mapping

    from firmware_checks.check import Check

EPILOG = """\b
Examples:
  medharden checks list
  medharden checks explain update-not-signed
  medharden checks list --json"""

NAME_WIDTH = 32
LINE_WIDTH = 88


@click.group(name="checks", short_help="List the checks of a scan and explain them.", epilog=EPILOG)
def COMMAND() -> None:  # noqa: N802  # the registry finds it by this name
    """List the questions that a scan asks about an image, and explain what a finding means."""


@COMMAND.command(name="list")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON list.")
def list_checks(*, as_json: bool) -> None:
    """List all checks, each with its question."""
    checks = _checks()
    if as_json:
        _print_json([_record(check) for check in checks.values()])
        return
    for name, check in checks.items():
        click.echo(f"{name:{NAME_WIDTH}} {check.question}")


@COMMAND.command(name="explain")
@click.argument("name", metavar="ID")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def explain(name: str, *, as_json: bool) -> None:
    """Explain the check ID: what it asks, how severe a finding is, what to do, and which controls it belongs to."""
    from toolkit.core.errors import InputError

    checks = _checks()
    if name not in checks:
        raise InputError(f"there is no check {name!r}; 'medharden checks list' names them")
    check = checks[name]
    if as_json:
        _print_json(_record(check))
        return
    for heading, text in (
        ("Question", check.question),
        ("A finding says", f"{check.title}."),
        ("Severity", check.severity_rule),
        ("What to do", check.remedy),
        ("Controls", ", ".join(check.controls.rows())),
    ):
        click.echo(f"{heading}:")
        click.echo(textwrap.fill(text, LINE_WIDTH, initial_indent="  ", subsequent_indent="  "))


def _checks() -> Mapping[str, Check]:
    from firmware_checks.check import Check
    from toolkit.core.registry import discover

    found = discover("firmware_checks.checks", attribute="CHECK", kind=Check, group="medharden.checks")
    return dict(sorted(found.items()))


def _record(check: Check) -> dict[str, object]:
    return {
        "name": check.name,
        "question": check.question,
        "title": check.title,
        "severity_rule": check.severity_rule,
        "remedy": check.remedy,
        "controls": check.controls.rows(),
    }


def _print_json(value: object) -> None:
    import json

    click.echo(json.dumps(value, indent=2))
