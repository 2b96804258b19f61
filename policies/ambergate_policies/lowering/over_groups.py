"""Windows and QUALIFY beside GROUP BY, where the groups stay within one person: groups first, windows over them.

`SELECT person_id, code, count(*) ... GROUP BY 1, 2 QUALIFY row_number() OVER (PARTITION BY person_id ORDER BY
count(*) DESC) = 1` is split into a SELECT that groups and one above it that has the windows.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from sqlglot import exp

from ambergate_policies.lowering.outputs import default_name
from ambergate_policies.lowering.spellings import is_aggregate
from ambergate_policies.lowering.text import Reading


@dataclass(slots=True)
class _Split:
    """What the SELECT below yields: keys and aggregates, each under a name that no researcher can have written."""

    keys: list[exp.Expr]
    aggregates: list[exp.Expr] = field(default_factory=list)

    def above(self, node: exp.Expr) -> exp.Expr:
        """The tree with keys and aggregates replaced by the columns below. A window's own function stays."""
        if isinstance(node, exp.Query):
            return node
        if isinstance(node, exp.Window):
            function = node.this
            while isinstance(function, exp.Filter | exp.IgnoreNulls | exp.RespectNulls):
                self._inside(function, {"this"})
                function = function.this
            self._inside(function, set())
            self._inside(node, {"this"})
            return node
        if node in self.keys:
            return _column("key", self.keys.index(node))
        if is_aggregate(node):
            if node not in self.aggregates:
                self.aggregates.append(node.copy())
            return _column("aggregate", self.aggregates.index(node))
        self._inside(node, set())
        return node

    def _inside(self, node: exp.Expr, except_for: set[str]) -> None:
        for child in list(node.iter_expressions()):
            if child.arg_key not in except_for and (changed := self.above(child)) is not child:
                child.replace(changed)


def split(reading: Reading, select: exp.Select, keys: list[exp.Expr]) -> tuple[exp.Select, exp.Select]:
    """The SELECT that groups by `keys`, and the one above it. The FROM of neither is read again."""
    below, above = select.copy(), select.copy()
    parts = _Split([key.copy() for key in keys])
    for item in list(above.expressions):
        if not isinstance(item, exp.Alias):
            item.replace(exp.alias_(item.copy(), default_name(reading, item), quoted=True, copy=False))
    clauses = [clause for key in ("qualify", "order", "windows") for clause in _listed(above.args.get(key))]
    for node in [*above.expressions, *clauses]:
        if isinstance(node, exp.Window):
            parts._inside(node, {"this"})
        else:
            parts.above(node)
    for key in ("where", "group", "having", "joins", "with_", "distinct"):
        above.set(key, None)
    for key in ("qualify", "order", "limit", "offset", "windows", "distinct"):
        below.set(key, None)
    named = [exp.alias_(key.copy(), f"key {place}", quoted=True) for place, key in enumerate(keys)]
    named += [exp.alias_(node, f"aggregate {place}", quoted=True) for place, node in enumerate(parts.aggregates)]
    below.set("expressions", named)
    below.set("group", exp.Group(expressions=[key.copy() for key in keys]))
    return below, above


def _listed(value: object) -> list[exp.Expr]:
    if value is None:
        return []
    return list(value) if isinstance(value, list) else [value] if isinstance(value, exp.Expr) else []


def _column(word: str, place: int) -> exp.Column:
    return exp.column(f"{word} {place}", quoted=True)
