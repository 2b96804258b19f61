"""An output's alias used elsewhere in the same SELECT: in WHERE, GROUP BY, HAVING, QUALIFY, windows and later outputs.

Such a name stands for the output's expression, and is replaced by it in the tree before anything is lowered. A column
of the tables goes before an alias, as in the engine; an output sees only the outputs before it.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlglot import exp

from ambergate_policies.lowering.scope import Names, Scope
from ambergate_policies.lowering.sets import ALIAS_KEYS
from ambergate_policies.verdict import QueryRefused

MAX_NODES = 20_000
_CLAUSES = ("where", "group", "having", "qualify", "order")


@dataclass(slots=True)
class _Aliases:
    """The outputs' expressions by name, those of the outputs so far."""

    names: Names
    scope: Scope
    known: dict[str, exp.Expr]
    nodes: int = 0

    def expand(self, node: exp.Expr) -> exp.Expr:
        """The tree with every alias in it replaced; nested queries have names of their own."""
        if isinstance(node, exp.Query | exp.Subquery):
            return node
        if isinstance(node, exp.Column):
            return self._meant(node)
        for child in list(node.iter_expressions()):
            if (changed := self.expand(child)) is not child:
                child.replace(changed)
        return node

    def _meant(self, node: exp.Column) -> exp.Expr:
        if node.table or isinstance(node.this, exp.Star) or node.name.lower() not in self.known:
            return node
        if self._is_column(node):
            return node
        meant = self.known[node.name.lower()].copy()
        self.nodes += sum(1 for _ in meant.walk())
        if self.nodes > MAX_NODES:
            message = "aliases that are made of aliases grow too large"
            raise self.names.reading.refuse("size", message, node, hint="use a subquery for each step")
        return meant if isinstance(meant, exp.Column | exp.Literal) else exp.Paren(this=meant)

    def _is_column(self, node: exp.Column) -> bool:
        try:
            self.names.column(self.scope, node)
        except QueryRefused as refusal:
            return refusal.findings[0].rule != "unknown-column"
        return True


def expand_aliases(select: exp.Select, names: Names, scope: Scope) -> None:
    """Replace, in place, the aliases that a SELECT uses beside its tables' columns."""
    if not any(isinstance(item, exp.Alias) for item in select.expressions):
        return
    aliases = _Aliases(names, scope, {})
    for item in select.expressions:
        _expand_output(aliases, item)
        if isinstance(item, exp.Alias):
            aliases.known.setdefault(item.alias.lower(), item.this)
    for key in _CLAUSES:
        clause = select.args.get(key)
        if clause is not None and key == "order":
            _expand_order(aliases, clause)
        elif clause is not None:
            aliases.expand(clause)


def check_alias_keys(select: exp.Select, names: Names, scope: Scope) -> None:
    """A key of grouping sets that was taken for an alias must be no column: the engine would group by that."""
    for name in select.meta.get(ALIAS_KEYS, ()):
        try:
            names.column(scope, exp.column(name, quoted=True))
        except QueryRefused as refusal:
            if refusal.findings[0].rule == "unknown-column":
                continue
        hint = "give the output another name"
        raise names.reading.refuse("ambiguous", f"{name!r} is a column and an output", select, hint=hint)


def _expand_output(aliases: _Aliases, item: exp.Expr) -> None:
    changed = aliases.expand(item)
    if changed is not item:  # the output keeps the name that was written
        item.replace(exp.alias_(changed, item.name, quoted=True, copy=False))


def _expand_order(aliases: _Aliases, order: exp.Expr) -> None:
    """A name alone is an output first: the lowering knows. Inside of an expression it is a column first."""
    for term in order.expressions:
        if isinstance(term, exp.Ordered) and not isinstance(term.this, exp.Column):
            aliases.expand(term)
