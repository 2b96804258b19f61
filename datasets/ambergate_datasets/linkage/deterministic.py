"""Exact passes: who the persons are, and which identity belongs to which of them by rules that a clerk would accept.

`HESID` passes after NHS Digital's HES patient ID methodology: each only where all its values are present and valid,
and here only where exactly one person fits. A valid number that is another person's forbids every later pass.

Temporary tables: `known_person(person, number, dob, sex)`, and `decided(id, person, method)` which grows pass by pass.
"""

from __future__ import annotations

from dataclasses import dataclass

import duckdb

from ambergate_datasets.linkage.indexes import IDENTITY_KEY, NUMBER_KEY, assign

PARTIAL_BIRTH = (
    "((year(a) = year(b))::INTEGER + (month(a) = month(b))::INTEGER + (day(a) = day(b))::INTEGER = 2 "
    "OR (year(a) = year(b) AND month(a) = day(b) AND day(a) = month(b)))"
)
"""HES-ONS linkage's partial match of dates of birth: two of the parts agree, or day and month are swapped."""


@dataclass(frozen=True, slots=True)
class Pass:
    """One rule. `on` joins identity `i` to person `p`, or to what is known of persons, `k`, where `by_known`."""

    method: str
    on: str
    by_known: bool = False


_SEX_AGREES = "i.sex = p.sex"
_SEX_SILENT = "(i.sex IS NULL OR p.sex IS NULL)"

NUMBERED = (
    Pass("hesid-1", f"i.number = p.number AND i.dob = p.dob AND {_SEX_AGREES}"),
    Pass("nhs-number", f"i.number = p.number AND i.dob = p.dob AND {_SEX_SILENT}"),
    Pass("nhs-number-partial-birth", f"i.number = p.number AND {_SEX_AGREES} AND partial_birth(i.dob, p.dob)"),
    Pass("nhs-number-no-birth", f"i.number = p.number AND i.dob IS NULL AND {_SEX_AGREES}"),
)
"""For identities with a valid number. What they leave contradicts the number's owner and stays unlinked."""

_FITS = (
    "i.number IS NULL AND i.dob = p.dob AND i.sex = p.sex AND names_agree(i.forename, i.surname, k.forename, k.surname)"
)

UNNUMBERED = (
    Pass("hesid-2", f"{_FITS} AND i.postcode = k.postcode AND i.local_key = k.local_key", by_known=True),
    Pass("hesid-3", f"{_FITS} AND i.postcode = k.postcode", by_known=True),
    Pass(
        "mistyped-number",
        "i.number IS NULL AND i.dob = p.dob AND (i.sex = p.sex OR i.sex IS NULL) "
        "AND length(i.number_text) = 10 AND damerau_levenshtein(i.number_text, p.number) = 1",
    ),
    Pass("local-id", f"{_FITS} AND i.local_key = k.local_key", by_known=True),
)
"""For identities without one. `mistyped-number`: ten digits one slip away from that of the one person born that day."""


def make_persons(connection: duckdb.DuckDBPyConnection) -> None:
    """A person for each valid number that comes with a date of birth; dates and sexes by the most rows, spine first."""
    connection.execute(f"CREATE OR REPLACE TEMP MACRO partial_birth(a, b) AS {PARTIAL_BIRTH}")
    connection.execute(
        "CREATE OR REPLACE TEMP MACRO names_agree(f1, s1, f2, s2) AS "
        "f1 IS NULL OR f2 IS NULL OR s1 IS NULL OR s2 IS NULL "
        "OR (jaro_winkler_similarity(f1, f2) >= 0.85 AND jaro_winkler_similarity(s1, s2) >= 0.75) "
        "OR (jaro_winkler_similarity(f1, s2) >= 0.85 AND jaro_winkler_similarity(s1, f2) >= 0.85)"
    )
    favourite = (
        "SELECT number, {0} FROM (SELECT number, {0}, sum(weight) AS rows, bool_or(spine) AS spine FROM identity "
        "WHERE number IS NOT NULL AND {0} IS NOT NULL GROUP BY ALL) "
        "QUALIFY row_number() OVER (PARTITION BY number ORDER BY rows DESC, spine DESC, {0}) = 1"
    )
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE numbered AS SELECT number, dob, sex "
        f"FROM ({favourite.format('dob')}) LEFT JOIN ({favourite.format('sex')}) USING (number)"
    )
    assign(connection, "numbered", NUMBER_KEY)
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE known_person AS SELECT s.person, n.number, n.dob, n.sex FROM numbered n "
        f"JOIN remembered s ON s.key = {NUMBER_KEY}"
    )
    connection.execute("CREATE OR REPLACE TEMP TABLE decided (id BIGINT, person BIGINT, method VARCHAR)")


def add_unnumbered_persons(connection: duckdb.DuckDBPyConnection) -> int:
    """Those whom a spine table alone knows, and without a valid number; returns how many.

    One for each undecided identity with a date of birth, or with names and a postcode; identities alike in names,
    date, sex and postcode are one.
    """
    alike = "forename IS NOT NULL AND surname IS NOT NULL AND postcode IS NOT NULL"
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE unknown AS SELECT *, {alike} AS named, CASE WHEN named THEN '' "
        "ELSE concat_ws(chr(31), tbl, local_key, number_text) END AS alone FROM identity ANTI JOIN decided USING (id) "
        "WHERE spine AND number IS NULL AND (dob IS NOT NULL OR named)"
    )
    assign(connection, "unknown", IDENTITY_KEY)
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE newcomer AS SELECT u.id, s.person, u.dob, u.sex FROM unknown u "
        f"JOIN remembered s ON s.key = {IDENTITY_KEY}"
    )
    connection.execute("INSERT INTO known_person SELECT DISTINCT person, NULL, dob, sex FROM newcomer")
    connection.execute("INSERT INTO decided SELECT id, person, 'spine' FROM newcomer")
    row = connection.execute("SELECT count(DISTINCT person) FROM newcomer").fetchone()
    return int(row[0]) if row else 0


def run_passes(connection: duckdb.DuckDBPyConnection, passes: tuple[Pass, ...]) -> None:
    """Decide every identity that fits exactly one person, pass by pass. Shadows are decided too: they inform."""
    for one in passes:
        if one.by_known:
            _gather_known(connection)
        source = "(known_person p JOIN known k ON k.person = p.person)" if one.by_known else "known_person p"
        connection.execute(
            f"INSERT INTO decided SELECT i.id, any_value(p.person), '{one.method}' FROM "
            f"(SELECT * FROM identity ANTI JOIN decided USING (id)) i JOIN {source} ON {one.on} "
            "GROUP BY i.id HAVING count(DISTINCT p.person) = 1"
        )


def _gather_known(connection: duckdb.DuckDBPyConnection) -> None:
    """`known(person, postcode, local_key, forename, surname)`: each place known of a person, with each name of theirs.

    The names are the person's wherever they were recorded, so that a place known from a source without names does not
    let somebody of another name through.
    """
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE known AS WITH all_known AS (FROM decided JOIN identity USING (id)), "
        "named AS (SELECT DISTINCT person, forename, surname FROM all_known "
        "WHERE forename IS NOT NULL AND surname IS NOT NULL) "
        "SELECT * FROM (SELECT DISTINCT person, postcode, local_key FROM all_known) LEFT JOIN named USING (person)"
    )
