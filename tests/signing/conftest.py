"""What tests of signing share: a token of SoftHSM, which reads the place of its tokens once per program."""

from __future__ import annotations

import os
import shutil
import subprocess

import pytest

SOFTHSM_PIN = "1234"


@pytest.fixture(scope="session")
def softhsm_token(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Label of a token of SoftHSM with the PIN 1234, in a folder of its own."""
    if shutil.which("softhsm2-util") is None:
        pytest.skip("softhsm2-util is not installed (Debian package softhsm2)")
    pytest.importorskip("pkcs11", reason="python-pkcs11 is not installed")
    folder = tmp_path_factory.mktemp("tokens")
    settings = folder / "softhsm2.conf"
    settings.write_text(f"directories.tokendir = {folder}\nobjectstore.backend = file\n", encoding="utf-8")
    os.environ["SOFTHSM2_CONF"] = str(settings)
    subprocess.run(
        ["softhsm2-util", "--init-token", "--free", "--label", "clinic", "--pin", SOFTHSM_PIN, "--so-pin", "5678"],  # noqa: S607
        check=True,
        capture_output=True,
    )
    return "clinic"
