"""Signs of abuse, and days of what happened to vouchers, on literal rows."""

from __future__ import annotations

from datetime import date

from chispa import assert_df_equality
from pyspark.sql import DataFrame, SparkSession
from tests.jobs.orders import utc

from memberlake.conf import Conf
from memberlake.coupons import alerts
from memberlake.tables.gold.coupons import COUPON_ALERTS, VOUCHERS

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
