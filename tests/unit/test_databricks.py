"""databricks.yml says the same as jobs/, the commands and conf/databricks.yaml. Nothing here needs Databricks."""

from __future__ import annotations

import json
import re
from importlib.metadata import EntryPoint
from typing import Any

import click
import pytest
from tests.conftest import PROJECT

from memberlake import calendar, cli, conf, jobs, notebook
from memberlake.commands import Days, Given
from memberlake.conf import Conf

TARGETS = ("dev", "prod")


def nightly(target: str) -> dict[str, Any]:
    """The nightly workflow as a target sees it: its own settings laid over, variables put in, the project as home."""
    bundle = conf.read_layer(PROJECT / "databricks.yml").values
    own = bundle["targets"][target]
    values = {f"var.{name}": variable["default"] for name, variable in bundle["variables"].items()}
    values |= {f"var.{name}": value for name, value in own.get("variables", {}).items()}
    values |= {"workspace.file_path": PROJECT}
    job = bundle["resources"]["jobs"]["nightly"]
    over = own.get("resources", {}).get("jobs", {}).get("nightly", {})
    job = {**job, "schedule": {**job["schedule"], **over.get("schedule", {})}}
    text = re.sub(r"\$\{([^}]*)\}", lambda name: str(values[name[1]]), json.dumps(job))
    given = {parameter["name"]: parameter["default"] for parameter in job["parameters"]}
    resolved: dict[str, Any] = json.loads(
        re.sub(r"\{\{job\.parameters\.(\w+)\}\}", lambda name: str(given[name[1]]), text)
    )
    return resolved


def wheel_tasks(target: str) -> dict[str, list[str]]:
    """The parameters of each task."""
    return {task["task_key"]: task["python_wheel_task"]["parameters"] for task in nightly(target)["tasks"]}


def understood(parameters: list[str]) -> click.Context:
    """The parameters as their command takes them: an unknown command or option raises."""
    command = cli.main.commands[parameters[0]]
    return command.make_context(parameters[0], parameters[1:])


def configured(context: click.Context) -> Conf:
    return Given(**{name: context.params.get(name) for name in Given._fields}).configuration()


def test_the_runtime_has_the_spark_that_scoring_needs() -> None:
    (cluster,) = nightly("prod")["job_clusters"]
    assert int(cluster["new_cluster"]["spark_version"].partition(".")[0]) >= 18  # 17 has Spark 4.0


def test_a_task_for_each_job_after_those_that_write_what_it_reads() -> None:
    every = jobs.every()
    writers = {table: job.name for job in every for table in job.writes}
    expected = {job.name: sorted({writers[t] for t in job.reads if t in writers}) for job in every}
    tasks = nightly("prod")["tasks"]
    declared = {task["task_key"]: sorted(t["task_key"] for t in task.get("depends_on", [])) for task in tasks}
    assert declared == expected, "databricks.yml: a task for each job; depends_on names all that write what it reads"
    assert len(tasks) == len(declared)


def test_a_failed_task_stops_those_that_wait_for_it() -> None:
    """As in `memberlake nightly`: scoring goes on without a new model, and the report shows what failed."""
    after = {task["task_key"]: {t["task_key"] for t in task.get("depends_on", [])} for task in nightly("prod")["tasks"]}
    condition = {task["task_key"]: task.get("run_if", "ALL_SUCCESS") for task in nightly("prod")["tasks"]}
    writers = {table: job.name for job in jobs.every() for table in job.writes}
    for job in jobs.every():
        waits = {writers[t] for t in job.waits_for if t in writers}
        if not job.writes:
            assert condition[job.name] == "ALL_DONE"
        elif waits == after[job.name]:
            assert condition[job.name] == "ALL_SUCCESS"
        else:  # it runs when one has succeeded: the only one it waits for, which all the others wait for as well
            assert condition[job.name] == "AT_LEAST_ONE_SUCCESS"
            (needed,) = waits
            assert all(needed in after[other] for other in after[job.name] - waits)


@pytest.mark.parametrize("target", TARGETS)
def test_a_task_gives_its_command_the_options_that_it_has(target: str) -> None:
    business_timezone = conf.load(lake="/nowhere").business_timezone
    for name, parameters in wheel_tasks(target).items():
        context = understood(parameters)
        if name == "ingest":
            assert context.command is cli.ingest_command
            assert (PROJECT / "conf" / "sources" / f"{context.params['name']}.yaml").is_file()
            continue
        assert context.command is cli.run_command
        assert context.params["job"] == name
        days = Days(context.params["as_of"], context.params["first"], context.params["last"])
        assert days.listed(business_timezone) == [calendar.yesterday(business_timezone)]


def test_prod_is_where_the_configuration_of_databricks_says() -> None:
    expected = conf.load([PROJECT / "conf" / "databricks.yaml"])
    for parameters in wheel_tasks("prod").values():
        assert configured(understood(parameters)) == expected


def test_dev_touches_nothing_of_prod() -> None:
    def places(parameters: list[str]) -> dict[str, str | None]:
        found = configured(understood(parameters))
        given = found.landing if parameters[0] == "ingest" else None  # the other jobs read no files
        pages = found.report.folder if parameters[1] == "report" else None  # the other jobs write tables alone
        keeps_models = parameters[1].startswith("churn_")
        return {
            "model": found.mlflow.model_name if keeps_models else None,
            "experiment": found.mlflow.experiment if keeps_models else None,
            "catalog": found.lake.catalog,
            "checkpoints": found.lake.checkpoints,
            "landing": given,
            "report": pages,
        }

    prod, dev = wheel_tasks("prod"), wheel_tasks("dev")
    for name in prod:
        shared = set(places(prod[name]).values()) & set(places(dev[name]).values())
        assert shared <= {None}, name


def test_the_wheel_has_the_entry_and_the_cluster_the_home() -> None:
    job = nightly("prod")
    (cluster,) = job["job_clusters"]
    assert cluster["new_cluster"]["spark_env_vars"] == {"MEMBERLAKE_HOME": str(PROJECT)}
    project = (PROJECT / "pyproject.toml").read_text(encoding="utf-8")
    (entry,) = re.findall(r'^\[project\.entry-points\.packages\]\ntask = "(.*)"$', project, re.MULTILINE)
    assert EntryPoint("task", entry, "packages").load() is cli.task
    for task in job["tasks"]:
        assert task["job_cluster_key"] == cluster["job_cluster_key"]
        assert {"whl": "dist/*.whl"} in task["libraries"]
        assert task["python_wheel_task"].keys() == {"package_name", "entry_point", "parameters"}
        assert task["python_wheel_task"]["package_name"] == "memberlake"
        assert task["python_wheel_task"]["entry_point"] == "task"


def test_tasks_that_keep_models_have_what_the_registry_imports() -> None:
    project = (PROJECT / "pyproject.toml").read_text(encoding="utf-8")
    (extra,) = re.findall(r"^churn = \[(.*?)\]", project, re.MULTILINE | re.DOTALL)
    pinned = {re.split("[=>]", package)[0]: package for package in re.findall('"(.*?)"', extra)}
    for task in nightly("prod")["tasks"]:
        given = [library["pypi"]["package"] for library in task["libraries"] if "pypi" in library]
        wanted = ("mlflow-skinny", "sqlalchemy") if task["task_key"].startswith("churn_") else ()
        assert given == [pinned[name] for name in wanted]


def test_only_prod_runs_by_the_clock() -> None:
    schedules = {target: nightly(target)["schedule"] for target in TARGETS}
    assert {target: schedule["pause_status"] for target, schedule in schedules.items()} == {
        "dev": "PAUSED",
        "prod": "UNPAUSED",
    }
    assert schedules["prod"]["timezone_id"] == conf.load(lake="/nowhere").business_timezone


def test_a_task_returns_when_its_command_went_well_and_exits_when_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["task", "jobs"])
    cli.task()
    monkeypatch.setattr("sys.argv", ["task", "run", "no_such_job"])
    with pytest.raises(SystemExit) as ended:
        cli.task()
    assert ended.value.code == 2


def test_a_notebook_asks_widgets_where_there_are_some_else_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    class Widgets:
        """As dbutils.widgets: a widget shows its default until somebody fills it."""

        shown = {"lake": "filled"}

        def text(self, name: str, default: str) -> None:
            self.shown.setdefault(name, default)

        def get(self, name: str) -> str:
            return self.shown[name]

    class Dbutils:
        widgets = Widgets()

    monkeypatch.setenv("MEMBERLAKE_LAKE", "of the shell")
    monkeypatch.delenv("MEMBERLAKE_AS_OF", raising=False)
    asked = [notebook.settings(), notebook.settings(Dbutils())]
    assert [(setting("lake"), setting("as_of", "2026-11-20")) for setting in asked] == [
        ("of the shell", "2026-11-20"),
        ("filled", "2026-11-20"),
    ]
