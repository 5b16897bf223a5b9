"""Raw rows of landing files, as they are: nothing is typed, cast or dropped here."""

from __future__ import annotations

import itertools
import os
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from fnmatch import fnmatch
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote

from py4j.protocol import Py4JJavaError
from pyspark.errors import AnalysisException, PySparkException
from pyspark.sql import Column, DataFrame, DataFrameReader, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import ArrayType, StringType, StructField, StructType

from memberlake.conf import local_path
from memberlake.errors import UserError, cause
from memberlake.ingest import parse
from memberlake.lake import sql

CsvOptions = Mapping[str, str | bool | int]
FORMATS = {"csv": "csv", "json": "json", "jsonl": "json", "ndjson": "json", "parquet": "parquet"}
COMPRESSIONS = ("gz", "bz2")
FILE, BROKEN = "_source_file", "_broken_line"  # columns that are added to the raw rows
_LINE, _CELLS, _END = "_line", "_cells", "_end_of_line"

# RFC 4180; every cell is read as text
_CSV = {
    "header": "true",
    "quote": '"',
    "escape": '"',
    "mode": "PERMISSIVE",
    "columnNameOfCorruptRecord": BROKEN,
}
_JSON = {"primitivesAsString": "true", "mode": "PERMISSIVE", "columnNameOfCorruptRecord": BROKEN}
_PARQUET = {"parquet.page.verify-checksum.enabled": "true"}  # else damage may be read as values
# a line of a CSV file as its one cell: quoted and parted by what is no character; no quote is a NUL for Spark
_CSV_LINES = {"header": "true", "quote": "\ufdd1", "sep": "\uffff", "columnNameOfCorruptRecord": BROKEN}
_MOST_CELLS = 20480  # of a line: Spark's default of maxColumns
_OF_LINES = {"header", "encoding", "charset", "linesep", "comment"}  # options that tell what a line is
_NO_TEXT = re.compile("[\x00-\x08\x0e-\x1f\ufffd]")  # what bytes that are no text, or in another encoding, turn into


class RawFiles(NamedTuple):
    """Files with the same columns, and their rows."""

    paths: list[str]
    columns: list[str]
    rows: DataFrame


def read(spark: SparkSession, paths: list[str], csv_options: CsvOptions) -> list[RawFiles]:
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
    listing = spark.read.format("binaryFile").option("pathGlobFilter", pattern).option("__globPaths__", "false")
    return sorted(row.path for row in listing.load(folder).select("path").collect())  # a lookup's files, a few


def empty(folder: Path, pattern: str) -> list[Path]:
    """Files without a byte, which Spark never lists: taken for nothing, they would be missed when filled later."""
    return sorted(path for path in _seen(folder, pattern) if path.stat().st_size == 0)


def states(paths: list[str]) -> dict[str, tuple[int, int] | None]:
    """Size and time of the last change of files on this machine's disks; None for others."""
    found = {path: local_path(path) for path in paths}
    stats = {path: local.stat() if local and local.exists() else None for path, local in found.items()}
    return {path: (stat.st_size, stat.st_mtime_ns) if stat else None for path, stat in stats.items()}


def misnamed(folder: Path, pattern: str) -> list[str]:
    """Files of names that Spark cannot read. Those not in UTF-8, as unpacked archives have them, it never lists."""
    found = [path for path in _seen(folder, pattern) if ":" in path.name or not _is_text(str(path))]
    return sorted(os.fsencode(path).decode(errors="backslashreplace") for path in found)


def _seen(folder: Path, pattern: str) -> Iterator[Path]:
    """The files that Spark would list, and those that it should."""
    found = (path for path in folder.rglob("*") if fnmatch(path.name, pattern) and path.is_file())
    return (path for path in found if not any(part[0] in "._" for part in path.relative_to(folder).parts))


def _is_text(name: str) -> bool:
    return name == name.encode(errors="ignore").decode()


def readable(path: str) -> str:
    """A file's path as a person would write it."""
    return re.sub("^file:/+", "/", path)


def unreadable(error: Exception) -> UserError | None:
    """What to tell when Spark failed on the content of a file; None when it failed for another reason."""
    found = re.search(r"while reading file (\S+)\. ", str(error))
    return UserError(f"{readable(unquote(found[1]))} cannot be read: {cause(error)}") if found else None


def _rows(spark: SparkSession, paths: list[str], schema: StructType, csv_options: CsvOptions) -> RawFiles:
    kind = _format(paths[0])
    if kind == "parquet":
        found = _with_file(_reader(spark, kind, _PARQUET).load(paths)).withColumn(BROKEN, F.lit(None).cast("string"))
        # Spark takes the bytes as they are; bytes that are no text are to be seen, as in the other formats
        rows = found.select(*[_as_text(field).alias(field.name) for field in found.schema.fields])
    elif kind == "json":
        rows = _json_rows(spark, paths, schema)
    elif any(name.lower() == "multiline" and str(value).lower() == "true" for name, value in csv_options.items()):
        rows = _with_file(_reader(spark, kind, {**_CSV, **csv_options}).schema(_with_broken(schema)).load(paths))
    else:
        of_lines = {name: value for name, value in csv_options.items() if name.lower() in _OF_LINES}
        lines = _reader(spark, kind, {**_CSV_LINES, **of_lines}).schema(f"{_LINE} string, {BROKEN} string").load(paths)
        rows = _csv_rows(_with_file(lines), schema, csv_options)
    return RawFiles([readable(p) for p in paths], schema.fieldNames(), rows)


def _json_rows(spark: SparkSession, paths: list[str], schema: StructType) -> DataFrame:
    """The cells of JSON lines. Spark reads the first object of a line and drops in silence what follows it.

    So lines are read once more, each as a list that a text of ours ends. Where ours is not the second, the line is told
    as broken beside its first object. Its cells can't come from there: from_json makes 7.1 of 7.10.
    """
    rows = _with_file(_reader(spark, "json", _JSON).schema(_with_broken(schema)).load(paths))
    lines = _with_file(_reader(spark, "text", {}).load(paths)).withColumnRenamed("value", BROKEN)
    is_flat = F.locate("}", F.rtrim(BROKEN)) == F.length(F.rtrim(BROKEN))  # nothing can follow: no need to parse
    listed = F.from_json(F.concat(F.lit("["), BROKEN, F.lit(f',"{_END}"]')), ArrayType(StringType()), _JSON)
    is_ours = F.get(listed, F.lit(1)) == _END
    is_one = is_ours & ~F.contains(F.col(BROKEN), F.lit(_END))  # such a line might end the list itself
    objects = ArrayType(StructType().add(_END, "string"))
    has_first = F.from_json(BROKEN, objects, _JSON).isNotNull()  # else it is among the rows as broken
    more = lines.where(~is_flat & ~F.coalesce(is_one, F.lit(False)) & has_first)
    return rows.unionByName(more, allowMissingColumns=True)


def _csv_rows(lines: DataFrame, schema: StructType, csv_options: CsvOptions) -> DataFrame:
    """The cells of CSV lines. Spark takes the end of a line for the end of a cell, although its quote is still open.

    So a cell of ours ends each line: it falls into a cell that is open.
    """
    lines = lines.withColumn(_LINE, F.coalesce(BROKEN, _LINE))  # the whole line, whatever was found in it
    given = {name.lower(): str(value) for name, value in csv_options.items()}
    sep = given.get("sep", given.get("delimiter", ",")).replace("\\t", "\t")
    # a line of more cells ends Spark's parser, which then quotes the line
    most = int(given.get("maxcolumns", _MOST_CELLS))
    count = F.length(_LINE) - F.length(F.replace(_LINE, F.lit(sep))) + 2  # not fewer than its cells, ours with them
    ended = F.when((F.length(_LINE) < most - 1) | (count <= most), F.concat(_LINE, F.lit(sep + _END)))
    columns = ", ".join(f"{sql.name(name)} string" for name in (*schema.fieldNames(), _END, BROKEN))
    cells = F.from_csv(ended, columns, {name: str(value) for name, value in {**_CSV, **csv_options}.items()})
    # exploded, the cells are parsed once; a plain column would be parsed again in each filter
    parsed = lines.select(FILE, _LINE, F.explode(F.array(cells)).alias(_CELLS))
    is_whole = F.col(_CELLS)[BROKEN].isNull() & F.col(_CELLS)[_END].eqNullSafe(_END)
    names = [name for name in schema.fieldNames() if name.lower() != FILE]
    return parsed.select(
        *[F.col(_CELLS)[name].alias(name) for name in names], FILE, F.when(~is_whole, F.col(_LINE)).alias(BROKEN)
    )


def _as_text(field: StructField) -> Column:
    cell = F.col(sql.name(field.name))
    return F.make_valid_utf8(cell) if isinstance(field.dataType, StringType) else cell


def _with_file(rows: DataFrame) -> DataFrame:
    rows = rows.withColumn(FILE, F.url_decode(F.replace(F.col("_metadata.file_path"), F.lit("+"), F.lit("%2B"))))
    return rows.withColumn(FILE, F.regexp_replace(FILE, "^file:/+", "/"))


def _with_broken(schema: StructType) -> StructType:
    return StructType([*schema.fields, StructField(BROKEN, StringType())])


def _schema(spark: SparkSession, path: str, csv_options: CsvOptions) -> StructType:
    kind = _format(path)
    if re.search(r"[\[\]{}*?\\]", path):
        csv_options = {**csv_options, "multiLine": False}  # Spark looks for such a header with a reader of patterns
    if path.lower().endswith(".bz2") and (local := local_path(path)) and not _is_whole(local):
        raise UserError(f"{readable(path)} is cut off, or has something after its end: deliver it again")
    options: dict[str, CsvOptions]
    options = {"csv": {**_CSV, **csv_options}, "json": _JSON, "parquet": _PARQUET}
    try:
        found = _reader(spark, kind, options[kind]).load(path).schema
        keys = _keys(spark, path) if kind == "json" else []
    except (AnalysisException, PySparkException, Py4JJavaError, OSError) as error:
        if isinstance(error, PySparkException) and error.getCondition() == "COLUMN_ALREADY_EXISTS":
            name = (error.getMessageParameters() or {}).get("columnName", "").strip("`")
            raise _twice(path, name) from None
        said = cause(error)
        if "TIMESTAMP(NANOS" in said:  # as pandas writes them by itself
            said = "its times are in nanoseconds, which Spark does not read; write them in microseconds"
        raise UserError(f"{readable(path)} cannot be read as {kind}: {said}") from None
    names = [field.name for field in found.fields if field.name != BROKEN]
    if spelt := [key for key, more in itertools.pairwise(keys) if key.lower() == more.lower()]:
        raise _twice(path, spelt[0].lower())
    given = keys if kind == "json" else [field.name for field in found.fields]  # of JSON Spark adds the broken lines
    if own := [name for name in given if name.lower() in (FILE, BROKEN, _END)]:
        raise UserError(f"{readable(path)}: the column {own[0]} has a name that ingest itself uses: rename it")
    if kind == "json" and not names and found.fields:
        raise UserError(f"{readable(path)} is not JSON lines: no line of it is a JSON object")
    if kind == "csv" and any(_NO_TEXT.search(name) for name in names):
        raise UserError(
            f"{readable(path)} is not text in {csv_options.get('encoding', 'UTF-8')}: "
            f"export it again, or set csv.encoding in the source"
        )
    if not names:
        raise UserError(f"{readable(path)} is empty: it has no {'header' if kind == 'csv' else 'columns'}")
    if kind == "parquet":
        return found
    return StructType([StructField(name, StringType()) for name in names])


def _keys(spark: SparkSession, path: str) -> list[str]:
    """The keys of JSON lines as they are spelt. Of `city` in one line and `City` in another Spark reads one alone.

    Raises:
        UserError: a line has half of a character; Spark would make it a question mark, as one that was written.
    """
    lines = _reader(spark, "text", {}).load(path).select(F.ltrim("value", F.lit("\ufeff")).alias("line"))
    keys = lines.select(
        F.explode(F.json_object_keys("line")).alias("key"), parse.has_half_a_character(F.col("line")).alias("is_cut")
    )
    found = keys.groupBy("key").agg(F.bool_or("is_cut")).collect()  # names of columns: few
    if any(row[1] for row in found):
        raise UserError(
            f"{readable(path)}: a text was cut within a character, whose halves are written as \\ud83d\\ude00: "
            f"write \\ufffd for each half that stands alone, and the rows with it are rejected, the others taken"
        )
    return sorted((row[0] for row in found), key=lambda key: (key.lower(), key))


def _twice(path: str, name: str) -> UserError:
    return UserError(f"{readable(path)}: the column {name} stands twice, in whatever case")


def _is_whole(packed: Path) -> bool:
    """Whether a .bz2 ends as such. Spark reads it by blocks, and takes one that ends between two of them for whole."""
    with packed.open("rb") as file:
        file.seek(-min(packed.stat().st_size, 11), os.SEEK_END)
        end = int.from_bytes(file.read(), "big")
    # a mark of 48 bits, a checksum of 32, and as many bits as fill the byte
    return any(end >> bits & 0xFFFFFFFFFFFF == 0x177245385090 for bits in range(32, 40))


def _reader(spark: SparkSession, form: str, options: CsvOptions) -> DataFrameReader:
    # a file named [1].csv is no pattern; this is how Spark's own file stream says so
    return spark.read.format(form).options(**options).option("__globPaths__", "false")


def _format(path: str) -> str:
    endings = path.lower().rsplit("/", 1)[-1].split(".")[1:]
    if endings and endings[-1] in COMPRESSIONS:
        endings.pop()
    if not endings or endings[-1] not in FORMATS:
        raise UserError(
            f"{readable(path)} is no file that ingest can take ({', '.join(FORMATS)}, also .gz): move it away"
        )
    return FORMATS[endings[-1]]
