"""What every HTML page of ours is framed by: its head, its look, and a policy that lets nothing else act."""

from __future__ import annotations

import base64
import hashlib
import importlib.resources

from toolkit.report.markup import Markup, element

__all__ = ["framed"]


def framed(body: Markup, *, title: str, language: str, more_style: str = "", script: str | None = None) -> str:
    """Return the document with ``body``, an element of that name without its script, in the look of the report.

    ``script`` names a file of ours that the page may run; without one it runs none.
    """
    style = _resource("report.css") + more_style
    code = _resource(script) if script is not None else ""
    allowed = f"script-src '{_digest(code)}'; " if code else ""
    policy = f"default-src 'none'; style-src '{_digest(style)}'; {allowed}base-uri 'none'; form-action 'none'"
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", http_equiv="Content-Security-Policy", content=policy),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="referrer", content="no-referrer"),
        element("title", title),
        element("style", Markup(style)),
    )
    acting = element("script", Markup(code)) if code else Markup("")
    whole = Markup(f"{body.removesuffix('</body>')}{acting}</body>")
    return f"<!DOCTYPE html>\n{element('html', head, whole, lang=language)}\n"


def _resource(name: str) -> str:
    return (importlib.resources.files("toolkit.report") / name).read_text(encoding="utf-8")


def _digest(text: str) -> str:
    """Return the digest by which a page allows its own style or script and no other."""
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"
