"""Can the device tell that a signed update is older than what it runs?"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Final

from device_profiles.schema import DeviceProfile
from firmware_checks.check import Check
from firmware_checks.controls import Controls
from firmware_checks.formats.mcuboot import build_image
from firmware_checks.inventory import Inventory
from signing.mcuboot_layout import SECURITY_COUNTER
from toolkit.core.findings import Finding, Severity
from toolkit.report.model import Fact

Facts = Mapping[str, Fact]

RULES: Final[Mapping[str, tuple[Callable[[Facts], bool], str]]] = {
    "mcuboot": (lambda facts: "security_counter" not in facts, "no security counter"),
    "esp-image": (
        lambda facts: facts["signed"] is True and facts.get("secure_version") == 0,
        "its secure version is 0, the lowest there is",
    ),
    "android-update": (
        lambda facts: "post_timestamp" not in facts and facts.get("script_asks_for_age") is not True,
        "no time of making, and its script asks for none",
    ),
    "rauc-bundle": (lambda facts: not facts.get("version"), "no version"),
    "swupdate": (lambda facts: not facts.get("version"), "no version"),
}
"""By format: whether nothing in its facts grows from release to release, and what is missing.

Sources: MCUboot design, Security counter; ESP-IDF app_desc secure_version; Android ota_metadata.proto; RAUC manifest,
[update] version; SWUpdate sw-description, version.
"""


def _run(check: Check, inventory: Inventory, _profile: DeviceProfile | None) -> Iterator[Finding]:
    for region in inventory.regions():
        is_lacking, what = RULES.get(region.format, (None, ""))
        if is_lacking is not None and region.facts.get("signed") is not None and is_lacking(region.facts):
            yield check.finding(Severity.LOW, f"{region.title}: {what}", region.span.evidence(0))


SIGNATURE = (0x22, b"a signature")

CHECK = Check(
    name="no-rollback-counter",
    question="Can the device tell that a signed update is older than what it runs?",
    title="The update carries no counter against going back to an older version",
    remedy=(
        "Keep track of the installed version yourselves and refuse older files; ask the manufacturer for protection "
        "against installing an old release with known weaknesses."
    ),
    severity_rule="Low: an attacker also needs a signed old release.",
    controls=Controls(
        fda=("H",), iec_62443=("EDR 3.10",), iec_81001=("6.3",), cra=("I.2c",), mds2=("CSUP",), cwe=("1328",)
    ),
    run=_run,
    weak_example=lambda: build_image(b"program", SIGNATURE),
    hardened_example=lambda: build_image(b"program", SIGNATURE, protected=((SECURITY_COUNTER, bytes(4)),)),
)
