"""ingest on real files and a real lake."""

from __future__ import annotations

import bz2
import gzip
import json
import logging
import os
import random
import re
import shutil
from collections.abc import Callable
from datetime import date, datetime, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet
import pytest
from chispa import assert_df_equality
from click.testing import CliRunner
from pyspark.sql import DataFrame, SparkSession
from tests.conftest import PROJECT, configured

from memberlake import cli, jobs
from memberlake.ingest import files
from memberlake.ingest import source as sources
from memberlake.ingest.take import Ingest, Taken
from memberlake.lake.contract import Table
from memberlake.lake.store import Lake
from memberlake.tables.ops import REJECTS
from memberlake.tables.silver import COUPON_CAMPAIGN_OVERRIDES, COUPONS, MEMBERS, ORDERS, PRODUCTS

pytestmark = pytest.mark.lake

TAKEN_AT = datetime(2026, 11, 20, 12, tzinfo=timezone.utc)


def ingest(lake: Lake, landing: Path, source: str = "contracts", *sets: str) -> dict[str, Taken]:
    """One run over a landing folder; what was taken, by load, of the loads that had something to do."""
    declared = sources.find(source, PROJECT)
    run = Ingest(lake, configured(*sets, lake=str(lake.conf.root)), declared, Path(source).stem, str(landing), TAKEN_AT)
    taken = list(jobs.find("ingest").run(run))
    return {name: one for name, one in zip(declared.loads, taken, strict=True) if one.files or one.error}


def put(file: Path, content: str | bytes) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    return file


def products(lake: Lake) -> dict[str, str | None]:
    return {row["product_id"]: row["name"] for row in lake.read(PRODUCTS).collect()}


def version(lake: Lake, table: Table) -> int:
    return lake.spark.sql(f"DESCRIBE HISTORY {lake.name(table)} LIMIT 1").collect()[0]["version"]


def assert_rows(lake: Lake, table: Table, *expected: tuple[Any, ...]) -> None:
    frame = lake.spark.createDataFrame(list(expected), table.struct)
    assert_df_equality(lake.read(table), frame, ignore_row_order=True, ignore_nullable=True, ignore_metadata=True)


# ---- one landing folder with files of every kind


@pytest.fixture(scope="module")
def many(
    spark: SparkSession, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Lake, Path, dict[str, Taken], list[str]]:
    """The lake, its landing folder, what the first run took of it, and what it warned of."""
    home = tmp_path_factory.mktemp("many")
    landing, lake = home / "landing", Lake(spark, configured(lake=str(home / "lake")).lake)
    folder = landing / "products"
    put(folder / "plain.csv", "product_id,name,category,brand\n001,plain,wine,x\n")
    put(folder / "other order.csv", 'BRAND,name,"product_id"\n,"a, ""quoted"" comma",002\n')
    put(folder / "bom.csv", b"\xef\xbb\xbfproduct_id,name\r\n003,bom\r\n")
    put(folder / "unknown.csv", "product_id,name,colour [1],100% 'new'\n004,unknown,red,y\n")
    put(folder / "packed.csv.gz", gzip.compress(b"product_id,name\n005,packed\n"))
    put(folder / "lines.jsonl", '{"name": "jsonl", "product_id": "006", "x": {"y": 1}}\n{"product_id": 7.10}\n')
    put(
        folder / "packed.json.gz", gzip.compress(b'{"product_id": "008", "recorded_at": "2026-01-01T00:00:00+08:00"}\n')
    )
    put(folder / "header only.csv", "product_id,name\n")
    put(folder / "2026" / "11" / "sub.csv", "product_id,name\n009,subfolder\n")
    for n, name in enumerate(ODD_NAMES):
        put(folder / f"{name}.csv", f"product_id,name\nodd{n},in an odd file\n")
    put(folder / "_hidden.csv", "no product\n")
    put(folder / ".hidden", "no product\n")
    spark.createDataFrame([("010", "parquet"), ("011", None)], "product_id string, name string").write.parquet(
        str(folder / "written by spark")
    )
    put(
        landing / "members" / "m.csv",
        "member_id,source,registered_at,gender,birth_date,has_phone,attributes,recorded_at\n"
        '007,shop,2026-01-02T03:04:05,F,1990-05-06,yes,"{""b"": ""2"", ""a"": ""一""}",2026-01-02T03:04:05Z\n'
        "008,shop,2026-01-02,X,1990-05-06,,,2026-01-02\n"
        "009,shop,2026-01-02,,,,,2026-01-02\n"
        "010,shop,2026-01-02,,,,,2026-01-02\n"
        "011,shop,2026-01-02,,,,,2026-01-02\n",
    )
    put(
        landing / "coupons" / "c.csv",
        'coupon_id,valid_from_version,discount_rate,product_ids\nc1,2026-01-01T00:00:00Z,0.15,"[""001"", ""002""]"\n',
    )
    put(
        landing / "coupon_campaign_overrides" / "decided.csv",
        "coupon_id,voucher_id,from_on,to_on,campaign_id,decided_by,decided_at\n"
        "c1,v1,,,P1,me,2026-11-19T10:00:00Z\n"
        "c1,,2026-11-01,2026-11-30,P2,,2026-11-19T09:00:00Z\n"
        "c1,v1,,,P3,,2026-11-19T12:00:00Z\n",  # decided again
    )
    warned: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: warned.append(record.getMessage())  # type: ignore[method-assign]
    logging.getLogger("memberlake").addHandler(handler)
    taken = ingest(lake, landing)
    logging.getLogger("memberlake").removeHandler(handler)
    return lake, landing, taken, warned


ODD_NAMES = ["a b", "[1]", "{a,b}", "50%", "a%20b", "a+b", "a#b?c", "it's", 'q"q', "商品", "😀", "a*b"]


def test_files_of_every_kind_land_together(many: tuple[Lake, Path, dict[str, Taken], list[str]]) -> None:
    lake, _, taken, _ = many
    assert taken["products"].error is None
    instant = datetime(2025, 12, 31, 16, tzinfo=timezone.utc)
    assert_rows(
        lake,
        PRODUCTS,
        ("001", "plain", "wine", None, "x", None),
        ("002", 'a, "quoted" comma', None, None, None, None),
        ("003", "bom", None, None, None, None),
        ("004", "unknown", None, None, None, None),
        ("005", "packed", None, None, None, None),
        ("006", "jsonl", None, None, None, None),
        ("7.10", None, None, None, None, None),
        ("008", None, None, None, None, instant),
        ("009", "subfolder", None, None, None, None),
        ("010", "parquet", None, None, None, None),
        ("011", None, None, None, None, None),
        *[(f"odd{n}", "in an odd file", None, None, None, None) for n in range(len(ODD_NAMES))],
    )


def test_cells_of_a_csv_get_the_types_of_the_contract(many: tuple[Lake, Path, dict[str, Taken], list[str]]) -> None:
    lake, _, _, _ = many
    member = lake.read(MEMBERS).where("member_id = '007'").collect()[0]
    assert member["attributes"] == {"a": "一", "b": "2"}
    assert (member["has_phone"], str(member["birth_date"]), member["city"]) == (True, "1990-05-06", None)
    coupon = lake.read(COUPONS).collect()[0]
    assert (coupon["product_ids"], coupon["discount_rate"], coupon["face_value"]) == (["001", "002"], 0.15, None)


def test_decisions_by_hand_land(many: tuple[Lake, Path, dict[str, Taken], list[str]]) -> None:
    """Two about one voucher are both kept, for the days before the later; without a voucher for all of the days."""
    lake, _, _, _ = many
    at = datetime(2026, 11, 19, 9, tzinfo=timezone.utc)
    assert_rows(
        lake,
        COUPON_CAMPAIGN_OVERRIDES,
        ("c1", "v1", None, None, "P1", "me", at.replace(hour=10)),
        ("c1", "v1", None, None, "P3", None, at.replace(hour=12)),
        ("c1", None, date(2026, 11, 1), date(2026, 11, 30), "P2", None, at),
    )


def test_an_unknown_column_is_a_warning(many: tuple[Lake, Path, dict[str, Taken], list[str]]) -> None:
    _, landing, _, warned = many
    told = [line for line in warned if "not in the contract" in line and "unknown.csv" in line]
    assert told == [f"{landing}/products/unknown.csv: not in the contract, left in the file: 100% 'new', colour [1]"]


def test_a_bad_row_is_rejected_and_the_rest_of_its_file_lands(
    many: tuple[Lake, Path, dict[str, Taken], list[str]],
) -> None:
    lake, landing, taken, _ = many
    assert {row["member_id"] for row in lake.read(MEMBERS).collect()} == {"007", "009", "010", "011"}
    assert (taken["members"].read, taken["members"].rejected, taken["members"].written) == (5, 1, 4)
    reject = lake.read(REJECTS).collect()
    assert [(r["table"], r["source_file"], r["rule"]) for r in reject] == [
        ("silver.members", f"{landing}/members/m.csv", "gender is not one of F, M, U")
    ]
    assert '"member_id":"008"' in reject[0]["row"]
    assert reject[0]["rejected_at"].timestamp() == TAKEN_AT.timestamp()


def test_later_runs_take_what_is_new_whatever_its_age(
    many: tuple[Lake, Path, dict[str, Taken], list[str]],
) -> None:
    lake, landing, _, _ = many
    before, rejects = products(lake), version(lake, REJECTS)
    assert ingest(lake, landing) == {}

    put(landing / "products" / "repeat.csv", (landing / "products" / "plain.csv").read_bytes())
    taken = ingest(lake, landing)["products"]
    assert (taken.files, taken.read, taken.repeated, taken.written) == (1, 1, 1, 0)
    assert (products(lake), version(lake, REJECTS)) == (before, rejects)

    late = put(landing / "products" / "late.csv", "product_id,name\nlate,long on its way\n")
    os.utime(late, (1_000_000_000, 1_000_000_000))  # 2001
    assert ingest(lake, landing)["products"].written == 1
    assert products(lake) == {**before, "late": "long on its way"}


def test_landing_folders_one_after_the_other_and_one_named_like_a_pattern(
    many: tuple[Lake, Path, dict[str, Taken], list[str]], tmp_path: Path
) -> None:
    """The same file names as before in another folder are other files."""
    lake, _, _, _ = many
    put(tmp_path / "[1] {a}" / "products" / "plain.csv", "product_id,name\nelsewhere,x\n")
    assert ingest(lake, tmp_path / "[1] {a}")["products"].written == 1
    assert products(lake)["elsewhere"] == "x"


# ---- versions


def test_the_newest_version_wins_in_whatever_batch_it_comes(lake: Lake, tmp_path: Path) -> None:
    header = "order_id,ordered_at,status,gross_amount,net_amount,updated_at\n"
    old, new = "created,1,1.00,2026-01-01T00:00:00Z", "paid,1,2.00,2026-01-02T00:00:00Z"
    tied = "shipped,1,3.00,2026-01-02T00:00:00Z"  # as late as `new`, greater content
    batches = [
        {"up": old, "down": new, "tied up": new, "tied down": tied},
        {"up": new, "down": old, "tied up": tied, "tied down": new},
    ]
    for n, batch in enumerate(batches):
        lines = [f"{order},2026-01-01T00:00:00Z,{rest}\n" for order, rest in batch.items()]
        put(tmp_path / "orders" / f"{n}.csv", header + "".join(lines))
        os.utime(tmp_path / "orders" / f"{n}.csv", (1_000_000_000 + n, 1_000_000_000 + n))
    taken = ingest(lake, tmp_path, "contracts", "ingest.max_files_per_batch=1")["orders"]
    # two batches: else the second would update nothing
    assert (taken.files, taken.read, taken.repeated, taken.written) == (2, 8, 2, 6)
    assert {row["order_id"]: row["status"] for row in lake.read(ORDERS).collect()} == {
        "up": "paid",
        "down": "paid",
        "tied up": "shipped",
        "tied down": "shipped",
    }


# ---- what is refused

GOOD = "product_id,name\np1,good\n"
GZ = gzip.compress(("product_id,name\n" + "".join(f"{n * 7919 % 10007},{n}\n" for n in range(20000))).encode())


def parquet() -> bytes:
    names = [str(n * 7919 % 10007) for n in range(20000)]
    content = pa.BufferOutputStream()
    pyarrow.parquet.write_table(
        pa.table({"product_id": names, "name": names}), content, compression="none", write_page_checksum=True
    )
    return bytes(content.getvalue())


PARQUET = parquet()


def ended_between_blocks() -> bytes:
    packed = bz2.compress(gzip.decompress(GZ), 1)
    bits, block = f"{int.from_bytes(packed, 'big'):0{8 * len(packed)}b}", f"{0x314159265359:048b}"
    second = bits.index(block, bits.index(block) + 1)
    return packed[: second // 8 + 1]


def nanoseconds() -> bytes:
    content = pa.BufferOutputStream()
    pyarrow.parquet.write_table(pa.table({"product_id": ["p1"], "at": pa.array([0], pa.timestamp("ns"))}), content)
    return bytes(content.getvalue())


REFUSED = {
    "unknown ending.xlsx": (b"x", "is no file that ingest can take"),
    "no ending": (b"x", "is no file that ingest can take"),
    "10:30.csv": (GOOD.encode(), "whose name has a colon or is not in UTF-8"),
    "empty.csv": (b"", "without content"),
    "blank.csv": (b"\n\n", "is empty: it has no header"),
    "no column.csv": (b"name,brand\nx,y\n", "no column product_id, which silver.products requires; it has name, brand"),
    "garbage.csv": (bytes(range(256)) * 9, "is not text in UTF-8"),
    "other encoding.csv": ("product_id,名\n1,2\n".encode("gb18030"), "is not text in UTF-8"),
    "spelt.jsonl": (b'{"product_id": "1"}\n{"Product_ID": "2"}\n', "column product_id stands twice, in whatever case"),
    "own.csv": (b"product_id,_END_of_line\n1,2\n", "the column _END_of_line has a name that ingest itself uses"),
    "own.jsonl": (b'{"product_id": "1"}\n{"_broken_line": "2"}\n', "the column _broken_line has a name that ingest"),
    "half.jsonl": (
        rb'{"product_id": "1"}' + b"\n" + rb'{"product_id": "2", "name": "\ud83d\ude00\\\\\ud83d"}',
        r"a text was cut within a character, whose halves are written as \ud83d\ude00: write \ufffd",
    ),
    "garbage.jsonl": (bytes(range(128, 256)) * 9, "is not JSON lines"),
    "garbage.parquet": (b"PAR1 and nothing else", "cannot be read as parquet"),
    "cut off.parquet": (PARQUET[: len(PARQUET) // 2], "cannot be read as parquet"),
    "garbled.parquet": (PARQUET[:9999] + bytes(64) + PARQUET[9999 + 64 :], "cannot be read: could not verify"),
    "nanoseconds.parquet": (nanoseconds(), "its times are in nanoseconds, which Spark does not read"),
    "not packed.csv.gz": (GOOD.encode(), "cannot be read as csv: not a gzip file"),
    "cut off.csv.bz2": (ended_between_blocks(), "is cut off"),
    "cut off.csv.gz": (GZ[: len(GZ) // 2], "cannot be read: Unexpected end of input stream"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_file_that_cannot_be_taken_is_named_in_one_sentence(lake: Lake, tmp_path: Path, name: str) -> None:
    content, reason = REFUSED[name]
    put(tmp_path / "products" / "good.csv", GOOD)
    bad = put(tmp_path / "products" / name, content)
    error = ingest(lake, tmp_path)["products"].error or ""
    assert error.startswith(f"{bad}")
    assert reason in error
    assert len(error) < 600
    assert not any(noise in error for noise in ("\n", "Exception", "org.apache", "SQLSTATE", "Py4J"))
    assert not lake.ready(PRODUCTS)


def test_a_file_whose_name_is_not_in_utf_8_is_not_passed_over(lake: Lake, tmp_path: Path) -> None:
    """Archives packed elsewhere leave such names, and Spark never lists them."""
    folder = put(tmp_path / "products" / "good.csv", GOOD).parent
    packed_elsewhere = put(folder / os.fsdecode("订单.csv".encode("gb18030")), GOOD)
    error = ingest(lake, tmp_path)["products"].error or ""
    assert error.startswith(rf"{folder}/\xb6\xa9\xb5\xa5.csv: ")
    packed_elsewhere.rename(folder / "订单.csv")
    assert ingest(lake, tmp_path)["products"].files == 2


def test_a_file_that_changes_while_it_is_read_is_left_for_the_next_run(
    lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its rows were read by the header of another content, or are a part of what it will be."""
    file, read = put(tmp_path / "products" / "a.csv", GOOD), files.read

    def slowly(*given: Any) -> list[files.RawFiles]:
        found = read(*given)
        put(file, "name,product_id\nnew,p2\n")
        return found

    with monkeypatch.context() as patch:
        patch.setattr(files, "read", slowly)
        assert f"{file}: changed while it was read" in (ingest(lake, tmp_path)["products"].error or "")
    assert not lake.ready(PRODUCTS)
    assert ingest(lake, tmp_path)["products"].error is None
    assert products(lake) == {"p2": "new"}


def refused_by_column(folder: Path) -> Path:
    return put(folder / "products" / "b.csv", "name\nnameless\n")


def refused_by_ratio(folder: Path) -> Path:
    return put(folder / "products" / "b.csv", "product_id,name\n,x\n,y\np2,z\n")


def mend(file: Path) -> None:
    put(file, "product_id,name\np2,mended\n")


@pytest.mark.parametrize(
    ("spoil", "cure", "healed"),
    [
        (refused_by_column, mend, {"p1": "good", "p2": "mended"}),
        (refused_by_ratio, mend, {"p1": "good", "p2": "mended"}),
        (refused_by_column, Path.unlink, {"p1": "good"}),
    ],
)
def test_a_refused_file_is_taken_when_mended_and_forgotten_when_removed(
    lake: Lake, tmp_path: Path, spoil: Callable[[Path], Path], cure: Callable[[Path], None], healed: dict[str, str]
) -> None:
    put(tmp_path / "products" / "a.csv", GOOD)
    bad = spoil(tmp_path)
    put(
        tmp_path / "events" / "e.csv",
        "event_id,visitor_id,event_type,occurred_at,received_at\ne1,v,visit,2026-01-01,2026-01-01\n",
    )
    taken = ingest(lake, tmp_path)
    assert str(bad) in (taken["products"].error or "")
    assert (taken["products"].files, taken["products"].written) == (0, 0)
    assert not lake.ready(PRODUCTS)
    assert not lake.ready(REJECTS)
    assert taken["events"].written == 1  # the other tables land

    cure(bad)
    assert ingest(lake, tmp_path)["products"].error is None
    assert products(lake) == healed


def test_the_only_pending_file_may_be_removed(lake: Lake, tmp_path: Path) -> None:
    """The checkpoint has planned it; that it is gone must not stop ingest for ever."""
    bad = refused_by_column(tmp_path)
    assert ingest(lake, tmp_path)["products"].error
    bad.unlink()
    assert ingest(lake, tmp_path) == {}
    put(tmp_path / "products" / "a.csv", GOOD)
    assert ingest(lake, tmp_path)["products"].written == 1


def test_a_table_that_is_gone_is_not_filled_by_new_files_alone(lake: Lake, tmp_path: Path) -> None:
    landing = tmp_path / "landing"
    put(landing / "products" / "a.csv", GOOD)
    ingest(lake, landing)
    shutil.rmtree(lake.location(PRODUCTS))
    put(landing / "products" / "b.csv", "product_id,name\nnew,new\n")
    later = Lake(lake.spark, lake.conf)
    error = ingest(later, landing)["products"].error or ""
    ledger = f"{lake.conf.checkpoint_root}/ingest/contracts/products"
    assert re.match(rf"silver\.products is gone, .* restore it, or delete {ledger}, ", error)
    assert not later.ready(PRODUCTS)
    shutil.rmtree(ledger)
    assert ingest(later, landing)["products"].files == 2


def test_the_ratio_is_a_setting_and_its_bound_is_allowed(lake: Lake, tmp_path: Path) -> None:
    refused_by_ratio(tmp_path)
    error = ingest(lake, tmp_path, "contracts", "ingest.max_reject_ratio=0.66")["products"].error or ""
    assert "2 of 3 rows break the contract" in error
    assert "product_id is missing (2)" in error
    assert ingest(lake, tmp_path, "contracts", "ingest.max_reject_ratio=0.67")["products"].written == 1
    assert lake.read(REJECTS).count() == 2


def test_the_command_tells_the_error_and_ends_with_2(lake: Lake, tmp_path: Path) -> None:
    bad = refused_by_column(tmp_path)
    put(tmp_path / "campaigns" / "c.csv", "campaign_id,starts_on,ends_on\nc1,2026-01-01,2026-02-01\n")
    arguments = ["ingest", "--source", "contracts", "--landing", str(tmp_path), "--lake", str(lake.conf.root)]
    ended = CliRunner().invoke(cli.main, arguments)
    assert ended.exit_code == 2
    assert isinstance(ended.exception, SystemExit)
    told = " ".join(ended.stderr.split())
    assert f"{bad}: no column product_id" in told
    assert "Traceback" not in ended.output


# ---- lines that are not rows

ONE_OBJECT = [  # the cells are the texts as they stand
    '{"product_id": "1", "name": 7.10, "category": {"x" : 1.50, "y": [1,  2]}}',
    r'  { "product_id" : 2e0, "name": NaN, "category": "\u5546\ud83d\uDE00 \\ud83d" }' + "\t",
    '{"product_id": "3", "name": 12345678901234567890.10, "category": null}',
]
MORE_THAN_ONE_OBJECT = [
    '{"product_id": "a"}{"product_id": "b"}',
    '{"product_id": "a"} {"product_id": "b"}',
    '{"product_id": "a"} garbage',
    '{"product_id": "a"},',
    '{"product_id": "a"},{"product_id": "b"}',
    '{"product_id": "a"}]',
    '{"product_id": "a"},{"product_id": "b"}] x',
    '{"product_id": "a"}, "name": "b"',
    '{"product_id": "a"},"_end_of_line"] x',
    '[{"product_id": "a"}][{"product_id": "b"}]',
]
NO_OBJECT = [
    '{"product_id": "a"',
    '{"product_id": "a", "name": tru, "category": "b"}',
    "null",
    "5",
    "garbage",
]


def test_a_text_cut_within_a_character_is_rejected_when_its_half_is_replaced(lake: Lake, tmp_path: Path) -> None:
    """As the refusal of the file says."""
    put(tmp_path / "products" / "a.jsonl", rb'{"product_id": "1"}' + b"\n" + rb'{"product_id": "2", "name": "x\ufffd"}')
    assert ingest(lake, tmp_path, "contracts", "ingest.max_reject_ratio=0.5")["products"].error is None
    assert products(lake) == {"1": None}
    (reject,) = lake.read(REJECTS).collect()
    assert reject["rule"] == "name is not in the encoding of the source"


def test_a_bz2_file_of_several_streams_is_read_whole(lake: Lake, tmp_path: Path) -> None:
    """As pbzip2 writes them; Spark reads so large a file in parts that begin anywhere."""
    rng = random.Random(7)
    text = "product_id,name\n" + "".join(f"{n},{rng.randbytes(40).hex()}\n" for n in range(100_000))
    cuts = range(0, len(text), 100_000)
    put(tmp_path / "products" / "a.csv.bz2", b"".join(bz2.compress(text[n : n + 100_000].encode(), 1) for n in cuts))
    taken = ingest(lake, tmp_path)["products"]
    assert (taken.error, taken.read, taken.rejected) == (None, 100_000, 0)
    assert lake.read(PRODUCTS).count() == 100_000


def test_what_follows_the_first_object_of_a_json_line_is_told(lake: Lake, tmp_path: Path) -> None:
    lines = [*ONE_OBJECT, "", " \t ", *MORE_THAN_ONE_OBJECT, *NO_OBJECT, '[{"product_id": "5"}, {"product_id": "6"}]']
    put(tmp_path / "products" / "a.jsonl", "\ufeff" + "\n".join(lines))
    put(tmp_path / "products" / "b.jsonl.gz", gzip.compress(b'{"product_id": "4"}\r\n\r\n{"product_id": 5}x\r\n'))
    taken = ingest(lake, tmp_path, "contracts", "ingest.max_reject_ratio=0.9")["products"]
    assert taken.error is None
    assert_rows(
        lake,
        PRODUCTS,
        ("1", "7.10", '{"x" : 1.50, "y": [1,  2]}', None, None, None),
        ("2e0", "NaN", r"商😀 \ud83d", None, None, None),
        ("3", "12345678901234567890.10", None, None, None, None),
        *[(product, None, None, None, None, None) for product in "456a"],
    )
    assert rejected_lines(lake) == sorted([*MORE_THAN_ONE_OBJECT, *NO_OBJECT, '{"product_id": 5}x'])


def rejected_lines(lake: Lake) -> list[str]:
    broken = lake.read(REJECTS).where("rule = 'line cannot be split into cells'").collect()
    return sorted(json.loads(row["row"])["line"] for row in broken)


LINES = {  # of a CSV file: product_id, category, name; None: broken
    'P0,food,"say ""hi"""': ("food", 'say "hi"'),
    'P1,food,"Big': None,
    'Box"': None,
    'P2,"foo': None,
    'd",x': None,
    'P3,"a, b",5" pipe': ("a, b", '5" pipe'),
    "P4,,": (None, None),
    'P5,food,""': ("food", None),
    'P6,food," x "': ("food", " x "),
    'P7,food,"x",more': None,
    "P8,food": None,
    'P9,food,"': None,
    'P10,food,"_end_of_line': None,
    "P11,food,_end_of_line": ("food", "_end_of_line"),
    'P12,food,x,"_end_of_line': None,
    "P13,food,\\": ("food", "\\"),
    'P14,food,"x""': None,
    "P15,food,商品 \x01 #": ("food", "商品 \x01 #"),
    "\0P16,food,\0": ("food", "\0"),
}


@pytest.mark.parametrize("sep", [",", "\t", "\\t", ";"])
@pytest.mark.parametrize("query", ["", "query: SELECT * FROM input"])
def test_a_line_of_csv_with_an_open_quote_is_rejected_whole(lake: Lake, tmp_path: Path, sep: str, query: str) -> None:
    """Line breaks within cells are read with multiLine alone; without it nothing of such a cell may be cut off."""
    own = put(
        tmp_path / "own.yaml",
        f"about: x\ntime_zone: UTC\ncsv: {{encoding: GB18030, sep: '{sep}'}}\nloads:\n"
        f"  products:\n    files: products/\n    {query}\n",
    )
    text = "\r\n".join(["product_id,category,name", *LINES, "", "  "])
    text = text.replace("a, b", "a\ue000 b").replace(",", sep.replace("\\t", "\t")).replace("\ue000", ",")
    put(tmp_path / "landing" / "products" / "a.csv", text.encode("gb18030"))
    taken = ingest(lake, tmp_path / "landing", str(own), "ingest.max_reject_ratio=0.9")["products"]
    assert taken.error is None
    good = {line.split(",")[0]: cells for line, cells in LINES.items() if cells}
    assert {r["product_id"]: (r["category"], r["name"]) for r in lake.read(PRODUCTS).collect()} == good
    broken = [line.replace(",", sep.replace("\\t", "\t")) for line, cells in LINES.items() if not cells]
    assert rejected_lines(lake) == sorted(broken)


def test_a_line_of_more_cells_than_spark_takes_is_rejected(lake: Lake, tmp_path: Path) -> None:
    wide, text = "wide," + "x," * 30_000, "a" * 30_000
    put(tmp_path / "products" / "a.csv", f"product_id,name\n{wide}\np1,{text}\np2,\n")
    taken = ingest(lake, tmp_path, "contracts", "ingest.max_reject_ratio=0.5")["products"]
    assert (taken.error, rejected_lines(lake)) == (None, [wide])
    assert products(lake) == {"p1": text, "p2": None}


@pytest.mark.parametrize("lines", ["false", "true"])
def test_a_line_beyond_the_limits_of_the_source_is_not_quoted(lake: Lake, tmp_path: Path, lines: str) -> None:
    csv = f"{{maxCharsPerColumn: '12', multiLine: {lines}}}"
    own = put(tmp_path / "own.yaml", f"about: x\ntime_zone: UTC\ncsv: {csv}\nloads: {{products: }}\n")
    file = put(tmp_path / "landing" / "products" / "a.csv", "product_id,name\np1,this is private\n")
    error = ingest(lake, tmp_path / "landing", str(own))["products"].error or ""
    assert error.startswith(str(file))
    assert "private" not in error


def test_bytes_of_a_parquet_file_that_are_no_text_are_rejected(lake: Lake, tmp_path: Path) -> None:
    ids = pa.array([b"p1", b"caf\xe9", b"p3", b"p4"], pa.binary())
    as_text = pa.Array.from_buffers(pa.string(), 4, ids.buffers())
    (tmp_path / "products").mkdir()
    for name, column in {"a": as_text, "b": ids}.items():
        pyarrow.parquet.write_table(pa.table({"product_id": column}), tmp_path / "products" / f"{name}.parquet")
    taken = ingest(lake, tmp_path, "contracts", "ingest.max_reject_ratio=0.5")["products"]
    assert taken.rules == {"product_id is not in the encoding of the source": 2}
    assert sorted(products(lake)) == ["p1", "p3", "p4"]


# ---- a source of one's own

OWN = """
about: A shop whose exports are in Chinese.
time_zone: Asia/Shanghai
csv: {sep: ";", encoding: GB18030, multiLine: true}
loads:
  orders:
    files: 导出 [1]/订单*.csv
    columns:
      order_id: "`订单号`"
      ordered_at: "`下单 时间`"
      status: CASE `状态` WHEN '已付款' THEN 'paid' WHEN '已取消' THEN 'cancelled' ELSE `状态` END
      gross_amount: "`金额(元)`"
      net_amount: "`金额(元)`"
      updated_at: "`下单 时间`"
      promo_code: "`备注`"
    defaults: {channel: 商城, points_granted: 0}
  sums:
    table: products
    files: 商品/
    query: SELECT max(id) AS product_id, count(*) AS n FROM input GROUP BY substr(id, 1, 1)
    columns: {name: "CAST(n AS STRING)"}
"""


def test_a_source_of_ones_own(lake: Lake, tmp_path: Path) -> None:
    file = put(tmp_path / "商城.yaml", OWN)
    landing = tmp_path / "landing"
    put(
        landing / "导出 [1]" / "订单 一.csv",
        (
            "订单号;下单 时间;状态;金额(元);备注\n"
            '0001;2026-03-01 00:30:00;已付款;12.50;"两行\n备注; 一"\n'
            "0002;2026-03-01T00:30:00Z;已取消;3;\n"
            "0003;2026-03-02;paid;4;\n"
            "0004;2026-03-02;paid;4;\n"
            "0005;2026-03-02;未知;5;\n"
        ).encode("gb18030"),
    )
    put(landing / "导出 [1]" / "readme.txt", "not asked for by the pattern")
    put(landing / "商品" / "p.csv", "id;x\na1;1\na2;1\nb1;1\nb2;1\nb3\n")
    taken = ingest(lake, landing, str(file), "ingest.max_reject_ratio=0.4")
    assert {name: one.error for name, one in taken.items()} == {"orders": None, "sums": None}

    columns = ["order_id", "ordered_at", "status", "net_amount", "promo_code", "channel", "points_granted"]
    assert_equal(
        lake.read(ORDERS).select(columns),
        [
            ("0001", utc(2026, 2, 28, 16, 30), "paid", Decimal("12.50"), "两行\n备注; 一", "商城", 0),
            ("0002", utc(2026, 3, 1, 0, 30), "cancelled", Decimal("3.00"), None, "商城", 0),
            ("0003", utc(2026, 3, 1, 16), "paid", Decimal("4.00"), None, "商城", 0),
            ("0004", utc(2026, 3, 1, 16), "paid", Decimal("4.00"), None, "商城", 0),
        ],
    )
    # a broken line has no cells for the query: it goes past it and is rejected
    assert products(lake) == {"a2": "2", "b2": "2"}
    rejects = {(r["table"], r["rule"]) for r in lake.read(REJECTS).collect()}
    assert ("silver.products", "line cannot be split into cells") in rejects
    assert {rule.partition(" is not")[0] for table, rule in rejects if table == "silver.orders"} == {"status"}


def test_a_default_that_its_column_cannot_hold_is_told(lake: Lake, tmp_path: Path) -> None:
    """Every row without the cell would have NULL."""
    defaults = "{points_granted: none, discount_amount: '0.5', channel: shop}"
    own = put(tmp_path / "own.yaml", f"about: x\ntime_zone: UTC\nloads:\n  orders: {{defaults: {defaults}}}\n")
    put(tmp_path / "landing" / "orders" / "a.csv", "order_id,ordered_at,status,gross_amount,net_amount,updated_at\n")
    error = ingest(lake, tmp_path / "landing", str(own))["orders"].error or ""
    assert error == "the defaults of orders in the source do not fit: points_granted: none is not a readable bigint"


def test_a_broken_line_of_a_lookup_ends_the_load(lake: Lake, tmp_path: Path) -> None:
    """There is no table of lookups that it could be rejected from, and its last cell would be a wrong one."""
    query = "SELECT i.product_id, n.name FROM input i LEFT JOIN names n ON n.product_id = i.product_id"
    own = put(
        tmp_path / "own.yaml",
        f"about: x\ntime_zone: UTC\nlookups: {{names: names.csv}}\nloads:\n  products: {{query: '{query}'}}\n",
    )
    put(tmp_path / "landing" / "products" / "a.csv", "product_id\np1\np2\n")
    lookup = put(tmp_path / "landing" / "names.csv", 'product_id,name\np1,one\np2,"two\n')
    error = ingest(lake, tmp_path / "landing", str(own))["products"].error or ""
    assert error.startswith(f"{lookup}, which products needs, has lines that cannot be split into cells")
    put(lookup, 'product_id,name\np1,one\np2,"two"\n')
    assert ingest(lake, tmp_path / "landing", str(own))["products"].error is None
    assert products(lake) == {"p1": "one", "p2": "two"}


@pytest.mark.parametrize(("mapping", "said"), [("sku", "sku"), ("product_id sku", "[PARSE_SYNTAX_ERROR]")])
def test_a_mapping_that_does_not_fit_is_told(lake: Lake, tmp_path: Path, mapping: str, said: str) -> None:
    file = put(
        tmp_path / "own.yaml",
        f"about: x\ntime_zone: UTC\nloads:\n  products:\n    columns: {{product_id: {mapping}}}\n",
    )
    put(tmp_path / "landing" / "products" / "a.csv", GOOD)
    error = ingest(lake, tmp_path / "landing", str(file))["products"].error or ""
    assert "a.csv: the mapping of products does not fit" in error
    assert said in error


@pytest.mark.parametrize("as_query", [False, True])
def test_a_value_that_the_mapping_cannot_take_ends_the_load_or_is_rejected(
    lake: Lake, tmp_path: Path, as_query: bool
) -> None:
    put(
        tmp_path / "landing" / "members" / "m.csv",
        "member_id,source,registered_at,birth_date,recorded_at\n"
        "007,shop,2026-01-02,28/02/1990,2026-01-02\n008,shop,2026-01-02,31/02/1990,2026-01-02\n",
    )

    def taken(birth_date: str) -> Taken:
        query = f"SELECT member_id, source, registered_at, recorded_at, {birth_date} AS birth_date FROM input"
        load = f'query: "{query}"' if as_query else f'columns: {{birth_date: "{birth_date}"}}'
        own = put(tmp_path / "own.yaml", f"about: x\ntime_zone: UTC\nloads:\n  members:\n    {load}\n")
        return ingest(lake, tmp_path / "landing", str(own), "ingest.max_reject_ratio=0.5")["members"]

    error = taken("to_date(birth_date, 'dd/MM/yyyy')").error or ""
    assert "m.csv: the mapping of members ends on a value that it cannot take" in error
    assert "31/02/1990" not in error
    assert taken("coalesce(string(try_to_date(birth_date, 'dd/MM/yyyy')), birth_date)").rules == {
        "birth_date is not a readable date": 1
    }
    assert [(r["member_id"], r["birth_date"]) for r in lake.read(MEMBERS).collect()] == [("007", date(1990, 2, 28))]


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=timezone.utc)


def assert_equal(frame: DataFrame, expected: list[tuple[Any, ...]]) -> None:
    wanted = frame.sparkSession.createDataFrame(expected, frame.schema)
    assert_df_equality(frame, wanted, ignore_row_order=True, ignore_nullable=True, ignore_metadata=True)
