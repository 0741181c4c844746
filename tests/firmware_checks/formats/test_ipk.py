import gzip
import io
import tarfile

import pytest

from firmware_checks.format import Opened
from firmware_checks.formats.ipk import FORMAT
from firmware_checks.span import Span
from toolkit.core.errors import FormatError, LimitExceeded
from toolkit.core.limits import Limits
from toolkit.core.window import Window


def _open(data: bytes, *, limits: Limits = Limits()) -> Opened:  # noqa: B008  # frozen
    return FORMAT.open(Span("pump.ipk", Window.of(data)), limits)


def _packed(files: dict[str, bytes], form: int = tarfile.GNU_FORMAT) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=form) as archive:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return gzip.compress(file.getvalue(), mtime=0)


CONTROL = _packed({"./control": b"Package: pump\nVersion: 1.2\nArchitecture: arm\nSection: base\n"})


@pytest.mark.parametrize("prefix", ["./", ""])
def test_a_package_is_told_with_what_its_control_file_says(prefix: str) -> None:
    data = _packed(
        {f"{prefix}debian-binary": b"2.0\n", f"{prefix}data.tar.gz": b"", f"{prefix}control.tar.gz": CONTROL}
    )
    opened = _open(data + b"after")
    assert opened.size == len(data)
    assert opened.facts == {"package_format": "2.0", "package": "pump", "version": "1.2", "architecture": "arm"}
    assert all(verdict.valid for verdict in opened.integrity)
    (entry,) = opened.entries
    assert entry.read(1 << 20) == gzip.decompress(data)


def test_a_package_without_a_control_file_tells_nothing() -> None:
    data = _packed({"debian-binary": b"2.0\n", "control.tar.gz": _packed({"./md5sums": b""})})
    assert _open(data).facts == {"package_format": "2.0"}


@pytest.mark.parametrize(
    "data",
    [
        _packed({"pump.bin": b"x"}),
        gzip.compress(b"debian-binary\0", mtime=0),
        b"\x1f\x8b\x08" + b"\xff" * 60,
        b"",
        b"PK",
    ],
)
def test_what_is_no_ipk_is_refused(data: bytes) -> None:
    with pytest.raises(FormatError):
        _open(data)


def test_a_bomb_is_stopped() -> None:
    data = _packed({"debian-binary": b"2.0\n", "data.tar.gz": bytes(4 << 20)})
    with pytest.raises(LimitExceeded):
        _open(data, limits=Limits(entry_bytes=1 << 20))
