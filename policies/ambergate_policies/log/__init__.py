"""The decision log: entries, the RFC 6962 tree over them, signed checkpoints, and offline verification.

Pure: it knows neither where entries are stored nor who writes them.
"""

from ambergate_policies.log.entry import LogEntry, SealedEntry, canonical_json, leaf_hash

__all__ = ["LogEntry", "SealedEntry", "canonical_json", "leaf_hash"]
