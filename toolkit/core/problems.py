"""What is wrong with a file and was read around, in a few short sentences, however often it happened."""

from __future__ import annotations

from dataclasses import dataclass, field

__all__ = ["Problems"]

MOST_SENTENCES = 20
MOST_PLACES = 5
NAME_CHARACTERS = 80


@dataclass(slots=True)
class Problems:
    """Collects sentences and where each is true: at numbers counted in ``unit``, for example ``line``, or at names."""

    unit: str = "line"
    _places: dict[str, list[int | str]] = field(default_factory=dict)
    _counts: dict[str, int] = field(default_factory=dict)
    _left_out: int = 0

    def add(self, sentence: str, place: int | str | None = None) -> None:
        """Note that ``sentence`` is true, at line (block ...) number ``place`` or of what ``place`` names."""
        if sentence not in self._counts and len(self._counts) >= MOST_SENTENCES:
            self._left_out += 1
            return
        self._counts[sentence] = self._counts.get(sentence, 0) + 1
        places = self._places.setdefault(sentence, [])
        if place is not None and len(places) < MOST_PLACES:
            places.append(place)

    def sentences(self) -> tuple[str, ...]:
        """Return the sentences, each with its first places."""
        told = tuple(self._told(sentence, places) for sentence, places in self._places.items())
        return (*told, f"and {self._left_out} more problems") if self._left_out else told

    def _told(self, sentence: str, places: list[int | str]) -> str:
        if not places:
            return sentence
        more = self._counts[sentence] - len(places)
        listed = ", ".join(str(p) if isinstance(p, int) else f"'{_short(p)}'" for p in places)
        unit = "" if isinstance(places[0], str) else f"{self.unit} " if len(places) == 1 else f"{self.unit}s "
        return f"{sentence}: {unit}{listed}" + (f" and {more} more" if more else "")


def _short(name: str) -> str:
    """Return ``name`` cut to a readable length, with bytes that are no text spelled out: reports are Unicode."""
    cut = name if len(name) <= NAME_CHARACTERS else f"{name[: NAME_CHARACTERS - 1]}…"
    return cut.encode("utf-8", "backslashreplace").decode()
