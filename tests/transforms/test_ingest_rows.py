"""Raw rows to silver rows: the rules of the contracts, defaults, mappings, rejects, and which version of a row wins."""

from __future__ import annotations

import json
import random
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from chispa import assert_df_equality
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from memberlake.ingest import rows
from memberlake.ingest.files import BROKEN, FILE
from memberlake.ingest.source import Load
from memberlake.lake.versions import newest
from memberlake.tables.silver import EVENTS, ORDER_LINES, ORDERS, PRODUCTS

TAKEN_AT = datetime(2026, 11, 20, 12, tzinfo=timezone.utc)
STATUSES = {"status": ("paid", "cancelled")}

ORDER = {
    "order_id": "o1",
    "ordered_at": "2026-11-01T10:00:00Z",
    "status": "paid",
    "gross_amount": "10",
    "net_amount": "9",
    "updated_at": "2026-11-01T10:00:00Z",
}
GUEST = {"member_id": None}

# what is changed in a good order, the rules that it then breaks
ORDERS_JUDGED: list[tuple[dict[str, str | None], str]] = [
    ({}, ""),
    (GUEST, ""),
    ({"order_id": None}, "order_id is missing"),
    ({"order_id": "  "}, "order_id is missing"),
    ({"status": "payed"}, "status is not one of paid, cancelled"),
    ({"status": "PAID"}, "status is not one of paid, cancelled"),
    ({"status": ""}, "status is missing"),
    ({"net_amount": "-9"}, ""),  # a return
    ({"net_amount": "9.999"}, "net_amount is not a readable decimal(18,2)"),
    ({"net_amount": "-1000000000000.00"}, ""),
    ({"net_amount": "1000000000000.01"}, "net_amount is more than 1,000,000,000,000 either way"),
    ({"net_amount": "-1000000000000.01"}, "net_amount is more than 1,000,000,000,000 either way"),
    ({"discount_amount": "free"}, "discount_amount is not a readable decimal(18,2)"),
    ({"points_granted": "0"}, ""),
    ({"points_granted": "-1"}, "points_granted is negative"),
    ({"points_granted": "1000000000001"}, "points_granted is more than 1,000,000,000,000 either way"),
    ({"ordered_at": "1989-12-31T23:59:59Z"}, "ordered_at is before 1990"),
    ({"ordered_at": "1990-01-01T00:00:00Z"}, ""),
    ({"ordered_at": "2026-11-21T12:00:00Z"}, ""),  # a day after ingest to the second
    ({"ordered_at": "2026-11-21T12:00:01Z"}, "ordered_at is more than a day in the future"),
    ({"ordered_at": "2026"}, "ordered_at is not a readable timestamp"),
    (
        {"order_id": "", "status": "?", "gross_amount": "ten", "updated_at": "2030-01-01"},
        "order_id is missing; status is not one of paid, cancelled; gross_amount is not a readable decimal(18,2); "
        "updated_at is more than a day in the future",
    ),
    ({BROKEN: 'o1,"10'}, "line cannot be split into cells"),
]


def test_every_rule_that_an_order_breaks_is_named(spark: SparkSession) -> None:
    given = [
        {"n": str(n), "member_id": "m1", "discount_amount": None, "points_granted": None, **ORDER, **change}
        for n, (change, _) in enumerate(ORDERS_JUDGED)
    ]
    raw = _raw(spark, *given)
    # the case's number travels in a column that has no rule
    load = Load(table="orders", files="orders/", columns={"promo_code": "n"})
    judged = rows.judged(raw, load, "UTC", TAKEN_AT, STATUSES)
    expected = spark.createDataFrame(
        [(str(n), rules) for n, (_, rules) in enumerate(ORDERS_JUDGED)], "promo_code string, _faults string"
    )
    assert_df_equality(judged.select("promo_code", rows.FAULTS), expected, ignore_nullable=True)


@pytest.mark.parametrize(
    ("table", "given", "rules"),
    [
        (
            "order_lines",
            {"order_id": "o1", "line_no": "1", "product_id": "p", "quantity": "-1", "amount": "1"},
            "quantity is negative",
        ),
        ("order_lines", {"order_id": "o1", "line_no": "1", "product_id": "p", "quantity": "0", "amount": "-1"}, ""),
        ("products", {"product_id": "p", "category": "all"}, "category is a reserved word"),
        ("products", {"product_id": "p", "category": "All"}, ""),
        ("products", {"product_id": "p", "name": "\ufffd\ufffd"}, "name is not in the encoding of the source"),
        ("campaigns", {"campaign_id": "c", "starts_on": "2031-01-01", "ends_on": "2031-02-01"}, ""),  # planned
        (
            "campaigns",
            {"campaign_id": "c", "starts_on": "1989-01-01", "ends_on": "2031-02-01"},
            "starts_on is before 1990",
        ),
        (
            "coupons",
            {"coupon_id": "c", "valid_from_version": "2026-01-01", "discount_rate": "1.2"},
            "discount_rate is above 1",
        ),
    ],
)
def test_the_rules_of_other_contracts(spark: SparkSession, table: str, given: dict[str, str], rules: str) -> None:
    judged = rows.judged(_raw(spark, given), Load(table=table, files="x/"), "UTC", TAKEN_AT, {})
    assert [row[rows.FAULTS] for row in judged.collect()] == [rules]


def test_columns_are_mapped_and_defaults_fill_only_what_is_missing(spark: SparkSession) -> None:
    load = Load(
        table="products",
        files="products/",
        columns={"product_id": "`货号`", "category": "CASE `类` WHEN '1' THEN 'wine' WHEN '2' THEN 'tea' END"},
        defaults={"category": "other", "brand": "own", "recorded_at": "2026-01-01"},
    )
    raw = _raw(
        spark,
        {"货号": "007", "类": "1", "Brand": "x", "recorded_at": "2026-02-01"},  # names in any case
        {"货号": "008", "类": "9", "Brand": "", "recorded_at": None},
        {"货号": "009", "类": "2", "Brand": None, "recorded_at": "soon"},
    )
    judged = rows.judged(raw, load, "Asia/Shanghai", TAKEN_AT, {})
    expected = _products(
        spark,
        ("007", None, "wine", None, "x", datetime(2026, 1, 31, 16, tzinfo=timezone.utc)),
        ("008", None, "other", None, "own", datetime(2025, 12, 31, 16, tzinfo=timezone.utc)),
        # absent: 009, whose recorded_at is there but cannot be read
    )
    assert_df_equality(rows.only_good(judged), expected, ignore_nullable=True, ignore_metadata=True)


def test_a_default_leaves_typed_cells_as_they_are(spark: SparkSession) -> None:
    """An instant of a Parquet file is one already: by way of text it would be read in the source's zone again."""
    instant = datetime(2026, 2, 1, tzinfo=timezone.utc)
    raw = spark.createDataFrame(
        [("p1", instant, "f", None), ("p2", None, "f", None)],
        f"product_id string, recorded_at timestamp, {FILE} string, {BROKEN} string",
    )
    load = Load(table="products", files="products/", defaults={"recorded_at": "2026-01-01T00:00:00Z"})
    judged = rows.judged(raw, load, "Asia/Shanghai", TAKEN_AT, {})
    by_default = datetime(2026, 1, 1, tzinfo=timezone.utc)
    expected = _products(spark, ("p1", None, None, None, None, instant), ("p2", None, None, None, None, by_default))
    assert_df_equality(rows.only_good(judged), expected, ignore_nullable=True, ignore_metadata=True)


def test_equal_bad_rows_are_numbered_and_keep_what_was_given(spark: SparkSession) -> None:
    bad = {"product_id": None, "name": "Öl, 1 l", "colour": "red"}  # colour: not in the contract, kept all the same
    raw = _raw(spark, bad, {"product_id": "p1", "name": "good"}, bad, bad, {BROKEN: '"p2,x'})
    judged = rows.judged(raw, Load(table="products", files="products/"), "UTC", TAKEN_AT, {})
    rejects = rows.as_rejects(judged, PRODUCTS, TAKEN_AT).collect()
    row = {"product_id": None, "name": "Öl, 1 l", "colour": "red"}
    told = sorted((r["table"], r["source_file"], r["rule"], r["row"], r["rejected_at"].timestamp()) for r in rejects)
    as_given = json.dumps({k: v for k, v in row.items() if v}, ensure_ascii=False, separators=(",", ":"))
    assert told == [
        ("silver.products", "/in/a.csv", "line cannot be split into cells", '{"line":"\\"p2,x"}', TAKEN_AT.timestamp()),
        *[("silver.products", "/in/a.csv", "product_id is missing", as_given, TAKEN_AT.timestamp())] * 3,
    ]
    assert len({r["reject_id"] for r in rejects}) == 4
    again = rows.as_rejects(judged.repartition(3), PRODUCTS, TAKEN_AT + timedelta(days=1)).collect()
    assert {r["reject_id"] for r in again} == {r["reject_id"] for r in rejects}


def test_a_rejected_row_keeps_its_instants_to_the_microsecond(spark: SparkSession) -> None:
    instant, local = datetime(2026, 2, 1, 0, 0, 0, 123456, timezone.utc), datetime(2026, 2, 1, 8, 0, 0, 123456)
    schema = f"name string, recorded_at timestamp, local timestamp_ntz, {FILE} string, {BROKEN} string"
    raw = spark.createDataFrame([("no id", instant, local, "f", None)], schema)
    load = Load(table="products", files="products/")
    row = rows.judged(raw, load, "UTC", TAKEN_AT, {}).collect()[0]
    kept = {"name": "no id", "recorded_at": "2026-02-01T00:00:00.123456Z", "local": "2026-02-01T08:00:00.123456"}
    assert (row[rows.FAULTS], json.loads(row[rows.RAW])) == ("product_id is missing", kept)


def test_ids_that_pandas_made_floats_of_are_read_again_and_its_nan_is_no_value(spark: SparkSession) -> None:
    raw = spark.createDataFrame(
        [(12345678.0, float("nan")), (float("nan"), 1.0), (1.5, 1.0), (1.0, None)], "product_id double, name double"
    ).selectExpr("*", f"'f' AS {FILE}", f"CAST(NULL AS string) AS {BROKEN}")
    load = Load(table="products", files="products/", defaults={"name": "unnamed"})
    judged = rows.judged(raw, load, "UTC", TAKEN_AT, {}).select("product_id", "name", rows.FAULTS)
    expected = spark.createDataFrame(
        [
            ("12345678", "unnamed", ""),
            (None, "1", "product_id is missing"),
            (None, "1", "product_id is not a readable string"),
            ("1", "unnamed", ""),
        ],
        "product_id string, name string, _faults string",
    )
    assert_df_equality(judged, expected, ignore_nullable=True)


def test_columns_that_are_absent_or_unused() -> None:
    plain = Load(table="products", files="products/")
    assert rows.absent_columns(["Product_ID", "name"], plain) == []
    assert rows.absent_columns(["name"], plain) == ["product_id"]
    assert rows.absent_columns([], Load(table="products", files="x/", defaults={"product_id": "p"})) == []
    assert rows.absent_columns([], Load(table="products", files="x/", columns={"product_id": "id"})) == []
    assert rows.unused_columns(["PRODUCT_ID", "Colour"], plain) == ["colour"]
    # SQL of its own may have used it
    assert rows.unused_columns(["colour"], Load(table="products", files="x/", columns={"product_id": "id"})) == []


def test_the_newest_version_wins_and_null_is_the_oldest(spark: SparkSession) -> None:
    old, new = (datetime(2026, 1, day, tzinfo=timezone.utc) for day in (1, 2))
    given = _products(
        spark,
        ("p1", "new", None, None, None, new),
        ("p1", "zzz, but old", None, None, None, old),
        ("p2", "dated", None, None, None, old),
        ("p2", "zzz, but undated", None, None, None, None),
        ("p3", "a", None, None, None, None),
        ("p3", "b", None, None, None, None),  # a tie: the greater content
        ("p4", "once", None, None, None, None),
        ("p4", "once", None, None, None, None),
    )
    expected = _products(
        spark,
        ("p1", "new", None, None, None, new),
        ("p2", "dated", None, None, None, old),
        ("p3", "b", None, None, None, None),
        ("p4", "once", None, None, None, None),
    )
    assert_df_equality(newest(given, PRODUCTS), expected, ignore_row_order=True, ignore_nullable=True)


def test_ties_are_told_apart_to_the_microsecond(spark: SparkSession) -> None:
    at = datetime(2026, 1, 1, 0, 0, 0, 1, tzinfo=timezone.utc)
    twins = [
        ("e1", "v", None, None, "visit", at, None, None, TAKEN_AT),
        ("e1", "v", None, None, "visit", at + timedelta(microseconds=1), None, None, TAKEN_AT),
    ]
    for order in (twins, twins[::-1]):
        kept = newest(spark.createDataFrame(order, EVENTS.struct).coalesce(1), EVENTS).collect()
        assert [row["occurred_at"].microsecond for row in kept] == [2]


@pytest.mark.parametrize("seed", range(3))
def test_any_order_partitioning_and_repetition_gives_the_same_rows(spark: SparkSession, seed: int) -> None:
    chance = random.Random(seed)
    instants = [None, *(datetime(2026, 1, 1, 0, 0, 0, us, tzinfo=timezone.utc) for us in (0, 1, 1000))]
    given: list[tuple[Any, ...]] = [
        (f"o{chance.randrange(8)}", chance.randrange(2), chance.choice("ab"), 1, chance.randrange(3), at)
        for at in chance.choices(instants, k=60)
    ]
    shuffled = chance.sample(given, k=len(given)) + chance.choices(given, k=20)
    schema = "order_id string, line_no int, product_id string, quantity int, amount int, recorded_at timestamp"

    def kept(some: list[tuple[Any, ...]], partitions: int) -> DataFrame:
        frame = spark.createDataFrame(some, schema).repartition(partitions)
        typed = frame.select(*[F.col(f.name).cast(f.dataType) for f in ORDER_LINES.struct.fields])
        return newest(typed, ORDER_LINES)

    once = kept(given, 1)
    keys = list(ORDER_LINES.key)
    assert_df_equality(once.select(keys), once.select(keys).distinct(), ignore_row_order=True, ignore_nullable=True)
    assert_df_equality(once, kept(shuffled, chance.randint(2, 7)), ignore_row_order=True, ignore_nullable=True)
    # folding batch by batch, as a MERGE does, ends in the same
    first, second = shuffled[:30], shuffled[30:]
    folded = newest(kept(first, 2).unionByName(kept(second, 3)), ORDER_LINES)
    assert_df_equality(once, folded, ignore_row_order=True, ignore_nullable=True)


def test_the_columns_of_silver_that_are_not_given_are_null(spark: SparkSession) -> None:
    judged = rows.judged(_raw(spark, ORDER), Load(table="orders", files="orders/"), "UTC", TAKEN_AT, STATUSES)
    row = rows.only_good(judged).collect()[0].asDict()
    assert list(row) == ORDERS.column_names
    assert {name for name, value in row.items() if value is not None} == {*ORDER}


def _raw(spark: SparkSession, *given: dict[str, str | None]) -> DataFrame:
    """Rows as files.read gives them: cells of text, the file, the line when it is broken."""
    names = list(dict.fromkeys(name for row in given for name in row if name != BROKEN))
    cells = [(*[row.get(name) for name in names], "/in/a.csv", row.get(BROKEN)) for row in given]
    schema = ", ".join(f"`{name}` string" for name in [*names, FILE, BROKEN])
    return spark.createDataFrame(cells, schema).coalesce(1)


def _products(spark: SparkSession, *given: tuple[Any, ...]) -> DataFrame:
    return spark.createDataFrame(list(given), PRODUCTS.struct)
