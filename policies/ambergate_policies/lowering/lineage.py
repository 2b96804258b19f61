"""From which granted columns a computed column comes, through every subquery and cohort table below it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import assert_never

from ambergate_policies.algebra.expressions import Column, Expression, walk
from ambergate_policies.algebra.relations import Beside, Cleared, Derived, Join, Relation, Scan, United, Values
from ambergate_policies.cohorts import Definition
from ambergate_policies.places import cohort_of

Origin = tuple[str, str]


def granted(reads: Mapping[str, set[str]], definition: Callable[[str], Definition]) -> dict[str, tuple[str, ...]]:
    """What is read of granted tables, cohort tables replaced by what they in turn read."""
    found: dict[str, set[str]] = {}
    for place, columns in reads.items():
        cohort = cohort_of(place)
        if cohort is None:
            found.setdefault(place, set()).update(columns)
            continue
        for table, names in definition(cohort).granted.items():
            found.setdefault(table, set()).update(names)
    return {table: tuple(sorted(columns)) for table, columns in sorted(found.items())}


class Lineage:
    """The origins of columns of one relation. `definition` tells what a cohort table that it reads means."""

    def __init__(self, node: Relation, definition: Callable[[str], Definition]) -> None:
        self._sources: dict[str, Relation] = {}
        self._definition = definition
        self._known: dict[tuple[str, str], frozenset[Origin]] = {}
        self._add(node)

    def of(self, node: Expression) -> tuple[Origin, ...]:
        """The granted columns whose values are in an expression, sorted."""
        return tuple(sorted(self._origins(node)))

    def _add(self, node: Relation) -> None:
        match node:
            case Beside(source=source, left=left, right=right):
                self._sources[source] = node
                self._add(left)
                self._add(right)
            case Join(left=left, right=right):
                self._add(left)
                self._add(right)
            case Derived(source=source, relation=inner):
                self._sources[source] = node
                self._add(inner)
            case United(source=source, branches=branches):
                self._sources[source] = node
                for branch in branches:
                    self._add(branch)
            case Scan(source=source) | Values(source=source) | Cleared(source=source):
                self._sources[source] = node
            case _:
                assert_never(node)

    def _origins(self, node: Expression) -> frozenset[Origin]:
        found: set[Origin] = set()
        for part in walk(node):
            if isinstance(part, Column):
                found |= self._column(part.source, part.name)
        return frozenset(found)

    def _column(self, source: str, name: str) -> frozenset[Origin]:
        key = (source, name)
        if key not in self._known:
            self._known[key] = self._looked_up(self._sources.get(source), name)
        return self._known[key]

    def _looked_up(self, node: Relation | None, name: str) -> frozenset[Origin]:
        match node:
            case Scan(table=table, place=place):
                cohort = cohort_of(place) if place is not None else None
                if cohort is None:
                    return frozenset({(table, name)})
                columns = {column.stored: column.origins for column in self._definition(cohort).columns}
                return frozenset(columns.get(name, ()))
            case Derived():
                return self._computed(node, name)
            case United(branches=branches):
                return frozenset(origin for branch in branches for origin in self._computed(branch, name))
            case Beside(on=on, partial=partial):
                parts = partial.parts() if partial is not None else (on,)
                return frozenset(origin for part in parts for origin in self._origins(part))
            case _:
                return frozenset()

    def _computed(self, node: Derived, name: str) -> frozenset[Origin]:
        parts = [item for found, item in node.items if found == name]
        for found, partial in node.group.partials if node.group is not None else ():
            if found == name:
                parts += partial.parts()
        return frozenset(origin for part in parts for origin in self._origins(part))
