"""Non-interference: one person's data changed, and nothing but cells may tell.

`python -m tests.attacks.interference` asks the attack corpus and the honest ones of the small project and of
variants of it, each with one person changed in a way of its own, and prints what differs in anything but cells that
both may release: verdicts, messages, hints, marked text, column names, failures, groups that come or go without a
threshold.
"""

from __future__ import annotations

import argparse
import re
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
from tests.attacks.corpus import Case, read
from tests.small_project import gates, population

from ambergate_extension.pipeline import Answer, Gate
from ambergate_policies import statistics
from ambergate_policies.prepared import PreparedBoundary
from ambergate_policies.statistics import HEAD
from ambergate_policies.verdict import Finding, QueryRefused

Tables = dict[str, list[tuple[Any, ...]]]
PERSON = 137
"""The person that changes: one like any other, without a canary."""
SUPPRESSING = frozenset({"threshold", "dominance", "class-disclosure", "degrees-of-freedom", "margin", "rounding"})
"""Rules that a cell's own statistics fire: their lines and numbers may come and go with it."""
TESTS = Path(__file__).parents[1]


def cases() -> list[Case]:
    """The corpora that are asked twice. What only eats time is left to its own test."""
    found = read(TESTS / "attacks" / "kernel") + read(TESTS / "honest")
    return [case for case in found if case.group != "resource-exhaustion"]


# -- one person changed


def _without(tables: Tables, key: str) -> Tables:
    return {name: [row for row in rows if row[0] != key] for name, rows in tables.items()}


def _gone(tables: Tables, key: str) -> Tables:
    """The person was never there."""
    return _without(tables, key)


def _empty(tables: Tables, key: str) -> Tables:
    """Nothing is known of the person but the key."""
    return _map(tables, key, lambda value: None)


def _many(tables: Tables, key: str) -> Tables:
    """Everything of the person is there forty times."""
    return {
        name: rows + [row for row in rows if row[0] == key] * (39 if name in ("event", "admission") else 0)
        for name, rows in tables.items()
    }


def _extreme(tables: Tables, key: str) -> Tables:
    """The largest values that each type holds."""
    return _map(tables, key, _largest)


def _strange(tables: Tables, key: str) -> Tables:
    """Texts that no cast takes, numbers that are none, dates before the calendar."""
    return _map(tables, key, _strangest)


def _ordinary(tables: Tables, key: str) -> Tables:
    """Another ordinary person's values."""
    other = tables["person"][PERSON + 1]
    return tables | {"person": [(key, *other[1:]) if row[0] == key else row for row in tables["person"]]}


CHANGES: dict[str, Callable[[Tables, str], Tables]] = {
    "gone": _gone, "empty": _empty, "many": _many, "extreme": _extreme, "strange": _strange, "ordinary": _ordinary,
}  # fmt: skip


def _map(tables: Tables, key: str, change: Callable[[Any], Any]) -> Tables:
    owned = ("person", "event", "admission", "secret_note")
    return tables | {
        name: [(row[0], *map(change, row[1:])) if row[0] == key else row for row in tables[name]] for name in owned
    }


def _largest(value: Any) -> Any:
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, int):
        return 2**31 - 1
    if isinstance(value, float):
        return 1e308
    if isinstance(value, datetime):
        return datetime(9999, 12, 31, 23, 59)  # noqa: DTZ001 (no zones in data)
    return date(9999, 12, 31) if isinstance(value, date) else "x" * 100_000


def _strangest(value: Any) -> Any:
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, int):
        return -(2**31)
    if isinstance(value, float):
        return float("nan")
    if isinstance(value, datetime):
        return datetime(1, 1, 1)  # noqa: DTZ001 (no zones in data)
    return date(1, 1, 1) if isinstance(value, date) else "'); \\ \u2019 %_(1e999"


def write(path: Path, tables: Tables) -> None:
    """The tables as a plain DuckDB file. Values too large for their column become its largest."""
    with duckdb.connect(str(path)) as connection:
        connection.execute(population.SCHEMA)
        for name, rows in tables.items():
            if rows:
                columns = zip(*(_fitting(name, row) for row in rows), strict=True)
                content = pa.table({f"c{index}": list(column) for index, column in enumerate(columns)})
                connection.register("content", content)
                connection.execute(f"INSERT INTO {name} SELECT * FROM content")
                connection.unregister("content")


def _fitting(name: str, row: tuple[Any, ...]) -> tuple[Any, ...]:
    if name != "admission" or not isinstance(row[6], float) or abs(row[6]) < 1e14:
        return row
    return (*row[:6], 9e13 if row[6] > 0 else None, *row[7:])


# -- what both runs show


@dataclass
class Differences:
    """What a comparison has seen: lines that should not be, and counts of what may be."""

    wrong: list[str] = field(default_factory=list)
    seen: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True)
class Side:
    """One of the two projects, through its gate, and again through an engine of its own."""

    gate: Gate
    engine: gates.NearEngine

    @classmethod
    def over(cls, folder: Path, tables: Tables) -> Side:
        database = folder / "side.duckdb"
        write(database, tables)
        return cls(gates.near_gate(database, folder / "spill"), gates.NearEngine(database, folder / "spill"))

    def cleared(self, sql: str) -> Cleared | None:
        """The cleared table of a query of one step, by exact counts alone; None for other queries."""
        try:
            steps = gates.kernel().prepare(sql, account=None, on=gates.NOON.date()).steps
        except QueryRefused:
            return None
        if len(steps) != 1 or not isinstance(steps[0], PreparedBoundary):
            return None
        (step,) = steps
        width = len(step.program.boundary.keys)
        table = step.clear(_rows(self.engine.run(step.statement)))
        everybody = _rows(self.engine.run(statistics.statement(step.program.boundary, 1)))
        persons = {tuple(map(repr, row[HEAD : HEAD + width])): row[HEAD + width] for row in everybody if row[1]}
        groups = zip(*table.keys, strict=True) if table.keys else iter([()] * table.groups)
        cells = zip(*table.measures, strict=True) if table.measures else iter([()] * table.groups)
        hidden = zip(*table.suppressed, strict=True) if table.suppressed else iter([()] * table.groups)
        shown = {
            tuple(map(repr, key)): (values, masks) for key, values, masks in zip(groups, cells, hidden, strict=True)
        }
        said = tuple(finding.message for finding in table.findings)
        return Cleared(shown, persons, table.withheld_groups, said, step.pack.threshold.minimum)

    def close(self) -> None:
        self.gate.close()
        self.engine.close()


@dataclass(frozen=True)
class Cleared:
    """What may be built upon: the shown groups with their cells. For the test alone: the persons of every group."""

    shown: dict[tuple[str, ...], tuple[tuple[Any, ...], tuple[bool, ...]]]
    persons: dict[tuple[str, ...], int]
    withheld: int
    said: tuple[str, ...]
    minimum: int

    def same_as(self, other: Cleared) -> bool:
        return (self.shown, self.withheld, self.said) == (other.shown, other.withheld, other.said)


def _rows(table: Any) -> list[tuple[Any, ...]]:
    return list(zip(*(column.to_pylist() for column in table.columns), strict=True))


def compare(sql: str, sides: tuple[Side, Side], into: Differences) -> None:
    """One query of both sides. Everything but cells must be the same; all of it, where the cleared tables are."""
    one, other = (side.gate.answer(sql) for side in sides)
    into.seen[one.verdict] += 1
    if one.verdict == "failed" and one.findings[0].rule != "bound-plan":
        into.wrong.append(f"failed ({_said(one)}): {sql}")
    if one.verdict != other.verdict:
        into.wrong.append(f"{one.verdict} and {other.verdict} ({_said(one)} | {_said(other)}): {sql}")
        return
    if _ordinary_lines(one.findings) != _ordinary_lines(other.findings):
        into.wrong.append(f"{_said(one)} | {_said(other)}: {sql}")
    if _names(one) != _names(other):
        into.wrong.append(f"columns {_names(one)} and {_names(other)}: {sql}")
    if one.table is not None and _shown(one) != _shown(other):
        into.seen["shown otherwise"] += 1
        _explained(sql, sides, into)


def _explained(sql: str, sides: tuple[Side, Side], into: Differences) -> None:
    """Two answers differ: then their cleared tables do, and groups come or go at the threshold alone."""
    one, other = (side.cleared(sql) for side in sides)
    if one is None or other is None:
        into.seen["of several steps"] += 1
        return
    if one.same_as(other):
        into.wrong.append(f"the same cleared table, shown in two ways: {sql}")
    for here, there in ((one, other), (other, one)):
        for key in here.shown.keys() - there.shown.keys():
            into.seen["groups that come or go"] += 1
            if there.persons.get(key, 0) >= there.minimum:
                into.wrong.append(f"a group is withheld although enough persons are in it: {sql}")
        if any(here.persons.get(key, 0) < here.minimum for key in here.shown if key):
            into.wrong.append(f"a group of few persons is shown: {sql}")


def _ordinary_lines(findings: Sequence[Finding]) -> list[tuple[Any, ...]]:
    """Findings as they are shown, but for those of a cell's own rules, and for incident numbers."""
    kept = [finding for finding in findings if finding.rule not in SUPPRESSING]
    return [
        (finding.rule, re.sub(r"incident \w+", "", finding.message), finding.hint, finding.fragment, finding.clause)
        for finding in kept
    ]


def _names(answer: Answer) -> list[str] | None:
    return None if answer.table is None else list(answer.table.column_names)


def _shown(answer: Answer) -> str:
    """All that is shown but the time it took and the number in the log."""
    assert answer.table is not None and answer.mask is not None
    findings = [finding.to_json() for finding in answer.findings]
    return repr((findings, answer.table.to_pylist(), answer.mask.to_pylist(), answer.withheld_groups))


def _said(answer: Answer) -> str:
    return "; ".join(f"[{finding.rule}] {finding.message}" for finding in answer.findings)[:300]


@contextmanager
def sides(change: str, seed: int = 1) -> Iterator[tuple[Side, Side]]:
    """The small project as it is, and with one person changed."""
    tables = population.rows(population.PERSONS, seed)
    key = tables["person"][PERSON][0]
    with tempfile.TemporaryDirectory() as folder:
        pair = []
        for name, content in (("as-it-is", tables), ("changed", CHANGES[change](tables, key))):
            (Path(folder) / name).mkdir()
            pair.append(Side.over(Path(folder) / name, content))
        yield pair[0], pair[1]
        for side in pair:
            side.close()


def run(change: str, chosen: Sequence[Case], seed: int = 1) -> Differences:
    """The chosen cases, all their steps, of both sides."""
    found = Differences()
    with sides(change, seed) as both:
        for case in chosen:
            for sql in case.steps:
                compare(sql, both, found)
    return found


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.attacks.interference", description=__doc__)
    parser.add_argument("--seed", type=int, default=1, help="the population's seed")
    parser.add_argument("--change", choices=sorted(CHANGES), action="append", help="how the person changes")
    given = parser.parse_args()
    wrong = 0
    for change in given.change or CHANGES:
        found = run(change, cases(), given.seed)
        wrong += len(found.wrong)
        print(f"{change}: {dict(found.seen)}, wrong {len(found.wrong)}", flush=True)
        for line in found.wrong:
            print(f"    {line}", flush=True)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
