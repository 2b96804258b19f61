"""Kernels to attack from: `boxed` in the sandbox, `stock` as a stock Jupyter server would start them.

def test_...(boxed: Boxed, stock: Callable[[str], str]) -> None:
    assert "root:" in stock("print(open('/etc/passwd').read())")
    assert "FileNotFoundError" in boxed.output("print(open('/etc/passwd').read())")
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.attacks.system.kernels import Boxed, stock_output

from ambergate_extension.sandbox.box import SandboxUnavailable
from ambergate_extension.sandbox.canary import prove


@pytest.fixture(scope="session")
def short_folder() -> Iterator[Path]:
    """A folder whose path is short enough for unix sockets, which pytest's own is not."""
    folder = Path(tempfile.mkdtemp(prefix="ag-"))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def boxed(short_folder: Path) -> Boxed:
    try:
        return Boxed(prove(short_folder / "run", []), short_folder)
    except SandboxUnavailable as error:
        pytest.skip(f"no sandbox on this host: {error}")


@pytest.fixture
def stock() -> Callable[[str], str]:
    return stock_output
