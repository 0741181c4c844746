"""Settings that allow weak protection of connections, in the configuration of servers and clients."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from firmware_checks.exposure.comments import without_markup_comments
from firmware_checks.fact_reader import Content
from firmware_checks.observer import Observation, Observer
from firmware_checks.observers.update_scripts import UncheckedServer

__all__ = ["OBSERVER", "WeakSetting"]

MOST_BYTES = 1 << 18
SSH = ("sshd_config", "ssh_config")
_TLS_NAMES = (
    "openssl.cnf", "nginx.conf", "lighttpd.conf", "stunnel.conf", "httpd.conf", "apache2.conf", "ssl.conf",
    "haproxy.cfg", "vsftpd.conf", "mosquitto.conf", "my.cnf", "main.cf", "dovecot.conf",
    "client.ovpn", "server.conf",
)  # fmt: skip
_TLS_FOLDERS = re.compile(
    r"(?:^|/)(?:nginx|lighttpd|stunnel|apache2|httpd|openvpn|haproxy|ssl)/.*\.(?:conf|cnf|cfg|ovpn)$"
)
_VERSIONS = {"sslv2": "SSL 2.0", "sslv3": "SSL 3.0", "tlsv1": "TLS 1.0", "tlsv1.0": "TLS 1.0", "tlsv1.1": "TLS 1.1"}
_PROTOCOL_KEYS = ("ssl_protocols", "sslprotocol", "sslversion", "minprotocol", "tls_version", "sslversionmin",
                  "ssl-min-protocol", "ssl-default-bind-options", "smtpd_tls_mandatory_protocols")  # fmt: skip
_SWITCHES = {
    "ssl.use-sslv2": "SSL 2.0", "ssl.use-sslv3": "SSL 3.0", "ssl_sslv2": "SSL 2.0", "ssl_sslv3": "SSL 3.0",
    "ssl_tlsv1": "TLS 1.0",
}  # fmt: skip
_CIPHER_KEYS = ("ssl_ciphers", "sslciphersuite", "ciphers", "cipherstring", "ssl.cipher-list", "cipher",
                "ssl_cipher_list", "data-ciphers", "ssl-default-bind-ciphers")  # fmt: skip
_WEAK_CIPHER = re.compile(
    r"(?<![!A-Za-z0-9-])\+?((?:RC4|DES|3DES|NULL|aNULL|eNULL|EXP(?:ORT)?|MD5|LOW|IDEA|SEED|BF)(?:-[A-Z0-9-]+)?)"
    r"(?![A-Za-z0-9])"
)
_SSH_KEYS = (
    "ciphers",
    "macs",
    "kexalgorithms",
    "hostkeyalgorithms",
    "pubkeyacceptedkeytypes",
    "pubkeyacceptedalgorithms",
)
_WEAK_SSH = re.compile(
    r"(?<![\w-])(arcfour\d*|3des-cbc|des-cbc|blowfish-cbc|cast128-cbc|aes\d{3}-cbc|rijndael-cbc\S*|hmac-md5\S*?"
    r"|hmac-sha1-96\S*?|umac-32\S*?|none|diffie-hellman-group1-sha1"
    r"|diffie-hellman-group-exchange-sha1|ssh-dss)(?=[,\s@]|$)"
)
_SETTINGS = (".ini", ".conf", ".cfg", ".json", ".xml", ".config", ".yaml", ".yml", ".properties", ".toml", ".env")
_MANUALS = re.compile(r"(?:^|/)(?:share|examples?|tests?|(?:dist|site)-packages|node_modules|lib/python[\d.]*)/")
_GATES = (
    b"SSLv", b"sslv", b"Ssl", b"SSL ", b"TLSv1", b"tlsv1", b"Tls", b"TLS 1", b"verify", b"Verify", b"VERIFY",
    b"nsecure", b"INSECURE", b"ertificate",
)  # fmt: skip
_GENERAL = re.compile(
    r"(?i)(?P<key>[\w.-]*(?:ssl|tls|min_?version|security_?protocol)[\w.-]*)[\"']?\s*(?:value\s*)?"
    r"[=:]\s*[\"'\[({ ]*(?P<value>[^\r\n]{2,120})"
)
_SWITCHED_OFF = re.compile(r"(?i)disab|exclu|forbid|block|deny|(?:^|_)no_")
_WEAK_VERSION = re.compile(
    r"(?<![\w.!-])(?:(?P<ssl>(?:SSL|Ssl|ssl)v? ?[23](?:\.0)?)|"
    r"(?P<one>(?:TLS|tls)v? ?1(?:[._]0)?|Tls(?:10)?)|(?P<two>(?:TLS|tls)v? ?1[._]1|Tls11))(?![\w.])"
)
_NO_PROOF = re.compile(
    r"(?i)^[\s<\"']*(?:add\s+key=[\"'])?[\w.-]*(?:"
    r"(?:(?:ssl|tls|peer|host|server|cert\w*)[_.-]?verif\w*|verif\w*[_.-]?(?:ssl|tls|peer|host|server"
    r"|cert\w*)|(?:check|validate)[_.-]?cert\w*)"
    r"[\"']?\s*(?:value\s*)?[=:]\s*[\"']?(?:0|no|off|false|none)\b"
    r"|(?:insecure[_.-]?skip[_.-]?verify|(?:trust|accept)[_.-]?(?:all|any|self[_.-]?signed)[_.-]?cert\w*"
    r"|(?:allow|ignore)[_.-]?(?:invalid|insecure|ssl|cert)\w*[_.-]?(?:cert\w*|errors?|tls|ssl))"
    r"[\"']?\s*(?:value\s*)?[=:]\s*[\"']?(?:1|yes|on|true)\b)"
)
_LINE = re.compile(r"[ \t]*(?P<key>[A-Za-z][\w.-]*)[ \t]*(?:[=: \t][ \t]*)(?P<value>[^\r\n#]*)")


@dataclass(frozen=True, slots=True, kw_only=True)
class WeakSetting(Observation):
    """One line that allows something weak."""

    is_of_ssh: bool
    allows: tuple[str, ...]
    """What it allows, such as ``TLS 1.0`` or ``arcfour``."""


def _read(content: Content) -> Iterator[Observation]:
    if not _is_known(content):
        yield from _general(content)
        return
    is_of_ssh = content.name in SSH
    weak_in = _weak_for_ssh if is_of_ssh else _weak_for_tls
    start = 0
    for raw in bytes(content.span.window.view[:MOST_BYTES]).splitlines(keepends=True):
        line = _LINE.match(raw.decode("utf-8", "replace"))
        allows = weak_in(line["key"].lower(), line["value"].strip()) if line is not None else ()
        if line is not None and allows:
            excerpt = f"{line['key']} allows {', '.join(allows)}"
            yield WeakSetting(offset=start, excerpt=excerpt, is_of_ssh=is_of_ssh, allows=allows)
        start += len(raw)


def _general(content: Content) -> Iterator[Observation]:
    """Yield what settings of any program allow, by words that all of them use."""
    text = without_markup_comments(bytes(content.span.window.view[:MOST_BYTES]))
    if b"\0" in text[:512] or not any(gate in text for gate in _GATES):
        return
    start = 0
    for raw in text.splitlines(keepends=True):
        line = raw.decode("utf-8", "replace")
        if not line.lstrip().startswith(("#", ";", "//")):
            yield from _general_line(start, line)
        start += len(raw)


def _general_line(start: int, line: str) -> Iterator[Observation]:
    if _NO_PROOF.search(line):
        yield UncheckedServer(offset=start, excerpt="a setting: the server is not verified", tool="a setting")
    found = _GENERAL.search(line)
    if found is None or _SWITCHED_OFF.search(found["key"]):
        return
    weak = {"ssl": "SSL 3.0 or older", "one": "TLS 1.0", "two": "TLS 1.1"}
    allows = tuple(dict.fromkeys(weak[hit.lastgroup or ""] for hit in _WEAK_VERSION.finditer(found["value"])))
    if allows:
        excerpt = f"{found['key']} allows {', '.join(allows)}"
        yield WeakSetting(offset=start + found.start(), excerpt=excerpt, is_of_ssh=False, allows=allows)


def _weak_for_ssh(key: str, value: str) -> tuple[str, ...]:
    if key == "protocol":
        return ("SSH 1",) if "1" in value.split(",") else ()
    if key not in _SSH_KEYS or value.startswith("-"):
        return ()
    return tuple(dict.fromkeys(_WEAK_SSH.findall(value)))


def _weak_for_tls(key: str, value: str) -> tuple[str, ...]:
    if key in _SWITCHES:
        is_on = value.strip('"').lower() in ("enable", "yes", "on", "true", "1")
        return (_SWITCHES[key],) if is_on else ()
    if key in _PROTOCOL_KEYS:
        words = re.split(r"[\s,:;\"]+", value.lower())
        return tuple(dict.fromkeys(_VERSIONS[word.lstrip("+")] for word in words if word.lstrip("+") in _VERSIONS))
    if key in _CIPHER_KEYS:
        return tuple(dict.fromkeys(_WEAK_CIPHER.findall(value)))
    return ()


def _is_known(content: Content) -> bool:
    return content.name in SSH or content.name in _TLS_NAMES or _TLS_FOLDERS.search(content.path) is not None


def _wants(content: Content) -> bool:
    if _is_known(content):
        return True
    is_setting = content.name.lower().endswith(_SETTINGS) and content.span.size <= MOST_BYTES
    return is_setting and _MANUALS.search(content.path) is None


OBSERVER = Observer(
    name="cipher-settings",
    title="Settings that allow weak protection of connections",
    source="sshd_config(5), config(5) and ciphers(1) of OpenSSL, manuals of nginx, lighttpd, stunnel, Apache and "
    "OpenVPN; RFC 8996, RFC 7465, RFC 9142",
    wants=_wants,
    read=_read,
    example=lambda: (
        "etc/nginx/nginx.conf",
        b"# ssl_protocols SSLv3;\nssl_protocols TLSv1 TLSv1.2;\nssl_ciphers HIGH:RC4-SHA:!MD5;\n",
    ),
    shows=2,
)
