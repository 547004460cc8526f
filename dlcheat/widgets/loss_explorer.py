"""The loss explorer: any loss of section 4 against the prediction, and its derivative."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import torch
import traitlets
from torch import Tensor

from dlcheat import losses
from dlcheat.validation import expect
from dlcheat.widgets.base import BookWidget


class Axis(NamedTuple):
    """What the prediction is.

    Attributes:
        low: Smallest value that the picture shows.
        high: Largest value.
        start: Where the point stands at first.
    """

    low: float
    high: float
    start: float


#: A predicted value; a probability; a score; mean and deviation of a Gaussian; distances.
AXES = {"value": Axis(-4, 4, 2), "probability": Axis(0.01, 0.99, 0.2), "score": Axis(-6, 6, -2),
        "mean": Axis(-3, 3, 1.5), "deviation": Axis(0.1, 3, 0.5), "near": Axis(0, 3, 1.5),
        "far": Axis(0, 3, 0.5)}
#: Each loss with the axes that it can be drawn over, the first by default.
LOSSES = {
    "ce": ("probability",), "bce": ("score", "probability"), "cce": ("probability",),
    "softmax": ("score",), "mse": ("value",), "mae": ("value",), "huber": ("value",),
    "smooth_l1": ("value",), "kl": ("probability",), "reverse_kl": ("probability",),
    "gaussian_kl": ("mean", "deviation"), "reverse_gaussian_kl": ("mean", "deviation"),
    "triplet": ("far", "near"), "squared_triplet": ("far", "near"), "contrastive": ("far", "near"),
    "focal": ("score", "probability"), "hinge": ("score",), "squared_hinge": ("score",),
    "brier": ("score", "probability")}
#: Range and first value of what else a loss depends on.
PARAMETERS = {
    "target": (-3, 3, 0.0), "delta": (0.1, 3, 1.0), "share": (0.05, 0.95, 0.7), "gamma": (0, 5, 2.0),
    "alpha": (0.05, 1, 1.0), "smoothing": (0, 0.5, 0.0), "rival": (-4, 4, 0.0), "mu": (-3, 3, 1.0),
    "sigma": (0.1, 3, 0.5), "margin": (0.1, 2, 1.0), "other": (0, 3, 1.0)}


class Look(NamedTuple):
    """What the picture shows of a loss at the point.

    Attributes:
        value: The loss.
        slope: Its derivative in the prediction.
    """

    value: float
    slope: float


def evaluate(loss: str, axis: str, x: Tensor, *, target: float = 0.0, delta: float = 1.0,
             label: int = 1, share: float = 0.7, gamma: float = 2.0, alpha: float = 1.0,
             smoothing: float = 0.0, classes: int = 3, rival: float = 0.0, mu: float = 1.0,
             sigma: float = 0.5, margin: float = 1.0, other: float = 1.0) -> Tensor:
    """Return a loss of section 4 as a function of the prediction, by dlcheat's own functions.

    Args:
        loss: A name from ``LOSSES``.
        axis: What x is, a name from ``AXES``.
        x: Predictions, shape (N,): a value ŷ; the probability of class 1, of the true class,
            or of the first of two outcomes; a score; μ or σ of a Gaussian; a distance.
        target: y of the regression losses.
        delta: δ of the Huber loss, and β of smooth L1.
        label: True label, 0 or 1; 0 is the hinge losses' −1.
        share: True probability of the first of two outcomes: of ce, kl and reverse_kl.
        gamma: γ of the focal loss.
        alpha: α of the focal loss.
        smoothing: ε of cce and softmax.
        classes: C of cce and softmax.
        rival: Score of every class but the true one: of softmax.
        mu: μ where the axis is the deviation.
        sigma: σ where the axis is the mean.
        margin: Of triplets and pairs; α of the squared triplet loss.
        other: Distance to the positive where the axis is that to the negative, and the reverse.

    Returns:
        The losses, shape (N,).

    Raises:
        ValueError: If there is no such loss over this axis.

    >>> evaluate("huber", "value", torch.tensor([0.5, 3.0]))
    tensor([0.1250, 2.5000])
    """
    expect(loss in LOSSES, f"a loss of {', '.join(LOSSES)}", loss)
    expect(axis in LOSSES[loss], f"an axis of {loss}: {', '.join(LOSSES[loss])}", axis)
    ones = torch.ones_like(x)
    if axis == "value":
        names = {"mse": losses.mse_loss, "mae": losses.l1_loss}
        if loss in names:
            return names[loss](x, target * ones, "none")
        if loss == "huber":
            return losses.huber_loss(x, target * ones, "none", delta)
        return losses.smooth_l1_loss(x, target * ones, "none", delta)
    if axis in ("mean", "deviation"):
        center, width = (x, sigma * ones) if axis == "mean" else (mu * ones, x)
        q, zero = (center, 2 * width.log()), torch.zeros_like(x)
        standard = (zero, zero)
        two = (*q, *standard) if loss == "gaussian_kl" else (*standard, *q)
        return losses.gaussian_kl_between(*(v.unsqueeze(1) for v in two), reduction="none")
    if axis in ("near", "far"):
        return _of_distances(loss, axis, x, other * ones, margin)
    if loss in ("ce", "kl", "reverse_kl"):
        p, q = torch.stack([share * ones, (1 - share) * ones], 1), torch.stack([x, 1 - x], 1)
        if loss == "ce":
            return losses.cross_entropy(q.log(), p, reduction="none")
        return losses.kl_divergence(*((p, q) if loss == "kl" else (q, p)), reduction="none")
    if loss in ("cce", "softmax"):
        first, rest = (x.log(), ((1 - x) / (classes - 1)).log()) if loss == "cce" else (x, rival * ones)
        scores = torch.stack([first, *[rest] * (classes - 1)], 1)              # (N, C)
        return losses.cross_entropy(scores, torch.zeros(len(x)).long(), reduction="none",
                                    label_smoothing=smoothing)
    return _of_a_yes_or_no(loss, axis, x, label, gamma, alpha)


def _of_distances(loss: str, axis: str, x: Tensor, other: Tensor, margin: float) -> Tensor:
    """Return the losses of three points on a line, or of a pair, whose distance is x."""
    if loss == "contrastive":
        similar = torch.full(x.shape, int(axis == "near"))
        return losses.contrastive_distance_loss(x, similar, margin, "none")
    positive, negative = (x, -other) if axis == "near" else (other, -x)
    points = [v.unsqueeze(1) for v in (torch.zeros_like(x), positive, negative)]
    if loss == "triplet":
        return losses.triplet_margin_loss(*points, margin=margin, eps=0.0, reduction="none")
    return losses.squared_triplet_loss(*points, margin=margin, reduction="none")


def _of_a_yes_or_no(loss: str, axis: str, x: Tensor, label: int, gamma: float,
                    alpha: float) -> Tensor:
    """Return the losses of a label that is 0 or 1, from a score or a probability of 1."""
    truth = torch.full_like(x, label)
    if loss in ("hinge", "squared_hinge"):
        of = losses.hinge_loss if loss == "hinge" else losses.squared_hinge_loss
        return of(x, 2 * truth - 1, "none")
    if loss == "bce" and axis == "score":
        return losses.binary_cross_entropy_with_logits(x, truth, reduction="none")
    if loss == "focal":
        score = x if axis == "score" else x.log() - (1 - x).log()
        return losses.focal_loss(torch.stack([torch.zeros_like(score), score], 1), truth.long(),
                                 gamma, alpha, "none")
    p = x.sigmoid() if axis == "score" else x
    if loss == "bce":
        return losses.binary_cross_entropy(p, truth, reduction="none")
    return losses.mse_loss(p, truth, "none")


class LossExplorer(BookWidget, front="loss_explorer"):
    """A loss of section 4 against the prediction, its derivative, and others beside it.

    Args:
        loss: A name from ``LOSSES``.
        **state: Any of the traits below.

    >>> widget = LossExplorer("huber", compare=["mse", "mae"], at=3.0)
    >>> widget.look(), widget.look("mse")
    (Look(value=2.5, slope=1.0), Look(value=9.0, slope=6.0))
    """

    title = traitlets.Unicode("Loss explorer").tag(sync=True)
    loss = traitlets.Enum(list(LOSSES), default_value="mse").tag(sync=True)
    #: What the prediction is; a loss that has not this axis is drawn over its first.
    axis = traitlets.Enum(list(AXES), default_value="value").tag(sync=True)
    #: Up to two losses of the same axis, drawn beside; others are left out.
    compare = traitlets.List(traitlets.Enum(list(LOSSES)), maxlen=2).tag(sync=True)
    #: The prediction.
    at = traitlets.Float(2.0).tag(sync=True)
    label = traitlets.Enum([0, 1], default_value=1).tag(sync=True)
    classes = traitlets.Int(3, min=2, max=10).tag(sync=True)
    target, delta, share, gamma, alpha, smoothing, rival, mu, sigma, margin, other = (
        traitlets.Float(value, min=low, max=high).tag(sync=True)
        for low, high, value in PARAMETERS.values())

    def __init__(self, loss: str = "mse", **state: Any) -> None:
        if loss in LOSSES:
            state.setdefault("axis", LOSSES[loss][0])
        if state.get("axis") in AXES:
            state.setdefault("at", AXES[state["axis"]].start)
        super().__init__(loss=loss, **state)

    @traitlets.validate("at")
    def _check_at(self, proposal: dict[str, Any]) -> float:
        if not math.isfinite(proposal["value"]):
            raise traitlets.TraitError(f"expected a finite prediction, received {proposal['value']}")
        return proposal["value"]

    def look(self, loss: str | None = None) -> Look:
        """Return value and slope of the loss at the point, by autograd; of another one by name."""
        axis = self.axis if self.axis in LOSSES[self.loss] else LOSSES[self.loss][0]
        low, high, _ = AXES[axis]
        x = torch.tensor([min(high, max(low, self.at))], dtype=torch.float64, requires_grad=True)
        given = {name: getattr(self, name) for name in (*PARAMETERS, "label", "classes")}
        value = evaluate(loss or self.loss, axis, x, **given)
        return Look(value.item(), torch.autograd.grad(value.sum(), x)[0].item())
