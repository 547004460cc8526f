"""The trade-off in Python: its step, its front in closed form, its state, and what it refuses."""

import math

import numpy as np
import pytest
import torch
import traitlets
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from dlcheat.multi_task import pcgrad
from dlcheat.widgets.trade_off import (
    RATE,
    TradeOff,
    best_errors,
    first_weights,
    front,
    trade_off_step,
    wanted,
)

angles, widths, alphas = st.integers(0, 90), st.integers(1, 4), st.floats(0, 1)


@given(angles, widths, alphas, st.booleans(), st.integers(0, 10 ** 6))
@settings(max_examples=60, deadline=None)
def test_the_errors_are_those_of_a_network_on_whitened_inputs(angle, width, alpha, surgery, seed):
    """A network of torch on inputs whose covariance is the identity, exactly."""
    g = torch.Generator().manual_seed(seed)
    weights = torch.randn(8 * width, dtype=torch.double, generator=g)
    step = trade_off_step(weights, alpha, angle, surgery)
    x = 2 * torch.cat([torch.eye(4), -torch.eye(4)]).double()    # 8 inputs
    torch.testing.assert_close(x.T @ x / 8, torch.eye(4, dtype=torch.double))
    trunk = nn.Linear(4, width, bias=False).double()
    heads = [nn.Linear(width, 2, bias=False).double() for _ in range(2)]
    trunk.weight.data = weights[:4 * width].view(width, 4).clone()
    for i, head in enumerate(heads):
        start = 4 * width + 2 * width * i
        head.weight.data = weights[start:start + 2 * width].view(2, width).clone()
    found = []
    for i, head in enumerate(heads):
        target = x @ wanted(angle)[i].T
        loss = (head(trunk(x)) - target).square().sum() / target.square().sum()
        found.append((loss.item(), *torch.autograd.grad(loss, [trunk.weight, head.weight])))
    torch.testing.assert_close(step.errors, torch.tensor([f[0] for f in found]).double())
    both = torch.stack([(1 - alpha) * found[0][1].flatten(), alpha * found[1][1].flatten()])
    torch.testing.assert_close(step.gradients, both)
    direction = pcgrad(both) if surgery else both.sum(0)
    moved = torch.cat([direction, found[0][2].flatten(), found[1][2].flatten()])
    torch.testing.assert_close(step.weights, weights - RATE * moved)


@given(angles, widths, alphas)
@settings(max_examples=60, deadline=None)
def test_the_front_is_a_principal_component_analysis(angle, width, alpha):
    """The closed form against eigenvectors by torch: the weighted error is the smallest."""
    U = wanted(angle)
    size = U[0].square().sum()
    total = (1 - alpha) * U[0].T @ U[0] + alpha * U[1].T @ U[1]
    values = torch.linalg.eigvalsh(total).flip(0)
    lowest = 1 - values[:width].sum() / size
    a, b = best_errors(alpha, angle, width)
    assert (1 - alpha) * a + alpha * b == pytest.approx(lowest.item(), abs=1e-12)
    assert 0 <= a <= 1 and 0 <= b <= 1


@pytest.mark.parametrize(("alpha", "angle", "width"), [(0.5, 60, 2), (0.3, 60, 1), (0.8, 30, 3),
                                                       (0.2, 90, 2), (0.0, 60, 2), (0.4, 45, 4)])
def test_training_comes_to_rest_on_the_front(alpha, angle, width):
    widget = TradeOff(alpha=alpha, angle=angle, width=width)
    last = widget.train(1500)
    np.testing.assert_allclose(last.errors, widget.best(), atol=2e-3)
    assert widget.steps == 1500
    if last.gradients.norm(dim=1).min() > 1e-3:
        assert last.cosine == pytest.approx(-1, abs=1e-3)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_surgery_comes_to_rest_where_gradients_are_opposed(seed):
    last = TradeOff(surgery=True, seed=seed).train(1500)
    assert last.cosine < -0.999 and last.direction.norm() < 1e-4


def test_the_front_in_words():
    assert front(0, 2) == [(0.0, 0.0)] * 41
    corners = {tuple(round(v, 3) for v in p) for p in front(90, 2, 100)}
    assert corners == {(0.0, 1.0), (0.265, 0.265), (1.0, 0.0)}
    first, last = front(60, 2)[0], front(60, 2)[-1]
    assert first[0] == 0 and last[1] == pytest.approx(0) and first[1] == pytest.approx(last[0])
    wide = np.array(front(60, 3))
    assert (wide <= np.array(front(60, 2)) + 1e-12).all()


def test_training_goes_on_where_it_stopped():
    once, twice = TradeOff(), TradeOff()
    once.train(30)
    twice.train(10)
    twice.train(20)
    assert once.weights == twice.weights and once.steps == twice.steps == 30
    twice.width = 3                                              # weights that do not fit
    assert torch.equal(twice.tensor(), first_weights(3))


def test_runs_are_kept_and_named():
    runs = [{"name": "4 units", "points": [[0.1, 0.5, 0.2], [0.9, 0.6, 0.1]]}]
    widget = TradeOff(runs=runs, tasks=["class", "slant"])
    assert widget.runs == runs and repr(widget) == "<TradeOff: Two tasks, one trunk: the trade-off>"


@pytest.mark.parametrize(("trait", "value", "message"), [
    ("alpha", 1.1, "expected alpha from 0 to 1, received 1.1"), ("alpha", math.nan, "expected alpha"),
    ("alpha", "x", "alpha"), ("angle", 91, "angle"), ("angle", -1, "angle"), ("width", 0, "width"),
    ("width", 5, "width"), ("seed", 0, "seed"), ("steps", -1, "steps"), ("surgery", "yes", "surgery"),
    ("runs", [{"name": "a"}], "expected runs"), ("tasks", ["one"], "tasks"),
    ("runs", [{"name": "a", "points": [[0, 1]]}], "expected runs as"),
    ("runs", [{"name": "a", "points": [[0, 1, math.inf]]}], "expected runs as"),
    ("weights", ["a"], "weights")])
def test_bad_state_is_refused_and_the_old_one_stays(trait, value, message):
    widget = TradeOff()
    before = getattr(widget, trait)
    with pytest.raises(traitlets.TraitError, match=message):
        setattr(widget, trait, value)
    assert getattr(widget, trait) == before


@pytest.mark.parametrize(("call", "message"), [
    (lambda: wanted(91), "expected an angle from 0 to 90"),
    (lambda: first_weights(5), "expected a width from 1 to 4"),
    (lambda: best_errors(2, 60, 2), "expected alpha from 0 to 1"),
    (lambda: front(60, 2, 1), "expected a count of at least 2"),
    (lambda: trade_off_step(torch.zeros(9).double(), 0.5, 60), r"expected weights of shape \(8k,\)"),
    (lambda: trade_off_step(torch.zeros(8), 0.5, 60), "expected weights"),
    (lambda: trade_off_step(torch.zeros(40).double(), 0.5, 60), "expected a width"),
    (lambda: TradeOff().train(0), "expected steps to be an integer of at least 1"),
])
def test_bad_arguments_are_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
