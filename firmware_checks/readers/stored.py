"""Files that stand in their container as they are."""

from __future__ import annotations

from dataclasses import dataclass

from toolkit.core.errors import LimitExceeded
from toolkit.core.window import Window

__all__ = ["Stored"]


@dataclass(frozen=True, slots=True)
class Stored:
    """``size`` bytes at ``start``, not compressed."""

    window: Window
    start: int
    size: int

    def read(self, max_bytes: int) -> bytes:
        """Return the content; raise ``LimitExceeded`` when it is too large, ``Truncated`` when it is not all there."""
        if self.size > max_bytes:
            raise LimitExceeded("entry_bytes", f"holds more than {max_bytes} bytes")
        return bytes(self.window.take(self.start, self.size))
