"""The disclosure statistics of a boundary: which numbers each measure needs, and the SQL that computes them.

A boundary is defined person-first (policy-kernel, section 3): first each person's partial of each measure per group,
then the merge of the partials. This module prints exactly that, as one statement; groups below the threshold are
counted and left behind in the engine, so their keys never come out.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import UnionType

from ambergate_policies import pairs
from ambergate_policies.algebra.expressions import (
    Aggregate,
    Column,
    Expression,
    IsNull,
    Logical,
    Measure,
    Not,
    Owner,
    walk,
)
from ambergate_policies.algebra.kinds import Kind
from ambergate_policies.algebra.relations import (
    Beside,
    Boundary,
    Derived,
    Join,
    JoinKind,
    Relation,
    Scan,
    United,
    scans,
)
from ambergate_policies.printing import OWNER, columns_used, expression, handed_over, owner_of, quoted, relation
from ambergate_policies.ranges import one_row_each

MAX_GROUPS = 50_000
HEAD = 2
"""Columns of a statistics row before the keys: `withheld` and `present`."""
CONDITIONS = frozenset({Measure.ROWS, Measure.PERSONS})
WINDOWED = frozenset({Measure.PERCENTILE, Measure.MINIMUM, Measure.MAXIMUM})
SPREAD = {
    (Measure.DEVIATION, False): "stddev_samp",
    (Measure.DEVIATION, True): "stddev_pop",
    (Measure.VARIANCE, False): "var_samp",
    (Measure.VARIANCE, True): "var_pop",
    (Measure.ERROR, True): "stddev_pop",  # over the root of the rounded number of rows
}


@dataclass(frozen=True, slots=True)
class Cell:
    """The statistics of one measure in one group. Counts are of distinct persons unless they say rows.

    persons: in the group; domain: with a value; contributing: with a value that is neither NULL nor zero;
    complement: with a row for which the condition does not hold, or for a count of persons without any for which it
    holds (None where there is no condition);
    rows: rows with a value; counted: rows for which the condition holds, or whose value is not zero;
    spread, outlier: squared deviations of rows from the mean, summed over all and over the person with most (pairs.py
    says what they are of a pair);
    value: the plain statistic; absolute, largest, second: sum and two largest of absolute per-person contributions.
    """

    measure: Measure
    persons: int
    domain: int
    contributing: int
    complement: int | None
    rows: int
    counted: int
    value: float | None
    absolute: float
    largest: float
    second: float
    presence: bool
    spread: float = 0.0
    outlier: float = 0.0
    whole: bool = False
    """The values are whole numbers, or ..."""
    dated: bool = False
    """... dates, as numbers of days."""


NUMBERS = ("domain", "contributing", "complement", "rows", "counted", "value", "absolute", "largest", "second",
           "spread", "outlier")  # fmt: skip
"""The columns of one measure in the statistics' result, each named `m<index>_<number>`."""


def cell(
    aggregate: Aggregate,
    persons: int,
    numbers: tuple[float | int | None, ...],
    *,
    presence: bool = False,
) -> Cell:
    """Read one measure's NUMBERS of one group. A number that the engine does not give counts as zero.

    presence: what `is_presence` says of the measure."""
    given = dict(zip(NUMBERS, numbers, strict=True))
    has_condition = aggregate.measure is Measure.PROPORTION or (
        aggregate.measure in CONDITIONS and aggregate.argument is not None
    )
    contributing = int(given["contributing"] or 0)
    outside = persons - contributing if aggregate.measure is Measure.PERSONS else int(given["complement"] or 0)
    return Cell(
        measure=aggregate.measure,
        persons=persons,
        domain=int(given["domain"] or 0),
        contributing=contributing,
        complement=outside if has_condition else None,
        rows=int(given["rows"] or 0),
        counted=int(given["counted"] or 0),
        value=None if given["value"] is None else float(given["value"]),
        absolute=float(given["absolute"] or 0),
        largest=float(given["largest"] or 0),
        second=float(given["second"] or 0),
        spread=float(given["spread"] or 0),
        outlier=float(given["outlier"] or 0),
        presence=presence,
        whole=aggregate.argument is not None and aggregate.argument.kind is Kind.INT,
        dated=aggregate.kind is Kind.DATE,
    )


def is_presence(boundary: Boundary, aggregate: Aggregate) -> bool:
    """`count(column)` of a column that a table has, and that no subquery computed and no outer join left out: whether
    it is filled is then a property of the data, and not of the query. Likewise the person key of an inner join."""
    return aggregate.argument is not None and _asks_presence(boundary.relation, aggregate.argument)


def _asks_presence(relation: Relation, condition: Expression) -> bool:
    match condition:
        case Not(part=IsNull(part=Column())):
            return _inner(relation, Scan)
        case Not(part=IsNull(part=Owner())):
            return _inner(relation, Scan | Derived)
        case Logical(operator="AND", parts=parts):  # the rows with all of them: regr_count
            return all(_asks_presence(relation, part) for part in parts)
        case _:
            return False


def _inner(node: Relation, leaves: type | UnionType) -> bool:
    """Inner joins of such leaves only."""
    if isinstance(node, Join) and node.kind in (JoinKind.INNER, JoinKind.SEMI, JoinKind.ANTI):
        return _inner(node.left, leaves) and (node.kind is not JoinKind.INNER or _inner(node.right, leaves))
    if isinstance(node, Beside):
        return _inner(node.left, leaves)
    return isinstance(node, leaves)


def statement(boundary: Boundary, minimum: int, *, only: str | None = None) -> str:
    """The statement for a boundary's keys and statistics; `minimum` persons per group, else it stays behind. `only`
    names a table of keys (k0..) to restrict it to.

    Result columns: `withheld`, `present` (false in the row that stands for no group), k0.., `persons`, then NUMBERS of
    each measure."""
    return Statement(boundary, minimum, only).text()


def members_statement(boundary: Boundary) -> str:
    """The exact set of persons behind every group: (keys, owner), one row per person. For the release ledger."""
    printer = Statement(boundary, 1)
    return f"WITH {printer.base()}, {printer.partials()} SELECT {', '.join([*printer.keys, quoted(OWNER)])} FROM p"


class Statement:
    """Prints the exact statement; its pieces serve the certificates too."""

    def __init__(self, boundary: Boundary, minimum: int, only: str | None = None) -> None:
        self.boundary = boundary
        self.only = only
        self.used = columns_used(all_expressions(boundary))
        self.minimum = int(minimum)
        self.keys = [quoted(f"k{index}") for index in range(len(boundary.keys))]
        self.measures = list(enumerate(boundary.aggregates))
        self.slots = [_slot(boundary.aggregates, index) for index, _ in self.measures]
        """Measures of the same rows and the same argument share their inputs: `sum(x)`, `avg(x)` are one pass."""
        self.one_row_each = one_row_each(boundary.relation) and all(
            aggregate.measure in _OF_ROWS for aggregate in boundary.aggregates
        )
        """A row is all that there is of a person: then nothing is to be grouped by person first."""

    def own(self) -> list[tuple[int, Aggregate]]:
        """The measures that compute inputs of their own."""
        return [(index, aggregate) for index, aggregate in self.measures if self.slots[index] == index]

    def text(self) -> str:
        parts = [self.base(), self.partials(), self.groups()]
        values, deviations = self.values(), self.deviations("p", "g")
        parts += [part for part in (values, deviations) if part]
        windows = [index for index, aggregate in self.measures if aggregate.measure in WINDOWED]
        parts += [part for index in windows for part in self._window(index)]
        distinct = [index for index, aggregate in self.measures if aggregate.measure is Measure.DISTINCT]
        parts += [part for index in distinct for part in self._distinct(index)]
        paired = [index for index, aggregate in self.own() if aggregate.measure in pairs.PAIRS]
        parts += [part for index in paired for part in pairs.deviations(index, self.keys)]
        joined = "g" + "".join(
            f" LEFT JOIN {name} ON {self.same_group(name)}" for name in self._beside(windows + distinct + paired)
        )
        few = f"persons < {self.minimum}"
        withheld = self.withheld("g", few, "p", quoted(OWNER)) if self.keys else "(SELECT 0 AS withheld)"
        passing = f" WHERE g.persons >= {self.minimum}" if self.keys else ""
        columns = ", ".join(["true AS present", *self._outputs(windows)])
        return (
            f"WITH {', '.join(parts)} SELECT w.withheld, x.* FROM {withheld} AS w LEFT JOIN "
            f"(SELECT {columns} FROM {joined}{passing} LIMIT {MAX_GROUPS + 1}) AS x ON true"
        )

    def withheld(self, groups: str, few: str, rows: str, person: str) -> str:
        """How many groups of few persons there are; 0 unless enough persons (`person` of `rows`) are in them together:
        that there is one would else say something of the few."""
        return (
            f"(SELECT CASE WHEN b.w >= {self.minimum} THEN a.w ELSE 0 END AS withheld FROM "
            f"(SELECT CAST(count_if({few}) AS BIGINT) AS w FROM {groups}) AS a CROSS JOIN "
            f"(SELECT count(DISTINCT {person}) AS w FROM {rows} SEMI JOIN (SELECT * FROM {groups} WHERE {few}) AS f "
            f"ON {self.same_group('f', rows)}) AS b)"
        )

    def _beside(self, others: list[int]) -> list[str]:
        beside = (["v"] if self.values() else []) + (["d"] if self.deviating() else [])
        return beside + [f"q{index}" for index in others]

    def same_group(self, name: str, to: str = "g") -> str:
        """The join condition of two relations that have one row per group."""
        return " AND ".join(f"{to}.{key} IS NOT DISTINCT FROM {name}.{key}" for key in self.keys) or "true"

    # -- base: the rows, with only what is needed, under names of ours

    def rows(self, source: Relation, *, guarded: bool = True) -> str:
        """The rows of the boundary's relation, or of `source` in its place. guarded: see `_inputs`."""
        boundary = self.boundary
        items = [f"{owner_of(boundary.owners)} AS {quoted(OWNER)}"]
        items += [f"{_key(key)} AS {name}" for key, name in zip(boundary.keys, self.keys, strict=True)]
        for index, aggregate in self.own():
            items += _inputs(index, aggregate, guarded=guarded)
        where = f" WHERE {expression(boundary.condition)}" if boundary.condition is not None else ""
        return f"SELECT {', '.join(items)} FROM {relation(source, self.used)}{where}"

    def base(self) -> str:
        text = self.rows(self.boundary.relation)
        if self.only is not None:
            text = f"SELECT * FROM ({text}) AS g SEMI JOIN {handed_over(self.only)} AS u ON {self.same_group('u')}"
        return f"base AS ({text})"

    # -- p: each person's partials per group

    def partials(self) -> str:
        if self.one_row_each:
            return self._rows_as_partials()
        items = [quoted(OWNER), *self.keys, "count(*) AS r"]
        for index, aggregate in self.own():
            items += _partials(index, aggregate)
        group = ", ".join([quoted(OWNER), *self.keys])
        return f"p AS (SELECT {', '.join(items)} FROM base WHERE {quoted(OWNER)} IS NOT NULL GROUP BY {group})"

    def _rows_as_partials(self) -> str:
        items = [quoted(OWNER), *self.keys, "1 AS r"]
        for index, aggregate in self.own():
            items += _of_one_row(index, aggregate)
        return f"p AS (SELECT {', '.join(items)} FROM base WHERE {quoted(OWNER)} IS NOT NULL)"

    # -- g: the merge of the partials

    def groups(self) -> str:
        items = [*self.keys, "count(*) AS persons", "sum(r) AS r"]
        for index, aggregate in self.own():
            items += _merged(index, aggregate)
        group = f" GROUP BY {', '.join(self.keys)}" if self.keys else ""
        return f"g AS (SELECT {', '.join(items)} FROM p{group})"

    # -- v: statistics that do not decompose into sums of partials

    def values(self) -> str:
        items = []
        for index, aggregate in self.measures:
            if (word := SPREAD.get((aggregate.measure, aggregate.population))) is not None:
                items.append(f"{word}(a{self.slots[index]}) AS v{index}")
            elif aggregate.measure in pairs.PAIRS:
                items.append(pairs.value(index, self.slots[index], aggregate))
        if not items:
            return ""
        group = f" GROUP BY {', '.join(self.keys)}" if self.keys else ""
        where = f" WHERE {quoted(OWNER)} IS NOT NULL"
        return f"v AS (SELECT {', '.join([*self.keys, *items])} FROM base{where}{group})"

    # -- d: squared deviations from the mean, all together and the most that one unit (a person, a share) has

    def deviating(self) -> list[tuple[int, str]]:
        """The measures that have deviations, and each one's squared deviations of a unit `p` from the group `g`."""
        found = []
        for index, aggregate in self.own():
            if aggregate.measure in _MAGNITUDES:
                mean = f"(g.s{index} / g.c{index})"
                deviation = f"p.q{index} - 2 * {mean} * p.s{index} + {mean} * {mean} * p.c{index}"
                found.append((index, f"greatest({deviation}, 0)"))
        return found

    def deviations(self, units: str, groups: str) -> str:
        items = [f"sum({x}) AS b{index}, max({x}) AS t{index}" for index, x in self.deviating()]
        if not items:
            return ""
        keys = [f"g.{key} AS {key}" for key in self.keys]
        group = f" GROUP BY {', '.join(f'g.{key}' for key in self.keys)}" if self.keys else ""
        source = f"{units} AS p JOIN {groups} AS g ON {self.same_group('p', 'g')}"
        return f"d AS (SELECT {', '.join([*keys, *items])} FROM {source}{group})"

    # -- q: percentiles and extremes as the mean of `minimum` persons

    def _window(self, index: int) -> list[str]:
        aggregate = self.boundary.aggregates[index]
        keys, size, slot = ", ".join([*self.keys, ""]), self.minimum, self.slots[index]
        partition = f"PARTITION BY {', '.join(self.keys)} " if self.keys else ""
        over = f"OVER ({partition}ORDER BY v)"
        whole = f"OVER ({partition.strip()})"
        start = {
            Measure.MINIMUM: "0",
            Measure.MAXIMUM: f"w - {size}",
        }.get(aggregate.measure, f"CAST(floor({aggregate.quantile or 0} * w - {size / 2}) AS BIGINT)")
        inside = (
            f"i > greatest(0, least(w - {size}, {start})) AND i <= greatest(0, least(w - {size}, {start})) + {size}"
        )
        group = f" GROUP BY {', '.join(self.keys)}" if self.keys else ""
        return [
            f"x{index} AS (SELECT {keys}s{slot} / c{slot} AS v FROM p WHERE c{slot} > 0)",
            f"y{index} AS (SELECT {keys}v, row_number() {over} AS i, count(*) {whole} AS w FROM x{index})",
            f"q{index} AS (SELECT {keys}avg(v) AS v{index}, sum(abs(v)) AS b{index}, max(abs(v), 2) AS t{index}, "
            f"var_pop(v) * count(*) AS e{index}, greatest(max(v) - avg(v), avg(v) - min(v)) AS f{index} "
            f"FROM y{index} WHERE {inside}{group})",
        ]

    # -- distinct values: only those that enough persons have, or a CASE could count the values of one person

    def _distinct(self, index: int) -> list[str]:
        keys = ", ".join([*self.keys, ""])
        group = f" GROUP BY {', '.join(self.keys)}" if self.keys else ""
        return [
            f"x{index} AS (SELECT {keys}count(DISTINCT {quoted(OWNER)}) AS w FROM base "
            f"WHERE a{index} IS NOT NULL AND {quoted(OWNER)} IS NOT NULL GROUP BY {keys}a{index})",
            f"q{index} AS (SELECT {keys}count_if(w >= {self.minimum}) AS v{index} FROM x{index}{group})",
        ]

    def _outputs(self, windows: list[int]) -> list[str]:
        items = [f"g.{key} AS {key}" for key in self.keys] + ["CAST(g.persons AS BIGINT) AS persons"]
        deviating = {index for index, _ in self.deviating()}
        for index, aggregate in self.measures:
            slot = self.slots[index]
            paired = aggregate.measure in pairs.PAIRS
            numbers = pairs.numbers(index, slot, aggregate) if paired else _numbers(slot, aggregate)
            if slot in deviating:
                numbers |= {"spread": f"d.b{slot}", "outlier": f"d.t{slot}"}
            if (aggregate.measure, aggregate.population) in SPREAD:
                numbers["value"] = f"v.v{index}"
            if index in windows:
                numbers |= {
                    "value": f"q{index}.v{index}",
                    "absolute": f"q{index}.b{index}",
                    "largest": f"q{index}.t{index}[1]",
                    "second": f"q{index}.t{index}[2]",
                    "spread": f"q{index}.e{index}",
                    "outlier": f"q{index}.f{index} * q{index}.f{index}",
                }
            for number in NUMBERS:
                kind = "BIGINT" if number in NUMBERS[:5] else "DOUBLE"
                items.append(f"CAST({numbers.get(number, 'NULL')} AS {kind}) AS m{index}_{number}")
        return items


_MAGNITUDES = frozenset({Measure.TOTAL, Measure.MEAN, *(measure for measure, _ in SPREAD), *WINDOWED})
_OF_ROWS = _MAGNITUDES | CONDITIONS | {Measure.PROPORTION}
"""Measures of which `_of_one_row` gives the partials."""


def _key(key: Expression) -> str:
    """A key of a group; a date that no calendar of ours reaches is NULL. It could not be read, and the failure would
    tell of a group of few persons that there is one."""
    text = expression(key)
    if not key.kind.temporal:
        return text
    first, last = (f"CAST('{day}' AS TIMESTAMP)" for day in ("0001-01-01", "9999-12-31"))
    return f"CASE WHEN ({text} >= {first}) AND ({text} < {last}) THEN {text} END"


def _slot(aggregates: tuple[Aggregate, ...], index: int) -> int:
    """The first measure with the same inputs."""
    wanted = aggregates[index]
    family = next((family for family in (_MAGNITUDES, pairs.PAIRS) if wanted.measure in family), None)
    if family is None:
        return index
    return next(
        place
        for place, other in enumerate(aggregates)
        if other.measure in family
        and (other.argument, other.second, other.domain) == (wanted.argument, wanted.second, wanted.domain)
    )


def _inputs(index: int, aggregate: Aggregate, *, guarded: bool = True) -> list[str]:
    """What `base` carries for a measure: `a` its argument, `d` its domain. guarded: a number so large that a square or
    a spread of it overflows is no value."""
    if aggregate.measure in pairs.PAIRS:
        return pairs.inputs(index, aggregate)
    argument = "NULL" if aggregate.argument is None else expression(aggregate.argument)
    domain = None if aggregate.domain is None else expression(aggregate.domain)
    if aggregate.measure in CONDITIONS:
        return [] if aggregate.argument is None else [f"COALESCE({argument}, false) AS a{index}"]
    if aggregate.measure is Measure.PROPORTION:
        within = domain or "true"
        return [f"COALESCE({within} AND {argument}, false) AS a{index}", f"COALESCE({within}, false) AS d{index}"]
    if aggregate.measure in _MAGNITUDES:
        # A number that no statistic can overflow on: an error would tell that somebody has a larger one. NaN is none.
        argument = f"TRY_CAST({argument} AS DOUBLE)"
        if guarded:
            argument = f"CASE WHEN abs({argument}) < 1e100 THEN {argument} END"
    return [f"{argument} AS a{index}" if domain is None else f"CASE WHEN {domain} THEN {argument} END AS a{index}"]


def _partials(index: int, aggregate: Aggregate) -> list[str]:
    if aggregate.measure in pairs.PAIRS:
        return pairs.partials(index)
    if aggregate.measure in CONDITIONS:
        return [] if aggregate.argument is None else [f"count_if(a{index}) AS c{index}"]
    if aggregate.measure is Measure.PROPORTION:
        return [f"count_if(a{index}) AS c{index}", f"count_if(d{index}) AS e{index}"]
    if aggregate.measure is Measure.DISTINCT:
        return [f"count(a{index}) AS c{index}"]
    if aggregate.measure is Measure.RECORDS:
        return [f"count(DISTINCT a{index}) AS c{index}"]
    sums = [f"sum(a{index}) AS s{index}", f"sum(a{index} * a{index}) AS q{index}"]
    return [*sums, f"count(a{index}) AS c{index}", f"count_if(a{index} <> 0) AS z{index}"]


def _of_one_row(index: int, aggregate: Aggregate) -> list[str]:
    """What `_partials` are of a single row."""
    a, c = f"a{index}", f"c{index}"
    if aggregate.measure in CONDITIONS:
        return [] if aggregate.argument is None else [f"CAST({a} AS INTEGER) AS {c}"]
    if aggregate.measure is Measure.PROPORTION:
        return [f"CAST({a} AS INTEGER) AS {c}", f"CAST(d{index} AS INTEGER) AS e{index}"]
    return [
        f"{a} AS s{index}",
        f"{a} * {a} AS q{index}",
        f"CAST({a} IS NOT NULL AS INTEGER) AS {c}",
        f"CAST(COALESCE({a} <> 0, false) AS INTEGER) AS z{index}",
    ]


def _merged(index: int, aggregate: Aggregate) -> list[str]:
    if aggregate.measure in pairs.PAIRS:
        return pairs.merged(index)
    c, s, z = f"c{index}", f"s{index}", f"z{index}"
    if aggregate.measure in CONDITIONS:
        if aggregate.argument is None:
            return []
        return [
            f"sum({c}) AS {c}",
            f"count_if({c} > 0) AS nc{index}",
            f"count_if({c} < r) AS nn{index}",
        ]
    if aggregate.measure is Measure.PROPORTION:
        return [
            f"sum({c}) AS {c}",
            f"sum(e{index}) AS e{index}",
            f"count_if({c} > 0) AS nc{index}",
            f"count_if(e{index} > 0) AS nd{index}",
            f"count_if({c} < e{index}) AS nn{index}",
        ]
    if aggregate.measure in (Measure.DISTINCT, Measure.RECORDS):
        return [f"count_if({c} > 0) AS nd{index}", f"sum({c}) AS {c}"]
    return [
        f"sum({s}) AS {s}",
        f"sum({c}) AS {c}",
        f"sum({z}) AS {z}",
        f"count_if({c} > 0) AS nd{index}",
        f"count_if({z} > 0) AS nc{index}",
        f"sum(abs({s})) AS b{index}",
        f"max(abs({s}), 2) AS t{index}",
    ]


def _numbers(index: int, aggregate: Aggregate) -> dict[str, str]:
    """Where each of NUMBERS is found."""
    measure = aggregate.measure
    if measure in CONDITIONS and aggregate.argument is None:
        return {"domain": "g.persons", "contributing": "g.persons", "rows": "g.r", "counted": "g.r"}
    counts = {"contributing": f"g.nc{index}", "complement": f"g.nn{index}", "counted": f"g.c{index}"}
    if measure in CONDITIONS:
        return {"domain": "g.persons", "rows": "g.r"} | counts
    if measure is Measure.PROPORTION:
        return {"domain": f"g.nd{index}", "rows": f"g.e{index}"} | counts
    if measure is Measure.RECORDS:
        nd = f"g.nd{index}"
        return {"domain": nd, "contributing": nd, "rows": f"g.c{index}", "counted": f"g.c{index}"}
    if measure is Measure.DISTINCT:
        nd = f"g.nd{index}"
        return {"domain": nd, "contributing": nd, "rows": f"g.c{index}", "value": f"q{index}.v{index}"}
    numbers = {
        "domain": f"g.nd{index}",
        "contributing": f"g.nc{index}",
        "rows": f"g.c{index}",
        "counted": f"g.z{index}",
    }
    return numbers | {
        "value": f"g.s{index}",
        "absolute": f"g.b{index}",
        "largest": f"g.t{index}[1]",
        "second": f"g.t{index}[2]",
    }


def all_expressions(boundary: Boundary) -> list[Expression]:
    """Every expression that reads columns of the relation, joins and subqueries included."""
    found: list[Expression] = [*boundary.keys]
    for aggregate in boundary.aggregates:
        found += aggregate.parts()
    if boundary.condition is not None:
        found.append(boundary.condition)
    return found + within(boundary.relation)


def within(node: Relation) -> list[Expression]:
    """Every expression inside a relation: join conditions and what subqueries compute."""
    match node:
        case Join(left=left, right=right, on=on):
            return [*within(left), *within(right), *([on] if on is not None else [])]
        case Beside(left=left, right=right, on=on, partial=partial):
            return [*within(left), *within(right), on, *(partial.parts() if partial is not None else ())]
        case Derived():
            found = [item for _, item in node.items] + [item.expression for item in node.order]
            found += [node.condition] if node.condition is not None else []
            if node.group is not None:
                found += node.group.keys
                for _, partial in node.group.partials:
                    found += partial.parts()
            return [*found, *within(node.relation)]
        case United(branches=branches):
            return [part for branch in branches for part in within(branch)]
        case _:
            return []


def reads(relation: Relation, expressions: list[Expression]) -> dict[str, set[str]]:
    """The stored columns that expressions over a relation read, by table: what the engine's bound plan may touch."""
    used = columns_used(expressions)
    tables: dict[str, set[str]] = {}
    for scan in scans(relation):
        names = tables.setdefault(scan.read_as, set())
        names |= {column.name for column in scan.columns if column.name in used.get(scan.source, set())}
        if scan.owner is not None:
            names.add(scan.owner)
        if scan.row_filter is not None:
            names |= {node.name for node in _columns(scan.row_filter)}
    return tables


def _columns(node: Expression) -> list[Column]:
    return [part for part in walk(node) if isinstance(part, Column)]
