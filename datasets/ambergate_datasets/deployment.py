"""What a deployment says of itself, in one file of the state folder: where its gates stand."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from ambergate_datasets.state import StateFolder
from ambergate_policies.documents import Document, read_document
from ambergate_policies.territory import TerritoryField


class Deployment(Document):
    """A deployment that declares no territory serves only agreements whose territory of use is `worldwide`."""

    territory: TerritoryField | None = Field(default=None, description="where the gates stand, as an ISO 3166 code")


def deployment_file(state: StateFolder) -> Path:
    return state.root / "deployment.yaml"


def read_deployment(state: StateFolder) -> Deployment:
    """What the state folder's deployment.yaml declares; nothing, where there is none. Raises DocumentError."""
    path = deployment_file(state)
    return read_document(path, Deployment) if path.is_file() else Deployment()
