"""A cluster's way of running a job, in local mode: spark-submit, the package as a zip, the job's script."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from tests.conftest import PROJECT, cluster_shell

from memberlake.lake import machine
from memberlake.lake.store import Lake
from memberlake.tables.gold.value import RFM_SCORES
from memberlake.tables.silver import ORDERS

pytestmark = pytest.mark.e2e


def test_a_job_by_spark_submit(lake: Lake, package: Path, tmp_path: Path) -> None:
    at = datetime(2026, 3, 1, 4, 0)
    order = {"order_id": "007", "member_id": "m1", "ordered_at": at, "status": "paid", "gross_amount": Decimal("9.50")}
    order |= {"net_amount": Decimal("9.50"), "updated_at": at}
    row = tuple(order.get(name) for name in ORDERS.column_names)
    lake.append(ORDERS, lake.spark.createDataFrame([row], ORDERS.struct))

    submitted = subprocess.run(
        [
            Path(sys.executable).parent / "spark-submit",
            "--properties-file", PROJECT / "conf" / "spark" / "local.conf",
            "--jars", ",".join(map(str, machine.delta_jars())),
            "--py-files", package,
            PROJECT / "jobs" / "rfm.py",
            "--conf", PROJECT / "conf" / "local.yaml",
            "--set", "rfm.tiles=3", "--lake", lake.conf.root, "--as-of", "2026-03-04", "--json",
        ],
        cwd=tmp_path, env=cluster_shell(), capture_output=True, text=True, timeout=300,
    )  # fmt: skip

    assert submitted.returncode == 0, submitted.stderr[-2000:]
    # spark-submit gives the stderr of a Python job to its own stdout; the summary is the last line
    (told,) = json.loads(submitted.stdout.splitlines()[-1])["jobs"]
    assert (told["job"], told["as_of"], told["state"]) == ("rfm", "2026-03-04", "done")
    (scored,) = lake.read(RFM_SCORES).collect()
    assert (scored.as_of, scored.member_id, scored.recency_days) == (date(2026, 3, 4), "m1", 3)


def test_a_script_needs_no_project_around_it(package: Path, tmp_path: Path) -> None:
    """Cluster deploy mode: the driver has the script, the zip and the --files in one folder."""
    for file in ("jobs/rfm.py", "jobs/ingest.py", "conf/base.yaml", "conf/cluster.yaml", "conf/sources/contracts.yaml"):
        shutil.copy(PROJECT / file, tmp_path)

    def said(*command: str) -> str:
        environment = {**cluster_shell(), "PYTHONPATH": str(package)}
        run = subprocess.run(
            [sys.executable, *command, "--conf", "cluster.yaml"],
            cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60,
        )  # fmt: skip
        assert run.returncode == 2, run.stderr
        return run.stderr

    # as far as it goes without Spark: the configuration was found, and read
    assert "there is no lake at" in said("rfm.py", "--as-of", "2026-03-04", "--lake", str(tmp_path / "none"))
    assert "there is no landing folder" in said("ingest.py", "--source", "contracts.yaml", "--landing", "/none")
