"""Configuration: layers, what is refused, and what the refusal says."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import pytest
from pydantic import BaseModel
from tests.conftest import configured

from memberlake import conf
from memberlake.conf.section import Count, LookBack
from memberlake.errors import UserError


def test_later_layers_win_and_base_is_always_there(tmp_path: Path) -> None:
    mine, other = tmp_path / "mine.yaml", tmp_path / "other.yaml"
    mine.write_text("rfm: {tiles: 4, look_back_days: 90}\nlake: {root: /somewhere}\n")
    other.write_text("rfm: {tiles: 3}\n")

    found = conf.load([mine, other], ["rfm.monetary=mean"])

    assert (found.rfm.tiles, found.rfm.look_back_days, found.rfm.monetary) == (3, 90, "mean")
    assert found.orders.counted_statuses == ("paid", "shipped", "completed")  # from base.yaml


def test_values_of_set_are_yaml() -> None:
    found = configured("orders.counted_statuses=[paid, shipped]", "rfm.weights={r: 0.5, f: 0.3, m: 0.2}")
    assert found.orders.counted_statuses == ("paid", "shipped")
    assert found.rfm.weights == {"r": 0.5, "f": 0.3, "m": 0.2}


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("rfm.tile=4", "--set rfm.tile: unknown key; allowed here: tiles, thresholds"),
        ("rfm.tiles=many", "--set rfm.tiles: Input should be a valid integer"),
        ("rfm.tiles=11", "less than or equal to 10"),
        ("rfe.look_back_days=1000000", "rfe.look_back_days: Input should be less than or equal to 100000"),  # no date
        ("rfm=3", "--set rfm: "),
        ("business_timezone=Mars/Olympus", "no time zone of the IANA list"),
        ("orders.counted_statuses=[payed]", "counted_statuses has payed; orders.statuses allows created"),
        ("ingest.max_reject_ratio=1.5", "less than or equal to 1"),
        ("rfm.thresholds={m: [100, 50, 20, 10]}", "thresholds.m needs 4 rising values for 5 tiles"),
        ("rfm.thresholds={m: [100]}", "thresholds.m needs 4 rising values for 5 tiles"),
        ("rfe.thresholds={e: [100]}", "thresholds.e needs 4 rising values for 5 tiles"),
        ("rfe.thresholds={m: [1, 2, 3, 4]}", "thresholds has m; there is r, f, e"),
        ("rfm.segment_maps.mine={rules: [{segment: a, e: high}, {segment: b}]}", "a asks for e; there is r, f, m"),
        ("rfe.segment_maps.mine={rules: [{segment: a, m: high}, {segment: b}]}", "a asks for m; there is r, f, e"),
        ("abc.a_below=0.7999999", "no more than 6 decimal places"),
        ("rfe.engagement_weights={search: 0.00001}", "search: a weight is 0 to 1,000,000 with at most four decimals"),
        ("activity.dimensions=[all, town]", "has town; it allows all, channel, kind"),
        ("activity.dimensions=[kind]", "needs all"),
        ("activity.rolling_windows=[7, 7]", "has 7 twice"),
        ("activity.rolling_windows=[0]", "greater than 0"),
        ("activity.rolling_windows=[true]", "activity.rolling_windows: neither true nor false is allowed here"),
        ("activity.robot_threshold=true", "activity.robot_threshold: neither true nor false is allowed here"),
        ("rfm.segment_map=nine", "segment_map allows auto, ten_segments, eight_values"),
        ("rfm.weights={r: 1}", "weights needs all of r, f, m"),
        ("rfm.segment_maps.mine={tiles: 5, rules: [{segment: a, r: high}]}", "the last rule (a) must match everything"),
        ("rfm.segment_maps.mine={tiles: 3, rules: [{segment: a, r: [2, 5]}, {segment: b}]}", "not within 1..3"),
        ("lake.root=", "set lake.root to a folder or URI, or lake.catalog"),
        ("currency=yuan", "currency: String should match pattern"),
        ("kpi.dimensions=[attributes.]", "attributes. is no dimension"),
        ("kpi.dimensions=city", "kpi.dimensions: Input should be a list (is: 'city')"),
        ("rfm=[1]", "--set rfm: must be a mapping of keys to values"),
        (
            "rfm.segment_maps.mine={rules: [{segment: a, r: 5}, {segment: b}]}",
            "rules.0.r: write [from, to], high or low",
        ),
        ("rfm.segment_maps.mine={rules: [{segment: a, r: [1]}, {segment: b}]}", "rules.0.r: write [from, to], high or"),
        ("churn.rules=[{name: a, kind: implicit, permanence: temporary, condition: no_order}]", "no_order needs days"),
        ("churn.rules=[{name: a, kind: x, permanence: temporary, condition: no_order, days: 9}]", "'explicit' or 'imp"),
        (
            "rfm.segment_maps.mine={tiles: 5, rules: [{segment: a}]}",
            "rfm: ten_segments, mine are each made for 5 tiles: set segment_map to one of them",
        ),
        (
            "rfe.segment_maps.mine={rules: [{segment: a}]}",
            "rfe: eight_visits, mine are each made for any number of tiles: set segment_map to one of them",
        ),
        ("made.first_on=0", "made.first_on: Input should be greater than or equal to 1991-01-01"),  # 1970
        ("mlflow.experiment=' '", "mlflow.experiment: String should match pattern"),
        ("rfm.tiles", "--set rfm.tiles: write key.path=value"),
        ("rfm.tiles=[", "the value is not valid YAML"),
    ],
)
def test_a_wrong_setting_names_itself_and_what_is_allowed(setting: str, said: str) -> None:
    with pytest.raises(UserError) as refused:
        conf.load(sets=[setting])
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)
    assert "; --set" not in str(refused.value)  # one sentence for one mistake


@pytest.mark.parametrize("zone", ["Factory", "localtime", "ROC"])
def test_a_zone_of_python_alone_is_none(zone: str) -> None:
    with pytest.raises(UserError, match="no time zone of the IANA list"):
        conf.load(sets=[f"business_timezone={zone}"])


def whole_numbers(model: type[BaseModel], path: str = "") -> Iterator[str]:
    """The settings of a section, and of those within it, that are one whole number."""
    for name, field in model.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            yield from whole_numbers(kind, f"{path}{name}.")
        elif {kind, *get_args(kind)} & {int, Count, LookBack}:
            yield f"{path}{name}"


@pytest.mark.parametrize("name", sorted({*whole_numbers(conf.Conf)} - {"made.seed"}))  # of which only the text is used
def test_no_whole_number_is_beyond_what_spark_and_the_calendar_can_count(name: str) -> None:
    """It would fail in the middle of a job, some nights later."""
    with pytest.raises(UserError, match="less than or equal to"):
        conf.load(sets=[f"{name}={100_001 if name.endswith('_days') else 2**31}"])


@pytest.mark.parametrize(
    "setting",
    [
        "churn.rules=[{name: no_order_60, kind: implicit, permanence: temporary, condition: no_order, days: 100001}]",
        "kpi.point_value=1e30",
        "kpi.trend_periods=1001",
        "alerts.change_periods=1001",
        "made.first_on=9999-01-01",
        "made.days=100001",
    ],
)
def test_what_is_beyond_the_calendar_or_exact_money(setting: str) -> None:
    with pytest.raises(UserError, match="less than"):
        conf.load(sets=[setting])


def test_a_wrong_key_in_a_file_names_the_file(tmp_path: Path) -> None:
    mine = tmp_path / "mine.yaml"
    mine.write_text("rfm: {tiles: 4, look_bak_days: 90}\n")
    with pytest.raises(UserError, match=r"mine\.yaml: rfm\.look_bak_days: unknown key"):
        conf.load([mine])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("rfm: {tiles: 4}\nrfm: {tiles: 5}\n", "'rfm' stands twice"),
        ("rfm: [", "is not valid YAML"),
        ("- a\n", "must be a mapping"),
        ("false\n", "must be a mapping"),
        ("rfm: {tiles: 4}\x07\n", "is not valid YAML: unacceptable character #x0007: [^\n]*$"),
        ("rfm:\n  tiles: 010\n", "is not valid YAML: 010 would be read as 8, line 2: write that, or put it in quotes"),
        ("made:\n  first_on: 2024-02-30\n", "is not valid YAML: day is out of range for month"),
        ("base: &b {tiles: 4}\nrfm: {<<: *b}\n", "`<<` is not allowed, line 2: write out the keys it stands for"),
        ("rfm: &a {tiles: *a}\n", "is not valid YAML: .*[Cc]ircular|recursive"),
        ("rfm: " + "[" * 5000, "is not valid YAML: maximum recursion depth"),
        ("rfm: {tiles: 4}\nmlflow: [postgresql://u:PW@h/db\n", "expected ',' or ']', .* line 3, column 1$"),
    ],
)
def test_a_file_that_is_no_configuration(tmp_path: Path, text: str, said: str) -> None:
    mine = tmp_path / "mine.yaml"
    mine.write_text(text)
    with pytest.raises(UserError, match=said):
        conf.load([mine])


@pytest.mark.parametrize(
    "value",
    [
        *("2024-02-30", "!!int x", "!!int ''", "!!float x", "!!bool x", "!!timestamp x", "!x 1", "!!set {a}"),
        *("!!binary aGk=", r'"\0"', r'"\ud83d"', r'"\ude00\ud83d"', r'{"\ud83d": 1}'),
    ],
)
def test_a_value_that_yaml_cannot_make(value: str) -> None:
    with pytest.raises(UserError, match=r"^--set rfm\.tiles: the value is not valid YAML: (?!.*object has no).+"):
        conf.load(sets=[f"rfm.tiles={value}"])


@pytest.mark.parametrize("number", ["010", "0x10", "0b11", "1_000", "12:30", "1:30.5", "1_0.5"])
def test_a_number_that_yaml_would_read_as_another_is_refused(number: str) -> None:
    """Of a store's 010 it makes 8, of the time 12:30 it makes 750."""
    with pytest.raises(UserError, match=rf"the value is not valid YAML: {number} would be read as [\d.]+, line 1: "):
        conf.load(sets=[f"rfm.look_back_days={number}"])


def test_numbers_and_texts_are_read_as_they_are_written() -> None:
    read = {"rfm.look_back_days=90": 90, "churn.seed=-5": -5, "churn.promote_margin=.5": 0.5}
    texts = {
        "mlflow.experiment='010'": "010",
        r'mlflow.experiment="\ud83d\ude00"': "😀",
        "mlflow.experiment=1e3": "1e3",
    }
    for setting, value in {**read, **texts}.items():
        section, _, key = setting.partition("=")[0].partition(".")
        assert getattr(getattr(configured(setting), section), key) == value


def test_a_missing_file() -> None:
    with pytest.raises(UserError, match=r"cannot read nowhere\.yaml: No such file"):
        conf.load(["nowhere.yaml"])


@pytest.mark.parametrize(("tiles", "segments"), [(2, 8), (3, 8), (5, 10), (10, 8)])
def test_auto_takes_the_map_made_for_the_tiles_else_the_one_for_any(tiles: int, segments: int) -> None:
    assert len(configured(f"rfm.tiles={tiles}").rfm.segments.rules) == segments


def test_a_lake_remembers_the_settings_of_its_first_source(tmp_path: Path) -> None:
    root = str(tmp_path / "湖 1")
    brought = conf.Layer("source x", {"business_timezone": "America/New_York"})
    first = conf.load(lake=root, settings=brought)
    conf.remember(brought, first.lake)

    assert conf.load(lake=root).business_timezone == "America/New_York"
    assert conf.load(lake=root, sets=["business_timezone=UTC"]).business_timezone == "UTC"
    assert conf.load(lake=str(tmp_path / "other")).business_timezone == "Asia/Shanghai"


def test_the_lake_yaml_of_a_lake_in_the_home_folder_is_found(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "lake").mkdir()
    (tmp_path / "lake" / "lake.yaml").write_text("business_timezone: America/New_York\n")
    (tmp_path / "mine.yaml").write_text("lake: {root: ~/lake}\n")
    for found in (conf.load(lake="~/lake"), conf.load([tmp_path / "mine.yaml"]), conf.load(sets=["lake.root=~/lake"])):
        assert (found.lake.root, found.business_timezone) == (str(tmp_path / "lake"), "America/New_York")


def test_a_moved_lake_keeps_its_digest_and_a_new_rule_changes_it() -> None:
    here, there = configured(lake="/a").digest, configured(lake="/b").digest
    assert here == there != configured("rfm.tiles=4").digest
    assert here == configured("mlflow.tracking_uri=http://elsewhere", "report.language=zh", lake="/a").digest


def test_the_address_of_the_webhook_is_in_no_digest() -> None:
    """It may hold a token."""
    assert configured("alerts.webhook.url=https://example.org/token").digest == configured().digest
    assert configured("alerts.webhook.retries=9").digest != configured().digest


@pytest.mark.parametrize(
    "setting",
    [
        "alerts.webhook=https://example.org/TOKEN",
        "alerts.webhook.url=ftp://example.org/TOKEN",
        "alerts.webhook.retries=TOKEN",
        "alerts=[https://example.org/TOKEN]",
        "mlflow=postgresql://u:TOKEN@h/db",
        "mlflow.model_name=u:TOKEN@h/db",
        "mlflow.tracking_uri=[postgresql://u:TOKEN@h/db",
        "lake=s3a://u:TOKEN@bucket/x",
        "rfm.tiles=[https://example.org/TOKEN]",
    ],
)
def test_what_may_be_a_secret_is_not_repeated(setting: str, tmp_path: Path) -> None:
    key, _, text = setting.partition("=")
    for step in reversed(key.split(".")):
        text = f"{{{step}: {text}}}"
    (tmp_path / "mine.yaml").write_text(text)
    for given in ({"sets": [setting]}, {"files": [tmp_path / "mine.yaml"]}):
        with pytest.raises(UserError) as refused:
            conf.load(**given)
        assert "TOKEN" not in str(refused.value)


def test_an_empty_place_is_not_the_default_one() -> None:
    for option in ("lake", "landing"):
        with pytest.raises(UserError, match=f"--{option} is empty"):
            conf.load(**{option: " "})


def test_places() -> None:
    assert conf.absolute("s3a://bucket/lake/") == "s3a://bucket/lake"
    assert conf.absolute("lake") == str(Path.cwd() / "lake")
    assert conf.absolute("~no such user/lake") == str(Path.cwd() / "~no such user" / "lake")
    assert conf.absolute("file:/a/b/") == "file:/a/b"
    assert conf.absolute("file:///a/b") == "file:///a/b"
    assert conf.local_path("file:///a/b") == Path("/a/b")
    assert conf.local_path("s3a://bucket/lake") is None


@pytest.mark.parametrize("place", ["file:a/b", "file://a/b", "file:"])
def test_a_relative_file_uri_is_refused(place: str) -> None:
    for option in ("lake", "landing"):
        with pytest.raises(UserError, match=f"{place} is no place: write file:///folder"):
            conf.load(**{option: place})
