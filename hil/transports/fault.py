"""``fault+X://...``: the connection ``X://...`` behind faults, which ``fault.*`` options ask for."""

from __future__ import annotations

from dataclasses import replace

from hil.errors import LinkLost, WriteRefused
from hil.faults import FaultPlan, LineFaults
from hil.guard import WriteGuard
from hil.level import EvidenceLevel
from hil.transport import Transport, TransportScheme, make_transport
from hil.transport_url import TransportUrl
from toolkit.core.errors import InputError

__all__ = ["SCHEME", "FaultTransport"]

PREFIX = "fault."


class FaultTransport(Transport):
    """Passes on what the plan lets through; every fault stands in the record, with what really went over the line."""

    def __init__(self, url: TransportUrl, plan: FaultPlan, inner: Transport) -> None:
        super().__init__(url, inner.level, inner.clock)
        self.inner = inner
        self.power = inner.power
        self.flash = inner.flash
        self._plan = plan
        self._faults = {way: LineFaults(plan, way) for way in ("out", "in")}
        self._sent_bytes = 0
        self._sent_pieces = 0
        self._was_unplugged = False
        self._gone_until_s = 0.0
        self._guarded: WriteGuard | None = None
        self._arm_flash_cut()

    def settings(self) -> dict[str, str]:
        """Return the facts about the connection behind the faults."""
        return self.inner.settings()

    def _arm_flash_cut(self) -> None:
        cut = self._plan.cut
        if cut is None:
            return
        if cut.place == "flash" and self.flash is not None:
            self.flash.cut_power_at(cut.number, cut.torn_bytes)
        elif cut.place == "flash" or not self.power.is_automatic:
            raise InputError(f"{self.url}: the power of this device cannot be cut so")

    def _open(self) -> None:
        if self.clock.now_s() < self._gone_until_s:
            raise LinkLost(f"{self.url}: unplugged")
        self.inner.open()
        self.line = self.inner.line
        self.usb_device = self.inner.usb_device

    def _close(self) -> None:
        self.line = self.usb_device = None
        self.inner.close()

    @property
    def _is_half_open(self) -> bool:
        return self._plan.half_open_bytes is not None and self._sent_bytes >= self._plan.half_open_bytes

    def _read(self, most_bytes: int, timeout_s: float) -> bytes:
        end_s = self.clock.now_s() + timeout_s
        while True:
            piece = self.inner.read(max(0.0, end_s - self.clock.now_s()), most_bytes)
            through = self._let_in(piece)
            if through or not piece or self.clock.now_s() >= end_s:
                return through

    def _let_in(self, piece: bytes) -> bytes:
        """Return what gets through to us of what the device sent."""
        if not piece:
            return b""
        self.clock.sleep(self._plan.delay_s)
        through = b"" if self._is_half_open else self._faults["in"].pass_on(piece)
        self._tell("in", piece, through)
        return through

    def _write(self, data: bytes) -> None:
        self._sent_pieces += 1
        piece = self._cut_short(data)
        before = self._sent_bytes
        self._sent_bytes += len(data)
        if self._plan.half_open_bytes is not None:
            piece = piece[: max(0, self._plan.half_open_bytes - before)]
        through = self._faults["out"].pass_on(piece)
        self._tell("out", data, through)
        self._cut_power(before, through)
        self._unplug_if_due()

    def _cut_short(self, data: bytes) -> bytes:
        return data[: len(data) // 2] if self._plan.torn_write == self._sent_pieces else data

    def _cut_power(self, before: int, through: bytes) -> None:
        """Send ``through``; cut the power in the middle of it, or after it, where that is due."""
        cut = self._plan.cut
        if cut is not None and cut.place == "byte" and before < cut.number <= self._sent_bytes:
            self._send(through[: cut.number - before])
            self._power_off()
        else:
            self._send(through)
            if cut is not None and cut.place == "frame" and cut.number == self._sent_pieces:
                self._power_off()

    def _send(self, data: bytes) -> None:
        """Send what is left of a message; a fault must not turn it into a forbidden one."""
        if not data:
            return
        if self._guarded is not self.guard:
            self._guarded = self.guard
            self.inner.guard = self.guard.without_lock()
        try:
            self.inner.write(data)
        except WriteRefused as error:
            self.recorder.event("fault", f"not sent, a fault had made it a forbidden message: {error}")

    def _power_off(self) -> None:
        self.recorder.event("fault", "power cut")
        self.power.off()

    def _unplug_if_due(self) -> None:
        due = self._plan.unplug_bytes
        if due is None or self._was_unplugged or self._sent_bytes < due:
            return
        self._was_unplugged = True
        self._gone_until_s = self.clock.now_s() + self._plan.replug_s
        raise LinkLost(f"{self.url}: unplugged")

    def _tell(self, way: str, piece: bytes, through: bytes) -> None:
        if piece != through:
            shown = self.recorder.masked(through).hex(" ") or "nothing"
            self.recorder.event("fault", f"{way}: {shown} got through")


def make(url: TransportUrl) -> FaultTransport:
    """Return the transport behind faults."""
    _, _, scheme = url.scheme.partition("+")
    if not scheme:
        raise InputError(f"{url}: faults of what? Write fault+serial://, fault+medemu:// and so on")
    faults = {name: value for name, value in url.options.items() if name.startswith(PREFIX)}
    rest = {name: value for name, value in url.options.items() if not name.startswith(PREFIX)}
    if "baud" in rest:
        faults.setdefault("fault.line_baud", rest["baud"])
    plan = FaultPlan.of(replace(url, options=faults))
    return FaultTransport(url, plan, make_transport(TransportUrl(scheme, url.place, rest)))


SCHEME = TransportScheme(
    name="fault",
    title="another connection behind faults",
    example="fault+medemu://demo-pump?fault.noise=0.01&fault.seed=7",
    level=EvidenceLevel.HARDWARE,
    make=make,
    is_serial=False,
)
