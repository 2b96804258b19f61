"""The exact statement: a boundary's statistics person-first, as one SQL text.

A boundary is defined person-first (policy-kernel, section 3): first each person's partial of each measure per group,
then the merge of the partials. This module prints exactly that, as one statement; groups below the threshold are
counted and left behind in the engine, so their keys never come out.
"""

from __future__ import annotations

from collections.abc import Iterator

from ambergate_policies.algebra.expressions import Aggregate, Measure
from ambergate_policies.algebra.relations import Boundary, Relation
from ambergate_policies.printing import (
    OWNER,
    columns_used,
    expression,
    handed_over,
    owner_of,
    quoted,
    readable,
    relation,
)
from ambergate_policies.ranges import chosen_rows, equal_ranges, indexed_persons, one_row_each, within_range, worthwhile
from ambergate_policies.statistics import pairs, places
from ambergate_policies.statistics.cells import MAX_GROUPS, NUMBERS, WINDOWED
from ambergate_policies.statistics.parts import (
    MAGNITUDES,
    OF_ROWS,
    SPREAD,
    columns_of_rows,
    inputs,
    merged,
    numbers_of,
    of_one_row,
    partials,
    slot_of,
)
from ambergate_policies.statistics.reads import all_expressions

RANGES = 16


def statement(boundary: Boundary, minimum: int, *, only: str | None = None, material: float = 0) -> str:
    """The statement for a boundary's keys and statistics; `minimum` persons per group, else it stays behind. `only`
    names a table of keys (k0..) to restrict it to. `material`: so many rows more or less are seen in what is released.

    Result columns: `withheld`, `present` (false in the row that stands for no group), k0.., `persons`, then NUMBERS of
    each measure."""
    return Statement(boundary, minimum, only, material=material).text()


def members_statement(boundary: Boundary) -> str:
    """The exact set of persons behind every group: (keys, owner), one row per person. For the release ledger."""
    printer = Statement(boundary, 1)
    return f"WITH {printer.base()}, {printer.partials()} SELECT {', '.join([*printer.keys, quoted(OWNER)])} FROM p"


class Statement:
    """Prints the exact statement; its pieces serve the certificates too."""

    def __init__(
        self,
        boundary: Boundary,
        minimum: int,
        only: str | None = None,
        *,
        ranged: bool | None = None,
        material: float = 0,
    ) -> None:
        self.material = float(material)
        self.boundary = boundary
        self.only = only
        self.used = columns_used(all_expressions(boundary))
        self.minimum = int(minimum)
        self.keys = [quoted(f"k{index}") for index in range(len(boundary.keys))]
        self.measures = list(enumerate(boundary.aggregates))
        self.slots = [slot_of(boundary.aggregates, index) for index, _ in self.measures]
        """Measures of the same rows and the same argument share their inputs: `sum(x)`, `avg(x)` are one pass."""
        self.one_row_each = one_row_each(boundary.relation) and all(
            aggregate.measure in OF_ROWS for aggregate in boundary.aggregates
        )
        """A row is all that there is of a person: then nothing is to be grouped by person first."""
        self.chosen_rows = chosen_rows(boundary.relation)
        self.ranged = worthwhile(boundary.relation) if ranged is None else ranged
        """Persons are grouped range by range: the groups of a range fit the processor's caches, those of all do not."""

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
        beside = (["v"] if self.values() else []) + (["d"] if self.deviations("p", "g") else [])
        return beside + [f"q{index}" for index in others]

    def same_group(self, name: str, to: str = "g") -> str:
        """The join condition of two relations that have one row per group."""
        return " AND ".join(f"{to}.{key} IS NOT DISTINCT FROM {name}.{key}" for key in self.keys) or "true"

    # -- base: the rows, with only what is needed, under names of ours

    def rows(self, source: Relation, *, guarded: bool = True) -> str:
        """The rows of the boundary's relation, or of `source` in its place. guarded: see `inputs`."""
        boundary = self.boundary
        items = [f"{owner_of(boundary.owners)} AS {quoted(OWNER)}"]
        items += [f"{readable(key)} AS {name}" for key, name in zip(boundary.keys, self.keys, strict=True)]
        for index, aggregate in self.own():
            items += inputs(index, aggregate, guarded=guarded)
        where = f" WHERE {expression(boundary.condition)}" if boundary.condition is not None else ""
        return f"SELECT {', '.join(items)} FROM {relation(source, self.used)}{where}"

    def base(self) -> str:
        return f"base AS ({self._chosen_rows(self.boundary.relation)})"

    def _chosen_rows(self, source: Relation) -> str:
        text = self.rows(source)
        if self.only is None:
            return text
        return f"SELECT * FROM ({text}) AS g SEMI JOIN {handed_over(self.only)} AS u ON {self.same_group('u')}"

    # -- p: each person's partials per group

    def partials(self) -> str:
        if self.one_row_each:
            return self._rows_as_partials()
        items = [quoted(OWNER), *self.keys, "count(*) AS r"]
        for index, aggregate in self.own():
            items += partials(index, aggregate)
        group = ", ".join([quoted(OWNER), *self.keys])
        tail = f"WHERE {quoted(OWNER)} IS NOT NULL GROUP BY {group}"
        if not self.ranged:
            return f"p AS (SELECT {', '.join(items)} FROM base {tail})"
        parts = (within_range(self.boundary.relation, *ends) for ends in self._ranges())
        texts = (f"(SELECT {', '.join(items)} FROM ({self._chosen_rows(part)}) AS b {tail})" for part in parts)
        return f"p AS ({' UNION ALL '.join(texts)})"

    def _ranges(self) -> Iterator[tuple[int | None, int | None]]:
        return equal_ranges(indexed_persons(self.boundary.relation) or 1, RANGES)

    def _rows_as_partials(self) -> str:
        items = [quoted(OWNER), *self.keys, "1 AS r"]
        for index, aggregate in self.own():
            items += of_one_row(index, aggregate)
        return f"p AS (SELECT {', '.join(items)} FROM base WHERE {quoted(OWNER)} IS NOT NULL)"

    # -- g: the merge of the partials

    def groups(self) -> str:
        items = [*self.keys, "count(*) AS persons", "sum(r) AS r"]
        for index, aggregate in self.own():
            items += merged(index, aggregate)
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
            if aggregate.measure in MAGNITUDES:
                mean = f"(g.s{index} / g.c{index})"
                deviation = f"p.q{index} - 2 * {mean} * p.s{index} + {mean} * {mean} * p.c{index}"
                found.append((index, f"greatest({deviation}, 0)"))
        return found

    def deviations(self, units: str, groups: str) -> str:
        items = [f"sum({x}) AS b{index}, max({x}) AS t{index}" for index, x in self.deviating()]
        items += [part for name, away in self._numbers_of_rows().items() for part in self._away(name, away)]
        if not items:
            return ""
        keys = [f"g.{key} AS {key}" for key in self.keys]
        group = f" GROUP BY {', '.join(f'g.{key}' for key in self.keys)}" if self.keys else ""
        source = f"{units} AS p JOIN {groups} AS g ON {self.same_group('p', 'g')}"
        return f"d AS (SELECT {', '.join([*keys, *items])} FROM {source}{group})"

    def _numbers_of_rows(self) -> dict[str, str]:
        """Where the query decides how many rows a person has, their numbers are measures like others: how far a person
        `p` is from the mean of the group `g`. By the columns that hold them."""
        if not self.chosen_rows:
            return {}
        columns = dict.fromkeys(name for index, aggregate in self.own() for name in columns_of_rows(index, aggregate))
        return {name: f"(p.{name} - g.{name} / g.persons)" for name in columns}

    def _away(self, name: str, away: str) -> list[str]:
        above, most = f"greatest({away}, 0)", max(1, self.minimum - 1)
        squared = f"max({above} * {above}, {most}) AS t{name}"
        return [f"sum({away} * {away}) AS b{name}", squared, f"max({above}, {most}) AS e{name}"]

    def _few_have_most(self, index: int, aggregate: Aggregate) -> str:
        """Which share of the squared deviations of numbers of rows the few persons with most rows have: fewer persons
        than the threshold, at most one in ten; 0 where they have too few rows above the mean to be seen."""
        shares = []
        for name in columns_of_rows(index, aggregate):
            squared, above = (self._of_few(letter + name) for letter in "te")
            shares.append(f"CASE WHEN {above} >= {self.material} THEN ({squared}) / nullif(d.b{name}, 0) END")
        return f"coalesce(greatest({', '.join(shares)}), 0)"

    def _of_few(self, column: str) -> str:
        further = range(2, max(1, self.minimum - 1) + 1)
        terms = [
            f"CASE WHEN g.persons >= {10 * place} THEN coalesce(d.{column}[{place}], 0) ELSE 0 END" for place in further
        ]
        return " + ".join([f"coalesce(d.{column}[1], 0)", *terms])

    # -- q: percentiles and extremes

    def _window(self, index: int) -> list[str]:
        return places.parts(index, self.slots[index], self.boundary.aggregates[index], self.minimum, self.keys)

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
            numbers = pairs.numbers(index, slot, aggregate) if paired else numbers_of(slot, aggregate)
            if slot in deviating:
                numbers |= {"spread": f"d.b{slot}", "outlier": f"d.t{slot}"}
            if (aggregate.measure, aggregate.population) in SPREAD:
                numbers["value"] = f"v.v{index}"
            if index in windows:
                numbers |= places.numbers(index)
            if self.chosen_rows and columns_of_rows(slot, aggregate):
                share, spread = self._few_have_most(slot, aggregate), numbers.get("spread", "1")
                weighed = f"CASE WHEN ({spread}) > 1e-9 THEN ({share}) * ({spread}) ELSE 0 END"
                numbers |= {"spread": spread, "outlier": f"greatest({numbers.get('outlier', '0')}, {weighed})"}
            for number in NUMBERS:
                kind = "BIGINT" if number in NUMBERS[:5] else "DOUBLE"
                items.append(f"CAST({numbers.get(number, 'NULL')} AS {kind}) AS m{index}_{number}")
        return items
