"""The optional part that computes scores may be missing; then nothing else changes."""

import subprocess
import sys

WITHOUT = """
import sys
sys.modules["cvss"] = None
from firmware_checks.vulnerabilities.cvss import can_score, parse_vector
vector = parse_vector("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H")
print(can_score(), vector.score, vector.is_automatable)
"""


def test_vectors_are_read_and_published_scores_stay() -> None:
    out = subprocess.run([sys.executable, "-c", WITHOUT], capture_output=True, text=True, check=True).stdout
    assert out.split() == ["False", "None", "True"]
