"""Runs and models in MLflow: by default SQLite and a folder in the lake's folder, no server.

What is recorded holds no member's row: parameters, measures, counts by bin, a model, and an input example that is made
up. Models are loaded from the configured registry alone. MLflow is imported here only, and only when it is needed.
"""

from __future__ import annotations

import contextlib
import io
import json
import logging
import os
import re
from collections.abc import Iterator, Mapping
from datetime import date
from functools import cached_property
from typing import Any, NamedTuple

from pyspark.ml import PipelineModel
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from memberlake.churn import evaluate, moved, pictures
from memberlake.churn.explain import Effects
from memberlake.churn.features import DECLARED, Feature
from memberlake.churn.monitor import Spread
from memberlake.churn.training import Trained, Verdict
from memberlake.conf import LakeConf, MlflowConf, local_path
from memberlake.errors import NotYet, UserError, cause

log = logging.getLogger(__name__)

CHAMPION = "champion"
_NOTHING = {"RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"}  # what stores say of an unknown alias or model


class Version(NamedTuple):
    """A registered model version."""

    name: str
    version: str
    run_id: str
    tags: Mapping[str, str]
    is_champion: bool

    @property
    def trained_as_of(self) -> date:
        return date.fromisoformat(self.tags["as_of"])

    @property
    def calibrated_on(self) -> date | None:
        """None for a version of before this was kept."""
        return self._day("calibrated_on")

    @property
    def trained_from(self) -> date | None:
        """The first snapshot that it was trained on. None for a version of before this was kept."""
        return self._day("trained_from")

    def _day(self, tag: str) -> date | None:
        return date.fromisoformat(self.tags[tag]) if tag in self.tags else None

    @property
    def foretells(self) -> str | None:
        return self.tags.get("foretells")

    @property
    def threshold(self) -> float:
        return float(self.tags["threshold"])

    @property
    def was_promoted(self) -> bool:
        return self.tags.get("promoted") == "true"

    @property
    def rank(self) -> tuple[date, int]:
        """By what it has seen: a backfill registers a model of an earlier day later."""
        return self.trained_as_of, int(self.version)


class Loaded(NamedTuple):
    """A model as scoring needs it."""

    version: Version
    pipeline: PipelineModel
    effects: Effects
    spreads: Mapping[str, Spread]


class Registry:
    """Where models of one name are kept.

    Args:
        foretells: what they are to foretell. Versions for something else are listed, and otherwise left alone.

    Raises:
        NotYet: MLflow is not installed.
        UserError: there is no place for its default store.
    """

    def __init__(self, conf: MlflowConf, lake: LakeConf, foretells: str) -> None:
        self.name, self.experiment, self.foretells = conf.model_name, conf.experiment, foretells
        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")  # by default it tries for minutes
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "20")
        os.environ.setdefault("GIT_PYTHON_REFRESH", "quiet")
        try:
            import mlflow
            import sqlalchemy  # noqa: F401  what the default store needs
        except ImportError:
            raise NotYet("churn models are kept in MLflow: pip install 'memberlake[churn]'") from None
        for noisy in ("mlflow", "alembic", "urllib3"):  # of a failure the UserError says enough
            logging.getLogger(noisy).setLevel(logging.ERROR)
        self._mlflow = mlflow
        self._folder = None if conf.tracking_uri else self._own_folder(lake)
        self.tracking_uri = conf.tracking_uri or f"sqlite:///{self._folder}/mlflow.db"
        self.registry_uri = conf.registry_uri or self.tracking_uri

    @staticmethod
    def _own_folder(lake: LakeConf) -> str:
        root = local_path(lake.root)
        if root is None:
            raise UserError("a lake that is not a folder of this machine needs mlflow.tracking_uri, a server's URI")
        if re.search("[?#]|%[0-9A-Fa-f]{2}", str(root)):  # of a URI they mean something, which leads to another folder
            raise UserError(f"MLflow keeps no models in {root}: rename what has ?, # or %, or set mlflow.tracking_uri")
        folder = root / "_mlflow"
        folder.mkdir(parents=True, exist_ok=True)
        return str(folder)

    def _of(self, as_of: date) -> list[Version]:
        """The versions that foretell what is asked, and know nothing later."""
        return [v for v in self.alike() if v.trained_as_of <= as_of]

    @cached_property
    def _client(self) -> Any:
        if self._folder:
            moved.bring_along(self._folder)
        return self._mlflow.MlflowClient(self.tracking_uri, self.registry_uri)

    def versions(self) -> list[Version]:
        """All versions that this project registered, the newest first."""
        with self._reached():
            found = self._client.search_model_versions(f"name = '{self.name}'")
        champion = self._at_alias()
        ours = [(str(v.version), v.run_id, dict(v.tags)) for v in found if "as_of" in v.tags]
        listed = [Version(self.name, number, run, tags, number == champion) for number, run, tags in ours]
        return sorted(listed, key=lambda v: -int(v.version))

    def alike(self) -> list[Version]:
        """The versions that foretell what is asked."""
        return [v for v in self.versions() if v.foretells == self.foretells]

    def champion(self, as_of: date) -> Version | None:
        """The champion as of a day: the one of now, unless it was trained later; then the last promoted by that day.

        A model that was trained on a later day has seen what that day does not know.
        """
        versions = self._of(as_of)
        of_now = next((v for v in versions if v.is_champion), None)
        return of_now or max((v for v in versions if v.was_promoted), key=lambda v: v.rank, default=None)

    def due(self, as_of: date, every_days: int, pause_days: int) -> str | None:
        """Why a model is to be trained, None when it is not: there is none, the last is old, or a champion alerts.

        An alert of the day itself waits for the next, so that a day that is run again is scored by the same model.

        Args:
            every_days: at the latest so long after the last training.
            pause_days: at the earliest so long after it: challengers may be refused, and the alert stay.
        """
        trained = self._of(as_of)
        if not trained:
            return "there is no model yet"
        last = max(v.trained_as_of for v in trained)
        since = (as_of - last).days
        if since >= every_days:
            return f"the last training was as of {last}"
        alerts = [v.tags["alert_on"] for v in trained if "alert_on" in v.tags]
        alert = max((day for day in alerts if day < str(as_of)), default="")
        is_due = since >= pause_days and alert >= str(last)
        return f"monitoring raised an alert as of {alert}" if is_due else None

    def differences(self, version: Version, columns: Mapping[str, str]) -> list[str]:
        """What a model asks for and the features do not have, by its signature.

        Args:
            columns: names and types of the features there are.
        """
        with self._whole(version):
            asked = self._mlflow.models.get_model_info(_uri(version)).signature.inputs
        return [
            f"{c.name} is {columns.get(c.name, 'gone')}, not {c.type.name}"
            for c in asked.inputs
            if columns.get(c.name) != c.type.name
        ]

    def load(self, version: Version, columns: Mapping[str, str]) -> Loaded:
        """A model, its explanation and the spreads it was trained on.

        Args:
            columns: names and types of the features there are.

        Raises:
            UserError: the model's signature asks for other features, which names the differences; or it is damaged.
        """
        if differences := self.differences(version, columns):
            raise UserError(
                f"{self.name} version {version.version} does not fit the features of this memberlake: "
                f"{'; '.join(differences)}. Train a new model: memberlake run churn_train"
            )
        with self._whole(version):
            pipeline = self._mlflow.spark.load_model(_uri(version))
            effects, spreads = (self._artifact(version.run_id, name) for name in ("effects.json", "spreads.json"))
            return Loaded(
                version,
                pipeline,
                Effects(
                    effects["base"],
                    {f: {int(t): v for t, v in trees.items()} for f, trees in effects["of_leaves"].items()},
                    {f: [(int(p), w, m) for p, w, m in terms] for f, terms in effects["weights"].items()},
                ),
                {name: Spread(s["bounds"], s["counts"]) for name, s in spreads.items()},
            )

    def record(
        self,
        trained: Trained,
        verdict: Verdict,
        as_of: date,
        parameters: Mapping[str, Any],
        model: str,
        trained_from: date,
    ) -> Version:
        """A run with all that is known of the model, a version of it; and the alias, when the verdict says so.

        The version says whether it is promoted before the alias does, and its row in gold.churn_models comes last. So
        wherever a training stops, `finish` can tell what is left to do.
        """
        tags = {
            "as_of": str(as_of),
            "model": model,
            "foretells": self.foretells,
            "threshold": str(trained.threshold),
            "calibrated_on": str(parameters["calibrate"]),
            "trained_from": str(trained_from),
            "promoted": str(verdict.is_promoted).lower(),
            "reason": verdict.reason,
        }
        # by itself MLflow keeps the account and the path of whoever ran it
        of_run = {**tags, "mlflow.user": "memberlake", "mlflow.source.name": "churn_train"}
        with self._reached():
            experiment, run_name = self._experiment_id(), f"{model} as of {as_of}"
            with self._mlflow.start_run(experiment_id=experiment, run_name=run_name, tags=of_run) as run:
                self._mlflow.log_params({**parameters, **trained.fitted.parameters})
                self._mlflow.log_metrics(_flat(trained))
                self._mlflow.log_dict(trained.effects._asdict(), "effects.json")
                self._mlflow.log_dict({n: s._asdict() for n, s in trained.spreads.items()}, "spreads.json")
                self._mlflow.log_dict({"tried": [{**p, "pr_auc": v} for p, v in trained.fitted.tried]}, "tried.json")
                self._mlflow.log_dict({"dropped": [*trained.fitted.dropped]}, "dropped.json")
                self._mlflow.log_dict({"deciles": _deciles(trained)}, "calibration.json")
                for name, figure in pictures.of(trained):
                    self._mlflow.log_figure(figure, f"{name}.png")
                info = self._log_model(trained)
            with contextlib.redirect_stderr(io.StringIO()):  # MLflow prints what is logged anyhow
                registered = self._mlflow.register_model(info.model_uri, self.name, tags=tags)
        version = Version(self.name, str(registered.version), run.info.run_id, tags, is_champion=False)
        return version._replace(is_champion=verdict.is_promoted and self._crown(version))

    def finish(self, recorded: DataFrame) -> Version | None:
        """Ends a training that was stopped between its registered version and the row of that: sets the alias it lacks.

        Only the newest version can be one. Nothing is done to a version that has its row: its alias may have been moved
        by hand since.

        Args:
            recorded: gold.churn_models.

        Returns:
            The version whose row is missing.
        """
        newest = next(iter(self.versions()), None)
        if newest is None:
            return None
        if not recorded.where(F.col("run_id") == newest.run_id).isEmpty():
            return None
        is_crowned = newest.was_promoted and not newest.is_champion and self._crown(newest)
        left = "it becomes champion" if is_crowned else "its row in gold.churn_models is missing"
        log.warning("%s version %s: the training was stopped before its end; %s", self.name, newest.version, left)
        return newest

    def row(self, version: Version) -> dict[str, Any]:
        """The row of gold.churn_models, as the run has it."""
        run = self._run(version)
        same = ("base_rate", "pr_auc", "roc_auc", "brier", "ece")
        return {
            "as_of": version.trained_as_of,
            "model_name": version.name,
            "model_version": version.version,
            "model": run.tags["model"],
            "run_id": version.run_id,
            "tested_on": date.fromisoformat(run.params["test"]),
            "examples": int(run.metrics["examples"]),
            **{name: run.metrics[name] for name in same},
            "recency_pr_auc": run.metrics["recency.pr_auc"],
            "champion_pr_auc": run.metrics.get("champion.pr_auc"),
            "is_promoted": run.tags["promoted"] == "true",
            "reason": run.tags["reason"],
        }

    def promote(self, version: str) -> Version:
        """Makes a version champion by hand: a rollback. Later ones are withdrawn, and score no past day again either.

        Raises:
            UserError: there is no such version, or it foretells something else than is asked for.
        """
        known = {v.version: v for v in self.versions()}
        if version not in known:
            raise UserError(f"there is no version {version} of {self.name}; there are {', '.join(known) or 'none'}")
        chosen = known[version]
        if chosen.foretells != self.foretells:
            raise UserError(
                f"{self.name} version {version} foretells {chosen.foretells}; "
                f"the configuration asks for {self.foretells}"
            )
        rivals = [v for v in known.values() if v.foretells == self.foretells]
        later = [v for v in rivals if v.was_promoted and v.rank > chosen.rank]
        with self._reached():
            self._client.set_model_version_tag(self.name, version, "promoted", "true")
            for other in later:
                self._client.set_model_version_tag(self.name, other.version, "promoted", "false")
            self._client.set_registered_model_alias(self.name, CHAMPION, version)
        return chosen._replace(is_champion=True)

    def _crown(self, version: Version) -> bool:
        """Gives the alias to a version; not that of a champion of a later day, which it was not measured against."""
        champion = next((v for v in self.versions() if v.is_champion), None)
        if champion and champion.foretells == self.foretells and champion.rank > version.rank:
            return False
        with self._reached():
            self._client.set_registered_model_alias(self.name, CHAMPION, version.version)
        return True

    def alert(self, version: Version, as_of: date) -> None:
        """Marks a version as alerting, so that training is due. A day of the past does not hide a later one."""
        if version.tags.get("alert_on", "") >= str(as_of):
            return
        with self._reached():
            self._client.set_model_version_tag(version.name, version.version, "alert_on", str(as_of))

    def measures(self, version: Version) -> dict[str, float]:
        """The measures of a version's run."""
        found: dict[str, float] = self._run(version).metrics
        return found

    def _run(self, version: Version) -> Any:
        """Parameters, metrics and tags of a version's run."""
        with self._reached():
            return self._client.get_run(version.run_id).data

    def _log_model(self, trained: Trained) -> Any:
        from mlflow.models import ModelSignature
        from mlflow.types import ColSpec, Schema

        inputs = Schema([ColSpec(_type(f), f.name, required=False) for f in trained.fitted.used])
        outputs = Schema([ColSpec("double", "probability")])
        return self._mlflow.spark.log_model(
            trained.fitted.pipeline,
            artifact_path="model",
            signature=ModelSignature(inputs, outputs),
            input_example=_made_up(trained),
            pip_requirements=["pyspark>=4.2,<4.3"],  # without it a second Spark is started to find out
        )

    def _experiment_id(self) -> str:
        found = self._client.get_experiment_by_name(self.experiment)
        if found is not None:
            return str(found.experiment_id)
        place = {"artifact_location": moved.artifacts(self._folder)} if self._folder else {}
        return str(self._client.create_experiment(self.experiment, **place))

    def _at_alias(self) -> str | None:
        with self._reached():
            try:
                return str(self._client.get_model_version_by_alias(self.name, CHAMPION).version)
            except self._mlflow.exceptions.MlflowException as error:
                if error.error_code in _NOTHING:
                    return None
                raise

    def _artifact(self, run_id: str, name: str) -> Any:
        # load_dict tells what is no JSON as it tells that the registry cannot be reached
        return json.loads(self._mlflow.artifacts.load_text(f"runs:/{run_id}/{name}"))

    @contextlib.contextmanager
    def _reached(self) -> Iterator[None]:
        """MLflow, which knows one place at a time, set to this one; what it could not do becomes one sentence."""
        from requests.exceptions import RequestException
        from sqlalchemy.exc import SQLAlchemyError

        try:
            self._mlflow.set_tracking_uri(self.tracking_uri)
            self._mlflow.set_registry_uri(self.registry_uri)
            yield
        except (self._mlflow.exceptions.MlflowException, RequestException, SQLAlchemyError, OSError) as error:
            why = cause(error)
            why = "it does not answer" if "Max retries exceeded" in why else why
            message = f"the model registry {self.registry_uri} cannot be used: {why}"
            raise UserError(re.sub(r"//[^/\s@]*@", "//", message)) from error  # without user and password

    @contextlib.contextmanager
    def _whole(self, version: Version) -> Iterator[None]:
        """As `_reached`, for what is kept of a version; tells in one sentence that it is damaged, in whatever way."""
        try:
            with self._reached():
                yield
        except UserError:
            raise
        except Exception as error:  # of JSON, YAML, Parquet, or of what is not in them
            raise UserError(
                f"{self.name} version {version.version} cannot be loaded, what is kept of it is damaged "
                f"({type(error).__name__}): restore it, or make another champion: memberlake models promote VERSION"
            ) from error


def _uri(version: Version) -> str:
    return f"models:/{version.name}/{version.version}"


def types() -> dict[str, str]:
    """Names and types of the declared features, as a signature has them."""
    return {f.name: _type(f) for f in DECLARED}


def _type(feature: Feature) -> str:
    return "string" if feature.is_text else "double"


def _flat(trained: Trained) -> dict[str, float]:
    """`pr_auc` of the model itself, `recency.pr_auc` of the baseline."""
    tests = trained.tests.items()
    return {f"{who}.{name}".removeprefix("model."): value for who, found in tests for name, value in found.items()}


def _deciles(trained: Trained) -> list[dict[str, float]]:
    """The test by decile of the score: what `calibration.png` shows, highest first."""
    found = evaluate.deciles(trained.levels)
    return [{"members": n, "mean_probability": mean, "share_of_churners": rate} for n, mean, rate in found]


def _made_up(trained: Trained) -> Any:
    """An input example of nobody: the same small number everywhere."""
    import pandas as pd

    return pd.DataFrame([{f.name: "made up" if f.is_text else 1.0 for f in trained.fitted.used}])
