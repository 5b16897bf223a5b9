"""conf/spark/*.conf: what every one of them must say, and that Spark reads them as they are meant."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from tests.conftest import PROJECT

from memberlake.lake import machine, session

FILES = sorted((PROJECT / "conf" / "spark").glob("*.conf"))

EVERYWHERE = {  # without these the jobs fail, or tell other days
    "spark.sql.extensions": "io.delta.sql.DeltaSparkSessionExtension",
    "spark.sql.catalog.spark_catalog": "org.apache.spark.sql.delta.catalog.DeltaCatalog",
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.legacy.parameterSubstitution.constantsOnly": "true",
}


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_the_settings_that_the_jobs_depend_on(file: Path) -> None:
    settings = session.properties(file)
    assert {key: settings.get(key) for key in EVERYWHERE} == EVERYWHERE


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_every_line_is_one_setting_said_once(file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    settings = session.properties(file)
    assert [line.split(None, 1) for line in lines] == [[key, value] for key, value in settings.items()]
    to_fill_in = re.findall(r"^# (spark\.\S+ .*)$", text, re.MULTILINE)
    one, options = r"\S+", r"-XX:\S+( -XX:\S+)+"
    assert all(re.fullmatch(rf"spark(\.\w+)+ +({one}|{options})", line) for line in [*lines, *to_fill_in])


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_delta_is_the_one_whose_jars_are_pinned(file: Path) -> None:
    folders = [Path(path).parent for path, _ in machine.JARS]
    pinned = {f"{'.'.join(f.parts[:-2])}:{f.parts[-2]}:{f.parts[-1]}" for f in folders}
    packages = session.properties(file).get("spark.jars.packages")
    assert packages is None or packages in pinned
