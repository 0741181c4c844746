"""The option that writes a page as PDF besides what a verb prints."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

__all__ = ["PAPERS", "pdf_options", "write_pdf"]

PAPERS = ("a4", "letter")


def pdf_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add ``--pdf`` and ``--paper`` to a verb."""
    paper = click.option(
        "--paper", type=click.Choice(PAPERS), default="a4", show_default=True, help="Size of the pages of --pdf."
    )
    pdf = click.option(
        "--pdf",
        metavar="FILE",
        type=click.Path(path_type=Path),
        help="Write it as PDF too; needs the optional part 'pdf'.",
    )
    return pdf(paper(command))


def write_pdf(page: bytes, target: Path, *, day: str, paper: str) -> None:
    """Write one of our HTML pages to ``target`` as PDF of the day ``day``."""
    from toolkit.core.files import write_whole
    from toolkit.report.paper import page_to_pdf

    write_whole(target, page_to_pdf(page, day=day, paper="letter" if paper == "letter" else "a4"))
    click.echo(f"medharden: PDF written to {target}", err=True)
