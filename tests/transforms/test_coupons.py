"""Signs of abuse, and days of what happened to vouchers, on literal rows."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

from chispa import assert_df_equality
from pyspark.sql import DataFrame, SparkSession
from tests.jobs.orders import rows, utc

from memberlake.conf import Conf
from memberlake.coupons import alerts, runs
from memberlake.lake.contract import LONG, MONEY, Table
from memberlake.tables.gold.coupons import (
    COUPON_ALERTS,
    COUPON_CHANNELS,
    COUPON_COHORTS,
    COUPON_DAYS,
    COUPON_LIABILITY,
    COUPON_RUNS,
    VOUCHERS,
)

D = date(2026, 11, 20)


def vouchers(spark: SparkSession, *given: tuple[str, str | None, str | None, str | None, str]) -> DataFrame:
    """Vouchers by id, claimer, redeemer, order and day of both."""
    full = []
    for voucher_id, claimer, redeemer, order_id, day in given:
        did = (("claimed", claimer), ("redeemed", redeemer))
        history = [(utc(day), kind, f"{voucher_id}-{kind}", who, None, None, None, None, utc(day)) for kind, who in did]
        times = {"claimed_at": utc(day), "redeemed_at": utc(day) if redeemer else None}
        full.append({"voucher_id": voucher_id, "order_id": order_id, "history": history, **times})
    columns = [c for c in VOUCHERS.columns if c.name in full[0]]
    schema = ", ".join(f"{c.name} {c.type.simpleString()}" for c in columns)
    return spark.createDataFrame([tuple(row[c.name] for c in columns) for row in full], schema)


def test_signs_of_abuse(spark: SparkSession, rules: Conf) -> None:
    usual = [(f"u{n}", f"m{n}", f"m{n}", f"o{n}", "2026-11-19") for n in range(20)]
    greedy = [(f"g{n}", "greedy", None, None, "2026-10-31") for n in range(20)]  # the last of 30 days is 10-22
    found = alerts.of(
        vouchers(
            spark,
            *usual,
            *greedy,
            *[(f"r{n}", f"m{n}", "reseller", f"x{n}", "2026-11-20") for n in range(5)],
            ("t1", "a", "a", "together", "2026-11-20"),
            ("t2", "b", "b", "together", "2026-11-20"),
            ("nobody", None, "c", "o1", "2026-11-20"),
            ("too long ago", "d", "e", "y", "2026-10-21 15:59"),  # Shanghai: 10-21
            ("tomorrow", "d", "e", "y", "2026-11-20 16:00"),
        ),
        rules.coupons.alerts.model_copy(update={"claims_factor": 5.0}),
        D,
        rules.business_timezone,
    )
    mean = (20 + 20 + 5 + 2) / 23
    said = {
        "others": "1 vouchers that the member claimed were redeemed by others",
        "claims": "20 claims; members with claims have 2.0 on average",
        "order": "vouchers of 2 members were redeemed on one order",
        "resale": "5 of the 5 vouchers that the member redeemed were claimed by others",
    }
    expected = [
        *[(D, "redeemed_by_others", "member", f"m{n}", 1.0, 1.0, said["others"]) for n in range(5)],
        (D, "many_claims", "member", "greedy", 20.0, 5 * mean, said["claims"]),
        (D, "many_claimers_on_an_order", "order", "together", 2.0, 2.0, said["order"]),
        (D, "resale", "member", "reseller", 5.0, 5.0, said["resale"]),
    ]
    columns = COUPON_ALERTS.column_names
    assert_df_equality(
        found.select(*columns),
        spark.createDataFrame(expected, COUPON_ALERTS.struct),
        ignore_row_order=True,
        ignore_nullable=True,
        ignore_metadata=True,
    )


NOTHING = {c.name: Decimal(0) if c.type == MONEY else 0 for c in COUPON_DAYS.columns if c.type in (LONG, MONEY)}


def day(run: str, channel: str | None, first: int, on: int, **happened: int) -> dict[str, Any]:
    """What happened on a day of November to vouchers of one first date, all else 0; `run` is coupon/campaign."""
    coupon_id, _, campaign_id = run.partition("/")
    dates = {name: date(2026, 11, n) for name, n in (("first_on", first), ("issued_month", 1), ("business_date", on))}
    named = {"coupon_run_id": run, "coupon_id": coupon_id, "campaign_id": campaign_id or None, "channel": channel}
    counted = {name: Decimal(n) if name.endswith(("value", "amount")) else n for name, n in happened.items()}
    return {**NOTHING, **named, **dates, **counted}


def days(spark: SparkSession) -> DataFrame:
    given = [
        day("K/P", "app", 1, 1, vouchers=3, issued=3, open=1, open_value=10),
        day("K/P", "app", 1, 2, claimed=2),
        day("K/P", "app", 1, 4, redeemed=1, redeemed_amount=8),
        day("K/P", "app", 1, 5, returned=1, returned_amount=8),
        day("K/P", "app", 1, 20, expired=2, expired_value=10, expired_unvalued=1),  # the value of one is a rate
        day("K/P", None, 3, 3, vouchers=1, issued=1),
        day("K/P", None, 3, 20, expired=1, expired_value=10),
        day("K", None, 4, 4, vouchers=1),  # an event that is no step: in no funnel
        day("L/P", "web", 1, 1, vouchers=2, issued=2),
        day("L/P", "web", 1, 20, expired=2, expired_value=20),
    ]
    return rows(spark, COUPON_DAYS, given)


def same(found: DataFrame, table: Table, expected: list[tuple[Any, ...]]) -> None:
    assert_df_equality(
        found.select(*table.column_names),
        found.sparkSession.createDataFrame(expected, table.struct),
        ignore_row_order=True,
        ignore_nullable=True,
        ignore_metadata=True,
    )


def money(n: int | None) -> Decimal | None:
    return None if n is None else Decimal(n)


def test_funnel_by_channel(spark: SparkSession) -> None:
    def row(run: str, channel: str | None, on: int, steps: tuple[int, ...], *amounts: int | None) -> tuple[Any, ...]:
        return (run, channel, date(2026, 11, on), "P", *steps, *map(money, amounts), run[0])

    expected = [
        row("K/P", "app", 1, (3, 0, 0, 0, 0, 0), 0, 0, 0),
        row("K/P", "app", 2, (0, 2, 0, 0, 0, 0), 0, 0, 0),
        row("K/P", "app", 4, (0, 0, 1, 0, 0, 0), 8, 0, 0),
        row("K/P", "app", 5, (0, 0, 0, 1, 0, 0), 0, 0, 8),
        row("K/P", "app", 20, (0, 0, 0, 0, 0, 2), 0, None, 0),
        row("K/P", None, 3, (1, 0, 0, 0, 0, 0), 0, 0, 0),
        row("K/P", None, 20, (0, 0, 0, 0, 0, 1), 0, 10, 0),
        row("L/P", "web", 1, (2, 0, 0, 0, 0, 0), 0, 0, 0),
        row("L/P", "web", 20, (0, 0, 0, 0, 0, 2), 0, 20, 0),
    ]
    same(runs.funnel(days(spark), "channel"), COUPON_CHANNELS, expected)


def test_cohorts_and_which_of_them_are_open(spark: SparkSession) -> None:
    def row(run: str, first: int, since: int, vouchers: int, claimed: int, redeemed: int, is_open: bool) -> Any:
        shares = claimed / vouchers, redeemed / vouchers
        return (run, date(2026, 11, first), since, vouchers, claimed, redeemed, *shares, is_open, run[0])

    expected = [
        row("K/P", 1, 0, 3, 0, 0, True),
        row("K/P", 1, 1, 3, 2, 0, True),
        row("K/P", 1, 3, 3, 2, 1, True),
        row("K/P", 1, 4, 3, 2, 0, True),  # returned
        row("K/P", 1, 19, 3, 2, 0, True),
        row("K/P", 3, 0, 1, 0, 0, False),
        row("K/P", 3, 17, 1, 0, 0, False),
        row("K", 4, 0, 1, 0, 0, False),
        row("L/P", 1, 0, 2, 0, 0, False),
        row("L/P", 1, 19, 2, 0, 0, False),
    ]
    same(runs.cohorts(days(spark)), COUPON_COHORTS, expected)


def test_runs_liability_and_breakage(spark: SparkSession) -> None:
    first, last = date(2026, 11, 1), date(2026, 11, 3)
    expected = [
        ("K/P", "K", 1, "P", first, last, 4, True, 4, 2, 1, 1, 0, 3, 1, 0.5, 0.5, 0.25, 3.0, money(0), money(10), None),
        ("K", "K", 2, None, date(2026, 11, 4), date(2026, 11, 4), 1, True, *[0] * 7, *[None] * 4, *[money(0)] * 3),
        (
            "L/P",
            "L",
            1,
            "P",
            first,
            first,
            2,
            False,
            2,
            0,
            0,
            0,
            0,
            2,
            0,
            0.0,
            None,
            0.0,
            None,
            money(0),
            money(0),
            money(20),
        ),
    ]
    found = runs.runs(days(spark))
    same(found, COUPON_RUNS, expected)
    owed = [
        (D, "K/P", 1, money(10), 3, None),
        (D, "K", 0, money(0), 0, money(0)),
        (D, "L/P", 0, money(0), 2, money(20)),
    ]
    same(runs.liability(found, D), COUPON_LIABILITY, owed)
