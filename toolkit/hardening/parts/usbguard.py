"""Rules for USBGuard: which USB devices a Linux device accepts."""

from __future__ import annotations

from collections.abc import Iterator

from firmware_checks.controls import Controls
from toolkit.hardening.part import Group, HardeningPart, PackFile
from toolkit.hardening.subject import HardeningSubject, System
from toolkit.hardening.usb.plugged import Allowed, allowed_devices, no_usb_port
from toolkit.hardening.words import heading

__all__ = ["PART"]

HUBS = tuple(f"allow with-interface equals {{ 09:00:0{protocol} }}" for protocol in range(3))
"""Hubs of full and high speed, with one and with several translators."""
_DAEMON = (
    "RuleFile=/etc/usbguard/rules.conf",
    "ImplicitPolicyTarget=block",
    "PresentDevicePolicy=apply-policy",
    "PresentControllerPolicy=keep",
    "InsertedDevicePolicy=apply-policy",
    "RestoreControllerDeviceState=false",
    "DeviceManagerBackend=uevent",
    "IPCAllowedUsers=root",
    "IPCAllowedGroups=",
    "DeviceRulesWithPort=false",
    "AuditBackend=FileAudit",
    "AuditFilePath=/var/log/usbguard/usbguard-audit.log",
)


def _applies(subject: HardeningSubject) -> str:
    if subject.system is not System.LINUX:
        return "the image is not that of a Linux device"
    return no_usb_port(subject)


def _build(subject: HardeningSubject) -> Iterator[PackFile]:
    lines = [f"# {line}" for line in heading(subject, "USB devices that are accepted; the others are blocked")]
    rules = [line for allowed in allowed_devices(subject.profile) for line in _rules(allowed)]
    yield PackFile(
        path="rules.conf",
        data="\n".join([*lines, *HUBS, *rules, "block", ""]).encode("ascii", "replace"),
        consumer="USBGuard 1.0 or newer: /etc/usbguard/rules.conf",
    )
    lines = [f"# {line}" for line in heading(subject, "Settings of USBGuard: what no rule names is blocked")]
    yield PackFile(
        path="usbguard-daemon.conf",
        data="\n".join([*lines, *_DAEMON, ""]).encode("ascii", "replace"),
        consumer="USBGuard 1.0 or newer: /etc/usbguard/usbguard-daemon.conf",
    )


def _rules(allowed: Allowed) -> Iterator[str]:
    """Yield the rule of ``allowed``; a stick that is a keyboard as well has interfaces that are not in the list."""
    yield f"# {allowed.reason}"
    identity = ""
    if allowed.vendor_id is not None:
        product = "*" if allowed.product_id is None else f"{allowed.product_id:04x}"
        identity = f" {allowed.vendor_id:04x}:{product}"
    codes = " ".join(allowed.codes)
    if len(allowed.codes) == 1 and not identity:
        yield f"allow with-interface equals {{ {codes} }}"
        return
    for code in _others(allowed.codes):
        yield f"block{identity} with-interface one-of {{ {code} }}"
    yield f"allow{identity} with-interface one-of {{ {codes} }}"


def _others(codes: tuple[str, ...]) -> Iterator[str]:
    """Yield the classes that people attack with and that are not allowed here: keyboards, networks, sticks."""
    allowed = {code.partition(":")[0] for code in codes}
    yield from (f"{code}:*:*" for code in ("03", "02", "0a", "07", "08", "e0", "fe") if code not in allowed)


PART = HardeningPart(
    name="usbguard",
    title="USB devices that are accepted (USBGuard)",
    group=Group.DEVICE_CONTROL,
    what=(
        "Blocks every USB device but those the profile says are used with the device. It knows devices by what they "
        "say of themselves: a stick that lies about its kind passes as what it says it is, and can then do only that."
    ),
    source="usbguard-rules.conf(5), usbguard-daemon.conf(5), version 1.1",
    applies=_applies,
    build=_build,
    apply=(
        "Ask the maker whether USBGuard may be installed; where not, use the part udev or close the ports.",
        "Copy rules.conf and usbguard-daemon.conf to /etc/usbguard with mode 0600 and start usbguard-daemon.",
    ),
    bench_test=(
        "Check the rules with: usbguard-rule-parser -f rules.conf.",
        "On a bench device plug in a keyboard: it must not work. Plug in what the device needs: it must.",
        "Restart the device with everything plugged in and see that it starts as before.",
    ),
    take_back=("Stop and disable usbguard-daemon: devices that are plugged in afterwards work again.",),
    controls=Controls(
        fda=("B",), iec_62443=("CR 2.13", "CR 7.7"), iec_81001=("5.3",), cra=("I.2j",), mds2=("MLDP", "SAHD"),
        cwe=("1299",),
    ),
)  # fmt: skip
