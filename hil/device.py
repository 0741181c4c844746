"""One device that has proven who it is: ask it, listen to it, and leave it safe."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Self

from device_profiles.schema import DeviceProfile, Identification, Interface
from device_profiles.vocabulary import UsbClass
from hil.debug_probe import DebugProbe, NoProbe
from hil.errors import BenchError, NoAnswer, WriteRefused, WrongDevice
from hil.guard import byte_pattern, guard_for
from hil.level import EvidenceLevel
from hil.power import NoPower, PowerPort
from hil.transport import Transport
from toolkit.core.errors import InputError

if TYPE_CHECKING:
    from types import TracebackType

__all__ = [
    "Device",
    "Proof",
    "SafeState",
    "interface_of",
    "is_known_by_usb",
    "provable_interfaces",
    "why_never_written",
]

DEFAULT_REPLY_S: Final = 1.0
IDENTIFY_TRIES: Final = 3
"""A device may still be starting up, or the rest of an older message may stand before the first question."""
MOST_KEPT_BYTES: Final = 1 << 20
"""Of what came in and nobody has asked for, the newest bytes are kept."""
MOST_DRAINED_PIECES: Final = 64
"""A device that speaks without end is never drained."""
SHOWN_BYTES: Final = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """What shows that the device is the one of the profile; the same after each reconnection, or nothing is sent."""

    answers: tuple[bytes, ...]
    """The part of each answer that matched, in the order of the profile."""
    serial_number: str = ""
    """As USB reports it; empty where nothing reports one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SafeState:
    """How the device was left."""

    reached: bool
    how: str


def interface_of(profile: DeviceProfile, wanted: str | None) -> Interface:
    """Return the interface called ``wanted``, or the only one the profile has questions for.

    ``InputError`` when there is none, or when it has to be named.
    """
    by_id = {interface.id: interface for interface in profile.interfaces}
    if wanted is not None:
        if wanted not in by_id:
            raise InputError(f"profile {profile.id} has no interface {wanted}; there are {', '.join(by_id) or 'none'}")
        return by_id[wanted]
    asked = list(dict.fromkeys(entry.interface for entry in profile.hil.identify))
    if len(asked) == 1:
        return by_id[asked[0]]
    if not asked:
        raise InputError(f"profile {profile.id} has no hil.identify, so nothing can prove that it is this device")
    raise InputError(f"profile {profile.id} can be asked at {', '.join(asked)}: name one with --interface")


def why_never_written(profile: DeviceProfile, interface: Interface) -> str:
    """Return why nothing may ever be sent to this device, or an empty text."""
    if profile.safety.safe_state is None:
        return f"profile {profile.id} names no safe state (safety.safe_state)"
    asked = any(entry.interface == interface.id for entry in profile.hil.identify)
    if not asked and not is_known_by_usb(interface):
        return f"profile {profile.id} has no question that proves its identity at {interface.id} (hil.identify)"
    return ""


def is_known_by_usb(interface: Interface) -> bool:
    """Tell whether USB numbers are the device's own; those of a converter in a cable say nothing about the device."""
    usb = interface.usb
    numbered = usb.vendor_id is not None and usb.product_id is not None
    return numbered and usb.classes is not None and UsbClass.SERIAL_BRIDGE not in usb.classes


def provable_interfaces(profile: DeviceProfile) -> tuple[Interface, ...]:
    """Return the interfaces at which the device can prove who it is, those with a question first."""
    asked = {entry.interface for entry in profile.hil.identify}
    by_question = [interface for interface in profile.interfaces if interface.id in asked]
    by_usb = [i for i in profile.interfaces if i.id not in asked and is_known_by_usb(i)]
    return (*by_question, *by_usb)


class Device:
    """A device behind a transport. A context manager: connects and identifies on entry, leaves it safe on exit."""

    def __init__(
        self,
        profile: DeviceProfile,
        transport: Transport,
        interface: Interface,
        *,
        power: PowerPort | None = None,
        probe: DebugProbe | None = None,
        serial_number: str | None = None,
    ) -> None:
        self.profile = profile
        self.transport = transport
        self.interface = interface
        self.power: PowerPort = transport.power if power is None or isinstance(power, NoPower) else power
        self.probe: DebugProbe = transport.probe if probe is None or isinstance(probe, NoProbe) else probe
        self.proof: Proof | None = None
        self._wanted_serial_number = serial_number
        self._received = bytearray()
        self._end_s: float | None = None
        milliseconds = profile.hil.reply_timeout_ms
        self.reply_timeout_s: float = DEFAULT_REPLY_S if milliseconds is None else milliseconds / 1000
        transport.guard = guard_for(profile, interface.id)

    @property
    def level(self) -> EvidenceLevel:
        """What a verdict on this device rests on."""
        return self.transport.level

    # Connecting

    def connect(self) -> Proof:
        """Open the transport and make sure that the device is the right one; see ``identify``."""
        self.transport.open()
        return self.identify()

    def reconnect(self, wait_s: float) -> Proof:
        """Connect again after an unplug or a reset, trying for ``wait_s``; it must be the same device."""
        self._received.clear()
        self.transport.reopen(wait_s)
        return self.identify()

    def identify(self) -> Proof:
        """Ask who it is; from then on messages may be sent that are not forbidden.

        ``WrongDevice`` when it is another device, ``WriteRefused`` when the profile has no safe state or no question.
        """
        refusal = why_never_written(self.profile, self.interface)
        if refusal:
            raise WriteRefused(f"not sent: {refusal}")
        serial_number = self._check_usb()
        questions = [question for question in self.profile.hil.identify if question.interface == self.interface.id]
        if not questions and "vendor_id" not in self.transport.settings():
            raise WrongDevice(f"{self.transport.url} reports no USB numbers, by which {self.profile.id} is known")
        if not questions and self.proof is not None:
            self.transport.look_again()
            self._check_usb()
        answers = tuple(self._proof_of(question) for question in questions)
        proof = Proof(answers=answers, serial_number=serial_number)
        if self.proof is not None and proof != self.proof:
            raise WrongDevice("another device of the same kind is connected now than at the start")
        self.proof = proof
        self.transport.guard.unlock()
        self.transport.recorder.event("identified", self.profile.id)
        return proof

    def _check_usb(self) -> str:
        """Compare what USB says about the connection with the profile before anything is sent; return its number."""
        facts = self.transport.settings()
        for name, wanted in (
            ("vendor_id", _hex16(self.interface.usb.vendor_id)),
            ("product_id", _hex16(self.interface.usb.product_id)),
            ("serial_number", self._wanted_serial_number),
        ):
            seen = facts.get(name)
            if wanted is not None and seen is not None and seen != wanted:
                raise WrongDevice(f"{self.transport.url}: {name} is {seen}, expected {wanted}; nothing was sent")
        if self._wanted_serial_number is not None and "serial_number" not in facts:
            raise WrongDevice(f"{self.transport.url} reports no serial number, expected {self._wanted_serial_number}")
        return facts.get("serial_number", "")

    def _proof_of(self, question: Identification) -> bytes:
        heard = b""
        for _ in range(IDENTIFY_TRIES):
            try:
                return self._answer_to(question)
            except NoAnswer as error:
                heard = error.received or heard
        message = f"{self.transport.url}: this is not {self.profile.id}, or it is off: no answer to {question.id}"
        raise WrongDevice(f"{message}; it said {_shown(heard)}" if heard else message)

    def _answer_to(self, question: Identification) -> bytes:
        if question.send is not None:
            self.drain()
            self.send(bytes.fromhex(question.send))
        return self.expect(byte_pattern(question.expect))[0]

    # Talking

    def send(self, data: bytes, *, secret: bytes = b"") -> None:
        """Send ``data``; ``secret``, a part of it, is not written to the record, now or later."""
        if secret:
            self.transport.recorder.hide(secret)
        self._time_left(0.0)
        self.transport.write(data)

    def receive(self, timeout_s: float) -> bytes:
        """Return what has arrived and nobody waited for; wait up to ``timeout_s`` for something. May be empty."""
        if not self._received:
            self._listen(timeout_s)
        data = bytes(self._received)
        self._received.clear()
        return data

    def expect(self, pattern: bytes | re.Pattern[bytes], timeout_s: float | None = None) -> re.Match[bytes]:
        """Wait for ``pattern`` and return its match; what came before it is dropped, what comes after it is kept.

        ``NoAnswer`` with all that arrived when it does not come within ``timeout_s`` (None: the profile's reply time).
        """
        search = re.compile(re.escape(pattern)) if isinstance(pattern, bytes) else pattern
        clock = self.transport.clock
        wait_s = self.reply_timeout_s if timeout_s is None else timeout_s
        end_s = clock.now_s() + wait_s
        is_over = False
        while (match := search.search(bytes(self._received))) is None:
            if is_over:
                shown = _shown(bytes(self._received)) or "nothing"
                message = f"no {search.pattern!r} within {wait_s:g} s; the device said {shown}"
                raise NoAnswer(message, bytes(self._received))
            self._listen(max(0.0, end_s - clock.now_s()))
            is_over = clock.now_s() >= end_s  # also where a device speaks without end
        del self._received[: match.end()]
        return match

    def ask(
        self, data: bytes, pattern: bytes | re.Pattern[bytes], timeout_s: float | None = None, *, secret: bytes = b""
    ) -> re.Match[bytes]:
        """Send ``data`` and wait for ``pattern``; what had arrived before is dropped first."""
        self.drain()
        self.send(data, secret=secret)
        return self.expect(pattern, timeout_s)

    def wait(self, seconds: float) -> bytes:
        """Let ``seconds`` pass while everything that comes in is recorded; return what came in."""
        clock = self.transport.clock
        end_s = clock.now_s() + seconds
        heard = bytearray()
        while (left_s := end_s - clock.now_s()) > 0:
            heard += self.receive(left_s)
            del heard[:-MOST_KEPT_BYTES]
        return bytes(heard)

    def drain(self) -> None:
        """Drop what has arrived up to now."""
        self._received.clear()
        for _ in range(MOST_DRAINED_PIECES):
            if not self.transport.read(0.0):
                return

    @contextmanager
    def within(self, seconds: float) -> Iterator[None]:
        """Give what happens inside ``seconds`` altogether; afterwards every call raises ``NoAnswer``."""
        outer_s = self._end_s
        self._end_s = self.transport.clock.now_s() + seconds
        try:
            yield
        finally:
            self._end_s = outer_s

    def _listen(self, timeout_s: float) -> None:
        """Take in what arrives within ``timeout_s``."""
        self._received += self.transport.read(self._time_left(timeout_s))
        del self._received[:-MOST_KEPT_BYTES]

    def _time_left(self, wanted_s: float) -> float:
        if self._end_s is None:
            return wanted_s
        left_s = self._end_s - self.transport.clock.now_s()
        if left_s <= 0:
            raise NoAnswer("the time for this check is used up", bytes(self._received))
        return min(wanted_s, left_s)

    # Power, and the end

    def switch_off(self) -> None:
        """Take the power away."""
        self.transport.recorder.event("power-off", self.power.name)
        self._received.clear()
        self.power.off()

    def switch_on(self) -> None:
        """Give the power back; a device that is plugged in anew has to be reached with ``reconnect``."""
        self.power.on()
        self.transport.recorder.event("power-on", self.power.name)

    def power_cycle(self, off_s: float = 1.0) -> None:
        """Switch off, wait ``off_s`` and switch on; RAM keeps its content for up to seconds when cold."""
        self.switch_off()
        self.transport.clock.sleep(off_s)
        self.switch_on()

    def make_safe(self) -> SafeState:
        """Bring the device to its safe state: by the messages of the profile, else by taking its power away."""
        state = self._made_safe()
        self.transport.recorder.event("safe-state" if state.reached else "safe-state-not-reached", state.how)
        return state

    def _made_safe(self) -> SafeState:
        if self.proof is None:
            return SafeState(reached=True, how="nothing but questions was sent")
        steps = [step for step in self.profile.hil.make_safe if step.interface == self.interface.id]
        problem = "the profile has no hil.make_safe for this interface"
        if steps:
            try:
                return self._take_steps(steps)
            except BenchError as error:
                problem = str(error)
        if self.power.is_automatic:
            return self._powered_down(problem)
        return SafeState(reached=False, how=f"{problem}; bring the device to: {self.profile.safety.safe_state}")

    def _take_steps(self, steps: list[Identification]) -> SafeState:
        if not self.transport.is_open:
            self.reconnect(self.reply_timeout_s)
        for step in steps:
            self._answer_to(step)
        return SafeState(reached=True, how=f"in its safe state, by {', '.join(step.id for step in steps)}")

    def _powered_down(self, problem: str) -> SafeState:
        try:
            self.switch_off()
        except BenchError as error:
            return SafeState(reached=False, how=f"{problem}; {error}")
        return SafeState(reached=True, how=f"switched off ({problem})")

    def close(self) -> None:
        """Let go of the device."""
        self.transport.close()

    def __enter__(self) -> Self:
        """Connect and identify."""
        try:
            self.connect()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leave the device safe and let go of it."""
        try:
            self.make_safe()
        finally:
            self.close()


def _hex16(number: int | None) -> str | None:
    return None if number is None else f"{number:04x}"


def _shown(data: bytes) -> str:
    return repr(data[-SHOWN_BYTES:])[1:] if data else ""
