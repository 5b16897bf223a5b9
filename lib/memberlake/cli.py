"""The command line: one entry for laptop, cluster and notebook.

Exit codes: 0 done, 1 a job failed, 2 a mistake that the user can mend, 3 an alert is open (only `alerts --exit-code`),
130 interrupted by Ctrl-C.
Logs go to stderr, results to stdout.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
from py4j.protocol import Py4JJavaError
from pyspark.errors import PySparkException
from pyspark.logger import PySparkLogger
from rich.logging import RichHandler

from memberlake import commands, console, docs, jobs, runner
from memberlake.commands import Days, Given
from memberlake.conf import project_home
from memberlake.conf.section import MOST
from memberlake.console import err, out
from memberlake.errors import UserError
from memberlake.lake import machine
from memberlake.made import write

log = logging.getLogger("memberlake")


class _Command(click.Command):
    """Turns a UserError into one sentence and exit code 2."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            self._require_filled(ctx)
            return super().invoke(ctx)
        except UserError as error:
            console.tell(error)
            ctx.exit(2)
        except KeyboardInterrupt:
            console.tell("interrupted: give the same command again")
            ctx.exit(130)
        except BrokenPipeError:  # the reader of our output had enough
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            ctx.exit(0)
        except (PySparkException, Py4JJavaError) as error:  # a damaged table, no memory
            log.debug("the stack", exc_info=True)
            console.tell(f"failed: {runner.message(error)}")
            ctx.exit(1)
        except OSError as error:  # a name that is too long, a folder of somebody else
            if error.filename is None:
                raise
            console.tell(f"{error.filename}: {error.strerror}")
            ctx.exit(2)

    def _require_filled(self, ctx: click.Context) -> None:
        """An empty value is a variable of the shell that is not set: what happens without the option was not meant.
        One not in UTF-8 is the name of a folder that Java cannot open."""
        for parameter in self.params:
            given = ctx.params.get(str(parameter.name))
            texts = given if isinstance(given, tuple) else (given,)
            given_texts = [text for text in texts if isinstance(text, str)]
            is_option = isinstance(parameter, click.Option)
            name = parameter.opts[0] if is_option else parameter.human_readable_name
            if any(not text.strip() for text in given_texts):
                raise UserError(f"{name} is empty: give a value, or leave it out")
            if any(text != text.encode(errors="ignore").decode() for text in given_texts):
                raise UserError(f"{name} is not in UTF-8, which Java and Spark need: rename what it names")


class _Group(click.Group):
    command_class = _Command

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except click.UsageError as error:  # click would say three lines
            path = error.ctx.command_path if error.ctx else ctx.command_path
            console.tell(f"{error.format_message().rstrip('.')} (see `{path} --help`)")
            ctx.exit(2)


def _in_a_line(record: logging.LogRecord) -> bool:
    record.msg, record.args = console.in_a_line(record.getMessage()), ()
    return record.name != "root"  # py4j's; as those below


def _log(ctx: click.Context, _: click.Parameter, quiet: bool) -> None:
    bar_safe = RichHandler(console=err, show_path=False, show_level=False, log_time_format="%H:%M:%S")
    handler = bar_safe if err.is_terminal else logging.StreamHandler(sys.stderr)
    line = "%(message)s" if err.is_terminal else "%(asctime)s %(message)s"
    handler.addFilter(_in_a_line)
    logging.basicConfig(handlers=[handler], format=line, datefmt="%H:%M:%S", force=True)
    for noisy in ("py4j", "pyspark"):
        logging.getLogger(noisy).setLevel(logging.CRITICAL)  # their errors are raised, and printed without a stack
    for noisy in ("SQLQueryContextLogger", "DataFrameQueryContextLogger"):  # the same errors, as JSON with the stack
        PySparkLogger.getLogger(noisy).setLevel(logging.CRITICAL)
    for ours in (log, logging.getLogger("__main__")):  # the latter is a job's script of its own
        ours.setLevel(logging.WARNING if quiet else logging.INFO)


def _log_stacks(ctx: click.Context, _: click.Parameter, verbose: bool) -> None:
    if verbose:
        log.setLevel(logging.DEBUG)


def _together(*options: Callable[..., Any]) -> Callable[..., Any]:
    """Several options as one decorator, in the order in which help lists them."""

    def decorated(command: Callable[..., Any]) -> Callable[..., Any]:
        for option in reversed(options):
            command = option(command)
        return command

    return decorated


_AS_OF = click.option(
    "--as-of", metavar="DATE", help="Business date, `latest` (with an order or event), or `yesterday`, the default."
)
_day_options = _together(
    _AS_OF,
    click.option("--from", "first", metavar="DATE", help="First day of a backfill."),
    click.option("--to", "last", metavar="DATE", help="Last day of a backfill. Default: yesterday."),
)
_SET = "One setting, such as rfm.tiles=4; the value is YAML."
_STACKS = "Log the stack of a failed job too. It may quote values of rows."
_lake_options = _together(
    click.option("--conf", "files", multiple=True, metavar="FILE", help="YAML over conf/base.yaml."),
    click.option("--set", "sets", multiple=True, metavar="KEY=VALUE", help=_SET),
    click.option("--lake", metavar="URI", help="Folder or URI of the lake (lake.root)."),
    click.option(
        "-q", "--quiet", is_flag=True, expose_value=False, callback=_log, is_eager=True, help="Log warnings only."
    ),
    click.option("-v", "--verbose", is_flag=True, expose_value=False, callback=_log_stacks, help=_STACKS),
)
_JSON = click.option("--json", "as_json", is_flag=True, help="Print the closing summary as JSON.")
_REBUILD = "An incremental job starts from nothing; the outcome is the same. Alerts of later days are taken back."
_IF_NEEDED = click.option(
    "--if-needed", is_flag=True, help="Only what is due; what time will bring is no failure. As in nightly."
)
_LANDING = click.option(
    "--landing", metavar="DIR", help="Folder of the files. Default: the source's, or the configuration's."
)
_SOURCE = click.option(
    "--source", "name", required=True, metavar="NAME", help="A source of conf/sources, or a YAML file."
)


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="memberlake")
def main() -> None:
    """Member analytics on Spark and Delta."""


@main.command("ingest")
@_SOURCE
@_LANDING
@_JSON
@_lake_options
@click.pass_obj
def ingest_command(job: jobs.Job | None, /, name: str, as_json: bool, **given: Any) -> None:
    """Take the new files of a source into silver."""
    commands.ingest(job or jobs.find("ingest"), name, as_json, Given(**given))


@main.command("run")
@click.argument("job")
@_day_options
@click.option("--rebuild", is_flag=True, help=_REBUILD)
@_IF_NEEDED
@_JSON
@_lake_options
def run_command(
    job: str, as_of: str, first: str, last: str, rebuild: bool, if_needed: bool, as_json: bool, **given: Any
) -> None:
    """Run one job for a day, or for each day of a backfill."""
    found = jobs.find(job)
    if not found.is_dated:
        raise UserError("ingest has options of its own: memberlake ingest --source NAME")
    days = Days(as_of, first, last)
    commands.run([found], days, as_json, Given(**given), rebuild=rebuild, if_needed=if_needed)


@main.command("nightly")
@click.option("--source", "names", multiple=True, metavar="NAME", help="Ingest this source first; repeatable.")
@_LANDING
@_day_options
@_JSON
@_lake_options
def nightly_command(names: tuple[str, ...], as_of: str, first: str, last: str, as_json: bool, **given: Any) -> None:
    """Ingest, then run every job in the order of what they read and write."""
    if given["landing"] is not None and not names:
        raise UserError("--landing needs --source: say whose files they are")
    dated = [job for job in jobs.every() if job.is_dated]
    commands.run(dated, Days(as_of, first, last), as_json, Given(**given), names, if_needed=True)


@main.command("explain")
@click.argument("job")
@_AS_OF
@_JSON
@_lake_options
def explain_command(job: str, as_of: str, as_json: bool, **given: Any) -> None:
    """Show what a job's plan does on this lake, without changing it: reads, shuffles, windows, joins, warnings."""
    found = jobs.find(job)
    if not found.is_dated:
        raise UserError(
            "ingest takes files, and has no plan for a day: explain a job that reads its tables, such as rfm"
        )
    commands.explain(found, as_of, as_json, Given(**given))


@main.command("report")
@click.option(
    "--as-of", metavar="DATE", help="Business date, `latest` or `yesterday`. Default: the last that a job ran for."
)
@click.option("--out", "folder", metavar="DIR", help="Folder of the pages (report.folder). Default: LAKE/report.")
@_JSON
@_lake_options
def report_command(as_of: str | None, folder: str | None, as_json: bool, **given: Any) -> None:
    """Write the health report: pages for a browser, from the tables as they are."""
    commands.report(as_of, folder, as_json, Given(**given))


@main.command("jobs")
def jobs_command() -> None:
    """What jobs there are, what they read and write."""
    rows = [
        (
            job.name,
            job.about,
            ", ".join(t.full_name for t in job.reads) or "landing files",
            ", ".join(t.full_name for t in job.writes),
        )
        for job in jobs.every()
    ]
    console.grid(rows, "job", "what", "reads", "writes")


@main.command("tables")
@click.argument("name", required=False)
@_lake_options
def tables_command(name: str | None, **given: Any) -> None:
    """The tables and what is in them; with a NAME, its contract."""
    commands.tables(name, Given(**given))


@main.command("show")
@click.argument("name")
@click.option("--where", metavar="SQL", help="Condition on the rows, a SQL expression.")
@click.option("--limit", default=20, type=click.IntRange(0, MOST), show_default=True, help="Rows; 0 is all.")
@click.option("--format", "form", default="table", type=click.Choice(["table", "csv", "json"]), show_default=True)
@_lake_options
def show_command(name: str, where: str | None, limit: int, form: str, **given: Any) -> None:
    """Print rows of a table, in the order of its key."""
    commands.show(name, where, limit, form, Given(**given))


@main.command("models")
@click.argument("what", type=click.Choice(["list", "compare", "promote"]), default="list")
@click.argument("version", required=False)
@_lake_options
def models_command(what: str, version: str | None, **given: Any) -> None:
    """The churn models: list them, compare their tests, or promote VERSION to champion by hand (a rollback)."""
    if (version is None) == (what == "promote"):
        raise UserError("models promote needs a VERSION" if version is None else f"models {what} takes no VERSION")
    commands.models(what, version, Given(**given))


@main.command("alerts")
@click.option("--all", "with_closed", is_flag=True, help="Closed ones too.")
@click.option("--exit-code", is_flag=True, help="Exit with 3 when an alert is open, for schedulers.")
@click.option("--format", "form", default="table", type=click.Choice(["table", "csv", "json"]), show_default=True)
@_lake_options
def alerts_command(with_closed: bool, exit_code: bool, form: str, **given: Any) -> None:
    """Show the open alerts."""
    commands.alerts(with_closed, exit_code, form, Given(**given))


@main.command("generate")
@click.option("--scale", required=True, metavar="ORDERS", help="About how many orders, 1e3 to 1e9.")
@click.option("--seed", type=int, help="Another brand of the same kind. Default: made.seed.")
@click.option("--out", metavar="DIR", help="Write DIR/landing and DIR/truth instead of filling a lake.")
@click.option("--format", "form", default="csv", type=click.Choice(write.FORMATS), show_default=True)
@click.option("--table", "names", multiple=True, metavar="NAME", help="Only this silver table; repeatable.")
@_lake_options
def generate_command(
    scale: str, seed: int | None, out: str | None, form: str, names: tuple[str, ...], **given: Any
) -> None:
    """Make up a brand: landing files with their dirt and the truth beside, or the clean rows in an empty lake."""
    if (out is None) == (given["lake"] is None):
        raise UserError("say where to: --out DIR for files, or --lake URI for the tables of an empty lake")
    sets = given["sets"] if seed is None else (*given["sets"], f"made.seed={seed}")
    commands.generate(scale, out, form, names, Given(**{**given, "sets": sets}))


@main.command("docs")
@click.option("--check", is_flag=True, help="Write nothing; exit code 1 when a page is stale.")
def docs_command(check: bool) -> None:
    """Write docs/tables.md from the contracts and the jobs, docs/metrics.md from the metrics, features.md
    from the features."""
    stale = False
    for name, text in docs.pages(jobs.every()).items():
        page = project_home() / "docs" / name
        if not check:
            page.write_text(text, encoding="utf-8")
        elif not page.exists() or page.read_text(encoding="utf-8") != text:
            err.print(f"{page} is stale: run `memberlake docs`")
            stale = True
    if stale:
        sys.exit(1)


@main.command("setup")
def setup_command() -> None:
    """Make this machine ready: Java and Delta's jars."""
    for line in machine.prepare():
        out.print(line, markup=False, soft_wrap=True)


def task() -> None:
    """The entry of a Databricks wheel task. Its runner takes every SystemExit for a failure, also that of code 0."""
    try:
        main()
    except SystemExit as end:
        if end.code:
            raise


def main_job(run: Callable[..., Any]) -> None:
    """The entry of a job's script: `spark-submit jobs/X.py --as-of ...`."""
    job = jobs.of_script(sys.modules[run.__module__])
    home = Path(str(job.module.__file__)).resolve().parents[1]
    if (home / "conf" / "base.yaml").is_file():  # the script's own project, wherever it is called from
        os.environ.setdefault("MEMBERLAKE_HOME", str(home))
    if not job.is_dated:
        ingest_command(obj=job)  # ends the process, as every command of click does

    @click.command(job.name, cls=_Command)
    @_day_options
    @_IF_NEEDED
    @_JSON
    @_lake_options
    def command(as_of: str, first: str, last: str, if_needed: bool, as_json: bool, **given: Any) -> None:
        commands.run([job], Days(as_of, first, last), as_json, Given(**given), if_needed=if_needed)

    command()


if __name__ == "__main__":
    main()
