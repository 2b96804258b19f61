"""The statement above the boundary: from the cleared table to the researcher's own columns, with their masks."""

from __future__ import annotations

from ambergate_policies.algebra.expressions import Column, Composite, Expression, walk
from ambergate_policies.algebra.relations import CLEARED, Program
from ambergate_policies.printing import expression, ordering, quoted, readable, relation


def statement(program: Program) -> str:
    """Reads the table `c` (k0.., m0.., s0.., h0.., g) and steps of one row. Result: every output as `o<i>`, then for
    each `s<i>` (a suppressed cell went into it) and `h<i>` (a held one did), and `g`, the group's place in the cleared
    table. Rows are in a fixed order."""
    outputs = [output.expression for output in program.outputs]
    items = [f"{_output(node)} AS {quoted(f'o{index}')}" for index, node in enumerate(outputs)]
    for letter in ("s", "h"):
        items += [
            f"{_flag(program, node, letter)} AS {quoted(f'{letter}{index}')}" for index, node in enumerate(outputs)
        ]
    items.append(f"{quoted(CLEARED)}.{quoted('g')} AS {quoted('g')}")
    text = f"SELECT {', '.join(items)} FROM {_source(program)}"
    order = ordering(program.order)
    order += [f"{quoted(CLEARED)}.{quoted(f'k{index}')} ASC NULLS LAST" for index in range(len(program.boundary.keys))]
    text += f" ORDER BY {', '.join(order)}" if order else ""
    text += f" LIMIT {int(program.limit)}" if program.limit is not None else ""
    return text + (f" OFFSET {int(program.offset)}" if program.offset else "")


def _output(node: Expression) -> str:
    """A column of the result: one value, or a list of percentiles."""
    if isinstance(node, Composite):
        return f"[{', '.join(readable(item) for item in node.items)}]"
    return readable(node)


def _source(program: Program) -> str:
    """The cleared rows that pass HAVING and QUALIFY, with their windows and the scalar steps beside them."""
    windows = [f", {expression(window)} AS {quoted(f'x{index}')}" for index, window in enumerate(program.windows)]
    beside = "".join(f" LEFT JOIN {relation(step, {})} ON true" for step in program.scalars)
    where = f" WHERE {expression(program.having)}" if program.having is not None else ""
    rows = quoted(CLEARED)
    if windows or where:
        inner = f"SELECT {quoted(CLEARED)}.*{''.join(windows)} FROM {quoted(CLEARED)}{beside}{where}"
        rows = f"({inner}) AS {quoted(CLEARED)}"
    qualify = f" WHERE {expression(program.qualify)}" if program.qualify is not None else ""
    return f"{rows}{beside}{qualify}"


def measures_of(program: Program, node: Expression) -> list[int]:
    """The measures that go into an output, by their place in the boundary; a window's are those of its own row."""
    found: set[int] = set()
    for part in walk(node):
        if not isinstance(part, Column) or part.source != CLEARED:
            continue
        if part.name.startswith("m"):
            found.add(int(part.name[1:]))
        elif part.name.startswith("x"):
            found |= set(measures_of(program, program.windows[int(part.name[1:])]))
    return sorted(found)


def _flag(program: Program, node: Expression, letter: str) -> str:
    """True where any measure that goes into the output has the flag. A held cell keeps its value, so a window carries
    it into other rows: they have the flag too, or a release of those rows alone would give it away."""
    flags = [f"{quoted(CLEARED)}.{quoted(f'{letter}{index}')}" for index in measures_of(program, node)]
    if letter == "s":  # a held step holds the whole table, so only its suppressed cells are told apart
        sources = {step.source for step in program.scalars}
        read = (part.source for part in walk(node) if isinstance(part, Column) and part.source in sources)
        flags += [f"coalesce({quoted(source)}.{quoted('s0')}, false)" for source in dict.fromkeys(read)]
    if not flags:
        return "false"
    anywhere = letter == "h" and any(isinstance(part, Column) and part.name.startswith("x") for part in walk(node))
    return f"bool_or({' OR '.join(flags)}) OVER ()" if anywhere else f"({' OR '.join(flags)})"
