"""Who counts as lost, how their loss is foretold, and where models are kept."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from memberlake.conf.section import MOST, MOST_DAYS, Count, LookBack, Section, Share, repeated

Condition = Literal["event", "no_event", "no_response", "no_order"]
ModelKind = Literal["random_forest", "logistic_regression", "linear_svm", "gradient_boosted_trees"]

_NEEDS: dict[Condition, set[str]] = {
    "event": {"event_types"},
    "no_event": {"event_types", "days"},
    "no_response": {"contacts", "days"},
    "no_order": {"days"},
}


class ChurnRule(Section):
    """A condition under which a member counts as lost.

    Attributes:
        enabled: counts for gold.churn_status; one that does not can still be foretold.
        days: without the event or order; or, of `no_response`, in which a contact may be answered.
        contacts: of `no_response`: so many care contacts in a row went unanswered.
    """

    name: str = Field(pattern=r"^\w+$")
    kind: Literal["explicit", "implicit"]
    permanence: Literal["permanent", "temporary"]
    condition: Condition
    enabled: bool = True
    event_types: tuple[str, ...] | None = Field(default=None, min_length=1)
    days: LookBack | None = None
    contacts: Count | None = None

    @model_validator(mode="after")
    def _consistent(self) -> ChurnRule:
        given = {key for key in ("event_types", "days", "contacts") if getattr(self, key) is not None}
        if given != _NEEDS[self.condition]:
            needed = " and ".join(sorted(_NEEDS[self.condition]))
            raise ValueError(f"{self.name}: condition {self.condition} needs {needed}, and nothing else")
        if (self.kind == "explicit") != (self.condition == "event"):
            raise ValueError(f"{self.name}: explicit is what the member said, condition event, and nothing else is")
        return self


class Threshold(Section):
    """From which probability on a member is told to churn.

    Attributes:
        by: `best_f1` on the calibration part; `costs`; or `capacity`: of each day's members as many as
            can be called, and those who tie with the last.
        missed: cost of a churner that was not told.
        needless: cost of a member told who stays.
        capacity: members that can be called a day.
    """

    by: Literal["best_f1", "costs", "capacity"]
    missed: float = Field(gt=0)
    needless: float = Field(gt=0)
    capacity: Count


class Bands(Section):
    high: Share
    medium: Share

    @model_validator(mode="after")
    def _falling(self) -> Bands:
        if self.medium >= self.high:
            raise ValueError(f"medium ({self.medium}) must be below high ({self.high})")
        return self


class ChurnAlerts(Section):
    """Limits beyond which monitoring raises an alert."""

    psi: float = Field(gt=0)
    missing_rise: float = Field(gt=0)
    pr_auc_drop: float = Field(gt=0)
    ece: float = Field(gt=0)


Candidates = dict[str, Annotated[tuple[float, ...], Field(min_length=1)]]


class ChurnConf(Section):
    rules: tuple[ChurnRule, ...] = Field(min_length=1)
    label_rule: str
    gap_days: int = Field(ge=0, le=MOST_DAYS)
    horizon_days: LookBack
    snapshot_every_days: LookBack
    max_snapshots: int = Field(ge=3, le=MOST)
    observe_days: LookBack
    max_examples: Count
    model: ModelKind
    grids: dict[ModelKind, Candidates]
    max_candidates: Count
    folds: Count
    imbalance: Literal["weights", "downsample", "none"]
    calibration: Literal["isotonic", "platt"]
    threshold: Threshold
    bands: Bands
    promote_margin: float = Field(ge=0)
    retrain_every_days: LookBack
    retrain_pause_days: LookBack
    alerts: ChurnAlerts
    seed: int = Field(ge=-MOST, le=MOST)

    @model_validator(mode="after")
    def _consistent(self) -> ChurnConf:
        names = [rule.name for rule in self.rules]
        if twice := repeated(names):
            raise ValueError(f"rules: {twice} stands twice")
        if self.label_rule not in names:
            raise ValueError(f"label_rule {self.label_rule} is no rule; there are {', '.join(names)}")
        if self.model not in self.grids:
            raise ValueError(f"grids has no {self.model}, the model asked for")
        return self

    @property
    def foretold(self) -> ChurnRule:
        """The rule whose coming is foretold."""
        return next(rule for rule in self.rules if rule.name == self.label_rule)

    @property
    def foretells(self) -> str:
        """What a model is trained to tell; models that tell something else are no rivals."""
        rule = self.foretold.model_dump(exclude={"kind", "permanence", "enabled"}, exclude_none=True)
        said = ", ".join(f"{key} {value}" for key, value in rule.items())
        return f"{said}; gap {self.gap_days}, horizon {self.horizon_days}"

    @property
    def embargo_days(self) -> int:
        """After a snapshot, until its outcome is known."""
        return self.gap_days + self.horizon_days


class MlflowConf(Section):
    """Where runs and models are.

    Attributes:
        tracking_uri: of runs; NULL is SQLite in the lake's folder.
        registry_uri: of registered models; NULL is the same place.
    """

    tracking_uri: str | None
    registry_uri: str | None
    experiment: str = Field(pattern=r"\S")
    model_name: str = Field(pattern=r"^[\w.\-]+$")
