"""The engine's last word, from the real engine: a plan that reads anything else is refused."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.small_project import gates, population

from ambergate_policies import boundplan
from ambergate_policies.errors import IntegrityError
from ambergate_policies.prepared import Prepared

Prepare = Callable[[str], Prepared]
READS = {"person": {"person_id", "sex"}}
PERSON = '"project"."main"."person"'


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[gates.NearEngine]:
    folder = tmp_path_factory.mktemp("plans")
    population.write(folder / "small.duckdb", persons=20)
    engine = gates.NearEngine(folder / "small.duckdb", Path(folder / "temp"))
    yield engine
    engine.close()


def check(engine: gates.NearEngine, statement: str) -> None:
    boundplan.check(engine.plan(statement), READS)


def test_a_plan_that_reads_what_was_decided_passes(engine: gates.NearEngine) -> None:
    check(engine, f"SELECT sex, count(*) FROM {PERSON} GROUP BY sex")


@pytest.mark.parametrize(
    "statement",
    [
        f"SELECT age FROM {PERSON}",
        'SELECT note FROM "project"."main"."secret_note"',
        'SELECT word FROM "project"."main"."vault"',
        "SELECT * FROM duckdb_settings()",
        "SELECT * FROM range(5)",
        "SELECT * FROM read_csv('/etc/passwd')",
        "SELECT * FROM 'x.csv'",
        "SELECT * FROM query('SELECT word FROM vault')",
        "SELECT * FROM query_table('vault')",
        "SELECT * FROM pg_catalog.pg_class",
        "SELECT current_setting('memory_limit')",
        f"SELECT max(sex) FROM {PERSON} WHERE md5(sex) > 'a'",
        f"SELECT list(sex) FROM {PERSON}",
        f"SELECT list(sex) FROM {PERSON}",
        f"SELECT random() FROM {PERSON}",
        f"SELECT unnest([sex]) FROM {PERSON}",
        f"SELECT sex FROM {PERSON} USING SAMPLE 5",
        f"SELECT sex FROM {PERSON}; SELECT 1",
        f"DELETE FROM {PERSON}",
        f"WITH x AS (DELETE FROM {PERSON} RETURNING *) SELECT * FROM x",
        "COPY (SELECT 1) TO '/dev/null'",
        "CREATE TABLE x AS SELECT 1",
        "SELECT this is no SQL (",
        "",
    ],
)
def test_a_plan_that_reads_or_does_anything_else_is_refused(engine: gates.NearEngine, statement: str) -> None:
    with pytest.raises(IntegrityError):
        check(engine, statement)


@pytest.mark.parametrize("text", ["", "null", "{}", "[]", '{"plans": []}', '{"plans": [{}, {}]}', '{"error": true}'])
def test_a_plan_that_cannot_be_read_is_refused(text: str) -> None:
    with pytest.raises(IntegrityError):
        boundplan.check(text, READS)


def test_a_function_of_somebodys_own_schema_is_refused() -> None:
    plan = '{"plans": [{"expression_class": "BOUND_FUNCTION", "name": "lower", "catalog_name": "project"}]}'
    with pytest.raises(IntegrityError):
        boundplan.check(plan, READS)


def test_the_message_names_no_table_and_no_value(engine: gates.NearEngine) -> None:
    with pytest.raises(IntegrityError) as caught:
        check(engine, "SELECT word FROM vault WHERE word = 'CANARY'")
    assert "vault" not in str(caught.value)
    assert "CANARY" not in str(caught.value)


QUERIES = (
    "SELECT sex, count(*), avg(bmi), stddev(bmi), median(bmi), min(bmi), count(DISTINCT region) FROM person GROUP BY 1",
    "SELECT year(happened_on), sum(value) FROM event e JOIN person p USING (person_id) GROUP BY 1",
    "SELECT count(*) FROM person p LEFT JOIN admission a ON a.patient = p.person_id WHERE a.patient IS NULL",
    "SELECT count(*) FROM person WHERE registered_on + INTERVAL 6 MONTH < DATE '2015-01-01' - 5",
    "SELECT avg(n) FROM (SELECT patient, count(*) AS n FROM admission GROUP BY patient) AS x",
    "SELECT b.band, count(*) FROM person p JOIN (VALUES (0, 50, 'young'), (50, 200, 'old')) AS b(low, high, band) "
    "ON p.age >= b.low AND p.age < b.high "
    "GROUP BY 1",
)


@pytest.mark.parametrize("sql", QUERIES)
def test_the_engine_reads_every_printed_statement_as_the_kernel_meant_it(
    engine: gates.NearEngine, prepare: Prepare, sql: str
) -> None:
    prepared = prepare(sql)
    for statement in {prepared.statement, prepared.certificate} - {None}:
        prepared.check_plan(engine.plan(str(statement)))


@pytest.mark.parametrize("sql", QUERIES)
def test_every_table_of_a_statement_is_needed_in_its_reads(
    engine: gates.NearEngine, prepare: Prepare, sql: str
) -> None:
    prepared = prepare(sql)
    plan = engine.plan(prepared.statement)
    for table in prepared.reads:
        fewer = {name: columns for name, columns in prepared.reads.items() if name != table}
        with pytest.raises(IntegrityError):
            boundplan.check(plan, fewer)
