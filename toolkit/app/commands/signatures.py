"""``medharden signatures``: what stripped microcontroller programs are compared with, and how to add an own library."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from toolkit.core.errors import FormatError, InputError

if TYPE_CHECKING:
    from firmware_checks.fingerprints.pack import Pack

EPILOG = """\b
Examples:
  medharden signatures list
  medharden signatures build --component our-sdk --version 2.4 --output our-sdk.mdsig libsdk.a
  medharden signatures build --component lwip --version 2.0.3 --output lwip.mdsig build/lwip/*.o"""

BUILD_EPILOG = """\b
Examples:
  medharden signatures build --component our-sdk --version 2.4 --output our-sdk.mdsig libsdk.a
  medharden signatures build --component rtos --version 5.1 --toolchain gcc-Os-m4 --output rtos.mdsig firmware.elf

\b
A pack knows a library best when it holds several builds of several versions: build each to a pack of its own; all are
used together. Names of functions are kept and code is not."""


@click.group(name="signatures", short_help="List and build signatures of library functions.", epilog=EPILOG)
def COMMAND() -> None:  # noqa: N802  # the registry finds it by this name
    """Signature packs: how libraries are recognised in programs for Cortex-M and AVR that hold no texts."""


@COMMAND.command(name="list", epilog=EPILOG)
@click.argument("packs", nargs=-1, metavar="[PACK]...", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print a JSON list.")
def show(packs: tuple[Path, ...], *, as_json: bool) -> None:
    """List the libraries and versions in the installed packs, or in the files named."""
    import json

    from firmware_checks.fingerprints.shipped import load_pack, shipped_packs

    rows = [row for pack in ([load_pack(p) for p in packs] or shipped_packs()) for row in _rows(pack)]
    if as_json:
        click.echo(json.dumps(rows, indent=2))
        return
    for row in rows:
        click.echo(
            f"{row['component']:16}{row['functions']:6} functions  {', '.join(row['versions'])}  ({row['pack']})"
        )


def _rows(pack: Pack) -> Iterable[dict[str, Any]]:
    from collections import Counter

    functions = Counter(pack.component_of(name) for name in range(pack.names))
    for number, component in enumerate(pack.meta.components):
        builds = [b for b in pack.meta.builds if b.component == number]
        yield {
            "pack": pack.source,
            "component": component.name,
            "arch": pack.meta.arch,
            "versions": list(component.versions),
            "builds": len(builds),
            "functions": functions[number],
            "reported": not component.toolchain,
        }


@COMMAND.command(name="build", epilog=BUILD_EPILOG)
@click.argument("files", nargs=-1, required=True, metavar="FILE...", type=click.Path(path_type=Path))
@click.option("--component", required=True, metavar="NAME", help="Name of the library, as its component rule has it.")
@click.option("--version", required=True, metavar="V", help="Version of the library.")
@click.option("--output", required=True, type=click.Path(path_type=Path), help="Signature pack to write.")
@click.option("--toolchain", default="", metavar="TEXT", help="How it was compiled, for example gcc-Os-m4.")
@click.option("--configuration", default="", metavar="TEXT", help="How it was set up, for example asserts-on.")
@click.option(
    "--minimum-functions",
    type=click.IntRange(1, 1000),
    default=4,
    show_default=True,
    help="Different functions that must be found before the library is named.",
)
def build(  # one parameter an option
    files: tuple[Path, ...],
    component: str,
    version: str,
    output: Path,
    toolchain: str,
    configuration: str,
    minimum_functions: int,
) -> None:
    """Make a signature pack from static libraries, object files or programs with symbols (32-bit Arm, AVR)."""
    from firmware_checks.fingerprints.pack import Build
    from firmware_checks.fingerprints.pack_writer import PackBuilder
    from toolkit.core.files import write_whole

    pack = PackBuilder(arch="")
    pack.component(component, minimum_functions=minimum_functions)
    count = 0
    for path in files:
        made = Build(component=0, version=version, toolchain=toolchain, configuration=configuration or path.name)
        count += _add(pack, component, made, path)
    if not count:
        raise InputError("no functions with names are in these files: are their symbols stripped?")
    data = pack.pack()
    write_whole(output, data)
    click.echo(f"{output}: {count} functions of {component} {version}, {len(data)} bytes", err=True)


def _add(pack: Any, component: str, made: Any, path: Path) -> int:
    from firmware_checks.fingerprints.objects import functions_of, processor_of, tables_of
    from toolkit.core.window import Window

    try:
        window = Window.of(path.read_bytes())
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror or error}") from error
    try:
        arch = processor_of(window)
        pack.arch = pack.arch or arch
        if arch != pack.arch:
            raise InputError(f"{path}: is for {arch} and the files before for {pack.arch}: make a pack of each")
        count: int = pack.add(component, made, functions_of(window), tables_of(window))
    except FormatError as error:
        raise InputError(f"{path}: {error}") from error
    return count
