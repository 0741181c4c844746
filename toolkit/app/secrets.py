"""Passphrases and PINs for the command line: from a file, from the environment, or asked for on the terminal."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

from toolkit.core.errors import InputError

__all__ = ["CommandLineSecrets", "passphrase_option"]

VARIABLE = "MEDHARDEN_PASSPHRASE"
MOST_CHARACTERS = 1024

passphrase_option = click.option(
    "--passphrase-file",
    type=click.Path(path_type=Path),
    help=f"File whose first line is the passphrase or PIN.  [default: ${VARIABLE}, else you are asked]",
)


class CommandLineSecrets:
    """Knows or asks for the secret that protects a key; what was asked for once is not asked for again."""

    def __init__(self, passphrase_file: Path | None = None) -> None:
        self._file = passphrase_file
        self._known: dict[str, str] = {}

    def existing(self, purpose: str) -> str:
        """Return the secret that opens ``purpose``."""
        if purpose not in self._known:
            self._known[purpose] = self._given() or self._ask(purpose, f"Passphrase or PIN for {purpose}")
        return self._known[purpose]

    def new(self, purpose: str) -> str:
        """Return a secret to protect ``purpose``; one that is typed must be typed twice."""
        given = self._given()
        if given is not None:
            return given
        from signing.protection import LEAST_PASSPHRASE_CHARACTERS

        least = LEAST_PASSPHRASE_CHARACTERS
        secret = self._ask(purpose, f"New passphrase for {purpose}, {least} characters or more (it is not shown)")
        if len(secret) >= least and secret != self._ask(purpose, "The same once more"):
            raise InputError("the two passphrases are not the same; nothing was made")
        return secret

    def _given(self) -> str | None:
        if self._file is None:
            return os.environ.get(VARIABLE)
        try:
            with self._file.open(encoding="utf-8") as file:
                line = file.readline(MOST_CHARACTERS)
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(f"{self._file}: the passphrase cannot be read from it") from error
        return line.rstrip("\r\n")

    def _ask(self, purpose: str, question: str) -> str:
        if not sys.stdin.isatty():
            message = f"{purpose} needs a passphrase or PIN: use --passphrase-file, ${VARIABLE}, or a terminal"
            raise InputError(message)
        secret: str = click.prompt(question, hide_input=True, err=True)
        return secret
