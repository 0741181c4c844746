"""What registers of packages in ``Field: value`` paragraphs state; dpkg and opkg keep the same fields."""

from __future__ import annotations

from collections.abc import Iterator

from firmware_checks.fact_reader import Content, Fact, Relation, Statement
from firmware_checks.readers.package_rows import paragraphs, upstream_version

__all__ = ["package_statements"]


def package_statements(content: Content, purl_type: str, namespace: str) -> Iterator[Fact]:
    """Yield each installed package under the name of the sources it was built from, in their makers' version."""
    for offset, fields in paragraphs(content.span.window):
        name, version = fields.get("Package"), fields.get("Version")
        if name and version and "not-installed" not in fields.get("Status", ""):
            yield Statement(
                name=fields.get("Source", name).partition(" ")[0],
                version=upstream_version(version),
                release=version,
                relation=Relation.LISTS,
                offset=offset,
                excerpt=f"{name} {version}",
                purl_type=purl_type,
                namespace=namespace,
            )
