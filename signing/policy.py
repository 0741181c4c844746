"""Which algorithms a device's owner accepts: ``legacy``, ``fips``, ``hybrid`` or ``cnsa2``."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cache
from importlib.resources import files

from signing.algorithm import Strength
from signing.key import PublicKey
from signing.refusal import Refusal
from toolkit.core.errors import InputError

__all__ = ["Policy", "policies", "policy_named"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """Algorithms by name, with ``*`` for any ending."""

    name: str
    title: str
    source: str
    verify: tuple[str, ...]
    sign: tuple[str, ...]
    together: frozenset[Strength] = frozenset()
    """Strengths of which each must be among the keys that reached a threshold; a hybrid key counts as both."""

    def accepts(self, algorithm: str) -> bool:
        """Tell whether signatures of the algorithm of this name count."""
        return _listed(algorithm, self.verify)

    def check_key(self, key: PublicKey) -> None:
        """Raise ``Refusal`` unless signatures of ``key`` count."""
        if not self.accepts(key.name):
            raise Refusal("policy.algorithm", f"the policy {self.name} does not accept {key.name} signatures")

    def check_signing_key(self, key: PublicKey) -> None:
        """Raise ``Refusal`` unless ``key`` may make new signatures."""
        if not _listed(key.name, self.sign):
            raise Refusal("policy.algorithm", f"the policy {self.name} does not let {key.name} keys sign")

    def check_together(self, keys: Iterable[PublicKey]) -> None:
        """Raise ``Refusal`` unless the keys whose signatures were verified suffice together."""
        there: set[Strength] = set()
        for key in keys:
            self.check_key(key)
            there |= {key.algorithm.strength} if key.algorithm.strength != Strength.HYBRID else set(self.together)
        missing = sorted(self.together - there)
        if missing:
            raise Refusal(
                "policy.hybrid", f"the policy {self.name} needs a {missing[0]} signature too, and there is none"
            )


def _listed(name: str, patterns: tuple[str, ...]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)


@cache
def policies() -> dict[str, Policy]:
    """Return every policy by name."""
    found = {}
    for entry in sorted(files("signing.policies").iterdir(), key=lambda item: item.name):
        name, dot, ending = entry.name.partition(".")
        if dot + ending == ".toml":
            found[name] = _policy(name, tomllib.loads(entry.read_text(encoding="utf-8")))
    return found


def _policy(name: str, table: dict[str, object]) -> Policy:
    lists = {key: tuple(value) for key, value in table.items() if isinstance(value, list)}
    return Policy(
        name=name,
        title=str(table["title"]),
        source=str(table["source"]),
        verify=lists["verify"],
        sign=lists["sign"],
        together=frozenset(Strength(value) for value in lists.get("together", ())),
    )


def policy_named(name: str) -> Policy:
    """Return the policy ``name``."""
    found = policies().get(name)
    if found is None:
        raise InputError(f"{name!r} is no policy; there are: {', '.join(policies())}")
    return found
