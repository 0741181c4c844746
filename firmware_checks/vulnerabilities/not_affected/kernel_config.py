"""The configuration that a kernel (or U-Boot, or Zephyr) was built with, read."""

from __future__ import annotations

import re
from functools import cache
from typing import NamedTuple

__all__ = ["KernelConfig", "read_config"]

_PREFIX = "CONFIG_"
_ON = re.compile(rf"^{_PREFIX}(\w+)=(?!n[ \t\r]*$)", re.MULTILINE)
_OFF = re.compile(rf"^(?:# {_PREFIX}(\w+) is not set|{_PREFIX}(\w+)=n)[ \t\r]*$", re.MULTILINE)
FEWEST_SETTINGS = 100
"""A text with fewer is a part of a configuration: the smallest kernels have some hundred."""


class KernelConfig(NamedTuple):
    """Names of settings without ``CONFIG_``."""

    on: frozenset[str]
    """Built in, built as a module, or with a value."""
    off: frozenset[str]
    """Said to be off. What cannot be chosen is in neither."""

    @property
    def is_whole(self) -> bool:
        """Whether so much stands in it that what does not stand there is off."""
        return len(self.on) + len(self.off) >= FEWEST_SETTINGS


@cache
def read_config(text: str) -> KernelConfig:
    """Return the settings in ``text``; what stands there both ways counts as on."""
    on = frozenset(_ON.findall(text))
    return KernelConfig(on, frozenset(one or other for one, other in _OFF.findall(text)) - on)
