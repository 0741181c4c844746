import gzip
import hashlib
import io
import tarfile

import pytest

from firmware_checks.format import Opened
from firmware_checks.formats.alpine_apk import FORMAT, SEGMENT_BYTES
from firmware_checks.span import Span
from toolkit.core.errors import FormatError
from toolkit.core.limits import Limits
from toolkit.core.window import Window


def _open(data: bytes) -> Opened:
    return FORMAT.open(Span("pump.apk", Window.of(data)), Limits())


def _packed(files: dict[str, bytes], *, last: bool = False) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
        size = archive.offset
    return gzip.compress(file.getvalue() if last else file.getvalue()[:size], mtime=0)


CONTENT = _packed({"usr/bin/pump": b"pump" * 100}, last=True)
DATA_HASH = hashlib.sha256(CONTENT).hexdigest()
ABOUT = f"# made by abuild\npkgname = pump\npkgver = 1.2-r3\narch = armv7\ndatahash = {DATA_HASH}\n"
DESCRIPTION = _packed({".PKGINFO": ABOUT.encode(), ".post-install": b"#!/bin/sh\n"})
SIGNATURE = _packed({".SIGN.RSA.key.rsa.pub": bytes(256)})


def test_a_signed_package_is_told_with_its_description() -> None:
    data = SIGNATURE + DESCRIPTION + CONTENT
    opened = _open(data + b"after")
    assert opened.size == len(data)
    assert opened.facts == {
        "package": "pump",
        "version": "1.2-r3",
        "architecture": "armv7",
        "signature": "RSA.key.rsa.pub",
        "signed": True,
    }
    assert [v.covers for v in opened.integrity if v.algorithm == "sha256"] == ["packed content"]
    assert all(verdict.valid for verdict in opened.integrity)
    (entry,) = opened.entries
    assert entry.read(1 << 20) == gzip.decompress(data)


def test_a_package_without_signature_is_told() -> None:
    opened = _open(DESCRIPTION + CONTENT)
    assert opened.facts["signed"] is False
    assert all(verdict.valid for verdict in opened.integrity)


def test_content_that_was_changed_is_a_verdict() -> None:
    other = _packed({"usr/bin/pump": b"pomp" * 100}, last=True)
    assert not _open(DESCRIPTION + other).integrity[0].valid


def test_a_package_without_a_hash_has_no_such_verdict() -> None:
    opened = _open(_packed({".PKGINFO": b"pkgname = pump\n"}) + CONTENT)
    assert {v.algorithm for v in opened.integrity} == {"crc32", "size modulo 2^32"}


@pytest.mark.parametrize(
    "data",
    [
        _packed({"pump.bin": b""}),
        SIGNATURE,
        SIGNATURE + CONTENT,
        SIGNATURE + b"\x1f\x8b\x08" + b"\xff" * 50,
        SIGNATURE + _packed({".PKGINFO": bytes(SEGMENT_BYTES)}),
        b"\x1f\x8b\x08" + bytes(50),
    ],
)
def test_what_is_no_apk_is_refused(data: bytes) -> None:
    with pytest.raises(FormatError):
        _open(data)
