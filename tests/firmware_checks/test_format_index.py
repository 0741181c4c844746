"""The index of formats says what the modules say, and is never believed when it does not."""

import subprocess
import sys
from importlib import resources

from firmware_checks.format import ImageFormat
from firmware_checks.format_index import load_formats
from firmware_checks.indexes import index_texts
from toolkit.core.registry import discover

SAME = ("name", "title", "source", "limits", "magics", "try_order", "whole_file_only", "stands_alone", "fallback")


def test_every_index_is_fresh() -> None:
    """Otherwise run ``python tasks.py docs``."""
    package = resources.files("firmware_checks")
    texts = index_texts()
    assert [path for path, text in texts.items() if package.joinpath(path).read_bytes() != text] == []


def test_formats_from_the_index_are_those_in_the_folder() -> None:
    folder = discover("firmware_checks.formats", attribute="FORMAT", kind=ImageFormat, group=None)
    indexed = load_formats()
    assert indexed.keys() == folder.keys()
    for name, image_format in folder.items():
        assert [getattr(indexed[name], key) for key in SAME] == [getattr(image_format, key) for key in SAME]
        assert (indexed[name].closed is None) == (image_format.closed is None)
        assert indexed[name].example() == image_format.example()


def test_a_format_is_imported_when_it_is_asked_and_not_before() -> None:
    code = (
        "import sys; from firmware_checks.format_index import load_formats; formats = load_formats()\n"
        "assert 'firmware_checks.formats.cab' not in sys.modules\n"
        "formats['cab'].example()\n"
        "assert 'firmware_checks.formats.cab' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
