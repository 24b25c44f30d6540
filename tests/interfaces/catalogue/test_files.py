"""Catalogue files: what they say exactly, and every fault by file, line and path."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from interfaces.catalogue.files import BadCatalogue, Written, read_files

GOOD = """\
meters:
  llm.output:
    eventType: llm
    property: output_tokens
    less: [reasoning_tokens]
products:
  pro:
    name: Pro
    effectiveAt: 2026-03-01T00:00:00+01:00
    prices:
      output:
        meter: llm.output
        asset: USD
        per: 1000000
        unitPrice: 3.10
        dimensions: [model]
        rows:
          - {match: {model: no}, unitPrice: 0}
          - {match: {model: 4.50}, unitPrice: "0.000000000000000001"}
defaultProduct: pro
"""


def _read(directory: Path, *texts: str) -> Written:
    files = [directory / f"{number}.yaml" for number in range(1, len(texts) + 1)]
    for file, text in zip(files, texts, strict=True):
        file.write_text(text, "utf-8")
    return read_files(files)


def _faults(directory: Path, *texts: str) -> list[str]:
    with pytest.raises(BadCatalogue) as caught:
        _read(directory, *texts)
    return [str(fault).replace(f"{directory}/", "") for fault in caught.value.faults]


def test_numbers_and_words_are_what_was_written(tmp_path: Path) -> None:
    # when
    catalogue = _read(tmp_path, GOOD).catalogue
    # then
    product = catalogue.products["pro"]
    price = product.prices["output"]
    assert product.effective_at is not None
    assert product.effective_at.astimezone(UTC) == datetime(2026, 2, 28, 23, tzinfo=UTC)
    assert (price.unit_price, price.per, price.model) == ("3.1", "1000000", "UNIT")
    assert [(row.match, row.unit_price) for row in price.rows] == [
        ({"model": "no"}, "0"),
        ({"model": "4.50"}, "0.000000000000000001"),
    ]
    assert catalogue.meters["llm.output"].less == ("reasoning_tokens",)
    assert catalogue.default_product == "pro"


@pytest.mark.parametrize(
    "was, wrong, fault",
    [
        ("3.10", "3,10", "1.yaml:15: products.pro.prices.output.unitPrice: '3,10' is no exact"),
        ("3.10", ".nan", "1.yaml:15: products.pro.prices.output.unitPrice: '.nan' is no exact"),
        ("3.10", "1e3", "1.yaml:15: products.pro.prices.output.unitPrice: '1e3' is no exact"),
        ("3.10", "[3]", "1.yaml:15: products.pro.prices.output.unitPrice: must be an exact"),
        ("unitPrice: 0}", "unitprice: 0}", "1.yaml:18: products.pro.prices.output.rows[0].unit"),
        ("less:", "lest:", "1.yaml:5: meters.llm.output.lest: is no key that is known here"),
        ("        asset: USD\n", "", "1.yaml:11: products.pro.prices.output.asset: is missing"),
        ("+01:00", "", "1.yaml:9: products.pro.effectiveAt: needs a zone"),
        ("    name: Pro\n", "    name: Pro\n    name: Po\n", "1.yaml:9: 'name' stands twice"),
        ("per: 1000000", "per: &p 1\n        free: *p", "1.yaml:15: aliases are not taken"),
        ("[model]", "[model", "1.yaml:17: "),
        ("meters:", "- meters", "1.yaml:2: "),
    ],
)
def test_a_fault_is_told_with_its_line_and_path(
    tmp_path: Path, was: str, wrong: str, fault: str
) -> None:
    # given
    assert was in GOOD
    # when
    faults = _faults(tmp_path, GOOD.replace(was, wrong, 1))
    # then
    assert faults[0].startswith(fault), faults


def test_all_faults_are_told_at_once(tmp_path: Path) -> None:
    # when
    faults = _faults(tmp_path, GOOD.replace("3.10", "x"), "meters: {m: {aggregation: MEAN}}")
    # then
    assert [fault.partition(": ")[0] for fault in faults] == ["1.yaml:15", "2.yaml:1"]


def test_files_are_one_catalogue_in_which_a_key_stands_once(tmp_path: Path) -> None:
    # given
    more = "meters:\n  images: {aggregation: COUNT}\n"
    # then
    assert set(_read(tmp_path, GOOD, more).catalogue.meters) == {"llm.output", "images"}
    assert _faults(tmp_path, GOOD, more.replace("images", "llm.output")) == [
        "2.yaml:2: meters.llm.output: stands in 1.yaml as well: say it in one file"
    ]


@pytest.mark.parametrize("text", ["", "# nothing yet\n", "{}"])
def test_an_empty_file_says_nothing(tmp_path: Path, text: str) -> None:
    assert _read(tmp_path, text).catalogue.products == {}


def test_what_is_no_text_or_too_deep_is_told(tmp_path: Path) -> None:
    # given
    binary = tmp_path / "binary.yaml"
    binary.write_bytes(b"\xff\xfe\x00")
    # then
    with pytest.raises(BadCatalogue, match=r"binary.yaml:1: is no UTF-8 text"):
        read_files([binary])
    assert "nested more than" in _faults(tmp_path, "meters: " + "[" * 50 + "]" * 50)[0]
