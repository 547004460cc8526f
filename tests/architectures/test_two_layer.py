"""The two-layer network in NumPy against torch autograd, and what it refuses."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

import tests.compare  # noqa: F401 - the fixed hypothesis profile
from dlcheat.architectures.two_layer import (
    ACTIVATIONS,
    CHEATSHEET,
    CHEATSHEET_X,
    LOSSES,
    Parameters,
    backward,
    flatten,
    forward,
    loss,
    sigmoid,
    unflatten,
    update,
)

TORCH = {"relu": torch.relu, "tanh": torch.tanh, "sigmoid": torch.sigmoid, "identity": lambda z: z}


def random_case(seed: int, n: int, inputs: int, hidden: int):
    rng = np.random.default_rng(seed)
    p = Parameters(rng.normal(size=(hidden, inputs)), rng.normal(size=hidden),
                   rng.normal(size=(1, hidden)), rng.normal(size=1))
    return p, 2 * rng.normal(size=(n, inputs)), rng.uniform(size=(n, 1)).round(rng.integers(0, 3))


@given(st.integers(0, 2**31), st.integers(1, 7), st.integers(1, 5), st.integers(1, 6),
       st.sampled_from(list(ACTIVATIONS)), st.sampled_from(LOSSES))
def test_value_and_gradient_equal_torch(seed, n, inputs, hidden, activation, kind):
    p, X, Y = random_case(seed, n, inputs, hidden)
    W1, b1, W2, b2 = (torch.tensor(w, requires_grad=True) for w in p)
    Z2 = F.linear(TORCH[activation](F.linear(torch.tensor(X), W1, b1)), W2, b2)
    target = torch.tensor(Y)
    expected = (F.mse_loss(Z2.sigmoid(), target) if kind == "squared error"
                else F.binary_cross_entropy_with_logits(Z2, target))
    expected.backward()
    run = forward(X, p, activation)
    np.testing.assert_allclose(run.Z2, Z2.detach(), rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(run.Y_hat, Z2.detach().sigmoid(), rtol=1e-12, atol=1e-300)
    np.testing.assert_allclose(loss(run, Y, kind), expected.item(), rtol=1e-12, atol=1e-14)
    for mine, theirs in zip(backward(X, Y, p, run, activation, kind), (W1, b1, W2, b2)):
        np.testing.assert_allclose(mine, theirs.grad, rtol=1e-11, atol=1e-13)


def test_the_cheat_sheets_numbers():
    run = forward(CHEATSHEET_X, CHEATSHEET)
    np.testing.assert_allclose(run.Z1, [[-0.18, 0.23]], atol=1e-15)
    np.testing.assert_allclose(run.H, [[0, 0.23]], atol=1e-15)
    np.testing.assert_allclose(run.Z2, [[-0.019]], atol=1e-15)
    assert round(run.Y_hat.item(), 3) == 0.495
    gradient = flatten(backward(CHEATSHEET_X, [[1.0]], CHEATSHEET, run))
    assert [i for i, g in enumerate(gradient) if g == 0] == [0, 1, 4, 6]


def test_many_updates_equal_torchs_sgd():
    p, X, Y = random_case(3, 8, 3, 4)
    theirs = [torch.tensor(w, requires_grad=True) for w in p]
    optimizer = torch.optim.SGD(theirs, lr=0.3)
    for _ in range(100):
        value = F.binary_cross_entropy_with_logits(
            F.linear(torch.tanh(F.linear(torch.tensor(X), *theirs[:2])), *theirs[2:]),
            torch.tensor(Y))
        optimizer.zero_grad()
        value.backward()
        optimizer.step()
        p = update(p, backward(X, Y, p, forward(X, p, "tanh"), "tanh"), 0.3)
    for mine, reference in zip(p, theirs):
        np.testing.assert_allclose(mine, reference.detach(), rtol=1e-10, atol=1e-12)


def test_far_from_zero_nothing_overflows():
    assert sigmoid(np.array([-1e4, 1e4])).tolist() == [0, 1]
    p = Parameters(np.array([[1e3]]), np.zeros(1), np.array([[1e3]]), np.zeros(1))
    run = forward([[1.0]], p)
    assert loss(run, [[1.0]]) == 0 and loss(run, [[0.0]]) == 1e6
    assert np.isfinite(flatten(backward([[1.0]], [[0.0]], p, run))).all()


def test_float32_stays_float32():
    p = Parameters(*(w.astype(np.float32) for w in CHEATSHEET))
    run = forward(CHEATSHEET_X.astype(np.float32), p)
    gradient = backward(CHEATSHEET_X.astype(np.float32), [[1.0]], p, run)
    assert {a.dtype for a in (*run, *gradient)} == {np.dtype(np.float32)}


@given(st.integers(1, 5), st.integers(1, 6))
def test_flatten_and_back(inputs, hidden):
    p, _, _ = random_case(0, 1, inputs, hidden)
    for a, b in zip(unflatten(flatten(p), inputs), p):
        assert np.array_equal(a, b)


@pytest.mark.parametrize(("call", "message"), [
    (lambda: forward([0.5, 0.8], CHEATSHEET), r"X of shape \(N, 2\), received .*\(2,\)"),
    (lambda: forward(np.zeros((0, 2)), CHEATSHEET), r"X of shape \(N, 2\), received .*\(0, 2\)"),
    (lambda: forward(CHEATSHEET_X, CHEATSHEET, "gelu"), "an activation of relu.*received str 'gelu'"),
    (lambda: forward(CHEATSHEET_X, CHEATSHEET._replace(b1=np.zeros(3))), r"b1 of shape \(2,\)"),
    (lambda: forward(CHEATSHEET_X, CHEATSHEET._replace(W2=np.zeros(2))), r"W2 of shape \(1, 2\)"),
    (lambda: forward(CHEATSHEET_X, CHEATSHEET._replace(W1=np.zeros(2))), r"W1 of shape \(H, I\)"),
    (lambda: loss(forward(CHEATSHEET_X, CHEATSHEET), [1.0]), r"Y of shape \(1, 1\)"),
    (lambda: loss(forward(CHEATSHEET_X, CHEATSHEET), [[2.0]]), r"targets in \[0, 1\]"),
    (lambda: loss(forward(CHEATSHEET_X, CHEATSHEET), [[1.0]], "hinge"), "a loss of cross-entropy"),
    (lambda: update(CHEATSHEET, CHEATSHEET, 0), "lr above 0, received int 0"),
    (lambda: update(CHEATSHEET, CHEATSHEET._replace(b2=np.zeros(2)), 1), r"a gradient of shape \(1,\)"),
    (lambda: unflatten(np.zeros(8)), r"a vector of H·\(2 \+ 2\) \+ 1 numbers, received .*\(8,\)"),
    (lambda: unflatten(np.zeros((3, 3))), "a vector of"),
])
def test_refuses(call, message):
    with pytest.raises(ValueError, match=f"expected {message}"):
        call()
