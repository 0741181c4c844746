"""Versions that scripts, settings, descriptions, titles and names of libraries tell, and those that they do not."""

from __future__ import annotations

import pytest

from firmware_checks.fact_collection import FactCollector
from firmware_checks.fact_reader import Content, FactReader
from firmware_checks.fusion import EvidenceOfImage, fuse
from firmware_checks.identity import Identities
from firmware_checks.own_versions import Ballot, votes_of, votes_of_soname
from firmware_checks.span import Span
from firmware_checks.version_election import Linked, Verdict, decide, without_doubtful
from firmware_checks.version_texts import version_texts
from toolkit.core.registry import discover
from toolkit.core.window import Window

IDENTITIES = Identities([])
READERS = discover("firmware_checks.facts", attribute="READER", kind=FactReader, group=None)


def _components(files: dict[str, str]) -> set[str]:
    collector = FactCollector(READERS, IDENTITIES, lambda *_: pytest.fail("a reader failed"))
    for path, text in files.items():
        collector.collect(Content(Span(f"root.tar!{path}", Window.of(text.encode()))))
    found = fuse(EvidenceOfImage(files=collector.files), [], IDENTITIES)
    return {f"{component.name} {component.version}" for component in found}


def _decided(path: str, *texts: str, linked: Linked | None = None) -> Verdict | None:
    identity = IDENTITIES.of_file(path)
    assert identity is not None
    data = b"\0" + b"\0".join(text.encode() for text in texts) + b"\0"
    found = version_texts(memoryview(data), [(0, len(data))])
    ballot = Ballot(path, votes_of(found, identity, path.rpartition("/")[2]))
    return decide([ballot], {} if linked is None else {path: linked})


@pytest.mark.parametrize(
    ("path", "text", "found"),
    [
        ("usr/share/mcron/config.scm", '(define config-package-string "mcron 1.0.8")\n', {"mcron 1.0.8"}),
        ("usr/share/mcron/config.scm", ';; needs a text like "mcron 1.0.8"\n', set()),
        ("usr/share/mcron/config.scm", '(use "guile 3.0.8")\n', set()),
        ("usr/share/mcron/menu.scm", '(define config-package-string "mcron 1.0.8")\n', set()),
        ("usr/lib/bup/bup/version.py", "base_version = b'0.33.7'\n", {"bup 0.33.7"}),
        ("usr/lib/ssvnc/util/ssvnc.tcl", "set version 1.0.29\n", {"ssvnc 1.0.29"}),
        ("usr/lib/python3/dist-packages/bup/version.py", "version = '0.33.7'\n", set()),
        (
            "usr/share/metainfo/org.kde.kdf.appdata.xml",
            '<release version="22.12.3" date="2023-03-02"/>',
            {"kdf 22.12.3"},
        ),
        ("usr/share/metainfo/kdf.metainfo.xml", "<releases/>", set()),
        ("usr/share/metainfo/org.example.nobodys.metainfo.xml", '<release version="1.2.3"/>', set()),
    ],
)
def test_a_text_in_the_folder_of_a_project_tells_its_version(path: str, text: str, found: set[str]) -> None:
    assert _components({path: text}) == found


def test_the_newest_release_counts_wherever_it_stands_and_none_in_development() -> None:
    text = """<releases><release date="2020-01-01" version="1.0.4"/><release version="1.2.0" date="2023-01-01"/>
    <release version="1.3.0" date="2024-01-01" type="development"/></releases>"""
    assert _components({"usr/share/appdata/kdf.appdata.xml": text}) == {"kdf 1.2.0"}


def test_perl_modules_are_named_but_not_the_parts_below_them_or_those_of_perl() -> None:
    files = {
        "usr/share/perl5/Text/Pump.pm": "package Text::Pump;\nour $VERSION = '0.89';\n",
        "usr/share/perl5/Text/Pump/Part.pm": "package Text::Pump::Part;\n$VERSION = 0.11;\n",
        "usr/lib/arm-linux-gnueabihf/perl5/5.36/Guard.pm": "package Guard 1.023 {\n}\n",
        "usr/share/perl/5.36.0/Core.pm": "package Core;\nour $VERSION = '1.1';\n",
        "usr/share/perl5/Other.pm": "package Other;\n$Another::VERSION = '3.3';\n# $VERSION = '4.4';\n",
        "usr/lib/perl5/vendor_perl/5.38/Late.pm": "package Late;\nour $VERSION = qv('v2.0.1');\n",
        "usr/share/perl5/Silent.pm": "package Silent;\n1;\n",
    }
    assert _components(files) == {"Text-Pump 0.89", "Guard 1.023", "Late 2.0.1"}


def test_packages_of_r_and_octave_are_named_but_not_the_parts_of_r() -> None:
    files = {
        "usr/share/octave/packages/nurbs-1.4.3/packinfo/DESCRIPTION": "Name: nurbs\nVersion: 1.4.3\n",
        "usr/lib/R/site-library/curves/DESCRIPTION": "Package: curves\nVersion: 1.4-2\n",
        "usr/lib/R/library/stats/DESCRIPTION": "Package: stats\nVersion: 4.2.2\nPriority: base\n",
        "usr/lib/R/site-library/damaged/DESCRIPTION": "Package: damaged\nVersion: none\n",
    }
    assert _components(files) == {"octave-nurbs 1.4.3", "curves 1.4-2"}


@pytest.mark.parametrize(
    ("path", "texts", "version"),
    [
        ("usr/bin/bip", ("Bip IRC Proxy - 0.9.3\nCopyright",), "0.9.3"),
        ("usr/bin/apngasm", ("APNG Assembler 2.91", "Usage   : apngasm output.png"), "2.91"),
        ("usr/bin/medusa", ("2.2", "%s v%s [%s] (C) %s %s"), "2.2"),
        ("usr/bin/espeak", ("1.48.15  16.Apr.15",), "1.48.15"),
        ("usr/bin/pexec", ("1.0rc8", "%s %s (%s)", "2009.07.02"), "1.0rc8"),
    ],
)
def test_titles_days_and_formats_tell_which_version_is_meant(path: str, texts: tuple[str, ...], version: str) -> None:
    verdict = _decided(path, *texts)
    assert verdict is not None
    assert without_doubtful(verdict).version == version


@pytest.mark.parametrize(
    ("path", "texts"),
    [
        ("usr/lib/libfann.so.2", ("FANN_FLO_2.1",)),
        ("usr/bin/bip", ("bip was tested with library 2.9.1 only",)),
        ("usr/bin/xorriso", ("2021.01.30.150001",)),
        ("usr/bin/medusa", ("1.1", "%s v%s [%s] (C) %s %s")),
        ("usr/bin/apngasm", ("APNG Assembler 2.91", "Usage   : other output.png")),
    ],
)
def test_what_is_no_title_no_release_or_too_common_is_no_version(path: str, texts: tuple[str, ...]) -> None:
    verdict = _decided(path, *texts)
    assert verdict is None or without_doubtful(verdict).version is None


def test_an_identifier_that_starts_with_the_name_of_a_library_does_not_make_the_version_its_own() -> None:
    linked = Linked(keys=frozenset({"gtk"}))
    beside_an_icon = _decided("usr/bin/grsync", "comments", "1.3.0", "gtk-media-pause", linked=linked)
    assert beside_an_icon is not None
    assert beside_an_icon.version == "1.3.0"
    assert _decided("usr/bin/grsync", "comments", "1.3.0", "built with gtk", linked=linked) is None


def test_a_build_folder_of_another_project_tells_nothing_about_the_file() -> None:
    identity = IDENTITIES.of_file("usr/bin/OgreXMLConverter")
    assert identity is not None
    data = b"\0/build/pugixml-1.11.4/src\0"
    texts = version_texts(memoryview(data), [(0, len(data))])
    folder = texts[0].__class__(
        number="1.11.4", version="1.11.4", before="/build/pugixml-", after="/", near=("", ""), offset=0
    )
    own = texts[0].__class__(
        number="1.12.10", version="1.12.10", before="/build/ogre-", after="/", near=("", ""), offset=0
    )
    assert [vote.text.version for vote in votes_of([folder, own], identity, "OgreXMLConverter")] == ["1.12.10"]


@pytest.mark.parametrize(
    ("soname", "version"),
    [
        ("libOgreMain.so.1.12.10", "1.12.10"),
        ("libdmmp.so.0.2.0", None),
        ("liblog4qt.so.1.0.0", None),
        ("libpython3.11.so.1.0", None),
        (None, None),
    ],
)
def test_a_library_asked_for_by_a_whole_release_is_of_that_release(soname: str | None, version: str | None) -> None:
    assert [vote.text.version for vote in votes_of_soname(soname, soname or "lib.so")] == ([version] if version else [])


def test_what_extends_php_is_told_by_the_name_of_its_project() -> None:
    identity = IDENTITIES.of_file("usr/lib/php/20220829/memcached.so")
    assert identity is not None
    assert identity.name == "php-memcached"
    assert "memcached" in identity.keys
    assert IDENTITIES.of_file("usr/lib/php/20220829/qqq.so") is None
