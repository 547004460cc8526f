"""Activation functions: what stands between two linear maps.

Each is one formula and works on any shape. Those that turn scores into
probabilities (``softmax``, ``log_softmax``) take the dimension to normalise;
the others act on each number alone.
"""

from __future__ import annotations

import torch
from torch import Tensor

from dlcheat.validation import expect, expect_float


def _expect_dim(input: Tensor, dim: int) -> None:
    is_dim = isinstance(dim, int) and -input.ndim <= dim < max(input.ndim, 1)
    expect(is_dim, f"dim to be a dimension of input, {-input.ndim} … {input.ndim - 1}", dim)


def relu(input: Tensor) -> Tensor:
    r"""Cut everything below zero.

    .. math:: \mathrm{relu}(x) = \max(0, x), \qquad
       \mathrm{relu}'(x) = 1 \text{ where } x > 0, \text{ else } 0

    Args:
        input: Floating-point tensor of any shape.

    Returns:
        The same shape. The gradient at exactly 0 is 0, as in torch.

    Raises:
        ValueError: If ``input`` is not a floating-point tensor, or is empty.

    Source: Nair and Hinton (2010), "Rectified linear units improve restricted
    Boltzmann machines".

    >>> relu(torch.tensor([-2.0, 0.0, 3.0]))
    tensor([0., 0., 3.])
    """
    expect_float("input", input)
    return torch.where(input <= 0, 0.0, input)


def sigmoid(input: Tensor) -> Tensor:
    r"""Squeeze a number into (0, 1): the probability whose log-odds it is.

    .. math:: \sigma(x) = \frac{1}{1 + e^{-x}} = \frac{e^{\min(x, 0)}}{1 + e^{-|x|}}, \qquad
       \sigma'(x) = \sigma(x)\,(1 - \sigma(x))

    In the second form no exponential is of a positive number, so that none can overflow.

    Args:
        input: Floating-point tensor of any shape: log-odds.

    Returns:
        The same shape: probabilities.

    Raises:
        ValueError: If ``input`` is not a floating-point tensor, or is empty.

    >>> sigmoid(torch.tensor([-1000.0, 0.0, 1000.0]))
    tensor([0.0000, 0.5000, 1.0000])
    """
    expect_float("input", input)
    # e^min(x, 0) / (1 + e^−|x|)
    return torch.minimum(input, input.new_zeros(())).exp() / (1 + (-input.abs()).exp())


def log_softmax(input: Tensor, dim: int) -> Tensor:
    r"""Return the logarithm of :func:`softmax`, without rounding small probabilities to 0.

    .. math:: \log\mathrm{softmax}(x)_i = (x_i - m) - \log \sum_j e^{x_j - m},
       \qquad m = \max_j x_j

    Subtracting m changes nothing in exact arithmetic; in floating point it keeps
    every exponential at or below 1.

    Args:
        input: Floating-point tensor of any shape: scores (logits).
        dim: The dimension over which the probabilities sum to 1.

    Returns:
        The same shape: log-probabilities, at most 0.

    Raises:
        ValueError: If ``input`` is not a floating-point tensor, is empty, or has
            no dimension ``dim``.

    >>> log_softmax(torch.tensor([1000.0, 0.0]), dim=0)
    tensor([    0., -1000.])
    """
    expect_float("input", input)
    _expect_dim(input, dim)
    # x − m, with m a constant: the result does not depend on it, nor does the gradient
    shifted = input - input.detach().amax(dim, keepdim=True)
    # (x_i − m) − log Σ_j e^(x_j − m)
    return shifted - shifted.exp().sum(dim, keepdim=True).log()


def softmax(input: Tensor, dim: int) -> Tensor:
    r"""Turn scores into probabilities that sum to 1.

    .. math:: \mathrm{softmax}(x)_i = \frac{e^{x_i - m}}{\sum_j e^{x_j - m}},
       \qquad m = \max_j x_j

    Args:
        input: Floating-point tensor of any shape: scores (logits).
        dim: The dimension over which the probabilities sum to 1.

    Returns:
        The same shape: probabilities.

    Raises:
        ValueError: If ``input`` is not a floating-point tensor, is empty, or has
            no dimension ``dim``.

    >>> softmax(torch.tensor([[0.0, 0.0], [1000.0, 0.0]]), dim=1)
    tensor([[0.5000, 0.5000],
            [1.0000, 0.0000]])
    """
    expect_float("input", input)
    _expect_dim(input, dim)
    e = (input - input.detach().amax(dim, keepdim=True)).exp()   # e^(x_i − m), in [0, 1]
    return e / e.sum(dim, keepdim=True)
