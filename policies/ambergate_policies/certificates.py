"""Certified execution: prove cheaply that a group is safe, and recount exactly only where the proof fails.

The exact statistics (`statistics.py`) group by person first, which costs many times the plain query. Most groups are
far from every threshold, and for those a proof is cheap (policy-kernel, section 3):

- persons: of BUCKETS shares of the persons, those with rows are a lower bound of the number of persons; and so is the
  exact count over one person in SAMPLE, which also bounds how many are *without* what a condition asks for;
- dominance: the largest of BUCKETS sums of absolute values, each over a share of the persons, is an upper bound of what
  one person holds, and the two largest of what two persons hold; the squared deviations from the mean of each share
  likewise bound what one person deviates.

The bounds go through the very rules that judge exact statistics. Where any rule has something to say, or a bound says
nothing, the group is recounted exactly. So a certificate can err only towards a recount.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ambergate_policies.algebra.expressions import Aggregate, Measure
from ambergate_policies.algebra.relations import Boundary, Scan
from ambergate_policies.packs import RulePack
from ambergate_policies.printing import OWNER, quoted
from ambergate_policies.rules import judge
from ambergate_policies.statistics import (
    CONDITIONS,
    HEAD,
    MAX_GROUPS,
    NUMBERS,
    Cell,
    Statement,
    cell,
    is_presence,
)

SAMPLE = 32
BUCKETS = 64
CERTIFIABLE = frozenset(
    {Measure.ROWS, Measure.PROPORTION, Measure.TOTAL, Measure.MEAN, Measure.DEVIATION, Measure.VARIANCE}
)
DOMINATED = frozenset({Measure.TOTAL, Measure.MEAN})
_SPREADING = DOMINATED | {Measure.DEVIATION, Measure.VARIANCE}
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
    """The cheap statement, with the columns of `statistics.statement`, or None where a measure has no certificate."""
    if not isinstance(boundary.relation, Scan):  # a join would be computed once for each pass
        return None
    if any(aggregate.measure not in CERTIFIABLE for aggregate in boundary.aggregates):
        return None
    return _Certificate(boundary, minimum).text()


def certify(boundary: Boundary, pack: RulePack, rows: Sequence[Row]) -> Certified:
    """Sort the groups into those that the bounds prove safe and those that need the exact count."""
    present = [row for row in rows if row[1]]
    width = len(boundary.keys)
    withheld = int(rows[0][0]) if rows and isinstance(rows[0][0], int) else 0
    safe, uncertain = [], []
    for row in present:
        if _proven(boundary, pack, row):
            safe.append(row)
        else:
            uncertain.append(tuple(row[HEAD : HEAD + width]))
    everything = bool(uncertain) and (not width or len(uncertain) * 4 > len(present))
    return Certified([], None, 0) if everything else Certified(safe, uncertain, withheld)


def _proven(boundary: Boundary, pack: RulePack, row: Row) -> bool:
    width = len(boundary.keys)
    persons = row[HEAD + width]
    if not isinstance(persons, int) or persons < pack.threshold.minimum:
        return False
    for index, aggregate in enumerate(boundary.aggregates):
        first = HEAD + width + 1 + index * len(NUMBERS)
        numbers = tuple(row[first : first + len(NUMBERS)])
        presence = is_presence(boundary, aggregate)
        bounds = cell(aggregate, persons, numbers, presence=presence)  # type: ignore[arg-type]
        if _silent(bounds) or any(True for _ in judge(bounds, pack)):
            return False
    return True


def _silent(bounds: Cell) -> bool:
    """A count of persons that the sample did not see, though rows say that there are some: nothing is known."""
    if bounds.counted > 0 and (bounds.contributing == 0 or (bounds.measure in _SPREADING and bounds.absolute <= 0)):
        return True
    if bounds.rows > 0 and bounds.domain == 0:
        return True
    if bounds.complement is None:
        return False
    unseen = bounds.counted < bounds.rows and bounds.complement == 0
    # Persons without any row that holds: the sample may miss a few, so none at all proves nothing.
    return unseen or bounds.domain == bounds.contributing


class _Certificate(Statement):
    """Prints the cheap statement out of the same pieces as the exact one.

    t: one pass over all rows, by group and share of the persons; p, g: the exact statistics of a sample of the persons,
    needed only where a condition has a complement; v: spreads."""

    def text(self) -> str:
        sampled = any(_has_condition(aggregate) for _, aggregate in self.measures)
        values = self.values()
        parts = [self.base(), self._totals()]
        parts += [self._sampled_partials(), self.groups()] if sampled else []
        deviations = self.deviations("j", "t")
        parts += [part for part in (values, deviations) if part]
        joined = "t" + (f" LEFT JOIN g ON {self.same_group('g', 't')}" if sampled else "")
        for name in (["v"] if values else []) + (["d"] if deviations else []):
            joined += f" LEFT JOIN {name} ON {self.same_group(name, 't')}"
        few = f"r < {self.minimum}"
        withheld = self.withheld("t", few, "j", "i") if self.keys else "(SELECT 0 AS withheld)"
        passing = f" WHERE t.r >= {self.minimum}" if self.keys else ""
        items = [f"t.{key} AS {key}" for key in self.keys]
        items.append(f"CAST({'coalesce(g.persons, 0)' if sampled else 't.persons'} AS BIGINT) AS persons")
        items += [item for index, aggregate in self.measures for item in self._bounds(index, aggregate)]
        return (
            f"WITH {', '.join(parts)} SELECT w.withheld, x.* FROM {withheld} AS w LEFT JOIN "
            f"(SELECT true AS present, {', '.join(items)} FROM {joined}{passing} LIMIT {MAX_GROUPS + 1}) AS x ON true"
        )

    def base(self) -> str:
        return super().base().replace("base AS (", "base AS NOT MATERIALIZED (", 1)

    def _totals(self) -> str:
        inner, outer = [*self.keys, f"{_share(BUCKETS)} AS i", "count(*) AS r"], [*self.keys, "sum(r) AS r"]
        for index, aggregate in self.own():
            pairs = _totals(index, aggregate)
            inner += [partial for partial, _ in pairs]
            outer += [merged for _, merged in pairs]
        shares = ", ".join([*self.keys, "i"])
        outer.append("count(*) AS persons")
        source = f"j AS (SELECT {', '.join(inner)} FROM base WHERE {quoted(OWNER)} IS NOT NULL GROUP BY {shares})"
        group = f" GROUP BY {', '.join(self.keys)}" if self.keys else ""
        return f"{source}, t AS (SELECT {', '.join(outer)} FROM j{group})"

    def _sampled_partials(self) -> str:
        return self.partials().replace(" IS NOT NULL GROUP BY", f" IS NOT NULL AND {_share(SAMPLE)} = 0 GROUP BY", 1)

    def _bounds(self, index: int, aggregate: Aggregate) -> list[str]:
        """NUMBERS: rows and values exact, persons as lower bounds, contributions as upper bounds."""
        measure, slot = aggregate.measure, self.slots[index]
        if measure is Measure.ROWS and aggregate.argument is None:
            numbers = {"domain": "t.persons", "contributing": "t.persons", "rows": "t.r", "counted": "t.r"}
        elif _has_condition(aggregate):
            whole = measure is Measure.ROWS
            numbers = {"contributing": f"g.nc{slot}", "complement": f"g.nn{slot}", "counted": f"t.c{slot}"}
            numbers |= {"domain": "g.persons" if whole else f"g.nd{slot}", "rows": "t.r" if whole else f"t.e{slot}"}
        else:
            value = f"t.s{slot}" if measure in DOMINATED else f"v.v{index}"
            numbers = {"domain": f"t.nd{slot}", "contributing": f"t.nc{slot}", "rows": f"t.c{slot}"}
            numbers |= {"counted": f"t.z{slot}", "value": value, "absolute": f"abs(t.s{slot})"}
            numbers |= {"largest": f"t.top{slot}[1]", "second": f"t.top{slot}[2]"}
            numbers |= {"spread": f"d.b{slot}", "outlier": f"d.t{slot}"}
        kinds = ["BIGINT"] * 5 + ["DOUBLE"] * (len(NUMBERS) - 5)
        return [
            f"CAST({numbers.get(number, 'NULL')} AS {kind}) AS m{index}_{number}"
            for number, kind in zip(NUMBERS, kinds, strict=True)
        ]


def _has_condition(aggregate: Aggregate) -> bool:
    return aggregate.measure is Measure.PROPORTION or (
        aggregate.measure in CONDITIONS and aggregate.argument is not None
    )


def _share(parts: int) -> str:
    """Which of so many parts a person falls into. SAMPLE and BUCKETS look at different bits of the hash."""
    shift = 0 if parts == SAMPLE else 20
    return f"((hash({quoted(OWNER)}) >> {shift}) % {parts})"


def _totals(index: int, aggregate: Aggregate) -> list[tuple[str, str]]:
    """For one measure: what is summed per share of the persons, and how the shares are merged."""
    if aggregate.measure in CONDITIONS and aggregate.argument is None:
        return []
    c, e, s, z, w = (f"{letter}{index}" for letter in "ceszw")
    if _has_condition(aggregate):
        pairs = [(f"count_if(a{index}) AS {c}", f"sum({c}) AS {c}")]
        domain = aggregate.measure is Measure.PROPORTION
        return [*pairs, (f"count_if(d{index}) AS {e}", f"sum({e}) AS {e}")] if domain else pairs
    return [
        (f"count(a{index}) AS {c}", f"sum({c}) AS {c}, count_if({c} > 0) AS nd{index}"),
        (f"count_if(a{index} <> 0) AS {z}", f"sum({z}) AS {z}, count_if({z} > 0) AS nc{index}"),
        (f"sum(a{index}) AS {s}", f"sum({s}) AS {s}"),
        (f"sum(a{index} * a{index}) AS q{index}", f"sum(q{index}) AS q{index}"),
        (f"sum(abs(a{index})) AS {w}", f"max({w}, 2) AS top{index}"),
    ]
