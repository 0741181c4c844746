"""What parts of a product leave behind in a program, and which vulnerabilities are in no other part.

One TOML file per product in ``firmware_checks/vulnerabilities/features``. Much software can be built without some of
its parts: a web server without video, a name server without DNSSEC. Where each build with a part holds a certain text
that the part itself needs (the name of a setting, a word of a protocol), a program without that text does not hold the
part. Messages for people do not count: builds leave them out.
"""

from __future__ import annotations

from functools import cache
from importlib import resources
from typing import Annotated

import msgspec
from msgspec import Meta

from firmware_checks.vulnerabilities.knowledge import Identifier, Slug, SourceText
from toolkit.core.errors import RuleError
from toolkit.core.toml_rows import TomlFile, read_files

__all__ = ["FOLDER", "Feature", "ProductFeatures", "decode_features", "features_of", "shipped_features"]

FOLDER = "vulnerabilities/features"

TextInProgram = Annotated[str, Meta(pattern=r"^[\x20-\x7e]{4,80}\Z")]
"""As it stands in the program; a shorter one stands in many others too."""


class Feature(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A part of a product that can be left out when it is built."""

    name: Slug
    title: Annotated[str, Meta(min_length=3, max_length=60)]
    """What it is called in a sentence: ``this build has no ...``."""
    traces: tuple[TextInProgram, ...] = ()
    """Every build with the part, of every version the vulnerabilities are in, holds one of these."""
    exports: tuple[TextInProgram, ...] = ()
    """Names that every library of the product with the part gives to programs; what it is linked into loses them."""
    says_off: tuple[TextInProgram, ...] = ()
    """A build without the part says so with one of these, and no build with it does."""
    is_apart: bool = False
    """Whether it may stand in a file of its own (plug-in, library, program): then nothing in the image may hold it."""
    vulnerabilities: Annotated[tuple[Identifier, ...], Meta(min_length=1)]
    """Those that are in this part and nowhere else."""
    source: SourceText
    """Where it is built or left out, in the project's source."""

    def __post_init__(self) -> None:
        if bool(self.exports) + bool(self.says_off) + bool(self.traces) == 0:
            raise ValueError("give traces, exports or says_off")
        if len(set(self.vulnerabilities)) < len(self.vulnerabilities):
            raise ValueError("a vulnerability stands twice")


class ProductFeatures(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The parts of one product."""

    name: Slug
    """The name of the file and of the product."""
    witnesses: Annotated[tuple[TextInProgram, ...], Meta(min_length=1)]
    """Texts of which every program with the product holds one, whatever its parts: they show that texts can be read."""
    callers: tuple[TextInProgram, ...] = ()
    """Texts of programs that only call it: they hold none of its parts, whatever of it they were taken for."""
    libraries: tuple[Annotated[str, Meta(pattern=r"^lib[\w.+-]+\.so\Z")], ...] = ()
    """What the names of its shared libraries begin with; ``exports`` count in these alone."""
    feature: Annotated[tuple[Feature, ...], Meta(min_length=1)]

    def __post_init__(self) -> None:
        names = [feature.name for feature in self.feature]
        if len(set(names)) < len(names):
            raise ValueError("a feature stands twice")
        if not self.libraries and any(feature.exports for feature in self.feature):
            raise ValueError("exports need libraries")

    def texts(self) -> frozenset[str]:
        """Return all that must be looked for."""
        found = {*self.witnesses, *self.callers}
        for feature in self.feature:
            found |= {*feature.traces, *feature.exports, *feature.says_off}
        return frozenset(found)


def decode_features(file: TomlFile) -> ProductFeatures:
    """Return the parts in ``file``; raise ``RuleError`` with what is wrong."""
    product = file.decode(ProductFeatures)
    if f"{product.name}.toml" != file.name:
        raise RuleError(f"{file.name}: the product is named {product.name!r} and must be named like its file")
    return product


@cache
def shipped_features() -> tuple[ProductFeatures, ...]:
    """Return the parts of all products that come with the program."""
    return tuple(map(decode_features, read_files(resources.files("firmware_checks").joinpath(FOLDER))))


def features_of(product: str) -> ProductFeatures | None:
    """Return the parts of a product; None when none are known."""
    return next((each for each in shipped_features() if each.name == product), None)
