"""Joins of person tables off the person key."""

from __future__ import annotations

from collections.abc import Iterator

from sqlglot import exp

from ambergate_policies.advice.cure import Cure
from ambergate_policies.advice.question import Question, conjuncts, with_condition


def _on_the_person_key(question: Question) -> Iterator[str]:
    """First with the query's own condition besides the key, then with the key alone."""
    for keep in (True, False):
        tree = question.tree()
        if tree is None:
            return
        changed = [_joined(question, select, keep=keep) for select in tree.find_all(exp.Select)]
        if any(changed):
            yield question.printed(tree)


def _joined(question: Question, select: exp.Select, *, keep: bool) -> bool:
    """Give every join of two person tables an equality of their keys; says whether anything changed."""
    known = {each.alias.lower(): each for each in question.tables(select) if each.owner}
    clause = select.args.get("from_")
    first = known.get(clause.this.alias_or_name.lower()) if clause is not None else None
    if first is None:
        return False
    changed = False
    for join in select.args.get("joins") or ():
        other = known.get(join.this.alias_or_name.lower())
        if other is None:
            continue
        equality = exp.condition(f"{first.owner} = {other.owner}", dialect="duckdb")
        on = join.args.get("on")
        parts = conjuncts(on) if on is not None else []
        if any(_is_of_keys(part, {str(each.table.owner).lower() for each in known.values()}) for part in parts):
            continue
        join.set("using", None)
        join.set("kind", None if str(join.args.get("kind")).upper() == "CROSS" else join.args.get("kind"))
        join.set("on", exp.and_(equality, *(parts if keep else []), copy=False))
        changed = True
    return changed


def _is_of_keys(part: exp.Expr, owners: set[str]) -> bool:
    if not isinstance(part, exp.EQ):
        return False
    sides = (part.this, part.expression)
    return all(isinstance(side, exp.Column) and side.name.lower() in owners for side in sides)


def _inner_key_in_subquery(question: Question) -> Iterator[str]:
    """`IN (SELECT person_id, ...)`: the subquery selects the person key and nothing else."""
    tree = question.tree()
    changed = False
    for part in list(tree.find_all(exp.In)) if tree is not None else []:
        query = part.args.get("query")
        inner = query.this if isinstance(query, exp.Subquery) else query
        known = question.tables(inner) if isinstance(inner, exp.Select) else []
        if isinstance(inner, exp.Select) and known and known[0].table.owner:
            inner.set("expressions", [exp.column(known[0].table.owner)])
            inner.set("distinct", None)
            changed = True
    if tree is not None and changed:
        yield question.printed(tree)


def _exists_about_the_same_person(question: Question) -> Iterator[str]:
    """`EXISTS (SELECT 1 FROM event)`: about the row's own person."""
    tree = question.tree()
    changed = False
    for part in list(tree.find_all(exp.Exists)) if tree is not None else []:
        inner = part.this.this if isinstance(part.this, exp.Subquery) else part.this
        outer = part.find_ancestor(exp.Select)
        if not isinstance(inner, exp.Select) or outer is None:
            continue
        theirs, mine = question.tables(inner), question.tables(outer)
        if theirs and mine and theirs[0].owner and mine[0].owner and theirs[0].alias != mine[0].alias:
            where = inner.args.get("where")
            equality = exp.condition(f"{theirs[0].owner} = {mine[0].owner}", dialect="duckdb")
            with_condition(inner, "where", [equality, *(conjuncts(where.this) if where is not None else [])])
            changed = True
    if tree is not None and changed:
        yield question.printed(tree)


_JOIN = frozenset({"join-on-owner"})
CURES: tuple[Cure, ...] = (
    Cure("a join of persons off the person key", _JOIN | {"unknown-column"}, _on_the_person_key),
    Cure("IN with more than the person key", frozenset({"subquery"}), _inner_key_in_subquery),
    Cure("EXISTS about anybody", _JOIN | {"subquery"}, _exists_about_the_same_person),
)
