"""The only way a parser touches bytes from outside."""

from __future__ import annotations

from dataclasses import dataclass, field
from mmap import mmap

from toolkit.core.errors import Truncated

__all__ = ["Window"]

Buffer = bytes | bytearray | memoryview | mmap


@dataclass(frozen=True, slots=True)
class Window:
    """A bounded, read-only view of bytes; a read past the end raises ``Truncated`` instead of being short.

    ``origin`` is the offset of the first byte in the outermost bytes, used in error messages.
    """

    view: memoryview
    origin: int = 0
    size: int = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "size", len(self.view))

    @classmethod
    def of(cls, data: Buffer, *, origin: int = 0) -> Window:
        """Return a window over the whole of ``data``, which is not copied."""
        return cls(memoryview(data).cast("B").toreadonly(), origin)

    def take(self, offset: int, size: int) -> memoryview:
        """Return exactly ``size`` bytes at ``offset``, not copied; raise ``Truncated`` if they are not all there."""
        if offset < 0 or size < 0 or offset + size > self.size:
            available = max(0, self.size - max(0, offset))
            raise Truncated(offset=self.origin + offset, wanted_bytes=size, available_bytes=available)
        return self.view[offset : offset + size]

    def sub(self, offset: int, size: int | None = None) -> Window:
        """Return the window of ``size`` bytes at ``offset`` (all that follows when None)."""
        wanted = self.size - offset if size is None else size
        return Window(self.take(offset, wanted), self.origin + offset)

    def starts_with(self, magic: bytes, offset: int = 0) -> bool:
        """Tell whether ``magic`` stands at ``offset``; False when the window is too short."""
        return offset >= 0 and self.view[offset : offset + len(magic)] == magic
