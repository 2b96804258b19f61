"""A gate that hides nothing over data about nobody, beside plain DuckDB over exactly what the agreement grants.

With one person as the threshold and no rounding, a cleared table is the table that the text asks for: any other
difference between the two is a misreading. Texts and numbers are chosen to make misreadings visible: wildcards, quotes,
case, accents, blanks, negative numbers, ties, and NULL everywhere.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
from tests.fuzz import harmless
from tests.small_project import gates

from ambergate_extension.pipeline import Gate
from ambergate_policies.algebra.expressions import Measure
from ambergate_policies.algebra.kinds import Kind
from ambergate_policies.kernel import Kernel
from ambergate_policies.packs import Dominance, RulePack, Threshold, read_pack
from ambergate_policies.prepared import PreparedBoundary, PreparedStep
from ambergate_policies.statistics.pairs import PAIRS

GRANTED_ROWS = {
    "person": "true",
    "event": "happened_on BETWEEN DATE '2015-01-01' AND DATE '2024-12-31'",
    "admission": "method IN (11, 12, 21, 22)",
    "code_list": "true",
    "region_size": "true",
}  # fmt: skip


def pack() -> RulePack:
    """The pack that hides nothing: what no agreement can ask for."""
    ordinary = read_pack("nhse-sde")
    changes = {
        "pack": "see-through",
        "threshold": Threshold.model_construct(minimum=1, zeros="show", action=ordinary.threshold.action),
        "rounding": ordinary.rounding.model_copy(update={"method": "none", "base": 1, "significant_digits": 15}),
        "dominance": Dominance(outlier_percent=None),
        "degrees_of_freedom": ordinary.degrees_of_freedom.model_copy(update={"minimum": 1}),
        "stricter": {},
    }
    return ordinary.model_copy(update=changes)


@dataclass(frozen=True)
class Seen:
    """What became of one text. `word`: refused, same, different, unread (DuckDB itself refuses it), raised (DuckDB
    stops at a value, where the kernel says NULL), unlike (a measure that is defined otherwise on purpose), stopped
    (the kernel took it and the pipeline failed)."""

    word: str
    detail: str = ""


@dataclass(frozen=True)
class Pair:
    """The gate and the plain connection."""

    gate: Gate
    kernel: Kernel
    plain: duckdb.DuckDBPyConnection

    def ask(self, text: str) -> Seen:
        """One text, of both."""
        answer = self.gate.answer(text)
        if answer.verdict == "refused":
            return Seen("refused", answer.findings[0].rule)
        if answer.verdict != "released" or answer.table is None:
            return Seen("stopped", "; ".join(finding.message for finding in answer.findings))
        try:
            expected = self.plain.execute(text).fetchall()
        except duckdb.Error as error:
            raised = isinstance(
                error, duckdb.ConversionException | duckdb.OutOfRangeException | duckdb.InvalidInputException
            )
            word = "raised" if raised else "unlike" if _LENIENT.search(str(error)) else "unread"
            return Seen(word, f"{type(error).__name__}: {str(error)[:300]}")
        if _LOOSE.search(text) or _WAITING.search(text) or not self._comparable(text):
            return Seen("unlike")
        if answer.suppressed_cells:
            return Seen("unlike", "a part of nobody is suppressed")
        if any(isinstance(value, float) and not math.isfinite(value) for row in expected for value in row):
            return Seen("unlike", "infinity is NULL here")
        return compare(gates.rows_of(answer), expected, ordered=_ordered(text))

    def steps(self, text: str) -> tuple[PreparedStep, ...]:
        """What the kernel would run. Raises QueryRefused."""
        return self.kernel.prepare(text, account=None, on=gates.NOON.date()).steps

    def _comparable(self, text: str) -> bool:
        for step in self.steps(text):
            if isinstance(step, PreparedBoundary):
                for aggregate in step.program.boundary.aggregates:
                    if aggregate.measure in _OTHERWISE or aggregate.kind is Kind.DATE:
                        return False
        return True


_OTHERWISE = frozenset({Measure.PERCENTILE, Measure.MINIMUM, Measure.MAXIMUM}) | PAIRS
"""Measures that show no single person's value, or nothing of a few, whatever the pack."""
_LOOSE = re.compile(r"approx_|\bmode\(|\b(LIMIT|OFFSET)\b(?!.*/\*total\*/)", re.IGNORECASE | re.DOTALL)
"""Answers of which DuckDB may choose any, or does not count exactly."""
_WAITING = re.compile(
    r"\b(least|greatest)\(|\.\d*\)*::\(?(INT|BIGINT|SMALLINT|TINYINT|HUGEINT|UINTEGER)|NUMERIC|DECIMAL", re.IGNORECASE
)
"""Differences that are known: least and greatest of a number and a constant are NULL where the number is (DuckDB: the
constant); a literal such as 2.5 is a double (DuckDB: an exact decimal, which is rounded and written otherwise)."""
_LENIENT = re.compile(
    r"ORDER BY non-integer literal|No function matches|non-inner join on subquery|"
    r"near \"(GLOB|=|<|>|<=|>=|<>|!=|==|IS|MONTH|DAY|:)\""
)
"""What DuckDB refuses and the kernel reads in the one way it can be read."""


def _ordered(text: str) -> bool:
    """Whether the text fixes the order of its rows: its last ORDER BY names every column by position."""
    return "/*total*/" in text


def compare(found: Sequence[tuple[Any, ...]], expected: Sequence[tuple[Any, ...]], *, ordered: bool) -> Seen:
    """Equal rows, as a bag or in order."""
    one, other = [tuple(map(_plain, row)) for row in found], [tuple(map(_plain, row)) for row in expected]
    if not ordered:
        one, other = sorted(one, key=repr), sorted(other, key=repr)
    if len(one) == len(other) and all(_same_rows(a, b) for a, b in zip(one, other, strict=True)):
        return Seen("same")
    if len(one) == len(other) and not ordered and _matched(one, other):
        return Seen("same")
    lone = [row for row in one if row not in other][:4]
    missing = [row for row in other if row not in one][:4]
    return Seen("different", f"{len(one)} rows {lone} for {len(other)} rows {missing}")


def _matched(one: list[tuple[Any, ...]], other: list[tuple[Any, ...]]) -> bool:
    left = list(other)
    for row in one:
        match = next((candidate for candidate in left if _same_rows(row, candidate)), None)
        if match is None:
            return False
        left.remove(match)
    return True


def _plain(value: Any) -> Any:
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, int | float | Decimal):
        number = float(value)
        return float(f"{number:.9g}") + 0.0 if math.isfinite(number) else str(number)
    if isinstance(value, datetime) and (value.hour, value.minute, value.second, value.microsecond) == (0, 0, 0, 0):
        return str(value.date())
    return str(value)


def _same_rows(one: tuple[Any, ...], other: tuple[Any, ...]) -> bool:
    return len(one) == len(other) and all(_same(a, b) for a, b in zip(one, other, strict=True))


def _same(one: Any, other: Any) -> bool:
    """Equal values. A sum of nothing is 0 here and NULL in SQL."""
    if one == 0.0 and other is None:
        return True
    if isinstance(one, float) and isinstance(other, float):
        return math.isclose(one, other, rel_tol=1e-7, abs_tol=1e-9)
    return type(one) is type(other) and bool(one == other)


@contextmanager
def pair(folder: Path, seed: int = 7) -> Iterator[Pair]:
    """Open both over the same rows."""
    path = folder / "harmless.duckdb"
    harmless.write(path, seed)
    hides_nothing = pack()
    kernel = Kernel(gates.catalogue(), gates.under(gates.agreement(), hides_nothing.pack), hides_nothing)
    gate = gates.near_gate(path, folder / "spill", kernel)
    plain = duckdb.connect(config={"python_enable_replacements": False})
    plain.execute(f"ATTACH '{path}' AS source (READ_ONLY)")
    for grant in kernel.agreement.data.tables:
        owner = kernel.catalogue.tables[grant.table].owner
        columns = ", ".join(f'"{name}"' for name in ([owner] if owner else []) + list(grant.columns))
        rows = GRANTED_ROWS[grant.table]
        plain.execute(f"CREATE TABLE {grant.table} AS SELECT {columns} FROM source.main.{grant.table} WHERE {rows}")
    plain.execute("DETACH source")
    plain.execute("SET enable_external_access = false")
    try:
        yield Pair(gate, kernel, plain)
    finally:
        plain.close()
        gate.close()


def reads_beyond(pair: Pair, text: str) -> list[str]:
    """What a text that the kernel takes would read beyond the agreement: nothing, or the names of it."""
    granted = {grant.table: set(grant.columns) for grant in pair.kernel.agreement.data.tables}
    owners = {name: table.owner for name, table in pair.kernel.catalogue.tables.items()}
    hidden = {"event": {"happened_on"}, "admission": {"method"}}
    beyond = []
    for step in pair.steps(text):
        for table, columns in step.reads.items():
            allowed = granted.get(table, set()) | hidden.get(table, set()) | {owners.get(table) or ""}
            beyond += [f"{table}.{column}" for column in columns if column not in allowed]
            beyond += [] if table in granted else [table]
    return beyond
