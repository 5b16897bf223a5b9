"""Ops: what ran, and what was not taken."""

from memberlake.lake.contract import DATE, LONG, STRING, TS, Column, Table

RUNS = Table(
    "ops",
    "runs",
    grain="one run of a job",
    key=("run_id",),
    columns=(
        Column("run_id", STRING, "the run", required=True),
        Column("job", STRING, "name of the job", required=True),
        Column("as_of", DATE, "cut-off of the run, NULL for ingest"),
        Column("started_at", TS, "start", required=True),
        Column("ended_at", TS, "end, NULL while running or killed"),
        Column("state", STRING, "running, done or failed", required=True, allowed=("running", "done", "failed")),
        Column("rows_read", LONG, "rows of all tables that the job may read; of ingest, of the files that it took"),
        Column("rows_written", LONG, "rows that it wrote"),
        Column("config_hash", STRING, "digest of the business rules in force", required=True),
        Column("code_version", STRING, "version of memberlake", required=True),
        Column("error", STRING, "why it failed"),
    ),
)

REJECTS = Table(
    "ops",
    "rejects",
    grain="one row of a landing file that broke its contract",
    key=("reject_id",),
    columns=(
        Column("reject_id", STRING, "digest of table, file, row and its number among equal rows", required=True),
        Column("table", STRING, "table that it was meant for", required=True),
        Column("source_file", STRING, "landing file", required=True),
        Column("rule", STRING, "every rule that it broke", required=True),
        Column("row", STRING, "the row as JSON, as it was read", required=True),
        Column("rejected_at", TS, "when", required=True),
    ),
)

WATERMARKS = Table(
    "ops",
    "watermarks",
    grain="what one job has seen of one table",
    key=("job", "table"),
    columns=(
        Column("job", STRING, "name of the job", required=True),
        Column("table", STRING, "table that it reads", required=True),
        Column("version", LONG, "version of the table that it has taken in", required=True),
        Column(
            "rules",
            STRING,
            "digest of the rules it did so by, and which table it was: under others everything counts as new",
            required=True,
        ),
    ),
)

CUTOFFS = Table(
    "ops",
    "cutoffs",
    grain="one job whose tables without as_of stand at a day; no row while it works, or after it failed",
    key=("job",),
    columns=(
        Column("job", STRING, "name of the job", required=True),
        Column("as_of", DATE, "cut-off that its tables were brought to", required=True),
    ),
)

TABLES = (RUNS, REJECTS, WATERMARKS, CUTOFFS)
