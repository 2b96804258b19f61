"""Cohort tables: relations that a project keeps under a name, and why their rows may be believed.

A cohort table is a subquery that has been given a name and whose rows have been written down. Nothing that is stored
beside the rows says what they mean: a cohort table is read by lowering its definition again, under the agreement as it
stands now. What may be measured, and from which granted columns it comes, so follows from the definition each time. It
is stale, and cannot be read, when that no longer gives the very statement that made the rows (a column left the
agreement, a period or a row filter changed), or when the project's data were provisioned again since.

This module knows neither files nor logs: who kept what is told by the caller (`Cohorts`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from ambergate_policies import boundplan
from ambergate_policies.algebra.expressions import Linear, Literal, Measurability
from ambergate_policies.algebra.kinds import Kind
from ambergate_policies.errors import IntegrityError
from ambergate_policies.names import is_name
from ambergate_policies.places import COHORT, cohort_place, is_cohort_id
from ambergate_policies.prepared import Demand, PreparedStep
from ambergate_policies.printing import quoted

MAX_TABLES = 50
"""Of one project at a time."""
MAX_GENERATIONS = 20
"""How many cohort tables may be made one from the other: each has to be understood again before the last is read."""


@dataclass(frozen=True, slots=True)
class CohortTable:
    """One version of a cohort table, as it was put on record when it was made.

    sql: the whole CREATE TABLE; on: the day that `current_date` means in it; parents: the cohort tables that it names,
    by lower-case name, and the id of the version that each name stood for; statement_sha256: of the statement that
    made the rows; data_version: of the project's data that they were made from."""

    id: str
    name: str
    sql: str
    on: date
    parents: tuple[tuple[str, str], ...]
    statement_sha256: str
    data_version: str
    author: str
    created: datetime

    def __post_init__(self) -> None:
        if not is_cohort_id(self.id) or not is_name(self.name):
            raise IntegrityError("a cohort table on record has no proper id or name")


@dataclass(frozen=True, slots=True)
class CohortColumn:
    """A column as a later query reads it: its name, what it is, what may be measured of it, and whence it comes.

    name: None for one that only others are made of; stored: its name in the file; origins: the granted columns whose
    values are in it, as (table, column); parts: what it is the sum of, as columns of the file without a source;
    constant: what it is in every row, where the text says so."""

    name: str | None
    stored: str
    kind: Kind
    measurability: Measurability
    origins: tuple[tuple[str, str], ...]
    parts: Linear | None = None
    constant: Literal | None = None


@dataclass(frozen=True, slots=True)
class Definition:
    """What a cohort table's SELECT means under an agreement.

    owner: whether its rows are persons'; owner_name: the name of the person key, None where it was not selected;
    select: the statement that makes the rows, and `reads` what its plan may touch; before: what the steps mean whose
    cleared tables it reads; granted: every granted table and column that it reads, also through other cohort tables
    and in conditions; generations: 1 + those of its parents; persons: how many the project's index counts, where its
    key is that index; unique: no person has two rows; chosen: the query decides how many (ranges.chosen_rows);
    repeated: the query may have multiplied rows of a person (lowering/setops.py), and `apart` are the columns that tell
    its parts apart."""

    owner: bool
    owner_name: str | None
    columns: tuple[CohortColumn, ...]
    select: str
    before: tuple[str, ...]
    reads: dict[str, set[str]]
    granted: dict[str, tuple[str, ...]]
    parents: tuple[tuple[str, str], ...]
    generations: int
    persons: int | None
    unique: bool
    chosen: bool
    repeated: bool
    apart: frozenset[str]

    @property
    def sha256(self) -> str:
        return hashlib.sha256("\n".join([self.select, *self.before]).encode("utf-8")).hexdigest()

    def lineage(self) -> dict[str, Any]:
        """For the log and the catalogue: which granted columns stand behind each column, and behind the choice of
        rows."""
        return {
            "columns": {c.name: [".".join(origin) for origin in c.origins] for c in self.columns if c.name is not None},
            "reads": {table: list(columns) for table, columns in sorted(self.granted.items())},
        }


class Cohorts:
    """The cohort tables of one project at one moment, under one kernel.

    known: every version that was ever made, for what they say of each other; current: lower-case name to the id of the
    version that the name stands for now; data_version: of the project's data as they are now. `definitions` keeps what
    has been worked out: None where a version is stale."""

    def __init__(
        self,
        known: Iterable[CohortTable] = (),
        current: Mapping[str, str] | None = None,
        data_version: str = "",
    ) -> None:
        self.known = {table.id: table for table in known}
        self.current = dict(current or {})
        self.data_version = data_version
        self.definitions: dict[str, Definition | None] = {}

    def named(self, name: str) -> CohortTable | None:
        """The cohort table that a name stands for now."""
        return self.known.get(self.current.get(name.lower(), ""))

    def names(self) -> list[str]:
        return [self.known[found].name for found in self.current.values() if found in self.known]


@dataclass(frozen=True, slots=True)
class PreparedCohort:
    """A CREATE TABLE that may be carried out, after its steps and demands as with any query. `exists`: the table is
    there already and IF NOT EXISTS was said, so nothing happens. `replaces`: the id of the version that the new one
    takes the place of."""

    name: str
    definition: Definition
    steps: tuple[PreparedStep, ...]
    demands: tuple[Demand, ...]
    exists: bool
    replaces: str | None

    def check_plan(self, plan_json: str, *, handed_over: bool = False) -> None:
        """Raises IntegrityError unless the engine understood the SELECT as the kernel did."""
        boundplan.check(plan_json, self.definition.reads, handed_over=handed_over)

    @property
    def changes_nothing(self) -> bool:
        return self.exists

    @property
    def parents(self) -> tuple[str, ...]:
        """The ids of the cohort tables that it is made from."""
        return tuple(cohort for _, cohort in self.definition.parents)

    @property
    def select(self) -> str:
        """The statement whose rows are kept; its plan is what `check_plan` takes."""
        return self.definition.select

    def statement(self, cohort: str) -> str:
        """The statement that writes the rows into the attached database of the new cohort `cohort` (an id)."""
        place = f"{quoted(cohort_place(cohort))}.{quoted('main')}.{quoted(COHORT)}"
        return f"CREATE TABLE {place} AS {self.select}"

    @property
    def message(self) -> str:
        """What the researcher is told: nothing that depends on a row."""
        if self.exists:
            return f"there is a cohort table {self.name} already: nothing was changed"
        if not self.definition.owner:
            return f"the table {self.name} was created"
        key = self.definition.owner_name
        if key is None:
            return f"the cohort table {self.name} was created, without a name for its person key"
        return f"the cohort table {self.name} was created; its persons: SELECT count(DISTINCT {key}) FROM {self.name}"


@dataclass(frozen=True, slots=True)
class PreparedDrop:
    """A DROP TABLE that may be carried out. `cohort`: the id of what goes; None where there is none and IF EXISTS
    was said."""

    name: str
    cohort: str | None

    @property
    def changes_nothing(self) -> bool:
        return self.cohort is None

    @property
    def message(self) -> str:
        return f"there is no cohort table {self.name}" if self.cohort is None else f"the table {self.name} was dropped"
