"""What our verifiers do with every attack we know: each is tried while the page is written."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from signing.attacks.suite import CASES, Suite, outcome

__all__ = ["attack_rows"]


def attack_rows(suite: Suite[Any]) -> Iterator[tuple[str, ...]]:
    """Carry out the attacks of ``suite`` and yield rows: case, name, what is done, the rule that stopped it."""
    with tempfile.TemporaryDirectory() as folder:
        bench = suite.bench(Path(folder))
        tried = [(attack, outcome(attack, bench)) for attack in suite.attacks]
    for number, name in CASES.items():
        if number in suite.elsewhere:
            yield str(number), name, "-", suite.elsewhere[number]
        for attack, came in tried:
            if attack.case == number:
                yield str(number), name, attack.what, f"`{came.rule}`" if came.rule else "**nothing**"
