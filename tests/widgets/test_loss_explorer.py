"""The loss explorer in Python: every loss over each of its axes, slopes, states that fit or not."""

from __future__ import annotations

import math

import pytest
import torch
import traitlets

from dlcheat.widgets.loss_explorer import AXES, LOSSES, PARAMETERS, LossExplorer, evaluate

PAIRS = [(loss, axis) for loss, axes in LOSSES.items() for axis in axes]


@pytest.mark.parametrize(("loss", "axis"), PAIRS)
def test_slopes_are_differences(loss, axis):
    low, high, _ = AXES[axis]
    x = torch.linspace(low, high, 97, dtype=torch.float64)[1:-1].requires_grad_()
    value = evaluate(loss, axis, x)
    assert value.shape == x.shape and value.isfinite().all() and (value >= -1e-12).all()
    slope, = torch.autograd.grad(value.sum(), x)
    with torch.no_grad():
        step = 1e-6
        measured = (evaluate(loss, axis, x + step) - evaluate(loss, axis, x - step)) / (2 * step)
    kinks = (measured - slope).abs() > 1e-4 * (1 + slope.abs())
    assert kinks.sum() <= 1                                      # a kink may lie on the grid


@pytest.mark.parametrize(("loss", "state", "value", "slope"), [
    ("mse", {"at": 3.0}, 9, 6),
    ("mae", {"at": -3.0}, 3, -1),
    ("huber", {"at": 3.0}, 2.5, 1),
    ("smooth_l1", {"at": 3.0, "delta": 2.0}, 2, 1),
    ("bce", {"at": 0.0}, math.log(2), -0.5),
    ("bce", {"at": 0.0, "label": 0}, math.log(2), 0.5),
    ("bce", {"axis": "probability", "at": 0.25}, math.log(4), -4),
    ("ce", {"at": 0.5}, math.log(2), -0.8),
    ("kl", {"at": 0.7}, 0, 0),
    ("reverse_kl", {"at": 0.7}, 0, 0),
    ("cce", {"at": 0.25}, math.log(4), -4),
    ("softmax", {"at": 0.0}, math.log(3), -2 / 3),
    ("softmax", {"at": 0.0, "classes": 10}, math.log(10), -0.9),
    ("focal", {"at": 0.0}, math.log(2) / 4, -math.log(2) / 4 - 0.125),
    ("hinge", {"at": -2.0}, 3, -1),
    ("hinge", {"at": -2.0, "label": 0}, 0, 0),
    ("squared_hinge", {"at": -2.0}, 9, -6),
    ("brier", {"at": 0.0}, 0.25, -0.25),
    ("gaussian_kl", {"at": 2.0, "sigma": 1.0}, 2, 2),
    ("gaussian_kl", {"axis": "deviation", "at": 2.0, "mu": 0.0}, 1.5 - math.log(2), 1.5),
    ("reverse_gaussian_kl", {"at": 2.0, "sigma": 2.0}, 0.125 + math.log(2), 0.5),
    ("triplet", {"at": 0.5}, 1.5, -1),
    ("triplet", {"axis": "near", "at": 2.5}, 2.5, 1),
    ("squared_triplet", {"at": 0.5}, 1.75, -1),
    ("contrastive", {"at": 0.5}, 0.125, -0.5),
    ("contrastive", {"axis": "near", "at": 2.0}, 2, 2),
])
def test_looks_are_those_on_paper(loss, state, value, slope):
    assert LossExplorer(loss, **state).look() == pytest.approx((value, slope), abs=1e-12)


def test_a_loss_begins_on_its_first_axis():
    for loss, (axis, *_) in LOSSES.items():
        widget = LossExplorer(loss)
        assert (widget.axis, widget.at) == (axis, AXES[axis].start)
    assert LossExplorer("bce", axis="probability").at == AXES["probability"].start


def test_what_does_not_fit_is_drawn_as_the_page_draws_it():
    widget = LossExplorer("mse", at=99.0)
    assert widget.look().value == 16                             # cut to the picture
    widget.loss = "hinge"                                        # has no axis of values
    assert widget.look() == LossExplorer("hinge", at=6.0).look()
    assert widget.look("bce").value == pytest.approx(math.log1p(math.exp(-6)))


@pytest.mark.parametrize(("state", "message"), [
    ({"loss": "none"}, "loss"),
    ({"axis": "loudness"}, "axis"),
    ({"compare": ["mae", "huber", "mse"]}, "compare"),
    ({"compare": ["none"]}, "compare"),
    ({"at": math.nan}, "finite prediction"),
    ({"label": 2}, "label"),
    ({"classes": 1}, "classes"),
    *[({name: high + 1}, name) for name, (_, high, _) in PARAMETERS.items()],
])
def test_refused_state(state, message):
    with pytest.raises(traitlets.TraitError, match=message):
        LossExplorer(**state)


@pytest.mark.parametrize(("loss", "axis", "message"), [
    ("none", "value", "a loss of ce, bce"), ("mse", "score", "an axis of mse: value")])
def test_bad_input(loss, axis, message):
    with pytest.raises(ValueError, match=f"expected {message}"):
        evaluate(loss, axis, torch.zeros(1))
