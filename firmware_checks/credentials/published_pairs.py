"""Whether everybody has the private half of a key: samples of boot loaders, and examples of standards."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files

from signing.published_keys import publisher_of

__all__ = ["where_published"]


@cache
def _printed() -> Mapping[str, str]:
    text = files("firmware_checks.credentials").joinpath("published_pairs.toml").read_text(encoding="utf-8")
    return dict(tomllib.loads(text)["keys"])


def where_published(key_id: str) -> str | None:
    """Return where the private half of the key with this id is published; None when that is not known."""
    return publisher_of(key_id) or _printed().get(key_id)
