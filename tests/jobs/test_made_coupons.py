"""How well the campaigns of made vouchers are inferred, where the truth is known."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date

import pytest
from pyspark.sql import functions as F
from tests.conftest import configured

from memberlake import jobs
from memberlake.lake.store import Lake
from memberlake.made import marketing, write
from memberlake.made.world import World
from memberlake.tables.gold.coupons import VOUCHERS
from memberlake.tables.silver import CAMPAIGN_CONTACTS, CAMPAIGNS, COUPON_CAMPAIGNS, COUPON_EVENTS, COUPONS

pytestmark = pytest.mark.lake


def test_precision_on_a_made_brand(lake: Lake, record_property: Callable[[str, object], None]) -> None:
    """Coupons used again, a fifth of the links missing, and of the records; more wrong clocks than shipped."""
    rules = configured("made.shares.wrong_clock=0.05", lake=str(lake.conf.root))
    world = World(lake.spark, rules.made, 20_000, rules.business_timezone)
    list(write.into_lake(world, lake, [CAMPAIGNS, CAMPAIGN_CONTACTS, COUPONS, COUPON_CAMPAIGNS, COUPON_EVENTS]))
    jobs.find("coupons").run(lake, rules, date(2026, 1, 31))

    truth = marketing.vouchers(world).withColumnRenamed("campaign_id", "true_campaign_id")
    vouchers = lake.read(VOUCHERS).select("voucher_id", "campaign_id", "method")
    hidden = truth.where("is_hidden").join(vouchers, on="voucher_id", how="inner")
    is_right = F.col("campaign_id") == F.col("true_campaign_id")
    counts = hidden.agg(
        F.count(F.lit(1)).alias("hidden"),
        F.count_if(F.col("method") == "inferred").alias("inferred"),
        F.count_if(is_right).alias("right"),
    ).first()
    assert counts is not None
    precision, coverage = counts["right"] / counts["inferred"], counts["inferred"] / counts["hidden"]
    record_property("made coupons", f"{counts}: precision {precision:.4f}, coverage {coverage:.4f}")
    assert counts["hidden"] > 500
    assert precision >= 0.98
    assert coverage >= 0.75
