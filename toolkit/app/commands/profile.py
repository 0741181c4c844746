"""``medharden profile``: what is known about a device, and how to write it down."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from toolkit.core.errors import InputError, MedhardenError, ProfileError

if TYPE_CHECKING:
    from device_profiles.schema import DeviceProfile

EPILOG = """\b
Examples:
  medharden profile list
  medharden profile show infusion-pump-lvp
  medharden profile new ward-pump --extends infusion-pump-lvp
  medharden profile validate ward-pump.toml
  medharden scan update.hex --profile ward-pump.toml"""

LIST_EPILOG = """\b
Examples:
  medharden profile list
  medharden profile list --json"""

SHOW_EPILOG = """\b
Examples:
  medharden profile show cpap
  medharden profile show ward-pump.toml
  medharden profile show cpap --json"""

VALIDATE_EPILOG = """\b
Examples:
  medharden profile validate ward-pump.toml
  medharden profile validate our-devices/*.toml --json

\b
Exit codes:
  0  every file can be used
  2  at least one cannot; each problem is a line with its place"""

NEW_EPILOG = """\b
Examples:
  medharden profile new ward-pump --extends infusion-pump-lvp
  medharden profile new ward-pump --extends infusion-pump-lvp --output our-devices/ward-pump.toml
  medharden profile new ward-pump --extends infusion-pump-lvp --output -"""

SCHEMA_EPILOG = """\b
Examples:
  medharden profile schema > medharden-profile.schema.json

\b
An editor with a TOML extension uses it when the profile starts with:
  #:schema ./medharden-profile.schema.json"""

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON for other programs.")


@click.group(name="profile", short_help="List, show, check and start device profiles.", epilog=EPILOG)
def COMMAND() -> None:  # noqa: N802  # the registry finds it by this name
    """Device profiles: what is known about a device, and how it is known."""


@COMMAND.command(name="list", epilog=LIST_EPILOG)
@json_option
def list_profiles(*, as_json: bool) -> int:
    """List the profiles that are installed.

    Each line says how many facts it states, and how many of them are only assumed.
    """
    rows: list[dict[str, Any]] = []
    code = 0
    for profile in _installed():
        if isinstance(profile, MedhardenError):
            click.echo(f"medharden: {profile}", err=True)
            code = 2
        else:
            rows.append(_row(profile))
    if as_json:
        _print_json(rows)
        return code
    for row in rows:
        facts = f"{row['facts']} facts, {row['assumed']} assumed"
        click.echo(f"{row['id']:30}{row['kind']:12}{facts:24}{row['title']}")
    return code


@COMMAND.command(name="show", epilog=SHOW_EPILOG)
@click.argument("profile", metavar="ID")
@json_option
def show(profile: str, *, as_json: bool) -> None:
    """Show a profile with all it inherits.

    Each fact comes with how it is known. ID is an id of `list`, or a file.
    """
    from device_profiles.loader import load

    loaded = load(profile)
    if as_json:
        _print_json(loaded)
        return
    for line in _describe(loaded):
        click.echo(line)


@COMMAND.command(name="validate", epilog=VALIDATE_EPILOG)
@click.argument("files", nargs=-1, required=True, metavar="PATH...", type=click.Path(path_type=Path))
@json_option
def validate(files: tuple[Path, ...], *, as_json: bool) -> int:
    """Check profile files and name all that is wrong."""
    from device_profiles.loader import profiles

    known = profiles()
    verdicts = [_verdict(path, known) for path in files]
    if as_json:
        _print_json(verdicts)
    else:
        for verdict in verdicts:
            for line in _told(verdict):
                click.echo(line)
    return 0 if all(verdict["valid"] for verdict in verdicts) else 2


@COMMAND.command(name="new", epilog=NEW_EPILOG)
@click.argument("profile_id", metavar="ID")
@click.option(
    "--extends", required=True, metavar="ARCHETYPE", help="Profile whose facts hold unless you say otherwise."
)
@click.option(
    "--output", type=click.Path(path_type=Path), help="File to write, or - for the screen.  [default: ID.toml]"
)
@json_option
def new(profile_id: str, extends: str, output: Path | None, *, as_json: bool) -> None:
    """Write a commented profile for a device of yours.

    It holds every field with its meaning and what is inherited. An existing file is never touched.
    """
    from device_profiles.loader import load
    from device_profiles.template import new_profile

    text = new_profile(profile_id, load(extends))
    if output == Path("-"):
        click.echo(text, nl=False)
        return
    path = output or Path(f"{profile_id}.toml")
    _write_new(path, text.encode())
    if as_json:
        _print_json({"path": str(path)})
    click.echo(
        f"medharden: {path} written; replace what says FILL IN, then: medharden profile validate {path}", err=True
    )


@COMMAND.command(name="schema", epilog=SCHEMA_EPILOG)
def schema() -> None:
    """Print the JSON Schema of a profile file, for editors."""
    from device_profiles.editor_schema import editor_schema

    _print_json(editor_schema())


def _installed() -> Iterator[DeviceProfile | MedhardenError]:
    """Yield each installed profile, or what is wrong with it: a broken one must not hide the others."""
    from device_profiles.loader import load, profiles

    known = profiles()
    for profile_id in known:
        try:
            yield load(profile_id, known=known)
        except ProfileError as error:
            yield error


def _row(profile: DeviceProfile) -> dict[str, Any]:
    statements = list(profile.facts())
    return {
        "id": profile.id,
        "kind": profile.kind,
        "extends": profile.extends,
        "title": profile.title,
        "facts": len(statements),
        "assumed": sum(s.evidence.status == "assumed" for s in statements),
        "sha256": profile.digest,
    }


def _describe(profile: DeviceProfile) -> Iterator[str]:
    """Write a profile for people: each fact with its status and the number of its source."""
    from device_profiles.writing import as_toml

    parent = f", extends {profile.extends}" if profile.extends else ""
    yield f"{profile.id}: {profile.title}"
    yield f"{profile.kind}{parent}, sha256 {profile.digest}"
    if profile.summary:
        yield profile.summary
    numbers = {evidence: number for number, evidence in enumerate(profile.evidence, 1)}
    section = ""
    for statement in profile.facts():
        name = statement.path.partition(".")[0]
        if name != section:
            section = name
            yield f"\n{name}"
        source = f"{statement.evidence.status} [{numbers[statement.evidence]}]"
        yield f"  {statement.path:46} {source:21} {as_toml(statement.path, statement.value)}"
    yield "\nsources"
    for evidence, number in numbers.items():
        more = "".join(f", {part}" for part in (evidence.url, evidence.date) if part)
        yield f"  [{number}] {evidence.status} ({evidence.profile}): {evidence.source}{more}"


def _verdict(path: Path, known: Any) -> dict[str, Any]:
    """Return what is to be said about one file."""
    from device_profiles.loader import load

    try:
        profile = load(path, known=known)
    except ProfileError as error:
        return {"path": str(path), "valid": False, "problems": list(error.problems), "fill_in": []}
    except InputError as error:
        return {"path": str(path), "valid": False, "problems": [str(error)], "fill_in": []}
    return {"path": str(path), "valid": True, "problems": [], "fill_in": _still_to_fill_in(profile)}


def _told(verdict: dict[str, Any]) -> Iterator[str]:
    path = verdict["path"]
    for problem in verdict["problems"]:
        yield problem if problem.startswith(f"{path}:") else f"{path}: {problem}"
    if verdict["valid"]:
        yield f"{path}: can be used"
    for place in verdict["fill_in"]:
        yield f"{path}: {place}: still says FILL IN"


def _still_to_fill_in(profile: DeviceProfile) -> list[str]:
    from device_profiles.template import FILL_IN

    texts = [("title", profile.title)]
    texts += [(s.path, str(s.value)) for s in profile.facts()]
    texts += [(f"evidence for {e.fields[0]}", e.source) for e in profile.evidence]
    return [place for place, text in texts if FILL_IN in text]


def _write_new(path: Path, data: bytes) -> None:
    """Write a file that is not there yet: its name is reserved first, then the whole content takes its place."""
    from toolkit.core.files import write_whole

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.open("xb").close()
    except OSError as error:
        if isinstance(error, FileExistsError) and path.parent.is_dir():
            message = f"{path} exists already and is left as it is; choose another file with --output"
        else:
            message = f"{path}: cannot be written: {error.strerror or error}"
        raise InputError(message) from error
    try:
        write_whole(path, data)
    except InputError:
        path.unlink(missing_ok=True)
        raise


def _print_json(document: object) -> None:
    import msgspec

    click.echo(msgspec.json.format(msgspec.json.encode(document), indent=2).decode())
