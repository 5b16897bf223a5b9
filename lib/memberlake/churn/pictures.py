"""Pictures of a model's test; none where matplotlib is missing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from memberlake.churn import evaluate

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from memberlake.churn.training import Trained

BLUE, ORANGE, GREY = "#0072B2", "#D55E00", "#999999"  # told apart by colour-blind readers
_MOST_FEATURES = 15


def of(trained: Trained) -> Iterator[tuple[str, Figure]]:
    """precision_recall, calibration, lift, importance."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        return
    points = list(evaluate.curve(trained.levels))  # score, share of members, recall, precision
    test, recency = trained.tests["model"], trained.tests["recency"]
    for name in ("precision_recall", "calibration", "lift", "importance"):
        figure = Figure(figsize=(6, 4.5), layout="constrained")
        axes = figure.subplots()
        axes.spines[["top", "right"]].set_visible(False)
        if name == "precision_recall":
            axes.step([p[2] for p in points], [p[3] for p in points], where="pre", color=BLUE)
            axes.axhline(test["base_rate"], color=GREY, linestyle="--")
            axes.set(xlim=(0, 1), ylim=(0, 1.02), xlabel="recall", ylabel="precision")
            axes.set_title(f"PR-AUC {test['pr_auc']:.3f}; recency alone {recency['pr_auc']:.3f}")
        elif name == "calibration":
            groups = evaluate.deciles(trained.levels)
            axes.plot([0, 1], [0, 1], color=GREY, linestyle="--")
            axes.plot([mean for _, mean, _ in groups], [rate for _, _, rate in groups], marker="o", color=BLUE)
            axes.set(xlim=(0, 1), ylim=(0, 1), xlabel="mean probability of a decile", ylabel="share of churners")
            axes.set_title(f"Calibration error {test['ece']:.3f}")
        elif name == "lift":
            axes.plot([0, 1], [0, 1], color=GREY, linestyle="--")
            axes.plot([0, *[p[1] for p in points]], [0, *[p[2] for p in points]], color=BLUE)
            axes.set(xlim=(0, 1), ylim=(0, 1.02), xlabel="members, highest first", ylabel="churners captured")
            axes.set_title(f"The top tenth holds {test['captured_10']:.0%} of the churners")
        else:
            shown = [*trained.importance.items()][:_MOST_FEATURES][::-1]
            axes.barh([feature for feature, _ in shown], [share for _, share in shown], color=ORANGE)
            axes.set(xlabel="share of what moves scores", title="Features")
        yield name, figure
