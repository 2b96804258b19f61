"""A project's cohort tables: which there are (the log says), where their rows are, and how they come and go."""

from ambergate_extension.cohorts.files import CohortFiles
from ambergate_extension.cohorts.keeping import Keeping
from ambergate_extension.cohorts.shelf import Shelf
from ambergate_extension.cohorts.version import DataVersion

__all__ = ["CohortFiles", "DataVersion", "Keeping", "Shelf"]
