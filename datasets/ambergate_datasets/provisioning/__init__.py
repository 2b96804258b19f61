"""Provisioning: from landed rows to one project's encrypted, pseudonymised database, from the agreement alone."""

from ambergate_datasets.provisioning.report import ProvisionReport, TableLineage
from ambergate_datasets.provisioning.run import provision

__all__ = ["ProvisionReport", "TableLineage", "provision"]
