"""New files of a folder, each exactly once: Structured Streaming's file source used as the ledger of what was taken."""

from __future__ import annotations

import re
from collections.abc import Callable

from py4j.protocol import Py4JJavaError
from pyspark.errors import AnalysisException, PySparkException
from pyspark.sql import DataFrame, SparkSession

from memberlake.errors import UserError, cause

_LISTING = "path string, modificationTime timestamp, length bigint, content binary"


def take_new_files(
    spark: SparkSession,
    folder: str,
    pattern: str,
    checkpoint: str,
    batch_size: int,
    take: Callable[[SparkSession, list[str]], None],
) -> None:
    """Calls `take` with the paths of files that were not taken before, at most batch_size at a time.

    A batch is written to the checkpoint before `take` sees it, and marked as done after. When `take` fails or the
    process dies, the next call gives the very same files again, less those that are gone, which may leave none; so
    `take` must be repeatable. A folder that is not there has no files.

    Raises:
        UserError: the folder cannot be opened; the checkpoint is damaged, or in use.
    """
    failed: list[Exception] = []

    def batch(listing: DataFrame, _: int) -> None:
        try:
            take(listing.sparkSession, sorted(row.path for row in listing.collect()))  # small: at most batch_size
        except Exception as error:
            failed.append(error)
            raise

    listing = (
        spark.readStream.format("binaryFile")
        .schema(_LISTING)
        .option("pathGlobFilter", pattern)
        .option("recursiveFileLookup", True)
        .option("maxFilesPerTrigger", batch_size)
        .option("maxFileAge", "36500d")  # by default a file older than a week is passed over in silence
    )
    try:
        # the source takes its folder for a pattern
        paths = listing.load(re.sub(r"([\[\]{}*?\\])", r"\\\1", folder)).select("path")  # the content is not read
    except AnalysisException as error:
        if error.getCondition() == "PATH_NOT_FOUND":
            return
        raise
    except (PySparkException, Py4JJavaError) as error:  # Spark knows no such file system, or is not let in
        raise UserError(f"the landing folder {folder} cannot be opened: {cause(error)}") from None
    stream = paths.writeStream.foreachBatch(batch).option("checkpointLocation", checkpoint).trigger(availableNow=True)
    try:
        stream.start().awaitTermination()
    except (PySparkException, Py4JJavaError) as error:
        if failed:
            raise failed[0] from None
        if re.search("No space left|Permission denied|AccessControlException", str(error)):
            raise
        # Spark tells of a damaged file in the words of whatever parser met it, and seldom names the file
        why = cause(error).rstrip(".")
        raise UserError(
            f"{checkpoint}, the record of the files taken, cannot be used: {why}. If no other ingest is running, "
            f"delete this folder and ingest again: what was taken is taken again, which changes nothing"
        ) from None
