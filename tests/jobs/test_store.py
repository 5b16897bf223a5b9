"""The lake against what Delta lets through, and against changes by others."""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import date, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from chispa import assert_df_equality
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from memberlake.errors import UserError
from memberlake.lake import delta
from memberlake.lake.asof import AsOfCheck
from memberlake.lake.contract import DATE, INT, STRING, TS, Column, Table
from memberlake.lake.rehearsal import rehearsal
from memberlake.lake.store import Lake
from memberlake.tables.ops import CUTOFFS

pytestmark = pytest.mark.lake

D1, D2 = date(2026, 11, 19), date(2026, 11, 20)

RESULTS = Table(
    "gold",
    "results",
    grain="one result's row",  # an apostrophe, for the SQL
    key=("as_of", "model", "subject"),
    partitioned_by=("as_of", "model"),
    checks=(("score_within", "score >= 1"),),
    columns=(
        Column("as_of", DATE, "cut-off", required=True),
        Column("model", STRING, "r or e", required=True),
        Column("subject", STRING, "who; 'quoted' \\ 谁", required=True),
        Column("score", INT, "1 and more"),
    ),
)
FACTS = Table(
    "silver",
    "facts",
    grain="one fact",
    key=("fact_id", "part"),
    version="updated_at",
    columns=(
        Column("fact_id", STRING, "the fact", required=True),
        Column("part", STRING, "its part, NULL for the whole"),
        Column("value", STRING, "what is said"),
        Column("updated_at", TS, "when it was said; the latest wins"),
    ),
)


def results(lake: Lake, rows: Iterable[tuple[Any, ...]]) -> DataFrame:
    return lake.spark.createDataFrame(rows, "as_of date, model string, subject string, score int")


def same(found: DataFrame, rows: list[tuple[Any, ...]]) -> None:
    expected = found.sparkSession.createDataFrame(rows, found.schema)
    assert_df_equality(found, expected, ignore_row_order=True, ignore_nullable=True)


def reopened(lake: Lake) -> Lake:
    """The lake as the next process finds it."""
    return Lake(lake.spark, lake.conf)


def test_a_table_that_was_never_written_is_empty(lake: Lake) -> None:
    same(lake.read(RESULTS), [])
    assert not lake.ready(RESULTS)
    assert not Path(lake.location(RESULTS)).exists()


def test_replace_touches_its_slice_only(lake: Lake) -> None:
    lake.replace(RESULTS, results(lake, [(D1, "r", "a", 1), (D1, "r", "b", 2)]), as_of=D1, model="r")
    lake.replace(RESULTS, results(lake, [(D1, "e", "a", 3)]), as_of=D1, model="e")
    lake.replace(RESULTS, results(lake, [(D2, "r", "a", 4)]), as_of=D2, model="r")

    lake.replace(RESULTS, results(lake, [(D1, "r", "b", 9)]), as_of=D1, model="r")
    same(lake.read(RESULTS), [(D1, "r", "b", 9), (D1, "e", "a", 3), (D2, "r", "a", 4)])
    assert lake.written["gold.results"] == 2 + 1 + 1 + 1

    lake.replace(RESULTS, results(lake, []), as_of=D1, model="r")  # a slice can become empty
    same(lake.read(RESULTS), [(D1, "e", "a", 3), (D2, "r", "a", 4)])


def test_what_makes_no_commit_is_not_counted(lake: Lake) -> None:
    """No row in the place of none: the last commit is of another write, of this process or of one before."""
    lake.replace(RESULTS, results(lake, [(D1, "r", "a", 1), (D1, "r", "b", 2)]), as_of=D1, model="r")
    for found, written in ((lake, 2), (reopened(lake), 0)):
        found.replace(RESULTS, results(lake, []), as_of=D1, model="e")
        found.append(RESULTS, results(lake, []))
        assert found.written["gold.results"] == written
    found.replace(RESULTS, results(lake, [(D1, "e", "a", 3)]), as_of=D1, model="e")
    assert found.written["gold.results"] == 1


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ((D2, "r", "of another slice", 2), "DELTA_REPLACE_WHERE_MISMATCH"),
        ((D1, None, "of no slice", 2), "NULL|DELTA_REPLACE_WHERE_MISMATCH"),
        ((D1, "r", None, 2), "NOT NULL|null"),
        ((D1, "r", "score too low", 0), "score_within"),
        ((D1, "r", "score unknown", None), "score_within"),  # unlike standard SQL
    ],
)
def test_a_row_against_the_contract_is_refused_with_all_others(lake: Lake, row: tuple[Any, ...], said: str) -> None:
    lake.replace(RESULTS, results(lake, [(D1, "r", "there before", 1)]), as_of=D1, model="r")
    with pytest.raises(Exception, match=said):
        lake.replace(RESULTS, results(lake, [(D1, "r", "good", 2), row]), as_of=D1, model="r")
    same(lake.read(RESULTS), [(D1, "r", "there before", 1)])


def test_columns_that_differ_are_refused_before_anything_is_written(lake: Lake) -> None:
    wrong = results(lake, [(D1, "r", "a", 1)]).withColumn("score", F.lit(1).cast("bigint")).drop("subject")
    for write in (lake.append, lake.upsert, lake.add_new):
        with pytest.raises(ValueError, match="no column subject; score is bigint, not int"):
            write(RESULTS, wrong)
    with pytest.raises(ValueError, match="no column subject; score is bigint, not int"):
        lake.replace(RESULTS, wrong, as_of=D1, model="r")
    same(lake.read(RESULTS), [])


def test_a_table_keeps_what_its_contract_says(lake: Lake, far_east: None) -> None:
    """A second process finds no difference: neither in comments with quotes, nor in partitions and constraints."""
    lake.append(RESULTS, results(lake, [(D1, "r", "a", 1)]))
    again = reopened(lake)
    assert again.ready(RESULTS)
    comments = {f.name: f.metadata["comment"] for f in lake.spark.table(lake.name(RESULTS)).schema.fields}
    assert comments == {c.name: c.comment for c in RESULTS.columns}
    detail = again.detail(RESULTS)
    assert detail is not None
    assert (detail["rows"], detail["files"]) == (1, 1)
    assert abs(datetime.now(timezone.utc) - detail["last_change"]) < timedelta(hours=1)


@pytest.mark.parametrize(
    ("change", "difference"),
    [
        ("ALTER COLUMN score COMMENT 'another meaning'", "the comment of score differs"),
        ("ALTER COLUMN subject DROP NOT NULL", "subject may be null"),
        ("ADD COLUMN extra INT", "column extra is not in the contract"),
        ("DROP CONSTRAINT score_within", "the constraint score_within (score >= 1) is on one side only"),
        ("ADD CONSTRAINT low CHECK (score < 9)", "the constraint low (score < 9) is on one side only"),
    ],
)
def test_a_table_that_someone_changed_is_refused(lake: Lake, change: str, difference: str) -> None:
    lake.append(RESULTS, results(lake, [(D1, "r", "a", 1)]))
    lake.spark.sql(f"ALTER TABLE {lake.name(RESULTS)} {change}")
    with pytest.raises(UserError) as error:
        reopened(lake).read(RESULTS)
    assert str(error.value).startswith(f"gold.results was changed by someone else: {difference}. ")


def test_all_differences_are_named_at_once(lake: Lake) -> None:
    other = replace(
        RESULTS,
        checks=(),
        partitioned_by=("as_of",),
        columns=(*RESULTS.columns[:3], Column("score", STRING, "1 and more"), Column("more", INT, "unknown")),
    )
    lake.append(other, lake.spark.createDataFrame([(D1, "r", "a", "1", 1)], other.struct))
    for use in (lambda: reopened(lake).read(RESULTS), lambda: reopened(lake).append(RESULTS, results(lake, []))):
        with pytest.raises(UserError) as error:
            use()
        for difference in (
            "column more is not in the contract",
            "score is string, not int",
            "the constraint score_within (score >= 1) is on one side only",
            "it is partitioned by ['as_of'], not ['as_of', 'model']",
        ):
            assert difference in str(error.value)
    without = replace(RESULTS, columns=RESULTS.columns[:3], checks=())
    with pytest.raises(UserError, match="column score is not in the contract"):
        reopened(lake).read(without)


def test_a_column_that_is_gone_is_named(lake: Lake) -> None:
    lake.append(
        replace(RESULTS, columns=RESULTS.columns[:3], checks=()), results(lake, [(D1, "r", "a", 1)]).drop("score")
    )
    with pytest.raises(UserError, match="column score is gone"):
        reopened(lake).read(RESULTS)


def test_a_table_of_an_older_memberlake_that_is_another_now_is_refused(lake: Lake) -> None:
    """One that has stayed the same is taken as it is, whatever words its columns are described in."""
    older = f"ALTER TABLE {lake.name(RESULTS)} SET TBLPROPERTIES ('memberlake.contract' = '1')"
    lake.append(RESULTS, results(lake, [(D1, "r", "a", 1)]))
    lake.spark.sql(older)
    lake.spark.sql(f"ALTER TABLE {lake.name(RESULTS)} ALTER COLUMN score COMMENT 'in other words'")
    assert reopened(lake).read(RESULTS).count() == 1
    lake.spark.sql(f"ALTER TABLE {lake.name(RESULTS)} ADD COLUMN extra INT")
    with pytest.raises(UserError, match="made by an older memberlake: column extra is not in the contract"):
        reopened(lake).read(RESULTS)


def test_a_lake_of_a_newer_memberlake_is_left_alone(lake: Lake) -> None:
    lake.append(RESULTS, results(lake, [(D1, "r", "a", 1)]))
    lake.spark.sql(f"ALTER TABLE {lake.name(RESULTS)} SET TBLPROPERTIES ('memberlake.contract' = '99')")
    for use in (lambda: reopened(lake).read(RESULTS), lambda: reopened(lake).append(RESULTS, results(lake, []))):
        with pytest.raises(UserError, match="made by a newer memberlake"):
            use()


def test_a_table_of_someone_else_is_left_alone(lake: Lake) -> None:
    theirs = results(lake, [(D1, "r", "a", 1)])
    theirs.write.format("delta").save(lake.location(RESULTS))
    for use in (lambda: lake.read(RESULTS), lambda: lake.append(RESULTS, theirs)):
        with pytest.raises(UserError, match=r"gold\.results is a Delta table, but not made by memberlake"):
            use()


@pytest.mark.parametrize("in_catalog", [False, True])
def test_a_table_whose_making_was_killed_is_made_again(lake: Lake, in_catalog: bool) -> None:
    if in_catalog:
        lake = Lake(lake.spark, lake.conf.model_copy(update={"catalog": "spark_catalog", "schema_prefix": "unborn_"}))
    delta_log = Path(lake.location(RESULTS)) / "_delta_log"
    (delta_log / "_staged_commits").mkdir(parents=True)
    (delta_log / ".00000000000000000000.json.1f.tmp").write_text("{")
    lake.append(RESULTS, results(lake, [(D1, "r", "a", 1)]))
    same(reopened(lake).read(RESULTS), [(D1, "r", "a", 1)])


def test_files_that_are_no_table_are_left_alone(lake: Lake) -> None:
    theirs = Path(lake.location(RESULTS)) / "theirs.csv"
    for folder in (theirs.parent, theirs.parent / "_delta_log"):
        folder.mkdir(parents=True)
        theirs.write_text("a,b")
        with pytest.raises(UserError, match=r"gold\.results: .*/results holds files that are no table"):
            lake.append(RESULTS, results(lake, [(D1, "r", "a", 1)]))
        assert theirs.read_text() == "a,b"


def test_a_table_whose_log_is_lost_is_not_taken_for_no_rows(lake: Lake) -> None:
    lake.append(RESULTS, results(lake, [(D1, "r", "a", 1)]))
    place = Path(lake.location(RESULTS))
    shutil.move(place / "_delta_log", place.with_name("log"))
    for _ in range(2):
        with pytest.raises(
            UserError, match=r"gold\.results: .*/results holds files that are no table: restore its log"
        ):
            reopened(lake).read(RESULTS)
        if place.is_dir():
            shutil.rmtree(place)
            place.touch()


def facts(lake: Lake, rows: Iterable[tuple[str, str | None, str | None, int | None]]) -> DataFrame:
    """Facts by the minute of their version; None is no version."""
    full = [(i, part, value, None if m is None else minute(m)) for i, part, value, m in rows]
    return lake.spark.createDataFrame(full, FACTS.struct)


def minute(n: int) -> datetime:
    return datetime(2026, 11, 20, 1, n, tzinfo=timezone.utc)


def test_upsert_keeps_the_latest_version_whatever_the_order(lake: Lake, tmp_path: Path) -> None:
    first = [
        ("replaced later", None, "old", 1),
        ("older comes last", None, "new", 9),
        ("only a part", "p", "part", 1),
        ("twice in a batch", None, "loses", 3),
        ("twice in a batch", None, "wins", 4),
        ("equal versions", None, "a", 5),
        ("no version", None, "unknown", None),
    ]
    second = [
        ("replaced later", None, "new", 2),
        ("older comes last", None, "old", 8),
        ("only a part", None, "whole", 1),
        ("equal versions", None, "b", 5),
        ("no version", None, None, 0),
        ("new", None, None, 1),
    ]
    expected = [
        ("replaced later", None, "new", minute(2)),
        ("older comes last", None, "new", minute(9)),
        ("only a part", "p", "part", minute(1)),
        ("only a part", None, "whole", minute(1)),  # NULL is a key of its own
        ("twice in a batch", None, "wins", minute(4)),
        ("equal versions", None, "b", minute(5)),  # the greater content, so that the order does not matter
        ("no version", None, None, minute(0)),
        ("new", None, None, minute(1)),
    ]
    lake.upsert(FACTS, facts(lake, first))  # into an empty table
    lake.upsert(FACTS, facts(lake, second))
    same(lake.read(FACTS), expected)
    lake.upsert(FACTS, facts(lake, first))  # an exact repeat changes nothing
    same(lake.read(FACTS), expected)

    other = Lake(lake.spark, lake.conf.model_copy(update={"root": str(tmp_path / "other")}))
    for batch in (second[2:] + first[4:], second[:2] + first[:5]):
        other.upsert(FACTS, facts(other, batch))
    same(other.read(FACTS), expected)


def test_a_version_that_cannot_be_null_is_compared_with_that_of_the_table(lake: Lake) -> None:
    """As a source's mapping gives it: coalesce(changed_at, timestamp'2020-01-01')."""
    dated = replace(FACTS, columns=(*FACTS.columns[:3], replace(FACTS.columns[3], required=True)))
    for day in (19, 20, 18):
        at = F.lit(datetime(2026, 11, day)).alias("updated_at")
        key, part, value = F.lit("a").alias("fact_id"), F.lit("x").alias("part"), F.lit(str(day)).alias("value")
        lake.upsert(dated, lake.spark.range(1).select(key, part, value, at))
    assert [row.value for row in lake.read(dated).collect()] == ["20"]


def test_small_files_are_put_together_now_and_then(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delta, "_COMPACTED_EVERY", 3)
    for n in range(2):  # the table is made in commit 0
        lake.upsert(FACTS, facts(lake, [("same", None, "said", n), (str(n), None, "said", 1)]))
    version = lake.version(FACTS)
    assert version == 2
    assert len(lake.spark.table(lake.name(FACTS)).inputFiles()) > 1
    lake.upsert(FACTS, facts(lake, [("same", None, "said", 2), ("2", None, "said", 1)]))
    assert len(lake.spark.table(lake.name(FACTS)).inputFiles()) == 1
    same(lake.read(FACTS), [("same", None, "said", minute(2)), *[(str(n), None, "said", minute(1)) for n in range(3)]])
    changed = lake.changes(FACTS, version)
    assert changed is not None
    assert sorted(row["_change_type"] for row in changed.collect()) == ["insert", "update_postimage", "update_preimage"]
    assert lake.written["silver.facts"] == 6


def test_add_new_leaves_known_keys(lake: Lake) -> None:
    lake.add_new(FACTS, facts(lake, [("known", None, "first", 1)]))
    lake.add_new(FACTS, facts(lake, [("known", None, "second", 2), ("new", None, "n", 1), ("new", None, "n", 1)]))
    same(lake.read(FACTS), [("known", None, "first", minute(1)), ("new", None, "n", minute(1))])
    assert lake.written["silver.facts"] == 2


def test_a_kept_frame_is_computed_once(lake: Lake) -> None:
    frame = lake.spark.range(3).withColumn("random", F.rand())
    with lake.kept(frame) as kept:
        assert kept.collect() == kept.collect()
        assert kept.is_cached
    assert not frame.is_cached


def test_no_space_is_refused_before_writing(lake: Lake) -> None:
    full = Lake(lake.spark, lake.conf.model_copy(update={"min_free_mb": 2**40}))
    with pytest.raises(UserError, match="no space for the lake"):
        full.append(RESULTS, results(lake, []))


def test_an_as_of_before_all_data_is_refused(lake: Lake, far_east: None) -> None:
    dated = replace(FACTS, happened_at="updated_at")
    AsOfCheck(lake, D1, minute(0)).require_data((dated,))  # a lake without data is no mistake of the date
    lake.append(dated, facts(lake, [("first", None, None, 7)]))
    AsOfCheck(lake, D2, minute(8)).require_data((dated,))
    with pytest.raises(
        UserError, match=f"as-of {D1} is before all data: the first of facts is at 2026-11-20 01:07:00 UTC"
    ):
        AsOfCheck(lake, D1, minute(7)).require_data((dated,))


@pytest.mark.parametrize(
    ("year", "reach", "said"),
    [(2001, timedelta(days=3653), "more than ten years"), (2999, timedelta(days=300), "still to come.* ten months")],
)
def test_an_as_of_long_after_all_data_is_refused(
    lake: Lake, far_east: None, year: int, reach: timedelta, said: str
) -> None:
    dated, last = replace(FACTS, happened_at="updated_at"), minute(7).replace(year=year)
    row = lake.spark.createDataFrame([("last", None, None, last)], FACTS.struct)
    lake.append(dated, row)
    AsOfCheck(lake, D2, last + reach).require_data((dated,))
    with pytest.raises(UserError, match=f"{said}.* after all data: the last of facts is at {year}-11-20 01:07:00 UTC"):
        AsOfCheck(lake, D2, last + reach + timedelta(days=1)).require_data((dated,))


def test_the_log_of_a_replaced_slice_is_one_commit(lake: Lake) -> None:
    """Readers see the old slice or the new one, never none."""
    lake.replace(RESULTS, results(lake, [(D1, "r", "a", 1)]), as_of=D1, model="r")
    lake.replace(RESULTS, results(lake, [(D1, "r", "a", 2)]), as_of=D1, model="r")
    commits = sorted(Path(lake.location(RESULTS), "_delta_log").glob("*.json"))
    actions = [json.loads(line) for line in commits[-1].read_text().splitlines()]
    assert len(commits) == 3  # the table, and two writes
    assert {"add", "remove"} <= {name for action in actions for name in action}


def test_changes_are_both_forms_of_what_later_commits_touched(lake: Lake) -> None:
    facts = "fact_id string, part string, value string, updated_at timestamp"
    first, second = datetime(2026, 11, 19, tzinfo=timezone.utc), datetime(2026, 11, 20, tzinfo=timezone.utc)
    assert lake.version(FACTS) is None
    lake.upsert(FACTS, lake.spark.createDataFrame([("a", None, "1", first), ("b", "x", "1", first)], facts))
    before = lake.version(FACTS)
    assert before is not None
    lake.upsert(FACTS, lake.spark.createDataFrame([("a", None, "2", second), ("c", None, "1", first)], facts))
    found = lake.changes(FACTS, before)
    assert found is not None
    rows = sorted((r.fact_id, r.value, r._change_type) for r in found.collect())
    assert rows == [("a", "1", "update_preimage"), ("a", "2", "update_postimage"), ("c", "1", "insert")]
    latest = lake.version(FACTS)
    assert latest is not None
    nothing = lake.changes(FACTS, latest)
    assert nothing is not None
    assert nothing.isEmpty()


def test_a_change_feed_that_lost_any_of_its_files_is_none(lake: Lake) -> None:
    """Files are read in the order of their size, and the first of them may be there still."""
    for day, rows in enumerate((90, 20, 90, 1), start=1):
        said = (
            F.lit("x").alias("part"),
            F.lit(str(day)).alias("value"),
            F.lit(datetime(2026, 11, day)).alias("updated_at"),
        )
        lake.upsert(FACTS, lake.spark.range(0, rows, 1, 1).select(F.col("id").cast("string").alias("fact_id"), *said))
        if rows == 20:
            (lost,) = Path(lake.location(FACTS), "_change_data").glob("*.parquet")
            lost.unlink()  # as VACUUM does
    assert lake.changes(FACTS, 1) is None
    found = lake.changes(FACTS, 2)
    assert found is not None
    assert len(found.collect()) == 2 * (90 + 1)


def test_a_corrected_row_is_marked_in_its_file(lake: Lake) -> None:
    """The file is not written anew; counts, changes and a rehearsal's clone are of the rows that are left."""

    def say(into: Lake, keys: str, value: str, day: int) -> None:
        at = datetime(2026, 11, day, tzinfo=timezone.utc)
        said = [(key, "part", value, at) for key in keys]
        into.upsert(FACTS, lake.spark.createDataFrame(said, FACTS.struct).coalesce(1))

    def held(of: Lake) -> str:
        values = "".join(row.value for row in of.read(FACTS).orderBy("fact_id").collect())
        detail = of.detail(FACTS)
        assert detail is not None
        assert of.rows(FACTS) == detail["rows"] == len(values)
        return values

    def changed(of: Lake, after: int) -> set[tuple[str, str, str]]:
        feed = of.changes(FACTS, after)
        assert feed is not None
        return {(r.fact_id, r.value, r._change_type) for r in feed.collect()}

    say(lake, "abcd", "1", 19)
    (file,) = lake.read(FACTS).inputFiles()
    say(lake, "ab", "2", 20)
    assert file in lake.read(FACTS).inputFiles()
    done = lake.spark.sql(f"DESCRIBE HISTORY {lake.name(FACTS)} LIMIT 1").collect()[0]["operationMetrics"]
    assert (done["numTargetDeletionVectorsAdded"], done["numTargetRowsCopied"]) == ("1", "0")
    assert lake.written[FACTS.full_name] == 4 + 2
    assert held(reopened(lake)) == "2211"
    both = {(key, *form) for key in "ab" for form in (("1", "update_preimage"), ("2", "update_postimage"))}
    assert changed(lake, 1) == both
    with rehearsal(lake) as tried:
        say(tried, "bce", "3", 21)
        assert held(tried) == "23313"
    lake.spark.sql(f"OPTIMIZE {lake.name(FACTS)}")
    assert held(reopened(lake)) == "2211"
    assert changed(lake, 1) == both
    assert changed(lake, 2) == set()


def test_a_table_without_a_change_feed_counts_as_all_changed_and_gets_one(lake: Lake) -> None:
    lake.replace(RESULTS, results(lake, [(D1, "r", "a", 1)]), as_of=D1)
    with rehearsal(lake) as tried:
        assert tried.changes(RESULTS, 0) is None
    assert lake.version(RESULTS) == 1  # a rehearsal leaves the table as it is
    assert lake.changes(RESULTS, 0) is None
    version = lake.version(RESULTS)
    assert version is not None
    lake.replace(RESULTS, results(lake, [(D2, "r", "b", 1)]), as_of=D2)
    found = lake.changes(RESULTS, version)
    assert found is not None
    assert [(r.subject, r._change_type) for r in found.collect()] == [("b", "insert")]
    assert lake.changes(RESULTS, 0) is None  # the commits before are out of its reach


def test_a_job_is_given_what_changed_since_it_last_ended_well(lake: Lake) -> None:
    facts = "fact_id string, part string, value string, updated_at timestamp"

    def add(key: str) -> None:
        lake.upsert(FACTS, lake.spark.createDataFrame([(key, None, "1", datetime(2026, 11, 19))], facts))

    def given(rules: str = "r", fails: bool = False) -> list[str] | None:
        with lake.since_last("job", FACTS, rules=rules) as changes:
            frame = changes[FACTS]
            seen = None if frame is None else sorted(r.fact_id for r in frame.collect())
            if fails:
                raise RuntimeError
            return seen

    add("a")
    assert given() is None  # never seen: all
    assert given() == []
    add("b")
    with pytest.raises(RuntimeError):
        given(fails=True)
    assert given() == ["b"]  # a failed block has seen nothing
    add("c")
    assert given(rules="other") is None
    assert given(rules="other") == []
    lake.rebuild = True
    assert given(rules="other") is None


def test_jobs_side_by_side_keep_their_books(lake: Lake) -> None:
    """As the tasks of a workflow: each is a process, Delta lets one of them commit and stops the others."""
    lake.set_at("before", D2)
    together, jobs = threading.Barrier(3), ("a", "b", "c")

    def keep(job: str) -> None:
        own = reopened(lake)
        together.wait()
        own.set_at(job, D1)

    with ThreadPoolExecutor(len(jobs)) as pool:
        [*pool.map(keep, jobs)]
    expected = {"before": D2, **dict.fromkeys(jobs, D1)}
    assert {row.job: row.as_of for row in lake.read(CUTOFFS).collect()} == expected


def test_a_table_made_again_in_the_place_of_another_is_all_new(lake: Lake, tmp_path: Path) -> None:
    def given(of: Lake) -> list[str] | None:
        with of.since_last("job", FACTS) as changes:
            frame = changes[FACTS]
            return None if frame is None else sorted(r.fact_id for r in frame.collect())

    assert given(lake) is None
    lake.append(FACTS, facts(lake, [("first", None, None, 1)]))
    assert given(lake) == ["first"]  # there was none before
    assert given(lake) == []
    other = Lake(lake.spark, lake.conf.model_copy(update={"root": str(tmp_path / "other")}))
    other.append(FACTS, facts(lake, [("another", None, None, 1)]))
    shutil.copytree(f"{lake.conf.root}/ops", f"{other.conf.root}/ops")
    assert given(other) is None  # though its version is the one that was seen


def test_rows_put_replace_those_of_their_key_and_no_others(lake: Lake) -> None:
    lake.replace(RESULTS, results(lake, [(D1, "r", "a", 9), (D1, "r", "it's", 9), (D2, "r", "a", 9)]))
    lake.put(RESULTS, results(lake, [(D1, "r", "it's", 1), (D1, "r", "new", 2)]), as_of=[D1], subject=["it's", "new"])
    same(
        lake.read(RESULTS),
        [(D1, "r", "a", 9), (D1, "r", "it's", 1), (D1, "r", "new", 2), (D2, "r", "a", 9)],
    )
    with pytest.raises(ValueError, match="a key stands twice"):
        lake.put(RESULTS, results(lake, [(D1, "r", "a", 1), (D1, "r", "a", 2)]))


def test_a_slice_may_be_of_several_values(lake: Lake) -> None:
    lake.replace(RESULTS, results(lake, [(D1, "r", "a", 1), (D2, "r", "a", 1), (D2, "e", "a", 1)]))
    assert lake.rows(RESULTS) == 3
    lake.replace(RESULTS, results(lake, [(D2, "r", "b", 2)]), as_of=[D1, D2], model="r")
    same(lake.read(RESULTS), [(D2, "r", "b", 2), (D2, "e", "a", 1)])
    assert lake.rows(RESULTS) == 2  # asked again after a write


def test_a_slice_may_be_of_any_condition(lake: Lake) -> None:
    lake.replace(RESULTS, results(lake, [(D1, "r", "a", 1), (D1, "r", "b", 1), (D2, "e", "a", 1), (D2, "e", "b", 1)]))
    either = (F.col("model") == "e") | (F.col("subject") == "b")
    lake.replace(RESULTS, results(lake, [(D2, "e", "c", 2)]), either, as_of=D2)
    same(lake.read(RESULTS), [(D1, "r", "a", 1), (D1, "r", "b", 1), (D2, "e", "c", 2)])
