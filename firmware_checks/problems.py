"""What is wrong with a file and was read around, in a few short sentences, however often it happened."""

from __future__ import annotations

from dataclasses import dataclass, field

__all__ = ["Problems"]

MOST_SENTENCES = 20
MOST_PLACES = 5


@dataclass(slots=True)
class Problems:
    """Collects sentences and where each is true: places are numbered in ``unit``, for example ``line``."""

    unit: str = "line"
    _places: dict[str, list[int]] = field(default_factory=dict)
    _counts: dict[str, int] = field(default_factory=dict)
    _left_out: int = 0

    def add(self, sentence: str, place: int | None = None) -> None:
        """Note that ``sentence`` is true, at line (block ...) number ``place``."""
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

    def _told(self, sentence: str, places: list[int]) -> str:
        if not places:
            return sentence
        more = self._counts[sentence] - len(places)
        unit = self.unit if len(places) == 1 else f"{self.unit}s"
        listed = ", ".join(str(place) for place in places)
        return f"{sentence}: {unit} {listed}" + (f" and {more} more" if more else "")
