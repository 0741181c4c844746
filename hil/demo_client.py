"""What the bench checks say to the demo pump: asking, logging in, starting anew."""

from __future__ import annotations

import re
from typing import Final

from hil.bench_check import Session
from hil.demo_console import ANSWER, PASSWORD, PROTOCOL
from hil.errors import NoAnswer, NotTested

__all__ = ["applies", "is_alive", "log_in", "needs_power", "reply", "restart"]

BOOT_S: Final = 1.0
"""Starting takes 0.2 s; more than that, and less than anybody waits."""
STATUS: Final = re.compile(rb"=(?:idle|running) [^\r\n]*\r\n")
REFUSED: Final = b"!"


def applies(session: Session) -> str:
    """Return why a check that speaks the demo pump's console makes no sense here, or nothing."""
    protocol = session.interface.protocol
    return "" if protocol == PROTOCOL else f"no command of the protocol {protocol or 'of this interface'} is known"


def needs_power(session: Session) -> str:
    """Return what is missing where the device has to be switched off and on, or nothing."""
    return "" if session.device.power.is_automatic else "nothing here can switch the device off and on (--power)"


def reply(session: Session, line: bytes, *, secret: bytes = b"") -> bytes:
    """Send ``line`` and return the answer, without its end; ``NoAnswer`` where there is none."""
    match = session.device.ask(line + b"\r", ANSWER, secret=secret)
    return match[0].removesuffix(b"\r\n")


def log_in(session: Session) -> None:
    """Log in; ``NotTested`` when the device does not let us."""
    answer = reply(session, b"login " + PASSWORD, secret=PASSWORD)
    if answer.startswith(REFUSED):
        raise NotTested(f"the log-in was refused: {answer.decode('latin-1')}")


def is_alive(session: Session) -> bool:
    """Tell whether it says its state when asked, which a pump that delivers must always do."""
    try:
        session.device.ask(b"status\r", STATUS)
    except NoAnswer:
        return False
    return True


def restart(session: Session) -> None:
    """Switch off and on, and make sure that it is the same device; ends log-ins, locks and hangs."""
    session.device.power_cycle()
    session.device.wait(BOOT_S)
    session.device.identify()
