"""Only what wraps the update is asked for a signature, and alike layers are told together."""

import io
import zipfile
from pathlib import Path

from firmware_checks.formats.mcuboot import build_image
from firmware_checks.scan import Scanner
from toolkit.core.findings import Finding, Severity


def _findings(folder: Path, data: bytes) -> list[Finding]:
    path = folder / "update.zip"
    path.write_bytes(data)
    return [f for f in Scanner().scan(path).findings if f.check == "update-not-signed"]


def _zip(**files: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return out.getvalue()


def test_alike_layers_without_a_signature_are_one_finding(tmp_path: Path) -> None:
    (finding,) = _findings(tmp_path, _zip(left=build_image(b"program"), right=build_image(b"another")))
    assert finding.severity is Severity.HIGH
    assert [e.path for e in finding.evidence] == ["update.zip!left", "update.zip!right"]
    assert finding.detail.endswith("(and so in 1 more)")


def test_what_a_signed_layer_holds_needs_no_signature_of_its_own(tmp_path: Path) -> None:
    inside = _zip(left=build_image(b"program"))
    assert _findings(tmp_path, _zip(signed=build_image(inside, (0x22, b"a signature")))) == []
