"""Attacks with an update package that is meant for something else."""

from __future__ import annotations

from dataclasses import replace

import msgspec

from signing.attacks.lab import Offer
from signing.attacks.package_bench import Attacks, PackageBench, running
from signing.unit import Installed

__all__ = ["ATTACKS"]

attack = Attacks()
ATTACKS = attack.found


@attack(41, "for another model", "binding.model")
def _(on: PackageBench) -> Offer:
    return on.good.having(rules=replace(on.good.rules, model="other-pump"))


@attack(41, "for another hardware revision", "binding.hardware")
def _(on: PackageBench) -> Offer:
    return on.good.having(unit=msgspec.structs.replace(on.good.unit, hardware_revision="A"))


@attack(41, "for other hardware revisions than all that we have, and the device is not known", "binding.hardware")
def _(on: PackageBench) -> Offer:
    unit = msgspec.structs.replace(on.good.unit, hardware_revision=None)
    return on.good.having(unit=unit, rules=replace(on.good.rules, hardware_revisions=("A", "B")))


@attack(41, "for another region", "binding.region")
def _(on: PackageBench) -> Offer:
    return on.good.having(unit=msgspec.structs.replace(on.good.unit, region="us"))


@attack(42, "from another vendor", "binding.vendor")
def _(on: PackageBench) -> Offer:
    return on.good.having(rules=replace(on.good.rules, vendor="Other Devices"))


@attack(43, "the radio's image for the main controller", "binding.component")
def _(on: PackageBench) -> Offer:
    return on.released('component = "drugs"', 'component = "radio"')


@attack(43, "two files for one component", "binding.component")
def _(on: PackageBench) -> Offer:
    return on.released('component = "drugs"', 'component = "main"')


@attack(43, "a slot that the component does not use", "binding.slot")
def _(on: PackageBench) -> Offer:
    return on.released('slot = "app-a"', 'slot = "boot"')


@attack(44, "a boot loader that is too old", "binding.bootloader")
def _(on: PackageBench) -> Offer:
    return on.good.having(unit=msgspec.structs.replace(on.good.unit, bootloader="1.3.9"))


@attack(44, "a boot loader nobody knows", "binding.bootloader")
def _(on: PackageBench) -> Offer:
    return on.good.having(unit=msgspec.structs.replace(on.good.unit, bootloader=None))


@attack(44, "a component that is too old for it", "binding.dependency")
def _(on: PackageBench) -> Offer:
    return on.good.having(unit=running(on, radio=Installed(version="1.1.9", security_counter=1)))


@attack(45, "an address outside the slot", "binding.address")
def _(on: PackageBench) -> Offer:
    return on.released("0x08008000", "0x08000000")


@attack(45, "an address at which the end does not fit", "binding.address")
def _(on: PackageBench) -> Offer:
    return on.released("0x08008000", "0x08017FFF")


@attack(45, "larger than the component may be", "binding.size")
def _(on: PackageBench) -> Offer:
    drugs = msgspec.structs.replace(on.good.rules.components["drugs"], largest=10)
    return on.good.having(rules=replace(on.good.rules, components={**on.good.rules.components, "drugs": drugs}))
