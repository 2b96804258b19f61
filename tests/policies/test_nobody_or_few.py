"""What a query tells of one person must be the same whether a guess is right or wrong."""

from __future__ import annotations

import pytest
from tests.small_project import gates, population

from ambergate_extension.pipeline import Gate

GUESSES = (
    "SELECT count(*) AS n FROM person WHERE {guess}",
    "SELECT count(*) FILTER (WHERE {guess}) AS n, count(*) AS o FROM person",
    "SELECT sex, count(*) AS n FROM person WHERE {guess} GROUP BY sex",
    "SELECT age, count(*) AS n FROM person WHERE {guess} OR age BETWEEN 30 AND 34 GROUP BY age",
    "SELECT sum(CASE WHEN {guess} THEN bmi ELSE 0 END) AS n FROM person",
    "SELECT avg(bmi) AS n FROM person WHERE {guess}",
    "SELECT avg(bmi) FILTER (WHERE {guess}) AS n, stddev(bmi) FILTER (WHERE {guess}) AS s FROM person",
)


@pytest.fixture(scope="module")
def gate(tmp_path_factory: pytest.TempPathFactory) -> Gate:
    folder = tmp_path_factory.mktemp("guesses")
    path = folder / "small.duckdb"
    population.write(path)
    return gates.near_gate(path, folder / "spill", gates.kernel())


@pytest.mark.parametrize("sql", GUESSES)
def test_a_right_guess_about_one_person_looks_like_a_wrong_one(gate: Gate, sql: str) -> None:
    seen = []
    for guess in ("region = 'CANARY Isle'", "region = 'CANARY Isle' AND age = 1"):
        header = gate.answer(sql.format(guess=guess)).to_header()
        seen.append({key: value for key, value in header.items() if key not in ("ms", "log_index")})
    assert seen[0] == seen[1]
