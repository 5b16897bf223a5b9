"""The churn jobs on a made brand: a model that finds who was lost, what is kept of it, the gate, scores, monitoring."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F
from tests.conftest import configured

from memberlake import jobs, runner
from memberlake.churn import evaluate, measure, models, score
from memberlake.churn.features import NAMES
from memberlake.churn.registry import Registry, types
from memberlake.conf import Conf
from memberlake.errors import NotYet, UserError
from memberlake.lake.contract import Table
from memberlake.lake.store import Lake
from memberlake.made import life, write
from memberlake.made.world import World
from memberlake.tables.gold.churn import CHURN_FEATURES, CHURN_MODELS, CHURN_SCORES, CHURN_STATUS, MODEL_MONITORING
from memberlake.tables.silver import ORDERS

pytestmark = pytest.mark.lake

D = date(2025, 10, 20)
SETS = (
    "churn.max_snapshots=6",
    "churn.grids.random_forest={maxDepth: [5], numTrees: [8], minInstancesPerNode: [10]}",
)
WEAK = ("churn.max_snapshots=3", "churn.grids.random_forest={maxDepth: [1], numTrees: [1], minInstancesPerNode: [10]}")


def run(lake: Lake, job: str, as_of: date, *sets: str) -> None:
    jobs.find(job).run(lake, settings(lake, *sets), as_of)


def settings(lake: Lake, *sets: str) -> Conf:
    return configured(*SETS, *sets, lake=str(lake.conf.root))


def registry(lake: Lake, *sets: str) -> Registry:
    conf = settings(lake, *sets)
    return Registry(conf.mlflow, lake.conf, conf.churn.foretells)


@pytest.fixture(scope="module")
def world(spark: SparkSession, rules: Conf) -> World:
    return World(spark, rules.made, 10_000, rules.business_timezone)


class StoppedError(Exception):
    """As if the process had been killed there."""


def stop(*_: Any) -> None:
    raise StoppedError


@pytest.fixture(scope="module")
def lake(world: World, tmp_path_factory: pytest.TempPathFactory) -> Lake:
    """A lake with a champion, trained and used as of D. The training was stopped before the alias, and finished."""
    made = Lake(world.spark, configured(lake=str(tmp_path_factory.mktemp("churn") / "lake")).lake)
    for _ in write.into_lake(world, made, write.tables(())):
        pass
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(Registry, "_crown", stop)
        with pytest.raises(StoppedError):
            run(made, "churn_train", D)
    assert [v.is_champion for v in registry(made).versions()] == [False]
    run(made, "churn_score", D)
    assert [v.is_champion for v in registry(made).versions()] == [True]
    assert made.read(CHURN_MODELS).isEmpty()
    if_needed(made, D)
    return made


def if_needed(lake: Lake, as_of: date) -> None:
    lake.if_needed = True
    run(lake, "churn_train", as_of)
    lake.if_needed = False


def rows(lake: Lake, as_of: date = D) -> list[dict[str, Any]]:
    found = lake.read(CHURN_SCORES).where(F.col("as_of") == F.lit(as_of)).orderBy("member_id")
    return [row.asDict(recursive=True) for row in found.collect()]


def test_the_model_beats_recency_honestly(lake: Lake) -> None:
    model = lake.read(CHURN_MODELS).where("model_version = '1'").first()
    assert model is not None
    assert model.is_promoted
    assert model.tested_on + timedelta(days=67) == D
    assert model.pr_auc - model.base_rate >= 1.3 * (model.recency_pr_auc - model.base_rate)
    assert 0.7 < model.roc_auc < 0.95  # above: look for a leak


def test_who_was_lost_without_a_word_scores_higher(lake: Lake, world: World) -> None:
    """The truth that the generator knows: lost by D, though their last order is too young for any rule."""
    lost = life.lost(world).where((F.col("is_lost_on") <= F.lit(D)) & F.col("returned_on").isNull())
    scored = lake.read(CHURN_SCORES).where(F.col("as_of") == F.lit(D)).select("member_id", "probability")
    told = scored.join(lost.withColumn("lost", F.lit(True)), on="member_id", how="left")
    means = {row["lost"]: row["mean"] for row in told.groupBy("lost").agg(F.avg("probability").alias("mean")).collect()}
    assert means[True] > means[None] + 0.1


def test_everyone_who_has_not_churned_is_scored(lake: Lake) -> None:
    scores, features = rows(lake), lake.read(CHURN_FEATURES).where(F.col("as_of") == F.lit(D))
    eligible = {row["member_id"]: row for row in features.collect()}
    assert {row["member_id"] for row in scores} == set(eligible)
    # of the label's rule, no order for 60 days: neither who has it, nor who never bought
    assert all(row["recency_days"] is None or row["recency_days"] < 60 for row in eligible.values())
    assert all(row["tenure_days"] < 60 for row in eligible.values() if row["recency_days"] is None)
    known = lake.read(CHURN_STATUS).where(F.col("as_of") == F.lit(D))
    assert known.count() > len(scores) > 200
    for row in scores:
        assert 0 <= row["probability"] <= 1
        band = "high" if row["probability"] >= 0.6 else "medium" if row["probability"] >= 0.3 else "low"
        assert row["risk_band"] == band
        assert (row["model_name"], row["model_version"]) == ("memberlake-churn", "1")
        assert len(row["top_factors"]) == 3
        for factor in row["top_factors"]:
            if "=" not in factor["feature"]:  # not a category
                assert factor["value"] == eligible[row["member_id"]][factor["feature"]]
    assert len({row["risk_band"] for row in scores}) == 3


def test_what_is_kept_of_a_run(lake: Lake) -> None:
    kept = registry(lake)
    version = kept.champion(D)
    assert version is not None
    run_ = kept._client.get_run(version.run_id)
    parameters, measures = run_.data.params, run_.data.metrics
    assert parameters["delta:silver.orders"] == str(lake.version(ORDERS))
    assert parameters["config_hash"] == settings(lake).digest
    assert (parameters["maxDepth"], parameters["rule"], parameters["test"]) == ("5.0", "no_order_60", "2025-08-14")
    assert run_.data.tags["as_of"] == str(D)
    wanted = ("pr_auc", "roc_auc", "brier", "ece", "lift_5", "captured_20")
    assert {f"{who}{name}" for who in ("", "recency.", "base_rate.") for name in wanted} <= set(measures)
    assert "uncalibrated.ece" in measures
    files = {f.path for f in kept._client.list_artifacts(version.run_id)}
    assert {"precision_recall.png", "calibration.png", "lift.png", "importance.png"} <= files
    tags = kept._client.get_run(version.run_id).data.tags
    assert (tags["mlflow.user"], tags["mlflow.source.name"]) == ("memberlake", "churn_train")  # nobody's name or folder
    deciles = kept._artifact(version.run_id, "calibration.json")["deciles"]
    assert sum(d["members"] for d in deciles) == measures["examples"]
    off = sum(d["members"] * abs(d["mean_probability"] - d["share_of_churners"]) for d in deciles)
    assert off / measures["examples"] == pytest.approx(measures["ece"])
    inputs = kept._mlflow.models.get_model_info(f"models:/{version.name}/{version.version}").signature.inputs
    dropped = kept._artifact(version.run_id, "dropped.json")["dropped"]
    assert sorted([*dropped, *inputs.input_names()]) == sorted(NAMES)
    everything = [p for p in Path(str(lake.conf.root), "_mlflow").rglob("*") if p.is_file()]
    (example,) = [p for p in everything if p.name == "input_example.json"]
    assert {*json.loads(example.read_text())["data"][0]} == {1.0, "made up"}
    assert not any(b"M00000" in p.read_bytes() for p in everything), "a member's row or id is among what is kept"


def test_a_lake_that_was_moved_takes_its_models_along(lake: Lake, tmp_path: Path) -> None:
    """MLflow keeps whole paths. The copy neither needs the lake that it was made of nor writes there."""
    root = Path(str(lake.conf.root))
    copy = Lake(lake.spark, configured(lake=str(shutil.copytree(root, tmp_path / "elsewhere"))).lake)
    away = root.rename(root.with_name("away"))
    try:
        scores = rows(copy)
        run(copy, "churn_score", D)
        assert rows(copy) == scores
        run(copy, "churn_train", D, *WEAK)
        assert not root.exists()
    finally:
        away.rename(root)
    versions = registry(copy).versions()
    assert [v.version for v in versions] == ["2", "1"]
    places = [registry(copy)._client.get_run(v.run_id).info.artifact_uri for v in versions]
    assert all(place.startswith(f"file://{copy.conf.root}/") for place in places)


def test_a_rerun_leaves_the_scores_unchanged(lake: Lake) -> None:
    before = rows(lake)
    run(lake, "churn_score", D)
    assert rows(lake) == before


def test_by_capacity_as_many_are_told_as_can_be_called_that_day(lake: Lake) -> None:
    conf, kept = settings(lake, "churn.threshold={by: capacity, missed: 5, needless: 1, capacity: 20}"), registry(lake)
    champion = kept.champion(D)
    assert champion is not None
    model, members = kept.load(champion, types()), lake.read(CHURN_FEATURES).where(F.col("as_of") == F.lit(D))
    threshold = score.threshold(members, model, conf.churn.threshold)
    found = score.scores(members, model, conf.churn.bands, threshold).where("predicted_churn").collect()
    least = min(round(row.probability, evaluate.DIGITS) for row in found)
    assert len(found) >= 20 > sum(round(row.probability, evaluate.DIGITS) > least for row in found)


def test_a_leak_is_not_trained_on(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measure, "_is_known", lambda snapshot: F.lit(True))  # so devices are known before they were
    before = registry(lake).versions()
    with pytest.raises(ValueError, match=r"feature \w+ at \S+ saw \S+: a leak; refused"):
        run(lake, "churn_train", D)
    assert registry(lake).versions() == before


def test_a_weaker_challenger_is_refused_and_a_rollback_is_possible(
    lake: Lake, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    usable = models.usable
    with monkeypatch.context() as patched:
        patched.setattr(models, "usable", lambda train: tuple(f for f in usable(train) if f.name != "gender"))
        patched.setattr(lake, "row", stop)
        with pytest.raises(StoppedError):
            jobs.find("churn_train").run(lake, configured(*WEAK, lake=str(lake.conf.root)), D)
    assert lake.read(CHURN_MODELS).where("model_version = '2'").isEmpty()
    if_needed(lake, D)  # finishes what was stopped, and trains nothing
    assert "version 2: the training was stopped before its end; its row in gold.churn_models is missing" in caplog.text
    kept = registry(lake)
    weak, first = kept.versions()
    assert (weak.version, weak.is_champion, first.is_champion) == ("2", False, True)
    assert "does not beat" in weak.tags["reason"]
    assert kept._artifact(weak.run_id, "dropped.json") == {"dropped": ["gender"]}
    told = lake.read(CHURN_MODELS).where("model_version = '2'").first()
    assert told is not None
    assert (told.is_promoted, told.reason) == (False, weak.tags["reason"])

    kept.promote("2")
    assert [v.is_champion for v in kept.versions()] == [True, False]
    kept.promote("1")
    assert [v.is_champion for v in kept.versions()] == [False, True]
    with pytest.raises(UserError, match="there is no version 9 of memberlake-churn; there are 2, 1"):
        kept.promote("9")


def test_a_model_does_not_score_the_time_before_it_was_trained(lake: Lake) -> None:
    assert registry(lake).champion(D - timedelta(days=1)) is None


def test_monitoring_of_the_day_and_of_what_came_true(lake: Lake) -> None:
    later = D + timedelta(days=67)  # gap and horizon after D
    run(lake, "churn_score", later)
    found = {row["metric"]: row for row in lake.read(MODEL_MONITORING).where(F.col("as_of") == F.lit(later)).collect()}
    model = lake.read(CHURN_MODELS).where("model_version = '1'").first()
    assert model is not None
    assert found["pr_auc"].threshold == pytest.approx(model.pr_auc - 0.1)
    assert found["pr_auc"].value > found["base_rate"].value + 0.1
    assert {"psi:score", "psi:recency_days", "missing:gap_mean", "roc_auc", "brier", "ece"} <= set(found)
    assert found["psi:season_sin"].threshold is None  # moves by nature
    of_day = {row["metric"] for row in lake.read(MODEL_MONITORING).where(F.col("as_of") == F.lit(D)).collect()}
    assert "psi:score" in of_day
    assert "pr_auc" not in of_day  # nothing was scored a gap and a horizon before D


@pytest.mark.parametrize("setting", ["churn.horizon_days=61", "mlflow.model_name=another"])
def test_scores_that_foretold_something_else_are_not_judged(lake: Lake, setting: str) -> None:
    given_on, every = jobs.find("churn_score").module.given_on, lake.read(CHURN_SCORES)
    assert given_on(D, every, registry(lake)).count() == len(rows(lake))
    assert given_on(D, every, registry(lake, setting)).isEmpty()


def test_an_alert_makes_training_due_on_a_later_day(lake: Lake) -> None:
    kept, on = registry(lake), D + timedelta(days=67)
    champion = kept.champion(D)
    assert champion is not None
    kept.alert(champion, on)
    next_day = on + timedelta(days=1)
    assert kept.due(on, 365, 1) is None  # the day run again is scored by the same model
    assert kept.due(next_day, 365, 1) == f"monitoring raised an alert as of {on}"
    assert kept.due(next_day, 365, 69) is None


def test_training_is_due_by_age(lake: Lake) -> None:
    kept = registry(lake)
    assert kept.due(D - timedelta(days=1), 7, 3) == "there is no model yet"
    assert kept.due(D + timedelta(days=6), 7, 3) is None
    assert kept.due(D + timedelta(days=7), 7, 3) == f"the last training was as of {D}"
    before = kept.versions()
    if_needed(lake, D + timedelta(days=1))
    assert kept.versions() == before


def test_a_model_that_foretells_something_else_is_none(lake: Lake) -> None:
    other = registry(lake, "churn.horizon_days=61")
    assert other.champion(D) is None
    assert other.due(D, 7, 3) == "there is no model yet"
    with pytest.raises(UserError, match=r"version 1 foretells .* horizon 60; the configuration asks for .* horizon 61"):
        other.promote("1")


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("mlflow.model_name=another", "another has no champion as of 2025-10-20"),
        ("mlflow.tracking_uri=http://127.0.0.1:9", r"the model registry http://127\.0\.0\.1:9 cannot be used"),
    ],
)
def test_without_a_champion_nobody_is_scored_and_scores_stay(lake: Lake, setting: str, said: str) -> None:
    before = rows(lake)
    unused = lake.read(CHURN_SCORES)
    with pytest.raises(UserError, match=said):
        jobs.find("churn_score").module.score_members(lake, settings(lake, setting), D, unused, unused)
    assert rows(lake) == before


def test_a_dead_registry_stops_only_what_needs_it(lake: Lake) -> None:
    """Training and scores fail; who has churned is told all the same, and whoever reads that goes on."""
    day = D + timedelta(days=2)
    conf = settings(lake, "mlflow.tracking_uri=http://127.0.0.1:9")

    def reader(name: str, table: Table) -> jobs.Job:
        module: Any = SimpleNamespace(READS=(table,), WRITES=(table,), run=lambda *_: None)
        return jobs.Job(name, "", module)

    asked = [
        *[jobs.find(name) for name in ("churn_train", "churn_score")],
        reader("of status", CHURN_STATUS),
        reader("of scores", CHURN_SCORES),
    ]
    found = {o.job: o.state for o in runner.run_day(lake, conf, asked, day)}
    assert found == {"churn_train": "failed", "churn_score": "failed", "of status": "done", "of scores": "skipped"}
    assert not lake.read(CHURN_STATUS).where(F.col("as_of") == F.lit(day)).isEmpty()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    """A tracking server in a process of its own; its URI."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    places = ["--backend-store-uri", f"sqlite:///{tmp_path}/kept.db", "--artifacts-destination", str(tmp_path / "kept")]
    command = [sys.executable, "-m", "mlflow", "server", *places, "--host", "127.0.0.1", "--port", port]
    own = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}  # needs another package
    with (tmp_path / "log").open("w") as log:
        started = subprocess.Popen(
            [*command, "--workers", "1"], env={**os.environ, **own}, stdout=log, stderr=log, start_new_session=True
        )
    try:
        for _ in range(600):
            if started.poll() is not None:
                break
            with contextlib.suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5):
                yield f"http://127.0.0.1:{port}"
                return
            time.sleep(0.2)
        pytest.fail((tmp_path / "log").read_text())
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(started.pid, signal.SIGKILL)  # its workers too


def test_a_tracking_server_keeps_what_the_folder_does(lake: Lake, server: str) -> None:
    """Trained and loaded over HTTP alone: the same model and files as with the default store."""
    at_server = f"mlflow.tracking_uri={server}"
    ours, theirs = registry(lake), registry(lake, at_server)
    local = ours.champion(D)
    run(lake, "churn_train", D, at_server)
    remote = theirs.champion(D)
    assert local is not None
    assert remote is not None
    assert theirs.measures(remote) == ours.measures(local)
    kept = [{f.path for f in r._client.list_artifacts(v.run_id)} for r, v in ((ours, local), (theirs, remote))]
    assert kept[0] == kept[1]
    members = lake.read(CHURN_FEATURES).where(F.col("as_of") == F.lit(D))
    loaded = [r.load(v, types()) for r, v in ((ours, local), (theirs, remote))]
    assert loaded[0].effects == loaded[1].effects
    told = [models.with_probability(m.pipeline, members).select("member_id", "probability") for m in loaded]
    assert sorted(told[0].collect()) == sorted(told[1].collect())


def test_a_model_of_other_features_is_refused(lake: Lake) -> None:
    kept = registry(lake)
    champion = kept.champion(D)
    assert champion is not None
    others = {**types(), "gender": "double"}
    del others["recency_days"]
    with pytest.raises(UserError, match="recency_days is gone, not double; gender is double, not string"):
        kept.load(champion, others)
    assert set(types()) == set(NAMES)


def test_a_damaged_model_is_told_in_a_line(lake: Lake, tmp_path: Path) -> None:
    shutil.copytree(Path(str(lake.conf.root), "_mlflow"), tmp_path / "_mlflow")
    kept = Registry(settings(lake).mlflow, configured(lake=str(tmp_path)).lake, settings(lake).churn.foretells)
    champion = kept.champion(D)
    assert champion is not None
    for name in ("effects.json", "MLmodel", "stages/*/metadata/part-*", "stages/*/data/*.parquet"):
        whole = {path: path.read_bytes() for path in tmp_path.rglob(name)}
        assert whole
        for path in whole:
            path.write_bytes(b"{")
        with pytest.raises(
            UserError, match=r"^memberlake-churn version 1 cannot be loaded, .* is damaged \(\w+\): [^\n]+$"
        ):
            kept.load(champion, types())
        for path, content in whole.items():
            path.write_bytes(content)
    assert kept.load(champion, types()).version == champion


def test_a_record_that_is_too_short(lake: Lake) -> None:
    with pytest.raises(NotYet, match="the record begins on 2024-01-01, too late"):
        run(lake, "churn_train", date(2024, 6, 1))
