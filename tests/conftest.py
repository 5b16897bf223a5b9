"""One Spark session for the suite, and small helpers. Tests without Delta need no `lake`."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from memberlake import conf
from memberlake.conf import Conf
from memberlake.lake import session
from memberlake.lake.store import Lake

PROJECT = Path(__file__).parents[1]
os.environ.setdefault("MEMBERLAKE_HOME", str(PROJECT))

FAST_START = {  # C1 and the serial collector: a quarter of the CPU time on small data
    "spark.driver.extraJavaOptions": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC",
    "spark.sql.shuffle.partitions": "1",
    "spark.driver.memory": "2g",
}


@pytest.fixture(scope="session")
def spark(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SparkSession]:
    warehouse = {"spark.sql.warehouse.dir": str(tmp_path_factory.mktemp("warehouse"))}
    started = session.start({**FAST_START, **warehouse})
    yield started
    started.stop()


@pytest.fixture(scope="session")
def rules() -> Conf:
    """The shipped configuration."""
    return configured()


@pytest.fixture
def lake(spark: SparkSession, tmp_path: Path) -> Lake:
    """An empty lake in a folder of its own."""
    return Lake(spark, configured(lake=str(tmp_path / "lake")).lake)


def configured(*sets: str, lake: str = "/nowhere") -> Conf:
    """The shipped configuration with settings as --set gives them."""
    return conf.load(sets=sets, lake=lake)
