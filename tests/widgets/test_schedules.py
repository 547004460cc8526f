"""The schedules widget in Python: its step is torch's SGD, its state, and what it refuses."""

import math
from itertools import islice

import pytest
import torch
import traitlets
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn.functional import cross_entropy

from dlcheat.datasets import mnist
from dlcheat.widgets.schedules import (
    BATCHES,
    COUNT,
    MOMENTA,
    RATES,
    SCHEDULES,
    STEPS,
    Schedules,
    digits,
    factor,
    final_losses,
    forward,
    initial_weights,
    shuffled_batches,
    train_step,
)


def as_module(weights):
    model = nn.Sequential(nn.Linear(49, 24), nn.ReLU(), nn.Linear(24, 10)).double()
    nn.utils.vector_to_parameters(weights.clone(), model.parameters())
    return model


@given(st.integers(1, 64), st.floats(0, 3), st.sampled_from(MOMENTA), st.integers(0, 10 ** 6))
@settings(max_examples=40, deadline=None)
def test_the_steps_are_torchs_sgd(n, rate, momentum, seed):
    g = torch.Generator().manual_seed(seed)
    weights = torch.randn(COUNT, dtype=torch.double, generator=g) / 5
    model, velocity = as_module(weights), torch.zeros(COUNT, dtype=torch.double)
    optimizer = torch.optim.SGD(model.parameters(), lr=rate, momentum=momentum)
    for _ in range(3):
        x = torch.rand(n, 49, dtype=torch.double, generator=g)
        y = torch.randint(10, (n,), generator=g)
        step = train_step(weights, velocity, x, y, rate, momentum)
        value = cross_entropy(model(x), y)
        optimizer.zero_grad()
        value.backward()
        gradient = nn.utils.parameters_to_vector(p.grad for p in model.parameters())
        optimizer.step()
        assert step.loss == pytest.approx(value.item(), rel=1e-12)
        torch.testing.assert_close(step.gradient, gradient)
        weights, velocity = step.weights, step.velocity
        torch.testing.assert_close(
            weights, nn.utils.parameters_to_vector(model.parameters()).detach())


def test_the_digits_are_mnists_training_digits_shrunk():
    greys, classes = digits()
    assert greys.dtype == classes.dtype == torch.uint8
    assert classes[:600].bincount(minlength=10).min() > 40
    small = mnist().train_images.view(6000, 7, 4, 7, 4).mean((2, 4)).flatten(1)
    chosen = torch.randperm(6000, generator=torch.Generator().manual_seed(0))[:1000]
    assert (greys - 255 * small[chosen]).abs().max() <= 0.501
    assert torch.equal(classes.long(), mnist().train_labels[chosen])


def test_an_epoch_shows_every_row_once():
    seen = list(islice(shuffled_batches(3, 600, 64), 9))
    rows = [r for batch in seen for r in batch]
    assert len(set(rows)) == 576 and all(len(b) == 64 for b in seen)
    again = list(islice(shuffled_batches(3, 600, 64), 9))
    assert again == seen and list(islice(shuffled_batches(4, 600, 64), 9)) != seen


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_every_schedule_peaks_at_one_and_stays_positive(schedule):
    for warmup in (0, 10, 50):
        values = [factor(schedule, t, warmup=warmup) for t in range(STEPS)]
        assert 0 < min(values) <= max(values) <= 1 and max(values) > 0.999
        if schedule != "constant":
            assert values[-1] < 0.011
        rising = {"warmup_cosine": warmup, "one_cycle": max(warmup, 5)}.get(schedule, 0)
        assert abs(values.index(max(values)) - rising * STEPS / 100) <= 1


def test_the_first_weights():
    weights = initial_weights(5)
    assert weights.shape == (COUNT,) == (1450,)
    assert weights[:49 * 24].abs().max() <= math.sqrt(6 / 49)
    assert weights[:49 * 24].var().item() == pytest.approx(2 / 49, rel=0.1)
    assert (weights[49 * 24:50 * 24] == 0).all() and (weights[-10:] == 0).all()


def test_what_the_chapter_predicts():
    """A falling rate wants a larger peak, and is then better than any constant rate."""
    losses = {(s, r): Schedules(schedule=s, rate=r).train().training_loss
              for s in ("constant", "cosine") for r in (0.01, 0.1, 0.3, 3.0)}
    assert losses["cosine", 0.3] < losses["constant", 0.1] < losses["constant", 0.3]
    assert losses["constant", 0.01] < losses["cosine", 0.01] - 0.3
    assert min(losses[s, 3.0] for s in ("constant", "cosine")) > 2.2


def test_many_runs_at_once_are_those_of_the_page():
    runs = [("constant", 0.1, 1), ("cosine", 0.3, 2), ("one_cycle", 0.05, 1)]
    got = final_losses(runs, warmup=20, batch=32, momentum=0.5)
    expected = [Schedules(schedule=name, rate=rate, seed=seed, warmup=20, batch=32,
                          momentum=0.5).train().training_loss for name, rate, seed in runs]
    assert got.tolist() == pytest.approx(expected, rel=1e-9)


def test_state_and_kept_runs():
    widget = Schedules(schedule="cosine", rate=0.3, title="x")
    assert repr(widget) == "<Schedules: x>" and len(widget.greys) == 49_000
    widget.kept = [widget.settings()]
    assert widget.kept == [{"schedule": "cosine", "rate": 0.3, "warmup": 10, "batch": 16,
                            "momentum": 0.9, "seed": 1}]
    assert widget.train(3) == Schedules(**widget.settings()).train(3)
    assert RATES[0] == 0.003 and 16 in BATCHES


GOOD = Schedules().settings()


@pytest.mark.parametrize(("trait", "value", "message"), [
    ("schedule", "linear", "schedule"), ("rate", 0.15, "rate"), ("warmup", 51, "warmup"),
    ("warmup", -1, "warmup"), ("batch", 10, "batch"), ("momentum", 1.0, "momentum"),
    ("seed", 0, "seed"), ("kept", [GOOD] * 4, "expected kept as at most 3 dictionaries"),
    ("kept", [{"rate": 0.1}], "expected kept"), ("kept", [GOOD | {"rate": 7}], "rate"),
    ("kept", ["x"], "expected kept"),
])
def test_bad_state_is_refused_and_the_old_one_stays(trait, value, message):
    widget = Schedules()
    before = getattr(widget, trait)
    with pytest.raises(traitlets.TraitError, match=message):
        setattr(widget, trait, value)
    assert getattr(widget, trait) == before


X, Y, W = torch.zeros(2, 49, dtype=torch.double), torch.tensor([1, 2]), initial_weights()


@pytest.mark.parametrize(("call", "message"), [
    (lambda: factor("linear", 0), "expected schedule to be one of"),
    (lambda: factor("cosine", -1), "expected step"),
    (lambda: next(shuffled_batches(1, 4, 5)), "expected batch from 1 to 4, received int 5"),
    (lambda: forward(W[:-1], X), r"expected weights of shape \(1450,\)"),
    (lambda: forward(W, X[:, :-1]), r"expected inputs of shape \(B, 49\)"),
    (lambda: train_step(W, 0 * W, X, Y, -0.1, 0.9), "expected rate of at least 0"),
    (lambda: train_step(W, 0 * W, X, Y, 0.1, 1.0), "expected momentum from 0 and below 1"),
    (lambda: Schedules().train(0), "expected steps to be an integer from 1 to 300"),
    (lambda: Schedules().train(301), "expected steps"),
])
def test_bad_arguments_are_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
