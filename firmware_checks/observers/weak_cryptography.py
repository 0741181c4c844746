"""Scripts and source code that encrypt with broken algorithms, or draw keys from numbers that can be guessed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from firmware_checks.fact_reader import Content
from firmware_checks.observer import Observation, Observer
from firmware_checks.observers.update_scripts import UncheckedServer

__all__ = ["OBSERVER", "WeakCipher", "WeakRandom"]

MOST_BYTES = 1 << 20
_SOURCES = (
    ".sh", ".py", ".pl", ".lua", ".php", ".js", ".c", ".h", ".cpp", ".cc", ".cs", ".java", ".tcl", ".rb", ".vb", ".asp",
    ".bat", ".cmd", ".ps1", ".cgi",
)  # fmt: skip
_LIBRARY = re.compile(
    r"(?:^|/)(?:tests?|doc|examples?|dist-packages|site-packages|node_modules|share/perl\w*|lib/python[\d.]+|lib/ruby"
    r"|gocode|usr/include|i18n|perl\w*/[\d.]+)/"
)
_SECRET = (
    rb"(?P<name>\w{0,24}(?:[Kk]ey|KEY|[Tt]oken|TOKEN|[Nn]once|NONCE|[Ss]alt|SALT|[Pp]assw|PASSW"
    rb"|[Ss]ession|SESSION|_pin|PIN)\w{0,16})(?:\[[^\]\r\n]{0,20}\])?[ \t]{0,4}[:+]?=[^\r\n=]{0,60}$"
)
_ASSIGNED = re.compile(_SECRET)
_GUESSABLE = re.compile(
    rb"\$RANDOM|\$\{RANDOM|Math\.random\(\)|mt_rand\(|random\.(?:randint|choice|random|getrandbits)\("
    rb"|date \+%s|new Random\("
)
_SEEDED = re.compile(rb"\brand(?:om)?\(\)")
_SEED = re.compile(rb"\bsrand(?:om)?\([ \t]*(?:\([\w ]{3,14}\))?[ \t]*(?:time|getpid|\d)")
LINE_REACH_BYTES = 140
_GATES = (b"RANDOM", b"rand", b"andom", b"date +%s")
_OPENSSL = re.compile(
    rb"openssl[ \t]+(?:enc[ \t][^\r\n|;]{0,60}?)?-?(?P<name>des(?:-(?:cbc|ecb|cfb|ofb))?|rc4(?:-40)?|rc2(?:-\w+)?"
    rb"|aes-\d{3}-ecb)(?![\w-])"
)
_CALL = re.compile(
    rb"(?P<name>DES\.new|ARC4\.new|DES\.MODE_ECB|AES\.MODE_ECB|DES_ecb_encrypt|DES_ncbc_encrypt"
    rb"|\bRC4_set_key|CipherMode\.ECB|DESCryptoServiceProvider|getInstance\(\"(?:DES|RC4|AES/ECB)[^\"]{0,24}\"|MCRYPT_DES|createCipher\()"
)


_NO_PROOF = re.compile(
    rb"(?P<name>verify[ \t]*=[ \t]*False|CERT_NONE|check_hostname[ \t]*=[ \t]*False|_create_unverified_context"
    rb"|ServerCertificate(?:Custom)?ValidationCallback[ \t]*(?:\+=|=)[^\r\n;]{0,120}?\btrue\b"
    rb"|NODE_TLS_REJECT_UNAUTHORIZED['\"\]]{0,2}[ \t]*=[ \t]*['\"]?0"
    rb"|rejectUnauthorized[ \t]*:[ \t]*false|CURLOPT_SSL_VERIFY(?:PEER|HOST)[ \t]*,[ \t]*(?:0|false|FALSE)"
    rb"|InsecureSkipVerify[ \t]*:[ \t]*true"
    rb"|SSL_VERIFY_NONE|ALLOW_ALL_HOSTNAME_VERIFIER|VERIFY_NONE|DangerousAcceptAnyServerCertificateValidator)"
)
_PROOF_GATES = (b"erify", b"VERIFY", b"CERT_NONE", b"check_hostname", b"ValidationCallback", b"REJECT_UNAUTHORIZED",
                b"rejectUnauthorized", b"ALLOW_ALL", b"_unverified_", b"DangerousAccept")  # fmt: skip
_CALL_GATES = (b"DES", b"ARC4", b"ECB", b"RC4", b"ecb", b"createCipher")


@dataclass(frozen=True, slots=True, kw_only=True)
class WeakCipher(Observation):
    """A call of an algorithm that protects no more."""

    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WeakRandom(Observation):
    """A secret that is drawn from numbers that can be guessed."""


def _read(content: Content) -> Iterator[Observation]:
    text = bytes(content.span.window.view[:MOST_BYTES])
    if b"\0" in text[:1024]:
        return
    if any(gate in text for gate in _GATES):
        yield from _random(text)
    for found in _NO_PROOF.finditer(text) if any(gate in text for gate in _PROOF_GATES) else ():
        if not _is_comment(text, found.start()):
            name = found["name"].partition(b"=")[0].strip().decode("ascii", "replace")[:60]
            yield UncheckedServer(offset=found.start(), excerpt=f"{name}: the server is not verified", tool="a program")
    for found in (
        *(_OPENSSL.finditer(text) if b"openssl" in text else ()),
        *(_CALL.finditer(text) if any(gate in text for gate in _CALL_GATES) else ()),
    ):
        if not _is_comment(text, found.start()):
            name = found["name"].decode()
            yield WeakCipher(offset=found.start(), excerpt=name, name=name)


def _random(text: bytes) -> Iterator[Observation]:
    expressions = (_GUESSABLE, _SEEDED) if _SEED.search(text) else (_GUESSABLE,)
    seen: set[int] = set()
    for expression in expressions:
        for found in expression.finditer(text):
            first = max(text.rfind(b"\n", 0, found.start()) + 1, found.start() - LINE_REACH_BYTES)
            assigned = _ASSIGNED.search(text[first : found.start()])
            if assigned is None or first + assigned.start() in seen or _is_comment(text, found.start()):
                continue
            seen.add(first + assigned.start())
            name = assigned["name"].decode("ascii", "replace")
            excerpt = f"{name} is drawn from numbers that can be guessed"
            yield WeakRandom(offset=first + assigned.start(), excerpt=excerpt)


def _is_comment(text: bytes, position: int) -> bool:
    line = text[text.rfind(b"\n", 0, position) + 1 : position].lstrip()
    return line.startswith((b"#", b"//", b"*", b"--"))


def _wants(content: Content) -> bool:
    is_source = content.name.lower().endswith(_SOURCES) or content.head.startswith(b"#!")
    return is_source and _LIBRARY.search(content.path) is None


OBSERVER = Observer(
    name="weak-cryptography",
    title="Broken algorithms and guessable random numbers in scripts and source code",
    source="openssl-enc(1), rand(3); NIST SP 800-131A revision 2",
    wants=_wants,
    read=_read,
    example=lambda: (
        "usr/bin/pair.sh",
        b"#!/bin/sh\n# KEY=$RANDOM\nKEY=$RANDOM$RANDOM\nopenssl enc -des-cbc -pass file:/k -in a -out b\n",
    ),
    shows=2,
)
