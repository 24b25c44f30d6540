"""Benchmarks in their smallest form: that they run, not how fast."""

from __future__ import annotations

import pytest

from benchmarks import closing, journal

pytestmark = pytest.mark.storage


def test_the_journal_is_folded_and_its_rows_inserted_again() -> None:
    # when
    (figure,) = journal.measure(100, turns=1)
    # then
    assert figure["entries"] == journal.CUSTOMERS + 100


def test_a_month_of_charges_is_closed() -> None:
    # when
    (figure,) = closing.measure(100)
    # then
    assert (figure["charges"], figure["entries"]) == (100, journal.CUSTOMERS + 100)
