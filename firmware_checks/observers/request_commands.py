"""Scripts of web pages that hand what a browser sends to the shell, or run it as program text."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from firmware_checks.fact_reader import Content
from firmware_checks.observer import Observation, Observer

__all__ = ["OBSERVER", "RequestCommand"]

MOST_BYTES = 1 << 20
_REQUEST = (
    rb"(?:\$_(?:GET|POST|REQUEST|COOKIE)\b|\$\{?(?:QUERY_STRING|HTTP_\w+|FORM_\w+|POST_DATA|CONTENT)\b|\bparams?\s*[\[(]|\bparam\s*\("
    rb"|request\.(?:args|form|values|params|query|body|GET|POST|json)|\breq\.(?:query|body|params)|luci\.http\.formvalue|http\.formvalue"
    rb"|\bgetParameter\(|os\.environ\[?\(?[\"']QUERY_STRING|self\.(?:path|rfile)|os\.getenv\(\"QUERY_STRING)"
)
_RUN = (
    rb"(?:\beval|\bexec|\bsystem|\bshell_exec|\bpassthru|\bpopen|\bproc_open|\bos\.execute|\bio\.popen|\bos\.(?:system|popen)|\bloadstring"
    rb"|\bassert|\bsubprocess\.\w+|\bchild_process\.\w+|\bexecSync|\bluci\.sys\.(?:call|exec)|\bsh -c|`)"
)
_DIRECT = re.compile(_RUN + rb"[ \t]*[(\"']?[^;\n]{0,160}?" + _REQUEST)
_ASSIGN = re.compile(
    rb"(?:local\s+|my\s+|var\s+|let\s+|const\s+)?\$?(?P<name>[A-Za-z_]\w{1,40})\s*=[^=\n][^\n]{0,120}?" + _REQUEST
)
_GATES = (
    b"_GET",
    b"_POST",
    b"_REQUEST",
    b"QUERY_STRING",
    b"param",
    b"request.",
    b"req.",
    b"formvalue",
    b"FORM_",
    b"HTTP_",
    b"POST_DATA",
    b"_COOKIE",
)
_WEB = re.compile(
    r"(?i)\.(?:cgi|php\d?|phtml|lua|lsp|asp|jsp|pl|py|js|sh)$|(?:^|/)(?:cgi-bin|www|htdocs|webroot|web|luci)/"
)
_LIBRARY = re.compile(
    r"(?:^|/)(?:share/(?!.*/(?:www|cgi-bin)/)|doc|examples?|tests?|dist-packages|site-packages|lib/python[\d.]*|node_modules|perl\d?|ruby)/"
)
_COMMENT = (b"#", b"//", b"*", b"--", b"/*")


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestCommand(Observation):
    """A call that runs what a request holds."""

    call: str


def _read(content: Content) -> Iterator[Observation]:
    text = bytes(content.span.window.view[:MOST_BYTES])
    if b"\0" in text[:512] or not any(gate in text for gate in _GATES):
        return
    names = {found["name"] for found in _ASSIGN.finditer(text)}
    ends = -1
    sorts = [_DIRECT]
    if names:
        listed = b"|".join(re.escape(name) for name in sorted(names)[:20])
        sorts.append(
            re.compile(
                _RUN + rb"[ \t]*[(\"']?[^;\n]{0,160}?(?:\$\{?|\.\.\s*|\+\s*|,\s*|\(\s*|\{)(?:" + listed + rb")\b"
            )
        )
    for sort in sorts:
        for found in sort.finditer(text):
            if found.start() > ends and not _is_comment(text, found.start()):
                ends = found.end()
                call = re.split(rb"[ (\"']", found.group(), maxsplit=1)[0].decode("ascii", "replace")
                yield RequestCommand(offset=found.start(), excerpt=f"{call} runs what a request holds", call=call)


def _is_comment(text: bytes, position: int) -> bool:
    return text[text.rfind(b"\n", 0, position) + 1 : position].lstrip().startswith(_COMMENT)


def _wants(content: Content) -> bool:
    if content.span.size > MOST_BYTES or _LIBRARY.search(content.path):
        return False
    return _WEB.search(content.path) is not None


OBSERVER = Observer(
    name="request-commands",
    title="Requests that are run as commands",
    source="RFC 3875 (CGI); manuals of PHP, Lua, Python and the shell",
    wants=_wants,
    read=_read,
    example=lambda: (
        "www/cgi-bin/set.cgi",
        b'#!/bin/sh\n# eval "$QUERY_STRING"\neval "$QUERY_STRING"\nVALUE="$QUERY_STRING"\nsh -c "set-rate $VALUE"\n',
    ),
    shows=2,
)
