"""Results of one row per person or event: the same question, counted."""

from __future__ import annotations

from collections.abc import Iterator

from sqlglot import exp

from ambergate_policies.advice.cure import Cure
from ambergate_policies.advice.question import Known, Question, has_aggregate
from ambergate_policies.catalogue import Column, ColumnType, Role

_DATES = frozenset({ColumnType.DATE, ColumnType.TIMESTAMP})
_MOST_GROUPS = 3


def _missing_key(question: Question) -> Iterator[str]:
    """A column that is neither grouped by nor aggregated: add it, or take its mean."""
    select = question.select()
    if select is None or not any(has_aggregate(item) for item in select.expressions):
        return
    group = select.args.get("group")
    plain = [item.unalias() for item in select.expressions if not has_aggregate(item)]
    if any(isinstance(item, exp.Star) for item in plain):
        return
    if group is None or not group.args.get("all"):
        missing = [item for item in plain if not _grouped(item, group, select)]
        keys = [item for item in missing if not _is_measure(question, select, item) and not _is_key(question, item)]
        means = {id(item) for item in missing if _is_measure(question, select, item)}
        drop = {id(item) for item in missing if _is_key(question, item)}
        found = group.expressions if group is not None else []
        if keys or means or drop:
            changed = select.copy()
            changed.set(
                "group", exp.Group(expressions=[each.copy() for each in (*found, *keys)]) if found or keys else None
            )
            changed.set("expressions", list(_items(select, means, drop)))
            yield question.printed(changed)


def _items(select: exp.Select, means: set[int], drop: set[int]) -> Iterator[exp.Expr]:
    for item in select.expressions:
        if id(item.unalias()) in drop:
            continue
        yield _mean(item.unalias()) if id(item.unalias()) in means else item.copy()


def _grouped(item: exp.Expr, group: exp.Expr | None, select: exp.Select) -> bool:
    position = next((str(n) for n, each in enumerate(select.expressions, 1) if each.unalias() is item), "")
    alias = next((each.alias.lower() for each in select.expressions if each.unalias() is item and each.alias), None)
    for key in group.expressions if group is not None else ():
        if key == item or key.sql() == position or (alias and key.name.lower() == alias):
            return True
        if isinstance(key, exp.Column) and isinstance(item, exp.Column) and key.name.lower() == item.name.lower():
            return True
    return isinstance(item, exp.Literal)


def _counted(question: Question) -> Iterator[str]:
    """A list of rows: its categories as groups, its numbers as means, and how many persons there are."""
    select = question.select()
    if select is None or any(has_aggregate(item) for item in select.expressions):
        return
    tables = question.tables(select)
    person = next((known for known in tables if known.owner), None)
    if person is None:
        return
    groups, means = _sorted(question, select, tables)
    persons = exp.alias_(exp.Count(this=exp.Distinct(expressions=[_owner(person, tables)])), "persons")
    for some_groups, some_means in ((groups[:_MOST_GROUPS], means), (groups[:1], []), ([], [])):
        changed = select.copy()
        for key in ("order", "limit", "offset", "distinct", "qualify", "sample", "group", "having", "windows"):
            changed.set(key, None)
        items = [*some_groups, *map(_mean, some_means), exp.alias_(exp.Count(this=exp.Star()), "n"), persons]
        changed.set("expressions", [item.copy() for item in items])
        if some_groups:
            changed.set("group", exp.Group(expressions=[item.unalias().copy() for item in some_groups]))
        yield question.printed(changed)


def _sorted(question: Question, select: exp.Select, tables: list[Known]) -> tuple[list[exp.Expr], list[exp.Expr]]:
    """The columns of a list of rows: those to group by (a date by its year), and those to average."""
    groups: list[exp.Expr] = []
    means: list[exp.Expr] = []
    for item in select.expressions:
        node = item.unalias()
        declared = _declared(node, tables)
        if declared is None or declared.role in (Role.OWNER, Role.RECORD):
            continue
        if declared.type in _DATES:
            groups.append(exp.alias_(exp.Year(this=node.copy()), f"{node.name}_year"))
        elif declared.role is Role.MEASURE:
            means.append(node)
        else:
            groups.append(node)
    return groups, means


def _declared(node: exp.Expr, tables: list[Known]) -> Column | None:
    if not isinstance(node, exp.Column):
        return None
    mine = [known for known in tables if node.table.lower() in ("", known.alias.lower())]
    return next((column for known in mine if (column := known.column(node.name)) is not None), None)


def _mean(node: exp.Expr) -> exp.Expr:
    return exp.alias_(exp.Avg(this=node.copy()), f"mean_{node.name}")


def _is_measure(question: Question, select: exp.Select, node: exp.Expr) -> bool:
    declared = _declared(node, question.tables(select))
    return declared is not None and declared.role is Role.MEASURE


def _is_key(question: Question, node: exp.Expr) -> bool:
    owners = {table.owner.lower() for _, table, _ in question.granted() if table.owner}
    return isinstance(node, exp.Column) and node.name.lower() in owners


def _owner(person: Known, tables: list[Known]) -> exp.Expr:
    """The person key as the query can write it: qualified where there are several tables."""
    name = str(person.table.owner)
    return exp.column(name, table=person.alias) if len(tables) > 1 else exp.column(name)


def _one_row_per_person(question: Question) -> Iterator[str]:
    """`SELECT person_id, count(*) ... GROUP BY person_id`: what each person has, then over the persons."""
    select = question.select()
    group = select.args.get("group") if select is not None else None
    if select is None or group is None or not _groups_by_key(question, select):
        return
    inner, measured = select.copy(), []
    for key in ("order", "limit", "offset"):
        inner.set(key, None)
    for number, item in enumerate(inner.expressions):
        if has_aggregate(item):
            name = item.alias or _named_after(item, number)
            item.replace(exp.alias_(item.unalias().copy(), name))
            measured.append((name, item.unalias()))
    if not measured:
        return
    name, aggregate = measured[0]
    declared = _declared(aggregate.find(exp.Column) or aggregate, question.tables(select))
    for outer in _over_persons(name, aggregate, declared):
        query = f"SELECT {outer} FROM ({inner.sql(dialect='duckdb')}) AS per_person"
        if not outer.startswith(("avg", "count(*) AS persons")):
            query += f" GROUP BY {outer.split(',')[0].split(' AS ')[0]}"
        tree: exp.Expr = exp.maybe_parse(query, dialect="duckdb")
        yield question.printed(tree)


def _groups_by_key(question: Question, select: exp.Select) -> bool:
    """Whether the person key is among the groups: by name, by position, or among GROUP BY ALL."""
    group = select.args["group"]
    keyed = {str(n) for n, item in enumerate(select.expressions, 1) if _is_key(question, item.unalias())}
    if group.args.get("all"):
        return bool(keyed)
    return any(_is_key(question, item) or item.sql() in keyed for item in group.expressions)


def _named_after(item: exp.Expr, number: int) -> str:
    """A name for one person's own aggregate: `n` for a count, else after what it is of."""
    column = item.find(exp.Column)
    if isinstance(item, exp.Count) or column is None:
        return "n" if isinstance(item, exp.Count) else f"value_{number}"
    return f"{item.key}_{column.name}".lower()


def _over_persons(name: str, aggregate: exp.Expr, declared: Column | None) -> Iterator[str]:
    """What may be said over all persons of one person's number, date or count."""
    if isinstance(aggregate, exp.Count):
        yield f"{name}, count(*) AS persons"
    if declared is not None and declared.type in _DATES:
        yield f"year({name}) AS {name}_year, count(*) AS persons"
    yield f"avg({name}) AS mean_{name}, count(*) AS persons"
    yield f"{name}, count(*) AS persons"
    yield "count(*) AS persons"


def _without_limit(question: Question) -> Iterator[str]:
    """LIMIT, OFFSET and samples pick individuals: the same without them."""
    tree = question.tree()
    changed = False
    for select in tree.find_all(exp.Select, exp.Table, exp.Subquery) if tree is not None else ():
        inside = select.find_ancestor(exp.Select) is not None
        for key in ("limit", "offset", "sample") if inside else ("sample",):
            if select.args.get(key) is not None:
                select.set(key, None)
                changed = True
    for node in list(tree.find_all(exp.TableSample)) if tree is not None else []:
        if isinstance(node.this, exp.Expr):
            node.replace(node.this.copy())
            changed = True
    if tree is not None and changed:
        yield question.printed(tree)


def _around_first_events(question: Question) -> Iterator[str]:
    """QUALIFY in the outermost SELECT: keep it in a subquery and count around it."""
    select = question.select()
    if select is None or select.args.get("qualify") is None:
        return
    person = next((known for known in question.tables(select) if known.owner), None)
    if person is None:
        return
    inner = select.copy()
    for key in ("order", "limit", "offset"):
        inner.set(key, None)
    own = [item for item in inner.expressions if not isinstance(item, exp.Star) and not item.find(exp.Window)]
    keyed = [item for item in own if not _is_key(question, item.unalias())]
    inner.set("expressions", [_owner(person, question.tables(select)), *keyed])
    text = f"SELECT count(*) AS persons FROM ({inner.sql(dialect='duckdb')}) AS first_rows"
    yield question.printed(exp.maybe_parse(text, dialect="duckdb"))


def _set_of_persons(question: Question) -> Iterator[str]:
    """`SELECT person_id ... INTERSECT SELECT person_id ...`: how many persons that are."""
    tree = question.tree()
    if not isinstance(tree, exp.SetOperation):
        return
    first: exp.Expr = tree
    while isinstance(first, exp.SetOperation):
        first = first.this
    key = next((item for item in first.expressions if _is_key(question, item.unalias())), None)
    if key is not None:
        text = f"SELECT count(DISTINCT {key.alias_or_name}) AS persons FROM ({tree.sql(dialect='duckdb')}) AS together"
        yield question.printed(exp.maybe_parse(text, dialect="duckdb"))


_ROWS = frozenset({"row-level", "owner-opaque"})
CURES: tuple[Cure, ...] = (
    Cure("persons of a set operation", _ROWS | {"set-operation"}, _set_of_persons),
    Cure("QUALIFY in the outermost SELECT", frozenset({"window", "row-level"}), _around_first_events),
    Cure(
        "LIMIT or a sample below the result",
        frozenset({"row-level", "syntax"}),
        _without_limit,
        "no rows can be picked: ask about all of them",
    ),
    Cure("one row per person", _ROWS, _one_row_per_person),
    Cure("a column missing in GROUP BY", _ROWS, _missing_key),
    Cure("a list of rows", _ROWS | {"window"}, _counted, "count or average them"),
)
