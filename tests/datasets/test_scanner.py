"""The scanner: finds what identifies people, and lets ordinary numbers and codes pass."""

from __future__ import annotations

import random
from collections.abc import Iterable

import duckdb
import pytest

from ambergate_datasets.scanner import PublishedTable, Suspicion, chance_of, scan_table
from ambergate_policies.catalogue import Column, Table

DECLARED = Table.model_validate(
    {
        "source": "s",
        "owner": "person_id",
        "columns": {
            "surname": {"role": "identifier", "identifier": "surname"},
            "nhs": {"role": "identifier", "identifier": "nhs_number"},
            "value": {"role": "code"},
        },
    }
)


def with_check_digit(nine: str) -> str | None:
    """The NHS number that begins with these nine digits, or None if there is none."""
    rest = 11 - sum(int(digit) * weight for digit, weight in zip(nine, range(10, 1, -1), strict=True)) % 11
    return None if rest == 10 else nine + str(rest % 11)


def nhs_numbers(count: int) -> list[str]:
    draw = random.Random(7)
    found = (with_check_digit(f"{draw.randrange(10**9):09d}") for _ in range(2 * count))
    return [number for number in found if number is not None][:count]


def scan(
    values: Iterable[object], kind: str = "VARCHAR", identifiers: Iterable[tuple[str, str]] = ()
) -> list[Suspicion]:
    connection = duckdb.connect()
    connection.execute("ATTACH ':memory:' AS project; ATTACH ':memory:' AS red; CREATE SCHEMA red.landed")
    connection.execute(f"CREATE TABLE project.main.t (person_id UUID, value {kind})")
    connection.execute("CREATE TABLE red.landed.t (surname VARCHAR, nhs VARCHAR, value VARCHAR)")
    connection.execute("INSERT INTO red.landed.t (surname, nhs) VALUES ('nobody', '0')")
    for value in values:
        connection.execute("INSERT INTO project.main.t VALUES (uuid(), ?)", [value])
    for surname, nhs in identifiers:
        connection.execute("INSERT INTO red.landed.t VALUES (?, ?, NULL)", [surname, nhs])
    columns = {"value": Column.model_validate({"role": "code", "type": kind})}
    return list(scan_table(connection, PublishedTable("t", columns, DECLARED)))


def test_the_check_digit_is_the_one_of_the_nhs() -> None:
    assert with_check_digit("943476591") == "9434765919"
    assert with_check_digit("999000001") == "9990000018"


@pytest.mark.parametrize("shape", ["{}", "{:.3} {:.3} {:.4}"])
def test_nhs_numbers_are_found_plain_and_with_blanks(shape: str) -> None:
    numbers = nhs_numbers(20)
    values = [n if shape == "{}" else f"{n[:3]} {n[3:6]} {n[6:]}" for n in numbers]
    assert [(s.what, s.values) for s in scan(values)] == [("NHS numbers", 20)]


@pytest.mark.parametrize("kind", ["BIGINT", "DOUBLE", "DECIMAL(18,3)"])
def test_nhs_numbers_are_found_in_a_number_column_and_among_others(kind: str) -> None:
    draw = random.Random(3)
    ordinary = [draw.randrange(10**9, 10**10) for _ in range(60)]
    found = scan([*map(int, [n for n in nhs_numbers(60) if n[0] != "0"][:40]), *ordinary], kind)
    assert [s.what for s in found] == ["NHS numbers"]


def test_ten_digit_numbers_that_pass_by_chance_are_let_through() -> None:
    draw = random.Random(11)
    assert scan([f"{draw.randrange(10**10):010d}" for _ in range(400)]) == []


def test_full_postcodes_are_found_alone_and_inside_text_and_codes_are_not() -> None:
    assert [s.what for s in scan(["LS1 4AP", "B11AA", "sw1a 1aa"])] == ["full postcodes"]
    assert [s.what for s in scan([f"moved to LS{n} 4AP" for n in range(1, 4)])] == ["full postcodes"]
    assert scan(["I210", "E119", "PA12Z", "A81001", "RXF12", "R69X", "W371", "5NT", "E01007065"]) == []


def test_names_and_numbers_of_the_same_landing_are_found() -> None:
    people = [(f"Surname{n}", number) for n, number in enumerate(["12345678901", "22345678901", "32345678901"])]
    assert [s.what for s in scan([n for n, _ in people], identifiers=people)] == ["the identifier 'surname'"]
    assert [s.what for s in scan([n for _, n in people], identifiers=people)] == ["the identifier 'nhs'"]


def test_the_chance_is_the_binomial_tail_and_its_bound_is_never_smaller() -> None:
    assert chance_of(0, 10) == pytest.approx(1.0)
    assert chance_of(5, 5) == pytest.approx(11**-5)
    assert chance_of(1, 2) == pytest.approx(1 - (10 / 11) ** 2)
    assert chance_of(150, 1001) >= chance_of(150, 1000) / 2
    assert chance_of(91, 1001) == 1.0
    assert chance_of(2000, 2000) < 1e-300 or chance_of(2000, 2000) == 0.0
