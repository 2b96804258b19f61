"""Which landed rows belong to a project, and what became of each of the others.

A row belongs if it is not objected to before linkage, is linked to a person, that person does not object, and it
lies inside the grant's period and cohort. A missing date or value lies outside.
"""

from __future__ import annotations

import duckdb

from ambergate_datasets.engines.quoting import literal, quoted
from ambergate_datasets.provisioning.derivations import column_expression
from ambergate_datasets.provisioning.grants import GrantedTable
from ambergate_datasets.provisioning.report import TableLineage
from ambergate_policies.errors import IntegrityError, OperatorError

_FATES = (
    "opted_out_before_linkage",
    "unlinked",
    "opted_out_after_linkage",
    "outside_period",
    "outside_cohort",
    "provisioned",
)


def require_ready(connection: duckdb.DuckDBPyConnection, granted: tuple[GrantedTable, ...]) -> None:
    """Every granted table is landed; objections, where they apply, have been worked out on this landing."""
    present = {
        (schema, table)
        for schema, table in connection.execute(
            "SELECT schema_name, table_name FROM duckdb_tables() WHERE database_name = 'red'"
        ).fetchall()
    }
    for table in granted:
        if ("landed", table.name) not in present:
            raise OperatorError(f"table {table.name!r} is granted but not landed: land the catalogue's files again")
        worked_out = {("optout", "before_linkage"), ("optout", "persons")} <= present
        if table.opt_out_reasons and not worked_out:
            raise OperatorError(f"objections apply to {table.name!r} but have not been applied to this landing")


def sort_rows(connection: duckdb.DuckDBPyConnection, granted: GrantedTable, *, kept: str) -> TableLineage:
    """Make the temporary table `kept` (row_id, person) of one person table; returns the lineage."""
    name = granted.name
    twice = connection.execute(
        "SELECT 1 FROM red.spine.link WHERE table_name = ? GROUP BY row_id HAVING count(*) > 1 LIMIT 1", [name]
    ).fetchone()
    if twice is not None:
        raise IntegrityError(f"a row of {name!r} is linked to more than one person: the linkage must be run again")
    connection.execute(f"CREATE OR REPLACE TEMP TABLE fates AS {_fates_sql(granted)}")
    counts = dict(connection.execute("SELECT fate, count(*) FROM fates GROUP BY fate").fetchall())
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE {kept} AS SELECT row_id, person FROM fates WHERE fate = 'provisioned'"
    )
    connection.execute("DROP TABLE fates")
    persons = connection.execute(f"SELECT count(DISTINCT person) FROM {kept}").fetchone()
    return TableLineage(
        table=name,
        landed=sum(counts.values()),
        persons=int(persons[0]) if persons else 0,
        **{fate: int(counts.get(fate, 0)) for fate in _FATES},
    )


def _fates_sql(granted: GrantedTable) -> str:
    name = literal(granted.name)
    before, after = "false", "false"
    if granted.opt_out_reasons:
        reasons = ", ".join(f"'{reason}'" for reason in granted.opt_out_reasons)
        before = (
            f"t.row_id IN (SELECT row_id FROM red.optout.before_linkage WHERE table_name = {name} "
            f"AND reason IN ({reasons}))"
        )
        after = f"l.person IN (SELECT person FROM red.optout.persons WHERE reason IN ({reasons}))"
    return (
        f"SELECT t.row_id, l.person, CASE WHEN {before} THEN 'opted_out_before_linkage' "
        f"WHEN l.person IS NULL THEN 'unlinked' WHEN {after} THEN 'opted_out_after_linkage' "
        f"WHEN NOT coalesce({_period(granted)}, false) THEN 'outside_period' "
        f"WHEN NOT coalesce({_cohort(granted)}, false) THEN 'outside_cohort' ELSE 'provisioned' END AS fate "
        f"FROM red.landed.{quoted(granted.name)} t LEFT JOIN "
        f"(SELECT row_id, person FROM red.spine.link WHERE table_name = {name}) l USING (row_id)"
    )


def _expression(granted: GrantedTable, column_name: str) -> str:
    return column_expression(column_name, granted.columns[column_name], "t")


def _period(granted: GrantedTable) -> str:
    period = granted.grant.period
    if period is None:
        return "true"
    value = f"{_expression(granted, period.column)}::DATE"
    return f"{value} BETWEEN DATE '{period.first.isoformat()}' AND DATE '{period.last.isoformat()}'"


def _cohort(granted: GrantedTable) -> str:
    cohort = granted.grant.cohort
    if cohort is None:
        return "true"
    values = ", ".join(literal(str(value)) for value in cohort.values)
    return f"{_expression(granted, cohort.column)}::VARCHAR IN ({values})"
