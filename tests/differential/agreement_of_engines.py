"""One run: a random world and query through the real pipeline and through the reference, and what must hold."""

from __future__ import annotations

import math
import random
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest.mock import patch

from tests.differential.queries import Writer
from tests.differential.reference import Expected
from tests.differential.step_queries import StepWriter
from tests.differential.steps import expected_of
from tests.differential.worlds import World, make
from tests.small_project import gates

from ambergate_extension.pipeline import Answer, Gate
from ambergate_extension.replay import NothingRecorded
from ambergate_extension.store import HeldTable
from ambergate_policies import certificates, ranges
from ambergate_policies.log import LogEntry

RELATIVE = 1e-9
QUERIES_OF_A_WORLD = 25
QUERIES_OF_STEPS = 8
WRAPPED = 4
"""One in so many queries is also asked as a step of another, which must show the same."""


class Disagreement(AssertionError):
    """The two engines differ, or an invariant does not hold. The text names seed and query, to run it again."""


@dataclass
class Held(NothingRecorded):
    """A recorder that keeps the last held table, for comparison."""

    last: HeldTable | None = None

    def hold(self, entry: LogEntry, held: HeldTable) -> str:
        self.last = held
        return NothingRecorded.hold(self, entry, held)


@dataclass
class Tally:
    """What a run has seen."""

    words: Counter[str] = field(default_factory=Counter)
    used: Counter[str] = field(default_factory=Counter)
    cells: int = 0
    suppressed: int = 0
    changed: int = 0


@contextmanager
def gate_over(world: World) -> Iterator[tuple[Gate, Held]]:
    with tempfile.TemporaryDirectory() as folder:
        database = Path(folder) / "world.duckdb"
        world.write(database)
        recorder = Held()
        engine = gates.NearEngine(database, Path(folder) / "temp")
        gate = Gate(kernel=world.kernel, engine=engine, recorder=recorder, account="amara", now=lambda: gates.NOON)
        yield gate, recorder
        gate.close()


def run_world(seed: int, tally: Tally, *, change: bool = True) -> None:
    """Compare one world's queries, check the invariants, and change one person. Raises Disagreement."""
    with patch.object(ranges, "WORTHWHILE", 1), patch.multiple(certificates, SAMPLED=3, FEWEST_SAMPLED=1):
        _run_world(seed, tally, change)  # so few persons have certificates too


def _run_world(seed: int, tally: Tally, change: bool) -> None:
    world, chance = make(seed), random.Random(seed + 1)
    queries = []
    for _ in range(QUERIES_OF_A_WORLD):
        writer = Writer(world, chance)
        queries.append(writer.query())
        tally.used.update(writer.used)
    for _ in range(QUERIES_OF_STEPS):
        steps = StepWriter(world, chance)
        queries.append(steps.query())
        tally.used.update(steps.used)
    with gate_over(world) as (gate, recorder):
        answers = [_compared(world, sql, gate, recorder, tally) for sql in queries]
        for sql, answer in list(zip(queries, answers, strict=True))[::WRAPPED]:
            _same_as_a_step(seed, sql, answer, gate.answer(f"WITH step AS ({sql}) SELECT * FROM step"))
    if change:
        other = world.with_person_changed(chance)
        with gate_over(other) as (gate, recorder):
            for sql, answer in zip(queries, answers, strict=True):
                _interference(seed, sql, answer, _compared(other, sql, gate, recorder, tally))
                tally.changed += 1


def _compared(world: World, sql: str, gate: Gate, recorder: Held, tally: Tally) -> Answer:
    recorder.last = None
    answer = gate.answer(sql)
    tally.words[answer.verdict] += 1
    if answer.verdict == "failed":
        raise Disagreement(f"seed {world.seed}: failed ({answer.findings[0].message}): {sql}")
    if answer.verdict == "refused":
        return answer
    prepared = world.kernel.prepare(sql, account="amara", on=gates.NOON.date())
    reference = expected_of(prepared, world.tables, world.kernel.pack)
    _same(world, sql, answer, recorder.last, reference)
    _invariants(world, sql, reference, tally)
    return answer


def _same(world: World, sql: str, answer: Answer, held: HeldTable | None, reference: Expected) -> None:
    where = f"seed {world.seed}, pack {world.kernel.pack.pack}: {sql}"
    if reference.held != (answer.verdict == "held"):
        raise Disagreement(f"{where}\nheld: {reference.held}, verdict: {answer.verdict}")
    rows = list(held.rows) if held is not None else gates.rows_of(answer)
    if held is None and answer.mask is not None:
        mask = list(zip(*(column.to_pylist() for column in answer.mask.columns), strict=True))
        if mask != reference.mask:
            raise Disagreement(f"{where}\nmask {mask}\nwant {reference.mask}\nrows {rows}\nwant {reference.rows}")
    if len(rows) != len(reference.rows):
        raise Disagreement(f"{where}\nrows {rows}\nwant {reference.rows}")
    for row, want in zip(rows, reference.rows, strict=True):
        if not all(_equal(one, other) for one, other in zip(row, want, strict=True)):
            raise Disagreement(f"{where}\nrow  {row}\nwant {want}")
    if answer.withheld_groups > 0 and reference.withheld == 0:  # a certificate may say less, never more
        raise Disagreement(f"{where}\nwithheld {answer.withheld_groups}, want {reference.withheld}")


def _same_as_a_step(seed: int, sql: str, alone: Answer, wrapped: Answer) -> None:
    """A query that is cleared as a step of another shows neither more nor less than by itself; nothing is made of a
    held one."""
    if alone.verdict == "held":
        if wrapped.verdict != "refused":
            raise Disagreement(f"seed {seed}: held alone, {wrapped.verdict} as a step: {sql}")
        return
    if (alone.verdict, alone.withheld_groups) != (wrapped.verdict, wrapped.withheld_groups):
        raise Disagreement(f"seed {seed}: {alone.verdict} alone, {wrapped.verdict} as a step: {sql}")
    shown = [sorted(map(repr, zip(gates.rows_of(one), _mask(one), strict=True))) for one in (alone, wrapped)]
    if shown[0] != shown[1]:
        raise Disagreement(f"seed {seed}: as a step it shows {shown[1]}\nand alone {shown[0]}: {sql}")


def _mask(answer: Answer) -> list[Any]:
    return (
        [] if answer.mask is None else list(zip(*(column.to_pylist() for column in answer.mask.columns), strict=True))
    )


def _equal(one: Any, other: Any) -> bool:
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, int | float) and isinstance(other, int | float):
        return math.isclose(one, other, rel_tol=RELATIVE, abs_tol=1e-12)
    return bool(one == other) or (one is not None and str(one) == str(other))


def _invariants(world: World, sql: str, reference: Expected, tally: Tally) -> None:
    """No cell that is shown as it is rests on few persons; no group of few persons has a row."""
    minimum = world.kernel.pack.threshold.minimum
    for key, cells in reference.groups.items():
        for cell in cells:
            tally.cells += 1
            tally.suppressed += cell.suppressed
            few = 0 < len(cell.persons) < minimum or (cell.is_condition and 0 < len(cell.others) < minimum)
            if few and not cell.suppressed and not cell.held:
                raise Disagreement(f"seed {world.seed}: a cell of few persons is shown, group {key}: {sql}")


MOVING = frozenset({"threshold", "dominance", "class-disclosure", "degrees-of-freedom"})
"""Rules whose findings are about cells and groups, and so may come and go with one person's data."""


def _interference(seed: int, sql: str, before: Answer, after: Answer) -> None:
    """One person's values decide no error, no refusal, no column and no message that is not about a cell."""
    if (before.verdict in ("refused", "failed")) != (after.verdict in ("refused", "failed")):
        raise Disagreement(f"seed {seed}: {before.verdict} became {after.verdict} with one person's values: {sql}")
    fixed = [[finding for finding in answer.findings if finding.rule not in MOVING] for answer in (before, after)]
    rounding = [[finding for finding in findings if finding.rule != "rounding"] for findings in fixed]
    if rounding[0] != rounding[1]:
        raise Disagreement(f"seed {seed}: a message changed with one person's values: {sql}")
    if before.table is not None and after.table is not None and before.table.schema != after.table.schema:
        raise Disagreement(f"seed {seed}: columns changed with one person's values: {sql}")
