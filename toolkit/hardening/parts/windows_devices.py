"""Policy of a Windows device that keeps unknown devices from being installed."""

from __future__ import annotations

from collections.abc import Iterator

from device_profiles.vocabulary import UsbClass
from firmware_checks.controls import Controls
from toolkit.hardening.part import Group, HardeningPart, PackFile
from toolkit.hardening.subject import HardeningSubject, System
from toolkit.hardening.usb.plugged import Allowed, allowed_devices, no_usb_port
from toolkit.hardening.words import heading

__all__ = ["PART"]

KEY = r"HKEY_LOCAL_MACHINE\SOFTWARE\Policies\Microsoft\Windows\DeviceInstall\Restrictions"
STORAGE = r"HKEY_LOCAL_MACHINE\SYSTEM\CurrentControlSet\Services\USBSTOR"
BY_HAND, NEVER = 3, 4
"""Start types of a driver; source: Microsoft, CreateService."""
SETUP_CLASSES = {
    UsbClass.SERIAL_BRIDGE: "{4d36e978-e325-11ce-bfc1-08002be10318}",
    UsbClass.CDC_ACM: "{4d36e978-e325-11ce-bfc1-08002be10318}",
    UsbClass.HID: "{745a17a0-74d3-11d0-b6fe-00a0c90f57da}",
    UsbClass.MASS_STORAGE: "{4d36e967-e325-11ce-bfc1-08002be10318}",
}
"""Source: Microsoft, System-Defined Device Setup Classes; the others have no class of their own."""
HUBS = "{36fc9e60-c465-11cf-8056-444553540000}"
COMPATIBLE_IDS = {
    UsbClass.MASS_STORAGE: r"USB\Class_08",
    UsbClass.HID: r"USB\Class_03",
    UsbClass.CDC_ACM: r"USB\Class_02",
    UsbClass.PERSONAL_HEALTHCARE: r"USB\Class_0F",
    UsbClass.DFU: r"USB\Class_FE",
}


def _applies(subject: HardeningSubject) -> str:
    if subject.system is not System.WINDOWS:
        return "the image is not that of a Windows device"
    return no_usb_port(subject)


def _build(subject: HardeningSubject) -> Iterator[PackFile]:
    found = allowed_devices(subject.profile)
    for path, title, lines in (
        ("apply.reg", "Only USB devices of the profile may be installed", _policy(found)),
        ("take-back.reg", "Every device may be installed again", _without()),
    ):
        comments = [f"; {line}" for line in heading(subject, title)]
        text = "\r\n".join(["Windows Registry Editor Version 5.00", "", *comments, *lines, ""])
        yield PackFile(
            path=path,
            data=text.encode("utf-16"),
            consumer="reg import, Windows Vista or newer, as administrator",
        )


def _policy(found: tuple[Allowed, ...]) -> Iterator[str]:
    classes = sorted({HUBS, *(SETUP_CLASSES[k] for a in found for k in a.classes if k in SETUP_CLASSES)})
    devices = sorted({_device_id(allowed, kind) for allowed in found for kind in allowed.classes} - {""})
    yield f"[{KEY}]"
    yield from (f'"{name}"=dword:{1:08x}' for name in ("DenyUnspecified", "AllowDeviceClasses", "AllowDeviceIDs"))
    for name, values in (("AllowDeviceClasses", classes), ("AllowDeviceIDs", devices)):
        yield ""
        yield f"[-{KEY}\\{name}]"
        yield f"[{KEY}\\{name}]"
        yield from (f'"{number}"="{_quoted(value)}"' for number, value in enumerate(values, 1))
    yield ""
    is_storage = any(UsbClass.MASS_STORAGE in allowed.classes for allowed in found)
    yield f"[{STORAGE}]"
    yield f'"Start"=dword:{BY_HAND if is_storage else NEVER:08x}'


def _without() -> Iterator[str]:
    yield f"[-{KEY}]"
    yield ""
    yield f"[{STORAGE}]"
    yield f'"Start"=dword:{BY_HAND:08x}'


def _device_id(allowed: Allowed, kind: UsbClass) -> str:
    if allowed.vendor_id is None:
        return COMPATIBLE_IDS.get(kind, "")
    product = "" if allowed.product_id is None else f"&PID_{allowed.product_id:04X}"
    return f"USB\\VID_{allowed.vendor_id:04X}{product}"


def _quoted(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')


PART = HardeningPart(
    name="windows-devices",
    title="USB devices that may be installed (Windows)",
    group=Group.DEVICE_CONTROL,
    what=(
        "Keeps Windows from installing devices that the profile does not know, and sticks where none are used. What is "
        "installed already stays: remove it first. Windows XP and 2000 know only the setting for sticks."
    ),
    source="Microsoft, Manage Device Installation with Group Policy; System-Defined Device Setup Classes",
    applies=_applies,
    build=_build,
    apply=(
        "Ask the maker whether the device may be changed; where not, close the ports with locks.",
        "Remove devices that were installed and are not needed, in the device manager of Windows.",
        "Run on the device as administrator: reg import apply.reg, and restart it.",
    ),
    bench_test=(
        "On a bench device plug in a keyboard that was never plugged in: Windows must refuse it.",
        "Plug in what the device needs: it must work as before, also after a restart.",
    ),
    take_back=("Run on the device as administrator: reg import take-back.reg, and restart it.",),
    controls=Controls(
        fda=("B",), iec_62443=("CR 2.13", "CR 7.7"), iec_81001=("5.3",), cra=("I.2j",), mds2=("MLDP", "SAHD"),
        cwe=("1299",),
    ),
)  # fmt: skip
