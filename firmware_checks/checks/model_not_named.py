"""Does an update say for which model it is, where its format has a place for that?"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Final

from device_profiles.schema import DeviceProfile
from firmware_checks.check import Check
from firmware_checks.controls import Controls
from firmware_checks.grouping import Row, grouped
from firmware_checks.inventory import Inventory
from toolkit.core.findings import Finding, Severity
from toolkit.report.model import Fact

Facts = Mapping[str, Fact]


def _lacks(*names: str) -> Callable[[Facts], bool]:
    return lambda facts: not any(facts.get(name) for name in names)


FORMATS: Final[Mapping[str, tuple[Callable[[Facts], bool], str]]] = {
    "android-update": (_lacks("pre_device", "script_asks_for_model"), "no device, and its script asks for none"),
    "dfu": (_lacks("usb_vendor_id"), "every USB device"),
    "dfuse": (_lacks("usb_vendor_id"), "every USB device"),
    "uf2": (_lacks("family_ids"), "no family of processors"),
    "rauc-bundle": (_lacks("compatible"), "no device"),
    "mender-artifact": (_lacks("device_types"), "no kind of device"),
    "swupdate": (_lacks("hardware_compatibility"), "no hardware"),
}
"""By format: whether the facts lack a model, and what the update names instead."""


def _run(check: Check, inventory: Inventory, _profile: DeviceProfile | None) -> Iterator[Finding]:
    yield from grouped(check, _rows(inventory))


def _rows(inventory: Inventory) -> Iterator[Row]:
    for region in inventory.regions():
        is_lacking, instead = FORMATS.get(region.format, (None, ""))
        if is_lacking is not None and is_lacking(region.facts) and _is_whole(region.facts):
            yield Severity.LOW, f"{region.title}: it names {instead}", region.span.evidence(0)


def _is_whole(facts: Facts) -> bool:
    """Tell whether these are the facts of the update, and not of one of its parts."""
    return bool({"signed", "usb_vendor_id", "dfu_version", "blocks", "files", "targets"} & facts.keys())


def _update(metadata: str, **parts: str) -> bytes:
    from firmware_checks.formats.android_update import built_update  # only the twins need it

    return built_update(metadata, **parts)


CHECK = Check(
    name="model-not-named",
    question="Does an update say for which model it is, where its format has a place for that?",
    title="The update does not say for which model it is",
    remedy=(
        "The device cannot refuse a file that is for another model, and installing that may stop it in use. Compare "
        "the file with the label of the device and with the manufacturer's list before it is installed, and ask for "
        "updates that name their model."
    ),
    severity_rule="Low: it takes a mistake, or somebody who hands over the wrong file.",
    controls=Controls(
        fda=("H",), iec_62443=("EDR 3.10",), iec_81001=("6.3",), cra=("I.2f",), mds2=("CSUP",), cwe=("345", "693")
    ),
    run=_run,
    weak_example=lambda: _update("post-timestamp=1767225600\n", script='package_extract_dir("system", "/system");'),
    hardened_example=lambda: _update("pre-device=monitor\npost-timestamp=1767225600\n"),
)
