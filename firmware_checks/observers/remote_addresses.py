"""Computers that programs, scripts and settings name: routable addresses, and where something is fetched from."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from firmware_checks.exposure.comments import without_markup_comments
from firmware_checks.fact_reader import Content
from firmware_checks.observer import Observation, Observer
from firmware_checks.readers.elf_file import constants

__all__ = ["OBSERVER", "RemoteAddress"]

MOST_TEXT_BYTES = 1 << 20
MOST_RAW_BYTES = 1 << 24
MOST_OF_ONE_FILE = 20
CONTEXT_BYTES = 160
LEAST_OCTET = 20
"""Four numbers below this are versions and object identifiers far more often than addresses."""
_IP = re.compile(rb"(?<![\w.%-])(?:[1-9]\d{0,2})(?:\.\d{1,3}){3}(?![\w%-]|\.\d)")
_ANY_DIGIT = bytes.maketrans(b"123456789", b"000000000")
_QUAD = re.compile(rb"0\.0{1,3}\.0{1,3}\.0")
"""The shape of an address when all digits are one: few texts have it, and a plain search finds its start."""
LONGEST_SCHEME = 5
PIECE_BYTES, LONGEST_SHAPE = 1 << 20, 16
"""A copy of a whole image would take as much memory again."""
MOST_LOCATION_BYTES = 300
_URL = re.compile(
    rb"(?P<scheme>https?|ftps?|tftp)://(?:[^@/\s\"'\0]{1,40}@)?(?P<host>[A-Za-z0-9][\w.-]{2,80})(?P<path>[^\s\"'\0<>)]{0,120})"
)
_MOUNT = re.compile(rb"\bmount(?:\.nfs|\.cifs)?[ \t][^\n\0;|&]{0,100}?(?P<host>[A-Za-z0-9][\w.-]{2,80}):/")
_FETCH = re.compile(rb"\b(?:wget|curl|ftpget|ftpput|tftp|ncftpget|ncftpput|scp|sftp|rsync|telnet|ftp|nc|ssh|lftp)[ \t]")
_SOFTWARE = re.compile(
    rb"updat|upgrad|firmware|/fw|\.(?:bin|img|swu|tar|tgz|zip|ipk|hex|cab|raucb|mender|exe)\b", re.IGNORECASE
)
_NOT_ADDRESS = re.compile(
    rb"(?:version|release|revision|(?<![a-z])v(?:er)?|build|oid|file)[\"' =:_.-]{0,4}$", re.IGNORECASE
)
_LIBRARY = re.compile(
    r"(?:^|/)(?:share|include|doc|man|examples?|tests?|dist-packages|site-packages|lib/python[\d.]*|perl\d?|node_modules"
    r"|gocode|ruby|modules|locale|terminfo)/"
)
_NAMESPACE = re.compile(
    rb"(?:xmlns(?::[\w.-]{1,40})?|schemaLocation|targetNamespace|namespace)[ \t]*=[ \t]*[\"'][^\"']*$"
)
"""A name in XML that only looks like a place."""
_SYSTEM_FOLDER = re.compile(r"(?i)(?:^|/)(?:windows|winnt|system32|syswow64|common files|microsoft[^/]*|\.net)/")
_WIDE_QUAD = re.compile(rb"(?<![\w.]\0)(?:\d\0){1,3}(?:\.\0(?:\d\0){1,3}){3}(?![\w.]\0)")
"""An address with two bytes a character, as programs for Windows hold it."""
_PUBLIC_SERVICES = frozenset({"127.0.0.1", "0.0.0.0", "255.255.255.255"})  # noqa: S104  # compared, never bound
_SETTINGS = (
    ".conf", ".cfg", ".ini", ".json", ".xml", ".config", ".yaml", ".yml", ".toml", ".properties", ".env", ".sh", ".lua",
    ".php", ".py", ".pl", ".cgi", ".js", ".service", ".bat", ".cmd", ".inf", ".reg", ".txt",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteAddress(Observation):
    """Another computer; ``use`` says in words what the device does with it, empty where that is not seen."""

    host: str
    use: str
    is_number: bool
    is_clear: bool
    """Whether what is sent can be read and changed on the way."""
    is_software: bool
    """Whether the place looks like one of updates."""


def _read(content: Content) -> Iterator[Observation]:
    view = content.span.window.view
    shown: set[tuple[str, str]] = set()
    if content.head.startswith(b"MZ"):
        yield from islice(_wide_addresses(bytes(view)), MOST_OF_ONE_FILE)
    for start, end in _stretches(content):
        text = without_markup_comments(bytes(view[start:end]))
        for seen in _addresses(text, start, is_text=content.elf is None and b"\0" not in text[:512]):
            if (seen.host, seen.use) not in shown:
                shown.add((seen.host, seen.use))
                yield seen
            if len(shown) >= MOST_OF_ONE_FILE:
                return


def _stretches(content: Content) -> list[tuple[int, int]]:
    if content.elf is not None:
        return constants(content.elf)
    return [(0, min(content.span.size, MOST_RAW_BYTES))]


def _addresses(text: bytes, base: int, *, is_text: bool) -> Iterator[RemoteAddress]:
    taken: set[int] = set()
    for seen in (*_mounts(text, base), *_locations(text, base)):
        if not _is_comment(text, seen.offset - base, is_text=is_text):
            taken.add(seen.host_at)
            yield seen.address
    for found in _numbers(text):
        if (
            base + found.start() not in taken
            and _is_address(text, found)
            and not _is_comment(text, found.start(), is_text=is_text)
        ):
            use = "contacted by a command" if _FETCH.search(_before(text, found.start())) else ""
            yield _seen(base + found.start(), found.group(), use, is_clear=bool(use), is_software=False)


def _numbers(text: bytes) -> Iterator[re.Match[bytes]]:
    """Yield what may be an address, looked for where four numbers in a row stand."""
    end = 0
    for first in range(0, len(text), PIECE_BYTES):
        shape = text[first : first + PIECE_BYTES + LONGEST_SHAPE].translate(_ANY_DIGIT)
        for place in _places(shape, b"0.0"):
            start = first + place
            if start < end or place >= PIECE_BYTES or _QUAD.match(shape, place) is None:
                continue
            while start > 0 and text[start - 1 : start].isdigit():
                start -= 1
            found = _IP.match(text, start)
            if found is not None:
                end = found.end()
                yield found


def _places(text: bytes, literal: bytes) -> Iterator[int]:
    """Yield where ``literal`` stands; many times as fast as an expression that does not start with one."""
    place = text.find(literal)
    while place >= 0:
        yield place
        place = text.find(literal, place + 1)


def _wide_addresses(data: bytes) -> Iterator[RemoteAddress]:
    for found in _WIDE_QUAD.finditer(data):
        text = found.group()[::2]
        narrow = _IP.fullmatch(text)
        if narrow is not None and _is_address(text, narrow):
            yield _seen(found.start(), text, "", is_clear=False, is_software=False)


@dataclass(frozen=True, slots=True)
class _Location:
    """A place on another computer, and where its name stands."""

    address: RemoteAddress
    host_at: int

    @property
    def offset(self) -> int:
        return self.address.offset


def _mounts(text: bytes, base: int) -> Iterator[_Location]:
    for place in _places(text, b"mount"):
        found = _MOUNT.match(text, place)
        if found is not None and _is_elsewhere(found["host"]):
            seen = _seen(base + found.start(), found["host"], "mounted as a folder", is_clear=True, is_software=True)
            yield _Location(seen, base + found.start("host"))


def _locations(text: bytes, base: int) -> Iterator[_Location]:
    for place in _places(text, b"://"):
        found = _URL.search(text, max(0, place - LONGEST_SCHEME), place + MOST_LOCATION_BYTES)
        if found is None or found.end("scheme") != place:
            continue
        is_software = _SOFTWARE.search(found["path"]) is not None
        is_used = is_software or _FETCH.search(_before(text, found.start())) or _IP.fullmatch(found["host"])
        if is_used and _is_elsewhere(found["host"]) and not _NAMESPACE.search(_before(text, found.start())):
            scheme = found["scheme"].decode()
            is_clear = scheme in ("http", "ftp", "tftp")
            use = f"reached over {scheme}"
            seen = _seen(base + found.start(), found["host"], use, is_clear=is_clear, is_software=is_software)
            yield _Location(seen, base + found.start("host"))


def _seen(offset: int, host: bytes, use: str, *, is_clear: bool, is_software: bool) -> RemoteAddress:
    name = host.decode("ascii", "replace")
    return RemoteAddress(
        offset=offset,
        excerpt=f"{name} {use}".strip(),
        host=name,
        use=use,
        is_number=_IP.fullmatch(host) is not None,
        is_clear=is_clear,
        is_software=is_software,
    )


def _before(text: bytes, position: int) -> bytes:
    """Return what stands before ``position`` in its line, or in its text of a program."""
    start = max(0, position - CONTEXT_BYTES)
    return re.split(rb"[\n\0]", text[start:position])[-1]


def _is_comment(text: bytes, position: int, *, is_text: bool) -> bool:
    return (
        is_text and re.match(rb"[ \t]*(?:#|//|;|\*|--|<!--|rem\b)", _before(text, position), re.IGNORECASE) is not None
    )


def _is_elsewhere(host: bytes) -> bool:
    if _IP.fullmatch(host):
        return _is_routable(host)
    name = host.decode("ascii", "replace").lower().rstrip(".")
    has_domain = re.fullmatch(r"(?:[a-z0-9-]+\.)+[a-z]{2,}", name) is not None
    return has_domain and not re.search(
        r"(?:^|\.)(?:example\.(?:com|org|net)|localhost|local|lan|invalid|test|example|localdomain|internal)$", name
    )


def _is_routable(host: bytes) -> bool:
    try:
        return ipaddress.IPv4Address(host.decode()).is_global and int(host.split(b".")[0]) < 224
    except ValueError:
        return False


def _is_address(text: bytes, found: re.Match[bytes]) -> bool:
    """Tell addresses from versions: large numbers, standing alone or behind a word that names a computer."""
    octets = [int(part) for part in found.group().split(b".")]
    if not _is_routable(found.group()) or found.group().decode() in _PUBLIC_SERVICES:
        return False
    before = _before(text, found.start())
    if _NOT_ADDRESS.search(before) or sum(octet >= LEAST_OCTET for octet in octets) < 2 or octets[0] <= 10:
        return False
    return octets[3] not in (0, 255)


def _wants(content: Content) -> bool:
    if _LIBRARY.search(content.path) is not None or content.name.endswith((".ko", ".o", ".html", ".md", ".rst")):
        return False
    if content.elf is not None or content.program is not None:
        return True
    if content.head.startswith(b"MZ"):
        return content.span.size <= MOST_RAW_BYTES and _SYSTEM_FOLDER.search(content.path) is None
    size = content.span.size
    if (
        content.name.lower().endswith(_SETTINGS)
        or content.head.startswith(b"#!")
        or re.search(r"(?:^|/)etc/", content.path)
    ):
        return size <= MOST_TEXT_BYTES
    return "!" not in content.span.path and size <= MOST_RAW_BYTES


_EXAMPLE = (
    b"#!/bin/sh\n# mount -t nfs 202.114.4.118:/pm /mnt\nmount -t nfs -o nolock 202.114.4.119:/pm /mnt\n"
    b"VERSION=52.33.12.41\nwget http://update.pump-maker.com/fw.bin\nHL7=202.114.4.120\nDNS=10.0.0.9\n"
)

OBSERVER = Observer(
    name="remote-addresses",
    title="Other computers that the device is told to talk to",
    source="IANA IPv4 special-purpose address registry; RFC 3986; mount(8), wget(1)",
    wants=_wants,
    read=_read,
    example=lambda: (
        "usr/bin/connect.sh",
        _EXAMPLE,
    ),
    shows=3,
)
