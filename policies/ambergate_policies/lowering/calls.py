"""One shape for sqlglot's many function nodes: (name, date part, arguments), with every argument accounted for.

An argument that is not named here (a mode, an option, a time zone) makes the node unknown: `call_of` then yields a name
that is on no list.
"""

from __future__ import annotations

from sqlglot import exp

UNKNOWN = "?"
_HARMLESS = frozenset({"safe", "coalesce", "big_int", "ignore_nulls", "date_part_boundary", "is_numeric"})

_NAMED: dict[type[exp.Expr], tuple[str, tuple[str, ...]]] = {
    exp.Abs: ("abs", ("this",)),
    exp.Round: ("round", ("this", "decimals")),
    exp.Floor: ("floor", ("this",)),
    exp.Ceil: ("ceil", ("this",)),
    exp.Sqrt: ("sqrt", ("this",)),
    exp.Ln: ("ln", ("this",)),
    exp.Exp: ("exp", ("this",)),
    exp.Pow: ("pow", ("this", "expression")),
    exp.Coalesce: ("coalesce", ("this", "expressions")),
    exp.Nullif: ("nullif", ("this", "expression")),
    exp.Least: ("least", ("this", "expressions")),
    exp.Greatest: ("greatest", ("this", "expressions")),
    exp.Lower: ("lower", ("this",)),
    exp.Upper: ("upper", ("this",)),
    exp.Trim: ("trim", ("this",)),
    exp.Length: ("length", ("this",)),
    exp.Substring: ("substring", ("this", "start", "length")),
    exp.Left: ("left", ("this", "expression")),
    exp.Right: ("right", ("this", "expression")),
    exp.StartsWith: ("starts_with", ("this", "expression")),
    exp.EndsWith: ("ends_with", ("this", "expression")),
    exp.Contains: ("contains", ("this", "expression")),
    exp.RegexpLike: ("regexp_matches", ("this", "expression")),
    exp.Replace: ("replace", ("this", "expression", "replacement")),
    exp.Year: ("year", ("this",)),
    exp.Quarter: ("quarter", ("this",)),
    exp.Month: ("month", ("this",)),
    exp.Week: ("week", ("this",)),
    exp.WeekOfYear: ("week", ("this",)),
    exp.Day: ("day", ("this",)),
    exp.Hour: ("hour", ("this",)),
    exp.Minute: ("minute", ("this",)),
    exp.Concat: ("concat", ("expressions",)),
    exp.StrPosition: ("instr", ("this", "substr")),
    exp.DayOfMonth: ("day", ("this",)),
    exp.DayOfWeek: ("dayofweek", ("this",)),
    exp.DayOfWeekIso: ("isodow", ("this",)),
    exp.DayOfYear: ("dayofyear", ("this",)),
    exp.Monthname: ("monthname", ("this",)),
    exp.Dayname: ("dayname", ("this",)),
    exp.LastDay: ("last_day", ("this",)),
    exp.TimeToStr: ("strftime", ("this", "format")),
    exp.DateFromParts: ("make_date", ("year", "month", "day")),
    exp.DateTrunc: ("date_trunc", ("this",)),
    exp.TimestampTrunc: ("date_trunc", ("this",)),
    exp.DateDiff: ("date_diff", ("expression", "this")),  # sqlglot holds end first
    exp.Extract: ("date_part", ("expression",)),
}
_UNIT_OF: dict[type[exp.Expr], str] = {
    exp.DateTrunc: "unit",
    exp.TimestampTrunc: "unit",
    exp.DateDiff: "unit",
    exp.Extract: "this",
}
_UNIT_FIRST = frozenset({"date_part", "datepart", "date_sub", "datesub", "date_trunc", "date_diff"})


def call_of(node: exp.Func) -> tuple[str, str | None, list[exp.Expr]]:
    """Name (lower case), date part (lower case, or None) and argument nodes of a function call."""
    if isinstance(node, exp.Anonymous):
        return _anonymous(node)
    entry = _NAMED.get(type(node))
    if entry is None:
        return node.sql_name().lower(), None, []
    name, keys = entry
    unit_key = _UNIT_OF.get(type(node))
    others = {key for key, value in node.args.items() if value not in (None, False, [])}
    if others - set(keys) - _HARMLESS - ({unit_key} if unit_key else set()):
        return UNKNOWN, None, []
    arguments: list[exp.Expr] = []
    for key in keys:
        value = node.args.get(key)
        arguments += value if isinstance(value, list) else [value] if value is not None else []
    unit = node.args.get(unit_key) if unit_key else None
    return name, _unit_word(unit), arguments


def _anonymous(node: exp.Anonymous) -> tuple[str, str | None, list[exp.Expr]]:
    if not isinstance(node.this, str):
        return UNKNOWN, None, []
    name, arguments = node.this.lower(), list(node.expressions)
    if name in _UNIT_FIRST and arguments:
        return name, _unit_word(arguments[0]), arguments[1:]
    return name, None, arguments


def _unit_word(node: exp.Expr | None) -> str | None:
    """A date part written as a word or a constant. A column in its place is no unit."""
    if isinstance(node, exp.Var) or (isinstance(node, exp.Literal) and node.is_string):
        word = str(node.this).lower()
        return word[:-1] if word.endswith("s") and word not in ("s",) else word
    return None
