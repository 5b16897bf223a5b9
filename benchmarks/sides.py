"""The measured sides: each is run alone, as a process of its own, by bench.py, and prints what it saw as JSON.

    python benchmarks/sides.py SIDE FOLDER ORDERS

FOLDER holds the data of one scale. A side's clock starts after its session or database is ready.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import duckdb
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from memberlake import conf, jobs
from memberlake.ingest import source
from memberlake.ingest.take import Ingest
from memberlake.lake import session
from memberlake.lake.store import Lake
from memberlake.made import write
from memberlake.made.world import World
from memberlake.tables.gold.value import RFM_SCORES
from memberlake.tables.silver import ORDERS
from memberlake.value import rfm

AS_OF = date(2025, 12, 30)  # the last but one day of the made calendar: the next day is there too
SCORES = "member_id, recency_days, frequency, monetary, r_score, f_score, m_score, score_code, score_sum, rank"
WINDOWED = """
    SELECT *, concat(r_score, f_score, m_score) AS score_code, r_score + f_score + m_score AS score_sum,
           rank() OVER (ORDER BY r_score + f_score + m_score DESC) AS rank
    FROM (SELECT *, {scores} FROM measured)"""
RANKS = """CAST(1 + floor(5 * (rank() OVER (ORDER BY {r} DESC) - 1) / count(*) OVER ()) AS INT) AS r_score,
           CAST(1 + floor(5 * (rank() OVER (ORDER BY {f}) - 1) / count(*) OVER ()) AS INT) AS f_score,
           CAST(1 + floor(5 * (rank() OVER (ORDER BY {m}) - 1) / count(*) OVER ()) AS INT) AS m_score"""
SAME_ANSWER = RANKS.format(r="recency_days", f="frequency", m="monetary")
NTILES = """ntile(5) OVER (ORDER BY recency_days DESC) AS r_score, ntile(5) OVER (ORDER BY frequency) AS f_score,
            ntile(5) OVER (ORDER BY monetary) AS m_score"""


@dataclass
class Run:
    """One side at work in a folder."""

    folder: Path
    orders: int
    told: dict[str, Any] = field(default_factory=dict)

    @property
    def lake_folder(self) -> Path:
        return self.folder / "lake"

    def lake(self, folder: Path | None = None) -> Lake:
        return Lake(self.spark, self.rules(folder).lake)

    def rules(self, folder: Path | None = None) -> conf.Conf:
        return conf.load(lake=str(folder or self.lake_folder))

    @property
    def spark(self) -> SparkSession:
        return session.start()

    def timed(self, work: Callable[[], Any]) -> Any:
        """Runs what is measured; between the marks bench.py counts CPU and memory."""
        spark = SparkSession.getActiveSession()
        before = _task_totals(spark) if spark else {}
        _say("BEGIN")
        started = time.monotonic()
        result = work()
        self.told["seconds"] = time.monotonic() - started
        _say("END")
        if spark:
            self.told |= {name: total - before[name] for name, total in _task_totals(spark).items()}
        return result

    def fresh(self, name: str) -> Path:
        shutil.rmtree(self.folder / name, ignore_errors=True)
        return self.folder / name


def generate_lake(run: Run) -> None:
    """Made orders, straight into a lake."""
    spark = run.spark
    shutil.rmtree(run.lake_folder, ignore_errors=True)
    rules = run.rules()
    world = World(spark, rules.made, run.orders, rules.business_timezone)
    (written,) = run.timed(lambda: list(write.into_lake(world, run.lake(), [ORDERS])))
    run.told["rows"] = written.rows


def generate_csv(run: Run) -> None:
    """Made orders as CSV files with their dirt."""
    spark, rules = run.spark, run.rules()
    world = World(spark, rules.made, run.orders, rules.business_timezone)
    written = run.timed(lambda: list(write.into_files(world, str(run.fresh("made")), "csv", [ORDERS])))
    run.told["rows"] = sum(w.rows for w in written if w.table.startswith("orders"))


def ingest_memberlake(run: Run) -> None:
    """The CSV files through ingest: judged row by row, the newest version of each order, rejects kept."""
    folder = run.fresh("ingested")
    lake, rules = run.lake(folder), run.rules(folder)
    contracts = source.find("contracts")
    only_orders = contracts.model_copy(update={"loads": {"orders": contracts.loads["orders"]}})
    now = datetime(2026, 11, 20, tzinfo=timezone.utc)
    ingest = Ingest(lake, rules, only_orders, "contracts", str(run.folder / "made" / "landing"), now)
    (taken,) = run.timed(lambda: list(ingest.run()))
    run.told |= {"rows": taken.read, "rejected": taken.rejected, "written": taken.written, "error": taken.error}
    run.told["answer"] = _answer(lake.read(ORDERS).select("order_id", "status", "net_amount"))


def ingest_duckdb(run: Run) -> None:
    """The same CSV files: typed, bad rows left out, the newest version of each order, into one Parquet file."""
    database = _duckdb(run)
    target = run.fresh("duckdb") / "orders.parquet"
    target.parent.mkdir()
    files = str(run.folder / "made" / "landing" / "orders" / "*" / "*.csv")
    run.timed(
        lambda: database.execute(
            f"""COPY (
                SELECT * FROM read_csv('{files}', header = true, all_varchar = true)
                WHERE order_id IS NOT NULL AND TRY_CAST(ordered_at AS TIMESTAMP) >= '1990-01-01'
                  AND status IN ('created', 'pending', 'paid', 'shipped', 'completed', 'cancelled', 'refunded')
                  AND TRY_CAST(net_amount AS DECIMAL(18,2)) IS NOT NULL
                  AND TRY_CAST(gross_amount AS DECIMAL(18,2)) IS NOT NULL
                QUALIFY row_number() OVER (PARTITION BY order_id ORDER BY updated_at DESC, status DESC) = 1
            ) TO '{target}' (FORMAT parquet)"""
        )
    )
    found = run.spark.read.parquet(str(target))
    run.told["rows"] = found.count()
    run.told["answer"] = _answer(
        found.select("order_id", "status", F.col("net_amount").cast("decimal(18,2)").alias("net_amount"))
    )


def rfm_memberlake(run: Run) -> None:
    """The job, as nightly runs it."""
    lake, rules = run.lake(), run.rules()
    job = jobs.find("rfm")
    run.timed(lambda: job.run(lake, rules, AS_OF))
    scored = lake.read(RFM_SCORES).where(F.col("as_of") == F.lit(AS_OF))
    run.told["rows"] = scored.count()
    run.told["answer"] = _answer(scored.selectExpr(*SCORES.split(", ")))


def rfm_rank(run: Run) -> None:
    """Windows over everyone that give the very same scores, in Spark."""
    _rfm_windows(run, SAME_ANSWER)


def rfm_ntile(run: Run) -> None:
    """The usual way: ntile over everyone, in Spark. Equal values get different scores."""
    _rfm_windows(run, NTILES)


def _rfm_windows(run: Run, scores: str) -> None:
    measured, target = _measured(run, AS_OF), str(run.fresh("windowed"))
    measured.createOrReplaceTempView("measured")
    run.timed(lambda: run.spark.sql(WINDOWED.format(scores=scores)).write.format("delta").save(target))
    found = run.spark.read.format("delta").load(target)
    run.told["rows"] = found.count()
    run.told["answer"] = _answer(found.selectExpr(*SCORES.split(", ")))


def rfm_duckdb(run: Run) -> None:
    """The very same scores from the same Parquet files, with as many threads."""
    database = _duckdb(run)
    target = run.fresh("duckdb_rfm") / "scores.parquet"
    target.parent.mkdir()
    files = sorted(str(path) for path in (run.lake_folder / "silver" / "orders").glob("*.parquet"))
    measured = f"""
        SELECT member_id, date_diff('day', max(day), DATE '{AS_OF}')::INT AS recency_days, count(*) AS frequency,
               sum(net_amount)::DECIMAL(18,2) AS monetary
        FROM (SELECT *, ((ordered_at AT TIME ZONE 'UTC') AT TIME ZONE 'Asia/Shanghai')::DATE AS day
              FROM (SELECT * REPLACE (ordered_at::TIMESTAMP AS ordered_at) FROM read_parquet({files})))
        WHERE status IN ('paid', 'shipped', 'completed') AND NOT (coalesce(refunded_amount, 0) > 0 AND net_amount <= 0)
          AND day BETWEEN DATE '{AS_OF - timedelta(days=364)}' AND DATE '{AS_OF}' AND member_id IS NOT NULL
        GROUP BY member_id"""
    scored = f"WITH measured AS ({measured}) {WINDOWED.format(scores=SAME_ANSWER)}"
    run.timed(lambda: database.execute(f"COPY ({scored}) TO '{target}' (FORMAT parquet)"))
    found = run.spark.read.parquet(str(target))
    run.told["rows"] = found.count()
    run.told["answer"] = _answer(found.selectExpr(*SCORES.split(", ")))


def next_day_raw(run: Run) -> None:
    """What rfm measures for the next day, from the orders. Both sides have just measured the day before."""
    _sink(_measured(run, AS_OF))
    run.timed(lambda: _sink(_measured(run, AS_OF + timedelta(days=1))))


def next_day_facts(run: Run) -> None:
    """The same from daily facts: a row for each member and business date, folded before."""
    rules, target = run.rules(), str(run.fresh("order_days"))
    day = AS_OF + timedelta(days=1)
    orders = rfm.only_counted(run.lake().read(ORDERS), rules.orders.counted_statuses)
    dated = rfm.only_within(orders, day, 10_000, rules.business_timezone).where("member_id IS NOT NULL")
    facts = dated.groupBy("member_id", "business_date").agg(
        F.count(F.lit(1)).alias("orders"), F.sum("net_amount").alias("net_amount")
    )
    started = time.monotonic()
    facts.repartition("business_date").write.format("delta").partitionBy("business_date").save(target)
    run.told["fold_seconds"] = time.monotonic() - started

    def measured(day: date) -> DataFrame:
        look_back = F.col("business_date").between(day - timedelta(days=rules.rfm.look_back_days - 1), day)
        found = run.spark.read.format("delta").load(target).where(look_back)
        return found.groupBy("member_id").agg(
            F.date_diff(F.lit(day), F.max("business_date")).alias("recency_days"),
            F.sum("orders").alias("frequency"),
            F.sum("net_amount").cast("decimal(18,2)").alias("monetary"),
        )

    _sink(measured(AS_OF))
    run.timed(lambda: _sink(measured(day)))
    columns = ("member_id", "recency_days", "frequency", "monetary")
    run.told["answer"] = _answer(measured(day).select(*columns))
    run.told["answer_of_raw"] = _answer(_measured(run, day).select(*columns))


def _measured(run: Run, as_of: date) -> DataFrame:
    rules = run.rules()
    orders = rfm.only_counted(run.lake().read(ORDERS), rules.orders.counted_statuses)
    within = rfm.only_within(orders, as_of, rules.rfm.look_back_days, rules.business_timezone)
    return rfm.measure(rfm.with_scope_all(within), as_of, "sum")


def _sink(frame: DataFrame) -> None:
    frame.write.format("noop").mode("overwrite").save()


def _answer(rows: DataFrame) -> str:
    """Equal for equal rows in any order: their number, and two sums of their hashes."""
    text = [F.coalesce(F.col(name).cast("string"), F.lit("NULL")) for name in rows.columns]
    hashed = F.xxhash64(*text)
    found = rows.agg(F.count(F.lit(1)), F.sum(hashed.cast("decimal(38,0)")), F.bit_xor(hashed)).collect()[0]
    return " ".join(map(str, found))


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _task_totals(spark: SparkSession) -> dict[str, int]:
    """Bytes read, shuffled and spilled by all stages so far."""
    context = spark.sparkContext
    java = context._gateway.jvm.java.util.ArrayList
    nothing = context._gateway.new_array(context._gateway.jvm.double, 0)
    stages = context._jsc.sc().statusStore().stageList(java(), False, False, nothing, java())
    names = {"read": "inputBytes", "shuffled": "shuffleWriteBytes", "spilled": "diskBytesSpilled"}
    each = [stages.apply(n) for n in range(stages.size())]
    return {name: sum(getattr(stage, method)() for stage in each) for name, method in names.items()}


def _duckdb(run: Run) -> duckdb.DuckDBPyConnection:
    database = duckdb.connect(config={"threads": os.cpu_count(), "memory_limit": "4GiB"})
    database.execute("SET TimeZone = 'UTC'; SET preserve_insertion_order = false")
    database.execute(f"SET temp_directory = '{run.folder / 'duckdb_tmp'}'")
    return database


SIDES = {
    name: side
    for name, side in globals().items()
    if name.partition("_")[0] in {"generate", "ingest", "rfm", "next"} and callable(side)
}

if __name__ == "__main__":
    side, folder, orders = sys.argv[1], Path(sys.argv[2]), int(float(sys.argv[3]))
    folder.mkdir(parents=True, exist_ok=True)
    asked = Run(folder, orders)
    if "duckdb" not in side:
        started = time.monotonic()
        _ = asked.spark.range(1).count()
        asked.told["session_seconds"] = time.monotonic() - started
    SIDES[side](asked)
    _say(json.dumps(asked.told))
