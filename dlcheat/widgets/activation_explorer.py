"""The activation explorer: any activation function, its derivative, and others beside it."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import torch
import traitlets

from dlcheat.widgets.activation_functions import ACTIVATIONS, PARAMETERS, with_slope
from dlcheat.widgets.base import BookWidget


class Look(NamedTuple):
    """What the picture shows of an activation at the point.

    Attributes:
        value: The activation.
        slope: Its derivative.
    """

    value: float
    slope: float


class ActivationExplorer(BookWidget, front="activation_explorer", needs="activation_functions"):
    """An activation function, its derivative, and up to three others beside it.

    Args:
        activation: A name from ``ACTIVATIONS`` of :mod:`dlcheat.widgets.activation_functions`.
        **state: Any of the traits below.

    >>> widget = ActivationExplorer("relu", compare=["leaky_relu"], at=-2.0)
    >>> widget.look(), widget.look("leaky_relu")
    (Look(value=0.0, slope=0.0), Look(value=-0.02, slope=0.01))
    """

    title = traitlets.Unicode("Activation explorer").tag(sync=True)
    activation = traitlets.Enum(list(ACTIVATIONS), default_value="relu").tag(sync=True)
    #: Up to three others.
    compare = traitlets.List(traitlets.Enum(list(ACTIVATIONS)), maxlen=3).tag(sync=True)
    #: The point x; outside −reach … reach it is drawn at the edge.
    at = traitlets.Float(1.0).tag(sync=True)
    #: The picture shows x from −reach to reach.
    reach = traitlets.Int(5, min=2, max=10).tag(sync=True)
    negative_slope, weight, alpha, beta, min_val, max_val = (
        traitlets.Float(p.start, min=p.low, max=p.high).tag(sync=True)
        for p in PARAMETERS.values())

    def __init__(self, activation: str = "relu", **state: Any) -> None:
        super().__init__(activation=activation, **state)

    @traitlets.validate("at")
    def _check_at(self, proposal: dict[str, Any]) -> float:
        if not math.isfinite(proposal["value"]):
            raise traitlets.TraitError(f"expected a finite point, received {proposal['value']}")
        return proposal["value"]

    def look(self, activation: str | None = None) -> Look:
        """Return value and slope at the point, by autograd; of another activation by name."""
        x = torch.tensor([min(self.reach, max(-self.reach, self.at))], dtype=torch.float64)
        given = {name: getattr(self, name) for name in PARAMETERS}
        value, slope = with_slope(activation or self.activation, x, **given)
        return Look(value.item(), slope.item())
