"""pytest on the bench: a ``device`` fixture, and our devices for pytest-embedded.

``pytest --bench-device medemu://demo-pump --bench-profile demo-pump`` gives tests a ``device`` that has proven who it
is. It is left safe at the end. A test marked ``changes_device`` runs on a real device only with ``--bench-armed``; one
marked ``lowest_level("qemu")`` only on something at least so real: otherwise they are skipped, which is no pass.

With pytest-embedded switched on, ``--embedded-services serial --port medemu://demo-pump`` works with no change to it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from hil.device import Device

SHOWN_ENTRIES = 20
OPTIONS = {
    "--bench-device": "device to test, for example COM3 or medemu://demo-pump",
    "--bench-profile": "device profile it must be, an id or a file",
    "--bench-interface": "interface of the profile at which it is connected",
    "--bench-record": "file for the record of the session",
}


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add our options."""
    group = parser.getgroup("bench", "devices on a bench (medharden)")
    for name, text in OPTIONS.items():
        group.addoption(name, default=None, help=text)
    group.addoption("--bench-armed", action="store_true", help="allow tests that change a real device")


def pytest_configure(config: pytest.Config) -> None:
    """Tell pytest our marks, and pyserial our devices where pytest-embedded will ask for them."""
    config.addinivalue_line("markers", "changes_device: could change the device; on a real one it needs --bench-armed")
    config.addinivalue_line("markers", "lowest_level(level): counts only on something at least as real, such as qemu")
    if config.pluginmanager.hasplugin("pytest_embedded"):
        from hil.pyserial_door import register

        register()


@pytest.fixture(scope="session")
def bench_device(pytestconfig: pytest.Config) -> Iterator[Device]:
    """Give the device of this session, connected and identified; afterwards it is left safe and the bench is free."""
    from device_profiles.loader import load
    from hil.bench import one_run_at_a_time
    from hil.bench_run import new_record
    from hil.device import Device, interface_of
    from hil.record import Header, Recorder
    from hil.transport import make_transport

    url, profile_id = pytestconfig.getoption("--bench-device"), pytestconfig.getoption("--bench-profile")
    if url is None or profile_id is None:
        pytest.skip("not tested: no device; name one with --bench-device and --bench-profile")
    profile = load(profile_id)
    record = pytestconfig.getoption("--bench-record")
    with ExitStack() as stack:
        stack.enter_context(one_run_at_a_time([url]))
        recorder = Recorder(None if record is None else stack.enter_context(new_record(Path(record))))
        recorder.begin(Header(device=url, profile=profile.id))
        transport = make_transport(url)
        transport.record_to(recorder)
        interface = interface_of(profile, pytestconfig.getoption("--bench-interface"))
        yield stack.enter_context(Device(profile, transport, interface))


@pytest.fixture
def device(bench_device: Device, request: pytest.FixtureRequest) -> Device:
    """Give the device to one test: connected, with nothing left over from the test before."""
    why = _why_skipped(bench_device, request.node, armed=request.config.getoption("--bench-armed"))
    if why:
        pytest.skip(f"not tested: {why}")
    bench_device.transport.recorder.event("test", request.node.name)
    if bench_device.transport.is_open:
        bench_device.drain()
    else:
        bench_device.reconnect(wait_s=10.0)
    return bench_device


def _why_skipped(device: Device, node: Any, *, armed: bool) -> str:
    from hil.level import EvidenceLevel

    level = device.level
    if node.get_closest_marker("changes_device") and level.is_real and not armed:
        return "could change the device; --bench-armed allows that"
    mark = node.get_closest_marker("lowest_level")
    if mark is not None and not level.counts_for(EvidenceLevel(mark.args[0])):
        return f"counts only on {mark.args[0]} or better; this is {level}"
    return ""


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Any:  # noqa: ARG001  # pytest's names
    """Add to a failure what was said last."""
    report = yield
    device = getattr(item, "funcargs", {}).get("device")
    if report.failed and device is not None and hasattr(device, "transport"):
        from hil.conversation import shown_entry

        last = [shown_entry(entry) for entry in device.transport.recorder.last][-SHOWN_ENTRIES:]
        report.sections.append((f"device, evidence level {device.level}", "\n".join(last)))
    return report
