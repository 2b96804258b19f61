"""Scoring a linkage against a population whose truth is known."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import duckdb

from ambergate_policies.catalogue import Catalogue, Role, Table


@dataclass(frozen=True, slots=True)
class Score:
    """One table. Each spine person stands for the true person to whom most of their rows belong.

    `right` are the links to a person who stands for the row's true person. `found` are those of them that are linked
    to the one person on the spine who holds most of that true person's rows: a person split in two is found once.
    """

    table: str
    rows: int
    linked: int
    right: int
    found: int

    @property
    def precision(self) -> float:
        """Share of links that are right."""
        return self.right / self.linked if self.linked else 1.0

    @property
    def recall(self) -> float:
        """Share of linkable rows (not removed by objection) that are found."""
        return self.found / self.rows if self.rows else 1.0


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
    held = "SELECT truth, person, count(*) AS rows FROM judged WHERE person IS NOT NULL GROUP BY ALL"
    most = "QUALIFY row_number() OVER (PARTITION BY {0} ORDER BY rows DESC, {1}) = 1"
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE stands AS SELECT truth, person FROM ({held}) {most.format('person', 'truth')}"
    )
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE home AS SELECT truth, person FROM "
        f"(SELECT h.* FROM ({held}) h JOIN stands USING (truth, person)) {most.format('truth', 'person')}"
    )
    counts = connection.execute(
        "SELECT tbl, count(*), count(j.person), count(s.person), count(h.person) FROM judged j "
        "LEFT JOIN stands s ON s.truth = j.truth AND s.person = j.person "
        "LEFT JOIN home h ON h.truth = j.truth AND h.person = j.person GROUP BY tbl"
    ).fetchall()
    by_table = {tbl: Score(tbl, *numbers) for tbl, *numbers in counts}
    return tuple(by_table[name] for name in scored if name in by_table)


def _extract_name(table: Table) -> str:
    return Path(table.files.pattern).stem if table.files else ""
