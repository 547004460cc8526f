"""The playground: a network of the reader's size learns points in the plane."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
import traitlets
from torch import Tensor

from dlcheat.datasets.points import LIMIT, POINTS
from dlcheat.validation import expect, expect_count
from dlcheat.widgets.base import BookWidget, uniforms

#: What may stand between two layers. Identity leaves the network linear.
ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "tanh": torch.tanh, "relu": torch.relu, "sigmoid": torch.sigmoid, "identity": lambda x: x}
LARGEST = {"hidden": 3, "units": 8}
#: Points of a named set, and the seed that draws them.
COUNT, SEED = 100, 3
MOST_POINTS = 200


class TrainingStep(NamedTuple):
    """One step of gradient descent, with all that it computed.

    Attributes:
        loss: Mean binary cross-entropy in nats, before the step.
        accuracy: Share of points on the right side, before the step.
        logits: Log-odds of class 1, shape (N,), before the step.
        gradient: Of the loss in all parameters, shape (P,).
        weights: The parameters after the step, shape (P,).
    """

    loss: float
    accuracy: float
    logits: Tensor
    gradient: Tensor
    weights: Tensor


def layer_sizes(hidden: int, units: int) -> list[int]:
    """Return the widths of all layers: two inputs, the hidden layers, one output.

    Args:
        hidden: Hidden layers, 0 or more.
        units: Units in each of them.

    Raises:
        ValueError: If ``hidden`` is below 0 or ``units`` below 1.

    >>> layer_sizes(2, 8), layer_sizes(0, 8)
    ([2, 8, 8, 1], [2, 1])
    """
    expect(isinstance(hidden, int) and hidden >= 0, "hidden to be an integer of at least 0", hidden)
    expect_count("units", units)
    return [2, *[units] * hidden, 1]


def parameter_count(sizes: Sequence[int]) -> int:
    r"""Return the number of weights and biases of dense layers.

    .. math:: P = \sum_l (n_{l-1} + 1)\, n_l

    Args:
        sizes: Widths n₀ … n_L, at least two numbers from 1.

    Raises:
        ValueError: If there are fewer than two widths, or one is below 1.

    >>> parameter_count([2, 8, 8, 1])
    105
    """
    whole = len(sizes) >= 2 and all(isinstance(n, int) and n >= 1 for n in sizes)
    expect(whole, "sizes to be at least two integers from 1", sizes)
    return sum((a + 1) * b for a, b in pairwise(sizes))


def initial_weights(sizes: Sequence[int], seed: int = 1) -> Tensor:
    r"""Return the first parameters of a network: small random weights, and biases.

    .. math:: w \sim U(-a, a), \quad a = \sqrt{3 / n_{l-1}}, \qquad b \sim U(-\tfrac12, \tfrac12)

    A weight then has variance 1 / n, so that a weighted sum is about as large as its inputs.

    Args:
        sizes: Widths of the layers.
        seed: Of the generator.

    Returns:
        Shape (P,), float64: for each layer its weight (out × in, row after row), then its bias.

    Raises:
        ValueError: If ``sizes`` is not at least two integers from 1.

    >>> initial_weights([2, 1]).shape
    torch.Size([3])
    """
    parameter_count(sizes)
    source, values = uniforms(seed), []
    for a, b in pairwise(sizes):
        bound = math.sqrt(3 / a)
        values += [bound * (2 * next(source) - 1) for _ in range(a * b)]
        values += [next(source) - 0.5 for _ in range(b)]
    return torch.tensor(values, dtype=torch.float64)


def forward(weights: Tensor, sizes: Sequence[int], activation: str, points: Tensor) -> Tensor:
    r"""Return the network's log-odds of class 1.

    .. math:: h_0 = x, \quad h_l = \varphi(W_l h_{l-1} + b_l), \quad z = W_L h_{L-1} + b_L

    Args:
        weights: All parameters, shape (P,).
        sizes: Widths of the layers.
        activation: Name of φ, one of ``ACTIVATIONS``.
        points: Shape (N, 2).

    Returns:
        Shape (N,).

    Raises:
        ValueError: If the number of parameters or the shape of the points does not fit, or
            the activation is unknown.

    >>> line = torch.tensor([1.0, -1.0, 0.5])
    >>> forward(line, [2, 1], "tanh", torch.tensor([[2.0, 1.0]]))
    tensor([1.5000])
    """
    count = parameter_count(sizes)
    fits = isinstance(weights, Tensor) and weights.shape == (count,)
    expect(fits, f"weights of shape ({count},)", weights)
    expect(activation in ACTIVATIONS, f"activation to be one of {list(ACTIVATIONS)}", activation)
    flat = isinstance(points, Tensor) and points.ndim == 2 and points.shape[1] == sizes[0]
    expect(flat, f"points of shape (N, {sizes[0]})", points)
    x, at = points, 0
    for layer, (a, b) in enumerate(pairwise(sizes), 1):
        weight = weights[at:at + a * b].view(b, a)
        x = x @ weight.T + weights[at + a * b:at + (a + 1) * b]          # (N, b)
        at += (a + 1) * b
        if layer < len(sizes) - 1:
            x = ACTIVATIONS[activation](x)
    return x[:, 0]


def train_step(weights: Tensor, sizes: Sequence[int], activation: str, points: Tensor,
               labels: Tensor, rate: float) -> TrainingStep:
    r"""Take one step of gradient descent on all points; autograd computes the gradient.

    .. math:: \mathcal{L} = \frac1N \sum_n \left[\log(1 + e^{z_n}) - y_n z_n\right], \qquad
       w \leftarrow w - \eta\, \nabla_w \mathcal{L}

    Args:
        weights: All parameters, shape (P,); they are not changed.
        sizes: Widths of the layers.
        activation: One of ``ACTIVATIONS``.
        points: Shape (N, 2).
        labels: Zeros and ones, shape (N,).
        rate: η, above 0.

    Raises:
        ValueError: If a shape does not fit, a label is not 0 or 1, or the rate is not above 0.

    >>> step = train_step(torch.zeros(3), [2, 1], "tanh", torch.eye(2), torch.tensor([0, 1]), 1.0)
    >>> round(step.loss, 4), step.weights.tolist()
    (0.6931, [-0.25, 0.25, 0.0])
    """
    expect(isinstance(rate, int | float) and rate > 0, "rate above 0", rate)
    weights = weights.detach().clone().requires_grad_()
    logits = forward(weights, sizes, activation, points)
    binary = isinstance(labels, Tensor) and labels.shape == logits.shape \
        and bool(((labels == 0) | (labels == 1)).all())
    expect(binary, f"labels of zeros and ones, shape ({len(points)},)", labels)
    loss = F.binary_cross_entropy_with_logits(logits, labels.to(logits))
    gradient, = torch.autograd.grad(loss, weights)
    right = ((logits > 0) == (labels > 0)).double().mean()
    return TrainingStep(loss.item(), right.item(), logits.detach(), gradient,
                        weights.detach() - rate * gradient)


def named_points(name: str) -> list[list[float]]:
    """Return one of the widget's sets as rows (x, y, class), rounded to hundredths.

    Args:
        name: A name in ``dlcheat.datasets.points.POINTS``.

    Raises:
        ValueError: If there is no such set.

    >>> len(named_points("moons")), [row[2] for row in named_points("xor")[:4]]
    (100, [0, 1, 0, 1])
    """
    expect(name in POINTS, f"name to be one of {list(POINTS)}", name)
    points, labels = POINTS[name](COUNT, generator=torch.Generator().manual_seed(SEED))
    return [[round(x, 2), round(y, 2), c] for (x, y), c in zip(points.tolist(), labels.tolist())]


class Playground(BookWidget, front="playground"):
    """A network of the reader's size trains on points of two classes, in the page.

    Every step is plain gradient descent on all points; the front end computes what
    :func:`train_step` does, and a test compares both on hundreds of random networks.

    Attributes:
        data: Name of a set, or ``"own"`` for the reader's points.
        points: The reader's points, rows (x, y, class), at most 200, in −3 … 3.
        hidden: Hidden layers, 0 to 3.
        units: Units in each, 1 to 8.
        activation: ``"tanh"``, ``"relu"``, ``"sigmoid"`` or ``"identity"``.
        rate: Learning rate η, above 0 and at most 10.
        seed: Of the first weights; the same seed gives the same start.
        steps: Steps taken, told at every pause.
        weights: Parameters after them; empty before the first step.

    Raises:
        traitlets.TraitError: If a trait gets a value that it cannot hold.

    >>> Playground(data="xor", hidden=0).sizes
    [2, 1]
    """

    data = traitlets.Enum((*POINTS, "own"), "moons").tag(sync=True)
    points = traitlets.List(default_value=[]).tag(sync=True)
    hidden = traitlets.Int(2, min=0, max=LARGEST["hidden"]).tag(sync=True)
    units = traitlets.Int(4, min=1, max=LARGEST["units"]).tag(sync=True)
    activation = traitlets.Enum(tuple(ACTIVATIONS), "tanh").tag(sync=True)
    rate = traitlets.Float(0.3).tag(sync=True)
    seed = traitlets.Int(1, min=1, max=999).tag(sync=True)
    steps = traitlets.Int(0, min=0).tag(sync=True)
    weights = traitlets.List(traitlets.Float(), default_value=[]).tag(sync=True)
    #: The named sets, as rows (x, y, class).
    sets = traitlets.Dict().tag(sync=True)

    def __init__(self, **state: object) -> None:
        super().__init__(sets={name: named_points(name) for name in POINTS}, **state)

    @traitlets.validate("points")
    def _check_points(self, proposal: dict[str, Any]) -> list:
        value = proposal["value"]
        good = len(value) <= MOST_POINTS and all(
            isinstance(row, list | tuple) and len(row) == 3 and row[2] in (0, 1)
            and all(isinstance(v, int | float) and abs(v) <= LIMIT for v in row) for row in value)
        if not good:
            raise traitlets.TraitError(
                f"expected points as at most {MOST_POINTS} rows (x, y, class), x and y from "
                f"{-LIMIT:g} to {LIMIT:g}, class 0 or 1, received {value!r:.80}")
        return [list(row) for row in value]

    @traitlets.validate("rate")
    def _check_rate(self, proposal: dict[str, Any]) -> float:
        if not 0 < proposal["value"] <= 10:
            raise traitlets.TraitError("expected rate above 0 and at most 10, received "
                                       f"{proposal['value']!r}")
        return proposal["value"]

    @property
    def sizes(self) -> list[int]:
        """Widths of the layers."""
        return layer_sizes(self.hidden, self.units)

    def tensors(self) -> tuple[Tensor, Tensor]:
        """Return the shown points, shape (N, 2), float64, and their classes, shape (N,)."""
        rows = self.points if self.data == "own" else self.sets[self.data]
        table = torch.tensor(rows, dtype=torch.float64).reshape(-1, 3)
        return table[:, :2], table[:, 2].long()

    def train(self, steps: int) -> TrainingStep:
        """Take steps from the shown state, as the page would; keep steps and weights.

        Args:
            steps: How many, at least 1.

        Returns:
            Loss and accuracy after the steps; its own gradient and weights belong to one
            more step, which is not kept.

        Raises:
            ValueError: If ``steps`` is below 1, or there are no points.

        >>> playground = Playground(data="xor", hidden=0)
        >>> playground.train(200).accuracy <= 0.75
        True
        """
        expect_count("steps", steps)
        points, labels = self.tensors()
        expect(len(points) > 0, "at least one point", points)
        now = torch.tensor(self.weights, dtype=torch.float64)
        if not self.weights:
            now = initial_weights(self.sizes, self.seed)
        for _ in range(steps):
            now = train_step(now, self.sizes, self.activation, points, labels, self.rate).weights
        self.weights, self.steps = now.tolist(), self.steps + steps
        return train_step(now, self.sizes, self.activation, points, labels, self.rate)
