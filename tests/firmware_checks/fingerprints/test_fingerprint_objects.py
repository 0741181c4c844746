import shutil
import struct
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware_checks.fingerprints.examples import made_function, object_file
from firmware_checks.fingerprints.functions import TAG_TEXT, Code, find_functions
from firmware_checks.fingerprints.objects import NamedFunction, functions_of, tables_of
from toolkit.core.errors import FormatError, MedhardenError
from toolkit.core.window import Window

OBJECT = object_file(
    {"first": made_function("first", 20, ["second", "outside"]), "second": made_function("second", 20)}
)


def archive(*members: bytes) -> bytes:
    parts = [b"!<arch>\n"]
    for number, member in enumerate(members):
        parts.append(b"%-16s%-12d%-6d%-6d%-8o%-10d`\n" % (b"m%d.o/" % number, 0, 0, 0, 0o644, len(member)))
        parts.append(member + b"\n" * (len(member) % 2))
    return b"".join(parts)


def named(data: bytes) -> dict[str, NamedFunction]:
    return {function.name: function for function in functions_of(Window.of(data))}


def test_functions_of_an_object_file_have_names_and_know_whom_they_call() -> None:
    found = named(OBJECT)
    assert set(found) == {"first", "second"}
    assert found["first"].calls == ("second", "outside")
    assert found["second"].calls == ()


def test_an_archive_holds_the_functions_of_its_members() -> None:
    other = object_file({"third": made_function("third", 12)})
    assert set(named(archive(OBJECT, b"text\n", other))) == {"first", "second", "third"}


def test_only_as_many_functions_as_wanted_are_read() -> None:
    assert len(list(functions_of(Window.of(OBJECT), 1))) == 1


def test_files_for_other_processors_are_told() -> None:
    other = bytearray(OBJECT)
    other[18] = 62
    with pytest.raises(FormatError, match="32-bit little-endian Arm"):
        named(bytes(other))
    with pytest.raises(FormatError):
        named(b"no object file at all")


@settings(max_examples=200)
@given(st.data())
def test_damaged_object_files_do_no_harm(data: st.DataObject) -> None:
    damaged = bytearray(OBJECT)
    for _ in range(data.draw(st.integers(1, 6))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(damaged)))
    for content in (bytes(damaged), bytes(damaged[:cut])):
        try:
            list(functions_of(Window.of(content)))
            list(tables_of(Window.of(content)))
        except MedhardenError:
            pass


SOURCE = """
static const unsigned char table[64] = {9,8,7,6,5,4,3,2,1,0,11,12,13,14,15,16,17,18};
unsigned counter; extern int outside(const char *);
__attribute__((noinline)) int measure(const unsigned *p, int n) {
  if (n > 1234) return outside("value out of range");
  counter += table[p[n & 63] & 63] ^ 0x12345678; return counter > 77 ? outside("counter overflow") : (int)counter;
}
static __attribute__((noinline)) int local(unsigned *p) { p[3] = p[1] / 3 + 99; p[7] ^= p[3]; return (int)p[7]; }
int twice(unsigned *p) { int r = measure(p, 3); r += local(p); return r + measure(p, 9) + (int)p[5]; }
"""
SCRIPT = "SECTIONS { . = 0x8004000; .text : { *(.text*) *(.rodata*) } . = 0x20000000; .bss : { *(.bss*) } }"
GCC = shutil.which("arm-none-eabi-gcc") or ""
needs_compiler = pytest.mark.skipif(not GCC, reason="arm-none-eabi-gcc is not installed")


def compiled(folder: Path, cpu: str, optimisation: str) -> tuple[bytes, bytes]:
    """Return the object file and the linked program of ``SOURCE``."""
    (folder / "m.c").write_text(SOURCE, encoding="utf-8")
    (folder / "m.ld").write_text(SCRIPT, encoding="utf-8")
    options = [f"-mcpu={cpu}", "-mthumb", *optimisation.split(), "-ffunction-sections", "-nostdlib"]
    subprocess.run([GCC, *options, "-c", "m.c", "-o", "m.o"], cwd=folder, check=True, capture_output=True)
    link = ["-Wl,--unresolved-symbols=ignore-all,-e,twice", "-Tm.ld", "m.o", "-o", "m.elf"]
    subprocess.run([GCC, *options, *link], cwd=folder, check=True, capture_output=True)
    return (folder / "m.o").read_bytes(), (folder / "m.elf").read_bytes()


@needs_compiler
@pytest.mark.parametrize("cpu", ["cortex-m0plus", "cortex-m4"])
@pytest.mark.parametrize("optimisation", ["-Os", "-O2", "-O1 -mslow-flash-data"])
def test_an_object_file_and_the_linked_program_give_the_same_signatures(
    tmp_path: Path, cpu: str, optimisation: str
) -> None:
    if cpu == "cortex-m0plus":
        optimisation = optimisation.partition(" ")[0]  # it has no instructions for constants of 16 bits
    unlinked, linked = (named(data) for data in compiled(tmp_path, cpu, optimisation))
    assert {"measure", "twice"} <= set(unlinked)
    for name in ("measure", "twice"):
        one, other = unlinked[name].function, linked[name].function
        assert (one.exact, one.count) == (other.exact, other.count)
        assert one.features == other.features
    assert unlinked["twice"].calls == linked["twice"].calls == ("measure", "local", "measure")
    assert "outside" in unlinked["measure"].calls
    assert sum(feature >= TAG_TEXT for feature in unlinked["measure"].function.features) >= 2


@needs_compiler
def test_the_stripped_program_shows_the_functions_that_the_object_file_has(tmp_path: Path) -> None:
    unlinked, linked = compiled(tmp_path, "cortex-m4", "-Os")
    text = linked[struct.unpack_from("<I", linked, struct.unpack_from("<I", linked, 28)[0] + 4)[0] :]
    seen = {f.exact for f in find_functions(Code(view=memoryview(text), base=0x800_4000))}
    assert {named(unlinked)[name].function.exact for name in ("measure", "twice")} <= seen
    assert [len(table.content) for table in tables_of(Window.of(unlinked))] == [64]
