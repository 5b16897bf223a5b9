"""A full disk and broken Parquet files: one sentence, and a rerun that ends as if nothing had happened."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import pytest
from pyspark.sql import SparkSession
from tests.faults.conftest import Told, Undisturbed, same
from tests.processes import INGESTED, arguments, put, rows, run_here

from memberlake.tables.silver import PRODUCTS

pytestmark = [pytest.mark.lake, pytest.mark.e2e]


def test_a_disk_that_fills_up(spark: SparkSession, undisturbed: Undisturbed, tmp_path: Path, told: Told) -> None:
    """A real full disk: a file system of 128 KB, where the machine lets us mount one."""
    small = tmp_path / "small"
    small.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=128k", "tmpfs", small], capture_output=True)
    if mounted.returncode:
        pytest.skip("needs the right to mount a file system")
    ingest = arguments("ingest", undisturbed.landing, small / "lake", "--set", "lake.min_free_mb=0")
    try:
        full = run_here(ingest)
        assert full.exit_code == 2, full.output
        assert "no space left" in full.stderr
        assert "Traceback" not in full.output
        subprocess.run(["mount", "-o", "remount,size=64m", small], check=True)
        rerun = run_here(ingest)
        assert rerun.exit_code == 0, rerun.output
        told("one sentence, exit code 2; with space: exit code 0", same(spark, small / "lake", undisturbed, "ingest"))
    finally:
        subprocess.run(["umount", "-l", small], check=True)


def cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def garble(file: Path) -> None:
    content = file.read_bytes()
    middle = len(content) // 2
    file.write_bytes(content[:middle] + bytes(range(128, 192)) + content[middle + 64 :])


@pytest.mark.faults
@pytest.mark.parametrize(
    ("spoil", "replaced"), [(cut, True), (garble, False)], ids=["cut off, then replaced", "garbled, then removed"]
)
def test_parquet(
    spark: SparkSession,
    undisturbed: Undisturbed,
    tmp_path: Path,
    told: Told,
    spoil: Callable[[Path], None],
    replaced: bool,
) -> None:
    landing, lake = tmp_path / "landing", tmp_path / "lake"
    shutil.copytree(undisturbed.landing, landing)
    put(landing / "products" / "p.csv", "product_id,name\np1,other table\n")
    file = landing / "orders" / "2.parquet"
    lines = "".join(f"p{n},m{n},2026-01-02,paid,9.00,{n}.00,2026-01-03\n" for n in range(500))
    text = (landing / "orders" / "0.csv").read_text().splitlines(keepends=True)[0] + lines
    as_text = pyarrow.csv.ConvertOptions(column_types=dict.fromkeys(text.splitlines()[0].split(","), pa.string()))
    table = pyarrow.csv.read_csv(pa.BufferReader(text.encode()), convert_options=as_text)
    pyarrow.parquet.write_table(table, file, compression="zstd", write_page_checksum=True)
    good = file.read_bytes()

    spoil(file)
    refused = run_here(arguments("ingest", landing, lake))
    assert refused.exit_code == 2, refused.output
    assert f"{file} cannot be read" in refused.stderr
    assert "Traceback" not in refused.output
    found = rows(spark, lake, (*INGESTED, PRODUCTS))
    assert {name: len(rows) for name, rows in found.items()} == {
        "silver.orders": 0,
        "ops.rejects": 0,
        "silver.products": 1,
    }

    if replaced:
        file.write_bytes(good)
    else:
        file.unlink()
    rerun = run_here(arguments("ingest", landing, lake))
    assert rerun.exit_code == 0, rerun.output
    other = run_here(arguments("ingest", landing, tmp_path / "never disturbed"))
    assert other.exit_code == 0, other.output
    expected = rows(spark, tmp_path / "never disturbed", (*INGESTED, PRODUCTS))
    assert len(expected["silver.orders"]) == (515 if replaced else 15)
    # the rejected rows name their landing folder, which is the same for both
    told(
        "one sentence with the file, exit code 2, nothing of its batch; then exit code 0",
        rows(spark, lake, (*INGESTED, PRODUCTS)) == expected,
    )
