"""Rules from the index are the rules that the files hold."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from firmware_checks.component_index import load_indexed_rules
from firmware_checks.component_rules import load_rules, rules_digest

FROM_THE_INDEX = """
from firmware_checks.component_index import load_indexed_rules
from firmware_checks.component_rules import load_rules
indexed = load_indexed_rules()
patterns = [rule.patterns for rule in indexed.rules]
assert load_rules.cache_info().currsize == 0, "the files were decoded all the same"
assert indexed.rules == load_rules()
from firmware_checks.patterns import Pattern
made = [tuple(Pattern.of(p.owner, p.source, enough=p.enough) for p in some) for some in patterns]
assert patterns == made
"""


def test_what_the_index_holds_is_what_the_files_hold() -> None:
    assert load_indexed_rules().sha256 == rules_digest()
    subprocess.run([sys.executable, "-c", FROM_THE_INDEX], check=True, timeout=60)


@pytest.mark.parametrize("content", [None, b"", b"{}", b'{"files":{"a.toml":1},"sha256":"","rules":[],"patterns":[]}'])
def test_an_index_that_is_not_of_these_files_is_passed_over(content: bytes | None, tmp_path: Path) -> None:
    place = tmp_path / "index.json"
    if content is not None:
        place.write_bytes(content)
    found = load_indexed_rules(place)
    assert (tuple(found.rules), found.sha256) == (tuple(load_rules()), rules_digest())
