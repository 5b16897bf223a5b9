"""`memberlake models` on a registry of two versions without a model: lists, compares, rolls back; what goes wrong."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from tests.conftest import configured

from memberlake import cli
from memberlake.churn.registry import CHAMPION, Registry

NAME = "memberlake-churn"


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A lake's folder whose registry has a champion, version 1, and a challenger that was refused."""
    root = tmp_path_factory.mktemp("models")
    client = registry(str(root))._client
    client.create_registered_model(NAME)
    foretells = configured().churn.foretells
    experiment = client.create_experiment("churn", artifact_location=f"file://{root}/artifacts")
    for as_of, pr_auc, reason in (("2026-01-04", 0.5, "beats recency alone"), ("2026-01-11", 0.25, "does not beat")):
        run = client.create_run(experiment).info.run_id
        client.log_metric(run, "pr_auc", pr_auc)
        tags = {"as_of": as_of, "model": "random_forest", "reason": reason, "promoted": "true", "foretells": foretells}
        client.create_model_version(NAME, f"file://{root}/none", run, tags=tags)
    client.set_registered_model_alias(NAME, CHAMPION, "1")
    (root / "ops").mkdir()  # as a lake has
    return str(root)


def registry(root: str) -> Registry:
    conf = configured(lake=root)
    return Registry(conf.mlflow, conf.lake, conf.churn.foretells)


def models(root: str, *arguments: str) -> Result:
    return CliRunner().invoke(cli.main, ["models", *arguments, "--lake", root])


def lines(result: Result) -> list[list[str]]:
    assert result.exit_code == 0, result.output
    return [line.split() for line in result.stdout.splitlines()]


def test_versions_are_listed_the_newest_first_with_the_reason(root: str) -> None:
    told = lines(models(root))
    refused, champion = told[-3:-1]
    assert refused == ["2", "2026-01-11", "random_forest", "does", "not", "beat"]
    assert champion == ["1", "champion", "2026-01-04", "random_forest", "beats", "recency", "alone"]


def test_their_measures_stand_side_by_side(root: str) -> None:
    told = lines(models(root, "compare"))
    assert ["measure", "2", "1", "(champion)"] in told
    assert next(line for line in told if line[:1] == ["pr_auc"])[1:] == ["0.25", "0.5"]


def test_promoting_an_older_version_is_a_rollback(root: str) -> None:
    told = models(root, "promote", "2")
    assert (told.exit_code, told.stdout) == (0, f"{NAME} version 2 (trained as of 2026-01-11) is champion\n")
    assert [v.is_champion for v in registry(root).versions()] == [True, False]
    assert models(root, "promote", "1").exit_code == 0
    assert [v.is_champion for v in registry(root).versions()] == [False, True]


def test_a_backfill_takes_the_alias_from_no_later_champion(root: str) -> None:
    kept = registry(root)
    kept.promote("2")
    earlier = kept.versions()[1]
    assert not kept._crown(earlier)
    assert [v.version for v in kept.versions() if v.is_champion] == ["2"]
    assert kept.champion(date(2026, 1, 10)) == earlier  # the days before are its own
    kept.promote("1")
    assert kept.champion(date(2026, 1, 11)) == kept.versions()[1]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["promote", "9"], f"there is no version 9 of {NAME}; there are 2, 1"),
        (["promote"], "models promote needs a VERSION"),
        (["list", "1"], "models list takes no VERSION"),
        (
            ["--set", "mlflow.tracking_uri=http://127.0.0.1:9"],
            "the model registry http://127.0.0.1:9 cannot be used: it does not answer",
        ),
        (  # whoever may read the log need not know the password
            ["--set", "mlflow.tracking_uri=http://me:secret@127.0.0.1:9"],
            "the model registry http://127.0.0.1:9 cannot be used: it does not answer",
        ),
        (["--set", "mlflow.tracking_uri=sqlite:////proc/none/mlflow.db"], "cannot be used: "),
    ],
    ids=["unknown version", "no version", "one too many", "server out of reach", "with a password", "no database"],
)
def test_what_goes_wrong_is_one_sentence_and_exit_code_2(root: str, arguments: list[str], said: str) -> None:
    ended = models(root, *arguments)
    assert ended.exit_code == 2
    assert said in ended.stderr
    assert len(ended.stderr.strip().splitlines()) == 1, ended.stderr


def test_a_folder_that_is_no_lake(tmp_path: Path) -> None:
    ended = models(str(tmp_path / "none"))
    assert (ended.exit_code, "there is no lake at" in ended.stderr) == (2, True)


@pytest.mark.parametrize("name", ["a%20b", "a?b", "a#b"])
def test_a_lake_that_mlflow_would_seek_elsewhere(tmp_path: Path, name: str) -> None:
    """Of `a%20b` it makes `a b`, which may be another lake."""
    (tmp_path / name / "ops").mkdir(parents=True)
    ended = models(str(tmp_path / name))
    assert (ended.exit_code, "MLflow keeps no models in" in ended.stderr) == (2, True)
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_a_lake_by_any_other_name(tmp_path: Path) -> None:
    root = tmp_path / "a b'\"%会员+{c};&="
    (root / "ops").mkdir(parents=True)
    assert models(str(root)).exit_code == 0
    assert (root / "_mlflow" / "mlflow.db").is_file()
