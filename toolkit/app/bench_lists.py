"""What ``medharden bench list`` shows: devices, connections, protocols and checks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

__all__ = ["print_json", "show_checks", "show_devices"]


def print_json(document: object) -> None:
    """Print ``document`` for other programs."""
    import msgspec

    click.echo(msgspec.json.format(msgspec.json.encode(document), indent=2).decode())


def show_devices(bench_file: Path | None, *, as_json: bool) -> None:
    """Show what can be opened now, how each kind of connection is written, and the known protocols."""
    from hil.transport import schemes

    places = [] if bench_file is None else _place_rows(bench_file)
    kinds = sorted(schemes().values(), key=lambda scheme: (-scheme.level.rank, scheme.name))
    devices = [{"url": a.url, "title": a.title, "level": s.level.value} for s in kinds for a in s.attached()]
    if as_json:
        connections = [{"name": s.name, "title": s.title, "example": s.example, "level": s.level.value} for s in kinds]
        print_json({"places": places, "devices": devices, "connections": connections, "protocols": _protocol_rows()})
        return
    for place in places:
        click.echo(f"{place['id']:28}{place['profile']:20}{', '.join(place['devices'])}")
    for device in devices:
        click.echo(f"{device['url']:28}{device['level']:10}{device['title']}")
    click.echo("\nConnections:")
    for scheme in kinds:
        click.echo(f"  {scheme.example:58}{scheme.title}")
    _show_protocols()


def _place_rows(bench_file: Path) -> list[dict[str, Any]]:
    from hil.bench import read_bench

    return [{"id": p.id, "profile": p.profile, "devices": list(p.devices)} for p in read_bench(bench_file).places]


def show_checks(*, as_json: bool) -> None:
    """Show every check in the order of the catalogue."""
    from hil.bench_check import checks

    rows = [
        {
            "id": check.id,
            "name": check.name,
            "question": check.question,
            "changes_device": check.changes_device,
            "lowest_level": check.lowest_level.value,
            "controls": list(check.controls.rows()),
        }
        for check in checks().values()
    ]
    if as_json:
        print_json(rows)
        return
    for row in rows:
        armed = "armed" if row["changes_device"] else ""
        click.echo(f"{row['id']:5}{row['name']:32}{armed:7}{row['lowest_level']:10}{row['question']}")


def _protocol_rows() -> list[dict[str, Any]]:
    from hil.protocol import protocols

    found = sorted(protocols().values(), key=lambda protocol: protocol.name)
    return [{"name": p.name, "title": p.title, "source": p.source, "unverified": p.unverified} for p in found]


def _show_protocols() -> None:
    click.echo("\nProtocols:")
    for row in _protocol_rows():
        click.echo(f"  {row['name']:20}{row['title']}")
        for text in row["unverified"]:
            click.echo(f"  {'':20}not verified: {text}")
