"""What a verifier says instead of yes: which rule, and why, in words."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from toolkit.core.errors import MedhardenError

__all__ = ["Refusal", "fail_closed"]


class Refusal(MedhardenError):
    """Something is not believed; ``rule`` names the rule for machines (``group.what``), the message is for people.

    The command line prints it as one line and leaves with exit code 1.
    """

    def __init__(self, rule: str, message: str) -> None:
        self.rule = rule
        super().__init__(message)


@contextmanager
def fail_closed(rule: str, subject: str) -> Iterator[None]:
    """Turn every exception of the enclosed steps into a refusal: a verifier that fell over has verified nothing."""
    try:
        yield
    except Refusal:
        raise
    except MedhardenError as error:
        raise Refusal(rule, f"{subject}: {error}") from error
    except Exception as error:  # what a library raises on hostile bytes is not in any contract
        raise Refusal(rule, f"{subject}: cannot be checked ({type(error).__name__})") from error
