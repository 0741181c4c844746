"""The configuration that a kernel (or U-Boot, or Zephyr) was built with, read."""

from __future__ import annotations

import re
from functools import cache
from typing import NamedTuple

__all__ = ["KernelConfig", "read_config"]

_PREFIX = "CONFIG_"
_ON = re.compile(rf"^{_PREFIX}(\w+)=(?!n[ \t\r]*$)", re.MULTILINE)
_MODULE = re.compile(rf"^{_PREFIX}(\w+)=m[ \t\r]*$", re.MULTILINE)
_OFF = re.compile(rf"^(?:# {_PREFIX}(\w+) is not set|{_PREFIX}(\w+)=n)[ \t\r]*$", re.MULTILINE)
FEWEST_SETTINGS = 100
"""A text with fewer is a part of a configuration: the smallest kernels have some hundred."""


class KernelConfig(NamedTuple):
    """Names of settings without ``CONFIG_``."""

    on: frozenset[str]
    """Built in, built as a module, or with a value."""
    off: frozenset[str]
    """Said to be off. What cannot be chosen is in neither."""
    modules: frozenset[str] = frozenset()
    """Those of ``on`` that are modules: nothing of them is in the kernel itself."""

    @property
    def is_whole(self) -> bool:
        """Whether so much stands in it that what does not stand there is off."""
        return len(self.on) + len(self.off) >= FEWEST_SETTINGS


@cache
def read_config(text: str) -> KernelConfig:
    """Return the settings in ``text``; what stands there both ways counts as on."""
    on = frozenset(_ON.findall(text))
    off = frozenset(one or other for one, other in _OFF.findall(text)) - on
    built_in = frozenset(re.findall(rf"^{_PREFIX}(\w+)=y", text, re.MULTILINE))
    return KernelConfig(on, off, frozenset(_MODULE.findall(text)) - built_in)
