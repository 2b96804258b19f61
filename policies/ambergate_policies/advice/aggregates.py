"""Aggregates and functions: of texts, of single persons' values, or of another dialect of SQL."""

from __future__ import annotations

from collections.abc import Iterator

from sqlglot import exp

from ambergate_policies.advice.cure import Cure
from ambergate_policies.advice.question import Question
from ambergate_policies.catalogue import Role

_RENAMED = {
    "isnull": "coalesce",
    "nvl": "coalesce",
    "len": "length",
    "getdate": "current_date",
    "sysdate": "current_date",
    "charindex": "strpos",
    "to_char": "strftime",
    "date_format": "strftime",
    "stdev": "stddev",
    "var": "variance",
    "average": "avg",
    "mean": "avg",
    "ucase": "upper",
    "lcase": "lower",
    "square": "pow",
    "iif": "if",
    "percentile": "quantile_cont",
    "percentile_approx": "quantile_cont",
    "approx_percentile": "quantile_cont",
}
_PARTS = frozenset({"year", "quarter", "month", "week", "day", "hour", "yyyy", "mm", "dd", "yy", "dayofweek"})
_LONG = {"yyyy": "year", "yy": "year", "mm": "month", "dd": "day"}


def _case_of_texts(question: Question) -> Iterator[str]:
    """`avg(CASE WHEN ... THEN 'obese' ... END)`: 1 where the first condition holds, else 0."""
    tree = question.tree()
    changed = False
    for case in list(tree.find_all(exp.Case)) if tree is not None else []:
        if case.find_ancestor(exp.AggFunc) is None or not any(literal.is_string for literal in _values(case)):
            continue
        for number, branch in enumerate(case.args.get("ifs") or ()):
            branch.set("true", exp.Literal.number(0 if number else 1))
        case.set("default", exp.Literal.number(0))
        changed = True
    if tree is not None and changed:
        yield question.printed(tree)


def _values(case: exp.Case) -> list[exp.Literal]:
    values = [branch.args.get("true") for branch in case.args.get("ifs") or ()]
    return [value for value in (*values, case.args.get("default")) if isinstance(value, exp.Literal)]


def _of_a_text(question: Question) -> Iterator[str]:
    """`avg(sex)`, `list(bmi)`, `first(code)`: how many different values, or the middle one."""
    word = question.fragment
    span = question.finding.span
    if span is None:
        return
    tree = question.tree()
    for node in list(tree.find_all(exp.AggFunc)) if tree is not None else []:
        column = node.find(exp.Column)
        if column is None or column.sql(dialect="duckdb") not in word:
            continue
        for other in _instead(question, column):
            if tree is None:
                return
            written = other.format(column.sql(dialect="duckdb"))
            copy = tree.copy()
            for twin in list(copy.find_all(exp.AggFunc)):
                if twin == node:
                    twin.replace(exp.maybe_parse(written, dialect="duckdb"))
            yield question.printed(copy)


def _instead(question: Question, column: exp.Column) -> tuple[str, ...]:
    """What says something of a column for a whole group: the middle of a number, how many kinds of anything else."""
    if _is_measure(question, column):
        return ("median({})", "avg({})", "count({})")
    return ("count(DISTINCT {})", "count({})", "avg({})")


def _is_measure(question: Question, column: exp.Column) -> bool:
    """Whether a granted column of that name is a measure."""
    return any(
        name.lower() == column.name.lower() and name in table.columns and table.columns[name].role is Role.MEASURE
        for _, table, columns in question.granted()
        for name in columns
    )


def _most_common(question: Question) -> Iterator[str]:
    """`mode(region)`: the groups, the largest first."""
    select = question.select()
    found = select.find(exp.Mode) if select is not None else None
    column = found.find(exp.Column) if found is not None else None
    if select is None or column is None or len(select.expressions) != 1 or select.args.get("group") is not None:
        return
    select.set("expressions", [column.copy(), exp.alias_(exp.Count(this=exp.Star()), "n")])
    select.set("group", exp.Group(expressions=[column.copy()]))
    ordered = select.order_by(exp.Ordered(this=exp.column("n"), desc=True)).limit(1)
    yield question.printed(ordered)


def _other_dialects(question: Question) -> Iterator[str]:
    """`isnull`, `getdate`, `datepart(year, x)`: what this dialect calls them."""
    tokens = question.tokens()
    text = question.text
    for index in range(len(tokens) - 2, -1, -1):
        token, then = tokens[index], tokens[index + 1]
        if text[then.start] != "(":
            continue
        new = _RENAMED.get(token.text.lower())
        argument = tokens[index + 2] if index + 2 < len(tokens) else None
        if argument is not None and argument.text.lower() in _PARTS and text[argument.end + 1 :].lstrip()[:1] == ",":
            part = _LONG.get(argument.text.lower(), argument.text.lower())
            text = text[: argument.start] + f"'{part}'" + text[argument.end + 1 :]
        if new == "current_date":
            close = text.find(")", then.start)
            text = text[: token.start] + new + text[close + 1 :]
        elif new is not None:
            text = text[: token.start] + new + text[token.end + 1 :]
    if text != question.text:
        yield text


def _meant(question: Question) -> Iterator[str]:
    """A function spelt wrongly: the one that the refusal itself guesses."""
    hint = question.finding.hint or ""
    if "did you mean " in hint:
        guess = hint.split("did you mean ")[1].split("?")[0].strip("'\" ")
        word = question.fragment.split("(")[0].strip()
        if word and guess and guess.replace("_", "").isalnum():
            yield question.renamed(word, guess)


def _arithmetic_inside(question: Question) -> Iterator[str]:
    """A measure that is no plain column: the mean of a measured column in it, outside of which to do the arithmetic."""
    tree = question.tree()
    for node in list(tree.find_all(exp.Avg, exp.Sum, exp.Stddev, exp.Median)) if tree is not None else []:
        if tree is None or isinstance(node.this, exp.Column) or not _is_the_fragment(question, node):
            continue
        columns = list(node.find_all(exp.Column))
        columns.sort(key=lambda each: (not _is_measure(question, each), question.fragment.find(each.name)))
        for column in columns[:2]:
            copy = tree.copy()
            for twin in list(copy.find_all(type(node))):
                if twin == node:
                    twin.set("this", column.copy())
            yield question.printed(copy)


def _is_the_fragment(question: Question, node: exp.Expr) -> bool:
    """Whether a node is what was underlined, as far as the names in it tell."""
    return all(column.name in question.fragment for column in node.find_all(exp.Column))


_FUNCTION = frozenset({"function", "aggregate"})
CURES: tuple[Cure, ...] = (
    Cure("texts in a CASE that is averaged", frozenset({"measure", "type", "aggregate"}), _case_of_texts),
    Cure(
        "a function of another dialect",
        _FUNCTION | {"row-level"},
        _other_dialects,
        "this is DuckDB's SQL, where the function has another name or form",
    ),
    Cure("a function spelt wrongly", _FUNCTION, _meant),
    Cure("the most common value", frozenset({"aggregate"}), _most_common),
    Cure("arithmetic inside a measure", frozenset({"measure"}), _arithmetic_inside),
    Cure("an aggregate that shows single values", frozenset({"aggregate", "measure", "type"}), _of_a_text),
)
