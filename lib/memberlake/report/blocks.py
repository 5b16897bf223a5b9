"""Parts of a page: figures, pictures and tables; or what is missing, and the command that brings it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, NamedTuple

from memberlake.report import missing, texts
from memberlake.report.charts import Spec
from memberlake.report.facts import Defined, Facts, Row
from memberlake.report.texts import BLOCKS, TERMS, UI, Said, same


class Cell(NamedTuple):
    """A cell of a table.

    Attributes:
        amount: of money, in a column whose cells are written with cents or without, all alike.
        defined: what the number is, shown when it is pressed.
    """

    said: Said
    is_number: bool = False
    hover: str = ""
    mark: str = ""
    amount: float | None = None
    defined: Defined | None = None


@dataclass(frozen=True)
class Figure:
    """A number with everything that it is made of."""

    key: str
    defined: Defined
    value: Said
    numerator: Said
    denominator: Said
    period: Said
    change: Said | None = None
    is_good: bool | None = None
    spark: str = ""
    so_far: Sequence[Said] = ()  # the month that runs, and the same days of the one before


@dataclass(frozen=True)
class Block:
    """A part of a page: figures, a picture, a table; or what is missing, and the command that brings it."""

    key: str
    source: str
    title: Said
    note: Said
    figures: Sequence[Figure] = ()
    chart: Spec | None = None
    columns: Sequence[Said] = ()
    rows: Sequence[Sequence[Cell]] = ()
    defined: Sequence[Defined] = ()
    missing: Said | None = None
    command: str = ""
    then: Sequence[str] = ()  # commands after it

    @property
    def is_half(self) -> bool:
        """Two of these stand side by side on a wide screen."""
        return self.key in _HALVES


_HALVES = {
    "funnel", "reachable", "active_months", "active_weeks", "abc", "tiers", "churn_rate", "movement",
    "churned", "risk", "churn_rules", "factors", "coupon_funnel", "coupon_months", "coupon_status",
    "mapping", "review", "flags", "attribution", "by_goal",
}  # fmt: skip


def period_name(row: Row) -> Said:
    start, period = row["period_start"], row["period"]
    name = f"{start:%Y-%m}" if period == "month" else f"{start:%G-W%V}" if period == "week" else f"{start}"
    return same(name) if row["is_complete"] else Said(f"{name}, to date", f"{name}（至今）")


def period_of(rows: Sequence[Row]) -> Said:
    """The period that all these rows are of."""
    return period_name(rows[0]) if rows else Said("none so far", "暂无")


def month(start: date) -> str:
    return f"{start:%Y-%m}"


def largest(shown: int, of: int, by: Said) -> Said | None:
    """That a table does not list everything."""
    return UI["largest"].of(shown=shown, of=of, by=by) if shown < of else None


def begins(facts: Facts, what: str, drawn: Sequence[Row]) -> Said | None:
    """That the record begins within the periods drawn, and what that does to the first of them.

    Args:
        what: "active" or "bought", whose record it is; "away": both.
    """
    firsts = [r["first_on"] for r in facts.of("began") if what in ("away", r["what"])]
    first = min(firsts, default=None)
    return UI[f"{what}_since"].of(first=first) if first and drawn and drawn[0]["period_start"] <= first else None


def campaigns(facts: Facts) -> dict[str | None, Said]:
    """What tables call the campaigns: by id, and by None where it is not known."""
    return {None: Said("not known", "未知")} | {r["campaign_id"]: _campaign(r) for r in facts.of("campaigns")}


def _campaign(row: Row) -> Said:
    name = row["name"]
    return same(f"{row['campaign_id']} · {name}" if name and name != row["campaign_id"] else row["campaign_id"])


def block(
    facts: Facts,
    key: str,
    source: str,
    needs: str,
    *,
    figures: Sequence[Figure] = (),
    chart: Spec | None = None,
    columns: Sequence[Said] = (),
    rows: Sequence[Sequence[Cell]] = (),
    defined: Sequence[Defined] = (),
    command: str = "",
    more: Said | None = None,
    **values: Any,
) -> Block:
    """A block; where there is nothing to show, what is missing and how to get it.

    Args:
        defined: what the block speaks of, where its terms in texts.yaml do not say so.
        more: a sentence after the note.
        values: that the note names, besides settings.
    """
    of_block = BLOCKS[key]
    title, note = (text.of(**facts.settings, **values) for text in (of_block.title, of_block.note))
    if more:
        note = Said(f"{note.en} {more.en}", f"{note.zh}{more.zh}")
    meant = [*defined, *(term(facts, name) for name in of_block.terms)]
    if figures or chart or rows:
        alike = [*zip(*(aligned(facts, column) for column in zip(*rows, strict=True)), strict=True)]
        return Block(key, source, title, note, figures, chart, columns, alike, meant, command=command)
    why, steps = missing.reason(facts, needs, {table for d in defined for table in d.needs})
    command, then = steps[0] if steps else "", steps[1:]
    return Block(
        key, source, title, note, defined=meant, missing=why.of(**facts.settings, **values), command=command, then=then
    )


def term(facts: Facts, name: str) -> Defined:
    """A word of the pages that is no metric of gold.kpi."""
    label, sentence = TERMS[name]
    return Defined(label, sentence.of(**facts.settings), same(""), "count", 0)


def aligned(facts: Facts, cells: Sequence[Cell]) -> list[Cell]:
    """The cells, of which amounts of money are written with cents all or none."""
    amounts = [cell.amount for cell in cells if cell.amount is not None]
    cents = texts.has_cents(amounts)
    return [
        cell if cell.amount is None else cell._replace(said=facts.written(cell.amount, "money", cents), amount=None)
        for cell in cells
    ]


def number(facts: Facts, value: float | None, form: str = "count", hover: str = "", mark: str = "") -> Cell:
    return Cell(facts.written(value, form), True, hover, mark, value if form == "money" else None)


def ratio(part: float | None, whole: float | None) -> float | None:
    return part / whole if part is not None and whole else None


def rate(facts: Facts, part: float | None, whole: float | None, form: str = "count") -> Cell:
    """A part of a whole; on hovering both, of the form."""
    parts = [facts.exact(value or 0, form) for value in (part, whole)]
    return number(facts, ratio(part, whole), "share", " / ".join(parts))
