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
    rb"|\bgetParameter\(|os\.environ\[?\(?[\"']QUERY_STRING|self\.(?:path|rfile)|os\.getenv\(\"QUERY_STRING|\$env\(QUERY_STRING|\bFieldStorage\(|\.getfirst\(|\.getvalue\("
    rb"|\bRequest(?:\.(?:QueryString|Form))?[ \t]?[(\[])"
)
_RUN = (
    rb"(?:\beval|(?<![.\w])exec|\b(?:cp|child|proc(?:ess)?)\.exec|\bsystem|\bshell_exec|\bpassthru|\bpopen|\bproc_open|\bos\.execute|\bio\.popen|\bos\.(?:system|popen)|\bloadstring"
    rb"|\bassert|\bsubprocess\.\w+\b(?![ \t]*\([ \t]*\[(?![\"'](?:/bin/)?b?a?sh[\"']))|\bchild_process\.\w+|\bexecSync"
    rb"|\bluci\.sys\.(?:call|exec)|\bsh -c|\bExecute(?:Global)?|`)"
)
_DIRECT = re.compile(_RUN + rb"[ \t]*[(\"']?[^;\n]{0,160}?" + _REQUEST)
_ASSIGN = re.compile(
    rb"(?:local\s+|my\s+|var\s+|let\s+|const\s+)?\$?(?P<name>[A-Za-z_]\w{0,40})\s*=(?!=)[^\n]{0,120}?" + _REQUEST
)
_FROM_REQUEST = re.compile(_REQUEST)
REACH_BYTES = 240
"""Before a request, in its line: the name it is given to, and what stands between."""
_SAFE = re.compile(
    rb"\b(?:int|float|intval|floatval|parseInt|Number|escapeshellarg|escapeshellcmd|quote|quotemeta|filter_var"
    rb"|tonumber)[ \t]*\("
)
"""What makes a number of a request, or takes the meaning from its signs."""
_TYPED = re.compile(rb"(?m)^[ \t]*(?:IFS=\S*[ \t]+)?read(?:[ \t]+-\w+(?:[ \t]+\d+)?)*[ \t]+(?P<name>[A-Za-z_]\w{0,40})")
"""What a script for a web page reads is the body of the request. Source: RFC 3875, 4.2."""
_TEMPLATE = re.compile(
    rb"(?<=\0)(?:/\w+)*/?(?:ping6?|ifconfig|route|iptables|wget|tar|rm|cp|mv|date|passwd|killall|reboot|iwconfig|nslookup"
    rb"|traceroute|hostname|sed|insmod|mount|chmod|unzip|echo|ntpdate|tftp|ftpget|sh|ip|arping|telnet)"
    rb"[ \t][ -~]{0,120}?%s"
)
"""A command line of a program, with a place for a text."""
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
    b"FieldStorage",
    b"Request",
    b"read ",
    b"read\t",
)
_WEB = re.compile(
    r"(?i)\.(?:cgi|php\d?|phtml|lua|lsp|asp|jsp|pl|py|js|sh)$|(?:^|/)(?:cgi-bin|www|htdocs|webroot|web|luci)/"
)
_PAGE_FOLDER = re.compile(r"(?i)(?:^|/)cgi-bin/|\.cgi$")
_LIBRARY = re.compile(
    r"(?:^|/)(?:share/(?!.*/(?:www|cgi-bin)/)|doc|examples?|tests?|dist-packages|site-packages|lib/python[\d.]*|node_modules|perl\d?|ruby)/"
)
_PAGES = (".html", ".htm", ".xhtml", ".shtml", ".txt", ".css", ".xml", ".json", ".md")
_COMMENT = (b"#", b"//", b"*", b"--", b"/*")


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestCommand(Observation):
    """A call that runs what a request holds."""

    call: str
    is_seen: bool = True
    """Whether the way from the request to the call is seen; in a program only both ends are."""


def _read(content: Content) -> Iterator[Observation]:
    text = bytes(content.span.window.view[:MOST_BYTES])
    if content.elf is not None:
        yield from _templates(text)
    if b"\0" in text[:512] or not any(gate in text for gate in _GATES):
        return
    if content.name.lower().endswith(_PAGES) and b"<?" not in text and b"<%" not in text:
        return  # a page for people: nothing in it runs in the device
    names = _names_of_requests(content, text)
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
            is_safe = _SAFE.search(found.group()) is not None
            if found.start() > ends and not is_safe and not _is_comment(text, found.start()):
                ends = found.end()
                call = re.split(rb"[ (\"']", found.group(), maxsplit=1)[0].decode("ascii", "replace")
                yield RequestCommand(offset=found.start(), excerpt=f"{call} runs what a request holds", call=call)


def _names_of_requests(content: Content, text: bytes) -> set[bytes]:
    """Return the variables that hold something of a request."""
    names = {found["name"] for found in _assignments(text) if not _SAFE.search(found.group())}
    if _PAGE_FOLDER.search(content.path) and content.head.startswith(b"#!"):
        names |= {found["name"] for found in _TYPED.finditer(text)}
    return names


def _assignments(text: bytes) -> Iterator[re.Match[bytes]]:
    """Yield what is set from a request; looked for in lines that have one, as all assignments of a script are many."""
    for request in _FROM_REQUEST.finditer(text):
        first = max(text.rfind(b"\n", 0, request.start()) + 1, request.start() - REACH_BYTES)
        yield from _ASSIGN.finditer(text[first : request.end()])


def _templates(text: bytes) -> Iterator[Observation]:
    """Yield the command lines of a program for a web page into which it puts a text."""
    if not any(word in text for word in (b"QUERY_STRING\0", b"CONTENT_LENGTH\0")):
        return
    if not any(call in text for call in (b"\0system\0", b"\0popen\0", b"\0doSystem\0", b"\0execl\0")):
        return
    for found in _TEMPLATE.finditer(text):
        yield RequestCommand(
            offset=found.start(), excerpt=found.group().decode("ascii", "replace"), call="system", is_seen=False
        )


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
