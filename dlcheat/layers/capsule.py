"""Capsules: squash, routing by agreement, and the two layers that use them.

Source: Sabour, Frosst and Hinton, *Dynamic Routing Between Capsules*, NeurIPS 2017.
"""

from __future__ import annotations

from typing import Literal, NamedTuple, overload

import torch
from torch import Tensor, nn

from dlcheat.validation import expect, expect_float


class RoutingStep(NamedTuple):
    """What one iteration of routing computed, in the order in which it did.

    Attributes:
        logits: b, shape (…, I, J): the evidence gathered so far that part i belongs to whole j.
        couplings: c = softmax of b over j, shape (…, I, J); each row sums to 1.
        sums: s, shape (…, J, D): the predictions, weighted by the couplings.
        outputs: v = squash(s), shape (…, J, D).
        agreements: a = û · v, shape (…, I, J); the next iteration's logits are b + a.
    """

    logits: Tensor
    couplings: Tensor
    sums: Tensor
    outputs: Tensor
    agreements: Tensor


def squash(input: Tensor, dim: int = -1) -> Tensor:
    r"""Shorten vectors to a length in [0, 1) and keep their direction.

    .. math:: v = \frac{\|s\|^2}{1 + \|s\|^2}\,\frac{s}{\|s\|} = \frac{\|s\|}{1 + \|s\|^2}\,s

    The second form has no division by zero: squash(0) = 0, and its gradient there is 0.

    Args:
        input: Vectors s along ``dim``, any shape.
        dim: The dimension that holds a vector's components.

    Returns:
        v, of the shape of ``input``.

    Raises:
        ValueError: If ``input`` is not a floating-point tensor with elements, or has no such dim.

    Source: Sabour et al. (2017), equation 1.

    >>> squash(torch.tensor([[3.0, 4.0], [0.0, 0.0]])).mul(1000).round().tolist()
    [[577.0, 769.0], [0.0, 0.0]]
    """
    expect_float("input", input)
    has_dim = -input.dim() <= dim < input.dim()
    expect(has_dim, f"dim of a tensor with {input.dim()} dimensions", dim)
    length = torch.linalg.vector_norm(input, dim=dim, keepdim=True)
    return input * (length / (1 + length.square()))


@overload
def dynamic_routing(predictions: Tensor, iterations: int = 3, *, detach: bool = False,
                    return_steps: Literal[False] = False) -> Tensor: ...


@overload
def dynamic_routing(predictions: Tensor, iterations: int = 3, *, detach: bool = False,
                    return_steps: Literal[True]) -> tuple[Tensor, list[RoutingStep]]: ...


def dynamic_routing(
        predictions: Tensor, iterations: int = 3, *, detach: bool = False,
        return_steps: bool = False) -> Tensor | tuple[Tensor, list[RoutingStep]]:
    r"""Let lower capsules choose their parents by agreement.

    From :math:`b_{ij} = 0`, in every iteration:

    .. math::
        c_{ij} = \frac{e^{b_{ij}}}{\sum_k e^{b_{ik}}}, \quad
        s_j = \sum_i c_{ij}\,\hat u_{j|i}, \quad
        v_j = \mathrm{squash}(s_j), \quad
        b_{ij} \leftarrow b_{ij} + \hat u_{j|i} \cdot v_j

    Args:
        predictions: û, shape (…, I, J, D): what each of I lower capsules predicts for each of
            J upper capsules, D numbers each.
        iterations: Passes of the loop, at least 1; the paper takes 3.
        detach: Take the last couplings for constants in the gradient, which then passes through
            one weighted sum in place of the whole loop; the values are the same.
        return_steps: Return the numbers of every iteration too.

    Returns:
        v of the last iteration, shape (…, J, D); with ``return_steps`` also one
        :class:`RoutingStep` for each iteration.

    Raises:
        ValueError: If ``predictions`` has another shape or dtype, or ``iterations`` is below 1.

    Source: Sabour et al. (2017), procedure 1.

    >>> agree = torch.tensor([[[1.0, 0.0], [1.0, 0.0]], [[1.0, 0.0], [-1.0, 0.0]]])
    >>> dynamic_routing(agree).norm(dim=-1).mul(1000).round().tolist()
    [693.0, 0.0]
    """
    expect_float("predictions", predictions)
    expect(predictions.dim() >= 3, "predictions of shape (…, I, J, D)", predictions)
    counts = isinstance(iterations, int) and iterations >= 1
    expect(counts, "at least 1 iteration", iterations)
    by_parent = predictions.transpose(-3, -2).contiguous()     # (…, J, I, D)
    votes = by_parent.detach() if detach else by_parent        # what the couplings read
    logits = predictions.new_zeros(by_parent.shape[:-1])       # (…, J, I)
    steps: list[RoutingStep] = []
    for step in range(iterations):
        sent = by_parent if step == iterations - 1 else votes
        couplings = logits.softmax(-2)                         # each part shares out 1
        sums = (couplings.unsqueeze(-2) @ sent).squeeze(-2)    # (…, J, D)
        outputs = squash(sums)
        if step == iterations - 1 and not return_steps:
            break                                              # nobody reads the last b
        agreements = (votes @ outputs.unsqueeze(-1)).squeeze(-1)   # (…, J, I)
        steps.append(RoutingStep(logits.mT, couplings.mT, sums, outputs, agreements.mT))
        logits = logits + agreements
    return (outputs, steps) if return_steps else outputs


class PrimaryCapsules(nn.Module):
    """Read a convolution's channels as capsules: the lowest layer of them.

    A convolution makes ``capsules * dimensions`` feature maps; at each position, every
    ``dimensions`` of them are one vector, squashed. Shape (N, C, H, W) becomes
    (N, capsules · H' · W', dimensions), H' and W' by the convolution's size formula.

    Args:
        in_channels: C.
        capsules: Capsule types; each is a grid of H' × W' capsules that share their weights.
        dimensions: Numbers in a capsule.
        kernel_size: Side of the kernel.
        stride: Step of the kernel.

    Raises:
        ValueError: If a size is below 1, or the input has another shape.

    Source: Sabour et al. (2017), section 4.

    >>> PrimaryCapsules(256)(torch.zeros(1, 256, 20, 20)).shape
    torch.Size([1, 1152, 8])
    """

    def __init__(self, in_channels: int, capsules: int = 32, dimensions: int = 8,
                 kernel_size: int = 9, stride: int = 2) -> None:
        super().__init__()
        for value in (in_channels, capsules, dimensions, kernel_size, stride):
            expect(isinstance(value, int) and value >= 1, "sizes of at least 1", value)
        self.capsules, self.dimensions = capsules, dimensions
        self.conv = nn.Conv2d(in_channels, capsules * dimensions, kernel_size, stride)

    def forward(self, input: Tensor) -> Tensor:
        """Return capsules u, shape (N, capsules · H' · W', dimensions), of input (N, C, H, W)."""
        expect_float("input", input)
        expected = f"input of shape (N, {self.conv.in_channels}, H, W)"
        fits = input.dim() == 4 and input.shape[1] == self.conv.in_channels
        expect(fits, expected, input)
        maps = self.conv(input)                                # (N, T·d, H', W')
        maps = maps.unflatten(1, (self.capsules, self.dimensions))
        return squash(maps.flatten(3).transpose(2, 3).flatten(1, 2))


class DigitCapsules(nn.Module):
    r"""Predict every upper capsule from every lower one, and route.

    .. math:: \hat u_{j|i} = W_{ij}\,u_i, \quad v = \mathrm{routing}(\hat u)

    Shape (N, I, d) becomes (N, J, D).

    Args:
        in_capsules: I, the lower capsules.
        in_dimensions: d, numbers in a lower capsule.
        out_capsules: J, one upper capsule a class.
        out_dimensions: D, numbers in an upper capsule.
        iterations: Passes of routing.
        detach: Take the couplings for constants in the gradient.

    Attributes:
        weight: W, shape (I, J, D, d): no bias.

    Raises:
        ValueError: If a size is below 1, or the input has another shape.

    Source: Sabour et al. (2017), sections 2 and 4.

    >>> DigitCapsules(1152)(torch.zeros(2, 1152, 8)).shape
    torch.Size([2, 10, 16])
    """

    def __init__(self, in_capsules: int, in_dimensions: int = 8, out_capsules: int = 10,
                 out_dimensions: int = 16, iterations: int = 3, detach: bool = False) -> None:
        super().__init__()
        sizes = (in_capsules, in_dimensions, out_capsules, out_dimensions, iterations)
        for value in sizes:
            expect(isinstance(value, int) and value >= 1, "sizes of at least 1", value)
        self.iterations, self.detach = iterations, detach
        self.weight = nn.Parameter(torch.randn(sizes[0], sizes[2], sizes[3], sizes[1]) * 0.1)

    def predictions(self, input: Tensor) -> Tensor:
        """Return û, shape (N, I, J, D), of lower capsules u, shape (N, I, d)."""
        expect_float("input", input)
        shape = (self.weight.shape[0], self.weight.shape[3])
        expect(input.dim() == 3 and tuple(input.shape[1:]) == shape,
               f"input of shape (N, {shape[0]}, {shape[1]})", input)
        flat = self.weight.flatten(1, 2).transpose(1, 2)       # (I, d, J·D)
        product = input.transpose(0, 1) @ flat                 # (I, N, J·D)
        return product.transpose(0, 1).unflatten(2, self.weight.shape[1:3])

    def forward(self, input: Tensor) -> Tensor:
        """Return the upper capsules v, shape (N, J, D), of lower ones u, shape (N, I, d)."""
        return dynamic_routing(self.predictions(input), self.iterations, detach=self.detach)
