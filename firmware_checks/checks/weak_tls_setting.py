"""Do settings allow outdated protection of connections?"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from device_profiles.schema import DeviceProfile
from firmware_checks.check import Check, archive_of
from firmware_checks.controls import Controls
from firmware_checks.inventory import Inventory
from firmware_checks.observers.cipher_settings import WeakSetting
from toolkit.core.findings import Evidence, Finding, Severity


def _run(check: Check, inventory: Inventory, _profile: DeviceProfile | None) -> Iterator[Finding]:
    places: dict[str, list[Evidence]] = defaultdict(list)
    allowed: dict[str, dict[str, None]] = defaultdict(dict)
    for seen in inventory.observed(WeakSetting):
        if not seen.what.is_of_ssh:
            places[seen.path].append(seen.evidence)
            allowed[seen.path].update(dict.fromkeys(seen.what.allows))
    for path, evidence in places.items():
        yield check.finding(Severity.MEDIUM, f"{path} allows {', '.join(allowed[path])}", *evidence)


CHECK = Check(
    name="weak-tls-setting",
    question="Do settings allow outdated protection of connections?",
    title="Settings allow outdated protection of connections",
    remedy=(
        "Somebody on the same network can read or change what is sent, such as passwords and measured values. "
        "Keep the device in a network of its own, and ask the manufacturer to allow only current versions and "
        "algorithms."
    ),
    severity_rule="Medium: it takes a place in the network, and often the other side to be old, too.",
    controls=Controls(
        fda=("C",),
        iec_62443=("CR 3.1", "CR 4.3"),
        iec_81001=("5.7",),
        cra=("I.2e",),
        mds2=("TXCF", "TXIG"),
        cwe=("326", "327"),
    ),
    run=_run,
    weak_example=lambda: archive_of({"etc/nginx/nginx.conf": b"ssl_protocols SSLv3 TLSv1;\n"}),
    hardened_example=lambda: archive_of(
        {"etc/nginx/nginx.conf": b"# ssl_protocols SSLv3;\nssl_protocols TLSv1.3;\nssl_ciphers HIGH:!RC4:!MD5;\n"}
    ),
)
