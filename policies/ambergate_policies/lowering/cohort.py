"""Which rows a cohort table keeps, and what its name means in a later query."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace

from sqlglot import exp

from ambergate_policies.agreement import Agreement
from ambergate_policies.algebra.expressions import NOT_MEASURABLE, Column, Expression, Linear, Owner
from ambergate_policies.algebra.kinds import Kind
from ambergate_policies.algebra.relations import Derived, Relation, Scan, ScannedColumn
from ambergate_policies.catalogue import Catalogue
from ambergate_policies.cohorts import MAX_GENERATIONS, CohortColumn, Cohorts, CohortTable, Definition
from ambergate_policies.granting import Use
from ambergate_policies.lowering.creation import Creation, statement_of
from ambergate_policies.lowering.lineage import Lineage, granted
from ambergate_policies.lowering.query import Body, lower_body
from ambergate_policies.lowering.scope import Names, Source
from ambergate_policies.lowering.stacks import same_in_every_row
from ambergate_policies.lowering.text import Reading
from ambergate_policies.names import is_name
from ambergate_policies.places import COHORT, cohort_of, cohort_place
from ambergate_policies.printing import OWNER, columns_used, expression, owner_of, quoted, relation
from ambergate_policies.ranges import chosen_rows, indexed_persons, one_row_each
from ambergate_policies.statistics import reads, within
from ambergate_policies.verdict import QueryRefused

_STORED = {
    Kind.BOOL: "BOOLEAN",
    Kind.INT: "BIGINT",
    Kind.NUM: "DOUBLE",
    Kind.TEXT: "VARCHAR",
    Kind.DATE: "DATE",
    Kind.TIME: "TIMESTAMP",
}
"""How a value is kept, and read again. A kind that is not here cannot be kept."""


def define(
    reading: Reading, body: exp.Expr, catalogue: Catalogue, agreement: Agreement, known: KnownCohorts
) -> tuple[Definition, Body]:
    """What a CREATE TABLE's SELECT means for later queries, and as a relation."""
    lowered = lower_body(reading, body, catalogue, agreement, known)
    source = lowered.source
    _check_kept(reading, lowered, body)
    named = [(name, _column(reading, lowered, body, name, value)) for name, value in source.columns.items()]
    generations = 1 + max((known.definition(found).generations for found in known.used.values()), default=0)
    if generations > MAX_GENERATIONS:
        message = f"cohort tables are made of each other more than {MAX_GENERATIONS} times"
        raise reading.refuse("size", message, body, hint="write the definition in one SELECT with WITH")
    lineage = Lineage(lowered.relation, known.definition)
    columns = tuple(_kept(lowered.relation, named, lineage))
    values = [*(value for _, value in named), *_beside(named)]
    found = reads(lowered.relation, [*values, *within(lowered.relation)])
    definition = Definition(
        owner=source.owner is not None,
        owner_name=source.owner_name,
        columns=columns,
        select=_select(lowered.relation, values, source.owner),
        before=tuple(repr(step.program) for step in lowered.steps),
        reads=found,
        granted=granted(found, known.definition),
        parents=tuple(sorted(known.used.items())),
        generations=generations,
        persons=indexed_persons(lowered.relation),
        unique=one_row_each(lowered.relation),
        chosen=chosen_rows(lowered.relation),
        repeated=source.repeated,
        apart=source.apart,
    )
    return definition, lowered


def _check_kept(reading: Reading, lowered: Body, body: exp.Expr) -> None:
    """What is kept are rows of persons, or public rows that no cleared number went into."""
    if lowered.source.owner is None and lowered.steps:
        raise reading.refuse(
            "statement",
            "a cohort table holds rows of persons: this SELECT counts persons together",
            body,
            hint="GROUP BY the person key to keep one row per person; for the counts, run the SELECT by itself",
        )


def _column(reading: Reading, lowered: Body, body: exp.Expr, name: str, value: Expression) -> Column:
    owner_name = lowered.source.owner_name
    if not is_name(name):
        raise reading.refuse(
            "syntax", "a column of the table has no proper name", body, hint="give it one: ... AS name"
        )
    if owner_name is not None and not is_name(owner_name):
        raise reading.refuse("syntax", "the person key has no proper name", body, hint="leave it as it is called")
    if owner_name is not None and name.lower() == owner_name.lower():
        raise reading.refuse("ambiguous", f"two columns are called {name!r}", body, hint="give one another name")
    if not isinstance(value, Column) or value.kind not in _STORED:
        hint = "CAST(NULL AS DATE)" if value.kind is Kind.NULL else "keep the dates or numbers that it is made of"
        raise reading.refuse("type", f"the column {name!r} ({value.kind}) cannot be kept in a table", body, hint=hint)
    return value


def _beside(named: list[tuple[str, Column]]) -> list[Column]:
    """What kept columns are the sums of, where it is none of them itself: kept beside them, without a name."""
    values = [_plain(value) for _, value in named]
    parts = [part for _, value in named for part in _parts(value)]
    return list(dict.fromkeys(_plain(part) for part in parts if _plain(part) not in values))


def _kept(node: Relation, named: list[tuple[str, Column]], lineage: Lineage) -> Iterator[CohortColumn]:
    values = [*(_plain(value) for _, value in named), *_beside(named)]
    for index, value in enumerate(values):
        if index >= len(named):
            yield CohortColumn(None, f"c{index}", value.kind, NOT_MEASURABLE, lineage.of(value))
            continue
        name, column = named[index]
        parts, constant = _kept_parts(column, values), same_in_every_row(column, node)
        found = lineage.of(value)
        yield CohortColumn(name, f"c{index}", column.kind, column.measurability, found, parts, constant)


def _kept_parts(column: Column, values: list[Column]) -> Linear | None:
    if column.parts is None or not _parts(column):
        return None
    return _renamed(
        column.parts, lambda part: replace(part, source="", name=f"c{values.index(_plain(part))}", parts=None)
    )


def _parts(value: Column) -> list[Column]:
    """The columns that a kept column is the sum of; none where it is not made of columns alone."""
    if value.parts is None:
        return []
    found = [*(term for _, term in value.parts.terms), *value.parts.guards]
    columns = [part for part in found if isinstance(part, Column) and part.kind in _STORED]
    return columns if len(columns) == len(found) else []


def _renamed(parts: Linear, rename: Callable[[Column], Column]) -> Linear:
    """What a column is the sum of, over columns that are called otherwise."""

    def change(part: Expression) -> Expression:
        return rename(part) if isinstance(part, Column) else part

    terms = tuple((weight, change(term)) for weight, term in parts.terms)
    return replace(parts, terms=terms, guards=tuple(change(guard) for guard in parts.guards))


def _plain(value: Column) -> Column:
    return replace(value, measurability=NOT_MEASURABLE, parts=None)


def _select(node: Relation, values: list[Column], owner: Owner | None) -> str:
    """The statement that gives the rows to keep, ordered by person so that a later count of persons is cheap."""
    inside: list[Expression] = [*values, *within(node)]
    items = [f"{owner_of((owner,))} AS {quoted(OWNER)}"] if owner is not None else []
    items += [
        f"TRY_CAST({expression(value)} AS {_STORED[value.kind]}) AS {quoted(f'c{index}')}"
        for index, value in enumerate(values)
    ]
    text = f"SELECT {', '.join(items)} FROM {relation(node, columns_used(inside))}"
    if owner is not None:
        text += f" WHERE ({expression(owner)} IS NOT NULL) ORDER BY {expression(owner)}"
    return text


class KnownCohorts:
    """The cohort tables that one text may name, by what each name stood for when the text was written.

    `used`: those that it did name, by lower-case name."""

    def __init__(
        self, cohorts: Cohorts, catalogue: Catalogue, agreement: Agreement, reach: Mapping[str, str] | None = None
    ) -> None:
        self.cohorts = cohorts
        self.catalogue = catalogue
        self.agreement = agreement
        self.reach = cohorts.current if reach is None else reach
        self.used: dict[str, str] = {}

    def names(self) -> list[str]:
        return [self.cohorts.known[found].name for found in self.reach.values() if found in self.cohorts.known]

    def source(self, names: Names, node: exp.Table, alias: str) -> tuple[Relation, Source] | None:
        """The relation that a table's name stands for, None where no cohort table has it. Refuses a stale one."""
        found = self.cohorts.known.get(self.reach.get(node.name.lower(), ""))
        if found is None:
            return None
        definition = self._definitions(found.id)
        if definition is None:
            raise _stale(names.reading, node, found, renewed=found.data_version != self.cohorts.data_version)
        self.used[node.name.lower()] = found.id
        return _relation(names, node, definition, found.id, alias)

    def uses(self, scan: Scan) -> Iterator[Use]:
        """The granted tables behind a scan, as the agreement's links and purposes see them."""
        cohort = cohort_of(scan.place) if scan.place is not None else None
        if cohort is None:
            yield Use(scan.source, (scan.table,), scan.owner is not None)
            return
        tables = self.definition(cohort).granted
        persons = tuple(name for name in tables if self.catalogue.tables[name].owner is not None)
        yield Use(scan.source, persons, person=True)
        yield Use(scan.source, tuple(name for name in tables if name not in persons), person=False)

    def granted(self, reads: Mapping[str, set[str]]) -> dict[str, set[str]]:
        """What is read of granted tables, cohort tables replaced by what they were made from."""
        return {table: set(columns) for table, columns in granted(reads, self.definition).items()}

    def definition(self, cohort: str) -> Definition:
        """What a cohort table that has been named means."""
        found = self._definitions(cohort)
        if found is None:
            raise KeyError(cohort)
        return found

    def columns(self) -> dict[str, list[tuple[str, str]]]:
        """The cohort tables that can be named now, with their columns and what each is; for DESCRIBE."""
        found: dict[str, list[tuple[str, str]]] = {}
        for cohort in self.reach.values():
            definition = self._definitions(cohort)
            if definition is not None:
                key = [(definition.owner_name, "person key")] if definition.owner_name else []
                found[self.cohorts.known[cohort].name] = [
                    *key,
                    *((c.name, str(c.kind)) for c in definition.columns if c.name),
                ]
        return found

    def is_stale(self, cohort: str) -> bool:
        return self._definitions(cohort) is None

    def _definitions(self, cohort: str) -> Definition | None:
        """Those that it was made from are worked out first, one after the other: a long line needs no deep stack."""
        done = self.cohorts.definitions
        pending, waiting = [cohort], set[str]()
        while pending:
            here = pending[-1]
            table = self.cohorts.known.get(here)
            missing = [parent for _, parent in table.parents if parent not in done] if table is not None else []
            if here not in done and missing and here not in waiting:
                waiting.add(here)
                pending += missing
                continue
            pending.pop()
            if here not in done:
                done[here] = self._worked_out(table) if table is not None and not missing else None
        return done[cohort]

    def _worked_out(self, table: CohortTable) -> Definition | None:
        if table.data_version != self.cohorts.data_version:
            return None
        reach = dict(table.parents)
        if any(self.cohorts.definitions.get(parent) is None for parent in reach.values()):
            return None
        try:
            reading = Reading(table.sql, table.on)
            creation = statement_of(reading)
            if not isinstance(creation, Creation):
                return None
            known = KnownCohorts(self.cohorts, self.catalogue, self.agreement, reach)
            definition, _ = define(reading, creation.body, self.catalogue, self.agreement, known)
        except QueryRefused:
            return None
        return definition if definition.sha256 == table.statement_sha256 else None


def _stale(reading: Reading, node: exp.Expr, table: CohortTable, *, renewed: bool) -> QueryRefused:
    why = "from data that have been renewed since" if renewed else "under an agreement that has been changed since"
    again = table.sql if len(table.sql) <= 2000 else f"CREATE OR REPLACE TABLE {table.name} AS ... (%tables shows it)"
    return reading.refuse(
        "stale-cohort",
        f"the cohort table {table.name!r} was made {why}, and cannot be read",
        node,
        hint=f"make it again with OR REPLACE; its definition was: {again}",
    )


def _relation(
    names: Names, node: exp.Table, definition: Definition, cohort: str, alias: str
) -> tuple[Relation, Source]:
    """A cohort table is read as the subquery that it stands for: its columns are computed, not recorded, so they pass
    through a Derived, which takes from them what only recorded columns have."""
    inner, outer = names.fresh(), names.fresh()
    stored = tuple(ScannedColumn(column.stored, _STORED[column.kind]) for column in definition.columns)
    names.reading.scanned[inner] = node
    scan = Scan(
        inner,
        COHORT,
        stored,
        OWNER if definition.owner else None,
        None,
        place=cohort_place(cohort),
        persons=definition.persons,
        unique=definition.unique,
        chosen=definition.chosen,
    )
    items = tuple(
        (c.stored, c.constant or Column(inner, c.stored, c.kind, c.measurability)) for c in definition.columns
    )
    derived = Derived(outer, scan, items, (Owner(inner),) if definition.owner else (), None)
    columns: dict[str, Expression] = {}
    for column in definition.columns:
        if column.name is not None:
            parts = column.parts and _renamed(column.parts, lambda part: replace(part, source=outer))
            columns[column.name.lower()] = Column(outer, column.stored, column.kind, column.measurability, parts)
    owner = Owner(outer) if definition.owner else None
    outputs = (*([definition.owner_name] if definition.owner_name else []), *columns)
    return derived, Source(
        alias,
        columns,
        owner,
        definition.owner_name,
        outputs=outputs,
        repeated=definition.repeated,
        apart=definition.apart,
    )
