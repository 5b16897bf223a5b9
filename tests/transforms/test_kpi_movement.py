"""Who churned, came back and was won back, from the snapshots of gold.churn_status."""

from __future__ import annotations

import random
from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from tests.frames import rows, utc

from memberlake import plans
from memberlake.kpi import facts, movement, periods, since
from memberlake.kpi.periods import Span
from memberlake.lake import session
from memberlake.tables.gold.churn import CHURN_STATUS
from memberlake.tables.silver import CAMPAIGNS, MEMBERS, ORDERS

D = date(2026, 3, 31)


def ago(days: int) -> date:
    return D - timedelta(days=days)


Stretches = list[tuple[date, date | None]]


def is_open(stretches: Stretches) -> bool:
    return bool(stretches) and stretches[-1][1] is None


def snapshot(
    spark: SparkSession, as_of: date, members: Mapping[str, Stretches], known: Mapping[str, date], **given: Any
) -> DataFrame:
    """Members by their stretches of churn; the rest is that of the churned ones."""
    return rows(
        spark,
        CHURN_STATUS,
        [
            {
                "as_of": as_of,
                "member_id": m,
                "known_on": known.get(m, ago(90)),
                "stretches": stretches,
                **(given.get(m, {"kind": "implicit", "permanence": "temporary"}) if is_open(stretches) else {}),
            }
            for m, stretches in members.items()
        ],
    )


def test_churn_of_a_period_by_the_snapshot_that_sees_it(spark: SparkSession) -> None:
    """A week with a snapshot at its end; a day that only this one sees, and one that an earlier one saw."""
    sunday = date(2026, 3, 29)

    def on(days_before: int) -> date:
        return sunday - timedelta(days=days_before)

    early = snapshot(spark, on(7), {"stays": [], "gone": [(on(30), None)], "returns": [(on(20), None)]}, {})
    late = snapshot(
        spark,
        sunday,
        {
            "stays": [],
            "leaves": [(on(3), None)],
            "gone": [(on(30), None)],
            "returns": [(on(20), on(2))],
            "left and back": [(on(5), on(4))],
            "twice": [(on(6), on(5)), (on(3), on(1))],  # once in the week, on the day
            "new": [],
            "new and gone": [(on(1), None)],
        },
        {"new": on(2), "new and gone": on(5)},
        gone={"kind": "explicit", "permanence": "permanent"},
    )
    names = [r.member_id for r in late.collect()]
    members = spark.createDataFrame([(m, "here") for m in names], "member_id string, by_city string")
    week, day, past, unseen = (
        Span("week", on(6), on(6), sunday),
        Span("day", on(3), on(3), on(3)),
        Span("day", on(30), on(30), on(30)),
        Span("day", on(-1), on(-1), on(-1)),
    )
    seen = movement.seen_by([week, day, past, unseen], [on(7), sunday])
    looks = periods.literal(spark.range(1), seen, periods.SNAPSHOT)
    found = {
        (r.period_start, r.dimension, r.dimension_value): (
            *(r.churned_in, r.returned, r.not_churned, r.churned, r.all_members),
        )
        for r in movement.sums(early.unionByName(late), members, ["city"], looks).collect()
    }
    everyone = {on(6): (4, 3, 4, 3, 8), on(3): (2, 0, 5, 4, 7), on(30): (1, 0, 3, 1, 3)}
    assert {k[0]: v for k, v in found.items() if k[1] == "all"} == everyone
    assert {k[0]: v for k, v in found.items() if k[1:] == ("city", "here")} == everyone
    of_kind = {k[1:]: (v[0], v[3], v[4]) for k, v in found.items() if k[0] == on(6) and k[1] in ("kind", "permanence")}
    assert of_kind == {  # what is over was implicit; of all members, not of those of the kind
        ("kind", "explicit"): (0, 1, 8),
        ("kind", "implicit"): (4, 2, 8),
        ("permanence", "permanent"): (0, 1, 8),
        ("permanence", "temporary"): (4, 2, 8),
    }


def test_who_churned_twice_in_different_ways_counts_in_both(spark: SparkSession) -> None:
    """Lapsed, came back and unsubscribed within a month: one member, but one of either kind."""
    march = Span("month", date(2026, 3, 1), date(2026, 3, 1), D)
    life: Stretches = [(ago(20), ago(15)), (ago(12), ago(10)), (ago(5), None)]
    left = {"kind": "explicit", "permanence": "permanent"}
    seen = periods.literal(spark.range(1), movement.seen_by([march], [D]), periods.SNAPSHOT)
    members = rows(spark, MEMBERS, []).select("member_id")
    found = movement.sums(snapshot(spark, D, {"m": life}, {}, m=left), members, [], seen)
    counted = {r.dimension_value: r.churned_in for r in found.collect()}
    assert counted == dict.fromkeys(("all", "implicit", "temporary", "explicit", "permanent"), 1)


def test_churn_of_periods_by_brute_force(spark: SparkSession) -> None:
    """Every day of random members: churned or not, yesterday and today."""
    draw = random.Random(3)
    life = range(70, -1, -1)
    members: dict[str, Stretches] = {}
    for n in range(40):
        turns = sorted(draw.sample(life, 2 * draw.randint(0, 4)), reverse=True)
        ends = [ago(b) for b in turns[1::2]]
        if ends and draw.random() < 0.5:
            ends[-1] = None  # type: ignore[call-overload]
        members[f"m{n}"] = [*zip([ago(b) for b in turns[::2]], ends, strict=True)]
    known = {m: min([ago(draw.randint(0, 80)), *[s[0] for s in stretches]]) for m, stretches in members.items()}

    def is_churned(member: str, on: date) -> bool:
        return any(first <= on and (back is None or back > on) for first, back in members[member])

    def there(on: date) -> list[str]:
        return [m for m in members if known[m] <= on]

    spans = periods.spans(periods.touched(ago(70), ago(1)), ago(70), ago(1))
    expected = {}
    for span in spans:
        days = [span.first_on + timedelta(days=n) for n in range((span.last_on - span.first_on).days + 1)]
        eve = span.first_on - timedelta(days=1)
        left = {m for m in members for on in days if is_churned(m, on) > is_churned(m, on - timedelta(days=1))}
        back = {m for m in members for on in days if is_churned(m, on) < is_churned(m, on - timedelta(days=1))}
        expected[span.period, span.period_start, span.is_before] = (
            *(len(left), len(back), sum(not is_churned(m, eve) for m in there(eve))),
            *(sum(is_churned(m, span.last_on) for m in there(span.last_on)), len(there(span.last_on))),
        )
    looks = periods.literal(spark.range(1), movement.seen_by(spans, [D]), periods.SNAPSHOT)
    described = spark.createDataFrame([], "member_id string")
    found = movement.sums(snapshot(spark, D, members, known), described, [], looks).where("dimension = 'all'")
    assert {
        (r.period, r.period_start, r.is_before): (r.churned_in, r.returned, r.not_churned, r.churned, r.all_members)
        for r in found.collect()
    } == expected


def test_winbacks(spark: SparkSession) -> None:
    lost: Stretches = [(ago(20), None)]
    status = snapshot(
        spark,
        D,
        {
            "won": [(ago(20), ago(3))],  # their order ended it
            "still churned": lost,  # an order does not end every churn
            "lost and won in the week": [(ago(6), ago(4))],
            "back before": [(ago(20), ago(4))],
            "too late": lost,
            "alone": lost,
            "never left": [],
            "left on the day": [(ago(3), None)],
        },
        {},
    )
    campaigns = rows(spark, CAMPAIGNS, [{"campaign_id": "c", "starts_on": ago(10), "ends_on": ago(2)}])
    orders = [
        ("won", ago(3), "contact", "c"),
        ("won", ago(2), "marked", "c"),
        ("still churned", ago(2), "marked", "c"),
        ("lost and won in the week", ago(4), "code", "c"),
        ("back before", ago(3), "contact", "c"),
        ("too late", ago(1), "contact", "c"),
        ("alone", ago(2), "none", None),
        ("never left", ago(2), "contact", "c"),
        ("left on the day", ago(3), "contact", "c"),
        (None, ago(2), "marked", "c"),
    ]
    placed = spark.createDataFrame(orders, "member_id string, business_date date, method string, campaign_id string")
    spans = [Span("week", ago(6), ago(6), D), Span("day", ago(2), ago(2), ago(2)), Span("day", ago(1), ago(1), ago(1))]
    looks = periods.literal(spark.range(1), movement.seen_by(spans, [D]), periods.SNAPSHOT)
    found = facts.winbacks(placed, campaigns, periods.with_days(looks), status)
    assert {(r.period, r.period_start, r.dimension): r.winbacks for r in found.collect()} == {
        ("week", ago(6), "all"): 3,
        ("day", ago(2), "all"): 1,
        ("day", ago(1), "all"): 0,
    }


def test_erased_members_are_no_table_that_every_executor_gets(spark: SparkSession) -> None:
    """A brand may erase millions at once: only a few, as Spark has counted them, are sent to all."""
    statuses = snapshot(spark, D, {"gone": [], "there": []}, {"gone": ago(70)})
    erased = rows(spark, MEMBERS, [{"member_id": "gone", "registered_at": utc("2026-03-01")}])
    tables = {CHURN_STATUS.full_name: statuses, ORDERS.full_name: rows(spark, ORDERS, [])}
    before = spark.conf.get("spark.sql.autoBroadcastJoinThreshold")
    spark.conf.set("spark.sql.autoBroadcastJoinThreshold", "-1")
    try:
        with session.watched(spark) as graphs:
            changes = {MEMBERS.full_name: erased.withColumn("_change_type", F.lit("delete"))}
            (found,) = since.changed(changes, tables, "UTC", lambda frame: frame.persist()).collect()
    finally:
        spark.conf.set("spark.sql.autoBroadcastJoinThreshold", str(before))
    assert found["day"] == ago(70)
    assert not [join for join in plans.analysed(graphs).joins if join.kind == "broadcast"]
