"""Refusals: where they point, what they cite, what they advise; joins; and how the owner is carried."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from ambergate_policies.algebra.relations import Join, JoinKind
from ambergate_policies.prepared import Prepared
from ambergate_policies.verdict import Finding

Prepare = Callable[[str], Prepared]
Refusal = Callable[[str], Finding]


def test_a_refusal_points_at_the_name_in_the_researchers_own_text(refusal: Refusal) -> None:
    finding = refusal("SELECT sex,\n       count(*)\nFROM person\nWHERE practice = 'x'\nGROUP BY sex")
    assert finding.span is not None
    assert (finding.span.line, finding.span.column, finding.fragment) == (4, 7, "practice")


def test_a_column_that_is_not_granted_cites_its_clause_and_lists_what_is(refusal: Refusal) -> None:
    finding = refusal("SELECT count(*) FROM person WHERE free_text = 'x'")
    assert finding.rule == "unknown-column"
    assert finding.clause == "5a.1"
    assert "birth_year" in str(finding.hint)
    assert "AG-TEST-1" in finding.message


def test_a_table_that_is_not_granted_cites_the_data_clause(refusal: Refusal) -> None:
    finding = refusal("SELECT count(*) FROM secret_note")
    assert (finding.rule, finding.clause) == ("unknown-table", "data")
    assert "person" in str(finding.hint)


@pytest.mark.parametrize("table", ["vault", "pg_class", "duckdb_tables", "sqlite_master", "sales"])
def test_a_table_of_the_engine_does_not_exist(refusal: Refusal, table: str) -> None:
    assert refusal(f"SELECT count(*) FROM {table}").message == f"there is no table {table!r}"


def test_a_mistyped_table_is_guessed(refusal: Refusal) -> None:
    assert "'admission'" in str(refusal("SELECT count(*) FROM admissions").hint)


def test_a_mistyped_column_is_guessed(refusal: Refusal) -> None:
    assert "'region'" in str(refusal("SELECT regoin, count(*) FROM person GROUP BY 1").hint)


@pytest.mark.parametrize(
    ("sql", "rule"),
    [
        ("SELECT * FROM person", "row-level"),
        ("SELECT age FROM person", "row-level"),
        ("SELECT person_id, count(*) FROM event GROUP BY person_id", "row-level"),
        ("SELECT DISTINCT ON (sex) age FROM person", "row-level"),
        ("SELECT sex, age, count(*) FROM person GROUP BY sex", "row-level"),
        ("SELECT count(*) FROM person WHERE person_id = 'x'", "owner-opaque"),
        ("SELECT count(*) FROM person WHERE person_id IN ('x')", "owner-opaque"),
        ("SELECT count(*) FROM person WHERE person_id::text LIKE '0%'", "owner-opaque"),
        ("SELECT max(person_id) FROM person", "owner-opaque"),
        ("SELECT count(*) FROM person p JOIN event e ON p.person_id < e.person_id", "owner-opaque"),
        ("SELECT count(*) FROM person p JOIN event e ON p.age = e.value", "join-on-owner"),
        ("SELECT count(*) FROM person p CROSS JOIN event e", "join-on-owner"),
        ("SELECT count(*) FROM person p, event e", "join-on-owner"),
        ("SELECT count(*) FROM person p JOIN event e ON p.person_id = e.person_id OR true", "join-on-owner"),
        ("SELECT count(*) FROM person p JOIN event e ON NOT (p.person_id = e.person_id)", "join-on-owner"),
        ("SELECT count(*) FROM code_list c LEFT JOIN event e ON c.code = e.code", "join-on-owner"),
        ("SELECT count(*) FROM event e FULL JOIN code_list c ON c.code = e.code", "join-on-owner"),
        ("SELECT count(*) FROM person WHERE age = 'old'", "type"),
        ("SELECT count(*) FROM person WHERE registered_on > 5", "type"),
        ("SELECT count(*) FROM person WHERE region", "type"),
        ("SELECT count(*) FROM person LIMIT 1 + 1", "syntax"),
        ("SELECT string_agg(region) FROM person", "aggregate"),
        ("SELECT any_value(region) FROM person", "aggregate"),
        ("SELECT count(*) FROM (SELECT * FROM person LIMIT 5) AS x", "row-level"),
        ("SELECT count(*) FROM person USING SAMPLE 5", "syntax"),
        ("SELECT count(*) FROM person TABLESAMPLE 5%", "syntax"),
        ("SELECT count(*) FROM person p SEMI JOIN code_list c", "syntax"),
        ("SELECT quantile_cont(bmi, 1.5) FROM person", "aggregate"),
        ("SELECT count(*); SELECT 1", "statement"),
        ("DROP TABLE person", "statement"),
        ("", "statement"),
        ("SELECT count(*) FROM person WHERE registered_on > DATE '2020-01-01' - INTERVAL '14 months ago'", "syntax"),
    ],
)
def test_a_query_is_refused_by_the_rule_that_it_breaks(refusal: Refusal, sql: str, rule: str) -> None:
    assert refusal(sql).rule == rule


def test_a_join_off_the_owner_is_answered_with_the_join_that_would_pass(refusal: Refusal, prepare: Prepare) -> None:
    finding = refusal("SELECT count(*) FROM person p JOIN admission a ON p.age = a.emergency")
    assert finding.hint == "join on p.person_id = a.patient"
    prepare("SELECT count(*) FROM person p JOIN admission a ON p.person_id = a.patient")


@pytest.mark.parametrize(
    ("join", "kind"),
    [
        ("JOIN event e ON p.person_id = e.person_id", JoinKind.INNER),
        ("JOIN event e ON e.person_id = p.person_id AND e.value > p.age", JoinKind.INNER),
        ("JOIN event e USING (person_id)", JoinKind.INNER),
        ("LEFT JOIN event e ON p.person_id = e.person_id", JoinKind.LEFT),
        ("RIGHT JOIN event e ON p.person_id = e.person_id", JoinKind.RIGHT),
        ("FULL JOIN event e ON p.person_id = e.person_id", JoinKind.FULL),
        ("SEMI JOIN event e ON p.person_id = e.person_id", JoinKind.SEMI),
        ("ANTI JOIN event e USING (person_id)", JoinKind.ANTI),
        ("LEFT JOIN code_list c ON c.code = p.region", JoinKind.LEFT),
        (", event e WHERE e.person_id = p.person_id", JoinKind.INNER),
        ("CROSS JOIN event e WHERE (p.age > 5 AND e.person_id = p.person_id)", JoinKind.INNER),
    ],
)
def test_every_kind_of_join_on_the_owner_is_understood(prepare: Prepare, join: str, kind: JoinKind) -> None:
    relation = prepare(f"SELECT count(*) FROM person p {join}").program.boundary.relation
    assert isinstance(relation, Join)
    assert relation.kind is kind


def test_a_full_join_counts_for_whichever_person_is_there(prepare: Prepare) -> None:
    boundary = prepare("SELECT count(*) FROM person p FULL JOIN event e USING (person_id)").program.boundary
    assert len(boundary.owners) == 2


def test_a_right_join_counts_for_the_right_tables_person(prepare: Prepare) -> None:
    boundary = prepare("SELECT count(*) FROM person p RIGHT JOIN event e USING (person_id)").program.boundary
    assert [owner.source for owner in boundary.owners] == ["s2"]


@pytest.mark.parametrize(
    "subquery",
    [
        "SELECT e.person_id FROM person p LEFT JOIN event e ON p.person_id = e.person_id",
        "SELECT e.person_id, count(*) AS n FROM person p LEFT JOIN event e ON p.person_id = e.person_id GROUP BY 1",
    ],
)
def test_a_key_that_an_outer_join_can_leave_missing_is_not_the_key_of_a_subquery(
    refusal: Refusal, subquery: str
) -> None:
    finding = refusal(f"SELECT count(*) FROM ({subquery}) AS x")
    assert finding.rule == "join-on-owner"
    assert finding.hint == "select the other table's key"


def test_using_after_a_comma_is_refused_because_parsers_differ(refusal: Refusal) -> None:
    listed = "(VALUES ('E11')) c(code) JOIN code_list d USING (code)"
    sql = f"SELECT count(*) FROM person p JOIN event e USING (person_id), {listed}"
    assert refusal(sql).rule == "ambiguous"


def test_a_name_in_two_tables_must_be_qualified(refusal: Refusal) -> None:
    sql = "SELECT count(*) FROM person p JOIN region_size r ON p.region = r.region WHERE region = 'x'"
    assert refusal(sql).rule == "ambiguous"


def test_an_alias_called_like_the_key_is_no_key(refusal: Refusal) -> None:
    sql = """SELECT count(DISTINCT person_id) FROM person p
             JOIN (SELECT event_id AS person_id FROM event) AS e ON p.person_id = e.person_id"""
    assert refusal(sql).rule in {"owner-opaque", "join-on-owner", "type"}


def test_a_with_name_shadows_a_table_but_not_the_schemas_own(prepare: Prepare) -> None:
    shadowed = "WITH event AS (SELECT person_id, sex FROM person) SELECT count(*) FROM event"
    plain = "WITH event AS (SELECT person_id, sex FROM person) SELECT count(*) FROM main.event"
    assert set(prepare(shadowed).reads) == {"person"}
    assert set(prepare(plain).reads) == {"event"}


def test_a_with_part_sees_only_the_parts_before_it(refusal: Refusal) -> None:
    sql = "WITH a AS (SELECT * FROM b), b AS (SELECT * FROM person) SELECT count(*) FROM a"
    assert refusal(sql).rule == "unknown-table"


def test_the_row_filter_lies_below_every_scan(prepare: Prepare) -> None:
    statement = prepare("SELECT count(*) FROM event a JOIN event b USING (person_id)").statement
    assert statement.count("CAST('2015-01-01' AS DATE)") == 2
    assert statement.count("CAST('2024-12-31' AS DATE)") == 2


def test_a_date_that_meets_a_timestamp_is_widened_without_an_error(prepare: Prepare) -> None:
    statement = prepare("SELECT count(*) FROM person WHERE registered_on > TIMESTAMP '2012-01-01 00:00:00'").statement
    assert 'TRY_CAST("s1"."registered_on" AS TIMESTAMP)' in statement


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT count(*) FROM person WHERE " + "(" * 3000 + "1 = 1" + ")" * 3000,
        "SELECT count(*) FROM person WHERE sex IN (" + "'END'," * 2000 + "'x') AND " + "(" * 2000 + "1" + ")" * 2000,
        "SELECT count(*) FROM person WHERE sex IN (" + "')'," * 2000 + "'x') AND " + "(" * 2000 + "1" + ")" * 2000,
        "SELECT " + "1 AS end, " * 1500 + "count(*) FROM person WHERE " + "(" * 2000 + "1" + ")" * 2000,
        "SELECT count(*) FROM person WHERE " + "~" * 9000 + "1 = 1",
        "SELECT count(*) FROM person WHERE " + "NOT " * 9000 + "smoker",
        "SELECT count(*) FROM person WHERE age" + " IS NULL" * 3000,
        "SELECT count(*) FROM person WHERE age" + "[1]" * 3000,
        "SELECT count(*) FROM person WHERE age = 1 " + "-- x\n" * 20_000,
        "SELECT 1 " + "UNION SELECT 1 " * 3000,
    ],
)
def test_deep_and_long_texts_are_refused_without_being_parsed(refusal: Refusal, sql: str) -> None:
    assert refusal(sql).rule == "size"


def test_doubling_subqueries_are_refused_before_they_grow(refusal: Refusal) -> None:
    parts = ["c0 AS (SELECT * FROM person)"]
    parts += [f"c{i} AS (SELECT a.* FROM c{i - 1} a JOIN c{i - 1} b USING (person_id))" for i in range(1, 30)]
    assert refusal(f"WITH {', '.join(parts)} SELECT count(*) FROM c29").rule == "size"
