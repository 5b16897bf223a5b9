"""The jobs on a standalone cluster: a master and two workers, each a process of its own, one of which is killed."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import pyspark
import pytest
from chispa import assert_df_equality
from click.testing import CliRunner
from pyspark.sql import SparkSession
from tests.conftest import FAST_START, PROJECT, cluster_shell, configured

from memberlake import cli
from memberlake.lake import machine
from memberlake.lake.store import Lake
from memberlake.tables.gold.value import RFM_SCORES, SCORE_BINS
from memberlake.tables.silver import ORDERS

pytestmark = pytest.mark.cluster

HOST = "127.0.0.1"
FILES, ORDERS_A_FILE = 4, 20_000
AS_OF = "2026-06-30"
JVM = FAST_START["spark.driver.extraJavaOptions"]

T = TypeVar("T")


@dataclass
class Worker:
    process: subprocess.Popen[bytes]
    folder: Path

    @property
    def executors(self) -> set[str]:
        """The ids of the executors that it has started; an application has one here."""
        return {place.name for place in self.folder.glob("app-*/[0-9]*")}

    def send(self, number: signal.Signals) -> None:
        """To the worker and to its executor, which is in its process group: to the whole machine, so to speak."""
        os.killpg(self.process.pid, number)


@dataclass
class Cluster:
    folder: Path
    port: int
    web: int
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)
    workers: list[Worker] = field(default_factory=list)

    def start(self) -> None:
        self._spawn("master", "master.Master", "--port", self.port, "--webui-port", self.web)
        waited("the master", lambda: told(f"http://{HOST}:{self.web}/json/") is not None)
        for name in ("worker0", "worker1"):
            folder = self.folder / name
            limits = ("--cores", 1, "--memory", "1500m", "--work-dir", folder, "--webui-port", free_port())
            self.workers.append(
                Worker(self._spawn(name, "worker.Worker", f"spark://{HOST}:{self.port}", *limits), folder)
            )
        waited("both workers", lambda: self.states() == ["ALIVE", "ALIVE"])

    def states(self) -> list[str]:
        """What the master says of its workers."""
        master = told(f"http://{HOST}:{self.web}/json/") or {"workers": []}
        return sorted(worker["state"] for worker in master["workers"])

    def submit(self, package: Path, script: str, *arguments: object, conf: dict[str, str]) -> subprocess.Popen[bytes]:
        """As the README says, but for the jars: those of this machine, so that no network is needed."""
        settings = {"spark.jars.packages": "", "spark.driver.host": HOST, "spark.log.level": "WARN", **FAST_START}
        settings |= {"spark.executor.extraJavaOptions": JVM, "spark.sql.shuffle.partitions": "4"}
        settings |= {"spark.databricks.delta.snapshotPartitions": "1", **conf}
        return self._run(
            script,
            Path(sys.executable).parent / "spark-submit",
            *("--master", f"spark://{HOST}:{self.port}", "--properties-file", PROJECT / "conf/spark/standalone.conf"),
            *(part for key, value in settings.items() for part in ("--conf", f"{key}={value}")),
            *("--jars", ",".join(map(str, machine.delta_jars())), "--py-files", package),
            *(PROJECT / "jobs" / script, "--conf", PROJECT / "conf" / "local.yaml", *arguments),
        )

    def log(self, name: str) -> str:
        return (self.folder / f"{name}.log").read_text(errors="replace")

    def stop(self) -> None:
        for process in reversed(self.processes):
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def _spawn(self, name: str, role: str, *arguments: object) -> subprocess.Popen[bytes]:
        spark_class = Path(pyspark.__file__).parent / "bin" / "spark-class"
        return self._run(name, spark_class, f"org.apache.spark.deploy.{role}", *arguments, "--host", HOST)

    def _run(self, name: str, *command: object) -> subprocess.Popen[bytes]:
        with (self.folder / f"{name}.log").open("wb") as log:
            process = subprocess.Popen(
                [str(part) for part in command],
                cwd=self.folder, env={**cluster_shell(), "SPARK_DAEMON_JAVA_OPTS": JVM},
                stdout=log, stderr=subprocess.STDOUT, start_new_session=True,
            )  # fmt: skip
        self.processes.append(process)
        return process


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    folder = tmp_path / "cluster"
    folder.mkdir()
    cluster = Cluster(folder, free_port(), free_port())
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.stop()


def test_a_worker_that_is_lost_at_work_changes_no_result(
    spark: SparkSession, cluster: Cluster, package: Path, tmp_path: Path
) -> None:
    landing, events = made_landing(tmp_path / "landing"), tmp_path / "events"
    events.mkdir()
    ui = free_port()
    conf = {"spark.ui.port": str(ui), "spark.eventLog.enabled": "true", "spark.eventLog.dir": events.as_uri()}
    conf |= {"spark.eventLog.compress": "false"}
    there, here = tmp_path / "cluster-lake", tmp_path / "local-lake"
    ingest_all, rfm_of_day = ("--source", "contracts", "--landing", landing), ("--as-of", AS_OF)

    ingest = cluster.submit(package, "ingest.py", *ingest_all, "--lake", there, conf=conf)
    lost, executor = frozen_at_work(cluster, ingest, ui)
    assert cluster.states() == ["ALIVE", "ALIVE"]
    lost.send(signal.SIGKILL)
    assert ingest.wait(600) == 0, cluster.log("ingest.py")[-3000:]
    assert tasks_lost_with(executor, events) >= 1
    assert cluster.states() == ["ALIVE", "DEAD"]

    rfm = cluster.submit(package, "rfm.py", *rfm_of_day, "--lake", there, conf=conf)
    assert rfm.wait(600) == 0, cluster.log("rfm.py")[-3000:]

    for command in (("ingest", *ingest_all), ("run", "rfm", *rfm_of_day)):
        done = CliRunner().invoke(cli.main, [str(part) for part in (*command, "--lake", here)])
        assert done.exit_code == 0, done.output
    found, expected = (Lake(spark, configured(lake=str(root)).lake) for root in (there, here))
    assert expected.read(ORDERS).count() == FILES * ORDERS_A_FILE
    for table in (ORDERS, RFM_SCORES, SCORE_BINS):
        assert_df_equality(found.read(table), expected.read(table), ignore_row_order=True)


def frozen_at_work(cluster: Cluster, driver: subprocess.Popen[bytes], ui: int) -> tuple[Worker, str]:
    """A worker that is stopped in the middle of tasks, and its executor; what it did before is in its shuffle files."""

    def busy() -> dict[str, Worker]:
        executors = {each["id"]: each for each in driver_told(ui, "executors") or []}
        return {
            name: worker
            for worker in cluster.workers
            for name in worker.executors
            if name in executors and executors[name]["activeTasks"] and executors[name]["totalShuffleWrite"]
        }

    def frozen() -> tuple[Worker, str] | None:
        assert driver.poll() is None, "the job ended before a worker was met at work"
        for name, worker in busy().items():
            worker.send(signal.SIGSTOP)
            time.sleep(1)  # what it had said before it stopped has arrived
            if name in busy():
                return worker, name
            worker.send(signal.SIGCONT)
        return None

    return waited("a worker at work", frozen, every=0.2)


def tasks_lost_with(executor: str, events: Path) -> int:
    """How many tasks the driver counted as lost with that executor, by its event log."""
    lines = [json.loads(line) for log in events.rglob("events_*") for line in log.open()]
    ended = [line["Task End Reason"] for line in lines if line["Event"] == "SparkListenerTaskEnd"]
    return sum(end["Reason"] == "ExecutorLostFailure" and end["Executor ID"] == executor for end in ended)


def made_landing(folder: Path) -> Path:
    """Orders of 10,000 members over a year, in no order of time."""
    (folder / "orders").mkdir(parents=True)
    first = datetime(2025, 7, 1)
    for n in range(FILES):
        with (folder / "orders" / f"{n}.csv").open("w") as file:
            file.write("order_id,member_id,ordered_at,status,gross_amount,net_amount,updated_at\n")
            for m in range(n * ORDERS_A_FILE, (n + 1) * ORDERS_A_FILE):
                at = (first + timedelta(minutes=m * 7919 % 525_600)).isoformat()
                amount = f"{m * 31 % 50_000 / 100:.2f}"
                file.write(f"o{m},m{m * 17 % 10_000},{at}Z,paid,{amount},{amount},{at}Z\n")
    return folder


def driver_told(ui: int, what: str) -> Any:
    """Of the application that runs; None before it has started."""
    applications = told(f"http://{HOST}:{ui}/api/v1/applications")
    return told(f"http://{HOST}:{ui}/api/v1/applications/{applications[0]['id']}/{what}") if applications else None


def told(url: str) -> Any:
    """The JSON at a local URL; None when nothing answers yet."""
    try:
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(url, timeout=10) as answer:
            return json.load(answer)
    except (OSError, ValueError):
        return None


def waited(what: str, look: Callable[[], T], seconds: float = 300, every: float = 0.3) -> T:
    """The first answer of `look` that is not empty."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if answer := look():
            return answer
        time.sleep(every)
    raise AssertionError(f"{what}: not there after {seconds} seconds")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port
