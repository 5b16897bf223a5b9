"""The pages of the report: what stands on each, a module a page. Nothing here knows HTML."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from memberlake.report import texts
from memberlake.report.blocks import Block
from memberlake.report.facts import Facts
from memberlake.report.pages import activity, alerts, churn, coupons, members, models, money, overview, quality, value
from memberlake.report.texts import Said


@dataclass(frozen=True)
class Page:
    key: str
    title: Said
    about: Said
    blocks: Sequence[Block]


def every(facts: Facts) -> list[Page]:
    """All pages, in the order of the navigation."""
    made: dict[str, Callable[[Facts], Iterable[Block]]] = {
        "index": overview.content,
        "members": members.content,
        "activity": activity.content,
        "value": value.content,
        "churn": churn.content,
        "coupons": coupons.content,
        "money": money.content,
        "models": models.content,
        "alerts": alerts.content,
        "quality": quality.content,
    }
    return [Page(key, *texts.PAGES[key], [*made[key](facts)]) for key in texts.PAGES]
