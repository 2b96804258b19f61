"""One shape for sqlglot's many function nodes: (name, date part, arguments), with every argument accounted for.

An argument that is not named here (a mode, an option, a time zone) makes the node unknown: `call_of` then yields a name
that is on no list. sqlglot has node classes for every dialect's functions; one that is not in NAMED is unknown too.
"""

from __future__ import annotations

from sqlglot import exp

from ambergate_policies.lowering.moments import unit_word

UNKNOWN = "?"
_HARMLESS = frozenset(
    {
        "safe", "coalesce", "big_int", "ignore_nulls", "date_part_boundary", "is_numeric", "single_replace",
        "null_if_pos_overflow", "value_constructor",
    },
)  # fmt: skip
"""What sqlglot notes about the dialect that it has read, and nothing of the query's own."""

NAMED: dict[type[exp.Expr], tuple[str, tuple[str, ...]]] = {
    # numbers
    exp.Abs: ("abs", ("this",)),
    exp.Round: ("round", ("this", "decimals")),
    exp.Floor: ("floor", ("this",)),
    exp.Ceil: ("ceil", ("this",)),
    exp.Trunc: ("trunc", ("this", "decimals")),
    exp.Sign: ("sign", ("this",)),
    exp.Sqrt: ("sqrt", ("this",)),
    exp.Cbrt: ("cbrt", ("this",)),
    exp.Ln: ("ln", ("this",)),
    exp.Log: ("log", ("this", "expression")),
    exp.Exp: ("exp", ("this",)),
    exp.Pow: ("pow", ("this", "expression")),
    exp.Pi: ("pi", ()),
    exp.Sin: ("sin", ("this",)),
    exp.Cos: ("cos", ("this",)),
    exp.Tan: ("tan", ("this",)),
    exp.Asin: ("asin", ("this",)),
    exp.Acos: ("acos", ("this",)),
    exp.Atan: ("atan", ("this",)),
    exp.Atan2: ("atan2", ("this", "expression")),
    exp.Radians: ("radians", ("this",)),
    exp.Degrees: ("degrees", ("this",)),
    exp.IsNan: ("isnan", ("this",)),
    exp.IsInf: ("isinf", ("this",)),
    # choosing
    exp.Coalesce: ("coalesce", ("this", "expressions")),
    exp.Nullif: ("nullif", ("this", "expression")),
    exp.Least: ("least", ("this", "expressions")),
    exp.Greatest: ("greatest", ("this", "expressions")),
    # text
    exp.Lower: ("lower", ("this",)),
    exp.Upper: ("upper", ("this",)),
    exp.Length: ("length", ("this",)),
    exp.Reverse: ("reverse", ("this",)),
    exp.Translate: ("translate", ("this", "from_", "to")),
    exp.Substring: ("substring", ("this", "start", "length")),
    exp.Left: ("left", ("this", "expression")),
    exp.Right: ("right", ("this", "expression")),
    exp.StartsWith: ("starts_with", ("this", "expression")),
    exp.EndsWith: ("ends_with", ("this", "expression")),
    exp.Contains: ("contains", ("this", "expression")),
    exp.RegexpLike: ("regexp_matches", ("this", "expression", "flag")),
    exp.RegexpFullMatch: ("regexp_full_match", ("this", "expression", "options")),
    exp.RegexpExtract: ("regexp_extract", ("this", "expression", "group", "parameters")),
    exp.RegexpExtractAll: ("regexp_extract_all", ("this", "expression", "group")),
    exp.RegexpReplace: ("regexp_replace", ("this", "expression", "replacement", "modifiers")),
    exp.RegexpSplit: ("string_split_regex", ("this", "expression")),
    exp.Split: ("string_split", ("this", "expression")),
    exp.SplitPart: ("split_part", ("this", "delimiter", "part_index")),
    exp.SimilarTo: ("regexp_full_match", ("this", "expression")),
    exp.Replace: ("replace", ("this", "expression", "replacement")),
    exp.Concat: ("concat", ("expressions",)),
    exp.ConcatWs: ("concat_ws", ("expressions",)),
    exp.StrPosition: ("instr", ("this", "substr")),
    exp.Levenshtein: ("levenshtein", ("this", "expression")),
    # dates
    exp.Year: ("year", ("this",)),
    exp.Quarter: ("quarter", ("this",)),
    exp.Month: ("month", ("this",)),
    exp.Week: ("week", ("this",)),
    exp.WeekOfYear: ("week", ("this",)),
    exp.Day: ("day", ("this",)),
    exp.Hour: ("hour", ("this",)),
    exp.Minute: ("minute", ("this",)),
    exp.Second: ("second", ("this",)),
    exp.DayOfMonth: ("day", ("this",)),
    exp.DayOfWeek: ("dayofweek", ("this",)),
    exp.DayOfWeekIso: ("isodow", ("this",)),
    exp.DayOfYear: ("dayofyear", ("this",)),
    exp.Monthname: ("monthname", ("this",)),
    exp.Dayname: ("dayname", ("this",)),
    exp.LastDay: ("last_day", ("this",)),
    exp.TimeToStr: ("strftime", ("this", "format")),
    exp.StrToTime: ("strptime", ("this", "format")),
    exp.TimeToUnix: ("epoch", ("this",)),
    exp.DateFromParts: ("make_date", ("year", "month", "day")),
    exp.TimestampFromParts: ("make_timestamp", ("year", "month", "day", "hour", "min", "sec")),
    exp.DateTrunc: ("date_trunc", ("this",)),
    exp.TimestampTrunc: ("date_trunc", ("this",)),
    exp.DateDiff: ("date_diff", ("expression", "this")),  # sqlglot holds end first
    exp.DateBin: ("time_bucket", ("this", "expression")),
    exp.DateAdd: ("date_add", ("this", "expression")),
    exp.ToDays: ("to_days", ("this",)),
    exp.Extract: ("date_part", ("expression",)),
    exp.Date: ("date", ("this",)),
    exp.CurrentDate: ("current_date", ()),
    exp.CurrentTimestamp: ("now", ()),
    exp.Localtimestamp: ("now", ()),
    # lists, structs and maps
    exp.Array: ("list_value", ("expressions",)),
    exp.ArrayContains: ("list_contains", ("this", "expression")),
    exp.ArraySize: ("array_length", ("this",)),
    exp.ArrayMax: ("list_max", ("this",)),
    exp.ArrayMin: ("list_min", ("this",)),
    exp.StructExtract: ("struct_extract", ("this", "expression")),
    exp.Map: ("map", ("keys", "values")),
    exp.Try: ("try", ("this",)),
}
SPECIAL = (exp.Trim, exp.Pad, exp.UnixToTime)
"""Nodes that stand for several functions."""
_UNIT_OF: dict[type[exp.Expr], str] = {
    exp.DateTrunc: "unit",
    exp.TimestampTrunc: "unit",
    exp.DateDiff: "unit",
    exp.Extract: "this",
}
_UNIT_FIRST = frozenset({"date_part", "datepart", "date_sub", "datesub", "date_trunc", "date_diff"})
_TRIMS = {"LEADING": "ltrim", "TRAILING": "rtrim", "BOTH": "trim", None: "trim"}


def call_of(node: exp.Func) -> tuple[str, str | None, list[exp.Expr]]:
    """Name (lower case), date part (lower case, or None) and argument nodes of a function call."""
    if isinstance(node, exp.Anonymous):
        return _anonymous(node)
    if isinstance(node, SPECIAL):
        return _special(node)
    entry = NAMED.get(type(node))
    if entry is None:
        return UNKNOWN, None, []
    name, keys = entry
    unit_key = _UNIT_OF.get(type(node))
    return _read(node, name, keys, unit_key)


def _read(
    node: exp.Expr, name: str, keys: tuple[str, ...], unit_key: str | None = None
) -> tuple[str, str | None, list[exp.Expr]]:
    others = {key for key, value in node.args.items() if value not in (None, False, [])}
    if others - set(keys) - _HARMLESS - ({unit_key} if unit_key else set()):
        return UNKNOWN, None, []
    arguments: list[exp.Expr] = []
    for key in keys:
        value = node.args.get(key)
        arguments += value if isinstance(value, list) else [value] if value is not None else []
    unit = node.args.get(unit_key) if unit_key else None
    return name, _unit_word(unit), arguments


def _special(node: exp.Func) -> tuple[str, str | None, list[exp.Expr]]:
    """`position`, `is_left` and `scale` say which function it is."""
    plain = node.copy()
    if isinstance(node, exp.Trim):
        plain.set("position", None)
        return _read(plain, _TRIMS.get(node.args.get("position"), UNKNOWN), ("this", "expression"))
    if isinstance(node, exp.Pad):
        plain.set("is_left", None)
        return _read(plain, "lpad" if node.args.get("is_left") else "rpad", ("this", "expression", "fill_pattern"))
    scale = node.args.get("scale")
    plain.set("scale", None)
    milliseconds = isinstance(scale, exp.Literal) and str(scale.this) == "3"
    return _read(plain, "epoch_ms" if milliseconds else "to_timestamp", ("this",))


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
        return unit_word(str(node.this))
    return None
