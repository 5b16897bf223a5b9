"""The Spark session: taken from spark-submit, Databricks or a notebook when there is one, else started locally.

The only place that may use what Spark Connect lacks.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import re
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from py4j.protocol import Py4JError, Py4JJavaError
from pyspark.sql import SparkSession

from memberlake.conf import project_home
from memberlake.errors import UserError, cause
from memberlake.lake import machine
from memberlake.plans import Graph, Node

log = logging.getLogger(__name__)

_JAVA_OPTIONS, _COLLECTOR = "spark.driver.extraJavaOptions", r"-XX:\+Use\w+GC\b"


def start(overrides: Mapping[str, str] | None = None) -> SparkSession:
    """The session that is there, or a local one with the settings of conf/spark/local.conf.

    Args:
        overrides: Spark settings over those of the file; only for a session started here.

    Raises:
        UserError: no Java, or Delta's jars can't be had.
    """
    spark = SparkSession.getActiveSession()
    if spark is None:
        managed = "PYSPARK_GATEWAY_PORT" in os.environ or "DATABRICKS_RUNTIME_VERSION" in os.environ
        spark = SparkSession.builder.appName("memberlake").getOrCreate() if managed else _local(overrides or {})
    spark.conf.set("spark.sql.session.timeZone", "UTC")
    # Java never compiles a longer method: what judges a landing row, in one piece, would be interpreted
    spark.conf.set("spark.sql.codegen.hugeMethodLimit", "8000")
    # Spark's own form of an instant has no statistics within a file: a day would be looked for in all of it
    spark.conf.set("spark.sql.parquet.outputTimestampType", "TIMESTAMP_MICROS")
    spark.conf.set("spark.sql.execution.replaceHashWithSortAgg", "true")  # rows in order are grouped as they come
    # Spark 4.1 and 4.2.0 plan a union by the partitioning of its parts, and got rows wrong: SPARK-59141; and a night of
    # activity without adaptive execution lost a visitor's name
    spark.conf.set("spark.sql.unionOutputPartitioning", "false")
    spark.conf.set("spark.sql.legacy.javaCharsets", "true")  # sources may be in GB18030; Spark 4 alone reads UTF only
    return spark


def remove_unborn(spark: SparkSession, location: str) -> bool:
    """Removes what is left of a table whose making was killed before its first commit. False: other files are there.

    Delta takes such a folder for a table when it is asked to make one, and for none when it is asked to write.
    """
    held = listed(spark, location)
    if held != ["_delta_log"]:
        return not held
    if not any(name[0].isdigit() for name in listed(spark, f"{location}/_delta_log")):  # commits and checkpoints
        remove(spark, location)
    return True


def listed(spark: SparkSession, location: str) -> list[str]:
    """The names in a folder; none where it is not there, or out of reach of Spark Connect.

    Raises:
        UserError: it cannot be read.
    """
    if getattr(spark, "_jvm", None) is None:
        return []
    try:
        folder, files = _folder(spark, location)
        return [s.getPath().getName() for s in files.listStatus(folder)] if files.exists(folder) else []
    except Py4JJavaError as error:
        raise UserError(f"{location} cannot be read: {cause(error)}") from None


def make(spark: SparkSession, location: str) -> str | None:
    """Makes a folder; gives the reason when that cannot be."""
    folder, files = _folder(spark, location)
    try:
        return None if files.mkdirs(folder) else "its permissions or its disk forbid it"
    except Py4JJavaError as error:
        return cause(error)


def remove(spark: SparkSession, location: str) -> None:
    """Removes a folder and all that is in it."""
    folder, files = _folder(spark, location)
    files.delete(folder, True)


def _folder(spark: SparkSession, location: str) -> tuple[Any, Any]:
    """A path as Hadoop has it, and its file system."""
    folder = spark._jvm.org.apache.hadoop.fs.Path(location)  # type: ignore[union-attr]
    return folder, folder.getFileSystem(spark._jsparkSession.sessionState().newHadoopConf())


@contextlib.contextmanager
def watched(spark: SparkSession) -> Iterator[list[Graph]]:
    """A list that holds, after the block, the plans of the queries that ran in it, as they ran, with their metrics.

    They come from the store behind Spark's own SQL page, which is kept without the page too.

    Raises:
        UserError: on Spark Connect, where the store is out of reach.
    """
    jvm: Any = getattr(spark, "_jvm", None)
    if jvm is None:
        raise UserError("plans are not to be had through Spark Connect: use a session of the cluster itself")
    store = spark._jsparkSession.sharedState().statusStore()
    bus = spark._jsparkSession.sparkContext().listenerBus()
    whole = {"spark.sql.maxMetadataStringLength": "10000", "spark.sql.debug.maxToStringFields": "1000"}
    before = {key: str(spark.conf.get(key)) for key in whole}
    graphs: list[Graph] = []
    bus.waitUntilEmpty()
    known = store.executionsList()
    last = known.last().executionId() if known.size() else -1
    try:
        for key, value in whole.items():
            spark.conf.set(key, value)
        yield graphs
    finally:
        for key, value in before.items():
            spark.conf.set(key, value)
    bus.waitUntilEmpty()
    to_json = _to_json(jvm)
    ran = store.executionsList()
    numbers = [n for n in (ran.apply(at).executionId() for at in range(ran.size())) if n > last]
    for n in numbers:
        found = (store.planGraph(n), store.executionMetrics(n))
        graphs.append(_graph(*[json.loads(to_json.writeValueAsString(each)) for each in found]))


def _graph(shown: Mapping[str, Any], values: Mapping[str, str]) -> Graph:
    """A plan without the frames that Spark draws around what it compiles together."""
    nodes = [node for outer in shown["nodes"] for node in outer.get("nodes", [outer])]
    nodes.sort(key=lambda node: node["id"])  # Spark counts from the result down
    return Graph(
        [
            Node(
                node["id"],
                node["name"].strip(),
                node["desc"],
                {m["name"]: v for m in node["metrics"] if (v := values.get(str(m["accumulatorId"]))) is not None},
                tuple(m["accumulatorId"] for m in node["metrics"]),
            )
            for node in nodes
        ],
        [(edge["fromId"], edge["toId"]) for edge in shown["edges"]],
    )


def tree_of(model: Any) -> dict[str, Any]:
    """The root of a fitted Spark ML tree as nested nodes: prediction, impurityStats, split, leftChild, rightChild.

    Raises:
        UserError: on Spark Connect, where nodes are out of reach.
    """
    jvm: Any = getattr(SparkSession.active(), "_jvm", None)
    if jvm is None:
        raise UserError("trees are not to be had through Spark Connect: use a session of the cluster itself")
    root: dict[str, Any] = json.loads(_to_json(jvm).writeValueAsString(model._java_obj.rootNode()))
    return root


def _to_json(jvm: Any) -> Any:
    """Turns what lives in the JVM into JSON in one call, instead of one for each member of it."""
    mapper = jvm.com.fasterxml.jackson.databind.ObjectMapper()
    mapper.registerModule(jvm.com.fasterxml.jackson.module.scala.DefaultScalaModule())
    return mapper


@contextlib.contextmanager
def locking(spark: SparkSession, file: Path, position: int) -> Iterator[int | None]:
    """Spark's JVM holds the lock of one byte of a file. Gives the JVM's process id, None where there is no JVM."""
    jvm = getattr(spark, "_jvm", None)
    if jvm is None:
        yield None
        return
    opened = jvm.java.io.RandomAccessFile(str(file), "rw")
    try:
        opened.getChannel().lock(position, 1, False)
        yield jvm.java.lang.ProcessHandle.current().pid()
    finally:
        with contextlib.suppress(Py4JError, OSError):  # a JVM that is gone holds no lock
            opened.close()


def has_stopped(spark: SparkSession) -> bool:
    """True when nothing can be computed any more: Java is gone, or Spark in it."""
    try:
        spark.range(1).isEmpty()  # writes nothing: a full disk is another matter
    except Exception:  # Java, py4j and Spark each say it in their own way; the runner reports it
        return True
    return False


def _local(overrides: Mapping[str, str]) -> SparkSession:
    java = machine.find_java()
    if java is None:
        versions = " or ".join(machine.JAVA_VERSIONS)
        raise UserError(f"no Java {versions} found: run `memberlake setup`, which brings one, or set JAVA_HOME")
    os.environ["JAVA_HOME"] = str(java)
    os.environ["PYSPARK_PYTHON"] = sys.executable  # else the workers may run another Python
    said = next((os.environ[v] for v in ("LC_ALL", "LC_CTYPE", "LANG") if os.environ.get(v)), "C")
    if "utf" not in said.lower():
        os.environ["LC_ALL"] = "C.UTF-8"  # or the JVM can't open files with Chinese names
    settings = {**properties(project_home() / "conf" / "spark" / "local.conf"), **overrides}
    asked = " ".join(os.environ.get(name, "") for name in ("JDK_JAVA_OPTIONS", "JAVA_TOOL_OPTIONS", "_JAVA_OPTIONS"))
    if re.search(_COLLECTOR, asked):  # Java does not start with two
        settings[_JAVA_OPTIONS] = re.sub(_COLLECTOR, "", settings.get(_JAVA_OPTIONS, ""))
    # else Spark leaves a folder of that name wherever it is started
    settings.setdefault("spark.sql.warehouse.dir", str(Path(tempfile.gettempdir()) / "memberlake-warehouse"))
    settings["spark.jars"] = ",".join(map(str, machine.delta_jars()))
    builder = SparkSession.builder.appName("memberlake")
    for key, value in settings.items():
        builder = builder.config(key, value)
    with _quiet_start():
        return builder.getOrCreate()


def properties(file: Path) -> dict[str, str]:
    """The settings of a Spark properties file: key, white space, value."""
    lines = (line.strip() for line in file.read_text(encoding="utf-8").splitlines())
    return {key: value.strip() for key, value in (s.split(None, 1) for s in lines if s and not s.startswith("#"))}


class _quiet_start:
    """Gives the JVM a file as its stderr, for as long as it lives; shown only when the start fails."""

    def __enter__(self) -> None:
        sys.stderr.flush()
        self.kept = os.dup(2)
        self.log = machine.share() / "spark.log"
        with self.log.open("wb") as target:
            os.dup2(target.fileno(), 2)

    def __exit__(self, failed: object, *_: object) -> None:
        os.dup2(self.kept, 2)
        os.close(self.kept)
        if failed:
            sys.stderr.write(self.log.read_text(errors="replace"))
