"""The backpropagation stepper: a 2-2-1 network, forward, loss, backward, update, every number."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import traitlets

from dlcheat.architectures.two_layer import (
    ACTIVATIONS,
    CHEATSHEET,
    CHEATSHEET_X,
    LOSSES,
    backward,
    flatten,
    forward,
    loss,
    unflatten,
    update,
)
from dlcheat.validation import expect
from dlcheat.widgets.base import BookWidget

#: The parameters' names, in the order of the vector: units 1 and 2 are hidden, unit 3 is the output.
NAMES = ("w₁₁", "w₁₂", "w₂₁", "w₂₂", "b₁", "b₂", "w₃₁", "w₃₂", "b₃")
#: The steps of one round.
STAGES = ("forward: hidden units", "forward: output", "loss", "backward: output",
          "backward: hidden units", "update")
#: Rounds that the widget walks through, and the learning rates of its slider.
ROUNDS = 30
RATES = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)


class Step(NamedTuple):
    """One round of training on one sample, with all its numbers.

    Attributes:
        round: Number of the round: updates made before it.
        stage: 0 … 5, which of ``STAGES``.
        parameters: The nine numbers of this round, in the order of ``NAMES``.
        z: Weighted sums of units 1, 2, 3.
        h: Activations of units 1 and 2.
        y_hat: The prediction σ(z₃).
        loss: The loss of this round.
        delta: ∂L/∂z of units 1, 2, 3.
        dh: ∂L/∂h of units 1 and 2.
        slope: f′(z) of units 1 and 2.
        gradient: ∂L/∂θ for the nine parameters.
        updated: The nine parameters after the update.
        updated_loss: The loss with them.
        losses: The loss of every round up to this one.
    """

    round: int
    stage: int
    parameters: list[float]
    z: list[float]
    h: list[float]
    y_hat: float
    loss: float
    delta: list[float]
    dh: list[float]
    slope: list[float]
    gradient: list[float]
    updated: list[float]
    updated_loss: float
    losses: list[float]


def backprop_step(x: Sequence[float], y: float, parameters: Sequence[float],
                  activation: str = "relu", kind: str = "cross-entropy", lr: float = 0.5,
                  position: int = 0) -> Step:
    r"""Train the 2-2-1 network on one sample up to a position, in float64.

    .. math:: \theta_{r+1} = \theta_r - \eta\, \nabla \mathcal{L}(\theta_r), \qquad
       r = \lfloor \text{position} / 6 \rfloor

    It is the step that the widget's JavaScript computes too; the mathematics is that of
    :mod:`dlcheat.architectures.two_layer`.

    Args:
        x: The two inputs.
        y: The target in [0, 1].
        parameters: The nine parameters at the start.
        activation: Of the hidden units.
        kind: The loss.
        lr: Learning rate η of all rounds.
        position: Six times the round, plus the stage.

    Raises:
        ValueError: If a length, a name or a number is out of range.

    >>> step = backprop_step([0.5, 0.8], 1, flatten(CHEATSHEET), position=5)
    >>> round(step.y_hat, 4), round(step.loss, 4)
    (0.4953, 0.7027)
    >>> dict(zip(NAMES, (round(v, 4) for v in step.updated)))["w₂₂"]
    0.0394
    """
    expect(len(x) == 2 and all(map(math.isfinite, x)), "x of 2 finite numbers", x)
    expect(len(parameters) == 9, "9 parameters", parameters)
    is_count = isinstance(position, int) and not isinstance(position, bool) and position >= 0
    expect(is_count, "position of at least 0", position)
    X, Y, losses = np.array([x], float), [[float(y)]], []
    now = unflatten(np.array(parameters, float))
    number, stage = divmod(position, len(STAGES))
    with np.errstate(over="ignore", invalid="ignore"):
        for _ in range(number + 1):
            run = forward(X, now, activation)
            losses.append(float(loss(run, Y, kind)))
            gradient = backward(X, Y, now, run, activation, kind)
            before, now = now, update(now, gradient, lr)
        delta = [*gradient.b1.tolist(), *gradient.b2.tolist()]   # one sample: ∂L/∂b = ∂L/∂z
        return Step(
            number, stage, flatten(before).tolist(), [*run.Z1[0].tolist(), *run.Z2[0].tolist()],
            run.H[0].tolist(), run.Y_hat.item(), losses[-1], delta,
            (delta[2] * before.W2[0]).tolist(), ACTIVATIONS[activation][1](run.Z1)[0].tolist(),
            flatten(gradient).tolist(), flatten(now).tolist(),
            float(loss(forward(X, now, activation), Y, kind)), losses)


class Numbers(traitlets.TraitType):
    """A trait that holds a fixed count of finite numbers; arrays and tensors are taken too."""

    def __init__(self, default: Sequence[float]) -> None:
        """Take the default; its length is the count."""
        super().__init__(default_value=list(default))
        self.count = len(default)
        self.info_text = f"{self.count} finite numbers"

    def validate(self, obj: traitlets.HasTraits, value: object) -> list[float]:
        """Return a list, or raise a ``TraitError`` that names expected and received."""
        try:
            array = np.asarray(value, dtype=float)
        except (TypeError, ValueError):
            array = np.array(math.nan)
        if array.shape != (self.count,) or not np.isfinite(array).all():
            raise traitlets.TraitError(
                f"expected {self.name} to be {self.info_text}, received {value!r}")
        return array.tolist()


class BackpropStepper(BookWidget, front="backprop"):
    """Step through forward, loss, backward and update of a 2-2-1 network, every number shown.

    The front end computes :func:`backprop_step`; a browser test compares both. The first state
    is the worked example of the cheat sheet's section 7.1, with the target 1.

    Attributes:
        x: The two inputs.
        y: The target in [0, 1].
        parameters: The nine parameters at the start of round 0, in the order of ``NAMES``.
        activation: Of the hidden units; the output unit's is the sigmoid.
        kind: The loss, ``"cross-entropy"`` or ``"squared error"``.
        lr: Learning rate, one of ``RATES``.
        position: Six times the round, plus the stage: 0 … 179.

    Raises:
        traitlets.TraitError: If a trait is given a value outside its range.

    >>> stepper = BackpropStepper(position=2)
    >>> round(stepper.step().loss, 4)
    0.7027
    """

    x = Numbers(CHEATSHEET_X[0].tolist()).tag(sync=True)
    y = traitlets.Float(1.0).tag(sync=True)
    parameters = Numbers(flatten(CHEATSHEET).tolist()).tag(sync=True)
    activation = traitlets.Enum(list(ACTIVATIONS), "relu").tag(sync=True)
    kind = traitlets.Enum(list(LOSSES), "cross-entropy").tag(sync=True)
    lr = traitlets.Float(0.5).tag(sync=True)
    position = traitlets.Int(0, min=0, max=ROUNDS * len(STAGES) - 1).tag(sync=True)
    #: The state that Reset restores: the one the widget was made with.
    first = traitlets.Dict().tag(sync=True)

    SETTINGS = ("x", "y", "parameters", "activation", "kind", "lr", "position")

    def __init__(self, **settings: object) -> None:
        """Take any of the traits by name."""
        super().__init__(**{"title": "A 2-2-1 network: forward, loss, backward, update",
                            **settings})
        self.first = self.settings()

    @traitlets.validate("y")
    def _share(self, proposal: dict[str, Any]) -> float:
        if not 0 <= proposal["value"] <= 1:
            raise traitlets.TraitError(f"expected y in [0, 1], received {proposal['value']!r}")
        return proposal["value"]

    @traitlets.validate("lr")
    def _rate(self, proposal: dict[str, Any]) -> float:
        if proposal["value"] not in RATES:
            raise traitlets.TraitError(f"expected lr to be one of {', '.join(map(str, RATES))}, "
                                       f"received {proposal['value']!r}")
        return proposal["value"]

    def settings(self) -> dict[str, object]:
        """Return the settings as the keyword arguments of ``backprop_step``.

        >>> BackpropStepper(lr=2).settings()["lr"]
        2.0
        """
        return {name: getattr(self, name) for name in self.SETTINGS}

    def step(self) -> Step:
        """Return the numbers that the reader sees, computed by dlcheat.

        >>> BackpropStepper().step().stage
        0
        """
        return backprop_step(**self.settings())
