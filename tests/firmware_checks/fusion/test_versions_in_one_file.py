"""Every version in a file is reported, with where it stands."""

from __future__ import annotations

from pathlib import Path

from firmware_checks.scan import Scanner


def test_several_versions_of_one_library_in_a_file_are_all_reported_with_their_offsets(tmp_path: Path) -> None:
    old, new = (
        f"deflate {v} Copyright 1995-2022 Jean-loup Gailly and Mark Adler ".encode() for v in ("1.2.8", "1.2.13")
    )
    data = bytes(64) + old + bytes(1000) + new + bytes(64)
    image = tmp_path / "pump.bin"
    image.write_bytes(data)
    components = [c for c in Scanner().scan(image).components if c.name == "zlib"]
    assert {c.version: [e.offset for e in c.evidence] for c in components} == {
        "1.2.8": [data.index(old)],
        "1.2.13": [data.index(new)],
    }
