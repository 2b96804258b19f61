"""Scalar SQL as researchers write it: accepted, and read as DuckDB reads it.

Each expression of `scalars.yaml` becomes a group key. The kernel's printed key must give the same value as the
researcher's own text in every row of the small project, and the engine's plan of the whole statement must hold
nothing that the kernel has not decided on.
"""

from __future__ import annotations

import datetime
import math
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest
import yaml
from tests.differential import values
from tests.small_project import gates

from ambergate_policies.algebra.expressions import Expression
from ambergate_policies.algebra.relations import Boundary
from ambergate_policies.prepared import PreparedBoundary
from ambergate_policies.printing import columns_used, expression, quoted, relation
from ambergate_policies.verdict import Finding

Prepare = Callable[[str], PreparedBoundary]
Refusal = Callable[[str], Finding]
GROUPS: dict[str, list[str]] = yaml.safe_load((Path(__file__).parent / "scalars.yaml").read_text(encoding="utf-8"))
ACCEPTED = [text for group in GROUPS.values() for text in group]

REFUSED = {
    "random() < 0.5": ("function", "chance"),
    "md5(region)": ("function", "stands for it"),
    "hash(region) % 2": ("function", "stands for it"),
    "region ~ 'South.*'": ("syntax", "not understood"),
    "age & 1": ("syntax", "bits"),
    "region.lower()": ("syntax", "after a dot"),
    "unnest([age, imd])": ("function", "unnest"),
    "list_filter([age, imd], lambda x: x > 3)": ("function", "list_filter"),
    "[age, imd]": ("type", "cannot stand here"),
    "{'x': age}": ("type", "cannot stand here"),
    "string_split(region, ' ')": ("type", "cannot stand here"),
    "(age, imd) IS NULL": ("type", "cannot stand here"),
    "(age, imd) < (1, 2)": ("type", "cannot be compared"),
    "(person_id, 1) = (1, 1)": ("owner-opaque", "person key"),
    "[person_id][1] = region": ("owner-opaque", "person key"),
    "age::TIMESTAMPTZ": ("type", "not available"),
    "age::DATE": ("type", "cannot be made"),
    "age::\"INTEGER); DROP TABLE x\"": ("syntax", "cannot be read"),
    "age::DECIMAL(50, 2)": ("type", "precision"),
    "DATE '2020-01-31'::VARCHAR = region": ("syntax", "typed constant"),
    "regexp_matches(region, '(?=x)')": ("function", "look around"),
    "regexp_matches(region, '(a)\\1')": ("function", "look around"),
    "regexp_matches(region, '(')": ("function", "not complete"),
    "regexp_matches(region, sex)": ("function", "constant"),
    "regexp_matches(region, 'x', 'l')": ("function", "option"),
    "region LIKE 'x!' ESCAPE '!'": ("type", "ESCAPE"),
    "region LIKE sex ESCAPE '!'": ("type", "ESCAPE"),
    "lpad(region, 100000, ' ')": ("size", "1000"),
    "strptime(region, '%Y %Z')": ("function", "format"),
    "registered_on + INTERVAL (bmi) DAY": ("type", "whole number"),
    "registered_on + INTERVAL (age) FORTNIGHT": ("function", "interval"),
    "to_timestamp(age)": ("function", "to_timestamp"),
    "epoch_ms(age)": ("type", "does not take"),
    "date_part(region, registered_on)": ("function", "date part"),
    "age IN [bmi, 3]": ("syntax", "constants only"),
    "map([1, 2], ['a'])[imd]": ("type", "as many keys"),
    "age > ANY ([])": ("subquery", "list"),
    "regexp_match(region, 'x')": ("function", "no function"),
    "error('x')": ("function", "error would tell"),
    "age BETWEEN SYMMETRIC 3 AND 1": ("syntax", "symmetric"),
}  # fmt: skip
"""What stays refused: the rule, and a word of the message."""


@pytest.fixture(scope="module")
def engine(small_database: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    connection = duckdb.connect()
    connection.execute(f"ATTACH '{small_database}' AS project (READ_ONLY)")
    connection.execute("USE project")
    today = gates.NOON.date().isoformat()
    for name in ("today", "now"):  # the day of the question, as in the kernel
        connection.execute(f"CREATE TEMP MACRO {name}() AS DATE '{today}'")
    yield connection
    connection.close()


@pytest.fixture(scope="module")
def planner(small_database: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[gates.NearEngine]:
    near = gates.NearEngine(small_database, tmp_path_factory.mktemp("spill"))
    yield near
    near.close()


def by_person(boundary: Boundary, key: Expression) -> str:
    """The key's value for each person, as a statement."""
    rows = relation(boundary.relation, columns_used([key]))
    return f"SELECT {expression(key)} FROM {rows} ORDER BY {quoted('person key')}"


@pytest.mark.parametrize("text", ACCEPTED)
def test_an_expression_has_the_value_that_duckdb_gives_it(
    prepare: Prepare, engine: duckdb.DuckDBPyConnection, planner: gates.NearEngine, text: str
) -> None:
    prepared = prepare(f"SELECT {text} AS k, count(*) FROM person GROUP BY 1")
    prepared.check_plan(planner.plan(prepared.statement, {}))
    boundary = prepared.program.boundary
    (key,) = boundary.keys
    plain = text.replace("current_date", "today()")
    expected = engine.execute(f"SELECT {plain} FROM person ORDER BY person_id").fetchall()
    found = engine.execute(by_person(boundary, key)).fetchall()
    assert [alike(value) for (value,) in found] == [alike(value) for (value,) in expected]


def alike(value: Any) -> Any:
    """A value without its type: dates are their first moment, numbers have nine digits."""
    if isinstance(value, datetime.datetime):
        return value.replace(tzinfo=None)
    if isinstance(value, datetime.date):
        return datetime.datetime.combine(value, datetime.time())
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        return value
    return "nan" if math.isnan(value) else float(f"{float(value):.9g}")


def test_the_reference_engine_gives_the_same_values(prepare: Prepare, engine: duckdb.DuckDBPyConnection) -> None:
    """Where the plain Python engine knows every node and function, it agrees: a third reading of the expression."""
    rows = engine.execute("SELECT * FROM person ORDER BY person_id LIMIT 200").to_arrow_table().to_pylist()
    compared, different = 0, []
    for text in ACCEPTED:
        (key,) = prepare(f"SELECT {text} AS k, count(*) FROM person GROUP BY 1").program.boundary.keys
        try:
            found = [values.evaluate(key, {"s1": row}) for row in rows]
        except (NotImplementedError, KeyError, TypeError, ValueError):
            continue
        plain = text.replace("current_date", "today()")
        expected = engine.execute(f"SELECT {plain} FROM person ORDER BY person_id LIMIT 200").fetchall()
        if [alike(value) for value in found] != [alike(value) for (value,) in expected]:
            different.append(text)
        compared += 1
    assert not different, different
    assert compared >= 200


def test_there_are_many_of_every_sort() -> None:
    assert len(ACCEPTED) >= 400
    assert min(len(group) for group in GROUPS.values()) >= 10


@pytest.mark.parametrize(("text", "why"), REFUSED.items())
def test_an_expression_is_refused_with_a_reason(refusal: Refusal, text: str, why: tuple[str, str]) -> None:
    finding = refusal(f"SELECT {text} AS k, count(*) FROM person GROUP BY 1")
    assert finding.rule == why[0], finding
    assert why[1] in finding.message, finding


@pytest.mark.parametrize(
    ("function", "hint"),
    [
        ("regexp_matchs(region, 'x')", "regexp_matches"),
        ("uper(region)", "upper"),
        ("date_dif('day', registered_on, died_on)", "date_diff"),
        ("jaro_similarity(region, 'x')", "levenshtein"),
        ("list_sort([age, imd])[1]", "least and greatest"),
        ("printf('%s', region)", "||"),
        ("sha256(region)", "GROUP BY"),
    ],
)
def test_a_hint_names_what_to_write_instead(refusal: Refusal, function: str, hint: str) -> None:
    finding = refusal(f"SELECT {function} AS k, count(*) FROM person GROUP BY 1")
    assert finding.hint is not None and hint in finding.hint, finding


def test_what_is_missing_is_not_put_in_place_of_a_value(prepare: Prepare, engine: duckdb.DuckDBPyConnection) -> None:
    """greatest(x, 10) is NULL where x is, unlike in DuckDB: a value for everybody of whom nothing is known would make
    one person's own value stand out. Likewise a division by zero is NULL and not infinite."""
    for text in ("greatest(bmi, 10)", "least(weight, 500)", "list_max([bmi, 10])", "age / 0", "TRY(age / 0)"):
        boundary = prepare(f"SELECT {text} AS k, count(*) FROM person GROUP BY 1").program.boundary
        found = engine.execute(by_person(boundary, boundary.keys[0])).fetchall()
        column = {"age / 0": "NULL", "TRY(age / 0)": "NULL", "least(weight, 500)": "weight"}.get(text, "bmi")
        missing = engine.execute(f"SELECT {column} IS NULL FROM person ORDER BY person_id").fetchall()
        assert [value is None for (value,) in found] == [flag for (flag,) in missing]
