"""What the red zone's tests share: the small data centre, and data that nobody on this project made."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # importlib mode puts no folder on the path

from real_projects import SHARED, RealProject, provision_all
from small_centre import DataCentre, small_agreement, small_centre

from ambergate_datasets.state import StateFolder
from ambergate_policies.agreement import Agreement


@pytest.fixture
def centre(tmp_path: Path) -> DataCentre:
    return small_centre(tmp_path)


@pytest.fixture
def agreement() -> Agreement:
    return small_agreement()


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Tests that read the shared data are skipped where it is not."""
    if not SHARED.is_dir():
        pytest.skip("the shared data folder is not beside this repository")
    return SHARED


@pytest.fixture(scope="session")
def real_state(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> StateFolder:
    return StateFolder(tmp_path_factory.mktemp("real") / "state")


@pytest.fixture(scope="session")
def real_projects(real_state: StateFolder) -> dict[str, RealProject]:
    """The three published data sets, landed and provisioned once for all tests."""
    return provision_all(real_state)


@pytest.fixture(scope="session")
def repository() -> Path:
    return Path(__file__).parents[2]
