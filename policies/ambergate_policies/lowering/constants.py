"""Constants of a query: how they are read, and how they take the kind of what they meet.

No conversion here depends on a person's data: a text that is no date or number stays a text, and is refused later.
"""

from __future__ import annotations

import re
from datetime import date, datetime
from decimal import Decimal, InvalidOperation

from ambergate_policies.algebra.expressions import Call, Case, Cast, Expression, IsNull, Literal
from ambergate_policies.algebra.kinds import Kind

NUMBER = re.compile(r"\d{1,30}(\.\d{0,15})?|\.\d{1,15}|\d{1,15}(\.\d{1,15})?[eE][+-]?\d{1,2}")
_LOOSE_DATE = re.compile(r"(\d{4})-(\d{1,2})-(\d{1,2})")
_TRUTH = {"true": True, "t": True, "1": True, "false": False, "f": False, "0": False}
MISSING = Literal(None, Kind.NULL)


def coerce(node: Expression, towards: Kind) -> Expression:
    """A text literal as a date, number or boolean where the other side is one; 0 and 1 as booleans. Else unchanged."""
    if not isinstance(node, Literal):
        return node
    if node.kind is Kind.TEXT and towards.temporal:
        return _moment_towards(str(node.value), towards) or node
    if node.kind is Kind.TEXT and towards.numeric:
        return number_literal(str(node.value)) or node
    if node.kind is Kind.TEXT and towards is Kind.BOOL and str(node.value).lower() in _TRUTH:
        return Literal(_TRUTH[str(node.value).lower()], Kind.BOOL)
    if node.kind is Kind.INT and towards is Kind.BOOL and node.value in (0, 1):
        return Literal(bool(node.value), Kind.BOOL)
    return node


def _moment_towards(text: str, towards: Kind) -> Literal | None:
    """Beside a date the engine reads the text as a date, and drops a time of day."""
    found = moment_literal(text, Kind.DATE)
    if found is not None:
        return found
    moment = moment_literal(text, Kind.TIME)
    return moment_literal(str(moment.value)[:10], Kind.DATE) if moment is not None and towards is Kind.DATE else moment


def widened(node: Expression, towards: Kind) -> Expression:
    """A date as a timestamp where it meets one. The engine's own cast raises for far dates, and so would tell."""
    return Cast(node, "TIMESTAMP", Kind.TIME) if node.kind is Kind.DATE and towards is Kind.TIME else node


def agreed(values: list[Expression]) -> list[Expression]:
    """Values that stand for each other (CASE, coalesce, least): texts of the query as dates or numbers where the rest
    are, booleans as 0 and 1 beside whole numbers."""
    kinds = {value.kind for value in values if not (isinstance(value, Literal) and value.kind is Kind.TEXT)}
    kinds.discard(Kind.NULL)
    if Kind.BOOL in kinds and kinds <= {Kind.BOOL, Kind.INT, Kind.NUM} and len(kinds) > 1:
        return [Cast(value, "INTEGER", Kind.INT) if value.kind is Kind.BOOL else value for value in values]
    others = [kind for kind in (Kind.TIME, Kind.DATE, Kind.NUM, Kind.INT, Kind.BOOL) if kind in kinds]
    return [coerce(value, others[0]) for value in values] if others and Kind.TEXT not in kinds else values


def as_text(node: Expression) -> Expression:
    return node if node.kind in (Kind.TEXT, Kind.NULL) else Cast(node, "VARCHAR", Kind.TEXT)


def moment_literal(text: str, kind: Kind) -> Literal | None:
    """An ISO date or timestamp written in the query, or None."""
    text = text.strip()
    loose = _LOOSE_DATE.match(text)
    if loose is not None:
        year, month, day = loose.groups()
        text = f"{year}-{month:0>2}-{day:0>2}{text[loose.end() :]}"
    try:
        if kind is Kind.DATE:
            return Literal(date.fromisoformat(text).isoformat(), Kind.DATE)
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return Literal(moment.isoformat(sep=" "), Kind.TIME) if moment.tzinfo is None else None


def number_literal(text: str) -> Literal | None:
    if not NUMBER.fullmatch(text.strip()):
        return None
    try:
        return Literal(int(text), Kind.INT) if text.strip().isdigit() else Literal(Decimal(text), Kind.NUM)
    except (ValueError, InvalidOperation):
        return None


def missing_stays_missing(call: Call) -> Expression:
    """least(x, 60) is NULL where x is NULL. The engine would yield 60: a value for everybody of whom nothing is known,
    beside which one person's own value would stand out."""
    values = [argument for argument in call.arguments if not isinstance(argument, Literal)]
    if call.function.name not in ("least", "greatest") or not call.kind.numeric or len(values) == len(call.arguments):
        return call
    missing = tuple((IsNull(value), MISSING) for value in values)
    return Case(missing, call, call.kind) if missing else call
