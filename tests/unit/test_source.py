"""Sources: what a YAML file may say, and what is told when it is wrong."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from tests.conftest import PROJECT

from memberlake.errors import UserError
from memberlake.ingest import files
from memberlake.ingest import source as sources
from memberlake.ingest.source import Load, Source
from memberlake.tables import silver

HEAD = "about: x\ntime_zone: Asia/Shanghai\n"


def own(folder: Path, text: str) -> Source:
    file = folder / "own.yaml"
    file.write_text(text, encoding="utf-8")
    return sources.find(str(file), PROJECT)


def test_the_contracts_source_takes_every_silver_table_from_the_folder_of_its_name() -> None:
    loads = sources.find("contracts", PROJECT).loads
    assert {name: (load.contract, load.folder_and_pattern) for name, load in loads.items()} == {
        table.name: (table, (table.name, "*")) for table in silver.TABLES
    }


@pytest.mark.parametrize("name", [file.stem for file in (PROJECT / "conf" / "sources").glob("*.yaml")])
def test_every_shipped_source_is_well_formed(name: str) -> None:
    assert sources.find(name, PROJECT).loads


@pytest.mark.parametrize(
    ("files_", "expected"),
    [
        ("orders/", ("orders", "*")),
        ("orders.csv", ("", "orders.csv")),
        ("导出/2026/订单*.csv", ("导出/2026", "订单*.csv")),
    ],
)
def test_files_are_a_folder_and_a_pattern(files_: str, expected: tuple[str, str]) -> None:
    assert Load(table="orders", files=files_).folder_and_pattern == expected


def test_a_load_may_have_a_name_of_its_own(tmp_path: Path) -> None:
    source = own(tmp_path, HEAD + "loads:\n  visits: {table: events}\n  orders:\n")
    assert source.loads == {
        "visits": Load(table="events", files="visits/"),
        "orders": Load(table="orders", files="orders/"),
    }


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (HEAD + "loads:\n  order:\n", "no silver table order; did you mean orders?"),
        (
            HEAD + "loads:\n  orders: {columns: {netamount: x}}\n",
            "silver.orders has no column netamount; it has order_id",
        ),
        (HEAD + "loads:\n  orders: {defaults: {colour: x}}\n", "silver.orders has no column colour"),
        (HEAD + "loads:\n  orders: {colums: {}}\n", "colums"),
        (HEAD + "loads:\n  orders:\nload:\n  orders:\n", "load: unknown key"),
        (HEAD, "loads: is missing"),
        (HEAD + "csv: {Mode: DROPMALFORMED}\nloads:\n  orders:\n", "csv: Mode cannot be set"),
        (HEAD + "csv: {seperator: ';'}\nloads:\n  orders:\n", "csv: there is no option seperator; there are charset, "),
        (HEAD + "csv: {multiLines: true}\nloads:\n  orders:\n", "no option multiLines; did you mean multiLine?"),
        (HEAD + "csv: {dateFormat: dd/MM/yyyy}\nloads:\n  orders:\n", "csv: there is no option dateFormat"),
        (HEAD + "csv: {ignoreCorruptFiles: true}\nloads:\n  orders:\n", "csv: there is no option ignoreCorruptFiles"),
        (HEAD + "csv: {sep: ';', SEP: ','}\nloads:\n  orders:\n", "csv: sep stands twice"),
        (HEAD + "csv: {encoding: UTF-16}\nloads:\n  orders:\n", "csv: utf-16 needs multiLine: true"),
        (HEAD + "csv: {charset: UTF-16, lineSep: ;}\nloads:\n  orders:\n", "csv: utf-16 needs multiLine: true"),
        (HEAD + "csv: {encoding: utf-16le}\nloads:\n  orders:\n", "csv: utf-16le needs multiLine: true"),
        (HEAD + "loads:\n  ../x: {table: orders}\n", "'../x' is no name of a load"),
        (HEAD + "loads:\n  a/b: {table: orders}\n", "'a/b' is no name of a load"),
        (HEAD + "loads:\n  ..: {table: orders}\n", "'..' is no name of a load"),
        (HEAD + "loads:\n  '': {table: orders}\n", "'' is no name of a load"),
        (HEAD + "loads:\n  orders: {defaults: {channel: no}}\n", "put that of channel in quotes"),
        (HEAD + "loads:\n  orders: {defaults: {channel: 1.10}}\n", "put that of channel in quotes"),
        (HEAD + "csv: {nullValue: NULL}\nloads:\n  orders:\n", "csv: nullValue: write a text or a number; a date, or"),
        (HEAD + "loads:\n  orders: {defaults: {updated_at: 2024-01-01}}\n", "defaults: updated_at: write a text or"),
        (HEAD + "lookups: {Input: x.csv}\nloads:\n  orders:\n", "is the rows of a batch"),
        ("about: x\ntime_zone: Shanghai\nloads:\n  orders:\n", "is no time zone of the IANA list"),
        (HEAD + "loads: [orders]\n", "loads"),
        (HEAD + "loads:\n  orders:\n  orders:\n", "stands twice"),
        ("about: [", "is not valid YAML"),
        ("orders\n", "must be a mapping"),
    ],
)
def test_a_mistake_is_refused_with_the_file_and_what_is_allowed(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(UserError) as error:
        own(tmp_path, text)
    assert told in str(error.value)
    assert str(error.value).count(str(tmp_path / "own.yaml")) == 1  # one sentence for one mistake


@pytest.mark.parametrize(
    "csv",
    [
        "{sep: ';', encoding: GB18030, header: false, nullValue: 'NULL', maxColumns: 9, MULTILINE: true}",
        "{encoding: UTF-16, multiLine: true}",
        '{encoding: UTF-16LE, lineSep: "\\n"}',
    ],
)
def test_options_that_tell_what_a_cell_is(tmp_path: Path, csv: str) -> None:
    assert own(tmp_path, HEAD + f"csv: {csv}\nloads:\n  订单 1.2-x: {{table: orders, defaults: {{store_id: 7}}}}\n").csv


def test_an_unknown_source_names_the_known_ones() -> None:
    with pytest.raises(UserError, match=r"there is no source contract; did you mean contracts\? \(known: .*contracts"):
        sources.find("contract", PROJECT)


def test_a_package_that_is_not_installed_is_named(tmp_path: Path) -> None:
    source = own(tmp_path, HEAD + "landing: {package: no_such_package, folder: data}\nloads:\n  orders:\n")
    assert isinstance(source.landing, sources.Package)
    with pytest.raises(UserError, match="no_such_package is not installed"):
        source.landing.path()


def test_files_without_content_are_found_as_spark_would_list_them(tmp_path: Path) -> None:
    for name in ("empty.csv", "sub/empty.csv", "_SUCCESS", ".hidden.csv", "_temporary/0.csv", "empty.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "full.csv").write_text("a\n")
    assert files.empty(tmp_path, "*.csv") == [tmp_path / "empty.csv", tmp_path / "sub" / "empty.csv"]
    assert files.empty(tmp_path / "nowhere", "*") == []


def test_files_of_names_that_spark_cannot_read_are_found(tmp_path: Path) -> None:
    for name in ("订单.csv", "10:30.csv", "10:30.txt", ".10:30.csv", "sub:1/a.csv"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("a\n")
    (tmp_path / os.fsdecode("订单.csv".encode("gb18030"))).write_text("a\n")  # as of an archive packed elsewhere
    assert files.misnamed(tmp_path, "*.csv") == [f"{tmp_path}/10:30.csv", rf"{tmp_path}/\xb6\xa9\xb5\xa5.csv"]
    assert files.misnamed(tmp_path / "nowhere", "*") == []
