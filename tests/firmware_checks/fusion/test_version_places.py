"""Places where releases before kept the version, and how versions stand in build folders and scripts."""

from __future__ import annotations

import pytest

from firmware_checks.fact_collection import FactCollector
from firmware_checks.fact_reader import Content
from firmware_checks.facts.script import READER
from firmware_checks.identity import Identities
from firmware_checks.own_versions import Ballot, votes_of
from firmware_checks.span import Span
from firmware_checks.version_election import decide, without_doubtful
from firmware_checks.version_places import is_known_place, place_keys
from firmware_checks.version_points import built_name
from firmware_checks.version_texts import VersionText, build_folder, version_texts
from toolkit.core.window import Window

IDENTITIES = Identities([])


def _texts(*texts: str) -> tuple[VersionText, ...]:
    data = b"\0" + b"\0".join(text.encode() for text in texts) + b"\0"
    return version_texts(memoryview(data), [(0, len(data))])


def _ballot(path: str, *texts: str) -> Ballot:
    identity = IDENTITIES.of_file(path)
    assert identity is not None
    return Ballot(path, votes_of(_texts(*texts), identity, path.rpartition("/")[2]))


def _script(path: str, text: str) -> list[str]:
    content = Content(Span(f"image.tar!{path}", Window.of(text.encode())))
    collector = FactCollector({READER.name: READER}, IDENTITIES, lambda _name, _span, error: pytest.fail(str(error)))
    collector.collect(content)
    facts = collector.files.get(f"image.tar!{path}")
    return [] if facts is None else [found.version for found in facts.texts]


def test_a_version_stands_where_the_project_kept_it_before() -> None:
    (here,) = _texts("gperftools 9.99")
    (elsewhere,) = _texts("glibc 9.99")
    assert is_known_place("google-perftools", here)
    assert not is_known_place("google-perftools", elsewhere)
    assert not is_known_place("no such project", here)


def test_a_place_is_written_without_numbers_and_paths() -> None:
    (text,) = _texts("IWD2 version 5.1.2")
    assert list(place_keys(text)) == ["<IWD# version"]
    assert list(place_keys(_texts("see /usr/lib/x-5.1.2")[0])) == []
    assert set(place_keys(_texts("first words", "5.1.2", "last words")[0])) == {">-first words", ">+last words"}


@pytest.mark.parametrize(
    ("path", "name", "version"),
    [
        ("/build/pumpd-Xy12ab/pumpd-1.2.3+dfsg/src/a.c", "pumpd", "1.2.3"),
        ("/build/reproducible-path/pump-tools-37/src", "pump-tools", "37"),
        ("/build/pumpd-Xy12ab/other-1.2.3/src", None, None),
        ("/build/pumpd-Xy12ab/pumpd-0~20191111/src", None, None),
        ("/home/someone/pumpd-1.2.3/src", None, None),
    ],
)
def test_the_folder_of_the_sources_tells_project_and_version(path: str, name: str | None, version: str | None) -> None:
    found = build_folder(memoryview(b"\x7fELF" + path.encode() + b"\0"))
    assert (found and built_name(found), found and found.version) == (name, version)


@pytest.mark.parametrize(
    ("path", "text", "versions"),
    [
        ("usr/bin/pump-report", '#!/bin/sh\nMIN_VERSION=1.0.2\nVERSION="4.7.1"\n', ["4.7.1"]),
        ("usr/bin/pump-report", "#!/usr/bin/perl\nour $VERSION = '2.5';\n", ["2.5"]),
        ("usr/bin/pump-report", "#!/usr/bin/python3\n__version__ = '2.5rc1'\n", ["2.5rc1"]),
        ("usr/bin/pump-report", "#!/bin/sh\nPYTHON_VERSION=3.11\n# version 1.2 was better\n", []),
        ("usr/share/pump/version.txt", "Pump 7.1.2\n", ["7.1.2"]),
        ("usr/lib/pump/pump.tcl", "set version 1.0.29\n", ["1.0.29"]),
        ("etc/pump.conf", "version = 1.0.29\n", []),
    ],
)
def test_a_script_tells_its_version_and_not_that_of_others(path: str, text: str, versions: list[str]) -> None:
    assert _script(path, text) == versions


def test_a_script_beside_the_chief_one_is_not_enough() -> None:
    identity = IDENTITIES.of_file("usr/bin/lsscsi")
    assert identity is not None
    (chief,) = (VersionText(number="1.2.3", version="1.2.3", before="version = ", after="", near=("", ""), offset=0),)
    alone = decide([Ballot("usr/bin/lsscsi-x", votes_of([chief], identity, "lsscsi-x"))], {})
    of_chief = decide([Ballot("usr/bin/lsscsi", votes_of([chief], identity, "lsscsi"))], {})
    assert alone is None
    assert of_chief is not None
    assert of_chief.version == "1.2.3"


def test_two_numbers_alone_are_a_candidate_where_nothing_else_speaks_for_them() -> None:
    verdict = decide([_ballot("usr/bin/retroarch", "PcJ.", "8.7", "HcJ.")], {})
    assert verdict is None or without_doubtful(verdict).version is None
    printed = decide([_ballot("usr/bin/retroarch", "8.7", "%s version %s")], {})
    assert printed is not None
    assert without_doubtful(printed).version == "8.7"


def test_a_bundle_of_programs_with_versions_of_their_own_has_none() -> None:
    tools = {"appres": "1.0.7", "xdriinfo": "1.0.6", "xev": "1.2.4", "xlsatoms": "1.1.3"}
    verdict = decide([_ballot(f"usr/bin/{name}", f"{name} {version}") for name, version in tools.items()], {})
    assert verdict is not None
    assert verdict.version is None
    assert set(verdict.candidates) == set(tools.values())


@pytest.mark.parametrize(
    ("path", "texts", "version"),
    [
        ("usr/bin/innetgr", ("innetgr (ng-utils) 1.1",), "1.1"),
        ("usr/sbin/unhide-linux", ("Unhide 20130526\nCopyright",), "20130526"),
        ("usr/bin/mbuffer", ("mbuffer version R20230301\nCopyright",), "20230301"),
        ("usr/bin/extundelete", ("extundelete version ", "0.2.4", "libext2fs version "), "0.2.4"),
        ("usr/sbin/opensm", ("OpenSM 3.3.23", "OpenSM version 3.2.1 and below used the"), "3.3.23"),
        ("usr/lib/libproxy.so.1.0.0", ("/usr/lib/libproxy/0.4.18/modules",), "0.4.18"),
        ("usr/bin/lsh", ("lsh-2.1, secsh protocol version 2.0",), "2.1"),
    ],
)
def test_versions_in_unusual_places_are_found(path: str, texts: tuple[str, ...], version: str) -> None:
    verdict = decide([_ballot(path, *texts)], {})
    assert verdict is not None
    assert verdict.version == version


@pytest.mark.parametrize(
    ("path", "texts"),
    [
        ("usr/lib/libbctoolbox.so.1", ("87.98.157.38", "2a00:1450:8002::68")),
        ("usr/lib/libBLT.2.5.so.8.6", ("8.6", "Tcl")),
        ("usr/bin/ngspice", ("1.38064852e-23", "planck")),
        ("usr/bin/osmo-hlr", ("after TS 23.008 version 13.3.0\n id",)),
    ],
)
def test_what_only_looks_like_a_version_is_none(path: str, texts: tuple[str, ...]) -> None:
    verdict = decide([_ballot(path, *texts)], {})
    assert verdict is None or without_doubtful(verdict).version is None
