"""The activation functions that the widgets of chapter 3 draw and stack, under torch's names."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from dlcheat import activations
from dlcheat.validation import expect


class Parameter(NamedTuple):
    """What else an activation depends on.

    Attributes:
        low: Smallest value.
        high: Largest value.
        start: The value unless another is said: torch's default.
    """

    low: float
    high: float
    start: float


#: The parameters, by torch's names; ``weight`` is PReLU's slope, which training moves.
PARAMETERS = {
    "negative_slope": Parameter(0, 1, 0.01), "weight": Parameter(-1, 1, 0.25),
    "alpha": Parameter(0.1, 3, 1.0), "beta": Parameter(0.1, 10, 1.0),
    "min_val": Parameter(-3, -0.1, -1.0), "max_val": Parameter(0.1, 3, 1.0)}

_OF: dict[str, Callable[..., Tensor]] = {
    "step": lambda x, p: activations.step(x.detach()) + 0 * x,   # a slope of 0, where torch has none
    "identity": lambda x, p: activations.identity(x),
    "sigmoid": lambda x, p: activations.sigmoid(x),
    "tanh": lambda x, p: activations.tanh(x),
    "relu": lambda x, p: activations.relu(x),
    "leaky_relu": lambda x, p: activations.leaky_relu(x, p["negative_slope"]),
    "prelu": lambda x, p: activations.prelu(x, x.new_tensor([p["weight"]])),
    "elu": lambda x, p: activations.elu(x, p["alpha"]),
    "selu": lambda x, p: activations.selu(x),
    "celu": lambda x, p: activations.celu(x, p["alpha"]),
    "gelu": lambda x, p: activations.gelu(x),
    "gelu_tanh": lambda x, p: activations.gelu(x, "tanh"),
    "gelu_sigmoid": lambda x, p: activations.gelu_sigmoid(x),
    "silu": lambda x, p: activations.silu(x),
    "swish": lambda x, p: x * activations.sigmoid(p["beta"] * x),
    "mish": lambda x, p: activations.mish(x),
    "softplus": lambda x, p: activations.softplus(x, p["beta"]),
    "softsign": lambda x, p: activations.softsign(x),
    "hardsigmoid": lambda x, p: activations.hardsigmoid(x),
    "hardtanh": lambda x, p: activations.hardtanh(x, p["min_val"], p["max_val"]),
    "relu6": lambda x, p: activations.relu6(x),
    "hardswish": lambda x, p: activations.hardswish(x),
    "logsigmoid": lambda x, p: activations.logsigmoid(x),
}
#: The names of all activations.
ACTIVATIONS = tuple(_OF)


def evaluate(activation: str, x: Tensor, **parameters: float) -> Tensor:
    """Return an activation of each number, by dlcheat's own functions.

    Args:
        activation: A name from ``ACTIVATIONS``.
        x: Floating-point tensor of any shape.
        **parameters: Values of some of ``PARAMETERS``; those that the activation has not are
            passed over, so that one set serves all.

    Returns:
        The same shape. Gradients follow torch; the step's is 0, and its value at 0 is 1.

    Raises:
        ValueError: If there is no such activation or parameter.

    >>> x = torch.tensor([-1.0, 2.0])
    >>> evaluate("relu", x), evaluate("leaky_relu", x, negative_slope=0.5)
    (tensor([0., 2.]), tensor([-0.5000,  2.0000]))
    """
    expect(activation in _OF, f"an activation of {', '.join(ACTIVATIONS)}", activation)
    for name in parameters:
        expect(name in PARAMETERS, f"a parameter of {', '.join(PARAMETERS)}", name)
    defaults = {name: p.start for name, p in PARAMETERS.items()}
    return _OF[activation](x, defaults | parameters)


def with_slope(activation: str, x: Tensor, **parameters: float) -> tuple[Tensor, Tensor]:
    """Return an activation and its derivative, by autograd.

    Args:
        activation: A name from ``ACTIVATIONS``.
        x: Floating-point tensor of any shape.
        **parameters: As in :func:`evaluate`.

    Returns:
        Values and slopes, both of the shape of x.

    Raises:
        ValueError: If there is no such activation or parameter.

    >>> with_slope("tanh", torch.zeros(1))
    (tensor([0.]), tensor([1.]))
    """
    x = x.detach().clone().requires_grad_()
    with torch.enable_grad():
        value = evaluate(activation, x, **parameters)
        slope, = torch.autograd.grad(value.sum(), x)
    return value.detach(), slope
