"""Settings of programs that install updates: whether they demand a signature, the right model and a newer version."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from firmware_checks.fact_reader import Content
from firmware_checks.observer import Observation, Observer

__all__ = ["OBSERVER", "UpdaterGap"]

MOST_BYTES = 1 << 18
SIGNATURE, MODEL, OLDER = "signature", "model", "older"


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdaterGap(Observation):
    """Something an updater is told not to ask for, or is not told to: a signature, the model, a newer version."""

    lacks: str
    words: str


_PRESENT = {
    r"\.list$": (rb"^deb(?:-src)?\s+\[[^\]\n]*trusted=yes", SIGNATURE, "apt takes unsigned packages"),
    r"\.sources$": (rb"^Trusted:\s*yes", SIGNATURE, "apt takes unsigned packages"),
    r"(?:^|/)apt\.conf(?:\.d/[^/]+)?$": (
        rb"^\s*APT::Get::AllowUnauthenticated\s+\"?(?:true|1|yes)", SIGNATURE, "apt takes unsigned packages",
    ),
    r"(?:^|/)(?:yum\.conf|dnf\.conf|[^/]+\.repo)$": (
        rb"^\s*gpgcheck\s*=\s*0", SIGNATURE, "yum takes unsigned packages",
    ),
    r"(?:^|/)(?:fw_env[^/]*|u-?boot[^/]*)\.(?:txt|env|cfg)$": (
        rb"^verify=n|^bootcmd=[^\n]*\b(?:tftp(?:boot)?|nfs)\b", SIGNATURE, "U-Boot boots without verifying",
    ),
}  # fmt: skip
_LACKING = {
    r"(?:^|/)mender\.conf$": (
        (rb"\{", rb"\"ArtifactVerifyKeys?\"", SIGNATURE, "Mender has no key to verify artifacts with"),
    ),
    r"(?:^|/)swupdate\.cfg$": (
        (
            rb"globals\s*:",
            rb"public-key-file\s*=|ca-path\s*=",
            SIGNATURE,
            "SWUpdate has no key to verify packages with",
        ),
        (rb"globals\s*:", rb"no-downgrading\s*=|minimum-version\s*=", OLDER, "SWUpdate takes older packages"),
    ),
    r"(?:^|/)sw-description$": (
        (
            rb"software\s*=",
            rb"hardware-compatibility\s*[:=]",
            MODEL,
            "the package does not name the hardware it is for",
        ),
        (rb"software\s*=", rb"sha256\s*[:=]", SIGNATURE, "the description does not hold digests of the images"),
    ),
    r"(?:^|/)opkg\.conf$": (
        (rb"^(?:src|dest|option)\b", rb"^option check_signature", SIGNATURE, "opkg takes unsigned packages"),
    ),
}


def _read(content: Content) -> Iterator[Observation]:
    text = bytes(content.span.window.view[:MOST_BYTES])
    for path, (sign, lacks, words) in _PRESENT.items():
        if re.search(path, content.path):
            for found in re.finditer(sign, text, re.MULTILINE):
                yield UpdaterGap(offset=found.start(), excerpt=words, lacks=lacks, words=words)
    for path, rules in _LACKING.items():
        if not re.search(path, content.path):
            continue
        for start, wanted, lacks, words in rules:
            begin = re.search(start, text, re.MULTILINE)
            if begin is not None and not _stands(wanted, text):
                yield UpdaterGap(offset=begin.start(), excerpt=words, lacks=lacks, words=words)


def _stands(wanted: bytes, text: bytes) -> bool:
    """Tell whether ``wanted`` stands in a line that is no comment."""
    lines = (line for line in text.splitlines() if not line.lstrip().startswith((b"#", b"//")))
    return any(re.search(wanted, line) for line in lines)


_ANY = re.compile("|".join((*_PRESENT, *_LACKING)))


def _wants(content: Content) -> bool:
    return content.span.size <= MOST_BYTES and _ANY.search(content.path) is not None


OBSERVER = Observer(
    name="updater-settings",
    title="What updaters demand",
    source="sources.list(5), apt.conf(5), yum.conf(5), manuals of SWUpdate, Mender, opkg and U-Boot",
    wants=_wants,
    read=_read,
    example=lambda: ("etc/swupdate.cfg", b'# public-key-file = "/etc/key"\nglobals :\n{\n    verbose = true;\n};\n'),
    shows=2,
)
