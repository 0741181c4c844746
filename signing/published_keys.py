"""Keys whose private half everybody has: the samples of boot loaders, forgotten in products again and again."""

from __future__ import annotations

import tomllib
from functools import cache
from importlib.resources import files

__all__ = ["publisher_of"]


@cache
def _published() -> dict[str, str]:
    text = files("signing").joinpath("published_keys.toml").read_text(encoding="utf-8")
    return dict(tomllib.loads(text)["keys"])


def publisher_of(key_id: str) -> str | None:
    """Return where the private half of the key with this id (SHA-256 of its SubjectPublicKeyInfo) is published."""
    return _published().get(key_id)
