"""CREATE TABLE and DROP TABLE: which SELECT a cohort table keeps, and what its name means in a later query."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from sqlglot import exp

from ambergate_policies.agreement import Agreement
from ambergate_policies.algebra.expressions import Column, Expression, Owner
from ambergate_policies.algebra.kinds import Kind
from ambergate_policies.algebra.relations import Derived, Relation, Scan, ScannedColumn
from ambergate_policies.catalogue import Catalogue
from ambergate_policies.cohorts import MAX_GENERATIONS, MAX_TABLES, CohortColumn, Cohorts, CohortTable, Definition
from ambergate_policies.granting import Use
from ambergate_policies.lowering.lineage import Lineage, granted
from ambergate_policies.lowering.outputs import given
from ambergate_policies.lowering.query import Body, lower_body
from ambergate_policies.lowering.scope import Names, Source
from ambergate_policies.lowering.text import Reading
from ambergate_policies.names import is_name
from ambergate_policies.places import COHORT, cohort_of, cohort_place
from ambergate_policies.printing import OWNER, columns_used, expression, owner_of, quoted, relation
from ambergate_policies.ranges import indexed_persons, one_row_each
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
_CREATE = frozenset({"this", "kind", "expression", "replace", "exists"})
_DROP = frozenset({"this", "tables", "kind", "exists"})
_HOW = "CREATE [OR REPLACE] TABLE name AS SELECT person_id, ... keeps rows of persons inside, under a name"


@dataclass(frozen=True, slots=True)
class Creation:
    """A CREATE TABLE as it was written. `body` is its SELECT."""

    name: str
    body: exp.Expr
    node: exp.Expr
    replace: bool
    if_absent: bool


@dataclass(frozen=True, slots=True)
class Removal:
    """A DROP TABLE as it was written."""

    name: str
    node: exp.Expr
    if_present: bool


def statement_of(reading: Reading) -> Creation | Removal | None:
    """The CREATE or DROP that a text is; None where it is something else. Refuses every other form of them."""
    tree = reading.tree
    if isinstance(tree, exp.Create):
        return _creation(reading, tree)
    if isinstance(tree, exp.Drop):
        return _removal(reading, tree)
    return None


def _creation(reading: Reading, tree: exp.Create) -> Creation:
    extra = sorted(set(given(tree)) - _CREATE)
    if str(tree.args.get("kind")).upper() != "TABLE" or tree.args.get("expression") is None or extra:
        raise reading.refuse("statement", "this kind of CREATE is not possible here", tree.this, hint=_HOW)
    if tree.args.get("replace") and tree.args.get("exists"):
        message = "OR REPLACE and IF NOT EXISTS contradict each other"
        raise reading.refuse("statement", message, tree.this, hint="write one of them")
    return Creation(
        _name(reading, tree.this),
        _body(tree.args["expression"]),
        tree.this,
        replace=bool(tree.args.get("replace")),
        if_absent=bool(tree.args.get("exists")),
    )


def _removal(reading: Reading, tree: exp.Drop) -> Removal:
    # sqlglot keeps one table or several, by version, in `this` or in `tables`
    tables = [tree.this] if tree.args.get("this") is not None else list(tree.args.get("tables") or ())
    if str(tree.args.get("kind")).upper() != "TABLE" or set(given(tree)) - _DROP or len(tables) != 1:
        hint = "DROP TABLE [IF EXISTS] name, one table at a time"
        raise reading.refuse(
            "statement", "this kind of DROP is not possible here", tables[0] if tables else tree, hint=hint
        )
    return Removal(_name(reading, tables[0]), tables[0], if_present=bool(tree.args.get("exists")))


def _name(reading: Reading, node: exp.Expr) -> str:
    plain = (
        isinstance(node, exp.Table) and isinstance(node.this, exp.Identifier) and not set(given(node)) - {"this", "db"}
    )
    if not plain or (node.args.get("db") is not None and node.text("db").lower() != "main"):
        message = "only the name of one table can stand here"
        raise reading.refuse("statement", message, node, hint=_HOW)
    if not is_name(node.name):
        hint = "letters, digits and underscores, beginning with a letter, 63 at most"
        raise reading.refuse("statement", "this cannot be the name of a table", node, hint=hint)
    return node.name


def _body(node: exp.Expr) -> exp.Expr:
    """The SELECT without brackets around it. VALUES alone are all their columns."""
    while isinstance(node, exp.Subquery) and set(given(node)) == {"this"}:
        node = node.this
    if isinstance(node, exp.Values):
        return exp.Select(expressions=[exp.Star()], from_=exp.From(this=node))
    return node


def check_name(creation: Creation, reading: Reading, catalogue: Catalogue, cohorts: Cohorts) -> None:
    """Refuses a name that something else has, and a table too many."""
    word = creation.name.lower()
    if word in {name.lower() for name in catalogue.tables}:
        message = f"{creation.name!r} is the name of a table of the data centre"
        raise reading.refuse("statement", message, creation.node, hint="choose a name of your own")
    here = cohorts.named(word)
    if here is not None and not creation.replace and not creation.if_absent:
        message = f"there is a cohort table {here.name!r} already"
        raise reading.refuse("statement", message, creation.node, hint=f"CREATE OR REPLACE TABLE {here.name} AS ...")
    if here is None and len(cohorts.current) >= MAX_TABLES:
        message = f"a project has at most {MAX_TABLES} cohort tables"
        raise reading.refuse("size", message, creation.node, hint="DROP TABLE those that are no longer needed")


def dropped(reading: Reading, removal: Removal, cohorts: Cohorts) -> str | None:
    """The id of the cohort table that a DROP is about; None where there is none, which only IF EXISTS allows."""
    found = cohorts.named(removal.name)
    if found is None and not removal.if_present:
        known = ", ".join(sorted(cohorts.names())) or "none"
        message = f"there is no cohort table {removal.name!r}"
        raise reading.refuse("unknown-table", message, removal.node, hint=f"cohort tables of this project: {known}")
    return found.id if found is not None else None


def define(
    reading: Reading, body: exp.Expr, catalogue: Catalogue, agreement: Agreement, known: KnownCohorts
) -> tuple[Definition, Body]:
    """What a CREATE TABLE's SELECT means for later queries, and as a relation."""
    lowered = lower_body(reading, body, catalogue, agreement, known)
    source = lowered.source
    _check_kept(reading, lowered, body)
    names = [(name, value) for name, value in source.columns.items() if isinstance(value, Column)]
    for name, value in names:
        _check_column(reading, lowered, body, name, value)
    generations = 1 + max((known.definition(found).generations for found in known.used.values()), default=0)
    if generations > MAX_GENERATIONS:
        message = f"cohort tables are made of each other more than {MAX_GENERATIONS} times"
        raise reading.refuse("size", message, body, hint="write the definition in one SELECT with WITH")
    lineage = Lineage(lowered.relation, known.definition)
    columns = tuple(
        CohortColumn(name, f"c{index}", value.kind, value.measurability, lineage.of(value))
        for index, (name, value) in enumerate(names)
    )
    values = [value for _, value in names]
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
        repeated=source.repeated,
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


def _check_column(reading: Reading, lowered: Body, body: exp.Expr, name: str, value: Column) -> None:
    owner_name = lowered.source.owner_name
    if not is_name(name):
        raise reading.refuse(
            "syntax", "a column of the table has no proper name", body, hint="give it one: ... AS name"
        )
    if owner_name is not None and not is_name(owner_name):
        raise reading.refuse("syntax", "the person key has no proper name", body, hint="leave it as it is called")
    if owner_name is not None and name.lower() == owner_name.lower():
        raise reading.refuse("ambiguous", f"two columns are called {name!r}", body, hint="give one another name")
    if value.kind not in _STORED:
        hint = "CAST(NULL AS DATE)" if value.kind is Kind.NULL else "keep the dates or numbers that it is made of"
        raise reading.refuse("type", f"the column {name!r} ({value.kind}) cannot be kept in a table", body, hint=hint)


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
                found[self.cohorts.known[cohort].name] = [*key, *((c.name, str(c.kind)) for c in definition.columns)]
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
    )
    items = tuple((c.stored, Column(inner, c.stored, c.kind, c.measurability)) for c in definition.columns)
    derived = Derived(outer, scan, items, (Owner(inner),) if definition.owner else (), None)
    columns: dict[str, Expression] = {
        c.name.lower(): Column(outer, c.stored, c.kind, c.measurability) for c in definition.columns
    }
    owner = Owner(outer) if definition.owner else None
    outputs = (*([definition.owner_name] if definition.owner_name else []), *columns)
    return derived, Source(alias, columns, owner, definition.owner_name, outputs=outputs, repeated=definition.repeated)
