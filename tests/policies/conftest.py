"""The small project's kernel, and short ways to ask it."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from tests.small_project import gates

from ambergate_policies.kernel import Kernel, Prepared
from ambergate_policies.verdict import Finding, QueryRefused

Prepare = Callable[[str], Prepared]
Refusal = Callable[[str], Finding]


@pytest.fixture(scope="session")
def kernel() -> Kernel:
    return gates.kernel()


@pytest.fixture
def prepare(kernel: Kernel) -> Prepare:
    return lambda sql: kernel.prepare(sql, account=gates.ACCOUNT, on=gates.NOON.date())


@pytest.fixture
def refusal(prepare: Prepare) -> Refusal:
    """The one finding with which a query is refused."""

    def refused(sql: str) -> Finding:
        with pytest.raises(QueryRefused) as caught:
            prepare(sql)
        assert len(caught.value.findings) == 1
        return caught.value.findings[0]

    return refused
