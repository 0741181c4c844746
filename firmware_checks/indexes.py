"""Write the indexes that are made from files of this package: ``python -m firmware_checks.indexes``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from firmware_checks import component_index, format_index
from toolkit.core import toml_rows
from toolkit.core.files import write_whole

__all__ = ["index_texts"]

TOML_FOLDERS = ("mcu_families", "structure/protections", "vulnerabilities/features", "vulnerabilities/products")


def index_texts() -> Mapping[str, bytes]:
    """Return what each index must hold for the files as they are, by its path in this package."""
    here = Path(__file__).parent
    of_folders = {f"{folder}/{toml_rows.INDEX}": toml_rows.index_text(here / folder) for folder in TOML_FOLDERS}
    return {
        format_index.INDEX: format_index.index_text(),
        component_index.INDEX: component_index.index_text(),
        **of_folders,
    }


if __name__ == "__main__":
    for path, text in index_texts().items():
        write_whole(Path(__file__).parent / path, text)
