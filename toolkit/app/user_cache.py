"""Where this user's cache is: what is prepared once, such as the database of all patterns, is kept there."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path

from toolkit.core.cache import Cache

__all__ = ["cache_folder", "user_cache"]

VARIABLE = "MEDHARDEN_CACHE"


def user_cache() -> Cache:
    """Return the cache that the environment and the custom of the system name."""
    return Cache(cache_folder(os.environ, sys.platform))


def cache_folder(environment: Mapping[str, str], platform: str) -> Path | None:
    """Return the folder: ``MEDHARDEN_CACHE`` if that is set, else where programs keep such things; None for no cache.

    An empty ``MEDHARDEN_CACHE`` asks for none. Sources: XDG Base Directory Specification 0.8; Apple, File System
    Programming Guide; Microsoft, KNOWNFOLDERID (``FOLDERID_LocalAppData``).
    """
    named = environment.get(VARIABLE)
    if named is not None:
        return Path(named) if named else None
    if platform == "win32":
        local = environment.get("LOCALAPPDATA")
        return Path(local, "medharden", "cache") if local else None
    home = environment.get("HOME")
    if platform == "darwin":
        return Path(home, "Library", "Caches", "medharden") if home else None
    base = environment.get("XDG_CACHE_HOME", "")
    if Path(base).is_absolute():
        return Path(base, "medharden")
    return Path(home, ".cache", "medharden") if home else None
