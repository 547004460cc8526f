"""The smallest network that deserves the name, in NumPy: two layers, forward and backward by hand."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dlcheat.validation import expect


class Parameters(NamedTuple):
    """Weights and biases, or anything that has one number for each of them, such as a gradient.

    Attributes:
        W1: Hidden layer's weights, shape (H, I): a row for each hidden unit.
        b1: Hidden layer's biases, shape (H,).
        W2: Output layer's weights, shape (1, H).
        b2: Output layer's bias, shape (1,).
    """

    W1: NDArray
    b1: NDArray
    W2: NDArray
    b2: NDArray


class Pass(NamedTuple):
    """What a forward pass computed and the backward pass needs.

    Attributes:
        Z1: Weighted sums of the hidden units, shape (N, H).
        H: Their activations, shape (N, H).
        Z2: Weighted sum of the output unit, shape (N, 1): the log-odds.
        Y_hat: Predictions, shape (N, 1), in (0, 1).
    """

    Z1: NDArray
    H: NDArray
    Z2: NDArray
    Y_hat: NDArray


#: The worked example of the cheat sheet's section 7.1: input and parameters.
CHEATSHEET_X = np.array([[0.5, 0.8]])
CHEATSHEET = Parameters(np.array([[0.4, -0.6], [0.7, 0.1]]), np.array([0.1, -0.2]),
                        np.array([[0.9, -0.3]]), np.array([0.05]))


def sigmoid(z: ArrayLike) -> NDArray:
    r"""Squeeze numbers into (0, 1), without an overflow on either side.

    .. math:: \sigma(z) = \frac{1}{1 + e^{-z}} = e^{-\log(e^0 + e^{-z})}

    >>> sigmoid(np.array([-1000.0, 0.0])).tolist()
    [0.0, 0.5]
    """
    return np.exp(-np.logaddexp(0, -np.asarray(z)))


#: Name → the activation f(z) and its derivative f′(z).
ACTIVATIONS: dict[str, tuple[Callable, Callable]] = {
    "relu": (lambda z: np.where(z > 0, z, 0), lambda z: (z > 0).astype(z.dtype)),
    "tanh": (np.tanh, lambda z: 1 - np.tanh(z) ** 2),
    "sigmoid": (sigmoid, lambda z: sigmoid(z) * (1 - sigmoid(z))),
    "identity": (lambda z: z, np.ones_like),
}
#: The losses that ``loss`` and ``backward`` know.
LOSSES = ("cross-entropy", "squared error")


def forward(X: ArrayLike, parameters: Parameters, activation: str = "relu") -> Pass:
    r"""Compute the predictions, layer by layer.

    .. math:: Z_1 = X W_1^\top + b_1, \quad H = f(Z_1), \quad
       Z_2 = H W_2^\top + b_2, \quad \hat{Y} = \sigma(Z_2)

    Args:
        X: Samples, shape (N, I).
        parameters: Weights and biases.
        activation: ``"relu"``, ``"tanh"``, ``"sigmoid"`` or ``"identity"``.

    Raises:
        ValueError: If the shapes do not fit or the activation is unknown.

    >>> run = forward(CHEATSHEET_X, CHEATSHEET)
    >>> run.Z1.round(4).tolist(), run.H.round(4).tolist()
    ([[-0.18, 0.23]], [[0.0, 0.23]])
    >>> run.Z2.round(4).tolist(), run.Y_hat.round(4).tolist()
    ([[-0.019]], [[0.4953]])
    """
    X, (W1, b1, W2, b2) = _samples(X, parameters)
    f, _ = _activation(activation)
    Z1 = X @ W1.T + b1                                           # (N, I) (I, H) → (N, H)
    H = f(Z1)                                                    # (N, H)
    Z2 = H @ W2.T + b2                                           # (N, H) (H, 1) → (N, 1)
    return Pass(Z1, H, Z2, sigmoid(Z2))


def loss(run: Pass, Y: ArrayLike, kind: str = "cross-entropy") -> float:
    r"""Compare predictions and targets: one number, the mean over the samples.

    .. math:: \mathcal{L} = -\frac1N \sum_n \left[ y_n \log \hat y_n
       + (1 - y_n) \log (1 - \hat y_n) \right]
       \quad\text{or}\quad \frac1N \sum_n (\hat y_n - y_n)^2

    The first is computed from the log-odds, as :math:`\log(1 + e^z) - y z`: exact where ŷ
    rounds to 0 or 1.

    Args:
        run: What ``forward`` returned for N samples.
        Y: Targets in [0, 1], shape (N, 1).
        kind: ``"cross-entropy"`` or ``"squared error"``.

    Raises:
        ValueError: If the shapes differ, a target is outside [0, 1] or the loss is unknown.

    >>> round(float(loss(forward(CHEATSHEET_X, CHEATSHEET), [[1.0]])), 4)
    0.7027
    """
    Y = _targets(Y, run)
    expect(kind in LOSSES, f"a loss of {', '.join(LOSSES)}", kind)
    if kind == "squared error":
        return np.mean((run.Y_hat - Y) ** 2)
    return np.mean(np.logaddexp(0, run.Z2) - Y * run.Z2)


def backward(X: ArrayLike, Y: ArrayLike, parameters: Parameters, run: Pass,
             activation: str = "relu", kind: str = "cross-entropy") -> Parameters:
    r"""Return the gradient of the loss: the chain rule, from the output to the input.

    .. math:: \Delta_2 = \frac{\partial \mathcal{L}}{\partial Z_2} = \tfrac1N (\hat Y - Y), \quad
       \Delta_1 = \frac{\partial \mathcal{L}}{\partial Z_1} = \Delta_2 W_2 \odot f'(Z_1), \quad
       \frac{\partial \mathcal{L}}{\partial W_1} = \Delta_1^\top X, \quad
       \frac{\partial \mathcal{L}}{\partial W_2} = \Delta_2^\top H

    The gradients of the biases are the sums of Δ₁ and Δ₂ over the samples. With the squared
    error, Δ₂ has the factors 2 and ŷ(1 − ŷ).

    Args:
        X: Samples, shape (N, I).
        Y: Targets, shape (N, 1).
        parameters: The parameters of the forward pass.
        run: What ``forward`` returned.
        activation: The activation of the forward pass.
        kind: The loss.

    Raises:
        ValueError: If the shapes do not fit, or a name is unknown.

    >>> run = forward(CHEATSHEET_X, CHEATSHEET)
    >>> gradient = backward(CHEATSHEET_X, [[1.0]], CHEATSHEET, run)
    >>> gradient.W1[1].round(4).tolist(), gradient.b2.round(4).tolist()
    ([0.0757, 0.1211], [-0.5047])
    """
    X, (_, _, W2, _) = _samples(X, parameters)
    Y = _targets(Y, run)
    _, slope = _activation(activation)
    expect(kind in LOSSES, f"a loss of {', '.join(LOSSES)}", kind)
    D2 = (run.Y_hat - Y) / len(Y)                                # ∂L/∂Z2, (N, 1)
    if kind == "squared error":
        D2 = 2 * D2 * run.Y_hat * (1 - run.Y_hat)
    D1 = D2 @ W2 * slope(run.Z1)                                 # ∂L/∂Z1, (N, 1) (1, H) → (N, H)
    return Parameters(D1.T @ X, D1.sum(0), D2.T @ run.H, D2.sum(0))


def update(parameters: Parameters, gradient: Parameters, lr: float) -> Parameters:
    r"""Take one step against the gradient.

    .. math:: \theta \leftarrow \theta - \eta\, \frac{\partial \mathcal{L}}{\partial \theta}

    Args:
        parameters: θ, not changed.
        gradient: Of the same shapes.
        lr: The learning rate η, above 0.

    Returns:
        The new parameters.

    Raises:
        ValueError: If the shapes differ or ``lr`` is not above 0.

    >>> update(CHEATSHEET, CHEATSHEET, lr=1.0).b1.tolist()
    [0.0, 0.0]
    """
    expect(lr > 0, "lr above 0", lr)
    for w, g in zip(parameters, gradient, strict=True):
        expect(w.shape == np.shape(g), f"a gradient of shape {w.shape}", np.asarray(g))
    return Parameters(*(w - lr * g for w, g in zip(parameters, gradient, strict=True)))


def flatten(parameters: Parameters) -> NDArray:
    """Return all parameters as one vector θ: W1 row by row, b1, W2, b2.

    >>> flatten(CHEATSHEET).tolist()
    [0.4, -0.6, 0.7, 0.1, 0.1, -0.2, 0.9, -0.3, 0.05]
    """
    return np.concatenate([np.ravel(p) for p in parameters])


def unflatten(theta: ArrayLike, inputs: int = 2) -> Parameters:
    """Return the parameters that a vector holds: the inverse of ``flatten``.

    Args:
        theta: H·(I + 2) + 1 numbers.
        inputs: I.

    Raises:
        ValueError: If that many numbers fill no such network.

    >>> unflatten(flatten(CHEATSHEET)).W2.tolist()
    [[0.9, -0.3]]
    """
    theta = np.asarray(theta)
    hidden, rest = divmod(len(theta) - 1, inputs + 2) if theta.ndim == 1 else (0, 0)
    expect(hidden > 0 and rest == 0, f"a vector of H·({inputs} + 2) + 1 numbers", theta)
    cuts = np.cumsum([hidden * inputs, hidden, hidden])
    W1, b1, W2, b2 = np.split(theta, cuts)
    return Parameters(W1.reshape(hidden, inputs), b1, W2[None], b2)


def _activation(name: str) -> tuple[Callable, Callable]:
    expect(name in ACTIVATIONS, f"an activation of {', '.join(ACTIVATIONS)}", name)
    return ACTIVATIONS[name]


def _samples(X: ArrayLike, parameters: Parameters) -> tuple[NDArray, Parameters]:
    """Return samples and parameters as floating-point arrays that fit each other."""
    W1, b1, W2, b2 = arrays = Parameters(*map(np.asarray, parameters))
    expect(W1.ndim == 2, "W1 of shape (H, I)", W1)
    hidden, inputs = W1.shape
    for name, value, shape in (("b1", b1, (hidden,)), ("W2", W2, (1, hidden)), ("b2", b2, (1,))):
        expect(value.shape == shape, f"{name} of shape {shape}", value)
    X = np.asarray(X)
    expect(X.ndim == 2 and X.shape[1] == inputs and len(X) > 0, f"X of shape (N, {inputs})", X)
    return X, arrays


def _targets(Y: ArrayLike, run: Pass) -> NDArray:
    Y = np.asarray(Y, dtype=run.Y_hat.dtype)
    expect(Y.shape == run.Y_hat.shape, f"Y of shape {run.Y_hat.shape}", Y)
    expect(bool(((Y >= 0) & (Y <= 1)).all()), "targets in [0, 1]", Y.tolist())
    return Y
