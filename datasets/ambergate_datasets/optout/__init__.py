"""Objections: Type 1 and the national data opt-out, applied before linkage by number and after it by person."""

from ambergate_datasets.optout.lists import Objections, read_objections
from ambergate_datasets.optout.removal import OptOutReport, remove_after_linkage, remove_before_linkage

__all__ = ["Objections", "OptOutReport", "read_objections", "remove_after_linkage", "remove_before_linkage"]
