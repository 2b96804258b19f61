"""DESCRIBE and SHOW TABLES, answered from the agreement itself: what is granted is known to whoever may ask.

It is what people type first. The answer is a table of texts written here; nothing of the data is read.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence

from sqlglot import exp

from ambergate_policies.agreement import Agreement, Purpose
from ambergate_policies.algebra.expressions import Column, Expression, Literal
from ambergate_policies.algebra.kinds import Kind
from ambergate_policies.algebra.relations import PublicProgram, Values
from ambergate_policies.catalogue import Catalogue
from ambergate_policies.documents import closest
from ambergate_policies.lowering.text import Reading

CohortColumns = Mapping[str, Sequence[tuple[str, str]]]
"""The project's cohort tables: for each its columns with what they are, the person key among them."""
_COLUMNS_OF = re.compile(r"\s*(?:COLUMNS\s+(?:FROM|IN)\s+)?\"?([A-Za-z_]\w*)\"?\s*", re.I)
_KEY = "person key"


def described(
    reading: Reading,
    catalogue: Catalogue,
    agreement: Agreement,
    purpose: Purpose,
    made: Callable[[], CohortColumns],
) -> PublicProgram | None:
    """The program that answers DESCRIBE or SHOW; None where a text is neither. Raises QueryRefused.

    made: tells the cohort tables, when they are asked for."""
    tree = reading.tree
    lists, name = _lists_tables(tree), _named(tree)
    if not lists and name is None:
        return None
    cohorts = made()
    if lists or name is None:
        return _program(("name", "title", "clause"), list(_tables(catalogue, agreement, purpose, cohorts)))
    rows = list(_columns(catalogue, agreement, purpose, cohorts, name))
    if not rows:
        known = [row[0] for row in _tables(catalogue, agreement, purpose, cohorts)]
        node = tree.this if isinstance(tree.this, exp.Expr) else None
        hint = f"SHOW TABLES lists what is granted{closest(name, known)}"
        raise reading.refuse("unknown-table", f"there is no table {name!r} in this project", node, hint=hint)
    return _program(("column_name", "column_type", "role", "title", "units", "sensitivity"), rows)


def _given(tree: exp.Expr) -> set[str]:
    return {key for key, value in tree.args.items() if value not in (None, False, [], "")}


def _lists_tables(tree: exp.Expr) -> bool:
    if isinstance(tree, exp.Show) and _given(tree) == {"this"}:
        return str(tree.this).upper() in ("TABLES", "ALL TABLES")
    return isinstance(tree, exp.Pragma) and str(tree.this.sql()).lower() == "show_tables"


def _named(tree: exp.Expr) -> str | None:
    """The table that a DESCRIBE or SHOW asks about."""
    if isinstance(tree, exp.Describe) and _given(tree) <= {"this", "kind"}:
        table = tree.this
        if (
            isinstance(table, exp.Table)
            and _given(table) == {"this"}
            and str(tree.args.get("kind") or "TABLE") == "TABLE"
        ):
            return table.name
    if isinstance(tree, exp.Command) and str(tree.this).upper() == "SHOW":
        match = _COLUMNS_OF.fullmatch(str(tree.expression or "").rstrip(";"))
        return match[1] if match and match[1].upper() not in ("TABLES", "DATABASES", "SCHEMAS", "COLUMNS") else None
    return None


def _tables(
    catalogue: Catalogue, agreement: Agreement, purpose: Purpose, cohorts: CohortColumns
) -> Iterator[tuple[str, ...]]:
    for grant in agreement.data.tables:
        if grant.serves(purpose.id):
            yield (grant.table, catalogue.tables[grant.table].title, f"clause {grant.clause}")
    yield from ((name, "cohort table of this project", "") for name in cohorts)


def _columns(
    catalogue: Catalogue, agreement: Agreement, purpose: Purpose, cohorts: CohortColumns, name: str
) -> Iterator[tuple[str, ...]]:
    for grant in agreement.data.tables:
        if grant.table.lower() == name.lower() and grant.serves(purpose.id):
            table = catalogue.tables[grant.table]
            if table.owner is not None:
                yield (table.owner, _KEY, "", "join on it, count it", "", "")
            for each in grant.columns:
                column = table.columns[each]
                classes = ", ".join(sorted(column.classes - {"sensitive"}) or sorted(column.classes))
                yield (each, column.type.value, column.role.value, column.title, column.units or "", classes)
            return
    for cohort, columns in cohorts.items():
        if cohort.lower() == name.lower():
            yield from ((column, kind, "", "", "", "") for column, kind in columns)


def _program(names: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> PublicProgram:
    columns = tuple(Column("s1", f"v{index}", Kind.TEXT) for index in range(len(names)))
    literals: tuple[tuple[Expression, ...], ...] = tuple(
        tuple(Literal(text, Kind.TEXT) for text in row) for row in rows
    )
    return PublicProgram(Values("s1", columns, literals), names, columns)
