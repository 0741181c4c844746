"""The version that an installed Perl module tells of itself."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from firmware_checks.fact_reader import Content, Fact, FactReader, Relation, Statement
from toolkit.report.model import Confidence

__all__ = ["READER"]

MOST_BYTES: Final = 128 << 10
_PLACE = re.compile(
    r"(?:^|/)(?:share/perl5|lib/[a-z0-9_]+-linux-[a-z0-9]+/perl5/\d[\d.]*|"
    r"perl5/(?:site|vendor)_perl(?:/\d[\d.]*)?(?:/[a-z0-9_]+-linux[\w-]*)?)/(?P<module>(?:[A-Za-z]\w*/)*[A-Za-z]\w*)\.pm$"
)
"""Where modules stand that are not parts of Perl itself."""
_VERSION = re.compile(
    rb"^[^#\n]{0,60}?\$(?P<of>(?:\w+::)*)VERSION[ \t]*=[ \t]*(?:(?:qv|version->(?:declare|new|parse))[ \t]*\(?[ \t]*)?"
    rb"[\"']?v?(?P<version>[0-9]{1,8}(?:\.[0-9_]{1,9}){1,4})[\"']?[ \t]*\)?[ \t]*(?:;|$)|"
    rb"^[ \t]*package[ \t]+(?P<package>\w+(?:::\w+)*)[ \t]+v?(?P<other>[0-9]{1,8}(?:\.[0-9_]{1,9}){1,4})[ \t]*[;{]",
    re.MULTILINE,
)
"""``our $VERSION = '1.23';`` and ``package Pump::Log 1.23;``. Source: perlmod, perldoc -f package."""


def _read(content: Content) -> Iterator[Fact]:
    place = _PLACE.search(content.path)
    data = bytes(content.span.window.view[:MOST_BYTES])
    match = _VERSION.search(data)
    if place is None or match is None:
        return
    module = place["module"].replace("/", "::")
    other = (match["of"] or match["package"] or b"").decode().removesuffix("::")
    if other in ("", module):
        version = (match["version"] or match["other"]).decode()
        yield Statement(
            name=module.replace("::", "-"),
            version=version,
            relation=Relation.IS,
            offset=match.start(),
            excerpt=f"{module} {version}",
            purl_type="cpan",
            confidence=Confidence.HIGH,
        )


def _wants(content: Content) -> bool:
    return content.name.endswith(".pm") and _PLACE.search(content.path) is not None


def _example() -> tuple[str, bytes]:
    text = "package Device::Modem;\nuse strict;\nuse 5.006;\n\nour $VERSION = '1.59';\n\n1;\n"
    return "usr/share/perl5/Device/Modem.pm", text.encode()


READER = FactReader(
    name="perl-module",
    title="The version a Perl module tells",
    source="perlmod, Perl modules; the version scheme of version.pm",
    wants=_wants,
    read=_read,
    example=_example,
    states=(("Device-Modem", "1.59"),),
)
