"""The commands as a user gives them, in this process: what they print, write and return."""

from __future__ import annotations

import csv
import io
import json
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from pyspark.sql import SparkSession
from tests.processes import fast_project, run_here

from memberlake import cli, console
from memberlake.lake import machine, session

pytestmark = pytest.mark.e2e

ORDERS = """order_id,member_id,ordered_at,status,gross_amount,net_amount,updated_at
007,m1,2026-03-01T10:00:00+08:00,paid,100.00,90.00,2026-03-01T10:00:00+08:00
008,m2,2026-03-02T10:00:00+08:00,completed,50.00,50.00,2026-03-02T10:00:00+08:00
009,m1,2026-03-03T10:00:00+08:00,cancelled,70.00,70.00,2026-03-03T10:00:00+08:00
010,m3,2026-03-03T10:00:00+08:00,paid,20.00,20.00,2026-03-03T10:00:00+08:00
011,m3,2026-03-03T11:00:00+08:00,lost,20.00,20.00,2026-03-03T11:00:00+08:00
012,m3,2026-03-04T11:00:00+08:00,paid,20.00,20.00,2026-03-04T11:00:00+08:00
"""


def memberlake(*arguments: object) -> Result:
    return CliRunner().invoke(cli.main, [str(a) for a in arguments])


@pytest.fixture(scope="module")
def landing(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("files") / "landing"
    (folder / "orders").mkdir(parents=True)
    (folder / "orders" / "2026 三月.csv").write_text(ORDERS)
    return folder


@pytest.fixture(scope="module")
def filled(spark: SparkSession, landing: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A lake after ingest and rfm of 2026-03-03; not changed by the tests."""
    root = tmp_path_factory.mktemp("lakes") / "lake"
    ingested = memberlake("ingest", "--source", "contracts", "--landing", landing, "--lake", root)
    assert ingested.exit_code == 0, ingested.output
    scored = memberlake("run", "rfm", "--as-of", "2026-03-03", "--lake", root)
    assert scored.exit_code == 0, scored.output
    return root


def test_ingest_ends_with_what_was_read_rejected_written_and_where_to_look(
    spark: SparkSession, landing: Path, tmp_path: Path
) -> None:
    args = ("ingest", "--source", "contracts", "--landing", landing, "--lake", tmp_path / "lake")
    first = memberlake(*args)
    assert first.exit_code == 0, first.output
    (row,) = [line.split() for line in first.stdout.splitlines() if line.strip().startswith("orders")]
    assert row[:6] == ["orders", "1", "6", "1", "0", "5"]
    assert "memberlake show ops.rejects" in first.stdout

    again = memberlake(*args, "--json")
    told = json.loads(again.stdout)
    assert [load["files"] for load in told["ingest"] if load["table"] == "orders"] == [0]
    assert "Nothing new in landing" in memberlake(*args).stdout


def test_show_csv_is_exact_and_in_the_order_of_the_key(filled: Path) -> None:
    shown = memberlake("show", "gold.rfm_scores", "--format", "csv", "--limit", 0, "--lake", filled)
    rows = list(csv.DictReader(io.StringIO(shown.stdout)))
    chosen = [(r["member_id"], r["recency_days"], r["frequency"], r["monetary"], r["score_weighted"]) for r in rows]
    # m1's second order was cancelled; order 012 of m3 is of the next day
    assert chosen == [("m1", "2", "1", "90.00", ""), ("m2", "1", "1", "50.00", ""), ("m3", "0", "1", "20.00", "")]


def test_show_json_keeps_leading_zeros_and_exact_amounts(filled: Path) -> None:
    shown = memberlake("show", "silver.orders", "--where", "order_id = '007'", "--format", "json", "--lake", filled)
    (row,) = json.loads(shown.stdout)
    assert (row["order_id"], row["net_amount"], row["member_id"]) == ("007", 90.0, "m1")
    assert '"net_amount":90.00' in shown.stdout
    assert row["ordered_at"] == "2026-03-01T02:00:00.000000Z"
    assert row["channel"] is None


def test_show_of_no_rows(filled: Path) -> None:
    shown = memberlake(
        "show", "gold.rfm_scores", "--where", "as_of > '2030-01-01'", "--format", "json", "--lake", filled
    )
    assert json.loads(shown.stdout) == []


def test_rejects_say_file_rule_and_row(filled: Path) -> None:
    shown = memberlake("show", "ops.rejects", "--format", "json", "--lake", filled)
    (reject,) = json.loads(shown.stdout)
    assert reject["source_file"].endswith("/orders/2026 三月.csv")
    assert reject["rule"].startswith("status is not one of created")
    assert json.loads(reject["row"])["order_id"] == "011"


def test_every_run_is_recorded_also_a_failed_one(filled: Path, tmp_path: Path) -> None:
    lake = tmp_path / "lake"
    shutil.copytree(filled, lake)
    failed = memberlake("run", "rfm", "--as-of", "1999-01-01", "--lake", lake)
    assert failed.exit_code == 2
    assert "as-of 1999-01-01 is before all data: the first of orders is at 2026-03-01 02:00:00 UTC" in failed.stderr
    for first, last, said in (("1999-01-01", "2026-03-02", "before"), ("2026-03-01", "2999-12-31", "after")):
        backfill = memberlake("run", "rfm", "--from", first, "--to", last, "--lake", lake)  # no run is recorded
        assert backfill.exit_code == 2
        assert f"{said} all data: the " in backfill.stderr

    shown = memberlake("show", "ops.runs", "--format", "json", "--lake", lake)
    runs = {(r["job"], r["state"]): r for r in json.loads(shown.stdout)}
    assert set(runs) == {("ingest", "done"), ("rfm", "done"), ("rfm", "failed")}
    # scores, and bins: 3 of recency, 1 of frequency (all equal), 3 of money
    assert runs["rfm", "done"]["rows_written"] == 3 + 7
    assert "before all data" in runs["rfm", "failed"]["error"]


def test_backfill_runs_each_day_and_nightly_takes_the_last_day(filled: Path, tmp_path: Path) -> None:
    lake = tmp_path / "lake"
    shutil.copytree(filled, lake)
    filling = memberlake("run", "rfm", "--from", "2026-03-01", "--to", "2026-03-02", "--lake", lake, "--json")
    assert [job["as_of"] for job in json.loads(filling.stdout)["jobs"]] == ["2026-03-01", "2026-03-02"]
    few = fast_project(tmp_path / "project")  # the next test runs every job
    night = run_here(["nightly", "--as-of", "latest", "--lake", str(lake), "--json"], few)
    assert [(job["job"], job["as_of"], job["state"]) for job in json.loads(night.stdout)["jobs"]] == [
        ("rfm", "2026-03-04", "done")
    ]


def test_a_failed_load_stops_only_the_jobs_that_read_its_table(landing: Path, tmp_path: Path) -> None:
    mixed = tmp_path / "landing"
    shutil.copytree(landing, mixed)
    (mixed / "campaign_costs").mkdir()
    (mixed / "campaign_costs" / "c.csv").write_text("amount\n5.00\n")
    lake = tmp_path / "lake"
    files = ("--source", "contracts", "--landing", mixed)
    night = memberlake("nightly", *files, "--lake", lake, "--as-of", "2026-03-03")
    assert night.exit_code == 2
    printed = [line.split() for line in night.stdout.splitlines()]
    states = {line[0]: line[2] for line in printed if line[1:2] in (["-"], ["2026-03-03"])}
    assert states["ingest"] == "failed"
    assert "c.csv: no column campaign_id" in night.stderr
    assert states["kpi"] == "skipped"
    assert "kpi as of 2026-03-03 skipped: silver.campaign_costs could not be brought up to date" in night.stderr
    assert states["report"] == "done"  # it shows what there is
    assert night.stdout.splitlines()[-2:] == ["Open in a browser:", f"  {lake}/report/index.html"]
    # of three days no model can be had: no failure
    assert {states[job] for job in ("rfm", "churn_train", "churn_score")} == {"done"}
    shown = memberlake("show", "silver.orders", "--format", "json", "--lake", lake)
    assert len(json.loads(shown.stdout)) == 5


def test_tables_and_jobs(filled: Path) -> None:
    listed = memberlake("tables", "--lake", filled)
    (line,) = [line for line in listed.stdout.splitlines() if "silver.orders" in line]
    assert " 5 " in line
    assert "one buyer of the look-back" in memberlake("tables", "gold.rfm_scores", "--lake", filled).stdout
    assert "not written yet" in memberlake("tables", "silver.coupons", "--lake", filled).stdout
    jobs = memberlake("jobs").stdout
    assert jobs.index("ingest") < jobs.index("rfm ")


def test_explain_prints_a_table_a_section_or_json_and_changes_nothing(filled: Path) -> None:
    before = sorted(filled.rglob("*"))
    options = ("rfm", "--as-of", "2026-03-03", "--lake", filled)
    printed = memberlake("explain", *options)
    assert printed.exit_code == 0, printed.output
    (read,) = [line.split() for line in printed.stdout.splitlines() if line.strip().startswith("silver.orders")]
    assert read[1:4] == ["1", "of", "1"]
    assert [line for line in ("Reads", "Shuffles", "Windows", "Joins") if line not in printed.stdout] == []
    assert "Warnings: none" in printed.stdout
    told = json.loads(memberlake("explain", *options, "--json").stdout)
    assert (told["job"], told["as_of"], told["warnings"]) == ("rfm", "2026-03-03", [])
    assert told["reads"][0]["table"] == "silver.orders"
    assert told["reads"][0]["rows"] == told["reads"][0]["of_rows"] == 5
    assert sorted(filled.rglob("*")) == before


def test_explain_on_a_lake_without_data(spark: SparkSession, tmp_path: Path) -> None:
    (tmp_path / "silver").mkdir()
    result = memberlake("explain", "rfm", "--as-of", "2026-03-03", "--lake", tmp_path)
    assert result.exit_code == 2
    assert "there is nothing to explain rfm on, the lake has no silver.orders" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["run", "rmf"], "there is no job rmf; did you mean rfm?"),
        (["run", "../evil"], "there is no job ../evil"),
        (["run", "ingest"], "ingest has options of its own"),
        (["explain", "rmf"], "there is no job rmf; did you mean rfm?"),
        (["explain", "ingest"], "ingest takes files, and has no plan for a day"),
        (["explain", "rfm", "--as-of", "soon"], "--as-of soon is no date"),
        (["run", "rfm", "--as-of", "2026-02-30"], "--as-of 2026-02-30 is no date"),
        (["run", "rfm", "--as-of", "soon"], "--as-of soon is no date"),
        (["run", "rfm", "--as-of", "0001-01-01"], "--as-of 0001-01-01 is no day of a lake"),
        (["run", "rfm", "--as-of", "9999-12-31"], "--as-of 9999-12-31 is no day of a lake"),
        (["run", "rfm", "--from", "2026-03-02", "--to", "2026-03-01"], "--from 2026-03-02 is after --to 2026-03-01"),
        (["run", "rfm", "--as-of", "2026-03-02", "--from", "2026-03-01"], "not both"),
        (["run", "rfm", "--to", "2026-03-01"], "--to needs --from"),
        (["run", "rfm", "--set", "rfm.tile=3"], "rfm.tile: unknown key"),
        (["run", "rfm", "--set", "rfm.x:a:y=3"], "rfm.x:a:y: unknown key"),  # :a: stays what it is
        (["run", "rfm", "--conf", "nowhere.yaml"], "cannot read nowhere.yaml"),
        (["show", "gold.rfm"], "there is no table gold.rfm; did you mean gold.rfm_scores?\n"),
        (["tables", "rfm_scores"], "there is no table rfm_scores; did you mean gold.rfm_scores?\n"),
        (["tables", "kpi"], "there is no table kpi; did you mean gold.kpi?\n"),
        (["tables", "xyz"], "there is no table xyz; there are silver.members, "),
        (["show", "gold.rfm_scores", "--where", "no_such = 1"], "--where no_such = 1: "),
        (["show", "silver.orders", "--where", "status = 'paid' OR"], "--where status = 'paid' OR: "),
        (["show", "silver.orders", "--where", "1 = 1 this"], "--where 1 = 1 this: "),
        (["tables", "--set", "lake.catalog=nowhere"], "the lake nowhere cannot be opened: "),
        (["show", "silver.orders", "--where", "CAST(status AS INT) = 1"], "--where CAST(status AS INT) = 1: "),
        (["show", "gold.rfm_scores", "--where", "1 = 1; DROP TABLE x"], "--where 1 = 1; DROP TABLE x: "),
        (["show", "silver.orders", "--where", "status rlike '('"], "--where status rlike '(': "),
        (["show", "silver.orders", "--format", "csv", "--where", "status rlike '('"], "--where status rlike '(': "),
        (
            ["show", "silver.orders", "--format", "json", "--where", "raise_error(status)"],
            "--where raise_error(status): ",
        ),
        (["ingest", "--source", "contract"], "there is no source contract; did you mean contracts?"),
        (["ingest", "--source", "contracts", "--landing", "/no/where"], "there is no landing folder /no/where"),
        (["run", "rfm", "--set", "lake.min_free_mb=999999999"], "no space for the lake"),
        (["ingest"], "Missing option '--source' (see `main ingest --help`)"),
        (["show", "gold.rfm_scores", "--format", "xml"], "'xml' is not one of 'table', 'csv', 'json'"),
    ],
)
def test_bad_use_is_one_sentence_and_exit_code_2(filled: Path, arguments: list[str], said: str) -> None:
    before = sorted(path for path in filled.rglob("*"))
    result = memberlake(*arguments, "--lake", filled)
    assert result.exit_code == 2, result.output
    assert said in result.stderr
    assert result.stderr.startswith("memberlake: ")
    assert sorted(path for path in filled.rglob("*")) == before  # nothing was written


def test_a_column_that_stands_twice_is_named_as_the_file_has_it(spark: SparkSession, tmp_path: Path) -> None:
    files = {
        "orders/a.csv": ORDERS.replace("order_id,member_id", "member_id,Member_ID"),
        "products/b.csv": "name,sku,sku\nx,1,2\n",
        "members/c.jsonl": '{"member_id": "m1", "city": "x", "City": "y"}\n',
        "campaigns/d.csv": "n0,n1\nx,1\n",  # no column twice
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_text(text)
    own = "{orders: , members: , campaigns: , products: {columns: {product_id: sku}}}"
    (tmp_path / "own.yaml").write_text(f"about: x\ntime_zone: UTC\nloads: {own}\n")
    result = memberlake("ingest", "--source", tmp_path / "own.yaml", "--landing", tmp_path, "--lake", tmp_path / "lake")
    assert result.exit_code == 2, result.output
    for said in (
        "orders/a.csv: the column member_id stands twice in the header",
        "products/b.csv: the mapping of products does not fit: the column sku stands twice in the header",
        "members/c.jsonl: the column city stands twice",
        "campaigns/d.csv: no column campaign_id",
    ):
        assert said in result.stderr
    assert "SQLSTATE" not in result.stderr
    assert "member_id0" not in result.stderr


def test_an_empty_landing(tmp_path: Path) -> None:
    (tmp_path / "landing" / "orders").mkdir(parents=True)
    result = memberlake(
        "ingest", "--source", "contracts", "--landing", tmp_path / "landing", "--lake", tmp_path / "lake"
    )
    assert result.exit_code == 2
    assert "is empty: put files into" in result.stderr
    assert not (tmp_path / "lake").exists()


def test_a_lake_that_is_a_file(landing: Path, tmp_path: Path) -> None:
    (tmp_path / "lake").touch()
    for arguments in (["run", "rfm"], ["ingest", "--source", "contracts", "--landing", landing]):
        result = memberlake(*arguments, "--lake", tmp_path / "lake")
        assert (result.exit_code, "lake is a file, not a folder" in result.stderr) == (2, True)


@pytest.mark.parametrize("is_there", [False, True])
def test_no_lake_yet(tmp_path: Path, is_there: bool) -> None:
    if is_there:  # a folder of something else
        (tmp_path / "lake").mkdir()
        (tmp_path / "lake" / "notes.txt").touch()
    before = sorted(tmp_path.rglob("*"))
    result = memberlake("run", "rfm", "--as-of", "2026-03-03", "--lake", tmp_path / "lake")
    assert result.exit_code == 2
    assert "there is no lake at" in result.stderr
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("lake", ["foo://bar/x", "s3a://bucket/lake"])  # without Hadoop's jar for S3
def test_a_lake_on_a_file_system_that_spark_does_not_know(spark: SparkSession, lake: str) -> None:
    for command in (["tables"], ["run", "rfm", "--as-of", "2026-03-03"], ["generate", "--scale", "1e3"]):
        result = memberlake(*command, "--lake", lake)
        assert result.exit_code == 2, (result.output, result.exception)
        (line,) = result.stderr.splitlines()
        assert line.startswith(f"memberlake: the lake {lake} cannot be opened: ")


@pytest.mark.parametrize("place", ["foo://bar/x", "s3a://bucket/landing"])
def test_a_landing_on_a_file_system_that_spark_does_not_know(spark: SparkSession, tmp_path: Path, place: str) -> None:
    (tmp_path / "own.yaml").write_text("about: x\ntime_zone: UTC\nloads: {orders: }\n")
    arguments = ["--source", tmp_path / "own.yaml", "--landing", place, "--lake", tmp_path / "lake"]
    result = memberlake("ingest", *arguments)
    assert result.exit_code == 2, (result.output, result.exception)
    assert f"the landing folder {place}/orders cannot be opened: " in result.stderr
    assert "Py4J" not in result.stderr


def test_instants_are_shown_to_the_microsecond(spark: SparkSession, capsys: pytest.CaptureFixture[str]) -> None:
    at = "timestamp'2026-03-01 02:00:00.123456'"
    frame = spark.sql(f"SELECT {at} AS at, struct({at} AS within) AS nested")
    console.rows(frame, "json")
    told = "2026-03-01T02:00:00.123456Z"
    assert json.loads(capsys.readouterr().out) == [{"at": told, "nested": {"within": told}}]
    console.rows(frame, "csv")
    (row,) = csv.DictReader(io.StringIO(capsys.readouterr().out))
    assert (row["at"], json.loads(row["nested"])) == (told, {"within": told})


def test_a_day_without_end_is_shown_wherever_the_machine_is(
    spark: SparkSession, capsys: pytest.CaptureFixture[str], far_east: None
) -> None:
    """There it is in the year 10000 already."""
    days = "date'9999-12-31' AS day, timestamp'2026-03-01 02:00:00.5' AS part, CAST(NULL AS timestamp) AS never"
    console.rows(spark.sql(f"SELECT timestamp'9999-12-31 23:59:59' AS at, {days}"), "table")
    shown = capsys.readouterr().out.split("\n")[3]
    assert shown.split() == ["9999-12-31", "23:59:59", "9999-12-31", "2026-03-01", "02:00:00.500000", "-"]


def test_a_table_that_someone_changed(spark: SparkSession, filled: Path, tmp_path: Path) -> None:
    lake = tmp_path / "lake"
    shutil.copytree(filled, lake)
    spark.sql(f"ALTER TABLE delta.`{lake}/silver/orders` ADD COLUMN (extra STRING)")
    result = memberlake("run", "rfm", "--as-of", "2026-03-03", "--lake", lake)
    assert result.exit_code == 2
    assert "silver.orders was changed by someone else: column extra is not in the contract" in result.stderr


def test_a_table_with_a_damaged_file(spark: SparkSession, filled: Path, tmp_path: Path) -> None:
    lake = tmp_path / "lake"
    shutil.copytree(filled, lake)
    for file in (lake / "silver" / "orders").glob("*.parquet"):
        file.write_bytes(b"PAR1")
    for form in ("table", "csv", "json"):
        result = memberlake("show", "silver.orders", "--format", form, "--lake", lake)
        (line,) = result.stderr.splitlines()
        assert (result.exit_code, line.startswith("memberlake: silver.orders: ")) == (2, True)


def test_a_lake_made_by_a_newer_contract(spark: SparkSession, filled: Path, tmp_path: Path) -> None:
    lake = tmp_path / "lake"
    shutil.copytree(filled, lake)
    spark.sql(f"ALTER TABLE delta.`{lake}/silver/orders` SET TBLPROPERTIES ('memberlake.contract' = '99')")
    result = memberlake("show", "silver.orders", "--lake", lake)
    assert result.exit_code == 2
    assert "was made by a newer memberlake (contract 99" in result.stderr


def test_no_java(monkeypatch: pytest.MonkeyPatch, filled: Path) -> None:
    monkeypatch.setattr(machine, "find_java", lambda: None)
    monkeypatch.setattr(session.SparkSession, "getActiveSession", classmethod(lambda cls: None))
    monkeypatch.delenv("PYSPARK_GATEWAY_PORT", raising=False)
    result = memberlake("show", "silver.orders", "--lake", filled)
    assert result.exit_code == 2
    assert "no Java 17 or 21 found: run `memberlake setup`" in result.stderr


def test_only_a_usable_java_is_taken(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def java(home: str, version: str) -> Path:
        script = tmp_path / home / "bin" / "java"
        script.parent.mkdir(parents=True)
        script.write_text(f"#!/bin/sh\necho 'openjdk version \"{version}\"' >&2\n")
        script.chmod(0o755)
        return tmp_path / home

    old, good = java("old", "1.8.0_402"), java("good", "21.0.2")
    monkeypatch.setattr(machine, "share", lambda: tmp_path / "share")
    monkeypatch.setenv("JAVA_HOME", str(old))
    monkeypatch.setenv("PATH", str(tmp_path))
    assert machine.find_java() is None
    monkeypatch.setenv("PATH", str(good / "bin"))
    assert machine.find_java() == good
