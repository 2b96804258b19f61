"""Names: what the agreement grants, under which names the query may use it, and what to say when it does not."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from typing import Protocol

from sqlglot import exp

from ambergate_policies.agreement import Agreement, TableGrant
from ambergate_policies.algebra.expressions import (
    NOT_MEASURABLE,
    Cast,
    Column,
    Comparison,
    Expression,
    Grade,
    InList,
    Literal,
    Logical,
    Measurability,
    Owner,
)
from ambergate_policies.algebra.kinds import OF_COLUMN, Kind
from ambergate_policies.algebra.relations import Relation, Scan, ScannedColumn
from ambergate_policies.catalogue import Catalogue, ColumnType, Role, Table
from ambergate_policies.catalogue import Column as CatalogueColumn
from ambergate_policies.lowering.fanout import FanOut
from ambergate_policies.lowering.text import Reading
from ambergate_policies.spelling import nearest

_MEASURABLE_ROLES = frozenset({Role.MEASURE, Role.QUASI, Role.REFERENCE})


@dataclass(frozen=True, slots=True)
class Source:
    """One FROM item: the researcher's alias, and what can be named through it (keys are lower case).

    outputs: the names in the order in which they were written, the owner's among them, where that is known.
    repeated: rows of one person may have been multiplied by the query (setops.py). apart: columns that hold another
    constant in each part of it that could repeat a row, so that no group of their values holds a row twice."""

    alias: str
    columns: dict[str, Expression]
    owner: Owner | None = None
    owner_name: str | None = None
    table: Table | None = None
    grant: TableGrant | None = None
    outputs: tuple[str, ...] = ()
    repeated: bool = False
    apart: frozenset[str] = frozenset()


@dataclass(slots=True)
class Scope:
    """The sources of one SELECT. `merged` holds columns that USING has made one."""

    sources: list[Source] = field(default_factory=list)
    merged: dict[str, Expression] = field(default_factory=dict)

    def repeated(self) -> list[frozenset[Expression]]:
        """For each source that may repeat rows, the columns that tell its parts apart."""
        return [frozenset(source.columns[name] for name in source.apart) for source in self.sources if source.repeated]


class CohortNames(Protocol):
    """What knows the project's cohort tables (cohort.py)."""

    def names(self) -> list[str]: ...
    def source(self, names: Names, node: exp.Table, alias: str) -> tuple[Relation, Source] | None: ...


class Names:
    """Resolves tables and columns for one query under one agreement."""

    def __init__(
        self, reading: Reading, catalogue: Catalogue, agreement: Agreement, cohorts: CohortNames | None = None
    ) -> None:
        self.reading = reading
        self.cohorts = cohorts
        self.catalogue = catalogue
        self.agreement = agreement
        self.grants = {grant.table.lower(): grant for grant in agreement.data.tables}
        self.tables = {name.lower(): (name, table) for name, table in catalogue.tables.items()}
        self.fan_outs: list[FanOut] = []
        self._count = 0

    def fresh(self) -> str:
        """A new alias of the kernel's own."""
        self._count += 1
        return f"s{self._count}"

    def granted_table(self, node: exp.Table, alias: str) -> tuple[Relation, Source]:
        """The scan of a granted table, or a cohort table; refuses anything else by saying what the agreement has."""
        word = node.name
        if (node.db or node.catalog) and (node.catalog or node.db.lower() != "main"):
            known = word.lower() in self.grants
            hint = f"use {word}" if known else "SHOW TABLES and DESCRIBE tell what is granted"
            raise self.reading.refuse("unknown-table", f"there is no schema for {word!r}", node, hint=hint)
        grant = self.grants.get(word.lower())
        if grant is None or word.lower() not in self.tables:
            if self.cohorts is not None and (found := self.cohorts.source(self, node, alias)) is not None:
                return found
            raise self._unknown_table(node, word)
        name, table = self.tables[word.lower()]
        scan, source = self._scan(name, table, grant, alias)
        self.reading.scanned[scan.source] = node
        return scan, source

    def _scan(self, name: str, table: Table, grant: TableGrant, alias: str) -> tuple[Scan, Source]:
        source = self.fresh()
        known = table.project_columns()
        columns: dict[str, Expression] = {}
        stored: list[ScannedColumn] = []
        for column_name in grant.columns:
            declared = known.get(column_name)
            if declared is not None:
                columns[column_name.lower()] = _column(source, column_name, declared)
                stored.append(ScannedColumn(column_name, _read_as(declared)))
        owner = Owner(source) if table.owner else None
        row_filter, index = self._row_filter(source, table, grant), table.index
        if index is None:
            scan = Scan(source, name, tuple(stored), table.owner, row_filter)
        else:
            scan = Scan(source, name, tuple(stored), index.column, row_filter, None, index.persons, index.unique)
        return scan, Source(alias, columns, owner, table.owner, table, grant)

    def _row_filter(self, source: str, table: Table, grant: TableGrant) -> Expression | None:
        parts: list[Expression] = []
        if grant.period is not None:
            column = Cast(Column(source, grant.period.column, Kind.DATE), "DATE", Kind.DATE)
            first = Literal(grant.period.first.isoformat(), Kind.DATE)
            last = Literal(grant.period.last.isoformat(), Kind.DATE)
            parts += [Comparison(">=", column, first), Comparison("<=", column, last)]
        if grant.cohort is not None:
            declared = table.columns.get(grant.cohort.column)
            kind = OF_COLUMN[declared.type] if declared else Kind.TEXT
            column = Cast(Column(source, grant.cohort.column, kind), _cast_target(declared), kind)
            values = tuple(_cohort_literal(value, kind) for value in grant.cohort.values)
            parts.append(InList(column, values))
        if not parts:
            return None
        return parts[0] if len(parts) == 1 else Logical("AND", tuple(parts))

    def _unknown_table(self, node: exp.Table, word: str) -> Exception:
        granted = [self.tables[name][0] for name in self.grants if name in self.tables]
        kept = self.cohorts.names() if self.cohorts is not None else []
        reference = self.agreement.agreement
        close = nearest(word, [*granted, *kept])
        if word.lower() in self.tables:
            message = f"the table {self.tables[word.lower()][0]!r} is not in agreement {reference}"
            clause = "data"
            hint = "an amendment of the agreement's data clause would be needed; granted: " + ", ".join(granted)
        else:
            message, clause = f"there is no table {word!r}", None
            listed = "granted tables: " + ", ".join(granted) + ("; cohort tables: " + ", ".join(kept) if kept else "")
            hint = f"did you mean {close[0]!r}?" if close else listed
        return self.reading.refuse("unknown-table", message, node, hint=hint, clause=clause)

    def column(self, scope: Scope, node: exp.Column) -> Expression:
        """The column, owner or derived value that a name stands for."""
        word, qualifier = node.name, node.table
        if node.args.get("db") or node.args.get("catalog"):
            raise self.reading.refuse("unknown-column", "write columns as table.column", node)
        if not qualifier and word.lower() in scope.merged:
            return scope.merged[word.lower()]
        sources = [s for s in scope.sources if not qualifier or s.alias.lower() == qualifier.lower()]
        if qualifier and not sources:
            names = ", ".join(source.alias for source in scope.sources)
            message = f"{qualifier!r} is not a table of this query"
            raise self.reading.refuse("unknown-column", message, node, hint=f"this query has: {names}")
        found = [value for source in sources if (value := _in_source(source, word)) is not None]
        if len(found) > 1:
            raise self.reading.refuse("ambiguous", f"{word!r} is in several tables", node, hint="write table.column")
        if not found:
            raise self._unknown_column(node, word, sources)
        return found[0]

    def _unknown_column(self, node: exp.Column, word: str, sources: list[Source]) -> Exception:
        reference = self.agreement.agreement
        for source in sources:
            if source.table is None or source.grant is None:
                continue
            known = {name.lower(): name for name in source.table.columns}
            if word.lower() in known:
                message = (
                    f"the column {known[word.lower()]!r} of {source.grant.table} is not in agreement {reference}, "
                    f"clause {source.grant.clause}"
                )
                made = _made_from(source.table, source.grant, known[word.lower()])
                hint = f"clause {source.grant.clause} grants: {', '.join(source.grant.columns)}"
                hint = f"{' and '.join(made)} is granted instead; {hint}" if made else hint
                return self.reading.refuse("unknown-column", message, node, hint=hint, clause=source.grant.clause)
        names = sorted({name for source in sources for name in source.columns})
        hint = self._column_hint(node, word, names)
        return self.reading.refuse("unknown-column", f"there is no column {word!r}", node, hint=hint)

    def _column_hint(self, node: exp.Column, word: str, names: list[str]) -> str:
        """What was probably meant by a column that is nowhere in the query's tables."""
        elsewhere = [grant.table for grant in self.grants.values() if word.lower() in map(str.lower, grant.columns)]
        if elsewhere:
            return f"{' and '.join(elsewhere)} has it: join it on the person key"
        if close := nearest(word, names):
            return f"did you mean {close[0]!r}?"
        span = self.reading.span(node)
        if span is not None and self.reading.text[span.start : span.start + 1] == '"':
            return "double quotes are for names: put texts in single quotes"
        return "columns here: " + ", ".join(names[:40])


def _made_from(table: Table, grant: TableGrant, name: str) -> list[str]:
    """The granted columns that are coarser forms of one that is not granted."""
    roots = {name, table.columns[name].derive_from or name}
    columns = table.columns
    return [each for each in grant.columns if each in columns and (columns[each].derive_from or each) in roots]


def _in_source(source: Source, word: str) -> Expression | None:
    if source.owner is not None and source.owner_name and word.lower() == source.owner_name.lower():
        return source.owner
    return source.columns.get(word.lower())


def _column(source: str, name: str, declared: CatalogueColumn) -> Column:
    kind = OF_COLUMN[declared.type]
    return Column(source, name, kind, _grade(kind, declared.role, declared.values))


@cache
def _grade(kind: Kind, role: Role, values: tuple[str, ...] | None) -> Measurability:
    grade = NOT_MEASURABLE
    if role in _MEASURABLE_ROLES and (kind.numeric or kind is Kind.BOOL):
        grade = Measurability(Grade.MAGNITUDE, 1)
    if kind is Kind.BOOL or (kind is Kind.INT and values and set(values) <= {"0", "1"}):
        grade = Measurability(Grade.INDICATOR, 1)
    if kind.temporal:
        grade = Measurability(Grade.DATE, 1)
    if role is Role.RECORD:
        grade = Measurability(Grade.RECORD)
    return grade


def _read_as(declared: CatalogueColumn) -> str:
    """Decimals as doubles: arithmetic between decimals and whole numbers raises for some values."""
    return "DOUBLE" if declared.type is ColumnType.DECIMAL else declared.type.value


def _cast_target(declared: CatalogueColumn | None) -> str:
    return declared.type.value if declared else "VARCHAR"


def _cohort_literal(value: str | int, kind: Kind) -> Literal:
    return Literal(value, kind) if kind is Kind.INT else Literal(str(value), Kind.TEXT)
