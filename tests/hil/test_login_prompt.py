"""C1 on consoles of other kinds: what a log-in, a shell and silence lead to."""

from __future__ import annotations

import random

import msgspec
import pytest

from device_profiles.schema import DeviceProfile
from device_profiles.vocabulary import InterfaceType, Purpose
from hil.bench_check import Session
from hil.checks.login_prompt import CHECK
from hil.device import Device, interface_of
from hil.errors import NotTested
from hil.model import DeviceModel
from hil.transport_url import TransportUrl
from hil.transports.medemu import ModelTransport


class Console(DeviceModel):
    """Proves that it is the demo pump, and answers everything else with the same prompt."""

    def __init__(self, prompt: bytes) -> None:
        self.prompt = prompt

    def power_on(self, _now_s: float) -> bytes:
        return b""

    def power_off(self) -> None:
        self.prompt = b""

    def receive(self, data: bytes, _now_s: float) -> bytes:
        return b"=demo-pump medharden 00000001\r\n" if data == b"id\r" else self.prompt


def session(profile: DeviceProfile, prompt: bytes) -> Session:
    transport = ModelTransport(TransportUrl("medemu", "console"), Console(prompt))
    device = Device(profile, transport, interface_of(profile, "console"))
    device.connect()
    return Session(device=device, random=random.Random(1))  # noqa: S311  # no secret


@pytest.mark.parametrize(
    ("prompt", "passes"),
    [(b"\r\npump login: ", True), (b"Password:", True), (b"PIN?", True), (b"\r\n# ", False), (b"U-Boot> ", False)],
)
def test_a_log_in_passes_and_a_shell_does_not(pump_profile: DeviceProfile, prompt: bytes, passes: bool) -> None:
    assert CHECK.run(session(pump_profile, prompt)).ok is passes


@pytest.mark.parametrize("prompt", [b"", b"what?\r\n"])
def test_what_shows_neither_is_not_tested(pump_profile: DeviceProfile, prompt: bytes) -> None:
    with pytest.raises(NotTested, match="neither a log-in nor a prompt"):
        CHECK.run(session(pump_profile, prompt))


def test_it_makes_sense_on_service_consoles_only(pump_profile: DeviceProfile) -> None:
    asked = session(pump_profile, b"")
    assert CHECK.applies(asked) == ""
    for change, why in (
        ({"type": InterfaceType.WIFI}, "is no serial line"),
        ({"purposes": (Purpose.CLINICAL_DATA,)}, "is no service or debug console"),
        ({"purposes": None}, "is no service or debug console"),
    ):
        asked.device.interface = msgspec.structs.replace(interface_of(pump_profile, "console"), **change)
        assert why in CHECK.applies(asked)
