"""coupons: vouchers folded from their events, their campaigns and runs, funnels, cohorts, liability as of a day.

Only what was touched since the last run is folded again: vouchers with new, late or corrected events, those that fall
due, and those whose definition, campaign, outreach list or order changed.
"""

from collections.abc import Mapping
from datetime import date, timedelta

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from memberlake import calendar, cli
from memberlake.conf import Conf
from memberlake.coupons import campaigns, runs, state, touched
from memberlake.coupons.place import Place
from memberlake.lake.contract import Table
from memberlake.lake.store import Lake
from memberlake.lake.versions import newest
from memberlake.orders import only_counted
from memberlake.tables.gold.coupons import (
    COUPON_CHANNELS,
    COUPON_COHORTS,
    COUPON_DAYS,
    COUPON_FUNNEL,
    COUPON_LIABILITY,
    COUPON_MAPPING_QUALITY,
    COUPON_MAPPING_REVIEW,
    COUPON_ORDERS,
    COUPON_RUNS,
    VOUCHERS,
)
from memberlake.tables.silver import (
    CAMPAIGN_CONTACTS,
    CAMPAIGNS,
    COUPON_CAMPAIGN_OVERRIDES,
    COUPON_CAMPAIGNS,
    COUPON_EVENTS,
    COUPONS,
    ORDERS,
)

READS = (
    COUPON_EVENTS,
    COUPONS,
    COUPON_CAMPAIGNS,
    COUPON_CAMPAIGN_OVERRIDES,
    CAMPAIGNS,
    CAMPAIGN_CONTACTS,
    ORDERS,
)
WRITES = (
    VOUCHERS,
    COUPON_DAYS,
    COUPON_RUNS,
    COUPON_FUNNEL,
    COUPON_CHANNELS,
    COUPON_COHORTS,
    COUPON_LIABILITY,
    COUPON_MAPPING_REVIEW,
    COUPON_MAPPING_QUALITY,
    COUPON_ORDERS,
)
Changes = Mapping[Table, DataFrame]


def run(lake: Lake, conf: Conf, as_of: date) -> None:
    if not lake.ready(COUPON_EVENTS):
        return  # a brand without coupons
    is_whole = all(lake.ready(table) for table in WRITES)  # one that was moved away is made again from all events
    of_conf = (conf.coupons.model_dump(exclude={"alerts"}), conf.orders.counted_statuses, conf.business_timezone)
    rules = (*of_conf, "expired by what was undone")  # of the code: when it folds otherwise, all are folded again
    with lake.since_last("coupons", *READS, rules=rules) as changes, lake.brought_to("coupons", as_of) as since:
        known = {table: rows for table, rows in changes.items() if rows is not None}
        if not is_whole or since is None or since > as_of or len(known) < len(READS):
            everything(lake, conf, as_of)
            write_orders(lake, conf, as_of)
        else:
            only_touched(lake, conf, since, as_of, known)
            write_orders(lake, conf, as_of, since, known[ORDERS])
        lake.replace(COUPON_LIABILITY, runs.liability(lake.read(COUPON_RUNS), as_of), as_of=as_of)


def write_orders(
    lake: Lake, conf: Conf, as_of: date, since: date | None = None, changed: DataFrame | None = None
) -> None:
    """Orders by their own business date: all days, or those since and those of changed orders.

    A day's orders do not depend on as_of: later days that are held already are kept right as well.
    """
    held, zone = lake.read(COUPON_ORDERS).agg(F.max("as_of")).first(), conf.business_timezone
    until = max(as_of, held[0]) if held and held[0] else as_of
    orders = lake.read(ORDERS).transform(only_counted, conf.orders.counted_statuses)
    if since is None or changed is None:
        orders = orders.transform(state.only_until, "ordered_at", until, zone)
        lake.replace(COUPON_ORDERS, runs.orders_per_day(orders, zone))
        return
    changed_on = changed.select(calendar.business_date(F.col("ordered_at"), zone)).distinct().collect()  # a row a day
    days = {since + timedelta(days=n + 1) for n in range((as_of - since).days)}
    days |= {day for (day,) in changed_on if day <= until}
    if days:
        orders = orders.where(calendar.on_dates(F.col("ordered_at"), days, zone))
        lake.replace(COUPON_ORDERS, runs.orders_per_day(orders, zone), as_of=sorted(days))


def everything(lake: Lake, conf: Conf, as_of: date) -> None:
    events = lake.read(COUPON_EVENTS).transform(state.only_until, "occurred_at", as_of, conf.business_timezone)
    fresh = decided(lake, conf, as_of, state.with_holder(events), lake.read(ORDERS))
    write(lake, conf, fresh, lake.read(VOUCHERS).limit(0), Place(None))


def only_touched(lake: Lake, conf: Conf, since: date, as_of: date, changes: Changes) -> None:
    """Folds the vouchers again that may differ from those as of `since`; the others of their place are copied."""
    held, events, zone = lake.read(VOUCHERS), lake.read(COUPON_EVENTS), conf.business_timezone
    due = touched.between(events, "occurred_at", since, as_of, zone)
    changed = changes[COUPON_EVENTS].drop("_change_type").unionByName(due)
    keys = lake.settled(touched_keys(lake, conf, since, as_of, changes, changed))
    ranges = touched.ranges(keys).collect()  # two rows a coupon at most
    located = held.where(touched.may_hold(ranges)).select(*touched.VOUCHER, "issued_month")
    keys = lake.settled(touched.with_namesakes(keys, located))
    place = Place().plus(touched.places(keys, located).collect())  # a row a coupon and month
    if not place.coupons:
        return
    mine = place.of(held).join(keys, on=[*touched.VOUCHER], how="left_semi")
    current = newest(touched.current(changes[COUPON_EVENTS], due), COUPON_EVENTS)
    told = touched.events_of(mine, events, changed, current).transform(state.only_until, "occurred_at", as_of, zone)
    told = lake.settled(told)
    orders = lake.read(ORDERS).where(touched.may_be(told.agg(F.min("order_id"), F.max("order_id")).first()))
    fresh = decided(lake, conf, as_of, told, orders)
    # collected: a row a coupon and month
    place = place.plus(fresh.select("coupon_id", "issued_month").distinct().collect())
    if place.months:  # else nothing of them has happened by as_of
        write(lake, conf, fresh, held.join(keys, on=[*touched.VOUCHER], how="left_anti"), place)


def decided(lake: Lake, conf: Conf, as_of: date, events: DataFrame, orders: DataFrame) -> DataFrame:
    """The vouchers of the events, with their campaigns; of the orders they need those of the events."""
    zone, rules = conf.business_timezone, conf.coupons
    versions = lake.read(COUPONS).transform(state.only_until, "valid_from_version", as_of, zone)
    definitions = state.definitions(versions, lake.read(COUPON_CAMPAIGNS))
    known = orders.transform(state.only_until, "ordered_at", as_of, zone)
    windows = campaigns.windows(lake.read(CAMPAIGNS), rules.window_grace_days)
    folded = lake.settled(state.fold(events, definitions, known, rules, as_of, zone))
    asked = [row.campaign_id for row in campaigns.candidates(folded, windows).collect()]  # a row a campaign
    contacts = lake.read(CAMPAIGN_CONTACTS).where(F.col("campaign_id").isin(asked))
    contacts = contacts.transform(state.only_until, "sent_at", as_of, zone)
    overrides = lake.read(COUPON_CAMPAIGN_OVERRIDES).transform(state.only_until, "decided_at", as_of, zone)
    return lake.settled(campaigns.decide(folded, windows, campaigns.audience(contacts), overrides))


def write(lake: Lake, conf: Conf, fresh: DataFrame, untouched: DataFrame, place: Place) -> None:
    """Replaces the place by the fresh vouchers and those untouched in it, and what is counted from them."""
    held_days = lake.read(COUPON_DAYS)
    of_place = fresh.unionByName(place.of(untouched), allowMissingColumns=True)
    alike = lake.settled(runs.per_day(of_place, conf.business_timezone))
    elsewhere = place.in_other_months(held_days).withColumnRenamed("coupon_run_id", "was")
    both = alike.unionByName(elsewhere, allowMissingColumns=True)
    episodes = lake.settled(runs.episodes(both, conf.coupons.run_gap_days))
    days = lake.settled(runs.with_run(both, episodes))
    quality = lake.settled(campaigns.quality(days, place.of_others(held_days)))
    stale = days.where("was <> coupon_run_id").select("coupon_id", "issued_month")
    mistrusted = campaigns.of_changed(held_days, quality, lake.read(COUPON_MAPPING_QUALITY))
    wide = place.plus(stale.unionByName(mistrusted).distinct().collect())  # a row a coupon and month

    lake.replace(COUPON_RUNS, runs.runs(days), **place.all_months)
    lake.replace(COUPON_FUNNEL, runs.funnel(days), **place.all_months)
    lake.replace(COUPON_CHANNELS, runs.funnel(days, "channel"), **place.all_months)
    lake.replace(COUPON_COHORTS, runs.cohorts(days), **place.all_months)
    lake.replace(COUPON_MAPPING_QUALITY, quality)
    asked = campaigns.still_asked(place.of(lake.read(COUPON_MAPPING_REVIEW)), place.of(untouched))
    lake.replace(COUPON_MAPPING_REVIEW, campaigns.review(fresh).unionByName(asked), **place.slice)
    vouchers = fresh.unionByName(wide.of(untouched), allowMissingColumns=True).transform(runs.with_run, episodes)
    vouchers = vouchers.transform(campaigns.with_confidence, quality).drop("candidates")
    lake.replace(VOUCHERS, vouchers.repartitionByRange("issued_month", "coupon_id"), **wide.slice)
    lake.replace(COUPON_DAYS, days.drop("was"), **place.all_months)


def touched_keys(
    lake: Lake, conf: Conf, since: date, as_of: date, changes: Changes, changed_events: DataFrame
) -> DataFrame:
    held, zone, rules = lake.read(VOUCHERS), conf.business_timezone, conf.coupons
    contacts = lake.read(CAMPAIGN_CONTACTS)

    def moved(table: Table, rows: DataFrame, instant: str) -> DataFrame:
        """Rows that changed, or that as_of has come to."""
        due = touched.between(rows, instant, since, as_of, zone)
        return changes[table].drop("_change_type").unionByName(due)

    sent = moved(CAMPAIGN_CONTACTS, contacts, "sent_at")
    listed = [row.campaign_id for row in sent.select("campaign_id").distinct().collect()]  # a row a campaign
    lists = touched.lists(contacts.where(F.col("campaign_id").isin(listed)), sent, since, zone)
    all_windows = campaigns.windows(lake.read(CAMPAIGNS), rules.window_grace_days)
    changed_windows = campaigns.windows(changes[CAMPAIGNS], rules.window_grace_days)
    windows = touched.windows(changed_windows, lists.join(all_windows, on="campaign_id", how="left"))
    asking = lake.read(COUPON_DAYS).where("unknown_orders > 0").select("coupon_id", "issued_month").distinct()
    waiting = Place().plus(asking.collect())  # a row a coupon and month
    # a row a coupon with a new definition, or of which someone decided
    versions = moved(COUPONS, lake.read(COUPONS), "valid_from_version")
    redefined = Place().plus(touched.coupons(versions, changes[COUPON_CAMPAIGNS]).collect())
    overrides = moved(COUPON_CAMPAIGN_OVERRIDES, lake.read(COUPON_CAMPAIGN_OVERRIDES), "decided_at")
    decided_on = Place().plus(touched.coupons(overrides).collect())
    # collected: an order that was corrected to a day after as_of, which hardly ever is
    gone = touched.orders_gone(changes[ORDERS], since, as_of, zone).collect()
    return touched.union(
        [
            *([touched.by_orders_gone(held, gone)] if gone else []),
            touched.by_events(changed_events),
            touched.by_calendar(held, since, as_of, zone),
            redefined.of_any_month(held).select(*touched.VOUCHER),
            touched.by_overrides(decided_on.of_any_month(held), overrides),
            touched.by_windows(held, lake.read(COUPON_MAPPING_REVIEW), windows),
            touched.by_orders(waiting.of(held), moved(ORDERS, lake.read(ORDERS), "ordered_at")),
        ]
    )


if __name__ == "__main__":
    cli.main_job(run)
