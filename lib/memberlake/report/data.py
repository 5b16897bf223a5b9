"""What the report shows: frames that are small by construction (days, scores, names), never a row of a member.

Everything is as of one date: slices of that as_of, and periods, days and alerts that are not after it.
"""

from __future__ import annotations

from datetime import date, timedelta
from functools import reduce
from typing import NamedTuple

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from memberlake import calendar
from memberlake.coupons.runs import STEPS
from memberlake.kpi.table import final_on
from memberlake.lake.contract import Table
from memberlake.report.kpi import BY_DIMENSION, OWN, TOP
from memberlake.tables import silver

DAYS, WEEKS, MONTHS = 90, 26, 25  # how far back the pictures go
LISTED = 25  # rows of lists that could grow: the first ones, and how to get the rest


class Frames(NamedTuple):
    """The tables that the report reads."""

    kpi: DataFrame
    alerts: DataFrame
    rfm_scores: DataFrame
    rfe_scores: DataFrame
    abc_classes: DataFrame
    active_counts: DataFrame
    retention: DataFrame
    churn_status: DataFrame
    churn_scores: DataFrame
    churn_models: DataFrame
    model_monitoring: DataFrame
    vouchers: DataFrame
    coupon_runs: DataFrame
    coupon_funnel: DataFrame
    coupon_days: DataFrame
    coupon_liability: DataFrame
    coupon_mapping_review: DataFrame
    members: DataFrame
    orders: DataFrame
    events: DataFrame
    campaigns: DataFrame
    campaign_contacts: DataFrame
    coupon_events: DataFrame
    runs: DataFrame
    rejects: DataFrame

    @property
    def silver(self) -> dict[Table, DataFrame]:
        return {table: getattr(self, table.name) for table in silver.TABLES if table.name in self._fields}


def small(of: Frames, as_of: date, zone: str) -> dict[str, DataFrame]:
    """The frames that the pages are made of, by name; each has at most some thousand rows, whatever the lake holds."""
    risks = _slice(of.churn_scores, as_of)
    return {
        "kpi": kpi(of.kpi, as_of),
        "alerts": alerts(of.alerts, as_of),
        "rfm": scores(_slice(of.rfm_scores, as_of).where("scope = 'all'"), "f_score"),
        "rfe": rfe(_slice(of.rfe_scores, as_of)),
        "abc": _slice(of.abc_classes, as_of)
        .groupBy("class", "value_tier")
        .agg(_rows("members"), _total("monetary", "money")),
        "actives": actives(of.active_counts, as_of),
        "began": began(of.active_counts, of.kpi),
        "retention": retention(of.retention, as_of),
        "churned": _slice(of.churn_status, as_of).groupBy("is_churned", "kind", "permanence").agg(_rows("members")),
        "churn_rules": _per_element(_slice(of.churn_status, as_of), "rules", "rule", "members"),
        "risks": risk_bands(risks),
        "factors": factors(risks),
        "models": of.churn_models.where(F.col("as_of") <= F.lit(as_of))
        .orderBy(F.desc("as_of"), F.desc(F.length("model_version")), F.desc("model_version"), "model_name")
        .limit(LISTED),
        "monitoring": monitoring(of.model_monitoring, as_of),
        "vouchers": of.vouchers.groupBy("status", "method").agg(
            _rows("vouchers"), _total("confidence", "confidence"), F.count("confidence").alias("measured")
        ),
        "flags": _per_element(of.vouchers, "flags", "flag", "vouchers"),
        "coupons": of.coupon_runs.groupBy("is_reused").agg(
            _rows("runs"), F.count_distinct("coupon_id").alias("coupons"), _total("vouchers", "vouchers")
        ),
        "runs_of_coupons": runs_of_coupons(of.coupon_days, of.coupon_runs, as_of),
        "coupon_months": coupon_months(of.coupon_funnel, as_of),
        "coupon_campaigns": coupon_campaigns(of.coupon_days, as_of),
        "funnel": funnel_size(of.coupon_funnel, as_of),
        "liability": liability(_slice(of.coupon_liability, as_of)),
        "review": review(of.coupon_mapping_review),
        "campaigns": of.campaigns.orderBy(F.desc("starts_on"), "campaign_id")
        .limit(500)
        .select("campaign_id", "name", "kind", "starts_on", "ends_on"),
        "last_days": last_days(of, as_of, zone),
        "silver": emptiness(of),
        "jobs": last_runs(of.runs),
        "rejects": of.rejects.groupBy("table", "rule")
        .agg(_rows("rows"), F.max("rejected_at").alias("last_at"))
        .orderBy(F.desc("rows"), "table", "rule")
        .limit(LISTED),
        "rejected": rejected(of.rejects, of.runs),
    }


def kpi(kpi: DataFrame, as_of: date) -> DataFrame:
    """Metrics over all in days, weeks and months up to as_of, and by dimension in the last months. Of a dimension that
    may have any number of values these are the metrics listed by it, and the largest of its `values` (how many)."""
    recent = (
        _period("day", F.date_sub(F.lit(as_of), DAYS))
        | _period("week", F.date_sub(F.lit(as_of), 7 * WEEKS))
        | _period("month", F.add_months(F.lit(as_of), -MONTHS))
    )
    is_own = F.col("dimension").isin(*OWN)
    is_listed = is_own | F.col("metric").isin(*BY_DIMENSION, "reachable_members")
    split = (_period("month", F.add_months(F.trunc(F.lit(as_of), "month"), -2)) & is_listed) | (
        F.col("dimension").isin("cost_type", "method") & (F.col("period") == "month") & recent
    )
    over = final_on() <= F.lit(as_of)
    # a period that was not over at as_of, but was computed since, holds what nobody could know then
    known = (F.col("as_of") <= F.lit(as_of)) | (F.col("is_complete") & over)
    found = kpi.where(
        (F.col("period_start") <= F.lit(as_of)) & known & F.when(F.col("dimension") == "all", recent).otherwise(split)
    )
    among = Window.partitionBy("metric", "period", "period_start", "dimension")
    size = F.coalesce(F.nullif("denominator", F.lit(0.0)), "numerator", F.lit(0.0))
    place = F.row_number().over(among.orderBy(F.desc(size), "dimension_value"))
    ranked = found.withColumns({"values": F.count(F.lit(1)).over(among), "place": place})
    return ranked.where(is_own | (F.col("place") <= TOP)).drop("place")


def alerts(alerts: DataFrame, as_of: date) -> DataFrame:
    """Alerts raised by as_of, in their state of that day, open ones first. They are about metrics and models."""
    closed_later = F.col("closed_on") > F.lit(as_of)
    return (
        alerts.where(F.col("raised_on") <= F.lit(as_of))
        .withColumn("state", F.when(closed_later, F.lit("open")).otherwise(F.col("state")))
        .orderBy(F.desc("state"), F.desc("raised_on"), "alert_id")
        .limit(200)
    )


def scores(scored: DataFrame, second: str) -> DataFrame:
    """Members and money of each pair of scores and segment."""
    return scored.groupBy("r_score", second, "segment").agg(_rows("members"), _total("monetary", "money"))


def rfe(scored: DataFrame) -> DataFrame:
    """Subjects and engagement of each pair of scores and segment."""
    return scored.groupBy("r_score", "e_score", "segment", "is_member").agg(
        _rows("subjects"), _total("engagement", "engagement")
    )


def actives(counts: DataFrame, as_of: date) -> DataFrame:
    """Active subjects of days and rolling windows, weeks and months; by dimension in the last months.

    A week or month that runs is left out where it was counted as of a later day: nobody could know it then.
    """
    window, start = F.col("window"), F.col("period_start")
    daily = (window == "day") | window.startswith("rolling_")
    recent = (
        (daily & (F.col("period_end") > F.date_sub(F.lit(as_of), DAYS)))
        | ((window == "week") & (start > F.date_sub(F.lit(as_of), 7 * WEEKS)))
        | ((window == "month") & (start > F.add_months(F.lit(as_of), -MONTHS)))
    )
    split = (window == "month") & (start >= F.add_months(F.trunc(F.lit(as_of), "month"), -1))
    newest_day = counts.where(window == "day").agg(F.max("period_end").alias("newest_day"))
    not_after = F.when(F.col("is_complete"), F.col("period_end")).otherwise(F.greatest(start, "newest_day"))
    seen = counts.crossJoin(newest_day).where(not_after <= F.lit(as_of)).drop("newest_day")
    return seen.where(F.when(F.col("dimension") == "all", recent).otherwise(split))


def began(counts: DataFrame, kpi: DataFrame) -> DataFrame:
    """The first day on which someone was active, and on which someone bought: (what, first_on), none without one."""
    over_all = F.col("dimension") == "all"
    active = counts.where(over_all & (F.col("window") == "day") & (F.col("active") > 0))
    bought = kpi.where(over_all & (F.col("period") == "day") & (F.col("metric") == "new_purchasing_members"))
    firsts = [
        frame.agg(F.min("period_start").alias("first_on")).select(F.lit(what).alias("what"), "first_on")
        for what, frame in {"active": active, "bought": bought.where(F.col("numerator") > 0)}.items()
    ]
    return reduce(DataFrame.unionAll, firsts).where(F.col("first_on").isNotNull())


def retention(retention: DataFrame, as_of: date) -> DataFrame:
    """Cohorts of the last year by month, at offsets whose month is over."""
    month = F.expr("add_months(cohort_start, offset)")
    return retention.where(
        (F.col("grain") == "month")
        & (F.col("cohort_start") > F.add_months(F.lit(as_of), -13))
        & (F.last_day(month) <= F.lit(as_of))
    )


def risk_bands(scored: DataFrame) -> DataFrame:
    """Members by model, band and twentieth of the probability."""
    twentieth = F.least(F.floor(F.col("probability") * 20), F.lit(19)).cast("int").alias("twentieth")
    return scored.groupBy("model_name", "model_version", "risk_band", twentieth).agg(_rows("members"))


def factors(scored: DataFrame) -> DataFrame:
    """How often a feature is among the three that moved a member's score most, and how far on average."""
    return (
        scored.where(F.col("risk_band") == "high")
        .select(F.explode("top_factors").alias("factor"))
        .groupBy(F.col("factor.feature").alias("feature"))
        .agg(_rows("members"), F.avg("factor.effect").alias("effect"))
        .orderBy(F.desc("members"), "feature")
        .limit(LISTED)
    )


def monitoring(monitoring: DataFrame, as_of: date) -> DataFrame:
    """The newest value of each metric of a model, and since when the metric is measured."""
    newest = F.max_by(F.struct("as_of", "value", "threshold", "is_alert"), "as_of").alias("newest")
    return (
        monitoring.where(F.col("as_of") <= F.lit(as_of))
        .groupBy("model_name", "model_version", "metric")
        .agg(newest, F.min("as_of").alias("first_on"))
        .select("model_name", "model_version", "metric", "first_on", "newest.*")
        .orderBy(F.desc("as_of"), "model_name", "model_version", "metric")
        .limit(500)
    )


def coupon_months(funnel: DataFrame, as_of: date) -> DataFrame:
    """What happened to vouchers in each of the last 12 months."""
    month = F.trunc("business_date", "month").alias("month")
    near = _until(funnel, as_of).where(F.col("business_date") >= F.add_months(F.trunc(F.lit(as_of), "month"), -11))
    return near.groupBy(month).agg(*[F.sum(step).alias(step) for step in STEPS])


def coupon_campaigns(days: DataFrame, as_of: date) -> DataFrame:
    """What became of the vouchers of each campaign; of those without one in the row NULL."""
    return (
        _until(days, as_of)
        .groupBy("campaign_id")
        .agg(*_outcome())
        .orderBy(F.desc("issued"), F.desc("redeemed"), "campaign_id")
        .limit(LISTED)
    )


def funnel_size(funnel: DataFrame, as_of: date) -> DataFrame:
    """One row: how many campaigns and runs there are to list, and the last day of one of their events."""
    campaign = F.coalesce("campaign_id", F.lit(""))  # those without one are a row too
    return _until(funnel, as_of).agg(
        F.count_distinct(campaign).alias("campaigns"),
        F.count_distinct("coupon_run_id", campaign).alias("runs"),
        F.max("business_date").alias("last_on"),
    )


def runs_of_coupons(days: DataFrame, runs: DataFrame, as_of: date) -> DataFrame:
    """The largest runs of coupons, and what became of their vouchers."""
    named = runs.select("coupon_run_id", "coupon_id", "run_no", "first_on", "last_on", "is_reused")
    done = _until(days, as_of).groupBy("coupon_run_id", "campaign_id").agg(*_outcome())
    largest = done.orderBy(F.desc("issued"), F.desc("redeemed"), "coupon_run_id").limit(LISTED)
    return largest.join(named, on="coupon_run_id", how="left")


def liability(of_day: DataFrame) -> DataFrame:
    """One row: what can still be redeemed, and what expired unredeemed; NULL where that of a run is not known."""
    names = ("open_vouchers", "open_value", "expired_vouchers", "expired_value")
    known = {name: F.count(name) == F.count(F.lit(1)) for name in names}
    totals = [F.when(is_known, F.sum(name)).cast("double").alias(name) for name, is_known in known.items()]
    return of_day.groupBy("as_of").agg(_rows("runs"), *totals)


def review(review: DataFrame) -> DataFrame:
    """Vouchers whose campaign nobody could decide, by reason, and the campaigns that they may belong to."""
    return (
        review.groupBy("reason")
        .agg(
            F.count_distinct("voucher_id").alias("vouchers"),
            F.count_distinct("candidate_campaign_id").alias("candidates"),
        )
        .orderBy(F.desc("vouchers"), "reason")
        .limit(LISTED)
    )


def last_days(of: Frames, as_of: date, zone: str) -> DataFrame:
    """The last business date of each table of facts, if it has one within the last months: (table, last_on)."""
    # raw instants, with a day to spare, let Delta skip the files of all earlier years
    begin, end = calendar.instants(as_of - timedelta(days=DAYS), as_of + timedelta(days=1), zone)

    def last(table: Table, frame: DataFrame) -> DataFrame:
        instant = F.col(str(table.happened_at))
        on = calendar.business_date(instant, zone)
        near = frame.where((instant >= F.lit(begin)) & (instant < F.lit(end)) & (on <= F.lit(as_of)))
        return near.agg(F.max(on).alias("last_on")).select(F.lit(table.full_name).alias("table"), "last_on")

    return reduce(DataFrame.unionAll, [last(table, frame) for table, frame in of.silver.items() if table.happened_at])


def emptiness(of: Frames) -> DataFrame:
    """Whether a silver table has no row at all: (table, is_empty)."""

    def asked(table: Table, frame: DataFrame) -> DataFrame:
        none = (F.count(F.lit(1)) == 0).alias("is_empty")
        return frame.select(F.lit(1)).limit(1).agg(none).select(F.lit(table.full_name).alias("table"), "is_empty")

    return reduce(DataFrame.unionAll, [asked(table, frame) for table, frame in of.silver.items()])


def rejected(rejects: DataFrame, runs: DataFrame) -> DataFrame:
    """One row: how many rows were rejected, and how many ingest has read in all; NULL when no run says so."""
    read = runs.where("job = 'ingest'").agg(F.sum("rows_read").alias("read"))
    return rejects.agg(_rows("rejected")).crossJoin(read)


def last_runs(runs: DataFrame) -> DataFrame:
    """The last run of each job."""
    shown = F.struct("run_id", "as_of", "started_at", "ended_at", "state", "rows_read", "rows_written", "error")
    return (
        runs.groupBy("job")
        .agg(F.max_by(shown, F.struct("started_at", "run_id")).alias("last"))
        .select("job", "last.*")
        .orderBy("job")
    )


def _slice(frame: DataFrame, as_of: date) -> DataFrame:
    return frame.where(F.col("as_of") == F.lit(as_of))


def _until(daily: DataFrame, as_of: date) -> DataFrame:
    return daily.where(F.col("business_date") <= F.lit(as_of))


def _rows(name: str) -> Column:
    return F.count(F.lit(1)).alias(name)


def _total(column: str, name: str) -> Column:
    return F.sum(column).cast("double").alias(name)


def _outcome() -> list[Column]:
    """Vouchers so far, redeemed those whose redemption is in force, and what these cost; as in gold.coupon_runs.

    Where redemptions cost nothing at all, no source gave their amounts: the cost is not known.
    """
    redeemed, cost = F.sum("in_force"), F.sum("redeemed_amount") - F.sum("returned_amount")
    known = F.when((redeemed == 0) | (cost != 0), cost).cast("double")
    sums = [F.sum(step).alias(step) for step in ("issued", "claimed")]
    return [*sums, redeemed.alias("redeemed"), known.alias("redeemed_amount")]


def _per_element(frame: DataFrame, array: str, name: str, counted: str) -> DataFrame:
    """How many rows have each element of an array; the elements are names from the rules."""
    return frame.select(F.explode(array).alias(name)).groupBy(name).agg(_rows(counted)).orderBy(name)


def _period(name: str, after: Column) -> Column:
    return (F.col("period") == name) & (F.col("period_start") > after)
