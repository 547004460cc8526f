"""The backpropagation stepper in Python: its step against torch, its traits, what they refuse."""

from __future__ import annotations

import math
import random

import numpy as np
import pytest
import torch
import torch.nn.functional as F
import traitlets
from hypothesis import given
from hypothesis import strategies as st

import tests.compare  # noqa: F401 - the fixed hypothesis profile
from dlcheat.architectures.two_layer import ACTIVATIONS, LOSSES
from dlcheat.widgets.backprop import NAMES, RATES, ROUNDS, BackpropStepper, backprop_step

TORCH = {"relu": torch.relu, "tanh": torch.tanh, "sigmoid": torch.sigmoid, "identity": lambda z: z}


def random_state(rng: random.Random) -> dict[str, object]:
    """Return any state that the widget's controls can reach, short of chaos."""
    lr = rng.choice(RATES)
    return {"x": [round(rng.uniform(-3, 3), 3) for _ in range(2)],
            "y": rng.choice([0.0, 1.0, round(rng.random(), 2)]),
            "parameters": [round(rng.uniform(-2, 2), 3) for _ in range(9)],
            "activation": rng.choice(list(ACTIVATIONS)), "kind": rng.choice(LOSSES), "lr": lr,
            "position": rng.randint(0, 6 * ROUNDS - 1 if lr <= 0.2 else 17)}


states = st.builds(lambda seed: random_state(random.Random(seed)), st.integers(0, 2**32))


@given(states)
def test_step_equals_torch(state):
    w = torch.tensor(state["parameters"], dtype=torch.double, requires_grad=True)
    x, y = (torch.tensor([v], dtype=torch.double) for v in (state["x"], [state["y"]]))

    def loss_of(w):
        z = F.linear(x, w[:4].view(2, 2), w[4:6])
        h = TORCH[state["activation"]](z)
        out = F.linear(h, w[6:8][None], w[8:])
        value = (F.mse_loss(out.sigmoid(), y) if state["kind"] == "squared error"
                 else F.binary_cross_entropy_with_logits(out, y))
        return value, z, h, out

    sgd, losses = torch.optim.SGD([w], lr=state["lr"]), []
    for _ in range(state["position"] // 6 + 1):
        before = w.detach().clone()
        value, z, h, out = loss_of(w)
        for inner in (z, h, out):
            inner.retain_grad()
        sgd.zero_grad()
        value.backward()
        gradient = w.grad.clone()
        sgd.step()
        losses.append(value.item())
    step = backprop_step(**state)

    def near(mine, theirs):
        theirs = torch.as_tensor(theirs, dtype=torch.double).numpy()
        np.testing.assert_allclose(mine, theirs, rtol=1e-7, atol=1e-9)

    assert (step.round, step.stage) == divmod(state["position"], 6)
    near(step.parameters, before)
    near(step.z, [*z[0].tolist(), out.item()])
    near(step.h, h[0].detach())
    near(step.y_hat, out.sigmoid().item())
    near(step.losses, losses)
    assert step.loss == step.losses[-1]
    near(step.delta, [*z.grad[0].tolist(), out.grad.item()])
    near(step.dh, h.grad[0])
    near(step.gradient, gradient)
    near(step.updated, w.detach())
    near(step.updated_loss, loss_of(w)[0].item())


def test_the_first_state_is_the_cheat_sheets():
    step = BackpropStepper().step()
    assert np.round(step.z, 9).tolist() == [-0.18, 0.23, -0.019]
    assert round(step.y_hat, 3) == 0.495
    zero = [name for name, g in zip(NAMES, step.gradient) if g == 0]
    assert zero == ["w₁₁", "w₁₂", "b₁", "w₃₁"]
    assert repr(BackpropStepper()) == \
        "<BackpropStepper: A 2-2-1 network: forward, loss, backward, update>"


def test_divergence_is_no_error():
    step = backprop_step([100, 100], 0.5, [100.0] * 9, "identity", lr=10, position=179)
    assert not all(map(math.isfinite, step.updated)) or step.loss >= 0


@pytest.mark.parametrize(("change", "message"), [
    ({"x": [1.0]}, "x of 2 finite numbers"),
    ({"x": [1.0, math.nan]}, "x of 2 finite numbers"),
    ({"parameters": [0.0] * 8}, "9 parameters"),
    ({"y": 2.0}, r"targets in \[0, 1\]"),
    ({"activation": "gelu"}, "an activation of relu"),
    ({"kind": "hinge"}, "a loss of cross-entropy"),
    ({"lr": 0.0}, "lr above 0"),
    ({"position": -1}, "position of at least 0, received int -1"),
    ({"position": 1.0}, "position of at least 0, received float 1.0")])
def test_step_refuses(change, message):
    with pytest.raises(ValueError, match=f"expected {message}"):
        backprop_step(**{**BackpropStepper().settings(), **change})


@pytest.mark.parametrize(("name", "value", "message"), [
    ("x", [1], "expected x to be 2 finite numbers, received"),
    ("x", "ab", "expected x to be 2 finite numbers, received 'ab'"),
    ("parameters", [0.0] * 8, "expected parameters to be 9 finite numbers"),
    ("parameters", [math.inf] * 9, "expected parameters to be 9 finite numbers"),
    ("y", 1.5, r"expected y in \[0, 1\], received 1.5"),
    ("y", math.nan, r"expected y in \[0, 1\], received nan"),
    ("lr", 0.3, "expected lr to be one of 0.01, .*received 0.3"),
    ("activation", "gelu", "gelu"), ("kind", "hinge", "hinge"), ("position", 180, "position")])
def test_traits_refuse_and_keep_their_value(name, value, message):
    stepper = BackpropStepper()
    before = stepper.settings()
    with pytest.raises(traitlets.TraitError, match=message):
        setattr(stepper, name, value)
    assert stepper.settings() == before


def test_traits_take_arrays_and_first_is_kept():
    stepper = BackpropStepper(x=np.array([1, 2]), parameters=torch.zeros(9), lr=2)
    assert stepper.x == [1.0, 2.0] and stepper.parameters == [0.0] * 9
    stepper.lr, stepper.position = 5, 7
    assert stepper.first["lr"] == 2 and stepper.first["position"] == 0
    assert stepper.step().round == 1
