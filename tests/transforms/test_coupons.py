"""Signs of abuse, and days of what happened to vouchers, on literal rows."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

from chispa import assert_df_equality
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from tests.frames import utc
from tests.jobs.orders import rows

from memberlake import plans
from memberlake.conf import Conf
from memberlake.coupons import alerts, campaigns, runs, touched
from memberlake.lake import session
from memberlake.lake.contract import LONG, MONEY, Table
from memberlake.tables.gold.coupons import (
    COUPON_ALERTS,
    COUPON_CHANNELS,
    COUPON_COHORTS,
    COUPON_DAYS,
    COUPON_LIABILITY,
    COUPON_RUNS,
    HISTORY_EVENT,
    VOUCHERS,
)
from memberlake.tables.silver import CAMPAIGN_CONTACTS, COUPON_CAMPAIGN_OVERRIDES

D = date(2026, 11, 20)


def vouchers(spark: SparkSession, *given: tuple[str, str | None, str | None, str | None, str], by: str) -> DataFrame:
    """Vouchers by id, who got them (`by` claim or issue), redeemer, order and day of both."""
    full = []
    for voucher_id, holder, redeemer, order_id, day in given:
        did = ((by, holder), ("redeemed", redeemer))
        history = [event(voucher_id, kind, day, member_id=who) for kind, who in did]
        times = {f"{by}_at": utc(day), "redeemed_at": utc(day) if redeemer else None}
        full.append({"voucher_id": voucher_id, "order_id": order_id, "history": history, **times})
    return voucher_rows(spark, full)


def event(voucher_id: str, kind: str, at: str, **other: Any) -> tuple[Any, ...]:
    full = {"occurred_at": utc(at), "event_type": kind, "event_id": f"{voucher_id}-{kind}", **other}
    return tuple(full.get(name) for name in HISTORY_EVENT.names)


def voucher_rows(spark: SparkSession, full: list[dict[str, Any]]) -> DataFrame:
    schema = ", ".join(f"{c.name} {c.type.simpleString()}" for c in VOUCHERS.columns)
    return spark.createDataFrame([tuple(row.get(c.name) for c in VOUCHERS.columns) for row in full], schema)


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
            ("nobody", None, "c", "alone", "2026-11-20"),
            ("nor here", None, None, "alone", "2026-11-20"),
            ("too long ago", "d", "e", "y", "2026-10-21 15:59"),  # Shanghai: 10-21
            ("tomorrow", "d", "e", "y", "2026-11-20 16:00"),
            by="claimed",
        ),
        rules.coupons.alerts.model_copy(update={"claims_factor": 5.0}),
        D,
        rules.business_timezone,
    )
    mean = (20 + 20 + 5 + 2) / 23
    said = {
        "others": "1 vouchers that the member held were redeemed by others",
        "claims": "20 claims; members with claims have 2.0 on average",
        "order": "2 members redeemed vouchers on one order",
        "resale": "5 of the 5 vouchers that the member redeemed were held by others",
    }
    expected = [
        *[(D, "redeemed_by_others", "member", f"m{n}", 1.0, 1.0, said["others"]) for n in range(5)],
        (D, "many_claims", "member", "greedy", 20.0, round(5 * mean, 9), said["claims"]),
        (D, "many_members_on_an_order", "order", "together", 2.0, 2.0, said["order"]),
        (D, "resale", "member", "reseller", 5.0, 5.0, said["resale"]),
    ]
    same(found, COUPON_ALERTS, expected)


def test_what_reaches_a_limit_exactly_is_a_sign(spark: SparkSession, rules: Conf) -> None:
    """7 times 58 / 14 claims is 29, and 0.28 of 25 vouchers is 7: in doubles both are more by a last digit."""
    usual = rules.coupons.alerts.model_copy(update={"claims_factor": 7.0, "resale_share": 0.28})
    holders = ["greedy"] * 29 + [f"m{n % 13}" for n in range(29)]
    claimed = [(f"c{n}", holder, None, None, "2026-11-19") for n, holder in enumerate(holders)]
    others = ["other"] * 7 + ["reseller"] * 18
    redeemed = [(f"r{n}", holder, "reseller", None, "2026-11-19") for n, holder in enumerate(others)]
    signs = [
        alerts.of(vouchers(spark, *given, by=by), usual, D, rules.business_timezone)
        for given, by in ((claimed, "claimed"), (redeemed, "issued"))
    ]
    found = {(r.reason, r.subject_id, r.value) for each in signs for r in each.collect()}
    assert found == {("many_claims", "greedy", 29), ("resale", "reseller", 7), ("redeemed_by_others", "other", 7)}


def test_signs_of_abuse_where_nothing_is_claimed(spark: SparkSession, rules: Conf) -> None:
    """The holder is whom the voucher was issued to; on an order those who redeem count, not those who hold."""
    found = alerts.of(
        vouchers(
            spark,
            ("own", "m", "m", "o", "2026-11-20"),
            *[(f"r{n}", "mule", "reseller", "o", "2026-11-20") for n in range(5)],
            *[(f"s{n}", f"m{n}", f"m{n}", None, "2026-11-20") for n in range(5)],
            ("nobody's", None, "reseller", "o", "2026-11-20"),
            by="issued",
        ),
        rules.coupons.alerts,
        D,
        rules.business_timezone,
    )
    others = "5 vouchers that the member held were redeemed by others"
    order = "2 members redeemed vouchers on one order"
    resale = "5 of the 6 vouchers that the member redeemed were held by others"
    expected = [
        (D, "redeemed_by_others", "member", "mule", 5.0, 1.0, others),
        (D, "many_members_on_an_order", "order", "o", 2.0, 2.0, order),
        (D, "resale", "member", "reseller", 5.0, 5.0, resale),
    ]
    same(found, COUPON_ALERTS, expected)


def histories(spark: SparkSession) -> DataFrame:
    """Days of what happened to vouchers of November: one each of five coupons, which are named for it."""

    def voucher(name: str, *told: tuple[str, str], on: str | None = None, holder: str = "n:V") -> dict[str, Any]:
        turns = [event(f"{name}{n}", kind, f"2026-11-{at}", amount=Decimal(4)) for n, (kind, at) in enumerate(told)]
        issued = event(name, "issued", "2026-11-01")
        named = {"coupon_id": name, "holder": holder, "status": "issued", "flags": [], "issued_at": utc("2026-11-01")}
        redeemed_at = utc(f"2026-11-{on}") if on else None
        return {**named, "first_on": date(2026, 11, 1), "history": [issued, *turns], "redeemed_at": redeemed_at}

    given = [
        voucher("returned first", ("returned", "02"), ("redeemed", "03"), on="03"),
        voucher("twice", ("redeemed", "02"), ("redeemed", "03"), on="03"),
        voucher("to and fro", ("redeemed", "02 01:00"), ("returned", "02 02:00"), ("redeemed", "02 03:00"), on="02"),
        voucher("undone", ("redeemed", "02"), ("returned", "03"), ("returned", "04")),
        voucher("repeated", ("redeemed", "02"), ("redeemed", "02"), on="02", holder="m:m"),
    ]
    days = runs.per_day(voucher_rows(spark, given), "Asia/Shanghai")
    return days.withColumn("coupon_run_id", F.col("coupon_id")).localCheckpoint()


def test_a_voucher_is_in_force_once(spark: SparkSession) -> None:
    """Two redemptions without a return are one of one voucher, and a return without a redemption takes none away."""
    days = histories(spark)
    steps = ("redeemed", "returned", "redeemed_amount", "returned_amount")
    funnel = runs.funnel(days).where("redeemed + returned > 0").select("coupon_id", "business_date", *steps)
    cohorts = runs.cohorts(days).where("days_since > 0").select("coupon_id", "days_since", "redeemed", "redeemed_share")
    told = ("redeemed", "end_to_end_rate", "days_to_redeem", "redeemed_amount")
    of_runs = runs.runs(days).select("coupon_id", *told)

    expected = [  # coupon, day of November, then the day's redemptions, returns and values; in force after it
        ("returned first", 2, (0, 1, 0, 0), 0),
        ("returned first", 3, (1, 0, 4, 0), 1),
        ("twice", 2, (1, 0, 4, 0), 1),
        ("twice", 3, (1, 0, 4, 0), 1),
        ("to and fro", 2, (1, 1, 8, 4), 1),
        ("undone", 2, (1, 0, 4, 0), 1),
        ("undone", 3, (0, 1, 0, 4), 0),
        ("undone", 4, (0, 1, 0, 0), 0),
        ("repeated", 2, (1, 0, 4, 0), 1),
    ]
    of_days = {(c, date(2026, 11, on), *happened) for c, on, happened, _ in expected}
    assert {tuple(r) for r in funnel.collect()} == of_days
    assert {tuple(r) for r in cohorts.collect()} == {(c, on - 1, n, float(n)) for c, on, _, n in expected}
    assert {tuple(r) for r in of_runs.collect()} == {
        ("returned first", 1, 1.0, 2.0, 4),
        ("twice", 1, 1.0, 2.0, 8),
        ("to and fro", 1, 1.0, 1.0, 4),
        ("undone", 0, 0.0, None, 0),
        ("repeated", 1, 1.0, 1.0, 4),
    }


def test_lists_that_may_have_changed(spark: SparkSession) -> None:
    """Who is held out is on no list: a campaign with none but those had none; one whose last is held out has none."""

    def contact(campaign_id: str, member_id: str, is_control: bool | None = None) -> dict[str, Any]:
        told = {"contact_id": f"{campaign_id}-{member_id}", "campaign_id": campaign_id, "member_id": member_id}
        return {**told, "channel": "sms", "sent_at": utc("2026-11-10"), "is_control": is_control}

    new = [contact("long there", "new"), contact("only controls", "new"), contact("nobody left", "was", True)]
    old = [contact("long there", "old"), contact("only controls", "old", True), contact("elsewhere", "old")]
    found = touched.lists(
        rows(spark, CAMPAIGN_CONTACTS, [*old, *new]), rows(spark, CAMPAIGN_CONTACTS, new), D, "Asia/Shanghai"
    )
    everybody = {("only controls", None), ("nobody left", None)}
    assert {tuple(r) for r in found.collect()} == {("long there", "new"), *everybody}


def test_decisions_by_hand_are_found_by_what_they_name(spark: SparkSession) -> None:
    """Not tried on every voucher of the coupon: of both there may be millions."""

    def decision(coupon_id: str, voucher_id: str | None, campaign_id: str, day: int = 1, **on: date) -> dict[str, Any]:
        told = {"coupon_id": coupon_id, "voucher_id": voucher_id, "campaign_id": campaign_id}
        return {**told, "decided_at": utc(f"2026-11-0{day}"), **on}

    held = spark.createDataFrame(
        [
            ("1", "c", "n:1", date(2026, 11, 1)),
            ("d/1", "d", "n:1", date(2026, 11, 1)),  # its number is another coupon's, too
            ("c/m//then", "c", "m:m", date(2026, 11, 5)),
            ("9", "c", "n:9", date(2026, 11, 20)),
        ],
        "voucher_id string, coupon_id string, holder string, first_on date",
    )
    decided = [
        decision("c", "1", "of the voucher"),
        decision("c", None, "of the dates", day=2, to_on=date(2026, 11, 5)),
        decision("c", None, "earlier", from_on=date(2026, 11, 1), to_on=date(2026, 11, 9)),
        decision("d", "d/1", "by its id"),
        decision("d", "1", "by its number", day=2),
        decision("e", "9", "of another coupon"),
    ]
    with session.watched(spark) as graphs:
        found = campaigns.decided_by_hand(held, rows(spark, COUPON_CAMPAIGN_OVERRIDES, decided)).collect()
    assert {tuple(row) for row in found} == {
        ("1", "of the voucher"),
        ("c/m//then", "of the dates"),
        ("d/1", "by its number"),
    }
    assert {join.on for join in plans.analysed(graphs).joins} == {"coupon_id, named", "coupon_id"}


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
        day("K/P", "app", 1, 4, redeemed=1, in_force=1, redeemed_amount=8),
        day("K/P", "app", 1, 5, returned=1, in_force=-1, returned_amount=8),
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
        ("K/P", "K", 1, "P", first, last, 4, True, 4, 2, 0, 1, 0, 3, 1, 0.5, 0.0, 0.0, None, money(0), money(10), None),
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
