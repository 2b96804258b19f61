"""NHS numbers: the check digit, and the same decision in Python and in SQL."""

from __future__ import annotations

import random

import duckdb
import pytest

from ambergate_datasets.optout.nhs_number import is_valid, valid_sql


@pytest.mark.parametrize("text", ["9434765919", "9990000018", "943 476 5919", "999-000-0018"])
def test_a_number_with_the_right_check_digit_is_valid(text: str) -> None:
    assert is_valid(text)


@pytest.mark.parametrize("text", ["9434765918", "943476591", "94347659190", "", "943476591X", "٩٤٣٤٧٦٥٩١٩"])
def test_a_wrong_check_digit_or_another_length_or_another_script_is_not(text: str) -> None:
    assert not is_valid(text)


@pytest.mark.parametrize("digit", range(10))
def test_ten_times_one_digit_is_refused_although_it_passes_the_sum(digit: int) -> None:
    assert not is_valid(str(digit) * 10)


def test_a_number_whose_check_would_be_ten_is_never_valid() -> None:
    nine = next(n for n in range(400000000, 400001000) if not any(is_valid(f"{n}{d}") for d in range(10)))
    total = sum(int(digit) * weight for digit, weight in zip(str(nine), range(10, 1, -1), strict=True))
    assert 11 - total % 11 == 10


def test_every_single_slip_and_every_transposition_is_found() -> None:
    number = "9434765919"
    slips = {number[:at] + d + number[at + 1 :] for at in range(10) for d in "0123456789"} - {number}
    swaps = {number[:at] + number[at + 1] + number[at] + number[at + 2 :] for at in range(9)} - {number}
    assert not any(is_valid(text) for text in slips | swaps)


def test_sql_decides_as_python_does() -> None:
    generator = random.Random(7)
    texts = [str(generator.randrange(10**9, 10**10)) for _ in range(3000)]
    texts += ["943 476 5919", "943-476-5919", "9434765919 ", "1111111111", "", "abc", "94347659199", "٩٤٣٤٧٦٥٩١٩"]
    with duckdb.connect(":memory:") as connection:
        query = f"SELECT t, ({valid_sql('t')}) IS NOT NULL FROM (SELECT unnest($1) AS t)"
        decided = dict(connection.execute(query, [texts]).fetchall())
        null = connection.execute(f"SELECT {valid_sql('NULL::VARCHAR')}").fetchone()
    assert decided == {text: is_valid(text) for text in texts}
    assert sum(decided.values()) > 200
    assert null == (None,)
