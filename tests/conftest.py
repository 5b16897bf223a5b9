"""One Spark session for the suite, and small helpers. Tests without Delta need no `lake`."""

from __future__ import annotations

import os
import sys
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from memberlake import conf
from memberlake.conf import Conf
from memberlake.lake import machine, session
from memberlake.lake.store import Lake

PROJECT = Path(__file__).parents[1]
os.environ.setdefault("MEMBERLAKE_HOME", str(PROJECT))
if not hasattr(sys.modules["__main__"], "__file__"):
    # a process of xdist: pyspark.ml.connect, which mlflow imports, would take it for its doctests and exit
    sys.modules["__main__"].__file__ = __file__

SMALL = {
    "spark.sql.shuffle.partitions": "1",
    "spark.driver.memory": "3g",
    "spark.buffer.pageSize": "2m",  # of 64, a broadcast table of three rows takes 64 MB until it is collected
    "spark.sql.ui.retainedExecutions": "200",  # of 1000, plans fill the memory, and their collection takes minutes
}
FAST_START = {  # C1 and the serial collector save a quarter of a short command's CPU time
    **SMALL,
    "spark.driver.extraJavaOptions": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC -XX:ReservedCodeCacheSize=512m",
}
SHIPPED = session.properties(PROJECT / "conf" / "spark" / "local.conf")["spark.driver.extraJavaOptions"]
LONG_LIFE = {  # C2 pays in half an hour; two sessions share two cores; 64 of Delta's logs are kept, not 10,000
    **SMALL,
    "spark.driver.extraJavaOptions": f"{SHIPPED} -Ddelta.log.cacheSize=64".replace("Parallel", "Serial"),
}


@pytest.fixture(scope="session")
def spark(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SparkSession]:
    warehouse = {"spark.sql.warehouse.dir": str(tmp_path_factory.mktemp("warehouse"))}
    started = session.start({**LONG_LIFE, **warehouse})
    yield started
    started.stop()


@pytest.fixture(scope="session")
def rules() -> Conf:
    """The shipped configuration."""
    return configured()


@pytest.fixture(scope="session")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """memberlake.zip, and nothing else of the project: what executors get."""
    archive = tmp_path_factory.mktemp("package") / "memberlake.zip"
    with zipfile.ZipFile(archive, "w") as target:
        for file in sorted((PROJECT / "lib" / "memberlake").rglob("*.*")):
            if file.suffix in {".py", ".html", ".css", ".js"}:
                target.write(file, file.relative_to(PROJECT / "lib"))
    return archive


@pytest.fixture
def lake(spark: SparkSession, tmp_path: Path) -> Lake:
    """An empty lake in a folder of its own."""
    return Lake(spark, configured(lake=str(tmp_path / "lake")).lake)


@pytest.fixture
def far_east(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """This machine's clock is not on UTC: by it Spark tells Python of instants."""
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "Asia/Shanghai")
        time.tzset()
        yield
    time.tzset()


def configured(*sets: str, lake: str | None = "/nowhere") -> Conf:
    """The shipped configuration with settings as --set gives them."""
    return conf.load(sets=sets, lake=lake)


def cluster_shell() -> dict[str, str]:
    """Only what a cluster's shell has: no MEMBERLAKE_HOME, this Python first."""
    home = machine.find_java()
    assert home
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    kept = {k: v for k, v in os.environ.items() if k != "MEMBERLAKE_HOME" and not k.startswith(("PYSPARK", "SPARK"))}
    return {**kept, "PATH": path, "JAVA_HOME": str(home), "PYSPARK_PYTHON": sys.executable}
