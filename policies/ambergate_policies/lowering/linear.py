"""Values that are no measure, but a sum of measures: scores of 0/1 flags, other units, distances from a constant.

`constant + sum of weight * term`, where every term is a condition or a measure of its own. An aggregate of such a value
is never computed as one free expression. It is made of the cleared aggregates of its terms (`composed.py`), so that
nothing comes out which could not have been asked for term by term:

- a sum or mean of flags is made of their rounded counts: positions cannot be told apart by weights, because every
  single flag must pass the rules on counts by itself;
- a constant beside a measure is added after clearing, so it cannot hide who dominates the rest;
- where the terms do not add up (a median of a score, units that differ from row to row) the value is cleared as one
  measure, and shown only if each of its terms (`guards`) would be: a weight that is given to one person has one person
  behind it, and is hidden as such.

Multiplying flags' positions into digits, powers, hashes and constants over codes have no such form, and stay refused.
"""

from __future__ import annotations

from decimal import Decimal

from ambergate_policies.algebra.expressions import (
    Arithmetic,
    Call,
    Case,
    Cast,
    Column,
    Comparison,
    Expression,
    Grade,
    InList,
    IsNull,
    Linear,
    Literal,
    Logical,
    Negate,
    Not,
)
from ambergate_policies.algebra.kinds import Kind
from ambergate_policies.functions import ALLOWED
from ambergate_policies.lowering.constants import widened
from ambergate_policies.lowering.measures import constant_of, grade, is_zero_or_one

MAX_TERMS = 60
MAX_POINTS = 12
"""The most points that a published score gives for one thing: 6 in Charlson's, 12 in van Walraven's Elixhauser."""
MAX_RATE = 100_000
MAX_SHIFT = 3000
"""How far a measure may be moved, in units of its weight: a year, a temperature, a reference value."""
MAX_SCALE_RATIO = 1000
"""How far the units of two branches may lie apart: mmol and umol."""
MAX_SHIFT_RATIO = 100
"""How far a branch may be moved, in units of its scale: Celsius and Fahrenheit, HbA1c in % and mmol/mol."""
_ONE, _ZERO = Decimal(1), Decimal(0)
_TRUE, _FALSE = Literal(True, Kind.BOOL), Literal(False, Kind.BOOL)
_NOTHING = Literal(None, Kind.NULL)


def linear(node: Expression) -> Linear | None:
    """A value as a sum of conditions, or as one measure times a weight, and a constant. None for anything else."""
    found = terms_of(node)
    if found is None:
        return None
    terms = found.terms
    flags = [is_flag(term) for _, term in terms]
    if all(flags):
        return Linear(found.constant, terms) if is_score(found.constant, terms) else None
    together: Linear | None = Linear(found.constant, terms, found.guards)
    if len(terms) > 1:
        together = _of_several(found.constant, terms) if not any(flags) and not found.guards else None
    return together if together is not None and abs(found.constant) <= MAX_SHIFT * abs(together.terms[0][0]) else None


def terms_of(node: Expression) -> Linear | None:
    """The sum term by term, equal terms brought together. Its terms are conditions and measures."""
    found = _sum(node)
    if found is None:
        return None
    merged: dict[Expression, Decimal] = {}
    for weight, term in found.terms:
        merged[term] = merged.get(term, _ZERO) + weight
    terms = tuple((weight, term) for term, weight in merged.items() if weight != 0)
    return Linear(found.constant, terms, found.guards) if 0 < len(terms) <= MAX_TERMS else None


def is_score(constant: Decimal, terms: tuple[tuple[Decimal, Expression], ...]) -> bool:
    """Points of a score, or one flag as a percentage or rate."""
    most = max(abs(constant), *(abs(weight) for weight, _ in terms))
    return most <= MAX_POINTS or (len(terms) == 1 and constant == 0 and most <= MAX_RATE)


def can_be_summed(found: Linear) -> bool:
    """A sum over persons with each flag, or of those without one. Weights in a sum would be positions in a number."""
    weights = [weight for weight, _ in found.terms]
    counted = all(abs(weight) == 1 for weight in weights) and found.constant == 0
    return not is_flag(found.terms[0][1]) or counted or (found.constant == 1 and weights == [-1])


def can_be_averaged(found: Linear) -> bool:
    """The mean of a sum is the sum of the means: every form that `linear` yields."""
    return bool(found.terms)


def can_be_spread(found: Linear) -> bool:
    """A spread or percentile of points."""
    return not is_flag(found.terms[0][1]) or all(abs(weight) <= MAX_POINTS for weight, _ in found.terms)


def is_flag(term: Expression) -> bool:
    return term.kind is Kind.BOOL


def is_measure(node: Expression) -> bool:
    return grade(node).grade in (Grade.MAGNITUDE, Grade.COUNT) and node.kind.numeric


def _of_several(constant: Decimal, terms: tuple[tuple[Decimal, Expression], ...]) -> Linear | None:
    """Measures of one person that are added or subtracted, and a constant: `post - pre + 1`, `elective + emergency`.
    Where one may stand for another (counts, zeros for what is missing) each of them must be shown by itself."""
    core: Expression | None = None
    for weight, term in sorted(terms, key=lambda pair: pair[0] < 0):
        size = abs(weight)
        part = term if size == 1 else Arithmetic("*", term, Literal(size, Kind.NUM), Kind.NUM)
        if core is None:
            if weight < 0:
                return None
            core = part
        else:
            core = Arithmetic("+" if weight > 0 else "-", core, part, Kind.NUM)
    if core is None or is_measure(core):
        return Linear(constant, ((_ONE, core),)) if core is not None else None
    weights = [abs(weight) for weight, _ in terms]
    if max(weights) > MAX_SCALE_RATIO * min(weights) or not all(is_measure(term) for _, term in terms):
        return None
    return Linear(constant, ((_ONE, core),), tuple(term for _, term in terms))


def _sum(node: Expression) -> Linear | None:
    """The sum as it is written, terms not yet brought together."""
    if (constant := constant_of(node)) is not None:
        return Linear(constant, ())
    if isinstance(node, Column) and node.parts is not None:
        return node.parts
    if node.kind is not Kind.NULL and is_zero_or_one(node):
        return Linear(_ZERO, ((_ONE, node if is_flag(node) else Comparison("=", node, Literal(1, Kind.INT))),))
    match node:
        case Negate(part=part):
            return _scaled(_sum(part), Decimal(-1))
        case Cast(part=part, target="DOUBLE") if part.kind.numeric:
            return _sum(part)
        case Cast(part=part, target="BIGINT" | "INTEGER") if part.kind is Kind.INT:
            return _sum(part)
        case Arithmetic():
            return _arithmetic(node) or _measure(node) or _between(node, node.right, node.left)
        case Call(function=function, arguments=(start, end)) if function.name in ("date_diff", "date_sub"):
            return _measure(node) or _between(node, start, end)
        case Case():
            return _clamped(node) or _case(node)
        case Call(function=function, arguments=(part, Literal() as zero)) if (
            function.name == "coalesce" and constant_of(zero) == 0
        ):
            return _measure(node) or _filled(part)
        case _:
            return _measure(node)


def _measure(node: Expression) -> Linear | None:
    return Linear(_ZERO, ((_ONE, node),)) if is_measure(node) else None


def _arithmetic(node: Arithmetic) -> Linear | None:
    left, right = _sum(node.left), _sum(node.right)
    if left is None or right is None or not node.kind.numeric:
        return None
    if node.operator == "+":
        return _added(left, right)
    if node.operator == "-":
        return _added(left, _scaled(right, Decimal(-1)))
    if node.operator == "*" and not right.terms:
        return _scaled(left, right.constant)
    if node.operator == "*" and not left.terms:
        return _scaled(right, left.constant)
    if node.operator == "/" and not right.terms and right.constant != 0:
        return _scaled(left, _ONE / right.constant)
    return None


def _added(left: Linear, right: Linear | None) -> Linear | None:
    if right is None or ((left.guards or right.guards) and left.terms and right.terms):
        return None
    return Linear(left.constant + right.constant, left.terms + right.terms, left.guards + right.guards)


def _scaled(found: Linear | None, by: Decimal) -> Linear | None:
    if found is None:
        return None
    return Linear(found.constant * by, tuple((weight * by, term) for weight, term in found.terms), found.guards)


def _filled(part: Expression) -> Linear | None:
    """coalesce(score, 0): nobody's flags count where there is no score."""
    found = _sum(part)
    if found is None or not found.terms or found.guards:
        return None
    if not any(is_flag(term) for _, term in found.terms) and not found.constant and isinstance(part, Column):
        zero = Literal(0, Kind.INT)
        return Linear(_ZERO, tuple((w, Call(ALLOWED["coalesce"], (t, zero), t.kind)) for w, t in found.terms))
    if not all(is_flag(term) for _, term in found.terms):
        return None
    present: Expression = Not(IsNull(part))
    terms = tuple((weight, _and(present, term)) for weight, term in found.terms)
    return Linear(_ZERO, (*terms, (found.constant, present)) if found.constant else terms)


def _and(one: Expression, other: Expression) -> Expression:
    """True where both are; else false, and never NULL."""
    return Case(((Logical("AND", (one, other)), _TRUE),), _FALSE, Kind.BOOL)


# -- CASE


def _case(node: Case) -> Linear | None:
    values = [value for _, value in node.branches] + ([node.default] if node.default is not None else [_NOTHING])
    constants = [_ZERO if is_null(value) else constant_of(value) for value in values]
    if all(constant is not None for constant in constants):
        return _points(node, values)
    chosen = [value for value in values if not is_null(value)]
    if len(chosen) == 1:
        return _where(node, chosen[0])
    return _flags_by_branch(node, values) or _units(node, chosen)


def is_null(node: Expression) -> bool:
    return isinstance(node, Literal) and node.value is None


def _points(node: Case, values: list[Expression]) -> Linear:
    """CASE WHEN ... THEN 2 WHEN ... THEN 1 ELSE 0 END: one flag for each number of points."""
    otherwise = constant_of(values[-1]) or _ZERO
    points = dict.fromkeys(constant_of(value) for value in values[:-1] if not is_null(value))
    terms = tuple(
        (number - otherwise, chosen_by(node, [constant_of(value) == number for value in values[:-1]]))
        for number in points
        if number is not None and number != otherwise
    )
    return Linear(otherwise, terms)


def chosen_by(node: Case, wanted: list[bool]) -> Case:
    """Whether one of the wanted branches is the one that is taken."""
    branches = zip(node.branches, wanted, strict=True)
    return Case(tuple((test, _TRUE if want else _FALSE) for (test, _), want in branches), _FALSE, Kind.BOOL)


def _where(node: Case, value: Expression) -> Linear | None:
    """CASE WHEN ... THEN score END: NULL elsewhere, for every term."""
    found = _sum(value)
    if found is None or found.guards or not found.terms:
        return None
    terms = tuple((weight, _replaced(node, value, term)) for weight, term in found.terms)
    return Linear(found.constant, terms)


def _replaced(node: Case, value: Expression, term: Expression) -> Case:
    def swap(one: Expression) -> Expression:
        return term if one == value else one

    default = None if node.default is None else swap(node.default)
    return Case(tuple((test, swap(one)) for test, one in node.branches), default, term.kind)


def _flags_by_branch(node: Case, values: list[Expression]) -> Linear | None:
    """CASE WHEN ... THEN score ELSE 0 END: the flags of the branch that is taken, and its constant as one more."""
    parts = [Linear(_ZERO, ()) if is_null(value) else _sum(value) for value in values]
    if any(part is None or part.guards or not all(is_flag(term) for _, term in part.terms) for part in parts):
        return None
    taken = [chosen_by(node, [index == place for place in range(len(node.branches))]) for index in range(len(values))]
    taken[-1] = Case(tuple((test, _FALSE) for test, _ in node.branches), _TRUE, Kind.BOOL)
    terms: list[tuple[Decimal, Expression]] = []
    for branch, part in zip(taken, parts, strict=True):
        if part is not None:
            terms += [(weight, _and(branch, term)) for weight, term in part.terms]
            terms += [(part.constant, branch)] if part.constant else []
    return Linear(_ZERO, tuple(terms))


def _units(node: Case, chosen: list[Expression]) -> Linear | None:
    """CASE unit WHEN 'mmol/L' THEN value * 18 ELSE value END: one measure in the units that its rows have. Each branch
    must have enough persons with a value, of whom none dominates: a scale of one's own would show one's value."""
    found = [_sum(value) for value in chosen]
    cores = {term for part in found if part is not None for _, term in part.terms}
    if len(cores) != 1 or any(part is None or part.guards or len(part.terms) != 1 for part in found):
        return None
    (core,) = cores
    shapes = [(abs(part.terms[0][0]), abs(part.constant)) for part in found if part is not None]
    scales = [scale for scale, _ in shapes if scale]
    near = len(scales) == len(shapes) and max(scales) <= MAX_SCALE_RATIO * min(scales)
    if is_flag(core) or not near or any(shift > MAX_SHIFT_RATIO * scale for scale, shift in shapes):
        return None
    return Linear(_ZERO, ((_ONE, node),), tuple(_branches(node, core)))


def _branches(node: Case, core: Expression) -> list[Expression]:
    """The measure in the rows of each branch that yields one."""
    values = [value for _, value in node.branches]
    guards: list[Expression] = []
    for index, value in enumerate(values):
        if not is_null(value):
            wanted = chosen_by(node, [place == index for place in range(len(values))])
            guards.append(Case(((wanted, core),), None, core.kind))
    if node.default is not None and not is_null(node.default):
        rest = Case(tuple((test, _FALSE) for test, _ in node.branches), _TRUE, Kind.BOOL)
        guards.append(Case(((rest, core),), None, core.kind))
    return guards


# -- follow-up


def _between(node: Expression, start: Expression, end: Expression) -> Linear | None:
    """The time between two dates that are both cut off at constants: follow-up inside a study period. Who has both ends
    cut off has a constant; enough persons must have something of their own, and none of them stand out."""
    sides = [(side, _own_or_constant(side)) for side in (start, end)]
    own = [(side, found) for side, found in sides if found is not None and found[0]]
    if not node.kind.numeric or any(found is None for _, found in sides) or not own:
        return None
    tests = tuple(_not_among(side, found[1]) for side, found in own if found is not None)
    varies: Expression = Logical("OR", tests) if len(tests) > 1 else tests[0]
    return Linear(_ZERO, ((_ONE, node),), (Case(((varies, node),), None, node.kind),))


def _own_or_constant(node: Expression) -> tuple[frozenset[Expression], tuple[Literal, ...]] | None:
    """The one recorded date and the constants that a date is one of. None where it could be anything else."""
    if isinstance(node, Literal):
        return (frozenset(), (node,)) if node.kind.temporal else None
    found = grade(node)
    if found.grade is Grade.DATE and found.own and found.factors:
        return frozenset({node}), ()
    if isinstance(node, Cast) and node.kind.temporal:
        return _own_or_constant(node.part) if node.part.kind.temporal else None
    if not isinstance(node, Call) or node.function.name not in ("coalesce", "least", "greatest"):
        return None
    parts = [_own_or_constant(argument) for argument in node.arguments]
    own: frozenset[Expression] = frozenset().union(*(part[0] for part in parts if part is not None))
    constants = tuple(constant for part in parts if part is not None for constant in part[1])
    return None if any(part is None for part in parts) or len(own) > 1 else (own, constants)


def _not_among(side: Expression, constants: tuple[Literal, ...]) -> Expression:
    if not constants:
        return Not(IsNull(side))
    return Not(InList(side, tuple(widened(constant, side.kind) for constant in constants)))


# -- bounds


def _clamped(node: Expression) -> Linear | None:
    """A measure that is cut off at constants. What is lifted to a floor is alike for all: enough persons must be above
    it, and none of them stand out."""
    inner, above = node, list[Expression]()
    while (found := _bound(inner)) is not None:
        inner, floor = found
        if floor is not None and floor not in (0, 1):
            above.append(Comparison(">", inner, Literal(floor, Kind.NUM)))
    if inner is node:
        return _measure(node)
    below = _sum(inner)
    if below is None or below.constant or below.terms != ((_ONE, inner),) or is_flag(inner):
        return None
    if not above:
        return Linear(_ZERO, ((_ONE, node),), below.guards)
    not_lifted = Logical("AND", tuple(above)) if len(above) > 1 else above[0]
    return Linear(_ZERO, ((_ONE, node),), (*below.guards, Case(((not_lifted, node),), None, node.kind)))


def _bound(node: Expression) -> tuple[Expression, Decimal | None] | None:
    """What is cut off, and the floor if it is cut off from below. None where nothing is cut off."""
    if not isinstance(node, Case):
        return None
    match node:
        case Case(
            branches=((IsNull(part=inner), Literal(value=None)),), default=Call(function=function, arguments=both)
        ):
            constants = [constant_of(one) for one in both if one != inner]
            if function.name in ("least", "greatest") and len(both) == 2 and len(constants) == 1:
                (bound,) = constants
                floor = bound if function.name == "greatest" else None
                return (inner, floor) if bound is not None else None
            return None
    return _written_out(node)


def _written_out(node: Case) -> tuple[Expression, Decimal | None] | None:
    """CASE WHEN x > 60 THEN 60 ELSE x END."""
    if len(node.branches) != 1 or node.default is None:
        return None
    ((test, value),) = node.branches
    if not isinstance(test, Comparison) or test.left != node.default or constant_of(value) is None:
        return None
    if constant_of(test.right) != constant_of(value) or test.operator not in ("<", "<=", ">", ">="):
        return None
    return node.default, constant_of(value) if test.operator in ("<", "<=") else None
