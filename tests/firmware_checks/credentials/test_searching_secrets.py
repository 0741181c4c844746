"""Every search engine finds the same secrets, and bundles of certificates stay cheap."""

from dataclasses import replace

import pytest

from firmware_checks.check import Check
from firmware_checks.credentials.key_examples import certificate, key_der
from firmware_checks.credentials.signs import SIGNS
from firmware_checks.fact_reader import Content
from firmware_checks.observer import Observation
from firmware_checks.observers import key_material, patient_records
from firmware_checks.patterns.anchors import AnchorEngine
from firmware_checks.patterns.native import HYPERSCAN, NativeEngine
from firmware_checks.patterns.pattern import Pattern
from firmware_checks.patterns.search import PatternSet
from firmware_checks.span import Span
from toolkit.core.registry import discover
from toolkit.core.window import Window


def _seen(path: str, data: bytes) -> list[Observation]:
    return list(key_material.OBSERVER.read(Content(Span(f"image.bin!{path}", Window.of(data)))))


def test_the_engines_find_the_same_secrets() -> None:
    pytest.importorskip("hyperscan", reason="Hyperscan is not installed")
    checks = discover("firmware_checks.checks", attribute="CHECK", kind=Check, group=None).values()
    data = memoryview(
        b"\0".join(image for check in checks for image in (check.weak_example(), check.hardened_example()))
    )
    patterns = [Pattern.of("secrets", sign.expression, anchor=sign.anchor) for sign in SIGNS]
    plain = PatternSet(patterns, AnchorEngine())
    found = list(plain.search(data))
    assert len(found) > 15
    compiled = PatternSet(patterns, NativeEngine(replace(HYPERSCAN, worth_bytes=0)))
    assert list(compiled.search(data)) == found


def test_of_a_bundle_of_certificates_the_first_are_read() -> None:
    bundle = certificate(issuer="CA", bits=256) * (key_material.MOST_CERTIFICATES + 5)
    assert len(_seen("ca.crt", bundle)) == key_material.MOST_CERTIFICATES


def test_a_key_that_is_cut_or_damaged_is_none() -> None:
    assert _seen("a", key_der()[:40]) == []
    assert _seen("a", b"0\x82\x01\x00\x02\x01\x000\x0d\x06" + b"\0" * 300) == []


def test_a_patient_number_that_counts_up_or_repeats_is_made_up() -> None:
    content = Content(Span("image.bin!a.log", Window.of(b"MRN=1111111 MRN=123456 MRN=4471902 PID|1||1||Test^Case|")))
    assert len(list(patient_records.OBSERVER.read(content))) == 1
