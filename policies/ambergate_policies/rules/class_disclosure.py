"""Class disclosure: when everybody, or nobody, in a group has an attribute, the group's members are known to.

Some publishers say the same of nearly everybody: no cell over 90% of its row. The parts are what the cell shows: rows
of rows, or persons of persons.

`count(x)` is left alone: that a column is filled for everybody is a property of the data, not of the people.
"""

from __future__ import annotations

from collections.abc import Iterator

from ambergate_policies.algebra.expressions import Measure
from ambergate_policies.packs import RulePack
from ambergate_policies.rules.rule import CellFinding, Rule
from ambergate_policies.statistics import Cell
from ambergate_policies.verdict import Decision


def check(cell: Cell, pack: RulePack) -> Iterator[CellFinding]:
    if cell.complement is None or cell.presence or cell.domain == 0:
        return
    rule = pack.class_disclosure
    if rule.share_percent is not None and rule.everybody.decision > Decision.RELEASE:
        part, whole = (
            (cell.contributing, cell.persons) if cell.measure is Measure.PERSONS else (cell.counted, cell.rows)
        )
        if part < whole and part * 100 > rule.share_percent * whole:
            reason = f"more than {rule.share_percent:g}% of the group have the attribute"
            yield CellFinding(RULE.id, rule.everybody.decision, reason)
    if cell.complement == 0 and rule.everybody.decision > Decision.RELEASE:
        yield CellFinding(RULE.id, rule.everybody.decision, "everybody in the group has the attribute")
    if cell.contributing == 0 and rule.nobody.decision > Decision.RELEASE:
        yield CellFinding(RULE.id, rule.nobody.decision, "nobody in the group has the attribute")


RULE = Rule("class-disclosure", "No attribute of a whole group", "Handbook on SDC for outputs (2019), section 3", check)
