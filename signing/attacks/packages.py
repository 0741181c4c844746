"""Attacks on update packages, all kinds together."""

from __future__ import annotations

from typing import Final

from signing.attacks import (
    package_age,
    package_binding,
    package_form,
    package_roles,
    package_runtime,
    package_signatures,
)
from signing.attacks.package_bench import bench
from signing.attacks.suite import Suite

__all__ = ["SUITE"]

KINDS: Final = tuple(
    kind.ATTACKS
    for kind in (package_signatures, package_roles, package_age, package_binding, package_form, package_runtime)
)

SUITE: Final = Suite(
    name="packages",
    title="Update packages (.mdpkg)",
    bench=bench,
    attacks=tuple(sorted((one for kind in KINDS for one in kind), key=lambda one: one.case)),
    elsewhere={
        11: "`tests/signing/test_algorithms.py`",
        12: "`tests/signing/test_algorithms.py`",
        13: "`tests/signing/test_algorithms.py`",
        15: "`tests/signing/test_lms_keys.py`",
        46: "no TLVs in a package",
        47: "no TLVs in a package",
        54: "no FIT in a package",
        55: "no CMS in a package",
        58: "`tests/signing/test_install.py`",
        59: "`tests/signing/test_install.py`",
        62: "`tests/signing/test_archive.py`",
        68: "`tests/signing/test_update_story.py`",
    },
)
