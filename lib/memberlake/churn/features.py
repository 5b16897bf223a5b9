"""The features of a member at a snapshot, declared once; measure.py computes them.

The declaration makes the columns of gold.churn_features, docs/features.md, what a model takes for NULL, and the names
in the factors of a score.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from pyspark.sql import Column
from pyspark.sql import functions as F

YEAR, QUARTER, MONTH = 365, 90, 30
NEVER = 400.0  # days, for a model: longer ago than any window

# what each group of features is computed from
SOURCES = {
    "orders": ("silver.orders",),
    "lines": ("silver.order_lines", "silver.orders", "silver.products"),
    "events": ("silver.events",),
    "campaigns": ("silver.campaign_contacts", "silver.campaign_responses"),
    "coupons": ("silver.coupon_events",),
    "members": ("silver.members",),
    "scores": ("silver.orders", "silver.events"),
    "season": (),
}


class Reading(NamedTuple):
    """A column, and what the guard against the future must know of it.

    Attributes:
        rows: the facts that go into the value.
        reads: the measure of these facts that is read: its dates are the guard's. None: no fact, but other features
            or the calendar.
    """

    value: Column
    rows: Column | None = None
    reads: str | None = None


@dataclass(frozen=True)
class Feature:
    """A feature.

    Attributes:
        source: its group, a key of SOURCES.
        window: days that end with the snapshot; None: all of them, or none needed.
        about: meaning, with unit.
        of: the column, over the facts of the group (with `age`, days before the snapshot), or over other features.
        never: what a model takes for NULL. None: the feature is never NULL, nothing counts as 0.
        is_text: a category, not a number.
        is_derived: made of features declared before it.
        drifts: moves as time goes by, whatever members do: no alert for it.
    """

    name: str
    source: str
    window: int | None
    about: str
    of: Callable[[], Reading]
    never: float | None = None
    is_text: bool = False
    is_derived: bool = False
    drifts: bool = False


def _over(measure: str, days: int, of: Callable[[Column], Column], since: int = 0) -> Callable[[], Reading]:
    """An aggregate of a measure of those facts that are `since` to less than `days` old."""

    def reading() -> Reading:
        rows = F.col("age").between(since, days - 1)
        return Reading(of(F.when(rows, F.col(measure))).cast("double"), rows, measure)

    return reading


def _total(measure: str, days: int, since: int = 0) -> Callable[[], Reading]:
    return _over(measure, days, F.sum, since)


def _days_since(measure: str, days: int) -> Callable[[], Reading]:
    return _over(measure, days, lambda column: F.min(F.when(column > 0, F.col("age"))))


def _mean(column: Column) -> Column:
    return F.try_divide(F.sum(column), F.count(column))


def _deviation(column: Column) -> Column:
    """Of whole numbers, so exact in any order: a variance summed in doubles is not."""
    n, total, squares = F.count(column), F.sum(column), F.sum(column * column)
    return F.when(n >= 2, F.sqrt(F.try_divide(n * squares - total * total, n * n)))


def _made(of: Callable[[], Column]) -> Callable[[], Reading]:
    """Of other features, or of the calendar."""
    return lambda: Reading(of())


def _ratio(part: str, whole: str) -> Callable[[], Reading]:
    return _made(lambda: F.try_divide(F.col(part), F.col(whole)))


def _share_of_recent(recent: str, before: str) -> Callable[[], Reading]:
    return _made(lambda: F.try_divide(F.col(recent), F.col(recent) + F.col(before)))


def _season(part: Callable[[Column], Column]) -> Callable[[], Reading]:
    return _made(lambda: part(F.dayofyear("as_of") * F.lit(2 * math.pi / 365.25)))


def _score(name: str) -> Callable[[], Reading]:
    return _made(lambda: F.col(name).cast("double"))


def _known(column: str, since: str, of: Callable[[Column], Column] = lambda column: column) -> Callable[[], Reading]:
    """What a member's row says, from the date on that stands in `since`; NULL before it, as nobody knew it then."""

    def reading() -> Reading:
        rows = F.col(since) <= F.col("as_of")
        return Reading(F.when(rows, of(F.col(column))), rows, column)

    return reading


def _days(date: Column) -> Column:
    return F.date_diff("as_of", date).cast("double")


DECLARED: tuple[Feature, ...] = (
    Feature("recency_days", "orders", YEAR, "days since the last counted order", _days_since("orders", YEAR), NEVER),
    Feature("orders_30", "orders", MONTH, "counted orders", _total("orders", MONTH)),
    Feature("orders_90", "orders", QUARTER, "counted orders", _total("orders", QUARTER)),
    Feature("orders_90_before", "orders", 180, "counted orders 90 to 179 days ago", _total("orders", 180, QUARTER)),
    Feature("orders_365", "orders", YEAR, "counted orders", _total("orders", YEAR)),
    Feature("spent_90", "orders", QUARTER, "net amount", _total("net_amount", QUARTER)),
    Feature("spent_90_before", "orders", 180, "net amount 90 to 179 days ago", _total("net_amount", 180, QUARTER)),
    Feature("spent_365", "orders", YEAR, "net amount", _total("net_amount", YEAR)),
    Feature("discount_365", "orders", YEAR, "discounts", _total("discount_amount", YEAR)),
    Feature(
        "coupon_orders_365", "orders", YEAR, "orders with a coupon, a coupon amount or a promo code",
        _total("coupon_orders", YEAR),
    ),
    Feature("points_365", "orders", YEAR, "points spent on orders", _total("points_redeemed", YEAR)),
    Feature(
        "gap_mean", "orders", YEAR, "mean days between order days, of the gaps that end in the window",
        _over("gap", YEAR, _mean), NEVER,
    ),
    Feature(
        "gap_deviation", "orders", YEAR, "standard deviation (of a population) of the same gaps, NULL for one",
        _over("gap", YEAR, _deviation), 0.0,
    ),
    Feature("gap_longest", "orders", YEAR, "longest of the same gaps", _over("gap", YEAR, F.max), NEVER),
    Feature(
        "first_order_days", "orders", YEAR, "days since the first order of all, of those with one in the window",
        _over("first_on", YEAR, lambda first_on: F.max(_days(first_on))), NEVER, drifts=True,
    ),
    Feature(
        "overdue", "orders", YEAR, "recency over the mean days between order days: above 1 is late",
        _ratio("recency_days", "gap_mean"), 1.0, is_derived=True,
    ),
    Feature(
        "overdue_days", "orders", YEAR, "recency less the mean days between order days",
        _made(lambda: F.col("recency_days") - F.col("gap_mean")), 0.0, is_derived=True,
    ),
    Feature("basket_365", "orders", YEAR, "mean net amount", _ratio("spent_365", "orders_365"), 0, is_derived=True),
    Feature(
        "orders_trend", "orders", 180, "share of the last 180 days' orders that the last 90 hold: below 0.5 is falling",
        _share_of_recent("orders_90", "orders_90_before"), 0.5, is_derived=True,
    ),
    Feature(
        "spent_trend", "orders", 180, "the same of net amount",
        _share_of_recent("spent_90", "spent_90_before"), 0.5, is_derived=True,
    ),
    Feature(
        "coupon_share", "orders", YEAR, "share of orders with a coupon, a coupon amount or a promo code",
        _ratio("coupon_orders_365", "orders_365"), 0.0, is_derived=True,
    ),
    Feature("items_90", "lines", QUARTER, "order lines", _total("items", QUARTER)),
    Feature(
        "categories_365", "lines", YEAR, "product categories bought", _over("category", YEAR, F.count_distinct),
    ),
    Feature("visits_30", "events", MONTH, "visits, known or anonymous", _total("visits", MONTH)),
    Feature("visits_90", "events", QUARTER, "visits, known or anonymous", _total("visits", QUARTER)),
    Feature("visits_90_before", "events", 180, "visits 90 to 179 days ago", _total("visits", 180, QUARTER)),
    Feature(
        "visits_trend", "events", 180, "share of the last 180 days' visits that the last 90 hold",
        _share_of_recent("visits_90", "visits_90_before"), 0.5, is_derived=True,
    ),
    Feature("visit_days", "events", YEAR, "days since the last visit", _days_since("visits", YEAR), NEVER),
    Feature("logins_90", "events", QUARTER, "logins", _total("logins", QUARTER)),
    Feature("login_days", "events", YEAR, "days since the last login", _days_since("logins", YEAR), NEVER),
    Feature("page_views_90", "events", QUARTER, "page views", _total("page_views", QUARTER)),
    Feature("searches_90", "events", QUARTER, "searches", _total("searches", QUARTER)),
    Feature("actions_90", "events", QUARTER, "page views, searches, downloads, videos", _total("actions", QUARTER)),
    Feature("carts_90", "events", QUARTER, "products put into a cart", _total("carts", QUARTER)),
    Feature("enquiries_365", "events", YEAR, "enquiries about campaigns", _total("enquiries", YEAR)),
    Feature(
        "anonymous_visits_365", "events", YEAR, "visits on the member's device before it was known to be theirs",
        _total("anonymous_visits", YEAR),
    ),
    Feature("contacts_90", "campaigns", QUARTER, "contacts by campaigns", _total("contacts", QUARTER)),
    Feature("contacts_365", "campaigns", YEAR, "contacts by campaigns", _total("contacts", YEAR)),
    Feature("responses_365", "campaigns", YEAR, "responses to campaigns", _total("responses", YEAR)),
    Feature(
        "response_rate", "campaigns", YEAR, "responses for a contact",
        _ratio("responses_365", "contacts_365"), 0.0, is_derived=True,
    ),
    Feature("response_days", "campaigns", YEAR, "days since the last response", _days_since("responses", YEAR), NEVER),
    Feature("claimed_365", "coupons", YEAR, "claims of vouchers", _total("claimed", YEAR)),
    Feature("redeemed_365", "coupons", YEAR, "redemptions of vouchers", _total("redeemed", YEAR)),
    Feature("tenure_days", "members", None, "days since registration", _known("on", "on", _days), 0.0, drifts=True),
    Feature(
        "activated_days", "members", None, "days since activation",
        _known("activated_on", "activation_on", _days), 0.0, drifts=True,
    ),
    Feature(
        "age_years", "members", None, "age in days / 365.25",
        _known("birth_date", "on", lambda birth: _days(birth) / 365.25), 0.0, drifts=True,
    ),
    Feature("gender", "members", None, "F, M or U", _known("gender", "on"), is_text=True),
    Feature("acquisition_channel", "members", None, "won by", _known("acquisition_channel", "on"), is_text=True),
    Feature("r_score", "scores", YEAR, "RFM: score of recency among all buyers of the window", _score("r"), 0.0),
    Feature("f_score", "scores", YEAR, "RFM: score of frequency", _score("f"), 0.0),
    Feature("m_score", "scores", YEAR, "RFM: score of net amount", _score("m"), 0.0),
    Feature("rfe_r_score", "scores", QUARTER, "RFE: score of the last visit among visiting members", _score("vr"), 0.0),
    Feature("rfe_f_score", "scores", QUARTER, "RFE: score of visits", _score("vf"), 0.0),
    Feature("rfe_e_score", "scores", QUARTER, "RFE: score of actions, each weighing 1", _score("ve"), 0.0),
    Feature("season_sin", "season", None, "sine of the day of the year", _season(F.sin), drifts=True),
    Feature("season_cos", "season", None, "cosine of the day of the year", _season(F.cos), drifts=True),
)  # fmt: skip

NAMES = tuple(feature.name for feature in DECLARED)
NUMBERS = tuple(feature for feature in DECLARED if not feature.is_text)
TEXTS = tuple(feature for feature in DECLARED if feature.is_text)


def own(group: str) -> list[Feature]:
    """The features of a group that are no function of others."""
    return [f for f in DECLARED if f.source == group and not f.is_derived]
