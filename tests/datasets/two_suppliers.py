"""Two suppliers with identifiers (a practice's and a hospital's records) for tests of objections and linkage."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import duckdb

from ambergate_datasets.keys import KeyStore
from ambergate_datasets.landing import land
from ambergate_datasets.landing.database import landing_path, open_red
from ambergate_datasets.linkage import LinkageReport, link
from ambergate_datasets.optout import OptOutReport, read_objections, remove_after_linkage, remove_before_linkage
from ambergate_datasets.optout.nhs_number import is_valid
from ambergate_datasets.state import StateFolder
from ambergate_policies.catalogue import Catalogue
from ambergate_policies.documents import parse_document
from ambergate_policies.log import LogEntry

NOW = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)

CATALOGUE = """
catalogue: two
version: "1"
title: Two suppliers
objections: {type_1: "type1_*.csv", national_permitted: "permitted_*.txt", max_age_days: 7}
sources:
  gp: {title: GP, supplier: practices, legal_basis: s251, opt_out: {type_1: true, national: true, reason: s251}}
  hospital: {title: HES, supplier: trusts, legal_basis: s251, opt_out: {type_1: false, national: true, reason: s251}}
tables:
  patient:
    source: gp
    owner: person_id
    spine: true
    files: {pattern: gp.csv}
    columns:
      record_id: {type: BIGINT, role: record, required: true}
      nhs_number: {role: identifier, identifier: nhs_number}
      forename: {role: identifier, identifier: forename}
      surname: {role: identifier, identifier: surname}
      born: {type: DATE, role: identifier, identifier: date_of_birth}
      sex: {role: identifier, identifier: sex}
      postcode: {role: identifier, identifier: postcode}
      practice: {role: identifier, identifier: provider}
  stay:
    source: hospital
    owner: person_id
    files: {pattern: stay.csv}
    columns:
      record_id: {type: BIGINT, role: record, required: true}
      nhs_number: {role: identifier, identifier: nhs_number}
      born: {type: DATE, role: identifier, identifier: date_of_birth}
      sex: {role: identifier, identifier: sex}
      postcode: {role: identifier, identifier: postcode}
      trust: {role: identifier, identifier: provider}
      local_id: {role: identifier, identifier: local_patient_id}
"""


def number(n: int) -> str:
    """The n-th valid number of the range that is never issued."""
    valid = (f"{990000000 + i}{digit}" for i in range(10_000) for digit in range(10))
    return [text for text, _ in zip((t for t in valid if is_valid(t)), range(n + 1), strict=False)][n]


@dataclass
class TwoSuppliers:
    """Extracts, lists, state folder and log. Rows are (nhs_number, ..., ) without the record id, which is added."""

    folder: Path
    patients: list[str] = field(default_factory=list)
    stays: list[str] = field(default_factory=list)
    type_1: dict[str, list[str]] = field(default_factory=lambda: {"P1": [], "P2": []})
    permitted: list[str] = field(default_factory=lambda: [number(n) for n in range(20)])
    log: list[LogEntry] = field(default_factory=list)

    @property
    def raw(self) -> Path:
        return self.folder / "raw"

    @property
    def state(self) -> StateFolder:
        return StateFolder(self.folder / "state")

    @property
    def catalogue(self) -> Catalogue:
        return parse_document(CATALOGUE, Catalogue, name="two.yaml")

    def patient(
        self,
        nhs: str,
        *,
        born: str = "1960-05-14",
        sex: str = "F",
        postcode: str = "LS1 1AA",
        practice: str = "P1",
        names: str = "Ann,Lee",
    ) -> None:
        self.patients.append(f"{nhs},{names},{born},{sex},{postcode},{practice}")

    def stay(
        self, nhs: str, *, born: str = "1960-05-14", sex: str = "2", postcode: str = "LS1 1AA", local: str = ""
    ) -> None:
        self.stays.append(f"{nhs},{born},{sex},{postcode},R1,{local}")

    def record(self, entry: LogEntry) -> int:
        self.log.append(entry)
        return len(self.log) - 1

    def write(self) -> None:
        self.raw.mkdir(parents=True, exist_ok=True)
        heads = {
            "gp": "record_id,nhs_number,forename,surname,born,sex,postcode,practice",
            "stay": "record_id,nhs_number,born,sex,postcode,trust,local_id",
        }
        for name, rows in (("gp", self.patients), ("stay", self.stays)):
            lines = [heads[name], *(f"{at},{row}" for at, row in enumerate(rows, start=1))]
            (self.raw / f"{name}.csv").write_text("\n".join(lines) + "\n")
        for practice, numbers in self.type_1.items():
            rows = [f"{n},{practice},2024-01-31\n" for n in numbers]
            (self.raw / f"type1_{practice}.csv").write_text("nhs_number,practice,recorded_on\n" + "".join(rows))
        (self.raw / "permitted_2026-11-20.txt").write_text("".join(f"{n},\n" for n in self.permitted))

    def land(self) -> None:
        self.write()
        land(self.catalogue, self.raw, self.state, record=self.record)

    @contextmanager
    def red(self) -> Iterator[duckdb.DuckDBPyConnection]:
        key = KeyStore(self.state.keys).landing_key("two")
        with open_red(landing_path(self.state, "two"), key, read_only=False) as connection:
            yield connection

    def run(self) -> tuple[OptOutReport, LinkageReport, OptOutReport]:
        """Land, remove, link, remove again."""
        self.land()
        with self.red() as connection:
            objections = read_objections(self.raw, self.catalogue, today=NOW.date())
            before = remove_before_linkage(connection, self.catalogue, objections, at=NOW, record=self.record)
            linkage = link(connection, self.catalogue, at=NOW, record=self.record)
            after = remove_after_linkage(connection, self.catalogue, objections, at=NOW, record=self.record)
        return before, linkage, after

    def usable(self, table: str) -> set[int]:
        """Record ids that a project could get under the source's policy, worked out plainly from what was written."""
        policy = self.catalogue.sources[self.catalogue.tables[table].source].opt_out
        reasons = {name for name, holds in (("type-1", policy.type_1), ("national", policy.national)) if holds}
        with self.red() as connection:
            rows = dict(connection.execute(f"SELECT row_id, record_id FROM red.landed.{table}").fetchall())
            links = dict(
                connection.execute("SELECT row_id, person FROM red.spine.link WHERE table_name = ?", [table]).fetchall()
            )
            gone = connection.execute("SELECT table_name, row_id, reason FROM red.optout.before_linkage").fetchall()
            out = {p for p, reason in connection.execute("FROM red.optout.persons").fetchall() if reason in reasons}
        before = {row for name, row, reason in gone if name == table and reason in reasons}
        return {rows[row] for row, person in links.items() if row not in before and person not in out}

    def links(self, table: str) -> dict[int, tuple[int, str]]:
        """Record id -> person and method."""
        with self.red() as connection:
            found = connection.execute(
                f"SELECT record_id, person, method FROM red.landed.{table} t "
                "JOIN red.spine.link l ON l.row_id = t.row_id AND l.table_name = ?",
                [table],
            ).fetchall()
        return {record: (person, method) for record, person, method in found}
