"""Values as a table of the terminal shows them."""

from __future__ import annotations

from datetime import date, datetime

import pytest
from pyspark.sql import Row

from memberlake.console import _cell


@pytest.mark.usefixtures("far_east")
def test_a_value_is_shown_in_utc_however_deep_it_lies() -> None:
    spell = Row(churned_on=date(2026, 11, 20), back_at=datetime(2026, 11, 21, 8), orders=1200)
    assert _cell(datetime(2026, 11, 21, 8)) == "2026-11-21 00:00:00"
    assert _cell([spell, None]) == "[{churned_on: 2026-11-20, back_at: 2026-11-21 00:00:00, orders: 1,200}, -]"
    assert _cell(["app", "store"]) == "[app, store]"
    assert [_cell(value) for value in (None, True, 1200, "1200")] == ["-", "true", "1,200", "1200"]
