"""Raw rows of landing files, as they are: nothing is typed, cast or dropped here."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

from py4j.protocol import Py4JJavaError
from pyspark.errors import AnalysisException, PySparkException
from pyspark.sql import DataFrame, DataFrameReader, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import StringType, StructField, StructType

from memberlake.errors import UserError

FORMATS = {"csv": "csv", "json": "json", "jsonl": "json", "ndjson": "json", "parquet": "parquet"}
COMPRESSIONS = ("gz", "bz2")
FILE, BROKEN = "_source_file", "_broken_line"  # columns that are added to the raw rows

# RFC 4180; every cell is read as text
_CSV: dict[str, str | bool] = {
    "header": True,
    "quote": '"',
    "escape": '"',
    "mode": "PERMISSIVE",
    "columnNameOfCorruptRecord": BROKEN,
}
_JSON: dict[str, str | bool] = {"primitivesAsString": True, "mode": "PERMISSIVE", "columnNameOfCorruptRecord": BROKEN}


class RawFiles(NamedTuple):
    """Files with the same columns, and their rows."""

    paths: list[str]
    columns: list[str]
    rows: DataFrame


def read(spark: SparkSession, paths: list[str], csv_options: Mapping[str, str | bool]) -> list[RawFiles]:
    """The rows of files, one group for each format and set of columns.

    CSV and JSON cells are strings (nested JSON as its text), Parquet cells have their types. `_source_file` is the
    file's path, `_broken_line` the text of a line that could not be split into cells.

    Raises:
        UserError: a file has no known ending, can't be read, or has no columns.
    """
    with ThreadPoolExecutor(8) as pool:  # one small job a file: its header, keys or footer
        schemas = list(pool.map(lambda path: _schema(spark, path, csv_options), paths))
    groups: dict[tuple[str, str], list[int]] = defaultdict(list)
    for n, path in enumerate(paths):
        groups[_format(path), schemas[n].json()].append(n)
    return [
        _rows(spark, [paths[n] for n in group], schemas[group[0]], csv_options)
        for _, group in sorted(groups.items(), key=lambda item: item[1])
    ]


def listed(spark: SparkSession, folder: str, pattern: str) -> list[str]:
    """The files of a folder whose names match; Spark lists them, so that any store will do."""
    listing = spark.read.format("binaryFile").option("pathGlobFilter", pattern).option("globPaths", "false")
    return sorted(row.path for row in listing.load(folder).select("path").collect())  # a lookup's files, a few


def readable(path: str) -> str:
    """A file's URI as a person would write it."""
    parts = urlsplit(path)
    return unquote(parts.path) if parts.scheme == "file" else unquote(path)


def _rows(spark: SparkSession, paths: list[str], schema: StructType, csv_options: Mapping[str, str | bool]) -> RawFiles:
    kind = _format(paths[0])
    reader = _reader(spark, kind, csv_options)
    if kind != "parquet":
        reader = reader.schema(StructType([*schema.fields, StructField(BROKEN, StringType())]))
    rows = reader.load([unquote(path) for path in paths])
    rows = rows.withColumn(FILE, F.url_decode(F.replace(F.col("_metadata.file_path"), F.lit("+"), F.lit("%2B"))))
    rows = rows.withColumn(FILE, F.regexp_replace(FILE, "^file:/+", "/"))
    if kind == "parquet":
        rows = rows.withColumn(BROKEN, F.lit(None).cast("string"))
    return RawFiles([readable(p) for p in paths], schema.fieldNames(), rows)


def _schema(spark: SparkSession, path: str, csv_options: Mapping[str, str | bool]) -> StructType:
    kind = _format(path)
    try:
        found = _reader(spark, kind, csv_options).load(unquote(path)).schema
    except (AnalysisException, PySparkException, Py4JJavaError, OSError) as error:
        raise UserError(f"{readable(path)} cannot be read as {kind}: {_first_line(error)}") from None
    names = [field.name for field in found.fields if field.name != BROKEN]
    if not names:
        raise UserError(f"{readable(path)} is empty: it has no {'header' if kind == 'csv' else 'columns'}")
    if kind == "parquet":
        return found
    return StructType([StructField(name, StringType()) for name in names])


def _reader(spark: SparkSession, kind: str, csv_options: Mapping[str, str | bool]) -> DataFrameReader:
    options: dict[str, str | bool] = {**_CSV, **csv_options} if kind == "csv" else _JSON if kind == "json" else {}
    # without globPaths=false a file named [1].csv would be taken for a pattern
    return spark.read.format(kind).options(**options).option("globPaths", "false")


def _format(path: str) -> str:
    endings = path.lower().rsplit("/", 1)[-1].split(".")[1:]
    if endings and endings[-1] in COMPRESSIONS:
        endings.pop()
    if not endings or endings[-1] not in FORMATS:
        raise UserError(
            f"{readable(path)} is no file that ingest can take ({', '.join(FORMATS)}, also .gz): move it away"
        )
    return FORMATS[endings[-1]]


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0][:300] if str(error).strip() else type(error).__name__
