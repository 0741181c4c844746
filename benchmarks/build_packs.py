"""Make the signature packs that are shipped: ``firmware_checks/fingerprints/packs/*.mdsig``.

``libraries.mdsig`` from the libraries in ``pack_recipes.toml``, compiled by us in many ways; ``c-libraries.mdsig`` and
``avr-libraries.mdsig`` from the archives that Debian's C libraries for Arm and AVR bring ready-made. Nothing of their
code is kept, only signatures. Needs gcc-arm-none-eabi, clang, apt-get and pip; takes about an hour the first time.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import mcu_sources

from firmware_checks.fingerprints.objects import NamedFunction, Table, functions_of, tables_of
from firmware_checks.fingerprints.pack import Build, Fix
from firmware_checks.fingerprints.pack_writer import PackBuilder
from toolkit.core.window import Window

TARGET = Path(__file__).parents[1] / "firmware_checks" / "fingerprints" / "packs"


@dataclass(frozen=True)
class Archive:
    """Archives of a C library in a Debian package."""

    component: str
    package: str
    release: str
    """Debian release that built it."""
    root: str
    files: tuple[str, ...]
    toolchain: bool = False
    arch: str = "arm-cortex-m"


NEWLIB = ("usr/lib/arm-none-eabi/newlib/thumb", ("libc.a", "libc_nano.a", "libm.a"))
PICOLIBC = ("usr/lib/picolibc/arm-none-eabi/lib/thumb", ("libc.a",))
AVR_FILES = ("libc.a", "libm.a", "libprintf_flt.a", "libprintf_min.a", "libscanf_flt.a")
ARCHIVES = (
    Archive("newlib", "libnewlib-arm-none-eabi", "bookworm", *NEWLIB),
    Archive("newlib", "libnewlib-arm-none-eabi", "trixie", *NEWLIB),
    Archive("picolibc", "picolibc-arm-none-eabi", "bullseye", *PICOLIBC),
    Archive("picolibc", "picolibc-arm-none-eabi", "bookworm", *PICOLIBC),
    Archive("picolibc", "picolibc-arm-none-eabi", "trixie", *PICOLIBC),
    Archive("picolibc", "picolibc-arm-none-eabi", "sid", "usr/arm-none-eabi/lib/thumb", ("libc.a",)),
    Archive(
        "libgcc", "gcc-arm-none-eabi", "bookworm", "usr/lib/gcc/arm-none-eabi/*/thumb", ("libgcc.a",), toolchain=True
    ),
    Archive("avr-libc", "avr-libc", "bookworm", "usr/lib/avr/lib", AVR_FILES, arch="avr"),
    Archive("avr-libc", "avr-libc", "sid", "usr/lib/avr/lib", AVR_FILES, arch="avr"),
    Archive("libgcc", "gcc-avr", "bookworm", "usr/lib/gcc/avr/*", ("libgcc.a",), toolchain=True, arch="avr"),
)
PROCESSORS = {
    "arm-cortex-m": (
        "v6-m/nofp",
        "v7-m/nofp",
        "v7e-m/nofp",
        "v7e-m+fp/softfp",
        "v7e-m+fp/hard",
        "v8-m.main/nofp",
        "v8-m.base/nofp",
    ),
    "avr": ("avr25", "avr35", "avr4", "avr5", "avr51", "avr6", "avrxmega2", "avrxmega3", "avrxmega4", "avrxmega6"),
}


def c_libraries(arch: str) -> bytes:
    """Return the pack of the ready-made archives for a processor."""
    pack = PackBuilder(arch=arch)
    for archive in (a for a in ARCHIVES if a.arch == arch):
        folder, package_version = mcu_sources.fetch_built(archive.package, archive.release)
        version = re.sub(r"\.20\d{6}$", "", mcu_sources.upstream(package_version))
        pack.component(archive.component, toolchain=archive.toolchain, ready_made=True)
        for processor in PROCESSORS[arch]:
            for name in archive.files:
                for path in sorted(folder.glob(f"{archive.root}/{processor}/{name}")):
                    window = Window.of(path.read_bytes())
                    build = Build(component=0, version=version, toolchain=processor, configuration=name)
                    count = pack.add(archive.component, build, functions_of(window), tables_of(window))
                    print(f"{archive.component} {version} {processor} {name}: {count} functions", file=sys.stderr)
    return pack.pack()


def libraries(only: Sequence[str]) -> bytes:
    """Return the pack of the libraries we compile."""
    pack = PackBuilder()
    for source, toolchain, configuration in builds(only):
        functions: list[NamedFunction] = []
        tables: list[Table] = []
        for path in mcu_sources.objects(source, toolchain, configuration):
            window = Window.of(path.read_bytes())
            functions += functions_of(window)
            tables += tables_of(window)
        if not functions:
            continue
        recipe = source.recipe
        pack.component(recipe.component, minimum_functions=recipe.minimum_functions)
        build = Build(
            component=0,
            version=source.version,
            toolchain=toolchain.name,
            configuration=configuration.name,
            fixes=fixes_of(source),
        )
        pack.add(recipe.component, build, functions, tables)
    return pack.pack()


def fixes_of(source: mcu_sources.Source) -> tuple[Fix, ...]:
    """Return the fixes in these sources with the functions that they change."""
    return tuple(Fix(vulnerability=name, functions=tuple(source.recipe.fixes[name])) for name in source.fixes)


def builds(
    only: Sequence[str],
) -> Iterator[tuple[mcu_sources.Source, mcu_sources.Toolchain, mcu_sources.Configuration]]:
    """Yield everything that is compiled."""
    for recipe in mcu_sources.recipes():
        if only and recipe.component not in only:
            continue
        for source in mcu_sources.sources(recipe):
            print(f"{recipe.component} {source.version} {' '.join(source.fixes)}", file=sys.stderr)
            for configuration in recipe.configurations:
                for toolchain in mcu_sources.PACK_TOOLCHAINS:
                    yield source, toolchain, configuration


def main() -> int:
    """Write all packs."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--only", nargs="*", default=[], help="components to compile, all without it")
    arguments.add_argument("--output", type=Path, default=TARGET)
    chosen = arguments.parse_args()
    chosen.output.mkdir(parents=True, exist_ok=True)
    packs = {
        "avr-libraries": c_libraries("avr"),
        "c-libraries": c_libraries("arm-cortex-m"),
        "libraries": libraries(chosen.only),
    }
    for name, data in packs.items():
        path = chosen.output / f"{name}.mdsig"
        path.write_bytes(data)
        print(f"{path}: {len(data)} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
