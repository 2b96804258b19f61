"""Cohort tables in the kernel: what may be kept, what its columns are worth afterwards, and when they are stale."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date, timedelta

import pytest
from tests.small_project import gates

from ambergate_policies.agreement import Agreement
from ambergate_policies.authorisation import Session
from ambergate_policies.catalogue import PersonIndex
from ambergate_policies.cohorts import MAX_GENERATIONS, MAX_TABLES, Cohorts, CohortTable, PreparedCohort, PreparedDrop
from ambergate_policies.errors import IntegrityError
from ambergate_policies.kernel import Kernel
from ambergate_policies.places import PERSON_INDEX, cohort_place
from ambergate_policies.prepared import Prepared, PreparedBoundary
from ambergate_policies.verdict import Finding, QueryRefused

TODAY = gates.NOON.date()
SESSION = Session(gates.ACCOUNT, None, None)


class Project:
    """A project's cohort tables without files: only what the kernel needs to know of them."""

    def __init__(self, kernel: Kernel) -> None:
        self.kernel = kernel
        self.cohorts = Cohorts(data_version="v1")

    def understand(self, sql: str, on: date = TODAY) -> Prepared | PreparedCohort | PreparedDrop:
        return self.kernel.understand(SESSION, sql, on, self.cohorts)

    def keep(self, sql: str, on: date = TODAY) -> PreparedCohort:
        """Put a CREATE TABLE on record, as the gate does."""
        prepared = self.understand(sql, on)
        assert isinstance(prepared, PreparedCohort)
        table = CohortTable(
            id=f"{len(self.cohorts.known):016x}",
            name=prepared.name,
            sql=sql,
            on=on,
            parents=prepared.definition.parents,
            statement_sha256=prepared.definition.sha256,
            data_version=self.cohorts.data_version,
            author=gates.ACCOUNT,
            created=gates.NOON,
        )
        current = self.cohorts.current | {prepared.name.lower(): table.id}
        self.cohorts = Cohorts([*self.cohorts.known.values(), table], current, self.cohorts.data_version)
        return prepared

    def under(self, agreement: Agreement) -> Project:
        """The same tables on record, under another agreement."""
        other = Project(Kernel(self.kernel.catalogue, agreement, self.kernel.pack))
        other.cohorts = Cohorts(self.cohorts.known.values(), self.cohorts.current, self.cohorts.data_version)
        return other

    def refused(self, sql: str) -> Finding:
        with pytest.raises(QueryRefused) as caught:
            self.understand(sql)
        return caught.value.findings[0]


@pytest.fixture
def project(kernel: Kernel) -> Project:
    return Project(kernel)


def test_a_cohort_is_read_like_a_granted_table(project: Project) -> None:
    project.keep("CREATE TABLE smokers AS SELECT person_id, sex, bmi FROM person WHERE smoker")
    for sql in (
        "SELECT count(DISTINCT person_id) FROM smokers",
        "SELECT sex, avg(bmi) FROM smokers GROUP BY sex",
        "SELECT s.sex, count(*) FROM smokers s JOIN event e ON e.person_id = s.person_id GROUP BY 1",
        "SELECT count(*) FROM person WHERE person_id IN (SELECT person_id FROM SMOKERS)",
        "SELECT count(*) FROM main.smokers",
        "WITH x AS (SELECT * FROM smokers) SELECT count(*) FROM x",
    ):
        prepared = project.understand(sql)
        assert isinstance(prepared, Prepared)
        assert prepared.cohorts == ("0" * 16,)


def test_the_owner_is_carried_though_it_was_not_selected(project: Project) -> None:
    kept = project.keep("CREATE TABLE ages AS SELECT age FROM person")
    assert '"person key"' in kept.select
    assert isinstance(project.understand("SELECT avg(age) FROM ages"), Prepared)
    assert project.refused("SELECT count(DISTINCT person_id) FROM ages").rule == "unknown-column"
    assert project.refused("SELECT age FROM ages").rule == "row-level"


@pytest.mark.parametrize(
    ("sql", "rule"),
    [
        ("CREATE TABLE person AS SELECT person_id FROM event", "statement"),
        ("CREATE TABLE Secret_Note AS SELECT person_id FROM event", "statement"),
        ('CREATE TABLE "a b" AS SELECT person_id FROM event', "statement"),
        ('CREATE TABLE "x""; DROP TABLE y; --" AS SELECT person_id FROM event', "statement"),
        ("CREATE TABLE other.x AS SELECT person_id FROM event", "statement"),
        ("CREATE TABLE temp.main.x AS SELECT person_id FROM event", "statement"),
        ("CREATE TEMP TABLE x AS SELECT person_id FROM event", "statement"),
        ("CREATE UNLOGGED TABLE x AS SELECT person_id FROM event", "statement"),
        ("CREATE VIEW x AS SELECT person_id FROM event", "statement"),
        ("CREATE SCHEMA x", "statement"),
        ("CREATE TABLE x (person_id BIGINT)", "statement"),
        ("CREATE TABLE x (a) AS SELECT person_id FROM event", "statement"),
        ("CREATE TABLE x AS SELECT person_id FROM event WITH NO DATA", "statement"),
        ("CREATE TABLE x AS SELECT person_id FROM event WITH DATA", "statement"),
        ("WITH a AS (SELECT 1) CREATE TABLE x AS SELECT person_id FROM event", "statement"),
        ("CREATE OR REPLACE TABLE IF NOT EXISTS x AS SELECT person_id FROM event", "statement"),
        ("CREATE TABLE x AS SELECT count(*) AS n FROM event", "statement"),
        ("CREATE TABLE x AS SELECT sex, count(*) AS n FROM person GROUP BY sex", "statement"),
        ("CREATE TABLE x AS SELECT n + 1 AS m FROM (SELECT count(*) AS n FROM person) AS t", "statement"),
        ("CREATE TABLE x AS SELECT DISTINCT sex FROM person", "statement"),
        ("CREATE TABLE x AS SELECT person_id FROM person LIMIT 10", "row-level"),
        ("CREATE TABLE x AS SELECT person_id, free_text FROM person", "unknown-column"),
        ("CREATE TABLE x AS SELECT note FROM secret_note", "unknown-table"),
        ("CREATE TABLE x AS SELECT person_id, age + 1 FROM person", "syntax"),
        ("CREATE TABLE x AS SELECT person_id, NULL AS nothing FROM person", "type"),
        ("CREATE TABLE x AS SELECT person_id, age AS Person_ID FROM person", "ambiguous"),
        ("CREATE TABLE x AS SELECT p.person_id, q.age FROM person p JOIN person q ON p.age = q.age", "join-on-owner"),
        ("CREATE TABLE x AS SELECT * FROM read_csv('/etc/passwd')", "unknown-table"),
        ("INSERT INTO x SELECT person_id FROM person", "statement"),
        ("DROP TABLE person", "statement"),
        ("DROP TABLE IF EXISTS secret_note", "statement"),
        ("DROP TABLE x, y", "statement"),
        ("DROP TABLE x CASCADE", "statement"),
        ("DROP VIEW x", "statement"),
        ("DROP SCHEMA main", "statement"),
        ("ALTER TABLE x ADD COLUMN a INTEGER", "statement"),
    ],
)
def test_everything_else_that_creates_or_drops_is_refused(project: Project, sql: str, rule: str) -> None:
    found = project.refused(sql)
    assert found.rule == rule, found
    assert found.hint, found


def test_a_name_is_taken_once(project: Project) -> None:
    project.keep("CREATE TABLE x AS SELECT person_id FROM event")
    assert "OR REPLACE" in str(project.refused("CREATE TABLE X AS SELECT person_id FROM person").hint)
    again = project.understand("CREATE TABLE IF NOT EXISTS X AS SELECT person_id FROM person")
    assert isinstance(again, PreparedCohort)
    assert again.changes_nothing
    replacing = project.understand("CREATE OR REPLACE TABLE X AS SELECT person_id FROM person")
    assert isinstance(replacing, PreparedCohort)
    assert (replacing.changes_nothing, replacing.replaces) == (False, "0" * 16)


def test_a_drop_names_what_is_there(project: Project) -> None:
    project.keep("CREATE TABLE x AS SELECT person_id FROM event")
    dropping = project.understand("DROP TABLE X")
    assert isinstance(dropping, PreparedDrop)
    assert dropping.cohort == "0" * 16
    assert project.refused("DROP TABLE y").rule == "unknown-table"
    nothing = project.understand("DROP TABLE IF EXISTS y")
    assert isinstance(nothing, PreparedDrop)
    assert nothing.changes_nothing


@pytest.mark.parametrize(
    ("column", "asked", "rule"),
    [
        ("CASE WHEN age = 40 THEN weight ELSE bmi END", "sum(m)", "measure"),
        ("coalesce(died_on, DATE '2000-01-01')", "sum(m)", "measure"),
        ("pow(weight, 7)", "sum(m)", "measure"),
        ("weight + 1000000", "avg(m)", "measure"),
        ("length(region)", "sum(m)", "measure"),
    ],
)
def test_what_is_no_measure_does_not_become_one_by_being_kept(
    project: Project, column: str, asked: str, rule: str
) -> None:
    project.keep(f"CREATE TABLE x AS SELECT person_id, {column} AS m FROM person")
    assert project.refused(f"SELECT {asked} FROM x").rule == rule


def test_factors_are_counted_across_tables(project: Project) -> None:
    project.keep("CREATE TABLE x AS SELECT person_id, weight * height AS m FROM person")
    project.keep("CREATE TABLE y AS SELECT person_id, m * m AS m FROM x")
    assert project.refused("SELECT sum(m) FROM y").rule == "measure"
    assert isinstance(project.understand("SELECT sum(m) FROM x"), Prepared)


def test_a_record_key_stays_one(project: Project) -> None:
    project.keep("CREATE TABLE x AS SELECT person_id, event_id FROM event")
    assert project.refused("SELECT sum(event_id) FROM x").rule == "measure"
    assert isinstance(project.understand("SELECT count(DISTINCT event_id) FROM x"), Prepared)


def test_a_column_that_the_query_filled_is_protected_as_a_condition(project: Project) -> None:
    """count(column) of a granted table is a property of the data; of a cohort table it is what the query put there."""
    project.keep("CREATE TABLE x AS SELECT person_id, CASE WHEN age = 40 THEN 1 END AS hit FROM person")
    asked = project.understand("SELECT count(hit) FROM x")
    assert isinstance(asked, Prepared)
    inline = project.understand(
        "SELECT count(hit) FROM (SELECT person_id, CASE WHEN age = 40 THEN 1 END AS hit FROM person) AS x"
    )
    assert isinstance(inline, Prepared)
    (kept,), (subquery,) = (step.steps for step in (asked, inline))
    presence = [step.program.boundary.relation.__class__ for step in (kept, subquery)]  # type: ignore[union-attr]
    assert presence[0] is presence[1]


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda found: _without_column(found, "person", "age"), id="column removed"),
        pytest.param(lambda found: _without_column(found, "person", "bmi"), id="column of a condition removed"),
        pytest.param(lambda found: _without_table(found, "event"), id="table removed"),
        pytest.param(lambda found: _other_period(found), id="period changed"),
    ],
)
def test_an_amendment_makes_what_it_touches_stale(project: Project, change: Callable[[Agreement], Agreement]) -> None:
    project.keep(
        "CREATE TABLE x AS SELECT p.person_id, p.age FROM person p JOIN event e USING (person_id) WHERE bmi > 30"
    )
    project.keep("CREATE TABLE y AS SELECT person_id, age FROM x")
    project.keep("CREATE TABLE z AS SELECT admission_id, patient FROM admission")
    amended = project.under(change(project.kernel.agreement))
    for name in ("x", "y"):
        found = amended.refused(f"SELECT count(*) FROM {name}")
        assert found.rule == "stale-cohort"
        assert f"CREATE TABLE {name} AS" in str(found.hint)
    assert isinstance(amended.understand("SELECT count(*) FROM z"), Prepared)
    assert isinstance(amended.understand("DROP TABLE x"), PreparedDrop)


def test_an_amendment_that_touches_nothing_of_it_leaves_a_cohort(project: Project) -> None:
    project.keep("CREATE TABLE x AS SELECT person_id, age FROM person")
    amended = project.under(_without_column(project.kernel.agreement, "person", "weight"))
    assert isinstance(amended.understand("SELECT count(*) FROM x"), Prepared)


def test_renewed_data_make_every_cohort_stale(project: Project) -> None:
    project.keep("CREATE TABLE x AS SELECT person_id FROM person")
    project.cohorts = Cohorts(project.cohorts.known.values(), project.cohorts.current, "v2")
    found = project.refused("SELECT count(*) FROM x")
    assert found.rule == "stale-cohort"
    assert "renewed" in found.message
    assert project.keep("CREATE OR REPLACE TABLE x AS SELECT person_id FROM person").replaces == "0" * 16
    assert isinstance(project.understand("SELECT count(*) FROM x"), Prepared)


def test_another_definition_than_the_recorded_one_is_stale(project: Project) -> None:
    """Whoever changes the text on record does not change what the rows may be used for."""
    project.keep("CREATE TABLE x AS SELECT person_id, CASE WHEN age = 40 THEN weight ELSE bmi END AS m FROM person")
    (table,) = project.cohorts.known.values()
    forged = CohortTable(
        table.id, table.name, "CREATE TABLE x AS SELECT person_id, bmi AS m FROM person", table.on, table.parents,
        table.statement_sha256, table.data_version, table.author, table.created,
    )  # fmt: skip
    project.cohorts = Cohorts([forged], project.cohorts.current, "v1")
    assert project.refused("SELECT avg(m) FROM x").rule == "stale-cohort"


def test_today_is_the_day_of_the_definition(project: Project) -> None:
    project.keep("CREATE TABLE x AS SELECT person_id FROM event WHERE happened_on > current_date - 365", on=TODAY)
    later = project.understand("SELECT count(*) FROM x", TODAY + timedelta(days=30))
    assert isinstance(later, Prepared)


def test_a_replaced_parent_is_still_understood(project: Project) -> None:
    project.keep("CREATE TABLE x AS SELECT person_id, age FROM person WHERE age > 30")
    project.keep("CREATE TABLE y AS SELECT person_id, age FROM x")
    project.keep("CREATE OR REPLACE TABLE x AS SELECT person_id, age FROM x WHERE age > 40")
    assert [table.parents for table in project.cohorts.known.values()] == [(), (("x", "0" * 16),), (("x", "0" * 16),)]
    for name in ("x", "y"):
        assert isinstance(project.understand(f"SELECT avg(age) FROM {name}"), Prepared)


def test_a_record_that_names_itself_as_parent_is_stale_and_ends(project: Project) -> None:
    project.keep("CREATE TABLE x AS SELECT person_id FROM person")
    (table,) = project.cohorts.known.values()
    circle = CohortTable(
        table.id, "x", "CREATE TABLE x AS SELECT person_id FROM x", table.on, (("x", table.id),),
        table.statement_sha256, "v1", table.author, table.created,
    )  # fmt: skip
    project.cohorts = Cohorts([circle], project.cohorts.current, "v1")
    assert project.refused("SELECT count(*) FROM x").rule == "stale-cohort"


def test_generations_and_tables_are_bounded(project: Project) -> None:
    project.keep("CREATE TABLE x AS SELECT person_id, age FROM person")
    for _ in range(MAX_GENERATIONS - 1):
        project.keep("CREATE OR REPLACE TABLE x AS SELECT person_id, age FROM x")
    assert project.refused("CREATE OR REPLACE TABLE x AS SELECT person_id, age FROM x").rule == "size"
    project.cohorts.definitions.clear()
    assert isinstance(project.understand("SELECT count(*) FROM x"), Prepared)
    for number in range(MAX_TABLES - 1):
        project.keep(f"CREATE TABLE t{number} AS SELECT person_id FROM person")
    assert project.refused("CREATE TABLE one_more AS SELECT person_id FROM person").rule == "size"


def test_lineage_goes_through_cohorts_and_subqueries(project: Project) -> None:
    project.keep("CREATE TABLE x AS SELECT person_id, weight / height AS ratio, sex FROM person WHERE smoker")
    kept = project.keep(
        "CREATE TABLE y AS SELECT x.person_id, max(x.ratio) AS top, count(*) AS n, 1 AS one FROM x "
        "JOIN event e ON e.person_id = x.person_id WHERE e.code = 'I10' GROUP BY x.person_id"
    )
    lineage = kept.definition.lineage()
    assert lineage["columns"] == {"top": ["person.height", "person.weight"], "n": [], "one": []}
    assert lineage["reads"]["person"] == ["height", "person_id", "sex", "smoker", "weight"]
    assert lineage["reads"]["event"] == ["code", "happened_on", "person_id"]


def test_a_code_list_is_kept_as_a_public_table(project: Project) -> None:
    kept = project.keep("CREATE TABLE codes AS SELECT * FROM (VALUES ('I10', 'bp'), ('E11', 'dm')) AS v(code, term)")
    assert not kept.definition.owner
    assert isinstance(project.understand("SELECT code, term FROM codes"), Prepared)
    joined = project.understand("SELECT c.term, count(*) FROM event e JOIN codes c ON c.code = e.code GROUP BY c.term")
    assert isinstance(joined, Prepared)
    assert joined.steps[0].demands, "that codes are unique is asked of the kept table as of any other"


def test_statements_name_only_the_place_of_the_cohort(project: Project) -> None:
    project.keep("CREATE TABLE x AS SELECT person_id, age FROM person")
    asked = project.understand("SELECT count(*) FROM x WHERE age > 40")
    assert isinstance(asked, Prepared)
    (step,) = asked.steps
    place = f"cohort {'0' * 16}"
    assert step.reads == {place: {"person key", "c0"}}
    assert f'"{place}"."main"."cohort"' in step.statement
    other = _plan("cohort 1111111111111111", "cohort", ["person key", "c0"])
    with pytest.raises(IntegrityError):
        step.check_plan(other)
    step.check_plan(_plan(place, "cohort", ["person key", "c0"]))
    for plan in (
        _plan(place, "other", ["c0"]),
        _plan("project", place, ["c0"]),
        _plan("project", "cohort", ["c0"]),
        _plan(place, "cohort", ["c1"]),
    ):
        with pytest.raises(IntegrityError):
            step.check_plan(plan)


def test_links_and_strictness_hold_through_a_cohort(project: Project) -> None:
    project.keep("CREATE TABLE x AS SELECT person_id, age FROM person")
    data = project.kernel.agreement.data.model_copy(update={"linkage": False})
    alone = project.under(project.kernel.agreement.model_copy(update={"data": data}))
    found = alone.refused("SELECT count(*) FROM x JOIN event e ON e.person_id = x.person_id")
    assert found.rule == "linkage"
    assert isinstance(alone.understand("SELECT count(*) FROM x"), Prepared)
    joined = "CREATE TABLE y AS SELECT p.person_id FROM person p JOIN event e ON e.person_id = p.person_id"
    assert alone.refused(joined).rule == "linkage"


def _plan(database: str, table: str, columns: list[str]) -> str:
    scan = {
        "type": "LOGICAL_GET",
        "name": "seq_scan",
        "names": columns,
        "column_indexes": [{"index": index} for index in range(len(columns))],
        "function_data": {"catalog": database, "schema": "main", "table": table},
    }
    return json.dumps({"error": False, "plans": [scan]})


def _with_tables(agreement: Agreement, tables: list[object]) -> Agreement:
    data = agreement.data.model_copy(update={"tables": tuple(tables)})
    return agreement.model_copy(update={"data": data})


def _without_column(agreement: Agreement, table: str, column: str) -> Agreement:
    return _with_tables(
        agreement,
        [
            grant.model_copy(update={"columns": tuple(name for name in grant.columns if name != column)})
            if grant.table == table
            else grant
            for grant in agreement.data.tables
        ],
    )


def _without_table(agreement: Agreement, table: str) -> Agreement:
    return _with_tables(agreement, [grant for grant in agreement.data.tables if grant.table != table])


def _other_period(agreement: Agreement) -> Agreement:
    return _with_tables(
        agreement,
        [
            grant.model_copy(update={"period": grant.period.model_copy(update={"last": date(2023, 12, 31)})})
            if grant.period is not None
            else grant
            for grant in agreement.data.tables
        ],
    )


def test_rows_that_a_union_multiplied_are_not_counted_later_either(project: Project) -> None:
    both = "SELECT person_id, age FROM person WHERE smoker UNION ALL SELECT person_id, age FROM person WHERE age > 40"
    assert project.refused(f"SELECT count(*) FROM ({both}) AS x").rule == "fan-out"
    project.keep(f"CREATE TABLE x AS {both}")
    project.keep("CREATE TABLE y AS SELECT * FROM x")
    for name in ("x", "y"):
        assert project.refused(f"SELECT count(*) FROM {name}").rule == "fan-out"
        assert isinstance(project.understand(f"SELECT count(DISTINCT person_id) FROM {name}"), Prepared)


def test_whether_a_person_has_one_row_is_known_of_a_kept_table(project: Project) -> None:
    one = project.keep("CREATE TABLE one AS SELECT person_id, count(*) AS n FROM event GROUP BY person_id")
    many = project.keep("CREATE TABLE many AS SELECT person_id, code FROM event")
    assert (one.definition.unique, many.definition.unique) == (True, False)


def test_a_misspelt_name_is_guessed_from_cohort_tables_too(project: Project) -> None:
    project.keep("CREATE TABLE hypertensives AS SELECT person_id FROM event WHERE code = 'I10'")
    assert "hypertensives" in str(project.refused("SELECT count(*) FROM hypertensive").hint)
    assert "cohort tables: hypertensives" in str(project.refused("SELECT count(*) FROM zzz").hint)


def test_a_cohort_of_indexed_tables_keeps_the_index_and_its_certificates(kernel: Kernel) -> None:
    indexed = {
        name: table.model_copy(update={"index": PersonIndex(persons=1_000_000, unique=name == "person")})
        for name, table in kernel.catalogue.tables.items()
        if table.owner is not None
    }
    catalogue = kernel.catalogue.model_copy(update={"tables": kernel.catalogue.tables | indexed})
    project = Project(Kernel(catalogue, kernel.agreement, kernel.pack))
    kept = project.keep("CREATE TABLE x AS SELECT person_id, code, value FROM event WHERE value > 1")
    assert PERSON_INDEX in kept.definition.reads["event"]
    asked = project.understand("SELECT x.code, count(*) FROM x JOIN person p ON p.person_id = x.person_id GROUP BY 1")
    assert isinstance(asked, Prepared)
    (step,) = asked.steps
    assert isinstance(step, PreparedBoundary)
    assert step.certificate is not None
    assert f'"{cohort_place("0" * 16)}"' in step.certificate


@pytest.mark.parametrize(
    "column", ["2025 - birth_year", "(bmi - 25) / 5", "CAST(smoker AS INTEGER) + CAST(age > 65 AS INTEGER)"]
)
def test_what_is_the_sum_of_measures_stays_one(project: Project, column: str) -> None:
    """The terms are kept beside it, and nobody can name them."""
    project.keep(f"CREATE TABLE x AS SELECT person_id, {column} AS total, sex FROM person")
    kept = project.keep("CREATE TABLE y AS SELECT person_id, total FROM x WHERE sex = 'F'")
    inline = project.understand(f"SELECT avg(total) FROM (SELECT person_id, {column} AS total FROM person) AS t")
    assert isinstance(inline, Prepared)
    for name in ("x", "y"):
        asked = project.understand(f"SELECT avg(total) FROM {name}")
        assert isinstance(asked, Prepared)
        (one,), (other,) = asked.steps, inline.steps
        assert isinstance(one, PreparedBoundary)
        assert isinstance(other, PreparedBoundary)
        measured = [[found.measure for found in step.program.boundary.aggregates] for step in (one, other)]
        assert measured[0] == measured[1]
    assert [found.name for found in kept.definition.columns if found.name] == ["total"]
    for name in ("c1", "c2", "p0"):
        assert project.refused(f"SELECT avg({name}) FROM y").rule == "unknown-column"


ARMS = "SELECT * FROM exposed UNION ALL SELECT * FROM comparator"


@pytest.mark.parametrize("kept", [False, True], ids=["inline", "kept"])
def test_two_cohorts_are_compared_by_the_constant_that_tells_them_apart(project: Project, kept: bool) -> None:
    project.keep("CREATE TABLE exposed AS SELECT person_id, age, 'a' AS arm FROM person WHERE smoker")
    project.keep("CREATE TABLE comparator AS SELECT person_id, age, 'b' AS arm FROM person WHERE age > 40")
    arms = f"({ARMS})"
    if kept:
        project.keep(f"CREATE TABLE arms AS {ARMS}")
        arms = "arms"
    for sql in (
        f"SELECT arm, count(*) FROM {arms} AS a GROUP BY arm",
        f"SELECT arm, age > 60 AS old, count(*) FROM {arms} AS a GROUP BY ALL",
        f"SELECT which, count(*) FROM (SELECT person_id, arm AS which FROM {arms} AS a WHERE age > 30) AS b GROUP BY 1",
        f"SELECT count(DISTINCT person_id) FROM {arms} AS a",
    ):
        assert isinstance(project.understand(sql), Prepared), sql
    for sql in (
        f"SELECT count(*) FROM {arms} AS a",
        f"SELECT age > 60 AS old, count(*) FROM {arms} AS a GROUP BY 1",
        f"SELECT upper(arm) = 'A' AS first, count(*) FROM {arms} AS a GROUP BY 1",
        f"SELECT a.arm, count(*) FROM {arms} AS a JOIN {arms} AS b ON b.person_id = a.person_id GROUP BY a.arm",
        f"SELECT arm, count(*) FROM {arms} AS a GROUP BY ROLLUP (arm)",
    ):
        assert project.refused(sql).rule == "fan-out", sql


def test_arms_of_the_same_name_are_not_told_apart(project: Project) -> None:
    project.keep("CREATE TABLE exposed AS SELECT person_id, 'a' AS arm FROM person WHERE smoker")
    project.keep("CREATE TABLE comparator AS SELECT person_id, 'a' AS arm FROM person WHERE age > 40")
    project.keep("CREATE TABLE third AS SELECT person_id, CASE WHEN age > 50 THEN 'b' ELSE 'a' END AS arm FROM person")
    for other in ("comparator", "third"):
        sql = f"SELECT arm, count(*) FROM (SELECT * FROM exposed UNION ALL SELECT * FROM {other}) AS x GROUP BY arm"
        assert project.refused(sql).rule == "fan-out"
