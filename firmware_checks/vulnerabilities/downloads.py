"""Fetching vulnerability data: over HTTPS, going on where it stopped, held against checksums where there are any."""

from __future__ import annotations

import gzip
import hashlib
import http.client
import ipaddress
import os
import tomllib
import urllib.error
import urllib.request
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from toolkit.core.errors import InputError
from toolkit.core.files import write_whole

__all__ = ["Download", "Fetcher", "Source", "downloads", "fetch_all", "sources"]

CHUNK_BYTES = 1 << 18
LARGEST_BYTES = 2 << 30
LARGEST_META_BYTES = 1 << 14
TIMEOUT_S = 60.0
ATTEMPTS = 4
PAUSES_S = (2.0, 8.0, 30.0)
"""Between attempts; the NVD asks for patience."""
HTTP_PARTIAL, HTTP_NOT_MODIFIED, HTTP_BAD_RANGE = 206, 304, 416
_TRANSIENT = frozenset({408, 429, 500, 502, 503, 504})


class Source(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One publisher's files."""

    name: str
    title: str
    url: str
    checksums: str | None = None
    """NVD META file with the SHA-256 of the unpacked content."""
    since: int | None = None


class _Sources(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    source: tuple[Source, ...]


class _State(msgspec.Struct):
    """What the server said about a file, kept beside it."""

    etag: str = ""
    modified: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Download:
    """One file to fetch."""

    url: str
    file_name: str
    checksums: str | None = None


def sources() -> tuple[Source, ...]:
    """Return where data is published."""
    text = resources.files("firmware_checks").joinpath("vulnerabilities", "sources.toml").read_text(encoding="utf-8")
    return msgspec.convert(tomllib.loads(text), _Sources).source


def downloads(chosen: Sequence[Source], *, this_year: int, mirror: str | None = None) -> Iterator[Download]:
    """Yield the files of ``chosen``; with a ``mirror`` each is there under its host and path."""
    for source in chosen:
        years = range(source.since, this_year + 1) if source.since is not None else (this_year,)
        for year in years:
            url = source.url.format(year=year)
            checksums = source.checksums.format(year=year) if source.checksums else None
            name = f"{source.name}-{urlsplit(url).path.rpartition('/')[2]}"
            yield Download(
                url=_mirrored(url, mirror),
                file_name=name,
                checksums=_mirrored(checksums, mirror) if checksums else None,
            )


def _mirrored(url: str, mirror: str | None) -> str:
    if mirror is None:
        return url
    parts = urlsplit(url)
    return f"{mirror.rstrip('/')}/{parts.netloc}{parts.path}"


class _SafeRedirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, req, fp, code, msg, headers, newurl):  # type: ignore[no-untyped-def]
        _require_safe(newurl)
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _require_safe(url: str) -> None:
    """Raise ``InputError`` for what anybody on the way could change: plain HTTP, except to this very machine."""
    parts = urlsplit(url)
    if parts.scheme == "https":
        return
    host = parts.hostname or ""
    try:
        is_here = host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        is_here = False
    if parts.scheme != "http" or not is_here:
        raise InputError(f"{url}: only https is fetched")


class Fetcher:
    """Fetches files into a folder; what is there in part is completed, what has not changed is kept."""

    def __init__(self, folder: Path, *, proxies: Mapping[str, str], pause: Callable[[float], None]) -> None:
        self._folder = folder
        self._pause = pause
        proxy = urllib.request.ProxyHandler(dict(proxies))
        self._opener = urllib.request.build_opener(proxy, _SafeRedirects)
        self._opener.addheaders = [("User-Agent", "medharden")]

    def fetch(self, download: Download) -> Path:
        """Return the file, whole and checked; raise ``InputError`` when it cannot be had."""
        _require_safe(download.url)
        self._folder.mkdir(parents=True, exist_ok=True)
        target = self._folder / download.file_name
        digest = self._digest(download.checksums) if download.checksums else None
        if digest is not None and target.is_file() and _content_digest(target) == digest:
            return target
        self._with_patience(download.url, lambda: self._transfer(download.url, target))
        if digest is not None and _content_digest(target) != digest:
            target.unlink()
            raise InputError(f"{download.url}: the content does not have the published checksum; try again later")
        return target

    def _digest(self, url: str) -> str:
        text = self._with_patience(url, lambda: self._small(url))
        values = dict(line.strip().partition(":")[::2] for line in text.splitlines())
        digest = values.get("sha256", "").strip().lower()
        if len(digest) != hashlib.sha256().digest_size * 2:
            raise InputError(f"{url}: states no SHA-256")
        return digest

    def _small(self, url: str) -> str:
        _require_safe(url)
        with self._opener.open(url, timeout=TIMEOUT_S) as response:
            return str(response.read(LARGEST_META_BYTES).decode("ascii", "replace"))

    def _with_patience(self, url: str, action: Callable[[], str]) -> str:
        for attempt in range(ATTEMPTS):
            try:
                return action()
            except urllib.error.HTTPError as error:
                error.close()
                problem = f"{error.code} {error.reason}"
                if error.code not in _TRANSIENT:
                    break
            except (OSError, http.client.HTTPException) as error:
                problem = str(getattr(error, "reason", None) or error)
            if attempt < len(PAUSES_S):
                self._pause(PAUSES_S[attempt])
        raise InputError(f"{url}: cannot be fetched ({problem}); run it again to go on from there")

    def _transfer(self, url: str, target: Path) -> str:
        part = target.with_name(f"{target.name}.part")
        part_state = _state_of(part)
        request = urllib.request.Request(url, headers=_headers(target, part))  # noqa: S310  # checked to be https
        try:
            with self._opener.open(request, timeout=TIMEOUT_S) as response:
                self._receive(response, part, part_state)
        except urllib.error.HTTPError as error:
            if error.code == HTTP_NOT_MODIFIED and target.is_file():
                error.close()
                return target.name
            if error.code == HTTP_BAD_RANGE:
                part.unlink(missing_ok=True)
            raise
        part.replace(target)
        part_state.replace(_state_of(target))  # after the file: a stop between the two costs a transfer, no more
        return target.name

    def _receive(self, response: http.client.HTTPResponse, part: Path, state_file: Path) -> None:
        state = _State(response.headers.get("ETag", ""), response.headers.get("Last-Modified", ""))
        write_whole(state_file, msgspec.json.encode(state))
        length = response.headers.get("Content-Length")
        with part.open("ab" if response.status == HTTP_PARTIAL else "wb") as file:
            wanted = None if length is None else file.tell() + int(length)
            while chunk := response.read(CHUNK_BYTES):
                file.write(chunk)
                if file.tell() > LARGEST_BYTES:
                    raise InputError(f"{part.name}: more than {LARGEST_BYTES} bytes, which no such file has")
            file.flush()
            os.fsync(file.fileno())
            if wanted is not None and file.tell() != wanted:
                raise ConnectionError(f"stopped after {file.tell()} of {wanted} bytes")


def _state_of(file: Path) -> Path:
    """Return where it is kept what the server said about ``file``; a part has a state of its own."""
    return file.with_name(f"{file.name}.state")


def _headers(target: Path, part: Path) -> dict[str, str]:
    """Return what asks for the rest of a part of the same state, or for the whole unless it is unchanged."""
    state = _read_state(_state_of(part))
    tag = state.etag or state.modified
    if tag and part.is_file() and (size := part.stat().st_size):
        return {"Range": f"bytes={size}-", "If-Range": tag}
    if not target.is_file():
        return {}
    state = _read_state(_state_of(target))
    unchanged = {"If-None-Match": state.etag, "If-Modified-Since": state.modified}
    return {name: value for name, value in unchanged.items() if value}


def _read_state(path: Path) -> _State:
    try:
        return msgspec.json.decode(path.read_bytes(), type=_State)
    except (OSError, msgspec.DecodeError):
        return _State()


def _content_digest(path: Path) -> str:
    """Return the SHA-256 of what is packed in ``path``; empty when it is broken."""
    digest = hashlib.sha256()
    try:
        with gzip.open(path) as file:
            while chunk := file.read(CHUNK_BYTES):
                digest.update(chunk)
    except (OSError, EOFError, zlib.error):
        return ""
    return digest.hexdigest()


def fetch_all(wanted: Sequence[Download], fetcher: Fetcher, tell: Callable[[str], None]) -> list[Path]:
    """Return the files of ``wanted``, each whole and checked."""
    files = []
    for number, download in enumerate(wanted, 1):
        tell(f"{number} of {len(wanted)}: {download.url}")
        files.append(fetcher.fetch(download))
    return files
