"""What a deployment says of itself, in one file of the state folder: where its gates stand, what they confine with."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field

from ambergate_datasets.state import StateFolder
from ambergate_policies.documents import Document, read_document
from ambergate_policies.territory import TerritoryField

SandboxKind = Literal["bubblewrap", "landlock"]


class Deployment(Document):
    """A deployment that declares no territory serves only agreements whose territory of use is `worldwide`."""

    territory: TerritoryField | None = Field(default=None, description="where the gates stand, as an ISO 3166 code")
    sandbox: SandboxKind = Field(default="bubblewrap", description="what builds the boxes of kernels and engines")


def deployment_file(state: StateFolder) -> Path:
    return state.root / "deployment.yaml"


def read_deployment(state: StateFolder) -> Deployment:
    """What the state folder's deployment.yaml declares; nothing, where there is none. Raises DocumentError."""
    path = deployment_file(state)
    return read_document(path, Deployment) if path.is_file() else Deployment()
