"""Which rules a query is judged by: the pack's, made stricter by the most sensitive class of what it reads.

Whatever a query reads counts: a group key, a condition, a measure, a join, a subquery. Rules only ever become stricter.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from itertools import product

from ambergate_policies.catalogue import Catalogue, Sensitivity
from ambergate_policies.packs import (
    ClassDisclosure,
    DegreesOfFreedom,
    Dominance,
    Rounding,
    RuleAction,
    RulePack,
    Stricter,
    Threshold,
)

Reads = Mapping[str, AbstractSet[str]]
"""The stored columns that are read, by table."""


class StricterPack(RulePack):
    """A pack as it holds for one query. `because`: one sentence for each class that makes it stricter."""

    classes: tuple[Sensitivity, ...]
    because: tuple[str, ...]

    @property
    def reference(self) -> str:
        return "+".join([f"{self.pack}@{self.version}", *self.classes])

    @property
    def reasons(self) -> tuple[str, ...]:
        return self.because


def effective(pack: RulePack, catalogue: Catalogue, reads: Reads) -> RulePack:
    """The pack for a query that reads these columns: the same one unless something it reads is of a stricter class."""
    found = dict(_classes(catalogue, reads))
    entries = {each: pack.stricter[each] for each in Sensitivity if each in found and each in pack.stricter}
    special: list[Sensitivity] = [each for each in entries if each is not Sensitivity.SENSITIVE] or [*entries]
    if not entries:
        return pack
    changed = pack
    for entry in entries.values():
        changed = changed.model_copy(update=_stricter(changed, entry))
    because = tuple(_reason(each, found[each], changed) for each in special)
    parts = {name: getattr(changed, name) for name in RulePack.model_fields}
    return StricterPack.model_construct(**parts, classes=tuple(special), because=because)


def _classes(catalogue: Catalogue, reads: Reads) -> Iterator[tuple[Sensitivity, str]]:
    """Each class that is read, with a table or column that is of it."""
    for name, columns in sorted(reads.items(), reverse=True):
        table = catalogue.tables.get(name)
        if table is None:
            continue
        for column in sorted(columns, reverse=True):
            if column in table.columns:
                yield from product(table.columns[column].classes, [f"{name}.{column}"])
        yield from product(table.classes, [name])


def _stricter(pack: RulePack, entry: Stricter) -> dict[str, object]:
    """The parts of a pack that an entry changes. Never to anything laxer."""
    return {
        "threshold": _threshold(pack.threshold, entry),
        "rounding": _rounding(pack.rounding, entry),
        "dominance": _dominance(pack.dominance, entry),
        "degrees_of_freedom": _degrees(pack.degrees_of_freedom, entry),
        "class_disclosure": _class_disclosure(pack.class_disclosure, entry),
    }


def _threshold(rule: Threshold, entry: Stricter) -> Threshold:
    zeros = "suppress" if entry.zeros else rule.zeros
    return rule.model_copy(update={"minimum": max(rule.minimum, entry.minimum or 0), "zeros": zeros})


def _rounding(rule: Rounding, entry: Stricter) -> Rounding:
    """A pack that rounds nothing rounds to the nearest here. A midpoint stays a midpoint."""
    if entry.rounding_base is None or entry.rounding_base <= rule.base:
        return rule
    method = "nearest" if rule.method == "none" else rule.method
    return rule.model_copy(update={"method": method, "base": entry.rounding_base})


def _dominance(rule: Dominance, entry: Stricter) -> Dominance:
    changed = {
        "largest_percent": _least(rule.largest_percent, entry.largest_percent),
        "two_largest_percent": _least(rule.two_largest_percent, entry.two_largest_percent),
        "p_percent": max((p for p in (rule.p_percent, entry.p_percent) if p is not None), default=None),
    }
    action = RuleAction.SUPPRESS if rule.action is RuleAction.NONE else rule.action
    asked = any(value is not None for value in (entry.largest_percent, entry.two_largest_percent, entry.p_percent))
    return rule.model_copy(update=changed | ({"action": action} if asked else {}))


def _least(one: float | None, other: float | None) -> float | None:
    return min((value for value in (one, other) if value is not None), default=None)


def _degrees(rule: DegreesOfFreedom, entry: Stricter) -> DegreesOfFreedom:
    if entry.degrees_of_freedom is None:
        return rule
    action = RuleAction.SUPPRESS if rule.action is RuleAction.NONE else rule.action
    return rule.model_copy(update={"minimum": max(rule.minimum, entry.degrees_of_freedom), "action": action})


def _class_disclosure(rule: ClassDisclosure, entry: Stricter) -> ClassDisclosure:
    asked = entry.everybody_and_nobody
    if asked is None:
        return rule
    return rule.model_copy(
        update={"everybody": _firmer(rule.everybody, asked), "nobody": _firmer(rule.nobody, asked)},
    )


def _firmer(one: RuleAction, other: RuleAction) -> RuleAction:
    """Suppression leaves nothing to release, so it is firmer than a checker's eyes."""
    order = (RuleAction.NONE, RuleAction.HOLD, RuleAction.SUPPRESS)
    return max(one, other, key=order.index)


def _reason(sensitivity: Sensitivity, where: str, pack: RulePack) -> str:
    return f"{where} is {sensitivity.value} data: {pack.threshold.minimum} persons behind each cell, {_rounded(pack)}"


def _rounded(pack: RulePack) -> str:
    rule = pack.rounding
    return "counts as they are" if rule.method == "none" else f"counts to base {rule.base} ({rule.method})"
