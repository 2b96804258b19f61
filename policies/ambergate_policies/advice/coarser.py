"""What would pass where a result was suppressed: coarser groups, or a statistic that no single person moves.

Reads the researcher's text, the columns' declarations and what was released; nothing of what was withheld but the band
that the result itself tells.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

from sqlglot import exp

from ambergate_policies.advice.question import Known, Question, has_aggregate
from ambergate_policies.agreement import Agreement
from ambergate_policies.catalogue import Catalogue, Column, ColumnType, Role
from ambergate_policies.verdict import Decision, Finding

_FINENESS = {ColumnType.TIMESTAMP: 5, ColumnType.DOUBLE: 5, ColumnType.DECIMAL: 5, ColumnType.DATE: 4,
             ColumnType.BIGINT: 3, ColumnType.VARCHAR: 2, ColumnType.INTEGER: 2, ColumnType.BOOLEAN: 0}  # fmt: skip
_FEW_VALUES = 12
"""A key with no more values than this is a band already: it is left out rather than made coarser."""
_NUMBERS = frozenset({ColumnType.INTEGER, ColumnType.BIGINT, ColumnType.DOUBLE, ColumnType.DECIMAL})
_BY_GROUPS = frozenset({"threshold", "margin", "class-disclosure", "degrees-of-freedom", "dominance"})


@dataclass(frozen=True, slots=True)
class Shown:
    """What was released of a result: its rows, how many different values each column has, by position, and the band in
    which the number of withheld groups lies. All of it is in the researcher's hands already."""

    rows: int = 0
    different: Mapping[int, int] | None = None
    withheld: int = 0


@dataclass(frozen=True, slots=True)
class _Key:
    """One thing that is grouped by: where it stands in the select list, if it does, and what the catalogue says."""

    node: exp.Expr
    position: int | None
    declared: Column | None

    def seen(self, shown: Shown) -> int:
        """How many different values of it were released; 0 where it is not among the columns."""
        return (shown.different or {}).get(self.position, 0) if self.position is not None else 0

    def fineness(self, shown: Shown) -> tuple[int, int]:
        seen = self.seen(shown)
        declared = _FINENESS.get(self.declared.type, 1) if self.declared is not None else 1
        return (seen, declared) if shown.rows else (declared, seen)


def explained(
    text: str,
    findings: tuple[Finding, ...],
    shown: Shown,
    catalogue: Catalogue,
    agreement: Agreement,
    accepts: Callable[[str], Finding | None],
) -> tuple[Finding, ...]:
    """The findings on a result. The first of each rule that suppressed or held something says which key is the finest,
    and has a rewrite that `accepts` takes; no rewrite is offered twice."""
    found: list[Finding] = []
    for finding in findings:
        seen = {each.rule for each in found if each.action is not Decision.RELEASE}
        if finding.rule in _BY_GROUPS - seen and finding.action in (Decision.SUPPRESS, Decision.HOLD):
            finding = _explained(Question(text, finding, catalogue, agreement), shown, accepts)
            if finding.rewrite in {each.rewrite for each in found}:
                finding = replace(finding, rewrite=None)
        found.append(finding)
    return tuple(found)


def _explained(question: Question, shown: Shown, accepts: Callable[[str], Finding | None]) -> Finding:
    finding = question.finding
    if "withheld" in finding.message and shown.withheld:
        beside = f"beside {shown.rows} that are shown" if shown.rows else "and none is left to show"
        finding = replace(finding, message=f"{finding.message}: up to {shown.withheld} of them, {beside}")
    for words, candidate in _candidates(question, shown):
        if candidate and accepts(candidate) is None:
            return replace(finding, hint=words or finding.hint, rewrite=candidate)
    return finding


def _candidates(question: Question, shown: Shown) -> Iterator[tuple[str, str]]:
    if question.finding.rule == "dominance":
        yield from _medians(question)
    select = question.select()
    keys = sorted(_keys(question, select), key=lambda key: key.fineness(shown), reverse=True) if select else []
    for key in keys[:1]:
        name = key.node.sql(dialect="duckdb")
        forms = [] if 0 < key.seen(shown) <= _FEW_VALUES else list(_coarser(key))
        for coarse in forms if shown.rows else reversed(forms):  # where nothing is left, the coarsest first
            written = coarse.sql(dialect="duckdb", normalize_functions="lower")
            words = f"{name} is the finest of what is grouped by; {written} is coarser"
            yield words, _with(question, key, coarse)
        if len(keys) > 1:
            yield f"{name} is the finest of what is grouped by; leave it out", _with(question, key, None)


def _keys(question: Question, select: exp.Select | None) -> Iterator[_Key]:
    group = select.args.get("group") if select is not None else None
    if select is None or (group is None and select.args.get("distinct") is None):
        return
    tables = question.tables(select)
    items = [item.unalias() for item in select.expressions]
    nodes = items if group is None or group.args.get("all") else [_meant(node, select) for node in group.expressions]
    for node in nodes:
        if not has_aggregate(node) and isinstance(node, exp.Expr) and node.find(exp.Column):
            position = next((index for index, item in enumerate(items) if item == node), None)
            yield _Key(node, position, _declared(node, tables))


def _meant(node: exp.Expr, select: exp.Select) -> exp.Expr:
    """What a position or an alias in GROUP BY stands for."""
    if isinstance(node, exp.Literal) and str(node.this).isdigit() and 0 < int(node.this) <= len(select.expressions):
        item: exp.Expr = select.expressions[int(node.this) - 1]
        return item.unalias()
    named: list[exp.Expr] = [
        item for item in select.expressions if isinstance(item, exp.Alias) and item.alias == node.name
    ]
    return named[0].this if named and isinstance(node, exp.Column) and not node.table else node


def _declared(node: exp.Expr, tables: list[Known]) -> Column | None:
    if not isinstance(node, exp.Column):
        return None
    mine = [known for known in tables if node.table.lower() in ("", known.alias.lower())]
    return next((column for known in mine if (column := known.column(node.name)) is not None), None)


def _coarser(key: _Key) -> Iterator[exp.Expr]:
    """Coarser forms of a key, the mildest first."""
    node, declared = key.node, key.declared
    if isinstance(node, exp.TimestampTrunc | exp.DateTrunc) or declared is None:
        inner = node.this if isinstance(node, exp.TimestampTrunc | exp.DateTrunc) else None
        if inner is not None:
            yield exp.Year(this=inner.copy())
        return
    name = node.sql(dialect="duckdb")
    if declared.type in (ColumnType.DATE, ColumnType.TIMESTAMP):
        forms = [f"date_trunc('month', {name})", f"year({name})"]
    elif declared.type in _NUMBERS and declared.role in (Role.QUASI, Role.MEASURE):
        forms = [f"floor({name} / 10) * 10"]
    else:
        forms = [f"left({name}, 3)", f"left({name}, 1)"] if declared.role is Role.CODE else []
    for form in forms:
        yield exp.maybe_parse(form, dialect="duckdb")


def _with(question: Question, key: _Key, coarse: exp.Expr | None) -> str:
    """The query with a key in a coarser form wherever it stands in the outermost SELECT, or without it."""
    select = question.select()
    if select is None:
        return ""
    if coarse is None:
        return _without(question, select, key.node)
    named = (
        coarse if any(isinstance(item, exp.Alias) and item.this == key.node for item in select.expressions) else None
    )
    for part in ("expressions", "group", "order", "having"):
        value = select.args.get(part)
        for holder in value if isinstance(value, list) else [value] if value is not None else []:
            for twin in [each for each in holder.find_all(type(key.node)) if each == key.node]:
                alone = part == "expressions" and twin is holder and named is None
                new = exp.alias_(coarse.copy(), key.node.name, quoted=False) if alone else coarse.copy()
                twin.replace(new)
    if (group := select.args.get("group")) is not None and not group.args.get("all"):
        group.set("expressions", [coarse.copy() if each == key.node else each for each in group.expressions])
    return question.printed(select)


def _without(question: Question, select: exp.Select, node: exp.Expr) -> str:
    positions = {str(number) for number, item in enumerate(select.expressions, 1) if item.unalias() == node}
    names = {item.alias for item in select.expressions if item.unalias() == node and item.alias}
    group = select.args.get("group")
    if group is not None and not group.args.get("all"):
        kept = [each for each in group.expressions if _meant(each, select) != node and each.name not in names]
        if any(each.sql().isdigit() for each in kept) and positions:
            kept = [_meant(each, select).copy() for each in kept]
        select.set("group", exp.Group(expressions=kept) if kept else None)
    select.set("expressions", [item for item in select.expressions if item.unalias() != node])
    order = select.args.get("order")
    if order is not None:
        items = [item for item in order.expressions if item.this != node and item.name not in names]
        order.set("expressions", items)
        if not items or any(str(item.this).isdigit() for item in items):
            select.set("order", None)
    return question.printed(select)


def _medians(question: Question) -> Iterator[tuple[str, str]]:
    """A mean or a total that one person moves: the middle value."""
    select = question.select()
    changed = False
    for node in list(select.find_all(exp.Avg, exp.Sum)) if select is not None else []:
        if isinstance(node.this, exp.Column):
            node.replace(exp.Median(this=node.this.copy()))
            changed = True
    if select is not None and changed:
        yield "no single person moves a median", question.printed(select)
