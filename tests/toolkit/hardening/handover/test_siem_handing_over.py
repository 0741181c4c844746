"""Events reach a collector whole, no other collector gets any, and an archive that was touched is not believed."""

from __future__ import annotations

import datetime as dt
import ipaddress
import json
import re
import socket
import ssl
import threading
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from signing.refusal import Refusal
from toolkit.app.cli import medharden
from toolkit.core.errors import InputError
from toolkit.hardening.siem.archive import evidence_archive, verified_archive
from toolkit.hardening.siem.events import Form, messages_of
from toolkit.hardening.siem.sending import collector_at
from toolkit.hardening.zip_packing import packed_zip
from toolkit.report.json_report import to_json
from toolkit.report.model import Report


@pytest.fixture(scope="module")
def identity(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a folder with the certificate of an own authority, of another one, and of a collector on this computer."""
    folder = tmp_path_factory.mktemp("identity")
    for name in ("ca", "other"):
        key = ec.generate_private_key(ec.SECP256R1())
        title = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        (folder / f"{name}.pem").write_bytes(_certificate(title, key, title, key, ca=True))
        if name == "ca":
            own = ec.generate_private_key(ec.SECP256R1())
            leaf = _certificate(x509.Name([]), own, title, key, ca=False)
            form, plain = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            (folder / "collector.pem").write_bytes(leaf + own.private_bytes(serialization.Encoding.PEM, form, plain))
    return folder


def _certificate(
    subject: x509.Name, key: ec.EllipticCurvePrivateKey, issuer: x509.Name, by: ec.EllipticCurvePrivateKey, *, ca: bool
) -> bytes:
    start = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)
    names = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    usage = x509.KeyUsage(
        digital_signature=True, content_commitment=False, key_encipherment=False, data_encipherment=False,
        key_agreement=False, key_cert_sign=ca, crl_sign=ca, encipher_only=False, decipher_only=False,
    )  # fmt: skip
    builder = (
        x509.CertificateBuilder(issuer, subject, key.public_key(), 7, start, start.replace(year=2060))
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(by.public_key()), critical=False)
        .add_extension(usage, critical=True)
    )
    if not ca:
        builder = builder.add_extension(names, critical=True)
    return builder.sign(by, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


@contextmanager
def collector(identity: Path | None = None) -> Iterator[tuple[int, list[bytes]]]:
    """Listen once; what arrived is in the list when the block is left."""
    got: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            line, _ = listening.accept()
            with line:
                line.settimeout(10)
                if identity is None:
                    line.sendall(b"hello")
                try:
                    if identity is not None:
                        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
                        context.load_cert_chain(identity / "collector.pem")
                        line = context.wrap_socket(line, server_side=True)
                    while part := line.recv(65_536):
                        got.append(part)
                except OSError:  # the other side does not believe us
                    pass
                finally:
                    line.close()

        thread = threading.Thread(target=serve)
        thread.start()
        yield listening.getsockname()[1], got
        thread.join(20)


def frames(data: bytes) -> list[bytes]:
    """Take octet-counted messages apart, independently of who wrote them."""
    found = []
    while data:
        head = re.match(rb"([1-9][0-9]*) ", data)
        assert head is not None
        size = int(head[1])
        found.append(data[head.end() : head.end() + size])
        assert len(found[-1]) == size
        data = data[head.end() + size :]
    return found


def run(*line: str) -> Result:
    return CliRunner().invoke(medharden, ["siem", *line], standalone_mode=False)


@pytest.fixture(scope="module")
def read(tmp_path_factory: pytest.TempPathFactory, weak_report: Report) -> str:
    path = tmp_path_factory.mktemp("read") / "report.json"
    path.write_bytes(to_json(weak_report))
    return str(path)


@pytest.mark.parametrize("form", list(Form))
def test_every_event_arrives_over_tcp_with_its_length(form: Form, read: str, weak_report: Report) -> None:
    with collector() as (port, got):
        result = run("send", read, "--to", f"tcp://127.0.0.1:{port}", "--form", form.value)
    assert result.return_value == 0, result.exception
    arrived = frames(b"".join(got))
    assert tuple(arrived) == messages_of(weak_report, form)
    assert all(re.match(rb"<\d{1,3}>1 \S+ - medharden - \S+ ", message) for message in arrived)
    assert f"{len(arrived)} events" in result.stdout
    assert len(arrived) >= 5
    if form is Form.OCSF:
        assert json.loads(arrived[0].partition(b" - ocsf - ")[2])["class_uid"] == 6007


def test_events_arrive_over_tls_from_a_collector_that_is_known(identity: Path, read: str, weak_report: Report) -> None:
    with collector(identity) as (port, got):
        result = run("send", read, "--to", f"tls://127.0.0.1:{port}", "--ca", str(identity / "ca.pem"))
    assert result.return_value == 0, result.exception
    assert tuple(frames(b"".join(got))) == messages_of(weak_report, Form.SYSLOG)


@pytest.mark.parametrize(
    ("host", "authority", "reason"),
    [("127.0.0.1", "other.pem", "certificate is refused"), ("localhost", "ca.pem", "certificate is refused")],
)
def test_a_wrong_certificate_or_name_gets_nothing(
    identity: Path, read: str, host: str, authority: str, reason: str
) -> None:
    with collector(identity) as (port, got):
        result = run("send", read, "--to", f"tls://{host}:{port}", "--ca", str(identity / authority))
    assert isinstance(result.exception, InputError)
    assert reason in str(result.exception)
    assert got == []


def test_each_failure_is_one_sentence(identity: Path, read: str, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        closed = listening.getsockname()[1]
    for address, options, reason in (
        (f"tcp://127.0.0.1:{closed}", (), "refused"),
        ("udp://a:1", (), "is no collector"),
        ("tls://a:99999", (), "is no collector"),
        ("tls://a..b:1", (), "is no collector"),
        ("tls://a:1", ("--ca", str(tmp_path / "none.pem")), "no file with certificates"),
        ("tls://a:1", ("--ca", read), "no file with certificates"),
    ):
        result = run("send", read, "--to", address, *options)
        assert isinstance(result.exception, InputError)
        assert reason in str(result.exception)
        assert "\n" not in str(result.exception)
    with socket.create_server(("127.0.0.1", 0)) as listening:  # nobody answers
        port = listening.getsockname()[1]
        result = run(
            "send", read, "--to", f"tls://127.0.0.1:{port}", "--ca", str(identity / "ca.pem"), "--timeout", "0.3"
        )
    assert "no answer within 0.3 s" in str(result.exception)
    with collector(identity) as (port, got):  # a TLS port asked in the clear closes the connection
        result = run("send", read, "--to", f"tcp://127.0.0.1:{port}")
    assert got == []


def test_what_is_no_tls_is_told(identity: Path, read: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def greet() -> None:
            line, _ = listening.accept()
            with line:
                line.sendall(b"220 mail.example ready\r\n")
                line.recv(4096)

        thread = threading.Thread(target=greet)
        thread.start()
        address = f"tls://127.0.0.1:{listening.getsockname()[1]}"
        result = run("send", read, "--to", address, "--ca", str(identity / "ca.pem"))
        thread.join(20)
    assert "no TLS connection" in str(result.exception)


def test_addresses_are_read() -> None:
    assert str(collector_at("tls://siem.example:6514")) == "tls://siem.example:6514"
    assert collector_at("tcp://[::1]:601").host == "::1"


def test_an_archive_is_the_same_each_time_and_is_believed(key: Any, read: str, tmp_path: Path) -> None:
    trust = key.trust
    for name in ("a.zip", "b.zip"):
        assert run("archive", read, read, "--to", str(tmp_path / name), *key.options).return_value == 0
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()
    result = run("check", str(tmp_path / "a.zip"), "--trust", str(trust))
    assert (result.return_value, "8 files are as they were" in result.stdout) == (0, True)
    told = json.loads(run("check", str(tmp_path / "a.zip"), "--trust", str(trust), "--json").stdout)
    assert [row["path"] for row in told["files"]][:2] == ["001/events.cef", "001/events.ocsf.jsonl"]
    assert run("archive", read, "--to", str(tmp_path / "c.zip")).return_value == 0
    unsigned = run("check", str(tmp_path / "c.zip"), "--trust", str(trust))
    assert isinstance(unsigned.exception, Refusal)
    assert unsigned.exception.rule == "archive.unsigned"


def test_an_archive_that_was_touched_is_refused(key: Any, report: Report, tmp_path: Path) -> None:
    public = key.signer.public
    good = evidence_archive([report], key.signer)
    assert verified_archive(good, [public])[1].key_id == public.key_id
    with zipfile.ZipFile(_kept(tmp_path, good)) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    manifest = files["manifest.json"]
    hurt = {
        "archive.changed": [
            files | {"001/events.cef": b""},
            files | {"002/more": b""},
            {name: data for name, data in files.items() if name != "001/report.json"},
        ],
        "archive.malformed": [{}, files | {"manifest.json": b"{}"}, {f"{n}": b"" for n in range(2_001)}],
        "archive.unsigned": [
            files | {"manifest.json": re.sub(rb'"signatures": \[.*\]', b'"signatures": []', manifest, flags=re.DOTALL)}
        ],
    }
    for rule, archives in hurt.items():
        for content in archives:
            with pytest.raises(Refusal) as refused:
                verified_archive(packed_zip(content), [public])
            assert refused.value.rule == rule
    with pytest.raises(Refusal):
        verified_archive(good, [])
    for end in range(0, len(good), 101):
        with pytest.raises(Refusal):
            verified_archive(good[:end], [public])


def test_a_name_that_stands_twice_is_refused(key: Any, tmp_path: Path) -> None:
    path = tmp_path / "twice.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a", b"1")
        with pytest.warns(UserWarning, match="Duplicate"):
            archive.writestr("a", b"2")
    with pytest.raises(Refusal, match="stands twice"):
        verified_archive(path.read_bytes(), [key.signer.public])


def _kept(folder: Path, data: bytes) -> Path:
    path = folder / "kept.zip"
    path.write_bytes(data)
    return path
