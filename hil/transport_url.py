"""Addresses of devices: ``scheme://place?option=value``; ``COM3`` and ``/dev/ttyUSB0`` are short for serial ones."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final
from urllib.parse import parse_qsl

from toolkit.core.errors import InputError

__all__ = ["TransportUrl"]

SHORT_SERIAL: Final = re.compile(r"COM\d{1,3}|/dev/[\w./-]+", re.IGNORECASE)
SCHEME: Final = re.compile(r"[a-z][a-z0-9]*(?:\+[a-z][a-z0-9]*)*")


@dataclass(frozen=True, slots=True)
class TransportUrl:
    """``scheme://place?option=value&...``, taken apart."""

    scheme: str
    place: str
    options: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def parse(cls, text: str) -> TransportUrl:
        """Return the parts of ``text``; ``InputError`` when it is no address of a device."""
        if SHORT_SERIAL.fullmatch(text):
            return cls("serial", text)
        scheme, separator, rest = text.partition("://")
        place, _, query = rest.partition("?")
        if not separator or not SCHEME.fullmatch(scheme.lower()) or not place:
            raise InputError(f"{text!r} is no device; `medharden bench list` shows how they are written")
        return cls(scheme.lower(), place, dict(parse_qsl(query, keep_blank_values=True)))

    def __str__(self) -> str:
        """Return the address in one line."""
        query = "&".join(f"{name}={value}" for name, value in self.options.items())
        return f"{self.scheme}://{self.place}" + (f"?{query}" if query else "")

    def with_defaults(self, defaults: Mapping[str, str]) -> TransportUrl:
        """Return the same address, with options that it does not name taken from ``defaults``."""
        return replace(self, options={**defaults, **self.options})

    def number(self, name: str, default: float) -> float:
        """Return the option ``name`` as a number; ``InputError`` when it is none, is negative or is not finite."""
        text = self.options.get(name)
        if text is None:
            return default
        try:
            value = float(text)
        except ValueError:
            value = -1.0
        if not 0 <= value < float("inf"):
            raise InputError(f"{self}: {name}={text} is no number from 0 on")
        return value

    def only(self, *known: str) -> None:
        """Raise ``InputError`` when an option is none of ``known``; a misspelt option must not be passed over."""
        unknown = sorted(set(self.options) - set(known) - COMMON)
        if unknown:
            offered = ", ".join(sorted({*known, *COMMON}))
            raise InputError(f"{self}: no option is called {unknown[0]}; there are {offered}")

    @property
    def host_and_port(self) -> tuple[str, int]:
        """Return host name and port of a place such as ``lab:4000`` or ``[::1]:4000``."""
        host, _, port = self.place.rpartition(":")
        if not host or not port.isdecimal() or not 0 < int(port) < 1 << 16:
            raise InputError(f"{self}: a host and a port are needed, such as 127.0.0.1:4000")
        return host.removeprefix("[").removesuffix("]"), int(port)


COMMON: Final = frozenset({"level"})
"""``level``: what is known to be at the other end, to lower the evidence level."""
