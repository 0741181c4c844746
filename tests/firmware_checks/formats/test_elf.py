from __future__ import annotations

import itertools
import random
import struct
import sys
from dataclasses import dataclass, field
from pathlib import Path

import lief
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware_checks.format import Opened, Part
from firmware_checks.formats.elf import FORMAT
from firmware_checks.patterns import PatternSet
from firmware_checks.readers.arm_attributes import read_arm_attributes
from firmware_checks.readers.elf_file import ElfFile, read_elf
from firmware_checks.span import Span
from toolkit.core.errors import FormatError
from toolkit.core.limits import Limits
from toolkit.core.window import Window
from toolkit.report.model import RegionKind

PROGBITS, SYMTAB, STRTAB, RELA, NOTE, NOBITS, ARM_ATTRIBUTES = 1, 2, 3, 4, 7, 8, 0x7000_0003
ALLOC, CODE = 2, 4
LOAD, DYNAMIC, INTERP, PT_NOTE = 1, 2, 3, 4
ARM, X86_64, RISCV = 40, 62, 243


@dataclass
class Piece:
    """Bytes of the file; a section when it has a name, a segment when it has a segment type."""

    data: bytes
    name: str = ""
    type: int = PROGBITS
    flags: int = 0
    segment: int = 0
    virtual: int = 0
    physical: int | None = None
    align: int = 4


@dataclass
class Builder:
    """Builds ELF files of all four flavours; headers first, then the pieces, names and section headers."""

    bits: int = 32
    order: str = "<"
    machine: int = ARM
    type: int = 2
    entry: int = 0
    flags: int = 0x0500_0000
    pieces: list[Piece] = field(default_factory=list)
    with_sections: bool = True

    def build(self) -> bytes:
        wide = self.bits == 64
        header_bytes, row_bytes, section_bytes = (64, 56, 64) if wide else (52, 32, 40)
        segments = [piece for piece in self.pieces if piece.segment]
        named = [piece for piece in self.pieces if piece.name]
        position = header_bytes + row_bytes * len(segments)
        places = {}
        for piece in self.pieces:
            places[id(piece)] = position
            position += len(piece.data)
        names = b"\0" + b"".join(p.name.encode() + b"\0" for p in named) + b".shstrtab\0"
        body = b"".join(piece.data for piece in self.pieces)
        count = len(named) + 2 if self.with_sections else 0
        header = struct.pack(
            self.order + ("HHIQQQIHHHHHH" if wide else "HHIIIIIHHHHHH"),
            *(self.type, self.machine, 1, self.entry, header_bytes, position + len(names) if count else 0),
            *(self.flags, header_bytes, row_bytes, len(segments), section_bytes, count, max(0, count - 1)),
        )
        ident = b"\x7fELF" + bytes([2 if wide else 1, 1 if self.order == "<" else 2, 1]) + bytes(9)
        rows = b"".join(self._segment(piece, places[id(piece)]) for piece in segments)
        file = ident + header + rows + body
        if not count:
            return file
        sections = bytes(section_bytes)
        name_at = 1
        for piece in named:
            size = 64 if piece.type == NOBITS else len(piece.data)
            sections += self._section(name_at, piece.type, piece.flags, piece.virtual, places[id(piece)], size)
            name_at += len(piece.name) + 1
        return file + names + sections + self._section(name_at, STRTAB, 0, 0, position, len(names))

    def _segment(self, piece: Piece, offset: int) -> bytes:
        size = len(piece.data)
        physical = piece.virtual if piece.physical is None else piece.physical
        if self.bits == 64:
            row = (piece.segment, 5, offset, piece.virtual, physical, size, size, piece.align)
            return struct.pack(self.order + "IIQQQQQQ", *row)
        return struct.pack(
            self.order + "8I", piece.segment, offset, piece.virtual, physical, size, size, 5, piece.align
        )

    def _section(self, name: int, kind: int, flags: int, address: int, offset: int, size: int) -> bytes:
        layout = "IIQQQQIIQQ" if self.bits == 64 else "10I"
        return struct.pack(self.order + layout, name, kind, flags, address, offset, size, 0, 0, 4, 0)


def opened(data: bytes, before: bytes = b"") -> Opened:
    whole = Span("pump.elf", Window.of(before + data))
    return FORMAT.open(whole.part(len(before), whole.size), Limits())


def memory_of(image: Opened) -> list[tuple[int, bytes]]:
    return [(s.address, bytes(s.data)) for memory in image.memories for s in memory.map.segments]


def titled(image: Opened, title: str) -> list[Part]:
    return [part for part in image.parts if part.title == title]


def arch_of(image: Opened) -> str | None:
    return image.program.arch if image.program is not None else None


def attributes(*tags: int | str, vendor: bytes = b"aeabi", order: str = "<") -> bytes:
    """Build an attribute section with one scope for the whole file."""
    body = b"".join(t.encode() + b"\0" if isinstance(t, str) else bytes([t]) for t in tags)
    scope = struct.pack(order + "BI", 1, len(body) + 5) + body
    block = vendor + b"\0" + scope
    return b"A" + struct.pack(order + "I", len(block) + 4) + block


def assert_every_byte_is_accounted_for(image: Opened) -> None:
    """Parts and memory cover the file without overlap; memory is counted by the places its bytes come from."""
    places = [(part.start, part.end) for part in image.parts]
    for memory in image.memories:
        for segment in memory.map.segments:
            for start in range(0, len(segment.data), 1):
                offset = segment.provenance.offset_at(start)
                places.append((offset, offset + 1))
    places.sort()
    assert places[0][0] == 0
    assert all(a[1] == b[0] for a, b in itertools.pairwise(places))
    assert places[-1][1] == image.size


FLAVOURS = st.sampled_from([(32, "<"), (32, ">"), (64, "<"), (64, ">")])


@given(
    FLAVOURS,
    st.lists(st.binary(min_size=1, max_size=40), min_size=1, max_size=4),
    st.binary(max_size=20),
    st.binary(max_size=20),
)
def test_segments_of_every_flavour_are_read_back(
    flavour: tuple[int, str], contents: list[bytes], before: bytes, after: bytes
) -> None:
    pieces = [
        Piece(data, f".s{i}", flags=ALLOC, segment=LOAD, virtual=0x2000_0000 + i * 256, physical=0x800_0000 + i * 256)
        for i, data in enumerate(contents)
    ]
    data = Builder(*flavour, machine=RISCV, pieces=pieces).build()
    image = opened(data + after, before)
    assert memory_of(image) == [(0x800_0000 + i * 256, content) for i, content in enumerate(contents)]
    assert image.size == len(data)
    assert (image.facts["bits"], image.facts["endianness"]) == (flavour[0], {"<": "little", ">": "big"}[flavour[1]])
    assert image.facts["sections"] == (*(f".s{i}" for i in range(len(contents))), ".shstrtab")
    assert arch_of(image) == f"riscv{flavour[0]}"
    assert image.problems == ()
    for memory in image.memories:
        for segment in memory.map.segments:
            for index, byte in enumerate(segment.data):
                assert (before + data)[segment.provenance.offset_at(index)] == byte


def test_the_example_is_a_microcontroller_program() -> None:
    image = opened(FORMAT.example())
    assert image.program is not None
    assert image.program.arch == "arm-cortex-m"
    assert image.program.load_address == 0x0800_0000
    assert image.program.entry_address == 0x0800_0008
    assert image.memories[0].map.entry_address == 0x0800_0008
    assert (image.facts["thumb_entry"], image.facts["stripped"], image.facts["abi"]) == (True, False, "EABI5")
    assert image.facts["segments"] == (
        "16 bytes at 0x08000000 r-x",
        "8 bytes at 0x08000010 rw-, used at 0x20000000",
    )
    assert_every_byte_is_accounted_for(image)


def test_the_file_is_found_by_its_magic_anywhere() -> None:
    data = b"\xff" * 99 + FORMAT.example()
    (magic,) = FORMAT.magics
    assert [hit.start for hit in PatternSet([magic.pattern("elf")]).search(memoryview(data))] == [99]


def test_what_is_not_loaded_becomes_parts_by_meaning() -> None:
    pieces = [
        Piece(b"code", ".text", flags=ALLOC | CODE, segment=LOAD, virtual=0x1000),
        Piece(b"dwarf", ".debug_info"),
        Piece(b"dwarf", ".debug_line"),
        Piece(b"GCC: (GNU) 12.2.1\0GCC: (GNU) 12.2.1\0", ".comment"),
        Piece(b"symbols", ".symtab", SYMTAB),
        Piece(b"names", ".strtab", STRTAB),
        Piece(b"rela", ".rela.text", RELA),
        Piece(b"link", ".gnu_debuglink"),
        Piece(b"own content", ".vendor"),
        Piece(b"", ".bss", NOBITS, ALLOC),
    ]
    image = opened(Builder(pieces=pieces).build())
    assert [(part.title, part.kind, part.look_inside) for part in image.parts] == [
        ("ELF header", RegionKind.METADATA, False),
        ("program headers", RegionKind.METADATA, False),
        ("debug information", RegionKind.METADATA, False),
        ("compiler notes", RegionKind.METADATA, True),
        ("symbol and string tables", RegionKind.METADATA, False),
        ("relocations", RegionKind.METADATA, False),
        ("toolchain notes", RegionKind.METADATA, False),
        ("section", RegionKind.DATA, True),
        ("symbol and string tables", RegionKind.METADATA, False),
        ("section headers", RegionKind.METADATA, False),
    ]
    assert titled(image, "debug information")[0].facts == {"sections": (".debug_info", ".debug_line")}
    assert image.facts["compiler"] == ("GCC: (GNU) 12.2.1",)
    assert (image.facts["stripped"], image.facts["debug_information"]) == (False, True)
    assert_every_byte_is_accounted_for(image)


def test_a_relocatable_object_is_code_and_data() -> None:
    pieces = [Piece(b"code", ".text", flags=ALLOC | CODE), Piece(b"words", ".rodata", flags=ALLOC)]
    image = opened(Builder(type=1, pieces=pieces).build())
    code, data = image.parts[1:3]
    assert (code.title, code.kind, code.look_inside) == ("machine code", RegionKind.PROGRAM, True)
    assert code.program is image.program
    assert (data.title, data.kind, data.look_inside) == ("constants and data", RegionKind.DATA, True)
    assert (image.memories, image.facts["type"]) == ((), "relocatable object")
    assert image.program is not None
    assert image.program.entry_address is None
    assert_every_byte_is_accounted_for(image)


def test_bytes_that_no_table_names_are_shown() -> None:
    pieces = [
        Piece(b"code", ".text", flags=ALLOC, segment=LOAD, virtual=0x1000),
        Piece(b"hidden"),
        Piece(b"x", ".a"),
        Piece(bytes(5)),
        Piece(b"y", ".b"),
    ]
    image = opened(Builder(pieces=pieces).build())
    (hidden,) = titled(image, "bytes that no table names")
    assert (hidden.end - hidden.start, hidden.look_inside) == (6, True)
    assert titled(image, "section")[0].facts == {"sections": (".a", ".b")}
    assert_every_byte_is_accounted_for(image)


def test_sections_of_one_meaning_with_loaded_bytes_between_stay_apart() -> None:
    pieces = [Piece(b"x", ".a"), Piece(b"code", segment=LOAD, virtual=0x1000), Piece(b"y", ".b")]
    image = opened(Builder(pieces=pieces).build())
    assert [part.facts["sections"] for part in titled(image, "section")] == [(".a",), (".b",)]


def test_a_section_around_loaded_bytes_is_cut_in_two() -> None:
    data = bytearray(
        Builder(pieces=[Piece(b"aa", ".all"), Piece(b"code", segment=LOAD, virtual=0x1000), Piece(b"bb")]).build()
    )
    size_at = len(data) - 80 + 20
    assert struct.unpack_from("<I", data, size_at) == (2,)
    struct.pack_into("<I", data, size_at, 8)
    image = opened(bytes(data))
    assert [part.end - part.start for part in titled(image, "section")] == [2, 2]
    assert_every_byte_is_accounted_for(image)


def with_headers_loaded(pieces: list[Piece]) -> bytes:
    """Build a file whose first segment starts at offset 0, as linkers for Linux make it."""
    data = bytearray(Builder(pieces=pieces).build())
    first = next(p for p in pieces if p.segment == LOAD)
    end = bytes(data).index(first.data) + len(first.data)
    struct.pack_into("<4I", data, 56, 0, first.virtual, first.virtual, end)
    return bytes(data)


def test_headers_that_a_segment_takes_along_are_not_memory() -> None:
    piece = Piece(b"some code", ".text", flags=ALLOC, segment=LOAD, virtual=0x10000)
    image = opened(with_headers_loaded([Piece(bytes(7)), piece]))
    start = 52 + 32 + 7
    assert memory_of(image) == [(0x10000 + start, b"some code")]
    assert_every_byte_is_accounted_for(image)
    without_sections = Builder(pieces=[Piece(bytes(7)), piece], with_sections=False)
    assert memory_of(opened(without_sections.build())) == [(0x10000, b"some code")]


def test_without_sections_memory_starts_behind_the_program_headers() -> None:
    builder = Builder(pieces=[Piece(b"some code", segment=LOAD, virtual=0x10000)], with_sections=False)
    data = bytearray(builder.build())
    struct.pack_into("<4I", data, 56, 0, 0x10000, 0x10000, len(data))
    image = opened(bytes(data))
    assert memory_of(image) == [(0x10000 + 84, b"some code")]
    assert (image.facts["stripped"], "sections" in image.facts) == (True, False)


def test_program_headers_far_from_the_start_do_not_shift_the_memory() -> None:
    pieces = [Piece(b"some code", segment=LOAD, virtual=0x10000), Piece(bytes(100)), Piece(bytes(32))]
    data = bytearray(Builder(pieces=pieces, with_sections=False).build())
    struct.pack_into("<I", data, 28, len(data) - 32)
    struct.pack_into("<8I", data, len(data) - 32, LOAD, 0, 0x10000, 0x10000, 52 + 32 + 9, 200, 5, 4)
    image = opened(bytes(data))
    assert memory_of(image) == [(0x10000 + 52, bytes(data[52 : 52 + 32 + 9]))]
    assert_every_byte_is_accounted_for(image)


def test_physical_addresses_that_are_all_zero_are_not_believed() -> None:
    pieces = [
        Piece(b"code", segment=LOAD, virtual=0x1000, physical=0),
        Piece(b"data", segment=LOAD, virtual=0x2000, physical=0),
    ]
    assert memory_of(opened(Builder(pieces=pieces).build())) == [(0x1000, b"code"), (0x2000, b"data")]


def test_addresses_of_a_machine_with_16_bit_bytes_are_counted_in_bytes() -> None:
    piece = Piece(b"code", segment=LOAD, virtual=0x8_0000)
    image = opened(Builder(machine=141, entry=0x8_0001, pieces=[piece]).build())
    assert memory_of(image) == [(0x10_0000, b"code")]
    assert image.facts["address_unit_bytes"] == 2
    assert image.program is not None
    assert (image.program.arch, image.program.entry_address) == ("c28x", 0x10_0002)


@pytest.mark.parametrize(
    ("machine", "bits", "address", "arch"),
    [
        (3, 32, 0, "x86"),
        (8, 32, 0xBFC0_0000, "mips"),
        (8, 64, 0, "mips64"),
        (20, 32, 0, "powerpc"),
        (62, 64, 0, "x86_64"),
        (83, 32, 0, "avr"),
        (105, 32, 0, "msp430"),
        (183, 64, 0, "aarch64"),
        (243, 32, 0, "riscv32"),
        (ARM, 32, 0, "arm"),
        (999, 32, 0, None),
    ],
)
def test_the_machine_number_names_the_architecture(machine: int, bits: int, address: int, arch: str | None) -> None:
    piece = Piece(b"some code", segment=LOAD, virtual=address)
    image = opened(Builder(bits=bits, machine=machine, pieces=[piece]).build())
    assert arch_of(image) == arch
    assert image.facts["machine"] == machine


@pytest.mark.parametrize(("address", "family"), [(0x9D00_0000, "PIC32"), (0x1D00_0000, "PIC32"), (0xBFC0_0000, None)])
def test_a_mips_program_in_the_flash_of_a_pic32_names_the_family(address: int, family: str | None) -> None:
    program = opened(Builder(machine=8, pieces=[Piece(b"some code", segment=LOAD, virtual=address)]).build()).program
    assert program is not None
    assert (program.arch, program.mcu_family) == ("mips", family)


@pytest.mark.parametrize(
    ("vectors", "entry", "arch"),
    [
        ((0x2000_1000, 0x0800_0009), 0x0800_0009, "arm-cortex-m"),
        ((0x2000_1000, 0x0800_0009), 0x0800_0008, "arm"),  # entry in Arm code
        ((0x2000_1001, 0x0800_0009), 0x0800_0009, "arm"),  # stack not aligned
        ((0x8000_1000, 0x0800_0009), 0x0800_0009, "arm"),  # stack not in RAM
        ((0x2000_1000, 0x0800_0008), 0x0800_0009, "arm"),  # reset in Arm code
        ((0x2000_1000, 0x0900_0009), 0x0800_0009, "arm"),  # reset outside of the program
        ((0x2000_1000,), 0x0800_0009, "arm"),
    ],
)
def test_a_vector_table_tells_a_cortex_m_where_attributes_are_missing(
    vectors: tuple[int, ...], entry: int, arch: str
) -> None:
    table = struct.pack(f"<{len(vectors)}I", *vectors)
    code = Piece(table + b"\0\0\0\0" * (len(vectors) - 1), segment=LOAD, virtual=0x0800_0000)
    assert arch_of(opened(Builder(entry=entry, pieces=[code]).build())) == arch


@pytest.mark.parametrize(
    ("tags", "arch", "cpu", "architecture"),
    [
        ((5, "Cortex-M4", 6, 13, 7, 0x4D), "arm-cortex-m", "Cortex-M4", "v7E-M"),
        ((6, 10, 7, 0x4D), "arm-cortex-m", None, "v7"),
        ((4, "cortex-m0", 6, 11), "arm-cortex-m", "cortex-m0", "v6-M"),
        ((32, 1, "gnu", 67, "2.09", 6, 10, 7, 0x41), "arm", None, "v7"),
        ((6, 10, 7, 0x53), "arm", None, "v7"),
    ],
)
def test_build_attributes_name_the_processor(
    tags: tuple[int | str, ...], arch: str, cpu: str | None, architecture: str
) -> None:
    pieces = [
        Piece(b"some code", ".text", flags=ALLOC, segment=LOAD, virtual=0x0800_0000),
        Piece(attributes(*tags), ".ARM.attributes", ARM_ATTRIBUTES),
    ]
    image = opened(Builder(pieces=pieces).build())
    assert arch_of(image) == arch
    assert image.facts.get("cpu") == cpu
    assert image.facts["cpu_architecture"] == architecture
    assert len(titled(image, "build attributes")) == 1


def test_build_attributes_are_read_in_either_byte_order_and_only_for_the_whole_file() -> None:
    assert read_arm_attributes(memoryview(attributes(6, 13, order=">")), ">").is_microcontroller
    assert not read_arm_attributes(memoryview(attributes(6, 13, vendor=b"other")), "<").is_microcontroller
    assert read_arm_attributes(memoryview(attributes(6, 13, 7, 0x80)), "<").is_microcontroller
    section_scope = attributes(6, 13).replace(b"\x01\x07\0\0\0", b"\x02\x07\0\0\0")
    assert not read_arm_attributes(memoryview(section_scope), "<").is_microcontroller
    assert not read_arm_attributes(memoryview(b"B" + attributes(6, 13)[1:]), "<").is_microcontroller


@given(st.binary(max_size=60))
def test_any_bytes_in_the_place_of_attributes_are_survived(data: bytes) -> None:
    read_arm_attributes(memoryview(b"A" + data), "<")
    read_arm_attributes(memoryview(attributes().replace(b"\x01\x05\0\0\0", b"\x01\x40\0\0\0") + data), "<")


@pytest.mark.parametrize(
    ("machine", "flags", "abi"),
    [
        (ARM, 0x0500_0400, "EABI5, hard float"),
        (ARM, 0x0580_0200, "EABI5, soft float, BE8"),
        (RISCV, 0x5, "double float, compressed instructions"),
        (RISCV, 0x8, "soft float, RV32E"),
        (X86_64, 0, None),
    ],
)
def test_flags_are_said_in_words(machine: int, flags: int, abi: str | None) -> None:
    piece = Piece(b"some code", segment=LOAD, virtual=0x1000)
    assert opened(Builder(machine=machine, flags=flags, pieces=[piece]).build()).facts.get("abi") == abi


def linux_program(order: str = "<") -> bytes:
    strings = b"\0libc.so.6\0libssl.so.3\0libpump.so\0"
    base = 0x1000
    note = struct.pack(order + "III4s3sx", 4, 3, 1, b"GNU\0", b"abi") + struct.pack(
        order + "III4s4s", 4, 4, 3, b"GNU\0", b"\xde\xad\xbe\xef"
    )
    table = [(1, 1), (1, 11), (14, 23), (5, base), (0, 0), (1, 1)]
    dynamic = b"".join(struct.pack(order + "QQ", *row) for row in table)
    pieces = [
        Piece(b"code", ".text", flags=ALLOC | CODE, segment=LOAD, virtual=0x100),
        Piece(strings, ".dynstr", STRTAB, ALLOC, LOAD, virtual=base),
        Piece(dynamic, ".dynamic", flags=ALLOC, segment=DYNAMIC),
        Piece(b"/lib/ld-linux.so.2\0junk", ".interp", flags=ALLOC, segment=INTERP),
        Piece(note, ".note", NOTE, ALLOC, PT_NOTE),
    ]
    return Builder(64, order, machine=X86_64, type=3, flags=0, pieces=pieces).build()


@pytest.mark.parametrize("order", ["<", ">"])
def test_a_linux_program_names_its_libraries_loader_and_build(order: str) -> None:
    image = opened(linux_program(order))
    assert image.title == "ELF position-independent executable"
    expected = {
        "interpreter": "/lib/ld-linux.so.2",
        "needed": ("libc.so.6", "libssl.so.3"),
        "soname": "libpump.so",
        "build_id": "deadbeef",
        "stripped": True,
    }
    assert {name: image.facts[name] for name in expected} == expected


def test_a_build_identifier_is_read_from_a_section_with_wide_alignment_too() -> None:
    note = struct.pack("<III4sQ", 4, 8, 3, b"GNU\0", 1)
    builder = Builder(pieces=[Piece(note, ".note.gnu.build-id", NOTE)])
    assert opened(builder.build()).facts["build_id"] == "0100000000000000"
    padded = struct.pack("<III12s", 5, 0, 3, b"GNUX") + struct.pack("<III4s", 4, 4, 3, b"GNU\0") + b"idid"
    builder = Builder(pieces=[Piece(padded, segment=PT_NOTE, align=8)])
    assert opened(builder.build()).facts["build_id"] == b"idid".hex()


def test_broken_notes_and_string_tables_give_no_facts() -> None:
    pieces = [
        Piece(struct.pack("<III", 4, 0xFFFF_FFF0, 3), ".note", NOTE),
        Piece(struct.pack("<4I", 5, 0xDEAD, 1, 1), segment=DYNAMIC),
        Piece(bytes(12) * 300, ".note.many", NOTE),
    ]
    facts = opened(Builder(pieces=pieces).build()).facts
    assert "build_id" not in facts
    assert "needed" not in facts


def test_a_section_named_beyond_the_string_table_has_no_name() -> None:
    data = bytearray(Builder(pieces=[Piece(b"x", ".a"), Piece(b"y", ".b")]).build())
    struct.pack_into("<I", data, len(data) - 120, 0xFFFF)
    assert opened(bytes(data)).facts["sections"] == (".b", ".shstrtab")


def test_an_unprintable_name_is_shown_with_dots() -> None:
    assert opened(Builder(pieces=[Piece(b"x", ".a\x07b")]).build()).facts["sections"] == (".a.b", ".shstrtab")


def test_counts_that_do_not_fit_the_header_are_taken_from_section_zero() -> None:
    piece = Piece(b"code", ".text", flags=ALLOC, segment=LOAD, virtual=0x1000)
    data = bytearray(Builder(pieces=[piece]).build())
    (sections_at,) = struct.unpack_from("<I", data, 32)
    struct.pack_into("<HHHH", data, 44, 0xFFFF, 40, 0, 0xFFFF)
    struct.pack_into("<III", data, sections_at + 20, 3, 2, 1)
    image = opened(bytes(data))
    assert image.facts["sections"] == (".text", ".shstrtab")
    assert memory_of(image) == [(0x1000, b"code")]
    assert image.problems == ()


@pytest.mark.parametrize(
    ("offset", "value"),
    [(0, b"\x7fELG"), (4, b"\x03"), (5, b"\x00"), (6, b"\x02"), (20, b"\x02"), (40, b"\x00"), (44, bytes(8))],
)
def test_impossible_headers_are_refused(offset: int, value: bytes) -> None:
    data = bytearray(FORMAT.example())
    data[offset : offset + len(value)] = value
    with pytest.raises(FormatError):
        opened(bytes(data))


def test_absurd_counts_are_said_and_survived() -> None:
    data = bytearray(FORMAT.example())
    struct.pack_into("<HHH", data, 44, 0xFFFE, 40, 0xFFFE)
    problems = opened(bytes(data)).problems
    assert problems[0].startswith("of 65534 program headers at 0x34 only 10 are there and read")
    assert problems[1].startswith("of 65534 section headers at 0xbb only 5 are there and read")


def test_more_rows_than_are_read_are_said() -> None:
    data = bytearray(FORMAT.example())
    (sections_at,) = struct.unpack_from("<I", data, 32)
    struct.pack_into("<HH", data, 48, 0, 4)
    struct.pack_into("<I", data, sections_at + 20, 0xFFFF_FFFF)
    assert opened(bytes(data)).problems == ("of 4294967295 section headers at 0xbb only 5 are there and read",)


def test_rows_of_a_wrong_size_are_not_read() -> None:
    data = bytearray(FORMAT.example())
    struct.pack_into("<H", data, 42, 33)
    image = opened(bytes(data))
    assert image.problems == ("a program header has 33 bytes, 32 are right",)
    assert image.memories == ()


def test_tables_far_outside_of_the_file_are_said() -> None:
    data = bytearray(FORMAT.example())
    struct.pack_into("<I", data, 32, 0xFFFF_FF00)
    image = opened(bytes(data))
    assert image.problems == ("of 5 section headers at 0xffffff00 only 0 are there and read",)
    assert "stripped" not in image.facts
    struct.pack_into("<I", data, 28, 0xFFFF_FF00)
    with pytest.raises(FormatError, match="only 0 are there"):
        opened(bytes(data))


def test_the_same_bytes_loaded_a_thousand_times_are_loaded_only_a_few_times() -> None:
    piece = Piece(bytes(5000), segment=LOAD, virtual=0x1000)
    rows = [Piece(b"", segment=LOAD, virtual=0x10_0000 * i) for i in range(100)]
    data = bytearray(Builder(pieces=[piece, *rows], with_sections=False).build())
    for number in range(101):
        struct.pack_into("<I", data, 52 + number * 32 + 4, 52 + 101 * 32)
        struct.pack_into("<I", data, 52 + number * 32 + 16, 5000)
    image = opened(bytes(data))
    assert sum(memory.map.size for memory in image.memories) < 4 * len(data)
    assert image.problems == ("the same bytes are loaded again and again; the rest of the segments was left out",)


def test_a_segment_outside_of_the_address_space_is_left_out() -> None:
    pieces = [
        Piece(b"code", segment=LOAD, virtual=0x1000),
        Piece(b"data", segment=LOAD, virtual=0xFFFF_FFFE),
    ]
    image = opened(Builder(pieces=pieces).build())
    assert memory_of(image) == [(0x1000, b"code")]
    assert image.problems == ("the segment at 0x78 does not fit the address space",)


def test_an_empty_segment_is_no_memory() -> None:
    assert opened(Builder(pieces=[Piece(b"", segment=LOAD, virtual=0x1000)]).build()).memories == ()


def test_a_file_cut_at_any_byte_is_refused_or_said_to_be_cut() -> None:
    for data in (FORMAT.example(), linux_program()):
        whole = memory_of(opened(data))
        for size in range(len(data)):
            try:
                image = opened(data[:size])
            except FormatError:
                assert size < 250
                continue
            assert image.problems
            assert image.size <= size
            assert sum(len(content) for _, content in memory_of(image)) <= sum(len(content) for _, content in whole)


@given(FLAVOURS, st.lists(st.tuples(st.integers(0, 400), st.integers(0, 255)), min_size=1, max_size=4))
@settings(max_examples=400)
def test_damaged_files_are_opened_or_refused_and_nothing_else(
    flavour: tuple[int, str], damage: list[tuple[int, int]]
) -> None:
    pieces = [
        Piece(bytes(16), ".text", flags=ALLOC, segment=LOAD, virtual=0x1000),
        Piece(struct.pack("<4I", 1, 1, 5, 0x1000), ".dynamic", segment=DYNAMIC),
        Piece(struct.pack("<III4s4s", 4, 4, 3, b"GNU\0", b"idid"), ".note", NOTE, segment=PT_NOTE),
        Piece(attributes(5, "Cortex-M4", 6, 13), ".ARM.attributes", ARM_ATTRIBUTES),
        Piece(b"gcc\0", ".comment"),
    ]
    data = bytearray(Builder(*flavour, pieces=pieces).build())
    for index, value in damage:
        data[index % len(data)] = value
    try:
        image = opened(bytes(data))
    except FormatError:
        return
    assert 0 < image.size <= len(data)
    assert all(0 <= part.start < part.end <= image.size for part in image.parts)
    assert all(a.end <= b.start for a, b in itertools.pairwise(image.parts))
    assert all(0 <= s.address < s.end <= 1 << 64 for memory in image.memories for s in memory.map.segments)
    msgspec.json.encode(dict(image.facts))


def test_every_single_byte_of_a_program_may_be_anything() -> None:
    rng = random.Random(2)  # noqa: S311  # the same damage in every run
    seed = FORMAT.example()
    for index in range(len(seed)):
        for value in (0, 0xFF, rng.randrange(256)):
            data = bytearray(seed)
            data[index] = value
            try:
                assert 0 < opened(bytes(data)).size <= len(data)
            except FormatError:
                continue


def programs_of_this_python() -> list[Path]:
    """Return the interpreter and one extension module, where this platform uses ELF."""
    candidates = [Path(sys.executable), Path(str(msgspec._core.__file__))]
    return [path for path in candidates if path.read_bytes()[:4] == b"\x7fELF"]


def test_programs_of_this_python_are_read_as_an_independent_reader_reads_them() -> None:
    for path in programs_of_this_python():
        data = path.read_bytes()
        reference = lief.ELF.parse(list(data))
        assert reference is not None
        image = opened(data)
        elf = read_elf(Window.of(data))
        assert image.problems == ()
        assert image.size <= len(data)
        assert [name for name in (s.name for s in elf.sections) if name] == [
            s.name for s in reference.sections if s.name
        ]
        assert _loads(elf) == [
            (s.file_offset, s.virtual_address, s.physical_address, s.physical_size)
            for s in reference.segments
            if s.type == lief.ELF.Segment.TYPE.LOAD
        ]
        assert elf.needed()[0] == list(reference.libraries)
        assert (elf.interpreter() or "") == reference.interpreter
        assert image.facts["stripped"] == (not any(s.name == ".symtab" for s in reference.sections))


def _loads(elf: ElfFile) -> list[tuple[int, int, int, int]]:
    return [(s.offset, s.virtual_address, s.physical_address, s.file_bytes) for s in elf.segments if s.type == LOAD]
