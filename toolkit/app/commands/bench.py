"""``medharden bench``: security checks on a real device, an emulated one, or a model, and honest about which."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from toolkit.app.bench_lists import print_json
from toolkit.app.moment import now_option
from toolkit.app.secrets import CommandLineSecrets, passphrase_option
from toolkit.core.errors import InputError

if TYPE_CHECKING:
    from device_profiles.schema import DeviceProfile
    from hil.bench import Place
    from hil.bench_check import BenchCheck
    from hil.bench_run import BenchRun, Target
    from hil.result import BenchResult

EPILOG = """\b
Examples:
  medharden bench list
  medharden bench run --profile demo-pump
  medharden bench run --profile demo-pump --device COM3 --output evidence
  medharden bench talk --device medemu://demo-pump

\b
Nothing is ever sent to a real device before it has proven that it is the one
of the profile, and a forbidden message of the profile is never sent at all."""

LIST_EPILOG = """\b
Examples:
  medharden bench list
  medharden bench list --checks
  medharden bench list --bench bench.toml --json"""

RUN_EPILOG = """\b
Examples:
  medharden bench run --profile demo-pump
  medharden bench run --profile ward-pump.toml --device COM3 --output evidence --sign file:bench.pem
  medharden bench run --profile demo-pump --device /dev/ttyUSB0 --armed --check P9
  medharden bench run --bench bench.toml --place ward-pump
  medharden bench run --profile demo-pump --device "fault+medemu://demo-pump?fault.noise=0.001"

\b
Without --device, the emulated device of the profile is used; with it, only
when --fallback is given and none of the devices is there.
\b
Exit codes:
  0  every check that makes sense for the device passed
  1  one failed, or could not be judged on what was connected
     (--level says with how little you are content)
  2  no device, a wrong device, a check that broke off, or an error"""

TALK_EPILOG = """\b
Examples:
  medharden bench talk --device medemu://demo-pump
  medharden bench talk --device COM3 --profile demo-pump --armed
  medharden bench talk --device medemu://demo-pump --send id --send status

\b
Lines you type are sent with a carriage return; Ctrl-D (Windows: Ctrl-Z) ends.
A real device is only listened to, unless a profile and --armed are given."""

RECORD_EPILOG = """\b
Examples:
  medharden bench record --device COM3 --output start-up.jsonl --seconds 60
  medharden bench record --device "serial:///dev/ttyUSB0?baud=19200&parity=odd" --output pulse.jsonl"""

REPLAY_EPILOG = """\b
Examples:
  medharden bench replay start-up.jsonl
  medharden bench replay start-up.jsonl --json
  medharden bench run --profile demo-pump --device replay://session.jsonl"""

EXPORT_EPILOG = """\b
Examples:
  medharden bench export evidence/evidence.json --format html --output report.html
  medharden bench export evidence/evidence.json --format junit --key bench.pub
  medharden bench export evidence/record.jsonl --format pcapng --output usb.pcapng"""

EXIT_INTERRUPTED = 130
LEVELS = ("hardware", "remote", "qemu", "unicorn", "model", "replay")

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON for other programs.")
profile_option = click.option("--profile", metavar="ID|FILE", help="Device profile.")
interface_option = click.option(
    "--interface", metavar="ID", help="Interface of the profile at which you are connected."
)
armed_option = click.option("--armed", is_flag=True, help="Allow what could change a real device; you are asked first.")
device_option = click.option(
    "--device", required=True, metavar="URL", help="Device, for example COM3 or medemu://demo-pump."
)
bench_option = click.option(
    "--bench", "bench_file", type=click.Path(path_type=Path), metavar="FILE", help="Bench file with your devices."
)


@click.group(name="bench", short_help="Check a real or emulated device.", epilog=EPILOG)
def COMMAND() -> None:  # noqa: N802  # the registry finds it by this name
    """Security checks on a device: what it refuses, shown on the device itself, an emulated one, or a model."""


@COMMAND.command(name="list", short_help="List devices, connections and protocols, or checks.", epilog=LIST_EPILOG)
@click.option("--checks", "wants_checks", is_flag=True, help="List the checks instead.")
@bench_option
@json_option
def show(*, wants_checks: bool, bench_file: Path | None, as_json: bool) -> None:
    """List the devices that can be opened now, how each kind of connection is written, and the known protocols."""
    from toolkit.app.bench_lists import show_checks, show_devices

    if wants_checks:
        show_checks(as_json=as_json)
    else:
        show_devices(bench_file, as_json=as_json)


@COMMAND.command(name="run", short_help="Run checks on a device.", epilog=RUN_EPILOG)
@profile_option
@click.option("--device", "devices", multiple=True, metavar="URL", help="Device; several are tried in this order.")
@bench_option
@click.option("--place", metavar="NAME", help="Device of the bench file.")
@interface_option
@click.option("--check", "wanted", multiple=True, metavar="NAME|ID", help="Only this check, or these (U: all of U).")
@armed_option
@click.option("--fallback", is_flag=True, help="Go on with an emulated device when no --device is there.")
@click.option("--level", type=click.Choice(LEVELS), default="hardware", show_default=True, help="Evidence you want.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Start value of what is random.")
@click.option("--file", "files", multiple=True, metavar="NAME=PATH", help="File a check asks for, such as image=a.bin.")
@click.option("--corpus", type=click.Path(path_type=Path), metavar="FOLDER", help="Frames of fuzzing to begin with.")
@click.option("--power", metavar="SWITCH", help="manual, or uhubctl:HUB:PORT.")
@click.option("--probe", metavar="PROBE", help="Debug probe: openocd:FILE,FILE or pyocd:TARGET.")
@click.option("--output", type=click.Path(path_type=Path), metavar="FOLDER", help="Folder for evidence and reports.")
@click.option("--sign", metavar="URI", help="Key that signs the evidence, for example file:bench.pem.")
@passphrase_option
@now_option
@json_option
def run(*, output: Path | None, sign: str | None, passphrase_file: Path | None, as_json: bool, **asked: Any) -> int:
    """Run the checks on one device and say of each: pass, fail, not tested or error, and on what it rests.

    Checks that could change a real device need --armed; an emulated device may always be changed.
    """
    from hil.level import EvidenceLevel
    from hil.run import STOPPED_BY_OPERATOR
    from toolkit.app.bench_documents import RECORD, write_all

    if sign is not None and output is None:
        raise InputError("--sign needs --output: the signed evidence is written there")
    with _ends_on_sigterm():
        result = _bench_run(asked, None if output is None else output / RECORD, quiet=as_json).run()
    if output is not None:
        write_all(result, output, sign, CommandLineSecrets(passphrase_file))
    accepted = EvidenceLevel(asked["level"])
    if as_json:
        print_json(result)
    else:
        _show_result(result, accepted, output)
    return EXIT_INTERRUPTED if result.stopped == STOPPED_BY_OPERATOR else result.exit_code(accepted)


def _bench_run(asked: dict[str, Any], record: Path | None, *, quiet: bool) -> BenchRun:
    from hil.bench_run import BenchRun, Operator
    from hil.debug_probe import debug_probe
    from hil.power import power_port
    from hil.run import RunOptions

    place = _place(asked)
    profile = _profile(asked["profile"] or (place.profile if place else None))
    switch = asked["power"] or (place.power if place else None)
    probe = asked["probe"] or (place.probe if place else None)
    now: datetime = asked["now"]
    return BenchRun(
        profile=profile,
        targets=_targets(asked, place, profile),
        checks=_chosen(asked["wanted"]),
        options=RunOptions(
            armed=asked["armed"],
            seed=asked["seed"],
            files=dict(_named_file(text) for text in asked["files"]),
            corpus=asked["corpus"],
            on_verdict=(lambda _verdict: None) if quiet else _tell,
        ),
        operator=Operator(confirm=_confirm, now=lambda: now),
        power=power_port(switch, _confirm) if switch else None,
        probe=debug_probe(probe) if probe else None,
        serial_number=place.serial_number if place else None,
        bench_file=asked["bench_file"],
        record=record,
    )


def _place(asked: dict[str, Any]) -> Place | None:
    from hil.bench import read_bench

    if (asked["bench_file"] is None) != (asked["place"] is None):
        raise InputError("--bench and --place belong together: the file, and the device in it")
    return None if asked["bench_file"] is None else read_bench(asked["bench_file"]).place(asked["place"])


def _profile(name: str | None) -> DeviceProfile:
    from device_profiles.loader import load

    if name is None:
        raise InputError("which device is it? Name its profile with --profile, for example --profile demo-pump")
    return load(name)


def _targets(asked: dict[str, Any], place: Place | None, profile: DeviceProfile) -> tuple[Target, ...]:
    """Return where to go: to the devices that are named, or to every emulated connection of the profile."""
    from hil.bench_run import Target
    from hil.device import interface_of, provable_interfaces
    from hil.fallback import emulated_devices

    named = tuple(asked["devices"]) or (place.devices if place is not None else ())
    wanted = asked["interface"] or (place.interface if place else None)
    if named or wanted is not None:
        interface = interface_of(profile, wanted)
        emulated = emulated_devices(profile, interface) if asked["fallback"] or not named else ()
        found = [Target(interface=interface, urls=(*named, *emulated))]
    else:
        found = [Target(interface=i, urls=emulated_devices(profile, i)) for i in provable_interfaces(profile)]
    targets = tuple(target for target in found if target.urls)
    if not targets:
        raise InputError(f"profile {profile.id} names no emulated device (hil.emulator): name a device with --device")
    return targets


def _chosen(wanted: tuple[str, ...]) -> list[BenchCheck]:
    from hil.bench_check import checks

    known = checks()
    for text in wanted:
        if not any(_is_meant(text, check) for check in known.values()):
            raise InputError(f"no check is called {text}; `medharden bench list --checks` shows them")
    return [check for check in known.values() if not wanted or any(_is_meant(text, check) for text in wanted)]


def _is_meant(text: str, check: BenchCheck) -> bool:
    return text in (check.name, check.id, check.id[:1])


def _named_file(text: str) -> tuple[str, Path]:
    name, separator, path = text.partition("=")
    if not (name and separator and path):
        raise InputError(f"--file {text!r}: write NAME=PATH, for example image=pump.bin")
    if not Path(path).is_file():
        raise InputError(f"{path}: no such file")
    return name, Path(path)


def _confirm(sentence: str) -> bool:
    """Ask the person at the bench; a mere Enter is no, and so is nobody."""
    click.echo(f"{sentence}\nType YES to confirm: ", nl=False, err=True)
    return sys.stdin.readline().strip() == "YES"


@contextmanager
def _ends_on_sigterm() -> Iterator[None]:
    """Let an order to end (SIGTERM) be a Ctrl-C, so that the device is left safe and nothing keeps running."""
    import signal

    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _tell(verdict: Any) -> None:
    """Say what came out, while the run goes on."""
    rests_on = f" ({verdict.level})" if verdict.level else ""
    click.echo(f"{verdict.id:5}{verdict.check:32}{verdict.result:11}{verdict.detail}{rests_on}", err=True)
    if verdict.clean_up:
        click.echo(f"{'':5}{verdict.clean_up}", err=True)


def _show_result(result: BenchResult, accepted: Any, output: Path | None) -> None:
    from hil.verdict import Result

    counts = ", ".join(f"{result.count(kind)} {kind}" for kind in Result)
    for attempt in result.attempts:
        click.echo(f"device      {attempt.device}: {attempt.problem or 'used'}")
    click.echo(f"profile     {result.profile} ({result.profile_title})")
    click.echo(f"evidence    {result.level or 'none'}")
    click.echo(f"verdicts    {counts}")
    click.echo(f"left        {result.safe_state}")
    for command in result.not_enforced:
        click.echo(f"not held    {command}: its bytes are not in the profile")
    if result.level is not None and not result.level.is_real:
        click.echo("This was no real device: nothing here says that a device on a ward passes.")
    unproven = result.unproven(accepted)
    if unproven:
        click.echo(f"Not proven: {', '.join(v.id for v in unproven)}")
    if result.stopped:
        click.echo(f"Stopped: {result.stopped}")
    if output is not None:
        click.echo(f"written     {output}")


@COMMAND.command(name="talk", short_help="Talk with a device by hand.", epilog=TALK_EPILOG)
@device_option
@profile_option
@interface_option
@armed_option
@click.option("--send", "lines", multiple=True, metavar="TEXT", help="Line to send instead of what you type.")
@click.option("--output", type=click.Path(path_type=Path), metavar="FILE", help="Record of the session to write.")
@now_option
@json_option
def talk(  # one parameter an option
    *,
    device: str,
    profile: str | None,
    interface: str | None,
    armed: bool,
    lines: tuple[str, ...],
    output: Path | None,
    now: datetime,
    as_json: bool,
) -> None:
    """Send what you type, and show what the device says."""
    from hil.bench import one_run_at_a_time
    from hil.conversation import talk as converse
    from hil.run import NO_PATIENT
    from hil.transport import make_transport

    heard: list[str] = []
    show = heard.append if as_json else lambda text: click.echo(text, nl=False)
    typed = (f"{line}\r".encode() for line in lines) if lines else (f"{line.rstrip()}\r".encode() for line in sys.stdin)
    with ExitStack() as stack:
        stack.enter_context(one_run_at_a_time([device]))
        transport = make_transport(device)
        transport.record_to(stack.enter_context(_recorder(output, device, profile, now)))
        known = None if profile is None else _known_device(profile, interface, transport)
        if armed and transport.level.is_real and not _confirm(NO_PATIENT):
            raise InputError("not confirmed; without --armed the device is only listened to")
        stack.enter_context(transport if known is None else known)
        if transport.level.is_real and not armed:
            transport.guard.lock()
        converse(transport, typed, show)
    if as_json:
        print_json({"device": device, "heard": "".join(heard)})


def _known_device(profile: str, interface: str | None, transport: Any) -> Any:
    from hil.device import Device, interface_of

    known = _profile(profile)
    return Device(known, transport, interface_of(known, interface))


@contextmanager
def _recorder(path: Path | None, device: str, profile: str | None, now: datetime) -> Iterator[Any]:
    """Give the recorder for a session, with a file where one is asked for."""
    from hil.bench_run import new_record
    from hil.record import Header, Recorder

    with ExitStack() as stack:
        recorder = Recorder(None if path is None else stack.enter_context(new_record(path)))
        recorder.begin(Header(device=device, profile=profile, started=f"{now:%Y-%m-%dT%H:%M:%SZ}"))
        yield recorder


@COMMAND.command(name="record", short_help="Write down what a device says.", epilog=RECORD_EPILOG)
@device_option
@click.option("--output", required=True, type=click.Path(path_type=Path), metavar="FILE", help="Record to write.")
@click.option("--seconds", type=click.FloatRange(0.1, 86400), default=10.0, show_default=True, help="How long.")
@now_option
@json_option
def record(*, device: str, output: Path, seconds: float, now: datetime, as_json: bool) -> int:
    """Listen to a device and write every byte down with its time; nothing is sent."""
    from hil.bench import one_run_at_a_time
    from hil.transport import make_transport

    heard = 0
    with one_run_at_a_time([device]), _recorder(output, device, None, now) as recorder:
        transport = make_transport(device)
        transport.record_to(recorder)
        with transport:
            end_s = transport.clock.now_s() + seconds
            while (left_s := end_s - transport.clock.now_s()) > 0:
                heard += len(transport.read(left_s))
    if as_json:
        print_json({"path": str(output), "bytes": heard})
    else:
        click.echo(f"{output}: {heard} bytes heard in {seconds:g} s", err=True)
    return 0


@COMMAND.command(name="replay", short_help="Show a recorded session.", epilog=REPLAY_EPILOG)
@click.argument("record_file", metavar="RECORD", type=click.Path(path_type=Path))
@json_option
def replay(record_file: Path, *, as_json: bool) -> None:
    """Show what was said in a recorded session, and when."""
    from hil.conversation import shown_entry
    from hil.record import read_record

    header, entries = read_record(record_file)
    if as_json:
        print_json({"header": header, "entries": list(entries)})
        return
    click.echo(f"{header.device}  {header.profile or ''}  {header.started or ''}")
    for entry in entries:
        click.echo(shown_entry(entry))


@COMMAND.command(name="export", short_help="Turn evidence or a record into a document.", epilog=EXPORT_EPILOG)
@click.argument("source", metavar="EVIDENCE|RECORD", type=click.Path(path_type=Path))
@click.option(
    "--format",
    "form",
    type=click.Choice(["junit", "html", "text", "json", "report", "pcapng"]),
    default="json",
    show_default=True,
    help="Kind of document; report is the JSON that `scan` has too.",
)
@click.option("--key", type=click.Path(path_type=Path), metavar="FILE", help="Public key that must have signed it.")
@click.option("--output", type=click.Path(path_type=Path), metavar="FILE", help="File to write.  [default: the screen]")
def export(source: Path, *, form: str, key: Path | None, output: Path | None) -> None:
    """Make a document of an evidence file, or a pcapng of the USB transfers in a record."""
    from toolkit.app.bench_documents import capture, document, read_result
    from toolkit.core.files import write_whole

    if form == "pcapng" and output is None:
        raise InputError("a pcapng is no text for the screen: name a file with --output")
    data = capture(source) if form == "pcapng" else document(read_result(source, key), form)
    if output is not None:
        write_whole(output, data)
        click.echo(f"{output}: {len(data)} bytes", err=True)
        return
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()
