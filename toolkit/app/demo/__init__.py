"""The bundled example: a made-up pump's update package, built from ``hil/firmware/demo_pump``."""

from __future__ import annotations

from pathlib import Path

__all__ = ["image_path"]


def image_path() -> Path:
    """Return where the bundled update package is."""
    return Path(__file__).parent / "demo-pump-update.zip"
