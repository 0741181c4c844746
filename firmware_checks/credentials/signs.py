"""How secrets are written in configuration, scripts, programs and memory: one expression for each way.

Every expression runs over every file of an image in one pass, so each names a literal that stands in all its matches,
and asks for enough around it to be rare: the group ``value`` is the secret, ``user`` the name that goes with it.
Sources: the manuals of the programs that read these settings, and for tokens the formats their issuers publish for
secret scanning (GitHub "About authentication", AWS IAM "unique identifiers", Slack "token types", Stripe "API keys",
Google Cloud "API keys", GitLab "token overview", Azure "connection strings").
"""

# ruff: noqa: E501  # an expression is checked more easily in one line
from __future__ import annotations

import enum
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from firmware_checks.credentials.likely import is_likely_code, is_likely_key, is_likely_password
from firmware_checks.credentials.well_known import Guesser, known_as

__all__ = ["SIGNS", "SecretKind", "Sign"]


class SecretKind(enum.StrEnum):
    """What a secret opens."""

    PASSWORD = "password"  # noqa: S105  # a kind, not a password
    ADDRESS = "password in an address"
    COMMAND = "password in a command"
    CONNECTION = "password of a database connection"
    BASIC = "password of a web service"
    COMPARED = "password a program compares with"
    DIALOGUE = "password in a recorded login"
    PASSWORD_HASH = "stored password"  # noqa: S105
    TOKEN = "access token"  # noqa: S105
    SIGNING_SECRET = "secret that signs sessions"  # noqa: S105
    SERVICE_CODE = "service code"
    WIFI_KEY = "wireless key"
    VPN_SECRET = "secret of a tunnel"  # noqa: S105
    DIRECTORY = "password of a directory or file server"
    CIPHER_KEY = "encryption key"
    FIXED_START = "fixed initialisation vector"


def _always(_value: str, _quoted: bool) -> bool:  # shape of a judge
    return True


def _password(value: str, quoted: bool) -> bool:
    return is_likely_password(value, quoted=quoted)


def _typed(value: str, _quoted: bool) -> bool:
    """Judge what stands where only a password can: a word alone is one too."""
    return is_likely_password(value, quoted=True)


def _code(value: str, _quoted: bool) -> bool:
    return is_likely_code(value)


def _key(value: str, _quoted: bool) -> bool:
    return is_likely_key(value)


def _mixed(value: str, _quoted: bool) -> bool:
    """Judge what may be a word of a text as well: it must have digits, or be one that everybody knows."""
    return is_likely_password(value, quoted=False)


def _wep(value: str, _quoted: bool) -> bool:
    return len(set(value)) > 1 and not value.startswith(("$", "%", "<"))


def _own_words(value: str, _quoted: bool) -> bool:
    """Judge what stands behind a user's name alone: the same word twice is an owner and a group."""
    return is_likely_password(value, quoted=False) and re.search(r"\d", value) is not None


def _is_known_hash(value: str, _quoted: bool) -> bool:
    """Judge what may be the digest of a file as well: it must be that of a password everybody knows."""
    return Guesser().guess("", value) is not None


def _wireless(value: str, _quoted: bool) -> bool:
    return is_likely_password(value.replace(" ", ""), quoted=True) or (len(value) == 64 and is_likely_key(value))


@dataclass(frozen=True, slots=True)
class Sign:
    """One way in which one kind of secret is written."""

    kind: SecretKind
    what: str
    """As an excerpt shows it."""
    anchor: bytes
    expression: bytes
    is_secret: Callable[[str, bool], bool]
    """Judges the value, and whether it stands in quotes."""
    is_apart: bool = False
    """Whether other things stand between where the expression begins and the secret."""


_WORD = rb"""(?:"(?P<value>[^"\s\\\x00]{3,64})"|'(?P<single>[^'\s\\\x00]{3,64})'|(?P<bare>[^\s"'\\;,)&<>{}|\x00]{3,64})(?=[ \t]*[\r\n\x00;,&"]))"""
_QUOTED = rb"""(?:"(?P<value>[^"\s\\\x00]{3,64})"|'(?P<single>[^'\s\\\x00]{3,64})')"""
_IS = rb"""(?:\.(?:value|[Tt]ext))?(?:_?(?:[0-9]|[Rr]oot|[Aa]dmin|[Uu]ser|[Ss]ervice|[Dd]ef(?:ault)?|DEFAULT|ROOT|ADMIN|USER|SERVICE|FTP|[Ff]tp))?(?:\[\w{0,16}\])?["']?\]?(?:[ \t]{1,4}As[ \t]{1,4}String)?[ \t]{0,4}(?:=>|:=|={1,3}|:)[ \t]{0,4}"""
_BASE64 = rb"[A-Za-z0-9+/]"
_K = SecretKind

_ROLES = (
    "physician",
    "clinician",
    "doctor",
    "service",
    "biomed",
    "engineer",
    "engineering",
    "maint",
    "maintenance",
    "admin",
    "technician",
    "factory",
    "unlock",
    "supervisor",
    "operator",
    "calibration",
    "superuser",
    "installer",
    "menu",
    "setup",
    "access",
    "keypad",
)
_CODE_IS = (
    rb"""(?:[ _-]?(?:[Dd]efault|DEFAULT))?["']?[ \t]{0,4}(?:[=:>]|[ \t])[ \t]{0,4}["']?(?P<value>\d{4,8})(?![\d.:/-])"""
)


def _code_signs() -> Iterator[Sign]:
    for role in _ROLES:
        small, large = role[1:].encode(), role.upper().encode()
        either = f"[{role[0]}{role[0].upper()}]".encode() + small
        name = rb"[ _.-]?(?:[Mm]enu[ _-]?)?(?:[Pp]in|PIN|[Aa]ccess[ _-]?[Cc]ode|[Cc]ode|[Pp]asscode|[Pp]assword)"
        yield Sign(SecretKind.SERVICE_CODE, "service code", small, either + name + _CODE_IS, _code)
        name = rb"_(?:MENU_)?(?:PIN|CODE|PASSCODE|PASSWORD)"
        yield Sign(SecretKind.SERVICE_CODE, "service code", large, large + name + _CODE_IS, _code)


def _connection_signs() -> Iterator[Sign]:
    user = rb"(?:[Uu][Ii][Dd]|[Uu]ser(?: ?[Ii][Dd]| ?[Nn]ame)?)[ ]?=[ ]?(?P<user>[A-Za-z0-9_.]{2,32});[ ]?"
    value = rb"[ ]?=[ ]?(?P<value>[^\s\x00;\"'{}%$]{3,64})"
    for anchor, name in ((b"pwd", b"pwd"), (b"Pwd", b"Pwd"), (b"PWD", b"PWD"), (b"assword", b"[Pp]assword")):
        yield Sign(SecretKind.CONNECTION, "database connection", anchor, user + name + value, _typed)


def _service_key_signs() -> Iterator[Sign]:
    before = rb"(?<![A-Za-z])(?:[A-Za-z0-9]{1,16}[_-])?"
    value = rb"""["']?[ \t]{0,4}[=:][ \t]{0,4}["']?(?P<value>[A-Za-z0-9_-]{20,64})(?=["'\s\x00;,])"""
    for anchor in (b"api_key", b"api-key", b"apikey", b"API_KEY", b"APIKEY", b"apiKey", b"ApiKey"):
        yield Sign(SecretKind.TOKEN, "key of a web service", anchor, before + anchor + value, _key)
    for letter in (b"p", b"o", b"u", b"s", b"r"):
        token = rb"(?<![A-Za-z0-9])(?P<value>gh" + letter + rb"_[A-Za-z0-9]{36})(?![A-Za-z0-9])"
        yield Sign(SecretKind.TOKEN, "token of GitHub", b"gh" + letter + b"_", token, _key)


def _cipher_key_signs() -> Iterator[Sign]:
    before = rb"(?<![A-Za-z])(?:[A-Za-z0-9]{1,16}_)?(?:"
    names = b"aes|des|crypto?|encryption|cipher|firmware|media|config"
    value = (
        rb"""["']?(?:\[\d{0,3}\])?[ \t]{0,4}[=:]?[ \t]{0,4}(?:["'](?P<value>[A-Za-z0-9+/!@#=_-]{8,88})["']"""
        rb"""|(?P<bare>[0-9A-Fa-f]{32,64})(?![0-9A-Za-z]))"""
    )
    for anchor, cased in ((b"_key", names), (b"_KEY", names.upper())):
        expression = before + cased + b")_?(?:128|256)?" + anchor + value
        yield Sign(SecretKind.CIPHER_KEY, "key in source code or settings", anchor, expression, _typed)

    joined = (
        rb"""(?<![A-Za-z])(?:[a-z]{1,12}_)?(?:[Aa]es|AES|[Ee]ncryption|[Cc]rypto|[Cc]ipher|[Ff]irmware|[Mm]edia)_?Key["']?"""
        rb"""[ \t]{0,4}[=:>][ \t]{0,4}(?:["'](?P<value>[A-Za-z0-9+/!@#=_-]{8,88})["']"""
        rb"""|(?P<bare>[0-9A-Fa-f]{32,64}|[A-Za-z0-9+/]{42,86}={1,2})(?![0-9A-Za-z]))"""
    )
    yield Sign(SecretKind.CIPHER_KEY, "key in source code or settings", b"Key", joined, _mixed_key)


def _mixed_key(value: str, quoted: bool) -> bool:
    return is_likely_key(value) if len(value) >= 32 else _mixed(value, quoted)


def _element_signs() -> Iterator[Sign]:
    value = rb"(?: [^<>\x00]{0,80})?>(?P<value>[^<\s\x00]{4,64})</"
    for anchor in (b"assword>", b"assWord>", b"ASSWORD>", b"asswd>", b"ASSWD>", b"pwd>", b"Pwd>", b"PWD>"):
        before = rb"<(?:\w{0,24}[Pp])" if anchor[1:2] in b"sS" else rb"<\w{0,24}"
        before = rb"<(?:\w{0,24}P)" if anchor.startswith(b"ASS") else before
        yield Sign(SecretKind.PASSWORD, "password", anchor, before + anchor[:-1] + value, _typed)


def _pair_signs() -> Iterator[Sign]:
    """Yield how a user and the password stand in one text, as in ``service:fl0w4you``."""
    for user in (b"root", b"admin", b"service", b"user", b"guest"):
        pair = rb"(?<![^\x00\r\n\"'])(?P<user>" + user + rb"):(?P<value>[^\s:;,/\x00\"'$%]{4,32})(?=[\x00\r\n\"'])"
        yield Sign(SecretKind.PASSWORD, "password, user before it", user + b":", pair, _own_words)
        pair = rb"\x00(?P<user>" + user + rb")\x00{1,7}(?P<value>[a-zA-Z]{3,12}\d{1,6})\x00"
        yield Sign(SecretKind.PASSWORD, "password, user before it", b"\0" + user + b"\0", pair, _known)


def _known(value: str, _quoted: bool) -> bool:
    return known_as(value) is not None


def _network_signs() -> Iterator[Sign]:
    """Yield the key that stands near the name of its network."""
    between = rb"[\"']?[ \t]{0,3}[=: >][^\xff]{1,120}?(?<![A-Za-z#])"
    name = (
        rb"(?:[Ww][Pp][Aa]2?[-_ ]?|[Ww]i-?[Ff]i[-_ ]?|[Ww][Ll][Aa][Nn][-_ ]?|[Nn]etwork[-_ ]?)?"
        rb"(?:[Kk]ey|KEY|psk|PSK|[Pp]ass(?:phrase|word|wd)|PASS(?:PHRASE|WORD))"
    )
    value = rb"[\"']?[ \t]{0,3}[=: >][ \t]{0,3}[\"']?(?P<value>[^\s\"'<>,;\x00${}%]{8,63})(?=[\s\"',;}<\x00])"
    for anchor in (b"SSID", b"ssid", b"Ssid"):
        yield Sign(SecretKind.WIFI_KEY, "wireless key", anchor, anchor + between + name + value, _mixed, is_apart=True)


def _wireless_signs() -> Iterator[Sign]:
    before = rb"(?:[Ww]i-?[Ff]i|WIFI|[Ww]lan|WLAN|[Ww]ireless|WPA|WEP|[Nn]etwork)[ _]?(?:[Nn]etwork|[Ss]ecurity)?[ _]?"
    value = rb"\"?[ \t]{0,2}[=:][ \t]{0,2}\"(?P<value>[^\"\r\n\x00]{8,63})\""
    for anchor in (b"key", b"Key", b"KEY"):
        yield Sign(SecretKind.WIFI_KEY, "wireless key", anchor, before + anchor + value, _wireless)


SIGNS = (
    *_connection_signs(),
    *_code_signs(),
    *_service_key_signs(),
    *_cipher_key_signs(),
    *_wireless_signs(),
    *_element_signs(),
    Sign(_K.PASSWORD, "password in settings of .NET", b"assword", rb"key=\"\w{0,24}[Pp]assword\"[ \t]+value=\"(?P<value>[^\"\s\x00]{4,64})\"", _typed),
    Sign(_K.CIPHER_KEY, "key in settings of .NET", b'ey"', rb"key=\"\w{0,24}(?:[Ee]ncryption|[Cc]rypto|[Aa]es|AES)_?[Kk]ey\"[ \t]+value=\"(?P<value>[^\"\s\x00]{8,64})\"", _typed),
    Sign(_K.SIGNING_SECRET, "secret that signs sessions", b'ey"', rb"[Jj]wt[\"':{ .A-Za-z\r\n\t]{0,24}(?:[Ss]ecret|[Ss]igning|[Ss]ymmetric)[Kk]ey\"[ \t]?:[ \t]?\"(?P<value>[^\"\s\x00]{6,128})\"", _typed),
    Sign(_K.WIFI_KEY, "wireless key", b"option key", rb"option key[ \t]+['\"](?P<value>[^'\"\r\n\x00]{8,63})['\"]", _wireless),
    Sign(_K.ADDRESS, "address with user and password", b"://", rb"(?<![A-Za-z0-9])(?:https?|ftps?|s?ftp|ssh|telnet|smb|cifs|nfs|rtsp|mqtts?|amqps?|redis|mysql|postgres(?:ql)?|mongodb|ldaps?|svn|git|wss?)://(?P<user>[A-Za-z0-9._-]{1,32}):(?P<value>[^\s\x00@/:\"'<>%{}$\\]{3,64})@[A-Za-z0-9\[]", _typed),
    Sign(_K.COMMAND, "ftp command with a password", b"ftp", rb"(?<![\w/])(?:ncftp(?:get|put)|lftp|wget|ftpget|ftpput|curl|lftpget)\b[^\r\n\x00]{0,80}?[ \t](?:-p[ \t]?|--(?:ftp-|http-)?password[= ]|-u[ \t]?[A-Za-z0-9._-]{1,32}[:,])(?P<value>[^\s\x00\"'$]{4,64})", _typed),
    Sign(_K.COMMAND, "mysql command with a password", b"mysql", rb"(?<![\w/])mysql(?:dump|admin)?[ \t][^\r\n\x00|;]{0,80}?(?:-p|--password=)(?P<value>[^\s\x00\"'$=-]{4,64})", _typed),
    Sign(_K.COMMAND, "sshpass command", b"sshpass", rb"sshpass[ \t]+-p[ \t]?[\"']?(?P<value>[^\s\x00\"'$]{4,64})", _typed),
    Sign(_K.COMMAND, "password for chpasswd", b"chpasswd", rb"echo[ \t]+(?:-e[ \t]+)?[\"']?(?P<user>[a-z][a-z0-9_-]{0,31}):(?P<value>[^\s\x00\"'$]{3,64})[\"']?[ \t]*\|[ \t]*(?:/usr/sbin/)?chpasswd", _typed),
    Sign(_K.COMMAND, "password for passwd", b"passwd", rb"echo[ \t]+(?:-e[ \t]+)?[\"']?(?P<value>[A-Za-z0-9!@#_.-]{4,32})(?:\\n[A-Za-z0-9!@#_.-]{4,32})?[\"']?[ \t]*\|[ \t]*(?:/usr/bin/)?passwd\b", _typed),
    Sign(_K.COMMAND, "curl command with a password", b"curl", rb"(?<![\w/])curl[ \t][^\r\n\x00|;]{0,120}?(?:-u|--user)[ \t]?[\"']?(?P<user>[A-Za-z0-9._-]{1,32}):(?P<value>[^\s\x00\"'$]{3,64})", _typed),
    Sign(_K.COMMAND, "net use with a password", b"net use", rb"net use [^\r\n\x00]{0,80}?/[uU](?:ser|SER):(?P<user>[^\s\x00]{1,40})[ \t]+(?P<value>[^\s\x00/%\"*]{4,64})", _typed),
    Sign(_K.COMMAND, "password of a mobile connection", b"CGAUTH=", rb"AT\+CGAUTH=\d,\d,\"(?P<user>[^\"\x00]{1,32})\",\"(?P<value>[^\"\x00%]{3,32})\"", _typed),
    Sign(_K.COMMAND, "password of a mobile connection", b"QCPDPP=", rb"AT\$QCPDPP=\d,\d,\"(?P<value>[^\"\x00%]{3,32})\"", _typed),
    Sign(_K.COMMAND, "password of a dialled connection", b'" * "', rb"\"(?P<user>[^\"\r\n\x00]{1,40})\" \* \"(?P<value>[^\"\s\x00]{3,64})\"", _typed),
    Sign(_K.COMMAND, "password for passwd", b"passwd", rb"echo[ \t]+(?P<value>[A-Za-z0-9!@#_.-]{4,32});[ \t]*echo[ \t]+\S{4,32}\)?[ \t]*\|[ \t]*(?:/usr/bin/)?passwd\b", _typed),
    Sign(_K.COMMAND, "password made in a script", b"openssl", rb"openssl[ \t]+passwd[ \t]+(?:-\S{1,12}[ \t]+){0,4}[\"']?(?P<value>[^\s\x00\"'$`)|-][^\s\x00\"'$`)|]{3,64})", _typed),
    Sign(_K.COMMAND, "recorded ftp login", b"user ", rb"ftp[ \t][^\r\n\x00]{0,60}<<[^\r\n\x00]{1,16}[\r\n]{1,2}(?:[^\r\n\x00]{0,40}[\r\n]{1,2}){0,2}?user (?P<user>[A-Za-z0-9._-]{2,32}) (?P<value>[^\s\x00\"'\\%$]{3,64})[\r\n]", _typed),
    Sign(_K.COMMAND, "login in .netrc", b"machine ", rb"(?<![\w.-])machine[ \t]+\S{1,64}[ \t\r\n]{1,4}login[ \t]{1,4}(?P<user>\S{1,40})[ \t\r\n]{1,4}password[ \t]{1,4}(?P<value>[^\s\x00<$]{3,64})", _typed),
    Sign(_K.COMMAND, "wget command with a password", b"password=", rb"(?<![\w/])wget\b[^\r\n\x00]{0,80}?--(?:ftp-|http-|proxy-)?password=[\"']?(?P<value>[^\s\x00\"'$]{3,64})", _typed),
    Sign(_K.COMMAND, "net use with a password", b"net use", rb"net use [^\r\n\x00]{0,80}?\\\\[^\s\x00]+[ \t]+(?P<value>[^\s\x00/%\"]{4,64})[ \t]+/[uU](?:ser|SER):", _typed),
    Sign(_K.COMMAND, "password of a user account", b"net user", rb"net user[ \t]+(?P<user>\w{2,20})[ \t]+(?P<value>[^\s\x00/%\"]{4,64})", _typed),
    Sign(_K.DIRECTORY, "share mounted with a password", b"assword=", rb"user(?:name)?=(?P<user>[A-Za-z0-9._\\-]{1,40}),[^\s\x00]{0,80}?pass(?:word)?=(?P<value>[^\s\x00,\"'$]{3,64})", _typed),
    Sign(_K.DIRECTORY, "share mounted with a password", b",pass=", rb"user(?:name)?=(?P<user>[A-Za-z0-9._\\-]{1,40}),[^\s\x00]{0,80}?pass=(?P<value>[^\s\x00,\"'$]{3,64})", _typed),
    Sign(_K.DIRECTORY, "smbclient with a password", b"smbclient", rb"smbclient[ \t][^\r\n\x00]{0,80}?-U[ \t]?[\"']?(?P<user>[A-Za-z0-9._\\/-]{1,40})%(?P<value>[^\s\x00\"'$]{3,64})", _typed),
    Sign(_K.DIRECTORY, "directory bound with a password", b"bindpw", rb"(?<![\w#( ])bindpw[ \t=:]{1,4}(?P<value>[^\s\x00\"'$]{3,64})[ \t]*[\r\n]", _typed),
    Sign(_K.DIRECTORY, "directory bound with a password", b"ldap_default_authtok", rb"(?<![#\w])ldap_default_authtok[ \t]*=[ \t]*(?P<value>[^\s\x00\"'$]{3,64})", _typed),
    Sign(_K.DIRECTORY, "directory searched with a password", b"ldap", rb"(?<![\w/])ldap(?:search|modify|add|whoami)[ \t][^\r\n\x00]{0,120}?[ \t]-w[ \t]?[\"']?(?P<value>[^\s\x00\"'$]{4,64})", _typed),
    Sign(_K.BASIC, "basic authorisation", b"Basic ", rb"Authorization:[ ]?Basic (?P<value>" + _BASE64 + rb"{8,128}={0,2})(?=[\s\x00\"'\\])", _key),
    Sign(_K.COMPARED, "password compared in source code", b"cmp", rb"(?:str|mem)n?(?:case)?cmp[ ]?\([ ]?\w*(?:[Pp]ass|PASS|[Pp]in|PIN|[Pp]wd|[Cc]ode)\w{0,16}[ ]?,[ ]?\"(?P<value>[^\"\s\\]{3,32})\"", _typed),
    Sign(_K.DIALOGUE, "recorded ftp login", b"PASS ", rb"(?:USER|user) (?P<user>[A-Za-z0-9._-]{2,32})(?:\\r|\\n|[\r\n\x00]|\"){1,5}[^\x00]{0,24}?PASS (?P<value>[^\s\x00\"'\\%$]{3,64})(?=[\r\n\x00\\\"])", _typed),
    Sign(_K.DIALOGUE, "recorded ftp login", b"user ", rb"(?<![\w-])open [0-9A-Za-z.-]{3,64}[\r\n]{1,2}user (?P<user>[A-Za-z0-9._-]{2,32}) (?P<value>[^\s\x00\"'\\%$]{3,64})[\r\n]", _typed),
    Sign(_K.DIALOGUE, "recorded login", b"send", rb"assword[^\r\n\x00]{0,12}[\r\n\s{]{1,8}[ \t]*send[ \t]+(?:--[ \t]+)?\"(?P<value>[^\"\s\\$\x00]{3,64})(?:\\r|\\n)", _typed),
    Sign(_K.PASSWORD_HASH, "stored password", b"$1$", rb"(?<![\w$])(?:(?P<user>[a-z][a-z0-9_-]{0,31}):)?(?P<value>\$1\$[./A-Za-z0-9]{1,8}\$[./A-Za-z0-9]{22})(?![./A-Za-z0-9])", _always),
    Sign(_K.PASSWORD_HASH, "stored password", b"$apr1$", rb"(?<![\w$])(?:(?P<user>[a-z][a-z0-9_-]{0,31}):)?(?P<value>\$apr1\$[./A-Za-z0-9]{1,8}\$[./A-Za-z0-9]{22})(?![./A-Za-z0-9])", _always),
    Sign(_K.PASSWORD_HASH, "stored password", b"$6$", rb"(?<![\w$])(?:(?P<user>[a-z][a-z0-9_-]{0,31}):)?(?P<value>\$6\$(?:rounds=\d{1,9}\$)?[./A-Za-z0-9]{1,16}\$[./A-Za-z0-9]{86})(?![./A-Za-z0-9])", _always),
    Sign(_K.PASSWORD_HASH, "stored password", b"$5$", rb"(?<![\w$])(?:(?P<user>[a-z][a-z0-9_-]{0,31}):)?(?P<value>\$5\$(?:rounds=\d{1,9}\$)?[./A-Za-z0-9]{1,16}\$[./A-Za-z0-9]{43})(?![./A-Za-z0-9])", _always),
    Sign(_K.PASSWORD_HASH, "stored password", b"root:", rb"(?<![\w:])(?P<user>root):(?P<value>[./A-Za-z0-9]{13}):(?:0:0:|\d{4,5}:)", _always),
    Sign(_K.TOKEN, "access key of AWS", b"AKIA", rb"(?<![A-Za-z0-9+/])(?P<value>AKIA[A-Z2-7]{16})(?![A-Za-z0-9+/=])", _key),
    Sign(_K.TOKEN, "token of GitHub", b"github_pat_", rb"(?P<value>github_pat_[A-Za-z0-9]{22}_[A-Za-z0-9]{59})", _key),
    Sign(_K.TOKEN, "token of GitLab", b"glpat-", rb"(?<![A-Za-z0-9])(?P<value>glpat-[A-Za-z0-9_-]{20})(?![A-Za-z0-9_-])", _key),
    Sign(_K.TOKEN, "token of Slack", b"xox", rb"(?<![A-Za-z0-9])(?P<value>xox[abprs]-[0-9]{8,14}-[A-Za-z0-9-]{12,72})", _key),
    Sign(_K.TOKEN, "web hook of Slack", b"hooks.slack.com", rb"hooks\.slack\.com/services/(?P<value>T[A-Z0-9]{8,12}/B[A-Z0-9]{8,12}/[A-Za-z0-9]{24})", _key),
    Sign(_K.TOKEN, "key of Google Cloud", b"AIza", rb"(?<![A-Za-z0-9_-])(?P<value>AIza[A-Za-z0-9_-]{35})(?![A-Za-z0-9_-])", _key),
    Sign(_K.TOKEN, "key of Stripe", b"k_live_", rb"(?<![A-Za-z0-9])(?P<value>[sr]k_live_[A-Za-z0-9]{24,99})", _key),
    Sign(_K.TOKEN, "key of SendGrid", b"SG.", rb"(?<![A-Za-z0-9.])(?P<value>SG\.[A-Za-z0-9_-]{22}\.[A-Za-z0-9_-]{43})(?![A-Za-z0-9_-])", _key),
    Sign(_K.TOKEN, "key of Azure storage or IoT", b"Key=", rb"(?:AccountKey|SharedAccessKey)=(?P<value>[A-Za-z0-9+/]{42,86}={1,2})", _key),
    Sign(_K.TOKEN, "signed token", b"eyJ", rb"(?<![A-Za-z0-9_-])(?P<value>eyJ[A-Za-z0-9_-]{12,300}\.eyJ[A-Za-z0-9_-]{12,300}\.[A-Za-z0-9_-]{20,300})", _key),
    Sign(_K.SIGNING_SECRET, "secret that signs sessions", b'ecret"', rb"[Jj](?:wt|WT)\w{0,16}\"[ \t]?:[ \t\r\n]{0,16}\{[^{}\x00]{0,160}?\"(?:[Ss]igning|[Ss]hared)?[Ss]ecret\"[ \t]?:[ \t]?\"(?P<value>[^\"\s\x00]{6,128})\"", _typed),
    Sign(_K.SIGNING_SECRET, "secret that signs sessions", b'ey" value=', rb"key=\"\w{0,12}[Jj]wt\w{0,20}[Kk]ey\" value=\"(?P<value>[^\"\s\x00]{6,128})\"", _typed),
    Sign(_K.SIGNING_SECRET, "secret that signs sessions", b"wt.secret", rb"jwt\.secret[ \t]{0,2}[=:][ \t]{0,2}(?P<value>[^\s\x00${}\"']{6,128})(?=[\s\x00])", _mixed),
    Sign(_K.SIGNING_SECRET, "secret that signs sessions", b"jwt.sign(", rb"jwt\.sign\([^\r\n\x00'\"]{1,60},[ \t]?" + _QUOTED, _typed),
    Sign(_K.SIGNING_SECRET, "secret that signs sessions", b"ecret", rb"""(?:[Jj][Ww][Tt][_.-]?(?:[Ss]igning[_-]?)?|[Ss]ession[_-]?|[Ii]ssuerSigningKey|[Tt]oken[_-]?)[Ss]ecret(?:[_-]?[Kk]ey)?["']?[ \t]{0,4}[=:][ \t]{0,4}""" + _QUOTED, _typed),
    Sign(_K.SIGNING_SECRET, "secret that signs sessions", b"SECRET", rb"""(?:JWT|SESSION|TOKEN|HMAC)_?SECRET(?:_?KEY)?["']?[ \t]{0,4}[=:][ \t]{0,4}""" + _WORD, _typed),
    Sign(_K.SIGNING_SECRET, "secret that signs sessions", b"ecretKey", rb"""(?:[Jj]wt|Signing)[.A-Za-z]{0,16}[Ss]ecretKey["']?[ \t]{0,4}[=:][ \t]{0,4}""" + _QUOTED, _typed),
    Sign(_K.WIFI_KEY, "wireless key", b"psk", rb"(?<![\w#-])(?:wpa2?[_-]?)?psk[ \t]{0,2}[=:][ \t]{0,2}(?:\"(?P<value>[^\"\r\n\x00]{8,63})\"|(?P<bare>[0-9a-fA-F]{64}|[^\s\"\x00${}%<>]{8,63})(?=[\s\x00;]))", _wireless),
    Sign(_K.WIFI_KEY, "wireless key", b"PSK", rb"(?:WPA2?|WIFI|WLAN|Wifi|Wlan)_?PSK(?:_?KEY)?[ \t]{0,2}[=:][ \t]{0,2}(?:\"(?P<value>[^\"\r\n\x00]{8,63})\"|(?P<bare>[^\s\"\x00${}%<>]{8,63})(?=[\s\x00;]))", _wireless),
    Sign(_K.WIFI_KEY, "wireless key", b"keyMaterial>", rb"<keyMaterial>(?P<value>[^<\x00]{8,64})</", _wireless),
    Sign(_K.WIFI_KEY, "wireless key", b"PASSPHRASE", rb"(?:WPA2?|WIFI|WLAN)_?PASSPHRASE[ \t]{0,2}[=:][ \t]{0,2}(?:\"(?P<value>[^\"\r\n\x00]{8,63})\"|(?P<bare>[^\s\"\x00${}%<>]{8,63})(?=[\s\x00;]))", _wireless),
    Sign(_K.WIFI_KEY, "wireless key", b"haredKey", rb"[Pp]re-?[Ss]haredKey[\"']?[ \t]{0,2}[=:>][ \t]{0,2}[\"']?(?P<value>[^\s\"'\x00${}%<>]{8,63})", _wireless),
    Sign(_K.WIFI_KEY, "wireless key", b"wpa_passphrase", rb"(?<![#\w-])wpa_passphrase=(?P<value>[^\s\x00\"$%]{8,63})", _wireless),
    Sign(_K.WIFI_KEY, "wireless key", b"wep", rb"(?<![#\w-])wep[_-]?key\d?[ \t]{0,2}[=:][ \t]{0,2}\"?(?P<value>[0-9A-Fa-f]{10}|[0-9A-Fa-f]{26}|[!#-~]{5}|[!#-~]{13})\"?(?=[\r\n\x00])", _wep),
    Sign(_K.WIFI_KEY, "wireless key", b"assphrase", rb"(?:[Ww]i-?[Ff]i|[Ww]lan|[Ww]ireless|[Ww][Pp][Aa]2?|[Ss]sid|[Pp]re-?[Ss]hared)[ _]?[Pp]assphrase\"?[ \t]{0,2}[=:][ \t]{0,2}(?:\"(?P<value>[^\"\r\n\x00]{8,63})\"|(?P<bare>[^\s\"\x00${}%<>]{8,63})(?=[\s\x00;]))", _wireless),
    Sign(_K.VPN_SECRET, "shared key of a tunnel", b" PSK ", rb":[ \t]{0,4}PSK[ \t]+\"(?P<value>[^\"\r\n\x00$]{4,64})\"", _typed),
    Sign(_K.VPN_SECRET, "private key of WireGuard", b"PrivateKey", rb"(?<![#\w-])PrivateKey[ \t]*=[ \t]*(?P<value>[A-Za-z0-9+/]{43}=)", _key),
    Sign(_K.VPN_SECRET, "static key of OpenVPN", b"OpenVPN Static key", rb"(?P<value>-----BEGIN OpenVPN Static key V1-----[\r\n]{1,2}[0-9a-f]{32})", _always),
    Sign(_K.CIPHER_KEY, "key of openssl enc", b"openssl", rb"openssl[ \t]+(?:enc[ \t]|aes-|des)[^\r\n\x00|;]{0,160}?[ \t]-K[ \t]?[\"']?(?P<value>[0-9A-Fa-f]{16,64})", _always),
    Sign(_K.CIPHER_KEY, "password of openssl enc", b"openssl", rb"openssl[ \t]+(?:enc[ \t]|aes-|des)[^\r\n\x00|;]{0,160}?[ \t](?:-k[ \t]|-pass(?:in|out)?[ \t]+[\"']?pass:)[\"']?(?P<value>[^\s\x00\"'$]{3,64})", _typed),
    Sign(_K.CIPHER_KEY, "key in settings", b"<Key>", rb"[Ee]ncryption[^\x00]{0,80}?<Key>(?P<value>[A-Za-z0-9+/=]{16,88})</Key>", _key),
    Sign(_K.CIPHER_KEY, "key in source code", b"CryptoJS.enc.", rb"(?:[Kk]ey|KEY)\w{0,8}[ \t]?=[ \t]?CryptoJS\.enc\.\w{2,8}\.parse\([ \t]?" + _QUOTED, _typed),
    Sign(_K.CIPHER_KEY, "key in source code or settings", b"_key", rb"(?<![A-Za-z])(?:default|master|secret|shared|device)_key[\"']?[ \t]{0,4}[=:][ \t]{0,4}[\"'](?P<value>[A-Za-z0-9+/!@#=_-]{8,88})[\"']", _mixed),
    Sign(_K.CIPHER_KEY, "password of gpg", b"--passphrase", rb"gpg2?[ \t][^\r\n\x00]{0,120}?--passphrase[ =][\"']?(?P<value>[^\s\x00\"'$-][^\s\x00\"'$]{3,64})", _typed),
    Sign(_K.CIPHER_KEY, "key in source code", b"AES.new(", rb"[Kk](?:ey|EY)[ \t]?=[ \t]?b?[\"'](?P<value>[^\"'\s\x00]{16,64})[\"'][^\x00]{0,160}?AES\.new\(", _key),
    Sign(_K.CIPHER_KEY, "key in source code", b"key[", rb"""(?<![A-Za-z])(?:\w{1,16}_)?key\[(?:16|24|32)?\][ \t]{0,4}=[ \t]{0,4}\{[ \t\r\n]{0,8}(?P<value>(?:0x[0-9A-Fa-f]{2},[ \t\r\n]{0,8}){7,40}0x[0-9A-Fa-f]{2})""", _key),
    Sign(_K.FIXED_START, "initialisation vector of openssl enc", b"openssl", rb"openssl[ \t]+(?:enc[ \t]|aes-|des)[^\r\n\x00|;]{0,160}?[ \t]-iv[ \t]?[\"']?(?P<value>[0-9A-Fa-f]{16,32})", _always),
    Sign(_K.PASSWORD, "password", b"assw", rb"(?<!-)[Pp]ass(?:word|wd)" + _IS + _WORD, _password),
    Sign(_K.PASSWORD, "password", b"ASSW", rb"PASS(?:WORD|WD)" + _IS + _WORD, _password),
    Sign(_K.PASSWORD, "password", b"#define", rb"#define[ \t]+\w*(?:PASS(?:WORD|WD)?|PWD|[Pp]ass(?:word|wd))\w{0,12}[ \t]+" + _QUOTED, _typed),
    Sign(_K.PASSWORD, "password", b"pass", rb"""(?<![A-Za-z-])(?:\w{1,16}_)?pass(?:\.value)?["']?[ \t]{0,4}(?:={1,3}|:)[ \t]{0,4}""" + _WORD, _password),
    Sign(_K.PASSWORD, "password", b"_PASS", rb"""(?<![A-Za-z-])[A-Z0-9_]{1,24}_PASS[ \t]{0,4}[=:][ \t]{0,4}""" + _WORD, _password),
    Sign(_K.PASSWORD, "password", b"pwd", rb"""(?<![A-Za-z$])(?:\w{1,16}_)?pwd["']?[ \t]{0,4}[=:][ \t]{0,4}""" + _WORD, _password),
    Sign(_K.PASSWORD, "password in settings of .NET", b'wd" value=', rb"key=\"\w{0,24}(?:[Pp]wd|PWD|[Pp]asswd)\" value=\"(?P<value>[^\"\s\x00]{4,64})\"", _typed),
    Sign(_K.PASSWORD, "password", b"assword ", rb"(?<![\w.-])[Pp]assword[ \t]{1,8}(?:\"(?P<value>[^\"\s\x00]{4,64})\"|(?P<bare>[A-Za-z0-9!@#_]{4,64}))(?=[ \t]*[\r\n])", _own_words),
    Sign(_K.PASSWORD_HASH, "stored password", b"hash", rb"hash[\"']?[ \t]?[=:][ \t]?[\"'](?P<value>[0-9a-fA-F]{32}|[0-9a-fA-F]{40})[\"']", _is_known_hash),
    Sign(_K.PASSWORD, "password", b"Pass", rb"""(?<![A-Za-z-])(?:[A-Za-z0-9]{1,16}[_.])?Pass["']?[ \t]{0,4}=[ \t]{0,4}""" + _WORD, _password),
    Sign(_K.PASSWORD, "password", b"PASS", rb"""(?<![A-Za-z_-])PASS[ \t]{0,2}=[ \t]{0,2}""" + _WORD, _password),
    Sign(_K.PASSWORD, "password", b"PWD", rb"""(?<![A-Za-z$])(?:[A-Z0-9]{1,16}_)?PWD[ \t]{0,2}=[ \t]{0,2}""" + _WORD, _password),
    Sign(_K.PASSWORD, "password", b"_pw", rb"(?<![A-Za-z])[A-Za-z]\w{0,16}_pw(?:\[\d{0,3}\])?[ \t]{0,4}=[ \t]{0,4}" + _QUOTED, _typed),
    Sign(_K.PASSWORD, "password", b"define(", rb"define\([ \t]?['\"]\w{0,24}(?:PASS(?:WORD|WD)?|PWD|[Pp]ass(?:word|wd)?)\w{0,8}['\"][ \t]?,[ \t]?" + _QUOTED, _typed),
    Sign(_K.PASSWORD, "secret", b'ecret"', rb"\"[a-zA-Z]{0,12}_?[Ss]ecret\"[ \t]?:[ \t]?\"(?P<value>[^\"\s\x00]{6,64})\"", _mixed),
    Sign(_K.PASSWORD, "password of a setup", b"<PlainText>true", rb"assword>\s{0,40}<Value>(?P<value>[^<\s\x00]{4,64})</Value>\s{0,40}<PlainText>true", _typed),
    Sign(_K.PASSWORD, "password in a script of PowerShell", b"ConvertTo-SecureString", rb"ConvertTo-SecureString[ \t]+(?:-\w{1,16}[ \t]+){0,4}" + _QUOTED, _typed),
    Sign(_K.PASSWORD, "password of a database user", b"IDENTIFIED BY", rb"IDENTIFIED BY[ \t]+(?:PASSWORD[ \t]+)?" + _QUOTED, _typed),
    Sign(_K.PASSWORD, "password of a database user", b"identified by", rb"identified by[ \t]+(?:password[ \t]+)?" + _QUOTED, _typed),
    Sign(_K.PASSWORD, "password of a database user", b"sp_addlogin", rb"sp_addlogin[ \t]+N?['\"](?P<user>[^'\"\s\x00]{1,40})['\"][ \t]?,[ \t]?N?" + _QUOTED, _typed),
    Sign(_K.PASSWORD, "password in a table", b"VALUES", rb"(?:[Pp]assw(?:or)?d|PASSWORD|pwd)[`\"\]]?[ \t]?\)[ \t\r\n]{0,4}VALUES[ \t]{0,4}\((?:[^()]{0,160},[ \t]{0,2})?N?'(?P<value>[^'\s\x00]{4,64})'[ \t]?\)", _typed),
    *_pair_signs(),
    *_network_signs(),
    Sign(_K.PASSWORD, "automatic login", b"DefaultPassword", rb"""DefaultPassword"?[ \t]*(?:=|REG_SZ|,)[ \t,]*""" + _WORD, _typed),
    Sign(_K.PASSWORD, "password, user before it", b"login:", rb"(?<!\w)login:[ \t]?(?P<user>[a-z][a-z0-9_]{2,15})[ \t]?[/:,][ \t]?(?:password:[ \t]?)?(?P<value>[^\s\x00/:,;]{4,32})(?=[\s\x00;])", _password),
)  # fmt: skip
"""All signs; the more telling one first: it takes the place of those that find the same secret."""
