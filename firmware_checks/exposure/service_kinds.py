"""Programs that wait for somebody else: what each of them opens, by its file name."""

from __future__ import annotations

import enum
import re
from types import MappingProxyType
from typing import Final

__all__ = ["PROGRAMS", "ServiceKind", "program_of"]


class ServiceKind(enum.StrEnum):
    """What somebody who reaches the service gets."""

    TELNET = "telnet"
    FTP = "FTP"
    TFTP = "TFTP"
    REMOTE_SHELL = "rsh, rlogin or rexec"
    SCREEN = "screen shared over VNC"
    DEBUGGER = "debugger"
    OPEN_SHELL = "shell bound to a network port"
    UPNP = "UPnP"
    CONSOLE = "console"


_NAMES = {
    ServiceKind.TELNET: "telnetd in.telnetd utelnetd telnetd.inetutils",
    ServiceKind.FTP: "ftpd in.ftpd vsftpd proftpd pure-ftpd bftpd tnftpd stupid-ftpd",
    ServiceKind.TFTP: "tftpd in.tftpd atftpd udpsvd",
    ServiceKind.REMOTE_SHELL: "rshd in.rshd rlogind in.rlogind rexecd in.rexecd",
    ServiceKind.SCREEN: (
        "x11vnc Xvnc Xtightvnc Xtigervnc vncserver tightvncserver tigervncserver framebuffer-vncserver fbvncserver"
        " wayvnc x0vncserver AxedaDesktopServer"
    ),
    ServiceKind.DEBUGGER: "gdbserver lldb-server adbd qconn pdebug debugserver tcf-agent",
    ServiceKind.OPEN_SHELL: "nc netcat ncat socat ttyd shellinaboxd",
    ServiceKind.UPNP: "miniupnpd upnpd minissdpd minidlnad",
    ServiceKind.CONSOLE: "getty agetty mingetty fgetty",
}
PROGRAMS: Final = MappingProxyType({name: kind for kind, names in _NAMES.items() for name in names.split()})
"""Kinds of services by the file name of the program."""
_SHELL_ARGUMENT = re.compile(r"(?:-e|--exec|--sh-exec|-c)[ =]+\S*\bb?a?sh\b|exec:|system:", re.IGNORECASE)


def program_of(words: list[str]) -> tuple[str, ServiceKind, str] | None:
    """Return the program a command line starts, its kind and its arguments; None when it opens nothing we know.

    What stands before the program (``exec``, ``nohup``, ``busybox``, ``tcpd``, ``tcpsvd``) is passed over.
    """
    for index, word in enumerate(words[:8]):
        name = word.strip("\"'`-").rpartition("/")[2]
        kind = PROGRAMS.get(name)
        if kind is None:
            continue
        rest = " ".join(words[index + 1 :])
        if kind is ServiceKind.OPEN_SHELL and name[0] in "ns" and not _SHELL_ARGUMENT.search(rest):
            return None
        return name, kind, rest
    return None
