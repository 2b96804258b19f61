"""A small data centre for the red zone's tests: catalogue, agreement, extracts, state folder and log."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb
import yaml

from ambergate_datasets.engines.connection import Limits, attach, connect
from ambergate_datasets.engines.project_key import database_key
from ambergate_datasets.keys import KeyStore
from ambergate_datasets.landing.database import landing_path, open_red
from ambergate_datasets.state import StateFolder
from ambergate_policies.agreement import Agreement
from ambergate_policies.catalogue import Catalogue
from ambergate_policies.documents import parse_document
from ambergate_policies.log import LogEntry

SMALL_CATALOGUE = """
catalogue: small
version: "1"
title: A small data centre
objections: {type_1: "type1_*.csv", national_permitted: "permitted.txt"}
sources:
  hospital:
    title: Hospital records
    supplier: trusts
    legal_basis: section 251
    opt_out: {type_1: false, national: true, reason: Section 251.}
  lists:
    title: Lists
    supplier: the data centre
    legal_basis: none needed
    opt_out: {type_1: false, national: false, reason: About nobody.}
tables:
  stay:
    source: hospital
    owner: person_id
    files: {pattern: "stay*.csv", null_values: ["-"]}
    columns:
      hospital_person: {role: identifier, identifier: source_person, source_column: PERSON, required: true}
      nhs_number: {role: identifier, identifier: nhs_number, source_column: NHS}
      surname: {role: identifier, identifier: surname, source_column: SURNAME}
      born: {type: DATE, role: identifier, identifier: date_of_birth, source_column: BORN}
      postcode: {role: identifier, identifier: postcode, source_column: POSTCODE}
      sex: {role: quasi-identifier, source_column: SEX, values: [F, M]}
      stay_id: {type: BIGINT, role: record, source_column: STAY, required: true}
      admitted:
        type: DATE
        role: date
        source_column: ADMITTED
        date_format: "%d/%m/%Y"
        minimum: 1990-01-01
        maximum: 2030-12-31
      days: {type: INTEGER, role: measure, source_column: DAYS, minimum: 0, maximum: 400}
      cost: {type: DOUBLE, role: measure, source_column: COST}
      code: {role: code, source_column: CODE, pattern: "[A-Z][0-9]{2,3}"}
      year: {type: INTEGER, role: quasi-identifier, derive: year, derive_from: admitted}
      month: {type: DATE, role: date, derive: month, derive_from: admitted}
      age_band: {role: quasi-identifier, derive: age_band_5, derive_from: born, derive_at: admitted}
      area: {role: quasi-identifier, derive: postcode_area, derive_from: postcode}
  visit:
    source: hospital
    owner: person_id
    files: {pattern: visit.csv, format: pipe}
    columns:
      hospital_person: {role: identifier, identifier: source_person, source_column: PERSON, required: true}
      stay_id: {type: BIGINT, role: record, source_column: STAY}
      note: {role: code, source_column: NOTE}
  code_list:
    source: lists
    kind: reference
    files: {pattern: codes.csv}
    columns:
      code: {role: reference}
      meaning: {role: reference}
"""

SMALL_AGREEMENT = """
agreement: TEST-1
version: "1"
project: alpha
title: Stays
lay_summary: Stays in hospital.
parties:
  controllers: [The data centre]
  organisation: {name: A university, sector: academic}
  persons: [{name: Amara, account: amara, trained_on: 2026-01-01}]
purpose: {category: research, objective: o, processing: p, expected_outputs: e, expected_benefit: b}
data:
  catalogue: small
  tables:
    - table: stay
      clause: 5a
      reason: The outcome.
      columns: [sex, stay_id, admitted, days, cost, code, year, month, age_band, area]
      period: {column: admitted, first: 2020-01-01, last: 2020-12-31}
    - {table: visit, clause: 5b, reason: Visits., columns: [stay_id, note]}
    - {table: code_list, clause: 5c, reason: Meanings., columns: [code, meaning]}
law:
  statutory_basis: section 251
  gdpr_article_6: 6(1)(e)
  gdpr_article_9: 9(2)(j)
  common_law: section-251
  opt_outs_applied: true
  opt_outs_reason: Section 251.
terms: {start: 2020-01-01, end: 2099-12-31, rule_pack: nhse-sde}
"""

STAY_HEADER = "PERSON,NHS,SURNAME,BORN,POSTCODE,SEX,STAY,ADMITTED,DAYS,COST,CODE,WARD"


def stay_line(person: str, stay: int, **changes: str) -> str:
    """One valid line of stay.csv. 9434765919 is a valid NHS number; the last column is not declared."""
    values = {
        "nhs": "9434765919",
        "surname": "Okonkwo",
        "born": "1980-06-15",
        "postcode": "LS1 4AP",
        "sex": "F",
        "admitted": "14/06/2020",
        "days": "3",
        "cost": "120.5",
        "code": "I21",
        "ward": "7",
    } | changes
    return ",".join([person, *[values[k] for k in ("nhs", "surname", "born", "postcode", "sex")], str(stay)]) + (
        "," + ",".join(values[k] for k in ("admitted", "days", "cost", "code", "ward"))
    )


@dataclass
class Records:
    """A log that keeps its entries in memory and can be told to fail, as a full disk would."""

    entries: list[LogEntry] = field(default_factory=list)
    broken: bool = False

    def __call__(self, entry: LogEntry) -> int:
        if self.broken:
            raise OSError("the log cannot be written")
        self.entries.append(entry)
        return len(self.entries) - 1


@dataclass
class DataCentre:
    """A folder of raw extracts, a state folder and a log."""

    raw: Path
    state: StateFolder
    catalogue: Catalogue
    record: Records

    def write_extracts(self, stays: list[str], visits: tuple[str, ...] = ()) -> None:
        self.raw.mkdir(exist_ok=True)
        (self.raw / "stay.csv").write_text("\n".join([STAY_HEADER, *stays]) + "\n")
        (self.raw / "visit.csv").write_text("\n".join(["PERSON|STAY|NOTE", *visits]) + "\n")
        (self.raw / "codes.csv").write_text("code,meaning\nI21,heart attack\nI63,stroke\n")

    @contextmanager
    def red(self, *, read_only: bool = True) -> Iterator[duckdb.DuckDBPyConnection]:
        key = KeyStore(self.state.keys).landing_key(self.catalogue.catalogue)
        with open_red(landing_path(self.state, self.catalogue.catalogue), key, read_only=read_only) as connection:
            yield connection

    def object_to(self, *, rows: tuple[tuple[str, int], ...] = (), persons: tuple[int, ...] = ()) -> None:
        """What the opt-out step leaves behind: rows objected to before linkage, persons after it."""
        with self.red(read_only=False) as connection:
            connection.execute("CREATE SCHEMA red.optout")
            connection.execute(
                "CREATE TABLE red.optout.before_linkage (table_name VARCHAR, row_id BIGINT, reason VARCHAR)"
            )
            connection.execute("CREATE TABLE red.optout.persons (person BIGINT, reason VARCHAR)")
            for table, row_id in rows:
                connection.execute("INSERT INTO red.optout.before_linkage VALUES (?, ?, 'national')", [table, row_id])
            for person in persons:
                connection.execute("INSERT INTO red.optout.persons VALUES (?, 'national')", [person])

    def project_rows(self, slug: str, sql: str) -> list[tuple[Any, ...]]:
        """Rows of a project's database, opened with the key that a gate would have."""
        connection = connect(Limits(), self.state.root / "spill")
        try:
            attach(
                connection,
                self.state.project(slug) / "project.duckdb",
                database_key(self.state.keys, slug),
                alias="project",
                read_only=True,
            )
            connection.execute("USE project")
            return connection.execute(sql).fetchall()
        finally:
            connection.close()


def small_agreement(**changes: Any) -> Agreement:
    """The small agreement with top-level sections replaced."""
    return Agreement.model_validate(yaml.safe_load(SMALL_AGREEMENT) | changes)


def small_centre(folder: Path) -> DataCentre:
    """A data centre in an empty folder; nothing is written yet."""
    return DataCentre(
        raw=folder / "raw",
        state=StateFolder(folder / "state"),
        catalogue=parse_document(SMALL_CATALOGUE, Catalogue, name="small.yaml"),
        record=Records(),
    )


def with_files(catalogue: Catalogue, table: str, **changes: Any) -> Catalogue:
    """The catalogue with changed `files` of one table."""
    document = catalogue.model_dump(mode="json")
    document["tables"][table]["files"] |= changes
    return Catalogue.model_validate(document)
