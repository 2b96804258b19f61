"""What a query of several steps must answer: each by the reference engine, over what those before it cleared."""

from __future__ import annotations

from dataclasses import replace

from tests.differential.reference import FLAG, STEP, Expected, Tables, evaluate, expected, flagged, rows_of

from ambergate_policies.algebra.relations import PublicProgram
from ambergate_policies.packs import RulePack
from ambergate_policies.prepared import Prepared, PreparedBoundary


def expected_of(prepared: Prepared, tables: Tables, pack: RulePack) -> Expected:
    """The result of the last step. Held if any is; `groups` are those of every step that clears."""
    known = dict(tables)
    results: list[Expected] = []
    for step in prepared.steps:
        if isinstance(step, PreparedBoundary):
            results.append(expected(step.program, known, pack))
        else:
            results.append(_public(step.program, known))
        known[STEP + step.table] = _as_table(results[-1])
    return replace(
        results[-1],
        held=any(result.held for result in results),
        withheld=sum(result.withheld for result in results),
        groups={(place, *key): cells for place, found in enumerate(results) for key, cells in found.groups.items()},
    )


def _public(program: PublicProgram, tables: Tables) -> Expected:
    rows = rows_of(program.relation, tables)
    values = [tuple(evaluate(column, row) for column in program.columns) for row in rows]
    mask = [tuple(flagged(column, row) for column in program.columns) for row in rows]
    shown = [
        tuple(None if hide else value for value, hide in zip(one, flags, strict=True))
        for one, flags in zip(values, mask, strict=True)
    ]
    return Expected(held=False, rows=shown, mask=mask, withheld=0, groups={})


def _as_table(result: Expected) -> list[dict[str, object]]:
    return [
        {f"o{index}": value for index, value in enumerate(row)}
        | {f"{FLAG}o{index}": flag for index, flag in enumerate(mask)}
        for row, mask in zip(result.rows, result.mask, strict=True)
    ]
