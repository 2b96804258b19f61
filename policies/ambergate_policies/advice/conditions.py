"""Conditions that cannot stand: on the person key, on an aggregate, on chance, or of a kind that does not compare."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import date

from sqlglot import exp

from ambergate_policies.advice.cure import Cure
from ambergate_policies.advice.question import Question, conjuncts, has_aggregate, with_condition
from ambergate_policies.catalogue import ColumnType

_DAY_FIRST = re.compile(r"(\d{1,2})[/.\- ](\d{1,2})[/.\- ](\d{4})")
_YEAR_FIRST = re.compile(r"(\d{4})[/.\- ]?(\d{2})[/.\- ]?(\d{2})")
_NAMED = re.compile(r"(\d{1,2})[ \-]?([A-Za-z]{3,9})[ \-]?(\d{4})")
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_COMPARED = (exp.EQ, exp.NEQ, exp.GT, exp.GTE, exp.LT, exp.LTE, exp.Between)


def without_conjuncts(question: Question, unwanted: Callable[[exp.Expr], bool]) -> Iterator[str]:
    """The query without the parts of its WHEREs that are unwanted, where there are any."""
    tree = question.tree()
    changed = False
    for select in tree.find_all(exp.Select) if tree is not None else ():
        where = select.args.get("where")
        parts = conjuncts(where.this) if where is not None else []
        kept = [part for part in parts if not unwanted(part)]
        if len(kept) < len(parts):
            with_condition(select, "where", kept)
            changed = True
    if tree is not None and changed:
        yield question.printed(tree)


def _about_the_key(question: Question) -> Iterator[str]:
    """`person_id = 'P17'`, or a function of the key: the same question without it."""
    owners = {table.owner.lower() for _, table, _ in question.granted() if table.owner}

    def unwanted(part: exp.Expr) -> bool:
        columns = list(part.find_all(exp.Column))
        keyed = [column for column in columns if column.name.lower() in owners]
        return bool(keyed) and not part.find(exp.Select) and len(keyed) < 2

    yield from without_conjuncts(question, unwanted)


def _functions_of_the_key(question: Question) -> Iterator[str]:
    """`substr(person_id, 1, 2)` among the results or groups: the same without that column."""
    select = question.select()
    if select is None:
        return
    owners = {known.table.owner.lower() for known in question.tables(select) if known.table.owner}

    def unwanted(item: exp.Expr) -> bool:
        return any(column.name.lower() in owners for column in item.find_all(exp.Column)) and not has_aggregate(item)

    kept = [item for item in select.expressions if not unwanted(item)]
    positions = {str(number) for number, item in enumerate(select.expressions, 1) if unwanted(item)}
    names = {item.alias.lower() for item in select.expressions if unwanted(item) and item.alias}
    group = select.args.get("group")
    if not kept or len(kept) == len(select.expressions):
        return
    if group is not None:
        groups = [
            item
            for item in group.expressions
            if not unwanted(item) and item.sql() not in positions and item.name.lower() not in names
        ]
        select.set("group", exp.Group(expressions=groups) if groups else None)
    select.set("expressions", kept)
    yield question.printed(select)


def _aggregate_in_where(question: Question) -> Iterator[str]:
    """`WHERE count(*) > 10`: conditions on groups stand in HAVING."""
    select = question.select()
    where = select.args.get("where") if select is not None else None
    if select is None or where is None:
        return
    parts = conjuncts(where.this)
    moved = [part for part in parts if has_aggregate(part)]
    if not moved:
        return
    having = select.args.get("having")
    with_condition(select, "where", [part for part in parts if not has_aggregate(part)])
    with_condition(select, "having", [*moved, *(conjuncts(having.this) if having is not None else [])])
    yield question.printed(select)


def _grouped_by_an_aggregate(question: Question) -> Iterator[str]:
    """`GROUP BY` of an aggregate: the other columns are what is grouped by."""
    select = question.select()
    if select is None or select.args.get("group") is None:
        return
    plain = [item.unalias().copy() for item in select.expressions if not has_aggregate(item)]
    select.set("group", exp.Group(expressions=plain) if plain else None)
    yield question.printed(select)


def _chance(question: Question) -> Iterator[str]:
    """`WHERE random() < 0.1`: everybody instead of some."""
    yield from without_conjuncts(question, lambda part: bool(part.find(exp.Rand)) or "random" in part.sql().lower())


def _row_number(question: Question) -> Iterator[str]:
    """`WHERE rownum < 10` picks rows; the question about all of them."""
    if question.fragment.lower() in ("rownum", "rowid"):
        yield from without_conjuncts(question, lambda part: question.fragment.lower() in part.sql().lower())


def _date_as_text(question: Question) -> Iterator[str]:
    """`'01/02/2020'`, read with the day first as in British records: `DATE '2020-02-01'`."""
    text = question.text
    for token in reversed(question.tokens()):
        if text[token.start : token.start + 1] == "'" and (day := _day(token.text)) is not None:
            before = text[: token.start]
            written = "" if before.rstrip().lower().endswith("date") else "DATE "
            text = f"{before}{written}'{day.isoformat()}'{text[token.end + 1 :]}"
    if text != question.text:
        yield text


def _date_without_quotes(question: Question) -> Iterator[str]:
    """`issued_on >= 01/01/2020`, which is a division."""
    text = re.sub(r"(?<!['\w])\d{1,2}/\d{1,2}/\d{4}(?!['\w])", _written_day, question.text)
    text = re.sub(r"(?<!['\w])\d{4}-\d{2}-\d{2}(?!['\w])", _written_day, text)
    if text != question.text:
        yield text


def _written_day(match: re.Match[str]) -> str:
    day = _day(match[0])
    return f"DATE '{day.isoformat()}'" if day is not None else match[0]


def _day(text: str) -> date | None:
    try:
        if match := _DAY_FIRST.fullmatch(text.strip()):
            return date(int(match[3]), int(match[2]), int(match[1]))
        if match := _YEAR_FIRST.fullmatch(text.strip()):
            return date(int(match[1]), int(match[2]), int(match[3]))
        if match := _NAMED.fullmatch(text.strip()):
            return date(int(match[3]), _MONTHS.index(match[2][:3].lower()) + 1, int(match[1]))
    except ValueError:
        return None
    return None


def _date_as_year(question: Question) -> Iterator[str]:
    """`registered_on BETWEEN 2015 AND 2016`: the year of the date."""
    tree = question.tree()
    changed = False
    for part in list(tree.find_all(*_COMPARED)) if tree is not None else []:
        if _is_date(question, part.this) and any(_is_number(other) for key, other in _operands(part) if key != "this"):
            part.set("this", exp.Year(this=part.this.copy()))
            changed = True
    if tree is not None and changed:
        yield question.printed(tree)


def _operands(part: exp.Expr) -> list[tuple[str, exp.Expr]]:
    return [(key, value) for key, value in part.args.items() if isinstance(value, exp.Expr)]


def _is_number(node: exp.Expr) -> bool:
    return isinstance(node, exp.Literal) and not node.is_string


def _is_date(question: Question, node: exp.Expr) -> bool:
    if not isinstance(node, exp.Column):
        return False
    dates = {
        name.lower()
        for _, table, columns in question.granted()
        for name in columns
        if name in table.columns and table.columns[name].type in (ColumnType.DATE, ColumnType.TIMESTAMP)
    }
    return node.name.lower() in dates


def _number_as_text(question: Question) -> Iterator[str]:
    """`age = '45'` or `code = 42`: a number where the column holds texts, or the other way round."""
    tree = question.tree()
    changed = False
    for literal in list(tree.find_all(exp.Literal)) if tree is not None else []:
        if isinstance(literal.parent, (*_COMPARED, exp.In)) and (literal.is_string or literal.is_number):
            text = str(literal.this)
            if literal.is_string and re.fullmatch(r"-?\d+(\.\d+)?", text):
                literal.replace(exp.Literal.number(text))
                changed = True
            elif not literal.is_string:
                literal.replace(exp.Literal.string(text))
                changed = True
    if tree is not None and changed:
        yield question.printed(tree)


_TYPE = frozenset({"type"})
_OWNER = frozenset({"owner-opaque"})
CURES: tuple[Cure, ...] = (
    Cure("a condition on the person key", frozenset({"owner-opaque"}), _about_the_key),
    Cure("a function of the person key", _OWNER, _functions_of_the_key),
    Cure(
        "an aggregate in WHERE", frozenset({"aggregate"}), _aggregate_in_where, "conditions on groups stand in HAVING"
    ),
    Cure(
        "an aggregate in GROUP BY",
        frozenset({"aggregate"}),
        _grouped_by_an_aggregate,
        "group by the columns that are not aggregated",
    ),
    Cure("a random sample", frozenset({"function"}), _chance, "everybody is analysed; nothing may depend on chance"),
    Cure(
        "a row number as a condition", frozenset({"unknown-column"}), _row_number, "rows cannot be picked: count them"
    ),
    Cure(
        "a date written as people write it",
        _TYPE,
        _date_as_text,
        "write dates as DATE '2020-01-31'; here the day was taken to be first",
    ),
    Cure(
        "a date without quotes",
        _TYPE | {"syntax"},
        _date_without_quotes,
        "write dates as DATE '2020-01-31'; here the day was taken to be first",
    ),
    Cure("a date compared with a year", _TYPE, _date_as_year, "compare the year: year(...)"),
    Cure(
        "a number in quotes, or a code without them",
        _TYPE,
        _number_as_text,
        "compare numbers with numbers, and codes with texts in quotes",
    ),
)
