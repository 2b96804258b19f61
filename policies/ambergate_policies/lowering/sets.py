"""ROLLUP, CUBE and GROUPING SETS, written out as a UNION ALL of one SELECT for each set.

Each set is cleared as a table of its own. Tables with fewer keys hold the margins of those with more: what a margin
gives away beside its parts is asked for in `margins.py`, so every SELECT is told which finer ones stand beside it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import combinations, product

from sqlglot import exp

from ambergate_policies.lowering.outputs import default_name, given, same
from ambergate_policies.lowering.spellings import has_aggregate
from ambergate_policies.lowering.text import Reading
from ambergate_policies.lowering.windows import holds_window

MAX_SETS = 32
FINER = "ambergate_finer"
"""Where a SELECT's tree keeps the key lists of the finer SELECTs beside it, each with its `Sibling`."""
ALIAS_KEYS = "ambergate_alias_keys"
"""Where it keeps the names that were taken for aliases: no column of its tables may have one of them."""


@dataclass(slots=True)
class Sibling:
    """One of the SELECTs: the step that it has become, once it has."""

    keys: list[exp.Expr]
    table: str | None = None
    finer: list[Sibling] = field(default_factory=list)


def is_spread(select: exp.Select) -> bool:
    group = select.args.get("group")
    if group is None:
        return False
    kinds = exp.Rollup | exp.Cube | exp.GroupingSets
    return any(isinstance(node, kinds) for node in group.expressions) or bool(
        set(given(group)) & {"rollup", "cube", "grouping_sets"}
    )


def spread(reading: Reading, select: exp.Select) -> None:
    """Make a SELECT with grouping sets, in place, one from the union of its sets. Others stay as they are."""
    if not is_spread(select):
        return
    group = select.args["group"]
    if set(given(group)) - {"expressions"} or any(item.is_star for item in select.expressions):
        raise reading.refuse("syntax", "these grouping sets cannot be read", group, hint="GROUP BY ROLLUP (a, b)")
    if select.args.get("qualify") is not None or any(holds_window(item) for item in select.expressions):
        message = "a window beside grouping sets could be read in two ways"
        raise reading.refuse("window", message, group, hint="put the grouped SELECT into a WITH part")
    if not any(has_aggregate(item) for item in select.expressions):
        message = "grouping sets without an aggregate are not understood"
        raise reading.refuse("syntax", message, group, hint="add count(*)")
    taken: set[str] = set()
    sets = [[_meant(reading, select, key, taken) for key in keys] for keys in _sets(reading, group)]
    sets.sort(key=len, reverse=True)
    everything = list(dict.fromkeys(key for keys in sets for key in keys))
    names = _named(reading, select)
    order = _ordered(select, names)
    siblings = [Sibling(keys) for keys in sets]
    branches = [_branch(reading, select, sibling, everything, taken) for sibling in siblings]
    for sibling, branch in zip(siblings, branches, strict=True):
        mine = set(sibling.keys)
        sibling.finer = [other for other in siblings if mine < set(other.keys)]
        branch.meta[FINER] = sibling
    _rewrap(select, branches, names, order)


def _sets(reading: Reading, group: exp.Group) -> list[list[exp.Expr]]:
    """The key lists that a GROUP BY stands for: the product of its elements."""
    elements = [_element(reading, node) for node in group.expressions]
    number = 1
    for element in elements:
        number *= len(element)
    if number > MAX_SETS:
        raise reading.refuse("size", f"more than {MAX_SETS} grouping sets", group, hint="name the sets that you need")
    return [list(dict.fromkeys(key for part in chosen for key in part)) for chosen in product(*elements)]


def _element(reading: Reading, node: exp.Expr) -> list[list[exp.Expr]]:
    if isinstance(node, exp.Rollup):
        parts = [_keys(part) for part in node.expressions]
        return [[key for part in parts[:size] for key in part] for size in range(len(parts), -1, -1)]
    if isinstance(node, exp.Cube):
        parts = [_keys(part) for part in node.expressions]
        if 2 ** len(parts) > MAX_SETS:
            raise reading.refuse(
                "size", f"more than {MAX_SETS} grouping sets", node, hint="name the sets that you need"
            )
        sizes = range(len(parts), -1, -1)
        return [[key for part in chosen for key in part] for size in sizes for chosen in combinations(parts, size)]
    if isinstance(node, exp.GroupingSets):
        return [keys for part in node.expressions for keys in _element_of_sets(reading, part)]
    return [[node]]


def _element_of_sets(reading: Reading, node: exp.Expr) -> list[list[exp.Expr]]:
    if isinstance(node, exp.Rollup | exp.Cube | exp.GroupingSets):
        return _element(reading, node)
    return [_keys(node)]


def _keys(node: exp.Expr) -> list[exp.Expr]:
    if isinstance(node, exp.Tuple):
        return list(node.expressions)
    return [node.this if isinstance(node, exp.Paren) else node]


def _meant(reading: Reading, select: exp.Select, key: exp.Expr, taken: set[str]) -> exp.Expr:
    """A key as an expression: a position or an alias stands for its output. A name that an output computes from itself
    (`coalesce(sex, 'all') AS sex`) is the column's."""
    items = select.expressions
    if isinstance(key, exp.Literal) and not key.is_string:
        place = int(key.this) if str(key.this).isdigit() else 0
        if not 1 <= place <= len(items):
            raise reading.refuse("syntax", "GROUP BY names a position that does not exist", key)
        found: exp.Expr = items[place - 1].unalias()
        return found
    if isinstance(key, exp.Column) and not key.table:
        for item in items:
            if isinstance(item, exp.Alias) and same(item.alias, key.name):
                itself = any(same(column.name, key.name) for column in item.this.find_all(exp.Column))
                if not itself:
                    taken.add(key.name.lower())
                    meant: exp.Expr = item.this
                    return meant
    return key


def _named(reading: Reading, select: exp.Select) -> list[str]:
    """Give every output a name. Refuses two of one name: the union could not tell them apart."""
    names = []
    for item in list(select.expressions):
        name = item.alias if isinstance(item, exp.Alias) else default_name(reading, item)
        if not isinstance(item, exp.Alias):
            item.replace(exp.alias_(item.copy(), name, quoted=True, copy=False))
        names.append(name)
    if len({name.lower() for name in names}) != len(names):
        message = "two outputs have the same name"
        raise reading.refuse("ambiguous", message, select, hint="give each a name of its own with AS")
    return names


def _ordered(select: exp.Select, names: list[str]) -> list[exp.Expr]:
    """The terms of ORDER BY over the union; what is no output becomes a further, unseen one."""
    clause = select.args.get("order")
    terms = []
    for place, term in enumerate(clause.expressions if clause is not None else ()):
        node, above = term.this, term.copy()
        named = isinstance(node, exp.Column) and not node.table and any(same(node.name, name) for name in names)
        if not named and not (isinstance(node, exp.Literal) and not node.is_string):
            name = f"order {place + 1}"
            select.append("expressions", exp.alias_(node.copy(), name, quoted=True, copy=False))
            above.set("this", exp.column(name, quoted=True))
        terms.append(above)
    return terms


def _branch(
    reading: Reading, select: exp.Select, sibling: Sibling, everything: list[exp.Expr], taken: set[str]
) -> exp.Select:
    branch = select.copy()
    for key in ("with_", "order", "limit", "offset", "distinct"):
        branch.set(key, None)
    missing = [key for key in everything if key not in sibling.keys]
    having = branch.args.get("having")
    for node in [*branch.expressions, *([having] if having is not None else [])]:
        _without(reading, node, sibling.keys, missing)
    branch.set("group", exp.Group(expressions=[key.copy() for key in sibling.keys]))
    branch.meta[ALIAS_KEYS] = sorted(taken)
    return branch


def _without(reading: Reading, node: exp.Expr, present: list[exp.Expr], missing: list[exp.Expr]) -> None:
    """Replace what is not grouped by here with NULL, and GROUPING(...) with its number."""
    for child in list(node.iter_expressions()):
        if isinstance(child, exp.Grouping | exp.GroupingId):
            child.replace(exp.Literal.number(_grouping(reading, child, present, missing)))
        elif isinstance(child, exp.AggFunc | exp.Filter | exp.WithinGroup | exp.Query):
            continue
        elif any(_is_same(child, key) for key in missing):
            child.replace(exp.Null())
        else:
            _without(reading, child, present, missing)


def _grouping(reading: Reading, node: exp.Expr, present: list[exp.Expr], missing: list[exp.Expr]) -> int:
    """A bit for each argument, the last one lowest: 1 where it is not grouped by."""
    number = 0
    for argument in node.expressions:
        out = any(_is_same(argument, key) for key in missing)
        if not out and not any(_is_same(argument, key) for key in present):
            raise reading.refuse("syntax", "GROUPING takes what is grouped by", node, hint="GROUPING(sex)")
        number = number * 2 + out
    return number


def _is_same(one: exp.Expr, other: exp.Expr) -> bool:
    if isinstance(one, exp.Column) and isinstance(other, exp.Column) and same(one.name, other.name):
        return not one.table or not other.table or same(one.table, other.table)
    return bool(one == other)


def _rewrap(select: exp.Select, branches: list[exp.Select], names: list[str], order: list[exp.Expr]) -> None:
    """Leave in the SELECT what stands above the union."""
    union: exp.Expr = branches[0]
    for branch in branches[1:]:
        union = exp.Union(this=union, expression=branch, distinct=False)
    for key in ("where", "group", "having", "joins", "windows"):
        select.set(key, None)
    alias = exp.TableAlias(this=exp.to_identifier("grouping sets", quoted=True))
    inner: exp.Expr = union if len(branches) > 1 else branches[0]
    select.set("from_", exp.From(this=exp.Subquery(this=inner, alias=alias)))
    select.set("expressions", [exp.column(name, quoted=True) for name in names])
    select.set("order", exp.Order(expressions=order) if order else None)
