"""The disclosure statistics of a boundary: which numbers each measure needs, and the SQL that computes them."""

from __future__ import annotations

from ambergate_policies.statistics.cells import (
    CONDITIONS,
    HEAD,
    MAX_GROUPS,
    NUMBERS,
    WINDOWED,
    Cell,
    cell,
    is_presence,
)
from ambergate_policies.statistics.pairs import PAIRS
from ambergate_policies.statistics.parts import SPREAD
from ambergate_policies.statistics.reads import all_expressions, reads, within
from ambergate_policies.statistics.statement import Statement, members_statement, statement

__all__ = [
    "CONDITIONS",
    "HEAD",
    "MAX_GROUPS",
    "NUMBERS",
    "PAIRS",
    "SPREAD",
    "WINDOWED",
    "Cell",
    "Statement",
    "all_expressions",
    "cell",
    "is_presence",
    "members_statement",
    "reads",
    "statement",
    "within",
]
