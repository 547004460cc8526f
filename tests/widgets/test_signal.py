"""Signal and gradient through depth, in Python: what theory says of wide random networks, bad states."""

from __future__ import annotations

import math

import pytest
import torch
import traitlets

from dlcheat.widgets.activation_functions import ACTIVATIONS, evaluate, with_slope
from dlcheat.widgets.signal import (
    BATCH,
    INITS,
    MOST,
    WIDTH,
    Signal,
    first_weights,
    fitted_gain,
    propagate,
)


def test_shapes_and_what_belongs_to_the_input():
    flow = propagate("relu", 1.5, depth=7, seed=3)
    for name in ("forward", "spread", "backward", "flat", "dead"):
        assert getattr(flow, name).shape == (8,) and getattr(flow, name).dtype == torch.float64
    assert flow.activations.shape == flow.gradients.shape == (8, BATCH, WIDTH)
    assert flow.preactivations.shape == (7, BATCH, WIDTH)
    assert flow.flat[0] == flow.dead[0] == 0
    assert flow.forward[0] == pytest.approx(1, abs=0.1)
    assert flow.backward[7] == pytest.approx(1, abs=0.1)


@pytest.mark.parametrize("activation", ["tanh", "gelu", "elu", "softplus", "step"])
def test_the_chain_rule_by_hand(activation):
    """Autograd's gradients are those of the formula, layer by layer."""
    gain, depth = 1.3, 6
    flow = propagate(activation, gain, depth, seed=2)
    _, slopes = with_slope(activation, flow.preactivations)
    gradient = flow.gradients[depth]
    for layer in range(depth, 0, -1):
        weights = gain * first_weights(2, layer)
        z = flow.activations[layer - 1] @ weights.T
        torch.testing.assert_close(flow.preactivations[layer - 1], z)
        gradient = (gradient * slopes[layer - 1]) @ weights
        torch.testing.assert_close(flow.gradients[layer - 1], gradient)
    assert flow.flat[3] == (slopes[2].abs() < 0.01).double().mean()
    assert flow.dead[3] == (slopes[2].abs() < 0.01).all(0).double().mean()


def test_weights_are_normal_and_new_in_every_layer():
    layers = torch.stack([first_weights(1, layer) for layer in range(1, MOST + 1)])
    assert layers.std() == pytest.approx(1 / 8, rel=0.01)
    assert layers.mean().abs() < 0.001
    flat = layers.flatten(1) * 8
    overlap = flat @ flat.T / flat.shape[1] - torch.eye(MOST)
    assert overlap.abs().max() < 0.1                             # 4096 draws: 0.016 a deviation
    assert (first_weights(1, 1) != first_weights(2, 1)).all()


def test_gains_of_theory():
    for name, gain in (("identity", 1), ("relu", math.sqrt(2)), ("step", math.sqrt(2)), ("selu", 1)):
        assert fitted_gain(name) == pytest.approx(gain, abs=1e-4)
    assert fitted_gain("leaky_relu") == pytest.approx(math.sqrt(2 / (1 + 0.01 ** 2)), abs=1e-4)
    assert fitted_gain("prelu") == pytest.approx(math.sqrt(2 / (1 + 0.25 ** 2)), abs=1e-4)
    for name, gain in INITS.items():
        if name in ("he", "tanh"):
            assert gain == pytest.approx(torch.nn.init.calculate_gain("relu" if name == "he" else name))
    torch.manual_seed(0)
    assert 16 * torch.nn.Linear(256, 256).weight.detach().std() == pytest.approx(INITS["torch"], abs=0.01)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_after_variance_one_the_fitted_gain_gives_variance_one(activation):
    z = torch.randn(500, WIDTH, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    h = evaluate(activation, z)
    after = torch.cat([fitted_gain(activation) * h @ first_weights(1, layer).T
                       for layer in range(1, MOST + 1)])
    assert after.square().mean() == pytest.approx(1, abs=0.15)


def test_what_depth_does():
    """Averages over five networks, with room: sigmoid vanishes, He keeps the rectifier alive."""
    def ends(activation, gain):
        flows = [propagate(activation, gain, 50, seed) for seed in range(1, 6)]
        return [sum(math.log10(v) for v in values) / 5 for values in zip(*[
            (f.forward[-1], f.backward[0]) for f in flows], strict=True)]

    _, sigmoid = ends("sigmoid", 1)
    assert sigmoid < -25
    forward, backward = ends("relu", INITS["he"])
    assert abs(forward) < 1 and abs(backward) < 1
    forward, backward = ends("relu", 1)
    assert -9 < forward < -6 and -9 < backward < -6              # √½ a layer: 10^−7.5
    forward, backward = ends("tanh", 2.5)
    assert abs(forward) < 0.5 and backward > 3                   # chaos: the gradient explodes
    forward, _ = ends("selu", 1)
    assert abs(forward) < 0.1


def test_inputs_grow_alike():
    relu, tanh = propagate("relu", INITS["he"], 50), propagate("tanh", 2.5, 50)
    assert relu.spread[-1] < 0.6 * relu.forward[-1]
    assert tanh.spread[-1] > 0.9 * tanh.forward[-1]
    assert propagate("sigmoid", 1, 50).spread[-1] < 1e-12


def test_the_widget_knows_its_gain():
    assert Signal("relu", init="he").used_gain() == math.sqrt(2)
    assert Signal("gelu", init="fitted").used_gain() == fitted_gain("gelu")
    assert Signal("gelu", init="own", gain=0.7).used_gain() == 0.7
    assert Signal().used_gain() == 1
    assert Signal("relu", init="he", depth=5, seed=9).look().forward.tolist() \
        == propagate("relu", math.sqrt(2), 5, 9).forward.tolist()


@pytest.mark.parametrize(("state", "message"), [
    ({"activation": "none"}, "activation"), ({"init": "none"}, "init"), ({"gain": 0.0}, "gain"),
    ({"depth": 51}, "depth"), ({"layer": -1}, "layer"), ({"show": "none"}, "show"),
    ({"seed": 0}, "seed")])
def test_refused_state(state, message):
    with pytest.raises(traitlets.TraitError, match=message):
        Signal(**state)


@pytest.mark.parametrize(("call", "message"), [
    (lambda: propagate("none", 1.0, 3), "an activation of step"),
    (lambda: propagate("relu", 0.0, 3), "a positive gain"),
    (lambda: propagate("relu", math.inf, 3), "a positive gain"),
    (lambda: propagate("relu", 1.0, 51), "a depth from 1 to 50"),
    (lambda: first_weights(1, 0), "a layer from 1 to 50"),
    (lambda: first_weights(0, 1), "seed to be an integer"),
    (lambda: fitted_gain("none"), "an activation of step")])
def test_bad_input(call, message):
    with pytest.raises(ValueError, match=f"expected {message}"):
        call()
