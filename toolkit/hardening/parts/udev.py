"""USB rules for Linux devices without USBGuard: the kernel itself refuses what is not allowed."""

from __future__ import annotations

from collections.abc import Iterator

from firmware_checks.controls import Controls
from toolkit.hardening.part import Group, HardeningPart, PackFile
from toolkit.hardening.subject import HardeningSubject, System
from toolkit.hardening.usb.plugged import Allowed, allowed_devices, no_usb_port
from toolkit.hardening.words import heading

__all__ = ["PART"]

REFUSED, ACCEPTED = 'ATTR{authorized}="0"', 'ATTR{authorized}="1"'


def _applies(subject: HardeningSubject) -> str:
    if subject.system is not System.LINUX:
        return "the image is not that of a Linux device"
    return no_usb_port(subject)


def _build(subject: HardeningSubject) -> Iterator[PackFile]:
    lines = [f"# {line}" for line in heading(subject, "USB interfaces that are accepted; the others are refused")]
    text = "\n".join([*lines, *_rules(allowed_devices(subject.profile)), ""])
    yield PackFile(
        path="99-medharden-usb.rules",
        data=text.encode("ascii", "replace"),
        consumer="udev of any age, kernel 4.4 or newer: /etc/udev/rules.d/99-medharden-usb.rules",
    )


def _rules(found: tuple[Allowed, ...]) -> Iterator[str]:
    yield 'ACTION!="add", GOTO="medharden_end"'
    yield 'SUBSYSTEM!="usb", GOTO="medharden_end"'
    yield 'ENV{DEVTYPE}!="usb_interface", GOTO="medharden_end"'
    yield "# hubs"
    yield f'ATTR{{bInterfaceClass}}=="09", {ACCEPTED}, GOTO="medharden_end"'
    for allowed in found:
        yield f"# {allowed.reason}"
        for code in allowed.codes:
            yield f'{_conditions(allowed, code)}, {ACCEPTED}, GOTO="medharden_end"'
    yield REFUSED
    yield 'LABEL="medharden_end"'


def _conditions(allowed: Allowed, code: str) -> str:
    names = ("bInterfaceClass", "bInterfaceSubClass", "bInterfaceProtocol")
    wanted = [f'ATTR{{{name}}}=="{value}"' for name, value in zip(names, code.split(":"), strict=True) if value != "*"]
    for name, number in (("idVendor", allowed.vendor_id), ("idProduct", allowed.product_id)):
        if number is not None:
            wanted.append(f'ATTRS{{{name}}}=="{number:04x}"')
    return ", ".join(wanted)


PART = HardeningPart(
    name="udev",
    title="USB devices that are accepted (udev, without further software)",
    group=Group.DEVICE_CONTROL,
    what=(
        "Lets the kernel refuse every USB interface that the profile does not know. A device that is plugged in is "
        "refused a moment after it was seen: start the kernel with usbcore.authorized_default=2 where it can."
    ),
    source="udev(7); Linux, Documentation/usb/authorization.rst",
    applies=_applies,
    build=_build,
    apply=(
        "Ask the maker whether the device may be changed; where not, close the ports with locks.",
        "Copy 99-medharden-usb.rules to /etc/udev/rules.d of the device and restart it.",
    ),
    bench_test=(
        "On a bench device plug in a keyboard: its interface must show authorized 0 below /sys/bus/usb/devices.",
        "Plug in what the device needs: it must work as before, also after a restart.",
    ),
    take_back=("Delete /etc/udev/rules.d/99-medharden-usb.rules and restart the device.",),
    controls=Controls(
        fda=("B",), iec_62443=("CR 2.13", "CR 7.7"), iec_81001=("5.3",), cra=("I.2j",), mds2=("MLDP", "SAHD"),
        cwe=("1299",),
    ),
)  # fmt: skip
