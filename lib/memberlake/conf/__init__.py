"""Typed configuration: layers of YAML files and --set, validated before Spark starts.

Order, later wins: conf/base.yaml, the lake's own lake.yaml (written by the first ingest of a source that has
settings), the given --conf files, --set. Every default stands once, in base.yaml. A module here for each domain's
sections; this one puts them together and loads them.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple

import yaml
from pydantic import BaseModel, Field, ValidationError, ValidationInfo, field_validator

from memberlake.conf.activity import ActivityConf, RfeConf
from memberlake.conf.churn import ChurnConf, ChurnRule, MlflowConf
from memberlake.conf.coupons import CouponAlertsConf, CouponsConf
from memberlake.conf.kpi import AbcConf, AlertsConf, KpiConf
from memberlake.conf.made import MadeConf
from memberlake.conf.places import IngestConf, LakeConf
from memberlake.conf.report import ReportConf
from memberlake.conf.section import Section, absolute, known_zone, local_path
from memberlake.conf.value import OrdersConf, RfmConf
from memberlake.errors import UserError
from memberlake.kpi.metrics import METRICS

__all__ = [
    "AbcConf",
    "ActivityConf",
    "AlertsConf",
    "ChurnConf",
    "ChurnRule",
    "Conf",
    "CouponAlertsConf",
    "CouponsConf",
    "IngestConf",
    "KpiConf",
    "LakeConf",
    "Layer",
    "MadeConf",
    "MlflowConf",
    "OrdersConf",
    "ReportConf",
    "RfeConf",
    "RfmConf",
    "Section",
    "absolute",
    "build",
    "explain",
    "known_zone",
    "load",
    "local_path",
    "project_home",
    "read_layer",
    "remember",
]

log = logging.getLogger(__name__)

_NO_TEXT = re.compile("[\x00\ud800-\udfff]")


class Conf(Section):
    business_timezone: str
    currency: str = Field(pattern="^[A-Z]{3}$")
    lake: LakeConf
    landing: str | None
    ingest: IngestConf
    orders: OrdersConf
    rfm: RfmConf
    coupons: CouponsConf
    activity: ActivityConf
    rfe: RfeConf
    churn: ChurnConf
    mlflow: MlflowConf
    abc: AbcConf
    kpi: KpiConf
    alerts: AlertsConf
    report: ReportConf
    made: MadeConf

    @field_validator("business_timezone")
    @classmethod
    def _known_zone(cls, zone: str) -> str:
        return known_zone(zone)

    @field_validator("landing")
    @classmethod
    def _absolute(cls, place: str | None) -> str | None:
        return absolute(place)

    @field_validator("alerts")
    @classmethod
    def _of_rows_that_there_are(cls, alerts: AlertsConf, info: ValidationInfo) -> AlertsConf:
        for rule in alerts.rules if {"kpi", "activity"} <= info.data.keys() else ():
            section, there = "kpi", info.data["kpi"].dimensions_of(METRICS[rule.metric])
            if rule.metric == "active_subjects":  # has a row for each of gold.active_counts
                section, there = "activity", info.data["activity"].dimensions
            if rule.metric == "activity_rate" and "kind" not in info.data["activity"].dimensions:
                raise ValueError(f"{rule.name}: activity_rate is of members: it needs kind in activity.dimensions")
            if rule.dimension not in there:
                raise ValueError(
                    f"{rule.name}: {rule.metric} has no dimension {rule.dimension};"
                    f" with {section}.dimensions as they are it has {', '.join(there)}"
                )
        return alerts

    @property
    def digest(self) -> str:
        """Identifies the rules in force. Places are left out, so a moved lake keeps its digest; so is the webhook's
        address, which may hold a secret."""
        places = dict.fromkeys(("lake", "landing", "mlflow", "made", "report"), True)
        rules = self.model_dump(mode="json", exclude={**places, "alerts": {"webhook": {"url"}}})
        return hashlib.sha256(json.dumps(rules, sort_keys=True).encode()).hexdigest()[:12]


class Layer(NamedTuple):
    """A part of the configuration and where it comes from, for the error message."""

    origin: str
    values: Mapping[str, Any]


def load(
    files: Sequence[str | Path] = (),
    sets: Sequence[str] = (),
    lake: str | None = None,
    landing: str | None = None,
    settings: Layer | None = None,
) -> Conf:
    """The configuration of a command.

    Args:
        files: YAML files over base.yaml; none means conf/local.yaml of the project.
        sets: `key.path=value`, the value as YAML.
        lake: folder or URI, the same as `lake.root`.
        landing: folder or URI, the same as `landing`.
        settings: what a source brings for a lake that has no lake.yaml yet.

    Raises:
        UserError: a file, key or value is wrong; names the file, the key and what is allowed.
    """
    given = [Path(f) for f in files] or [project_home() / "conf" / "local.yaml"]
    base = _base_file(given)
    layers = [read_layer(f) for f in given if not (f.exists() and f.resolve() == base.resolve())]
    command = [_set_layer(s) for s in sets]
    if lake is not None:
        command.append(Layer("--lake", {"lake": {"root": _given("--lake", lake)}}))
    if landing is not None:
        command.append(Layer("--landing", {"landing": _given("--landing", landing)}))
    section = _merged([*layers, *command])[0].get("lake")
    place = section.get("root") if isinstance(section, dict) else None
    root = local_path(absolute(place)) if isinstance(place, str) else None  # as LakeConf will have it
    if root and root.is_file():
        raise UserError(f"the lake {root} is a file, not a folder")
    if root and (own := root / "lake.yaml").is_file():
        settings = read_layer(own)
    return build([read_layer(base), *([settings] if settings else []), *layers, *command])


def build(layers: Iterable[Layer]) -> Conf:
    """The validated configuration of layers, later ones over earlier ones."""
    values, origins = _merged(layers)
    try:
        return Conf.model_validate(values)
    except ValidationError as error:
        raise UserError(explain(error, Conf, origins)) from None


def explain(error: ValidationError, model: type[BaseModel], origins: Mapping[tuple[str, ...], str]) -> str:
    """One sentence for each thing that is wrong: file, key, what is wrong, what is allowed."""
    sentences = []
    problems = [(tuple(str(step) for step in problem["loc"]), problem) for problem in error.errors()]
    for path, problem in problems:
        if problem["type"] == "too_short" and any(path == other[: len(path)] != other for other, _ in problems):
            continue  # it lacks what is wrong within it
        key = ".".join(path)
        origin = next((origins[path[:n]] for n in range(len(path), -1, -1) if path[:n] in origins), "")
        if problem["type"] == "extra_forbidden":
            allowed = ", ".join(_fields_at(model, path[:-1]))
            said = f"unknown key; allowed here: {allowed}"
        elif problem["type"] == "missing":
            said = "is missing"
        elif problem["type"] in {"model_type", "dict_type"}:
            said = "must be a mapping of keys to values"
        else:
            said = problem["msg"].removeprefix("Value error, ").replace("valid tuple", "list")
            given = repr(problem["input"])
            may_be_secret = path[:1] in {("alerts",), ("mlflow",)} or "://" in given  # addresses hold tokens
            if not isinstance(problem["input"], dict | BaseModel) and not may_be_secret:
                said += f" (is: {given})"
        what = origin if origin.endswith(f" {key}") else ": ".join(filter(None, (origin, key)))
        sentences.append(f"{what}: {said}")
    return "; ".join(dict.fromkeys(sentences))


def remember(settings: Layer, lake: LakeConf) -> None:
    """Writes the settings of the source that a new lake is fed by into lake.yaml, where `load` finds them."""
    root = local_path(lake.root)
    if not settings.values:
        return
    if root and (root / "lake.yaml").exists():
        kept = read_layer(root / "lake.yaml").values
        if other := {k: v for k, v in settings.values.items() if kept.get(k) != v}:
            log.warning("%s would set %s, but lake.yaml of this lake stays as it is", settings.origin, other)
        return
    if root is None or (root / "silver").exists():
        log.warning("put the settings of %s into your own configuration: %s", settings.origin, settings.values)
        return
    root.mkdir(parents=True, exist_ok=True)
    text = yaml.safe_dump(dict(settings.values), sort_keys=True, allow_unicode=True)
    (root / "lake.yaml").write_text(f"# Settings of this lake, from {settings.origin}\n{text}", encoding="utf-8")


def read_layer(file: Path) -> Layer:
    """A YAML file as a layer.

    Raises:
        UserError: the file is missing, is not YAML, or has a key twice.
    """
    try:
        values = _parsed(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"cannot read {file}: {getattr(error, 'strerror', None) or error}") from None
    except yaml.YAMLError as error:
        raise UserError(f"{file} is not valid YAML: {_told(error)}") from None
    if values is not None and not isinstance(values, dict):
        raise UserError(f"{file} must be a mapping of keys to values")
    return Layer(str(file), values or {})


def project_home() -> Path:
    """The folder that holds conf/ and jobs/: $MEMBERLAKE_HOME, the current folder, or the source checkout."""
    places = [os.environ.get("MEMBERLAKE_HOME"), Path.cwd(), Path(__file__).parents[3]]
    for place in places:
        if place and (Path(place) / "conf" / "base.yaml").is_file():
            return Path(place)
    raise UserError("no conf/base.yaml here: run in the project's folder, or set MEMBERLAKE_HOME to it")


class _Strict(yaml.SafeLoader):
    """YAML in which what would be read as something else is an error, not a silent choice."""

    def construct_scalar(self, node: yaml.ScalarNode | yaml.MappingNode) -> Any:
        text = super().construct_scalar(node)
        if not isinstance(text, str):
            return text
        with contextlib.suppress(UnicodeDecodeError):
            text = text.encode("utf-16", "surrogatepass").decode("utf-16")  # JSON writes a character as two escapes
        if _NO_TEXT.search(text):  # by an escape, "\\0" or "\\ud800"
            raise yaml.YAMLError(f"a text has a NUL or half of a character, line {node.start_mark.line + 1}")
        return text

    def construct_number(self, node: yaml.ScalarNode) -> Any:
        """Of 010 YAML makes 8, of 1:30 it makes 90."""
        is_whole = node.tag.endswith("int")
        value = self.construct_yaml_int(node) if is_whole else self.construct_yaml_float(node)
        if re.search("[:_]", node.value) or (is_whole and not re.fullmatch("[-+]?(0|[1-9][0-9]*)", node.value)):
            line = node.start_mark.line + 1
            raise yaml.YAMLError(f"{node.value} would be read as {value}, line {line}: write that, or put it in quotes")
        return value

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        if any(key.tag == "tag:yaml.org,2002:merge" for key, _ in node.value):
            raise yaml.YAMLError(
                f"`<<` is not allowed, line {node.start_mark.line + 1}: write out the keys it stands for"
            )
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        for key in keys:
            if keys.count(key) > 1:
                raise yaml.YAMLError(f"the key {key!r} stands twice, line {node.start_mark.line + 1}")
        return super().construct_mapping(node, deep)


for _kind in ("int", "float"):
    _Strict.add_constructor(f"tag:yaml.org,2002:{_kind}", _Strict.construct_number)


def _parsed(text: str) -> Any:
    """The values of a YAML text.

    Raises:
        yaml.YAMLError: it is none, also for what PyYAML lets pass as it comes: of 2024-02-30, `!!int x` or `!!bool x`.
    """
    try:
        values = yaml.load(text, Loader=_Strict)
        json.dumps(values, default=_date_as_text, skipkeys=True)  # fails when an anchor contains itself
    except (ValueError, RecursionError) as error:
        raise yaml.YAMLError(str(error)) from None
    except (LookupError, AttributeError):  # with words about PyYAML's own code
        raise yaml.YAMLError("a value is not of the kind that its tag (!!) says") from None
    return values


def _date_as_text(value: object) -> str:
    if isinstance(value, date):
        return str(value)
    raise ValueError("a set (!!set) or bytes (!!binary) stand where no setting has them: write a list or a text")


def _told(error: yaml.YAMLError) -> str:
    """What is wrong and where, without the text around it: it may hold a secret."""
    if not isinstance(error, yaml.MarkedYAMLError) or error.problem_mark is None:
        return " ".join(str(error).split())
    mark = error.problem_mark
    return f"{error.problem}, line {mark.line + 1}, column {mark.column + 1}"


def _base_file(given: Sequence[Path]) -> Path:
    """base.yaml beside the first file, as `spark-submit --files` lays them, else the project's."""
    beside = given[0].parent / "base.yaml"
    return beside if beside.is_file() else project_home() / "conf" / "base.yaml"


def _given(option: str, place: str) -> str:
    if not place.strip():  # a variable of the shell that is not set; the default place was not meant
        raise UserError(f"{option} is empty: give a folder or a URI, or leave the option out")
    return place


def _set_layer(setting: str) -> Layer:
    key, sign, text = setting.partition("=")
    if not sign or not all(key.split(".")):
        raise UserError(f"--set {setting}: write key.path=value, for example --set rfm.tiles=4")
    try:
        value = _parsed(text)
    except yaml.YAMLError as error:
        raise UserError(f"--set {key}: the value is not valid YAML: {_told(error)}") from None
    for step in reversed(key.split(".")):
        value = {step: value}
    return Layer(f"--set {key}", value)


def _merged(layers: Iterable[Layer]) -> tuple[dict[str, Any], dict[tuple[str, ...], str]]:
    values: dict[str, Any] = {}
    origins: dict[tuple[str, ...], str] = {}

    def merge(into: dict[str, Any], new: Mapping[str, Any], path: tuple[str, ...], origin: str) -> None:
        for name, value in new.items():
            here = (*path, str(name))
            origins[here] = origin
            if isinstance(value, dict):
                if not value or not isinstance(into.get(name), dict):  # an empty map empties
                    into[name] = {}
                merge(into[name], value, here, origin)
            else:
                into[name] = value

    for layer in layers:
        merge(values, layer.values, (), layer.origin)
    return values, origins


def _fields_at(model: type[BaseModel], path: Sequence[str]) -> list[str]:
    """The keys that the model allows at a path; none where the path leaves plain sections."""
    for step in path:
        field = model.model_fields.get(step)
        if field is None or not isinstance(field.annotation, type) or not issubclass(field.annotation, BaseModel):
            return ["see conf/base.yaml"]
        model = field.annotation
    return list(model.model_fields)
