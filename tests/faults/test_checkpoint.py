"""A damaged record of the files taken: it heals, or ingest says which folder to delete, and takes all again."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from pyspark.sql import SparkSession
from tests.faults.conftest import Told, Undisturbed, same
from tests.processes import SMALL_BATCHES, arguments, put, run_here

from memberlake.errors import UserError
from memberlake.lake.stream import take_new_files

pytestmark = pytest.mark.lake


def cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def empty(file: Path) -> None:
    file.write_bytes(b"")


def garbage(file: Path) -> None:
    file.write_bytes(b"\x00\xff no JSON {")


def without(file: Path) -> None:
    """The file or folder is gone, and its checksum with it."""
    if file.is_dir():
        shutil.rmtree(file)
    else:
        file.unlink()
        file.with_name(f".{file.name}.crc").unlink(missing_ok=True)


Damage = tuple[Callable[[Path], None], str]
LAST = ("metadata", "offsets/1", "commits/1", "sources/0/1")  # of two batches
EVERY: list[Damage] = [
    *((damage, file) for file in LAST for damage in (cut, empty, garbage, without)),
    *((without, folder) for folder in ("offsets", "commits", "sources")),
]
WITH_COMMANDS: list[Damage] = [
    (cut, "offsets/1"), (garbage, "offsets/1"), (empty, "offsets/1"), (without, "metadata"), (without, "commits/1"),
    (garbage, "sources/0/1"),
]  # fmt: skip


def named(damage: Damage) -> str:
    return f"{damage[1]} {damage[0].__name__}"


def taken(spark: SparkSession, folder: Path, checkpoint: Path) -> set[str]:
    found: list[str] = []
    take_new_files(spark, str(folder), "*", str(checkpoint), 1, lambda _, paths: found.extend(paths))
    return {Path(path).name for path in found}


@pytest.fixture(scope="module")
def folder(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two files, and the checkpoint of taking them one by one."""
    folder = tmp_path_factory.mktemp("taken")
    for name in ("a", "b"):
        put(folder / "files" / name, "x")
    assert taken(spark, folder / "files", folder / "checkpoint") == {"a", "b"}
    assert taken(spark, folder / "files", folder / "checkpoint") == set()
    return folder


@pytest.mark.parametrize("damage", EVERY, ids=named)
def test_a_damaged_checkpoint_loses_no_file(spark: SparkSession, folder: Path, tmp_path: Path, damage: Damage) -> None:
    checkpoint = tmp_path / "checkpoint"
    shutil.copytree(folder / "checkpoint", checkpoint)
    spoil, file = damage
    spoil(checkpoint / file)
    try:
        taken(spark, folder / "files", checkpoint)
    except UserError as error:
        said = str(error)
        assert said.startswith(f"{checkpoint}, the record of the files taken, cannot be used: ")
        assert "delete this folder and ingest again" in said
        assert len(said) < 700
        assert not any(noise in said for noise in ("\n", "SQLSTATE", "org.apache", "Py4J"))
        shutil.rmtree(checkpoint)
        assert taken(spark, folder / "files", checkpoint) == {"a", "b"}
    assert taken(spark, folder / "files", checkpoint) == set()


def test_a_full_disk_is_no_damage(spark: SparkSession, folder: Path, tmp_path: Path) -> None:
    """What `take` says is passed on as it is."""

    def full(_: SparkSession, paths: list[str]) -> None:
        raise OSError("No space left on device")

    with pytest.raises(OSError, match="No space left on device"):
        take_new_files(spark, str(folder / "files"), "*", str(tmp_path / "new"), 1, full)


@pytest.mark.faults
@pytest.mark.parametrize("damage", WITH_COMMANDS, ids=named)
def test_checkpoint(spark: SparkSession, undisturbed: Undisturbed, tmp_path: Path, told: Told, damage: Damage) -> None:
    lake = tmp_path / "lake"
    shutil.copytree(undisturbed.lake, lake)
    checkpoint = lake / "_checkpoints" / "ingest" / "contracts" / "orders"
    spoil, file = damage
    spoil(checkpoint / file)
    again = arguments("ingest", undisturbed.landing, lake, *SMALL_BATCHES)
    done = run_here(again)
    happened = "heals"
    if done.exit_code:
        assert done.exit_code == 2, done.output
        assert f"{checkpoint}, the record of the files taken, cannot be used" in done.stderr
        assert "Traceback" not in done.output
        shutil.rmtree(checkpoint)
        done = run_here(again)
        happened = "one sentence with the folder to delete, exit code 2; without it"
    assert done.exit_code == 0, done.output
    told(f"{happened}: exit code 0", same(spark, lake, undisturbed, "ingest"))
