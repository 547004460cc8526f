"""The activation functions of the widgets, and the explorer in Python: values, slopes, bad states."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
import traitlets

from dlcheat.widgets.activation_explorer import ActivationExplorer
from dlcheat.widgets.activation_functions import ACTIVATIONS, PARAMETERS, evaluate, with_slope


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_slopes_are_differences(activation):
    x = torch.linspace(-9.97, 9.96, 211, dtype=torch.float64)
    value, slope = with_slope(activation, x)
    assert value.shape == slope.shape == x.shape and value.isfinite().all()
    step = 1e-6
    measured = (evaluate(activation, x + step) - evaluate(activation, x - step)) / (2 * step)
    torch.testing.assert_close(measured, slope, rtol=1e-6, atol=1e-7)     # no kink lies on the grid


@pytest.mark.parametrize("activation", [name for name in ACTIVATIONS if hasattr(F, name)])
def test_they_are_torchs(activation):
    x = torch.linspace(-12, 12, 241, dtype=torch.float64)
    more = (torch.tensor([0.25], dtype=torch.float64),) if activation == "prelu" else ()
    torch.testing.assert_close(evaluate(activation, x), getattr(F, activation)(x, *more))


@pytest.mark.parametrize(("activation", "state", "value", "slope"), [
    ("step", {"at": 0.5}, 1, 0),
    ("step", {"at": -0.5}, 0, 0),
    ("sigmoid", {"at": 0.0}, 0.5, 0.25),
    ("tanh", {"at": 0.0}, 0, 1),
    ("relu", {"at": 0.0}, 0, 0),
    ("leaky_relu", {"at": -2.0, "negative_slope": 0.2}, -0.4, 0.2),
    ("prelu", {"at": -2.0, "weight": -0.5}, 1, -0.5),
    ("elu", {"at": -1.0, "alpha": 2.0}, 2 / math.e - 2, 2 / math.e),
    ("celu", {"at": -1.0, "alpha": 2.0}, 2 * math.exp(-0.5) - 2, math.exp(-0.5)),
    ("selu", {"at": 1.0}, 1.0507009873554805, 1.0507009873554805),
    ("gelu", {"at": 0.0}, 0, 0.5),
    ("silu", {"at": 0.0}, 0, 0.5),
    ("swish", {"at": 1.0, "beta": 2.0}, 1 / (1 + math.exp(-2)), 0.880797 + 2 * 0.104994),
    ("mish", {"at": 0.0}, 0, 0.6),
    ("softplus", {"at": 0.0, "beta": 2.0}, math.log(2) / 2, 0.5),
    ("softsign", {"at": -3.0}, -0.75, 0.0625),
    ("hardsigmoid", {"at": 1.5}, 0.75, 1 / 6),
    ("hardtanh", {"at": 1.5, "max_val": 2.0}, 1.5, 1),
    ("hardtanh", {"at": -1.5}, -1, 0),
    ("relu6", {"at": 7.0, "reach": 10}, 6, 0),
    ("hardswish", {"at": -1.5}, -0.375, 0),
    ("logsigmoid", {"at": 0.0}, -math.log(2), 0.5),
])
def test_looks_are_those_on_paper(activation, state, value, slope):
    assert ActivationExplorer(activation, **state).look() == pytest.approx((value, slope), abs=1e-6)


def test_the_approximations_of_gelu():
    x = torch.linspace(-6, 6, 1201, dtype=torch.float64)
    exact = evaluate("gelu", x)
    assert (evaluate("gelu_tanh", x) - exact).abs().max() < 5e-4
    assert 0.01 < (evaluate("gelu_sigmoid", x) - exact).abs().max() < 0.03
    torch.testing.assert_close(evaluate("swish", x, beta=1.702), evaluate("gelu_sigmoid", x))
    torch.testing.assert_close(evaluate("swish", x), evaluate("silu", x))


def test_a_point_outside_is_drawn_at_the_edge():
    widget = ActivationExplorer("identity", at=9.0)
    assert widget.look().value == 5
    widget.reach = 10
    assert widget.look() == (9, 1)
    assert widget.look("relu6") == (6, 0)


@pytest.mark.parametrize(("state", "message"), [
    ({"activation": "none"}, "activation"),
    ({"compare": ["none"]}, "compare"),
    ({"compare": ["tanh", "elu", "selu", "celu"]}, "compare"),
    ({"at": math.nan}, "finite point"),
    ({"reach": 11}, "reach"),
    *[({name: p.high + 1}, name) for name, p in PARAMETERS.items()],
])
def test_refused_state(state, message):
    with pytest.raises(traitlets.TraitError, match=message):
        ActivationExplorer(**state)


def test_bad_input():
    with pytest.raises(ValueError, match="expected an activation of step, identity"):
        evaluate("none", torch.zeros(1))
    with pytest.raises(ValueError, match="expected a parameter of negative_slope"):
        evaluate("relu", torch.zeros(1), slope=1.0)
