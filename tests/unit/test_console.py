"""Values as a table of the terminal shows them."""

from __future__ import annotations

import io
import math
from datetime import date, datetime

import pytest
from pyspark.sql import Row
from rich.console import Console

from memberlake import console
from memberlake.console import _cell, _rounded
from memberlake.ingest.take import Taken
from memberlake.runner import Outcome


@pytest.mark.usefixtures("far_east")
def test_a_value_is_shown_in_utc_however_deep_it_lies() -> None:
    spell = Row(churned_on=date(2026, 11, 20), back_at=datetime(2026, 11, 21, 8), orders=1200)
    assert _cell(datetime(2026, 11, 21, 8)) == "2026-11-21 00:00:00"
    assert _cell([spell, None]) == "[{churned_on: 2026-11-20, back_at: 2026-11-21 00:00:00, orders: 1,200}, -]"
    assert _cell(["app", "store"]) == "[app, store]"
    assert [_cell(value) for value in (None, True, 1200, "1200")] == ["-", "true", "1,200", "1200"]


def test_a_value_cannot_change_the_terminal_or_the_order_of_writing() -> None:
    assert _cell("红\x1b]0;x\x07\u202e1\x9b") == r"红\x1b]0;x\x07\u202e1\x9b"
    assert _cell(["a\tb\nc\r", Row(x="\x00")]) == "[a\tb\nc\\r, {x: \\x00}]"
    assert console.in_a_line("a\nb\u2028c\x1b[2J") == r"a b c\x1b[2J"


def test_rows_that_do_not_fit_are_a_column_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [["x" * 30, "said in many words", 12], ["y" * 30, None, 1234]]

    def printed(width: int) -> list[str]:
        monkeypatch.setattr(console, "out", Console(width=width, file=io.StringIO()))
        console._print_rows(rows, ["member_id", "why", "orders"])
        return [line.rstrip() for line in console.out.file.getvalue().splitlines()]

    assert printed(64)[3] == f" {'x' * 30}   said in many words       12"
    assert printed(54)[3].startswith(f" {'x' * 30}   said in ")  # no word is cut
    assert printed(40) == [
        *[f"member_id: {'x' * 30}", "why:       said in many words", "orders:    12", ""],
        *[f"member_id: {'y' * 30}", "why:       -", "orders:    1,234", ""],
    ]


def test_a_double_is_shown_to_six_digits_or_to_its_whole_part() -> None:
    shown = [_rounded(value) for value in (0.1 + 0.2, 1 / 3, 12345.678, 1234567.89, 7, "0.123456789")]
    assert shown == [0.3, 0.333333, 12345.7, 1234568.0, 7, "0.123456789"]
    assert math.isnan(_rounded(math.nan))


def test_the_summary_names_the_tables_that_people_look_at_and_a_lake_that_can_be_pasted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def looks(*written: str) -> list[str]:
        monkeypatch.setattr(console, "out", Console(width=200, file=io.StringIO()))
        taken = [Taken("orders", files=1, read=6, rejected=1, written=5)]
        outcome = Outcome("kpi", date(2026, 11, 20), state="done", written=dict.fromkeys(written, 1))
        console.summary(taken, [outcome], "/my data/lake", as_json=False)
        return [line.strip() for line in console.out.file.getvalue().partition("Look at it:\n")[2].splitlines()]

    ends = [
        "memberlake show ops.rejects --lake '/my data/lake'   # rows rejected, with the reason: 1",
        "memberlake tables --lake '/my data/lake'   # every table",
    ]
    rfm, kpi = (f"memberlake show gold.{name} --lake '/my data/lake'" for name in ("rfm_scores", "kpi"))
    assert looks("gold.score_bins", "gold.rfm_scores", "gold.kpi", "silver.orders") == [kpi, rfm, *ends]
    assert looks("gold.retention") == ["memberlake show gold.retention --lake '/my data/lake'", *ends]
    assert looks("silver.orders") == ends[:1]
