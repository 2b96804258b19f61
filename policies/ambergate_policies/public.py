"""Printing a query over Public relations: reference tables and VALUES, which are about nobody."""

from __future__ import annotations

from ambergate_policies.algebra.relations import PublicProgram
from ambergate_policies.printing import columns_used, expression, ordering, quoted, relation
from ambergate_policies.statistics import MAX_GROUPS, within


def statement(program: PublicProgram) -> str:
    """The whole query; its columns are `o0`.. in the order of `program.names`."""
    used = columns_used(within(program.relation))
    items = ", ".join(f"{expression(column)} AS {quoted(f'o{i}')}" for i, column in enumerate(program.columns))
    text = f"SELECT {items} FROM {relation(program.relation, used)}"
    order = ordering(program.order)
    text += f" ORDER BY {', '.join(order)}" if order else ""
    text += f" LIMIT {min(program.limit if program.limit is not None else MAX_GROUPS, MAX_GROUPS)}"
    return text + (f" OFFSET {program.offset}" if program.offset else "")
