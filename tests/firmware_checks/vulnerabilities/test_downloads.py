"""Data is fetched whole and checked: what stopped goes on, what is unchanged stays, what was changed is refused."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
import threading
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from firmware_checks.vulnerabilities.downloads import Download, Fetcher, downloads, fetch_all, sources
from toolkit.core.errors import InputError

CONTENT = gzip.compress(b'{"format": "NVD_CVE", "vulnerabilities": []}' + b" " * 5000, mtime=0)
DIGEST = hashlib.sha256(gzip.decompress(CONTENT)).hexdigest().upper()


@dataclass
class Site:
    """What the server has and does: files by path, and how it misbehaves."""

    files: dict[str, bytes] = field(default_factory=dict)
    stop_after: dict[str, list[int]] = field(default_factory=dict)
    """Sizes after which the next transfers of a file break off."""
    codes: dict[str, list[int]] = field(default_factory=dict)
    """Codes with which the next requests are answered."""
    redirect: dict[str, str] = field(default_factory=dict)
    requests: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    url: str = ""
    has_tags: bool = True


class Server(ThreadingHTTPServer):
    """Serves what ``site`` says, on this machine alone."""

    def __init__(self, site: Site) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.site = site
        site.url = f"http://127.0.0.1:{self.server_address[1]}"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  # named by the base class
        pass

    def do_GET(self) -> None:
        site = self.server.site
        site.requests.append((self.path, dict(self.headers)))
        if site.codes.get(self.path):
            self.send_error(site.codes[self.path].pop(0))
        elif self.path in site.redirect:
            self.send_response(302)
            self.send_header("Location", site.redirect[self.path])
            self.end_headers()
        elif self.path not in site.files:
            self.send_error(404)
        else:
            self._send(site.files[self.path])

    def _send(self, data: bytes) -> None:
        site = self.server.site
        tag = f'"{hashlib.sha256(data).hexdigest()[:8]}"'
        if self.headers.get("If-None-Match") == tag:
            self.send_response(304)
            self.end_headers()
            return
        wanted = self.headers.get("Range") if self.headers.get("If-Range") == tag else None
        start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted else 0
        self.send_response(206 if start else 200)
        if site.has_tags:
            self.send_header("ETag", tag)
        self.send_header("Content-Length", str(len(data) - start))
        self.end_headers()
        stops = site.stop_after.get(self.path)
        self.wfile.write(data[start : stops.pop(0) if stops else len(data)])


@pytest.fixture
def site() -> Iterator[Site]:
    known = Site()
    with Server(known) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield known
        server.shutdown()
        thread.join()


@pytest.fixture
def pauses() -> list[float]:
    return []


@pytest.fixture
def fetcher(tmp_path: Path, pauses: list[float]) -> Fetcher:
    return Fetcher(tmp_path / "fetched", proxies={}, pause=pauses.append)


def _download(site: Site, *, checked: bool = True) -> Download:
    site.files.setdefault("/a.json.gz", CONTENT)
    site.files.setdefault("/a.meta", f"lastModifiedDate:2026\r\nsize:1\r\nsha256:{DIGEST}\r\n".encode())
    checksums = f"{site.url}/a.meta" if checked else None
    return Download(url=f"{site.url}/a.json.gz", file_name="a.json.gz", checksums=checksums)


def test_a_file_is_fetched_and_held_against_its_checksum(site: Site, fetcher: Fetcher) -> None:
    assert fetcher.fetch(_download(site)).read_bytes() == CONTENT


def test_what_is_there_already_is_not_fetched_again(site: Site, fetcher: Fetcher) -> None:
    fetcher.fetch(_download(site))
    site.requests.clear()
    fetcher.fetch(_download(site))
    assert [path for path, _ in site.requests] == ["/a.meta"]


def test_without_checksums_the_server_says_that_nothing_changed(site: Site, fetcher: Fetcher) -> None:
    wanted = _download(site, checked=False)
    fetcher.fetch(wanted)
    assert fetcher.fetch(wanted).read_bytes() == CONTENT
    assert "If-None-Match" in site.requests[-1][1]
    site.files["/a.json.gz"] = gzip.compress(b"new")
    assert gzip.decompress(fetcher.fetch(wanted).read_bytes()) == b"new"


def test_a_transfer_that_stops_goes_on_where_it_was(site: Site, fetcher: Fetcher, pauses: list[float]) -> None:
    site.stop_after["/a.json.gz"] = [10, 40]
    assert fetcher.fetch(_download(site)).read_bytes() == CONTENT
    asked = [headers.get("Range") for path, headers in site.requests if path == "/a.json.gz"]
    assert asked == [None, "bytes=10-", "bytes=40-"]
    assert len(pauses) == 2


def test_it_goes_on_in_another_run_too(site: Site, fetcher: Fetcher) -> None:
    site.stop_after["/a.json.gz"] = [10, 11, 12, 13]
    with pytest.raises(InputError, match="run it again to go on"):
        fetcher.fetch(_download(site))
    assert fetcher.fetch(_download(site)).read_bytes() == CONTENT
    assert site.requests[-1][1]["Range"] == "bytes=13-"


def test_a_stop_before_the_first_byte_does_not_make_the_old_file_pass_for_the_new_one(
    site: Site, fetcher: Fetcher
) -> None:
    download = _download(site, checked=False)
    assert fetcher.fetch(download).read_bytes() == CONTENT
    newer = gzip.compress(b"newer" * 4000, mtime=0)
    site.files["/a.json.gz"] = newer
    site.stop_after["/a.json.gz"] = [0, 0, 0, 0]
    with pytest.raises(InputError, match="stopped after 0 of"):
        fetcher.fetch(download)
    assert fetcher.fetch(download).read_bytes() == newer
    assert fetcher.fetch(download).read_bytes() == newer


def test_a_proxy_is_asked_for_the_whole_address(site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    address = "http://127.0.0.1:9/far/a.json.gz"
    site.files[address] = CONTENT
    through = Fetcher(tmp_path / "fetched", proxies={"http": site.url}, pause=lambda _: None)
    assert through.fetch(Download(url=address, file_name="a.json.gz")).read_bytes() == CONTENT
    assert [path for path, _headers in site.requests] == [address]


def test_a_part_of_an_older_state_is_thrown_away(site: Site, fetcher: Fetcher) -> None:
    site.stop_after["/a.json.gz"] = [10]
    site.codes["/a.json.gz"] = []
    wanted = _download(site, checked=False)
    site.codes["/a.json.gz"] = []
    new = gzip.compress(b"another state")

    class Changing(list[int]):
        def pop(self, index: Any = -1) -> int:  # type: ignore[override]
            site.files["/a.json.gz"] = new
            return super().pop(index)

    site.stop_after["/a.json.gz"] = Changing([10])
    assert fetcher.fetch(wanted).read_bytes() == new


def test_a_server_that_names_no_state_is_asked_for_the_whole(site: Site, fetcher: Fetcher) -> None:
    site.has_tags = False
    site.stop_after["/a.json.gz"] = [10]
    assert fetcher.fetch(_download(site)).read_bytes() == CONTENT
    assert all("Range" not in headers for _, headers in site.requests)
    assert fetcher.fetch(_download(site, checked=False)).read_bytes() == CONTENT


def test_content_without_its_checksum_is_refused_and_removed(site: Site, fetcher: Fetcher, tmp_path: Path) -> None:
    wanted = _download(site)
    site.files["/a.json.gz"] = gzip.compress(b"tampered with")
    with pytest.raises(InputError, match="does not have the published checksum"):
        fetcher.fetch(wanted)
    assert not (tmp_path / "fetched" / "a.json.gz").exists()
    site.files["/a.json.gz"] = CONTENT[:-9]
    with pytest.raises(InputError, match="checksum"):
        fetcher.fetch(wanted)


def test_a_list_of_checksums_without_one_is_refused(site: Site, fetcher: Fetcher) -> None:
    site.files["/a.meta"] = b"hello"
    with pytest.raises(InputError, match="states no SHA-256"):
        fetcher.fetch(_download(site))


@pytest.mark.parametrize(
    ("codes", "is_fetched"), [([503, 429], True), ([503] * 4, False), ([403], False), ([416], False)]
)
def test_a_busy_server_is_asked_again(site: Site, fetcher: Fetcher, codes: list[int], is_fetched: bool) -> None:
    site.codes["/a.json.gz"] = codes
    if is_fetched:
        assert fetcher.fetch(_download(site)).read_bytes() == CONTENT
        return
    with pytest.raises(InputError, match="cannot be fetched"):
        fetcher.fetch(_download(site))


def test_a_server_that_is_not_there_is_named(fetcher: Fetcher) -> None:
    with pytest.raises(InputError, match=r"127\.0\.0\.1:9/x: cannot be fetched"):
        fetcher.fetch(Download(url="http://127.0.0.1:9/x", file_name="x"))


@pytest.mark.parametrize("url", ["http://example.invalid/x", "ftp://127.0.0.1/x", "file:///etc/passwd"])
def test_only_what_nobody_on_the_way_can_change_is_fetched(fetcher: Fetcher, url: str) -> None:
    with pytest.raises(InputError, match="only https"):
        fetcher.fetch(Download(url=url, file_name="x"))


def test_a_redirect_to_plain_http_is_refused(site: Site, fetcher: Fetcher) -> None:
    site.redirect["/away"] = "http://example.invalid/x"
    with pytest.raises(InputError, match="only https"):
        fetcher.fetch(Download(url=f"{site.url}/away", file_name="x"))
    _download(site)
    site.redirect["/here"] = f"{site.url}/a.json.gz"
    assert fetcher.fetch(Download(url=f"{site.url}/here", file_name="x")).read_bytes() == CONTENT


def test_the_sources_are_complete_and_a_mirror_has_them_under_their_hosts() -> None:
    known = {source.name: source for source in sources()}
    assert {"nvd", "nvd-modified", "kev", "epss", "endoflife", "csaf", "kernel", "openssl", "curl", "osv"} <= set(known)
    assert all(source.url.startswith("https://") for source in known.values())
    wanted = list(downloads(sources(), this_year=2026, mirror="https://mirror.example/x/"))
    assert len({download.file_name for download in wanted}) == len(wanted) == 25 + len(known) - 1
    assert wanted[0].url == "https://mirror.example/x/nvd.nist.gov/feeds/json/cve/2.0/nvdcve-2.0-2002.json.gz"
    assert wanted[0].checksums == "https://mirror.example/x/nvd.nist.gov/feeds/json/cve/2.0/nvdcve-2.0-2002.meta"
    assert next(downloads([known["kev"]], this_year=2026)).url == known["kev"].url


def test_an_update_from_a_mirror_makes_a_database(lab: Any, site: Site) -> None:
    from toolkit.app.cli import run

    feed = gzip.compress(
        json.dumps(lab.feed(lab.record("CVE-2026-0001", lab.plain(lab.row("a:acme:pump:1"))))).encode()
    )
    digest = hashlib.sha256(gzip.decompress(feed)).hexdigest()
    base = "/nvd.nist.gov/feeds/json/cve/2.0/nvdcve-2.0-modified"
    site.files |= {f"{base}.json.gz": feed, f"{base}.meta": f"sha256:{digest}\n".encode()}
    arguments = ["db", "update", "--db", str(lab.path), "--only", "nvd-modified", "--mirror", site.url]
    assert run(arguments) == 0
    assert run(arguments) == 0
    assert lab.database().counts()["vulnerabilities"] == 1
    assert run(["db", "update", "--db", str(lab.path), "--only", "nothing"]) == 2


def _archive(name: str, document: Any) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        info = tarfile.TarInfo(f"repository-main/{name}")
        data = json.dumps(document).encode()
        info.size = len(data)
        archive.addfile(info, io.BytesIO(data))
    return packed.getvalue()


def _cve_5(name: str, maker: str) -> dict[str, Any]:
    version = {"version": "1", "lessThan": "2", "status": "affected", "versionType": "custom"}
    affected = [{"vendor": maker, "product": maker, "versions": [version]}]
    return {
        "dataType": "CVE_RECORD",
        "cveMetadata": {"cveId": name, "state": "PUBLISHED", "dateUpdated": "2026-02-01"},
        "containers": {"cna": {"providerMetadata": {"shortName": maker}, "affected": affected}},
    }


def _everything(lab: Any) -> dict[str, bytes]:
    """Return each source's file by its name, in the format that its publisher has."""
    osv = io.BytesIO()
    with zipfile.ZipFile(osv, "w") as archive:
        archive.writestr("OSV-2024-1.json", json.dumps({"id": "OSV-2024-1", "modified": "2026-01-01", "affected": []}))
    advisory = {"document": {"csaf_version": "2.0", "tracking": {"id": "ICSMA-26-001-01"}}, "vulnerabilities": []}
    exploited = {
        "catalogVersion": "2026.07.20",
        "count": 1,
        "vulnerabilities": [{"cveID": "CVE-2026-0001", "dateAdded": "2026-07-01"}],
    }
    life = {"schema_version": "1", "result": [{"name": "pump", "releases": [{"name": "1", "isEol": True}]}]}
    curl = [{"schema_version": "1.5.0", "id": "CURL-CVE-2026-0004", "modified": "2026-01-01", "aliases": []}]
    return {
        "nvd": gzip.compress(
            json.dumps(lab.feed(lab.record("CVE-2026-0001", lab.plain(lab.row("a:a:pump:1"))))).encode()
        ),
        "nvd-modified": gzip.compress(json.dumps(lab.feed(lab.record("CVE-2026-0002"))).encode()),
        "kev": json.dumps(exploited).encode(),
        "epss": gzip.compress(b"#model_version:v4,score_date:2026-08-16\ncve,epss,percentile\nCVE-2026-0001,0.5,0.9\n"),
        "endoflife": json.dumps(life).encode(),
        "csaf": _archive("csaf_files/OT/white/2026/icsma-26-001-01.json", advisory),
        "kernel": _archive("cve/published/2026/CVE-2026-0003.json", _cve_5("CVE-2026-0003", "linux")),
        "openssl": _archive("secjson/CVE-2026-0005.json", _cve_5("CVE-2026-0005", "openssl")),
        "curl": json.dumps(curl).encode(),
        "osv": osv.getvalue(),
    }


def test_everything_that_is_published_goes_into_one_database(
    lab: Any, site: Site, fetcher: Fetcher, pauses: list[float]
) -> None:
    content = _everything(lab)
    for source in sources():
        for url in (source.url, source.checksums or ""):
            path = "/" + url.format(year=2002).removeprefix("https://")
            packed = content[source.name]
            digest = hashlib.sha256(gzip.decompress(packed)).hexdigest() if source.checksums else ""
            site.files[path] = f"sha256:{digest}\n".encode() if path.endswith(".meta") else packed
            site.stop_after[path] = [] if path.endswith(".meta") else [20]  # each transfer breaks off once
    wanted = list(downloads(sources(), this_year=2002, mirror=site.url))
    files = fetch_all(wanted, fetcher, lambda _: None)
    assert len(pauses) == len(wanted) == len(content)
    lab.take(*files)
    kinds = {feed.kind for feed in lab.database().feeds()}
    assert kinds == {"nvd", "kev", "epss", "endoflife", "csaf", "cve5", "osv"}
    counts = lab.database().counts()
    assert (counts["vulnerabilities"], counts["exploited"], counts["scores"], counts["advisories"]) == (6, 1, 1, 1)


def test_what_is_fetched_is_told(site: Site, fetcher: Fetcher) -> None:
    told: list[str] = []
    assert len(fetch_all([_download(site)], fetcher, told.append)) == 1
    assert told == [f"1 of 1: {site.url}/a.json.gz"]
