"""What holds for every test: the same examples in every run, no way out to a network, nobody's cache."""

from __future__ import annotations

import atexit
import ipaddress
import os
import shutil
import sys
import tempfile
from typing import Any

from hypothesis import HealthCheck, settings

os.environ["MEDHARDEN_CACHE"] = ""  # no test finds or leaves anything in the cache of who runs it

if "PYTEST_XDIST_WORKER" in os.environ:  # a bench has one user at a time, and its lock lies in the temporary folder
    os.environ["TMPDIR"] = tempfile.mkdtemp(prefix=f"{os.environ['PYTEST_XDIST_WORKER']}-")
    atexit.register(shutil.rmtree, os.environ["TMPDIR"], ignore_errors=True)
    tempfile.tempdir = None

settings.register_profile(
    "same-every-run",
    derandomize=True,
    database=None,
    deadline=None,
    max_examples=60,
    suppress_health_check=[HealthCheck.too_slow],  # how busy the machine is must not decide
)
settings.register_profile("deep", derandomize=False, deadline=None, max_examples=3000)
settings.load_profile("same-every-run")


def _is_here(address: object) -> bool:
    """Tell whether a socket address stays on this machine; one that is not a tuple is a path, which does."""
    if not isinstance(address, tuple) or address[0] in (None, "localhost"):
        return True
    try:
        return ipaddress.ip_address(address[0]).is_loopback
    except ValueError:
        return False


def _no_way_out(event: str, arguments: tuple[Any, ...]) -> None:
    """Stop every socket call that would leave the machine, name look-ups included."""
    if event in ("socket.connect", "socket.bind", "socket.sendto", "socket.sendmsg"):
        address = arguments[1]
    elif event in ("socket.getaddrinfo", "socket.gethostbyname"):
        address = (arguments[0],)
    else:
        return
    if not _is_here(address):
        raise RuntimeError(f"a test tried to leave this machine: {event} {address!r}")


sys.addaudithook(_no_way_out)
