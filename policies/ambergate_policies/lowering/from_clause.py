"""FROM: from tables, subqueries and joins to one relation of person rows (or of public rows)."""

from __future__ import annotations

from sqlglot import exp

from ambergate_policies.algebra.expressions import (
    Column,
    Literal,
)
from ambergate_policies.algebra.kinds import Kind
from ambergate_policies.algebra.relations import Relation, Values
from ambergate_policies.lowering.joins import Joins, column_equalities
from ambergate_policies.lowering.rows import Rows, Subquery
from ambergate_policies.lowering.scope import Names, Scope, Source
from ambergate_policies.lowering.written import only, renamed, series_table, values_table


class FromClause:
    """Lowers one FROM with its joins. `subquery` lowers a nested SELECT, `ctes` are the WITH names in reach."""

    def __init__(self, names: Names, ctes: dict[str, exp.Expr], subquery: Subquery) -> None:
        self.names = names
        self.reading = names.reading
        self.ctes = ctes
        self.subquery = subquery

    def lower(self, select: exp.Select) -> Rows:
        """The joined rows of a SELECT. Refuses a SELECT without FROM."""
        clause = select.args.get("from_")
        if clause is None:
            return self._nothing()
        where = select.args.get("where")
        equalities = list(column_equalities(where.this)) if where is not None else []
        rows, joins = self._first(clause.this), Joins(self.names, self._item)
        for item in (*(clause.this.args.get("joins") or ()), *(select.args.get("joins") or ())):
            joins.join(rows, item, equalities)
        return rows

    def _nothing(self) -> Rows:
        """A SELECT without FROM has one row, about nobody."""
        source = self.names.fresh()
        one = Column(source, "v0", Kind.INT)
        return Rows(Values(source, (one,), ((Literal(1, Kind.INT),),)), Scope(), ())

    def _first(self, node: exp.Expr) -> Rows:
        relation, source = self._item(node)
        owners = (source.owner,) if source.owner else ()
        linked = {owner.source for owner in owners}
        return Rows(relation, Scope([source]), owners, linked, repeated=source.repeated)

    def _item(self, node: exp.Expr) -> tuple[Relation, Source]:
        alias = node.args.get("alias")
        names = [item.name for item in (alias.args.get("columns") or ())] if alias is not None else []
        relation, source = self._unnamed_item(node)
        return relation, renamed(self.reading, node, source, [] if isinstance(node, exp.Values) else names)

    def _unnamed_item(self, node: exp.Expr) -> tuple[Relation, Source]:
        """A FROM item without the list of column names behind its alias."""
        if isinstance(node, exp.Unnest) or (isinstance(node, exp.Table) and isinstance(node.this, exp.GenerateSeries)):
            return series_table(self.names, node)
        if isinstance(node, exp.Table):
            return self._table(node)
        if isinstance(node, exp.Subquery) and isinstance(node.this, exp.Select | exp.SetOperation):
            only(self.reading, node, {"this", "alias"})
            return self.subquery(node.this, node.alias or "")
        if isinstance(node, exp.Values):
            return values_table(self.names, node)
        if isinstance(node, exp.Lateral):
            raise self.reading.refuse("subquery", "LATERAL is not understood", node, hint="join on the person key")
        raise self.reading.refuse(
            "unknown-table",
            "only granted tables and subqueries may follow FROM",
            node,
            hint="use a granted table, a subquery, VALUES, range(...) or unnest([...])",
        )

    def _table(self, node: exp.Table) -> tuple[Relation, Source]:
        if not isinstance(node.this, exp.Identifier):
            message = "table functions and files cannot be read"
            raise self.reading.refuse("unknown-table", message, node, hint="use a granted table")
        only(self.reading, node, {"this", "alias", "db", "catalog", "joins"})
        name = node.name
        if not node.args.get("db") and name.lower() in self.ctes:
            cte = self.ctes[name.lower()]
            relation, source = self.subquery(cte, node.alias or name)
            return relation, renamed(self.reading, node, source, cte.meta.get("ambergate_columns", []))
        return self.names.granted_table(node, node.alias or name)
