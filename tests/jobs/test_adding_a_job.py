"""docs/adding-a-job.md, followed to the letter."""

from __future__ import annotations

import re
import sys
from datetime import date
from types import ModuleType

import pytest
from pyspark.sql import functions as F
from tests.conftest import PROJECT, configured
from tests.jobs.orders import Order, orders

from memberlake.lake.contract import DATE
from memberlake.lake.store import Lake
from memberlake.tables.gold import value
from memberlake.tables.silver import ORDERS

pytestmark = pytest.mark.lake

D = date(2026, 11, 20)


def module(name: str, code: str, **names: object) -> ModuleType:
    made = ModuleType(name)
    vars(made).update(names)
    exec(code, vars(made))
    return made


def test_the_page_works_as_it_stands(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    page = (PROJECT / "docs" / "adding-a-job.md").read_text()
    contract, rule, job, test = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    with_table = module(value.__name__, contract, **vars(value), DATE=DATE)
    assert with_table.TABLES[:-1] == value.TABLES
    assert with_table.TABLES[-1] == with_table.STORE_DAYS
    monkeypatch.setitem(sys.modules, value.__name__, with_table)
    stores = module("memberlake.value.stores", rule)
    monkeypatch.setitem(sys.modules, stores.__name__, stores)
    monkeypatch.setattr("memberlake.value.stores", stores, raising=False)

    (tested,) = [of for name, of in vars(module("test_stores", test)).items() if name.startswith("test_")]
    tested(lake.spark)
    placed = [
        Order("in a store", "m", "2026-11-20 04:00", "9.00"),
        Order("in none", "m", "2026-11-20 04:00", "5.00"),
        Order("day before", "m", "2026-11-19 04:00", "7.00"),
    ]
    in_a_store = F.when(F.col("order_id") != "in none", "s1")
    lake.append(ORDERS, orders(lake.spark, placed).withColumn("store_id", in_a_store))
    module("memberlake.job.store_days", job).run(lake, configured(), D)
    written = [(row.business_date, row.store_id, row.orders) for row in lake.read(with_table.STORE_DAYS).collect()]
    assert written == [(D, "s1", 1)]
