"""The real pipeline over the small project, with the engine in a worker process."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.small_project import gates, population

from ambergate_extension.pipeline import Gate


@pytest.fixture(scope="session")
def gate(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gate]:
    database = tmp_path_factory.mktemp("small") / "small.duckdb"
    population.write(database)
    gate = gates.far_gate(database)
    yield gate
    gate.close()
