"""The statement above the boundary: from the cleared table to the researcher's own columns, with their masks."""

from __future__ import annotations

from ambergate_policies.algebra.expressions import Column, Expression, walk
from ambergate_policies.algebra.relations import CLEARED, Program
from ambergate_policies.printing import expression, ordering, quoted


def statement(program: Program) -> str:
    """Reads the table `c` (k0.., m0.., s0.., h0.., g) and nothing else. Result: every output as `o<i>`, then for each
    `s<i>` (a suppressed cell went into it) and `h<i>` (a held one did), and `g`, the group's place in the cleared
    table. Rows are in a fixed order."""
    outputs = [output.expression for output in program.outputs]
    items = [f"{expression(node)} AS {quoted(f'o{index}')}" for index, node in enumerate(outputs)]
    for letter in ("s", "h"):
        items += [f"{_flag(node, letter)} AS {quoted(f'{letter}{index}')}" for index, node in enumerate(outputs)]
    items.append(f"{quoted(CLEARED)}.{quoted('g')} AS {quoted('g')}")
    text = f"SELECT {', '.join(items)} FROM {quoted(CLEARED)}"
    if program.having is not None:
        text += f" WHERE {expression(program.having)}"
    order = ordering(program.order)
    order += [f"{quoted(CLEARED)}.{quoted(f'k{index}')} ASC NULLS LAST" for index in range(len(program.boundary.keys))]
    text += f" ORDER BY {', '.join(order)}" if order else ""
    text += f" LIMIT {int(program.limit)}" if program.limit is not None else ""
    return text + (f" OFFSET {int(program.offset)}" if program.offset else "")


def measures_of(node: Expression) -> list[int]:
    """The measures that go into an output, by their place in the boundary."""
    names = {part.name for part in walk(node) if isinstance(part, Column) and part.name.startswith("m")}
    return sorted(int(name[1:]) for name in names)


def _flag(node: Expression, letter: str) -> str:
    """True where any measure that goes into the output has the flag."""
    flags = [f"{quoted(CLEARED)}.{quoted(f'{letter}{index}')}" for index in measures_of(node)]
    return f"({' OR '.join(flags)})" if flags else "false"
