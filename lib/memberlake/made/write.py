"""Made rows as landing files with their dirt and the truth beside, or straight into a lake."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from functools import reduce
from typing import NamedTuple

from pyspark.sql import DataFrame, Observation
from pyspark.sql import functions as F

from memberlake import conf
from memberlake.errors import UserError
from memberlake.lake.contract import Table
from memberlake.lake.store import Lake
from memberlake.made import dirt, life, marketing, shopping, visits
from memberlake.made.world import World
from memberlake.tables import silver

Make = Callable[[World], DataFrame]
MADE: dict[Table, Make] = {
    silver.MEMBERS: life.members,
    silver.PRODUCTS: shopping.products,
    silver.ORDERS: shopping.orders,
    silver.ORDER_LINES: shopping.order_lines,
    silver.EVENTS: visits.events,
    silver.CAMPAIGNS: marketing.campaigns,
    silver.CAMPAIGN_CONTACTS: marketing.campaign_contacts,
    silver.CAMPAIGN_RESPONSES: marketing.campaign_responses,
    silver.CAMPAIGN_COSTS: marketing.campaign_costs,
    silver.COUPONS: marketing.coupons,
    silver.COUPON_CAMPAIGNS: marketing.coupon_campaigns,
    silver.COUPON_EVENTS: marketing.coupon_events,
}
TRUTH: dict[str, Make] = {
    "lost": life.lost,
    "identities": life.identities,
    "vouchers": marketing.vouchers,
    "robots": visits.robots,
}
FORMATS = ("csv", "csv.gz", "json", "json.gz", "parquet")
_TEXT: dict[str, str | bool] = {
    "header": True,
    "escape": '"',
    "timestampFormat": "yyyy-MM-dd'T'HH:mm:ss'Z'",
    "ignoreNullFields": False,
}


class Written(NamedTuple):
    """What was made of one table."""

    table: str
    rows: int
    seconds: float


def scale(text: str) -> int:
    """The number of orders, which may be written as 1e6.

    Raises:
        UserError: it is none, or out of range.
    """
    try:
        orders = int(float(text))
    except (ValueError, OverflowError):
        raise UserError(f"--scale {text} is no number of orders: write it as 1000000 or 1e6") from None
    if not 1000 <= orders <= 1_000_000_000:
        raise UserError(f"--scale {text} is not between 1e3 and 1e9 orders")
    return orders


def tables(names: Sequence[str]) -> list[Table]:
    """The tables of those names, all when there is none; members first.

    Raises:
        UserError: a table that is not made.
    """
    known = {table.name: table for table in MADE}
    if unknown := [name for name in names if name.removeprefix("silver.") not in known]:
        raise UserError(f"no table {', '.join(unknown)} is made; there are {', '.join(known)}")
    asked = {name.removeprefix("silver.") for name in names or known}
    return [table for name, table in known.items() if name in asked]


def new_folder(place: str) -> str:
    """The folder or URI to write to.

    Raises:
        UserError: there is something already; nothing is overwritten.
        OSError: it cannot be made.
    """
    found = conf.absolute(place) or place
    folder = conf.local_path(found)
    if folder and folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UserError(f"{folder} is there already: choose another --out, or remove it")
    if folder:  # where that cannot be, it is told before Spark starts
        folder.mkdir(parents=True, exist_ok=True)
    return found


def steps(tables: Sequence[Table], *, to_files: bool) -> int:
    """How many `Written` there will be."""
    if not to_files:
        return len(tables)
    dirty = sum(table.happened_at is not None for table in tables)
    return len(tables) + 2 * dirty + len(TRUTH) + (dirty > 0)


def clean(w: World, table: Table) -> DataFrame:
    """The made rows of a table in its contract's columns; those that are not made are NULL."""
    made = MADE[table](w)
    return made.select(
        *[(F.col(c.name) if c.name in made.columns else F.lit(None)).cast(c.type).alias(c.name) for c in table.columns]
    )


def into_files(w: World, folder: str, form: str, tables: Sequence[Table]) -> Iterator[Written]:
    """folder/landing/<table>/ for the source `contracts`; folder/truth/<name>/ in Parquet, with dirt and duplicates."""
    dirt_by_why: list[tuple[str, str, int]] = []
    for table in tables:
        rows = clean(w, table)
        yield _files(rows, f"{folder}/landing/{table.name}/clean", form, table.name)[0]
        dirty = dirt.of(rows, table, w)
        if dirty is not None:
            dirty.persist()  # a few rows in a hundred, written twice
            place = f"{folder}/landing/{table.name}/dirt"
            written, by_why = _files(dirty, place, form, f"{table.name}, dirt", dirt.WHY)
            dirt_by_why += [(table.name, why, count) for why, count in by_why.items() if count]
            yield written
            twice, place = dirt.duplicates(dirty, table), f"{folder}/truth/duplicates/{table.name}"
            yield _files(twice, place, "parquet", f"truth: duplicates of {table.name}")[0]
            dirty.unpersist()
    for name, make in TRUTH.items():
        yield _files(make(w), f"{folder}/truth/{name}", "parquet", f"truth: {name}")[0]
    if dirt_by_why:
        lines = [
            w.few(1).select(F.lit(t).alias("table"), F.lit(y).alias("why"), F.lit(n).alias("rows"))
            for t, y, n in dirt_by_why
        ]
        counts = reduce(DataFrame.unionByName, lines).coalesce(1)
        yield _files(counts, f"{folder}/truth/dirt", "parquet", "truth: dirt")[0]


def into_lake(w: World, lake: Lake, tables: Sequence[Table]) -> Iterator[Written]:
    """The clean rows, into silver tables.

    Raises:
        UserError: a table has rows already.
    """
    if filled := [table.full_name for table in tables if not lake.read(table).isEmpty()]:
        raise UserError(f"{', '.join(filled)} has rows already: made rows go into an empty lake of their own")
    for table in tables:
        before, started = lake.written[table.full_name], time.monotonic()
        lake.append(table, clean(w, table))
        yield Written(table.name, lake.written[table.full_name] - before, time.monotonic() - started)


def _files(
    rows: DataFrame, folder: str, form: str, name: str, whys: Sequence[str] = ()
) -> tuple[Written, dict[str, int]]:
    """Writes a folder in one pass; also how many rows are there for each `why`, a column that is left out."""
    started = time.monotonic()
    kind, _, packed = form.partition(".")
    counts = {why: F.count_if(F.col("why") == why) for why in whys}
    seen = Observation()
    rows = rows.observe(seen, F.count(F.lit(1)).alias("rows"), *[n.alias(why) for why, n in counts.items()])
    rows = rows.drop("why") if whys else rows
    if kind == "csv":  # nested values as JSON
        nested = [f.name for f in rows.schema.fields if f.dataType.typeName() in {"array", "map"}]
        rows = rows.withColumns({column: F.to_json(column) for column in nested})
    writer = rows.write.format(kind).mode("error")
    if kind != "parquet":
        writer = writer.options(**_TEXT, compression="gzip" if packed else "none")
    writer.save(folder)
    found = seen.get
    return Written(name, found["rows"], time.monotonic() - started), {why: found[why] for why in whys}
