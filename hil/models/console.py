r"""The demo pump as a program: the console protocol ``demo-console``, and what its weak variants do wrong.

A line is printable ASCII of at most 64 bytes, ended by CR or LF. It may end in ``*HH``: the exclusive-or of all bytes
before the ``*`` as two hexadecimal digits, which must then be right (as in NMEA 0183). An answer is one line ended by
CR LF; ``=`` starts what was asked for, ``!`` a refusal.

========================  ========================================  ====================================================
line                      answer                                    needs
========================  ========================================  ====================================================
``id``                    ``=demo-pump medharden 00000001``         nothing; the last word is the serial number
``version``               ``=2.1.0 7``                              nothing; version and security counter
``status``                ``=idle rate=0 delivered=0 alarm=off``    nothing; ml/h and ml; then ``turns=N`` of its
                                                                    therapy loop, ten a second. ``alarm=no-flow`` or
                                                                    ``silenced`` when it runs with rate 0
``stop``                  ``=ok``                                   nothing: the safe state is never refused
``log COUNT``             ``=`` and COUNT characters, or ``!range`` nothing; the newest of the event log, 1 to 25
``login PASSWORD``        ``=ok``, ``!denied`` or ``!locked``       three wrong ones lock it for 60 s
``logout``                ``=ok``                                   nothing
``nonce``                 ``=xxxxxxxx``                             a log-in; good for one set-command
``set NAME VALUE MAC``    ``=ok``, ``!denied`` or ``!range``        a log-in and MAC: the first 8 hexadecimal digits of
                                                                    HMAC-SHA-256 with the password as key over
                                                                    ``NONCE set NAME VALUE``
``start``                 ``=ok``                                   a log-in; delivers
``erase``                 ``=ok``                                   a log-in; erases the drug library
``silence``               ``=ok``                                   a log-in; silences an alarm for two minutes
``hang``                  ``=ok``, then nothing                     a log-in; its program stops, as a defect would make
                                                                    it; the watchdog starts it anew after 1 s
``update SIZE``           ``=ok``, ``!range`` or ``!trial``         a log-in; erases the slot that does not run
``block OFFSET HEX``      ``=ok``, ``!order`` or ``!range``         a log-in; the next up to 24 bytes of the image
``install``               ``=ok``, ``!order``, ``!image``,          a log-in; the image starts next time, on trial
                          ``!signature``, ``!model``, ``!older``
``confirm``               ``=ok``                                   a log-in; what runs stays; else the next start
                                                                    takes the old image again
========================  ========================================  ====================================================

Refusals: ``!unknown`` (no such command), ``!login`` (needs a log-in), ``!denied``, ``!locked``, ``!range``,
``!checksum``, ``!long``. Settings are ``rate`` (0 to 999 ml/h) and ``backlight`` (0 to 100). A started line that is not
ended within 2 s is forgotten. It answers within 100 ms. A log-in ends after 60 s without a line, and with the power. At
power-on it says ``demo-pump boot`` at once and ``demo-pump ready`` after 0.2 s; lines in between are not heard.
Images are described in ``hil/demo_image.py``, the boot loader in ``hil/demo_loader.py``. Where that finds no program it
says ``demo-pump recovery`` and knows only ``id``, ``version`` (``!image``), ``status`` (``=recovery``), ``stop`` and
the commands of an update, without a log-in: an update is believed for its signature, wherever it comes from.
"""

from __future__ import annotations

import hashlib
import hmac
import itertools
from collections.abc import Callable, Mapping
from typing import Final

from hil.debug_probe import EmulatedProbe, PortState
from hil.demo_console import LONGEST_LINE_BYTES, MAC_DIGITS, PASSWORD, line_with_checksum, set_proof
from hil.demo_loader import FLASH_BYTES, LOADER_WEAKNESSES, Loader, PowerCut
from hil.demo_therapy import Therapy
from hil.model import DeviceModel, ModelKind

__all__ = ["MODEL", "ConsoleModel"]

DEFAULT_PASSWORD: Final = b"4711"
BOOT_S: Final = 0.2
FORGET_LINE_S: Final = 2.0
LOGIN_S: Final = 60.0
LOCK_S: Final = 60.0
WATCHDOG_S: Final = 1.0
SLOW_S: Final = 0.5
COMPARE_S: Final = 0.001
"""For one digit, where digits are compared one after the other."""
BROWN_OUT_S: Final = 0.02
TRIES: Final = 3
MOST_WORDS: Final = 8
MOST_LINES: Final = 100
MOST_BROKEN_STARTS: Final = 5
LOG: Final = b"boot;self-test;battery ok"
LOADER_KEYS: Final = (b" ", b"\x1b", b"\x03")
HIGHEST: Final[Mapping[bytes, int]] = {b"rate": 999, b"backlight": 100}
WEAKNESSES: Final[Mapping[str, str]] = {
    "no-login": "obeys service commands without a log-in",
    "default-password": "accepts a factory password",
    "no-lock-out": "lets somebody try passwords without end",
    "debug-shell": "shows its memory to anybody who asks with a word that is in no manual",
    "boot-log": "prints a key while it starts",
    "boot-interrupt": "a key that is pressed while it starts leads into the boot loader",
    "service-mode": "a secret word opens what else needs a log-in",
    "login-never-ends": "keeps somebody logged in who has gone",
    "command-injection": "obeys a second command behind a semicolon without looking at the log-in",
    "bad-checksum": "does not look at check values",
    "hangs-on-long-line": "stops answering after a line that is too long",
    "length-bug": "gives more of its log than there is: what stands behind it in memory",
    "command-prefix": "takes a word that only starts as a command for that command",
    "empty-nonce": "accepts a set-command that is proven over no nonce",
    "hangs-on-many-words": "stops answering after a line of more than eight words",
    "replayable-set": "accepts a set-command a second time",
    "hangs-in-flood": "stops answering after a hundred lines at once",
    "keeps-half-line": "does not forget a line that was never ended",
    "unauthenticated-set": "obeys set-commands without a log-in and without a MAC",
    "open-silence": "lets anybody silence its alarm",
    "no-watchdog": "does not start anew when its program hangs",
    "reset-storm": "does not start after five starts that were broken off",
    "hangs-on-noise": "stops answering after a byte that is no ASCII",
    "slow-answer": "answers after half a second",
    "break-monitor": "a BREAK on the line leads into a monitor program",
    "brown-out": "does not start anew after a dip of its supply that is shorter than 20 ms",
    "compares-digit-wise": "takes the longer to refuse a proof, the more of its first digits are right",
    "debug-port-open": "lets anybody attach to its processor",
    "flash-readable": "keeps us out of its processor, and lets anybody read its flash",
    **LOADER_WEAKNESSES,
}


class ConsoleModel(DeviceModel):
    """The pump."""

    def __init__(self, weak: frozenset[str] = frozenset()) -> None:
        self._weak = weak
        self._powered = False
        self._loader = Loader(weak)
        self.flash = self._loader.flash
        self.debug_port = EmulatedProbe(
            PortState.OPEN if "debug-port-open" in weak else PortState.CLOSED,
            self.flash.read(0, FLASH_BYTES) if "flash-readable" in weak else None,
        )
        self._nonces = 0
        self._broken_starts = 0
        self._forget_all()

    def _forget_all(self) -> None:
        """Lose what is in RAM."""
        self._line = bytearray()
        self._line_since_s = 0.0
        self._too_long = False
        self._hangs = False
        self._ready_at_s: float | None = None
        self._watchdog_at_s: float | None = None
        self._answer_at_s: float | None = None
        self._late_answer = b""
        self._delay_s = 0.0
        self._now_s = 0.0
        self._login_until_s = -1.0
        self._locked_until_s = -1.0
        self._wrong_tries = 0
        self._nonce = b""
        self._recovers = False
        self._therapy = Therapy(0.0)
        self.settings = {b"rate": 0, b"backlight": 50}

    def power_on(self, now_s: float) -> bytes:
        """Start up."""
        was_dip = 0 < now_s - self._now_s < BROWN_OUT_S
        self._broken_starts = self._broken_starts + 1 if self._ready_at_s is not None else 0
        self._forget_all()
        self._powered = self._boots()
        if not self._powered or self._recovers:
            return b"demo-pump recovery\r\n" if self._powered else b""
        if "reset-storm" in self._weak and self._broken_starts >= MOST_BROKEN_STARTS:
            self._broken_starts = 0
            self._hangs = True
            return b""
        if "brown-out" in self._weak and was_dip:
            self._hangs = True
            return b""
        self._ready_at_s = now_s + BOOT_S
        leak = b"key=8f3a77c1d2e94b06\r\n" if "boot-log" in self._weak else b""
        return b"demo-pump boot\r\n" + leak

    def _boots(self) -> bool:
        """Choose what runs; false when the power goes meanwhile."""
        try:
            self._recovers = not self._loader.boot()
        except PowerCut:
            return False
        return True

    def power_off(self) -> None:
        """Stop at once."""
        self._powered = False
        self._watchdog_at_s = self._answer_at_s = None

    def next_event_s(self) -> float | None:
        """Return when it has started up, answers late, or is started anew by its watchdog."""
        if not self._powered:
            return None
        due = (self._ready_at_s, self._answer_at_s, self._watchdog_at_s)
        return min((moment_s for moment_s in due if moment_s is not None), default=None)

    def tick(self, now_s: float) -> bytes:
        """Finish starting up, answer late, or start anew."""
        said = b""
        if self._answer_at_s is not None and now_s >= self._answer_at_s:
            said, self._late_answer, self._answer_at_s = self._late_answer, b"", None
        if self._ready_at_s is not None and now_s >= self._ready_at_s:
            self._therapy = Therapy(self._ready_at_s)
            self._ready_at_s = None
            return said + b"demo-pump ready\r\n"
        if self._watchdog_at_s is not None and now_s >= self._watchdog_at_s:
            return said + self.power_on(now_s)
        return said

    def receive(self, data: bytes, now_s: float) -> bytes:
        """Take bytes and answer every line that they end."""
        if self._ready_at_s is not None and "boot-interrupt" in self._weak and data[:1] in LOADER_KEYS:
            self._ready_at_s = None
            self._hangs = True  # it is the loader that listens from now on
            return b"loader> "
        if not self._powered or self._ready_at_s is not None or self._hangs:
            return b""
        self._now_s = now_s
        forgets = "keeps-half-line" not in self._weak and not self._recovers
        if self._line and now_s - self._line_since_s > FORGET_LINE_S and forgets:
            self._line.clear()
            self._too_long = False
        self._hangs = "hangs-in-flood" in self._weak and data.count(b"\r") > MOST_LINES
        self._delay_s = SLOW_S if "slow-answer" in self._weak else 0.0
        try:
            return self._on_time(b"".join(self._take(byte) for byte in data))
        except PowerCut:
            self.power_off()
            return b""

    def receive_break(self, now_s: float) -> bytes:
        """Pass it over, with the line that was begun."""
        self._line.clear()
        if "break-monitor" not in self._weak or not self._powered:
            return b""
        self._now_s = now_s
        self._hangs = True  # it is the monitor that listens from now on
        return b"monitor> "

    @property
    def is_logged_in(self) -> bool:
        """Whether somebody has logged in and not left since, or been silent for too long."""
        return 0 <= self._now_s <= self._login_until_s

    def _on_time(self, answer: bytes) -> bytes:
        """Return the answer that is given at once."""
        if not self._delay_s or not answer:
            return answer
        self._late_answer += answer
        self._answer_at_s = self._now_s + self._delay_s
        return b""

    def _take(self, byte: int) -> bytes:
        if byte >= 0x80 and "hangs-on-noise" in self._weak:
            self._hangs = True
        if byte not in b"\r\n":
            if not self._line:
                self._line_since_s = self._now_s
            self._too_long |= len(self._line) >= LONGEST_LINE_BYTES
            if not self._too_long:
                self._line.append(byte)
            return b""
        line, too_long = bytes(self._line), self._too_long
        self._line.clear()
        self._too_long = False
        if self._hangs or not line:
            return b""
        if too_long:
            self._hangs = "hangs-on-long-line" in self._weak
            return b"!long\r\n"
        if "hangs-on-many-words" in self._weak and len(line.split()) > MOST_WORDS:
            self._hangs = True
            return b""
        return (self._answer_in_recovery(line) if self._recovers else self._answer(line)) + b"\r\n"

    def _answer_in_recovery(self, line: bytes) -> bytes:
        word, _, rest = line.partition(b" ")
        if word == b"status":
            return b"=recovery"
        command = RECOVERY_COMMANDS.get(word)
        return b"!unknown" if command is None else command(self, rest)

    def _answer(self, line: bytes) -> bytes:
        text = self._checked(line)
        if text is None:
            return b"!checksum"
        if self._now_s > self._login_until_s and "login-never-ends" not in self._weak:
            self._login_until_s = -1.0
        elif self._login_until_s >= 0:
            self._login_until_s = self._now_s + LOGIN_S
        word, _, rest = text.partition(b" ")
        command = self._open_command(word)
        if command is not None:
            return command(self, rest)
        command = SERVICE_COMMANDS.get(word)
        if command is not None:
            return command(self, rest) if self._may_serve(word) else b"!login"
        return self._other(text)

    def _open_command(self, word: bytes) -> Command | None:
        if "command-prefix" in self._weak:
            return next((command for name, command in OPEN_COMMANDS.items() if word.startswith(name)), None)
        return OPEN_COMMANDS.get(word)

    def _other(self, text: bytes) -> bytes:
        """Answer to what is no command, except on a weak one."""
        if text.startswith(b"mem") and "debug-shell" in self._weak:
            return b"=20000000: 76 46 37 2D 71 32 4C 78"
        if text == b"service-mode" and "service-mode" in self._weak:
            self._login_until_s = self._now_s + LOGIN_S
            return b"=ok"
        first, semicolon, second = text.partition(b";")
        if semicolon and "command-injection" in self._weak and first in OPEN_COMMANDS:
            command = SERVICE_COMMANDS.get(second)
            return command(self, b"") if command is not None else b"!unknown"
        return b"!unknown"

    def _checked(self, line: bytes) -> bytes | None:
        """Return the line without its check value; None when that is wrong."""
        text, star, _ = line.rpartition(b"*")
        if not star or len(line) - len(text) != len("*HH"):
            return line
        right = line + b"\r" == line_with_checksum(text)
        return text if right or "bad-checksum" in self._weak else None

    def _may_serve(self, word: bytes) -> bool:
        needed = {b"set": "unauthenticated-set", b"silence": "open-silence"}.get(word, "no-login")
        return self._login_until_s >= 0 or needed in self._weak

    # Commands

    def _id(self, _rest: bytes) -> bytes:
        return b"=demo-pump medharden 00000001"

    def _version(self, _rest: bytes) -> bytes:
        running = self._loader.running
        return b"!image" if running is None else b"=%d.%d.%d %d" % (*running.version, running.counter)

    def _status(self, _rest: bytes) -> bytes:
        self._therapy.go_on(self._now_s)
        return self._therapy.status(self._now_s)

    def _stop(self, _rest: bytes) -> bytes:
        self._therapy.go_on(self._now_s)
        self._therapy.is_running = False
        return b"=ok"

    def _login(self, password: bytes) -> bytes:
        if self._now_s < self._locked_until_s:
            return b"!locked"
        known = [PASSWORD, DEFAULT_PASSWORD] if "default-password" in self._weak else [PASSWORD]
        if any(hmac.compare_digest(password, one) for one in known):
            self._wrong_tries = 0
            self._login_until_s = self._now_s + LOGIN_S
            return b"=ok"
        self._wrong_tries += 1
        if self._wrong_tries >= TRIES and "no-lock-out" not in self._weak:
            self._wrong_tries = 0
            self._locked_until_s = self._now_s + LOCK_S
        return b"!denied"

    def _logout(self, _rest: bytes) -> bytes:
        self._login_until_s = -1.0
        self._nonce = b""
        return b"=ok"

    def _new_nonce(self, _rest: bytes) -> bytes:
        self._nonces += 1
        self._nonce = hashlib.sha256(b"nonce %d" % self._nonces).hexdigest()[:MAC_DIGITS].encode()
        return b"=" + self._nonce

    def _set(self, rest: bytes) -> bytes:
        words = rest.split(b" ")
        if len(words) not in (2, 3) or words[0] not in HIGHEST:
            return b"!range"
        if not self._proven(words) and "unauthenticated-set" not in self._weak:
            return b"!denied"
        if not words[1].isdigit() or int(words[1]) > HIGHEST[words[0]]:
            return b"!range"
        self.settings[words[0]] = int(words[1])
        self._therapy.go_on(self._now_s)
        self._therapy.rate = self.settings[b"rate"]
        return b"=ok"

    def _proven(self, words: list[bytes]) -> bool:
        if len(words) != 3 or (not self._nonce and "empty-nonce" not in self._weak):
            return False
        wanted = set_proof(PASSWORD, self._nonce, words[0], words[1])
        if "compares-digit-wise" in self._weak:
            same = itertools.takewhile(lambda pair: pair[0] == pair[1], zip(words[2], wanted, strict=False))
            self._delay_s = COMPARE_S * (1 + len(list(same)))
        right = hmac.compare_digest(words[2], wanted)
        if "replayable-set" not in self._weak:
            self._nonce = b""
        return right

    def _start(self, _rest: bytes) -> bytes:
        self._therapy.go_on(self._now_s)
        self._therapy.is_running = True
        return b"=ok"

    def _erase(self, _rest: bytes) -> bytes:
        return b"=ok"

    def _log(self, rest: bytes) -> bytes:
        count = int(rest) if rest.isdigit() and len(rest) < MAC_DIGITS else 0
        if 0 < count <= len(LOG):
            return b"=" + LOG[-count:]
        if count and "length-bug" in self._weak:
            return b"=" + (LOG + PASSWORD)[:count]
        return b"!range"

    def _silence(self, _rest: bytes) -> bytes:
        self._therapy.silence(self._now_s)
        return b"=ok"

    def _hang(self, _rest: bytes) -> bytes:
        self._hangs = True
        self._watchdog_at_s = None if "no-watchdog" in self._weak else self._now_s + WATCHDOG_S
        return b"=ok"

    def _update(self, rest: bytes) -> bytes:
        return self._loader.begin(rest)

    def _block(self, rest: bytes) -> bytes:
        return self._loader.block(rest)

    def _install(self, rest: bytes) -> bytes:
        return self._loader.install(rest)

    def _confirm(self, rest: bytes) -> bytes:
        return self._loader.confirm(rest)


Command = Callable[[ConsoleModel, bytes], bytes]
OPEN_COMMANDS: Final[dict[bytes, Command]] = {
    b"id": ConsoleModel._id,  # noqa: SLF001  # its own table
    b"version": ConsoleModel._version,  # noqa: SLF001
    b"status": ConsoleModel._status,  # noqa: SLF001
    b"stop": ConsoleModel._stop,  # noqa: SLF001
    b"login": ConsoleModel._login,  # noqa: SLF001
    b"logout": ConsoleModel._logout,  # noqa: SLF001
    b"log": ConsoleModel._log,  # noqa: SLF001
}
SERVICE_COMMANDS: Final[dict[bytes, Command]] = {
    b"nonce": ConsoleModel._new_nonce,  # noqa: SLF001
    b"set": ConsoleModel._set,  # noqa: SLF001
    b"start": ConsoleModel._start,  # noqa: SLF001
    b"erase": ConsoleModel._erase,  # noqa: SLF001
    b"silence": ConsoleModel._silence,  # noqa: SLF001
    b"update": ConsoleModel._update,  # noqa: SLF001
    b"block": ConsoleModel._block,  # noqa: SLF001
    b"install": ConsoleModel._install,  # noqa: SLF001
    b"confirm": ConsoleModel._confirm,  # noqa: SLF001
    b"hang": ConsoleModel._hang,  # noqa: SLF001
}
RECOVERY_COMMANDS: Final[Mapping[bytes, Command]] = {
    name: command
    for name, command in (OPEN_COMMANDS | SERVICE_COMMANDS).items()
    if name in (b"id", b"version", b"stop", b"update", b"block", b"install")
}

MODEL = ModelKind(
    name="demo-pump",
    title="demo pump with a serial console",
    profile="demo-pump",
    interface="console",
    make=ConsoleModel,
    weaknesses=WEAKNESSES,
)
