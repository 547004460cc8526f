"""Normalisation: each feature, or each sample, brought to mean 0 and variance 1."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from dlcheat.validation import expect, expect_float


def _expect_features(name: str, value: Tensor | None, features: int) -> None:
    if value is not None:
        expect_float(name, value)
        expect(value.shape == (features,), f"{name} of shape ({features},)", value)


def batch_norm(input: Tensor, running_mean: Tensor | None, running_var: Tensor | None,
               weight: Tensor | None = None, bias: Tensor | None = None,
               training: bool = False, momentum: float = 0.1,
               eps: float = 1e-5) -> Tensor:
    r"""Normalise each feature over the batch, then scale and shift it.

    .. math:: y = \gamma\,\frac{x - \mu}{\sqrt{\sigma^2 + \epsilon}} + \beta

    In training, μ and σ² are the batch's own (σ² divides by the count N), and gradients flow
    through both. The running statistics follow them,
    :math:`r \leftarrow (1 - m)\,r + m\,\hat r`, with the unbiased variance (divided by N − 1).
    In evaluation, μ and σ² are the running statistics: the answer for a sample no longer depends
    on its neighbours.

    Source: Ioffe and Szegedy, 2015.

    Args:
        input: Shape (N, C) or (N, C, d1, …); N includes the positions d1, … in the statistics.
        running_mean: Shape (C,), updated in place in training; None keeps none.
        running_var: Shape (C,), likewise.
        weight: γ, shape (C,); None is 1.
        bias: β, shape (C,); None is 0.
        training: Whether to use the batch's statistics.
        momentum: m, the weight of the newest batch.
        eps: ε, added to the variance.

    Returns:
        The input's shape.

    Raises:
        ValueError: If shapes or types do not match, a training batch has one value a feature, or
            evaluation lacks running statistics.

    >>> x = torch.tensor([[1.0], [3.0]])
    >>> batch_norm(x, None, None, training=True, eps=0.0)
    tensor([[-1.],
            [ 1.]])
    """
    expect_float("input", input)
    expect(input.ndim >= 2, "input of shape (N, C) or (N, C, d1, …)", input)
    features = input.shape[1]
    for name, value in (("running_mean", running_mean), ("running_var", running_var),
                        ("weight", weight), ("bias", bias)):
        _expect_features(name, value, features)
    column = (1, features, *[1] * (input.ndim - 2))
    if training:
        count = input.numel() // features
        expect(count > 1, "more than one value a feature in training", input)
        over = [d for d in range(input.ndim) if d != 1]
        mean, variance = input.mean(over), input.var(over, correction=0)     # (C,)
        with torch.no_grad():
            if running_mean is not None:
                running_mean.lerp_(mean.to(running_mean.dtype), momentum)
            if running_var is not None:
                unbiased = variance * count / (count - 1)
                running_var.lerp_(unbiased.to(running_var.dtype), momentum)
    else:
        expect(running_mean is not None and running_var is not None,
               "running_mean and running_var in evaluation",
               (running_mean, running_var))
        mean, variance = running_mean, running_var
    output = (input - mean.view(column)) * (variance + eps).rsqrt().view(column)
    if weight is not None:
        output = output * weight.view(column)
    return output if bias is None else output + bias.view(column)


def layer_norm(input: Tensor, normalized_shape: list[int] | tuple[int, ...],
               weight: Tensor | None = None, bias: Tensor | None = None,
               eps: float = 1e-5) -> Tensor:
    r"""Normalise each sample over its last dimensions, then scale and shift.

    .. math:: y = \gamma\,\frac{x - \mu}{\sqrt{\sigma^2 + \epsilon}} + \beta

    Here μ and σ² belong to one sample: nothing is shared over the batch, nothing has to be
    remembered, and training and evaluation are the same.

    Source: Ba, Kiros and Hinton, 2016.

    Args:
        input: Shape ``(…, *normalized_shape)``.
        normalized_shape: The last dimensions, those that are averaged over.
        weight: γ of shape ``normalized_shape``; None is 1.
        bias: β of shape ``normalized_shape``; None is 0.
        eps: ε, added to the variance.

    Returns:
        The input's shape.

    Raises:
        ValueError: If shapes or types do not match.

    >>> layer_norm(torch.tensor([[1.0, 3.0], [10.0, 30.0]]), [2], eps=0.0)
    tensor([[-1.,  1.],
            [-1.,  1.]])
    """
    expect_float("input", input)
    shape = tuple(normalized_shape)
    last = input.shape[max(0, input.ndim - len(shape)):]
    fits = len(shape) > 0 and last == shape
    expect(fits, f"input of shape (…, {', '.join(map(str, shape))})", input)
    for name, value in (("weight", weight), ("bias", bias)):
        if value is not None:
            expect_float(name, value)
            expect(value.shape == shape, f"{name} of shape {shape}", value)
    over = list(range(-len(shape), 0))
    centred = input - input.mean(over, keepdim=True)
    output = centred * (centred.square().mean(over, keepdim=True) + eps).rsqrt()
    if weight is not None:
        output = output * weight
    return output if bias is None else output + bias


class BatchNorm1d(nn.Module):
    """Batch normalisation of features, with its parameters and running statistics.

    See :func:`batch_norm` for the formula.

    Args:
        num_features: C.
        eps: ε, added to the variance.
        momentum: Weight of the newest batch in the running statistics.

    Attributes:
        weight: γ, shape (C,), 1 at the start.
        bias: β, shape (C,), 0 at the start.
        running_mean: Shape (C,), 0 at the start.
        running_var: Shape (C,), 1 at the start.

    Raises:
        ValueError: If ``num_features`` is not a positive integer.

    >>> layer = BatchNorm1d(3)
    >>> layer.load_state_dict(nn.BatchNorm1d(3).state_dict())
    <All keys matched successfully>
    """

    running_mean: Tensor
    running_var: Tensor
    num_batches_tracked: Tensor

    def __init__(self, num_features: int, eps: float = 1e-5, momentum: float = 0.1) -> None:
        super().__init__()
        whole = isinstance(num_features, int) and not isinstance(num_features, bool)
        expect(whole and num_features >= 1, "num_features to be an integer of at least 1",
               num_features)
        self.num_features, self.eps, self.momentum = num_features, eps, momentum
        self.weight = nn.Parameter(torch.ones(num_features))
        self.bias = nn.Parameter(torch.zeros(num_features))
        self.register_buffer("running_mean", torch.zeros(num_features))
        self.register_buffer("running_var", torch.ones(num_features))
        self.register_buffer("num_batches_tracked", torch.tensor(0))

    def forward(self, input: Tensor) -> Tensor:
        """Normalise (N, C) or (N, C, L); in training mode the running statistics follow."""
        expect(input.ndim in (2, 3) and input.shape[1] == self.num_features,
               f"input of shape (N, {self.num_features}) or (N, {self.num_features}, L)", input)
        if self.training:
            self.num_batches_tracked += 1
        return batch_norm(input, self.running_mean, self.running_var, self.weight, self.bias,
                          self.training, self.momentum, self.eps)

    def extra_repr(self) -> str:
        """Return what ``print`` shows between the brackets."""
        return f"{self.num_features}, eps={self.eps}, momentum={self.momentum}"


class LayerNorm(nn.Module):
    """Layer normalisation with its parameters; see :func:`layer_norm` for the formula.

    Args:
        normalized_shape: The last dimensions, or one number for the last alone.
        eps: ε, added to the variance.

    Attributes:
        weight: γ, shape ``normalized_shape``, 1 at the start.
        bias: β, shape ``normalized_shape``, 0 at the start.

    Raises:
        ValueError: If ``normalized_shape`` is not made of positive integers.

    >>> LayerNorm(3).load_state_dict(nn.LayerNorm(3).state_dict())
    <All keys matched successfully>
    """

    def __init__(self, normalized_shape: int | list[int] | tuple[int, ...],
                 eps: float = 1e-5) -> None:
        super().__init__()
        is_list = isinstance(normalized_shape, list | tuple)
        shape = tuple(normalized_shape) if is_list else (normalized_shape,)
        whole = all(isinstance(n, int) and not isinstance(n, bool) and n >= 1 for n in shape)
        expect(whole and len(shape) > 0, "normalized_shape of integers of at least 1",
               normalized_shape)
        self.normalized_shape, self.eps = shape, eps
        self.weight = nn.Parameter(torch.ones(shape))
        self.bias = nn.Parameter(torch.zeros(shape))

    def forward(self, input: Tensor) -> Tensor:
        """Normalise each sample of a tensor whose last dimensions are ``normalized_shape``."""
        return layer_norm(input, self.normalized_shape, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        """Return what ``print`` shows between the brackets."""
        return f"{self.normalized_shape}, eps={self.eps}"
