"""Many patterns over many bytes in one pass; how it is done is told in ``search``, how fast it can be in ``native``."""

from firmware_checks.patterns.anchors import AnchorEngine
from firmware_checks.patterns.engine import Engine
from firmware_checks.patterns.pattern import Hit, Pattern
from firmware_checks.patterns.search import DISTINCT_HITS, PatternSet

__all__ = ["DISTINCT_HITS", "AnchorEngine", "Engine", "Hit", "Pattern", "PatternSet"]
