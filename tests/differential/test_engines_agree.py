"""A fixed share of the differential runs. More: `python -m tests.differential --minutes 60`."""

from __future__ import annotations

import pytest
from tests.differential.agreement_of_engines import Tally, run_world
from tests.differential.queries import AGGREGATE_WORDS

WORLDS = range(1, 13)
TALLY = Tally()


@pytest.mark.parametrize("seed", WORLDS)
def test_the_pipeline_and_the_reference_engine_agree(seed: int) -> None:
    run_world(seed, TALLY)


def test_the_runs_went_through_every_construct() -> None:
    """Meaningless where the runs above were deselected, and so only asked after them all."""
    if len(TALLY.used) and TALLY.changed >= len(WORLDS) * 20:
        joins = {"JOIN", "LEFT JOIN", "RIGHT JOIN", "FULL JOIN", "SEMI JOIN", "ANTI JOIN"}
        wanted = {
            *AGGREGATE_WORDS,
            *joins,
            "per person",
            "projection",
            "reference",
            "values",
            "order",
            "limit",
            "post",
        } | {"windowed", "united"}
        wanted |= {
            "person spread",
            "person line",
            "person percentile",
            "person distinct",
            "arg",
            "arg number",
            "end",
            "mode",
        }
        assert not (wanted | {"joined"}) - set(TALLY.used)
        assert TALLY.words["released"] > TALLY.words["refused"]
        assert TALLY.suppressed > 100
        assert TALLY.cells - TALLY.suppressed > 300
