"""Linkage: from identifiers to a spine of persons, by exact passes first and by probability for the rest."""

from ambergate_datasets.linkage.report import LinkageReport, TableLinkage
from ambergate_datasets.linkage.run import link
from ambergate_datasets.linkage.score import Score, score

__all__ = ["LinkageReport", "Score", "TableLinkage", "link", "score"]
