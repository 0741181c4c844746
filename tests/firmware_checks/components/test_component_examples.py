"""What every component rule must hold, with no edit here when one is added."""

from __future__ import annotations

import random
import re
import string
import struct
import time

import pytest
from packageurl import PackageURL

from firmware_checks.component_naming import components_from_regions, name_components
from firmware_checks.component_rules import CPE_FIELDS, ComponentRule, Example, load_rules
from firmware_checks.fact_collection import FactCollector
from firmware_checks.fact_reader import Content, FactReader
from firmware_checks.fusion import EvidenceOfImage, fuse
from firmware_checks.identity import Identities
from firmware_checks.patterns import PatternSet
from firmware_checks.region import Region
from firmware_checks.span import Span
from toolkit.core.registry import discover
from toolkit.core.window import Window
from toolkit.report.model import Component, Confidence, RegionKind

RULES = load_rules()
SEARCH = PatternSet([pattern for rule in RULES for pattern in rule.patterns])
EXAMPLES = [(rule, example) for rule in RULES for example in rule.example]
TEXTS = [(rule, example) for rule, example in EXAMPLES if example.text and not example.file]
IN_FILES = [(rule, example) for rule, example in EXAMPLES if example.file]
IDENTITIES = Identities(RULES)
READERS = discover("firmware_checks.facts", attribute="READER", kind=FactReader, group=None)

every_rule = pytest.mark.parametrize("rule", RULES, ids=[rule.name for rule in RULES])
every_text = pytest.mark.parametrize(("rule", "example"), TEXTS, ids=[f"{r.name}-{e.version}" for r, e in TEXTS])

every_text_in_a_file = pytest.mark.parametrize(
    ("rule", "example"), IN_FILES, ids=[f"{r.name}-{e.file}-{e.version}" for r, e in IN_FILES]
)

TOOLCHAIN = (
    "GCC: (GNU Tools for Arm Embedded Processors 9-2019-q4-major) 9.3.1 20191025 (release)",
    "GCC: (Debian 12.2.0-14) 12.2.0",
    "GNU C17 12.2.1 20221205 -mthumb -march=armv6s-m -g -O3",
    "GNU AS 2.40.0",
    "GNU Binutils for Debian 2.40",
    "clang version 14.0.6",
    "Linker: LLD 15.0.7",
    "Component: Arm Compiler 6.16 Tool: armlink [5dfeaa00]",
    "IAR ELF Linker V8.50.9.278/W32 for ARM",
    "TI ARM C/C++ Codegen PC v20.2.5.LTS",
    "SDCC 4.2.0 #13081",
    "rustc version 1.70.0",
    "GLIBC_2.34",
    "GLIBCXX_3.4.29",
    "gzip 1.12",
    "window version 2.6",
)


def _named(data: bytes) -> tuple[Component, ...]:
    span = Span("image.bin", Window.of(data))
    return name_components([(span, hit) for hit in SEARCH.search(span.window.view)], RULES)


def _in_strings(text: str) -> bytes:
    """Return ``text`` as a compiler leaves it: behind the end of another string, and with an end of its own."""
    return b"\0" + text.encode("latin-1") + b"\0"


def _versions(rule: ComponentRule, data: bytes) -> set[str | None]:
    return {component.version for component in _named(data) if component.name == rule.name}


def _in_program(text: str) -> bytes:
    """Return an ELF file for Linux whose constants hold ``text``."""
    constants, names = _in_strings(text), b"\0.rodata\0.shstrtab\0"
    at = 52 + len(constants)
    header = struct.pack("<HHIIIIIHHHHHH", 3, 40, 1, 0, 0, at + len(names), 0, 52, 32, 0, 40, 3, 2)
    sections = bytes(40) + struct.pack("<10I", 1, 1, 2, 0x8000, 52, len(constants), 0, 0, 4, 0)
    sections += struct.pack("<10I", 9, 3, 0, 0, at, len(names), 0, 0, 1, 0)
    return b"\x7fELF\1\1\1" + bytes(9) + header + constants + names + sections


def _from_file(example: Example) -> tuple[Component, ...]:
    """Return what is named when the file of ``example`` is found where its kind belongs."""
    folder = "usr/lib" if ".so" in example.file else "usr/bin"
    span = Span(f"root.tar!{folder}/{example.file}", Window.of(_in_program(example.text)))
    collector = FactCollector(READERS, IDENTITIES, lambda *_: pytest.fail("a reader failed"))
    collector.collect(Content(span))
    hits = tuple((span, hit) for hit in SEARCH.search(span.window.view))
    return fuse(EvidenceOfImage(hits=hits, files=collector.files), RULES, IDENTITIES)


def _from_example(rule: ComponentRule, example: Example) -> tuple[Component, ...]:
    if example.file:
        return _from_file(example)
    if example.text:
        return _named(_in_strings(example.text))
    span = Span("image.bin", Window.of(b"\0" * 64))
    region = Region(span=span, format="x", kind=RegionKind.PROGRAM, title="x", facts=dict(example.facts))
    return components_from_regions([region], [rule])


@every_rule
def test_a_rule_tells_a_reader_what_it_is_and_where_its_texts_come_from(rule: ComponentRule) -> None:
    assert rule.title
    assert re.fullmatch(r"[A-Z][^\n]+\.", rule.description)
    assert rule.source


@every_text
def test_an_example_is_found_with_its_version_wherever_it_stands(rule: ComponentRule, example: Example) -> None:
    noise = random.Random(example.text)  # noqa: S311  # the same in every run
    text = _in_strings(example.text)
    for before in (0, 1, 2, 3, 511, 512, 513, 4096, (1 << 20) - len(text) // 2):
        surrounded = noise.randbytes(min(before, 700)).rjust(before, b"\xff") + text + noise.randbytes(600)
        assert _versions(rule, surrounded) == {example.version}


@every_text_in_a_file
def test_an_example_is_found_in_a_file_of_the_component(rule: ComponentRule, example: Example) -> None:
    assert {c.version for c in _from_file(example) if c.name == rule.name} == {example.version}


@every_rule
def test_every_short_expression_for_own_files_is_proven_by_an_example(rule: ComponentRule) -> None:
    texts = [_in_strings(example.text) for example in rule.example if example.text]
    for pattern in rule.own_patterns:
        assert any(pattern.search(text) for text in texts), pattern.pattern


@every_rule
def test_every_expression_of_a_rule_is_proven_by_an_example(rule: ComponentRule) -> None:
    text = b"".join(_in_strings(example.text) for example in rule.example)
    assert {hit.pattern for hit in PatternSet(rule.patterns).search(memoryview(text))} == set(rule.patterns)
    facts = {name for example in rule.example for name in example.facts}
    assert {source.version for source in rule.facts} <= facts


@every_rule
def test_counter_examples_name_nothing(rule: ComponentRule) -> None:
    assert rule.not_example or not rule.patterns
    for text in rule.not_example:
        assert _versions(rule, _in_strings(text)) == set(), text


@every_rule
def test_no_other_rule_fires_on_an_example_unless_the_rule_says_so(rule: ComponentRule) -> None:
    for example in rule.example:
        names = {component.name for component in _from_example(rule, example)}
        assert rule.name in names
        assert names <= {rule.name, *rule.beside}


@every_rule
def test_components_named_beside_a_rule_exist(rule: ComponentRule) -> None:
    assert set(rule.beside) <= {other.name for other in RULES} - {rule.name}


@every_text
def test_a_longer_number_is_read_whole(rule: ComponentRule, example: Example) -> None:
    """Numbers of three digits and more are years, dates and codes of fixed width."""
    written = example.version or ""
    if written not in example.text:
        written = written.replace(".", "_")
    if written not in example.text:
        return  # written in another way: its rule says how
    for number in re.finditer(r"(?<![0-9A-Fa-f])\d{1,2}(?![0-9A-Fa-f])", written):
        longer = written[: number.end()] + "3" + written[number.end() :]
        found = _versions(rule, _in_strings(example.text.replace(written, longer)))
        assert found == {rule.spelled(longer)}


@every_rule
def test_names_for_other_programs_parse(rule: ComponentRule) -> None:
    for component in (c for example in rule.example for c in _from_example(rule, example)):
        assert component.purl is not None
        purl = PackageURL.from_string(component.purl)
        assert purl.to_string() == component.purl
        assert (purl.version is None) == (component.version is None)
        if component.cpe is not None:
            _check_cpe(component.cpe)


def _check_cpe(cpe: str) -> None:
    fields = re.split(r"(?<!\\):", cpe)
    assert len(fields) == CPE_FIELDS
    assert fields[:2] == ["cpe", "2.3"]
    assert fields[2] in {"a", "o"}
    for field in fields[3:]:
        assert re.fullmatch(r"\*|(?:[a-z0-9._-]|\\[^\w\s])+", field), field
    assert "*" not in fields[3:5]
    assert fields[7:] == ["*"] * 6, "a product never stands in the field of the target software"


@pytest.mark.parametrize("text", TOOLCHAIN)
def test_what_built_a_program_is_not_a_part_of_it(text: str) -> None:
    assert _named(_in_strings(text)) == ()


def test_every_version_in_one_file_is_named() -> None:
    data = b"\0".join((b"", b"mbed TLS 2.28.3", b"noise", b"mbed TLS 3.4.0", b"mbed TLS 2.28.3", b""))
    assert [(c.name, c.version) for c in _named(data)] == [("mbedtls", "2.28.3"), ("mbedtls", "3.4.0")]


@every_rule
def test_no_text_makes_an_expression_slow(rule: ComponentRule) -> None:
    started = time.process_time()
    for pattern in rule.patterns:
        for filler in (b"1", b"1.", b"a", b" ", b"-1", b"/a", b"\0", pattern.anchor, pattern.anchor + b"1.1 "):
            data = (pattern.anchor + filler * (1500 // len(filler))) * 2
            for _ in PatternSet([pattern]).search(memoryview(data)):
                pass
    assert time.process_time() - started < 5


def test_text_that_resembles_a_thousand_things_names_nothing() -> None:
    letters = random.Random(3)  # noqa: S311  # the same in every run
    words = " ".join("".join(letters.choices(string.printable, k=9)) for _ in range(5000))
    assert _named(words.encode("latin-1")) == ()


def test_a_version_is_more_certain_than_signs() -> None:
    confidences = {
        (component.version is not None): component.confidence
        for text in ("MicroPython v1.9.2 on 2017-09-01", "Freescale/Freescale MQX")
        for component in _named(_in_strings(text))
    }
    assert confidences == {True: Confidence.HIGH, False: Confidence.LOW}
