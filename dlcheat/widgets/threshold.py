"""The threshold explorer: two classes of scores, one threshold, and every ratio that follows."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
import traitlets

from dlcheat.metrics import (
    Ratios,
    average_precision_score,
    binary_ratios,
    confusion_matrix,
    roc_auc_score,
)
from dlcheat.validation import expect
from dlcheat.widgets.base import BookWidget, normals

#: Shares of positives, numbers of samples, and prices of a miss in false alarms, to choose from.
PREVALENCES = (0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99)
SAMPLES = (20, 50, 100, 200, 500, 1000, 2000)
COSTS = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0)
#: The thresholds of the slider, from −4 to 8 in steps of a twentieth.
THRESHOLDS = tuple(k / 20 for k in range(-80, 161))


class Look(NamedTuple):
    """What a threshold does to the samples.

    Attributes:
        counts: (TN, FP, FN, TP) of the rule "report where score ≥ threshold".
        ratios: All that follows from them.
        auc: Area under the ROC curve; no threshold in it.
        average_precision: Of the precision–recall curve.
        cost: False alarms plus price × misses.
        cheapest: The slider's highest threshold of the least cost.
        least: That cost.
    """

    counts: tuple[int, int, int, int]
    ratios: Ratios
    auc: float
    average_precision: float
    cost: float
    cheapest: float
    least: float


def draw_scores(separation: float, spread: float, prevalence: float, samples: int,
                seed: int) -> tuple[np.ndarray, np.ndarray]:
    r"""Return labels and scores of two normal distributions, the same ones here and in the page.

    .. math:: s \mid y = 0 \sim \mathcal{N}(0, 1), \qquad s \mid y = 1 \sim \mathcal{N}(\Delta, \sigma^2)

    Args:
        separation: Δ, mean of the positives.
        spread: σ, their standard deviation.
        prevalence: Share of positives, above 0 and below 1; there is at least one of each class.
        samples: N, at least 2.
        seed: Of both classes' generators. Other settings move the samples, not the dice.

    Returns:
        Labels 0 and 1, the negatives first, and scores; shape (N,) each.

    Raises:
        ValueError: If an argument is out of range.

    >>> labels, scores = draw_scores(1.5, 1.0, 0.2, 50, seed=1)
    >>> int(labels.sum()), scores.shape
    (10, (50,))
    """
    expect(0 < prevalence < 1, "prevalence above 0 and below 1", prevalence)
    expect(isinstance(samples, int) and samples >= 2, "samples of at least 2", samples)
    expect(spread > 0, "spread above 0", spread)
    positives = min(samples - 1, max(1, math.floor(samples * prevalence + 0.5)))
    negative = normals(seed, samples - positives).numpy()
    positive = separation + spread * normals(seed + 1000, positives).numpy()
    return np.repeat([0, 1], [samples - positives, positives]), np.concatenate([negative, positive])


def counts_at(labels: np.ndarray, scores: np.ndarray, threshold: float) -> tuple[int, int, int, int]:
    """Return (TN, FP, FN, TP) of the rule "report where score ≥ threshold".

    Args:
        labels: 0 and 1, shape (N,).
        scores: Shape (N,).
        threshold: Of the rule.

    >>> counts_at(np.array([0, 0, 1]), np.array([0.1, 0.6, 0.6]), 0.6)
    (1, 1, 0, 1)
    """
    matrix = confusion_matrix(labels, (scores >= threshold).astype(int), labels=[0, 1])
    return tuple(int(v) for v in matrix.ravel())


class ThresholdExplorer(BookWidget, front="threshold"):
    """Two bells of scores and a threshold: matrix, ratios, ROC and PR curve follow it.

    The front end computes :func:`draw_scores`, the counts and what follows from them; a test
    compares it with :mod:`dlcheat.metrics` on hundreds of random states.

    Attributes:
        threshold: Scores from here on are reported, −4 to 8.
        separation: Mean of the positives' scores, 0 to 3; that of the negatives is 0.
        spread: Standard deviation of the positives' scores, 0.5 to 2; that of the negatives is 1.
        prevalence: Share of positives, one of ``PREVALENCES``.
        samples: How many, one of ``SAMPLES``.
        cost: What a miss costs, in false alarms, one of ``COSTS``.
        bars: ``"share"`` of each class, or ``"count"`` of samples.
        seed: Of the samples.

    Raises:
        traitlets.TraitError: If a trait gets a value that it cannot hold.

    >>> ThresholdExplorer().look().counts
    (141, 19, 17, 23)
    """

    threshold = traitlets.Float(1.25).tag(sync=True)
    separation = traitlets.Float(1.5).tag(sync=True)
    spread = traitlets.Float(1.0).tag(sync=True)
    prevalence = traitlets.Float(0.2).tag(sync=True)
    samples = traitlets.Int(200).tag(sync=True)
    cost = traitlets.Float(1.0).tag(sync=True)
    bars = traitlets.Enum(["share", "count"], "share").tag(sync=True)
    seed = traitlets.Int(1, min=1, max=999).tag(sync=True)

    def __init__(self, **state: object) -> None:
        super().__init__(**{"title": "A threshold, and all that follows from it", **state})

    @traitlets.validate("threshold", "separation", "spread")
    def _check_range(self, proposal: dict[str, Any]) -> float:
        low, high = {"threshold": (-4, 8), "separation": (0, 3), "spread": (0.5, 2)}[
            proposal["trait"].name]
        if not low <= proposal["value"] <= high:
            raise traitlets.TraitError(f"expected {proposal['trait'].name} from {low} to {high}, "
                                       f"received {proposal['value']!r}")
        return proposal["value"]

    @traitlets.validate("prevalence", "samples", "cost")
    def _check_choice(self, proposal: dict[str, Any]) -> float:
        known = {"prevalence": PREVALENCES, "samples": SAMPLES, "cost": COSTS}[proposal["trait"].name]
        if proposal["value"] not in known:
            raise traitlets.TraitError(f"expected {proposal['trait'].name} to be one of {known}, "
                                       f"received {proposal['value']!r}")
        return proposal["value"]

    def data(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the labels and scores that are shown, shape (N,) each."""
        return draw_scores(self.separation, self.spread, self.prevalence, self.samples, self.seed)

    def look(self) -> Look:
        """Return counts, ratios, areas and costs of the shown state."""
        labels, scores = self.data()
        counts = counts_at(labels, scores, self.threshold)
        costs = [fp + self.cost * fn for _, fp, fn, _ in (
            counts_at(labels, scores, t) for t in THRESHOLDS)]
        best = max(k for k, c in enumerate(costs) if c == min(costs))
        return Look(counts, binary_ratios(*counts), roc_auc_score(labels, scores),
                    average_precision_score(labels, scores), counts[1] + self.cost * counts[2],
                    THRESHOLDS[best], costs[best])
