"""The page that shows real data shows what the gate really answers."""

from __future__ import annotations

import pytest
from real_data_page import PAGE, up_to_date

from ambergate_datasets.state import StateFolder


@pytest.mark.usefixtures("real_projects")
def test_every_query_on_the_page_is_released_with_the_table_that_stands_there(real_state: StateFolder) -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert page.count("```sql") == page.count("<!-- result -->") == 9
    assert up_to_date(page, real_state) == page
