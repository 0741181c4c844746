"""An image file opened for listing: what ``ls``, ``cat`` and ``extract`` share."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from firmware_checks.format_index import load_formats
from firmware_checks.image import Image, open_image, shown_name
from firmware_checks.listing import Listing, Row
from toolkit.app.progress import progress
from toolkit.core.errors import InputError
from toolkit.core.limits import Budget, Limits
from toolkit.report.printable import printable

__all__ = ["Choice", "full_path", "listed", "seldom_collected", "unknown_path"]

RELEASE_BYTES = 16 << 20
"""So much of the image is read before its pages are given back to the system."""
MOST_COMPARED = 5_000
"""Names that a mistyped one is compared with letter by letter."""
SUGGESTIONS = 3
GARBAGE_OBJECTS = 100_000
"""Entries and rows do not refer to each other in circles; to look for such as often as usual takes a tenth of all."""


@dataclass(frozen=True, slots=True)
class Choice:
    """Which paths of an image are asked for: these, and what is in them."""

    paths: Sequence[str]

    def takes(self, path: str) -> bool:
        """Tell whether ``path`` is asked for."""
        return any(path == chosen or path.startswith((f"{chosen}/", f"{chosen}!")) for chosen in self.paths)

    def leads_through(self, path: str) -> bool:
        """Tell whether something that is asked for is inside the content of ``path``."""
        return self.takes(path) or any(chosen.startswith(f"{path}!") for chosen in self.paths)


def full_path(image: Path, path: str) -> str:
    """Return ``path`` as listings write it, with the name of the image in front, whether it was given or not."""
    name = shown_name(image)
    stripped = path.rstrip("/")
    return stripped if stripped == name or stripped.startswith(f"{name}!") else f"{name}!{stripped}"


@contextmanager
def listed(
    image_path: Path,
    *,
    jobs: int,
    with_digests: bool,
    is_wanted: Callable[[str], bool] | None,
    is_entered: Callable[[str], bool],
) -> Iterator[tuple[Listing, Iterator[Row]]]:
    """Open the image at ``image_path`` and give its listing, with the rows; raise ``InputError`` when it cannot be."""
    formats = load_formats()
    limits = Limits()
    with seldom_collected(), open_image(image_path, limits) as image, progress(image_path) as on_progress:
        listing = Listing(
            formats,
            Budget(limits, image.size),
            jobs=jobs,
            with_digests=with_digests,
            is_wanted=is_wanted,
            is_entered=is_entered,
            on_bytes=_Pages(image, on_progress).advance,
            release_pages=image.release_pages,
        )
        with closing(listing.rows(image.span)) as rows:
            yield listing, rows


@contextmanager
def seldom_collected() -> Iterator[None]:
    """Let the interpreter look for objects that refer to each other in circles only now and then."""
    before = gc.get_threshold()
    gc.set_threshold(GARBAGE_OBJECTS, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)


@dataclass(slots=True)
class _Pages:
    """Tells how far it is, and gives pages of the image back now and then."""

    image: Image
    on_progress: Callable[[int, int], None]
    done_bytes: int = 0
    kept_bytes: int = 0

    def advance(self, size: int) -> None:
        self.done_bytes += size
        self.kept_bytes += size
        if self.kept_bytes >= RELEASE_BYTES:
            self.kept_bytes = 0
            self.image.release_pages()
        self.on_progress(min(self.done_bytes, self.image.size), self.image.size)


def unknown_path(path: str, known: Iterable[str]) -> InputError:
    """Return the error that says ``path`` is not in the image, and which of the ``known`` ones may be meant."""
    import difflib

    paths = list(known)
    near = [known_path for known_path in paths if _last(known_path) == _last(path)]
    near = near or difflib.get_close_matches(path, paths[:MOST_COMPARED], SUGGESTIONS)
    meant = " or ".join(f"'{printable(p)}'" for p in list(dict.fromkeys(near))[:SUGGESTIONS])
    return InputError(f"'{printable(path)}' is not in the image" + (f"; is {meant} meant?" if meant else ""))


def _last(path: str) -> str:
    """Return the last name of ``path``, whatever its capitals."""
    return path.rpartition("!")[2].rpartition("/")[2].casefold()
