"""Components with a configuration (Linux, U-Boot, Zephyr): the option that brings the fault is off."""

from __future__ import annotations

from firmware_checks.vulnerabilities.not_affected.kernel_config import read_config
from firmware_checks.vulnerabilities.not_affected.reason import Excuse, Fault, Known
from toolkit.report.model import Confidence
from toolkit.report.vulnerability import Justification

__all__ = ["option_off"]

_PREFIX = "CONFIG_"


def option_off(fault: Fault, known: Known) -> Excuse | None:
    """Return why the fault is not compiled in: the configuration says of each of its options that it is off."""
    if known.config is None or not fault.options or (known.component == "linux" and fault.source_files):
        return None  # of the kernel, the files say it better: one of them may be compiled in without the option
    config = read_config(known.config)
    if not all(name.startswith(_PREFIX) and name.removeprefix(_PREFIX) in config.off for name in fault.options):
        return None
    names = " and ".join(fault.options)
    return Excuse(
        Justification.CODE_NOT_PRESENT,
        f"{names} is off in the configuration it was built with",
        tuple(f"# {name} is not set" for name in fault.options),
        Confidence.HIGH,
    )
