"""Secrets as documented cases of medical devices had them, in many forms: reported, in the right place, never shown."""

import base64
import sqlite3
import struct
from collections.abc import Callable

import pytest

from firmware_checks.check import archive_of
from firmware_checks.credentials.key_examples import (
    PUBLISHED_SEED,
    authority_certificate,
    certificate,
    key_der,
    key_pem,
)
from firmware_checks.observers.directory_secrets import OBSERVER as DIRECTORY
from firmware_checks.scan import Scanner
from toolkit.core.findings import Finding

ELF = b"\x7fELF\1\1\1" + b"\0" * 60
SEED = b"another made up key, 32 bytes..."


@pytest.fixture(scope="module")
def scan(tmp_path_factory: pytest.TempPathFactory) -> Callable[[bytes], list[Finding]]:
    scanner, path = Scanner(), tmp_path_factory.mktemp("twins") / "image.bin"

    def scanned(image: bytes) -> list[Finding]:
        path.write_bytes(image)
        return list(scanner.scan(path).findings)

    return scanned


def _base(*, address: int, data: bytes) -> bytes:
    """Return ``data`` as Intel HEX."""

    def record(place: int, kind: int, content: bytes) -> str:
        body = bytes([len(content)]) + place.to_bytes(2) + bytes([kind]) + content
        return ":" + (body + bytes([-sum(body) & 0xFF])).hex().upper()

    rows = [record(0, 4, (address >> 16).to_bytes(2))]
    rows += [record((address + at) & 0xFFFF, 0, data[at : at + 16]) for at in range(0, len(data), 16)]
    return ("\n".join([*rows, ":00000001FF"]) + "\n").encode()


def _database() -> bytes:
    base = sqlite3.connect(":memory:")
    base.execute("CREATE TABLE patients (id, last_name, dob, mrn)")
    base.execute("INSERT INTO patients VALUES (1, 'Okonjo', '1961-02-14', '4471902')")
    base.execute("CREATE TABLE users (username, password)")
    base.execute("INSERT INTO users VALUES ('service', '21232f297a57a5a743894a0e4a801fc3'), ('x', NULL)")
    base.commit()
    data = base.serialize()
    base.close()
    return data


CASES = {
    "password in a program": ("hard-coded-password", "b/mon", ELF + b"su password=cmsroot9\0", "cmsroot9", 70),
    "login of a program": ("hard-coded-password", "b/mon", ELF + b"login: root/contec123\0", "contec123", 67),
    "recorded ftp login": (
        "hard-coded-password",
        "b/up",
        ELF + b"USER meds\r\n\0PASS carelink2\r\n\0",
        "carelink2",
        67,
    ),
    "address": ("hard-coded-password", "b/up", ELF + b"ftp://update:Axeda99@10.1.1.1/f\0", "Axeda99", 67),
    "batch of ftp": ("hard-coded-password", "o/up.txt", b"open 10.1.1.1\nuser phil Intelli99\nbin\n", "Intelli99", 0),
    "dialogue": ("hard-coded-password", "o/l.exp", b'expect "Password:"\nsend "zebra7\\r"\n', "zebra7", 8),
    "plain word in settings": ("hard-coded-password", "c/a.ini", b"[db]\r\npassword=tropicana\r\n", "tropicana", 6),
    "database client": ("hard-coded-password", "a/w.config", b'"x;User Id=sa;Password=BDkiestra;"', "BDkiestra", 3),
    "settings of .NET": ("hard-coded-password", "a/w.config", b'<add key="Password" value="zollpw12"/>', "zollpw12", 5),
    "source": ("hard-coded-password", "s/m.c", b'#define SERVICE_PASSWORD "opensesame"\n', "opensesame", 0),
    "comparison": ("hard-coded-password", "s/m.c", b'if (strcmp(password, "drwho") == 0)', "drwho", 4),
    "web page": ("hard-coded-password", "w/l.js", b'if (f.password.value == "tech9911")', "tech9911", 4),
    "shell": ("hard-coded-password", "b/s.sh", b"sshpass -p Ward7key ssh root@10.0.0.1\n", "Ward7key", 0),
    "chpasswd": ("hard-coded-password", "b/s.sh", b"echo root:Ward7key | chpasswd\n", "Ward7key", 0),
    "basic": (
        "hard-coded-password",
        "b/s.sh",
        b"Authorization: Basic YWRtaW46cHVtcDEyMw==\n",
        "YWRtaW46cHVtcDEyMw==",
        0,
    ),
    "Windows, two bytes": (
        "hard-coded-password",
        "p.exe",
        b"MZ" + b"\0" * 200 + "User ID=sa;Password=Kies7;".encode("utf-16-le") + b"\0" * 9,
        "Kies7",
        202,
    ),
    "automatic login": (
        "hard-coded-password",
        "x.reg",
        '\ufeff"DefaultPassword"="Exacta1"\r\n'.encode("utf-16-le"),
        "Exacta1",
        4,
    ),
    "token": ("hard-coded-token", "a.json", b'{"Jwt":{"SecretKey":"kabi-link-1"}}', "kabi-link-1", 2),
    "hub": ("hard-coded-token", "a.env", b"x=ghp_" + b"a1B2c3D4e5F6g7H8i9J0" + b"k1L2m3N4o5P6q7R8\n", "a1B2c3D4e5", 2),
    "physician": ("fixed-service-code", "p.c", b"static const int physician_pin = 4711;\n", "4711", 17),
    "menu": ("fixed-service-code", "p.c", b"#define BIOMED_PIN 2468\n", "2468", 8),
    "share": ("directory-secret", "m.sh", b"mount -o username=ge,password=ge1pass\n", "ge1pass", 9),
    "samba": (
        "directory-secret",
        "etc/smbpasswd",
        b"svc:1000:" + b"X" * 32 + b":" + b"A1" * 16 + b":[U ]:\n",
        "A1A1",
        0,
    ),
    "key table": ("directory-secret", "etc/krb5.keytab", DIRECTORY.example()[1], "kkkk", 0),
    "wireless": ("wireless-key", "c/w", b"\toption key 'icu-ward-77'\n", "icu-ward-77", 1),
    "wireless of CE": ("wireless-key", "w.reg", b'"NetworkKey"="pumpkey2008"\r\n', "pumpkey2008", 1),
    "host": ("wireless-key", "h.conf", b"wpa_passphrase=ward7access\n", "ward7access", 0),
    "WireGuard": (
        "tunnel-secret",
        "w.conf",
        b"PrivateKey = " + base64.b64encode(bytes(range(32))) + b"\n",
        "AAECAw",
        0,
    ),
    "OpenVPN": (
        "tunnel-secret",
        "s.key",
        b"-----BEGIN OpenVPN Static key V1-----\n" + b"6acef03f62675b4b" * 2 + b"\n",
        "6acef03",
        0,
    ),
    "start value beside a key": (
        "fixed-initialisation-vector",
        "e.sh",
        b"openssl enc -aes-128-cbc -K 2b7e151628aed2a6abf7158809cf4f3c -iv 000102030405060708090a0b0c0d0e0f\n",
        "0405",
        0,
    ),
    "array": (
        "fixed-cipher-key",
        "k.c",
        b"uint8_t aes_key[16] = {0x2b, 0x7e, 0x15, 0x16, 0x28, 0xae, 0xd2, 0xa6, 0xab};\n",
        "0x7e",
        8,
    ),
    "media key": ("fixed-cipher-key", "s.py", b'MEDIA_KEY = "q7W9e2R4t6Y8u1I3"\n', "q7W9e2R4t6Y8u1I3", 0),
    "DER in a program": ("private-key", "b/u", ELF + key_der() + b"\0", "no text", 67),
    "PuTTY": ("private-key", "k.ppk", b"PuTTY-User-Key-File-2: ssh-rsa\r\nEncryption: none\r\n", "no text", 0),
    "PKCS #12": ("private-key", "k.p12", b"0\x82\x01\x00\x02\x01\x03" + b"\0" * 64, "no text", 0),
    "authority": ("private-key", "ca.pem", key_pem(SEED) + authority_certificate(SEED), "no text", 0),
    "server": ("private-key", "s.pem", key_pem(SEED) + certificate(issuer="CA", seed=SEED), "no text", 0),
    "certificate": ("published-private-key", "c.pem", certificate(issuer="CA", seed=PUBLISHED_SEED), "no text", 0),
    "HL7": ("patient-message", "h", b"MSH|^~\\&|A\rPID|||123^^^H||Garcia^Lucia^M||1980|\r", "Garcia", 11),
    "FHIR": (
        "patient-message",
        "p.json",
        b'{"resourceType":"Patient","name":[{"family":"Garcia"}],"birthDate":"1980-01-01"}',
        "Garcia",
        1,
    ),
    "database": ("patient-list", "p.db", _database(), "Okonjo", None),
    "users in a database": ("weak-password", "p.db", _database(), "21232f", None),
    "hash in a script": (
        "weak-password",
        "i.sh",
        b"echo 'root:$1$ab$XAY7Cxo/ue.AAKn2rbkP3.:0:0::/:/bin/sh' > p\n",
        "XAY7Cxo",
        6,
    ),
    "hash in a script is old": (
        "obsolete-password-hash",
        "i.sh",
        b"echo '$1$ab$XAY7Cxo/ue.AAKn2rbkP3.' > p\n",
        "XAY7Cxo",
        6,
    ),
    "web server": ("obsolete-password-hash", ".htpasswd", b"bob:{SHA}0DPiKuNIrrVmD8IUCuw1hQxNqZc=\n", "0DPiKu", 0),
    "backup": ("open-backup", "m.bak", b"TAPE\0\0" + b"\0" * 90, "no text", 0),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_a_secret_is_reported_where_it_stands_and_not_shown(
    scan: Callable[[bytes], list[Finding]], case: tuple[str, str, bytes, str, int | None]
) -> None:
    check, path, content, secret, offset = case
    findings = scan(archive_of({path: content}))
    own = [finding for finding in findings if finding.check == check]
    assert own
    places = [(e.path.rpartition("!")[2], e.offset) for finding in own for e in finding.evidence]
    assert any(place == path and offset in (at, None) for place, at in places), places
    assert secret not in repr(findings)


def test_a_raw_image_of_a_microcontroller_shows_device_addresses(scan: Callable[[bytes], list[Finding]]) -> None:
    start = struct.pack("<4I", 0x20004000, 0x08004101, 0x08004105, 0x08004109) + b"\0" * 240
    data = start + bytes(range(1, 200)) * 20 + b"\0ftp_password=Kx82pump\0SERVICE_PIN=2468\0"
    findings = scan(_base(address=0x08004000, data=data))
    seen = {finding.check: finding.evidence[0].address for finding in findings if finding.evidence}
    assert seen["hard-coded-password"] == 0x08004000 + data.index(b"ftp_password")
    assert seen["fixed-service-code"] == 0x08004000 + data.index(b"SERVICE_PIN")


def test_a_certificate_in_der_and_one_in_a_program_are_read(scan: Callable[[bytes], list[Finding]]) -> None:
    text = certificate(issuer="CA", seed=PUBLISHED_SEED)
    der = base64.b64decode(b"".join(text.splitlines()[1:-1]))
    image = archive_of(
        {"c.cer": der, "b/u": ELF + text.replace(b"\n", b"\\n") + b"\0", "cut.pem": text[:100], "no.crt": b"0"}
    )
    places = {e.path.rpartition("!")[2] for f in scan(image) if f.check == "published-private-key" for e in f.evidence}
    assert places == {"c.cer", "b/u"}


def test_accounts_without_a_password_to_compare_are_left_alone(scan: Callable[[bytes], list[Finding]]) -> None:
    passwd = b"root:x:0:0::/root:/bin/sh\ntoor:!:0:0::/root:/bin/sh\nodd line\n"
    image = archive_of(
        {"etc/passwd": passwd, "etc/shadow": b"root:$6$rounds=999999999$salt$" + b"a" * 86 + b":1:::::::\n"}
    )
    findings = [f for f in scan(image) if f.check in ("weak-password", "several-superusers", "obsolete-password-hash")]
    assert [f.severity.value for f in findings] == ["info"]


def test_passwords_that_no_account_is_named_for_are_put_together(scan: Callable[[bytes], list[Finding]]) -> None:
    kept = ELF + b"\0".join([b"$1$ab$XAY7Cxo/ue.AAKn2rbkP3.", b"$apr1$dDFb2LLh$Z4JwQ24i/7jv.ZMz/TS9u0", b""])
    own = [f for f in scan(archive_of({"b/x": kept})) if f.check == "weak-password"]
    assert [(f.severity.value, len(f.evidence)) for f in own] == [("high", 2)]


def test_settings_that_only_look_weak_show_nothing(scan: Callable[[bytes], list[Finding]]) -> None:
    image = archive_of(
        {
            "etc/ssh/sshd_config": b"Protocol 2\nCiphers aes256-ctr\n",
            "etc/lighttpd.conf": b'ssl.use-sslv3 = "disable"\n',
            "etc/openssl.cnf": b"MinProtocol = TLSv1.2\nCipherString = DEFAULT@SECLEVEL=2\n",
            "etc/x.p12": b"nothing of the sort",
            "etc/smbpasswd": b"# nobody\n",
            "etc/k.keytab": b"\x05\x02\0\0\0\x09\0\0\0\x01x" + b"\0" * 9,
            "opt/a.py": b"key = 5\nnumber = random.randint(1, 6)\n# key = random.choice(x)\n",
            "opt/binary.sh": b"#!\0openssl enc -des-cbc",
            "root/.ssh/authorized_keys": b"ssh-rsa " + b"A" * 41 + b" cut\n",
            "data/wrong.db": b"SQLite format 3\0" + b"x" * 200,
            "data/log.txt": b"MRN: 00000000\n",
            "opt/patient.json": b'{"resourceType": "Patient", "$ref": "x", "family": 1, "birthDate": 2}',
            "b.sql": b"-- MySQL dump",
        }
    )
    checks = {finding.check for finding in scan(image)}
    assert not checks & {"ssh-settings", "weak-tls-setting", "private-key", "directory-secret", "guessable-secret"}
    assert not checks & {
        "weak-cipher",
        "ssh-login-key",
        "patient-list",
        "patient-log",
        "patient-message",
        "open-backup",
    }


@pytest.mark.parametrize(
    ("path", "line", "check"),
    [
        ("etc/lighttpd.conf", b'ssl.use-sslv3 = "enable"\n', "weak-tls-setting"),
        ("etc/nginx/sites/a.conf", b"ssl_ciphers HIGH:RC4-SHA;\n", "weak-tls-setting"),
        ("etc/ssh/sshd_config", b"Ciphers aes256-ctr,3des-cbc\n", "ssh-settings"),
        ("opt/keys.c", b"srand(time(NULL));\nsession_key[i] = rand() % 256;\n", "guessable-secret"),
        ("opt/keys.py", b"c = AES.new(k, AES.MODE_ECB)\n", "weak-cipher"),
    ],
)
def test_a_weak_setting_is_reported(scan: Callable[[bytes], list[Finding]], path: str, line: bytes, check: str) -> None:
    assert check in {finding.check for finding in scan(archive_of({path: line}))}


def test_more_secrets_in_one_file_than_anybody_reads_are_cut_off(scan: Callable[[bytes], list[Finding]]) -> None:
    many = b"".join(b"password%d=Wx7pump%03d\n" % (n % 10, n) for n in range(400))
    own = [f for f in scan(archive_of({"a.conf": many})) if f.check == "hard-coded-password"]
    assert [len(finding.evidence) for finding in own] == [30]
