"""Landing: raw extracts into one encrypted, typed and validated database per catalogue."""

from ambergate_datasets.landing.report import LandingReport, TableReport
from ambergate_datasets.landing.run import land

__all__ = ["LandingReport", "TableReport", "land"]
