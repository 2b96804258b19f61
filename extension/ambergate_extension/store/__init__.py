"""The transactional store: the decision log, held results and the decisions on them."""

from ambergate_extension.store.held import Decision, HeldResult, HeldTable, canonical_reference
from ambergate_extension.store.store import Store
from ambergate_extension.store.transitions import Choice, Obstacle, State, explain, obstacle

__all__ = [
    "Choice",
    "Decision",
    "HeldResult",
    "HeldTable",
    "Obstacle",
    "State",
    "Store",
    "canonical_reference",
    "explain",
    "obstacle",
]
