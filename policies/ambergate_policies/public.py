"""Printing a query over Public relations: reference tables, VALUES, and what earlier steps have cleared.

A cell that was suppressed in an earlier step is NULL there, so nothing has to be hidden here. Its flag is carried along
row by row, that the researcher may tell a suppressed cell from an empty one: through projections and joins, not through
sums over many cells.
"""

from __future__ import annotations

from dataclasses import replace

from ambergate_policies.algebra.expressions import Column, Expression, Literal, Logical, Window, walk
from ambergate_policies.algebra.kinds import Kind
from ambergate_policies.algebra.relations import Beside, Cleared, Derived, Join, PublicProgram, Relation, United
from ambergate_policies.printing import columns_used, expression, quoted, readable, relation
from ambergate_policies.statistics import MAX_GROUPS, within

_FALSE = Literal(False, Kind.BOOL)
_FLAG = "s "


def statement(program: PublicProgram) -> str:
    """The whole query: columns `o0`.. in the order of `program.names`, then `s0`.., true where a suppressed cell went
    into the output."""
    flagged = _Flagged()
    source = flagged.relation(program.relation)
    flags = [flagged.of(column) or _FALSE for column in program.columns]
    used = columns_used([*within(source), *flags])
    items = [f"{readable(column)} AS {quoted(f'o{i}')}" for i, column in enumerate(program.columns)]
    items += [f"coalesce({expression(flag)}, false) AS {quoted(f's{i}')}" for i, flag in enumerate(flags)]
    return f"SELECT {', '.join(items)} FROM {relation(source, used)} LIMIT {MAX_GROUPS + 1}"


class _Flagged:
    """Gives every derived relation a flag beside each of its items, where a suppressed cell can go into it."""

    def __init__(self) -> None:
        self._flags: dict[tuple[str, str], Column] = {}

    def relation(self, node: Relation) -> Relation:
        match node:
            case Cleared(source=source, columns=columns):
                for index, column in enumerate(columns):
                    self._flags[source, column.name] = Column(source, f"s{index}", Kind.BOOL)
                return node
            case Join(left=left, right=right):
                return replace(node, left=self.relation(left), right=self.relation(right))
            case Beside(left=left):
                return replace(node, left=self.relation(left))
            case Derived(relation=inner, group=None, distinct=False):
                return self._derived(replace(node, relation=self.relation(inner)))
            case United(operator="UNION", everything=True):
                return self._united(node)
            case _:
                return node

    def _united(self, node: United) -> United:
        """Every branch has the flags that any of them has."""
        branches = [self._derived(replace(branch, relation=self.relation(branch.relation))) for branch in node.branches]
        plain = {name for name, _ in node.branches[0].items}
        flagged = sorted({name for branch in branches for name, _ in branch.items} - plain)
        for name in flagged:
            column = name.removeprefix(_FLAG)
            self._flags[node.source, column] = Column(node.source, name, Kind.BOOL)
        return replace(node, branches=tuple(_with_flags(branch, flagged) for branch in branches))

    def _derived(self, node: Derived) -> Derived:
        items = list(node.items)
        for name, item in node.items:
            flag = self.of(item)
            if flag is not None:
                items.append((_FLAG + name, flag))
                self._flags[node.source, name] = Column(node.source, _FLAG + name, Kind.BOOL)
        return replace(node, items=tuple(items))

    def of(self, node: Expression) -> Expression | None:
        """Whether a suppressed cell of its own row goes into an expression; None where none can."""
        if isinstance(node, Window):
            return None
        read = (self._flags.get((part.source, part.name)) for part in walk(node) if isinstance(part, Column))
        flags = tuple(dict.fromkeys(flag for flag in read if flag is not None))
        if len(flags) <= 1:
            return flags[0] if flags else None
        return Logical("OR", flags)


def _with_flags(branch: Derived, flagged: list[str]) -> Derived:
    """The branch with exactly these flags behind its own items, in this order."""
    given = dict(branch.items)
    own = tuple(item for item in branch.items if not item[0].startswith(_FLAG))
    return replace(branch, items=(*own, *((name, given.get(name, _FALSE)) for name in flagged)))
