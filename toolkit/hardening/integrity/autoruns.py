r"""What Windows starts by itself, from the hives of its registry: these are where something that stays hides.

Sources: Microsoft Learn, "Run and RunOnce registry keys", "Winlogon", "CurrentControlSet\Services subkeys",
"AppInit DLLs", "Debugging a program by Image File Execution Options"; MITRE ATT&CK T1547, T1546.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import msgspec

from firmware_checks.exposure.registry_hive import Hive, HiveKey
from firmware_checks.format import EntryKind
from toolkit.core.errors import FormatError, LimitExceeded
from toolkit.core.window import Window
from toolkit.hardening.subject import HardeningSubject, SubjectFile, System, Volume

__all__ = ["Autorun", "autoruns_of", "is_hive"]

HIVES: Final = ("config/software", "config/system", "ntuser.dat", "config/default")
"""How the paths of hives end that say what is started."""
EVERY_VALUE: Final = (
    "Microsoft/Windows/CurrentVersion/Run",
    "Microsoft/Windows/CurrentVersion/RunOnce",
    "Microsoft/Windows/CurrentVersion/Policies/Explorer/Run",
    "Wow6432Node/Microsoft/Windows/CurrentVersion/Run",
    "Wow6432Node/Microsoft/Windows/CurrentVersion/RunOnce",
    "Software/Microsoft/Windows/CurrentVersion/Run",
    "Software/Microsoft/Windows/CurrentVersion/RunOnce",
)
"""Keys of which every value is started."""
NAMED_VALUES: Final = {
    "Microsoft/Windows NT/CurrentVersion/Winlogon": ("Shell", "Userinit", "Taskman", "System"),
    "Microsoft/Windows NT/CurrentVersion/Windows": ("AppInit_DLLs", "LoadAppInit_DLLs"),
    "Wow6432Node/Microsoft/Windows NT/CurrentVersion/Windows": ("AppInit_DLLs", "LoadAppInit_DLLs"),
}
OF_EVERY_CHILD: Final = {
    "Microsoft/Windows NT/CurrentVersion/Image File Execution Options": ("Debugger",),
    "ControlSet001/Services": ("ImagePath", "Start", "ServiceDll"),
    "ControlSet002/Services": ("ImagePath", "Start", "ServiceDll"),
}
"""Keys below which every key may name a program."""
MOST_ROWS: Final = 50_000


class Autorun(msgspec.Struct, frozen=True, order=True, array_like=True):
    """One value that makes something start."""

    hive: str
    key: str
    value: str
    data: str


def is_hive(name: str) -> bool:
    """Tell whether the file ``name`` is a hive that is compared by what it starts, and not by its bytes.

    A running Windows writes to it all the time.
    """
    return name.lower().endswith(HIVES)


def autoruns_of(subject: HardeningSubject, volume: Volume) -> tuple[Autorun, ...]:
    """Return what the hives in a Windows volume start, in order; a damaged hive is left to its digest."""
    if volume.system is not System.WINDOWS:
        return ()
    found: list[Autorun] = []
    for file in volume.files:
        if file.kind is EntryKind.FILE and is_hive(file.name):
            found.extend(_read(subject, file))
    return tuple(sorted(found[:MOST_ROWS]))


def _read(subject: HardeningSubject, file: SubjectFile) -> list[Autorun]:
    try:
        hive = Hive(Window.of(subject.read(file)))
        return list(_rows(hive, file.name))
    except (FormatError, LimitExceeded):
        return []


def _rows(hive: Hive, name: str) -> Iterator[Autorun]:
    root = hive.root()
    for path in EVERY_VALUE:
        key = _key(hive, root, path)
        for value, data, _offset in hive.values(key) if key is not None else ():
            yield Autorun(name, path, value, str(data))
    for path, wanted in NAMED_VALUES.items():
        yield from _named(hive, name, _key(hive, root, path), path, wanted)
    for path, wanted in OF_EVERY_CHILD.items():
        parent = _key(hive, root, path)
        for child in hive.children(parent) if parent is not None else ():
            yield from _named(hive, name, child, f"{path}/{child.name}", wanted)
            below = hive.child(child, "Parameters")
            yield from _named(hive, name, below, f"{path}/{child.name}/Parameters", wanted)


def _named(hive: Hive, name: str, key: HiveKey | None, path: str, wanted: tuple[str, ...]) -> Iterator[Autorun]:
    lowered = [value.lower() for value in wanted]
    for value, data, _offset in hive.values(key) if key is not None else ():
        if value.lower() in lowered:
            yield Autorun(name, path, value, str(data))


def _key(hive: Hive, root: HiveKey, path: str) -> HiveKey | None:
    key: HiveKey | None = root
    for part in path.split("/"):
        if key is None:
            return None
        key = hive.child(key, part)
    return key
