"""Which expressions are never NULL, whatever a row holds: provable from the query text alone.

`count(x)` of such an x is a count of rows, and needs no protection of the rows where x is missing: there can be none.
For anything else "nobody is without" is an answer about the persons (tests/attacks, nobody-or-few), and is protected.
"""

from __future__ import annotations

from ambergate_policies.algebra.expressions import (
    Call,
    Case,
    Comparison,
    Expression,
    InList,
    IsNull,
    Like,
    Literal,
    Logical,
    Not,
)

_DISTINCT = frozenset({"IS DISTINCT FROM", "IS NOT DISTINCT FROM"})
_ANY = frozenset({"coalesce", "least", "greatest"})
"""Functions that leave out NULL arguments, so that one filled argument is enough."""


def never_null(node: Expression) -> bool:
    """True only where it is proven. Columns may always be NULL: an outer join or the data can leave them out."""
    match node:
        case Literal(value=value):
            return value is not None
        case IsNull():
            return True
        case Comparison(operator=operator, left=left, right=right):
            return operator in _DISTINCT or (never_null(left) and never_null(right))
        case Logical(parts=parts):
            return all(never_null(part) for part in parts)
        case Not(part=part) | Like(part=part):
            return never_null(part)
        case InList(part=part, values=values):
            return never_null(part) and all(never_null(value) for value in values)
        case Case(branches=branches, default=default):
            chosen = [value for _, value in branches]
            return default is not None and all(never_null(value) for value in (*chosen, default))
        case Call(function=function, arguments=arguments) if function.name in _ANY:
            return not function.partial and any(never_null(argument) for argument in arguments)
        case _:
            return False
