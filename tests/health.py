"""Gold rows of a brand that never was, as of a day in mid-month: literal or by a seed, so that every page has data."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

from pyspark.sql import DataFrame, SparkSession

from memberlake.kpi.metrics import METRICS, Metric
from memberlake.lake.contract import Table
from memberlake.report import data
from memberlake.tables import BY_NAME

AS_OF = date(2026, 11, 20)
LATER = AS_OF + timedelta(days=10)  # rows of a lake that has grown since: no page may show them
NAMES = {  # field of data.Frames to its table, where they differ
    "runs": "ops.runs",
    "rejects": "ops.rejects",
    **{n: f"silver.{n}" for n in ("members", "orders", "events", "campaigns", "campaign_contacts", "coupon_events")},
}
MONTHS = [date(2024 + (10 + n) // 12, (10 + n) % 12 + 1, 1) for n in range(25)]  # 2024-11 to 2026-11
SEGMENTS = ("champions", "loyal", "potential_loyalist", "at_risk", "hibernating")


def table(field: str) -> Table:
    return BY_NAME[NAMES.get(field, f"gold.{field}")]


def frames(spark: SparkSession, rows: Mapping[str, Sequence[Mapping[str, Any]]] | None = None) -> data.Frames:
    """Every table that the report reads; a table that is not among the rows is empty."""
    held = made() if rows is None else rows

    def frame(field: str) -> DataFrame:
        columns = table(field).column_names
        listed = [tuple(row.get(column) for column in columns) for row in held.get(field, ())]
        return spark.createDataFrame(listed, table(field).struct)

    return data.Frames(*[frame(field) for field in data.Frames._fields])


def made() -> dict[str, list[dict[str, Any]]]:
    """Rows of every table, by field of data.Frames."""
    chance = random.Random(11)
    at = datetime(2026, 11, 20, 3, 0, tzinfo=timezone.utc)
    runs = ["BIG1", "BIG1", "SPRING", "WELCOME", "<b>odd & named</b>"]
    buyers = [(m, 1 + m % 5, 1 + (m * 7) % 5, 1 + (m // 3) % 5) for m in range(240)]
    funnel: list[dict[str, Any]] = [
        {
            "coupon_run_id": f"run{n % 5}",
            "coupon_id": runs[n % 5],
            "business_date": month.replace(day=5 + n),
            "campaign_id": f"c{n % 3}" if n % 5 else None,
            "issued": 900 - 40 * n,
            "claimed": 600 - 30 * n,
            "redeemed": 240 - 10 * n,
            "returned": n,
            "voided": 1,
            "expired": 100,
            "redeemed_amount": Decimal(2400 - 100 * n),
            "returned_amount": Decimal(10 * n),
            "expired_value": Decimal(1000),
        }
        for month in MONTHS[:-1]
        for n in range(5)
    ]
    return {
        "kpi": [*_kpi(chance)],
        "alerts": [
            _alert("churn_rate_rises", "open", AS_OF, "churn_rate", 0.042, 0.035),
            _alert("fewer_new_members", "closed", AS_OF - timedelta(days=30), "new_registered_members", 81, 100),
            _alert("closed later", "closed", AS_OF, "activity_rate", 0.2, 0.3),
            _alert("raised later", "open", LATER, "revenue", 1, 2),
        ],
        "rfm_scores": [
            _scored(m, r, f_score=f, m_score=x, frequency=f, monetary=Decimal(10 * r * f * x), scope="all")
            for m, r, f, x in buyers
        ],
        "rfe_scores": [
            _scored(
                m,
                r,
                subject_id=f"v{m}",
                f_score=f,
                e_score=x,
                frequency=f,
                engagement=float(x * f),
                is_member=m % 3 > 0,
            )
            for m, r, f, x in buyers
        ],
        "abc_classes": [
            {
                "as_of": AS_OF,
                "member_id": f"m{n}",
                "monetary": Decimal(amount),
                "cumulative_share": 0.0,
                "class": c,
                "value_tier": {"A": "high", "B": "middle", "C": "low"}[c],
            }
            for n, (c, amount) in enumerate([("A", 500)] * 40 + [("B", 60)] * 60 + [("C", 8)] * 140)
        ],
        "active_counts": [*_actives(chance)],
        "retention": [
            {
                "grain": "month",
                "cohort_start": cohort,
                "offset": k,
                "subjects": 100 + 10 * n,
                "retained": int((100 + 10 * n) * (1.0 if k == 0 else 0.55 / math.sqrt(k))),
                "rate": 1.0 if k == 0 else int((100 + 10 * n) * 0.55 / math.sqrt(k)) / (100 + 10 * n),
                "rolling_retained": 100 + 10 * n,
                "rolling_rate": 1.0,
                "is_complete": True,
            }
            for n, cohort in enumerate(MONTHS[12:])
            for k in range(13 - n)
        ],
        "churn_status": [
            {
                "as_of": AS_OF,
                "member_id": f"m{n}",
                "is_churned": n % 4 == 0,
                "kind": ("explicit" if n % 8 else "implicit") if n % 4 == 0 else None,
                "permanence": ("permanent" if n % 16 == 4 else "temporary") if n % 4 == 0 else None,
                "rules": ["no_order", "no_login"][: 1 + n % 8 // 4] if n % 4 == 0 else [],
                "churned_on": date(2026, 5, 1) if n % 4 == 0 else None,
                "known_on": date(2025, 5, 1),
                "stretches": [(date(2026, 5, 1), None)] if n % 4 == 0 else [],
            }
            for n in range(240)
        ],
        "churn_scores": [
            {
                "as_of": AS_OF,
                "member_id": f"m{n}",
                "model_name": "churn",
                "model_version": "3",
                "probability": p,
                "predicted_churn": p > 0.5,
                "risk_band": "high" if p > 0.6 else "medium" if p > 0.3 else "low",
                "top_factors": [
                    (f, 1.0, 0.1 * k) for k, f in enumerate(("recency_days", "logins_90", "searches_90"), 1)
                ],
            }
            for n in range(240)
            for p in [chance.betavariate(1.2, 3)]
        ],
        "churn_models": [
            {
                **{
                    "as_of": on,
                    "model_name": "churn",
                    "model_version": str(n),
                    "model": "random_forest",
                    "run_id": f"run{n}",
                },
                **{"tested_on": on - timedelta(days=67), "examples": 900, "base_rate": 0.2, "pr_auc": 0.5 + n / 20},
                **{"roc_auc": 0.8, "brier": 0.12, "ece": 0.03, "recency_pr_auc": 0.45, "is_promoted": n != 2},
                "champion_pr_auc": None if n == 1 else 0.5,
                "reason": f"PR-AUC {0.5 + n / 20:.4f} beats recency alone (0.4500) by 0.01 or more",
            }
            for n, on in enumerate((AS_OF - timedelta(days=14), AS_OF - timedelta(days=7), AS_OF, LATER), 1)
        ],
        "model_monitoring": [
            {
                "model_name": "churn",
                "model_version": "3",
                "as_of": on,
                "metric": m,
                "value": v,
                "threshold": t,
                "is_alert": bad,
            }
            for m, v, t, bad in (
                ("pr_auc", 0.61, None, None),
                ("roc_auc", 0.83, 0.7, False),
                ("brier", 0.14, 0.2, False),
                ("base_rate", 0.22, None, None),
                ("psi:score", 0.08, 0.2, False),
                ("psi:recency_days", 0.27, 0.2, True),
                ("psi:logins_90", 0.03, 0.2, False),
                ("psi:season_sin", 5.0, None, False),
                ("missing:response_days", 0.12, 0.1, True),
            )
            for on in (AS_OF - timedelta(days=30), AS_OF)
        ],
        "vouchers": [
            {
                "voucher_id": f"w{n}",
                "coupon_id": runs[n % 5],
                "coupon_run_id": f"run{n % 5}",
                "campaign_id": None if n % 9 == 0 else f"c{n % 3}",
                "method": None if n % 9 == 0 else ("recorded", "inferred", "override")[n % 9 % 3],
                "confidence": 0.9 if n % 9 % 3 == 1 else None,
                "status": ("issued", "claimed", "redeemed", "expired", "voided")[n % 5],
                "issued_month": MONTHS[-2],
                "flags": ["redeemed_after_expiry"] if n % 40 == 2 else [],
                "updated_at": at,
            }
            for n in range(360)
        ],
        "coupon_runs": [
            {
                "coupon_run_id": f"run{n}",
                "coupon_id": coupon,
                "run_no": 2 if n == 1 else 1,
                "campaign_id": f"c{n % 3}",
                "first_on": MONTHS[12 + n],
                "last_on": MONTHS[14 + n],
                "vouchers": 72,
                "is_reused": coupon == "BIG1",
                **dict.fromkeys(("issued", "claimed", "redeemed", "returned", "voided", "expired", "open"), 12),
                "redeemed_amount": Decimal("120.00"),
            }
            for n, coupon in enumerate(runs)
        ],
        "coupon_funnel": funnel,
        "coupon_days": [
            row
            | dict.fromkeys(("vouchers", "still_redeemed", "open", "expired_unvalued", "open_unvalued"), 0)
            | {"first_on": MONTHS[0], "issued_month": MONTHS[0], "unknown_orders": 0, "open_value": Decimal(0)}
            | {"in_force": row["redeemed"] - row["returned"]}
            for row in funnel
        ],
        "coupon_liability": [
            {
                "as_of": AS_OF,
                "coupon_run_id": f"run{n}",
                "open_vouchers": 40,
                "open_value": Decimal("412.50"),
                "expired_vouchers": 9,
                "expired_value": Decimal("90.00"),
            }
            for n in range(5)
        ],
        "coupon_mapping_review": [
            {
                "voucher_id": f"w{9 * n}",
                "coupon_id": runs[n % 5],
                "holder": f"n:w{9 * n}",
                "issued_month": MONTHS[-2],
                "candidate_campaign_id": f"c{k}" if k is not None else None,
                "in_window": True,
                "in_audience": n % 2 == 0,
                "reason": "several campaigns fit" if k is not None else "no campaign fits",
            }
            for n in range(20)
            for k in ((0, 1) if n % 4 else (None,))
        ],
        "members": [{"member_id": "m1", "source": "app", "registered_at": at, "recorded_at": at}],
        "orders": [
            {
                "order_id": f"o{n}",
                "ordered_at": at + timedelta(days=n),
                "status": "paid",
                "gross_amount": Decimal(1),
                "net_amount": Decimal(1),
                "updated_at": at,
            }
            for n in (-2, -1, 5)  # the last is of a later day
        ],
        "campaigns": [
            {"campaign_id": f"c{n}", "name": name, "kind": "sale", "starts_on": MONTHS[20], "ends_on": MONTHS[22]}
            for n, name in enumerate(("Double Eleven", "会员日", "<script>alert(1)</script>"))
        ],
        "runs": [
            _run("ingest", "done", None, at - timedelta(minutes=9)),
            _run("rfm", "failed", AS_OF, at - timedelta(minutes=8), error="OutOfMemory: <no> space"),
            _run("kpi", "done", AS_OF, at - timedelta(minutes=5)),
            _run("report", "running", AS_OF, at, run_id="0123456789abcdef0123456789abcdef"),
        ],
        "rejects": [
            {
                "reject_id": f"r{n}",
                "table": "silver.orders" if n % 3 else "silver.members",
                "source_file": "file:///landing/orders/1.csv",
                "rule": "net_amount is not a readable decimal(18,2)" if n % 3 else "member_id is missing",
                "row": '{"member_id": "PRIVATE", "phone": "13900000000"}',
                "rejected_at": at,
            }
            for n in range(30)
        ],
    }


def _kpi(chance: random.Random) -> Iterator[dict[str, Any]]:
    weeks = [date(2026, 11, 16) - timedelta(weeks=n) for n in range(20)]
    days = [AS_OF - timedelta(days=n) for n in range(60)]
    own = {
        "cost_type": ("media", "contact", "coupon", "points"),
        "method": ("marked", "voucher", "code", "contact", "none"),
        "campaign": ("c0", "c1", "c2"),
        "goal": ("lead", "registration"),
        "member": ("city",),
        "order": ("channel",),
    }
    for number, metric in enumerate(METRICS.values()):
        for n, month in enumerate(MONTHS):
            yield _metric(metric, "month", month, n, chance, number, is_complete=month < MONTHS[-1])
            for dimension in metric.by:
                name = {"member": "city", "order": "channel"}.get(dimension, dimension)
                values = own.get(dimension, ("one", "two"))
                for value in (
                    ("Shanghai", "Chengdu") if name == "city" else ("app", "store") if name == "channel" else values
                ):
                    row = _metric(metric, "month", month, n, chance, number, is_complete=month < MONTHS[-1])
                    yield row | {"dimension": name, "dimension_value": value}
        for n, start in enumerate(weeks):
            yield _metric(metric, "week", start, n, chance, number, is_complete=n > 0)
        for n, start in enumerate(days):
            yield _metric(metric, "day", start, n, chance, number, is_complete=True)
        later = _metric(metric, "month", date(2026, 12, 1), 0, chance, number, is_complete=False)
        yield later | {"numerator": 987654321.0, "value": 987654321.0}


def _metric(
    metric: Metric, period: str, start: date, n: int, chance: random.Random, number: int, *, is_complete: bool
) -> dict[str, Any]:
    season = 1 + 0.25 * math.sin(n / 2 + number)
    below = round((4000 if metric.unit == "money" else 1000) * season + 20 * n)
    part = {"share": 0.05 + 0.5 * ((number * 7) % 10) / 10, "ratio": 1.4, "money": 37.25}.get(metric.unit, 1.0)
    numerator = round(below * part * chance.uniform(0.9, 1.1), 2 if metric.unit == "money" else 0)
    if metric.unit == "slope":
        numerator = round(chance.uniform(-0.01, 0.01), 4)
    if metric.name.startswith("revenue_change"):
        numerator = round(chance.uniform(-9000, 12000), 2)
    nothing_yet = metric.name == "cost_per_winback" and n == 23  # a zero denominator
    denominator = (0 if nothing_yet else below) if metric.denominator else None
    value = None if denominator == 0 else numerator / denominator if denominator else numerator
    return {
        "period": period,
        "period_start": start,
        "metric": metric.name,
        "dimension": "all",
        "dimension_value": "all",
        "numerator": float(numerator),
        "denominator": None if denominator is None else float(denominator),
        "value": value,
        "is_complete": is_complete,
        "as_of": AS_OF if start <= AS_OF else LATER,
        "same_days_before": None if is_complete or value is None else value * 0.9,
    }


def _actives(chance: random.Random) -> Iterator[dict[str, Any]]:
    def row(window: str, start: date, end: date, scale: int, *split: str) -> dict[str, Any]:
        active = int(scale * chance.uniform(0.85, 1.15))
        rolling = window.startswith("rolling")
        parts = (
            (None,) * 4 if rolling else (active // 10, active // 2, active - active // 10 - active // 2, active // 3)
        )
        dimension, value = split or ("all", "all")
        return {
            "window": window,
            "period_start": start,
            "period_end": end,
            "dimension": dimension,
            "dimension_value": value,
            "active": active,
            **dict(zip(("new", "retained", "resurrected", "dormant"), parts, strict=True)),
            "is_complete": end <= AS_OF,
        }

    for n in range(100):
        day = AS_OF - timedelta(days=n)
        yield row("day", day, day, 300)
        for days in (7, 28, 30):
            yield row(f"rolling_{days}", day - timedelta(days=days - 1), day, 400 + 20 * days)
    for n in range(20):
        monday = date(2026, 11, 16) - timedelta(weeks=n)
        yield row("week", monday, monday + timedelta(days=6), 600)
    for month in MONTHS:
        last = (month.replace(day=28) + timedelta(days=4)).replace(day=1) - timedelta(days=1)
        yield row("month", month, last, 1500)
        for value in ("app", "site", "store"):
            yield row("month", month, last, 700, "channel", value)
        for value in ("member", "anonymous"):
            yield row("month", month, last, 800, "kind", value)


def _alert(rule: str, state: str, on: date, metric: str, value: float, limit: float) -> dict[str, Any]:
    return {
        "alert_id": rule,
        "raised_on": on,
        "as_of": on,
        "rule": rule,
        "subject_kind": "metric",
        "subject_id": metric,
        "value": float(value),
        "threshold": float(limit),
        "severity": "critical",
        "message": f"{metric} is {value}, the limit is {limit}",
        "state": state,
        "closed_on": LATER if state == "closed" and on == AS_OF else None,
    }


def _scored(m: int, r: int, **more: Any) -> dict[str, Any]:
    return {
        "as_of": AS_OF,
        "member_id": f"m{m}",
        "recency_days": (5 - r) * 30,
        "r_score": r,
        "score_code": "111",
        "score_sum": 3,
        "rank": 1,
        "segment": SEGMENTS[5 - r],
        **more,
    }


def _run(job: str, state: str, as_of: date | None, at: datetime, **more: Any) -> dict[str, Any]:
    return {
        "run_id": f"run of {job}",
        "job": job,
        "as_of": as_of,
        "started_at": at,
        "ended_at": None if state == "running" else at + timedelta(seconds=42),
        "state": state,
        "rows_read": 1000,
        "rows_written": 10,
        "config_hash": "abc",
        "code_version": "0.1.0",
        **more,
    }
