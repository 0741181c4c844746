import sys
from pathlib import Path

import pytest

from toolkit.core.errors import RuleError
from toolkit.core.registry import discover, third_party


@pytest.fixture
def folder(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """An importable package of its own for each test."""
    package = tmp_path / request.node.name
    package.mkdir()
    (package / "__init__.py").write_text("")
    sys.path.insert(0, str(tmp_path))
    request.addfinalizer(lambda: sys.path.remove(str(tmp_path)))
    return package


def _module(folder: Path, module: str, line: str) -> None:
    (folder / f"{module}.py").write_text(f"import builtins\n{line}\n")


def test_each_file_in_the_folder_is_one_thing(folder: Path) -> None:
    _module(folder, "b", "THING = complex(2)")
    _module(folder, "a", "class N(complex):\n    name = 'one'\nTHING = N(1)")
    (folder / "b.py").write_text("class N(complex):\n    name = 'two'\nTHING = N(2)\n")
    found = discover(folder.name, attribute="THING", kind=complex, group=None)
    assert {name: thing.real for name, thing in found.items()} == {"one": 1, "two": 2}


def test_a_file_without_its_thing_is_an_error(folder: Path) -> None:
    _module(folder, "empty", "")
    with pytest.raises(RuleError, match=r"\.empty defines no complex"):
        discover(folder.name, attribute="THING", kind=complex, group=None)


def test_a_name_taken_twice_is_an_error(folder: Path) -> None:
    for module in ("a", "b"):
        (folder / f"{module}.py").write_text("class N(complex):\n    name = 'same'\nTHING = N(1)\n")
    with pytest.raises(RuleError, match="'same' a second time"):
        discover(folder.name, attribute="THING", kind=complex, group=None)


def test_third_parties_add_things_by_entry_point(folder: Path, tmp_path: Path) -> None:
    (folder / "outside.py").write_text("")
    other = tmp_path / "third_party_thing.py"
    other.write_text("class N(complex):\n    name = 'theirs'\nTHING = N(3)\n")
    info = tmp_path / "third_party-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: third-party\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[medharden.test_things]\ntheirs = third_party_thing:THING\n")
    (folder / "outside.py").unlink()
    found = discover(folder.name, attribute="THING", kind=complex, group="medharden.test_things")
    assert list(found) == ["theirs"]


@pytest.mark.parametrize("kind", ["archive", "finder"])
def test_third_parties_are_asked_where_a_glance_does_not_tell(kind: str, tmp_path: Path) -> None:
    class Finder:
        """Finds neither modules nor distributions."""

        @staticmethod
        def find_spec(*_args: object) -> None:
            return None

        @staticmethod
        def find_distributions(_context: object) -> tuple[()]:
            return ()

    archive = tmp_path / "modules.zip"
    archive.write_bytes(b"PK\5\6" + bytes(18))
    places: list[object] = sys.path if kind == "archive" else sys.meta_path  # type: ignore[assignment]
    place: object = str(archive) if kind == "archive" else Finder
    places.append(place)
    try:
        assert third_party("medharden.nobody", complex) == {}
    finally:
        places.remove(place)


def test_where_nobody_adds_anything_nothing_is_found() -> None:
    assert third_party("medharden.nobody", complex) == {}
