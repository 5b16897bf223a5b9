"""The shape of the project: job scripts say what they read and write, contracts hold the public columns, docs are
fresh. Nothing here needs Spark."""

from __future__ import annotations

import ast
import logging
import re
from pathlib import Path

import pytest
from click.testing import CliRunner
from tests.conftest import PROJECT

from memberlake import cli, docs, jobs
from memberlake.jobs import Job
from memberlake.lake.contract import Table
from memberlake.tables import ALL, BY_NAME

SCRIPTS = sorted((PROJECT / "jobs").glob("*.py"))
WRITERS = {"replace", "append", "upsert", "add_new", "put"}

# the public interface: a name, and whether it may be NULL, changes only with a migration
PUBLIC = {
    "gold.rfm_scores": """as_of! date, scope! string, member_id! string, recency_days! int, frequency! bigint,
        monetary! decimal(18,2), r_score! int, f_score! int, m_score! int, score_code! string, score_sum! int,
        rank! bigint, segment! string""",
    "gold.score_bins": """as_of! date, model! string, scope! string, measure! string, score! int, subjects! bigint,
        min_value double, max_value double""",
    "gold.rfe_scores": """as_of! date, subject_id! string, is_member! boolean, recency_days! int, frequency! bigint,
        engagement! double, r_score! int, f_score! int, e_score! int, score_code! string, score_sum! int, rank! bigint,
        segment! string""",
    "gold.activity_days": """subject_id! string, active_on! date, is_member! boolean, channel string, events! bigint,
        first_seen_on! boolean""",
    "gold.active_counts": """window! string, period_start! date, period_end! date, dimension! string,
        dimension_value! string, active! bigint, new bigint, retained bigint, resurrected bigint, dormant bigint,
        is_complete! boolean""",
    "gold.retention": """grain! string, cohort_start! date, offset! int, subjects! bigint, retained! bigint,
        rate! double""",
    "gold.abc_classes": """as_of! date, member_id! string, monetary! decimal(18,2), cumulative_share! double,
        class! string""",
    "gold.kpi": """period! string, period_start! date, metric! string, dimension! string, dimension_value! string,
        numerator double, denominator double, value double, is_complete! boolean""",
    "gold.alerts": """alert_id! string, raised_on! date, as_of! date, rule! string, subject_kind! string,
        subject_id string, value double, threshold double, message! string, state! string""",
    "gold.vouchers": """voucher_id! string, coupon_id! string, coupon_run_id! string, campaign_id string, method string,
        evidence string, confidence double, member_id string, status! string, issued_at timestamp,
        claimed_at timestamp, redeemed_at timestamp, returned_at timestamp, voided_at timestamp, valid_to timestamp,
        order_id string, redeemed_amount decimal(18,2), issued_month! date, flags! array<string>,
        updated_at! timestamp""",
    "gold.coupon_runs": """coupon_run_id! string, coupon_id! string, run_no! int, campaign_id string, first_on! date,
        last_on! date, vouchers! bigint, is_reused! boolean""",
    "gold.coupon_mapping_review": """voucher_id! string, candidate_campaign_id string, in_window! boolean,
        in_audience! boolean, reason! string""",
    "gold.coupon_funnel": """coupon_run_id! string, business_date! date, campaign_id string, issued! bigint,
        claimed! bigint, redeemed! bigint, returned! bigint, voided! bigint, expired! bigint,
        redeemed_amount! decimal(18,2), expired_value decimal(18,2)""",
    "gold.coupon_liability": """as_of! date, coupon_run_id! string, open_vouchers! bigint,
        open_value decimal(18,2), expired_vouchers! bigint, expired_value decimal(18,2)""",
    "gold.churn_status": """as_of! date, member_id! string, is_churned! boolean, kind string, permanence string,
        rules! array<string>, churned_on date""",
    "gold.churn_features": "as_of! date, member_id! string",
    "gold.churn_scores": """as_of! date, member_id! string, model_name! string, model_version! string,
        probability! double, predicted_churn! boolean, risk_band! string,
        top_factors array<struct<feature:string,value:double,effect:double>>""",
    "gold.model_monitoring": """model_name! string, model_version! string, as_of! date, metric! string, value double,
        threshold double, is_alert boolean""",
    "ops.runs": """run_id! string, job! string, as_of date, started_at! timestamp, ended_at timestamp, state! string,
        rows_read bigint, rows_written bigint, config_hash! string, code_version! string, error string""",
    "ops.rejects": """reject_id! string, table! string, source_file! string, rule! string, row! string,
        rejected_at! timestamp""",
}
KEYS = {
    "gold.rfm_scores": ("as_of", "scope", "member_id"),
    "gold.score_bins": ("as_of", "model", "scope", "measure", "score"),
    "gold.rfe_scores": ("as_of", "subject_id"),
    "gold.activity_days": ("subject_id", "active_on"),
    "gold.active_counts": ("window", "period_start", "period_end", "dimension", "dimension_value"),
    "gold.retention": ("grain", "cohort_start", "offset"),
    "gold.abc_classes": ("as_of", "member_id"),
    "gold.kpi": ("period", "period_start", "metric", "dimension", "dimension_value"),
    "gold.alerts": ("alert_id",),
    "gold.vouchers": ("voucher_id",),
    "gold.coupon_runs": ("coupon_run_id",),
    "gold.coupon_mapping_review": ("voucher_id", "candidate_campaign_id"),
    "gold.coupon_funnel": ("coupon_run_id", "business_date"),
    "gold.coupon_liability": ("as_of", "coupon_run_id"),
    "gold.churn_status": ("as_of", "member_id"),
    "gold.churn_features": ("as_of", "member_id"),
    "gold.churn_scores": ("as_of", "member_id"),
    "gold.model_monitoring": ("model_name", "model_version", "as_of", "metric"),
    "ops.runs": ("run_id",),
    "ops.rejects": ("reject_id",),
}


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda s: s.stem)
def test_a_script_says_what_it_does(script: Path) -> None:
    first = (ast.get_docstring(ast.parse(script.read_text(encoding="utf-8"))) or "").partition("\n")[0]
    name, _, sentence = first.partition(": ")
    assert name == script.stem
    assert sentence.endswith(".")


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda s: s.stem)
def test_a_script_declares_what_it_reads_and_writes(script: Path) -> None:
    job = next(job for job in jobs.every() if job.name == script.stem)
    assert job.writes or job.name == "report"  # which writes pages, and no table
    if not job.is_dated:
        return  # ingest's tables are those of the source that it is given
    read, written = tables_used(job, script)
    assert set(job.writes) == written
    assert set(job.reads) == read - written  # a job may look at what it has just written


def tables_used(job: Job, script: Path) -> tuple[set[Table], set[Table]]:
    """The tables in calls of lake.read(TABLE) and lake.replace(TABLE, ...) and the like.

    In `{... lake.read(table) for table in TABLES}` these are all that TABLES has.
    """
    read, written = set(), set()
    tree, of_many = ast.parse(script.read_text(encoding="utf-8")), set()
    for each in (node for node in ast.walk(tree) if isinstance(node, ast.DictComp)):
        if ast.unparse(each.value) == "lake.read(table)":
            values = eval(ast.unparse(each.generators[0].iter), vars(job.module))
            read |= {value if isinstance(value, Table) else value[-1] for value in values}
            of_many.add(each.value)
    for call in ast.walk(tree):
        if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Attribute) or call in of_many:
            continue
        if not isinstance(call.func.value, ast.Name) or call.func.value.id != "lake":
            continue
        if call.func.attr in {"read", *WRITERS}:
            table = getattr(job.module, ast.unparse(call.args[0]))
            (read if call.func.attr == "read" else written).add(table)
    return read, written


def test_jobs_run_after_those_that_fill_their_tables() -> None:
    filled: set[Table] = set()
    order = jobs.every()
    written = {table for job in order for table in job.writes}
    for job in order:
        assert {table for table in job.reads if table in written} <= filled, job.name
        filled |= {*job.writes}
    assert order[0].name == "ingest"


def test_the_generated_pages_are_fresh() -> None:
    for name, text in docs.pages(jobs.every()).items():
        assert (PROJECT / "docs" / name).read_text(encoding="utf-8") == text, "run `memberlake docs`"


def test_links_of_docs_lead_to_what_is_there_and_every_page_is_listed() -> None:
    linked: dict[Path, set[Path]] = {}
    for page in (PROJECT / "README.md", *(PROJECT / "docs").rglob("*.md")):
        text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
        linked[page] = {(page.parent / to).resolve() for to in re.findall(r"\]\((?!https?:)([^)#\s]+)", text)}
        assert [str(target) for target in linked[page] if not target.exists()] == [], page
    index = PROJECT / "docs" / "README.md"
    assert {*(PROJECT / "docs").rglob("*.md")} - linked[index] == {index}


@pytest.mark.parametrize("name", PUBLIC)
def test_public_columns_are_there(name: str) -> None:
    declared = {f"{c.name}{'!' if c.required else ''} {c.type.simpleString()}" for c in BY_NAME[name].columns}
    assert {*" ".join(PUBLIC[name].split()).split(", ")} <= declared
    assert BY_NAME[name].key == KEYS[name]


@pytest.mark.parametrize("table", ALL, ids=lambda t: t.full_name)
def test_a_contract_explains_itself(table: Table) -> None:
    assert table.grain.startswith(("one ", "what ", "who "))
    assert all(column.comment for column in table.columns)
    assert len(set(table.column_names)) == len(table.columns)
    required = {c.name for c in table.columns if c.required}
    assert {*table.partitioned_by} <= required


def test_what_jobs_log_is_shown_unless_asked_not_to() -> None:
    names = ["__main__", *(job.module.__name__ for job in jobs.every())]  # a script of its own, and found by name
    for option, expected in (([], True), (["-q"], False)):
        assert CliRunner().invoke(cli.main, ["run", "no_such", *option]).exit_code == 2
        shown = {name: logging.getLogger(name).isEnabledFor(logging.INFO) for name in names}
        assert shown == dict.fromkeys(names, expected)
        assert all(logging.getLogger(name).isEnabledFor(logging.WARNING) for name in names)
