"""The race: nine optimizers on one surface, from one start, each at a rate of its own."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
import traitlets
from torch import Tensor

from dlcheat import optimizers
from dlcheat.validation import expect, expect_count
from dlcheat.widgets.base import BookWidget, normals

#: Steps of a race; positions beyond the limit count as diverged; a loss below ZERO counts as 0.
STEPS, LIMIT, ZERO = 200, 1e6, 1e-12
RATES = (*(float(f"{m}e{e}") for e in range(-4, 1) for m in (1, 2, 5)), 10.0)
CONDITIONS = (1, 2, 3, 5, 10, 20, 30, 50, 100, 200, 300, 500, 1000)
MOMENTA = (0.0, 0.3, 0.5, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99)
NOISES = (0.0, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0)
#: The racers and the rates with which they begin.
FIRST_RATES = {"SGD": 0.05, "Momentum": 0.02, "Nesterov": 0.02, "Adagrad": 0.5, "RMSprop": 0.05,
               "Adadelta": 10.0, "Adam": 0.1, "Lion": 0.02, "L-BFGS": 1.0}
RACERS = tuple(FIRST_RATES)
#: What ``Race.tune`` finds for each racer on some surfaces, and on one of them with a noise of 3.
TUNED = {name: dict(zip(RACERS, rates)) for name, rates in {
    "turned": (0.05, 0.02, 0.02, 2.0, 1.0, 10.0, 0.5, 0.05, 1.0),
    "rosenbrock": (0.005, 0.002, 0.002, 2.0, 0.2, 10.0, 1.0, 0.02, 0.5),
    "beale": (0.02, 0.005, 0.005, 2.0, 0.2, 5.0, 1.0, 0.02, 0.5),
    "bumps": (0.5, 0.1, 0.1, 5.0, 0.2, 2.0, 2.0, 1.0, 1.0),
    "rosenbrock, noise 3": (0.005, 0.002, 0.001, 2.0, 0.2, 10.0, 0.5, 0.02, 1.0)}.items()}


class Surface(NamedTuple):
    """A loss of two parameters; its least value is 0.

    Attributes:
        title: What it is called.
        loss: Of parameters, shape (…, 2), and a condition number; shape (…).
        middle: Of the square that is drawn.
        reach: Half its side.
        start: Where the race begins.
        minima: Where the loss is 0.
    """

    title: str
    loss: Callable[[Tensor, float], Tensor]
    middle: tuple[float, float]
    reach: float
    start: tuple[float, float]
    minima: tuple[tuple[float, float], ...]


def ravine(theta: Tensor, condition: float = 30) -> Tensor:
    r"""Return a quadratic whose curvatures are 1 and κ, along the axes.

    .. math:: \tfrac12 (x^2 + \kappa\, y^2)

    Args:
        theta: (x, y), shape (…, 2).
        condition: κ.

    >>> ravine(torch.tensor([2.0, 1.0]), 30)
    tensor(17.)
    """
    x, y = theta.unbind(-1)
    return (x ** 2 + condition * y ** 2) / 2


def turned_ravine(theta: Tensor, condition: float = 30) -> Tensor:
    r"""Return the same quadratic, turned by 36.9°, whose cosine is 0.8 and whose sine is 0.6.

    .. math:: \tfrac12 (u^2 + \kappa\, v^2), \qquad u = 0.8\,x + 0.6\,y, \qquad v = 0.8\,y - 0.6\,x

    Args:
        theta: (x, y), shape (…, 2).
        condition: κ.

    >>> turned_ravine(torch.tensor([0.8, 0.6]), 30)
    tensor(0.5000)
    """
    x, y = theta.unbind(-1)
    return ((0.8 * x + 0.6 * y) ** 2 + condition * (0.8 * y - 0.6 * x) ** 2) / 2


def rosenbrock(theta: Tensor, condition: float = 0) -> Tensor:
    r"""Return Rosenbrock's function: a bent valley, steep across and nearly flat along.

    .. math:: (1 - x)^2 + 100\,(y - x^2)^2

    Args:
        theta: (x, y), shape (…, 2).
        condition: Not used.

    Source: Rosenbrock, 1960.

    >>> rosenbrock(torch.tensor([[1.0, 1.0], [0.0, 0.0]]))
    tensor([0., 1.])
    """
    x, y = theta.unbind(-1)
    return (1 - x) ** 2 + 100 * (y - x ** 2) ** 2


def beale(theta: Tensor, condition: float = 0) -> Tensor:
    r"""Return Beale's function: flat in the middle, steep at the corners.

    .. math:: (1.5 - x + xy)^2 + (2.25 - x + xy^2)^2 + (2.625 - x + xy^3)^2

    Args:
        theta: (x, y), shape (…, 2).
        condition: Not used.

    Source: Beale, 1958.

    >>> beale(torch.tensor([3.0, 0.5]))
    tensor(0.)
    """
    x, y = theta.unbind(-1)
    return (1.5 - x + x * y) ** 2 + (2.25 - x + x * y ** 2) ** 2 + (2.625 - x + x * y ** 3) ** 2


def saddle(theta: Tensor, condition: float = 0) -> Tensor:
    r"""Return a saddle at (0, 0), height ¼, between two minima.

    .. math:: \tfrac12 x^2 - \tfrac12 y^2 + \tfrac14 y^4 + \tfrac14

    Args:
        theta: (x, y), shape (…, 2).
        condition: Not used.

    >>> saddle(torch.tensor([[0.0, 0.0], [0.0, 1.0]]))
    tensor([0.2500, 0.0000])
    """
    x, y = theta.unbind(-1)
    return (x ** 2 - y ** 2) / 2 + (y ** 4 + 1) / 4


def himmelblau(theta: Tensor, condition: float = 0) -> Tensor:
    r"""Return Himmelblau's function: four minima of the same depth.

    .. math:: (x^2 + y - 11)^2 + (x + y^2 - 7)^2

    Args:
        theta: (x, y), shape (…, 2).
        condition: Not used.

    Source: Himmelblau, 1972.

    >>> himmelblau(torch.tensor([3.0, 2.0]))
    tensor(0.)
    """
    x, y = theta.unbind(-1)
    return (x ** 2 + y - 11) ** 2 + (x + y ** 2 - 7) ** 2


def bumps(theta: Tensor, condition: float = 0) -> Tensor:
    r"""Return a bowl with bumps: many minima, one of them the lowest.

    .. math:: \tfrac1{10}(x^2 + y^2) + \tfrac12 (2 - \cos 4x - \cos 4y)

    Args:
        theta: (x, y), shape (…, 2).
        condition: Not used.

    >>> bumps(torch.tensor([0.0, 0.0]))
    tensor(0.)
    """
    x, y = theta.unbind(-1)
    return (x ** 2 + y ** 2) / 10 + (2 - (4 * x).cos() - (4 * y).cos()) / 2


def plateau(theta: Tensor, condition: float = 0) -> Tensor:
    r"""Return a hole in a plain that is nearly flat: far away hardly any gradient is left.

    .. math:: 1 - e^{-(x^2 + y^2)/2}

    Args:
        theta: (x, y), shape (…, 2).
        condition: Not used.

    >>> plateau(torch.tensor([0.0, 0.0]))
    tensor(0.)
    """
    x, y = theta.unbind(-1)
    return 1 - (-(x ** 2 + y ** 2) / 2).exp()


SURFACES = {
    "ravine": Surface("ravine", ravine, (0, 0), 3, (-2.5, 1), ((0, 0),)),
    "turned": Surface("turned ravine", turned_ravine, (0, 0), 3, (-2.6, -0.7), ((0, 0),)),
    "rosenbrock": Surface("Rosenbrock", rosenbrock, (0, 1), 2, (-1.2, 1), ((1, 1),)),
    "beale": Surface("Beale", beale, (0, 0), 4.5, (-1, 2), ((3, 0.5),)),
    "saddle": Surface("saddle", saddle, (0, 0), 2, (-1.6, 0), ((0, 1), (0, -1))),
    "himmelblau": Surface("Himmelblau", himmelblau, (0, 0), 5.5, (-0.5, -1), (
        (3, 2), (-2.805118, 3.131313), (-3.77931, -3.283186), (3.584428, -1.848127))),
    "bumps": Surface("bumps", bumps, (0, 0), 4.5, (3.6, -2.7), ((0, 0),)),
    "plateau": Surface("plateau", plateau, (0, 0), 4, (-3, 2.4), ((0, 0),)),
}


def make_racer(name: str, params: list[Tensor], lr: float, momentum: float = 0.9) -> torch.optim.Optimizer:
    """Return one of the nine optimizers.

    Args:
        name: One of ``RACERS``.
        params: What it moves.
        lr: η.
        momentum: μ of Momentum and Nesterov, β₁ of Adam and Lion.

    Raises:
        ValueError: If there is no such racer.

    >>> type(make_racer("Lion", [torch.zeros(2)], 0.1)).__name__
    'Lion'
    """
    expect(name in RACERS, f"one of {', '.join(RACERS)}", name)
    if name == "Momentum":
        return optimizers.SGD(params, lr, momentum=momentum)
    if name == "Nesterov":
        return optimizers.SGD(params, lr, momentum=momentum, nesterov=momentum > 0)
    if name == "Adam":
        return optimizers.Adam(params, lr, betas=(momentum, 0.999))
    if name == "Lion":
        return optimizers.Lion(params, lr, betas=(momentum, 0.99))
    if name == "L-BFGS":
        return optimizers.LBFGS(params, lr, max_iter=1, history_size=10, tolerance_grad=0,
                                tolerance_change=0)
    return getattr(optimizers, name)(params, lr)


def gradient_noise(seed: int, count: int = STEPS) -> Tensor:
    """Return pairs of standard normal numbers, one for each derivative of a step.

    Args:
        seed: Of the generator.
        count: Pairs, at least 1.

    Returns:
        Shape (count, 2), float64: the numbers of ``normals`` two by two.

    Raises:
        ValueError: If ``count`` is below 1.

    >>> gradient_noise(1, 2).shape
    torch.Size([2, 2])
    """
    return normals(seed, 2 * count).view(count, 2)


def together(pairs: Sequence[tuple[str, float]], surface: str, start: Sequence[float], *,
             condition: float = 30, momentum: float = 0.9, noise: float = 0, seed: int = 1,
             steps: int = STEPS) -> list[Tensor]:
    """Let several optimizers run from one start; autograd computes the gradients, noise is added.

    Args:
        pairs: For each run one of ``RACERS`` and its rate η.
        surface: One of ``SURFACES``.
        start: (x, y).
        condition: κ of the ravines.
        momentum: μ, and β₁ of Adam and Lion.
        noise: Standard deviation of what is added to both derivatives.
        seed: Of the noise: the same for all runs.
        steps: At least 1.

    Returns:
        For each pair the positions, shape (n + 1, 2), float64. Where one would leave ±10⁶ the run
        has diverged and ends before it, with n below ``steps``.

    Raises:
        ValueError: If there is no such racer or surface, or ``steps`` is below 1.

    >>> [path[-1].tolist() for path in together([("SGD", 0.5), ("Lion", 0.25)], "ravine", (1, 1),
    ...                                         condition=2, steps=1)]
    [[0.5, 0.0], [0.75, 0.75]]
    """
    expect(surface in SURFACES, f"one of {', '.join(SURFACES)}", surface)
    expect_count("steps", steps)
    if not pairs:
        return []
    thetas = [torch.tensor(start, dtype=torch.float64) for _ in pairs]
    racers = [make_racer(name, [theta], lr, momentum) for theta, (name, lr) in zip(thetas, pairs)]
    path, pushes = [torch.stack(thetas)], noise * gradient_noise(seed, steps)
    for push in pushes:
        at = path[-1].clone().requires_grad_()                               # (pairs, 2)
        g, = torch.autograd.grad(SURFACES[surface].loss(at, condition).sum(), at)
        for theta, own, racer in zip(thetas, g + push, racers):
            theta.grad = own
            racer.step(lambda: 0.0)                                          # no rule here needs the loss
        path.append(torch.stack(thetas))
    whole = torch.stack(path, 1)                                             # (pairs, steps + 1, 2)
    inside = (whole.abs() <= LIMIT).all(2).cummin(1).values.sum(1)           # not a number is outside
    return [positions[:n] for positions, n in zip(whole, inside.tolist())]


def runs(name: str, surface: str, start: Sequence[float], rates: Sequence[float],
         **options: Any) -> list[Tensor]:
    """Let one optimizer run at several rates: :func:`together`, with one racer.

    Args:
        name: One of ``RACERS``.
        surface: One of ``SURFACES``.
        start: (x, y).
        rates: A rate η for each run.
        **options: Those of :func:`together`.

    Returns:
        For each rate the positions, shape (n + 1, 2).

    Raises:
        ValueError: If there is no such racer or surface, or an option is out of range.

    >>> runs("SGD", "ravine", (1, 1), [0.5], condition=2, steps=1)[0].tolist()
    [[1.0, 1.0], [0.5, 0.0]]
    """
    return together([(name, lr) for lr in rates], surface, start, **options)


class Race(BookWidget, front="race"):
    """Nine optimizers race: move start, surface, rates, momentum and noise, and watch them.

    The front end computes :func:`together`; a test compares both on hundreds of runs.

    Attributes:
        surface: One of ``SURFACES``.
        condition: κ of the ravines, one of ``CONDITIONS``.
        start: (x, y).
        racing: The racers that run.
        rates: A rate for each racer, each one of ``RATES``.
        momentum: μ, and β₁ of Adam and Lion, one of ``MOMENTA``.
        noise: Standard deviation of the noise on each derivative, one of ``NOISES``.
        seed: Of the noise.
        step: The step that is shown, 0 to 200.

    Raises:
        traitlets.TraitError: If a trait gets a value that it cannot hold.

    >>> race = Race(surface="saddle", racing=["SGD"])
    >>> race.start, race.losses()["SGD"].shape
    ([-1.6, 0.0], torch.Size([201]))
    """

    surface = traitlets.Enum(tuple(SURFACES), "ravine").tag(sync=True)
    condition = traitlets.Enum(CONDITIONS, 30).tag(sync=True)
    start = traitlets.List(traitlets.Float(), minlen=2, maxlen=2).tag(sync=True)
    racing = traitlets.List(traitlets.Enum(RACERS), default_value=[
        "SGD", "Momentum", "Adagrad", "Adam", "Lion"]).tag(sync=True)
    rates = traitlets.Dict(value_trait=traitlets.Enum(RATES), key_trait=traitlets.Enum(RACERS),
                           default_value=FIRST_RATES).tag(sync=True)
    momentum = traitlets.Enum(MOMENTA, 0.9).tag(sync=True)
    noise = traitlets.Enum(NOISES, 0.0).tag(sync=True)
    seed = traitlets.Int(1, min=1, max=999).tag(sync=True)
    step = traitlets.Int(0, min=0, max=STEPS).tag(sync=True)
    #: What the page has to know of the surfaces: title, middle, reach, start, minima.
    surfaces = traitlets.Dict({k: [s.title, s.middle, s.reach, s.start, s.minima]
                               for k, s in SURFACES.items()}).tag(sync=True)

    def __init__(self, **state: Any) -> None:
        surface = state.get("surface", "ravine")
        start = SURFACES[surface].start if surface in SURFACES else (0, 0)
        rates = FIRST_RATES | state.pop("rates", {})
        super().__init__(**{"title": "Nine optimizers race", "start": [float(v) for v in start],
                            "rates": rates, **state})

    @traitlets.validate("start")
    def _check_start(self, proposal: dict[str, Any]) -> list[float]:
        if not all(math.isfinite(v) and abs(v) <= LIMIT for v in proposal["value"]):
            raise traitlets.TraitError(f"expected a finite start, received {proposal['value']!r}")
        return proposal["value"]

    @traitlets.validate("rates")
    def _check_rates(self, proposal: dict[str, Any]) -> dict[str, float]:
        missing = set(RACERS) - set(proposal["value"])
        if missing:
            raise traitlets.TraitError(f"expected a rate for each racer, received none for {missing}")
        return proposal["value"]

    def path(self, name: str, lr: float | None = None) -> Tensor:
        """Return the positions of one racer, shape (n + 1, 2), at its own rate or another."""
        return self.paths([(name, self.rates[name] if lr is None else lr)])[0]

    def paths(self, pairs: Sequence[tuple[str, float]]) -> list[Tensor]:
        """Return the positions of several racers, each at a rate, in the state of the widget."""
        return together(pairs, self.surface, self.start, condition=self.condition,
                        momentum=self.momentum, noise=self.noise, seed=self.seed)

    def loss(self, path: Tensor) -> Tensor:
        """Return the loss, without noise, at positions of shape (…, 2)."""
        return SURFACES[self.surface].loss(path, self.condition)

    def losses(self) -> dict[str, Tensor]:
        """Return the loss of each racer that runs, shape (n + 1,); n below 200 if it diverged."""
        racing = [name for name in RACERS if name in self.racing]
        paths = self.paths([(name, self.rates[name]) for name in racing])
        return {name: self.loss(path) for name, path in zip(racing, paths)}

    def tune(self) -> dict[str, float]:
        """Give each racer that runs the best of all rates, and return the rates.

        Best is the lowest loss over the last 20 steps; of several below ``ZERO`` the one that is
        lowest on the way, as a mean of logarithms. All get the same budget: 16 runs.
        """
        def judged(path: Tensor) -> tuple[float, float]:
            losses = self.loss(path)
            if len(losses) <= STEPS:
                return math.inf, math.inf
            return max(losses[-20:].mean().item(), ZERO), losses.clamp(min=ZERO).log().mean().item()

        found = dict(self.rates)
        for name in self.racing:
            scores = [judged(path) for path in self.paths([(name, lr) for lr in RATES])]
            found[name] = RATES[scores.index(min(scores))]
        self.rates = found
        return found
