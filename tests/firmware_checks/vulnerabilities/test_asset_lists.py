"""Lists of devices as maintenance systems write them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_checks.vulnerabilities.assets import Asset, read_assets
from toolkit.core.errors import InputError, MedhardenError


def test_english_commas_and_a_byte_order_mark() -> None:
    text = "\ufeffAsset Tag,Manufacturer,Model,Software Version,Location\nA1,Contec,CMS8000,1.2,ICU\n"
    assert read_assets(text.encode()).assets == (
        Asset(row=2, tag="A1", manufacturer="Contec", model="CMS8000", version="1.2", location="ICU"),
    )


def test_french_semicolons_in_the_alphabet_of_windows() -> None:
    text = "Fabricant;Modèle;Version logicielle;N° de série;Emplacement\nDräger;Évita;2.5;S-9;Réanimation\n"
    (asset,) = read_assets(text.encode("cp1252")).assets
    assert (asset.manufacturer, asset.model, asset.version) == ("Dräger", "Évita", "2.5")
    assert (asset.tag, asset.location) == ("S-9", "Réanimation")


def test_spanish_tabs_in_utf_16() -> None:
    text = "Fabricante\tModelo\tVersión de software\tNúmero de inventario\tUbicación\nBaxter\tPrisMax\t2\tN7\tUCI\n"
    (asset,) = read_assets(text.encode("utf-16")).assets
    assert (asset.model, asset.version, asset.tag, asset.location) == ("PrisMax", "2", "N7", "UCI")


@pytest.mark.parametrize("written", ["", "N/A", "unknown", "inconnue", "-", "?"])
def test_a_version_that_is_none_is_not_known(written: str) -> None:
    assert read_assets(f"model,version\nX,{written}\n".encode()).assets[0].version is None


def test_broken_rows_are_named_and_the_others_stay() -> None:
    rows = ["model,version", '"open quote,1', "GoodOne,1", "A,1,2", ",3", "", "GoodTwo"]
    listed = read_assets("\n".join(rows).encode())
    assert [asset.model for asset in listed.assets] == ["GoodOne", "GoodTwo"]
    assert [(row.row, row.problem) for row in listed.broken] == [
        (2, "a quotation mark is missing or stands in the wrong place"),
        (4, "3 cells, but the first row names 2 columns"),
        (5, "it names no model"),
    ]


def test_a_cell_may_span_lines() -> None:
    listed = read_assets(b'model,location\n"CMS\n8000",ICU\nB,W\n')
    assert [(asset.row, asset.model) for asset in listed.assets] == [(2, "CMS 8000"), (4, "B")]


def test_other_columns_are_not_kept() -> None:
    listed = read_assets(b"model,Patient,version\nX,Jane Doe,1\n")
    assert "Jane" not in repr(listed)


@pytest.mark.parametrize("data", [b"", b"a,b\n1,2\n", b"manufacturer,version\nX,1\n"])
def test_a_list_without_models_is_refused(data: bytes) -> None:
    with pytest.raises(InputError, match="no column of models"):
        read_assets(data)


@given(st.binary(max_size=300))
def test_any_bytes_are_read_or_refused_in_words(data: bytes) -> None:
    try:
        read_assets(b"model,version\n" + data)
        read_assets(data)
    except MedhardenError:
        pass


@given(st.lists(st.text(alphabet='ab",;\n 1', min_size=1, max_size=12), max_size=12))
def test_no_line_with_content_is_dropped(rows: list[str]) -> None:
    lines = [line for row in rows for line in row.splitlines()]
    listed = read_assets(("model,version\n" + "\n".join(lines)).encode())
    named = {asset.row for asset in listed.assets} | {row.row for row in listed.broken}
    plain = {at + 2 for at, line in enumerate(lines) if line.strip(' ",;\n') and '"' not in "".join(lines)}
    assert plain <= named
