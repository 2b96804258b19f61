"""One spelling for one entry."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ambergate_policies.log import LogEntry, SealedEntry, canonical_json, format_time, parse_time


def test_the_canonical_spelling_is_sorted_compact_utf8() -> None:
    assert canonical_json({"b": [1, None, True], "a": {"é": 1.5}}) == '{"a":{"é":1.5},"b":[1,null,true]}'.encode()


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), object(), {1: 2}, b"bytes", {3}])
def test_what_json_cannot_say_is_refused(bad: object) -> None:
    with pytest.raises(ValueError, match="log entry"):
        canonical_json({"value": bad})


def test_a_time_without_a_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="time zone"):
        LogEntry("query", datetime(2026, 1, 1), "amara")  # noqa: DTZ001


def test_times_are_spelt_in_utc_and_read_back() -> None:
    at = datetime(2026, 11, 22, 9, 0, 0, 5, tzinfo=timezone(timedelta(hours=1)))
    assert format_time(at) == "2026-11-22T08:00:00.000005Z"
    assert parse_time(format_time(at)) == at


def test_the_leaf_carries_every_field() -> None:
    entry = LogEntry("query", datetime(2026, 1, 1, tzinfo=UTC), "amara", "cardio", {"sql": "SELECT 1"})
    assert SealedEntry(3, "ab", entry).leaf() == (
        b'{"actor":"amara","at":"2026-01-01T00:00:00.000000Z","body":{"sql":"SELECT 1"},'
        b'"index":3,"kind":"query","previous":"ab","project":"cardio"}'
    )


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


@given(st.dictionaries(st.text(), json_values))
def test_no_leaf_ever_holds_a_line_break(body: dict[str, object]) -> None:
    leaf = SealedEntry(0, "", LogEntry("query", datetime(2026, 1, 1, tzinfo=UTC), "amara", None, body)).leaf()
    assert b"\n" not in leaf
