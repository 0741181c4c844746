import pytest

from firmware_checks.format import Opened
from firmware_checks.formats.linux_kernel import ERASED, FORMAT, LEAST_BYTES, PROC_BANNER
from firmware_checks.span import Span
from toolkit.core.errors import FormatError
from toolkit.core.limits import Limits
from toolkit.core.window import Window

BANNER = b"Linux version 4.9.118-pump (builder@host) (gcc version 7.3.0 (GCC) ) #7 SMP Tue Jan 1 00:00:00 UTC 2019\n"
CODE = bytes(range(256)) * (LEAST_BYTES // 256)


def _open(data: bytes) -> Opened:
    return FORMAT.open(Span("content", Window.of(data)), Limits())


def test_a_kernel_says_who_built_it_when_and_with_what() -> None:
    data = CODE + BANNER + b"\0" + PROC_BANNER + CODE
    opened = _open(data)
    assert opened.title == "Linux kernel 4.9.118-pump"
    assert opened.facts == {
        "version": "4.9.118-pump",
        "builder": "builder@host",
        "compiler": "gcc version 7.3.0 (GCC) ",
        "build": "#7 SMP Tue Jan 1 00:00:00 UTC 2019",
    }
    assert [(part.title, part.look_inside, part.program) for part in opened.parts] == [
        ("kernel", True, None),
        ("banner", True, None),
        ("kernel", True, None),
    ]
    assert [part.end for part in opened.parts] == [len(CODE), len(CODE + BANNER), len(data)]


@pytest.mark.parametrize(
    ("words", "arch"), [(b"ARMv7 p2v8", "arm"), (b"aarch64", "aarch64"), (b"MIPS32_R2 32BIT", "mips"), (b"", None)]
)
def test_the_processor_is_the_one_of_its_modules(words: bytes, arch: str | None) -> None:
    opened = _open(CODE + BANNER + PROC_BANNER + b"\x004.9.118 SMP mod_unload " + words + b"\0ARMv")
    assert [part.program and part.program.arch for part in opened.parts] == [arch, None, arch]


@pytest.mark.parametrize(
    "data",
    [
        CODE,
        BANNER + PROC_BANNER,
        CODE + BANNER,
        CODE + b"Linux version %s (%s) (%s) #1\n" + PROC_BANNER,
        CODE + BANNER + PROC_BANNER + ERASED,
        CODE + b"Linux version " * 1000 + BANNER + PROC_BANNER,
    ],
    ids=["no banner", "too small", "only the banner", "a pattern", "a dump", "many false starts"],
)
def test_what_is_no_kernel_by_itself_is_refused(data: bytes) -> None:
    with pytest.raises(FormatError):
        _open(data)
