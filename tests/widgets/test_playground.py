"""The playground in Python: its step, its state, and what it refuses."""

import math
from itertools import islice, pairwise

import pytest
import torch
import torch.nn.functional as F
import traitlets
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from dlcheat.datasets.points import POINTS
from dlcheat.widgets.playground import (
    ACTIVATIONS,
    Playground,
    forward,
    initial_weights,
    layer_sizes,
    named_points,
    parameter_count,
    train_step,
    uniforms,
)

MODULES = {"tanh": nn.Tanh, "relu": nn.ReLU, "sigmoid": nn.Sigmoid, "identity": nn.Identity}


def as_module(weights, sizes, activation):
    """The same network as an nn.Sequential."""
    layers = [nn.Linear(a, b).double() for a, b in pairwise(sizes)]
    nn.utils.vector_to_parameters(weights.clone(), [p for m in layers for p in m.parameters()])
    parts = [part for layer in layers[:-1] for part in (layer, MODULES[activation]())]
    return nn.Sequential(*parts, layers[-1])


@given(st.integers(0, 3), st.integers(1, 8), st.sampled_from(list(ACTIVATIONS)),
       st.integers(1, 40), st.floats(0.001, 10), st.integers(0, 10 ** 6))
@settings(max_examples=60, deadline=None)
def test_the_step_is_torchs_sgd(hidden, units, activation, n, rate, seed):
    g = torch.Generator().manual_seed(seed)
    sizes = layer_sizes(hidden, units)
    weights = torch.randn(parameter_count(sizes), dtype=torch.double, generator=g)
    x = 2 * torch.randn(n, 2, dtype=torch.double, generator=g)
    y = torch.randint(0, 2, (n,), generator=g)
    step = train_step(weights, sizes, activation, x, y, rate)
    model = as_module(weights, sizes, activation)
    optimizer = torch.optim.SGD(model.parameters(), lr=rate)
    logits = model(x)[:, 0]
    loss = F.binary_cross_entropy_with_logits(logits, y.double())
    loss.backward()
    gradient = nn.utils.parameters_to_vector(p.grad for p in model.parameters())
    optimizer.step()
    torch.testing.assert_close(step.logits, logits.detach())
    torch.testing.assert_close(step.gradient, gradient)
    moved = nn.utils.parameters_to_vector(model.parameters()).detach()
    torch.testing.assert_close(step.weights, moved)
    assert step.loss == pytest.approx(loss.item(), rel=1e-12)
    assert step.accuracy == ((logits > 0) == (y > 0)).double().mean()
    assert not weights.requires_grad


def test_first_weights_have_the_promised_spread():
    sizes = [300, 400, 1]
    weights = initial_weights(sizes, seed=7)[:120_000]
    assert weights.abs().max() <= math.sqrt(3 / 300)
    assert weights.var().item() == pytest.approx(1 / 300, rel=0.02)
    bias = initial_weights(sizes, seed=7)[120_000:120_400]
    assert bias.abs().max() <= 0.5 and abs(bias.mean()) < 0.06
    assert torch.equal(initial_weights([2, 3, 1], 5), initial_weights([2, 3, 1], 5))


def test_uniforms_are_uniform():
    values = torch.tensor(list(islice(uniforms(123), 20_000)))
    assert values.min() >= 0 and values.max() < 1
    counts = torch.histc(values, 10, 0, 1)
    assert (counts - 2000).abs().max() < 200


def test_the_first_state_and_its_sets():
    playground = Playground()
    assert (playground.data, playground.hidden, playground.units) == ("moons", 2, 4)
    assert playground.sizes == [2, 4, 4, 1] and playground.weights == []
    assert list(playground.sets) == list(POINTS)
    assert repr(Playground(title="x")) == "<Playground: x>"
    for name in POINTS:
        points, labels = Playground(data=name).tensors()
        assert points.shape == (100, 2) and labels.sum() == 50
        assert named_points(name) == playground.sets[name]


def test_it_solves_moons_and_a_line_fails_on_xor():
    assert Playground().train(400).accuracy > 0.98
    lost = Playground(data="xor", hidden=0).train(400)
    assert abs(lost.loss - math.log(2)) < 0.002


def test_training_goes_on_where_it_stopped():
    once, twice = Playground(), Playground()
    once.train(30)
    twice.train(10)
    assert twice.steps == 10 and len(twice.weights) == parameter_count(twice.sizes)
    twice.train(20)
    assert twice.weights == once.weights and twice.steps == 30


def test_the_readers_own_points():
    playground = Playground(data="own", points=[[0, 0, 0], [1.5, -1, 1]], hidden=0)
    points, labels = playground.tensors()
    assert points.tolist() == [[0, 0], [1.5, -1]] and labels.tolist() == [0, 1]
    assert playground.train(200).accuracy == 1
    assert Playground(data="own").tensors()[0].shape == (0, 2)
    with pytest.raises(ValueError, match="expected at least one point"):
        Playground(data="own").train(1)


@pytest.mark.parametrize(("trait", "value", "message"), [
    ("data", "stars", "data"), ("hidden", 4, "hidden"), ("hidden", -1, "hidden"),
    ("units", 0, "units"), ("units", 9, "units"), ("units", 2.5, "units"),
    ("activation", "gelu", "activation"), ("seed", 0, "seed"), ("steps", -1, "steps"),
    ("rate", 0.0, "expected rate above 0 and at most 10, received 0.0"),
    ("rate", 11.0, "expected rate above 0"), ("rate", float("nan"), "expected rate above 0"),
    ("rate", "x", "rate"), ("weights", ["a"], "weights"),
    ("points", [[0, 0]], "expected points as at most 200 rows"),
    ("points", [[0, 0, 2]], "class 0 or 1, received"),
    ("points", [[0, 3.1, 1]], "x and y from -3 to 3"),
    ("points", [[0, float("nan"), 1]], "x and y from -3 to 3"),
    ("points", [["0", 0, 1]], "expected points"), ("points", [[0, 0, 1]] * 201, "at most 200"),
])
def test_bad_state_is_refused_and_the_old_one_stays(trait, value, message):
    playground = Playground()
    before = getattr(playground, trait)
    with pytest.raises(traitlets.TraitError, match=message):
        setattr(playground, trait, value)
    assert getattr(playground, trait) == before


LINE = torch.zeros(3, dtype=torch.double)
PAIR = torch.eye(2, dtype=torch.double)


@pytest.mark.parametrize(("call", "message"), [
    (lambda: layer_sizes(-1, 2), "expected hidden to be an integer of at least 0, received int -1"),
    (lambda: layer_sizes(1, 0), "expected units to be an integer of at least 1"),
    (lambda: parameter_count([2]), "expected sizes to be at least two integers from 1"),
    (lambda: parameter_count([2, 0, 1]), "expected sizes"),
    (lambda: initial_weights([2, 0.5]), "expected sizes"),
    (lambda: forward(LINE, [2, 2, 1], "tanh", PAIR), r"expected weights of shape \(9,\)"),
    (lambda: forward(LINE, [2, 1], "gelu", PAIR), "expected activation to be one of"),
    (lambda: forward(LINE, [2, 1], "tanh", PAIR[0]), r"expected points of shape \(N, 2\)"),
    (lambda: train_step(LINE, [2, 1], "tanh", PAIR, torch.tensor([0, 2]), 1), "expected labels"),
    (lambda: train_step(LINE, [2, 1], "tanh", PAIR, torch.tensor([0]), 1), "expected labels"),
    (lambda: train_step(LINE, [2, 1], "tanh", PAIR, torch.tensor([0, 1]), 0), "expected rate"),
    (lambda: named_points("stars"), "expected name to be one of"),
    (lambda: Playground().train(0), "expected steps to be an integer of at least 1"),
])
def test_bad_arguments_are_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
