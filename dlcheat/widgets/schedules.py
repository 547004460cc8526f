"""Schedules: a small network learns digits in the page, at the reader's rate and schedule."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from functools import cache
from itertools import pairwise
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
import traitlets
from torch import Tensor, nn

from dlcheat import schedules
from dlcheat.datasets import mnist
from dlcheat.validation import expect
from dlcheat.widgets.base import BookWidget, uniforms
from dlcheat.wild import train_side_by_side

#: The schedules, as the page names them.
SCHEDULES = ("constant", "step", "exponential", "cosine", "warmup_cosine", "one_cycle")
#: The peak rates of the slider, three or so to a decade.
RATES = (0.003, 0.005, 0.01, 0.02, 0.03, 0.05, 0.1, 0.2, 0.3, 0.5, 1.0, 2.0, 3.0)
BATCHES = (8, 16, 32, 64)
MOMENTA = (0.0, 0.5, 0.9)
#: Updates of a run; widths of the network; digits that train it, digits that judge it.
STEPS, SIZES, TRAINING, HELD_OUT = 300, (49, 24, 10), 600, 400
COUNT = (SIZES[0] + 1) * SIZES[1] + (SIZES[1] + 1) * SIZES[2]


class Step(NamedTuple):
    """One update by SGD with momentum.

    Attributes:
        loss: Mean cross-entropy of the batch in nats, before the update.
        gradient: Shape (P,).
        weights: After the update, shape (P,).
        velocity: The running sum of gradients after it, shape (P,).
    """

    loss: float
    gradient: Tensor
    weights: Tensor
    velocity: Tensor


class Run(NamedTuple):
    """What a run of the page shows.

    Attributes:
        rates: η(t) of every update.
        losses: Loss of every batch before its update.
        training_loss: Of all training digits after the last update.
        held_out_loss: Of the digits that were held out.
        accuracy: Share of these that are right.
    """

    rates: list[float]
    losses: list[float]
    training_loss: float
    held_out_loss: float
    accuracy: float


def factor(schedule: str, step: int, total: int = STEPS, warmup: int = 10) -> float:
    """Return what multiplies the peak rate at a step.

    Step decay divides by ten at each third, exponential decay ends at a hundredth.

    Args:
        schedule: One of ``SCHEDULES``.
        step: Updates taken so far, below ``total``.
        total: Updates of the run.
        warmup: Share of them in which the rate rises, in per cent; used by ``warmup_cosine``
            and, at least 5, by ``one_cycle``.

    Raises:
        ValueError: If the schedule is unknown or a number out of range.

    >>> [round(factor(s, 150), 3) for s in SCHEDULES]
    [1.0, 0.1, 0.1, 0.5, 0.587, 0.581]
    """
    expect(schedule in SCHEDULES, f"schedule to be one of {list(SCHEDULES)}", schedule)
    if schedule == "constant":
        return schedules.constant(step)
    if schedule == "step":
        return schedules.step_decay(step, total // 3)
    if schedule == "exponential":
        return schedules.exponential_decay(step, 0.01 ** (1 / total))
    if schedule == "cosine":
        return schedules.cosine(step, total)
    if schedule == "warmup_cosine":
        return schedules.warmup_cosine(step, warmup * total // 100, total)
    return schedules.one_cycle(step, total, max(warmup, 5) / 100)


@cache
def digits() -> tuple[Tensor, Tensor]:
    """Return 1000 training digits of MNIST, shrunk to 7 × 7 pixels, and their classes.

    Each pixel is the mean of 4 × 4, rounded to one of 256 greys. The first 600 train, the
    other 400 are held out.

    Returns:
        Greys, shape (1000, 49), uint8, and classes, shape (1000,), uint8.

    >>> [t.shape for t in digits()]
    [torch.Size([1000, 49]), torch.Size([1000])]
    """
    data = mnist()
    chosen = torch.randperm(len(data.train_labels), generator=torch.Generator().manual_seed(0))
    chosen = chosen[:TRAINING + HELD_OUT]
    small = F.avg_pool2d(data.train_images[chosen], 4).flatten(1)            # (1000, 49)
    return (255 * small).round().to(torch.uint8), data.train_labels[chosen].to(torch.uint8)


def initial_weights(seed: int = 1) -> Tensor:
    r"""Return the first parameters: :math:`w \sim U(-a, a)`, :math:`a = \sqrt{6/n}`, biases 0.

    Source: He et al., 2015.

    Args:
        seed: Of the generator.

    Returns:
        Shape (P,), float64: weight (out × in) and bias of the first layer, then of the second.

    >>> initial_weights().shape
    torch.Size([1450])
    """
    source, values = uniforms(seed), []
    for a, b in pairwise(SIZES):
        bound = math.sqrt(6 / a)
        values += [bound * (2 * next(source) - 1) for _ in range(a * b)] + [0.0] * b
    return torch.tensor(values, dtype=torch.float64)


def shuffled_batches(seed: int, n: int, batch: int) -> Iterator[list[int]]:
    """Yield the rows of one batch after another, without end, shuffled anew for each epoch.

    What is left of an epoch and fills no batch is dropped.

    Args:
        seed: Of the shuffle.
        n: Rows in all.
        batch: Rows of a batch, at most n.

    Raises:
        ValueError: If ``batch`` is above ``n`` or below 1.

    >>> some = shuffled_batches(1, n=4, batch=2)
    >>> sorted(next(some) + next(some))
    [0, 1, 2, 3]
    """
    expect(1 <= batch <= n, f"batch from 1 to {n}", batch)
    source = uniforms(seed + 1000)
    while True:
        order = list(range(n))
        for i in range(n - 1, 0, -1):                            # Fisher and Yates
            j = int(next(source) * (i + 1))
            order[i], order[j] = order[j], order[i]
        for at in range(0, n - batch + 1, batch):
            yield order[at:at + batch]


def forward(weights: Tensor, inputs: Tensor) -> Tensor:
    r"""Return the network's scores :math:`W_2 \operatorname{ReLU}(W_1 x + b_1) + b_2`.

    Args:
        weights: Shape (P,).
        inputs: Shape (B, 49).

    Returns:
        Shape (B, 10).

    Raises:
        ValueError: If a shape does not fit.

    >>> forward(initial_weights(), torch.zeros(2, 49, dtype=torch.float64)).shape
    torch.Size([2, 10])
    """
    expect(weights.shape == (COUNT,), f"weights of shape ({COUNT},)", weights)
    flat = inputs.ndim == 2 and inputs.shape[1] == SIZES[0]
    expect(flat, f"inputs of shape (B, {SIZES[0]})", inputs)
    a, b, c = SIZES
    w1, b1, w2, b2 = weights.split([a * b, b, b * c, c])
    return torch.relu(inputs @ w1.view(b, a).T + b1) @ w2.view(c, b).T + b2


def train_step(weights: Tensor, velocity: Tensor, inputs: Tensor, labels: Tensor, rate: float,
               momentum: float) -> Step:
    r"""Take one step of SGD with momentum; autograd computes the gradient.

    .. math:: v \leftarrow \mu v + \nabla \mathcal{L}, \qquad w \leftarrow w - \eta\, v

    Args:
        weights: Shape (P,); not changed.
        velocity: v, shape (P,); zeros at first.
        inputs: Shape (B, 49).
        labels: Classes, shape (B,).
        rate: η, at least 0.
        momentum: μ, from 0 and below 1.

    Raises:
        ValueError: If a shape does not fit or a number is out of range.

    >>> x, y = torch.zeros(1, 49, dtype=torch.float64), torch.tensor([3])
    >>> step = train_step(initial_weights(), torch.zeros(1450).double(), x, y, 0.1, 0.9)
    >>> round(step.loss, 4), round(step.weights[-7].item(), 4)
    (2.3026, 0.09)
    """
    expect(rate >= 0, "rate of at least 0", rate)
    expect(0 <= momentum < 1, "momentum from 0 and below 1", momentum)
    weights = weights.detach().clone().requires_grad_()
    loss = F.cross_entropy(forward(weights, inputs), labels.long())
    gradient, = torch.autograd.grad(loss, weights)
    velocity = momentum * velocity + gradient
    return Step(loss.item(), gradient, weights.detach() - rate * velocity, velocity)


def final_losses(runs: Sequence[tuple[str, float, int]], warmup: int = 10, batch: int = 16,
                 momentum: float = 0.9) -> Tensor:
    """Train many runs of the page at once; return the loss of the 600 training digits after each.

    Args:
        runs: R of them, each a schedule, a peak rate and a seed.
        warmup: Share of the updates in which the rate rises, in per cent.
        batch: Digits in a batch.
        momentum: From 0 and below 1.

    Returns:
        Shape (R,), float64: each as ``Schedules(…).train().training_loss``, up to rounding.

    Raises:
        ValueError: If a schedule is unknown or a number out of range.

    >>> losses = final_losses([("constant", 0.1, 1), ("cosine", 0.3, 1)])
    >>> bool(losses[1] < losses[0])
    True
    """
    greys, classes = digits()
    inputs, labels = greys[:TRAINING].double() / 255, classes[:TRAINING].long()
    a, b, c = SIZES
    models = [nn.Sequential(nn.Linear(a, b), nn.ReLU(), nn.Linear(b, c)).double() for _ in runs]
    for model, (_, _, seed) in zip(models, runs):
        nn.utils.vector_to_parameters(initial_weights(seed), model.parameters())
    source = {seed: shuffled_batches(seed, TRAINING, batch) for *_, seed in runs}
    drawn = [{seed: next(batches) for seed, batches in source.items()} for _ in range(STEPS)]
    rows = [torch.tensor([now[seed] for *_, seed in runs]) for now in drawn]     # (R, B) each
    rates = [[rate * factor(schedule, t, warmup=warmup) for schedule, rate, _ in runs]
             for t in range(STEPS)]
    train_side_by_side(models, lambda model, x, y: F.cross_entropy(model(x), y), inputs, labels,
                       rates=torch.tensor(rates, dtype=torch.float64), rows=rows,
                       momentum=momentum)
    with torch.no_grad():
        return torch.stack([F.cross_entropy(model(inputs), labels) for model in models])


class Schedules(BookWidget, front="schedules"):
    """A network of 1450 numbers learns 600 small digits in the page, again at every change.

    The front end computes what :func:`train_step` and :func:`factor` do; tests compare both on
    hundreds of random inputs, and whole runs.

    Attributes:
        schedule: One of ``SCHEDULES``.
        rate: Peak rate η, one of ``RATES``.
        warmup: Share of the updates in which the rate rises, in per cent, 0 to 50.
        batch: Digits in a batch, one of ``BATCHES``.
        momentum: One of ``MOMENTA``.
        seed: Of the first weights and of the shuffle.
        kept: Settings of at most three earlier runs that stay in the picture, each a dictionary
            of the six traits above.

    Raises:
        traitlets.TraitError: If a trait gets a value that it cannot hold.

    >>> Schedules(schedule="cosine", rate=0.3).rate
    0.3
    """

    schedule = traitlets.Enum(SCHEDULES, "constant").tag(sync=True)
    rate = traitlets.Enum(RATES, 0.1).tag(sync=True)
    warmup = traitlets.Int(10, min=0, max=50).tag(sync=True)
    batch = traitlets.Enum(BATCHES, 16).tag(sync=True)
    momentum = traitlets.Enum(MOMENTA, 0.9).tag(sync=True)
    seed = traitlets.Int(1, min=1, max=999).tag(sync=True)
    kept = traitlets.List(default_value=[]).tag(sync=True)
    #: Greys and classes of the 1000 digits, a byte each.
    greys = traitlets.Bytes().tag(sync=True)
    classes = traitlets.Bytes().tag(sync=True)

    SETTINGS = ("schedule", "rate", "warmup", "batch", "momentum", "seed")
    MOST_KEPT = 3

    def __init__(self, **state: object) -> None:
        greys, classes = digits()
        super().__init__(greys=greys.numpy().tobytes(), classes=classes.numpy().tobytes(), **state)

    @traitlets.validate("kept")
    def _check_kept(self, proposal: dict[str, Any]) -> list:
        value = proposal["value"]
        good = len(value) <= self.MOST_KEPT and all(
            isinstance(row, dict) and set(row) == set(self.SETTINGS) for row in value)
        if not good:
            raise traitlets.TraitError(f"expected kept as at most {self.MOST_KEPT} dictionaries "
                                       f"of {', '.join(self.SETTINGS)}, received {value!r:.80}")
        for row in value:
            for name in self.SETTINGS:
                self.traits()[name]._validate(self, row[name])
        return [dict(row) for row in value]

    def settings(self) -> dict[str, object]:
        """Return the six settings of the run that is shown."""
        return {name: getattr(self, name) for name in self.SETTINGS}

    def train(self, steps: int = STEPS) -> Run:
        """Train as the page does, and return what it shows.

        Args:
            steps: Updates, from 1 to 300; the schedule is that of the whole run.

        Raises:
            ValueError: If ``steps`` is out of range.

        >>> run = Schedules().train(steps=2)
        >>> run.rates, len(run.losses)
        ([0.1, 0.1], 2)
        """
        whole = isinstance(steps, int) and 1 <= steps <= STEPS
        expect(whole, f"steps to be an integer from 1 to {STEPS}", steps)
        greys, classes = digits()
        inputs, labels = greys.double() / 255, classes.long()
        now, velocity = initial_weights(self.seed), torch.zeros(COUNT, dtype=torch.float64)
        batches = shuffled_batches(self.seed, TRAINING, self.batch)
        rates, losses = [], []
        for t in range(steps):
            rows, rate = next(batches), self.rate * factor(self.schedule, t, warmup=self.warmup)
            step = train_step(now, velocity, inputs[rows], labels[rows], rate, self.momentum)
            now, velocity = step.weights, step.velocity
            rates.append(rate)
            losses.append(step.loss)
        with torch.no_grad():
            scores = forward(now, inputs)
            seen, unseen = slice(TRAINING), slice(TRAINING, None)
            right = (scores[unseen].argmax(1) == labels[unseen]).double().mean().item()
            return Run(rates, losses, F.cross_entropy(scores[seen], labels[seen]).item(),
                       F.cross_entropy(scores[unseen], labels[unseen]).item(), right)
