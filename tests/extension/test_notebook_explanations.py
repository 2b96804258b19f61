"""What a researcher reads: escaped, underlined in the right place, and each thing once."""

from __future__ import annotations

import json
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

import ambergate_notebook
from ambergate_notebook import door
from ambergate_notebook.errors import GateFailed, InterfaceError, QueryRefused, ResultHeld
from ambergate_notebook.explain import Explanation, explain, note
from ambergate_notebook.questions import frame_of
from ambergate_notebook.tables import GrantedTables, cleared_frame, rows

MARKUP = "<script>alert(1)</script>&\"'"


def _stream(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return bytes(sink.getvalue())


def _finding(**more: Any) -> dict[str, Any]:
    return {"rule": "r", "message": "m", "line": None, "column": None, "hint": None, "fragment": None, **more}


@given(st.text(max_size=30), st.text(max_size=30), st.integers(-2, 40), st.integers(-2, 40))
def test_no_text_of_a_query_or_a_message_becomes_markup(text: str, sql: str, line: int, column: int) -> None:
    finding = _finding(rule=text + "<i>", message="<b>" + text, hint="<u>", line=line, column=column, fragment=sql)
    header = {"verdict": "refused", "findings": [finding], "comment": "<s>", "held_reference": "<q>"}
    shown = Explanation(header, "<p>" + sql)._repr_html_()
    for tag in ("<i>", "<b>", "<u>", "<s>", "<q>", "<p>"):
        assert tag not in shown
    assert explain(header, sql)


def test_column_names_and_values_of_a_table_are_escaped() -> None:
    table = pa.table({MARKUP: [MARKUP, None]})
    shown = cleared_frame({"findings": [_finding(message=MARKUP)]}, _stream(table), b"")._repr_html_()
    assert "<script>" not in shown
    listed = GrantedTables(
        {"agreement": MARKUP, "tables": [{"name": MARKUP, "title": MARKUP, "columns": [{"name": MARKUP}]}]}
    )
    assert "<script>" not in listed._repr_html_() + GrantedTables({"tables": []}, MARKUP)._repr_html_()


def test_a_rewrite_is_shown_with_a_refusal_and_below_a_table_and_never_as_markup() -> None:
    finding = _finding(hint="year(d) is coarser", rewrite=f"SELECT 1\n{MARKUP}")
    text = explain({"verdict": "refused", "findings": [finding]}, "SELECT 2")
    assert text.splitlines()[-3:] == ["    This passes:", "      SELECT 1", f"      {MARKUP}"]
    frame = cleared_frame({"findings": [finding]}, _stream(pa.table({"n": [10]})), b"")
    assert repr(frame).endswith(f"year(d) is coarser:\n  SELECT 1\n  {MARKUP}")
    shown = frame._repr_html_() + Explanation({"verdict": "refused", "findings": [finding]}, "")._repr_html_()
    assert "SELECT 1" in shown and "<script>" not in shown


def test_the_fragment_is_underlined_where_it_stands() -> None:
    sql = "SELECT sex,\n\tpostcode, count(*)\nFROM person"
    lines = explain({"verdict": "refused", "findings": [_finding(line=2, column=2, fragment="postcode")]}, sql).split(
        "\n"
    )
    at = lines.index("    \tpostcode, count(*)")
    assert lines[at + 1] == "    \t^^^^^^^^"


def test_a_note_says_each_thing_once() -> None:
    header = {
        "suppressed_cells": 1,
        "withheld_groups": 3,
        "findings": [_finding(message="1 cell suppressed: fewer than 10 persons"), _finding(), _finding()],
        "log_index": 0,
    }
    assert note(header) == "3 groups withheld · 1 cell suppressed: fewer than 10 persons · m · log entry 0"
    assert note({}) == ""


def test_numbers_and_dates_arrive_in_types_that_compute() -> None:
    table = pa.table(
        {
            "whole": pa.array([1, None], pa.int32()),
            "huge": pa.array([5, None], pa.decimal128(38, 0)),
            "money": pa.array([1, None], pa.decimal128(10, 2)),
            "day": pa.array([0, None], pa.date32()),
        }
    )
    frame = cleared_frame({}, _stream(table), b"")
    assert [str(kind) for kind in frame.dtypes][:3] == ["Int32", "Int64", "float64"]
    assert str(frame.dtypes["day"]).startswith("datetime64")
    columns, values = rows(_stream(table))
    assert [name for name, _ in columns] == ["whole", "huge", "money", "day"]
    assert values[0][:3] == (1, 5, 1.0)


def test_a_suppressed_cell_is_shown_as_such_and_stays_empty_in_the_frame() -> None:
    table, mask = pa.table({"n": [10, None, None]}), pa.table({"n": [False, True, False]})
    frame = cleared_frame({"suppressed_cells": 1}, _stream(table), _stream(mask))
    assert "suppressed" in repr(frame)
    assert frame["n"].isna().tolist() == [False, True, True]
    assert type(frame.head(1)).__name__ == "DataFrame"


@pytest.mark.parametrize(
    ("verdict", "raised"),
    [("refused", QueryRefused), ("held", ResultHeld), ("failed", GateFailed), ("odd", GateFailed)],
)
def test_each_verdict_without_a_table_is_an_exception_of_its_own(verdict: str, raised: type[Exception]) -> None:
    with pytest.raises(raised) as caught:
        frame_of(door.Reply({"verdict": verdict, "findings": [_finding()], "held_reference": "H-1"}, b"", b""))
    assert caught.value._render_traceback_()  # type: ignore[attr-defined]


def test_outside_a_project_the_package_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(door.SOCKET_VARIABLE, raising=False)
    with pytest.raises(InterfaceError, match="Ambergate project"):
        ambergate_notebook.query("SELECT 1")
    for bad in ("", "7F3K2M", "H-", "H-../keys"):
        with pytest.raises(InterfaceError, match="looks like"):
            ambergate_notebook.fetch(bad)


TWO_PURPOSES = {"purposes": [{"id": "main", "objective": "o"}, {"id": "audit", "objective": "waits"}]}


def test_a_kernel_chooses_the_purpose_that_its_queries_carry(monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[dict[str, str]] = []
    monkeypatch.setattr(door, "PURPOSE", door.Purpose())
    monkeypatch.setattr(door, "_ask", lambda *asked: sent.append(json.loads(asked[2])))
    monkeypatch.setattr(door, "ask_catalogue", lambda: TWO_PURPOSES)
    door.ask_query("x")
    assert "Choose one: %purpose" in ambergate_notebook.purpose()
    with pytest.raises(InterfaceError, match="it has: main, audit"):
        ambergate_notebook.purpose("marketing")
    assert "* audit: waits" in ambergate_notebook.purpose("audit")
    door.ask_query("x")
    assert sent == [{"sql": "x"}, {"sql": "x", "purpose": "audit"}]


def test_a_connection_is_what_pep_249_asks_for() -> None:
    assert (ambergate_notebook.apilevel, ambergate_notebook.paramstyle) == ("2.0", "qmark")
    assert issubclass(ambergate_notebook.QueryRefused, ambergate_notebook.DatabaseError)
    with ambergate_notebook.connect() as connection:
        cursor = connection.cursor()
        with pytest.raises(ambergate_notebook.NotSupportedError):
            cursor.execute("SELECT ?", [1])
        with pytest.raises(InterfaceError):
            cursor.fetchall()
    with pytest.raises(InterfaceError):
        connection.cursor()
