"""How scripts install updates: where the file comes from, what is done with it, and what is verified before."""

from __future__ import annotations

import enum
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from firmware_checks.fact_reader import Content
from firmware_checks.observer import Observation, Observer
from firmware_checks.readers.elf_file import constants

__all__ = ["OBSERVER", "Proof", "Source", "UncheckedServer", "UpdateInstall"]

MOST_BYTES = 1 << 19
LONGEST_LINE = 1000
"""Longer texts are no commands."""


class Source(enum.StrEnum):
    """Where the file comes from."""

    CLEAR = "the network, unencrypted"
    NETWORK = "the network"
    STICK = "a USB stick or memory card"
    HERE = "a file that was put into the device"


class Proof(enum.StrEnum):
    """What is verified before it is installed."""

    NOTHING = "nothing is verified"
    CHECKSUM = "only a checksum is compared, which anybody can compute"
    SIGNATURE = "a signature is verified"


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateInstall(Observation):
    """A command that puts files from elsewhere into the device."""

    source: Source
    proof: Proof
    tool: str


@dataclass(frozen=True, slots=True, kw_only=True)
class UncheckedServer(Observation):
    """A command that talks to a server without making sure who it is."""

    tool: str


_SOURCES = (
    (Source.CLEAR, re.compile(
        r"\b(?:wget|curl)\b.*\b(?:http|ftp)://|\b(?:ftpget|tftp|ncftpget|atftp)\s|\bmount\b.*\b(?:nfs4?|cifs)\b|\bnc\s+-l"
        r"|(?i:\bftp\s+-[a-z]*[sn]\b|(?:invoke-webrequest|\biwr|bitsadmin|bitstransfer|certutil|downloadfile|urlretrieve|urlopen"
        r"|requests\.get)\b.*\b(?:http|ftp)://|\bftplib\.FTP\()"
    )),
    (Source.NETWORK, re.compile(
        r"\b(?:wget|curl|scp|sftp|rsync|ftp)\s+\S|\bnet\s+use\s|(?:copy|robocopy)\s+\"?\\\\\\\\\w"
        r"|(?i:invoke-webrequest|bitsadmin|bitstransfer|urlretrieve|requests\.get)\b"
    )),
    (Source.HERE, re.compile(r"/upload(?:s|ed)?/|^\s*\w+=[\"']?/\S*upload")),
    (Source.STICK, re.compile(
        r"/(?:mnt|media)/(?:usb|sd|stick|udisk|mmc|card|disk)|/mnt/\*|\bmount\b.*/dev/(?:sd[a-z]|mmcblk|disk/by-label|ub[a-z])|/media/|[A-Z_]*USB[A-Z_]*="
        r"|(?:copy|robocopy|start|call)\s+(?:/\w+\s+)*\"?[D-Z]:\\"
    )),
)  # fmt: skip
_INSTALLS = re.compile(
    r"(?P<tool>\bflashcp|\bnandwrite|\bmtd(?:_debug)?\s+(?:-\w\s+\S*\s*)*write|\bflash_eraseall|\bfw_update|\bubiupdatevol|\bdpkg\s+-i|\bopkg\s+(?:\S+\s+)?install"
    r"|\bipkg\s+install|\brpm\s+-[Ui]\w*|\bdd\b.*\bof=/dev/|\btar\s+(?:-?\w*x|--extract|[^|;&]{0,60}?\s-\w*x)|\bunzip\b|\bcpio\s+-\w*i|\bsysupgrade|\binsmod\s"
    r"|\bcp\s.*\s/(?:usr|opt|bin|sbin|etc|lib|app|home|boot|root|var/www)\b|\bmv\s.*\s/(?:usr|opt|bin|sbin|etc|lib|app|boot)\b|\bcat\s.*>\s*/dev/mtd"
    r"|\bmsiexec(?:\.exe)?\s.*/(?:i|package)\b|\.(?:exe|msi)\"?\s+/(?:q|quiet|s|silent|verysilent|passive)\b|\bpnputil\b|\bextractall\("
    r"|\b(?:xcopy|robocopy|copy|move)\s.*(?:\b[Cc]:\\(?:Program|Win)|%(?:ProgramFiles|SystemRoot|windir))|\bstart\s+(?:/\w+\s+)*\"?[D-Z]:\\\S+\.exe"
    r"|(?:\bsh\s+|\bbash\s+|\bsource\s+|^\s*\.?\s*|\bexec\s+)[\"']?(?:\$\{?\w*(?:USB|STICK|MNT|MOUNT|MEDIA)\w*\}?|/(?:mnt|media)/[\w${}./*-]*)/[\w${}./*-]+"
    r"|(?:\bsh\s+|\bbash\s+|\bsource\s+|^\s*\.?\s*|\bexec\s+)[\"']?/(?:mnt|media)/[\w${}*-]+\.(?:sh|run|bin|elf))",
    re.IGNORECASE,
)
_SIGNATURES = re.compile(
    r"\bgpgv?\b.*|\bopenssl\b.*-verify|\busign\s+-V|\bsignify\s+-V|\bminisign\s+-V|\brauc\s+(?:install|info)|\bswupdate\b.*-k"
    r"|\bcosign\s+verify|(?i:\bsigntool(?:\.exe)?\"?\s+verify|get-authenticodesignature|\bsigcheck)|\.verify(?:_detached|_data)?\("
    r"|\bopenssl\s+(?:cms|smime)\b.*verify|\bmender\b.*install|\bverify[_-]?sig\w*|\bucert\b|\bfwtool\b|\bapksigner\b"
)
_CHECKSUMS = re.compile(
    r"\b(?:md5|sha\d*|crc32|ck)sum\b|\bopenssl\s+(?:md5|sha1|sha256|dgst)\b|\bcksum\b"
    r"|(?i:\bcertutil\s+-hashfile|get-filehash|\bfciv\b)|\bhashlib\.\w+"
)
_UNCHECKED = re.compile(
    r"\b(?:(?P<curl>curl)\b[^|;&#]*\s(?:-\w*k\w*|--insecure)(?=\s|$)|(?P<wget>wget)\b[^|;&#]*--no-check-certificate"
    r"|(?P<ssh>ssh|scp|sftp)\b[^|;&#]*StrictHostKeyChecking[= ]no|(?P<socat>socat)\b[^|;&#]*verify=0)"
)
_GATES = (
    b"wget", b"curl", b"tftp", b"ftpget", b"mount", b"/media", b"/mnt", b"scp ", b"rsync", b"USB", b"flashcp",
    b"nandwrite",
    b"mtd ", b"ssh ", b"sysupgrade", b"socat", b"ubiupdatevol", b"copy ", b"ftp ", b"/dev/mtd",
    b"upload", b"msiexec", b"WebRequest",
    b"BitsTransfer",
    b"bitsadmin", b"xcopy", b"robocopy", b"urlretrieve", b"requests.", b"urlopen", b"ftplib", b".exe /",
)  # fmt: skip
_PROGRAM_GATES = (b"mount ", b"wget ", b"tftp ", b"curl ", b"ftpget ")
_WORDS = (
    b"wget", b"curl", b"ftp", b"mount", b"scp", b"rsync", b"nc ", b"nc\t", b"ssh", b"mnt", b"media", b"usb", b"/dev/",
    b"stick", b"flashcp", b"nandwrite", b"mtd", b"flash_eraseall", b"fw_update", b"fwtool", b"ubiupdatevol", b"pkg",
    b"rpm", b"tar", b"unzip", b"cpio", b"sysupgrade", b"insmod", b"cp ", b"cp\t", b"mv ", b"mv\t", b"gpg", b"openssl",
    b"sign", b"verif", b"rauc", b"swupdate", b"mender", b"ucert", b"sum", b"socat", b".exe", b".msi", b"copy",
    b"start ", b"call ", b"move ", b"pnputil", b"webrequest", b"iwr ", b"bits", b"certutil", b"downloadfile",
    b"requests.",
    b"url", b"hash", b"extractall", b"net use", b"fciv",
)  # fmt: skip
"""In small letters: every expression below needs one of them, so a line without is not looked at."""
_UPDATE = re.compile(r"updat|upgrad|flash|firmware|install|autorun|usb|(?:^|[^a-z])fw", re.IGNORECASE)
_LIBRARY = re.compile(
    r"(?:^|/)(?:share|doc|examples?|tests?|dist-packages|site-packages|lib/python[\d.]*|initramfs-tools|dracut)/"
)
_SCRIPTS = (".sh", ".bsh", ".ash", ".cmd", ".bat", ".ps1", ".py")
_SWITCHED_OFF = re.compile(rb"\s*(?:#|//|::|@?rem\s)", re.IGNORECASE)


def _read(content: Content) -> Iterator[Observation]:
    lines = list(_lines(content))
    yield from _unchecked(lines)
    if any(_INSTALLS.search(line) for _, line in lines):  # most texts install nothing, and the rest takes longer
        yield from _installs(content, lines)


def _unchecked(lines: Sequence[tuple[int, str]]) -> Iterator[Observation]:
    for offset, line in lines:
        unchecked = _UNCHECKED.search(line)
        if unchecked is not None:
            tool = next(name for name, value in unchecked.groupdict().items() if value)
            yield UncheckedServer(offset=offset, excerpt=f"{tool} does not verify the server", tool=tool)


def _installs(content: Content, lines: Sequence[tuple[int, str]]) -> Iterator[Observation]:
    proof = Proof.NOTHING
    source = None if content.elf is None else _worst_of(line for _, line in lines)  # texts of a program have no order
    for offset, line in lines:
        if _SIGNATURES.search(line):
            proof = Proof.SIGNATURE
        elif _CHECKSUMS.search(line) and proof is Proof.NOTHING:
            proof = Proof.CHECKSUM
        source = _worst(source, next((where for where, sign in _SOURCES if sign.search(line)), None))
        install = _INSTALLS.search(line)
        if install is None:
            continue
        where = source or (Source.HERE if _UPDATE.search(content.path) and _writes_flash(install["tool"]) else None)
        if where is not None:
            tool = _tool(install["tool"])
            yield UpdateInstall(
                offset=offset,
                excerpt=f"{tool}: from {where.value}; {proof.value}",
                source=where,
                proof=proof,
                tool=tool,
            )
            return


def _worst_of(lines: Iterable[str]) -> Source | None:
    found: Source | None = None
    for line in lines:
        found = _worst(found, next((where for where, sign in _SOURCES if sign.search(line)), None))
    return found if found in (Source.CLEAR, Source.STICK) else None  # others show in messages, too


def _worst(before: Source | None, now: Source | None) -> Source | None:
    """Return what is easier to abuse of the sources seen so far."""
    order = [None, Source.HERE, Source.STICK, Source.NETWORK, Source.CLEAR]
    return max(before, now, key=order.index)


def _tool(command: str) -> str:
    first = (command.split(maxsplit=1) or [""])[0].strip("\"'")
    return (
        "a program of the medium itself"
        if "/" in first or "$" in first or first in ("sh", "bash", ".", "source", "exec")
        else first
    )


def _writes_flash(command: str) -> bool:
    return re.match(r"flashcp|nandwrite|mtd|flash_|fw_|ubiupdatevol|dd|sysupgrade|cat", command) is not None


def _lines(content: Content) -> Iterator[tuple[int, str]]:
    """Yield the commands of a script, or the texts of a program that may be some."""
    view, elf = content.span.window.view, content.elf
    for start, end in constants(elf) if elf is not None else [(0, content.span.size)]:
        text = bytes(view[start : min(end, start + MOST_BYTES)])
        if not any(gate in text for gate in (_GATES if elf is None else _PROGRAM_GATES)):
            continue
        mark = b"\n" if elf is None else b"\0"
        for first, last in _promising(text, mark):
            raw = text[first:last]
            # in a program, a text without a blank is no command, and most are without one
            if len(raw) < LONGEST_LINE and (elf is None or b" " in raw) and not _SWITCHED_OFF.match(raw):
                yield start + first, raw.decode("ascii", "replace")


def _promising(text: bytes, mark: bytes) -> list[tuple[int, int]]:
    """Return start and end of the lines that have one of the words."""
    small = text.lower()
    found: set[tuple[int, int]] = set()
    for word in _WORDS:
        place = small.find(word)
        while place >= 0:
            end = small.find(mark, place)
            end = len(small) if end < 0 else end
            found.add((small.rfind(mark, 0, place) + 1, end))
            place = small.find(word, end)
    return sorted(found)


def _wants(content: Content) -> bool:
    if content.span.size > MOST_BYTES or _LIBRARY.search(content.path):
        return False
    if content.head.startswith(b"#!"):
        return re.search(rb"sh|python|perl|lua", bytes(content.span.window.view[:40]).split(b"\n", 1)[0]) is not None
    return content.name.lower().endswith(_SCRIPTS) or (content.elf is not None and ".so" not in content.name)


_EXAMPLE = (
    b"#!/bin/sh\ncurl -k https://10.0.0.9/list\nwget http://10.0.0.9/fw.tar -O /tmp/fw.tar\n"
    b"# gpgv --keyring /etc/keys /tmp/fw.tar\nmd5sum -c /tmp/fw.md5\ntar xf /tmp/fw.tar -C /\n"
)

OBSERVER = Observer(
    name="update-scripts",
    title="How updates are installed",
    source="manuals of wget, curl, mount, flashcp, tar, gpgv, openssl and the like",
    wants=_wants,
    read=_read,
    example=lambda: ("usr/bin/update.sh", _EXAMPLE),
    shows=2,
)
