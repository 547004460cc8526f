"""The trade-off: two tasks share a narrow trunk, and a weight says whose errors count more."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import islice
from typing import Any, NamedTuple

import torch
import traitlets
from torch import Tensor

from dlcheat.multi_task import cosine, pcgrad, task_gradients
from dlcheat.validation import expect, expect_count
from dlcheat.widgets.base import BookWidget, uniforms

#: Inputs of the network, outputs of each task, and how much the second output counts.
INPUTS, OUTPUTS, SECOND = 4, 2, 0.6
#: Learning rate of every step.
RATE = 0.2
MOST_STEPS = 20_000


class TradeOffStep(NamedTuple):
    """One step of gradient descent on both tasks, with all that it computed.

    Attributes:
        errors: L₁ and L₂ before the step, shape (2,): 1 is what silence costs, 0 is perfect.
        gradients: Of both errors in the trunk, times their weights 1 − α and α, shape (2, 4k).
        cosine: Of the angle between the two; 0 if one of them is 0.
        direction: What the trunk is moved against, shape (4k,).
        weights: All parameters after the step, shape (8k,).
    """

    errors: Tensor
    gradients: Tensor
    cosine: float
    direction: Tensor
    weights: Tensor


def wanted(angle: float) -> Tensor:
    r"""Return what the tasks want to compute of four inputs: a matrix for each task.

    .. math:: U_1 = \begin{pmatrix} 1 & 0 & 0 & 0 \\ 0 & 0.6 & 0 & 0 \end{pmatrix}, \qquad
       U_2 = \begin{pmatrix} \cos\psi & 0 & \sin\psi & 0 \\
       0 & 0.6 \cos\psi & 0 & 0.6 \sin\psi \end{pmatrix}

    Args:
        angle: ψ in degrees, from 0 (the same directions) to 90 (directions of their own).

    Returns:
        Shape (2, 2, 4), float64.

    Raises:
        ValueError: If the angle is outside 0 … 90.

    >>> wanted(90).abs().gt(1e-9).long().tolist()
    [[[1, 0, 0, 0], [0, 1, 0, 0]], [[0, 0, 1, 0], [0, 0, 0, 1]]]
    """
    expect(0 <= angle <= 90, "an angle from 0 to 90 degrees", angle)
    c, s = math.cos(math.radians(angle)), math.sin(math.radians(angle))
    return torch.tensor([[[1, 0, 0, 0], [0, SECOND, 0, 0]],
                         [[c, 0, s, 0], [0, SECOND * c, 0, SECOND * s]]], dtype=torch.float64)


def _expect_settings(alpha: float, width: int) -> None:
    expect(0 <= alpha <= 1, "alpha from 0 to 1", alpha)
    expect(isinstance(width, int) and 1 <= width <= INPUTS, f"a width from 1 to {INPUTS}", width)


def first_weights(width: int, seed: int = 1) -> Tensor:
    """Return the first parameters: numbers in −0.3 … 0.3, the same ones here and in the page.

    Args:
        width: Units k of the trunk, 1 to 4.
        seed: Of the generator.

    Returns:
        Shape (8k,), float64: the trunk's W (k × 4), then both heads' A (2 × k), row after row.

    Raises:
        ValueError: If the width is out of range.

    >>> first_weights(2).shape
    torch.Size([16])
    """
    _expect_settings(0, width)
    values = islice(uniforms(seed), width * (INPUTS + 2 * OUTPUTS))
    return torch.tensor([0.6 * (v - 0.5) for v in values], dtype=torch.float64)


def trade_off_step(weights: Tensor, alpha: float, angle: float, surgery: bool = False) -> TradeOffStep:
    r"""Take one step of gradient descent; autograd computes the gradients.

    .. math:: \mathcal{L}_i = \frac{\mathbb{E}_x \lVert A_i W x - U_i x \rVert^2}
       {\mathbb{E}_x \lVert U_i x \rVert^2}
       = \frac{\lVert A_i W - U_i \rVert^2}{\lVert U_i \rVert^2}

    for inputs x with mean 0 and the identity as covariance. The trunk follows the weighted sum
    :math:`(1 - \alpha) \nabla_W \mathcal{L}_1 + \alpha \nabla_W \mathcal{L}_2`, or the same two
    after surgery (:func:`dlcheat.multi_task.pcgrad`); each head follows its own loss.

    Args:
        weights: All parameters, shape (8k,); they are not changed.
        alpha: Weight α of task 2, from 0 to 1; task 1 has 1 − α.
        angle: Between what the tasks want, in degrees, 0 … 90.
        surgery: Whether conflicting gradients are projected.

    Raises:
        ValueError: If the parameters are not 8k float64 numbers, or a setting is out of range.

    >>> step = trade_off_step(torch.zeros(8, dtype=torch.double), 0.5, 90)
    >>> step.errors.tolist(), step.cosine
    ([1.0, 1.0], 0.0)
    """
    size = INPUTS + 2 * OUTPUTS
    fits = isinstance(weights, Tensor) and weights.dtype == torch.float64 and weights.ndim == 1 \
        and weights.numel() % size == 0
    expect(fits, f"weights of shape ({size}k,) and type float64", weights)
    width = weights.numel() // size
    _expect_settings(alpha, width)
    W = weights[:INPUTS * width].view(width, INPUTS).clone().requires_grad_()
    A = weights[INPUTS * width:].view(2, OUTPUTS, width).clone().requires_grad_()
    U = wanted(angle)                                            # (2, 2, 4)
    errors = (A @ W - U).square().sum((1, 2)) / U.square().sum((1, 2))    # (2,)
    gradients = task_gradients([(1 - alpha) * errors[0], alpha * errors[1]], [W])
    heads, = torch.autograd.grad(errors.sum(), A)
    direction = pcgrad(gradients) if surgery else gradients.sum(0)
    step = torch.cat([direction, heads.flatten()])
    return TradeOffStep(errors.detach(), gradients, cosine(gradients)[0, 1].item(), direction,
                        weights - RATE * step)


def best_errors(alpha: float, angle: float, width: int) -> tuple[float, float]:
    r"""Return the two errors at the minimum of :math:`(1 - \alpha) \mathcal{L}_1 + \alpha \mathcal{L}_2`.

    With the best heads the trunk keeps the k leading eigenvectors of
    :math:`(1 - \alpha) U_1^\top U_1 + \alpha U_2^\top U_2`: a principal component analysis of
    what is wanted. Here that matrix falls into two planes, each with two eigenvectors in closed
    form.

    Args:
        alpha: Weight α of task 2, from 0 to 1.
        angle: Between what the tasks want, in degrees, 0 … 90.
        width: Units k of the trunk, 1 to 4.

    Raises:
        ValueError: If a setting is out of range.

    >>> best_errors(0.5, 0, 2), [round(e, 4) for e in best_errors(0.5, 90, 2)]
    ((0.0, 0.0), [0.2647, 0.2647])
    """
    _expect_settings(alpha, width)
    wanted(angle)
    psi = math.radians(angle)
    root = math.sqrt(max(0.0, 1 - 4 * alpha * (1 - alpha) * math.sin(psi) ** 2))
    turn = math.atan2(alpha * math.sin(2 * psi), 1 - alpha + alpha * math.cos(2 * psi)) / 2
    found = []
    for sign in (1, -1):
        for scale in (1.0, SECOND ** 2):
            at = turn if sign > 0 else turn + math.pi / 2
            found.append((scale * (1 + sign * root) / 2, scale * math.cos(at) ** 2,
                          scale * math.cos(at - psi) ** 2))
    kept = sorted(found, key=lambda entry: -entry[0])[:width]
    total = 1 + SECOND ** 2
    return tuple(max(0.0, 1 - sum(entry[i] for entry in kept) / total) for i in (1, 2))


def front(angle: float, width: int, count: int = 41) -> list[tuple[float, float]]:
    """Return the errors of the best trunks for ``count`` weights from α = 0 to α = 1.

    Args:
        angle: Between what the tasks want, in degrees, 0 … 90.
        width: Units of the trunk, 1 to 4.
        count: At least 2.

    Raises:
        ValueError: If a setting is out of range.

    >>> front(0, 2, 3)
    [(0.0, 0.0), (0.0, 0.0), (0.0, 0.0)]
    """
    expect(isinstance(count, int) and count >= 2, "a count of at least 2", count)
    return [best_errors(i / (count - 1), angle, width) for i in range(count)]


class TradeOff(BookWidget, front="trade_off"):
    """Two tasks, one trunk: move the weight between them and watch errors and gradients.

    A linear network with four inputs, a trunk of k units and two heads trains in the page; the
    front end computes :func:`trade_off_step`, :func:`best_errors` and :func:`front`, and a test
    compares them on hundreds of random networks.

    Attributes:
        alpha: Weight of task 2, 0 to 1; task 1 has 1 − α.
        angle: Between what the tasks want, in degrees: 0 aligned, 90 nothing in common.
        width: Units of the trunk, 1 to 4.
        surgery: Whether conflicting gradients are projected (PCGrad) before they are added.
        seed: Of the first weights.
        steps: Steps taken, told at every pause.
        weights: Parameters after them; empty before the first step.
        runs: Measured trade-offs, each ``{"name": …, "points": [[α, error 1, error 2], …]}``, α
            rising; they are drawn beside the network's own.
        tasks: Names of the two tasks of ``runs``.

    Raises:
        traitlets.TraitError: If a trait gets a value that it cannot hold.

    >>> TradeOff(angle=90, width=1).best()
    (0.6323529411764705, 0.6323529411764705)
    """

    alpha = traitlets.Float(0.5).tag(sync=True)
    angle = traitlets.Int(60, min=0, max=90).tag(sync=True)
    width = traitlets.Int(2, min=1, max=INPUTS).tag(sync=True)
    surgery = traitlets.Bool(False).tag(sync=True)
    seed = traitlets.Int(1, min=1, max=999).tag(sync=True)
    steps = traitlets.Int(0, min=0).tag(sync=True)
    weights = traitlets.List(traitlets.Float(), default_value=[]).tag(sync=True)
    runs = traitlets.List(default_value=[]).tag(sync=True)
    tasks = traitlets.List(traitlets.Unicode(), default_value=["task 1", "task 2"], minlen=2,
                           maxlen=2).tag(sync=True)

    def __init__(self, **state: object) -> None:
        super().__init__(**{"title": "Two tasks, one trunk: the trade-off", **state})

    @traitlets.validate("alpha")
    def _check_alpha(self, proposal: dict[str, Any]) -> float:
        if not 0 <= proposal["value"] <= 1:
            raise traitlets.TraitError(f"expected alpha from 0 to 1, received {proposal['value']!r}")
        return proposal["value"]

    @traitlets.validate("runs")
    def _check_runs(self, proposal: dict[str, Any]) -> list:
        for run in proposal["value"]:
            good = isinstance(run, dict) and set(run) == {"name", "points"} and all(
                isinstance(row, Sequence) and len(row) == 3
                and all(isinstance(v, int | float) and math.isfinite(v) for v in row)
                for row in run["points"])
            if not good:
                raise traitlets.TraitError("expected runs as {'name', 'points'} with rows (alpha, "
                                           f"error 1, error 2), received {run!r:.80}")
        return proposal["value"]

    def best(self) -> tuple[float, float]:
        """Return the two errors at the best trunk for the chosen weight."""
        return best_errors(self.alpha, self.angle, self.width)

    def train(self, steps: int) -> TradeOffStep:
        """Take steps from the shown state, as the page would; keep steps and weights.

        Args:
            steps: How many, at least 1.

        Returns:
            Errors and gradients after the steps; its own new weights belong to one more step.

        Raises:
            ValueError: If ``steps`` is below 1.
        """
        expect_count("steps", steps)
        now = self.tensor()
        for _ in range(steps):
            now = trade_off_step(now, self.alpha, self.angle, self.surgery).weights
        self.weights, self.steps = now.tolist(), self.steps + steps
        return self.look()

    def tensor(self) -> Tensor:
        """Return the shown parameters, shape (8k,), float64."""
        fits = len(self.weights) == self.width * (INPUTS + 2 * OUTPUTS)
        return torch.tensor(self.weights, dtype=torch.float64) if fits \
            else first_weights(self.width, self.seed)

    def look(self) -> TradeOffStep:
        """Return errors and gradients of the shown state."""
        return trade_off_step(self.tensor(), self.alpha, self.angle, self.surgery)
