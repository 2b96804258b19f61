"""The decision log: entries, the RFC 6962 tree over them, signed checkpoints, and offline verification.

Pure: it knows neither where entries are stored nor who writes them.
"""

from ambergate_policies.log.checkpoint import BadCheckpoint, Checkpoint, VerifyingKey, open_note, sign
from ambergate_policies.log.entry import (
    GENESIS,
    JSON,
    LogEntry,
    SealedEntry,
    canonical_json,
    format_time,
    leaf_hash,
    parse_time,
)
from ambergate_policies.log.merkle import Frontier
from ambergate_policies.log.verification import Fault, FaultKind, read_checkpoint, verify

__all__ = [
    "GENESIS",
    "JSON",
    "BadCheckpoint",
    "Checkpoint",
    "Fault",
    "FaultKind",
    "Frontier",
    "LogEntry",
    "SealedEntry",
    "VerifyingKey",
    "canonical_json",
    "format_time",
    "leaf_hash",
    "open_note",
    "parse_time",
    "read_checkpoint",
    "sign",
    "verify",
]
