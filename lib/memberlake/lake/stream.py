"""New files of a folder, each exactly once: Structured Streaming's file source used as the ledger of what was taken."""

from __future__ import annotations

import re
from collections.abc import Callable

from pyspark.errors import AnalysisException, StreamingQueryException
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.types import BinaryType, LongType, StructType, TimestampType

_LISTING = (
    StructType()
    .add("path", "string")
    .add("modificationTime", TimestampType())
    .add("length", LongType())
    .add("content", BinaryType())
)


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
    process dies, the next call gives the very same files again, less those that are gone; so `take` must be
    repeatable. A folder that is not there has no files.
    """
    failed: list[Exception] = []

    def batch(listing: DataFrame, _: int) -> None:
        try:
            paths = sorted(row.path for row in listing.collect())  # small: at most batch_size
            if paths:
                take(listing.sparkSession, paths)
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
    query = (
        paths.writeStream.foreachBatch(batch)
        .option("checkpointLocation", checkpoint)
        .trigger(availableNow=True)
        .start()
    )
    try:
        query.awaitTermination()
    except StreamingQueryException:
        if failed:
            raise failed[0] from None
        raise
