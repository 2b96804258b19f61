"""Certified execution: prove cheaply that a group is safe, and recount exactly only where the proof fails.

The exact statistics (`statistics`) group by person first, which costs many times the plain query. Most groups are
far from every threshold, and for those a proof is cheap (policy-kernel, section 3). The plain aggregates are computed
apart for some ranges of persons (`ranges.py`), which together are one pass over the tables:

- persons: the ranges with rows, with values, with values that are not zero, with rows for which a condition does not
  hold, are lower bounds of the numbers of such persons;
- dominance: one person is in one range, so the largest sum of absolute values over a range is an upper bound of what
  one person holds, and the two largest of what two persons hold; the squared deviations of a range likewise;
- conditions: how many persons are *without* what a condition asks for is no sum over rows. It is counted exactly in a
  sample of the persons, which is a lower bound too.

The bounds go through the very rules that judge exact statistics. Where any rule has something to say, or a bound says
nothing, the group is recounted exactly. So a certificate can err only towards a recount.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from ambergate_policies.algebra.expressions import Aggregate, Measure
from ambergate_policies.algebra.relations import Boundary
from ambergate_policies.packs import RulePack
from ambergate_policies.printing import OWNER, quoted
from ambergate_policies.ranges import chosen_rows, equal_ranges, indexed_persons, within_range, worthwhile
from ambergate_policies.rules import judge
from ambergate_policies.statistics import (
    CONDITIONS,
    HEAD,
    MAX_GROUPS,
    NUMBERS,
    SPREAD,
    Cell,
    Statement,
    cell,
    is_presence,
)

FEWEST_RANGES, MOST_RANGES = 16, 64
SAMPLED, FEWEST_SAMPLED = 32, 8192
"""One person in so many is in the sample, but at least so many persons."""
_TOTALS = frozenset({Measure.TOTAL, Measure.MEAN})
_SPREADS = frozenset(measure for measure, _ in SPREAD)
_MAGNITUDES = _TOTALS | _SPREADS
CERTIFIABLE = frozenset({Measure.ROWS, Measure.PROPORTION}) | _MAGNITUDES
UNCERTAIN = "u"
"""The table of group keys that must be recounted, as the engine sees it."""

Row = Sequence[object]


@dataclass(frozen=True, slots=True)
class Certified:
    """`rows`: those of the certified groups. `uncertain`: the keys of the others; None means recount everything."""

    rows: list[Row]
    uncertain: list[tuple[object, ...]] | None
    withheld: int


def statement(boundary: Boundary, minimum: int) -> str | None:
    """The cheap statement, with the columns of `statistics.statement`, or None where there is no certificate or the
    exact statement is as cheap."""
    if any(aggregate.measure not in CERTIFIABLE for aggregate in boundary.aggregates):
        return None
    persons = indexed_persons(boundary.relation)
    if persons is None or not worthwhile(boundary.relation):
        return None
    if chosen_rows(boundary.relation):
        return None  # how many rows each person has is known to the exact statement only
    ranges = max(FEWEST_RANGES, math.ceil(1.5 * minimum))  # by chance, a few have no person of a small group
    return None if ranges > MOST_RANGES else _Certificate(boundary, minimum, persons, ranges).text()


def certify(boundary: Boundary, pack: RulePack, rows: Sequence[Row]) -> Certified:
    """Sort the groups into those that the bounds prove safe and those that need the exact count. Everything is
    recounted where most rows would be."""
    present = [row for row in rows if row[1]]
    width = len(boundary.keys)
    withheld = int(rows[0][0]) if rows and isinstance(rows[0][0], int) else 0
    safe, uncertain, spent, all_rows = [], [], 0, 0
    for row in present:
        size = _rows_of(boundary, row)
        all_rows += size
        if _proven(boundary, pack, row):
            safe.append(row)
        else:
            uncertain.append(tuple(row[HEAD : HEAD + width]))
            spent += size
    everything = bool(uncertain) and (not width or spent * 2 > all_rows)
    return Certified([], None, 0) if everything else Certified(safe, uncertain, withheld)


def _numbers_of(boundary: Boundary, row: Row, index: int) -> Row:
    first = HEAD + len(boundary.keys) + 1 + index * len(NUMBERS)
    return row[first : first + len(NUMBERS)]


def _rows_of(boundary: Boundary, row: Row) -> int:
    """About how many rows a group has; 1 where no measure says."""
    place = NUMBERS.index("rows")
    known = [_numbers_of(boundary, row, index)[place] for index in range(len(boundary.aggregates))]
    return max((number for number in known if isinstance(number, int)), default=1)


def _proven(boundary: Boundary, pack: RulePack, row: Row) -> bool:
    persons = row[HEAD + len(boundary.keys)]
    if not isinstance(persons, int) or persons < pack.threshold.minimum:
        return False
    for index, aggregate in enumerate(boundary.aggregates):
        numbers = tuple(_numbers_of(boundary, row, index))
        presence = is_presence(boundary, aggregate)
        bounds = cell(aggregate, persons, numbers, presence=presence)  # type: ignore[arg-type]
        if _silent(bounds) or any(True for _ in judge(bounds, pack)):
            return False
    return True


def _silent(bounds: Cell) -> bool:
    """A bound of zero, where zero proves nothing; a rule could take it for the number itself."""
    if bounds.measure in _MAGNITUDES:
        return not (bounds.absolute > 0 and math.isfinite(bounds.spread) and math.isfinite(bounds.outlier))
    if bounds.complement is None:
        return bounds.domain == 0
    if 0 < bounds.counted == bounds.rows:
        return False  # it holds for every row: then nobody is left out, and that is exact
    without = bounds.domain - bounds.contributing
    return bounds.contributing == 0 or bounds.complement == 0 or without <= 0


class _Certificate(Statement):
    """Prints the cheap statement out of the same pieces as the exact one.

    j: the plain aggregates by range of persons and group; t: their merge; d: deviations from t's means; p, g: the exact
    statistics of the sample, for the measures that are conditions."""

    def __init__(self, boundary: Boundary, minimum: int, persons: int, ranges: int) -> None:
        super().__init__(boundary, minimum)
        self.ranges = list(equal_ranges(persons, ranges))
        self.sample = max(persons // SAMPLED, min(persons, FEWEST_SAMPLED))
        conditions = [index for index, aggregate in self.measures if _has_condition(aggregate)]
        self.in_sample = {index: place for place, index in enumerate(conditions)}
        """The measures that the sample counts, and their places in it."""

    def text(self) -> str:
        deviations = self.deviations("j", "t")
        parts = [self._of_ranges(), self._merged(), *self._sampled(), *([deviations] if deviations else [])]
        joined = "t" + (f" LEFT JOIN g ON {self.same_group('g', 't')}" if self.in_sample else "")
        joined += f" LEFT JOIN d ON {self.same_group('d', 't')}" if deviations else ""
        withheld = self.withheld("t", f"r < {self.minimum}", "j", "i") if self.keys else "(SELECT 0 AS withheld)"
        passing = f" WHERE t.r >= {self.minimum}" if self.keys else ""
        items = [f"t.{key} AS {key}" for key in self.keys]
        persons = "greatest(t.persons, coalesce(g.persons, 0))" if self.in_sample else "t.persons"
        items.append(f"CAST({persons} AS BIGINT) AS persons")
        items += [item for index, aggregate in self.measures for item in self._bounds(index, aggregate)]
        return (
            f"WITH {', '.join(parts)} SELECT w.withheld, x.* FROM {withheld} AS w LEFT JOIN "
            f"(SELECT true AS present, {', '.join(items)} FROM {joined}{passing} LIMIT {MAX_GROUPS + 1}) AS x ON true"
        )

    # -- j: plain aggregates, apart for each range

    def _of_ranges(self) -> str:
        items = [*self.keys, "count(*) AS r"]
        for index, aggregate in self.own():
            items += self._of_range(index, aggregate)
        group = f" GROUP BY {', '.join(self.keys)}" if self.keys else ""
        texts = []
        for place, (low, high) in enumerate(self.ranges):
            rows = self.rows(within_range(self.boundary.relation, low, high), guarded=False)
            texts.append(
                f"(SELECT {place} AS i, {', '.join(items)} FROM ({rows}) AS b WHERE {quoted(OWNER)} IS NOT NULL{group})"
            )
        return f"j AS ({' UNION ALL '.join(texts)})"

    def _of_range(self, index: int, aggregate: Aggregate) -> list[str]:
        a, c, s = f"a{index}", f"c{index}", f"s{index}"
        if aggregate.measure in CONDITIONS and aggregate.argument is None:
            return []
        if _has_condition(aggregate):
            items = [f"count_if({a}) AS {c}"]
            return [*items, f"count_if(d{index}) AS e{index}"] if aggregate.measure is Measure.PROPORTION else items
        squares = f"coalesce(sum({a} * {a}), 0) AS q{index}"
        if self._is_spread(index):  # no difference of large numbers here: it is the value that is shown
            squares = f"coalesce(var_pop({_guarded(a)}) * count({a}), 0) AS w{index}, {squares}"
        items = [f"count({a}) AS {c}", f"coalesce(sum({a}), 0) AS {s}", squares]
        return [*items, f"count_if({a} <> 0) AS z{index}"] if self._is_total(index) else items

    def _is_spread(self, slot: int) -> bool:
        return any(self.slots[index] == slot and other.measure in _SPREADS for index, other in self.measures)

    def _is_total(self, slot: int) -> bool:
        return any(self.slots[index] == slot and other.measure is Measure.TOTAL for index, other in self.measures)

    # -- t: the ranges together; how many of them have something; the two that have most

    def _merged(self) -> str:
        items = [*self.keys, "sum(r) AS r", "count_if(r > 0) AS persons"]
        for index, aggregate in self.own():
            items += self._of_group(index, aggregate)
        group = f" GROUP BY {', '.join(self.keys)}" if self.keys else ""
        return f"t AS (SELECT {', '.join(items)} FROM j{group})"

    def _of_group(self, index: int, aggregate: Aggregate) -> list[str]:
        c, e, s, q = (f"{letter}{index}" for letter in "cesq")
        if aggregate.measure in CONDITIONS and aggregate.argument is None:
            return []
        if _has_condition(aggregate):
            whole = e if aggregate.measure is Measure.PROPORTION else "r"
            items = [f"sum({c}) AS {c}", f"count_if({c} < {whole}) AS nn{index}"]
            return [*items, f"sum({e}) AS {e}"] if whole == e else items
        return [
            f"sum({c}) AS {c}, count_if({c} > 0) AS nd{index}",
            f"sum({s}) AS {s}",
            f"sum({q}) AS {q}, count_if({q} > 0) AS nc{index}",
            # Cauchy and Schwarz: no sum of absolute values of so many rows is larger. A trifle more for rounding.
            f"max(sqrt({c} * {q}) * 1.000001, 2) AS top{index}",
            *([f"sum(z{index}) AS z{index}"] if self._is_total(index) else []),
        ]

    # -- d: squared deviations, by range

    def deviating(self) -> list[tuple[int, str]]:
        found = []
        for index, aggregate in self.own():
            if aggregate.measure not in _MAGNITUDES:
                continue
            mean = f"(g.s{index} / g.c{index})"
            if self._is_spread(index):
                away = f"(p.s{index} - {mean} * p.c{index})"
                deviation = f"p.w{index} + coalesce({away} * {away} / nullif(p.c{index}, 0), 0)"
            else:
                deviation = f"p.q{index} - 2 * {mean} * p.s{index} + {mean} * {mean} * p.c{index}"
            found.append((index, f"greatest({deviation}, 0)"))
        return found

    # -- p, g: exactly, for some persons

    def _sampled(self) -> list[str]:
        if not self.in_sample:
            return []
        measures = tuple(self.boundary.aggregates[index] for index in self.in_sample)
        relation = within_range(self.boundary.relation, None, self.sample)
        sample = Statement(replace(self.boundary, relation=relation, aggregates=measures), self.minimum, ranged=False)
        return [sample.base(), sample.partials(), sample.groups()]

    def _bounds(self, index: int, aggregate: Aggregate) -> list[str]:
        """NUMBERS: rows and values exact, persons as lower bounds, contributions as upper bounds."""
        slot = self.slots[index]
        if index in self.in_sample:
            numbers = self._condition(index, slot, aggregate)
        elif aggregate.measure is Measure.ROWS:
            numbers = {"domain": "t.persons", "contributing": "t.persons", "rows": "t.r", "counted": "t.r"}
        else:
            numbers = self._magnitude(slot, aggregate)
        kinds = ["BIGINT"] * 5 + ["DOUBLE"] * (len(NUMBERS) - 5)
        return [
            f"CAST({numbers.get(number, 'NULL')} AS {kind}) AS m{index}_{number}"
            for number, kind in zip(NUMBERS, kinds, strict=True)
        ]

    def _condition(self, index: int, slot: int, aggregate: Aggregate) -> dict[str, str]:
        """`domain` and `contributing` are of the sample both: their difference must be a lower bound."""
        place, whole = self.in_sample[index], aggregate.measure is Measure.ROWS
        return {
            "domain": "g.persons" if whole else f"g.nd{place}",
            "contributing": f"g.nc{place}",
            "complement": f"greatest(coalesce(g.nn{place}, 0), t.nn{slot})",
            "rows": "t.r" if whole else f"t.e{slot}",
            "counted": f"t.c{slot}",
        }

    def _magnitude(self, slot: int, aggregate: Aggregate) -> dict[str, str]:
        c, q, b = f"t.c{slot}", f"t.q{slot}", f"d.b{slot}"
        # The exact statement takes numbers of 1e100 and more for no value. This one has them in its sums, and says so
        # by an absolute sum of zero; likewise where all numbers are equal up to rounding.
        sound = f"{q} < 1e200 AND {b} > 1e-12 * {q}"
        value = f"t.s{slot}"
        if (word := SPREAD.get((aggregate.measure, aggregate.population))) is not None:
            rows = f"nullif({c} - 1, 0)" if word.endswith("samp") else c
            value = f"sqrt({b} / {rows})" if word.startswith("stddev") else f"{b} / {rows}"
        return {
            "domain": f"t.nd{slot}",
            "contributing": f"t.nc{slot}",
            "rows": c,
            "counted": f"t.z{slot}" if self._is_total(slot) else "NULL",
            "value": value,
            "absolute": f"CASE WHEN {sound} THEN abs(t.s{slot}) ELSE 0 END",
            "largest": f"t.top{slot}[1]",
            "second": f"t.top{slot}[2]",
            "spread": b,
            "outlier": f"d.t{slot} * 1.000001 + 1e-14 * {q}",
        }


def _guarded(value: str) -> str:
    """An overflowing variance is an error of the engine, and would tell that somebody has so large a number."""
    return f"CASE WHEN abs({value}) < 1e100 THEN {value} END"


def _has_condition(aggregate: Aggregate) -> bool:
    return aggregate.measure is Measure.PROPORTION or (
        aggregate.measure in CONDITIONS and aggregate.argument is not None
    )
