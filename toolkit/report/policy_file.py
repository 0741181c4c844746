"""The file of accepted risks: read strictly, and added to without touching what stands in it.

::

    schema_version = "1.0"

    [[acceptances]]
    id = "service-port"
    check = "telnet-service"
    paths = ["*!etc/inetd.conf"]
    reason = "The port is behind the gateway of the ward until version 5.2."
    owner = "Head of medical engineering"
    created_by = "Biomedical engineer on duty"
    created = 2026-11-24
    until = 2027-03-31
"""

from __future__ import annotations

import hashlib
import json
import re
import tomllib
from collections import Counter
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any, Final, Literal

import msgspec

from toolkit.core.errors import InputError
from toolkit.report.acceptance import Acceptance, wrong_with
from toolkit.report.accepting import AcceptedRisks

__all__ = ["MOST_ACCEPTANCES", "decode_policy", "located", "problems_of", "read_policy", "with_acceptance"]

MOST_BYTES: Final = 1 << 20
MOST_ACCEPTANCES: Final = 1_000
LONGEST_LINE_BYTES: Final = 8_192
"""Reading a dotted key takes the square of its length."""
HEAD: Final = 'schema_version = "1.0"\n'
_WHERE: Final = re.compile(r"(?P<what>.*) - at `\$(?P<path>.*)`", re.DOTALL)


class _File(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    schema_version: Literal["1.0"]
    acceptances: tuple[Acceptance, ...] = ()


def read_policy(path: Path, today: date) -> AcceptedRisks:
    """Return the risks that the file at ``path`` accepts; raise ``InputError`` naming every line that cannot count."""
    try:
        if path.stat().st_size > MOST_BYTES:
            raise InputError(f"{path}: larger than {MOST_BYTES >> 20} MiB, so it is no file of accepted risks")
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror or error}") from error
    return decode_policy(data, str(path), today)


def decode_policy(data: bytes, source: str, today: date) -> AcceptedRisks:
    """Return the risks that a policy file with content ``data`` accepts, judged on the day ``today``."""
    if any(len(line) > LONGEST_LINE_BYTES for line in data.splitlines()):
        raise InputError(f"{source}: has a line of more than {LONGEST_LINE_BYTES} bytes")
    try:
        file = msgspec.convert(tomllib.loads(data.decode("utf-8-sig")), _File)
    except UnicodeDecodeError as error:
        raise InputError(f"{source}: is not UTF-8 text: byte {error.start} cannot be read") from error
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise InputError(f"{source}: is not valid TOML: {error}") from error
    except msgspec.ValidationError as error:
        raise InputError(f"{source}: {located(str(error))}") from error
    problems = list(problems_of(file.acceptances, today))
    if problems:
        raise InputError(f"{source}: {'; '.join(problems)}")
    return AcceptedRisks(acceptances=file.acceptances, day=today, sha256=hashlib.sha256(data).hexdigest())


def located(message: str) -> str:
    """Return an error of the decoder with its path first, as our other errors have it."""
    found = _WHERE.fullmatch(message)
    return f"{found['path'].lstrip('.')}: {found['what']}" if found else message


def problems_of(acceptances: tuple[Acceptance, ...], today: date, table: str = "acceptances") -> Iterator[str]:
    """Yield everything that is wrong with acceptances, each with its path."""
    if len(acceptances) > MOST_ACCEPTANCES:
        yield f"{table}: more than {MOST_ACCEPTANCES} entries"
    for number, acceptance in enumerate(acceptances):
        where = f"{table}[{number}]"
        if table == "acceptances":
            yield from (f"{where}.{name}: is missing" for name in _unsigned(acceptance))
        yield from (f"{where}.{name}: {reason}" for name, reason in wrong_with(acceptance, today))
    tally = Counter(acceptance.id for acceptance in acceptances)
    yield from (f"{table}: the id {name} stands here {count} times" for name, count in tally.items() if count > 1)


def _unsigned(acceptance: Acceptance) -> Iterator[str]:
    """Yield what a policy file must say of who wrote an entry, and when."""
    yield from (name for name in ("created_by", "created") if getattr(acceptance, name) is None)


def with_acceptance(data: bytes, acceptance: Acceptance, source: str, today: date) -> bytes:
    """Return a policy file with ``acceptance`` added behind what stands in it; an empty one is begun."""
    kept = data or HEAD.encode()
    separator = b"" if kept.endswith(b"\n") else b"\n"
    added = kept + separator + _as_toml(acceptance).encode()
    decode_policy(added, source, today)
    return added


def _as_toml(acceptance: Acceptance) -> str:
    fields = msgspec.to_builtins(acceptance, builtin_types=(date,))
    lines = [f"{name} = {_value(value)}" for name, value in fields.items()]
    return "\n".join(("", "[[acceptances]]", *lines, ""))


def _value(value: Any) -> str:
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_value, value))}]"
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
