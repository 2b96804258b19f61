"""The columns that each measure needs at each stage of the statement: of a row, of a person, of a group.

base: one row each, `a<i>` the argument and `d<i>` the domain. p: one row per person and group. g: one row per group.
The names are ours; pairs of measures have a module of their own (`pairs.py`).
"""

from __future__ import annotations

from ambergate_policies.algebra.expressions import Aggregate, Measure
from ambergate_policies.printing import expression
from ambergate_policies.statistics import pairs
from ambergate_policies.statistics.cells import CONDITIONS, WINDOWED

SPREAD = {
    (Measure.DEVIATION, False): "stddev_samp",
    (Measure.DEVIATION, True): "stddev_pop",
    (Measure.VARIANCE, False): "var_samp",
    (Measure.VARIANCE, True): "var_pop",
    (Measure.ERROR, True): "stddev_pop",  # over the root of the rounded number of rows
}
MAGNITUDES = frozenset({Measure.TOTAL, Measure.MEAN, *(measure for measure, _ in SPREAD), *WINDOWED})
COUNTED_ROWS = frozenset({Measure.ROWS, Measure.PROPORTION})
WEIGHTED = COUNTED_ROWS | (MAGNITUDES - WINDOWED) | pairs.PAIRS
"""Measures in which a person with more rows has more weight."""
OF_ROWS = MAGNITUDES | CONDITIONS | {Measure.PROPORTION}
"""Measures of which `of_one_row` gives the partials."""


def slot_of(aggregates: tuple[Aggregate, ...], index: int) -> int:
    """The first measure with the same inputs."""
    wanted = aggregates[index]
    family = next((family for family in (MAGNITUDES, pairs.PAIRS) if wanted.measure in family), None)
    if family is None:
        return index
    return next(
        place
        for place, other in enumerate(aggregates)
        if other.measure in family
        and (other.argument, other.second, other.domain) == (wanted.argument, wanted.second, wanted.domain)
    )


def inputs(index: int, aggregate: Aggregate, *, guarded: bool = True) -> list[str]:
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
    if aggregate.measure in MAGNITUDES:
        # A number that no statistic can overflow on: an error would tell that somebody has a larger one. NaN is none.
        argument = f"TRY_CAST({argument} AS DOUBLE)"
        if guarded:
            argument = f"CASE WHEN abs({argument}) < 1e100 THEN {argument} END"
    return [f"{argument} AS a{index}" if domain is None else f"CASE WHEN {domain} THEN {argument} END AS a{index}"]


def partials(index: int, aggregate: Aggregate) -> list[str]:
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


def of_one_row(index: int, aggregate: Aggregate) -> list[str]:
    """What `partials` are of a single row."""
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


def columns_of_rows(index: int, aggregate: Aggregate) -> list[str]:
    """The numbers of rows that go into a measure: those of a person, and those that count. None where a person is one
    of many whatever their rows."""
    if aggregate.measure not in WEIGHTED:
        return []
    if aggregate.measure in CONDITIONS and aggregate.argument is None:
        return ["r"]
    return ["r", f"c{index}", *([f"e{index}"] if aggregate.measure is Measure.PROPORTION else [])]


def merged(index: int, aggregate: Aggregate) -> list[str]:
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


def numbers_of(index: int, aggregate: Aggregate) -> dict[str, str]:
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
