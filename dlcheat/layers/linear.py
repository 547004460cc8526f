"""The linear layer: a matrix and a shift."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from dlcheat.validation import expect, expect_float


def linear(input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    r"""Apply an affine map to the last dimension.

    .. math:: y = x W^\top + b, \qquad y_o = b_o + \sum_i W_{oi}\, x_i

    Args:
        input: Shape (…, I).
        weight: Shape (O, I): one row an output.
        bias: Shape (O,), or None.

    Returns:
        Shape (…, O).

    Raises:
        ValueError: If shapes or types do not match.

    >>> linear(torch.tensor([[1.0, 2.0]]), torch.tensor([[3.0, 4.0]]), torch.tensor([5.0]))
    tensor([[16.]])
    """
    expect_float("input", input)
    expect_float("weight", weight)
    expect(weight.ndim == 2, "weight of shape (O, I)", weight)
    outputs, inputs = weight.shape
    expect(input.ndim > 0 and input.shape[-1] == inputs and input.dtype == weight.dtype,
           f"input of shape (…, {inputs}) and type {weight.dtype}", input)
    output = input @ weight.T                                    # (…, I) (I, O) → (…, O)
    if bias is not None:
        expect_float("bias", bias)
        expect(bias.shape == (outputs,), f"bias of shape ({outputs},)", bias)
        output = output + bias
    return output


class Linear(nn.Module):
    r"""A linear layer with its parameters, started as torch starts them.

    .. math:: W, b \sim \mathcal{U}\left(-1/\sqrt{I},\; 1/\sqrt{I}\right)

    Args:
        in_features: I.
        out_features: O.
        bias: Whether there is a b.
        device: Where the parameters live.
        dtype: Their type.

    Attributes:
        weight: Shape (O, I).
        bias: Shape (O,), or None.

    Raises:
        ValueError: If a size is not a positive integer.

    >>> layer = Linear(3, 2)
    >>> layer.load_state_dict(nn.Linear(3, 2).state_dict())
    <All keys matched successfully>
    >>> layer(torch.zeros(5, 3)).shape
    torch.Size([5, 2])
    """

    def __init__(self, in_features: int, out_features: int, bias: bool = True,
                 device: torch.device | str | None = None,
                 dtype: torch.dtype | None = None) -> None:
        super().__init__()
        for name, size in (("in_features", in_features), ("out_features", out_features)):
            is_size = isinstance(size, int) and not isinstance(size, bool) and size >= 1
            expect(is_size, f"{name} to be an integer of at least 1", size)
        self.in_features, self.out_features = in_features, out_features
        factory = {"device": device, "dtype": dtype}
        self.weight = nn.Parameter(torch.empty(out_features, in_features, **factory))
        self.bias = nn.Parameter(torch.empty(out_features, **factory)) if bias else None
        self.reset_parameters()

    @torch.no_grad()
    def reset_parameters(self) -> None:
        """Draw the parameters anew."""
        bound = 1 / math.sqrt(self.in_features)
        for parameter in self.parameters():
            parameter.uniform_(-bound, bound)

    def forward(self, input: Tensor) -> Tensor:
        """Map (…, I) to (…, O)."""
        return linear(input, self.weight, self.bias)

    def extra_repr(self) -> str:
        """Return what ``print`` shows between the brackets."""
        return (f"in_features={self.in_features}, out_features={self.out_features}, "
                f"bias={self.bias is not None}")
