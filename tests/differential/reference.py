"""The reference engine: what a program means, person by person, over lists of rows and without SQL.

Groups, persons and values are sets and lists; every statistic is computed from its definition (policy-kernel,
sections 3 and 4). Slow, obvious, and independent of the printed statements."""

from __future__ import annotations

import math
import statistics as means
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

from tests.differential import fits, partials
from tests.differential.values import OWNER, Value, evaluate
from tests.differential.windows import window_values

from ambergate_policies.algebra.expressions import (
    Aggregate,
    Column,
    Expression,
    Measure,
    Ordering,
    Owner,
    Window,
    walk,
)
from ambergate_policies.algebra.kinds import Kind
from ambergate_policies.algebra.relations import (
    CLEARED,
    Beside,
    Boundary,
    Cleared,
    Derived,
    Join,
    JoinKind,
    Program,
    Relation,
    Scan,
    United,
    Values,
)
from ambergate_policies.packs import RulePack
from ambergate_policies.postprocessing import measures_of
from ambergate_policies.ranges import chosen_rows
from ambergate_policies.statistics import is_presence

STEP = "step "
"""Before the name of a step, among the tables: not a name that a table can have."""
Tables = dict[str, list[dict[str, Value]]]
Row = dict[str, dict[str, Value]]


@dataclass
class Shown:
    """One cell: what may be shown, or why not, with the persons behind it (for the invariants)."""

    value: Value
    suppressed: bool = False
    held: bool = False
    persons: set[Value] = field(default_factory=set)
    others: set[Value] = field(default_factory=set)
    is_condition: bool = False


@dataclass
class Expected:
    """What the pipeline must answer."""

    held: bool
    rows: list[tuple[Value, ...]]
    mask: list[tuple[bool, ...]]
    withheld: int
    groups: dict[tuple[Value, ...], list[Shown]]


# -- relations


def rows_of(node: Relation, tables: Tables) -> list[Row]:
    match node:
        case Scan():
            return list(_scanned(node, tables))
        case Values(source=source, columns=columns, rows=rows):
            names = [column.name for column in columns]
            return [{source: dict(zip(names, [evaluate(value, {}) for value in row], strict=True))} for row in rows]
        case Cleared(source=source, table=table):
            return [{source: dict(row)} for row in tables[STEP + table]]
        case Join():
            return _joined(node, rows_of(node.left, tables), rows_of(node.right, tables))
        case Beside():
            return _beside(node, rows_of(node.left, tables), rows_of(node.right, tables))
        case Derived():
            return _derived(node, tables)
        case United():
            return [{node.source: values} for values in _united(node, tables)]


def _united(node: United, tables: Tables) -> list[dict[str, Value]]:
    """The rows of a set operation: bags of rows, or sets of them."""
    bags = [[row[branch.source] for row in _derived(branch, tables)] for branch in node.branches]
    found = bags[0]
    for other in bags[1:]:
        left = list(other)
        if node.operator == "UNION":
            found = found + left
            continue
        kept = []
        for values in found:
            matched = values in left
            if matched and node.everything:
                left.remove(values)
            if matched == (node.operator == "INTERSECT"):
                kept.append(values)
        found = kept
    if node.everything:
        return found
    return [values for index, values in enumerate(found) if values not in found[:index]]


def _scanned(node: Scan, tables: Tables) -> Iterator[Row]:
    for stored in tables[node.table]:
        row = {node.source: dict(stored)}
        if node.owner is not None:
            row[node.source][OWNER] = stored[node.owner]
            if stored[node.owner] is None:
                continue
        if node.row_filter is None or evaluate(node.row_filter, row) is True:
            yield row


def _joined(node: Join, left: list[Row], right: list[Row]) -> list[Row]:
    pairs = [
        (i, j)
        for i, one in enumerate(left)
        for j, other in enumerate(right)
        if node.on is None or evaluate(node.on, one | other) is True
    ]
    with_left, with_right = {i for i, _ in pairs}, {j for _, j in pairs}
    if node.kind is JoinKind.SEMI:
        return [row for i, row in enumerate(left) if i in with_left]
    if node.kind is JoinKind.ANTI:
        return [row for i, row in enumerate(left) if i not in with_left]
    found = [left[i] | right[j] for i, j in pairs]
    if node.kind in (JoinKind.LEFT, JoinKind.FULL):
        found += [row for i, row in enumerate(left) if i not in with_left]
    if node.kind in (JoinKind.RIGHT, JoinKind.FULL):
        found += [row for j, row in enumerate(right) if j not in with_right]
    return found


def _beside(node: Beside, left: list[Row], right: list[Row]) -> list[Row]:
    rows = []
    for row in left:
        met = [row | other for other in right if evaluate(node.on, row | other) is True]
        value = bool(met) if node.partial is None else partials.partial(node.partial, met)
        rows.append(row | {node.source: {"a0": value}})
    return rows


def person_of(owners: Sequence[Owner], row: Row) -> Value:
    return next((person for owner in owners if (person := evaluate(owner, row)) is not None), None)


def _derived(node: Derived, tables: Tables) -> list[Row]:
    rows = [
        row for row in rows_of(node.relation, tables) if node.condition is None or evaluate(node.condition, row) is True
    ]
    if node.group is not None:
        return _grouped(node, rows)
    for ordering in reversed(node.order):
        rows.sort(key=lambda row: _sort_key(evaluate(ordering.expression, row), ordering))
    rows = rows[node.offset :][: node.limit]
    windows = {name: window_values(item, rows) for name, item in node.items if isinstance(item, Window)}
    made = []
    for index, row in enumerate(rows):
        values = {name: windows[name][index] if name in windows else evaluate(item, row) for name, item in node.items}
        if node.owners:
            values[OWNER] = person_of(node.owners, row)
        elif not node.distinct:
            values |= {FLAG + name: flagged(item, row) for name, item in node.items}
        if not (node.distinct and values in made):
            made.append(values)
    return [{node.source: values} for values in made]


def _grouped(node: Derived, rows: list[Row]) -> list[Row]:
    assert node.group is not None
    groups: dict[tuple[Value, ...], list[Row]] = {}
    for row in rows:
        key = (person_of(node.owners, row), *(evaluate(key, row) for key in node.group.keys))
        groups.setdefault(key, []).append(row)
    made = []
    for (person, *_), members in groups.items():
        values = {name: evaluate(item, members[0]) for name, item in node.items}
        values |= {name: partials.partial(partial, members) for name, partial in node.group.partials}
        made.append({node.source: values | {OWNER: person}})
    if not node.owners and not node.group.keys and not made:
        values = {name: partials.partial(partial, []) for name, partial in node.group.partials}
        made.append({node.source: values})
    return made


FLAG = "suppressed "
"""Before a column's name: whether a suppressed cell went into it."""


def flagged(node: Expression, row: Row) -> bool:
    """Whether a suppressed cell of the row goes into an expression."""
    return any(bool(row.get(part.source, {}).get(FLAG + part.name)) for part in walk(node) if isinstance(part, Column))


# -- the boundary


def groups_of(boundary: Boundary, tables: Tables) -> dict[tuple[Value, ...], list[tuple[Value, Row]]]:
    """For every group, its rows with the person that each belongs to."""
    groups: dict[tuple[Value, ...], list[tuple[Value, Row]]] = {}
    for row in rows_of(boundary.relation, tables):
        if boundary.condition is not None and evaluate(boundary.condition, row) is not True:
            continue
        if (person := person_of(boundary.owners, row)) is not None:
            groups.setdefault(tuple(evaluate(key, row) for key in boundary.keys), []).append((person, row))
    if not boundary.keys and not groups:
        groups[()] = []
    return groups


def cell_of(aggregate: Aggregate, rows: list[tuple[Value, Row]], pack: RulePack, boundary: Boundary) -> Shown:
    """One measure of one group, cleared."""
    match aggregate.measure:
        case Measure.ROWS | Measure.PERSONS | Measure.PROPORTION:
            return _condition(aggregate, rows, pack, boundary)
        case Measure.DISTINCT | Measure.RECORDS:
            return _distinct(aggregate, rows, pack)
        case measure if measure in fits.PAIRED:
            return _pair(aggregate, rows, pack, boundary.relation)
        case _:
            return _magnitude(aggregate, rows, pack, boundary.relation)


def _few(pack: RulePack, *sets: set[Value]) -> bool:
    least = 0 if pack.threshold.zeros == "suppress" else 1
    return any(least <= len(persons) < pack.threshold.minimum for persons in sets)


def _threshold(pack: RulePack) -> Shown:
    hold = pack.threshold.action.value == "hold"
    return Shown(None, suppressed=not hold, held=hold)


def _condition(aggregate: Aggregate, rows: list[tuple[Value, Row]], pack: RulePack, boundary: Boundary) -> Shown:
    everybody, all_rows = {person for person, _ in rows}, rows
    if aggregate.domain is not None:
        rows = [(person, row) for person, row in rows if evaluate(aggregate.domain, row) is True]
    holds = [(person, aggregate.argument is None or evaluate(aggregate.argument, row) is True) for person, row in rows]
    inside, domain = {person for person, held in holds if held}, {person for person, _ in holds}
    outside = {person for person, held in holds if not held}
    if aggregate.measure is Measure.PERSONS:  # a person is counted or not, whatever else their rows hold
        outside = everybody - inside
    presence = is_presence(boundary, aggregate)
    rest = [outside, domain - inside] if aggregate.argument is not None else []
    rest = [persons for persons in rest if persons or not presence]
    if _few(pack, everybody, domain, inside, *rest):
        return _threshold(pack)
    counted = sum(held for _, held in holds)
    if aggregate.measure is Measure.PROPORTION:
        whole = rounded(len(holds), pack)
        ratio = None if not whole else min(1.0, digits(rounded(counted, pack) / whole, pack))
        shown = Shown(ratio, persons=inside, others=outside, is_condition=True)
    else:
        number = counted if aggregate.measure is Measure.ROWS else len(inside)
        shown = Shown(rounded(number, pack), persons=inside, others=outside, is_condition=True)
    words = []
    counted_rows = aggregate.measure is not Measure.PERSONS and chosen_rows(boundary.relation)
    if counted_rows and _rows_stand_out(Counter(person for person, _ in all_rows), holds, pack):
        words.append(pack.dominance.action.value)
    if aggregate.argument is not None and domain and not presence:
        persons = aggregate.measure is Measure.PERSONS
        part, whole = (len(inside), len(everybody)) if persons else (counted, len(holds))
        nearly = part < whole and part > (pack.class_disclosure.share_percent or 100) / 100 * whole
        words += _class_disclosure(inside, set() if nearly else outside, pack)
    shown.suppressed = "suppress" in words
    shown.held = "hold" in words and not shown.suppressed
    shown.value = None if shown.suppressed else shown.value
    return shown


def _rows_stand_out(everybody: Counter[Value], holds: list[tuple[Value, bool]], pack: RulePack) -> bool:
    """One person has most of the squared deviations from the mean number of rows, where the query decides on it."""
    numbers = [everybody, Counter(person for person, held in holds if held), Counter(person for person, _ in holds)]
    return any(_few_have_most(rows, list(everybody), pack) for rows in numbers)


def _weights_stand_out(
    rows: list[tuple[Value, Row]], weights: list[tuple[Value, bool]], pack: RulePack, relation: Relation
) -> bool:
    everybody = Counter(person for person, _ in rows)
    return chosen_rows(relation) and _rows_stand_out(everybody, weights, pack)


def _spread_of(flat: list[float]) -> float:
    mean = math.fsum(flat) / len(flat) if flat else 0.0
    return math.fsum((value - mean) ** 2 for value in flat)


def _few_have_most(rows: Counter[Value], persons: list[Value], pack: RulePack) -> bool:
    """The few with most rows (fewer than the threshold, at most one in ten) have most of the squared deviations."""
    if not persons or pack.dominance.outlier_percent is None:
        return False
    mean = sum(rows.values()) / len(persons)
    away = [rows[person] - mean for person in persons]
    few = min(max(1, pack.threshold.minimum - 1), max(1, len(persons) // 10))
    above = sorted((max(one, 0) for one in away), reverse=True)[:few]
    total = math.fsum(one * one for one in away)
    material = pack.rounding.base / 2 if pack.rounding.method != "none" else 0
    share = math.fsum(one * one for one in above) * 100
    return total > 1e-9 and math.fsum(above) >= material and share >= pack.dominance.outlier_percent * total


def _class_disclosure(inside: set[Value], outside: set[Value], pack: RulePack) -> list[str]:
    words = []
    if not outside:
        words.append(pack.class_disclosure.everybody.value)
    if not inside:
        words.append(pack.class_disclosure.nobody.value)
    return words


def _distinct(aggregate: Aggregate, rows: list[tuple[Value, Row]], pack: RulePack) -> Shown:
    assert aggregate.argument is not None
    holders: dict[Value, set[Value]] = {}
    for person, row in rows:
        value = evaluate(aggregate.argument, row)
        if value is not None and (aggregate.domain is None or evaluate(aggregate.domain, row) is True):
            holders.setdefault(value, set()).add(person)
    domain, everybody = set().union(*holders.values()), {person for person, _ in rows}
    chosen = aggregate.domain is not None or not isinstance(aggregate.argument, Column)
    rest = [everybody - domain] if aggregate.measure is Measure.RECORDS and chosen else []
    if _few(pack, everybody, domain, *rest):
        return _threshold(pack)
    minimum = 1 if aggregate.measure is Measure.RECORDS else pack.threshold.minimum
    return Shown(rounded(sum(len(persons) >= minimum for persons in holders.values()), pack), persons=domain)


def _magnitude(aggregate: Aggregate, rows: list[tuple[Value, Row]], pack: RulePack, relation: Relation) -> Shown:
    assert aggregate.argument is not None
    values: dict[Value, list[float]] = {}
    for person, row in rows:
        value = evaluate(aggregate.argument, row)
        if value is not None and (aggregate.domain is None or evaluate(aggregate.domain, row) is True):
            values.setdefault(person, []).append(float(value))
    everybody, domain = {person for person, _ in rows}, set(values)
    contributing = {person for person, own in values.items() if any(own)}
    if _few(pack, everybody, domain, contributing):
        return _threshold(pack)
    flat = [value for own in values.values() for value in own]
    number, contributions = _statistic(aggregate, values, flat, pack)
    shown = Shown(_shown(aggregate, number, pack), persons=domain)
    windowed = aggregate.measure in (Measure.PERCENTILE, Measure.MINIMUM, Measure.MAXIMUM)
    means_of = sorted(math.fsum(own) / len(own) for own in values.values())
    blocks = _blocks(aggregate, means_of, pack) if windowed and flat else []
    spread = aggregate.measure in (Measure.DEVIATION, Measure.VARIANCE, Measure.ERROR)
    if windowed:
        dominated = any(
            _dominated([abs(value) for value in block], pack, True) or _stands_out([[value] for value in block], pack)
            for _, block in blocks
        )
    else:
        dominated = _dominated(contributions, pack, windowed) or _stands_out(list(values.values()), pack)
        weights = [(person, True) for person, own in values.items() for _ in own]
        dominated |= _spread_of(flat) > 1e-9 and _weights_stand_out(rows, weights, pack, relation)
    words = [pack.dominance.action.value] if dominated else []
    if spread and domain and len(domain) - 1 < pack.degrees_of_freedom.minimum:
        words.append(pack.degrees_of_freedom.action.value)
    shown.suppressed = "suppress" in words
    shown.held = "hold" in words and not shown.suppressed
    if shown.suppressed:
        shown.value = None
    return shown


def _statistic(
    aggregate: Aggregate, values: dict[Value, list[float]], flat: list[float], pack: RulePack
) -> tuple[float | None, list[float]]:
    """The plain number, and what each person contributes to it."""
    contributions = [abs(math.fsum(own)) for own in values.values()]
    if not flat:
        return None, []
    match aggregate.measure:
        case Measure.TOTAL:
            nonzero = sum(1 for value in flat if value)
            if not nonzero:
                return 0.0, contributions
            mean = fits.on_step(math.fsum(flat) / nonzero, _typical(aggregate, flat, nonzero, pack), pack)
            return mean * rounded(nonzero, pack), contributions
        case Measure.MEAN:
            mean = math.fsum(flat) / len(flat)
            return fits.on_step(mean, _typical(aggregate, flat, len(flat), pack), pack), contributions
        case Measure.DEVIATION | Measure.VARIANCE | Measure.ERROR:
            if len(flat) == 1 and not aggregate.population:
                return None, contributions
            number = means.pvariance(flat) if aggregate.population else means.variance(flat)
            number = number if aggregate.measure is Measure.VARIANCE else math.sqrt(number)
            number = fits.on_step(number, number / len(flat), pack)
            if aggregate.measure is Measure.ERROR:
                number /= math.sqrt(rounded(len(flat), pack))
            return number, contributions
        case _:
            blocks = _blocks(aggregate, sorted(math.fsum(own) / len(own) for own in values.values()), pack)
            return math.fsum(weight * math.fsum(block) / len(block) for weight, block in blocks), []


def _typical(aggregate: Aggregate, flat: list[float], rows: int, pack: RulePack) -> float:
    """By how much a typical one of so many rows moves the mean. Means of whole numbers are multiples of 1/rows, and the
    fewest rows that are rounded to the same count decide. Dates have no digits."""
    assert aggregate.argument is not None
    if aggregate.kind is Kind.DATE:
        return 0.0
    alike = [number for number in range(1, rows + 1) if rounded(number, pack) == rounded(rows, pack)]
    whole = 1 / max(1, rows - pack.rounding.base + 1) if aggregate.argument.kind is Kind.INT else 0.0
    assert whole == 0 or whole >= 1 / alike[0]
    return max(means.pstdev(flat) / rows, whole)


def _shown(aggregate: Aggregate, number: float | None, pack: RulePack) -> Value:
    """A number with the pack's digits, or the month of a date that is given as days since the year 1 began."""
    if number is None or aggregate.kind is not Kind.DATE:
        return None if number is None else digits(number, pack)
    return (date(1, 1, 1) + timedelta(math.floor(number))).replace(day=1)


def _pair(aggregate: Aggregate, rows: list[tuple[Value, Row]], pack: RulePack, relation: Relation) -> Shown:
    assert aggregate.argument is not None and aggregate.second is not None
    own: fits.Pairs = {}
    for person, row in rows:
        y, x = evaluate(aggregate.argument, row), evaluate(aggregate.second, row)
        if y is None or x is None or (aggregate.domain is not None and evaluate(aggregate.domain, row) is not True):
            continue
        own.setdefault(person, []).append((float(y), float(x)))
    with_y, with_x = ({person for person, pairs in own.items() if any(pair[i] for pair in pairs)} for i in (0, 1))
    least = min(with_y, with_x, key=len)
    if _few(pack, {person for person, _ in rows}, set(own), least):
        return _threshold(pack)
    if not own:
        return Shown(None)
    flat = [pair for pairs in own.values() for pair in pairs]
    line = fits.line_of(flat)
    number = fits.statistic(aggregate.measure, aggregate.population, line)
    if number is not None:
        number = fits.on_step(number, fits.typical(aggregate.measure, line) / len(flat), pack)
        number *= rounded(len(flat), pack) if aggregate.measure is Measure.PRODUCTS else 1
    words = []
    percent = pack.dominance.outlier_percent
    weights = [(person, True) for person, pairs in own.items() for _ in pairs]
    out = (
        _weights_stand_out(rows, weights, pack, relation)
        or fits.constant(flat)
        or fits.stands_out(aggregate.measure, own, line) >= (percent or 101) / 100
    )
    if fits.dominated(*fits.largest_shares(own, line), pack) or (percent is not None and out):
        words.append(pack.dominance.action.value)
    if len(own) - (2 if aggregate.measure in fits.FITS else 1) < pack.degrees_of_freedom.minimum:
        words.append(pack.degrees_of_freedom.action.value)
    shown = Shown(None if number is None else digits(number, pack), persons=set(own))
    shown.suppressed = "suppress" in words
    shown.held = "hold" in words and not shown.suppressed
    shown.value = None if shown.suppressed else shown.value
    return shown


def _blocks(aggregate: Aggregate, ordered: list[float], pack: RulePack) -> list[tuple[float, list[float]]]:
    """The blocks of neighbours that an extreme or a percentile is made of, with the share that each has in it."""
    number = len(ordered)
    many = max(1, number // pack.threshold.minimum)
    blocks: list[list[float]] = [[] for _ in range(many)]
    for place, value in enumerate(ordered):
        blocks[place * many // number].append(value)
    assert many == 1 or all(len(block) >= pack.threshold.minimum for block in blocks)
    if aggregate.measure is Measure.MINIMUM:
        return [(1.0, blocks[0])]
    if aggregate.measure is Measure.MAXIMUM:
        return [(1.0, blocks[-1])]
    middle = float(aggregate.quantile or 0) * many - 0.5  # where the middles of the blocks are 0, 1, 2, ...
    share = middle - math.floor(middle)
    if middle < 0 or middle > many - 1:
        return [(1.0, blocks[0] if middle < 0 else blocks[-1])]
    found = [(1 - share, blocks[math.floor(middle)])]
    return [*found, (share, blocks[math.floor(middle) + 1])] if share else found


def _dominated(contributions: list[float], pack: RulePack, windowed: bool) -> bool:
    total, rule = math.fsum(contributions), pack.dominance
    if total <= 0:
        return False
    largest, second, *_ = [*sorted(contributions, reverse=True), 0.0]
    if rule.largest_percent is not None and largest >= rule.largest_percent / 100 * total:
        return True
    if rule.two_largest_percent is not None and largest + second >= rule.two_largest_percent / 100 * total:
        return True
    return rule.p_percent is not None and not windowed and total - largest - second < rule.p_percent / 100 * largest


def _stands_out(own: list[list[float]], pack: RulePack) -> bool:
    """One person holds most of the squared deviations from the mean. `own`: each person's values."""
    flat = [value for values in own for value in values]
    if not flat or pack.dominance.outlier_percent is None:
        return False
    mean = math.fsum(flat) / len(flat)
    squares = [math.fsum((value - mean) ** 2 for value in values) for values in own]
    total = math.fsum(squares)
    return total > 1e-9 and max(squares) >= pack.dominance.outlier_percent / 100 * total


def rounded(number: int, pack: RulePack) -> int:
    base = pack.rounding.base
    if pack.rounding.method == "nearest":
        return math.floor(number / base + 0.5) * base
    if pack.rounding.method == "midpoint":
        return 0 if number == 0 else -(-number // base) * base - base // 2
    return number


def digits(number: float, pack: RulePack) -> float:
    return float(f"%.{pack.rounding.significant_digits - 1}e" % number)


# -- above the boundary


def expected(program: Program, tables: Tables, pack: RulePack) -> Expected:
    """What the pipeline must answer for a program."""
    boundary = program.boundary
    groups = groups_of(boundary, tables)
    large = {
        key: rows
        for key, rows in groups.items()
        if not boundary.keys or len({person for person, _ in rows}) >= pack.threshold.minimum
    }
    cells = {
        key: [cell_of(aggregate, rows, pack, boundary) for aggregate in boundary.aggregates]
        for key, rows in large.items()
    }
    scalars: Row = {}
    for step in program.scalars:
        nothing = {column.name: None for column in step.columns}
        scalars |= next(iter(rows_of(step, tables)), {step.source: nothing})
    lines = [_line(program, key, shown, scalars) for key, shown in cells.items()]
    lines = [line for line in lines if line is not None]
    for ordering in reversed(_orderings(program)):
        lines.sort(key=lambda line: _sort_key(evaluate(ordering.expression, line[2]), ordering), reverse=False)
    lines = lines[program.offset :][: program.limit]
    return Expected(
        held=any(cell.held for shown in cells.values() for cell in shown),
        rows=[line[0] for line in lines],
        mask=[line[1] for line in lines],
        withheld=_withheld(groups, set(large), pack),
        groups=cells,
    )


def _withheld(groups: dict[tuple[Value, ...], list[tuple[Value, Row]]], large: set[Any], pack: RulePack) -> int:
    """Groups of few persons, of which nothing is said unless enough persons are in them together."""
    small = {key: rows for key, rows in groups.items() if key not in large}
    persons = {person for rows in small.values() for person, _ in rows}
    return len(small) if len(persons) >= pack.threshold.minimum else 0


Line = tuple[tuple[Any, ...], tuple[bool, ...], Row]


def _line(program: Program, key: tuple[Value, ...], shown: list[Shown], scalars: Row) -> Line | None:
    cleared = {f"k{index}": value for index, value in enumerate(key)}
    cleared |= {f"m{index}": cell.value for index, cell in enumerate(shown)}
    row: Row = {CLEARED: cleared} | scalars
    if program.having is not None and evaluate(program.having, row) is not True:
        return None
    mask = tuple(
        any(shown[i].suppressed for i in measures_of(program, output.expression)) or flagged(output.expression, row)
        for output in program.outputs
    )
    values = [evaluate(output.expression, row) for output in program.outputs]
    return tuple(None if hide else value for value, hide in zip(values, mask, strict=True)), mask, row


def _orderings(program: Program) -> list[Ordering]:
    keys = [Ordering(Column(CLEARED, f"k{i}", Kind.INT), False, False) for i in range(len(program.boundary.keys))]
    return [*program.order, *keys]


class _Backwards:
    """Sorts the other way round."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def __lt__(self, other: _Backwards) -> bool:
        return bool(other.value < self.value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Backwards) and bool(other.value == self.value)


def _sort_key(value: Value, ordering: Ordering) -> tuple[Any, ...]:
    if value is None:
        return (0 if ordering.nulls_first else 2,)
    return (1, _Backwards(value) if ordering.descending else value)
