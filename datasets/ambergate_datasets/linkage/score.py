"""Scoring a linkage against a population whose truth is known."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import duckdb

from ambergate_policies.catalogue import Catalogue, Role, Table


@dataclass(frozen=True, slots=True)
class Score:
    """One table. A link is right if its person is the one on the spine that stands for the record's true person: each
    true person is stood for by the spine person who holds most of their rows, each spine person stands for one."""

    table: str
    rows: int
    linked: int
    right: int

    @property
    def precision(self) -> float:
        """Share of links that are right."""
        return self.right / self.linked if self.linked else 1.0

    @property
    def recall(self) -> float:
        """Share of linkable rows (not removed by objection) that are linked right."""
        return self.right / self.rows if self.rows else 1.0


def score(connection: duckdb.DuckDBPyConnection, catalogue: Catalogue, truth: Path) -> tuple[Score, ...]:
    """Compare `red.spine.link` with `<truth>/<extract>.parquet` (record key -> true person), table by table.

    The extract's name is that of the table's file; the record key is the table's column of role `record`.
    """
    connection.execute("CREATE OR REPLACE TEMP TABLE judged (tbl VARCHAR, row_id BIGINT, truth BIGINT, person BIGINT)")
    scored = []
    for name, table in catalogue.tables.items():
        path = truth / f"{_extract_name(table)}.parquet"
        key = next((column for column, c in table.columns.items() if c.role is Role.RECORD), None)
        if table.kind != "person" or key is None or not path.exists():
            continue
        scored.append(name)
        connection.execute(
            f"INSERT INTO judged SELECT '{name}', t.row_id, truth.person, l.person FROM red.landed.\"{name}\" t "
            f'JOIN read_parquet($1) truth ON truth.record = t."{key}" '
            f"LEFT JOIN (FROM red.spine.link WHERE table_name = '{name}') l ON l.row_id = t.row_id "
            f"WHERE t.row_id NOT IN (SELECT row_id FROM red.optout.before_linkage WHERE table_name = '{name}')",
            [str(path)],
        )
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE stands AS SELECT truth, person FROM (SELECT truth, person, count(*) AS rows "
        "FROM judged WHERE person IS NOT NULL GROUP BY ALL) "
        "QUALIFY row_number() OVER (PARTITION BY truth ORDER BY rows DESC, person) = 1 "
        "AND row_number() OVER (PARTITION BY person ORDER BY rows DESC, truth) = 1"
    )
    counts = connection.execute(
        "SELECT tbl, count(*), count(j.person), count(s.person) FROM judged j "
        "LEFT JOIN stands s ON s.truth = j.truth AND s.person = j.person GROUP BY tbl"
    ).fetchall()
    by_table = {tbl: Score(tbl, rows, linked, right) for tbl, rows, linked, right in counts}
    return tuple(by_table[name] for name in scored if name in by_table)


def _extract_name(table: Table) -> str:
    return Path(table.files.pattern).stem if table.files else ""
