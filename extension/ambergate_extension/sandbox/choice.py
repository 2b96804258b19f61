"""Which builder of boxes is used where. A server uses the one that its deployment names, and no other in its place."""

from __future__ import annotations

from ambergate_datasets.deployment import SandboxKind
from ambergate_extension.sandbox.box import Backend
from ambergate_extension.sandbox.bubblewrap import Bubblewrap, candidates
from ambergate_extension.sandbox.landlock import Landlock
from ambergate_extension.sandbox.unconfined import Unconfined


def builders(kind: SandboxKind) -> tuple[Backend, ...]:
    """The builders of one kind, best first."""
    if kind == "landlock":
        return (Landlock(),)
    return tuple(Bubblewrap(binary) for binary in candidates())


def builders_for_replay(*, confined: bool) -> tuple[Backend, ...]:
    """For the engine of an administrator's command on files that are theirs anyway: the best box that this host has
    to offer, or none at all where they said so."""
    return (*builders("bubblewrap"), Landlock()) if confined else (Unconfined(),)
