"""Kernels in each kind of box that this host can build."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.attacks.system.kernels import Boxed

from ambergate_extension.sandbox.box import Backend, SandboxUnavailable
from ambergate_extension.sandbox.bubblewrap import Bubblewrap, candidates
from ambergate_extension.sandbox.canary import prove
from ambergate_extension.sandbox.landlock import Landlock


@pytest.fixture(scope="session")
def short_folder() -> Iterator[Path]:
    """A folder whose path is short enough for unix sockets, which pytest's own is not."""
    folder = Path(tempfile.mkdtemp(prefix="ag-"))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session", params=["bubblewrap", "landlock"])
def boxed(request: pytest.FixtureRequest, short_folder: Path) -> Boxed:
    """A test that takes this runs once with each builder; skipped only where the host does not offer one."""
    wanted: list[Backend] = [Landlock()] if request.param == "landlock" else [Bubblewrap(one) for one in candidates()]
    try:
        return Boxed(prove(short_folder / "run", [], backends=wanted), short_folder)
    except SandboxUnavailable as error:
        pytest.skip(f"this host does not offer it: {error}")
