"""The page that shows real data shows what the gate really answers."""

from __future__ import annotations

from pathlib import Path

from real_data_page import PAGE, provision_all, up_to_date

from ambergate_datasets.state import StateFolder


def test_every_query_on_the_page_is_released_with_the_table_that_stands_there(
    shared_data: Path, tmp_path: Path
) -> None:
    state = StateFolder(tmp_path / "state")
    provision_all(state)
    page = PAGE.read_text(encoding="utf-8")
    assert page.count("```sql") == page.count("<!-- result -->") == 9
    assert up_to_date(page, state) == page
